"""Suites to inherit from, one for each port: its rules for every implementation.

A test module makes a subclass of a suite and gives it the fixture that it lacks::

    class TestMemoryStore(MatrixStoreContract):
        @pytest.fixture
        def store(self) -> MemoryStore:
            return MemoryStore("inputs", "results")
"""

from matinv.testing.contracts.capacity import CapacityContract
from matinv.testing.contracts.events import JobEventsContract
from matinv.testing.contracts.monitor import MonitorContract
from matinv.testing.contracts.queue import ClientQueueContract, JobQueueContract, delivery, letter
from matinv.testing.contracts.store import ClientStoreContract, MatrixStoreContract, digest
from matinv.testing.contracts.table import (
    ClientTableContract,
    JobTableContract,
    full_record,
    record,
)

__all__ = [
    "CapacityContract",
    "ClientQueueContract",
    "ClientStoreContract",
    "ClientTableContract",
    "JobEventsContract",
    "JobQueueContract",
    "JobTableContract",
    "MatrixStoreContract",
    "MonitorContract",
    "delivery",
    "digest",
    "full_record",
    "letter",
    "record",
]
