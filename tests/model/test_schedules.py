"""Schedules that once broke a promise, each with its name."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from matinv.jobs.ids import matrix_digest
from matinv.jobs.record import Status
from support.simulator import Fault, Simulator, Then

from .machine import Files, Machine, Messages
from .matrices import ILL
from .witness import Witness

GOOD = [[1.0, 2.0], [3.0, 4.0]]


@pytest.fixture
def simulator() -> Simulator:
    return Simulator()


@pytest.fixture
def witness(simulator: Simulator) -> Witness:
    return Witness(simulator)


def job(witness: Witness, job_id: str, matrix: Any, **fields: str) -> dict[str, Any]:
    witness.matrices[f"sha256:{matrix_digest(np.array(matrix))}"] = matrix
    return {"job_id": job_id, "matrix": matrix, **fields}


def test_result_that_was_judged_strictly_is_not_adopted_by_a_lenient_job(
    simulator: Simulator, witness: Witness
) -> None:
    stack = job(witness, "a", [GOOD, ILL], output="s3")
    simulator.send(stack | {"on_ill_conditioned": "fail"})
    simulator.step([Fault("put_result:after", then=Then.KILL)])
    simulator.send(stack)
    simulator.step()
    record = simulator.service.record("a")
    assert record.status is Status.SUCCEEDED
    simulator.drain()
    witness.conclude()


def test_letter_that_sqs_hands_out_twice_at_once_is_redriven(
    simulator: Simulator, witness: Witness
) -> None:
    simulator.send(job(witness, "a", [[0.0]]))
    simulator.step()
    (letter,) = simulator.dead.messages
    simulator.dead.messages.append(letter)
    simulator.redrive({})
    assert not simulator.dead.messages
    assert {json.loads(m.body).get("redrive") for m in simulator.jobs.messages} == {1}
    simulator.drain()
    witness.conclude()


def test_a_reference_that_cannot_be_opened_leaves_an_upload_its_record() -> None:
    machine = Files()
    machine.begin(running=True, visibility_s=90, payload_bytes=1500, window_s=0.0, batch_size=1)
    machine.upload(at_once=True, key="c.json", matrix=GOOD, options={"output": "s3"})
    machine.refer_to_whatever_stands_there(key="c.json", options={})
    late = [Fault("put_result:after", 0, 0.0, n, Then.GO_ON) for n in (1, 0, 0)]
    machine.work(faults=[*late, Fault("open:before", 1, 0.0, 0, Then.FAIL)], later_s=0.0)
    machine.teardown()  # the witness judges


def test_a_reference_is_opened_at_its_second_attempt_while_an_old_upload_is_announced_again() -> (
    None
):
    machine = Files()
    machine.begin(running=False, visibility_s=30, payload_bytes=1500, window_s=2.0, batch_size=2)
    machine.upload(at_once=False, key="a.npy", matrix=[[0.0]], options={})
    for _ in range(2):
        machine.announce_by_eventbridge(back=0)
    machine.work(faults=[], later_s=0.0)
    machine.wait(seconds=1.0)
    machine.upload(at_once=False, key="a.npy", matrix=GOOD, options={})
    machine.announce_by_eventbridge(back=0)
    machine.refer_to_whatever_stands_there(key="a.npy", options={})
    late = [Fault("put_result:after", 0, 0.0, 0, Then.GO_ON)] * 2
    faults = [*late, Fault("", 1, 0.0, 1, Then.GO_ON), Fault("", 9, 0.0, 0, Then.FAIL)]
    machine.work(faults=faults, later_s=0.0)
    machine.teardown()


def test_an_upload_is_stale_because_of_one_whose_message_is_given_up() -> None:
    machine = Files()
    machine.begin(running=True, visibility_s=30, payload_bytes=6 * 2**20, window_s=0, batch_size=1)
    machine.upload(at_once=False, key="c.json", matrix=GOOD, options={"method": "pinv"})
    machine.replay(back=0)
    machine.work(faults=[], later_s=0.0)
    machine.upload(at_once=False, key="c.json", matrix=GOOD, options={"method": "pinv"})
    machine.announce_by_eventbridge(back=0)
    machine.upload(at_once=False, key="c.json", matrix=GOOD, options={})
    machine.work(faults=[], later_s=0.0)
    machine.announce_by_eventbridge(back=0)
    for _ in range(3):
        machine.work(faults=[Fault("put:before", then=Then.FAIL)] * 3, later_s=100.0)
    assert machine.simulator.service.record("c").input.id == "version:v1"
    machine.teardown()


def test_an_attempt_that_opens_nothing_keeps_what_an_earlier_one_opened() -> None:
    machine = Files()
    machine.begin(running=True, visibility_s=30, payload_bytes=6 * 2**20, window_s=0, batch_size=1)
    for _ in range(2):
        machine.upload(at_once=False, key="a.npy", matrix=GOOD, options={})
    machine.refer_to_whatever_stands_there(key="a.npy", options={})
    machine.work(faults=[Fault("put:after", then=Then.KILL)], later_s=0.0)
    running = machine.simulator.service.record("a")
    assert (running.status, running.input.id) == (Status.RUNNING, "version:v2")
    machine.work(faults=[Fault("open:before", then=Then.FAIL)], later_s=100.0)
    retrying = machine.simulator.service.record("a")
    assert (retrying.status, retrying.input) == (Status.RETRYING, running.input)
    assert (retrying.question, retrying.created_at) == (running.question, running.created_at)
    machine.teardown()


def test_an_older_message_of_one_question_that_is_done_last_does_not_make_it_older() -> None:
    machine = Messages()
    machine.begin(running=False, visibility_s=30, payload_bytes=6 * 2**20, window_s=0, batch_size=3)
    machine.send_killer()
    machine.send_replacing(job_id="a", matrix=GOOD, options={"output": "s3"})
    late = Fault("put_result:after", 0, 0.0, 0, Then.GO_ON)
    machine.work(faults=[late] * 5, later_s=100.0)
    machine.send_again(back=0, changes={})
    machine.work(faults=[Fault("put_result:after", then=Then.FAIL)], later_s=100.0)
    machine.teardown()


def test_a_file_that_is_cancelled_between_the_two_reads_of_another_cancel_is_cancelled_once() -> (
    None
):
    machine = Files()
    machine.begin(running=False, visibility_s=30, payload_bytes=6 * 2**20, window_s=0, batch_size=1)
    machine.upload(at_once=False, key="c.json", matrix=GOOD, options={})
    cancels = [Fault(moment, cancels=("c",)) for moment in ("get:after", "")]
    machine.work_on(faults=cancels, steps=1)
    machine.teardown()


def test_a_message_that_replaces_gives_way_to_a_later_question_that_never_ends() -> None:
    machine = Machine()
    machine.begin(running=False, visibility_s=30, payload_bytes=6 * 2**20, window_s=0, batch_size=2)
    machine.send_replacing(job_id="a", matrix=GOOD, options={})
    machine.upload(at_once=False, key="a.npy", matrix=GOOD, options={})
    machine.announce_by_eventbridge(back=0)
    machine.send(job_id="a", matrix=GOOD, options={"output": "s3"})
    faults = [Fault("put_result:after", then=Then.FAIL), Fault("put:before", 0, 0.0, 1, Then.GO_ON)]
    machine.work(faults=faults, later_s=0.0)
    assert machine.simulator.service.record("a").options["output"] == "s3"
    machine.wait_long(days=15)
    machine.teardown()


def test_a_question_that_is_answered_and_asked_again_is_newer_than_one_that_comes_late() -> None:
    machine = Messages()
    machine.begin(running=False, visibility_s=30, payload_bytes=6 * 2**20, window_s=0, batch_size=1)
    try:
        machine.send_replacing(job_id="a", matrix=GOOD, options={"output": "s3"})
        machine.work(faults=[], later_s=1.0)
        machine.wait(1.0)
        machine.send_replacing(job_id="a", matrix=GOOD, options={"method": "pinv"})
        machine.work(faults=[Fault("get:before", then=Then.FAIL)], later_s=1.0)
        machine.wait(1.0)
        machine.send_again(back=1, changes={})
        machine.work(faults=[], later_s=1.0)
        machine.work(faults=[], later_s=100.0)
    finally:  # its witness sums up, also for the mutation that has this schedule
        machine.teardown()
    assert machine.simulator.service.record("a").options["output"] == "s3"
