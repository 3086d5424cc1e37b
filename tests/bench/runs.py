"""Row 15: a run of files from end to end, by the commands: ``python -m bench.runs [--files N]``.

On the embedded stack, each step a process of its own with its imports, from bytecode as people have
it. The CPU seconds of commands, worker and embedded AWS say what bounds it: the last serves one
request at a time. The peer is a loop over
`matinv result`, which takes one id: its first results are timed, and the rest reckoned from these.
It is no part of `scripts/bench`: it takes minutes, most of them the embedded AWS's.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from bench.checks import check_inverse
from matinv.local.stack import Stack
from support.processes import matinv

_LOOPED: Final = 10  # results that the peer fetches
_SEED: Final = 15


def files(folder: Path, count: int) -> list[Path]:
    """Make covariance matrices of orders 50 to 200 in a folder, by subject and session."""
    rng = np.random.default_rng(_SEED)
    made = []
    for number in range(count):
        n = int(rng.integers(50, 201))
        samples = rng.standard_normal((2 * n, n))
        file = folder / f"subject{number % 40:02}" / f"session{number // 40 % 5}" / f"{number}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, samples.T @ samples / (2 * n))
        made.append(file)
    return made


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # proc(5): utime, stime


def timed(steps: Sequence[Sequence[str]], env: dict[str, str]) -> Iterator[float]:
    """Run commands one after the other; yield how long each took, seconds."""
    for step in steps:
        begin_s = time.monotonic()
        command = [sys.executable, "-m", "matinv.cli", *step]
        subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
        yield time.monotonic() - begin_s


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    count = parser.parse_args().files
    with tempfile.TemporaryDirectory() as temporary, Stack.start() as stack:
        folder, out = Path(temporary) / "study", Path(temporary) / "inverses"
        made = files(folder, count)
        env = {**os.environ, **stack.environment()}
        env.pop("PYTHONDONTWRITEBYTECODE", None)
        steps = [
            ["submit", str(folder)],
            ["wait", "--run", "study"],
            ["fetch", "--run", "study", "-o", str(out), "--verify", "--inputs", str(folder)],
            ["fetch", "--run", "study", "-o", str(out)],
        ]
        commands_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        with matinv("local", "worker", env=env, stderr=subprocess.DEVNULL) as worker:
            submit_s, wait_s, fetch_s, again_s = timed(steps, env)
            commands_s = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - commands_s
            worker_s, aws_s = cpu_s(worker.pid), cpu_s(stack.process.pid)
        for file in made:
            check_inverse(np.load(file), np.load(out / file.relative_to(folder)))
        ids = [file.relative_to(folder).with_suffix("").as_posix() for file in made[:_LOOPED]]
        loop = [["result", job_id, "-o", str(Path(temporary) / "x.npy")] for job_id in ids]
        loop_s = sum(timed(loop, env)) / len(loop) * count
    whole_s = submit_s + wait_s + fetch_s
    sys.stdout.write(
        f"{count:,} files of n = 50 to 200, embedded stack, {os.cpu_count()} cores\n"
        f"submit {submit_s:.1f} s, wait {wait_s:.1f} s, fetch verified {fetch_s:.1f} s, "
        f"whole run {whole_s:.1f} s (reach: below 60 s of 2,000)\n"
        f"CPU: commands {commands_s:.1f} s, worker {worker_s:.1f} s, embedded AWS {aws_s:.1f} s\n"
        f"a loop of matinv result: {loop_s:.0f} s; fetch is {loop_s / fetch_s:.0f} times faster "
        f"(reach: 30)\nfetch again, all there: {again_s:.1f} s\n"
    )


if __name__ == "__main__":
    main()
