"""Shapes: the advice that an error gives must make the array fit."""

from __future__ import annotations

import re

import numpy as np
import pytest

from matinv.errors import Code, Refused
from matinv.formats.shape import check_shape


@pytest.mark.parametrize("shape", [(1, 1), (3, 3), (1, 3, 3), (5, 2, 2), (2**33, 2**33)])
def test_matrices_and_stacks_pass(shape: tuple[int, ...]) -> None:
    check_shape(shape)


@pytest.mark.parametrize(
    "shape",
    [
        (4, 4, 1),
        (4, 4, 3),
        (4, 3, 4),
        (1, 1, 4, 4),
        (2, 5, 4, 4),
        (4, 4, 1, 1),
        (4, 1, 4, 1),
        (1, 4, 4, 1),
        (2, 3, 1, 4, 4),
    ],
)
def test_an_array_with_its_axes_in_another_order_gets_numpy_s_call_that_makes_it_fit(
    shape: tuple[int, ...],
) -> None:
    with pytest.raises(Refused) as caught:
        check_shape(shape)
    assert caught.value.code is Code.NOT_SQUARE
    (call,) = re.findall(r"send (.*)$", caught.value.info.hint)
    a = np.arange(np.prod(shape)).reshape(shape)
    fixed = eval(call, {"np": np, "a": a})
    check_shape(fixed.shape)
    assert fixed.size == a.size


def test_pairs_on_the_last_axis_may_be_complex_numbers() -> None:
    with pytest.raises(Refused) as caught:
        check_shape((4, 4, 2))
    (call,) = re.findall(r"send ([^,]*, 0\] [^,]*, 1\])", caught.value.info.hint)
    a = np.arange(32).reshape(4, 4, 2)
    assert np.array_equal(eval(call, {"a": a}), a[..., 0] + 1j * a[..., 1])


@pytest.mark.parametrize("shape", [(3,), (2, 3), (1, 9), (2, 3, 4), (2, 3, 4, 5)])
def test_what_no_reordering_makes_square_gets_no_such_call(shape: tuple[int, ...]) -> None:
    with pytest.raises(Refused, match="NOT_SQUARE") as caught:
        check_shape(shape)
    assert "send" not in caught.value.info.hint


@pytest.mark.parametrize("shape", [(0,), (0, 0), (3, 0, 0), (0, 3, 3)])
def test_nothing_is_empty(shape: tuple[int, ...]) -> None:
    with pytest.raises(Refused, match="EMPTY"):
        check_shape(shape)
