"""Rows 1, 2 and the first half of 12: whole jobs, through the worker's own handler."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import uuid4

import numpy as np

from bench import published
from bench.checks import Array, WrongError, check_inverse
from bench.lab import Lab
from bench.measure import Effort, Side, take_turns
from bench.peers import PlainHandler
from bench.table import Limit, Row, at_least, at_most
from matinv import wiring
from matinv.backends.aws.dynamodb import table_schema
from matinv.formats import npy
from matinv.handlers import worker
from matinv.jobs.request import Reference
from matinv.local.samples import npy_bytes
from matinv.telemetry import Context
from matinv.testing.events import s3_notification, sqs_event

_BATCH: Final = 1000
_LATENCY_S: Final = 0.02  # until S3's first byte
_US: Final = 1e6
_MS: Final = 1e3


@dataclass(frozen=True, slots=True)
class Batch:
    """Jobs that nobody has done before, and the invocations that bring them.

    Parameters
    ----------
    matrices : dict of str to ndarray
        By job id.
    events : list of dict
        One of each invocation.
    """

    matrices: dict[str, Array]
    events: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Jobs:
    """Both sides and their inputs."""

    lab: Lab
    quiet: Any

    @classmethod
    def of(cls, lab: Lab) -> Jobs:
        """Start the stack if need be."""
        _ = lab.stack
        quiet = lab.resources.enter_context(open(os.devnull, "w"))  # noqa: PTH123, SIM115 - a device
        return cls(lab, quiet)

    def messages(self, count: int, n: int = 8, size: int = _BATCH) -> Batch:
        """Return jobs inside messages, `size` in an invocation."""
        matrices = _matrices(count, n)
        bodies = [{"job_id": id_, "matrix": a.tolist()} for id_, a in matrices.items()]
        starts = range(0, count, size)
        return Batch(matrices, [sqs_event(bodies[i : i + size]) for i in starts])

    def files(self, count: int, n: int) -> Batch:
        """Drop files and return the notifications of all in one invocation."""
        matrices = _matrices(count, n)
        return Batch(matrices, [sqs_event([self._dropped(*item) for item in matrices.items()])])

    def ours(self, batch: Callable[[], Batch]) -> Side:
        """Return the worker as a side that gets batches."""
        return Side(self._work, batch, self._check)

    def plain(self, batch: Callable[[], Batch], *, as_npy: bool = False) -> Side:
        """Return the plain handler as a side that gets batches."""
        handler = plain_handler(self.lab, as_npy=as_npy)

        def check(batch: Batch, _: object) -> None:
            for job_id, a in batch.matrices.items():
                check_inverse(a, handler.result(job_id))

        return Side(lambda batch: [handler(event) for event in batch.events], batch, check)

    def transfer(self, batch: Batch) -> list[Array]:
        """Read the file of each job and write it as a result, by the service's own adapter."""
        store, settings = wiring.app().store, self.lab.stack.settings
        read = []
        for job_id in batch.matrices:
            with store.open(Reference(settings.inputs_bucket, f"{job_id}.npy")) as blob:
                read.append(npy.read_body(blob, npy.read_header(blob, blob.size_bytes)))
            parts = npy.parts(read[-1])
            digest = hashlib.sha256(parts[0])
            digest.update(parts[1])
            store.put_result(f"{job_id}/transfer.npy", parts, digest.hexdigest(), {})
        return read

    def _dropped(self, job_id: str, a: Array) -> dict[str, Any]:
        bucket, key = self.lab.stack.settings.inputs_bucket, f"{job_id}.npy"
        s3 = self.lab.stack.client("s3")
        put = s3.put_object(Bucket=bucket, Key=key, Body=npy_bytes(a))
        etag = put["ETag"].strip('"')
        return s3_notification(bucket, key, version_id=put["VersionId"], etag=etag)

    def _work(self, batch: Batch) -> list[dict[str, Any]]:
        with contextlib.redirect_stdout(self.quiet):  # the service logs there
            return [worker.handler(event, context()) for event in batch.events]

    def _check(self, batch: Batch, answers: list[dict[str, Any]]) -> None:
        if any(answer != {"batchItemFailures": []} for answer in answers):
            message = "the worker gave messages back"
            raise WrongError(message)
        for job_id, x in published.inverses(self.lab.stack, list(batch.matrices)):
            check_inverse(batch.matrices[job_id], x)
        self._forget()

    def _forget(self) -> None:
        """Empty the jobs table: moto copies whole tables, ever slower, until clients give up."""
        dynamodb, name = self.lab.stack.client("dynamodb"), self.lab.stack.settings.jobs_table
        dynamodb.delete_table(TableName=name)
        dynamodb.create_table(**table_schema(name))


def messages(lab: Lab) -> Iterator[Row]:
    """Row 1: a thousand small matrices inside messages, one invocation."""
    jobs = Jobs.of(lab)
    count, sample = lab.pick(_BATCH, 500), lab.pick(200, 50)
    all_ours = jobs.ours(lambda: jobs.messages(count))
    plain = jobs.plain(lambda: jobs.messages(sample))
    floor = Side(_parse_and_invert, lambda: jobs.messages(count), _check_stack)
    rounds = Effort(lab.pick(12, 2), 0)
    ours, peer, least = take_turns(rounds, all_ours, plain, floor)
    ours, peer, least = ours / count, peer / sample, least / count
    limit = Limit("× parse and one stacked call", ours / least)
    work = f"{count} messages of 8 × 8, one invocation: CPU per job [µs]"
    yield Row(1, work, _US * ours, _US * peer, peer / ours, at_least(20), limit)

    ours, peer = _calls(all_ours) / count, _calls(plain) / sample
    reach = at_most(0.05, of_ours=True)
    yield Row(1, "the same: AWS calls per job", ours, peer, peer / ours, reach)


def files(lab: Lab) -> Iterator[Row]:
    """Row 2: dropped files of n = 256, fifty in an invocation."""
    jobs = Jobs.of(lab)
    count, sample = lab.pick(50, 20), lab.pick(25, 5)

    def batch() -> Batch:
        return jobs.files(count, 256)

    def few() -> Batch:
        return jobs.files(sample, 256)

    rounds = Effort(lab.pick(4, 2), 0)  # four times fifty files
    ours, peer, saved, lapack, transfers = take_turns(
        rounds,
        jobs.ours(batch),
        jobs.plain(few),
        jobs.plain(few, as_npy=True),
        Side(_invert_each, lambda: Batch(_matrices(count, 256), []), _check_each),
        Side(jobs.transfer, few, _check_same),
    )
    ours, peer, saved, lapack = ours / count, peer / sample, saved / sample, lapack / count
    transfers /= sample
    limit = Limit("× LAPACK alone", ours / lapack, at_most(2))
    work = f"{count * rounds.rounds} files of 256 × 256, {count} an invocation: CPU per job [ms]"
    yield Row(2, work, _MS * ours, _MS * peer, peer / ours, at_least(10), limit)
    work = "the same, the peer with np.load and np.save [ms]"
    bound = Limit("of it is GET and PUT alone", transfers / ours)
    yield Row(2, work, _MS * ours, _MS * saved, saved / ours, at_least(1.5), bound)
    yield _overlap(jobs, count, sample)


def per_job(lab: Lab) -> Iterator[Row]:
    """Row 12, CPU: the same for each job, from ten messages to ten thousand."""
    jobs = Jobs.of(lab)
    most = lab.pick(10_000, _BATCH)
    # Few messages come several times, so that all figures are means of many jobs.
    counts = {10: 200, 100: lab.pick(500, 200), _BATCH: _BATCH, most: most}

    def side(size: int, count: int) -> Side:
        return jobs.ours(lambda: jobs.messages(count, size=min(size, _BATCH)))

    rounds = Effort(2, 0)
    sides = [side(*item) for item in counts.items()]
    total = take_turns(rounds, *sides, typical=statistics.median)
    ten, *rest = (seconds / n for seconds, n in zip(total, counts.values(), strict=True))
    work = f"CPU per job, {most} messages against 100, the most over the least [µs]"
    limit = Limit("× as much for 10 messages", ten / rest[-1])
    spread = max(rest) / min(rest)
    yield Row(12, work, _US * rest[-1], _US * rest[0], spread, at_most(1.10), limit)


def plain_handler(lab: Lab, *, as_npy: bool = False) -> PlainHandler:
    """Return the peer, with a table of its own."""
    stack, table = lab.stack, f"plain-{uuid4().hex[:8]}"
    dynamodb = stack.client("dynamodb")
    dynamodb.create_table(**table_schema(table))
    return PlainHandler(
        stack.client("s3"), dynamodb, stack.settings.results_bucket, table, as_npy=as_npy
    )


def context() -> Context:
    """Return Lambda's context of the standard lane."""
    return Context(900.0, 1769, "bench")


@contextlib.contextmanager
def counted_calls(latency_s: float = 0.0) -> Iterator[list[str]]:
    """Collect the HTTP method of each request of this process, and delay each one's start.

    Counted where every client of Python's must pass, whatever library it belongs to.
    """
    seen: list[str] = []
    of_python = http.client.HTTPConnection.putrequest

    def counting(self: http.client.HTTPConnection, method: str, *args: Any, **kwargs: Any) -> None:
        seen.append(method)
        time.sleep(latency_s)
        of_python(self, method, *args, **kwargs)

    http.client.HTTPConnection.putrequest = counting
    try:
        yield seen
    finally:
        http.client.HTTPConnection.putrequest = of_python


def _calls(side: Side) -> int:
    batch = side.prepare()
    with counted_calls() as calls:
        answer = side.run(batch)
    side.check(batch, answer)
    return len(calls)


def _overlap(jobs: Jobs, count: int, sample: int) -> Row:
    """Compare wall time where AWS takes its time; overlapped, less than all waits in a row."""

    def late(side: Side) -> Side:
        def run(batch: Batch) -> Any:
            with counted_calls(_LATENCY_S):
                return side.run(batch)

        return Side(run, side.prepare, side.check)

    all_ours = jobs.ours(lambda: jobs.files(count, 256))
    waits = _calls(all_ours) / count * _LATENCY_S
    plain = jobs.plain(lambda: jobs.files(sample, 256))
    rounds = Effort(jobs.lab.pick(3, 1), 0)
    ours, peer = take_turns(rounds, late(all_ours), late(plain), clock=time.perf_counter)
    ours, peer = ours / count, peer / sample
    limit = Limit("of its calls' waits one by one", ours / waits, at_most(1))
    work = f"the same, {_LATENCY_S * _MS:.0f} ms to each call: wall time per job [ms]"
    return Row(2, work, _MS * ours, _MS * peer, peer / ours, None, limit)


def _matrices(count: int, n: int) -> dict[str, Array]:
    run = uuid4().hex[:12]
    stack = np.random.default_rng().standard_normal((count, n, n))
    return {f"{run}-{i}": a for i, a in enumerate(stack)}


def _parse_and_invert(batch: Batch) -> Array:
    """Do the least that must be done for a batch of messages."""
    bodies = (record["body"] for event in batch.events for record in event["Records"])
    return np.linalg.inv(np.array([json.loads(body)["matrix"] for body in bodies]))


def _check_stack(batch: Batch, x: Array) -> None:
    check_inverse(np.array(list(batch.matrices.values())), x)


def _invert_each(batch: Batch) -> list[Array]:
    return [np.linalg.inv(a) for a in batch.matrices.values()]


def _check_same(batch: Batch, read: list[Array]) -> None:
    np.testing.assert_array_equal(np.array(read), np.array(list(batch.matrices.values())))


def _check_each(batch: Batch, x: list[Array]) -> None:
    _check_stack(batch, np.array(x))
