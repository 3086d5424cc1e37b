"""A client of its own for each test, with faults on demand and without pauses."""

from __future__ import annotations

from typing import Any

import pytest

from matinv.backends.aws import calls, clients
from support.faults import Faults


@pytest.fixture
def client(request: pytest.FixtureRequest, at_moto: str) -> Any:
    """Return a new client of the module's ``SERVICE``."""
    return clients.client(request.module.SERVICE)


@pytest.fixture
def faults(client: Any, monkeypatch: pytest.MonkeyPatch) -> Faults:
    """Stand between the client and the network."""
    monkeypatch.setattr(calls, "_PAUSE_S", 0.001)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    return Faults(client)
