"""Invert matrices: any order, one or a stack, each with its certificate or its error."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from matinv.linalg import large, pseudo_inverse, small, verified
from matinv.linalg.budget import Budget, default_budget
from matinv.linalg.certificate import Certificate, Side
from matinv.linalg.determinant import Determinants
from matinv.linalg.gates import Failures, Flaw, Gates, How, Measurements
from matinv.linalg.kernels import SMALL_N, STANDARD, Kernels
from matinv.linalg.types import Accuracy, Matrix, Method, OnIllConditioned

__all__ = ["SMALL_N", "Inverses", "invert"]


@dataclass(frozen=True, slots=True)
class Inverses:
    """The inverses of a matrix or a stack, with a verdict on each slice.

    ``inverses[i]`` is one slice as a matrix, ``inverses[i:j]`` some slices as a stack.

    Parameters
    ----------
    x : ndarray, shape (n, n) or (k, n, n)
        The inverses, in the input's dtype; slices that failed are NaN.
    rcond_1, residual, digits : ndarray of float64, shape (k,)
        As in `Certificate`, of each slice.
    regular : ndarray of bool, shape (k,)
        Likewise.
    rank, gap : ndarray, shape (k,)
        As in `Certificate` for pseudo-inverses, -1 and NaN for all others.
    ill_conditioned : ndarray of bool, shape (k,)
        True if kappa_1 > 1/sqrt(eps) and the slice did not fail.
    scaled : ndarray of bool, shape (k,)
        Which slices were scaled by powers of two.
    underflow : ndarray of bool, shape (k,)
        Which inverses have elements below the smallest normal number of their dtype, where digits
        are lost or nothing is left but zero.
    determinants : Determinants
        Of the matrices; see `log_abs_det` and `sign`.
    how : ndarray of How, shape (k,)
        By which routine each slice was inverted, and how it was checked.
    failures : mapping of int to MatinvError
        The error of each slice that failed, by its index, in order.
    """

    x: Matrix = field(repr=False)
    rcond_1: NDArray[np.float64]
    residual: NDArray[np.float64]
    digits: NDArray[np.float64]
    regular: NDArray[np.bool_]
    rank: NDArray[np.int32]
    gap: NDArray[np.float64]
    ill_conditioned: NDArray[np.bool_]
    scaled: NDArray[np.bool_]
    underflow: NDArray[np.bool_]
    determinants: Determinants = field(repr=False)
    how: NDArray[np.object_]
    failures: Failures

    def __getitem__(self, index: int | slice) -> Inverses:
        stack = self.x if self.x.ndim == 3 else self.x[None]
        count = len(stack)
        if isinstance(index, int):
            begin = range(count)[index]
            span = slice(begin, begin + 1)
        else:
            begin, _, step = index.indices(count)
            if step != 1:
                message = "slices of Inverses are contiguous"
                raise IndexError(message)
            span = index
        return Inverses(
            stack[begin] if isinstance(index, int) else stack[span],
            self.rcond_1[span],
            self.residual[span],
            self.digits[span],
            self.regular[span],
            self.rank[span],
            self.gap[span],
            self.ill_conditioned[span],
            self.scaled[span],
            self.underflow[span],
            self.determinants[span],
            self.how[span],
            self.failures.part(span),
        )

    def certificate(self, index: int = 0) -> Certificate:
        """Return the certificate of one slice."""
        how: How = self.how[index]
        own = slice(index, index + 1)
        known = not np.isnan(self.determinants.value[index])
        gap = np.isfinite(self.gap[index])
        return Certificate(
            rcond_1=float(self.rcond_1[index]),
            residual=float(self.residual[index]),
            side=how.side,
            digits=float(self.digits[index]),
            method=how.method,
            routine=how.routine,
            checked=how.checked,
            scaled=bool(self.scaled[index]),
            regular=bool(self.regular[index]),
            rank=int(self.rank[index]) if how.side is Side.PINV else None,
            gap=float(self.gap[index]) if self.rank_deficient[index] and gap else None,
            log_abs_det=float(self.determinants[own].log_abs[0]) if known else None,
            sign=self.determinants[own].sign[0].item() if known else None,
        )

    @property
    def log_abs_det(self) -> NDArray[np.float64]:
        """Of each slice the natural logarithm of the determinant's absolute value.

        NaN where there is no inverse, and for pseudo-inverses. Its error is at
        most about ``10 * n * 10**-digits``.
        """
        return self._known(self.determinants.log_abs)

    @property
    def sign(self) -> NDArray[Any]:
        """Of each slice the determinant's sign: 1 or -1, or a complex number of modulus 1."""
        return self._known(self.determinants.sign)

    def _known(self, figures: NDArray[Any]) -> NDArray[Any]:
        figures[self.failures.indices()] = np.nan
        return figures

    @property
    def rank_deficient(self) -> NDArray[np.bool_]:
        """Which slices are pseudo-inverses of matrices whose rank was cut."""
        cut = (self.rank >= 0) & (self.rank < self.x.shape[-1])
        return np.asarray(cut & self.failures.findings.having(Flaw.NONE))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warnings about a slice, beside its certificate."""
        found = {
            "ILL_CONDITIONED": self.ill_conditioned,
            "RANK_DEFICIENT": self.rank_deficient,
            "UNDERFLOW": self.underflow,
        }
        return tuple(name for name, flagged in found.items() if flagged.any())

    @property
    def overwritten(self) -> bool:
        """Whether slices need another way, while their inverses replaced the matrices."""
        return bool(self.failures.findings.having(Flaw.OVERWRITTEN).any())

    def worst(self) -> Certificate | None:
        """Return the worst figures over the slices that succeeded; None if there is none.

        Method, routine and side are those of the slice with the fewest digits. No determinant is
        the worst one: several slices have none here.
        """
        if len(self.rcond_1) == 1:
            return None if self.failures else self.certificate()
        good = np.ones(len(self.rcond_1), dtype=np.bool_)
        good[self.failures.indices()] = False
        if not good.any():
            return None
        index = int(np.where(good, self.digits, np.inf).argmin())
        return replace(
            self.certificate(index),
            rcond_1=float(self.rcond_1[good].min()),
            residual=float(self.residual[good].max()),
            regular=bool(self.regular[good].all()),
            scaled=bool(self.scaled[good].any()),
            log_abs_det=None,
            sign=None,
        )


def invert(  # noqa: PLR0913 - a matrix, and options by keyword
    a: Matrix,
    method: Method = Method.AUTO,
    on_ill_conditioned: OnIllConditioned = OnIllConditioned.WARN,
    *,
    accuracy: Accuracy = Accuracy.STANDARD,
    overwrite: bool = False,
    kernels: Kernels = STANDARD,
    budget: Budget | None = None,
) -> Inverses:
    """Invert a matrix or each slice of a stack.

    Parameters
    ----------
    a : ndarray, shape (n, n) or (k, n, n), n >= 1
        float32, float64, complex64 or complex128, native byte order, either memory order.
    method : Method
        AUTO takes Cholesky for large Hermitian matrices where it succeeds, LU else.
    on_ill_conditioned : OnIllConditioned
        FAIL turns the warning into the slice's error.
    accuracy : Accuracy
        VERIFIED proves each element by ball arithmetic, whatever that takes of the budget; not for
        pseudo-inverses.
    overwrite : bool
        Allow the result in the memory of `a`. The peak for one large matrix is then that matrix
        and O(n); but if its residual fails, there is nothing to compute it from again.
    kernels : Kernels
        The routines that invert; the default suits everyone but tests and benchmarks.
    budget : Budget or None
        Time and memory for slices that the first way does not vouch for; None takes a minute and
        2 GiB.

    Returns
    -------
    Inverses
        Never raises for a matrix that has no inverse: ``failures`` says why.
    """
    stack = a if a.ndim == 3 else a[None]
    x = _target(stack, overwrite=overwrite)
    gates = Gates.of(stack.shape[-1], stack.dtype)
    with np.errstate(all="ignore"):
        if accuracy is Accuracy.VERIFIED and method is not Method.PINV:
            findings = verified.solve(stack, x, method, budget or default_budget())
        else:
            findings = _solve(stack, x, method, kernels, budget or default_budget())
    inverses = judged(x if a.ndim == 3 else x[0], findings, gates, method, on_ill_conditioned)
    if inverses.failures:
        x[inverses.failures.indices()] = np.nan
    return inverses


def judged(
    x: Matrix,
    findings: Measurements,
    gates: Gates,
    method: Method,
    on_ill_conditioned: OnIllConditioned,
) -> Inverses:
    """Return inverses with the verdicts that their measurements lead to, which `findings` keep.

    Parameters
    ----------
    x : ndarray, shape (n, n) or (k, n, n)
        The inverses, or what has their shape and dtype where they are elsewhere.
    """
    with np.errstate(all="ignore"):
        ill = findings.judge(
            gates,
            refuse_ill_conditioned=on_ill_conditioned is OnIllConditioned.FAIL,
            refuse_inaccurate=method is not Method.PINV,
        )
        digits = gates.digits(findings.bound)
    return Inverses(
        x,
        findings.rcond,
        findings.residual,
        digits,
        findings.regular,
        findings.rank,
        findings.gap,
        ill,
        findings.scaled,
        findings.underflow & findings.having(Flaw.NONE),
        findings.determinants,
        findings.how,
        Failures(findings, gates),
    )


def _solve(
    stack: Matrix, x: Matrix, method: Method, kernels: Kernels, budget: Budget
) -> Measurements:
    if method is Method.PINV:
        return pseudo_inverse.solve(stack, x, budget)
    if stack.shape[-1] <= SMALL_N:
        return small.solve(stack, x, method, kernels, budget)
    return large.solve(stack, x, method, kernels, budget)


def _target(stack: Matrix, *, overwrite: bool) -> Matrix:
    """Return the memory for the result: contiguous slices, those of `stack` if that is allowed."""
    single_fortran = len(stack) == 1 and stack[0].flags.f_contiguous
    if overwrite and stack.flags.writeable and (stack.flags.c_contiguous or single_fortran):
        return stack
    if single_fortran:
        return np.asarray(np.empty_like(stack[0], order="F")[None])
    return np.empty(stack.shape, stack.dtype)
