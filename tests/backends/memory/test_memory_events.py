"""The in-memory events keeps the contract of its port, and fails on demand."""

from __future__ import annotations

import json
from typing import Any

import pytest

from matinv.backends.memory import (
    MemoryEvents,
)
from matinv.errors import Code, Transient
from matinv.testing.contracts import (
    JobEventsContract,
    record,
)


class TestMemoryEvents(JobEventsContract):
    @pytest.fixture
    def events(self) -> MemoryEvents:
        return MemoryEvents()

    def received(self, events: MemoryEvents) -> dict[str, tuple[dict[str, str], dict[str, Any]]]:
        return {e.job_id: (dict(e.attributes), json.loads(e.body)) for e in events.published}

    @pytest.mark.parametrize(("moment", "published"), [("publish:before", 0), ("publish:after", 1)])
    def test_a_fault_is_an_answer(self, events: MemoryEvents, moment: str, published: int) -> None:
        events.fail = failing(moment)
        assert events.publish([record("a")]) == [False]
        assert len(events.published) == published


def failing(*moments: str):
    def fail(moment: str) -> None:
        if moment in moments:
            raise Transient(Code.STORAGE, moment)

    return fail
