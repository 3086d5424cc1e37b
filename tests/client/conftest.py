"""The Python client, on the in-memory backend and the real pipeline."""

from __future__ import annotations

import pytest

from matinv.client import Client
from support.memory_service import MemoryService


@pytest.fixture
def service() -> MemoryService:
    return MemoryService()


@pytest.fixture
def client(service: MemoryService) -> Client:
    return service.client
