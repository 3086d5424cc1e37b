"""The HTTP API on the memory twins."""

from __future__ import annotations

import io

import pytest

from asking import Asking


@pytest.fixture(autouse=True)
def _quiet(log: io.StringIO) -> None:
    """Keep what the API logs out of pytest's own capture."""


@pytest.fixture
def ask() -> Asking:
    return Asking()
