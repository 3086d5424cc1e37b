"""The Python client: submit matrices, wait for jobs, fetch and verify inverses.

Examples
--------
>>> from matinv.client import Client                          # doctest: +SKIP
>>> job = Client.connect().submit([[1, 2], [3, 4]])           # doctest: +SKIP
>>> job.wait().status                                         # doctest: +SKIP
<Status.SUCCEEDED: 'SUCCEEDED'>
>>> job.result()                                              # doctest: +SKIP
array([[-2. ,  1. ],
       [ 1.5, -0.5]])
"""

from matinv.client.client import Client
from matinv.client.errors import (
    ClientError,
    JobFailed,
    JobPartial,
    NotFinished,
    NotFound,
    NotVerified,
    Superseded,
    TimedOut,
)
from matinv.client.job import Job
from matinv.client.preparation import prepare
from matinv.client.submission import Submission
from matinv.client.wait import Mode, OnChange

__all__ = [
    "Client",
    "ClientError",
    "Job",
    "JobFailed",
    "JobPartial",
    "Mode",
    "NotFinished",
    "NotFound",
    "NotVerified",
    "OnChange",
    "Submission",
    "Superseded",
    "TimedOut",
    "prepare",
]
