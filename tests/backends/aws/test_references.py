"""What a reference makes the worker ask of S3: its own buckets, one object, nothing smuggled in."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import pytest

from matinv import pipeline
from matinv.backends.aws import clients
from matinv.backends.aws.s3 import S3Store
from matinv.formats import npy
from matinv.jobs import intake
from matinv.local.samples import npy_bytes
from matinv.testing.events import eventbridge, s3_notification, sqs_event
from support.memory_service import MemoryService

pytestmark = pytest.mark.deep  # 4 s; the contracts read objects in the quick run

BOMB = "\r\nx-amz-smuggled: 1"


@dataclass
class Wire:
    """A worker on S3, everything else in memory, and the requests that it sends there."""

    store: S3Store
    inputs: str
    other: str
    requests: list[Any]

    def app(self) -> pipeline.App:
        return replace(MemoryService().app, store=self.store, inputs_bucket=self.inputs)

    def deliver(self, *bodies: Any) -> list[Any]:
        """Do the jobs of bodies, for the first time each; return the codes of their errors."""
        event = sqs_event([body if isinstance(body, str) else json.dumps(body) for body in bodies])
        deadline = pipeline.Deadline(lambda: 60.0, 60.0)
        report = pipeline.process(self.app(), intake.deliveries(event), deadline)
        assert report.batch_item_failures() == {"batchItemFailures": []}
        return [outcome.error and outcome.error.code for outcome in report.outcomes]


@pytest.fixture
def wire(at_moto: str, buckets: tuple[str, str], s3: Any, unique: str) -> Wire:
    other = f"{unique}-other"
    s3.create_bucket(Bucket=other)
    s3.put_object(Bucket=other, Key="secret.npy", Body=npy_bytes(np.eye(2)))
    client = clients.client("s3")
    requests: list[Any] = []
    client.meta.events.register("before-send.s3", lambda request, **_: requests.append(request))
    return Wire(S3Store(client, *buckets), buckets[0], other, requests)


def reference(bucket: str, key: str = "secret.npy", **fields: str) -> dict[str, Any]:
    return {"s3": {"bucket": bucket, "key": key, **fields}}


BUCKETS = [
    "{other}",
    "{other}.",
    "{inputs}.",
    "{inputs}/../{other}",
    "{inputs}/",
    "/{inputs}",
    "{inputs}?x=",
    "{inputs}#",
    "{inputs}@{other}",
    "{other}/{inputs}",
    "{inputs}\\..\\{other}",
    "{inputs}%2F..%2F{other}",
    "http://127.0.0.1:9/{inputs}",
    "s3://{other}",
    "arn:aws:s3:::{inputs}",
    "arn:aws:s3:us-east-1:123456789012:accesspoint/{inputs}",
    "arn:aws:s3:us-east-1:123456789012:accesspoint:{inputs}",
    "arn:aws:s3-object-lambda:us-east-1:123456789012:accesspoint/{inputs}",
    "{inputs}--use1-az4--x-s3",
    "mfzwi23gnjvgw.mrap",
    "INPUTS",
    " {inputs}",
    "{inputs}" + BOMB,
]


@pytest.mark.parametrize("name", BUCKETS)
def test_no_request_is_made_for_a_bucket_that_is_not_ours_by_every_letter(
    wire: Wire, name: str
) -> None:
    bucket = name.format(inputs=wire.inputs, other=wire.other).replace(
        "INPUTS", wire.inputs.upper()
    )
    bodies = [
        reference(bucket),
        s3_notification(bucket, "secret.npy"),
        eventbridge(bucket, "secret.npy"),
    ]
    for body in bodies:
        assert wire.deliver(body) == ["FORBIDDEN_REF"]
    assert wire.requests == []


@pytest.mark.parametrize(
    "key", ["../{other}/secret.npy", "./../{other}/secret.npy", "a/../../{other}/secret.npy"]
)
def test_no_request_is_made_for_a_key_that_leads_into_another_bucket(wire: Wire, key: str) -> None:
    climbing = key.format(other=wire.other)
    assert wire.deliver(reference(wire.inputs, climbing)) == ["FORBIDDEN_REF"]
    assert wire.deliver(s3_notification(wire.inputs, climbing)) == ["FORBIDDEN_REF"]
    assert wire.requests == []


@pytest.mark.parametrize(
    "key",
    [
        "%2e%2e/{other}/secret.npy",
        "..%2f{other}/secret.npy",
        "..\\{other}\\secret.npy",
        "a/../secret.npy",
        "?versions&x=.npy",
        "secret.npy?acl=.npy",
        "#.npy",
        "@{other}/secret.npy",
        "http://127.0.0.1:9/secret.npy",
        "a b+c%20.npy",
        "\x00\x1f.npy",
        "é/мир.npy",
        "secret.npy" + BOMB + ".npy",
        "k" * 1020 + ".npy",
    ],
)
def test_a_key_is_asked_for_as_it_is_in_our_bucket_alone(wire: Wire, key: str) -> None:
    odd = key.format(other=wire.other)
    wire.deliver(reference(wire.inputs, odd))
    wire.deliver(s3_notification(wire.inputs, odd, etag=None))
    assert len(wire.requests) >= 2
    for request in wire.requests:
        url = urlsplit(request.url)
        assert (request.method, url.netloc) == ("GET", urlsplit(wire.requests[0].url).netloc)
        assert (unquote(url.path), url.query, url.fragment) == (f"/{wire.inputs}/{odd}", "", "")
        check_headers(request)


def check_headers(request: Any) -> None:
    assert "x-amz-smuggled" not in {name.lower() for name in request.headers}
    for text in request.headers.values():
        assert not set("\r\n") & set(text if isinstance(text, str) else text.decode())


@pytest.mark.parametrize(
    "text", ["v&acl=", "v?x#y", "v" + BOMB, '"', "*", "null", "../x", "é", "%0d"]
)
def test_a_version_and_an_etag_stay_one_value_each(wire: Wire, text: str) -> None:
    wire.deliver(reference(wire.inputs, version_id=text))
    wire.deliver(s3_notification(wire.inputs, "secret.npy", version_id=text, etag=None))
    wire.deliver(s3_notification(wire.inputs, "secret.npy", etag=text))
    assert wire.requests
    for request in wire.requests:
        url = urlsplit(request.url)
        assert unquote(url.path) == f"/{wire.inputs}/secret.npy"
        assert parse_qs(url.query, keep_blank_values=True) in ({}, {"versionId": [text]})
        check_headers(request)


def test_keys_that_differ_only_in_how_they_are_written_are_as_many_objects(
    wire: Wire, s3: Any
) -> None:
    keys = ["a/x.npy", "a/./x.npy", "a%2Fx.npy", "A/x.npy", "a//x.npy", "\u00e1.npy"]
    for order, key in enumerate(keys, 1):
        s3.put_object(Bucket=wire.inputs, Key=key, Body=npy_bytes(np.eye(2) * order))
    batch = intake.deliveries(sqs_event([s3_notification(wire.inputs, *keys, etag=None)]))
    report = pipeline.process(wire.app(), batch, pipeline.Deadline(lambda: 60.0, 60.0))
    found = {o.delivery.job_id: npy.decode(result_of(o)) for o in report.outcomes}
    assert [found[delivery.job_id][0, 0] for delivery in batch] == [1 / n for n in range(1, 7)]


def result_of(outcome: pipeline.Outcome) -> bytes:
    assert outcome.record
    assert outcome.record.result
    return outcome.record.result.inline or b""
