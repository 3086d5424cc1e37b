"""The service behind a simulated event source: the real runner, adapter and pipeline, one thread.

A schedule is a list of faults. Each waits for its moment, just before or after the effect of a
call, and lets time pass, lets other workers run meanwhile, fails the call or kills the process.
What runs meanwhile runs to its end: a worker is a frame on a stack, and those below it are
paused inside a call. One that goes on after its messages became visible again is a zombie.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from math import inf
from typing import Any, Final, ParamSpec, TypeVar

from botocore.exceptions import ClientError

from matinv import isolation, pipeline
from matinv.backends.aws.event_source import Entry, Event, FunctionError, Polling
from matinv.backends.aws.poller import Clock, Poller
from matinv.backends.aws.sqs import SQSQueue
from matinv.client import Client
from matinv.errors import Code, MatinvError, Refused, Transient
from matinv.jobs import intake
from matinv.jobs.lanes import standard
from matinv.operations.dead_letters import redrive
from matinv.ports import Backend
from matinv.settings import DAY_S, Settings
from support.memory_service import INPUTS, RESULTS, MemoryService
from support.simulated_sqs import SimulatedSQS, VirtualClock, refusal

P = ParamSpec("P")
T = TypeVar("T")

JOBS: Final = "jobs"
DEAD: Final = "dead"
TIMEOUT_S: Final = 60.0  # of an invocation
MAX_RECEIVES: Final = 3
KILLER: Final = "7.125"  # a message that contains it takes its process down
_WORKERS: Final = 3  # at a time: one at work, the others paused
_CALM_S: Final = 1000.0  # longer than any delay or timeout


class Killed(BaseException):
    """The process ended here; nothing in it runs any more."""


class Then(StrEnum):
    """How a call goes on after what happened at its moment."""

    GO_ON = "go on"
    FAIL = "fail"
    KILL = "kill"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at a moment of the schedule.

    Parameters
    ----------
    moment : str
        ``put:before``, or ``""`` for any.
    skip : int
        How many such moments pass first.
    pause_s : float
        Time that passes.
    steps : int
        Batches that other workers take meanwhile.
    then : Then
        How it ends.
    cancels : tuple of str
        Jobs that somebody cancels meanwhile.
    """

    moment: str = ""
    skip: int = 0
    pause_s: float = 0.0
    steps: int = 0
    then: Then = Then.GO_ON
    cancels: tuple[str, ...] = ()


class Direct(Executor):
    """Runs what is submitted at once, in the caller's thread."""

    def submit(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Return what `call` returned, as a future."""
        future: Future[T] = Future()
        future.set_result(call(*args, **kwargs))
        return future


@dataclass(slots=True)
class Frame:
    """A process: when it ends, and what it went through: moments of faults, pauses in them."""

    ends_at_s: float = inf
    dead: bool = False
    faults: list[str] = field(default_factory=list)
    paused: bool = False


@dataclass(slots=True)
class Context:
    """Lambda's context object, by the virtual clock."""

    clock: VirtualClock
    ends_at_s: float
    memory_limit_in_mb: int | str = 1769
    aws_request_id: str = "request"

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds that are left of the invocation."""
        return max(0, int(1000 * (self.ends_at_s - self.clock.now_s)))


@dataclass(frozen=True, slots=True)
class DirectChild:
    """Does suspects in the worker's own thread; one that kills ends only this child."""

    app: pipeline.App

    def attempt(self, record: intake.Record, deadline: pipeline.Deadline) -> bool:
        """Do the jobs of a message and return whether it may be acknowledged."""
        if KILLER in record["body"]:
            raise isolation.Died(Refused(Code.WORKER_CRASHED, "it ended its process"), 0)
        report = pipeline.process(self.app, intake.deliveries({"Records": [record]}), deadline)
        return not report.batch_item_failures()["batchItemFailures"]

    def stop(self) -> None:
        """End the child."""


Process = Callable[[pipeline.App, Event, Context], pipeline.Report]


def process(app: pipeline.App, event: Event, context: Context) -> pipeline.Report:
    """Do what the handler does; a message that kills does so where it is no suspect yet."""
    for record in event["Records"]:
        if KILLER in record["body"] and intake.receive_count(record) < isolation.SUSPECT_FROM:
            raise Killed
    return isolation.process(app, event, context, lambda _: DirectChild(app))


class Simulator:
    """A service whose queue is polled by workers that fail as told.

    Parameters
    ----------
    process : callable
        What the function does with an event.
    polling : Polling
        The event source's settings.
    visibility_s : int
        The queue's.

    Attributes
    ----------
    watch : callable
        Called at each moment, before anything happens there.
    judge : callable
        Called with each answer of the function, and with the frame that gave it.
    moments : Counter
        How often each moment came.
    faults : Counter
        How often something happened at it.
    """

    def __init__(
        self,
        process: Process = process,
        polling: Polling = Polling(),  # noqa: B008 - frozen
        visibility_s: int = 90,
    ) -> None:
        self.clock = VirtualClock()
        self.sqs = SimulatedSQS(self.clock)
        self.dead = self.sqs.add_queue(DEAD)
        self.jobs = self.sqs.add_queue(JOBS, visibility_s, self.dead, MAX_RECEIVES)
        self.service = MemoryService(topic=True)
        self.app = replace(
            self.service.app,
            now=self.clock.now,
            pool=lambda _size, _name: Direct(),
            retention_s=30 * DAY_S,
        )
        self.process = process
        self.watch: Callable[[], None] = lambda: None
        self.judge: Callable[[Event, pipeline.Report, Frame], None] = lambda *_: None
        self.moments: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._faults: list[Fault] = []
        self._frames: list[Frame] = []
        self._held: dict[int, list[Entry]] = {}
        sqs: Any = self.sqs  # mypy's client has hundreds of methods
        self._sqs = sqs
        clock = Clock(self.clock.now, self.clock.sleep)
        self._runner = Poller(sqs, JOBS, self._invoke, polling, clock=clock)
        self._hook()

    def _hook(self) -> None:
        transient = Transient(Code.THROTTLED, "for tests")
        for port in (self.service.store, self.service.table, self.service.events):
            port.fail = partial(self._moment, error=transient)
        self.sqs.fail = partial(self._moment, error=refusal("InternalError", "Any"))

    def _moment(self, name: str, error: Exception) -> None:
        self.watch()
        self.moments[name] += 1
        if not self._frames:
            return
        frame = self._frames[-1]
        if frame.dead or self.clock.now_s >= frame.ends_at_s:
            self._kill(frame)
        fault = self._next(name)
        if fault:
            self._happen(fault, name, frame, error)

    def _next(self, name: str) -> Fault | None:
        """Return the fault whose moment this is; only the first that waits for it counts it."""
        for position, fault in enumerate(self._faults):
            if fault.moment in {"", name}:
                if not fault.skip:
                    return self._faults.pop(position)
                self._faults[position] = replace(fault, skip=fault.skip - 1)
                return None
        return None

    def _happen(self, fault: Fault, name: str, frame: Frame, error: Exception) -> None:
        self.faults[name] += 1
        frame.faults.append(name)
        frame.paused |= bool(fault.pause_s or fault.steps or fault.cancels)
        self.clock.sleep(fault.pause_s)
        for _ in range(fault.steps):
            self._take_turn()
        if fault.cancels:
            self.cancel(fault.cancels)
        if fault.then is Then.KILL:
            self._kill(frame)
        if fault.then is Then.FAIL:
            raise error

    def _kill(self, frame: Frame) -> None:
        frame.dead = True
        raise Killed

    @contextmanager
    def _frame(self, ends_at_s: float = inf) -> Iterator[Frame]:
        self._frames.append(Frame(ends_at_s))
        try:
            yield self._frames[-1]
        finally:
            self._frames.pop()

    def step(self, faults: Sequence[Fault] = ()) -> list[Fault]:
        """Let a worker poll once and do what it got, while `faults` happen; return those left."""
        self._faults = list(faults)
        self._take_turn()
        left, self._faults = self._faults, []
        return left

    def _take_turn(self) -> None:
        depth = sum(frame.ends_at_s == inf for frame in self._frames)
        if depth >= _WORKERS:
            return
        held = self._held.pop(depth, [])
        with self._frame():
            try:
                self._held[depth] = self._runner.step(held, threading.Event())
            except ClientError:
                self._held[depth] = held
            except Killed:  # the poller: what it held comes back in its own time
                return

    def _invoke(self, event: Event) -> object:
        self._moment("invoke:before", FunctionError("throttled"))
        ends_at_s = self.clock.now_s + TIMEOUT_S
        with self._frame(ends_at_s) as frame:
            try:
                # A new process each time: it remembers nothing of the queue.
                app = replace(self.app, queue=SQSQueue(self._sqs, JOBS, DEAD))
                report = self.process(app, event, Context(self.clock, ends_at_s))
            except Killed:
                message = "the process ended"
                raise FunctionError(message) from None
            self.judge(event, report, frame)
        self._moment("invoke:after", FunctionError("the answer was lost"))
        return report.batch_item_failures()

    def send(self, body: object) -> str:
        """Send a message and return its id."""
        text = body if isinstance(body, str) else json.dumps(body)
        sent = self.sqs.send_message(QueueUrl=JOBS, MessageBody=text)
        return str(sent["MessageId"])

    def submit(self, job_id: str, matrix: Any) -> None:
        """Do what ``Client.submit`` does, unless another question has the id."""
        with suppress(MatinvError):
            self._client().submit(matrix, job_id=job_id)

    def cancel(self, job_ids: Sequence[str]) -> None:
        """Do what ``matinv cancel`` does; it may meet faults like anybody."""
        with self._frame():
            try:
                self._client().cancel(job_ids)
            except (Killed, MatinvError):
                return

    def _client(self) -> Client:
        settings = Settings(INPUTS, RESULTS, "table", standard(JOBS), DEAD)
        queue = SQSQueue(self._sqs, JOBS, DEAD)
        backend = Backend(self.service.store, self.app.table, queue)
        return Client(backend, settings, now=self.clock.now)

    def move(self, limit: int) -> None:
        """Do what the SQS console's "Start DLQ redrive" does, and stop it after so many."""
        self.sqs.move(self.dead, self.jobs, limit)

    def redrive(
        self, changes: dict[str, Any], limit: int | None = None, faults: Sequence[Fault] = ()
    ) -> None:
        """Do what ``matinv dlq redrive`` does, while `faults` happen."""
        self._faults = list(faults)
        with self._frame():
            try:
                redrive(self._client(), lambda _: True, changes, limit)
            except (Killed, MatinvError):
                return
            finally:
                self._faults = []

    def drain(self) -> None:
        """Heal everything and work until the queue is empty."""
        self._held.clear()
        while self.jobs.messages:
            self.clock.sleep(_CALM_S)
            self.step()
