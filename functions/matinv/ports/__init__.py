"""The interfaces of the service to the outside world: objects, records, messages, listeners.

Each port is split by who uses it: a client (`ClientStore`, `ClientTable`, `ClientQueue`), the
worker (`WorkerStore`, `WorkerQueue`), and all of it (`MatrixStore`, `JobTable`, `JobQueue`); a
worker alone has `JobEvents` and `Capacity`. The backends `aws` and `memory` of `matinv.backends`
implement all of it and pass one contract suite
(`matinv.testing.contracts`); `http` implements a client's part and passes the suite's.

Every method raises only `matinv.errors.MatinvError`: `Transient` when the service behind it
throttles, fails or refuses access, `Refused` where a method says so.
"""

from matinv.ports.capacity import Capacity
from matinv.ports.events import JobEvents
from matinv.ports.messages import ClientQueue, DeadLetter, JobQueue, Received, WorkerQueue
from matinv.ports.objects import (
    MOST_PARTS,
    BegunUpload,
    Blob,
    BytesBlob,
    ClientStore,
    ComingPart,
    InputStore,
    MatrixStore,
    Part,
    RankStore,
    SentPart,
    Stored,
    UploadUrl,
    WorkerStore,
)
from matinv.ports.records import ClientTable, JobTable, Place
from matinv.ports.runs import RunIndex
from matinv.ports.service import ApiBackend, Backend

__all__ = [
    "MOST_PARTS",
    "ApiBackend",
    "Backend",
    "BegunUpload",
    "Blob",
    "BytesBlob",
    "Capacity",
    "ClientQueue",
    "ClientStore",
    "ClientTable",
    "ComingPart",
    "DeadLetter",
    "InputStore",
    "JobEvents",
    "JobQueue",
    "JobTable",
    "MatrixStore",
    "Part",
    "Place",
    "RankStore",
    "Received",
    "RunIndex",
    "SentPart",
    "Stored",
    "UploadUrl",
    "WorkerQueue",
    "WorkerStore",
]
