"""The service's promises, one sentence each, on the in-memory twins."""

from __future__ import annotations

import json
from threading import Barrier, Event
from typing import Any

import numpy as np
import pytest

from matinv.errors import Code, Transient
from matinv.jobs.limits import IDLE_BYTES, MARGIN_S, predict
from matinv.jobs.record import Status
from matinv.local.samples import npy_bytes
from matinv.operations.dead_letters import redriven_body
from matinv.pipeline import Verdict, invert
from matinv.testing.events import eventbridge, sns_wrapped
from support.world import INPUTS, World

GOOD = [[1, 2], [3, 4]]
INVERSE = [[-2.0, 1.0], [1.5, -0.5]]
SINGULAR = [[1, 2], [2, 4]]


@pytest.fixture
def world() -> World:
    return World.make()


def job(job_id: str, matrix: Any = None, **fields: Any) -> dict[str, Any]:
    return {"job_id": job_id, "matrix": GOOD if matrix is None else matrix, **fields}


def dead_codes(world: World) -> list[str]:
    return [letter.error_code for letter in world.queue.dead]


# What goes in, comes out


def test_inline_matrix_is_inverted_into_its_record(world: World) -> None:
    assert world.deliver(job("exp-42", tags={"team": "fem"})) == []
    record = world.record("exp-42")
    assert record.status is Status.SUCCEEDED
    assert world.inverse("exp-42") == INVERSE
    assert record.tags == {"team": "fem"}
    assert record.certificate is not None
    assert record.certificate.residual < 1
    assert record.input.shape == (2, 2)
    assert set(record.timings_ms) >= {"queued_ms", "invert_ms"}
    assert record.expires_at == int(world.now_s) + world.app.retention_s


def test_bare_matrix_gets_an_id_from_its_content(world: World) -> None:
    world.deliver({"matrix": GOOD}, {"matrix": [[1.0, 2.0], [3.0, 4.0]]})
    assert world.report is not None
    first, second = world.report.outcomes
    assert first.delivery.job_id == second.delivery.job_id
    assert first.delivery.job_id.startswith("sha256-")
    assert {first.verdict, second.verdict} == {Verdict.DONE, Verdict.DUPLICATE}


def test_dropped_npy_file_is_inverted_into_the_results_bucket(world: World) -> None:
    a = np.random.default_rng(1).normal(size=(70, 70))
    assert world.deliver(world.drop("fem/run-1.npy", a)) == []
    record = world.record("fem/run-1")
    assert record.status is Status.SUCCEEDED
    assert record.result is not None
    assert record.result.uri is not None
    assert record.result.uri.startswith("s3://results/fem/run-1/")
    assert np.allclose(world.stored("fem/run-1") @ a, np.eye(70))


def test_options_of_a_dropped_file_come_from_its_metadata(world: World) -> None:
    event = world.drop("p.npy", np.array(SINGULAR, float), method="pinv", tag_team="fem")
    assert world.deliver(event) == []
    record = world.record("p")
    assert record.certificate is not None
    assert record.certificate.method == "pinv"
    assert record.tags == {"team": "fem"}


@pytest.mark.parametrize(
    "text", [json.dumps(GOOD), json.dumps({"matrix": GOOD, "tags": {"a": "b"}})]
)
def test_dropped_json_file_is_inverted(world: World, text: str) -> None:
    assert world.deliver(world.drop("j.json", text.encode())) == []
    assert world.inverse("j") == INVERSE


def test_every_wrapping_of_a_notification_leads_to_the_same_job(world: World) -> None:
    event = world.drop("w.npy", np.eye(3))
    key = event["Records"][0]["s3"]["object"]
    bridge = eventbridge(INPUTS, "w.npy", version_id=key["versionId"])
    world.deliver(event, sns_wrapped(json.dumps(event)), bridge)
    assert world.report is not None
    assert [o.verdict for o in world.report.outcomes] == [
        Verdict.DONE,
        Verdict.DUPLICATE,
        Verdict.DUPLICATE,
    ]


def test_message_with_several_records_is_acknowledged_when_all_are_done(world: World) -> None:
    first, second = world.drop("a.npy", np.eye(2)), world.drop("b.npy", np.eye(2))
    both = {"Records": [*first["Records"], *second["Records"]]}
    assert world.deliver(both) == []
    assert world.record("a").status is world.record("b").status is Status.SUCCEEDED


def test_reference_without_version_finds_its_object(world: World) -> None:
    world.drop("ref.npy", 2 * np.eye(2))
    world.deliver({"job_id": "other", "s3": {"bucket": INPUTS, "key": "ref.npy"}})
    assert np.array_equal(world.stored("other"), 0.5 * np.eye(2))


def test_large_result_asked_for_in_dynamodb_is_refused(world: World) -> None:
    event = world.drop("d.npy", np.eye(170), output="dynamodb")
    world.deliver(event)
    assert world.error("d") == Code.TOO_LARGE


def test_format_can_be_chosen(world: World) -> None:
    world.deliver(job("f", format="npy"))
    assert np.array_equal(world.stored("f"), INVERSE)


def test_stack_with_one_singular_slice_ends_partial(world: World) -> None:
    assert world.deliver(job("s", [GOOD, SINGULAR, GOOD])) == []
    record = world.record("s")
    assert record.status is Status.PARTIAL
    assert record.slices is not None
    assert [(f.index, f.code) for f in record.slices.failures] == [(1, "SINGULAR")]
    assert world.inverse("s") == [INVERSE, None, INVERSE]
    assert world.queue.dead == []


def test_stack_without_any_inverse_fails(world: World) -> None:
    world.deliver(job("s", [SINGULAR, SINGULAR]))
    assert world.record("s").status is Status.FAILED
    assert dead_codes(world) == ["SINGULAR"]


# One bad record never hurts its neighbours


BAD = {
    "garbage": ("hello", "BAD_MESSAGE"),
    "bad id": ({"job_id": "../../x", "matrix": GOOD}, "BAD_JOB_ID"),
    "singular": (job("bad-1", SINGULAR), "SINGULAR"),
    "ragged": (job("bad-2", [[1, 2], [3]]), "RAGGED"),
    "overflow": (job("bad-3", [[5e-324, 0], [0, 1]]), "OVERFLOW"),
    "foreign bucket": ({"job_id": "bad-4", "s3": {"bucket": "x", "key": "k.npy"}}, "FORBIDDEN_REF"),
    "results bucket": (
        {"job_id": "bad-5", "s3": {"bucket": "results", "key": "k.npy"}},
        "FORBIDDEN_REF",
    ),
    "gone": ({"job_id": "bad-6", "s3": {"bucket": INPUTS, "key": "none.npy"}}, "INPUT_GONE"),
    "no extension": ({"job_id": "bad-7", "s3": {"bucket": INPUTS, "key": "none"}}, "BAD_FORMAT"),
    "not spd": (job("bad-8", [[1, 2], [2, 1]], method="spd"), "NOT_POSITIVE_DEFINITE"),
    "ill conditioned": (
        job("bad-9", [[1, 1], [1, 1 + 2**-40]], on_ill_conditioned="fail"),
        "ILL_CONDITIONED",
    ),
    "version": ({"v": 99, "matrix": GOOD}, "UNSUPPORTED_VERSION"),
}


@pytest.mark.parametrize("position", [0, 4, 9])
@pytest.mark.parametrize("name", BAD)
def test_bad_message_fails_alone_and_is_acknowledged(
    world: World, name: str, position: int
) -> None:
    body, code = BAD[name]
    batch: list[Any] = [job(f"good-{i}", [[1, i], [3, 4 + 3 * i]]) for i in range(9)]
    batch.insert(position, body)
    assert world.deliver(*batch) == []
    assert all(world.record(f"good-{i}").status is Status.SUCCEEDED for i in range(9))
    assert dead_codes(world) == [code]
    letter = world.queue.dead[0]
    assert world.error(letter.delivery.job_id) == code
    assert letter.delivery.body == (body if isinstance(body, str) else json.dumps(body))


def test_batch_of_only_bad_messages_is_reported_whole(world: World) -> None:
    assert world.deliver(*(body for body, _ in BAD.values())) == []
    assert sorted(dead_codes(world)) == sorted(code for _, code in BAD.values())


def test_same_bad_message_twice_is_buried_once(world: World) -> None:
    world.deliver(job("bad", SINGULAR), job("bad", SINGULAR))
    world.deliver(job("bad", SINGULAR))
    assert dead_codes(world) == ["SINGULAR"]


def test_dead_letter_queue_that_cannot_be_written_keeps_the_message(world: World) -> None:
    def fail(operation: str) -> None:
        if operation == "bury:before":
            raise Transient(Code.ACCESS_DENIED, "no")

    world.queue.fail = fail
    assert world.deliver(job("bad", SINGULAR), job("good")) == [0]
    assert world.record("bad").status is Status.RETRYING
    world.queue.fail = None
    assert world.deliver(job("bad", SINGULAR), receive_count=2) == []
    assert dead_codes(world) == ["SINGULAR"]


# Duplicates, conflicts, supersession


def test_duplicate_of_an_ended_job_is_acknowledged_without_work(world: World) -> None:
    event = world.drop("x.npy", np.eye(70))
    world.deliver(event)
    before = world.record("x")
    opened = world.store.calls["open"]
    assert world.deliver(event, event, event, event, event) == []
    assert world.record("x") == before
    assert world.store.calls["open"] == opened


def test_five_notifications_in_one_batch_are_one_inversion(world: World) -> None:
    event = world.drop("x.npy", np.eye(70))
    assert world.deliver(*[event] * 5) == []
    assert world.store.calls["open"] == 1


def test_message_with_a_taken_job_id_is_refused_and_the_record_stays(world: World) -> None:
    world.deliver(job("x"))
    before = world.record("x")
    assert world.deliver(job("x", [[2, 0], [0, 2]])) == []
    assert world.record("x") == before
    assert dead_codes(world) == ["JOB_ID_CONFLICT"]


@pytest.mark.parametrize("newer_first", [False, True])
def test_newer_upload_of_a_key_wins_in_either_order(world: World, newer_first: bool) -> None:
    old, new = world.drop("x.npy", np.eye(2)), world.drop("x.npy", 2 * np.eye(2))
    for event in (new, old) if newer_first else (old, new):
        assert world.deliver(event) == []
    assert np.array_equal(world.stored("x"), 0.5 * np.eye(2))
    assert world.queue.dead == []


def test_of_two_uploads_in_one_batch_only_the_newer_is_read(world: World) -> None:
    old, new = world.drop("x.npy", np.eye(2)), world.drop("x.npy", 2 * np.eye(2))
    assert world.deliver(old, new) == []
    assert np.array_equal(world.stored("x"), 0.5 * np.eye(2))
    assert world.store.calls["open"] == 1


def test_failed_job_is_reopened_only_by_a_redrive(world: World) -> None:
    world.deliver(job("x", SINGULAR))
    assert world.deliver(job("x", SINGULAR, method="pinv")) == []
    assert world.record("x").status is Status.FAILED
    assert world.deliver(job("x", SINGULAR, method="pinv", redrive=1)) == []
    assert world.record("x").status is Status.SUCCEEDED
    assert world.record("x").redrive == 1


def test_newer_upload_replaces_a_redriven_one(world: World) -> None:
    old = world.drop("x.npy", np.array(SINGULAR, float))
    world.deliver(old)
    version = old["Records"][0]["s3"]["object"]["versionId"]
    reference = {"bucket": INPUTS, "key": "x.npy", "version_id": version}
    world.deliver({"job_id": "x", "s3": reference, "method": "pinv", "redrive": 1})
    assert world.record("x").status is Status.SUCCEEDED
    assert world.deliver(world.drop("x.npy", 2 * np.eye(2))) == []
    assert np.array_equal(world.stored("x"), 0.5 * np.eye(2))


def test_older_upload_that_is_redriven_leaves_the_job_to_the_newer_one(world: World) -> None:
    world.deliver(world.drop("x.npy", np.array(SINGULAR, float)))
    older = world.queue.dead[-1].delivery
    failed = world.record("x")
    world.deliver(world.drop("x.npy", np.zeros((2, 2))))
    newer = world.queue.dead[-1].delivery
    bodies = [redriven_body(d, failed, {"method": "pinv"}, world.store) for d in (older, newer)]
    assert world.deliver(bodies[0]) == []
    assert world.error("x") == Code.SINGULAR
    assert world.deliver(bodies[1]) == []
    assert np.array_equal(world.stored("x"), np.zeros((2, 2)))


def test_redrive_chooses_another_method_than_the_file(world: World) -> None:
    event = world.drop("x.json", json.dumps({"matrix": SINGULAR, "method": "general"}).encode())
    world.deliver(event)
    reference = {"bucket": INPUTS, "key": "x.json"}
    message = {"job_id": "x", "s3": reference, "redrive": 1}
    world.deliver(message)
    assert world.error("x") == Code.SINGULAR
    world.deliver(message | {"redrive": 2, "method": "pinv"})
    assert world.record("x").status is Status.SUCCEEDED


# Transient faults


def test_throttled_store_puts_the_job_off_with_growing_delay(world: World) -> None:
    event = world.drop("x.npy", np.eye(70))

    def fail(operation: str) -> None:
        if operation == "open:before":
            raise Transient(Code.THROTTLED, "slow down")

    world.store.fail = fail
    assert world.deliver(event, job("good")) == [0]
    assert world.record("x").status is Status.RETRYING
    assert world.error("x") == Code.THROTTLED
    assert world.record("good").status is Status.SUCCEEDED
    (_, first) = world.queue.delays[-1]
    assert world.deliver(event, receive_count=2) == [0]
    assert world.queue.delays[-1][1] > first
    world.store.fail = None
    assert world.deliver(event, receive_count=3) == []
    assert world.record("x").status is Status.SUCCEEDED
    assert world.record("x").attempts == 3


def test_last_receive_says_failed_and_still_returns_the_message(world: World) -> None:
    event = world.drop("x.npy", np.eye(70))

    def fail(operation: str) -> None:
        if operation == "put_result:before":
            raise Transient(Code.STORAGE, "500")

    world.store.fail = fail
    assert world.deliver(event, receive_count=world.queue.max_receive_count()) == [0]
    record = world.record("x")
    assert record.status is Status.FAILED
    assert record.error is not None
    assert record.error.retryable
    world.store.fail = None
    assert world.deliver(event) == []
    assert world.record("x").status is Status.SUCCEEDED


def test_unreadable_table_returns_everything_and_touches_nothing(world: World) -> None:
    def fail(operation: str) -> None:
        raise Transient(Code.THROTTLED, operation)

    world.table.fail = fail
    assert world.deliver(job("a"), job("b", SINGULAR)) == [0, 1]
    assert world.queue.dead == []
    world.table.fail = None
    assert world.table.get(["a", "b"]) == {}


def test_bug_in_one_job_is_returned_and_its_neighbours_succeed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = invert.draft

    def broken(app: Any, task: Any, inverses: Any) -> Any:
        if task.job_id == "bug":
            raise ZeroDivisionError
        return real(app, task, inverses)

    monkeypatch.setattr(invert, "draft", broken)
    assert world.deliver(job("a"), job("bug"), job("b")) == [1]
    assert world.error("bug") == Code.INTERNAL
    assert world.record("a").status is world.record("b").status is Status.SUCCEEDED
    assert world.report is not None
    bug = next(o for o in world.report.outcomes if o.delivery.job_id == "bug")
    assert isinstance(bug.exception, ZeroDivisionError)


def test_bug_in_a_stacked_inversion_is_narrowed_down_to_its_matrix(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = invert.invert

    def broken(stack: Any, *args: Any, **kwargs: Any) -> Any:
        if (stack == 13.0).any():
            raise FloatingPointError
        return real(stack, *args, **kwargs)

    monkeypatch.setattr(invert, "invert", broken)
    assert world.deliver(job("a"), job("bug", [[13, 0], [0, 1]]), job("b")) == [1]
    assert world.record("a").status is world.record("b").status is Status.SUCCEEDED


def test_matrix_that_elimination_cannot_invert_is_inverted_at_the_second_receive(
    world: World,
) -> None:
    n = 100  # near Wilkinson's example: the pivots grow as 2**n, the condition number as n
    a = np.tril(-(1 - 1e-3 * np.random.default_rng(0).random((n, n))), -1) + np.eye(n)
    a[:, -1] = 1
    a = np.asfortranarray(a @ np.diag(1 + 0.3 * np.random.default_rng(1).random(n)))
    event = world.drop("wilkinson.npy", a)
    assert world.deliver(event) == [0]
    assert world.error("wilkinson") == Code.RESIDUAL
    assert world.deliver(event, receive_count=2) == []
    assert np.allclose(world.stored("wilkinson") @ a, np.eye(n))


# Deadlines


def test_no_time_left_on_entry_returns_everything_without_a_call(world: World) -> None:
    world.remaining_s = 0.5
    assert world.deliver(job("a"), job("b")) == [0, 1]
    assert not (world.table.calls + world.queue.calls + world.store.calls)


def test_too_little_time_hands_back_at_once_without_delay(world: World) -> None:
    world.remaining_s = 1.5
    assert world.deliver(job("a")) == [0]
    assert [seconds for _, seconds in world.queue.delays] == [0]
    assert world.table.get(["a"]) == {}


def test_job_longer_than_the_rest_of_the_invocation_waits_for_the_next(world: World) -> None:
    world.remaining_s = 2.5
    event = world.drop("big.npy", np.broadcast_to(np.float64(1), (2500, 2500)))
    assert world.deliver(event, job("small")) == [0]
    assert world.record("small").status is Status.SUCCEEDED


def test_job_that_waited_for_memory_until_the_time_was_over_waits_for_the_next() -> None:
    one = predict((200, 200), np.dtype(float)).memory_bytes
    world = World.make(memory_bytes=IDLE_BYTES + one * 3 // 2)
    events = [world.drop(f"{n}.npy", np.eye(200)) for n in range(2)]
    both_opened = Barrier(2, timeout=60)

    def slow(operation: str) -> None:
        if operation == "open:after":
            both_opened.wait()
        if operation == "put_result:before":
            world.remaining_s = MARGIN_S - 0.1

    world.store.fail = slow
    assert len(world.deliver(*events)) == 1
    assert len([uri for uri in world.store.uris() if uri.startswith("s3://results/")]) == 1


@pytest.mark.parametrize("dead", ["get:before", "put:before", "bury:before", "delay:before"])
def test_service_that_never_answers_does_not_keep_the_invocation(world: World, dead: str) -> None:
    answered = Event()

    def never(operation: str) -> None:
        if operation == dead:
            world.remaining_s = 0.0  # as much time as there was
            assert answered.wait(60)
            raise Transient(Code.STORAGE, "the read timed out")

    for twin in (world.table, world.queue):
        twin.fail = never
    # Just enough to begin, so that the test is short; or too little, so that all is put off.
    world.remaining_s = 1.5 if dead == "delay:before" else MARGIN_S + 0.1
    try:
        assert world.deliver(job("a"), job("bad", SINGULAR)) in ([0, 1], [1])
    finally:
        answered.set()
    for twin in (world.table, world.queue):
        twin.fail = None
    world.remaining_s = 60.0
    assert world.deliver(job("a"), job("bad", SINGULAR), receive_count=2) == []
    assert world.record("a").status is Status.SUCCEEDED
    assert world.error("bad") == Code.SINGULAR


# Admission


def test_matrix_too_large_for_the_lane_is_refused_with_the_numbers() -> None:
    world = World.make(memory_bytes=300 * 2**20)
    assert world.deliver(world.drop("big.npy", np.zeros((6000, 6000)))) == []
    error = world.record("big").error
    assert error is not None
    assert error.code is Code.TOO_LARGE
    assert error.observed is not None
    assert error.limit is not None
    assert "140 MiB" in error.limit


def test_matrix_too_large_for_the_lane_is_forwarded_where_there_is_another() -> None:
    world = World.make(memory_bytes=300 * 2**20, large_lane=True)
    event = world.drop("big.npy", np.zeros((6000, 6000)))
    assert world.deliver(event, job("small")) == []
    assert [json.loads(d.body) for d in world.queue.forwarded] == [event]
    assert "big" not in world.table.get(["big"])


def test_header_that_promises_too_much_is_refused_before_the_body_is_read(world: World) -> None:
    header = npy_bytes(np.eye(2))[:128].replace(b"(2, 2), }      ", b"(1000000, 1000000), }")[:128]
    world.deliver(world.drop("huge.npy", header))
    assert world.error("huge") in {Code.TOO_LARGE, Code.BAD_LENGTH}


# Crashes: at every boundary, before and after its effect, nothing is lost


BOUNDARIES = [
    f"{operation}:{side}"
    for operation in ("get", "open", "put_result", "put", "bury")
    for side in ("before", "after")
]


class Killed(BaseException):
    """Stands for kill -9: nothing catches it."""


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_kill_at_any_boundary_loses_nothing_and_publishes_once(world: World, boundary: str) -> None:
    good = world.drop("good.npy", np.random.default_rng(2).normal(size=(70, 70)))
    batch = [good, job("inline"), job("bad", SINGULAR)]

    def kill(operation: str) -> None:
        if operation == boundary:
            raise Killed

    for twin in (world.store, world.table, world.queue):
        twin.fail = kill
    with pytest.raises(Killed):
        world.deliver(*batch)
    for twin in (world.store, world.table, world.queue):
        twin.fail = None
    assert world.deliver(*batch, receive_count=2) == []
    assert world.record("good").status is Status.SUCCEEDED
    assert world.inverse("inline") == INVERSE
    assert world.error("bad") == Code.SINGULAR
    assert 1 <= len(world.queue.dead) <= 2
    assert len([uri for uri in world.store.uris() if uri.startswith("s3://results/")]) == 1


def test_zombie_that_finishes_late_changes_nothing(world: World) -> None:
    event = world.drop("x.npy", np.random.default_rng(3).normal(size=(70, 70)))
    finished: list[Any] = []

    def overtake(operation: str) -> None:
        if operation == "put:before" and not finished:
            finished.append(None)
            world.deliver(event)  # another worker does the whole job while this one pauses
            finished.append(world.record("x"))

    world.table.fail = overtake
    assert world.deliver(event) == []
    assert world.record("x") == finished[1]


def test_zombie_that_fails_late_leaves_the_result(world: World) -> None:
    event = world.drop("x.npy", np.eye(70))
    rescued: list[Any] = []

    def overtake(operation: str) -> None:
        if operation == "open:before" and not rescued:
            rescued.append(None)
            world.deliver(event)
            rescued.append(world.record("x"))
            raise Transient(Code.STORAGE, "connection reset")

    world.store.fail = overtake
    assert world.deliver(event) in ([], [0])
    assert world.record("x") == rescued[1]


def test_result_of_an_earlier_attempt_is_adopted(world: World) -> None:
    event = world.drop("x.npy", np.random.default_rng(4).normal(size=(70, 70)))

    def fail(operation: str) -> None:
        if operation == "put:before":
            raise Transient(Code.THROTTLED, "slow down")

    world.table.fail = fail
    assert world.deliver(event) == [0]
    world.table.fail = None
    assert world.deliver(event, receive_count=2) == []
    assert world.record("x").status is Status.SUCCEEDED
    assert len([uri for uri in world.store.uris() if uri.startswith("s3://results/")]) == 1


# Thrift


def test_thousand_small_messages_take_few_calls(world: World) -> None:
    rng = np.random.default_rng(5)
    batch = [job(f"m-{i}", rng.normal(size=(4, 4)).tolist()) for i in range(1000)]
    assert world.deliver(*batch) == []
    assert world.table.calls["get"] == 1
    assert world.table.calls["put"] == 1
    assert world.store.calls.total() == 0
