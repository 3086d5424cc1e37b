"""Advice on messages, uploads, direct calls and requests of the HTTP API."""

from __future__ import annotations

import json
import urllib.request
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import numpy as np

from matinv import pipeline
from matinv.jobs.record import Status
from matinv.pipeline import direct_call
from matinv.testing.events import s3_notification
from support.api_server import ApiServer, serving
from support.bodies import SINGULAR
from support.hints.matrices import text
from support.hints.ways import (
    EYE,
    GOOD,
    Advice,
    Way,
    advice,
    asked,
    base64_of,
    called,
    delivered,
    dropped,
    inverted,
    message,
    npy,
    npz,
)
from support.memory_service import INPUTS, STANDARD, MemoryService

_REFERENCE: Final = Path(__file__).parents[3] / "functions" / "matinv" / "jobs" / "README.md"
_LARGE: Final = np.random.default_rng(1).standard_normal((200, 200)) + 20 * np.eye(200)
_S3: Final = {"bucket": INPUTS, "key": "a.npy"}
_TINY: Final = replace(STANDARD, memory_mb=182)  # 22 MiB for jobs
_ROOMY: Final = replace(STANDARD, memory_mb=1769)
_ANSWER: Final = {"npy": base64_of(npy(np.random.default_rng(2).standard_normal((620, 620))))}


def _posted(job_id: str = "a", **fields: Any) -> Any:
    """Return what submits a job before a request, and lets a worker do it."""

    def before(api: ApiServer) -> None:
        assert api.post("/jobs", {"job_id": job_id, **fields}).status == HTTPStatus.ACCEPTED
        api.service.work()

    return before


def _cancelled(api: ApiServer) -> None:
    assert api.post("/jobs", {"job_id": "a", "matrix": GOOD}).status == HTTPStatus.ACCEPTED
    assert api.post("/jobs/a/cancel").tree["status"] == "CANCELLED"
    api.service.work()


def _late(expires_in_s: int) -> Any:
    """Return what submits a job that a worker receives after a minute."""

    def before(api: ApiServer) -> None:
        body = {"job_id": "a", "matrix": GOOD, "expires_in_s": expires_in_s}
        assert api.post("/jobs", body).status == HTTPStatus.ACCEPTED
        api.service.pass_time(60)

    return before


def _again(api: ApiServer) -> None:
    api.service.now_s += 1
    _posted(matrix=GOOD)(api)


def _upload(**fields: Any) -> dict[str, Any]:
    return {"job_id": "a", "upload": {"format": "npy", "bytes": len(npy(_LARGE))}, **fields}


def _in_parts(api: ApiServer) -> None:
    """Begin the upload u1 of a large file, and send its one part of 3 bytes."""
    large = {"format": "npy", "bytes": 6 * 2**30}
    begun = api.post("/jobs", {"job_id": "a", "upload": large}).tree["upload"]
    assert begun["upload_id"] == "u1"
    api.service.store.put_part("a.npy", "u1", 1, [b"abc"])


def _completion(upload_id: str, *numbers: int) -> dict[str, Any]:
    parts = [{"number": number, "sha256": 64 * "0", "etag": '"e"'} for number in numbers]
    named = {"job_id": "a", "format": "npy", "upload_id": upload_id}
    return {**named, "bytes": 3, "parts": parts}


def _uploaded() -> str:
    """Ask for a URL, send a file there, and let a worker do it."""
    content = npy(_LARGE)
    with serving() as api:
        place = api.post("/jobs", _upload()).tree["upload"]
        put = urllib.request.Request(place["url"], content, place["headers"], method="PUT")
        with urllib.request.urlopen(put, timeout=30):
            api.service.work()
        assert api.service.record("a").status is Status.SUCCEEDED
    return ""


def _fetched_after_a_call() -> str:
    """Make a call whose answer does not fit, and fetch its result by the job's id."""
    service = MemoryService()
    call = direct_call.call_of({"job_id": "a", **_ANSWER})
    deadline = pipeline.Deadline(lambda: 60.0, 60.0)
    answer = pipeline.answer(service.app, call.parsed, deadline, stored=call.stored)
    assert direct_call.reply(answer)["error"]["code"] == "TOO_LARGE"
    return "" if service.stored("a").shape == (620, 620) else "nothing is stored"


def _documented(*names: str) -> Way:
    """Find fields in the reference of messages."""
    return lambda: "" if all(f"`{name}`" in _REFERENCE.read_text() for name in names) else "missing"


def _redriven(api: ApiServer) -> None:
    _posted(matrix=SINGULAR)(api)


REQUESTS: Final[tuple[Advice, ...]] = (
    # Messages.
    advice(
        'send {"matrix": [[1, 2], [3, 4]]}, or the same with "npy" or "s3"',
        delivered("[[1, 2], [3, 4]]"),
        delivered({"matrix": [[1, 2], [3, 4]]}),
        delivered({"npy": base64_of(npy(EYE))}),
        delivered({"s3": _S3}, a=npy(EYE)),
    ),
    advice(
        'write it with a JSON library: json.dumps({"matrix": a.tolist()})',
        delivered(repr(np.array(GOOD))),
        delivered(json.dumps({"matrix": np.array(GOOD).tolist()})),
        text(json.dumps({"matrix": np.array(GOOD).tolist()})),
    ),
    advice(
        'put it into a field: {"npy": "…"}',
        delivered(base64_of(npy(EYE))),
        delivered({"npy": base64_of(npy(EYE))}),
        text({"npy": base64_of(npy(EYE))}),
    ),
    advice(
        'send the array in it as {"npy": "…"}, or upload the archive as a .npz file',
        delivered(base64_of(npz(a=EYE))),
        delivered({"npy": base64_of(npy(EYE))}),
        dropped("a.npz", npz(a=EYE)),
    ),
    advice(
        "send the JSON itself",
        delivered(base64_of(b'{"matrix": [[2]]}')),
        delivered('{"matrix": [[2]]}'),
    ),
    advice(
        "encode it only once: send the text inside the string",
        delivered(json.dumps('{"matrix": [[2]]}')),
        delivered('{"matrix": [[2]]}'),
    ),
    advice(
        "send each of them as a message of its own",
        delivered([{"matrix": GOOD}, {"matrix": [[2]]}]),
        delivered({"matrix": GOOD}),
        delivered({"matrix": [[2]]}),
    ),
    advice(
        'send {"matrix": …} with it inside',
        delivered({"columns": ["a", "b"], "index": [0, 1], "data": GOOD}),
        delivered({"matrix": {"columns": ["a", "b"], "index": [0, 1], "data": GOOD}}),
        delivered({"matrix": {"re": GOOD, "im": GOOD}}),
    ),
    advice(
        'name the field with the matrix like this: {"matrix": [[…]]}',
        delivered({"data": GOOD}),
        delivered({"matrix": GOOD}),
        text({"matrix": GOOD}),
    ),
    advice(
        "give one of {}",
        message(matrix=GOOD, npy=base64_of(npy(EYE))),
        message(matrix=GOOD),
        message(npy=base64_of(npy(EYE))),
        delivered({"s3": _S3}, a=npy(EYE)),
    ),
    advice(
        "send version 1, or deploy a newer worker",
        message(v=2, matrix=GOOD),
        message(v=1, matrix=GOOD),
    ),
    advice(
        "check its spelling: unknown fields are refused, lest an option has no effect",
        message(matrix=GOOD, methd="general"),
        message(matrix=GOOD, method="general"),
    ),
    advice(
        "write the value without brackets; in R: jsonlite::toJSON(x, auto_unbox = TRUE)",
        message(matrix=GOOD, method=["general"]),
        message(matrix=GOOD, method="general"),
    ),
    advice(
        "functions/matinv/jobs/README.md lists the fields of a message and their values",
        message(matrix=GOOD, method="lu"),
        _documented("method", "general", "job_id", "matrix", "on_ill_conditioned", "tags"),
        message(matrix=GOOD, method="general"),
    ),
    advice(
        "choose another, or leave it out",
        message(job_id="../x", matrix=GOOD),
        message(job_id="x", matrix=GOOD),
        delivered({"matrix": GOOD}),
    ),
    advice(
        "submit it again",
        asked("GET", "/jobs/a/result", before=_cancelled),
        asked("GET", "/jobs/a/result", before=lambda api: (_cancelled(api), _again(api))),
    ),
    advice(
        "submit it again, or let it wait longer: expires_in_s",
        asked("GET", "/jobs/a/result", before=_late(5)),
        asked("GET", "/jobs/a/result", before=lambda api: (_late(5)(api), _again(api))),
        asked("GET", "/jobs/a/result", before=_late(900)),
    ),
    advice(
        "GET /runs lists runs",
        asked("GET", "/runs/none"),
        asked("GET", "/runs"),
    ),
    advice(
        'choose another, or leave "run" out',
        message(run="../x", matrix=GOOD),
        message(run="x", matrix=GOOD),
        message(matrix=GOOD),
    ),
    advice(
        "leave the file's ending out: {}",
        message(job_id="run/a.npy", matrix=GOOD),
        message(job_id="run/a", matrix=GOOD),
    ),
    advice(
        'choose a new job id, or send it with "replace": true to take over this one',
        delivered({"job_id": "a", "matrix": GOOD}, {"job_id": "a", "matrix": [[5]]}),
        delivered({"job_id": "a", "matrix": GOOD}, {"job_id": "b", "matrix": [[5]]}),
        delivered(
            {"job_id": "a", "matrix": GOOD}, {"job_id": "a", "matrix": [[5]], "replace": True}
        ),
    ),
    advice(
        'use "output": "auto" or "s3"',
        delivered({"s3": _S3, "output": "dynamodb"}, a=npy(_LARGE)),
        delivered({"s3": _S3, "output": "auto"}, a=npy(_LARGE)),
        delivered({"s3": _S3, "output": "s3"}, a=npy(_LARGE)),
    ),
    advice(
        "use a smaller matrix or float32, or deploy a larger lane",
        delivered({"s3": _S3}, lane=_TINY, a=npy(np.eye(1500))),
        delivered({"s3": _S3}, lane=_TINY, a=npy(_LARGE)),
        delivered({"s3": _S3}, lane=_TINY, a=npy(np.eye(1500, dtype=np.float32))),
        delivered({"s3": _S3}, lane=_ROOMY, a=npy(np.eye(1500))),
    ),
    advice(
        'leave "accuracy" out, or use another "method"',
        message(matrix=GOOD, method="pinv", accuracy="verified"),
        message(matrix=GOOD, method="pinv"),
        message(matrix=GOOD, method="general", accuracy="verified"),
    ),
    # References and notifications.
    advice(
        "upload it again",
        delivered({"s3": _S3}),
        delivered({"s3": _S3}, a=npy(EYE)),
    ),
    advice(
        "upload the matrix to the inputs bucket",
        delivered({"s3": {"bucket": "elsewhere", "key": "a.npy"}}),
        delivered({"s3": _S3}, a=npy(EYE)),
        dropped("a.npy", EYE),
    ),
    advice(
        "S3 has no such objects: leave out the '..'",
        delivered({"s3": {"bucket": INPUTS, "key": "../a.npy"}}, a=npy(EYE)),
        delivered({"s3": _S3}, a=npy(EYE)),
    ),
    advice(
        "send job messages, or S3 events of uploads, to the jobs queue",
        delivered({"Records": 5}),
        message(matrix=GOOD),
        dropped("a.npy", EYE),
    ),
    advice(
        "let S3 write the notification, or send a message with s3, bucket and key",
        delivered(json.dumps(s3_notification(INPUTS, "KEY")).replace("KEY", "%FF.npy")),
        dropped("ÿ.npy", EYE),
        delivered({"s3": _S3}, a=npy(EYE)),
    ),
    advice(
        "leave it out, or send the content to the jobs queue",
        text({"matrix": GOOD, "replace": True}),
        text({"matrix": GOOD}),
        message(matrix=GOOD, replace=True),
    ),
    advice(
        "leave job_id out of files: it is the key without its extension",
        text({"matrix": GOOD, "job_id": "b"}),
        text({"matrix": GOOD}),
    ),
    # Tags of files.
    advice(
        "write its key in lower case, and key and value in ASCII",
        inverted(_LARGE, tags={"Wer": "Zoë"}),
        inverted(_LARGE, tags={"wer": "Zoe"}),
    ),
    advice(
        "rename the tag",
        inverted(_LARGE, tags={"a b": "c"}),
        inverted(_LARGE, tags={"a-b": "c"}),
    ),
    advice(
        "use fewer or shorter tags",
        inverted(_LARGE, tags={f"t{i}": 250 * "x" for i in range(10)}),
        inverted(_LARGE, tags={f"t{i}": 250 * "x" for i in range(5)}),
        inverted(_LARGE, tags={f"t{i}": 25 * "x" for i in range(10)}),
    ),
    # Direct calls.
    advice(
        'send {"matrix": …}',
        called({"matrix": {1, 2}}),
        called({"matrix": GOOD}),
    ),
    advice(
        "such a matrix has no inverse; NaN and Infinity are not JSON either",
        called({"matrix": [[float("nan")]]}),
        called({"matrix": GOOD}),
    ),
    advice(
        "send the reference to the jobs queue, or put the matrix into the call",
        called({"s3": _S3}),
        delivered({"s3": _S3}, a=npy(EYE)),
        called({"matrix": GOOD}),
    ),
    advice(
        "give the call a job_id, or upload a file",
        called(_ANSWER),
        _fetched_after_a_call,
        dropped("a.npy", _LARGE),
    ),
    advice(
        "fetch the result by its job id",
        called({"job_id": "a", **_ANSWER}),
        _fetched_after_a_call,
    ),
    # The HTTP API.
    advice(
        "the key is the job's id: leave one of them out, or send the same id in both",
        asked("POST", "/jobs", {"matrix": GOOD, "job_id": "a"}, headers={"idempotency-key": "b"}),
        asked("POST", "/jobs", {"matrix": GOOD, "job_id": "a"}),
        asked("POST", "/jobs", {"matrix": GOOD}, headers={"idempotency-key": "b"}),
        asked("POST", "/jobs", {"matrix": GOOD, "job_id": "b"}, headers={"idempotency-key": "b"}),
    ),
    advice(
        "leave the header out, and give each message its job_id",
        asked("POST", "/jobs", {"jobs": [{"matrix": GOOD}]}, headers={"idempotency-key": "b"}),
        asked("POST", "/jobs", {"jobs": [{"matrix": GOOD, "job_id": "b"}]}),
    ),
    advice(
        'send {"jobs": [{"matrix": …}, …]}, options inside each message',
        asked("POST", "/jobs", {"jobs": [{"matrix": GOOD}], "method": "general"}),
        asked("POST", "/jobs", {"jobs": [{"matrix": GOOD, "method": "general"}]}),
    ),
    advice(
        "send them in several requests",
        asked("POST", "/jobs", {"jobs": 1001 * [{"matrix": GOOD}]}),
        asked("POST", "/jobs", {"jobs": 501 * [{"matrix": GOOD}]}),
    ),
    advice(
        'POST /jobs with {"upload": …} gives a URL for a file of any size',
        asked("POST", "/jobs", {"npy": base64_of(npy(np.eye(360)))}),
        _uploaded,
    ),
    advice(
        'POST /jobs with {"upload": …} gives a URL for a file of any size',
        asked("POST", "/jobs", {"matrix": 7_000_000 * "x"}),
        _uploaded,
    ),
    advice(
        "send the matrices of a stack in several files",
        asked("POST", "/jobs", {"upload": {"format": "npy", "bytes": 2**43}}),
        asked("POST", "/jobs", {"upload": {"format": "npy", "bytes": 2**42}}),
    ),
    advice(
        'begin it again: POST /jobs with {"upload": …}',
        asked("POST", "/uploads/complete", _completion("u2", 1), _in_parts),
        asked("POST", "/jobs", _upload(), _in_parts),
    ),
    advice(
        "name each part once, in order, as S3 answered it",
        asked("POST", "/uploads/complete", _completion("u1", 1, 1), _in_parts),
        asked("POST", "/uploads/complete", _completion("u1", 1), _in_parts),
    ),
    advice(
        'choose another job id, or send "replace": true to take over this one',
        asked("POST", "/jobs", _upload(), _posted(matrix=GOOD)),
        asked("POST", "/jobs", _upload(job_id="b"), _posted(matrix=GOOD)),
        asked("POST", "/jobs", _upload(replace=True), _posted(matrix=GOOD)),
    ),
    advice(
        "POST /jobs/{job_id}/redrive does",
        asked("POST", "/jobs", {"job_id": "a", "matrix": SINGULAR, "redrive": 1}, _redriven),
        asked("POST", "/jobs/a/redrive", {"method": "pinv"}, _redriven),
    ),
    advice(
        "see its record",
        asked("POST", "/jobs/a/redrive", None, _posted(matrix=GOOD)),
        asked("GET", "/jobs/a", None, _posted(matrix=GOOD)),
    ),
    advice(
        "try again after Retry-After seconds",
        asked(
            "GET",
            "/jobs/a/result",
            None,
            lambda api: api.post("/jobs", {"job_id": "a", "matrix": GOOD}),
        ),
        asked("GET", "/jobs/a/result", None, _posted(matrix=GOOD)),
    ),
    advice(
        "accept: {}",
        asked("GET", "/jobs/a/result", None, _posted(matrix=GOOD), headers={"accept": "text/html"}),
        *(
            asked("GET", "/jobs/a/result", None, _posted(matrix=GOOD), headers={"accept": kind})
            for kind in ("application/json", "application/x-npy", "application/x-npz")
        ),
    ),
    advice(
        "send JSON with content-type: application/json",
        asked("POST", "/jobs", "1,2\n3,4\n", headers={"content-type": "text/csv"}),
        asked("POST", "/jobs", {"matrix": GOOD}, headers={"content-type": "application/json"}),
    ),
    advice(
        "send JSON with content-type: application/json",
        asked("POST", "/jobs", "[[1]]", encoded=True),
        asked("POST", "/jobs", {"matrix": GOOD}, headers={"content-type": "application/json"}),
    ),
    advice("use {}", asked("DELETE", "/jobs"), asked("POST", "/jobs", {"matrix": GOOD})),
    advice("see /openapi.json", asked("GET", "/nope"), asked("GET", "/openapi.json")),
    advice(
        "see the parameters in /openapi.json",
        asked("GET", "/jobs", query="size=5"),
        asked("GET", "/openapi.json"),
        asked("GET", "/jobs", query="limit=5"),
    ),
)
