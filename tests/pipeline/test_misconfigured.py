"""Our own table, queue or bucket is denied: the batch stops, the queue waits, nobody is blamed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from matinv.errors import Code, Misconfigured, Transient
from matinv.jobs.record import Status
from matinv.pipeline import Verdict
from support.bodies import GOOD
from support.memory_service import MemoryService

HOUR_S = 3600


def denied(*moments: str) -> Callable[[str], None]:
    def fail(moment: str) -> None:
        if moment in moments:
            raise Misconfigured(Code.ACCESS_DENIED, "the bucket is denied", "ask an operator")

    return fail


def files(service: MemoryService, count: int) -> list[dict[str, Any]]:
    return [service.drop(f"f{n}.npy", np.eye(70)) for n in range(count)]


def verdicts(service: MemoryService) -> set[Verdict]:
    assert service.report is not None
    assert len({id(o.delivery) for o in service.report.outcomes}) == len(service.report.batch)
    return {outcome.verdict for outcome in service.report.outcomes}


def test_a_denied_bucket_stops_the_batch_after_a_handful_of_calls(service: MemoryService) -> None:
    batch = files(service, 100)
    service.store.fail = denied("open:before")
    assert service.deliver(*batch) == list(range(100))
    assert service.store.calls["open"] <= 8  # one for each thread that had begun
    assert verdicts(service) == {Verdict.STOPPED}
    assert service.table.records == {}
    assert service.queue.dead == []


def test_a_denied_results_bucket_stops_the_batch_too(service: MemoryService) -> None:
    batch = files(service, 100)
    service.store.fail = denied("put_result:before")
    assert service.deliver(*batch) == list(range(100))
    assert service.store.calls["put_result"] <= 8
    assert service.table.records == {}


def test_a_table_that_cannot_be_read_is_asked_once(service: MemoryService) -> None:
    batch = files(service, 9)
    service.table.fail = denied("get:before")
    assert service.deliver(*batch, *batch) == list(range(18))
    assert service.table.calls == {"get": 1}
    assert service.store.calls["open"] == 0
    assert verdicts(service) == {Verdict.STOPPED}


def test_a_table_that_cannot_be_written_stops_the_batch(service: MemoryService) -> None:
    small = [{"job_id": f"m{n}", "matrix": GOOD} for n in range(100)]
    service.table.fail = denied("put:before")
    assert service.deliver(*small, *small, *files(service, 100)) == list(range(300))
    assert service.table.calls["put"] <= 2
    assert verdicts(service) == {Verdict.STOPPED}


def test_what_was_done_by_then_stays_done(service: MemoryService) -> None:
    inline = {"job_id": "inline", "matrix": GOOD}
    (file,) = files(service, 1)
    service.store.fail = denied("put_result:before")
    assert service.deliver(inline, file) in ([1], [0, 1])
    service.store.fail = None
    assert service.deliver(inline, file, receive_count=2) == []
    assert service.record("inline").status is service.record("f0").status is Status.SUCCEEDED
    assert len([uri for uri in service.store.uris() if uri.startswith("s3://results/")]) == 1


def test_an_object_that_is_denied_alone_hurts_no_neighbour(service: MemoryService) -> None:
    batch = files(service, 9)
    first: list[str] = []

    def fail(moment: str) -> None:
        if moment == "open:before" and not first:
            first.append(moment)
            raise Transient(Code.ACCESS_DENIED, "the object's key is denied")

    service.store.fail = fail
    (back,) = service.deliver(*batch)
    statuses = {job_id: record.status for job_id, record in service.table.records.items()}
    assert statuses.pop(f"f{back}") is Status.RETRYING
    assert set(statuses.values()) == {Status.SUCCEEDED}
    assert len(statuses) == 8
    assert [seconds for _, seconds in service.queue.delays] == [5]


def pauses(service: MemoryService, receives: int) -> list[int]:
    """Return for how long a message of a service that stays denied is hidden after each receive."""
    (file,) = files(service, 1)
    service.store.fail = denied("open:before")
    for n in range(receives):
        assert service.deliver(file, receive_count=n + 1) == [0]
    return [seconds for _, seconds in service.queue.delays]


def test_messages_wait_from_15_minutes_on_for_twice_as_long_each_time(
    service: MemoryService,
) -> None:
    service.app = replace(service.app, jitter=lambda: 1.0)
    found = pauses(service, 10)
    assert found[:6] == [900, 1800, 3600, 7200, 14_400, 28_800]
    # SQS hides a message for 12 h since it was received, and an invocation takes up to 15 minutes.
    assert set(found[6:]) == {12 * HOUR_S - 900}
    assert sum(found) < 96 * HOUR_S  # for as long the queue keeps a message
    for n in range(6):
        assert found[n] == sum(found[:n]) + 900


def test_a_queue_that_is_half_full_of_such_messages_has_them_back_within_the_hour(
    service: MemoryService,
) -> None:
    """At 120,000 in flight SQS hands out none: jobs that came since would wait as well."""
    service.app = replace(service.app, jitter=lambda: 1.0)
    service.queue.hidden = 60_000
    assert pauses(service, 10) == [900, 1800, *[HOUR_S] * 8]


def test_with_full_jitter_it_still_takes_hours_to_the_dead_letters(service: MemoryService) -> None:
    service.app = replace(service.app, jitter=lambda: 0.0)
    assert sum(pauses(service, 5)) > 3 * HOUR_S


def test_the_last_receive_leaves_a_record_that_says_why_and_an_event() -> None:
    service = MemoryService(topic=True)
    (file,) = files(service, 1)
    service.store.fail = denied("open:before")
    assert service.deliver(file, receive_count=service.queue.max_receive_count()) == [0]
    assert service.record("f0").status is Status.FAILED
    assert service.error("f0") == Code.ACCESS_DENIED
    assert [event.job_id for event in service.events.published] == ["f0"]
    service.store.fail = None
    assert service.deliver(file) == []
    assert service.record("f0").status is Status.SUCCEEDED


def test_a_queue_that_is_denied_as_well_raises_nothing(service: MemoryService) -> None:
    batch = files(service, 9)
    service.store.fail = denied("open:before")
    service.queue.fail = denied("delay:before", "max_receive_count:before", "dead_letter:before")
    assert service.deliver(*batch, {"job_id": "bad", "matrix": [[0]]}) == list(range(10))
    assert service.queue.delays == []


def test_when_all_is_mended_every_job_ends(service: MemoryService) -> None:
    batch = [*files(service, 30), {"job_id": "bad", "matrix": [[0]]}]
    service.store.fail = denied("open:before")
    service.deliver(*batch)
    service.store.fail = None
    assert service.deliver(*batch, receive_count=2) == []
    statuses = [service.record(f"f{n}").status for n in range(30)]
    assert set(statuses) == {Status.SUCCEEDED}
    assert service.error("bad") == Code.SINGULAR
