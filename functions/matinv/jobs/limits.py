"""Memory and time of a job, predicted from its header alone, before a byte of the body is read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Final

import numpy as np
from numpy.typing import DTypeLike

from matinv.formats.codecs import CODECS, Format, Text
from matinv.linalg import ball
from matinv.linalg.gauss_jordan import width_of
from matinv.linalg.kernels import SMALL_N
from matinv.linalg.types import Accuracy, Method

_MIB: Final = 2**20

# Memory. Measured as growth of the peak while a matrix was inverted in its own memory, one thread:
# 3.3, 4.3, 10.7 and 18.7 MiB at n = 512, 1024, 2048, 4096 in float64, 19.8 at 2048 in complex128;
# 2 to 4 for stacks of small matrices. OpenBLAS' packing buffers and one block are the constant
# part; three panels of the blocked kernels and the rows that pivots displace, at most one more,
# grow with n. A fifth panel is for the allocator: four were 0.3 % short at n = 5474. A second
# thread took 1.5 MiB more, and the library's code that its self-test reads takes 1.2 to 2.2. A
# process that did not compile its modules itself has 2 to 3 MiB less to use again: 9.2 MiB were
# measured beside a matrix of n = 1500 in float32, of which the panels are 1.8.
_FIXED_BYTES: Final = 8 * _MIB
_PANELS: Final = 5

# Per slice of a stack: rcond, residual, bound, digits and gap 40, the determinant 24, the way 8,
# rank 4, flags 4.
_PER_SLICE_BYTES: Final = 88

# The SVD works in float64 or complex128: matrix, U, V, workspaces, products, and the slices of
# residuals in twice the precision. 21.4 MiB in all were measured at n = 400, 1.22 a matrix.
_SVD_COPIES: Final = 12

# Time. One Graviton2 vCPU has 2.5 GHz * 2 pipes * 2 doubles * 2 flops = 20 GFLOP/s, of which GEMM
# gets 15. A machine whose GEMM makes 62 took 353 ms for n = 2048 (78 % of GEMM's rate), 6.8 for
# 512 (66 %), and for small n 1.0, 3.9, 15 and 66 us at n = 8, 16, 32, 64: two thirds of GEMM's rate
# and 13 ns an element. The latter is four times as much at a quarter of the speed.
_GEMM_FLOPS: Final = 15e9
_EFFICIENCY: Final = 0.6
_PER_ELEMENT_S: Final = 55e-9
_PER_SLICE_S: Final = 0.5e-6

# One matrix over many ranks. One with nothing to do holds 67 MiB (Python, numpy, a client of AWS,
# MPI, ScaLAPACK and its BLAS), of which it shares a third with the others. A slab is read while the
# one before it is converted and copied, with a buffer on each side; panels and workspaces are a few
# blocks wide. Over 4 ranks 388 and 722 MiB were measured at n = 3000 and 5000, where 820 and 1254
# are predicted: how long the buffers of slabs live is the allocator's.
_RANK_BYTES: Final = 96 * _MIB
_SLAB_BYTES: Final = 32 * _MIB
_SLABS: Final = 5
_SPREAD_BLOCK: Final = 64
_SPREAD_PANELS: Final = 4

_ABSURD: Final = 10**18

# gesdd's share: 0.39 s at n = 1000 is 25 n^3 at GEMM's rate; 30 us at n = 16 are 120 ns an element.
_SVD_FLOPS: Final = 15.0
_SVD_PER_ELEMENT_S: Final = 500e-9


@dataclass(frozen=True, slots=True)
class Prediction:
    """The memory and time that a job will take.

    Parameters
    ----------
    memory_bytes : int
        Peak over the idle worker, the matrix included.
    seconds : float
        CPU time on one vCPU of the smallest lane.
    matrix_bytes : int
        Size of the matrix, or stack, in memory.
    serial_s : float
        The part of `seconds` that one thread does, however many there are: what is read, moved and
        surveyed element by element, and ball arithmetic. 15 minutes of the 9 hours that one thread
        of 16 works for n = 131,072.
    """

    memory_bytes: int
    seconds: float
    matrix_bytes: int
    serial_s: float = 0.0

    def wall_s(self, threads: int) -> float:
        """Return how long it takes with so many threads for the rest (Amdahl's law)."""
        return self.serial_s + (self.seconds - self.serial_s) / threads


def predict(  # noqa: PLR0913 - what a header and its options say
    shape: tuple[int, ...],
    dtype: DTypeLike,
    method: Method = Method.AUTO,
    format: Format = Format.NPY,  # noqa: A002 - what the option is called
    read_s: float = 0.0,
    *,
    accuracy: Accuracy = Accuracy.STANDARD,
) -> Prediction:
    """Predict memory and time for inverting a matrix (n, n) or a stack (k, n, n) in place.

    Parameters
    ----------
    shape : tuple of int
        From the header; any size, nothing is allocated.
    dtype : dtype
        As written: integers become float64.
    method : Method
        PINV needs an SVD.
    format : Format
        In which the result is written.
    read_s : float
        CPU time that reading takes beyond the transfer.
    accuracy : Accuracy
        VERIFIED takes ball arithmetic at two precisions.
    """
    kind = np.dtype(dtype)
    if kind.kind in "iub":
        kind = np.dtype(np.float64)
    n, k = shape[-1], prod(shape[:-2])
    elements = k * n * n
    matrix_bytes = elements * kind.itemsize
    memory_bytes = (
        matrix_bytes
        + k * _PER_SLICE_BYTES
        + _FIXED_BYTES
        + _PANELS * width_of(n) * n * kind.itemsize
        + (_SVD_COPIES * n * n * _wide_bytes(kind) if method is Method.PINV else 0)
    )
    memory_bytes += CODECS[format].output.memory_bytes(shape, kind)
    flops_s, elements_s = _seconds(k, n, kind, method)
    serial_s = read_s + elements_s
    if accuracy is Accuracy.VERIFIED:
        n, complex_ = min(n, _ABSURD), kind.kind == "c"
        memory_bytes += int(ball.predicted_bytes(n, 2 * ball.FIRST_BITS, complex_=complex_))
        serial_s += min(k, _ABSURD) * sum(
            ball.predicted_s(n, bits, complex_=complex_)
            for bits in (ball.FIRST_BITS, 2 * ball.FIRST_BITS)
        )
    return Prediction(memory_bytes, flops_s + serial_s, matrix_bytes, serial_s)


def predict_spread(
    shape: tuple[int, ...],
    dtype: DTypeLike,
    ranks: int,
    *,
    wide: bool = True,
) -> Prediction:
    """Predict memory and time for a matrix (n, n) over many ranks (`matinv.grid`).

    Parameters
    ----------
    shape, dtype
        From the header.
    ranks : int
        How many processes share the matrix.
    wide : bool
        Whether single precision is computed in double.
    """
    given = np.dtype(dtype)
    kind = np.dtype(np.float64) if given.kind in "iub" else given.newbyteorder("=")
    kind = np.promote_types(kind, np.float64) if wide else kind
    n = shape[-1]
    matrix_bytes = n * n * kind.itemsize
    slab_bytes = min(matrix_bytes // ranks, _SLAB_BYTES) + n * kind.itemsize
    panels_bytes = _SPREAD_PANELS * _SPREAD_BLOCK * n * kind.itemsize
    memory_bytes = matrix_bytes + ranks * (_RANK_BYTES + _SLABS * slab_bytes + panels_bytes)
    seconds = sum(_seconds(1, n, kind, Method.GENERAL))  # what is not shared by threads is by ranks
    return Prediction(memory_bytes, seconds, matrix_bytes)


def predict_text(text: Text, size_bytes: int, accuracy: Accuracy = Accuracy.STANDARD) -> Prediction:
    """Predict from the length of the text alone: one matrix of as many elements as can be.

    No worker counts with an accuracy before it has read the text: it may hold many small matrices.
    """
    n = int((size_bytes / text.element_bytes) ** 0.5) + 1
    matrix = predict((n, n), np.float64, accuracy=accuracy)
    proof_bytes = matrix.memory_bytes - predict((n, n), np.float64).memory_bytes
    memory_bytes = _FIXED_BYTES + text.memory_ratio * size_bytes + proof_bytes
    return replace(matrix, memory_bytes=memory_bytes)


def _wide_bytes(dtype: np.dtype[np.generic]) -> int:
    return 16 if dtype.kind == "c" else 8


def _seconds(k: int, n: int, dtype: np.dtype[np.generic], method: Method) -> tuple[float, float]:
    """Return the time of the arithmetic, and that of what is done element by element."""
    k, n = min(k, _ABSURD), min(n, _ABSURD)  # a header may claim what no float holds
    flops = float(n) ** 3 * (_SVD_FLOPS if method is Method.PINV else 2)
    rate = _GEMM_FLOPS * _EFFICIENCY
    if dtype.kind == "c":
        flops *= 4
    if n > SMALL_N and method is not Method.PINV and dtype.itemsize < _wide_bytes(dtype):
        rate *= 2  # small matrices and SVDs are computed in double precision
    element_s = _SVD_PER_ELEMENT_S if method is Method.PINV else _PER_ELEMENT_S
    return k * flops / rate, k * (float(n) ** 2 * element_s + _PER_SLICE_S)
