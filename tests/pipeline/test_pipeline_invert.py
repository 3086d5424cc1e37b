"""Jobs inverted together: each slice and each matrix succeeds or fails alone."""

from __future__ import annotations

from typing import Any

import pytest

from matinv.jobs.record import Status
from matinv.pipeline import invert
from support.bodies import GOOD, INVERSE, SINGULAR, job
from support.world import World


def dead_codes(world: World) -> list[str]:
    return [letter.error_code for letter in world.queue.dead]


def test_stack_with_one_singular_slice_ends_partial(world: World) -> None:
    assert world.deliver(job("s", [GOOD, SINGULAR, GOOD])) == []
    record = world.record("s")
    assert record.status is Status.PARTIAL
    assert record.slices is not None
    assert [(f.index, f.code) for f in record.slices.failures] == [(1, "SINGULAR")]
    assert world.inverse("s") == [INVERSE, None, INVERSE]
    assert world.queue.dead == []


def test_stack_without_any_inverse_fails(world: World) -> None:
    world.deliver(job("s", [SINGULAR, SINGULAR]))
    assert world.record("s").status is Status.FAILED
    assert dead_codes(world) == ["SINGULAR"]


def test_bug_in_a_stacked_inversion_is_narrowed_down_to_its_matrix(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = invert.invert

    def broken(stack: Any, *args: Any, **kwargs: Any) -> Any:
        if (stack == 13.0).any():
            raise FloatingPointError
        return real(stack, *args, **kwargs)

    monkeypatch.setattr(invert, "invert", broken)
    assert world.deliver(job("a"), job("bug", [[13, 0], [0, 1]]), job("b")) == [1]
    assert world.record("a").status is world.record("b").status is Status.SUCCEEDED
