"""A job answers the question that was asked: by message, by notification, by reference."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from matinv.jobs.record import Status
from support.bodies import SINGULAR, job
from support.world import INPUTS, World

A, B = np.diag([2.0, 4.0]), np.diag([5.0, 8.0])


def codes(world: World) -> list[str]:
    return [letter.error_code for letter in world.queue.dead]


def without_sequencer(event: dict[str, Any]) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(event))
    del copy["Records"][0]["s3"]["object"]["sequencer"]
    return copy


def reference(key: str = "x.npy", **fields: Any) -> dict[str, Any]:
    return {"s3": {"bucket": INPUTS, "key": key}, **fields}


def moved_back(world: World, body: str, code: str) -> None:
    """Deliver what the console's redrive moved: a new message with the letter's attributes."""
    world.attributes = {"error_code": {"stringValue": code, "dataType": "String"}}
    try:
        assert world.deliver(body) == []
    finally:
        world.attributes = {}


def test_a_replay_without_a_sequencer_does_not_hide_later_uploads(world: World) -> None:
    first = world.drop("x.npy", A)
    world.deliver(first)
    world.deliver(without_sequencer(first))
    assert world.deliver(world.drop("x.npy", B)) == []
    assert np.array_equal(world.stored("x"), np.linalg.inv(B))
    world.deliver(without_sequencer(first))
    assert np.array_equal(world.stored("x"), np.linalg.inv(B))


def test_uploads_without_sequencers_are_ordered_by_what_stands_there(world: World) -> None:
    first, second = (without_sequencer(world.drop("x.npy", a)) for a in (A, B))
    for event in (second, first):
        assert world.deliver(event) == []
    assert np.array_equal(world.stored("x"), np.linalg.inv(B))
    assert world.queue.dead == []


def test_a_message_that_came_before_its_object_works_when_it_is_sent_again(world: World) -> None:
    message = reference(job_id="race-1")
    world.deliver(message)
    assert world.error("race-1") == "INPUT_GONE"
    world.drop("x.npy", A)
    assert world.deliver(message) == []
    assert np.array_equal(world.stored("race-1"), np.linalg.inv(A))


@pytest.mark.parametrize("kind", ["message", "upload"])
def test_a_letter_that_the_console_moves_back_is_worked_on(world: World, kind: str) -> None:
    body = job("x", SINGULAR) if kind == "message" else world.drop("x.npy", np.zeros((2, 2)))
    world.deliver(body)
    (letter,) = world.queue.dead
    moved_back(world, letter.delivery.body, letter.error_code)
    assert codes(world) == ["SINGULAR", "SINGULAR"]


def test_the_notification_of_a_failed_upload_that_s3_sends_twice_is_a_duplicate(
    world: World,
) -> None:
    event = world.drop("x.npy", np.zeros((2, 2)))
    for _ in range(3):
        assert world.deliver(event) == []
    assert codes(world) == ["SINGULAR"]


def test_the_hint_of_singular_works_under_the_same_id(world: World) -> None:
    world.deliver(job("x", SINGULAR))
    world.deliver(job("x", SINGULAR, method="pinv"))
    assert world.record("x").status is Status.SUCCEEDED
    assert world.record("x").options["method"] == "pinv"


@pytest.mark.parametrize("by_file", [False, True])
def test_other_options_after_a_success_are_refused_by_name(world: World, by_file: bool) -> None:
    world.deliver(world.drop("x.npy", A) if by_file else job("x"))
    before = world.record("x")
    other = reference(method="pinv") if by_file else job("x", method="pinv")
    assert world.deliver(other) == []
    assert world.record("x") == before
    assert world.report
    (outcome,) = world.report.outcomes
    assert outcome.error
    assert (outcome.error.code, outcome.error.observed, outcome.error.limit) == (
        "JOB_ID_CONFLICT",
        "method: pinv",
        "method: auto",
    )


def test_two_questions_never_share_an_object(world: World) -> None:
    asked = [{}, {"method": "pinv"}, {"on_ill_conditioned": "fail"}, {"format": "npy"}]
    for options in asked:
        assert world.deliver(job("x", output="s3", replace=True, **options)) == []
        assert world.record("x").options.items() >= options.items()
    assert len([u for u in world.store.uris() if u.startswith("s3://results/")]) == len(asked)


def test_a_job_begun_by_a_reference_accepts_a_newer_upload_of_its_key(world: World) -> None:
    first = world.drop("x.npy", A)
    world.deliver(reference())
    assert world.deliver(world.drop("x.npy", B)) == []
    assert np.array_equal(world.stored("x"), np.linalg.inv(B))
    assert world.deliver(first) == []
    assert np.array_equal(world.stored("x"), np.linalg.inv(B))
    assert world.queue.dead == []


def test_replace_lets_other_content_take_the_id_and_an_older_one_never_takes_it_back(
    world: World,
) -> None:
    world.deliver(job("x", [[2.0]]))
    world.deliver(job("x", [[4.0]], replace=True))
    older = world.event
    assert world.inverse("x") == [[0.25]]
    world.deliver(job("x", [[8.0]], replace=True))
    world.event = older
    assert world.deliver_again() == []
    assert world.inverse("x") == [[0.125]]
    assert world.deliver(job("x", [[2.0]])) == []
    assert codes(world) == ["JOB_ID_CONFLICT"]


def test_an_upload_takes_the_id_of_a_message_only_if_its_metadata_says_so(world: World) -> None:
    world.deliver(job("x", [[2.0]]))
    world.deliver(world.drop("x.npy", A))
    assert codes(world) == ["JOB_ID_CONFLICT"]
    world.deliver(world.drop("x.npy", B, replace="true"))
    assert np.array_equal(world.stored("x"), np.linalg.inv(B))


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
    world: World, in_file: dict[str, str], in_message: dict[str, str]
) -> None:
    world.drop("x.json", asked_in_file(**in_file))
    world.deliver(reference("x.json", job_id="y", **in_message))
    assert world.record("y").status is Status.SUCCEEDED
    assert world.record("y").options.items() >= in_message.items()
    world.deliver(reference("x.json", job_id="z"))
    assert world.record("z").options.items() >= in_file.items()


@pytest.mark.parametrize("how", ["message", "metadata"])
def test_a_verified_pseudo_inverse_is_refused_wherever_the_two_words_stand(
    world: World, how: str
) -> None:
    content = asked_in_file(accuracy="verified")
    event = world.drop("x.json", content, **({"method": "pinv"} if how == "metadata" else {}))
    world.deliver(event if how == "metadata" else reference("x.json", method="pinv"))
    assert world.error("x") == "BAD_MESSAGE"
    assert world.record("x").result is None
