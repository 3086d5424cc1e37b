"""Elements of an inverse that its dtype cannot hold in full have a word: UNDERFLOW."""

from __future__ import annotations

import numpy as np
import pytest

from matinv.linalg.inverse import invert
from matinv.linalg.types import Accuracy, Method

LIMIT = {"float32": 2.0**-126, "float64": 2.0**-1022}


def spread(n, dtype, least):
    """Return an upper bidiagonal matrix whose inverse has `least` in its first row, and its place.

    Powers of two, so the inverse is known: 1 over the diagonal, and -u / (d d') above it.
    """
    a = np.eye(n, dtype=dtype)
    big = np.dtype(dtype).type(2.0**100 if dtype == "float32" else 2.0**900)
    a[0, 0] = big
    a[0, 1] = -(least * float(big))
    return a


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [2, 3, 8, 33, 64, 65, 100])
@pytest.mark.parametrize("accuracy", list(Accuracy))
def test_subnormal_elements_are_told_from_normal_ones(n, dtype, order, accuracy):
    least = LIMIT[dtype]
    for times, expected in ((1, False), (0.5, True), (0.25, True)):
        a = np.array(spread(n, dtype, times * least), order=order)
        inverses = invert(a, accuracy=accuracy)
        assert not inverses.failures
        assert inverses.x[0, 1] == times * least
        assert inverses.underflow[0] == expected


@pytest.mark.parametrize("n", [2, 5, 40, 70])
def test_elements_that_underflow_to_zero_are_noticed(n):
    a = np.eye(n)
    a[0, 0], a[1, 1], a[0, 1] = 2.0**800, 2.0**700, 2.0**300
    inverses = invert(a)
    assert inverses.x[0, 1] == 0
    assert inverses.underflow[0]
    assert not invert(np.diag(np.diag(a))).underflow[0]


def test_only_the_slices_that_underflow_say_so():
    stack = np.array([np.diag([2.0**126, 1]), np.diag([2.0**127, 1]), np.eye(2), np.ones((2, 2))])
    inverses = invert(stack.astype("float32"))
    assert inverses.underflow.tolist() == [False, True, False, False]
    assert inverses[1].underflow.tolist() == [True]


def test_pseudo_inverses_underflow_too():
    a = np.diag([2.0**127, 2.0**127]).astype("float32")
    assert invert(a, Method.PINV).underflow[0]
    assert not invert(np.diag([2.0, 0]), Method.PINV).underflow[0]
