"""The HTTP API of a service in memory, over a real socket."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from support.api_server import ApiServer, serving


@pytest.fixture
def api(log: io.StringIO) -> Iterator[ApiServer]:
    with serving() as made:
        yield made
