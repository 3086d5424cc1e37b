"""Run the targets from their corpus, renew it, or try one input: ``scripts/fuzz --help``."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from fuzz.oracles import memory_traced
from fuzz.running import CORPUS, files_of, fuzz, merge
from fuzz.targets import TARGETS

_WORK: Final = Path(__file__).parents[2] / ".cache" / "fuzz"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what was asked for; return 1 if a target broke."""
    options = _options(arguments)
    names = options.targets or list(TARGETS)
    if unknown := set(names) - TARGETS.keys():
        raise SystemExit(f"no such target: {', '.join(unknown)}; there are {', '.join(TARGETS)}")
    if options.replay:
        return _replay(names, options.replay)
    if options.merge:
        return _merge(names)
    return max(_run(name, options.seconds) for name in names)


def _run(name: str, seconds: int) -> int:
    run = fuzz(name, seconds, _WORK)
    _say(
        f"{name}: {run.executions} executions, {run.features} features of coverage, "
        f"{run.new_inputs} new inputs in {_WORK / name}"
    )
    if not run.finding:
        return 0
    _say(f"{run.log[-4000:]}\n{name} broke. Again: scripts/fuzz --replay {run.finding} {name}")
    return 1


def _merge(names: Sequence[str]) -> int:
    for name in names:
        for file in merge(name, _WORK):
            shutil.copy(file, CORPUS / name / file.name[:16])
        _say(f"{name}: {len(files_of(name))} inputs in {CORPUS / name}")
    return 0


def _replay(names: Sequence[str], file: Path) -> int:
    if len(names) != 1:
        raise SystemExit("name the target that the input is for")
    with memory_traced():
        TARGETS[names[0]](file.read_bytes())
    _say("it passes")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--merge", action="store_true", help="renew the corpus by what runs found")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="try one input")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    raise SystemExit(main())
