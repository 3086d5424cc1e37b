"""Inputs nobody listed, through the whole pipeline: one refusal, few calls, good neighbours."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.targets import check_key
from matinv.errors import Code
from matinv.jobs.ids import valid_job_id
from matinv.jobs.record import Status
from matinv.pipeline import Verdict
from matinv.testing.events import eventbridge, s3_notification, sns_wrapped
from support.examples import examples
from support.memory_service import INPUTS, MemoryService

MATRIX = '"matrix": [[1, 2], [3, 4]]'


def enveloped(body: str) -> str:
    """Wrap a body as often as fits into a message: each time, quotes take twice the room."""
    while len(body) < 100_000:
        body = json.dumps({"Type": "Notification", "Message": body})
    return body


def reference(**fields: Any) -> str:
    return json.dumps({"s3": {"bucket": INPUTS, "key": "a.npy", **fields}})


def records(*found: Any) -> str:
    return json.dumps({"Records": found})


TWICE = base64.b64encode(base64.b64encode(b"\x93NUMPY" * 100)).decode()

BODIES: dict[str, tuple[Code, str]] = {
    "10,000 fields": (Code.BAD_MESSAGE, json.dumps(dict.fromkeys(map(str, range(10_000))))),
    "a name of 200 kB": (Code.BAD_MESSAGE, f'{{"{"k" * 200_000}": 1, {MATRIX}}}'),
    "tags 250 deep": (Code.BAD_MESSAGE, f'{{"tags": {{"a": {"[" * 250}{"]" * 250}}}, {MATRIX}}}'),
    "a field 20,000 times": (Code.BAD_MESSAGE, "{" + '"v": 1, ' * 20_000 + MATRIX + "}"),
    "a matrix 8,000 times": (Code.BAD_MESSAGE, f"{{{', '.join([MATRIX] * 8_000)}}}"),
    "10,000 records": (Code.BAD_MESSAGE, records(*[{}] * 10_000)),
    "30,000 numbers for records": (Code.BAD_MESSAGE, records(*range(30_000))),
    "nothing in many envelopes": (Code.BAD_MESSAGE, enveloped("{}")),
    "an envelope in itself": (Code.BAD_MESSAGE, json.dumps(sns_wrapped(sns_wrapped("x")))),
    "an event without detail": (Code.BAD_MESSAGE, '{"detail-type": "Object Created"}'),
    "an event of numbers": (Code.BAD_MESSAGE, '{"detail-type": 7, "source": [], "detail": 1e5}'),
    "an event whose type is a list": (
        Code.BAD_MESSAGE,
        '{"detail-type": [[]], "source": "aws.s3"}',
    ),
    "base64 of base64": (Code.BAD_FORMAT, json.dumps({"npy": TWICE})),
    "parts of two orders": (Code.RAGGED, '{"matrix": {"re": [[1]], "im": [[1, 0], [0, 1]]}}'),
    "a part that is a stack": (Code.RAGGED, '{"matrix": {"re": [[1]], "im": [[[1]]]}}'),
    "an exponent of 100,000 digits": (Code.NON_FINITE, f'{{"matrix": [[1e{"9" * 100_000}]]}}'),
    "a zero of 100,000 digits": (Code.BAD_MESSAGE, f'{{"matrix": [[{"0" * 100_000}]]}}'),
    "an id with a line break": (Code.BAD_JOB_ID, f'{{"job_id": "a\\n", {MATRIX}}}'),
    "an id with NUL": (Code.BAD_JOB_ID, f'{{"job_id": "a\\u0000", {MATRIX}}}'),
    "an id from right to left": (Code.BAD_JOB_ID, f'{{"job_id": "a\\u202eb", {MATRIX}}}'),
    "an id with an escape": (Code.BAD_JOB_ID, f'{{"job_id": "\\u001b[31m", {MATRIX}}}'),
    "a key that climbs": (Code.FORBIDDEN_REF, reference(key="../other/a.npy")),
    "a key that climbs late": (Code.FORBIDDEN_REF, reference(key="a/../b/../../c.npy")),
    "a notified key that climbs": (
        Code.FORBIDDEN_REF,
        json.dumps(s3_notification(INPUTS, "x/../../results/a.npy")),
    ),
    "an event's key that climbs": (Code.FORBIDDEN_REF, json.dumps(eventbridge(INPUTS, "../a.npy"))),
    **{
        f"bucket {bucket!r}": (Code.FORBIDDEN_REF, reference(bucket=bucket))
        for bucket in (
            INPUTS.upper(),
            f"{INPUTS}.",
            f" {INPUTS}",
            f"{INPUTS}\u0000",
            f"{INPUTS}/../x",
            f"{INPUTS}/",
            f"s3://{INPUTS}",
            f"https://{INPUTS}.s3.amazonaws.com",
            f"arn:aws:s3:::{INPUTS}",
            f"arn:aws:s3:us-east-1:123456789012:accesspoint/{INPUTS}",
            "xn--nputs-lza",
            "\u0456nputs",
        )
    },
    **{
        f"key {key!r}": (Code.INPUT_GONE, reference(key=key))
        for key in ("/a.npy", "a//b.npy", "a/../b.npy", "\0.npy", "%00.npy", "k" * 1020 + ".npy")
    },
    "a version that is a header": (Code.INPUT_GONE, reference(version_id="v\r\nx-amz-acl: p")),
}


@pytest.mark.parametrize("name", BODIES)
def test_it_is_one_refusal_that_costs_two_calls_and_hurts_nobody(name: str) -> None:
    code, body = BODIES[name]
    service = MemoryService()
    good = [{"job_id": f"good-{i}", "matrix": [[1, i], [3, 4 + 3 * i]]} for i in range(4)]
    assert service.deliver(*good[:2], body, *good[2:]) == []
    assert service.table.calls == {"get": 1, "put": 2}  # of the good ones, and of the refused
    assert service.store.calls["open"] == (code is Code.INPUT_GONE)
    assert service.queue.calls["dead_letter"] == 1
    (letter,) = service.queue.dead
    assert (letter.error_code, letter.delivery.body) == (code, body)
    assert all(service.record(str(job["job_id"])).status is Status.SUCCEEDED for job in good)


@pytest.mark.parametrize(
    ("body", "inverse"),
    [
        ('{"job_id": "ok", "matrix": [[-0, 1], [1, 1e-400]]}', [[0, 1], [1, 0]]),
        ('{"job_id": "ok", "matrix": [[2E+0000001]]}', [[0.05]]),
        (f'{{"job_id": "ok", "matrix": [[0e{"9" * 1000}, 1], [1, 0]]}}', [[0, 1], [1, 0]]),
        (f'{{"job_id": "ok", "matrix": [[2e-{"0" * 1000}]]}}', [[0.5]]),
        (enveloped('{"job_id": "ok", "matrix": [[2]]}'), [[0.5]]),
        ('{"job_id": "ok", "matrix": {"im": [[-0.0]], "re": [[2]]}}', None),
    ],
)
def test_what_only_looks_hostile_is_inverted(body: str, inverse: Any) -> None:
    service = MemoryService()
    assert service.deliver(body) == []
    assert service.record("ok").status is Status.SUCCEEDED
    assert inverse is None or service.inverse("ok") == inverse


def test_a_batch_of_very_many_jobs_costs_a_call_for_each_hundred_at_most() -> None:
    service = MemoryService()
    assert service.deliver(*({"job_id": f"j/{i}", "matrix": [[i + 1]]} for i in range(3000))) == []
    assert service.table.calls["get"] + service.table.calls["put"] <= 60
    assert len(service.table.get([f"j/{i}" for i in range(3000)])) == 3000


HOSTILE_METADATA = [
    {"method": "spd\x00"},
    {"method": "SPD"},
    {"method": "=?UTF-8?B?c3Bk"},
    {"output": "s3\r\nx-amz-acl: public-read"},
    {"tag-a": "x" * 257},
    {"tag-": "x"},
    {"tags": "x"},
    {"job-id": "other"},
    {"redrive": "1"},
    {"s3": "x"},
]


@pytest.mark.parametrize("metadata", HOSTILE_METADATA, ids=repr)
def test_a_file_whose_metadata_means_nothing_is_refused_unread(metadata: dict[str, str]) -> None:
    service = MemoryService()
    good = service.drop("good.npy", np.eye(3))
    assert service.deliver(service.drop("bad.npy", np.eye(3), **metadata), good) == []
    assert service.error("bad") == "BAD_MESSAGE"
    assert service.record("good").status is Status.SUCCEEDED
    assert len(service.queue.dead) == 1


@pytest.mark.parametrize("text", ["\x01\x1b[31m", "\u202e\ufffe", "é" * 256, "", " \t", '"}{'])
def test_a_tag_of_any_letters_is_carried_as_it_is(text: str) -> None:
    service = MemoryService(topic=True)
    assert service.deliver({"job_id": "a", "matrix": [[2]], "tags": {"k": text}}) == []
    assert service.record("a").tags == {"k": text}
    assert json.loads(service.events.published[0].body)["tags"] == {"k": text}


@pytest.mark.parametrize(
    "key",
    ["/a.npy", "a//b.npy", "a/./b.npy", "..a/b..npy", "\0.npy", "%00.npy", "é" * 500 + ".npy"],
)
def test_a_key_of_any_letters_has_a_result_below_its_own_job(key: str) -> None:
    service = MemoryService()
    assert service.deliver(service.drop(key, np.eye(90))) == []
    assert service.report
    (outcome,) = service.report.outcomes
    assert outcome.verdict is Verdict.DONE
    job_id = outcome.delivery.job_id
    assert valid_job_id(job_id)
    assert job_id == key[:-4] or re.fullmatch(r"(.+)-[0-9a-f]{32}", job_id)
    (uri,) = (uri for uri in service.store.uris() if uri.startswith("s3://results/"))
    check_key(uri.removeprefix("s3://results/"), job_id)


@given(st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._/-]{0,30}\Z").filter(valid_job_id))
@examples(60)
def test_the_result_of_any_job_is_below_its_own_id(job_id: str) -> None:
    service = MemoryService()
    assert service.deliver({"job_id": job_id, "matrix": [[2]], "output": "s3"}) == []
    (uri,) = service.store.uris()
    check_key(uri.removeprefix("s3://results/"), job_id)
