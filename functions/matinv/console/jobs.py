"""One job: its record in words, its pictures, its result; and how new ones come in."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from matinv.client import Client, Job
from matinv.client.results import converted, fetch, fetch_bytes, opened, read_input, result_of
from matinv.console.archive import attachment
from matinv.console.errors import Answer, Bad
from matinv.console.explain import explained, summary
from matinv.console.heat_map import heat_of
from matinv.console.live import Live
from matinv.console.snippets import command_line, python
from matinv.formats.codecs import MEDIA_TYPES, Format
from matinv.jobs.ids import job_id_of
from matinv.jobs.record import Record
from matinv.jobs.record_document import noted_document, plain
from matinv.jobs.request import MESSAGE_SOURCE
from matinv.operations.throughput import lane_of

_CHUNK_BYTES: Final = 2**20

# Matrices up to this size are read to be drawn: n = 8192 in float64. It takes as much memory.
_DRAWN_BYTES: Final = 512 * 2**20


def shown(client: Client, job_id: str) -> dict[str, Any]:
    """Return all that the page shows of a job.

    Raises
    ------
    NotFound, Transient
        If nothing is known of it, or the table cannot be read.
    """
    record = client.job(job_id).record()
    found: dict[str, Any] = plain(
        {
            "record": noted_document(record),
            "verdict": summary(record.certificate) if record.certificate else None,
            "explained": explained(record),
            "lane": lane_of(record, client.settings.lane).name,
            "kept": record.input.source != MESSAGE_SOURCE,
            "command": command_line(record),
            "python": python(record, client.settings),
        }
    )
    return found


def picture(client: Client, job_id: str, which: str, slice_: int) -> dict[str, Any]:
    """Return the heat map of a job's matrix (``a``) or inverse (``x``).

    Raises
    ------
    Bad
        If the matrix is too large to be read for a picture, or has no such slice.
    NotFound, NotFinished, JobFailed, NotVerified, Refused, Transient
        If there is nothing to read.
    """
    job = client.job(job_id)
    record = job.record() if which == "a" else job.ended_record()
    size_bytes = record.input.size_bytes if which == "a" else result_of(record).size_bytes
    if (size_bytes or 0) > _DRAWN_BYTES:
        fetch_input = f"fetch it: aws s3 cp {record.input.source} ."
        hint = fetch_input if which == "a" else "download it instead"
        raise Bad("TOO_LARGE", "the matrix is too large to be drawn here", hint)
    matrix = read_input(client.store, record) if which == "a" else fetch(client.store, record)
    if not 0 <= slice_ < (len(matrix) if matrix.ndim == 3 else 1):
        raise Bad("BAD_REQUEST", f"there is no slice {slice_}", "choose one of the stack")
    return asdict(heat_of(matrix, slice_))


def download(client: Client, job_id: str, form: Format) -> Response:
    """Return the inverse as a file; as it is stored, it goes through in pieces.

    Raises
    ------
    NotFound, NotFinished, JobFailed, Refused, Transient
        If there is none to be had.
    """
    record = client.job(job_id).ended_record()
    name = f"{job_id.replace('/', '-')}.inverse.{form}"
    headers = attachment(name)
    if form is result_of(record).format:
        headers["content-length"] = str(result_of(record).size_bytes)
        return StreamingResponse(
            _pieces(client, record), headers=headers, media_type=MEDIA_TYPES[form]
        )
    content = converted(fetch_bytes(client.store, record), record, form)
    return Response(content, headers=headers, media_type=MEDIA_TYPES[form])


def _pieces(client: Client, record: Record) -> Iterator[bytes]:
    with opened(client.store, result_of(record)) as blob:
        while piece := blob.read(_CHUNK_BYTES):
            yield piece


async def submitted(client: Client, live: Live, request: Request, limit_bytes: int) -> Answer:
    """Take a matrix that the page sends as a file's content, and submit it.

    The query has the file's ``name``, perhaps ``job_id`` and ``method``, and ``tag`` repeatedly.

    Raises
    ------
    Bad
        If it is larger than the console takes.
    Refused, Transient, ClientError
        Errors of `Client.submit`.
    """
    name = request.query_params.get("name", "pasted.json")
    suffix = Path(name).suffix.lower() or ".json"
    with tempfile.TemporaryDirectory(prefix="matinv-console-") as folder:
        file = Path(folder, f"matrix{suffix}")
        size_bytes = 0
        with file.open("wb") as target:
            async for piece in request.stream():
                size_bytes += len(piece)
                if size_bytes > limit_bytes:
                    raise Bad(
                        "TOO_LARGE",
                        f"the file is larger than {limit_bytes // 2**20} MiB",
                        "start the console with a larger --max-upload-mb, or use `matinv submit`",
                    )
                await run_in_threadpool(target.write, piece)
        job = await run_in_threadpool(_submit, client, file, name, request)
    live.board.expect(job)
    live.wake()
    return {"job_id": job.job_id, "ended": job.had_ended}


def _submit(client: Client, file: Path, name: str, request: Request) -> Job:
    query = request.query_params
    pasted = "name" not in query
    job_id = query.get("job_id") or (None if pasted else job_id_of(Path(name).name))
    tags = {}
    for text in query.getlist("tag"):
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise Bad("BAD_REQUEST", f"{text!r} is no tag", "write key=value")
        tags[key] = value
    return client.submit(
        file.read_bytes() if pasted else file,
        job_id=job_id,
        tags=tags,
        method=query.get("method") or None,
    )
