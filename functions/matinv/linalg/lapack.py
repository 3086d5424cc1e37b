"""BLAS and LAPACK in place, through ctypes on the OpenBLAS of the ``scipy-openblas64`` wheel.

The library is loaded (2 ms, 1 MB) and tested (2 ms) by the first call, never by ``import``: small
matrices do without it. The file is opened directly: importing the wheel's package takes 60 ms, and
puts its symbols, which are those of numpy's own OpenBLAS, into the process's global scope.

Matrices are row-major, or views of such ones with a unit stride along a row. LAPACK reads one as
its transpose, and the inverse of that, read back row by row, is the inverse: nothing is transposed
and nothing copied. ctypes releases the GIL for the length of a call.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from matinv.linalg.determinant import parity
from matinv.linalg.types import Matrix

Pivots = NDArray[np.int64]
"""LAPACK's: row i was interchanged with row ``pivots[i]``, both counted from 1."""

_LETTERS: Final = {"f": "s", "d": "d", "F": "c", "D": "z"}  # numpy's and LAPACK's type letters

# CBLAS's names for: by rows, as it is, transposed, conjugated and transposed, upper triangle.
_ROWS, _PLAIN, _TRANSPOSED, _CONJUGATED, _UPPER = 101, 111, 112, 113, 121

# LAPACK's names for triangles and diagonals. What is upper by rows is lower by columns.
_L, _U, _N = (ctypes.create_string_buffer(letter) for letter in (b"L", b"U", b"N"))
_LENGTH: Final = ctypes.c_size_t(1)  # of such a letter: Fortran's hidden argument

# ILAENV's block for getri. A workspace of n * 64 elements lets it run blocked.
_GETRI_BLOCK: Final = 64

# The test of the library holds it while it calls the library.
_loading = threading.RLock()
_check: Callable[[str], None] | None = None
_right: dict[str, bool] = {}  # of each type letter, whether its test has passed or runs


def load() -> None:
    """Load the library and test all of it, before a call that needs it.

    Raises
    ------
    BrokenArithmeticError
        If it computes wrongly on this machine.
    """
    for char in _LETTERS:
        _await_test(char)


def getrf_getri(stack: Matrix, pivots_out: Matrix | None = None) -> NDArray[np.int64]:
    """Replace each matrix of a stack by its inverse: LU with partial pivoting.

    Parameters
    ----------
    stack : ndarray, shape (k, n, n), C-contiguous
        Overwritten, by rubbish where a matrix is singular.
    pivots_out : ndarray, shape (k, n), or None
        Written: the pivots of each matrix, the first one with the sign of the interchanges.

    Returns
    -------
    ndarray of int64, shape (k,)
        0, or the 1-based position of an exactly zero pivot.
    """
    n, count = _order(stack), len(stack)
    pivots, work = np.empty((count, n), dtype=np.int64), np.empty(n * _GETRI_BLOCK, stack.dtype)
    order, size, info = _by_reference(n), _by_reference(work.size), ctypes.c_int64()
    data, rows, space, ended = _address(stack), _address(pivots), _address(work), ctypes.byref(info)
    factor, complete = _fortran("getrf", stack), _fortran("getri", stack)
    diagonals = stack.reshape(count, n * n)[:, :: n + 1]
    matrix, row, zeros = data.value or 0, rows.value or 0, []
    for i in range(count):
        data.value, rows.value = matrix + i * stack.strides[0], row + i * pivots.strides[0]
        factor(order, order, data, order, rows, ended)
        zeros.append(info.value)
        if pivots_out is not None:
            pivots_out[i] = diagonals[i]
        if info.value == 0:
            complete(order, data, order, rows, space, size, ended)
    if pivots_out is not None:
        pivots_out[:, 0] *= parity(pivots)
    return np.array(zeros, dtype=np.int64)


def getrf_stack(stack: Matrix) -> tuple[Pivots, NDArray[np.int64]]:
    """Replace the transpose of each matrix of a stack by its factors L and U: partial pivoting.

    Parameters
    ----------
    stack : ndarray, shape (k, n, n), C-contiguous
        Overwritten: each matrix holds the transposes of U and of L, without its unit diagonal.

    Returns
    -------
    pivots : ndarray of int64, shape (k, n)
        The interchanges.
    zeros : ndarray of int64, shape (k,)
        0, or the 1-based position of an exactly zero pivot.
    """
    pivots = np.empty(stack.shape[:2], dtype=np.int64)
    zeros = np.empty(len(stack), dtype=np.int64)
    order, info = _by_reference(_order(stack)), ctypes.c_int64()
    data, rows, ended = _address(stack), _address(pivots), ctypes.byref(info)
    factor = _fortran("getrf", stack)
    for i in range(len(stack)):
        factor(order, order, data, order, rows, ended)
        zeros[i] = info.value
        data.value = (data.value or 0) + stack.strides[0]
        rows.value = (rows.value or 0) + pivots.strides[0]
    return pivots, zeros


def potrf_potri(stack: Matrix, pivots_out: Matrix | None = None) -> NDArray[np.int64]:
    """Replace the upper triangles of a stack by those of the inverses: Cholesky.

    Parameters
    ----------
    stack : ndarray, shape (k, n, n), C-contiguous
        Hermitian. Only upper triangles and diagonals are read and overwritten, by rubbish where a
        matrix is not positive definite.
    pivots_out : ndarray, shape (k, n), or None
        Written: the diagonal of each U.

    Returns
    -------
    ndarray of int64, shape (k,)
        0, or the 1-based order of the leading minor that is not positive.
    """
    order, info, data = _by_reference(_order(stack)), ctypes.c_int64(), _address(stack)
    ended = ctypes.byref(info)
    factor, complete = _fortran("potrf", stack), _fortran("potri", stack)
    minors = np.empty(len(stack), dtype=np.int64)
    diagonals = stack.reshape(len(stack), -1)[:, :: stack.shape[1] + 1]
    for i in range(len(stack)):
        factor(_L, order, data, order, ended, _LENGTH)
        if pivots_out is not None:
            pivots_out[i] = diagonals[i]
        if info.value == 0:
            complete(_L, order, data, order, ended, _LENGTH)
        minors[i] = info.value
        data.value = (data.value or 0) + stack.strides[0]
    return minors


def getrf(panel: Matrix, pivots: Pivots) -> int:
    """Factor a tall panel, which is given by columns: LU with partial pivoting, in place.

    Parameters
    ----------
    panel : ndarray, shape (w, m), m >= w
        Its rows are the columns of the panel.
    pivots : ndarray of int64, shape (w,)
        Written.

    Returns
    -------
    int
        0, or the 1-based position of an exactly zero pivot.
    """
    width, height = panel.shape
    info = ctypes.c_int64()
    _fortran("getrf", panel)(
        _by_reference(height),
        _by_reference(width),
        _address(panel),
        _leading(panel),
        _address(pivots),
        ctypes.byref(info),
    )
    return info.value


def potrf(a: Matrix) -> int:
    """Replace the upper triangle of `a` by U with ``a = U^H U``; 0, or where it breaks down."""
    info = ctypes.c_int64()
    order = _by_reference(len(a))
    _fortran("potrf", a)(_L, order, _address(a), _leading(a), ctypes.byref(info), _LENGTH)
    return info.value


def trtri(a: Matrix, *, upper: bool, unit: bool = False) -> None:
    """Replace a triangle of `a` by its inverse; one with a unit diagonal does not touch it.

    An exact zero on the diagonal leaves it as it is.
    """
    info = ctypes.c_int64()
    shape, diagonal = _L if upper else _U, _U if unit else _N
    arguments = (_by_reference(len(a)), _address(a), _leading(a), ctypes.byref(info))
    _fortran("trtri", a)(shape, diagonal, *arguments, _LENGTH, _LENGTH)


def undo_pivots(a: Matrix, pivots: Pivots) -> None:
    """Interchange the columns of `a`, shape (n, n), by `pivots`, from the last to the first."""
    n, first, backwards = _by_reference(len(a)), _by_reference(1), _by_reference(-1)
    _fortran("laswp", a)(n, _address(a), _leading(a), first, n, _address(pivots), backwards)


def gemm(alpha: float, x: Matrix, y: Matrix, beta: float, out: Matrix) -> None:
    """Compute ``out = alpha * x @ y + beta * out``; `x` may be the transpose of rows."""
    by_rows = x.strides[1] == x.itemsize
    rows = x if by_rows else x.T
    (m, k), n = x.shape, y.shape[1]
    operands = (rows.ctypes.data, _stride(rows), y.ctypes.data, _stride(y))
    _cblas("gemm", out)(
        _ROWS,
        _PLAIN if by_rows else _TRANSPOSED,
        _PLAIN,
        m,
        n,
        k,
        _scalar(alpha, out.dtype.char),
        *operands,
        _scalar(beta, out.dtype.char),
        out.ctypes.data,
        _stride(out),
    )


def gemv(a: Matrix, x: Matrix, out: Matrix, *, transposed: bool = False) -> None:
    """Compute ``out = a @ x``, or add ``a^T @ x`` to `out`; vectors are contiguous."""
    char = out.dtype.char
    _cblas("gemv", out)(
        _ROWS,
        _TRANSPOSED if transposed else _PLAIN,
        *a.shape,
        _scalar(1.0, char),
        a.ctypes.data,
        _stride(a),
        x.ctypes.data,
        1,
        _scalar(1.0 if transposed else 0.0, char),
        out.ctypes.data,
        1,
    )


def subtract_gram(factor: float, x: Matrix, out: Matrix) -> None:
    """Subtract ``factor * x^H @ x`` from the upper triangle of `out`; leave the lower one alone."""
    k, n = x.shape
    complex_ = out.dtype.kind == "c"
    _cblas("herk" if complex_ else "syrk", out)(
        _ROWS,
        _UPPER,
        _CONJUGATED if complex_ else _TRANSPOSED,
        n,
        k,
        -factor,
        x.ctypes.data,
        _stride(x),
        1.0,
        out.ctypes.data,
        _stride(out),
    )


def transpose(a: Matrix, out: Matrix) -> None:
    """Write the transpose of `a` to `out`: three times as fast as numpy for a tall panel."""
    _cblas("omatcopy", a)(
        _ROWS,
        _TRANSPOSED,
        *a.shape,
        _scalar(1.0, a.dtype.char),
        a.ctypes.data,
        _stride(a),
        out.ctypes.data,
        _stride(out),
    )


def test_with(check: Callable[[str], None]) -> None:
    """Let `check` test the library before its first use in a precision, by numpy's letter of it."""
    global _check  # noqa: PLW0603 - there is one library in a process
    _check = check


def _await_test(char: str) -> None:
    """Let the first call in a precision test the library, and all others wait for the verdict.

    Raises
    ------
    BrokenArithmeticError
        In every thread that asks, so that none of them can publish.
    """
    if _right.get(char):
        return
    with _loading:
        if char in _right:  # in test, perhaps: who gets here has the lock, and so is the test
            return
        if _check is None:
            message = "nobody said how to test LAPACK: import matinv.linalg.kernels"
            raise RuntimeError(message)
        _right[char] = False
        try:
            _check(char)
        except BaseException:
            del _right[char]
            raise
        _right[char] = True


@cache
def _library() -> ctypes.CDLL:
    with _loading:
        spec = find_spec("scipy_openblas64")
        if spec is None or spec.origin is None:
            message = "the package scipy-openblas64 is not installed"
            raise ImportError(message)
        path = next((Path(spec.origin).parent / "lib").glob("libscipy_openblas64_*"))
        library = ctypes.CDLL(str(path))
        library.scipy_openblas_set_num_threads64_(1)  # its own would spin: `matinv.linalg.crew`
        return library


def _fortran(name: str, a: Matrix) -> Callable[..., None]:
    """Return a LAPACK routine, which takes all its arguments by reference."""
    _await_test(a.dtype.char)
    return _bound(f"scipy_{_LETTERS[a.dtype.char]}{name}_64_")


def _cblas(name: str, a: Matrix) -> Callable[..., None]:
    """Return a routine of CBLAS: numbers by value, complex factors and matrices by address."""
    _await_test(a.dtype.char)
    return _bound(f"scipy_cblas_{_LETTERS[a.dtype.char]}{name}64_", name)


@cache
def _bound(symbol: str, signature: str = "") -> Callable[..., None]:
    function = getattr(_library(), symbol)
    function.restype = None
    if signature:
        letter = symbol.removeprefix("scipy_cblas_")[0]
        real = ctypes.c_float if letter in "sc" else ctypes.c_double
        factor = real if letter in "sd" or signature == "herk" else ctypes.c_void_p
        kinds = {"e": ctypes.c_int, "n": ctypes.c_int64, "f": factor, "p": ctypes.c_void_p}
        function.argtypes = [kinds[kind] for kind in _SIGNATURES[signature]]
    return function  # type: ignore[no-any-return]


# Of each argument its kind: an enumeration, an integer, a factor, an address.
_SIGNATURES: Final = {
    "gemm": "eeennnfpnpnfpn",
    "gemv": "eennfpnpnfpn",
    "syrk": "eeennfpnfpn",
    "herk": "eeennfpnfpn",
    "omatcopy": "eennfpnpn",
}


@cache
def _scalar(value: float, char: str) -> Any:
    """Return a factor as CBLAS takes it: a complex one by address."""
    if char in "fd":
        return value
    part = ctypes.c_float if char == "F" else ctypes.c_double
    return ctypes.cast((part * 2)(value, 0.0), ctypes.c_void_p)


def _by_reference(value: int) -> Any:
    return ctypes.byref(ctypes.c_int64(value))


def _address(a: NDArray[Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(a.ctypes.data)


def _stride(a: Matrix) -> int:
    """Return the distance between rows, in elements: LAPACK's leading dimension."""
    elements: int = a.strides[0] // a.itemsize
    return elements


def _leading(a: Matrix) -> Any:
    return _by_reference(_stride(a))


def _order(stack: Matrix) -> int:
    """Return the order of a stack; LAPACK would write past the end of what is not laid out so."""
    if not (stack.ndim == 3 and stack.shape[1] == stack.shape[2] and stack.flags.carray):
        message = f"needs a stack (k, n, n) that is C-contiguous and writable, not {stack.shape}"
        raise ValueError(message)
    return len(stack[0])
