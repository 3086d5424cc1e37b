"""Whose the buckets must be: the account of the jobs queue, said in every request to S3."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from matinv import pipeline, wiring
from matinv.backends.aws.s3 import S3Store
from matinv.backends.aws.s3_bodies import Pieces
from matinv.errors import Transient
from matinv.jobs import intake
from matinv.jobs.lanes import standard
from matinv.jobs.record import Status
from matinv.local.samples import npy_bytes
from matinv.settings import Settings
from matinv.testing.events import ACCOUNT, s3_notification, sqs_event
from support.faults import Faults, owners_named, refusal

SQS = "https://sqs.eu-west-1.amazonaws.com"


@pytest.fixture
def settings(
    at_moto: str, buckets: tuple[str, str], table_name: str, queue_urls: tuple[str, str, str]
) -> Settings:
    return Settings(*buckets, table_name, standard(queue_urls[0]), queue_urls[1])


@pytest.mark.parametrize(
    ("url", "account"),
    [
        (f"{SQS}/123456789012/matinv-jobs", ACCOUNT),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/jobs", ACCOUNT),
        ("http://127.0.0.1:5000/123456789012/jobs", ACCOUNT),
        (f"{SQS}/queue/123456789012/jobs", ACCOUNT),
        (f"{SQS}/1234567890123/jobs", None),
        (f"{SQS}/00000000000x/jobs", None),
        (f"{SQS}/\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668\u0669\u0660\u0661\u0662/j", None),
        ("https://sqs/jobs", None),
        ("123456789012", None),
    ],
)
def test_the_account_is_that_of_the_jobs_queue(url: str, account: str | None) -> None:
    assert (
        Settings("inputs", "results", "jobs", standard(url), f"{SQS}/1/dead").account_id == account
    )


def test_every_request_of_the_pipeline_names_the_owner(settings: Settings) -> None:
    app = wiring.app_from(settings)
    s3 = app.store._s3
    app = replace(app, store=S3Store(s3, *buckets_of(settings), Pieces(2**16, 5 * 2**20)))
    dropped = []
    with owners_named(s3) as named:
        for n in (2, 200):  # in one piece, and in a multipart upload
            reference = app.store.upload(f"{n}.npy", [npy_bytes(2 * np.eye(n))], {})
            dropped.append(
                s3_notification(
                    reference.bucket,
                    reference.key,
                    version_id=reference.version_id,
                    etag=reference.etag,
                )
            )
        again = [{"job_id": "m", "matrix": [[2]], "output": "s3"}]
        for _ in range(2):
            report = process(app, [*dropped, *again])
            assert report.batch_item_failures() == {"batchItemFailures": []}
            for job_id in ("2", "200", "m"):  # the objects stay, and are found by the second turn
                assert app.table.get([job_id])[job_id].status is Status.SUCCEEDED
                app.table.delete(job_id)
    assert len(named) >= 10
    assert set(named) == {ACCOUNT}


def test_a_bucket_of_another_account_is_denied(settings: Settings) -> None:
    def as_s3_does(request: Any, send: Any) -> Any:  # moto takes the header, and never looks at it
        named = request.headers.get("x-amz-expected-bucket-owner")
        return send() if named in {None, b"123456789012"} else denied(request, send)

    denied = refusal(403, "AccessDenied")
    stranger = settings.jobs_queue_url.replace(ACCOUNT, "999999999999")
    store = wiring.backend(replace(settings, lane=standard(stranger))).store
    Faults(store._s3).script.append(as_s3_does)
    with pytest.raises(Transient, match="ACCESS_DENIED"):
        store.upload("a.npy", [b"1"], {})


def test_a_presigned_url_needs_no_header(settings: Settings) -> None:
    store = wiring.app_from(settings).store
    url = store.url(f"s3://{settings.results_bucket}/j/1.npy", None, 60)
    assert "X-Amz-SignedHeaders=host&" in url
    assert "expected-bucket-owner" not in url.lower()


def test_a_url_for_an_upload_names_the_owner(settings: Settings) -> None:
    place = wiring.app_from(settings).store.upload_url("a.npy", 1, {}, 60)
    assert place.headers["x-amz-expected-bucket-owner"] == ACCOUNT
    assert "x-amz-expected-bucket-owner" in place.url  # among the headers that are signed


def test_without_an_account_in_the_url_no_owner_is_named(settings: Settings) -> None:
    store = wiring.backend(replace(settings, lane=standard("http://127.0.0.1/jobs"))).store
    with owners_named(store._s3) as named:
        store.upload("a.npy", [b"1"], {})
    assert named == [None]


def buckets_of(settings: Settings) -> tuple[str, str]:
    return settings.inputs_bucket, settings.results_bucket


def process(app: pipeline.App, bodies: list[Any]) -> pipeline.Report:
    batch = intake.deliveries(sqs_event([json.dumps(body) for body in bodies]))
    return pipeline.process(app, batch, pipeline.Deadline(lambda: 60.0, 60.0))
