"""Files above what one PUT takes, in parts through the HTTP API; S3 is moto's server.

The limit is 5 MiB here, the least that S3 takes for a part, where it is 5 GiB.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from mmap import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from matinv import wiring
from matinv.backends.aws import calls
from matinv.backends.aws.s3 import S3Store
from matinv.backends.aws.s3_bodies import Pieces
from matinv.backends.http.sigv4 import Reply, Signed
from matinv.cli.app import cli
from matinv.client import Client
from matinv.errors import Refused, Transient
from matinv.http_api import submit
from matinv.http_api.entry import Services, respond
from matinv.jobs.lanes import standard
from matinv.local.api import server
from matinv.local.samples import npy_bytes
from matinv.settings import Settings
from matinv.telemetry import Context

LIMIT = 5 * 2**20
MATRIX = np.random.default_rng(5).standard_normal((1254, 1254)) + 80 * np.eye(1254)  # 12 MiB
FILE = npy_bytes(MATRIX)


@dataclass
class Api:
    """An API on moto; ``before`` is called with the path of each request."""

    s3: Any
    bucket: str
    services: Services
    url: str = ""
    before: Callable[[str], object] = lambda path: None
    paths: list[str] = field(default_factory=list)

    def invoke(self, event: Mapping[str, Any]) -> dict[str, Any]:
        self.paths.append(event["rawPath"])
        self.before(event["rawPath"])
        return respond(self.services, event, Context(60.0))

    def stands(self, key: str = "big.npy") -> bytes | None:
        """Return what stands at a key, after looking that no upload is left unfinished."""
        assert "Uploads" not in self.s3.list_multipart_uploads(Bucket=self.bucket)
        with suppress(self.s3.exceptions.NoSuchKey):
            found: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
            return found
        return None


@pytest.fixture
def api(  # noqa: PLR0917 - the parts of a stack
    at_moto: str,
    s3: Any,
    buckets: tuple[str, str],
    table_name: str,
    queue_urls: tuple[str, str, str],
    monkeypatch: pytest.MonkeyPatch,
    log: Any,
) -> Iterator[Api]:
    monkeypatch.setattr(submit, "LARGEST_PUT_BYTES", LIMIT)
    monkeypatch.setattr(calls, "_PAUSE_S", 0.001)
    settings = Settings(*buckets, table_name, standard(queue_urls[0]), queue_urls[1])
    store = S3Store(s3, *buckets, Pieces(LIMIT, LIMIT))
    client = Client(replace(wiring.backend(settings), store=store), settings)
    made = Api(s3, buckets[0], Services(wiring.app_from(settings), client))
    with server(0, made.invoke) as listening:
        made.url = f"http://127.0.0.1:{listening.server_port}"
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        listening.shutdown()
        thread.join()


def test_the_client_sends_a_large_file_in_parts_with_its_options(api: Api) -> None:
    client = Client.connect(api=api.url)
    client.submit(MATRIX, job_id="big", method="general", tags={"team": "fem"})
    assert api.stands() == FILE
    head = api.s3.head_object(Bucket=api.bucket, Key="big.npy")
    assert head["ETag"].strip('"').endswith("-3")
    kept = head["Metadata"]
    assert kept["matinv-tag-team"] == "fem"
    assert hashlib.sha256(FILE).hexdigest() in kept.values()
    assert api.paths[-2:] == ["/uploads/parts", "/uploads/complete"]


def test_the_command_sends_a_file_in_parts_from_where_it_lies(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lies = []
    send = Signed.send_plain

    def noted(self: Signed, method: str, url: str, headers: Any, parts: Any = ()) -> Reply:
        lies.extend(view.obj for view in parts)
        return send(self, method, url, headers, parts)

    monkeypatch.setattr(Signed, "send_plain", noted)
    path = tmp_path / "big.npy"
    path.write_bytes(FILE)
    done = CliRunner().invoke(cli, ["--api", api.url, "submit", str(path), "--job-id", "big"])
    assert (done.exit_code, done.stdout) == (0, "big\n"), done.output
    assert api.stands() == FILE
    assert len(lies) == 3
    assert all(isinstance(one, mmap) for one in lies)


def test_what_came_to_the_key_meanwhile_stays(api: Api) -> None:
    def overtake(path: str) -> None:
        if path == "/uploads/complete":
            api.s3.put_object(Bucket=api.bucket, Key="big.npy", Body=b"other")

    api.before = overtake
    with pytest.raises(Refused, match="JOB_ID_CONFLICT"):
        Client.connect(api=api.url).submit(MATRIX, job_id="big")
    assert api.stands() == b"other"


@pytest.mark.parametrize(("status", "tries"), [(503, 4), (403, 1)])
def test_a_part_that_does_not_arrive_ends_the_upload(
    api: Api, monkeypatch: pytest.MonkeyPatch, status: int, tries: int
) -> None:
    refused = []
    send = Signed.send_plain

    def second_fails(self: Signed, method: str, url: str, *rest: Any) -> Reply:
        if "partNumber=2" not in url:
            return send(self, method, url, *rest)
        refused.append(url)
        return Reply(status, {}, b"")

    monkeypatch.setattr(Signed, "send_plain", second_fails)
    with pytest.raises(Transient, match="part 2"):
        Client.connect(api=api.url).submit(MATRIX, job_id="big")
    assert (api.stands(), len(refused)) == (None, tries)
    assert api.paths[-1] == "/uploads/abort"


def test_a_part_that_is_refused_for_a_moment_is_sent_again(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = []
    send = Signed.send_plain

    def busy(self: Signed, method: str, url: str, *rest: Any) -> Reply:
        if url in refused:
            return send(self, method, url, *rest)
        refused.append(url)
        return Reply(503, {}, b"")

    monkeypatch.setattr(Signed, "send_plain", busy)
    Client.connect(api=api.url).submit(MATRIX, job_id="big")
    assert (api.stands(), len(refused)) == (FILE, 3)
