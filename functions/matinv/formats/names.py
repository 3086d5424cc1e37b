"""The formats that there are."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """How a matrix is written."""

    NPY = "npy"
    JSON = "json"
