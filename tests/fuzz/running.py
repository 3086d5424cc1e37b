"""Runs of libFuzzer, each in a process of its own, and the corpus that they start from."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
CORPUS: Final = _HERE / "corpus"

_OPTIONS: Final = (
    f"-dict={_HERE / 'words.dict'}",
    "-max_len=4096",  # more than any one decision needs: pieces of text are 1 and 30 bytes
    "-timeout=10",  # seconds for one input: it hangs
    "-rss_limit_mb=1024",
    "-print_final_stats=1",
)


@dataclass(frozen=True, slots=True)
class Fuzzed:
    """What libFuzzer says of its executions.

    Parameters
    ----------
    executions, features, new_inputs : int
        Inputs that were tried, features of coverage that the corpus has, inputs that it gained.
    finding : Path or None
        The input that ended them early.
    log : str
        Everything that was printed.
    """

    executions: int
    features: int
    new_inputs: int
    finding: Path | None
    log: str


def fuzz(name: str, seconds: int, work: Path) -> Fuzzed:
    """Run a target from its corpus; what is new goes to `work`, and so does what breaks it."""
    grown, finding = work / name, work / f"{name}.broken"
    grown.mkdir(parents=True, exist_ok=True)
    found_before = len(list(grown.iterdir()))
    options = (f"-max_total_time={seconds}", f"-exact_artifact_path={finding}", *_OPTIONS)
    done = _engine(name, grown, CORPUS / name, *options)
    log = done.stdout + done.stderr
    executions = re.search(r"number_of_executed_units: *(\d+)", log)
    return Fuzzed(
        executions=int(executions[1]) if executions else 0,
        features=max(map(int, re.findall(r" ft: (\d+)", log)), default=0),
        new_inputs=len(list(grown.iterdir())) - found_before,
        finding=finding if done.returncode else None,
        log=log,
    )


def merge(name: str, work: Path) -> list[Path]:
    """Empty the corpus but for what has a name; return the fewest inputs that cover as much."""
    (work / name).mkdir(parents=True, exist_ok=True)
    fewest = work / f"{name}.merged"
    shutil.rmtree(fewest, ignore_errors=True)
    fewest.mkdir()
    options = ("-merge=1", "-use_counters=0", *_OPTIONS)  # not also how often each line ran
    _engine(name, *options, fewest, CORPUS / name, work / name).check_returncode()
    for file in files_of(name):
        if re.fullmatch("[0-9a-f]+", file.name):
            file.unlink()
    return list(fewest.iterdir())


def files_of(name: str) -> list[Path]:
    """Return the inputs in a target's corpus; those with a name in words were bugs once."""
    return sorted((CORPUS / name).iterdir())


def _engine(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    # A program begins with the memory peak of the process that starts it, and libFuzzer takes that
    # for its own: a shell's is small.
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-m", "fuzz.engine", name]
    command += map(str, arguments)
    env = os.environ | {"PYTHONPATH": str(_HERE.parent)}
    return subprocess.run(
        command, env=env, capture_output=True, text=True, errors="replace", check=False
    )
