"""Sources of matrices on a command line: files, directories, patterns, stdin."""

from __future__ import annotations

import glob
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import click

from matinv.client import Submission, prepare
from matinv.formats.codecs import ENDINGS, either
from matinv.jobs.ids import checked_id, job_id_of
from matinv.jobs.request import Options

STDIN: Final = "-"

Others = Counter[str] | None


@dataclass(frozen=True, slots=True)
class Source:
    """Something to submit.

    Parameters
    ----------
    name : str
        Its name in error messages.
    path : Path or None
        The file; None for stdin.
    job_id : str or None
        The id to give its job, unless it follows from name or content.
    content : bytes
        The bytes of stdin.
    """

    name: str
    path: Path | None
    job_id: str | None
    content: bytes = b""

    def prepare(self, options: Options) -> Submission:
        """Check it; raises as `matinv.client.preparation`."""
        return prepare(self.path or self.content, self.job_id, options)


def find(
    paths: Iterable[str], job_id: str | None = None, prefix: str = "", passed_over: Others = None
) -> list[Source]:
    """Return the sources that paths, directories, patterns and ``-`` name, each once.

    Ids that follow from names are put under `prefix`. Files of directories that hold no matrix, by
    their endings, are counted in `passed_over`.

    Raises
    ------
    UsageError
        If one of them stands for nothing, or `job_id` is given for several.
    FileNotFoundError
        If a file does not exist.
    Refused
        BAD_JOB_ID, for a prefix that no id can begin with.
    """
    found = list(dict.fromkeys(source for path in paths for source in _find(path, passed_over)))
    if job_id is not None:
        if len(found) > 1:
            message = f"--job-id is for a single matrix (found {len(found)})"
            raise click.UsageError(message)
        found = [replace(source, job_id=job_id) for source in found]
    if not prefix:
        return found
    above, below = checked_id(prefix.rstrip("/")), []
    for source in found:
        name = source.job_id or (source.path.name if source.path else None)
        if name is None:
            message = "--prefix needs a name: give a matrix on stdin a --job-id"
            raise click.UsageError(message)
        below.append(replace(source, job_id=job_id_of(f"{above}/{name}")))
    return below


def _find(text: str, passed_over: Others) -> Iterator[Source]:
    path = Path(text)
    if text == STDIN:
        yield Source("stdin", None, None, sys.stdin.buffer.read())
    elif path.is_dir():
        # What lies in a hidden folder, as .git has thousands, is not even named.
        seen = [
            file
            for file in sorted(path.rglob("*"))
            if file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(path).parts[:-1])
        ]
        files = [
            file
            for file in seen
            if file.name.lower().endswith(ENDINGS) and not file.name.startswith(".")
        ]
        if passed_over is not None:
            taken = {*files}
            passed_over.update(
                file.name if file.name.startswith(".") else file.suffix.lower() or file.name
                for file in seen
                if file not in taken
            )
        if not files:
            message = f"no {either(ENDINGS)} file in {text} or below"
            raise click.UsageError(message)
        for file in files:
            name = file.relative_to(path).as_posix()
            yield Source(str(file), file, job_id_of(name) if "/" in name else None)
    elif path.exists() or not glob.has_magic(text):
        yield Source(text, path, None)
    else:
        matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 - also absolute patterns
        if not matches:
            message = f"no file matches {text}"
            raise click.UsageError(message)
        yield from (Source(match, Path(match), None) for match in matches)
