import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from matinv.formats.codecs import CODECS, Format, Text
from matinv.jobs.limits import predict, predict_text
from matinv.linalg.types import Method

# Prints by how many bytes a process's memory peaks above what it had before the matrix was there.
# VmHWM and not ru_maxrss, which a child inherits from the process that started it.
PROBE = """
import sys
import numpy as np
from matinv.linalg.budget import Budget
from matinv.linalg.inverse import invert
from matinv.jobs.request import Method
shape, dtype, method = eval(sys.argv[1]), sys.argv[2], Method(sys.argv[3])

def memory(name):
    status = open("/proc/self/status").read()
    return 1024 * int(status.split(name + ":")[1].split()[0])

invert(np.eye(4))
idle = memory("VmRSS")
a = np.full(shape, 0.01, dtype)
diagonal = np.arange(shape[-1])
a[..., diagonal, diagonal] = shape[-1]
a[..., 0, -1] = 0
inverses = invert(a, method, overwrite=True, budget=Budget(lambda: 60.0, 0))
assert not inverses.failures
print(memory("VmHWM") - idle)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="VmHWM is Linux's")
@pytest.mark.parametrize(
    ("shape", "dtype", "method", "slack"),
    [
        ((1024, 1024), "float64", "auto", 1.5),
        ((1500, 1500), "float32", "auto", 1.6),
        ((300_000, 2, 2), "complex64", "auto", 1.8),
        ((400, 400), "float64", "pinv", 1.8),
    ],
)
def test_predicted_memory_is_enough_and_not_much_too_much(shape, dtype, method, slack):
    command = [sys.executable, "-c", PROBE, repr(shape), dtype, method]
    grown = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    predicted = predict(shape, np.dtype(dtype), Method(method)).memory_bytes
    assert grown <= predicted <= slack * grown


def test_time_grows_with_the_cube_and_with_the_stack():
    seconds = [predict((n, n), np.float64, Method.AUTO).seconds for n in (2000, 4000)]
    assert 7 < seconds[1] / seconds[0] < 8.1
    one, many = (predict((k, 8, 8), np.float64, Method.AUTO).seconds for k in (1, 1000))
    assert many == pytest.approx(1000 * one)


def test_time_of_precisions():
    def seconds(dtype, method=Method.AUTO):
        return predict((2000, 2000), np.dtype(dtype), method).seconds

    assert seconds("float32") < seconds("float64") < seconds("complex128")
    assert seconds("int16") == seconds("float64") < seconds("float64", Method.PINV)


def test_integers_are_counted_as_the_float64_they_become():
    assert predict((100, 100), np.dtype(np.int8), Method.AUTO).matrix_bytes == 80_000


def test_absurd_shapes_are_predicted_not_allocated():
    huge = predict((2**33, 2**33), np.dtype(np.float64), Method.AUTO)
    assert huge.matrix_bytes == 8 * 2**66
    assert predict((10**400, 10**400), np.dtype(np.float64), Method.PINV).seconds > 1e40


def test_json_needs_more_than_npy():
    npy = predict((100, 100), np.dtype(np.float64), Method.AUTO)
    json = predict((100, 100), np.dtype(np.float64), Method.AUTO, Format.JSON)
    assert json.memory_bytes > npy.memory_bytes + 200_000
    text = CODECS[Format.JSON].input
    assert isinstance(text, Text)
    assert predict_text(text, 200_000).memory_bytes > json.memory_bytes + 200_000
