"""A service in memory at a fixed moment."""

from __future__ import annotations

import pytest

from support.memory_service import MemoryService
from support.timed_records import NOW_S


@pytest.fixture
def service() -> MemoryService:
    service = MemoryService()
    service.now_s = NOW_S
    return service
