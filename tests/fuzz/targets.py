"""The targets: each takes any bytes, and raises unless what becomes of them is right."""

from __future__ import annotations

import base64
import json
import posixpath
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from fuzz.oracles import (
    CountingReader,
    NotJsonError,
    check_memory,
    check_refusal,
    int_changes,
    matrix_of_tree,
    numpy_array,
    peak_bytes,
    pieces,
    same_bits,
    strict_json,
    verdict,
)
from matinv.backends.aws.s3_bodies import decoded
from matinv.errors import Code, MatinvError, Refused
from matinv.formats import json_matrix, npy
from matinv.formats.codecs import Format
from matinv.formats.npy_header import HEADER_LIMIT_BYTES
from matinv.http_api.bodies import read
from matinv.http_api.request import Exchange
from matinv.jobs import intake
from matinv.jobs.ids import valid_job_id
from matinv.jobs.message import Parsed, options_of_metadata, parse_file, parse_message
from matinv.jobs.request import Delivery, Inline, Options, Reference, Request
from matinv.pipeline import direct_call as direct
from matinv.pipeline.app import Deadline
from matinv.pipeline.publish import key_of
from matinv.pipeline.task import task_of
from matinv.testing.events import sqs_event, url_event
from support.memory_service import MemoryService

Target = Callable[[bytes], None]

_NPY_CODES: Final = frozenset(
    {
        Code.BAD_FORMAT,
        Code.BAD_LENGTH,
        Code.UNSUPPORTED_DTYPE,
        Code.EMPTY,
        Code.NOT_SQUARE,
        Code.PRECISION,
        Code.TOO_LARGE,
    }
)
_JSON_CODES: Final = frozenset(
    {
        Code.BAD_MESSAGE,
        Code.BAD_FORMAT,
        Code.EMPTY,
        Code.NOT_SQUARE,
        Code.RAGGED,
        Code.NON_FINITE,
        Code.PRECISION,
    }
)
_MESSAGE_CODES: Final = _NPY_CODES | _JSON_CODES | {Code.UNSUPPORTED_VERSION, Code.BAD_JOB_ID}
_EVENT_CODES: Final = _MESSAGE_CODES

_NO_SERVICES: Any = None  # reading a body takes none
_DROPPED: Final = Request("exp-1", Reference("inputs", "exp-1.json", order="1"))


def npy_file(data: bytes) -> None:
    """A .npy file is read bit for bit as numpy reads it, or refused for what numpy sees too."""
    reader = CountingReader(data)
    found, used_bytes = peak_bytes(lambda: verdict(lambda: _read(reader, data), _NPY_CODES))
    theirs = numpy_array(data)
    if isinstance(found, Refused):
        check_memory(used_bytes, len(data), 8 * len(data) if found.code is Code.PRECISION else 0)
        assert reader.taken_bytes <= HEADER_LIMIT_BYTES or found.code is Code.PRECISION
        assert theirs is None or _true_of(found.code, theirs, data), found
        return
    check_memory(used_bytes, len(data), found.nbytes)
    assert theirs is not None
    assert same_bits(found, theirs)
    assert same_bits(npy.decode(b"".join(npy.parts(found))), found)


def _read(reader: CountingReader, data: bytes) -> Any:
    return npy.read_body(reader, npy.read_header(reader, len(data)))


def _true_of(code: Code, array: np.ndarray[Any, Any], data: bytes) -> bool:
    """Whether a refusal says what is the case of an array that numpy reads.

    numpy evaluates headers, and takes ``<i 8`` for a dtype; here only what it writes is read.
    """
    square = array.ndim in {2, 3} and array.shape[-1] == array.shape[-2]
    return {
        Code.BAD_FORMAT: True,
        Code.UNSUPPORTED_DTYPE: not (
            array.dtype.str[1:] in _DTYPES and f"'{array.dtype.str}'".encode() in data
        ),
        Code.EMPTY: not array.size,
        Code.NOT_SQUARE: not square,
        Code.PRECISION: any(int_changes(element) for element in array.ravel().tolist()),
    }.get(code, False)


_DTYPES: Final = {
    "f4",
    "f8",
    "c8",
    "c16",
    *(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)),
}


def json_text(data: bytes) -> None:
    """JSON is read to the floats that Python reads, and what is refused is no matrix to Python."""
    text = data[1:]
    with pieces(data[0] if data else 0):
        found, used_bytes = peak_bytes(
            lambda: verdict(lambda: json_matrix.decode(text), _JSON_CODES)
        )
    # Parsed objects: 16 elements of any kind take up to 80 bytes each where the text has two.
    check_memory(used_bytes, 64 * len(text), 0)
    theirs = _python_matrix(text)
    if isinstance(found, Refused):
        assert theirs is None, found
    else:
        assert theirs is not None
        assert same_bits(found, theirs)
        assert same_bits(json_matrix.decode(json_matrix.encode(found)), found)


def _python_matrix(text: bytes) -> Any:
    try:
        return matrix_of_tree(strict_json(text))
    except NotJsonError:
        return None


def message(data: bytes) -> None:
    """A body becomes a request or a refusal with a job id; the same one, each time."""
    body = data[1:]
    with pieces(data[0] if data else 0):
        parsed = parse_message(body)
        again = parse_message(body)
        dropped = verdict(lambda: parse_file(body, _DROPPED), _MESSAGE_CODES)
    _check_parsed(parsed)
    assert _comparable(again) == _comparable(parsed)
    _check_json_verdict(body, parsed)
    if isinstance(parsed.content, Request) and isinstance(parsed.content.input, Inline):
        _check_inline(strict_json(body), parsed.content.input)
        alone = parsed.content.redrive or parsed.job_id != _DROPPED.job_id
        assert not isinstance(dropped, Refused) or alone


def _check_parsed(parsed: Parsed) -> None:
    assert valid_job_id(parsed.job_id), parsed.job_id
    if isinstance(parsed.content, MatinvError):
        check_refusal(parsed.content, _MESSAGE_CODES)
    else:
        assert parsed.content.job_id == parsed.job_id


def _check_json_verdict(body: bytes, parsed: Parsed) -> None:
    """What is accepted is JSON to Python, and what is called no JSON is none to Python either."""
    try:
        strict_json(body)
        is_json = True
    except NotJsonError:
        is_json = False
    if isinstance(parsed.content, Request):
        assert is_json
    elif "not valid JSON" in parsed.content.info.message:
        assert not is_json or _beyond_orjson(body), parsed.content.info


def _beyond_orjson(body: bytes) -> bool:
    """Whether orjson is right to refuse: numbers beyond float64, or nested 1,024 deep."""
    return body.count(b"[") + body.count(b"{") > 1000 or _has_infinity(strict_json(body))


def _has_infinity(tree: Any) -> bool:
    try:
        return "Infinity" in json.dumps(tree) or any(len(run) > 308 for run in _digits(tree))
    except ValueError:
        return True


def _digits(tree: Any) -> list[str]:
    return "".join(c if c.isdigit() else " " for c in json.dumps(tree)).split()


def _check_inline(tree: Any, found: Inline) -> None:
    if "matrix" in tree:
        assert same_bits(found.array, matrix_of_tree(tree["matrix"]))
        return
    theirs = numpy_array(base64.b64decode(tree["npy"], validate=True))
    assert theirs is not None
    assert same_bits(found.array, theirs)


def _comparable(parsed: Parsed | Delivery) -> Any:
    match parsed.content:
        case Request(input=Inline(array=array), options=options, redrive=redrive):
            return parsed.job_id, array.tobytes(), array.shape, options, redrive
        case Request() as request:
            return parsed.job_id, request
        case error:
            return parsed.job_id, error.info


def event(data: bytes) -> None:
    """A body in an SQS event becomes jobs, and the body of each of them becomes that job again."""
    body = data[1:].decode("utf-8", "surrogateescape").encode("utf-8", "surrogatepass")
    text = body.decode("utf-8", "surrogatepass")
    with pieces(data[0] if data else 0):
        found = intake.deliveries(sqs_event([text]))
        for delivery in found[:20]:
            again = intake.deliveries(sqs_event([delivery.body]))
            assert _comparable(delivery) in [_comparable(other) for other in again]
            _check_delivery(delivery, len(body))
        assert len({_identity(delivery) for delivery in found}) == len(found)
    _check_whole_event(body)


def _identity(delivery: Delivery) -> object:
    return delivery.job_id, delivery.body


def _check_delivery(delivery: Delivery, body_bytes: int) -> None:
    _check_parsed(Parsed(delivery.job_id, delivery.content))
    assert len(delivery.body.encode("utf-8", "surrogatepass")) <= body_bytes + 2**10
    if isinstance(delivery.content, Request):
        task = task_of(MemoryService().app, delivery, None)
        for form in Format:
            check_key(key_of(task, form), delivery.job_id)


def check_key(key: str, job_id: str) -> None:
    """A result's key stays below its job id, also after normalisation."""
    assert key.startswith(f"{job_id}/")
    assert ".." not in key
    assert "//" not in key
    assert posixpath.normpath(key).startswith(posixpath.normpath(job_id) + "/")


def _check_whole_event(body: bytes) -> None:
    """Whatever Lambda may hand over: deliveries, or a fault of the wiring."""
    try:
        tree = json.loads(body)
    except (ValueError, RecursionError):
        return
    try:
        found = intake.deliveries(tree)
    except ValueError as error:
        if "SQS" not in str(error):
            raise
        return
    for delivery in found:
        _check_parsed(Parsed(delivery.job_id, delivery.content))
        assert delivery.receive_count >= 1
        assert delivery.sent_at_ms >= 0


def direct_call(data: bytes) -> None:
    """A direct call by URL reads as the same message does in the queue, an invocation likewise."""
    body = data[1:]
    with pieces(data[0] if data else 0):
        queued = parse_message(body)
        by_url = verdict(lambda: _call_by_url(body), _MESSAGE_CODES)
        invoked = direct.call_of(_invocation(body))
    if isinstance(by_url, Refused):
        assert by_url.code is _code(queued)
    else:
        assert _code(by_url.parsed) == _code(queued)
    for call in (invoked, *([] if isinstance(by_url, Refused) else [by_url])):
        _check_parsed(call.parsed)
        assert not call.stored or call.parsed.job_id
    try:
        strict_json(body)
    except NotJsonError:
        return
    if isinstance(queued.content, Request):  # as JSON that was parsed and written anew
        assert _code(invoked.parsed) is _code(queued)


def _call_by_url(body: bytes) -> direct.Call:
    event = url_event(base64.b64encode(body).decode(), encoded=True)
    deadline = Deadline(lambda: 60.0, 60.0)
    message = read(Exchange.of(_NO_SERVICES, event, _NO_SERVICES, deadline))
    return direct.call_of_tree(message.tree, message.text)


def _invocation(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _code(parsed: Parsed) -> Code | None:
    return parsed.content.code if isinstance(parsed.content, MatinvError) else None


def metadata(data: bytes) -> None:
    """An object's metadata becomes options, or is a bad message."""
    lines = [line.partition(":") for line in data.decode("latin-1").split("\n")]
    found = verdict(lambda: _options({name: text for name, _, text in lines}), _METADATA_CODES)
    if isinstance(found, Options):
        json.dumps(dict(found.tags), ensure_ascii=False).encode()  # what a record can hold


_METADATA_CODES: Final = frozenset({Code.BAD_MESSAGE})


def _options(headers: Mapping[str, str]) -> Options:
    return options_of_metadata(decoded(headers))


TARGETS: Final[Mapping[str, Target]] = {
    "npy": npy_file,
    "json": json_text,
    "message": message,
    "event": event,
    "direct": direct_call,
    "metadata": metadata,
}
