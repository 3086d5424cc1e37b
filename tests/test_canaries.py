"""Values that nobody may ever see: sent through every way to fail, and looked for afterwards.

Tags are carried to records and events, and job ids stand everywhere; values of matrices, bodies
and what else stands in them do not.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import logging
import struct
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from matinv import pipeline, telemetry
from matinv.cli.app import cli
from matinv.errors import PERMANENT, TRANSIENT, Code, Refused, Transient
from matinv.formats.json_text import Unread
from matinv.jobs import intake
from matinv.linalg.inverse import invert
from matinv.local.samples import npy_bytes
from matinv.pipeline import direct_call
from matinv.ports import Received, UploadUrl
from matinv.telemetry import Context
from matinv.testing.events import sqs_event
from support.api_server import ApiServer
from support.memory_service import INPUTS, RESULTS, MemoryService

VALUE = 81985529216486.5
TAG = "zeisig-in-a-tag"
SECRET = "AKIAKANARIENVOGEL/wJalrXUtnFEMI+K7MDENGbPxRfiCY"
TEXT = "kanarienvogel-in-the-text"
ENCODED = base64.b64encode(struct.pack("<d", VALUE)).decode()[:9]

# However a number is written, it shows one of these; arrays are printed with eight digits.
TRACES = ("81985529", "8.1985529", "8.198553", VALUE.hex()[4:12], ENCODED, SECRET, TEXT)

N = ["81985529216486.5", "8.19855292164865e13", "8.19855292164865E+0013", "819855292164865e-1"]
ROW = f"[{N[0]}, {N[1]}]"
SINGULAR = f"[{ROW}, [{N[2]}, {N[3]}]]"
LARGE = json.dumps((np.eye(170) * VALUE + 1).tolist())
FIT = f'[[{N[0]}, 1], [1, {N[1]}]], "tags": {{"bird": "{TAG}"}}'


def matrix(text: str) -> str:
    return f'{{"job_id": "bad", "matrix": {text}}}'


def npy(array: Any, change: Callable[[bytes], bytes] = lambda data: data) -> str:
    text = base64.b64encode(change(npy_bytes(np.asarray(array)))).decode()
    return json.dumps({"job_id": "bad", "npy": text})


BODIES: list[tuple[Code, str]] = [
    (Code.BAD_MESSAGE, f"{TEXT} {SECRET} {N[0]}"),
    (Code.BAD_MESSAGE, f'{{"matrix": {SINGULAR}, "{TEXT}'),
    (Code.BAD_MESSAGE, f'{{"matrix": {SINGULAR}, "password": "{SECRET}"}}'),
    (Code.BAD_MESSAGE, f'{{"matrix": {SINGULAR}, "matrix": "{TEXT}"}}'),
    (Code.BAD_MESSAGE, f'{{"matrix": {N[0]}, "job_id": "bad"}}'),
    (Code.BAD_MESSAGE, f'{{"matrix": "{TEXT} {N[0]}"}}'),
    (Code.BAD_MESSAGE, f'{{"matrix": {SINGULAR}, "method": "{SECRET}"}}'),
    (Code.BAD_MESSAGE, f'{{"matrix": {SINGULAR}, "redrive": {N[0]}}}'),
    (Code.BAD_MESSAGE, f'{{"matrix": {SINGULAR}, "v": "{SECRET}"}}'),
    (Code.BAD_MESSAGE, f'{{"matrix": {SINGULAR}, "tags": {{"key": ["{SECRET}", {N[0]}]}}}}'),
    (Code.BAD_MESSAGE, f'{{"s3": {{"bucket": "{INPUTS}", "key": ["{SECRET}"]}}}}'),
    (Code.BAD_MESSAGE, f'{{"Records": ["{TEXT} {N[0]}"]}}'),
    (Code.BAD_MESSAGE, f'{{"detail-type": "{TEXT}", "detail": {SINGULAR}}}'),
    (Code.BAD_MESSAGE, f'{{"Type": "Notification", "Message": "{TEXT} {N[0]}"}}'),
    (Code.UNSUPPORTED_VERSION, f'{{"v": 2, "matrix": {SINGULAR}, "password": "{SECRET}"}}'),
    (Code.BAD_JOB_ID, f'{{"job_id": "../bad", "matrix": {SINGULAR}, "password": "{SECRET}"}}'),
    (Code.JOB_ID_CONFLICT, f'{{"job_id": "taken", "matrix": {FIT}}}'),
    (Code.BAD_FORMAT, matrix(f'[[{N[0]}, "{SECRET}"], {ROW}]')),
    (Code.BAD_FORMAT, matrix(f"[[{N[0]}, [{N[1]}]], {ROW}]")),
    (Code.BAD_FORMAT, matrix(f"[[{VALUE:.0f}{'0' * 400}]]")),
    (Code.BAD_FORMAT, f'{{"npy": "{ENCODED}==="}}'),
    (Code.BAD_FORMAT, npy([[VALUE]], lambda data: SECRET.encode() + data)),
    (Code.BAD_LENGTH, npy([[VALUE]], lambda data: data + SECRET.encode())),
    (Code.UNSUPPORTED_DTYPE, npy([[str(VALUE), SECRET]])),
    (Code.EMPTY, f'{{"matrix": [[]], "tags": {{"bird": "{TAG}"}}}}'),
    (Code.NOT_SQUARE, matrix(f"[{ROW}]")),
    (Code.NOT_SQUARE, npy([VALUE, VALUE])),
    (Code.RAGGED, matrix(f"[{ROW}, [{N[0]}]]")),
    (Code.RAGGED, matrix(f'{{"re": [[{N[0]}]], "im": [{ROW}, {ROW}]}}')),
    (Code.NON_FINITE, matrix(f"[[{N[0]}e999, 1], {ROW}]".replace(".5e999", "e999"))),
    (Code.NON_FINITE, npy([[VALUE, np.inf], [0, 1]])),
    (Code.PRECISION, matrix("[[8198552921648650001]]")),
    (Code.PRECISION, npy([[8198552921648650001]])),
    (Code.TOO_LARGE, matrix(f'{LARGE}, "output": "dynamodb"')),
    (Code.FORBIDDEN_REF, f'{{"s3": {{"bucket": "{RESULTS}", "key": "a.npy"}}}}'),
    (Code.INPUT_GONE, f'{{"s3": {{"bucket": "{INPUTS}", "key": "gone.npy"}}}}'),
    (Code.SINGULAR, matrix(SINGULAR)),
    (
        Code.ILL_CONDITIONED,
        matrix(f'[{ROW}, [{N[0]}, 81985529224685]], "on_ill_conditioned": "fail"'),
    ),
    (Code.NOT_POSITIVE_DEFINITE, matrix(f'[[-{N[0]}]], "method": "spd"')),
    (Code.OVERFLOW, matrix(f"[[5e-324, 0], [0, {N[0]}]]")),
]

# What fails in the middle of the work, with an exception that quotes what it worked on.
FAULTS: list[tuple[Code, Exception]] = [
    (Code.OUT_OF_MEMORY, MemoryError(f"{VALUE} {SECRET}")),
    (Code.INTERNAL, ValueError(f"could not convert string to float: '{VALUE}' {SECRET} {TEXT}")),
    *(
        (code, (Transient if code in TRANSIENT else Refused)(code, "for tests"))
        for code in sorted(TRANSIENT | {Code.WORKER_CRASHED})
        if code is not Code.INTERNAL
    ),
]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Callable[[MemoryService], str]:
    """Return everything that is written of the last batch of a service, by the real logger too."""
    stream = io.StringIO()
    handler = telemetry.logger().registered_handler
    assert isinstance(handler, logging.StreamHandler)
    monkeypatch.setattr(handler, "stream", stream)

    def seen_(service: MemoryService) -> str:
        assert service.report is not None
        with redirect_stdout(stream):
            telemetry.publish(service.report, Context(60.0))
        letters = [(x.error_code, x.error_message, x.source) for x in service.queue.dead]
        return "\n".join([stream.getvalue(), str(letters), *published(service)])

    return seen_


def published(service: MemoryService) -> list[str]:
    """Return what records and events say, but for results and, where they belong, tags."""
    texts = [event.body.replace(TAG, "") for event in service.events.published]
    for outcome in service.report.outcomes if service.report else ():
        if record := outcome.record:
            said = dataclasses.replace(record, tags={}, result=None)
            texts.append(json.dumps(dataclasses.asdict(said), default=str))
    return texts


def check_unseen(text: str) -> None:
    for trace in (*TRACES, TAG):
        assert trace not in text, text[max(0, text.find(trace) - 200) :][:400]


def refused(*bodies: str, receive_count: int = 1) -> tuple[MemoryService, list[Code]]:
    """Deliver bodies to a service that knows a job; return it and the codes of their errors."""
    service = MemoryService(topic=True)
    service.deliver({"job_id": "taken", "matrix": [[3]]})
    service.deliver(*bodies, receive_count=receive_count)
    assert service.report
    return service, [o.error.code for o in service.report.outcomes if o.error]


@pytest.mark.parametrize(("code", "body"), BODIES)
def test_a_refusal_tells_nobody_what_was_in_the_body(
    code: Code, body: str, seen: Callable[[MemoryService], str]
) -> None:
    service, codes = refused(body)
    assert codes == [code]
    check_unseen(seen(service))


def test_every_permanent_code_of_an_input_is_among_them() -> None:
    reached = {code for code, _ in BODIES} | {code for code, _ in FAULTS}
    # INACCURATE takes a matrix that is too large for ball arithmetic; its error names no number.
    # A cancelled or expired job is not read at all.
    unread = {Code.CANCELLED, Code.EXPIRED}
    assert reached | {Code.INACCURATE} | unread == PERMANENT | TRANSIENT


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    "where", ["invert.invert", "invert.draft", "load.parse_file", "publish._sha256"]
)
@pytest.mark.parametrize("receive_count", [1, 5])
def test_a_failure_in_the_middle_of_the_work_tells_nobody_either(
    fault: tuple[Code, Exception],
    where: str,
    receive_count: int,
    seen: Callable[[MemoryService], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, error = fault

    def broken(*args: Any, **kwargs: Any) -> Any:
        try:
            raise TypeError(f"{args} {kwargs} {SECRET}")
        except TypeError as first:
            raise error from first

    monkeypatch.setattr(f"matinv.pipeline.{where}", broken)
    service = MemoryService(topic=True)
    dropped = service.drop("file.json", f'{{"matrix": {FIT}}}'.encode(), tag_bird=TAG)
    service.deliver(matrix(FIT), dropped, receive_count=receive_count)
    assert service.report
    assert {o.error.code for o in service.report.outcomes if o.error} == {code}
    text = seen(service)
    check_unseen(text)
    if code is Code.INTERNAL:
        assert "in broken" in text  # where it was
        assert "TypeError" in text  # and what was behind it


def test_a_topic_that_breaks_tells_nobody(seen: Callable[[MemoryService], str]) -> None:
    service = MemoryService(topic=True)

    def broken(moment: str) -> None:
        raise ValueError(SECRET)

    service.events.fail = broken
    service.deliver(matrix(FIT))
    check_unseen(seen(service))


def test_a_success_tells_sizes_and_no_values(seen: Callable[[MemoryService], str]) -> None:
    service = MemoryService(topic=True)
    service.deliver(matrix(FIT), service.drop("file.npy", np.eye(90) * VALUE, tag_bird=TAG))
    assert service.queue.dead == []
    check_unseen(seen(service))


# Answers


def answered(event: Any) -> Any:
    service = MemoryService()
    call = direct_call.call_of(event)
    deadline = pipeline.Deadline(lambda: 60.0, 60.0)
    try:
        return direct_call.reply(
            pipeline.answer(service.app, call.parsed, deadline, stored=call.stored)
        )
    except Transient as error:
        return str(error)


@pytest.mark.parametrize(("code", "body"), BODIES)
def test_an_answer_of_the_api_does_not_repeat_the_call(
    code: Code, body: str, log: io.StringIO
) -> None:
    for path in ("/invert", "/jobs", "/jobs/bad/redrive"):
        answer = ApiServer().post(path, body).body.decode()
        check_unseen(answer.replace(f'"bird":"{TAG}"', ""))  # the tag of a job that was accepted
    check_unseen(log.getvalue())
    with_values = json.loads(body) if body[-1] == "}" and "e999" not in body else body
    check_unseen(json.dumps(answered(with_values)))


def test_a_bug_of_the_api_is_answered_without_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **options: Any) -> Any:
        raise ValueError(f"{args} {options} {VALUE}")

    monkeypatch.setattr("matinv.pipeline.direct.invert", broken)
    assert answered({"matrix": [[VALUE]]}) == (
        "INTERNAL: unexpected ValueError; "
        "this is a bug in matinv: see the worker's log for the traceback"
    )
    answer = ApiServer().post("/invert", matrix(FIT))
    assert (answer.status, answer.code) == (503, "INTERNAL")
    check_unseen(answer.body.decode())


@pytest.mark.parametrize("method", ["GET", "POST", SECRET])
@pytest.mark.parametrize("path", ["/jobs", f"/jobs/{TEXT}", f"/jobs/{TEXT}/result", f"/{TEXT}"])
def test_the_api_logs_nothing_of_a_request_but_what_it_asks_for(
    path: str, method: str, log: io.StringIO
) -> None:
    headers = {
        "authorization": SECRET,
        "x-amz-security-token": SECRET,
        "cookie": SECRET,
        "accept": TEXT,
        "content-type": TEXT,
        "idempotency-key": TEXT,
    }
    query = f"cursor={TEXT}&X-Amz-Signature={SECRET}&status={TEXT}"
    ApiServer()(method, path, f"{TEXT} {N[0]}", query=query, headers=headers)
    assert '"message":"request"' in log.getvalue()
    check_unseen(log.getvalue())


def test_the_api_s_own_urls_are_in_no_log(log: io.StringIO) -> None:
    ask = ApiServer()
    store = ask.service.store
    signed = UploadUrl("s3://inputs/a.npy", f"https://s3/{SECRET}", {})
    store.upload_url = lambda *_, **__: signed  # type: ignore[method-assign]
    answer = ask.post("/jobs", {"job_id": "a", "upload": {"format": "npy", "bytes": 9}})
    assert answer.tree["upload"]["url"].endswith(SECRET)
    check_unseen(log.getvalue() + repr(signed))


@pytest.mark.parametrize(("code", "body"), BODIES)
def test_the_command_line_does_not_repeat_what_it_refuses(code: Code, body: str) -> None:
    service_ = MemoryService()
    submitted = CliRunner().invoke(cli, ["submit", "-"], input=body, obj=service_.client)
    check_unseen(submitted.output)
    service, _ = refused(body)
    service_.queue.dead, service_.queue._letters = service.queue.dead, service.queue._letters
    listed = CliRunner().invoke(cli, ["dlq", "list"], obj=service_.client)
    check_unseen(listed.output)


# Objects that a text of an exception might name


def test_no_object_shows_its_matrix_or_its_body_by_its_name() -> None:
    (delivery,) = intake.deliveries(sqs_event([matrix(f"[[{N[0]}, 0], [0, 1]]")]))
    inverses = invert(np.diag([1 / VALUE, 1.0]))
    unread = Unread(matrix(SINGULAR).encode(), 0, 9)
    received = Received("m", "r", matrix(SINGULAR), 0, 0, 1, {})
    service = MemoryService()
    service.deliver(matrix(f"[[{N[0]}]]"), npy([[VALUE]]))
    for thing in (delivery, inverses, unread, received, service.report, service.record("bad")):
        check_unseen(repr(thing))
