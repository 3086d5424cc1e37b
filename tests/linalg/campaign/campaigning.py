"""A campaign: many cases, and its report."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from linalg.campaign.cases import Case, cases
from linalg.campaign.judge import REPORTED, Finding, Judgement, Kind, judge, judge_stack

STACKS_EVERY = 25


@dataclass(slots=True)
class Report:
    """What a campaign found.

    Parameters
    ----------
    findings : list of Finding
        All faults, in the order of the cases.
    over : dict of str to list of float
        Claim minus truth of each published inverse, by family.
    outcomes : dict of str to Counter
        How often a family's matrices were published, and refused by which code.
    slowest : list of (float, str)
        Seconds of the slowest answers, and whose they were.
    cpu_s : float
        Seconds of all cases together.
    """

    findings: list[Finding] = field(default_factory=list)
    over: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    outcomes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    slowest: list[tuple[float, str]] = field(default_factory=list)
    cpu_s: float = 0.0

    def add(self, name: str, judgement: Judgement) -> None:
        """Enter what became of one case."""
        family = name.split("/", maxsplit=1)[0]
        self.slowest = sorted([*self.slowest, (judgement.slowest_s, name)])[-5:]
        self.findings += judgement.findings
        self.over[family] += judgement.over
        regular = "" if judgement.regular else "singular "
        self.outcomes[family][regular + (judgement.code or "published")] += 1

    def faults(self) -> list[Finding]:
        """Return the findings that fail a campaign."""
        return [f for f in self.findings if f.kind not in REPORTED]

    def cases_with(self, kind: Kind) -> int:
        """Return how many cases have a finding of this kind."""
        return len({f.case for f in self.findings if f.kind == kind})

    def lines(self, examples: int) -> Iterator[str]:
        """Yield the report for people."""
        total = sum(sum(c.values()) for c in self.outcomes.values())
        yield f"{total} cases, {self.cpu_s:.0f} s of CPU"
        for kind in Kind:
            if count := self.cases_with(kind):
                yield f"  {kind:24} {count}"
        every = [x for values in self.over.values() for x in values]
        yield f"claim - truth of {len(every)} published: {quantiles(every)}"
        for seconds, name in reversed(self.slowest):
            yield f"  {seconds:.2f} s for {name}"
        yield f"{'family':40} {'published':>9} {'faults':>6}  claim - truth 5/50/95/100 %  outcomes"
        wrong = Counter(f.case.split("/")[0] for f in self.faults())
        for family in sorted(self.outcomes):
            counts = self.outcomes[family]
            said = " ".join(f"{k}:{v}" for k, v in counts.most_common())
            yield (
                f"{family:40} {counts['published']:9} {wrong[family]:6}  "
                f"{quantiles(self.over[family]):28} {said}"
            )
        seen: Counter[tuple[str, Kind]] = Counter()
        for finding in self.findings:
            key = (finding.case.split("/")[0], finding.kind)
            seen[key] += 1
            if seen[key] <= examples:
                yield str(finding)


def quantiles(values: list[float]) -> str:
    """Return some quantiles, as text."""
    if not values:
        return "-"
    return " / ".join(f"{x:.2f}" for x in np.quantile(values, [0.05, 0.5, 0.95, 1]))


def run(
    count: int, seed: int, largest: int, *, families: list[str] | None = None, processes: int = 1
) -> Report:
    """Judge so many cases, every 25th a stack."""
    work: Iterable[Case | int] = (
        seed * 1_000_000 + k if k % STACKS_EVERY == 0 and not families else case
        for k, case in enumerate(cases(count, seed, largest, families))
    )
    jobs = ((item, largest) for item in work)
    if processes == 1:
        return _collected(map(_judge, jobs))
    with ProcessPoolExecutor(processes) as pool:
        return _collected(pool.map(_judge, jobs, chunksize=20))


def _collected(results: Iterable[tuple[str, Judgement, float]]) -> Report:
    report = Report()
    for name, judgement, cpu_s in results:
        report.add(name, judgement)
        report.cpu_s += cpu_s
    return report


def _judge(job: tuple[Case | int, int]) -> tuple[str, Judgement, float]:
    item, largest = job
    began = time.process_time()
    if isinstance(item, Case):
        name, judgement = str(item), judge(item)
    else:
        name, judgement = f"stack/{item}/{largest}", judge_stack(item, largest)
    return name, judgement, time.process_time() - began
