"""What the model inverts, and how to tell that an inverse is right."""

from __future__ import annotations

import io
import json
from typing import Any, Final

import numpy as np

from matinv.formats.codecs import Format
from matinv.jobs.record import Record, Status

GOOD: Final[list[Any]] = [
    [[1.0, 2.0], [3.0, 4.0]],
    [[2.0, 0.0, 1.0], [0.0, 3.0, 0.0], [1.0, 0.0, 1.0]],
]
SINGULAR: Final[list[Any]] = [[[0.0]]]
ILL: Final[Any] = [[1.0, 1.0], [1.0, 1.000000001]]  # kappa_1 = 4e9: half of the digits are gone
MIXED: Final[list[Any]] = [
    [[[1.0, 2.0], [3.0, 4.0]], [[1.0, 2.0], [2.0, 4.0]]],
    [[[1.0, 2.0], [3.0, 4.0]], ILL],
]
MATRICES: Final = [*GOOD, *SINGULAR, ILL, *MIXED]

POISON: Final = [
    "hello",
    '{"v": 99}',
    '{"job_id": "a", "matrix": [[1, 2]]}',
    '{"job_id": "../a", "matrix": [[1]]}',
    '{"job_id": "b", "matrix": [[1]], "s3": {}}',
    '{"Records": [{"eventSource": "elsewhere"}]}',
]

_ILL_RCOND: Final = 1e-8


def may_fail(matrix: Any) -> bool:
    """Whether some choice of options lets the whole job of a matrix fail."""
    return all(rcond < _ILL_RCOND for rcond in _rconds(matrix))


def wrong(record: Record, matrix: Any, data: bytes) -> str | None:
    """Return what is wrong with a result that a record describes, if anything is."""
    stack = _stack(matrix)
    if record.result is None or record.certificate is None:
        return "there is none"
    x = _decoded(data, record.result.format, stack.shape, stacked=np.ndim(matrix) == 3)
    lost = [bool(np.isnan(one).any()) for one in x]
    if (record.status is Status.PARTIAL) != any(lost) or all(lost):
        return f"{record.status} with {sum(lost)} of {len(lost)} slices lost"
    if (record.slices.failed if record.slices else 0) != sum(lost):
        return "the record lists other slices than are lost"
    for a, one, gone, rcond in zip(stack, x, lost, _rconds(matrix), strict=True):
        if gone and rcond >= _ILL_RCOND:
            return "a good slice is lost"
        if not gone and not _is_inverse(a, one, str(record.certificate.method)):
            return "it is not the inverse"
    return None


def _decoded(data: bytes, form: Format, shape: tuple[int, ...], *, stacked: bool) -> Any:
    if form is Format.NPY:
        return np.load(io.BytesIO(data)).reshape(shape)
    inverse = json.loads(data)["inverse"]
    slices = inverse if stacked else [inverse]
    lost = np.full(shape[1:], np.nan)
    return np.array([lost if one is None else one for one in slices])


def _stack(matrix: Any) -> Any:
    return np.asarray(matrix).reshape(-1, *np.shape(matrix)[-2:])


def _rconds(matrix: Any) -> list[float]:
    values = np.linalg.svd(_stack(matrix), compute_uv=False)
    return [float(s[-1] / s[0]) if s[0] else 0.0 for s in values]


def _is_inverse(a: Any, x: Any, method: str) -> bool:
    if method == "pinv":
        return np.allclose(x, np.linalg.pinv(a), rtol=1e-5, atol=1e-8)
    return np.allclose(a @ x, np.eye(len(a)), atol=1e-5)
