from matinv.client import (
    Client,
    ClientError,
    Job,
    JobFailed,
    JobPartial,
    NotFinished,
    NotFound,
    NotVerified,
    Superseded,
    TimedOut,
)
from matinv.errors import Code, MatinvError, Refused, Transient
from matinv.jobs.record import Status
from matinv.linalg.types import Method

__version__: str

__all__ = [
    "Client",
    "ClientError",
    "Code",
    "Job",
    "JobFailed",
    "JobPartial",
    "MatinvError",
    "Method",
    "NotFinished",
    "NotFound",
    "NotVerified",
    "Refused",
    "Status",
    "Superseded",
    "TimedOut",
    "Transient",
    "__version__",
]
