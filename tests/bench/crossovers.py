"""Measure again where one kernel overtakes another: ``scripts/crossovers``.

Prints a table for each constant of `matinv.linalg` that was chosen by measurement, with the value
that this machine would choose beside the one in use. Changing them is left to people.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from bench import machine
from bench.checks import Array, check_inverse
from bench.measure import Effort, Side, take_turns
from matinv.linalg import gauss_jordan, hermitian, kernels, schulz
from matinv.linalg.kernels import STANDARD, InPlaceKernel, StackKernel

_EFFORT: Final = Effort(rounds=5, seconds=0.3)
_STACK_ELEMENTS: Final = 2**16
_WIDTHS: Final = (16, 32, 48, 64, 96, 128, 192)

Run = Callable[[Array], Array]


def main() -> int:
    """Measure all of them."""
    sys.stdout.write(f"{machine.description()}\n")
    stacks, singles = (4, 8, 12, 16, 20, 24, 32, 48), (96, 128, 192, 256, 320, 384, 512)
    _compare(f"schulz.SHORT_N, in use {schulz.SHORT_N}", stacks, _stack, _short_or_lu())
    in_use = f"kernels.LAPACK_N, in use {kernels.LAPACK_N}"
    _compare(f"{in_use}, general", singles, _general, _lapack_or_blocked())
    _compare(f"{in_use}, Hermitian", singles, _definite, _lapack_or_swept())
    orders = (256, 512, 1024, 2048, 4096)
    _compare(f"gauss_jordan.WIDTHS, in use {gauss_jordan.WIDTHS}", orders, _general, _widths())
    return 0


def _short_or_lu() -> Mapping[str, Run]:
    return {"short": _of_stack(STANDARD.short), "LU": _of_stack(STANDARD.stacked)}


def _lapack_or_blocked() -> Mapping[str, Run]:
    return {"LAPACK": _in_place(STANDARD.general), "blocked": _in_place(STANDARD.blocked)}


def _lapack_or_swept() -> Mapping[str, Run]:
    return {
        "LAPACK": _completed(STANDARD.hermitian),
        "blocked": _completed(STANDARD.blocked_hermitian),
    }


def _widths() -> Mapping[str, Run]:
    def run(width: int) -> Run:
        def invert(a: Array) -> Array:
            gauss_jordan.invert_general(a, width)
            return a

        return invert

    return {str(width): run(width) for width in _WIDTHS}


def _compare(
    title: str, orders: Sequence[int], make: Callable[[int], Array], runs: Mapping[str, Run]
) -> None:
    """Print the time of each way at each order, in ms a matrix, and name the fastest."""
    sys.stdout.write(f"\n{title}\n{'n':>6}{''.join(f'{name:>10}' for name in runs)}  fastest\n")
    for n in orders:
        a = make(n)
        seconds = take_turns(_EFFORT, *(_side(a, run) for run in runs.values()))
        count = len(a) if a.ndim == 3 else 1
        figures = "".join(f"{1e3 * s / count:10.4f}" for s in seconds)
        fastest = min(zip(seconds, runs, strict=True))[1]
        sys.stdout.write(f"{n:6}{figures}  {fastest}\n")
        sys.stdout.flush()


def _side(a: Array, run: Run) -> Side:
    return Side(run, a.copy, lambda _, x: check_inverse(a, x))


def _of_stack(kernel: StackKernel) -> Run:
    return lambda a: kernel.invert(a)[0]


def _in_place(kernel: InPlaceKernel) -> Run:
    def run(a: Array) -> Array:
        kernel.invert(a)
        return a

    return run


def _completed(kernel: InPlaceKernel) -> Run:
    def run(a: Array) -> Array:
        kernel.invert(a)
        hermitian.complete(a)
        return a

    return run


def _stack(n: int) -> Array:
    """Return a stack whose inverses any kernel finds, also without interchanges."""
    noise = np.random.default_rng(n).standard_normal((_STACK_ELEMENTS // n**2, n, n))
    return noise + 2 * np.sqrt(n) * np.eye(n)


def _general(n: int) -> Array:
    return np.random.default_rng(n).standard_normal((n, n))


def _definite(n: int) -> Array:
    a = _general(n)
    a = a @ a.T / n + np.eye(n)
    return np.tril(a) + np.tril(a, -1).T


if __name__ == "__main__":
    sys.exit(main())
