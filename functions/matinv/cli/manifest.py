"""The manifest of a run: a line for each file that was submitted, as JSON Lines or CSV."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from io import StringIO
from pathlib import Path
from typing import Final

import click

from matinv.cli.files import place
from matinv.cli.run_view import counted, many
from matinv.client import Job
from matinv.errors import ErrorInfo
from matinv.jobs.record import Record, Status

CSV: Final = ".csv"
REFUSED: Final = "REFUSED"
"""The status of a bad file, which was not sent."""

NOT_SENT: Final = "NOT_SENT"
"""The status of a good file that was not sent, as others are bad."""

ENDED: Final = "ENDED"
"""The status of a file whose job had succeeded before, if nobody asked how."""


@dataclass(frozen=True, slots=True)
class ManifestLine:
    """A file's line in a manifest: its job and its outcome.

    Parameters
    ----------
    file : str
        Its path, as it was found.
    job_id : str
        Its job; empty if no id could be made.
    sha256 : str
        Of its bytes.
    status : str
        The job's, as far as it is known, or `REFUSED`, `NOT_SENT` or `ENDED`.
    error_code, error_message : str
        Why it was refused, or failed.
    uri : str
        The address of its result; empty if it is in the record, or if there is none.
    digits : float or None
        How many digits of the result are certain.
    """

    file: str
    job_id: str = ""
    sha256: str = ""
    status: str = ""
    error_code: str = ""
    error_message: str = ""
    uri: str = ""
    digits: float | None = None

    def of_error(self, error: ErrorInfo) -> ManifestLine:
        """Return the line of a file that was not sent."""
        return replace(
            self, status=REFUSED, error_code=str(error.code), error_message=error.message
        )

    def of_record(self, record: Record) -> ManifestLine:
        """Return the line as its job stands."""
        error, result, certificate = record.error, record.result, record.certificate
        return replace(
            self,
            status=str(record.status),
            error_code=str(error.code) if error else "",
            error_message=error.message if error else "",
            uri=(result.uri or "") if result else "",
            digits=certificate.digits if certificate else None,
        )


@dataclass(slots=True)
class Ledger:
    """The manifest's lines so far, one for each file.

    Parameters
    ----------
    lines : dict
        By the file's name.
    before : set of str
        Job ids of those that had ended before they were sent.
    elsewhere : Counter
        Files whose jobs belong to another run, and stay there, by the run's name.
    """

    lines: dict[str, ManifestLine]
    before: set[str] = field(default_factory=set)
    elsewhere: Counter[str] = field(default_factory=Counter)

    def refuse(self, name: str, error: ErrorInfo) -> None:
        """Note why a file was not sent."""
        self.lines[name] = self.lines[name].of_error(error)

    def fine(self, name: str, job_id: str) -> None:
        """Note that a file may be sent, and under which id."""
        self.lines[name] = replace(self.lines[name], job_id=job_id, status=NOT_SENT)

    def sent(self, name: str, job: Job) -> None:
        """Note that a file was sent, or its question answered before."""
        status = ENDED if job.had_ended else str(Status.QUEUED)
        self.lines[name] = replace(self.lines[name], job_id=job.job_id, status=status)
        if job.had_ended:
            self.before.add(job.job_id)

    def done(self, name: str, record: Record) -> None:
        """Note that a file's job has succeeded before."""
        self.lines[name] = replace(self.lines[name], job_id=record.job_id).of_record(record)
        self.before.add(record.job_id)

    def update(self, records: Mapping[str, Record]) -> None:
        """Note how jobs stand now."""
        for name, line in self.lines.items():
            if line.job_id in records:
                self.lines[name] = line.of_record(records[line.job_id])

    def sentence(self, passed_over: Mapping[str, int]) -> str:
        """Say how many files were sent, and which were not."""
        kept = Counter(line.status for line in self.lines.values() if line.status)
        refused, idle = kept[REFUSED], kept[NOT_SENT]
        counts = {
            "sent": kept.total() - refused - idle - len(self.before),
            "done before": len(self.before),
            "refused": refused,
        }
        said = f"{many(len(self.lines), 'file')}: {counted(counts)}"
        return f"{said}; passed over: {counted(passed_over)}" if passed_over else said

    def of_other_runs(self, run: str) -> Iterator[str]:
        """Yield sentences on files whose jobs do not belong to a run, as others had them first."""
        for other, count in self.elsewhere.items():
            whose = f"to run {other}" if other else "to no run"
            how = f"matinv fetch --run {other}" if other else "matinv fetch ID..."
            own = f", or submit them with --prefix {run}, as jobs of their own" if run else ""
            verb = "belongs" if count == 1 else "belong"
            yield f"{count:,} of them {verb} {whose}, and will: {how}{own}"

    def outcomes(self) -> str:
        """Say how the jobs ended."""
        return counted(Counter(line.status.lower() for line in self.lines.values() if line.status))

    def hashed(self) -> Iterator[ManifestLine]:
        """Yield all lines with the hashes of their files, as far as these can be read."""
        for name, line in self.lines.items():
            try:
                with Path(name).open("rb") as file:
                    digest = hashlib.file_digest(file, "sha256").hexdigest()
            except OSError:
                digest = ""
            yield replace(line, sha256=digest)


def write_manifest(lines: Iterable[ManifestLine], file: Path) -> None:
    """Write a manifest: CSV if the file's name ends so, else JSON Lines."""
    text = StringIO(newline="")
    if file.name.lower().endswith(CSV):
        writer = csv.DictWriter(text, [column.name for column in fields(ManifestLine)])
        writer.writeheader()
        writer.writerows(asdict(line) for line in lines)
    else:
        for line in lines:
            known = {name: value for name, value in asdict(line).items() if value not in {"", None}}
            text.write(json.dumps(known, ensure_ascii=False) + "\n")
    place(text.getvalue().encode("utf-8", "surrogateescape"), file)


def read_manifest(file: Path) -> Iterator[ManifestLine]:
    """Yield the lines of a manifest.

    Raises
    ------
    UsageError
        For what is none.
    """
    try:
        text = file.read_bytes().decode("utf-8", "surrogateescape")
        rows = (
            csv.DictReader(StringIO(text, newline=""))
            if file.name.lower().endswith(CSV)
            else map(json.loads, text.splitlines())
        )
        for row in rows:
            yield ManifestLine(row["file"], row.get("job_id", ""), status=row.get("status", ""))
    except (ValueError, TypeError, KeyError, csv.Error):
        message = f"{file} is not a manifest (allowed: what matinv submit --manifest writes)"
        raise click.UsageError(message) from None
