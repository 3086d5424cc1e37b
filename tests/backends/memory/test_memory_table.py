"""The in-memory table keeps the contract of its port, and fails on demand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from matinv.backends.memory import (
    MemoryTable,
)
from matinv.errors import Code, Transient
from matinv.testing.contracts import (
    JobTableContract,
    record,
)


class TestMemoryTable(JobTableContract):
    @pytest.fixture
    def table(self) -> MemoryTable:
        return MemoryTable()

    @pytest.mark.parametrize(("moment", "written"), [("put:before", 0), ("put:after", 1)])
    def test_a_fault_comes_before_or_after_its_effect(
        self, table: MemoryTable, moment: str, written: int
    ) -> None:
        table.fail = failing(moment)
        with pytest.raises(Transient):
            table.put([record("a")])
        assert len(table.records) == written
        assert table.calls["put"] == 1

    def test_another_worker_may_be_faster(self, table: MemoryTable) -> None:
        def write_first(moment: str) -> None:
            table.fail = None
            table.put([replace(record("a"), attempts=7)])

        table.fail = write_first
        assert table.put([record("a")]) == [False]
        assert table.records["a"].attempts == 7


def failing(*moments: str):
    def fail(moment: str) -> None:
        if moment in moments:
            raise Transient(Code.STORAGE, moment)

    return fail
