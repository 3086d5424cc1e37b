"""The ports over the HTTP API, for those who may call its URL and nothing else.

What the API does itself, the record of a job that was submitted, is not written again from here.
What it does not offer raises `Refused`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from io import BytesIO
from typing import Any, Final, NoReturn
from urllib.parse import urlencode

from matinv.aws.calls import pause, side_by_side
from matinv.aws.errors import HINTS, of_code
from matinv.aws.signed import Reply, Signed
from matinv.core.document import record_of
from matinv.core.errors import TRANSIENT, Code, MatinvError, Refused, Transient
from matinv.core.job import Delivery, Record, Reference, Status
from matinv.core.message import options_of_metadata
from matinv.core.paths import path_of
from matinv.ports import DeadLetter, Part, Place, Received, Stored, UploadUrl

_JSON: Final = {"content-type": "application/json"}
_ATTEMPTS: Final = 4
_TOO_MANY: Final = 429
_PAGE: Final = 100


class Api:
    """The API, whose problems are the service's own errors.

    Parameters
    ----------
    url : str
        Of the function, or of a stage of an API Gateway.
    """

    def __init__(self, url: str) -> None:
        self.http = Signed(url)

    def ask(
        self,
        method: str,
        path: str,
        body: str | None = None,
        missing: tuple[int, ...] = (),
    ) -> Reply:
        """Return the answer to a request; one with a status in `missing` is none of its errors.

        A caller who came too often waits and comes again.

        Raises
        ------
        MatinvError
            What a problem says.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            reply = self.http.send(method, path, body, _JSON if body is not None else {})
            if reply.status != _TOO_MANY or attempt == _ATTEMPTS:
                break
            pause(attempt + 4)  # about a second: what the API asks for
        if reply.status < 400 or reply.status in missing:
            return reply
        raise error_of(reply)


def error_of(reply: Reply) -> MatinvError:
    """Return the error in an answer; one that is not the API's own is told by its status."""
    try:
        problem = json.loads(reply.content)
    except ValueError:
        problem = {}
    fields = problem if isinstance(problem, dict) else {}
    found = fields.get("detail") or f"the API answered with status {reply.status}"
    known = fields.get("code") in set(Code)
    code = Code(fields["code"]) if known else of_code("", reply.status)
    if not known and 400 <= reply.status < 500 and reply.status not in {401, 403, _TOO_MANY}:
        code = Code.BAD_MESSAGE
    kind = Transient if code in TRANSIENT else Refused
    hint = fields.get("hint") or HINTS.get(code, "")
    return kind(code, found, hint, observed=fields.get("observed"), limit=fields.get("limit"))


def ports(url: str) -> tuple[RemoteStore, RemoteTable, RemoteQueue]:
    """Return the ports over the API at a URL."""
    api = Api(url)
    return RemoteStore(api), RemoteTable(api), RemoteQueue(api)


class RemoteTable:
    """`JobTable`: the records as the API shows them; a dropped file is QUEUED there already."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def get(self, job_ids: Sequence[str]) -> dict[str, Record]:
        """Return the records that exist, one request for each."""
        found = side_by_side(self._get, dict.fromkeys(job_ids))
        return {record.job_id: record for record in found if record}

    def _get(self, job_id: str) -> Record | None:
        reply = self._api.ask("GET", path_of(job_id), missing=(404,))
        return None if reply.status == 404 else _record(json.loads(reply.content))

    def put(self, records: Sequence[Record]) -> list[bool]:
        """Do nothing: the API has written them."""
        return [True] * len(records)

    def delete(self, job_id: str) -> None:
        """Refuse."""
        _refuse(f"removing job {job_id}")

    def list(self, status: Status, limit: int, before: Place | None = None) -> Iterator[Record]:
        """Yield records in `status`, the most recently updated first."""
        if before is not None:
            _refuse("a list from the middle")
        cursor: dict[str, str] = {}
        while limit > 0:
            query = {"status": str(status), "limit": str(min(limit, _PAGE)), **cursor}
            page = json.loads(self._api.ask("GET", f"/jobs?{urlencode(query)}").content)
            yield from map(_record, page["jobs"])
            limit -= len(page["jobs"])
            if "cursor" not in page:
                return
            cursor = {"cursor": page["cursor"]}


class RemoteStore:
    """`MatrixStore`: uploads and results by the URLs that the API gives."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @contextmanager
    def open(self, reference: Reference) -> Iterator[_Bytes]:
        """Refuse: the API shows no inputs."""
        _refuse(f"reading {reference.uri}", "pass the matrix itself: --input FILE")
        yield

    def put_result(
        self, key: str, parts: Sequence[Part], sha256: str, metadata: Mapping[str, str]
    ) -> Stored:
        """Refuse."""
        _refuse(f"writing {key}")

    def upload(self, key: str, parts: Sequence[Part], metadata: Mapping[str, str]) -> Reference:
        """Ask for a URL and send the file there.

        Raises
        ------
        Refused
            JOB_ID_CONFLICT, also if another upload of the same key was faster.
        """
        job_id, _, form = key.rpartition(".")
        size_bytes = sum(memoryview(part).nbytes for part in parts)
        options = {k: v for k, v in asdict(options_of_metadata(metadata)).items() if v}
        body = {"job_id": job_id, "upload": {"format": form, "bytes": size_bytes}, **options}
        place = json.loads(self._api.ask("POST", "/jobs", json.dumps(body)).content)["upload"]
        reply = self._api.http.send_plain(place["method"], place["url"], place["headers"], parts)
        if reply.status == 412:
            message = f"job id {job_id} has an input already"
            raise Refused(Code.JOB_ID_CONFLICT, message, "choose another job id")
        if reply.status != 200:
            message = f"the upload of {key} was answered with status {reply.status}"
            raise Transient(Code.STORAGE, message, "send it again")
        bucket, _, _ = place["source"].removeprefix("s3://").partition("/")
        etag = reply.headers.get("etag", "").strip('"')
        return Reference(bucket, key, reply.headers.get("x-amz-version-id"), etag)

    def upload_url(
        self, key: str, size_bytes: int, metadata: Mapping[str, str], expires_s: int
    ) -> UploadUrl:
        """Refuse: `upload` uses it up."""
        _refuse(f"a URL for {key}")

    def find_input(self, job_id: str) -> Reference | None:
        """Return nothing: what the API finds has a record."""
        return None

    def delete(self, uri: str, version_id: str | None = None) -> None:
        """Refuse."""
        _refuse(f"removing {uri}")

    def url(self, uri: str, version_id: str | None, expires_s: int) -> str:
        """Return where a large result is, for 15 minutes."""
        reply = self._api.ask("GET", uri)
        if "location" not in reply.headers:
            _refuse("a URL of a result that the API itself gives out", "fetch it")
        return reply.headers["location"]

    @contextmanager
    def results(self, uri: str, version_id: str | None) -> Iterator[_Bytes]:
        """Fetch a result, in the format in which it is stored."""
        reply = self._api.ask("GET", uri)
        if "location" in reply.headers:
            reply = self._api.http.send_plain("GET", reply.headers["location"], {})
            if reply.status != 200:
                message = f"the result was answered with status {reply.status}"
                raise Transient(Code.STORAGE, message, "fetch it again")
        yield _Bytes(reply.content)


class RemoteQueue:
    """`JobQueue`: sending, and redriving by job id."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def send(self, body: str) -> None:
        """Submit a message."""
        self._api.ask("POST", "/jobs", body)

    def redrive(self, job_id: str, changes: Mapping[str, Any]) -> Sequence[str]:
        """Send a dead job back to work; return the ids of all jobs of its letters, if any.

        Raises
        ------
        MatinvError
            Why that cannot be done.
        """
        path = f"{path_of(job_id)}/redrive"
        reply = self._api.ask("POST", path, json.dumps(dict(changes)), missing=(404,))
        ids: list[str] = [] if reply.status == 404 else json.loads(reply.content)["job_ids"]
        return ids

    def check(self) -> None:
        """Ask for the API's health."""
        self._api.ask("GET", "/health")

    def bury(self, letters: Sequence[DeadLetter]) -> list[bool]:
        """Bury none."""
        return [False] * len(letters)

    def forward(self, deliveries: Sequence[Delivery]) -> list[bool]:
        """Forward none."""
        return [False] * len(deliveries)

    def delay(self, deliveries: Sequence[Delivery], seconds: Sequence[int]) -> None:
        """Do nothing."""

    def has_large_lane(self) -> bool:
        """Return False: nobody here forwards."""
        return False

    def max_receive_count(self) -> int:
        """Refuse."""
        _refuse("the queue's redrive policy")

    def receive_dead(self, limit: int, visibility_s: int) -> Sequence[Received]:
        """Refuse."""
        _refuse("looking into the dead letters", "matinv dlq redrive --job-id ID works")

    def delete_dead(self, messages: Sequence[Received]) -> None:
        """Refuse."""
        _refuse("removing dead letters")

    def release_dead(self, messages: Sequence[Received]) -> None:
        """Do nothing: none was taken."""


class _Bytes:
    """A result that was fetched whole."""

    def __init__(self, content: bytes) -> None:
        self._stream = BytesIO(content)
        self.size_bytes = len(content)
        self.etag = ""
        self.version_id: str | None = None
        self.metadata: Mapping[str, str] = {}

    def read(self, size: int, /) -> bytes:
        return self._stream.read(size)

    def readinto(self, buffer: memoryview, /) -> int:
        return self._stream.readinto(buffer)


def _record(document: Mapping[str, Any]) -> Record:
    """Return a record whose result, wherever it is kept, is fetched from the API."""
    record = record_of(document)
    if record.result is None:
        return record
    place = f"{path_of(record.job_id)}/result"
    return replace(record, result=replace(record.result, uri=place, version_id=None))


def _refuse(what: str, hint: str = "use the stack itself: --stack, or MATINV_*") -> NoReturn:
    raise Refused(Code.FORBIDDEN_REF, f"the HTTP API does not offer this: {what}", hint)
