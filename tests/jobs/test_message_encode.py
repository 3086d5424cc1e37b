"""`encode` is the inverse of `parse_message`, for every request that a message can be."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from matinv.errors import Refused
from matinv.formats import npy
from matinv.formats.codecs import Format
from matinv.jobs.message import checked_options, encode, parse_message
from matinv.jobs.request import Inline, Options, Output, Reference, Request
from matinv.linalg.types import Method, OnIllConditioned

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JOB_IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,20}", fullmatch=True)
OPTIONS = st.builds(
    Options,
    method=st.sampled_from(Method),
    output=st.sampled_from(Output),
    format=st.none() | st.sampled_from(Format),
    on_ill_conditioned=st.sampled_from(OnIllConditioned),
    tags=st.dictionaries(TEXT.filter(bool), TEXT, max_size=3),
)
SHAPES = st.integers(1, 4).flatmap(lambda n: st.sampled_from([(n, n), (1, n, n), (3, n, n)]))
FLOATS = st.sampled_from(["f4", "f8", "c8", "c16"])
INTEGERS = st.sampled_from([f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)])
ORDERS = st.sampled_from(["C", "F"])


def written(array: Any) -> Inline:
    """Return a matrix as the worker has it, by numpy alone."""
    integers = array.dtype.kind in "iu"
    matrix = array.astype("f8" if integers else array.dtype.newbyteorder("="))
    size_bytes = sum(memoryview(part).nbytes for part in npy.parts(array))
    return Inline(matrix, Format.NPY, (size_bytes + 2) // 3 * 4)  # base64


def check(parsed: Any, request: Request) -> None:
    found = parsed.content
    assert isinstance(found, Request), found
    assert parsed.job_id == request.job_id
    assert (found.job_id, found.redrive, found.dropped) == (request.job_id, request.redrive, False)
    assert found.options == request.options
    if isinstance(request.input, Reference):
        assert found.input == request.input
        return
    assert isinstance(found.input, Inline)
    assert found.input.format is request.input.format
    assert found.input.array.dtype == request.input.array.dtype
    np.testing.assert_array_equal(found.input.array, request.input.array)
    assert found.input.digest == request.input.digest


@given(st.data(), JOB_IDS, OPTIONS, st.integers(0, 5))
def test_any_array_is_read_as_it_was_written(
    data: Any, job_id: str, options: Options, redrive: int
) -> None:
    kind = data.draw(FLOATS)
    dtype = np.dtype(data.draw(st.sampled_from("<>")) + kind)
    array = data.draw(arrays(dtype.newbyteorder("="), data.draw(SHAPES))).astype(dtype)
    array = np.asarray(array, order=data.draw(ORDERS))[..., ::-1]
    inline = written(array)
    request = Request(job_id, inline, options, redrive)
    for body in (encode(request), encode(request, npy.parts(array))):
        assert body.isascii()
        check(parse_message(body.encode()), request)
    found = parse_message(encode(request).encode()).content
    assert isinstance(found, Request)
    assert isinstance(found.input, Inline)
    assert found.input.size_bytes == inline.size_bytes


@given(st.data(), JOB_IDS)
def test_integers_travel_as_they_are_and_arrive_as_floats(data: Any, job_id: str) -> None:
    dtype = np.dtype(data.draw(INTEGERS)).newbyteorder(data.draw(st.sampled_from("<>")))
    limits = {"min_value": 0 if dtype.kind == "u" else -100, "max_value": 100}
    array = data.draw(arrays(dtype, data.draw(SHAPES), elements=limits))
    request = Request(job_id, written(array))
    body = encode(request, npy.parts(array))
    check(parse_message(body.encode()), request)
    assert len(json.loads(body)["npy"]) == request.input.size_bytes  # type: ignore[union-attr]


@given(st.data(), JOB_IDS, OPTIONS)
def test_a_json_matrix_keeps_every_bit(data: Any, job_id: str, options: Options) -> None:
    finite = {"allow_nan": False, "allow_infinity": False}
    dtype = data.draw(st.sampled_from(["f8", "c16"]))
    array = data.draw(arrays(dtype, data.draw(SHAPES), elements=finite))
    request = Request(job_id, Inline(array, Format.JSON, 0), options)
    check(parse_message(encode(request).encode()), request)


@given(JOB_IDS, OPTIONS, TEXT.filter(bool), st.none() | TEXT.filter(bool), st.none() | TEXT)
def test_a_reference_is_read_as_it_was_written(
    job_id: str, options: Options, key: str, version_id: str | None, order: str | None
) -> None:
    reference = Reference("inputs", key, version_id, order=order)
    request = Request(job_id, reference, options)
    check(parse_message(encode(request).encode()), request)


@given(
    arrays(
        st.sampled_from([np.float16, np.float64, np.bool_, np.int32, np.dtype("S3")]),
        array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=3),
    )
)
def test_an_array_is_judged_as_its_file_would_be(array: Any) -> None:
    def verdict(read: Callable[[], Any]) -> Any:
        try:
            matrix = read()
        except Refused as error:
            return error.info
        return matrix.dtype, matrix.tolist()

    of_file = verdict(lambda: npy.decode(b"".join(npy.parts(array))))
    assert verdict(lambda: npy.as_read(array)) == of_file


@pytest.mark.parametrize(
    "tags", [{"": "x"}, {"k" * 129: "x"}, {"k": "v" * 257}, {str(k): "" for k in range(11)}]
)
def test_options_that_no_message_may_have_are_refused(tags: dict[str, str]) -> None:
    with pytest.raises(Refused, match="BAD_MESSAGE: field tags"):
        checked_options(Options(tags=tags))
