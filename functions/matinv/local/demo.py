"""The demo: real files and messages, good and bad, through a real stack, checked at the end.

Run by ``scripts/demo``. Exits with 1 if anything is not as it must be.
"""

from __future__ import annotations

import io
import json
import sys
import time
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from matinv.client import Client
from matinv.core.job import Matrix, Record, Status, hashed_id
from matinv.local import child
from matinv.local.stack import Stack
from matinv.ports import Received

WAIT_S: Final = 60.0
_STOP_S: Final = 5.0
_LOOK_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Sample:
    """One thing to send, and what must become of it.

    Parameters
    ----------
    job_id : str
        Its job.
    what : str
        For people.
    matrix : ndarray or None
        What is inverted; None for what cannot be.
    file : tuple of str and bytes, or None
        A key and its content, for what is dropped into the inputs bucket.
    body : str or None
        For what is sent to the jobs queue.
    code : str or None
        The error that the job must end with.
    status : Status
        How it must end.
    """

    job_id: str
    what: str
    matrix: Matrix | None = None
    file: tuple[str, bytes] | None = None
    body: str | None = None
    code: str | None = None
    status: Status = Status.SUCCEEDED


def samples(inputs_bucket: str) -> list[Sample]:
    """Return everything that the demo sends."""
    rng = np.random.default_rng(20)
    general = rng.normal(size=(600, 600))
    factor = rng.normal(size=(400, 400))
    spd = factor @ factor.T + 400 * np.eye(400)
    wave = rng.normal(size=(200, 200)) + 1j * rng.normal(size=(200, 200))
    single = rng.normal(size=(300, 300)).astype(np.float32)
    stack = rng.normal(size=(10, 16, 16))
    stack[3, :, 0] = 0.0
    tiny = np.array([[1.0, 2.0], [3.0, 4.0]])
    hilbert = 1 / (np.arange(1, 9)[:, None] + np.arange(8))
    return [
        _npy("general", "general, float64", general),
        _npy("spd", "symmetric positive definite", spd),
        _npy("complex", "complex128, big-endian", wave.astype(">c16")),
        _npy("single", "float32, Fortran order", np.asfortranarray(single)),
        _npy("stack", "10 × 16 × 16, slice 3 singular", stack, Status.PARTIAL),
        _npy("integers", "int32", rng.integers(-9, 9, (50, 50)).astype(np.int32)),
        Sample("hilbert", "JSON file, ill-conditioned", hilbert, _json("hilbert", hilbert)),
        _message("tiny", "inline message", tiny, matrix=tiny.tolist()),
        _message("base64", "inline .npy", tiny, npy=b64encode(_npy_bytes(tiny)).decode()),
        _message(
            "reference", "reference to general.npy", general,
            s3={"bucket": inputs_bucket, "key": "general.npy"},
        ),
        _message("extreme", "diag(1e-200, 1)", np.diag([1e-200, 1]), matrix=[[1e-200, 0], [0, 1]]),
        *_bad(general, inputs_bucket),
    ]


def _bad(general: Matrix, inputs_bucket: str) -> list[Sample]:
    sneaky = [[2, 4, 6], [2, 0, 2], [6, 8, 14]]
    cut = _npy_bytes(general)[:-1]
    return [
        _refused("sneaky", "singular; numpy.linalg.inv answers", "SINGULAR", matrix=sneaky),
        _refused("ragged", "rows of different length", "RAGGED", matrix=[[1, 2], [3]]),
        _refused("big-int", "2**53 + 1", "PRECISION", matrix=[[2**53 + 1]]),
        _refused("typo", "unknown field", "BAD_MESSAGE", matrix=[[1]], methd="spd"),
        _refused("elsewhere", "foreign bucket", "FORBIDDEN_REF", s3={"bucket": "x", "key": "a.npy"}),
        _refused(
            "missing", "object that is not there", "INPUT_GONE",
            s3={"bucket": inputs_bucket, "key": "nothing.npy"},
        ),
        _failed(Sample("cut", "upload cut short", file=("cut.npy", cut)), "BAD_LENGTH"),
        _failed(
            Sample("text", "text named .npy", file=("text.npy", b"[[1, 2], [3, 4]]")), "BAD_FORMAT"
        ),
        _failed(Sample(hashed_id(b"hello"), "not a message", body="hello"), "BAD_MESSAGE"),
    ]


def _npy_bytes(array: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _npy(
    job_id: str, what: str, array: np.ndarray[Any, Any], status: Status = Status.SUCCEEDED
) -> Sample:
    return Sample(job_id, what, array, (f"{job_id}.npy", _npy_bytes(array)), status=status)


def _json(job_id: str, array: Matrix) -> tuple[str, bytes]:
    return f"{job_id}.json", json.dumps(array.tolist()).encode()


def _message(job_id: str, what: str, array: Matrix | None, **fields: object) -> Sample:
    return Sample(job_id, what, array, body=json.dumps({"job_id": job_id, **fields}))
