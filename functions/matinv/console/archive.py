"""The results of a run as one archive, which comes into being while it is sent."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final
from urllib.parse import quote
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from matinv.client import Client
from matinv.client.fetching import checked_pieces
from matinv.client.results import check_hash, fetch_bytes, result_of
from matinv.errors import ErrorInfo, MatinvError
from matinv.jobs.record import Record
from matinv.jobs.record_document import plain
from matinv.jobs.result_hash import hash_of
from matinv.ports.parallel import as_they_end

MANIFEST: Final = "manifest.jsonl"  # no result's name: those end as matrices do

_AT_ONCE: Final = 100  # records that one call reads
_CHUNK_BYTES: Final = 2**20

# Smaller results are fetched side by side, eight of them wait at most: 32 MiB.
_SMALL_BYTES: Final = 4 * 2**20
_THREADS: Final = 4

# Neither these nor a dot or blank at the end of a folder can Windows have in a name, nor such a
# device. Job ids have neither "..", "//" nor control characters.
_UNSAFE: Final = re.compile(r'[<>:"\\|?*]|[. ]+(?=/|$)')
_DEVICE: Final = re.compile(r"(?i)(?<![^/])(?=(?:con|prn|aux|nul|com\d|lpt\d)(?:[./]|$))")


def attachment(name: str) -> dict[str, str]:
    r"""Return the header that makes an answer a file of that name, in any script.

    Examples
    --------
    >>> attachment("逆.npy")
    {'content-disposition': 'attachment; filename="_.npy"; filename*=UTF-8\'\'%E9%80%86.npy'}
    """
    plain_name = re.sub(r"[^ !#-\[\]-~]", "_", name)
    both = f"attachment; filename=\"{plain_name}\"; filename*=UTF-8''{quote(name, safe='')}"
    return {"content-disposition": both}


def path_of(record: Record) -> str:
    """Return the name of a job's result in an archive: its id, as any system can write it.

    Raises
    ------
    ClientError
        If it has no result.
    """
    safe = _DEVICE.sub("_", _UNSAFE.sub("_", record.job_id))
    if safe != record.job_id:  # else two jobs could have one name
        safe += f"~{hashlib.sha256(record.job_id.encode()).hexdigest()[:8]}"
    return f"{safe}.{result_of(record).format}"


def archive(client: Client, run: str) -> Iterator[bytes]:
    """Yield the bytes of an archive of all results of a run, and of its manifest.

    Neither the archive nor a large result is ever in memory. The manifest has a line for each job:
    its file, or why there is none.

    Raises
    ------
    Transient, NotVerified
        If the table does not answer, or a large result breaks off: the archive does so, too.
    """
    sink = _Sink()
    with ZipFile(sink, "w", ZIP_STORED) as zip_file, tempfile.TemporaryFile() as manifest:
        records = _records(client, run)
        for fetched in as_they_end(lambda one: _fetched(client, one), records, _THREADS):
            record, content, error = fetched.record, fetched.content, fetched.error
            line: dict[str, Any] = {"job_id": record.job_id, "status": record.status}
            if error:
                line["error"] = error.document()
            elif record.status.succeeded:
                line |= {"file": path_of(record), "sha256": result_of(record).sha256}
                large = checked_pieces(client.store, record)  # nothing is read before it is asked
                pieces = large if content is None else [content]
                with zip_file.open(_entry(record), "w") as file:
                    for piece in pieces:
                        file.write(piece)
                        yield sink.taken()
            manifest.write(json.dumps(plain(line), ensure_ascii=False).encode() + b"\n")
            yield sink.taken()
        manifest.seek(0)
        with zip_file.open(MANIFEST, "w") as file:
            while piece := manifest.read(_CHUNK_BYTES):
                file.write(piece)
                yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """The output of a `ZipFile`, kept until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, content: Any, /) -> int:
        self._pieces.append(bytes(content))
        return len(content)

    def taken(self) -> bytes:
        """Return the bytes written since the last call."""
        content = b"".join(self._pieces)
        self._pieces.clear()
        return content


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A job with its result's bytes, unless they are many, or why there are none."""

    record: Record
    content: bytes | None = None
    error: ErrorInfo | None = None


def _records(client: Client, run: str) -> Iterator[Record]:
    """Yield the records of a run's jobs, each once: one that goes on may be listed twice."""
    seen: set[str] = set()
    entries = client.table.run_entries(run)
    while job_ids := [entry.job_id for entry in islice(entries, _AT_ONCE)]:
        records = client.table.get([job_id for job_id in job_ids if job_id not in seen])
        seen |= records.keys()
        yield from records.values()


def _fetched(client: Client, record: Record) -> _Fetched:
    if not record.status.succeeded:
        return _Fetched(record, error=record.error)
    if result_of(record).size_bytes > _SMALL_BYTES:
        return _Fetched(record)
    try:
        content = fetch_bytes(client.store, record)
        check_hash(record, hash_of(result_of(record), [content]))
    except MatinvError as error:
        return _Fetched(record, error=error.info)
    return _Fetched(record, content)


def _entry(record: Record) -> ZipInfo:
    at = datetime.fromisoformat(record.updated_at)
    entry = ZipInfo(path_of(record), at.timetuple()[:6])
    entry.file_size = result_of(record).size_bytes  # so that 4 GiB and more get their form
    entry.external_attr = 0o644 << 16
    return entry
