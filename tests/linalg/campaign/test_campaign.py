"""The campaign itself: answers are falsified to see that the judge sees it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from linalg.campaign import judge, product
from linalg.campaign.cases import Case, cases, stack
from linalg.campaign.judge import Kind, judge_matrix, judge_stack


def test_every_case_is_drawn_again_from_its_name():
    for case in cases(200, 7, 30):
        assert Case.parse(str(case)) == case
        np.testing.assert_array_equal(case.matrix(), Case.parse(str(case)).matrix())
    np.testing.assert_array_equal(stack(5, 20)[0], stack(5, 20)[0])


@pytest.fixture
def falsified(monkeypatch):
    """Return a function that lets another one falsify what the product says."""

    def by(change):
        asked = product.ask

        def ask(a, method, **options):
            return [change(answer, a) for answer in asked(a, method, **options)]

        monkeypatch.setattr(judge.product, "ask", ask)

    return by


def kinds(a, method="auto", **options):
    return {finding.kind for finding in judge_matrix(a, method, **options).findings}


WELL = np.array([[4.0, 1, 0], [1, 5, 2], [0, 2, 6]])


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("scale", [1.0, 2.0**-90, 2.0**90])
def test_error_above_the_claim_is_found(falsified, dtype, scale):
    a = WELL.astype(dtype) * np.dtype(dtype).type(scale)
    assert not kinds(a)
    falsified(lambda answer, a: replace(answer, x=answer.x * (1 + 3e-4), digits=3.2))
    assert not kinds(a)
    falsified(lambda answer, a: replace(answer, digits=4.0))
    assert kinds(a) == {Kind.FALSE_DIGITS}


def test_wrong_element_in_a_scaled_inverse_is_found(falsified):
    d = 2.0 ** np.arange(0, 120, 40)
    assert not kinds(d[:, None] * WELL)

    def change(answer, a):
        x = answer.x.copy()
        x[0, 0] *= 1 + 1e-9
        return replace(answer, x=x)

    falsified(change)
    assert Kind.FALSE_DIGITS in kinds(d[:, None] * WELL)


def test_published_singular_matrix_is_found(falsified):
    falsified(lambda answer, a: replace(answer, x=np.eye(3), code=None, digits=0.1))
    assert kinds(np.arange(9.0).reshape(3, 3)) == {Kind.SINGULAR_PUBLISHED}


def test_refusal_of_a_regular_matrix_and_another_code_for_a_singular_one_are_found(falsified):
    nothing = np.full((3, 3), np.nan)
    falsified(lambda answer, a: replace(answer, x=nothing, code="OVERFLOW"))
    assert kinds(WELL) == {Kind.REFUSED}
    assert kinds(np.arange(9.0).reshape(3, 3)) == {Kind.WRONG_CODE}


def test_answer_that_depends_on_memory_order_is_found(falsified):
    falsified(
        lambda answer, a: replace(answer, digits=answer.digits - (a.flags.f_contiguous and 1.0))
    )
    assert kinds(WELL + np.eye(3, k=2)) == {Kind.MEMORY_ORDER}


def test_crash_warning_and_changed_input_are_found(falsified):
    def crash(answer, a):
        return 1 // 0

    def change(answer, a):
        a[0, 0] += 1
        return answer

    falsified(change)
    assert Kind.INPUT_CHANGED in kinds(WELL.copy(), in_place=False)
    falsified(crash)
    assert kinds(WELL) == {Kind.CRASH}


def test_indefinite_matrix_published_as_definite_is_found(falsified):
    a = np.array([[1.0, 2], [2, 1]])
    x = np.linalg.inv(a)
    det = {"log_abs_det": np.log(3), "sign": -1.0}
    falsified(lambda answer, a: replace(answer, x=x, code=None, digits=12.0, **det))
    assert kinds(a, "spd") == {Kind.NOT_DEFINITE}


def test_slice_that_depends_on_its_neighbours_is_found(falsified):
    assert not judge_stack(3, 8).findings
    falsified(lambda answer, a: replace(answer, digits=answer.digits - 1e-3 * (a.ndim == 3)))
    assert {finding.kind for finding in judge_stack(3, 8).findings} == {Kind.NEIGHBOUR}
    falsified(lambda answer, a: replace(answer, x=answer.x * (1 + 1e-15 * (a.ndim == 3))))
    assert {finding.kind for finding in judge_stack(3, 8).findings} == {Kind.NEIGHBOUR}


def test_false_pseudo_inverse_rank_and_claim_are_found(falsified):
    a = np.diag([1.0, 2.0, 0.0]) + 0.0
    assert not kinds(a, "pinv")
    inner = np.diag([1.0, 0.5, 0.0])
    inner[2, 2] = 3  # A X A = A still holds
    falsified(lambda answer, a: replace(answer, x=inner, rank=2))
    assert kinds(a, "pinv") == {Kind.PENROSE, Kind.FALSE_DIGITS}
    falsified(lambda answer, a: replace(answer, rank=3))
    assert kinds(a, "pinv") == {Kind.RANK}


def test_false_determinant_is_found(falsified):
    true = np.log(np.linalg.det(WELL))
    falsified(lambda answer, a: replace(answer, log_abs_det=true, sign=1.0))
    assert not kinds(WELL)
    falsified(lambda answer, a: replace(answer, log_abs_det=true + 1e-9))
    assert kinds(WELL) == {Kind.DETERMINANT}
    falsified(lambda answer, a: replace(answer, log_abs_det=true, sign=-1.0))
    assert kinds(WELL) == {Kind.DETERMINANT}
    falsified(lambda answer, a: replace(answer, log_abs_det=None))
    assert kinds(WELL) == {Kind.DETERMINANT}


def test_element_that_is_not_correctly_rounded_is_found(falsified):
    exact = judge.Truth(WELL).rounded()
    falsified(lambda answer, a: replace(answer, x=exact))
    assert Kind.NOT_ROUNDED not in kinds(WELL)
    found = judge._Judging(WELL, "auto", "", judge.Judgement(), verified=True)
    found.published(replace(product.ask(WELL, "auto")[0], x=np.nextafter(exact, 9)), "")
    assert Kind.NOT_ROUNDED in {finding.kind for finding in found.out.findings}
