"""Advice on matrices and their files, and what comes of it."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np

from matinv.jobs.lanes import LARGE_S, MARGIN_S
from support.hints.ways import (
    EYE,
    GOOD,
    Advice,
    advice,
    base64_of,
    delivered,
    dropped,
    hurried,
    inverted,
    message,
    npy,
    npz,
    python,
)

_RNG: Final = np.random.default_rng(12)
_STACK: Final = _RNG.standard_normal((3, 4, 4)) + 4 * np.eye(4)
_PARTS: Final = np.stack([_STACK[0], _STACK[1]], -1)
_HUGE: Final = npy(EYE).replace(b"(2, 2), }" + 11 * b" ", b"(999999, 999999), }" + b" ")
_TABLE: Final = {"a": {"0": 1.0, "1": 3.0}, "b": {"0": 2.0, "1": 4.0}}
_COMPLEX: Final = {"re": GOOD, "im": GOOD}
_SYMMETRIC: Final = np.array([[2.0, 1.0], [1.0, 2.0]])
_SCALED: Final = np.array([[1e-320, 0.0], [0.0, 1.0]])
_HIDDEN: Final = np.ma.masked_array(GOOD, mask=[[True, False], [False, False]])
_TURNED: Final = [np.linalg.qr(_RNG.standard_normal((64, 64)))[0] for _ in range(2)]
# Takes more bits than the estimate of a job counts with.
_HILBERT: Final = 1 / (np.arange(13) + np.arange(13)[:, None] + 1)
_NEAR: Final = (_TURNED[0] * np.logspace(0, -17, 64)) @ _TURNED[1]
_SINGLE: Final = _RNG.standard_normal((64, 63)).astype(np.float32).astype(np.float64)
# Regular as it is, singular when its elements are rounded to float32.
_ROUNDED: Final = np.concatenate([_SINGLE, 2 * _SINGLE[:, :1] * (1 + 1e-9)], axis=1)
_ROUNDED[:32, 63] = 2 * _SINGLE[:32, 0]
# Definite, but not by Cholesky in floating point.
_BORDER: Final = np.eye(64)
_BORDER[:2, :2] = [
    [0.15272540380756114, -0.18834472880218725],
    [-0.18834472880218725, 0.23227135750295677],
]


def text(value: Any) -> Any:
    """Drop a JSON file."""
    content = value.encode() if isinstance(value, str) else value
    return dropped("a.json", content if isinstance(content, bytes) else json.dumps(value).encode())


MATRICES: Final[tuple[Advice, ...]] = (
    # Shapes.
    advice(
        "a stack counts its matrices on the first axis: send np.moveaxis(a, -1, 0)",
        inverted(np.moveaxis(_STACK, 0, -1)),
        inverted(np.moveaxis(np.moveaxis(_STACK, 0, -1), -1, 0)),
    ),
    advice(
        "a stack counts its matrices on the first axis: send np.moveaxis(a, 1, 0)",
        inverted(np.moveaxis(_STACK, 0, 1)),
        inverted(np.moveaxis(np.moveaxis(_STACK, 0, 1), 1, 0)),
    ),
    advice(
        "a stack has one axis before the matrices: send a.reshape(-1, *a.shape[-2:])",
        inverted(_STACK.reshape(3, 1, 4, 4)),
        inverted(_STACK.reshape(3, 1, 4, 4).reshape(-1, 4, 4)),
    ),
    advice(
        "remove the axes of length 1: send np.squeeze(a)",
        inverted(EYE.reshape(2, 1, 2, 1)),
        inverted(np.squeeze(EYE.reshape(2, 1, 2, 1))),
    ),
    advice(
        "if the pairs are complex numbers, send a[..., 0] + 1j * a[..., 1], "
        'in JSON {"re": [[…]], "im": [[…]]}',
        inverted(_PARTS),
        inverted(_PARTS[..., 0] + 1j * _PARTS[..., 1]),
        message(matrix={"re": _STACK[0].tolist(), "im": _STACK[1].tolist()}),
    ),
    advice(
        "the last axis is one too many: send a[..., 0]",
        inverted(EYE[..., None]),
        inverted(EYE[..., None][..., 0]),
    ),
    advice(
        "only square matrices have an inverse; for other shapes see numpy.linalg.pinv",
        inverted([[1.0, 2.0]]),
        python(lambda _: np.linalg.pinv([[1.0, 2.0]])),
    ),
    advice("send at least one matrix of order 1", inverted(np.ones((0, 0))), inverted([[5.0]])),
    advice(
        "give every row as many elements as there are rows",
        inverted([[1.0, 2.0], [3.0]]),
        inverted(GOOD),
    ),
    advice(
        "give every row the same number of elements and every matrix the same number of rows",
        message(matrix=[[1, 2], [3]]),
        message(matrix=GOOD),
        message(matrix=_STACK.tolist()),
    ),
    # Elements.
    advice(
        "such a matrix has no inverse: fill in or remove these elements",
        inverted([[np.nan, 2.0], [3.0, 4.0]]),
        inverted(GOOD),
    ),
    advice(
        "such a matrix has no inverse: fill in or remove these elements",
        inverted([[None, 2.0], [3.0, 4.0]]),
        inverted(GOOD),
    ),
    advice(
        "such a matrix has no inverse: fill in or remove these elements",
        inverted(_HIDDEN),
        inverted(_HIDDEN.filled(1.0)),
    ),
    advice(
        "such a matrix has no inverse: fill in or remove these elements",
        text("[[NaN, 2], [3, 4]]"),
        text(GOOD),
    ),
    advice(
        "remove them",
        dropped("a.npy", np.array([[np.inf, 1.0], [1.0, 2.0]])),
        dropped("a.npy", EYE),
    ),
    advice(
        "null is no number: fill in the missing elements",
        message(matrix=[[None, 2], [3, 4]]),
        message(matrix=GOOD),
    ),
    advice(
        "every element must be a JSON number, every row a list of them",
        message(matrix=[["1", 2], [3, 4]]),
        message(matrix=GOOD),
    ),
    advice(
        'write complex numbers as {"re": [[…]], "im": [[…]]}, a pandas table by '
        'df.to_json(orient="values")',
        message(matrix=[[{"re": 1, "im": 2}]]),
        message(matrix=_COMPLEX),
        text(GOOD),
    ),
    advice(
        "write it with a decimal point if rounding is what you want, or scale the matrix",
        message(matrix=[[2**53 + 1]]),
        delivered(f'{{"job_id": "a", "matrix": [[{2**53 + 1}.0]]}}'),
        message(matrix=[[(2**53 + 1) / 2**53]]),
    ),
    advice(
        "write it with an exponent, or scale the matrix",
        message(matrix=[[10**400]]),
        delivered('{"job_id": "a", "matrix": [[1e300]]}'),
        message(matrix=[[10**400 // 10**399]]),
    ),
    advice(
        "scale the matrix",
        delivered('{"job_id": "a", "matrix": [[1e400]]}'),
        delivered('{"job_id": "a", "matrix": [[1e200]]}'),
    ),
    advice(
        "scale the matrix, or convert it to float64 if rounding is what you want",
        dropped("a.npy", np.array([[2**53 + 1]])),
        dropped("a.npy", np.array([[2**53 + 1]]).astype(np.float64)),
        dropped("a.npy", np.array([[2**53 + 1]]) / 2**53),
    ),
    # JSON.
    advice("write [[1, 2], [3, 4]]", message(matrix="1 2; 3 4"), message(matrix=[[1, 2], [3, 4]])),
    advice(
        "write [[1, 2], [3, 4]], or an object with a matrix",
        inverted(b'{"matrix": [[1, 2], [3, 4]]'),
        inverted(b"[[1, 2], [3, 4]]"),
        inverted(b'{"matrix": [[1, 2], [3, 4]]}'),
    ),
    advice(
        "write a matrix as [[…]], a stack of matrices as [[[…]]]",
        message(matrix=json.loads(40 * "[" + "1" + 40 * "]")),
        message(matrix=GOOD),
        message(matrix=[GOOD]),
    ),
    advice(
        'write {"re": [[…]], "im": [[…]]}',
        message(matrix={"re": GOOD, "imag": GOOD}),
        message(matrix=_COMPLEX),
    ),
    advice(
        "give both parts of every element, zeros too",
        message(matrix={"re": GOOD, "im": [[0]]}),
        message(matrix={"re": GOOD, "im": [[0, 0], [0, 0]]}),
    ),
    advice(
        "check it with a JSON parser; NaN, Infinity, comments and trailing commas are not JSON",
        text("[[1, 2], [3, 4],]"),
        text("[[1, 2], [3, 4]]"),
    ),
    advice(
        "remove one of the two",
        delivered('{"job_id": "a", "matrix": [[1]], "matrix": [[2]]}'),
        delivered('{"job_id": "a", "matrix": [[1]]}'),
    ),
    advice(
        "functions/matinv/jobs/README.md lists the fields of a message",
        delivered(json.dumps({"job_id": "a", "matrix": GOOD} | {f"x{i}": 1 for i in range(999)})),
        message(matrix=GOOD),
    ),
    advice(
        'leave it out: in Python, encode with "utf-8", not "utf-8-sig"',
        delivered("\ufeff" + json.dumps({"job_id": "a", "matrix": GOOD})),
        delivered(json.dumps({"job_id": "a", "matrix": GOOD})),
    ),
    advice(
        "convert it: iconv -f {} -t UTF-8 IN.json > OUT.json",
        text(json.dumps(GOOD).encode("utf-16")),
        text(json.dumps(GOOD).encode("utf-16").decode("UTF-16").encode("UTF-8")),
    ),
    advice(
        "convert it: iconv -f {} -t UTF-8 IN.json > OUT.json",
        text('{"matrix": [[1]], "tags": {"who": "Zoë"}}'.encode("latin-1")),
        text(
            '{"matrix": [[1]], "tags": {"who": "Zoë"}}'.encode("latin-1")
            .decode("ISO-8859-1")
            .encode("UTF-8")
        ),
    ),
    advice(
        'write {"matrix": …} with df.to_json(orient="values") in it, or submit df.to_numpy()',
        text(_TABLE),  # to_json(), whose orient is "columns"
        text({"matrix": GOOD}),
        delivered({"matrix": GOOD}),
        inverted(np.array(GOOD)),
    ),
    # Files.
    advice(
        "convert it with array.astype(numpy.float64) before saving",
        dropped("a.npy", EYE.astype(np.float16)),
        dropped("a.npy", EYE.astype(np.float16).astype(np.float64)),
    ),
    advice(
        "write the file with numpy.save(path, array)",
        dropped("a.npy", b"[[1, 2], [3, 4]]"),
        dropped("a.npy", npy(EYE)),
    ),
    advice(
        "more bytes follow the array: save it alone, with numpy.save(path, array)",
        dropped("a.npy", npy(EYE) + npy(EYE)),
        dropped("a.npy", npy(EYE)),
    ),
    advice(
        "it was cut short: save it again with numpy.save(path, array), and send it again",
        dropped("a.npy", npy(EYE)[:-1]),
        dropped("a.npy", npy(EYE)),
    ),
    advice(
        "split the stack, or use smaller matrices",
        dropped("a.npy", _HUGE),
        dropped("a.npy", _STACK[:1]),
        dropped("a.npy", EYE),
    ),
    advice(
        "write the file anew with numpy.savez(path, a)",
        dropped("a.npz", npz()),
        dropped("a.npz", npz(a=EYE)),
    ),
    advice(
        "write the file anew with numpy.savez(path, a)",
        dropped("a.npz", npz(a=EYE)[:-30]),
        dropped("a.npz", npz(a=EYE)),
    ),
    advice(
        'keep one of them: numpy.save("a.npy", numpy.load("a.npz")["NAME"])',
        dropped("a.npz", npz(x=EYE, y=EYE)),
        dropped("a.npy", EYE),
    ),
    advice(
        "name it {}",
        dropped("a.csv", b"1,2\n3,4\n"),
        dropped("a.npy", EYE),
        dropped("a.npz", npz(a=EYE)),
        text(GOOD),
    ),
    advice(
        "send the content of {}",
        inverted(b"1,2\n3,4\n"),
        inverted(npy(EYE)),
        inverted(npz(a=EYE)),
        inverted(b"[[1, 2], [3, 4]]"),
    ),
    advice(
        "use the standard alphabet with padding and without blanks or line breaks",
        message(npy=base64_of(npy(EYE)) + "\n"),
        message(npy=base64_of(npy(EYE))),
    ),
    # Inverses.
    advice(
        'use "method": "auto", or make it symmetric: (A + A^H) / 2',
        inverted(GOOD, method="spd"),
        inverted(GOOD, method="auto"),
        inverted((_STACK[0] @ _STACK[0].T + _STACK[0] @ _STACK[0].T) / 2, method="spd"),
    ),
    advice(
        'use "method": "auto"',
        inverted([[1.0, 2.0], [2.0, 1.0]], method="spd"),
        inverted([[1.0, 2.0], [2.0, 1.0]], method="auto"),
    ),
    advice(
        'use "method": "auto", or the large lane',
        hurried(_BORDER, MARGIN_S + 0.1, method="spd"),
        hurried(_BORDER, MARGIN_S + 0.1, method="auto"),
        hurried(_BORDER, LARGE_S, method="spd"),
    ),
    advice(
        "scale the matrix up, or use float64",
        inverted(_SYMMETRIC.astype(np.float32) * np.float32(1e-40)),
        inverted(_SYMMETRIC.astype(np.float32)),
        inverted(_SYMMETRIC * 1e-40),
    ),
    advice(
        'use "method": "pinv" for the pseudo-inverse',
        inverted([[1.0, 2.0], [2.0, 4.0]]),
        inverted([[1.0, 2.0], [2.0, 4.0]], method="pinv"),
    ),
    advice(
        'use "method": "pinv" for the pseudo-inverse, or the large lane',
        hurried(_NEAR, MARGIN_S + 0.02),
        hurried(_NEAR, MARGIN_S + 0.02, method="pinv"),
        hurried(_NEAR, LARGE_S),
    ),
    advice(
        'use "method": "pinv" for the pseudo-inverse, a wider dtype, or the large lane',
        hurried(_ROUNDED.astype(np.float32), MARGIN_S + 0.005),
        hurried(_ROUNDED.astype(np.float32), MARGIN_S + 0.005, method="pinv"),
        hurried(_ROUNDED, MARGIN_S + 0.005),
    ),
    advice(
        'use "accuracy": "standard", or the large lane',
        hurried(_HILBERT, MARGIN_S + 0.00085, accuracy="verified"),
        hurried(_HILBERT, MARGIN_S + 0.00085, accuracy="standard"),
        hurried(_HILBERT, LARGE_S, accuracy="verified"),
    ),
    advice(
        'use "on_ill_conditioned": "warn" to get the inverse all the same',
        message(matrix=[[1, 1], [1, 1 + 2**-40]], on_ill_conditioned="fail"),
        message(matrix=[[1, 1], [1, 1 + 2**-40]], on_ill_conditioned="warn"),
    ),
)
