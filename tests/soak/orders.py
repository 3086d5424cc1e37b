"""What is sent, and what must become of it."""

from __future__ import annotations

import io
import json
import random
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from matinv.local.samples import npy_bytes

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """One job.

    Parameters
    ----------
    job_id : str
        Its id.
    content : bytes
        The body of a message, or the content of a file.
    key : str or None
        Where the file is dropped; None for a message.
    matrix : ndarray or None
        What must be inverted; None if the job must fail.
    code : str or None
        The error that it must end with.
    copies : int
        How often it is sent.
    """

    job_id: str
    content: bytes
    key: str | None = None
    matrix: Array | None = None
    code: str | None = None
    copies: int = 1

    @property
    def statuses(self) -> set[str]:
        """The states that the job may end in."""
        if self.code:
            return {"FAILED"}
        return {"PARTIAL"} if self.matrix is not None and self.matrix.ndim == 3 else {"SUCCEEDED"}


Kind = Callable[[str, np.random.Generator, str], Order]


def orders(count: int, inputs_bucket: str, seed: int) -> Iterator[Order]:
    """Yield so many jobs: mostly small messages, every kind among them, in random order."""
    chance = random.Random(seed)
    rng = np.random.default_rng(seed)
    kinds = list(_KINDS)
    weights = [_KINDS[kind] for kind in kinds]
    for number in range(count):
        (kind,) = chance.choices(kinds, weights)
        yield kind(f"soak-{number:06}", rng, inputs_bucket)


def _message(job_id: str, **fields: Any) -> bytes:
    return json.dumps({"job_id": job_id, **fields}).encode()


def _regular(rng: np.random.Generator, n: int) -> Array:
    return rng.normal(size=(n, n)) + n * np.eye(n)


def small(job_id: str, rng: np.random.Generator, _: str) -> Order:
    a = _regular(rng, int(rng.integers(1, 17)))
    return Order(job_id, _message(job_id, matrix=a.tolist()), matrix=a)


def twice(job_id: str, rng: np.random.Generator, _: str) -> Order:
    a = _regular(rng, 3)
    return Order(job_id, _message(job_id, matrix=a.tolist()), matrix=a, copies=2)


def encoded(job_id: str, rng: np.random.Generator, _: str) -> Order:
    a = _regular(rng, 24).astype("f4")
    return Order(job_id, _message(job_id, npy=b64encode(npy_bytes(a)).decode()), matrix=a)


def stored(job_id: str, rng: np.random.Generator, _: str) -> Order:
    a = _regular(rng, 8)
    return Order(job_id, _message(job_id, matrix=a.tolist(), output="s3"), matrix=a)


def stack(job_id: str, rng: np.random.Generator, _: str) -> Order:
    a = np.stack([_regular(rng, 4), np.zeros((4, 4)), _regular(rng, 4)])
    return Order(job_id, _message(job_id, matrix=a.tolist()), matrix=a)


def dropped(job_id: str, rng: np.random.Generator, _: str) -> Order:
    a = _regular(rng, int(rng.integers(33, 129)))
    return Order(job_id, npy_bytes(a), key=f"{job_id}.npy", matrix=a)


def dropped_text(job_id: str, rng: np.random.Generator, _: str) -> Order:
    a = _regular(rng, 5)
    return Order(job_id, json.dumps(a.tolist()).encode(), key=f"{job_id}.json", matrix=a)


def dropped_bad(job_id: str, _: np.random.Generator, __: str) -> Order:
    return Order(job_id, npy_bytes(np.eye(4))[:-1], key=f"{job_id}.npy", code="BAD_LENGTH")


def singular(job_id: str, _: np.random.Generator, __: str) -> Order:
    return Order(job_id, _message(job_id, matrix=[[1, 2], [2, 4]]), code="SINGULAR")


def malformed(job_id: str, _: np.random.Generator, __: str) -> Order:
    return Order(job_id, _message(job_id, matrix=[[1, 2], [3]]), code="RAGGED")


def forbidden(job_id: str, _: np.random.Generator, __: str) -> Order:
    place = {"bucket": "somebody-elses", "key": "a.npy"}
    return Order(job_id, _message(job_id, s3=place), code="FORBIDDEN_REF")


def missing(job_id: str, _: np.random.Generator, inputs_bucket: str) -> Order:
    place = {"bucket": inputs_bucket, "key": f"none/{job_id}.npy"}
    return Order(job_id, _message(job_id, s3=place), code="INPUT_GONE")


_KINDS: Final[dict[Kind, int]] = {
    small: 60,
    twice: 4,
    encoded: 6,
    stored: 5,
    stack: 4,
    dropped: 10,
    dropped_text: 2,
    dropped_bad: 2,
    singular: 3,
    malformed: 2,
    forbidden: 1,
    missing: 1,
}


def wrong(order: Order, data: bytes) -> str | None:
    """Return what is wrong with a published result, if anything is."""
    if order.matrix is None:
        return "a job that must fail has a result"
    x = _inverse(data)
    if x.shape != order.matrix.shape:
        return f"shape {x.shape}"
    good = ~np.isnan(x).any(axis=(-1, -2))
    if order.matrix.ndim == 3 and good.tolist() != [True, False, True]:
        return f"slices {good.tolist()}"
    a = order.matrix[good] if order.matrix.ndim == 3 else order.matrix
    x = x[good] if order.matrix.ndim == 3 else x
    error = np.abs(a.astype("f8") @ x - np.eye(a.shape[-1])).max()
    limit = 1e-3 if order.matrix.dtype == np.float32 else 1e-9
    return None if error < limit else f"the inverse is off by {error:.1e}"


def _inverse(data: bytes) -> Array:
    """Read a result as a user without this package does; slices that failed become NaN."""
    if data[:1] != b"{":
        loaded: Array = np.load(io.BytesIO(data))
        return loaded
    inverse = json.loads(data)["inverse"]
    n = len(next(part for part in inverse if part))
    return np.array([[[np.nan] * n] * n if part is None else part for part in inverse])
