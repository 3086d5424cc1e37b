"""The pipeline on the in-memory backend."""

from __future__ import annotations

import pytest

from support.memory_service import MemoryService


@pytest.fixture
def service() -> MemoryService:
    return MemoryService()
