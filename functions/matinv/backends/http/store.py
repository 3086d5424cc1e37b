"""`MatrixStore` over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from io import BytesIO

from matinv.backends.http.api import Api, refuse
from matinv.errors import Code, Refused, Transient
from matinv.jobs.api_paths import path_of
from matinv.jobs.ids import job_id_of, names_of
from matinv.jobs.message import options_of_metadata
from matinv.jobs.record_document import record_of
from matinv.jobs.request import Reference, reference_of
from matinv.ports import Part, Stored, UploadUrl


class RemoteStore:
    """`MatrixStore`: uploads and results by the URLs that the API gives."""

    def __init__(self, api: Api) -> None:
        self._api = api

    @contextmanager
    def open(self, reference: Reference) -> Iterator[_Bytes]:
        """Refuse: the API shows no inputs."""
        refuse(f"reading {reference.uri}", "pass the matrix itself: --input FILE")
        yield

    def put_result(
        self, key: str, parts: Sequence[Part], sha256: str, metadata: Mapping[str, str]
    ) -> Stored:
        """Refuse."""
        refuse(f"writing {key}")

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
        refuse(f"a URL for {key}")

    def find_input(self, key: str) -> Reference | None:
        """Return a file whose id does not tell its key; under others the API itself has looked."""
        if key in names_of(job_id_of(key)):
            return None
        reply = self._api.ask("GET", path_of(key), missing=(404,))
        if reply.status == 404:
            return None
        return reference_of(record_of(json.loads(reply.content)).input)

    def delete(self, uri: str, version_id: str | None = None) -> None:
        """Refuse."""
        refuse(f"removing {uri}")

    def url(self, uri: str, version_id: str | None, expires_s: int) -> str:
        """Return where a large result is, for 15 minutes."""
        reply = self._api.ask("GET", uri)
        if "location" not in reply.headers:
            refuse("a URL of a result that the API itself gives out", "fetch it")
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
