"""`Client.map`: many matrices, in order, in few messages, with bounded memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinv.client import Client, JobFailed, TimedOut
from matinv.client.client import MemoryClient
from matinv.errors import Code, MatinvError, Refused, Transient
from matinv.jobs.record import Status
from support.memory_service import MemoryService, general

SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])


def matrices(number: int, n: int = 4) -> list[np.ndarray]:
    return [general(n, seed) for seed in range(number)]


def check(given: Any, found: Any) -> None:
    given, found = list(given), list(found)
    assert len(given) == len(found)
    for matrix, inverse in zip(given, found, strict=True):
        np.testing.assert_allclose(inverse @ matrix, np.eye(len(matrix)), atol=1e-8)


def codes(found: Any) -> list[str]:
    """Return the code of each error, "" for an inverse."""
    return [
        one.error.code
        if isinstance(one, JobFailed)
        else one.code
        if isinstance(one, MatinvError)
        else ""
        for one in found
    ]


# --- in order, whatever they are


def test_inverses_come_in_the_order_of_their_matrices(client: Client) -> None:
    given = [general(n, n) for n in (3, 200, 3, 3, 50, 1, 200, 7)]
    check(given, client.map(given))


def test_lists_files_and_arrays_of_each_dtype_may_be_mixed(client: Client, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", general(5))
    given: list[Any] = [
        [[2, 0], [0, 4]],
        tmp_path / "a.npy",
        np.diag([2, 4]),
        np.diag([2.0, 4.0]).astype(np.float32),
        np.diag([2j, 4.0]),
    ]
    found = list(client.map(given))
    assert [one.dtype.name for one in found] == [  # type: ignore[union-attr]
        *("float64", "float64", "float64", "float32", "complex128")
    ]
    np.testing.assert_array_equal(found[4], np.diag([-0.5j, 0.25]))


def test_a_stack_is_one_matrix_of_the_list(client: Client) -> None:
    stack = np.stack(matrices(3))
    (found,) = client.map([stack])
    check(stack, found)


def test_nothing_gives_nothing(client: Client, service: MemoryService) -> None:
    assert list(client.map([])) == []
    assert service.queue.calls == {}


def test_the_same_matrix_twice_is_one_job(client: Client, service: MemoryService) -> None:
    a, b = general(200), general(3)
    check([a, b, a, b, a], client.map([a, b, a, b, a]))
    assert len(service.table.records) == 2


def test_options_and_run_reach_the_records(client: Client, service: MemoryService) -> None:
    list(client.map(matrices(3), method="general", tags={"team": "fem"}, run="first"))
    (record,) = service.table.records.values()
    assert record.tags == {"team": "fem"}
    assert record.run == "first"
    assert record.certificate is not None
    assert record.certificate.method == "general"


def test_what_does_not_begin_in_time_has_that_as_its_error() -> None:
    client = Client.in_memory()
    client.working = False
    found = client.map(matrices(2), errors="return", expires_in_s=60)

    def come_back_late(seconds: float) -> None:
        client._worker.pass_time(100 + seconds)
        client.work()

    client.sleep = come_back_late
    codes = [one.error.code for one in found if isinstance(one, JobFailed)]
    assert codes == [Code.EXPIRED, Code.EXPIRED]


def test_a_name_that_is_none_is_refused_with_those_that_are(client: Client) -> None:
    with pytest.raises(Refused, match=r"found: lu; allowed: auto, general"):
        client.map([], method="lu")


# --- few messages


def test_small_neighbours_of_one_shape_share_a_message(
    client: Client, service: MemoryService
) -> None:
    given = matrices(250, 8)
    check(given, client.map(given))
    assert [record.input.shape for record in service.table.records.values()] == [
        (100, 8, 8),
        (100, 8, 8),
        (50, 8, 8),
    ]


@pytest.mark.parametrize(
    ("given", "files", "shapes"),
    [
        ((6, 60), 0, [(6, 60, 60)]),  # of 28.8 KB each: what fits a message is cheapest in one
        ((7, 60), 1, [(7, 60, 60)]),  # and one file is cheaper than two messages
        ((120, 150), 6, [(23, 150, 150)] * 5 + [(5, 150, 150)]),  # 4 MiB
        ((3, 512), 2, [(2, 512, 512), (512, 512)]),
        ((2, 513), 2, [(513, 513)] * 2),
    ],
)
def test_small_neighbours_share_a_message_or_a_file(
    client: Client,
    service: MemoryService,
    given: tuple[int, int],
    files: int,
    shapes: list[tuple[int, ...]],
) -> None:
    number, n = given
    diagonals = [np.eye(n) * (1 + k) for k in range(number)]
    check(diagonals, client.map(diagonals))
    assert service.store.calls["upload"] == files
    assert sorted(r.input.shape or () for r in service.table.records.values()) == sorted(shapes)


def test_a_slow_generator_is_not_waited_for(client: Client, service: MemoryService) -> None:
    def slow() -> Iterator[np.ndarray]:
        for matrix in matrices(6):
            service.now_s += 3
            yield matrix

    check(matrices(6), client.map(slow()))
    shapes = [record.input.shape for record in service.table.records.values()]
    assert shapes == [(2, 4, 4)] * 3


def test_a_stack_in_a_file_is_verified_against_what_was_sent(
    client: Client, service: MemoryService
) -> None:
    given = [*matrices(9, 60)]
    check(given, client.map(given, verify=True))
    assert service.store.calls["upload"] == 1


def test_errors_of_a_stack_in_a_file_are_in_their_places(client: Client) -> None:
    given = [general(150, 1), np.ones((150, 150)), general(150, 2)]
    assert codes(client.map(given, errors="return")) == ["", "SINGULAR", ""]


@pytest.mark.parametrize(
    "options", [{"output": "dynamodb"}, {"accuracy": "verified"}, {"format": "json"}]
)
def test_what_a_stack_would_change_goes_one_by_one(
    client: Client, service: MemoryService, options: dict[str, str]
) -> None:
    given = matrices(3)
    check(given, client.map(given, **options))  # type: ignore[arg-type]
    assert len(service.table.records) == 3


def test_a_slice_is_the_inverse_that_its_matrix_has_alone(client: Client) -> None:
    def alone(matrix: np.ndarray) -> np.ndarray:
        job = client.submit(matrix)
        job.wait()
        return job.result()

    given = matrices(5, 7)
    for matrix, inverse in zip(given, client.map(given), strict=True):
        np.testing.assert_allclose(inverse, alone(matrix), rtol=1e-12)


# --- errors


def test_each_error_is_in_the_place_of_its_inverse(client: Client) -> None:
    given: list[Any] = [general(2), SINGULAR, [[1, 2, 3], [4, 5, 6]], np.diag([np.nan, 1.0])]
    given += [2 * SINGULAR, general(2, 1), "no such file.json"]
    with pytest.raises(FileNotFoundError):
        list(client.map(given, errors="return"))
    found = list(client.map(given[:-1], errors="return"))
    assert codes(found) == ["", "SINGULAR", "NOT_SQUARE", "NON_FINITE", "SINGULAR", ""]
    check([given[0], given[5]], [found[0], found[5]])


def test_the_first_error_is_raised_and_says_which_matrix(client: Client) -> None:
    found = client.map([general(2), general(2, 1), SINGULAR, general(2, 2)])
    check([general(2), general(2, 1)], islice(found, 2))
    with pytest.raises(JobFailed, match="SINGULAR") as caught:
        next(found)
    assert caught.value.__notes__ == ["matrix 2 of those that were mapped"]


def test_a_stack_of_nothing_but_failures_is_an_error_for_each(client: Client) -> None:
    found = client.map([k * SINGULAR for k in range(1, 6)], errors="return")
    assert codes(found) == ["SINGULAR"] * 5


def test_errors_are_the_same_alone_and_in_a_stack(client: Client) -> None:
    (alone,) = client.map([SINGULAR], errors="return")
    _, stacked = client.map([general(2), SINGULAR], errors="return")
    for error in (alone, stacked):
        assert isinstance(error, JobFailed)
        assert error.error.code == "SINGULAR"


def test_one_that_ends_its_worker_takes_no_neighbour_along(
    client: Client, service: MemoryService
) -> None:
    """The first message fails as a whole, as one of a crashed worker does."""
    client.map([])
    given = matrices(3)
    found = client.map(given)
    crash = Refused(Code.WORKER_CRASHED, "for tests")
    original = service.work

    def work() -> None:
        for body in service.queue.sent:
            if "npy" in json.loads(body) and len(service.table.records) == 1:
                service.queue.sent.clear()
                (record,) = service.table.records.values()
                failed = {"status": Status.FAILED, "error": crash.info, "revision": 2}
                service.table.put([replace(record, **failed)])
                return
        original()

    service.work = work  # type: ignore[method-assign]
    check(given, found)
    assert len(service.table.records) == 4


def test_what_cannot_be_sent_is_an_error_of_its_own(client: Client, service: MemoryService) -> None:
    def break_(moment: str) -> None:
        if moment == "send:before" and service.queue.calls["send"] == 2:
            raise Transient(Code.THROTTLED, "too fast")

    service.queue.fail = break_
    given = [general(n) for n in (2, 3, 4)]
    assert codes(client.map(given, errors="return")) == ["", "THROTTLED", ""]
    assert codes(client.map(given, errors="return")) == ["", "", ""]


def test_time_that_is_over_is_an_error_in_either_case(
    client: Client, service: MemoryService
) -> None:
    service.working = False
    with pytest.raises(TimedOut):
        list(client.map([general(2)], errors="return", timeout_s=10))


# --- any number of them


@pytest.mark.deep  # 3 s
def test_a_generator_is_taken_as_it_is_needed() -> None:
    client, taken = Client.in_memory(), count()

    def endless() -> Iterator[np.ndarray]:
        while True:
            yield np.diag([1.0 + next(taken), 2.0])

    found = client.map(endless())
    for number, inverse in enumerate(islice(found, 50)):
        assert isinstance(inverse, np.ndarray)
        assert inverse[0, 0] == 1 / (1 + number)
    found.close()
    assert next(taken) <= 1000 * 100


@pytest.mark.deep  # 9 s
@pytest.mark.parametrize(
    ("orders", "number", "jobs"),
    [([64], 3000, 30), ([200], 1300, 100), ([2, 3], 1300, 1300)],  # neighbours alike, and not
)
def test_what_is_out_at_a_time_is_bounded(orders: list[int], number: int, jobs: int) -> None:
    client = MemoryClient()
    taken, done, sent, most, most_bytes = 0, 0, 0, 0, 0
    send = client.send

    def generator() -> Iterator[np.ndarray]:
        nonlocal taken
        for k in range(number):
            taken += 1
            yield np.eye(orders[k % len(orders)]) * (1 + k)

    def counting(submissions: Any) -> Any:
        nonlocal sent, most, most_bytes
        sent += len(submissions)
        most = max(most, taken - done)
        most_bytes = max(most_bytes, (taken - done) * 8 * orders[-1] ** 2)
        return send(submissions)

    client.send = counting  # type: ignore[method-assign]
    for _ in client.map(generator()):
        done += 1
    assert (done, sent) == (number, jobs)
    assert most_bytes <= 72 << 20
    assert most <= 1000 + 160 or len(orders) == 1


def test_one_array_may_be_used_for_all_of_them(client: Client) -> None:
    def reused(n: int) -> Iterator[np.ndarray]:
        memory = np.empty((n, n))
        for seed in range(4):
            memory[:] = general(n, seed)
            yield memory

    for n in (3, 120, 200):
        check(matrices(4, n), client.map(reused(n)))


def test_progress_says_how_many_of_how_many(client: Client) -> None:
    said: list[tuple[int, int | None]] = []
    list(client.map(matrices(3), progress=lambda *numbers: said.append(numbers)))
    assert said == [(1, 3), (2, 3), (3, 3)]
    said.clear()
    list(client.map((m for m in matrices(1)), progress=lambda *numbers: said.append(numbers)))
    assert said == [(1, None)]


def test_a_list_that_was_interrupted_goes_on_where_it_was(
    client: Client, service: MemoryService
) -> None:
    given = [general(n) for n in range(1, 30)]
    first = client.map(given)
    check(given[:5], islice(first, 5))
    first.close()
    sent = service.queue.calls["send"]
    check(given, client.map(given))
    assert service.queue.calls["send"] == sent


def test_results_are_verified_if_that_is_asked_for(client: Client) -> None:
    given = [*matrices(3), general(200)]
    check(given, client.map(given, verify=True))


def test_polling_reads_a_hundred_records_at_a_time(client: Client, service: MemoryService) -> None:
    given = [general(1 + k % 2, k) for k in range(400)]
    check(given, client.map(given))
    assert service.table.calls["get"] < 20


# --- as_completed


def test_jobs_come_as_they_end(client: Client, service: MemoryService) -> None:
    slow = client.submit(general(3), job_id="slow")
    body = service.queue.sent.pop()
    quick = client.submit(general(4), job_id="quick")
    found = client.as_completed([slow, quick, "quick"])
    assert next(found).job_id == "quick"
    service.queue.sent.append(body)
    assert next(found).job_id == "slow"
    assert next(found, None) is None


def test_a_completed_job_knows_its_record(client: Client, service: MemoryService) -> None:
    jobs = [client.submit(general(n), job_id=f"j{n}") for n in range(1, 8)]
    service.work()
    before = service.table.calls["get"]
    for job in client.as_completed(jobs):
        n = int(job.job_id[1:])
        check([general(n)], [job.result(verify=True)])
    assert service.table.calls["get"] == before + 1


def test_as_completed_yields_failures_too_and_gives_up_in_time(
    client: Client, service: MemoryService
) -> None:
    client.submit(SINGULAR, job_id="bad").wait()
    (bad,) = client.as_completed(["bad"])
    with pytest.raises(JobFailed, match="SINGULAR"):
        bad.result()
    service.working = False
    with pytest.raises(TimedOut):
        list(client.as_completed([client.submit(general(3))], timeout_s=5))
