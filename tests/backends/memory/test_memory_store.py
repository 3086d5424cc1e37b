"""The in-memory store keeps the contract of its port, and fails on demand."""

from __future__ import annotations

import pytest

from matinv.backends.memory import (
    MemoryStore,
)
from matinv.errors import Code, Transient
from matinv.testing.contracts import (
    MatrixStoreContract,
)


class TestMemoryStore(MatrixStoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore("inputs", "results")

    def test_a_wrong_hash_is_not_stored(self, store: MemoryStore) -> None:
        with pytest.raises(Transient, match="STORAGE"):
            store.put_result("j/1.npy", [b"1"], "0" * 64, {})
        assert store.uris() == []

    def test_a_connection_breaks_on_demand(self, store: MemoryStore) -> None:
        reference = store.upload("a.npy", [b"1"], {})
        store.fail = failing("read:before")
        with store.open(reference) as blob, pytest.raises(Transient):
            blob.read(1)


def failing(*moments: str):
    def fail(moment: str) -> None:
        if moment in moments:
            raise Transient(Code.STORAGE, moment)

    return fail
