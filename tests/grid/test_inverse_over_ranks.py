"""What ranks say of a matrix is what one process says, and is true.

In its own memory and without a copy, one process has the same first way; where it says that the
matrix must be read once more, the ranks leave it to one process.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from matinv.errors import Code
from matinv.formats import npy
from matinv.linalg.budget import Budget
from matinv.linalg.inverse import Inverses, invert
from support.matrices.for_ranks import named

pytestmark = [pytest.mark.deep, pytest.mark.xdist_group("ranks")]

NAMED = {one.name: one for one in named()}
DOUBLE = [name for name, one in NAMED.items() if one.make().dtype.char in "dD"]
Found = dict[str, dict[str, Any]]


@cache
def in_one_process(name: str) -> Inverses:
    """Return the first way's inverse in one process, as lanes without ranks begin."""
    one = NAMED[name]
    return invert(one.make(), one.method, overwrite=True, budget=Budget(lambda: 0.0, 0))


@cache
def at_last(name: str) -> Inverses:
    """Return the inverse by all ways of one process."""
    return invert(NAMED[name].make(), NAMED[name].method)


def code_of(inverses: Inverses) -> Code | None:
    return Code(inverses.failures[0].code) if inverses.failures else None


def test_verdicts_are_those_of_one_process_or_left_to_it(over_ranks: Found) -> None:
    others = {
        name: (found["code"], code_of(at_last(name)))
        for name, found in over_ranks.items()
        if name in NAMED and not found["unvouched"] and found["code"] != code_of(at_last(name))
    }
    assert others == {}


def test_left_to_one_process_is_what_its_own_first_way_leaves_to_other_ways(
    over_ranks: Found,
) -> None:
    left = {name for name in DOUBLE if over_ranks[name]["unvouched"]}
    assert left == {name for name in DOUBLE if in_one_process(name).overwritten}
    assert len(left) < len(DOUBLE) / 3


def test_certificates_are_those_of_one_process(over_ranks: Found) -> None:
    for name in DOUBLE:
        found, one = over_ranks[name], in_one_process(name)
        if found["code"] or found["unvouched"]:
            continue
        own, expected = found["certificate"], one.certificate()
        for field in ("method", "side", "scaled", "regular", "checked"):
            assert getattr(own, field) == getattr(expected, field), (name, field)
        assert own.routine == {"general": "pgetrf+pgetri", "spd": "ppotrf+ppotri"}[own.method]
        assert abs(own.digits - expected.digits) < 1, name
        assert own.rcond_1 == pytest.approx(expected.rcond_1, rel=1e-2), name
        assert own.log_abs_det == pytest.approx(expected.log_abs_det, rel=1e-8, abs=1e-8), name
        assert np.abs(own.sign - expected.sign) < 1e-8, name
        assert found["warnings"] == one.warnings, name


def test_digits_are_held_where_the_exact_inverse_is_known(over_ranks: Found) -> None:
    known = [one for one in NAMED.values() if one.invert and not over_ranks[one.name]["code"]]
    assert len(known) >= 16
    for one in known:
        assert one.invert
        found, a = over_ranks[one.name], one.make()
        x = npy.decode(found["file"])
        assert x.flags.c_contiguous is a.flags.c_contiguous
        assert (x.dtype, x.shape) == (a.dtype, a.shape)
        real, imag = one.invert(a).parts()
        exact = real + 1j * imag if np.iscomplexobj(a) else real
        error = np.linalg.norm(x - exact, 1) / np.linalg.norm(exact, 1)
        assert error <= 10 ** -found["certificate"].digits, one.name


def test_a_matrix_without_its_pivots_in_place_is_inverted(over_ranks: Found) -> None:
    """LU with pivots inside diagonal blocks alone refuses these, or is wrong."""
    names = [name for name in NAMED if name.startswith(("permutation", "saddle", "zero-block"))]
    assert len(names) == 12
    for name in names:
        found, a = over_ranks[name], NAMED[name].make()
        x = npy.decode(found["file"]).astype(complex)
        off = np.abs(x @ a - np.eye(len(a))).max()
        assert off < (1e-3 if a.dtype.char in "fF" else 1e-10), name


def test_the_same_ranks_make_the_same_bits(over_ranks: Found) -> None:
    for name in ("saddle-float64", "gram-auto-complex128"):
        assert over_ranks[f"{name} again"]["sha256"] == over_ranks[name]["sha256"]


def test_a_flipped_bit_of_one_rank_is_seen(over_ranks: Found) -> None:
    for name in ("saddle-float64", "gram-auto-complex128"):
        assert over_ranks[name]["code"] is None
        flipped = over_ranks[f"{name} flipped"]
        assert flipped["unvouched"]
        assert flipped["code"] in {Code.RESIDUAL, Code.INACCURATE}


def test_single_precision_is_computed_in_it_where_memory_ends(over_ranks: Found) -> None:
    narrow = {name for name in over_ranks if name.endswith(" narrow")}
    assert len(narrow) == 4
    for name in narrow:
        own = over_ranks[name]["certificate"]
        wide = over_ranks[name.removesuffix(" narrow")]["certificate"]
        assert 1 < own.digits < wide.digits
        assert own.regular
