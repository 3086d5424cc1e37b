"""Calls side by side: none goes on when the result or the error is there."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from matinv.backends.aws import calls


def test_results_come_in_the_order_of_the_items() -> None:
    assert calls.together(str, range(9), 4) == list("012345678")


def test_the_first_error_leaves_out_what_has_not_begun_and_waits_for_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cancelled = threading.Event()
    begun: list[int] = []
    ended: list[int] = []

    class Pool(ThreadPoolExecutor):
        def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
            super().shutdown(wait=False, cancel_futures=cancel_futures)
            cancelled.set()
            super().shutdown(wait=wait)

    def call(item: int) -> None:
        begun.append(item)
        if item == 2:
            raise KeyError(item)
        assert cancelled.wait(60)
        ended.append(item)

    monkeypatch.setattr(calls, "ThreadPoolExecutor", Pool)
    with pytest.raises(KeyError):
        calls.together(call, range(100), 4)
    assert set(begun) <= {0, 1, 2, 3, 4}  # three wait, and the fourth may have taken one more
    assert set(ended) == set(begun) - {2}


def test_as_many_calls_as_are_asked_for_are_on_their_way_together() -> None:
    met = threading.Barrier(32)
    calls.together(lambda _: met.wait(60), range(32), 32)  # each waits for all others
