"""Random hostile matrices: nothing that is said of them is wrong."""

from __future__ import annotations

import pytest

from linalg.campaign.campaigning import run
from linalg.campaign.search import search


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_wrong_with_200_hostile_matrices(seed):
    report = run(200, seed, largest=32)
    assert not report.faults(), "\n".join(report.lines(examples=2))


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(100, 140))
def test_nothing_is_wrong_with_500_hostile_matrices(seed):
    report = run(500, seed, largest=110)
    assert not report.faults(), "\n".join(report.lines(examples=2))


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(8))
def test_climbing_finds_no_claim_above_the_truth(seed):
    over, findings = search(seed, 150, largest=10)
    assert not findings, "\n".join(str(finding) for finding, _ in findings)
    assert over <= 0.3
