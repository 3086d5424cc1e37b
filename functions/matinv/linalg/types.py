"""Types of the numbers: matrices, and how to invert one."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.floating[Any] | np.complexfloating[Any, Any]]
"""Shape (n, n) or (k, n, n); float32, float64, complex64 or complex128; native byte order."""


class Method(StrEnum):
    """How to invert: LU or Cholesky as it fits, LU, Cholesky only, or the pseudo-inverse."""

    AUTO = "auto"
    GENERAL = "general"
    SPD = "spd"
    PINV = "pinv"


class Accuracy(StrEnum):
    """How good an inverse must be: by its bound, or each element proven and correctly rounded."""

    STANDARD = "standard"
    VERIFIED = "verified"


class OnIllConditioned(StrEnum):
    """The policy when half of the digits are gone (kappa_1 > 1/sqrt(eps))."""

    WARN = "warn"
    FAIL = "fail"
