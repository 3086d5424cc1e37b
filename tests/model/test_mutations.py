"""The model finds bugs: each of these, made on purpose, within a few hundred schedules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from matinv import pipeline
from matinv.backends.aws.sqs import SQSQueue
from matinv.backends.memory import MemoryStore, MemoryTable
from matinv.client.lookup import known_records
from matinv.jobs.ownership import Ownership, Question, owner
from matinv.jobs.record import Record, Status

from . import test_schedules as schedules
from .machine import Files, Machine, Messages, Tally
from .test_model import SETTINGS

pytestmark = pytest.mark.deep

Patch = pytest.MonkeyPatch
pipeline_invert = import_module("matinv.pipeline.invert")
publish = import_module("matinv.pipeline.publish")
settle = import_module("matinv.pipeline.finish")  # the package has a function of that name


def acknowledge_before_the_record_is_written(patch: Patch) -> None:
    write = settle.write

    def claims(app: pipeline.App, pairs: Any) -> Any:
        write(app, pairs)
        return [settle.Finished(task, record) for task, record in pairs]

    patch.setattr(settle, "write", claims)


def write_whatever_stands_there(patch: Patch) -> None:
    def put(table: MemoryTable, records: Sequence[Record]) -> list[bool]:
        with table.operation("put"):
            for record in records:
                found = table.records.get(record.job_id)
                revision = (found.revision if found else 0) + 1
                table.records[record.job_id] = replace(record, revision=revision)
        return [True] * len(records)

    patch.setattr(MemoryTable, "put", put)


def do_not_look_whose_job_it_is_after_losing(patch: Patch) -> None:
    patch.setattr(settle, "check_owner", lambda app, task: None)
    patch.setattr(settle, "_owns", lambda app, task: True)


def overwrite_results(patch: Patch) -> None:
    patch.setattr(MemoryStore, "_current", lambda *_: None)


def dead_letter_nothing(patch: Patch) -> None:
    patch.setattr(SQSQueue, "dead_letter", lambda _, letters: [True] * len(letters))


def reopen_what_has_succeeded(patch: Patch) -> None:
    def reopens(record: Record | None, *question: Any) -> Ownership:
        found = owner(record, *question)
        return Ownership.OURS if found is Ownership.ENDED else found

    patch.setattr("matinv.pipeline.dedupe.owner", reopens)


def compare_orders_of_different_kinds(patch: Patch) -> None:
    """Put an upload without a sequencer above all others, as its time once did."""
    patch.setattr("matinv.jobs.ownership._sequencer", lambda info: info.order or "~")


def ignore_options(patch: Patch) -> None:
    def ignores(record: Record | None, question: Question, *current: Any) -> Ownership:
        known = question.options is not None and record is not None
        asked = replace(question, options=record.options) if known and record else question
        return owner(record, asked, *current)

    patch.setattr("matinv.pipeline.dedupe.owner", ignores)


def take_failures_for_final(patch: Patch) -> None:
    patch.setattr("matinv.jobs.ownership._is_again", lambda record, question: True)


def share_a_key_between_questions(patch: Patch) -> None:
    patch.setattr(publish, "key_of", lambda task, form: f"{task.job_id}/{task.input.id[-16:]}")


def let_an_older_one_replace_a_newer(patch: Patch) -> None:
    def whenever(record: Record, question: Question) -> Ownership:
        return Ownership.OURS if question.replaces else Ownership.CONFLICT

    patch.setattr("matinv.jobs.ownership._if_it_replaces", whenever)


def forget_when_an_answered_question_was_asked_again(patch: Patch) -> None:
    patch.setattr(settle, "asked_again", lambda record, question: None)


def answer_null(patch: Patch) -> None:
    none = {"batchItemFailures": [{"itemIdentifier": None}]}
    patch.setattr(pipeline.Report, "batch_item_failures", lambda report: none)


def fail_the_batch_with_its_poison(patch: Patch) -> None:
    answer = pipeline.Report.batch_item_failures

    def all_or_nothing(report: pipeline.Report) -> Any:
        if all(o.record and o.record.status is not Status.FAILED for o in report.outcomes):
            return answer(report)
        ids = dict.fromkeys(d.message_id for d in report.batch)
        return {"batchItemFailures": [{"itemIdentifier": i} for i in ids]}

    patch.setattr(pipeline.Report, "batch_item_failures", all_or_nothing)


def work_on_what_was_cancelled(patch: Patch) -> None:
    patch.setattr("matinv.jobs.ownership.timestamp", lambda seconds: "~")


def drop_what_is_sent_after_a_cancellation(patch: Patch) -> None:
    patch.setattr("matinv.jobs.ownership.timestamp", lambda seconds: "")


def cancel_what_has_ended(patch: Patch) -> None:
    def going_on(*arguments: Any) -> dict[str, Record]:
        found = known_records(*arguments)
        return {name: replace(record, status=Status.QUEUED) for name, record in found.items()}

    patch.setattr("matinv.client.cancel.known_records", going_on)


def expire_at_once(patch: Patch) -> None:
    begins = pipeline_invert.check_begins

    def at_once(app: pipeline.App, task: Any) -> None:
        begins(replace(app, now=lambda: app.now() + 1e6), task)

    patch.setattr(pipeline_invert, "check_begins", at_once)


def let_nothing_expire(patch: Patch) -> None:
    patch.setattr(pipeline_invert, "check_begins", lambda app, task: None)


@pytest.mark.parametrize(
    ("mutation", "machine"),
    [
        (acknowledge_before_the_record_is_written, Machine),
        (write_whatever_stands_there, Files),
        (do_not_look_whose_job_it_is_after_losing, Messages),
        (overwrite_results, Files),
        (dead_letter_nothing, Messages),
        (reopen_what_has_succeeded, Messages),
        (compare_orders_of_different_kinds, Files),
        (ignore_options, Messages),
        (take_failures_for_final, Messages),
        (share_a_key_between_questions, Messages),
        (let_an_older_one_replace_a_newer, Messages),
        (answer_null, Machine),
        (fail_the_batch_with_its_poison, Messages),
        (work_on_what_was_cancelled, Messages),
        (drop_what_is_sent_after_a_cancellation, Messages),
        (cancel_what_has_ended, Messages),
        (expire_at_once, Messages),
        (let_nothing_expire, Messages),
    ],
)
def test_the_model_finds(
    mutation: Callable[[Patch], None], machine: type[Machine], monkeypatch: Patch
) -> None:
    mutation(monkeypatch)
    monkeypatch.setattr(machine, "tally", Tally())
    few = settings(SETTINGS, max_examples=800, phases=[Phase.generate])
    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=few)  # type: ignore[no-untyped-call]


def test_a_schedule_finds_what_random_ones_seldom_meet(monkeypatch: Patch) -> None:
    """800 random schedules, 26 s, did not."""
    forget_when_an_answered_question_was_asked_again(monkeypatch)
    with pytest.raises(AssertionError, match="an older message replaced a newer one"):
        schedules.test_a_question_that_is_answered_and_asked_again_is_newer_than_one_that_comes_late()
