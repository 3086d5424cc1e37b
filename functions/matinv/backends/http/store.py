"""`ClientStore` over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from matinv.backends.http.api import Api
from matinv.backends.http.upload_parts import send_in_parts
from matinv.errors import Code, Refused, Transient
from matinv.jobs.api_paths import path_of
from matinv.jobs.ids import job_id_of, names_of
from matinv.jobs.message import CONTENT, fields_of, options_of_metadata, replaces
from matinv.jobs.record_document import record_of
from matinv.jobs.request import Reference, reference_of
from matinv.ports import BytesBlob, Part


class RemoteStore:
    """`ClientStore`: uploads and results by the URLs that the API gives."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def upload(self, key: str, parts: Sequence[Part], metadata: Mapping[str, str]) -> Reference:
        """Ask for a URL and send the file there, or in parts, as the API says.

        Raises
        ------
        Refused
            JOB_ID_CONFLICT, also if another upload of the same key was faster.
        """
        job_id, _, form = key.rpartition(".")
        size_bytes = sum(memoryview(part).nbytes for part in parts)
        options = fields_of(options_of_metadata(metadata))
        file = {"format": form, "bytes": size_bytes, "sha256": metadata.get(CONTENT)}
        upload = {name: value for name, value in file.items() if value is not None}
        takes = {"replace": True} if replaces(metadata) else {}
        body = {"job_id": job_id, "upload": upload, **options, **takes}
        place = json.loads(self._api.ask("POST", "/jobs", json.dumps(body)).content)["upload"]
        if "upload_id" in place:
            named = {"job_id": job_id, "format": form, "upload_id": place["upload_id"]}
            return send_in_parts(self._api, named, parts, place["part_bytes"], takes)
        reply = self._api.http.send_plain(place["method"], place["url"], place["headers"], parts)
        if reply.status == 412:
            message = f"job id {job_id} already has an input"
            raise Refused(Code.JOB_ID_CONFLICT, message, "choose another job id")
        if reply.status != 200:
            message = f"the upload of {key} was answered with status {reply.status}"
            raise Transient(Code.STORAGE, message, "send it again")
        etag = reply.headers.get("etag", "").strip('"')
        return Reference.at(place["source"], reply.headers.get("x-amz-version-id"), etag)

    def find_input(self, key: str) -> Reference | None:
        """Return a file whose id does not tell its key; under others the API itself has looked."""
        if key in names_of(job_id_of(key)):
            return None
        reply = self._api.ask("GET", path_of(key), missing=(404,))
        if reply.status == 404:
            return None
        return reference_of(record_of(json.loads(reply.content)).input)

    def url(self, uri: str, version_id: str | None, expires_s: int) -> str:  # noqa: ARG002 - the API's choice
        """Return where a large result is, for 15 minutes."""
        reply = self._api.ask("GET", uri)
        if "location" not in reply.headers:
            message = "the API itself returns this result, so it has no URL"
            raise Refused(Code.FORBIDDEN_REF, message, "fetch it")
        return reply.headers["location"]

    @contextmanager
    def results(self, uri: str, version_id: str | None) -> Iterator[BytesBlob]:  # noqa: ARG002 - the API's
        """Fetch a result, in the format in which it is stored."""
        reply = self._api.ask("GET", uri)
        if "location" in reply.headers:
            reply = self._api.http.send_plain("GET", reply.headers["location"], {})
            if reply.status != 200:
                message = f"the result was answered with status {reply.status}"
                raise Transient(Code.STORAGE, message, "fetch it again")
        yield BytesBlob(reply.content)
