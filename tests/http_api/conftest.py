"""The HTTP API of a service in memory, by the events of a function's URL."""

from __future__ import annotations

import io

import pytest

from support.api_server import ApiServer


@pytest.fixture(autouse=True)
def _quiet(log: io.StringIO) -> None:
    """Keep what the API logs out of pytest's own capture."""


@pytest.fixture
def ask() -> ApiServer:
    return ApiServer()
