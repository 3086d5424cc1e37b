"""The schedules: what anybody may do to the service, in any order."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from matinv.backends.aws.event_source import Polling
from matinv.jobs.ids import matrix_digest
from matinv.local.samples import npy_bytes
from matinv.pipeline import running as pipeline_running
from matinv.testing.events import eventbridge, s3_notification, sns_wrapped
from support.memory_service import INPUTS
from support.simulator import KILLER, Fault, Simulator, Then, process

from .matrices import MATRICES, POISON
from .witness import Witness

MOMENTS = (
    *(
        f"{call}:{side}"
        for call in (
            "get",
            "put",
            "open",
            "put_result",
            "publish",
            "send_message",
            "send_message_batch",
            "receive_message",
            "delete_message_batch",
            "change_message_visibility_batch",
            "get_queue_attributes",
            "invoke",
        )
        for side in ("before", "after")
    ),
    "read:before",
)

# Between any two of them a job is neither here nor there.
WRITES = ("put_result:after", "put:before", "put:after", "send_message_batch:after", "invoke:after")

# Few, so that they meet.
JOB_IDS = ("a", "b")
KEYS = ("a.npy", "c.json")
DAY_S = 86_400.0

# 0 is a call; 35 s are longer than the shorter visibility timeout, 100 s than any of them.
_pauses = st.sampled_from([0.0, 0.0, 1.0, 35.0, 57.5, 100.0])
_ends = (_pauses, st.integers(0, 2), st.sampled_from(Then))
_faults = st.one_of(
    st.builds(Fault, st.sampled_from(WRITES), st.just(0), *_ends),
    st.builds(Fault, st.sampled_from(MOMENTS), st.integers(0, 2), *_ends),
    st.builds(Fault, st.just(""), st.integers(0, 20), *_ends),
    # Somebody cancels at any moment, also between any two writes.
    st.builds(
        Fault,
        st.sampled_from([*WRITES, "get:after", ""]),
        st.integers(0, 6),
        cancels=st.sampled_from([(name,) for name in (*JOB_IDS, "c")]),
    ),
)
_schedules = st.lists(_faults, max_size=5)
_options = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from(["pinv", "general"]),
        "output": st.sampled_from(["s3", "s3", "dynamodb"]),
        "format": st.sampled_from(["npy", "json"]),
        "on_ill_conditioned": st.just("fail"),
        "expires_in_s": st.sampled_from([20, 90]),
    },
)
_changes = st.sampled_from(
    [{}, {}, {"method": "pinv"}, {"on_ill_conditioned": "warn"}, {"output": "s3"}]
)
_takes = st.sampled_from(
    [
        {"replace": True},
        {"replace": True, "output": "s3"},
        {"replace": True, "output": "s3", "method": "pinv"},
    ]
)


@dataclass
class Tally:
    """What all schedules of a machine went through."""

    schedules: int = 0
    moments: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    def add(self, simulator: Simulator) -> None:
        self.schedules += 1
        self.moments += simulator.moments
        self.faults += simulator.faults

    def __str__(self) -> str:
        return (
            f"{self.schedules} schedules, {self.moments['invoke:before']} batches, "
            f"{self.moments.total()} moments, {self.faults.total()} faults"
        )


class Machine(RuleBasedStateMachine):
    """Jobs come in, workers fail, time passes; in the end everything is accounted for."""

    process = staticmethod(process)
    moments = MOMENTS
    tally = Tally()

    @initialize(
        batch_size=st.integers(1, 5),
        window_s=st.sampled_from([0.0, 0.0, 2.0]),
        payload_bytes=st.sampled_from([6 * 2**20, 1500]),
        visibility_s=st.sampled_from([30, 90]),
        running=st.booleans(),
    )
    def begin(
        self,
        batch_size: int,
        window_s: float,
        payload_bytes: int,
        visibility_s: int,
        running: bool,
    ) -> None:
        polling = Polling(batch_size, window_s, payload_bytes=payload_bytes)
        self.simulator = Simulator(type(self).process, polling, visibility_s)
        self.witness = Witness(self.simulator)
        self.sent: list[dict[str, Any]] = []
        self.uploaded: list[dict[str, Any]] = []
        self.announced: set[int] = set()
        # RUNNING is for work of more than a second; no matrix here takes that long.
        self.patch = mock.patch.object(pipeline_running, "_ANNOUNCE_S", -1.0 if running else 1.0)
        self.patch.start()

    @rule(job_id=st.sampled_from(JOB_IDS), matrix=st.sampled_from(MATRICES), options=_options)
    def send(self, job_id: str, matrix: Any, options: dict[str, str]) -> None:
        identity = f"sha256:{matrix_digest(np.array(matrix))}"
        self.witness.matrices[identity] = matrix
        self._send({"job_id": job_id, "matrix": matrix, **options})

    @precondition(lambda self: self.sent)
    @rule(back=st.integers(0, 2), changes=st.one_of(_changes, _takes))
    def send_again(self, back: int, changes: dict[str, Any]) -> None:
        """Send a job again, with other options."""
        self._send(self.sent[max(0, len(self.sent) - 1 - back)] | changes)

    @rule(job_id=st.sampled_from(JOB_IDS), matrix=st.sampled_from(MATRICES), options=_options)
    def send_replacing(self, job_id: str, matrix: Any, options: dict[str, str]) -> None:
        """Send what may take the job id from another question."""
        identity = f"sha256:{matrix_digest(np.array(matrix))}"
        self.witness.matrices[identity] = matrix
        self._send({"job_id": job_id, "matrix": matrix, **options, "replace": True})

    def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        self.witness.asked[self.simulator.send(message)] = _shaping(message)

    @rule(job_id=st.sampled_from(JOB_IDS), matrix=st.sampled_from(MATRICES))
    def submit(self, job_id: str, matrix: Any) -> None:
        """Send as the client does, which writes a record of what waits in the queue."""
        self.witness.matrices[f"sha256:{matrix_digest(np.array(matrix))}"] = matrix
        self.simulator.submit(job_id, np.array(matrix))

    @rule(job_ids=st.sampled_from([("a",), ("b",), ("a", "b", "c")]))
    def cancel(self, job_ids: tuple[str, ...]) -> None:
        self.simulator.cancel(job_ids)

    @rule()
    def send_killer(self) -> None:
        """Send what takes down the process that works on it."""
        matrix = [[float(KILLER)]]
        self.witness.matrices[f"sha256:{matrix_digest(np.array(matrix))}"] = None
        self.simulator.send({"job_id": "k", "matrix": matrix})

    @rule(body=st.sampled_from(POISON))
    def send_poison(self, body: str) -> None:
        self.simulator.send(body)

    @rule(
        key=st.sampled_from(KEYS),
        matrix=st.sampled_from([*MATRICES, None]),
        options=_options,
        at_once=st.booleans(),
    )
    def upload(self, key: str, matrix: Any, options: dict[str, str], at_once: bool) -> None:
        content = b"\x93NUMPY" if matrix is None else _written(key, matrix)
        metadata = {f"matinv-{name.replace('_', '-')}": str(v) for name, v in options.items()}
        reference = self.simulator.service.store.upload(key, [content], metadata)
        number = len(self.uploaded)
        identity = f"version:{reference.version_id}"
        self.witness.uploads[identity] = number
        self.witness.matrices[identity] = matrix
        self.uploaded.append(
            {
                "key": key,
                "version_id": reference.version_id,
                "sequencer": f"{number:016X}",
            }
        )
        if at_once:
            self._announce(number, lambda event: event)

    @precondition(lambda self: self.uploaded)
    @rule(
        back=st.integers(0, 3),
        wrap=st.sampled_from([lambda event: event, sns_wrapped]),
    )
    def announce(self, back: int, wrap: Any) -> None:
        """Let S3 tell of an upload: late, again, in any order."""
        self._announce(max(0, len(self.uploaded) - 1 - back), wrap)

    @precondition(lambda self: self.uploaded)
    @rule(back=st.integers(0, 2))
    def announce_by_eventbridge(self, back: int) -> None:
        number = max(0, len(self.uploaded) - 1 - back)
        upload = self.uploaded[number]
        self.announced.add(number)
        self.simulator.send(eventbridge(INPUTS, **upload))

    @precondition(lambda self: len(self.uploaded) > 1)
    @rule(back=st.integers(0, 2))
    def announce_two(self, back: int) -> None:
        """Let one notification tell of two uploads, the newer one first."""
        number = max(1, len(self.uploaded) - 1 - back)
        records = [self._notification(n)["Records"][0] for n in (number, 0)]
        self.announced |= {number, 0}
        self.simulator.send({"Records": records})

    @precondition(lambda self: self.uploaded)
    @rule(back=st.integers(0, 2), options=_options)
    def refer(self, back: int, options: dict[str, str]) -> None:
        """Send a message that refers to an upload."""
        upload = self.uploaded[max(0, len(self.uploaded) - 1 - back)]
        s3 = {"bucket": INPUTS, "key": upload["key"], "version_id": upload["version_id"]}
        self.witness.asked[self.simulator.send({"s3": s3, **options})] = _shaping(options)

    @precondition(lambda self: self.uploaded)
    @rule(back=st.integers(0, 3))
    def replay(self, back: int) -> None:
        """Let a re-drive tool tell of an upload: without a sequencer, and much later."""
        number = max(0, len(self.uploaded) - 1 - back)
        self._announce(number, _without_sequencer)

    @precondition(lambda self: self.uploaded)
    @rule(key=st.sampled_from(KEYS), options=_options)
    def refer_to_whatever_stands_there(self, key: str, options: dict[str, str]) -> None:
        """Refer to a key without a version, whether anything stands there or not."""
        s3 = {"bucket": INPUTS, "key": key}
        self.witness.asked[self.simulator.send({"s3": s3, **options})] = _shaping(options)

    @precondition(lambda self: self.simulator.jobs.history)
    @rule(back=st.integers(0, 4))
    def duplicate(self, back: int) -> None:
        """Let SQS deliver again what was deleted."""
        history = self.simulator.jobs.history
        self.simulator.sqs.again(history[max(0, len(history) - 1 - back)], self.simulator.jobs)

    @precondition(lambda self: self.simulator.jobs.messages)
    @rule(later_s=st.sampled_from([0.0, 100.0]), faults=_schedules)
    def work(self, later_s: float, faults: list[Fault]) -> None:
        self.simulator.clock.sleep(later_s)
        self.simulator.step(faults)

    @precondition(lambda self: self.simulator.jobs.messages)
    @rule(steps=st.integers(1, 3), faults=_schedules)
    def work_on(self, steps: int, faults: list[Fault]) -> None:
        """Work a while, and each time a fault is left it is for the next batch."""
        for _ in range(steps):
            self.simulator.clock.sleep(100.0)
            faults = self.simulator.step(faults)

    @rule(seconds=st.sampled_from([1.0, 10.0, 35.0]))
    def wait(self, seconds: float) -> None:
        self.simulator.clock.sleep(seconds)

    @rule(days=st.sampled_from([15, 31]))
    def wait_long(self, days: int) -> None:
        """Let messages, letters and records grow too old."""
        self.simulator.clock.sleep(days * DAY_S)
        for queue in (self.simulator.jobs, self.simulator.dead):
            queue.expire(self.simulator.clock.now_s)
        for record in list(self.simulator.service.table.records.values()):
            if record.expires_at < self.simulator.clock.now_s:
                self.witness.look()
                self.simulator.service.table.delete(record.job_id)
                self.witness.forget(record.job_id)

    @precondition(lambda self: self.simulator.dead.messages)
    @rule(changes=_changes, limit=st.sampled_from([None, 1]), faults=_schedules)
    def redrive(self, changes: dict[str, str], limit: int | None, faults: list[Fault]) -> None:
        self.simulator.redrive(changes, limit, faults)

    @precondition(lambda self: self.simulator.dead.messages)
    @rule(limit=st.sampled_from([1, 100]))
    def move(self, limit: int) -> None:
        """Press "Start DLQ redrive" in the console of SQS."""
        self.simulator.move(limit)

    def teardown(self) -> None:
        if not hasattr(self, "patch"):
            return
        try:
            self._conclude()
        finally:
            self.patch.stop()

    def _conclude(self) -> None:
        for number in range(len(self.uploaded)):
            if number not in self.announced:
                self._announce(number, lambda event: event)
        try:
            self.simulator.drain()
            self.witness.conclude()
        finally:
            type(self).tally.add(self.simulator)

    def _announce(self, number: int, wrap: Any) -> None:
        self.announced.add(number)
        self.simulator.send(wrap(self._notification(number)))

    def _notification(self, number: int) -> dict[str, Any]:
        upload = dict(self.uploaded[number])
        return s3_notification(INPUTS, upload.pop("key"), **upload)


class Messages(Machine):
    """Without files, so that messages meet more often."""

    upload = None
    moments = tuple(m for m in MOMENTS if m.partition(":")[0] not in {"open", "read"})
    tally = Tally()


class Files(Machine):
    """Without matrices in messages, so that uploads of one key meet more often."""

    send = send_replacing = send_poison = send_killer = submit = None
    tally = Tally()


MACHINES = (Machine, Messages, Files)


def _shaping(message: dict[str, Any]) -> dict[str, Any]:
    """Return those fields of a message that shape the answer."""
    names = ("method", "output", "format", "on_ill_conditioned")
    return {name: message[name] for name in names if name in message}


def _without_sequencer(event: dict[str, Any]) -> dict[str, Any]:
    for record in event["Records"]:
        del record["s3"]["object"]["sequencer"]
    return event


def _written(key: str, matrix: Any) -> bytes:
    return json.dumps(matrix).encode() if key.endswith(".json") else npy_bytes(np.array(matrix))
