"""A file that is too large for one PUT: its parts go to S3 by URLs that the API gives in pages."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any, Final

from matinv.backends.aws.calls import pages, pause, together
from matinv.backends.aws.s3_bodies import checksum, cut
from matinv.backends.http.api import Api
from matinv.errors import Code, MatinvError, Transient
from matinv.jobs.api_paths import UPLOADS
from matinv.jobs.request import Reference
from matinv.ports import Part
from matinv.ports.parallel import CLIENT_THREADS

_ATTEMPTS: Final = 4


def send_in_parts(
    api: Api,
    named: Mapping[str, str],
    parts: Sequence[Part],
    part_bytes: int,
    takes: Mapping[str, bool],
) -> Reference:
    """Send a file in parts; the object is there with the last request, whole, or not at all.

    Parameters
    ----------
    api : Api
        It gives URLs for as many parts as are on their way together.
    named : mapping
        The upload: job_id, format, upload_id.
    parts : sequence of bytes or memoryview
        The file, which is never copied.
    part_bytes : int
        Length of all parts of the upload but the last one.
    takes : mapping
        ``{"replace": True}``, if it takes over the job id.

    Raises
    ------
    Refused
        JOB_ID_CONFLICT, also if another upload of the same key was faster.
    Transient
        STORAGE, for a part that does not arrive.
    """

    def asked(path: str, fields: Mapping[str, Any]) -> Any:
        return json.loads(api.ask("POST", UPLOADS + path, json.dumps({**named, **fields})).content)

    def abort() -> None:
        with suppress(MatinvError):  # the bucket's own rule does it within a day
            asked("abort", {})

    def described(numbered: tuple[int, list[memoryview]]) -> dict[str, Any]:
        number, piece = numbered
        size_bytes = sum(len(view) for view in piece)
        sha256 = b64decode(checksum(piece)).hex()
        return {"number": number, "part_bytes": size_bytes, "sha256": sha256}

    def sent(one: tuple[list[memoryview], dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
        piece, part, place = one
        for attempt in range(1, _ATTEMPTS + 1):
            answer = "no answer"
            with suppress(Transient):
                reply = api.http.send_plain("PUT", place["url"], place["headers"], piece)
                if reply.status == 200:
                    etag = reply.headers["etag"]
                    return {"number": part["number"], "sha256": part["sha256"], "etag": etag}
                answer = f"status {reply.status}"
                if reply.status < 500:
                    break
            pause(attempt)
        message = f"part {part['number']} of the upload of {named['job_id']} has not arrived"
        raise Transient(Code.STORAGE, message, "send it again", observed=answer)

    done: list[dict[str, Any]] = []
    with ExitStack() as undo:
        undo.callback(abort)
        for page in pages([*enumerate(cut(parts, part_bytes), 1)], CLIENT_THREADS):
            coming = together(described, page, CLIENT_THREADS)
            urls = asked("parts", {"parts": coming})["urls"]
            pieces = [piece for _, piece in page]
            done += together(sent, zip(pieces, coming, urls, strict=True), CLIENT_THREADS)
        size_bytes = sum(memoryview(part).nbytes for part in parts)
        made = asked("complete", {"bytes": size_bytes, "parts": done, **takes})
        undo.pop_all()
    return Reference.at(made["source"], made.get("version_id"), made["etag"])
