"""A whole small job: sent, waited for, fetched, verified, and removed. A stack that does it works.

`matinv doctor` tries a stack with it, and the canary beats with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import uuid4

import numpy as np

from matinv.client.client import Client
from matinv.client.errors import ClientError, TimedOut
from matinv.client.preparation import prepare, upload_of
from matinv.client.results import fetch_bytes, verify
from matinv.errors import MatinvError
from matinv.formats import npy
from matinv.formats.codecs import Format
from matinv.jobs.record import Record
from matinv.jobs.request import MESSAGE_SOURCE, Options, Output, reference_of

_N: Final = 8


class Way(StrEnum):
    """How the matrix gets in, and with it the inverse out: by record, or by both buckets."""

    MESSAGE = "message"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Proof:
    """A job that was done rightly.

    Parameters
    ----------
    record : Record
        Its record.
    residual : float
        The residual of its result, computed here.
    seconds : float
        The time from sending the matrix to having verified its inverse.
    """

    record: Record
    residual: float
    seconds: float


def whole_job(client: Client, way: Way, sender: str, timeout_s: float) -> Proof:
    """Have a random matrix inverted, verify the inverse, and remove all that came of it.

    A job that did not succeed stays: a late worker would call a missing file an error, and a failed
    job tells why.

    Parameters
    ----------
    client : Client
        The stack.
    way : Way
        How to send the matrix.
    sender : str
        The caller: a part of the job's id, and the value of its tag ``matinv``, by which
        subscribers of job events can leave such jobs out.
    timeout_s : float
        How long the job may take.

    Raises
    ------
    ClientError, MatinvError
        If the stack fails.
    """
    begun_s = client.now()
    # A matrix that nobody has inverted before; its diagonal dominates.
    matrix = np.random.default_rng().uniform(-1, 1, (_N, _N)) + 2 * _N * np.eye(_N)
    job_id = f"matinv-{sender}-{way}-{uuid4().hex[:12]}"
    tags = {"matinv": sender}
    if way is Way.MESSAGE:
        submission = prepare(matrix, job_id, Options(tags=tags))
    else:
        options = Options(output=Output.S3, tags=tags)
        submission = upload_of(matrix, Format.NPY, npy.parts(matrix), job_id, options)
    (job,) = client.send([submission])
    if isinstance(job, MatinvError):
        raise job
    try:
        job.wait(timeout_s)
    except TimedOut:
        message = f"no worker finished job {job.job_id} within {timeout_s:g} s"
        hint = "is a worker running (matinv local worker), is its trigger enabled? See its log"
        raise ClientError(message, hint) from None
    record = job.ended_record()
    found = verify(client.store, record, fetch_bytes(client.store, record), matrix)
    proof = Proof(record, found.residual, client.now() - begun_s)
    # Remove all that came of it, the record last: until then a duplicate finds that the job has
    # ended.
    stack = client.stack(f"removing job {record.job_id}")
    if record.result and record.result.uri:
        stack.store.delete(record.result.uri, record.result.version_id)
    if record.input.source != MESSAGE_SOURCE:
        file = reference_of(record.input)
        stack.store.delete(file.uri, file.version_id)
    stack.table.delete(record.job_id)
    return proof
