"""Certificates in words."""

from __future__ import annotations

import doctest
from dataclasses import replace

import pytest
from seeds import record

from matinv.console import explain, heat_map
from matinv.console.explain import explained, summary
from matinv.jobs.record import InputInfo, Record
from matinv.linalg.certificate import Certificate, Checked, Side

CERTIFICATE = Certificate(1e-5, 0.2, Side.RIGHT, 11.2, "general", "sweep", Checked.FULL, False)


def certified(**facts: object) -> Record:
    return replace(record(0), certificate=replace(CERTIFICATE, **facts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("digits", "said"),
    [
        (15.4, "About 15 digits are right."),
        (1.9, "About 1 digit is right."),
        (0.4, "Not one digit can be trusted."),
    ],
)
def test_the_verdict_counts_whole_digits(digits: float, said: str) -> None:
    assert summary(replace(CERTIFICATE, digits=digits)) == said


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"rcond_1": 1e-5}, "100,000 times as much. That is not unusual."),
        ({"rcond_1": 0.5}, "It is well conditioned."),
        (
            {},
            "Of the 15.9 digits of float64, 11.2 are shown to be right in the inverse as a whole. "
            "4.8 are lost or not proven.",
        ),
        ({"side": Side.LEFT}, "The residual of X A - I, measured in full, is 0.2 times"),
        ({"checked": Checked.PROBE}, "measured with random probe vectors"),
        ({"method": "spd"}, "positive definite matrix by sweep."),
        ({"regular": True}, "The matrix is proven to be regular."),
        (
            {"method": "pinv", "rank": 3, "gap": 2.5e12},
            "nearest matrix of rank 3: the next singular value is 2.5e+12 times smaller.",
        ),
        ({"method": "pinv", "rank": 3}, "that of the nearest matrix of rank 3."),
        ({"scaled": True}, "by sweep, after it was scaled by powers of two"),
    ],
)
def test_what_the_numbers_mean_is_said(facts: dict[str, object], said: str) -> None:
    assert said in " ".join(explained(certified(**facts)))


def test_an_ill_conditioned_matrix_is_called_so() -> None:
    said = explained(replace(certified(rcond_1=1e-12), warnings=("ILL_CONDITIONED",)))
    assert "more than half of the digits are gone" in said[0]


def test_single_precision_has_seven_digits() -> None:
    single = replace(certified(digits=6.0), input=InputInfo("message", "", dtype="float32"))
    assert "Of the 7.2 digits of float32" in " ".join(explained(single))


def test_a_job_without_a_certificate_has_nothing_to_explain() -> None:
    assert explained(replace(record(0), certificate=None)) == ()


@pytest.mark.parametrize("module", [explain, heat_map])
def test_examples_are_right(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]
