"""Publish: the result's bytes to where they belong, and the record that says so."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import orjson

from matinv.errors import Code, Refused
from matinv.formats import json_matrix
from matinv.formats.codecs import CODECS, Format
from matinv.formats.result import Result
from matinv.jobs.ownership import digest_of
from matinv.jobs.record import Record, ResultInfo, SliceFailure, Slices, Status, result_facts
from matinv.jobs.request import Output
from matinv.jobs.runs import run_of
from matinv.jobs.times import timestamp
from matinv.linalg.certificate import Certificate
from matinv.linalg.inverse import Inverses
from matinv.pipeline.app import App
from matinv.pipeline.task import Task, own_format
from matinv.ports import Part, Stored

if TYPE_CHECKING:
    from matinv.grid.wire import Published


LISTED_FAILURES: Final = 100  # slices; 100 of them take about 10 KB of the item's 400 KB

_Quality = tuple[Certificate | None, Slices | None, tuple[str, ...]]
"""What a record says of inverses: certificate, slices of a stack, warnings."""

# A record holds 400 KB; half of it leaves room for everything else that a record says.
DYNAMODB_RESULT_BYTES: Final = 200 * 1024


@dataclass(frozen=True, slots=True)
class UnpublishedResult:
    """A terminal record, and the parts of its result that must be in S3 before it is written."""

    record: Record
    parts: Sequence[Part] | None = field(repr=False)


def draft(app: App, task: Task, inverses: Inverses) -> UnpublishedResult:
    """Encode the result of a task and describe it.

    Raises
    ------
    MatinvError
        The failure, if no slice has an inverse; TOO_LARGE for a result that DynamoDB cannot hold.
    """
    verdict = _verdict(inverses)
    form = task.options.format or own_format(task.request)
    if form is None:
        message = "a task without a request has no result"
        raise TypeError(message)
    parts = CODECS[form].output.write(_result(task.job_id, verdict, inverses))
    size_bytes = sum(memoryview(part).nbytes for part in parts)
    output = task.options.output
    if output is Output.DYNAMODB and size_bytes > DYNAMODB_RESULT_BYTES:
        raise Refused(
            Code.TOO_LARGE,
            "the result does not fit a DynamoDB item",
            'use "output": "auto" or "s3"',
            observed=f"{size_bytes} bytes",
            limit=f"{DYNAMODB_RESULT_BYTES} bytes",
        )
    small = output is Output.AUTO and size_bytes <= app.inline_result_bytes
    inline = b"".join(parts) if small or output is Output.DYNAMODB else None
    result = ResultInfo(form, _sha256(parts), size_bytes, inline=inline)
    return UnpublishedResult(_ended(app, task, verdict, result), parts if inline is None else None)


def describe(app: App, task: Task, inverses: Inverses) -> Record:
    """Return the terminal record of a task, still without its result.

    Raises
    ------
    MatinvError
        The failure, if no slice has an inverse.
    """
    return _ended(app, task, _verdict(inverses), None)


def _verdict(inverses: Inverses) -> _Quality:
    certificate = inverses.worst()
    if certificate is None:
        raise inverses.failures[0]
    warnings = inverses.warnings
    if inverses.x.ndim == 2:
        return certificate, None, warnings
    listed = islice(inverses.failures.items(), LISTED_FAILURES)
    slices = Slices(
        count=len(inverses.x),
        failed=len(inverses.failures),
        failures=tuple(SliceFailure(i, e.code, e.info.message) for i, e in listed),
    )
    return certificate, slices, warnings


def _ended(app: App, task: Task, verdict: _Quality, result: ResultInfo | None) -> Record:
    certificate, slices, warnings = verdict
    return new_record(
        app,
        task,
        Status.PARTIAL if slices and slices.failed else Status.SUCCEEDED,
        certificate=certificate,
        slices=slices,
        warnings=warnings,
        result=result,
    )


def publish(app: App, task: Task, drafted: UnpublishedResult) -> Record:
    """Store results that belong in S3, and return the terminal record, which is not yet written.

    A result that an earlier attempt stored is adopted with its own hash and certificate.
    """
    record, result = drafted.record, drafted.record.result
    if drafted.parts is None or result is None or record.certificate is None:
        return record
    metadata = {
        "matinv-job-id": record.job_id,
        "matinv-sha256": result.sha256,
        "matinv-bytes": str(result.size_bytes),
        "matinv-certificate": orjson.dumps(record.certificate.document()).decode(),
    }
    with task.timed("publish_ms", app.now):
        key = key_of(task, result.format)
        stored = app.store.put_result(key, drafted.parts, result.sha256, metadata)
    return adopted(replace(record, timings_ms=dict(task.timings_ms)), result, stored)


def published(app: App, task: Task, found: Published) -> Record:
    """Return the terminal record of a result that many ranks have stored."""
    result = ResultInfo(Format.NPY, found.sha256, found.size_bytes, part_bytes=found.part_bytes)
    verdict = found.certificate, None, found.warnings
    return adopted(_ended(app, task, verdict, None), result, found.stored)


def adopted(record: Record, result: ResultInfo, stored: Stored) -> Record:
    """Return a record with its result, or with the one that an earlier attempt stored."""
    result = replace(result, uri=stored.uri, version_id=stored.version_id)
    known = stored.metadata
    if known is None:
        return replace(record, result=result)
    result = replace(
        result,
        sha256=known["matinv-sha256"],
        size_bytes=int(known["matinv-bytes"]),
        part_bytes=int(known["matinv-part-bytes"]) if "matinv-part-bytes" in known else None,
    )
    certificate = Certificate.of(orjson.loads(known["matinv-certificate"]))
    return replace(record, result=result, certificate=certificate)


def new_record(app: App, task: Task, status: Status, **facts: Any) -> Record:
    """Return the record that would replace the one a task found.

    Parameters
    ----------
    **facts
        Fields of the record that say how the job went: ``error``, ``certificate`` and so on.
    """
    now = app.now()
    question = task.question()
    written_at = timestamp(now)
    record = Record(
        job_id=task.job_id,
        status=status,
        input=task.input,
        created_at=written_at,
        updated_at=written_at,
        expires_at=int(now) + app.retention_s,
        attempts=task.delivery.receive_count,
        redrive=task.redrive,
        revision=1,
        question=digest_of(task.input, question.options) if question.options else "",
        options=question.options or {},
        message_id=question.message_id,
        message_at_ms=question.sent_at_ms,
        timings_ms=dict(task.timings_ms),
        tags=task.options.tags,
        run=run_of(task.job_id, task.options.run),
        engine=app.engine,
        **facts,
    )
    return in_place_of(task.record, record) if task.record else record


def in_place_of(found: Record | None, record: Record) -> Record:
    """Return a record as it replaces another one: what that knows of the same input stays known."""
    if not found:
        return replace(record, revision=1, cost=None)
    record = replace(record, revision=found.revision + 1, cost=None)
    input_, known = record.input, found.input
    again = input_.source == known.source and record.message_id == found.message_id != ""
    if again and not input_.id:
        # This attempt opened nothing, an earlier one of its message may have: what that found is
        # kept, so that no older upload takes the id meanwhile.
        input_ = known
    elif input_.id != known.id:
        return record
    elif known.order is not None and (input_.order is None or known.order > input_.order):
        # A message may not know it, and that of a redrive may be older; newer uploads ask for it.
        input_ = replace(input_, order=known.order)
    question = digest_of(input_, record.options) if record.options else ""
    # Of two messages that replace with one question, an older one may be done last.
    at_ms = max(record.message_at_ms, found.message_at_ms)
    return replace(
        record,
        input=input_,
        question=question,
        created_at=found.created_at,
        message_at_ms=at_ms,
        cost=found.cost,
    )


def document(record: Record, inverses: Inverses) -> bytes:
    """Return a result as JSON: ``job_id``, ``certificate``, ``slices`` of a stack, ``inverse``."""
    verdict = record.certificate, record.slices, record.warnings
    return json_matrix.document(_result(record.job_id, verdict, inverses))


def _result(job_id: str, verdict: _Quality, inverses: Inverses) -> Result:
    facts = result_facts(job_id, *verdict)
    return Result(inverses.x, inverses.failures.keys(), facts, inverses)


def _sha256(parts: Sequence[Part]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def key_of(task: Task, form: Format) -> str:
    """Return a key that only this very question leads to."""
    options = task.question().options or {}
    return f"{task.job_id}/{digest_of(task.input, options)[:32]}.{form}"
