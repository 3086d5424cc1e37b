from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from matinv.linalg import gauss_jordan, lapack, self_test
from matinv.linalg.self_test import BrokenArithmeticError

DTYPES = ["float32", "float64", "complex64", "complex128"]

# Which of the arguments a routine writes, and an element of it: some keep to the upper triangle.
LOWER, UPPER = (-1, -2), (0, -1)
WHOLE = {"getrf_getri": (0, LOWER), "potrf_potri": (0, UPPER), "gemm": (-1, LOWER)}
PARTS = {
    "getrf": (0, LOWER),
    "potrf": (0, UPPER),
    "trtri": (0, LOWER),
    "undo_pivots": (0, LOWER),
    "transpose": (-1, LOWER),
    "subtract_gram": (-1, UPPER),
}


def flip_last_bit(x, place=LOWER):
    """Spoil an element as little as its format allows."""
    x.real[(..., *place)] = np.nextafter(x.real[(..., *place)], np.inf)


def spoil_returned(honest, dtype):
    def run(*args):
        x = honest(*args)
        if x.dtype == dtype:
            flip_last_bit(x)
        return x

    return run


def spoil_written(monkeypatch, name, dtype, written, place):
    honest = getattr(lapack, name)

    def run(*args, **options):
        info = honest(*args, **options)
        if args[written].dtype == dtype:
            flip_last_bit(args[written], place)
        return info

    monkeypatch.setattr(lapack, name, run)


def test_this_machine_passes():
    self_test.check_numpy()
    for char in "fdFD":
        self_test.check_lapack(char)


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
def test_one_bit_of_numpys_products_is_noticed(monkeypatch, dtype):
    monkeypatch.setattr(np, "matmul", spoil_returned(np.matmul, dtype))
    with pytest.raises(BrokenArithmeticError, match=dtype):
        self_test.check_numpy()


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_one_bit_of_the_inverses_of_small_matrices_is_noticed(monkeypatch, dtype):
    honest = self_test.invert_short

    def spoil(a):
        x, broken = honest(a)
        if x.dtype == dtype:
            flip_last_bit(x)
        return x, broken

    monkeypatch.setattr(self_test, "invert_short", spoil)
    with pytest.raises(BrokenArithmeticError, match=dtype):
        self_test.check_numpy()


def test_one_bit_of_numpys_own_lapack_is_noticed(monkeypatch):
    monkeypatch.setattr(np.linalg, "inv", spoil_returned(np.linalg.inv, "float32"))
    with pytest.raises(BrokenArithmeticError, match="float32"):
        self_test.check_numpy()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", WHOLE)
def test_one_bit_of_a_routine_is_noticed_in_each_precision(monkeypatch, name, dtype):
    spoil_written(monkeypatch, name, dtype, *WHOLE[name])
    with pytest.raises(BrokenArithmeticError, match=dtype):
        self_test.check_lapack(np.dtype(dtype).char)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PARTS)
def test_one_bit_of_a_part_of_the_blocked_routes_is_noticed(monkeypatch, name, dtype):
    spoil_written(monkeypatch, name, dtype, *PARTS[name])
    with pytest.raises(BrokenArithmeticError, match=dtype):
        self_test.check_lapack(np.dtype(dtype).char)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_rubbish_is_noticed(monkeypatch, value):
    def rubbish(a, _width):
        a[...] = value
        return 0

    monkeypatch.setattr(gauss_jordan, "invert_general", rubbish)
    with pytest.raises(BrokenArithmeticError, match="gauss-jordan is wrong on float32"):
        self_test.check_lapack("f")


def test_nothing_in_it_rounds():
    """All sums of products, in their units, are integers that float32 holds: a wide margin."""
    for n, units in ((32, 2.0**7), (48, 2.0**7)):
        for a in self_test.regular(n):
            x = np.linalg.inv(a)
            assert (np.abs(a) @ np.abs(x)).max() * units < 2**22


def test_its_matrices_take_interchanges_and_all_of_their_elements_matter():
    general, definite = self_test.regular(48)
    assert (np.argmax(np.abs(general[::-1]), axis=0) > 0).mean() > 0.9
    for a in (general, definite):
        assert (a != 0).mean() > 0.4
        assert np.linalg.cond(a, 1) > 1e3


def test_no_handler_of_errors_of_one_job_catches_it():
    assert not issubclass(BrokenArithmeticError, Exception)
    assert issubclass(BrokenArithmeticError, SystemExit)


PROCESS = """
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from matinv.linalg import kernels, lapack
from matinv.linalg.inverse import invert

honest = lapack.potrf_potri
called = []

def spoilt(stack, *pivots):
    called.append(threading.get_ident())
    info = honest(stack, *pivots)
    stack[-1, 0, -1] += 1
    return info

lapack.potrf_potri = spoilt
with ThreadPoolExecutor(8) as pool:
    futures = [pool.submit(invert, 3 * np.eye(n)) for n in (33, 40, 65, 66, 100, 330, 400, 500)]
verdicts = [type(future.exception()).__name__ for future in futures]
assert verdicts == 8 * ["BrokenArithmeticError"], verdicts
print("none published")
print(futures[0].result())
"""


def test_every_thread_waits_for_the_verdict_and_the_process_ends_with_it():
    done = subprocess.run(
        [sys.executable, "-c", PROCESS], capture_output=True, text=True, check=False
    )
    assert done.stdout == "none published\n"
    assert done.returncode == 1
    assert done.stderr.startswith("self-test: potrf+potri is wrong on float64")
    assert "Traceback" not in done.stderr


LOADING = """
import numpy as np
from matinv.linalg import kernels, lapack

honest = lapack.gemm

def spoilt(alpha, x, y, beta, out):
    honest(alpha, x, y, beta, out)
    if out.dtype == "complex64":
        out[0, 0] += 1

lapack.gemm = spoilt
lapack.load()
"""


def test_loading_it_tests_every_precision():
    done = subprocess.run(
        [sys.executable, "-c", LOADING], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("self-test: gemm is wrong on complex64")
