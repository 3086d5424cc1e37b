"""Memory and time of a job, predicted from its header alone, before a byte of the body is read."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Final

import numpy as np
from numpy.typing import DTypeLike

from matinv.core.job import Format, Method
from matinv.core.kernels import SMALL_N

_MIB: Final = 2**20

# Lambda gives one vCPU per 1,769 MB.
_MB_PER_THREAD: Final = 1769

# One Graviton2 vCPU: 2.5 GHz * 2 pipes * 2 doubles * 2 flops = 20 GFLOP/s; GEMM gets 75 % of it.
_GEMM_FLOPS: Final = 15e9

_LU_EFFICIENCY: Final = 0.55
_SVD_FLOPS: Final = 22.0
_FIXED_BYTES: Final = 48 * _MIB


@dataclass(frozen=True, slots=True)
class Lane:
    """What one kind of worker has.

    Parameters
    ----------
    memory_bytes : int
        Memory of the worker.
    threads : int
        Threads that it may use.
    """

    memory_bytes: int
    threads: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a job will take.

    Parameters
    ----------
    memory_bytes : int
        Peak over the idle worker, the matrix included.
    seconds : float
        CPU time on one vCPU.
    matrix_bytes : int
        Size of the matrix, or stack, in memory.
    """

    memory_bytes: int
    seconds: float
    matrix_bytes: int


def threads_of(memory_bytes: int) -> int:
    """Return the vCPUs that Lambda gives a function of this memory, at least one."""
    return max(1, memory_bytes // _MIB // _MB_PER_THREAD)


def predict(
    shape: tuple[int, ...],
    dtype: DTypeLike,
    method: Method,
    size_bytes: int | None = None,
    format: Format = Format.NPY,  # noqa: A002 - the name of the option
) -> Prediction:
    """Predict what inverting a matrix (n, n) or a stack (k, n, n) takes."""
    kind = np.dtype(dtype)
    n = shape[-1]
    k = prod(shape[:-2])
    matrix_bytes = k * n * n * kind.itemsize
    complex_flops = 4 if kind.kind == "c" else 1
    factor = _SVD_FLOPS if method is Method.PINV else 2
    seconds = factor * complex_flops * k * float(n) ** 3 / (_GEMM_FLOPS * _LU_EFFICIENCY)
    copies = 8 if method is Method.PINV and n > SMALL_N else 1
    text = 5 * (size_bytes or 0) if format is Format.JSON else 0
    return Prediction(copies * matrix_bytes + text + _FIXED_BYTES, seconds, matrix_bytes)


def predict_json(size_bytes: int) -> Prediction:
    """Predict from the length of a JSON text whose shape is not known yet: the worst case."""
    n = int((size_bytes / 2) ** 0.5) + 1
    return predict((n, n), np.float64, Method.AUTO, size_bytes, Format.JSON)
