"""Many results at once, into a folder: each file as its input was called, whole or not at all."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

from matinv.client.errors import ClientError, JobFailed, NotFinished
from matinv.client.files import replacing
from matinv.client.results import check_hash, converted, fetch_bytes, opened, result_of, verify
from matinv.errors import MatinvError
from matinv.formats.codecs import Format
from matinv.jobs.record import Record, ResultInfo
from matinv.jobs.result_hash import ResultHash, hash_of
from matinv.linalg.types import Matrix
from matinv.ports import ClientStore
from matinv.ports.parallel import CLIENT_THREADS, as_they_end

_CHUNK_BYTES: Final = 1 << 20
# Checking a result takes about six matrices of memory: of large ones, one at a time.
_HEAVY_BYTES: Final = 64 << 20
# These hit every file to come, and not this one alone.
_HOPELESS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})


@dataclass(frozen=True, slots=True)
class Fetched:
    """A job whose result was asked for.

    Parameters
    ----------
    record : Record
        The job's.
    path : Path or None
        The file that has its result.
    there : bool
        Whether the file was there already, with the right hash, and was left alone.
    error : MatinvError or None
        Why there is no such file.
    """

    record: Record
    path: Path | None = None
    there: bool = False
    error: MatinvError | None = None

    def document(self) -> dict[str, object]:
        """Return it as a document for programs."""
        document: dict[str, object] = {"job_id": self.record.job_id, "status": self.record.status}
        if self.error:
            return document | {"error": self.error.info.document()}
        return document | {"file": str(self.path), "fetched": not self.there}


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that results are written to.

    Parameters
    ----------
    store : ClientStore
        The store that holds the results.
    path : Path
        The folder. The result of job ``fem/7/a`` is its ``fem/7/a.npy``; nothing is ever written
        outside.
    format : Format or None
        The format to write; None for that in which a result is stored.
    check : bool
        Whether each result is held against its input (`matinv.client.results.verify`).
    matrix_of : callable
        Returns the input of a job, by its id, where the caller has it: None otherwise.
    """

    store: ClientStore
    path: Path
    format: Format | None = None
    check: bool = False
    matrix_of: Callable[[str], Matrix | None] = lambda job_id: None  # noqa: ARG005 - nobody has it
    _heavy: Lock = field(default_factory=Lock, repr=False)

    def fetch_all(self, records: Iterable[Record]) -> Iterator[Fetched]:
        """Fetch results side by side and yield each job as it is done.

        A file with the right hash is left alone, so that a run that was interrupted goes on where
        it was. One that another format is made of has no hash to go by, and is made again.

        Raises
        ------
        OSError
            If no more files can be written at all.
        """
        return as_they_end(self._fetch, records, CLIENT_THREADS)

    def _fetch(self, record: Record) -> Fetched:
        try:
            return self.fetch(record)
        except MatinvError as error:
            return Fetched(record, error=error)
        except OSError as error:
            if error.errno in _HOPELESS:
                raise
            problem = ClientError(
                f"the result of job {record.job_id} cannot be written: {error.strerror}",
                f"fetch it by itself: matinv result {record.job_id} -o FILE",
            )
            return Fetched(record, error=problem)

    def fetch(self, record: Record) -> Fetched:
        """Fetch the result of one job.

        Raises
        ------
        NotFinished, JobFailed
            If the job has no result.
        NotVerified
            If the bytes that came are not those of the record, or do not pass the check.
        ClientError
            If its file would lie outside of the folder.
        OSError
            If it cannot be written.
        """
        if not record.status.terminal:
            raise NotFinished(record.job_id, record.status)
        if record.status.failed:
            raise JobFailed(record)
        result = result_of(record)
        form = self.format or result.format
        path = self.place_of(record.job_id, form)
        there = form is result.format and _has(path, result)
        if self.check or form is not result.format:
            with self._heavy if result.size_bytes > _HEAVY_BYTES else nullcontext():
                content = path.read_bytes() if there else fetch_bytes(self.store, record)
                if self.check:
                    verify(self.store, record, content, self.matrix_of(record.job_id))
                else:
                    check_hash(record, hash_of(result_of(record), [content]))
                if not there:
                    with replacing(path) as file:
                        file.write(converted(content, record, form))
        elif not there:
            with replacing(path) as file:
                file.writelines(checked_pieces(self.store, record))
        return Fetched(record, path, there)

    def place_of(self, job_id: str, form: Format) -> Path:
        """Return the file of a job's result, and make the folders above it.

        Raises
        ------
        ClientError
            If it would lie outside of the folder: links in it may lead anywhere.
        """
        path = self.path / f"{job_id}.{form}"
        if not path.parent.resolve().is_relative_to(self.path.resolve()):
            raise ClientError(
                f"the result of job {job_id} has no place in {self.path}",
                f"fetch it by itself: matinv result {job_id} -o FILE",
                observed=str(path),
                limit="a file below that folder, without links out of it",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def _has(path: Path, result: ResultInfo) -> bool:
    """Whether a file is a result, to the last byte."""
    if not path.is_file() or path.stat().st_size != result.size_bytes:
        return False
    with path.open("rb") as file:
        return hash_of(result, iter(lambda: file.read(_CHUNK_BYTES), b"")) == result.sha256


def checked_pieces(store: ClientStore, record: Record) -> Iterator[bytes]:
    """Yield a result's bytes; after the last raise `NotVerified` if they are not the record's."""
    digest = ResultHash(result_of(record).part_bytes)
    with opened(store, result_of(record)) as blob:
        while piece := blob.read(_CHUNK_BYTES):
            digest.update(piece)
            yield piece
    check_hash(record, digest.hexdigest())
