"""Every operation that the adapters call, times every way in which AWS fails.

Each fault comes once, or stays. What the adapter says of it is in the tables below, how often it
asks is bounded, and when the fault is gone the same call does what it is for.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, repeat
from pathlib import Path
from typing import Any, Final

import pytest

import matinv.backends.aws
from matinv.backends.aws import calls, clients
from matinv.backends.aws.batch import BatchCapacity
from matinv.backends.aws.dynamodb import DynamoDBTable, table_schema
from matinv.backends.aws.s3 import S3Store
from matinv.backends.aws.s3_bodies import Pieces
from matinv.backends.aws.sns import SNSEvents
from matinv.backends.aws.sqs import SQSQueue
from matinv.errors import Code, MatinvError, Misconfigured, Refused, Transient
from matinv.jobs.lanes import Lane, Ticket, huge, large
from matinv.jobs.record import Status
from matinv.jobs.request import Reference
from matinv.testing.contracts import delivery, digest, letter, record
from matinv.testing.events import ACCOUNT
from support.faults import Fault, Faults, broken_off, lost_answer, refusal, refused, reset, silent
from support.machines import make_machines

pytestmark = pytest.mark.deep

SERVICES: Final = ("s3", "dynamodb", "sqs", "sns", "batch")
MIB: Final = 2**20

# What an adapter says: its value, or one of these errors.
OK: Final = "the value"
THROTTLED: Final = (Transient, Code.THROTTLED)
STORAGE: Final = (Transient, Code.STORAGE)
DENIED: Final = (Transient, Code.ACCESS_DENIED)
STOP: Final = (Misconfigured, Code.ACCESS_DENIED)
GONE: Final = (Refused, Code.INPUT_GONE)


@dataclass(frozen=True)
class Says:
    """What is said of a fault that comes once and of one that stays, and after how many tries."""

    once: object
    always: object
    tries: int = 1


PASSING: Final = Says(OK, STORAGE, 4)  # botocore tries four times


def each(status: int, code: str, **others: tuple[int, str]) -> Mapping[str, Fault]:
    """Return AWS's answer by service."""
    return {name: refusal(*others.get(name, (status, code))) for name in SERVICES}


# The faults, and what most operations say of them.
FAULTS: Final[Mapping[str, tuple[Mapping[str, Fault], Says]]] = {
    "throttled": (
        each(
            400,
            "ThrottlingException",
            s3=(503, "SlowDown"),
            dynamodb=(400, "ProvisionedThroughputExceededException"),
        ),
        Says(OK, THROTTLED, 4),
    ),
    "500": (each(500, "InternalError"), PASSING),
    "503": (each(503, "ServiceUnavailable"), PASSING),
    "refused": (dict.fromkeys(SERVICES, refused), PASSING),
    "slow": (dict.fromkeys(SERVICES, silent), PASSING),
    "reset": (dict.fromkeys(SERVICES, reset), PASSING),
    "reset in the answer": (dict.fromkeys(SERVICES, broken_off(reset=True)), PASSING),
    "short answer": (dict.fromkeys(SERVICES, broken_off(reset=False)), Says(STORAGE, STORAGE)),
    "lost answer": (dict.fromkeys(SERVICES, lost_answer), PASSING),
    "denied": (
        each(403, "AccessDenied", dynamodb=(400, "AccessDeniedException")),
        Says(STOP, STOP),
    ),
    "missing": (
        each(
            404,
            "NoSuchBucket",
            dynamodb=(400, "ResourceNotFoundException"),
            sqs=(400, "AWS.SimpleQueueService.NonExistentQueue"),
            sns=(404, "NotFound"),
            batch=(400, "ClientException"),
        ),
        Says(STOP, STOP),
    ),
    "404": (each(404, "NoSuchKey"), Says(STORAGE, STORAGE)),
    "409": (each(409, "ConditionalRequestConflict"), Says(STORAGE, STORAGE)),
    "412": (each(412, "PreconditionFailed"), Says(STORAGE, STORAGE)),
    "key denied": (
        each(400, "KMS.AccessDeniedException", s3=(403, "AccessDenied")),
        Says(STOP, STOP),
    ),
    "key disabled": (each(400, "KMS.DisabledException"), Says(STOP, STOP)),
    "key throttled": (each(400, "KMS.ThrottlingException"), Says(THROTTLED, THROTTLED)),
    "key service fails": (each(500, "KMS.InternalException"), PASSING),
}


@dataclass(frozen=True)
class Place:
    """Where all tests of this module work, each under a name of its own."""

    bucket: str
    table: str
    queues: tuple[str, str, str]
    topic: str
    machines: Ticket


class Rig:
    """The adapters, on clients of their own."""

    def __init__(self, place: Place, name: str) -> None:
        self.place = place
        self.name = name
        self.clients: dict[str, Any] = {s: clients.client(s) for s in SERVICES[1:]}
        self.clients["s3"] = clients.client("s3", ACCOUNT)

    @cached_property
    def table(self) -> DynamoDBTable:
        return DynamoDBTable(self.clients["dynamodb"], self.place.table)

    @cached_property
    def queue(self) -> SQSQueue:
        return SQSQueue(self.clients["sqs"], *self.place.queues[:2])

    @property
    def store(self) -> S3Store:
        return self.store_of(Pieces())

    def store_of(self, pieces: Pieces) -> S3Store:
        return S3Store(self.clients["s3"], self.place.bucket, self.place.bucket, pieces)

    def upload(self, body: bytes = b"abc") -> Reference:
        return self.store.upload(f"{self.name}.npy", [body], {})

    def put(self, body: bytes = b"abc") -> str:
        store = self.store_of(Pieces(6 * MIB, 5 * MIB))
        stored = store.put_result(f"{self.name}/1.npy", [body], digest([body]), {})
        return stored.uri.rpartition("/")[2]

    def of_dead_letters(self) -> SQSQueue:
        """Return a queue with a single dead letter."""
        url = self.clients["sqs"].create_queue(QueueName=self.name)["QueueUrl"]
        queue = SQSQueue(self.clients["sqs"], url, url)
        queue.dead_letter([letter(1)])
        return queue


def read(store: S3Store, reference: Reference) -> bytes:
    with store.open(reference) as blob:
        buffer = bytearray(blob.size_bytes)
        blob.readinto(memoryview(buffer))
    return bytes(buffer)


# Calls of the adapters: what is done before, without a fault, and what then is called.

Call = Callable[[], object]


def reads_whole(rig: Rig) -> Call:
    reference = rig.upload()
    return lambda: read(rig.store, reference)


def reads_in_pieces(rig: Rig) -> Call:
    reference = rig.upload(b"0123456789")
    store = rig.store_of(Pieces(4, 4))
    return lambda: read(store, reference)


def uploads(rig: Rig) -> Call:
    return lambda: read(rig.store, rig.upload())


def puts(rig: Rig) -> Call:
    return rig.put


def puts_in_parts(rig: Rig) -> Call:
    body = bytes(6 * MIB + 1)
    return lambda: rig.put(body)


def adopts(rig: Rig) -> Call:
    rig.put()
    return rig.put


def finds(rig: Rig) -> Call:
    key = rig.upload().key

    def find() -> bool:
        return rig.store.find_input(key) is not None

    return find


def removes(rig: Rig) -> Call:
    uri = rig.upload().uri
    return lambda: rig.store.delete(uri)


def gets(rig: Rig) -> Call:
    rig.table.put([record(rig.name)])
    return lambda: [*rig.table.get([rig.name])] == [rig.name]


def writes_one(rig: Rig) -> Call:
    return lambda: rig.table.put([record(rig.name)])


def writes_two(rig: Rig) -> Call:
    return lambda: rig.table.put([record(f"{rig.name}-{n}") for n in range(2)])


def writes_two_again(rig: Rig) -> Call:
    write = writes_two(rig)
    write()
    return write


def lists(rig: Rig) -> Call:
    rig.table.put([record(rig.name, status=Status.PARTIAL)])
    return lambda: rig.name in {r.job_id for r in rig.table.list(Status.PARTIAL, 100)}


def forgets(rig: Rig) -> Call:
    rig.table.put([record(rig.name)])
    return lambda: rig.table.delete(rig.name)


def sends(rig: Rig) -> Call:
    return lambda: rig.queue.send("{}")


def dead_letters(rig: Rig) -> Call:
    return lambda: rig.queue.dead_letter([letter(1)])


def forwards(rig: Rig) -> Call:
    return lambda: rig.queue.forward(large(rig.place.queues[2]), [delivery(1)])


def machines_of(rig: Rig) -> tuple[BatchCapacity, Lane]:
    lane = replace(huge("h"), ticket=rig.place.machines)
    return BatchCapacity(rig.clients["batch"]), lane


def asks_for_a_machine(rig: Rig) -> Call:
    capacity, lane = machines_of(rig)
    return lambda: capacity.request(lane)


def looks(rig: Rig) -> Call:
    capacity, lane = machines_of(rig)
    return lambda: capacity.alive(lane)


def delays(rig: Rig) -> Call:
    return lambda: rig.queue.delay([delivery(1)], [5])


def receives(rig: Rig) -> Call:
    queue = rig.of_dead_letters()
    return lambda: len(queue.receive_dead(1, 0))


def releases(rig: Rig) -> Call:
    queue = rig.of_dead_letters()
    taken = queue.receive_dead(1, 60)
    return lambda: queue.release_dead(taken)


def deletes(rig: Rig) -> Call:
    queue = rig.of_dead_letters()
    taken = queue.receive_dead(1, 60)
    return lambda: queue.delete_dead(taken)


def asks_for_the_policy(rig: Rig) -> Call:
    return SQSQueue(rig.clients["sqs"], *rig.place.queues[:2]).max_receive_count  # it remembers


def publishes(rig: Rig) -> Call:
    events = SNSEvents(rig.clients["sns"], rig.place.topic)
    return lambda: events.publish([record("j", status=Status.SUCCEEDED)])


@dataclass(frozen=True)
class Case:
    """An operation, a call of an adapter that uses it, and what that says.

    Parameters
    ----------
    value : object
        Without a fault, and when it is gone.
    says : mapping
        Of faults of which it says something else than most do.
    calls : int
        How often it may ask, if every answer is good.
    skip : int
        So many of those are not meant.
    quiet : object
        What it says instead of any error.
    others : mapping
        Faults of other operations, without which it would not come to this one.
    """

    operation: str
    call: Callable[[Rig], Call]
    value: object
    says: Mapping[str, Says] = field(default_factory=dict)
    calls: int = 1
    skip: int = 0
    quiet: object = OK
    others: Mapping[str, Fault] = field(default_factory=dict)

    def tells(self, fault: str, *, stays: bool) -> Any:
        """Return what it says of a fault: one of these."""
        says = self.says.get(fault, FAULTS[fault][1])
        said = says.always if stays else says.once
        if OK not in (said, self.quiet):
            return [self.quiet]
        return [
            self.value if one == OK else one for one in (said if type(said) is list else [said])
        ]

    def tries(self, fault: str) -> int:
        return self.says.get(fault, FAULTS[fault][1]).tries


REFUSED_ALONE = Says(DENIED, DENIED)
MAYBE = Says([OK, STORAGE], STORAGE, 4)  # the reset may overtake the bytes that were sent before it
READING = {
    **dict.fromkeys(("denied", "missing", "key denied", "key disabled"), REFUSED_ALONE),
    **dict.fromkeys(("404", "412"), Says(GONE, GONE)),
    "reset in the answer": MAYBE,
}
# A write unless the key exists: another one is in its way, or seems to be.
CONDITIONAL = dict.fromkeys(("409", "412"), Says(OK, STORAGE, 5))
# An answer without a body: half of it is none.
BODILESS = {"short answer": PASSING}
# An answer to HEAD is its status.
STATUS = {
    **BODILESS,
    "throttled": PASSING,
    **dict.fromkeys(("key disabled", "key throttled"), Says(STORAGE, STORAGE)),
}
# botocore takes a 400 that says nothing for that of another region, and asks again.
STATUS_OF_OBJECT = STATUS | dict.fromkeys(("key disabled", "key throttled"), Says(OK, STORAGE, 2))
NO_KEY = Says(None, None)
DENIED_403 = refusal(403, "AccessDenied")

S3 = [
    Case("GetObject", reads_whole, b"abc", READING),
    Case("GetObject", reads_in_pieces, b"0123456789", READING, calls=2, skip=1),
    Case("PutObject", uploads, b"abc", BODILESS),
    Case("PutObject", puts, "1.npy", BODILESS | CONDITIONAL),
    Case(
        "HeadObject",
        finds,
        True,
        STATUS_OF_OBJECT | dict.fromkeys(("404", "missing"), Says(False, False)),
        calls=2,
    ),
    Case(
        "HeadObject",
        adopts,
        "1.npy",
        STATUS_OF_OBJECT | dict.fromkeys(("404", "missing"), Says(OK, STORAGE, 5)),
    ),
    Case(
        "HeadBucket",
        reads_whole,
        DENIED,
        STATUS | {"404": Says(STOP, STOP)},
        others={"GetObject": DENIED_403},
    ),
    Case("CreateMultipartUpload", puts_in_parts, "1.npy", CONDITIONAL),
    Case("UploadPart", puts_in_parts, "1.npy", BODILESS | CONDITIONAL, calls=2),
    Case("CompleteMultipartUpload", puts_in_parts, "1.npy", CONDITIONAL),
    Case(
        "AbortMultipartUpload",
        puts_in_parts,
        STOP,
        BODILESS,
        quiet=STOP,
        others={"UploadPart": DENIED_403},
    ),
    Case("DeleteObject", removes, None, BODILESS | {"404": NO_KEY}),
]
DYNAMODB = [
    Case("BatchGetItem", gets, True),
    Case("PutItem", writes_one, [True]),
    # Who may not send statements may put items all the same.
    Case("BatchExecuteStatement", writes_two, [True, True], {"denied": Says(OK, OK)}),
    Case("GetItem", writes_two_again, [True, True], calls=2),
    Case("Query", lists, True, calls=8),
    Case("DeleteItem", forgets, None),
]
SQS = [
    Case("SendMessage", sends, None),
    Case("SendMessageBatch", dead_letters, [True], quiet=[False]),
    Case("SendMessageBatch", forwards, [True], quiet=[False]),
    Case("ChangeMessageVisibilityBatch", delays, None, quiet=None),
    Case("ChangeMessageVisibilityBatch", releases, None),
    Case("GetQueueAttributes", asks_for_the_policy, 5),
    Case("ReceiveMessage", receives, 1),
    Case("DeleteMessageBatch", deletes, None),
]
SNS = [Case("PublishBatch", publishes, [True], quiet=[False])]
BATCH = [Case("SubmitJob", asks_for_a_machine, None), Case("ListJobs", looks, False, calls=5)]
CASES = [
    pytest.param(service, case, id=f"{case.operation}-{case.call.__name__}")
    for service, cases in zip(SERVICES, (S3, DYNAMODB, SQS, SNS, BATCH), strict=True)
    for case in cases
]


@pytest.fixture(scope="module")
def place(moto_clients: dict[str, Any], moto_url: str) -> Place:
    s3, sqs = moto_clients["s3"], moto_clients["sqs"]
    s3.create_bucket(Bucket="matrix-of-faults")
    moto_clients["dynamodb"].create_table(**table_schema("matrix-of-faults"))
    urls = [sqs.create_queue(QueueName=f"matrix-{n}")["QueueUrl"] for n in ("jobs", "dlq", "large")]
    policy = '{"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:matrix-dlq", '
    sqs.set_queue_attributes(
        QueueUrl=urls[0], Attributes={"RedrivePolicy": policy + '"maxReceiveCount": 5}'}
    )
    topic = moto_clients["sns"].create_topic(Name="matrix-of-faults")["TopicArn"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", moto_url)
        machines = make_machines(clients.client("batch"), moto_url, "matrix-of-faults")
    name = "matrix-of-faults"
    return Place(name, name, (urls[0], urls[1], urls[2]), topic, machines)


@pytest.fixture
def rig(place: Place, at_moto: str, unique: str, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.setattr(calls, "_PAUSE_S", 0.001)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    monkeypatch.setattr("matinv.backends.aws.sqs._WAIT_S", 0)
    return Rig(place, unique)


def said_by(call: Call) -> object:
    try:
        return call()
    except MatinvError as error:
        return type(error), error.code


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("service", "case"), CASES)
def test_fault_is_overcome_or_told(
    rig: Rig, unique: str, service: str, case: Case, fault: str
) -> None:
    faults = Faults(rig.clients[service])
    made = FAULTS[fault][0][service]
    for stays in (False, True):
        rig.name = f"{unique}-{stays}"
        call = case.call(rig)
        faults.calls.clear()
        faults.of = {name: repeat(other) for name, other in case.others.items()}
        faults.of[case.operation] = chain(
            repeat(None, case.skip), repeat(made) if stays else [made], repeat(None)
        )
        assert said_by(call) in case.tells(fault, stays=stays)
        asked = faults.calls[case.operation] - case.skip
        assert 1 <= asked <= (case.tries(fault) if stays else 2) * case.calls
        del faults.of[case.operation]
        assert said_by(call) == case.value
        faults.of.clear()


def test_every_operation_of_the_adapters_is_in_the_table(rig: Rig) -> None:
    operations = {
        name: operation
        for service in SERVICES
        for name, operation in rig.clients[service].meta.method_to_api_mapping.items()
    }
    # The monitor and what `matinv doctor` reads are apart: no job needs them, and what they cannot
    # learn is said to be unknown, by test_cloudwatch.py and test_deployment.py here and by
    # tests/operations/test_health.py.
    paths = Path(matinv.backends.aws.__file__).parent.glob("*.py")
    apart = {"cloudwatch.py", "deployment.py"}
    sources = [path.read_text() for path in paths if path.name not in apart]
    names = {
        node.attr
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
    }
    assert not names & {"get_paginator", "get_waiter", "upload_fileobj", "download_fileobj"}
    used = {operations[name] for name in names & operations.keys()}
    assert used == {param.values[1].operation for param in CASES}
