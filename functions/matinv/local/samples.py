"""The demo's jobs: good matrices, bad ones, and what must become of each."""

from __future__ import annotations

import io
import json
from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import numpy as np

from matinv.jobs.ids import hashed_id
from matinv.jobs.record import Status

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """One thing to send.

    Parameters
    ----------
    job_id : str
        Its job.
    what : str
        For people.
    content : bytes
        The content of a file, or the body of a message.
    key : str or None
        Key of the dropped file; None for a message.
    matrix : ndarray or None
        The matrix to invert; None if the job must be refused.
    code : str or None
        The error that the job must end with.
    """

    job_id: str
    what: str
    content: bytes
    key: str | None = None
    matrix: Array | None = None
    code: str | None = None

    @property
    def status(self) -> Status:
        """How the job must end."""
        if self.code:
            return Status.FAILED
        return Status.PARTIAL if self.job_id == "stack" else Status.SUCCEEDED


def samples(inputs_bucket: str) -> list[Sample]:
    """Return everything that the demo sends."""
    rng = np.random.default_rng(20)
    general = rng.normal(size=(600, 600))
    # Messages: inline, as .npy, and by reference.
    tiny, wide = np.array([[1.0, 2.0], [3.0, 4.0]]), np.diag([1e-200, 1.0])
    base64 = b64encode(npy_bytes(tiny)).decode()
    reference = {"bucket": inputs_bucket, "key": "general.npy"}
    # What must be refused.
    sneaky = [[2, 4, 6], [2, 0, 2], [6, 8, 14]]
    foreign = {"bucket": "elsewhere", "key": "a.npy"}
    cut = npy_bytes(general)[:-1]
    return [
        *_files(rng, general),
        _message("tiny", "inline message", tiny, matrix=tiny.tolist()),
        _message("base64", "inline .npy", tiny, npy=base64),
        _message("reference", "reference to general.npy", general, s3=reference),
        _message("extreme", "diag(1e-200, 1)", wide, matrix=wide.tolist()),
        _refused("sneaky", "singular, but numpy inverts it", "SINGULAR", matrix=sneaky),
        _refused("ragged", "rows of different length", "RAGGED", matrix=[[1, 2], [3]]),
        _refused("exact", "the integer 2**53 + 1", "PRECISION", matrix=[[2**53 + 1]]),
        _refused("typo", "unknown field", "BAD_MESSAGE", matrix=[[1]], methd="spd"),
        _refused("foreign", "reference to a foreign bucket", "FORBIDDEN_REF", s3=foreign),
        Sample("cut", "upload cut short", cut, "cut.npy", code="BAD_LENGTH"),
        Sample("text", "JSON named .npy", b"[[1]]", "text.npy", code="BAD_FORMAT"),
        Sample(hashed_id(b"hello"), "not a message", b"hello", code="BAD_MESSAGE"),
    ]


def _files(rng: np.random.Generator, general: Array) -> list[Sample]:
    factor = rng.normal(size=(400, 400))
    wave = rng.normal(size=(200, 200)) + 1j * rng.normal(size=(200, 200))
    stack = rng.normal(size=(10, 16, 16))
    stack[3, :, 0] = 0.0
    hilbert = 1 / (np.arange(1.0, 9.0)[:, None] + np.arange(8.0))
    text = json.dumps(hilbert.tolist()).encode()
    return [
        _npy("general", "general, float64", general),
        _npy("spd", "symmetric positive definite", factor @ factor.T + 400 * np.eye(400)),
        _npy("complex", "complex128, big-endian", wave.astype(">c16")),
        _npy("single", "float32, Fortran order", np.asfortranarray(general[:300, :300], "f4")),
        _npy("stack", "10 × 16 × 16, slice 3 singular", stack),
        _npy("integers", "int32", rng.integers(-9, 9, (50, 50)).astype(np.int32)),
        Sample("hilbert", "JSON file, ill-conditioned", text, "hilbert.json", hilbert),
    ]


def npy_bytes(array: Array) -> bytes:
    """Return `array` as numpy itself writes it, which the service's own writer is held against."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _npy(job_id: str, what: str, array: Array) -> Sample:
    return Sample(job_id, what, npy_bytes(array), f"{job_id}.npy", array)


def _message(job_id: str, what: str, array: Array | None, **fields: object) -> Sample:
    return Sample(job_id, what, json.dumps({"job_id": job_id, **fields}).encode(), None, array)


def _refused(job_id: str, what: str, code: str, **fields: object) -> Sample:
    body = json.dumps({"job_id": job_id, **fields}).encode()
    return Sample(job_id, what, body, code=code)
