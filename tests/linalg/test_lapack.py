from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

from matinv.linalg import hermitian, lapack

DTYPES = ["float32", "float64", "complex64", "complex128"]


def matrix(n, dtype, seed=0):
    rng = np.random.default_rng(seed)
    a = rng.standard_normal((n, n))
    if np.dtype(dtype).kind == "c":
        a = a + 1j * rng.standard_normal((n, n))
    return a.astype(dtype)


def distance(x, a):
    """How far x is from the inverse of a, in units of the rounding that it must have."""
    error = np.linalg.norm(x.astype(complex) @ a - np.eye(len(a)), 1)
    scale = np.linalg.norm(a, 1) * np.linalg.norm(x, 1) * len(a)
    return error / (scale * np.finfo(a.dtype).eps / 2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 7, 65, 130])
def test_lu_inverts_in_place(n, dtype):
    a = matrix(n, dtype)
    x = a.copy()
    assert lapack.getrf_getri(x[None]) == 0
    assert distance(x, a) < 3


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 2, 7, 65, 130])
def test_cholesky_inverts_the_upper_triangle_and_leaves_the_lower_one(n, dtype):
    a = matrix(n, dtype)
    a = (a @ a.conj().T + n * np.eye(n)).astype(dtype)
    a = np.triu(a) + np.triu(a, 1).conj().T
    x = a.copy()
    assert lapack.potrf_potri(x[None]) == 0
    assert (np.tril(x, -1) == np.tril(a, -1)).all()
    hermitian.complete(x)
    assert distance(x, a) < 3


def test_a_zero_pivot_is_reported_by_its_place_and_hurts_no_neighbour():
    stack = np.stack([np.eye(4), np.diag([1.0, 2.0, 0.0, 4.0]), 2 * np.eye(4)])
    assert lapack.getrf_getri(stack).tolist() == [0, 3, 0]
    assert (stack[2] == np.eye(4) / 2).all()


def test_a_minor_that_is_not_positive_is_reported_by_its_order_and_hurts_no_neighbour():
    stack = np.stack([np.eye(4), np.diag([1.0, 2.0, -3.0, 4.0]), 4 * np.eye(4)])
    assert lapack.potrf_potri(stack).tolist() == [0, 3, 0]
    assert (stack[2] == np.eye(4) / 4).all()


@pytest.mark.parametrize(
    "a",
    [np.eye(4)[None, ::2, ::2], matrix(4, "float64").T[None], np.ones((1, 2, 3)), np.ones((4, 4))],
    ids=["strided", "fortran", "oblong", "matrix"],
)
def test_memory_that_lapack_would_misread_is_refused(a):
    for routine in (lapack.getrf_getri, lapack.potrf_potri):
        with pytest.raises(ValueError, match="C-contiguous"):
            routine(a)


def test_threads_of_python_may_call_at_once():
    a = matrix(150, "float64")
    expected = a.copy()
    lapack.getrf_getri(expected[None])
    results = [a.copy() for _ in range(8)]
    threads = [threading.Thread(target=lapack.getrf_getri, args=(x[None],)) for x in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((x == expected).all() for x in results)


def test_neither_import_nor_small_matrices_load_the_library():
    script = """
import numpy as np
from matinv.linalg import lapack
from matinv.linalg.inverse import invert
from matinv.linalg.schulz import SHORT_N
invert(np.stack([np.eye(8)] * 3)), invert(np.eye(SHORT_N))
loaded = lambda: "libscipy_openblas64_.so" in open("/proc/self/maps").read()
assert not loaded()
invert(np.eye(SHORT_N + 1))
assert loaded()
import sys
assert "scipy_openblas64" not in sys.modules and "numpy.random" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)
