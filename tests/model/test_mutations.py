"""The model finds bugs: each of these, made on purpose, within a few hundred schedules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from matinv import pipeline
from matinv.backends.aws.sqs import SQSQueue
from matinv.backends.memory import MemoryStore, MemoryTable
from matinv.jobs.record import Record, Status

from .machine import Files, Machine, Messages, Tally
from .test_model import SETTINGS

pytestmark = pytest.mark.deep

Patch = pytest.MonkeyPatch
settle = import_module("matinv.pipeline.finish")  # the package has a function of that name


def acknowledge_before_the_record_is_written(patch: Patch) -> None:
    write = settle.write

    def claims(app: pipeline.App, pairs: Any) -> Any:
        write(app, pairs)
        return [settle.Finished(task, record) for task, record in pairs]

    patch.setattr(settle, "write", claims)


def write_whatever_stands_there(patch: Patch) -> None:
    def put(table: MemoryTable, record: Record) -> bool:
        found = table.records.get(record.job_id)
        table.records[record.job_id] = replace(
            record, revision=(found.revision if found else 0) + 1
        )
        return True

    patch.setattr(MemoryTable, "_put", put)


def do_not_look_whose_job_it_is_after_losing(patch: Patch) -> None:
    patch.setattr(settle, "check_claim", lambda task: None)
    patch.setattr(settle, "_owns", lambda task: True)


def overwrite_results(patch: Patch) -> None:
    patch.setattr(MemoryStore, "_current", lambda *_: None)


def bury_nothing(patch: Patch) -> None:
    patch.setattr(SQSQueue, "bury", lambda _, letters: [True] * len(letters))


def reopen_what_has_succeeded(patch: Patch) -> None:
    patch.setattr("matinv.jobs.ownership._reopens", lambda record: True)


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


@pytest.mark.parametrize(
    ("mutation", "machine"),
    [
        (acknowledge_before_the_record_is_written, Machine),
        (write_whatever_stands_there, Files),
        (do_not_look_whose_job_it_is_after_losing, Messages),
        (overwrite_results, Files),
        (bury_nothing, Messages),
        (reopen_what_has_succeeded, Messages),
        (answer_null, Machine),
        (fail_the_batch_with_its_poison, Messages),
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
