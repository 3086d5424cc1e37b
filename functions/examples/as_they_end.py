"""Files of a folder, each result handled as soon as its job has ended."""

import sys
from collections.abc import Iterator
from pathlib import Path

from matinv import Client, JobFailed


def certified_digits(folder: Path, client: Client) -> Iterator[tuple[str, float | None]]:
    """Yield each file's job id and the digits of its inverse that are certain, None without one."""
    jobs = [client.submit(file) for file in sorted(folder.glob("*.npy"))]
    for job in client.as_completed(jobs):
        try:
            certificate = job.ended_record().certificate
        except JobFailed:
            certificate = None
        yield job.job_id, certificate.digits if certificate else None


if __name__ == "__main__":
    for job_id, digits in certified_digits(Path(sys.argv[1]), Client.connect()):
        print(job_id, "failed" if digits is None else f"{digits:.1f} digits")
