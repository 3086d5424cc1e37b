"""LAPACK in place, through ctypes on the OpenBLAS of the ``scipy-openblas64`` wheel.

The library is loaded by the first call (2 ms, 1 MB) and never by ``import``: small matrices do
without it. The file is opened directly: importing the wheel's package takes 60 ms, and puts its
symbols, which are those of numpy's own OpenBLAS, into the process's global scope.

Routines take row-major matrices. LAPACK reads one as its transpose, and the inverse of that, read
back row by row, is the inverse: nothing is transposed and nothing copied. ctypes releases the GIL
for the length of a call.
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

from matinv.core.job import Matrix

_LETTERS: Final = {"f": "s", "d": "d", "F": "c", "D": "z"}  # numpy's and LAPACK's type letters

# ILAENV's block for getri. A workspace of n * 64 elements lets it run blocked.
_GETRI_BLOCK: Final = 64

_loading = threading.Lock()
_threads = 1


def set_threads(count: int) -> None:
    """Let OpenBLAS use `count` threads in this library; without a call it uses one.

    One is right wherever several matrices are inverted side by side. numpy's own OpenBLAS is
    another library with threads of its own (``OPENBLAS_NUM_THREADS``).
    """
    global _threads  # noqa: PLW0603 - it mirrors a setting that OpenBLAS itself keeps per process
    _threads = count
    if _library.cache_info().currsize:
        _library().scipy_openblas_set_num_threads64_(count)


def getrf_getri(a: Matrix) -> int:
    """Replace `a` by its inverse: LU with partial pivoting.

    Parameters
    ----------
    a : ndarray, shape (n, n), C-contiguous
        Overwritten, by rubbish if it is singular.

    Returns
    -------
    int
        0, or the 1-based position of an exactly zero pivot.
    """
    n = _order(a)
    order, data, info = _by_reference(n), _pointer(a), ctypes.c_int64()
    pivots = np.empty(n, dtype=np.int64)
    work = np.empty(n * _GETRI_BLOCK, dtype=a.dtype)
    _routine("getrf", a)(order, order, data, order, _pointer(pivots), ctypes.byref(info))
    if info.value == 0:
        size = _by_reference(work.size)
        arguments = (order, data, order, _pointer(pivots), _pointer(work), size)
        _routine("getri", a)(*arguments, ctypes.byref(info))
    return info.value


def potrf_potri(a: Matrix) -> int:
    """Replace the upper triangle of `a` by that of its inverse: Cholesky.

    Parameters
    ----------
    a : ndarray, shape (n, n), C-contiguous
        Hermitian. Only its upper triangle and diagonal are read and overwritten, by rubbish if it
        is not positive definite.

    Returns
    -------
    int
        0, or the 1-based order of the leading minor that is not positive.
    """
    triangle, length = ctypes.c_char_p(b"L"), ctypes.c_size_t(1)  # upper by rows, lower by columns
    order, data, info = _by_reference(_order(a)), _pointer(a), ctypes.c_int64()
    for name in ("potrf", "potri"):
        _routine(name, a)(triangle, order, data, order, ctypes.byref(info), length)
        if info.value:
            break
    return info.value


@cache
def _library() -> ctypes.CDLL:
    with _loading:
        spec = find_spec("scipy_openblas64")
        if spec is None or spec.origin is None:
            message = "the package scipy-openblas64 is not installed"
            raise ImportError(message)
        path = next((Path(spec.origin).parent / "lib").glob("libscipy_openblas64_*"))
        library = ctypes.CDLL(str(path))
        library.scipy_openblas_set_num_threads64_(_threads)
        return library


def _by_reference(value: int) -> Any:
    return ctypes.byref(ctypes.c_int64(value))


def _pointer(a: np.ndarray[Any, Any]) -> ctypes.c_void_p:
    return ctypes.c_void_p(a.ctypes.data)


def _routine(name: str, a: Matrix) -> Callable[..., None]:
    function: Callable[..., None] = getattr(_library(), f"scipy_{_LETTERS[a.dtype.char]}{name}_64_")
    return function


def _order(a: Matrix) -> int:
    """Return the order of `a`; LAPACK would write past the end of what is not laid out so."""
    if not (a.ndim == 2 and a.shape[0] == a.shape[1] and a.flags.carray):
        message = f"needs a square matrix that is C-contiguous and writable, not {a.shape}"
        raise ValueError(message)
    return len(a)
