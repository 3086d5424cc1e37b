"""Products and inverses that are known exactly: what tells a broken machine before it publishes.

Emulated processors, faulty ones and BLAS kernels that were picked for the wrong processor compute
wrongly, mostly without a sign. The gates of each result catch what is wrong by more than rounding;
this catches such a machine at its start, where a sandbox can still be replaced at no cost.

All numbers here are integers, or multiples of 2**-7, and so are all sums of products on the way
(`regular` says why). They stay far below 2**24 of their units. So no operation rounds, whatever
the order, the blocks and the fused multiply-adds of a kernel, and no bound is needed: every bit
must be right, in float32 as well. What is compared with comes from numpy's products of integers,
which use no BLAS.

Seen so far, with OpenBLAS 0.3.34 under qemu 7.2: on the default processor it picks kernels for SME,
which multiply wrongly in every precision; of those for SVE (A64FX, Neoverse V1) the real Cholesky
factorisation is wrong by 0.3 from n = 33 on, float64 or float32. The kernels for Neoverse N1, which
is Graviton2, and all of x86's pass to the last bit.

Two libraries are tested, each before its first use by the service: numpy's own at start-up, and
the one of `matinv.linalg.lapack` by the first call in each precision.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from matinv.linalg import gauss_jordan, hermitian, lapack
from matinv.linalg.schulz import SHORT_N, invert_short
from matinv.linalg.types import Matrix

Integers = NDArray[np.int64]

# Triangles have this many blocks, so that the inverse of one is a sum of as many powers.
_BLOCKS: Final = 8

# Of LAPACK's test: above 33, from where on some kernels are wrong, and three blocks of 16 for the
# blocked routes.
_LAPACK_N: Final = 48
_WIDTH: Final = 16

# A product of this many times the order of its tiles takes the way through packed blocks, which
# OpenBLAS spares products of up to 100**3.
_TILES: Final = 4


class BrokenArithmeticError(SystemExit):
    """The machine computes wrongly, and this process must end.

    It is no `Exception`: nothing that keeps one job's error from its neighbours may catch it. In
    whichever thread it is raised, it reaches the handler and ends the process: Lambda counts an
    error, keeps the messages and starts another sandbox. Python prints the message.
    """


@np.errstate(all="ignore")
def check_numpy() -> None:
    """Test numpy's own BLAS and LAPACK, in 2 ms.

    Raises
    ------
    BrokenArithmeticError
        If one bit is wrong.
    """
    for char in "fdD":
        x, y = _factors(char, SHORT_N - 1)
        _demand(_is_product(np.matmul(x, y), x, y), "numpy.matmul", char)
    general, definite = regular(SHORT_N)
    for char, exact in (("d", general), ("D", definite)):
        inverses, _determinants = invert_short(_typed(exact, char)[None])
        _demand(_is_inverse(inverses[0], exact), "gauss-jordan+schulz", char)
    interchanged = general[::-1]
    inverse = np.linalg.inv(_typed(interchanged, "f"))
    _demand(_is_inverse(inverse, interchanged), "numpy.linalg.inv", "f")


@np.errstate(all="ignore")
def check_lapack(char: str) -> None:
    """Test the library of `matinv.linalg.lapack` and the routines on it, in 2 ms.

    Parameters
    ----------
    char : str
        numpy's letter of a precision: others have kernels of their own, and 1 MB of code each.

    Raises
    ------
    BrokenArithmeticError
        If one bit is wrong.
    """
    _demand(_is_tiled_product(char), "gemm", char)
    general, definite = regular(_LAPACK_N)
    interchanged = general[::-1]
    for name, exact, invert in (
        ("getrf+getri", interchanged.T, _lu),  # which reads rows as columns
        ("potrf+potri", definite, _cholesky),
        ("gauss-jordan", interchanged, _gauss_jordan),
        ("sweep", definite, _sweep),
    ):
        a = _typed(exact, char)
        invert(a)
        _demand(_is_inverse(a, exact), name, char)


def _demand(right: bool, what: str, char: str) -> None:  # noqa: FBT001 - a verdict
    if not right:
        message = (
            f"self-test: {what} is wrong on {np.dtype(char)}: the processor or its BLAS is broken,"
            " or emulated; this process ends before it publishes anything"
        )
        raise BrokenArithmeticError(message)


def _lu(a: Matrix) -> None:
    lapack.getrf_getri(a[None])


def _cholesky(a: Matrix) -> None:
    lapack.potrf_potri(a[None])
    hermitian.complete(a)


def _gauss_jordan(a: Matrix) -> None:
    gauss_jordan.invert_general(a, _WIDTH)


def _sweep(a: Matrix) -> None:
    gauss_jordan.invert_hermitian(a, _WIDTH)
    hermitian.complete(a)


def _integers(shape: tuple[int, int], seed: int) -> Integers:
    """Return integers of 0 .. 16 without a pattern; importing numpy.random would take 10 ms."""
    x = np.arange(1, shape[0] * shape[1] + 1, dtype=np.uint32) * np.uint32(2654435761 + 2 * seed)
    x ^= x >> np.uint32(15)
    x *= np.uint32(2246822519)
    x ^= x >> np.uint32(13)
    return (x % np.uint32(17)).astype(np.int64).reshape(shape)


def _factors(char: str, n: int) -> tuple[Matrix, Matrix]:
    """Return two matrices of small integers, (n, n - 5) and (n - 5, n)."""
    size = n * (n - 5)
    real, imag = _integers((2, 2 * size), 1) - 8
    both = (real + 1j * imag if char in "FD" else real).astype(char)
    return both[:size].reshape(n, -1), both[size:].reshape(-1, n)


def _is_product(product: Matrix, x: Matrix, y: Matrix) -> bool:
    """Whether a product is that of numpy's integers, bit for bit."""
    a, c = x.real.astype(np.int64), y.real.astype(np.int64)
    if product.dtype.kind == "f":
        return bool((product == a @ c).all())
    b, d = x.imag.astype(np.int64), y.imag.astype(np.int64)
    right = (product.real == a @ c - b @ d) & (product.imag == a @ d + b @ c)
    return bool(right.all())


def _is_tiled_product(char: str) -> bool:
    """Whether ``gemm`` is right on a large product, whose tiles are multiples of a small one."""
    x, y = _factors(char, SHORT_N + 1)
    out, inner = np.arange(1, _TILES + 1), np.arange(2, _TILES + 2)
    product = np.empty((_TILES * len(x),) * 2, dtype=char)
    left, right = np.kron(np.outer(out, inner), x), np.kron(np.outer(inner, out), y)
    lapack.gemm(1.0, left.astype(char), right.astype(char), 0.0, product)
    first = product[: len(x), : len(x)]
    alike = (product == np.kron(np.outer(out, out), first)).all()
    return bool(alike) and _is_product(first / (inner @ inner), x, y)


def regular(n: int) -> tuple[Matrix, Matrix]:
    """Return a general and a definite matrix with exact inverses.

    ``L U`` and ``U^T U`` with unit triangles: those of the first half below, -1, 0 and 1 above. An
    LU factorisation with row interchanges finds just these, as 1/2 is below 1, without a tie: each
    pivot is 1, and so is each root of Cholesky's. Inverses of the triangles, and whatever else is
    computed on the way, are sums of products of these numbers.
    """
    inside = np.kron(np.tri(_BLOCKS, k=-1, dtype=np.int64), np.ones((n // _BLOCKS,) * 2, np.int64))
    signs = np.array([-1] + 6 * [0] + [1])  # sparse: dense triangles have large inverses
    lower, upper = (signs[_integers((n, n), seed) % 8] * inside for seed in (3, 4))
    u = np.eye(n, dtype=np.int64) + upper.T
    l2 = 2 * np.eye(n, dtype=np.int64) + lower
    return l2 @ u / 2, (u.T @ u).astype(np.float64)


def _phases(n: int) -> NDArray[np.complex128]:
    quarters = _integers((1, n), 5)[0] % 4
    phases: NDArray[np.complex128] = np.array([1, 1j, -1, -1j])[quarters]
    return phases


def _typed(exact: Matrix, char: str) -> Matrix:
    """Return a matrix in a dtype; a complex one has rows and columns turned by powers of i."""
    if char in "fd":
        return np.array(exact, dtype=char, order="C")
    phases = _phases(len(exact))
    return np.array(phases[:, None] * exact * phases.conj(), dtype=char, order="C")


def _is_inverse(x: Matrix, exact: Matrix) -> bool:
    """Whether `x` is the inverse of ``_typed(exact)``, bit for bit."""
    if x.dtype.kind == "c":
        phases = _phases(len(x))
        x = phases.conj()[:, None] * x * phases
    units = 2 ** (_BLOCKS - 1)
    counted = (x.real * units).astype(np.int64)
    whole = (counted == x * units).all()
    product = (2 * exact).astype(np.int64) @ counted
    return bool(whole and (product == 2 * units * np.eye(len(x), dtype=np.int64)).all())
