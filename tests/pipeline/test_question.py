"""A job answers the question that was asked: by message, by notification, by reference."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from matinv.jobs.record import Status
from support.bodies import SINGULAR, job
from support.memory_service import INPUTS, MemoryService

A, B = np.diag([2.0, 4.0]), np.diag([5.0, 8.0])


def codes(service: MemoryService) -> list[str]:
    return [letter.error_code for letter in service.queue.dead]


def without_sequencer(event: dict[str, Any]) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(event))
    del copy["Records"][0]["s3"]["object"]["sequencer"]
    return copy


def reference(key: str = "x.npy", **fields: Any) -> dict[str, Any]:
    return {"s3": {"bucket": INPUTS, "key": key}, **fields}


def moved_back(service: MemoryService, body: str, code: str) -> None:
    """Deliver what the console's redrive moved: a new message with the letter's attributes."""
    service.attributes = {"error_code": {"stringValue": code, "dataType": "String"}}
    try:
        assert service.deliver(body) == []
    finally:
        service.attributes = {}


def test_a_replay_without_a_sequencer_does_not_hide_later_uploads(service: MemoryService) -> None:
    first = service.drop("x.npy", A)
    service.deliver(first)
    service.deliver(without_sequencer(first))
    assert service.deliver(service.drop("x.npy", B)) == []
    assert np.array_equal(service.stored("x"), np.linalg.inv(B))
    service.deliver(without_sequencer(first))
    assert np.array_equal(service.stored("x"), np.linalg.inv(B))


def test_uploads_without_sequencers_are_ordered_by_what_stands_there(
    service: MemoryService,
) -> None:
    first, second = (without_sequencer(service.drop("x.npy", a)) for a in (A, B))
    for event in (second, first):
        assert service.deliver(event) == []
    assert np.array_equal(service.stored("x"), np.linalg.inv(B))
    assert service.queue.dead == []


def test_a_message_that_came_before_its_object_works_when_it_is_sent_again(
    service: MemoryService,
) -> None:
    message = reference(job_id="race-1")
    service.deliver(message)
    assert service.error("race-1") == "INPUT_GONE"
    service.drop("x.npy", A)
    assert service.deliver(message) == []
    assert np.array_equal(service.stored("race-1"), np.linalg.inv(A))


@pytest.mark.parametrize("kind", ["message", "upload"])
def test_a_letter_that_the_console_moves_back_is_worked_on(
    service: MemoryService, kind: str
) -> None:
    body = job("x", SINGULAR) if kind == "message" else service.drop("x.npy", np.zeros((2, 2)))
    service.deliver(body)
    (letter,) = service.queue.dead
    moved_back(service, letter.delivery.body, letter.error_code)
    assert codes(service) == ["SINGULAR", "SINGULAR"]


def test_the_notification_of_a_failed_upload_that_s3_sends_twice_is_a_duplicate(
    service: MemoryService,
) -> None:
    event = service.drop("x.npy", np.zeros((2, 2)))
    for _ in range(3):
        assert service.deliver(event) == []
    assert codes(service) == ["SINGULAR"]


def test_the_hint_of_singular_works_under_the_same_id(service: MemoryService) -> None:
    service.deliver(job("x", SINGULAR))
    service.deliver(job("x", SINGULAR, method="pinv"))
    assert service.record("x").status is Status.SUCCEEDED
    assert service.record("x").options["method"] == "pinv"


@pytest.mark.parametrize("by_file", [False, True])
def test_other_options_after_a_success_are_refused_by_name(
    service: MemoryService, by_file: bool
) -> None:
    service.deliver(service.drop("x.npy", A) if by_file else job("x"))
    before = service.record("x")
    other = reference(method="pinv") if by_file else job("x", method="pinv")
    assert service.deliver(other) == []
    assert service.record("x") == before
    assert service.report
    (outcome,) = service.report.outcomes
    assert outcome.error
    assert (outcome.error.code, outcome.error.observed, outcome.error.limit) == (
        "JOB_ID_CONFLICT",
        "method: pinv",
        "method: auto",
    )


def test_two_questions_never_share_an_object(service: MemoryService) -> None:
    asked = [{}, {"method": "pinv"}, {"on_ill_conditioned": "fail"}, {"format": "npy"}]
    for options in asked:
        assert service.deliver(job("x", output="s3", replace=True, **options)) == []
        assert service.record("x").options.items() >= options.items()
    assert len([u for u in service.store.uris() if u.startswith("s3://results/")]) == len(asked)


def test_a_job_begun_by_a_reference_accepts_a_newer_upload_of_its_key(
    service: MemoryService,
) -> None:
    first = service.drop("x.npy", A)
    service.deliver(reference())
    assert service.deliver(service.drop("x.npy", B)) == []
    assert np.array_equal(service.stored("x"), np.linalg.inv(B))
    assert service.deliver(first) == []
    assert np.array_equal(service.stored("x"), np.linalg.inv(B))
    assert service.queue.dead == []


def test_replace_lets_other_content_take_the_id_and_an_older_one_never_takes_it_back(
    service: MemoryService,
) -> None:
    service.deliver(job("x", [[2.0]]))
    service.deliver(job("x", [[4.0]], replace=True))
    older = service.event
    assert service.inverse("x") == [[0.25]]
    service.deliver(job("x", [[8.0]], replace=True))
    service.event = older
    assert service.deliver_again() == []
    assert service.inverse("x") == [[0.125]]
    assert service.deliver(job("x", [[2.0]])) == []
    assert codes(service) == ["JOB_ID_CONFLICT"]


@pytest.mark.parametrize("kind", ["message", "reference"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_of_questions_that_replace_each_other_the_one_asked_last_stays_in_any_order(
    service: MemoryService, kind: str, order: tuple[int, ...]
) -> None:
    def upload(key: str, matrix: Any) -> dict[str, Any]:
        service.drop(key, matrix)
        return reference(key, job_id="x", replace=True)

    if kind == "message":
        first, second = (job("x", a.tolist(), format="npy", replace=True) for a in (A, B))
    else:
        first, second = upload("a.npy", A), upload("b.npy", B)
    asked = [first, second, first]
    begin_s = service.now_s
    for number in order:
        service.now_s = begin_s + number
        assert service.deliver(asked[number]) == []
    assert np.array_equal(service.stored("x"), np.linalg.inv(A))
    assert service.queue.dead == []


def test_an_upload_takes_the_id_of_a_message_only_if_its_metadata_says_so(
    service: MemoryService,
) -> None:
    service.deliver(job("x", [[2.0]]))
    service.deliver(service.drop("x.npy", A))
    assert codes(service) == ["JOB_ID_CONFLICT"]
    service.deliver(service.drop("x.npy", B, replace="true"))
    assert np.array_equal(service.stored("x"), np.linalg.inv(B))


# A file of text that is a message itself


def asked_in_file(**fields: Any) -> bytes:
    return json.dumps({"matrix": [[1, 2], [3, 4]], **fields}).encode()


@pytest.mark.parametrize(
    ("in_file", "in_message"),
    [
        ({"method": "pinv"}, {"method": "auto"}),
        ({"method": "auto"}, {"method": "pinv"}),
        ({"accuracy": "verified"}, {"accuracy": "standard"}),
        ({"accuracy": "verified"}, {"accuracy": "standard", "method": "pinv"}),
        ({"on_ill_conditioned": "fail"}, {"on_ill_conditioned": "warn"}),
        ({"output": "s3"}, {"output": "auto"}),
        ({"format": "npy"}, {"format": "json"}),
    ],
)
def test_an_option_that_a_message_names_wins_over_that_of_its_file_even_a_default(
    service: MemoryService, in_file: dict[str, str], in_message: dict[str, str]
) -> None:
    service.drop("x.json", asked_in_file(**in_file))
    service.deliver(reference("x.json", job_id="y", **in_message))
    assert service.record("y").status is Status.SUCCEEDED
    assert service.record("y").options.items() >= in_message.items()
    service.deliver(reference("x.json", job_id="z"))
    assert service.record("z").options.items() >= in_file.items()


@pytest.mark.parametrize("how", ["message", "metadata"])
def test_a_verified_pseudo_inverse_is_refused_wherever_the_two_words_stand(
    service: MemoryService, how: str
) -> None:
    content = asked_in_file(accuracy="verified")
    event = service.drop("x.json", content, **({"method": "pinv"} if how == "metadata" else {}))
    service.deliver(event if how == "metadata" else reference("x.json", method="pinv"))
    assert service.error("x") == "BAD_MESSAGE"
    assert service.record("x").result is None
