"""Threads share the panels of a step: the same bits, one join a block, asleep while waiting."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from matinv.linalg import crew, gauss_jordan, kernels
from matinv.linalg.crew import Crew

DTYPES = ["float32", "float64", "complex64", "complex128"]
SOON_S = 30.0

assert kernels.STANDARD  # it says how LAPACK is tested


@pytest.fixture
def two() -> Iterator[None]:
    crew.set_threads(2)
    yield
    crew.set_threads(1)


def of_panels(count: int) -> Crew:
    """Return a crew for a matrix that has so many panels."""
    threads = Crew(1000)
    threads.panels = [slice(k, k + 1) for k in range(count)]
    return threads


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Crew]:
    """Return the crews that are made from here on."""
    crews: list[Crew] = []
    begin = Crew.__enter__

    def begun(self: Crew) -> Crew:
        crews.append(self)
        return begin(self)

    monkeypatch.setattr(Crew, "__enter__", begun)
    return crews


def matrix(n: int, dtype: str = "float64") -> Any:
    rng = np.random.default_rng(n)
    a = rng.standard_normal((n, n)) + 1j * rng.standard_normal((n, n))
    return a.astype(dtype) if np.dtype(dtype).kind == "c" else a.real.astype(dtype)


def inverted(a: Any, threads: int, *, hermitian: bool) -> Any:
    crew.set_threads(threads)
    x = a.copy()
    try:
        invert = gauss_jordan.invert_hermitian if hermitian else gauss_jordan.invert_general
        assert invert(x) == 0
    finally:
        crew.set_threads(1)
    return x


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [771, 900])
@pytest.mark.parametrize("hermitian", [False, True])
def test_the_bits_are_the_same_whoever_takes_the_panels(
    n: int, dtype: str, hermitian: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    a = matrix(n, dtype)
    if hermitian:
        a = (a @ a.conj().T / n + np.eye(n)).astype(dtype)
    alone = inverted(a, 1, hermitian=hermitian)
    shared = inverted(a, 2, hermitian=hermitian)
    np.testing.assert_array_equal(inverted(a, 2, hermitian=hermitian), shared)
    begin = Crew.__enter__

    def asleep(self: Crew) -> Crew:
        self._saved_s = -1.0  # helpers stand aside
        return begin(self)

    monkeypatch.setattr(Crew, "__enter__", asleep)
    np.testing.assert_array_equal(inverted(a, 2, hermitian=hermitian), shared)
    kept = np.triu(np.ones((n, n), bool)) if hermitian else np.ones((n, n), bool)
    scale = np.abs(alone[kept]).max()
    assert np.abs(shared[kept] - alone[kept]).max() < 1e5 * np.finfo(dtype).eps * scale


@pytest.mark.parametrize("hermitian", [False, True])
@pytest.mark.parametrize("n", [800, 1000])
def test_threads_join_once_a_block(n: int, hermitian: bool, made: list[Crew]) -> None:
    a = matrix(n)
    inverted(a @ a.T + n * np.eye(n), 2, hermitian=hermitian)
    (used,) = made
    assert 0 < used.joins <= -(-n // gauss_jordan.width_of(n))


@pytest.mark.parametrize(("n", "threads"), [(800, 1), (400, 2)])
def test_one_thread_or_a_small_matrix_starts_no_other(
    n: int, threads: int, made: list[Crew]
) -> None:
    before = threading.active_count()
    inverted(matrix(n), threads, hermitian=False)
    (used,) = made
    assert (used.joins, used._helpers, threading.active_count()) == (0, [], before)


@pytest.mark.usefixtures("two")
def test_no_thread_outlives_its_matrix() -> None:
    before = threading.active_count()
    a = np.ones((800, 800))
    assert gauss_jordan.invert_general(a) == 2  # it ends in its first block
    assert threading.active_count() == before


@pytest.mark.usefixtures("two")
def test_a_helper_that_gets_no_core_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    gets_one = threading.Event()
    help_ = Crew._help

    def late(self: Crew) -> None:
        assert gets_one.wait(SOON_S)
        help_(self)

    monkeypatch.setattr(Crew, "_help", late)
    done: list[slice] = []
    with Crew(1000) as threads:
        threads.share(done.append)
        assert done == threads.panels
        gets_one.set()


@pytest.mark.usefixtures("two")
def test_the_caller_sleeps_while_it_waits_for_a_panel_that_was_begun() -> None:
    caller, begun = threading.current_thread(), threading.Event()
    with of_panels(2) as threads:

        def work(panel: slice) -> None:
            if threading.current_thread() is caller:
                assert begun.wait(SOON_S)
            else:
                begun.set()
                end_s = time.monotonic() + 0.2
                while time.monotonic() < end_s:
                    pass

        cpu_s, wall_s = time.thread_time(), time.monotonic()
        threads.share(work)
        cpu_s, wall_s = time.thread_time() - cpu_s, time.monotonic() - wall_s
    assert wall_s >= 0.2
    assert cpu_s < 0.1


@pytest.mark.usefixtures("two")
def test_a_helper_that_costs_more_than_it_saves_stands_aside() -> None:
    caller, others = threading.current_thread(), []
    with of_panels(2) as threads:
        for _ in range(2 * crew._TRIAL):
            helping, waiting = threading.Event(), threading.Event()

            def work(
                panel: slice,
                helping: threading.Event = helping,
                waiting: threading.Event = waiting,
            ) -> None:
                if threading.current_thread() is not caller:
                    others.append(panel)
                    helping.set()
                    waiting.wait(0.05)  # and it keeps the caller from going on
                elif threads._saved_s >= 0:
                    assert helping.wait(SOON_S)

            threads.share(work)
        joins = threads.joins
    assert joins == len(others) == crew._TRIAL + 1


@pytest.mark.usefixtures("two")
def test_what_a_helper_raises_is_raised_to_the_caller() -> None:
    caller, failed = threading.current_thread(), threading.Event()
    with of_panels(3) as threads:

        def work(panel: slice) -> None:
            if threading.current_thread() is caller:
                assert failed.wait(SOON_S)
            else:
                failed.set()
                raise MemoryError

        with pytest.raises(MemoryError):
            threads.share(work)


@pytest.mark.usefixtures("two")
def test_no_helper_touches_the_matrix_once_the_caller_was_interrupted() -> None:
    caller, begun, ended = threading.current_thread(), threading.Event(), []

    def work(panel: slice) -> None:
        if threading.current_thread() is caller:
            assert begun.wait(SOON_S)
            raise KeyboardInterrupt
        begun.set()
        ended.append(panel)

    with of_panels(100) as threads, pytest.raises(KeyboardInterrupt):
        threads.share(work)
    assert threads._step is None
