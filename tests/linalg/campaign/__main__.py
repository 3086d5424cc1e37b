"""Run a campaign: ``cd tests; python -m linalg.campaign --cases 20000 --seed 1``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from linalg.campaign.campaigning import run
from linalg.campaign.cases import Case
from linalg.campaign.judge import judge, judge_matrix, judge_stack
from linalg.campaign.search import search


def main() -> int:
    """Return 1 if there are faults."""
    parser = argparse.ArgumentParser(prog="python -m linalg.campaign", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--largest", type=int, default=80, help="order beyond which none is drawn")
    parser.add_argument("--family", action="append", help="only this one; may be repeated")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--examples", type=int, default=3, help="findings shown of a family and kind"
    )
    parser.add_argument(
        "--only", metavar="CASE", action="append", help="a case as the report spells it"
    )
    parser.add_argument("--search", action="store_true", help="climb: 300 matrices a search")
    parser.add_argument("--save", type=Path, default=Path(), help="where a search puts matrices")
    options = parser.parse_args()
    if options.search:
        return _search(options.cases, options.seed, options.largest, options.save)
    if options.only:
        findings = []
        for spelled in options.only:
            if spelled.endswith(".npy"):
                method = Path(spelled).name.split("-")[3]  # search-SEED-STEP-METHOD-KIND.npy
                findings += judge_matrix(np.load(spelled), method, spelled).findings
            elif spelled.startswith("stack/"):
                findings += judge_stack(*map(int, spelled.split("/")[1:])).findings
            else:
                findings += judge(Case.parse(spelled)).findings
        sys.stdout.writelines(f"{finding}\n" for finding in findings)
        return bool(findings)
    report = run(
        options.cases,
        options.seed,
        options.largest,
        families=options.family,
        processes=options.processes,
    )
    sys.stdout.writelines(f"{line}\n" for line in report.lines(options.examples))
    return bool(report.faults())


def _search(cases: int, seed: int, largest: int, save: Path) -> int:
    faults = 0
    for k in range(seed * 1000, seed * 1000 + max(cases // 300, 1)):
        over, findings = search(k, 300, min(largest, 12))
        faults += len(findings)
        sys.stdout.write(f"search {k}: {over:.2f} digits too many\n")
        for finding, a in findings:
            file = save / f"{finding.case.replace('/', '-')}-{finding.kind}.npy"
            np.save(file, a)
            sys.stdout.write(f"  {finding} ({a.dtype}, order {len(a)}): {file}\n")
    return bool(faults)


if __name__ == "__main__":
    raise SystemExit(main())
