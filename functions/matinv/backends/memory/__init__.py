"""The ports in memory: the contracts of `matinv.backends.aws` without a network.

They ship with the product so that the service, the client and the tests of others run anywhere.
Each class counts its calls in ``calls`` and asks ``fail``, if set, before and after each effect:
``fail("put:before")``. The hook may raise `Transient`, block, or call the class itself.
"""

from matinv.backends.memory.capacity import MemoryCapacity
from matinv.backends.memory.events import MemoryEvents
from matinv.backends.memory.monitor import MemoryMonitor
from matinv.backends.memory.queue import MemoryQueue
from matinv.backends.memory.store import MemoryStore
from matinv.backends.memory.table import MemoryTable

__all__ = [
    "MemoryCapacity",
    "MemoryEvents",
    "MemoryMonitor",
    "MemoryQueue",
    "MemoryStore",
    "MemoryTable",
]
