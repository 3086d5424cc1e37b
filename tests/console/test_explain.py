from __future__ import annotations

import doctest
from dataclasses import replace

import numpy as np
import pytest
from seeds import record

from matinv.console import explain, heat_map
from matinv.console.explain import explained, summary
from matinv.console.heat_map import heat_of
from matinv.console.snippets import command_line, python
from matinv.jobs.record import InputInfo, Record
from matinv.linalg.certificate import Certificate, Checked, Side
from support.memory_service import SETTINGS

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
        ({}, "Of the 15.9 digits that float64 has, the condition costs about 4.8; 11.2 are left."),
        ({"side": Side.LEFT}, "The residual of X A - I, measured in full, is 0.2 times"),
        ({"checked": Checked.PROBE}, "measured with random probe vectors"),
        ({"method": "spd"}, "positive definite matrix by sweep."),
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
    assert "Of the 7.2 digits that float32 has" in " ".join(explained(single))


def test_a_job_without_a_certificate_has_nothing_to_explain() -> None:
    assert explained(replace(record(0), certificate=None)) == ()


@pytest.mark.parametrize("module", [explain, heat_map])
def test_examples_are_right(module: object) -> None:
    assert doctest.testmod(module).failed == 0  # type: ignore[arg-type]


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 200, 1000])
def test_each_cell_is_the_largest_magnitude_of_its_block(n: int) -> None:
    matrix = np.random.default_rng(n).normal(size=(n, n))
    edges = np.linspace(0, n, min(n, 64) + 1).astype(int)
    cells = heat_of(matrix, 0).logs
    assert len(cells) == len(cells[0]) == min(n, 64)
    for i, j in [(0, 0), (len(cells) - 1, 0), (len(cells) // 2, len(cells) - 1)]:
        block = matrix[edges[i] : edges[i + 1], edges[j] : edges[j + 1]]
        assert cells[i][j] == pytest.approx(np.log10(np.abs(block).max()), abs=0.006)


def test_a_single_large_element_is_seen_in_a_large_matrix() -> None:
    matrix = np.ones((1000, 1000), np.float32)
    matrix[517, 3] = 1e6
    assert max(map(max, heat_of(matrix, 0).logs)) == 6


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
def test_any_dtype_and_slice_can_be_drawn(dtype: type) -> None:
    stack = np.stack([np.eye(3), 100 * np.eye(3)]).astype(dtype)
    drawn = heat_of(stack, 1)
    assert (drawn.n, drawn.slices) == (3, 2)
    assert drawn.logs == [[2, None, None], [None, 2, None], [None, None, 2]]


def test_a_slice_without_an_inverse_is_drawn_empty() -> None:
    assert heat_of(np.full((2, 2), np.nan), 0).logs == [[None, None], [None, None]]


def test_names_are_quoted_for_the_shell() -> None:
    tagged = replace(record(0), tags={"who": "it's me; rm -rf"})
    assert """--tag 'who=it'"'"'s me; rm -rf'""" in command_line(tagged)


def test_names_are_quoted_for_python() -> None:
    tagged = replace(record(0), tags={"who": 'a"\n'})
    compile(python(tagged, SETTINGS), "snippet", "exec")
