"""Dropped files are read with the options in their metadata."""

from __future__ import annotations

import json

import numpy as np
import pytest

from matinv.jobs.record import Status
from support.bodies import GOOD, INVERSE, SINGULAR
from support.memory_service import INPUTS, MemoryService


def test_dropped_npy_file_is_inverted_into_the_results_bucket(service: MemoryService) -> None:
    a = np.random.default_rng(1).normal(size=(70, 70))
    assert service.deliver(service.drop("fem/run-1.npy", a)) == []
    record = service.record("fem/run-1")
    assert record.status is Status.SUCCEEDED
    assert record.result is not None
    assert record.result.uri is not None
    assert record.result.uri.startswith("s3://results/fem/run-1/")
    assert np.allclose(service.stored("fem/run-1") @ a, np.eye(70))


def test_options_of_a_dropped_file_come_from_its_metadata(service: MemoryService) -> None:
    event = service.drop("p.npy", np.array(SINGULAR, float), method="pinv", tag_team="fem")
    assert service.deliver(event) == []
    record = service.record("p")
    assert record.certificate is not None
    assert record.certificate.method == "pinv"
    assert record.tags == {"team": "fem"}


@pytest.mark.parametrize(
    "text", [json.dumps(GOOD), json.dumps({"matrix": GOOD, "tags": {"a": "b"}})]
)
def test_dropped_json_file_is_inverted(service: MemoryService, text: str) -> None:
    assert service.deliver(service.drop("j.json", text.encode())) == []
    assert service.inverse("j") == INVERSE


def test_reference_without_version_finds_its_object(service: MemoryService) -> None:
    service.drop("ref.npy", 2 * np.eye(2))
    service.deliver({"job_id": "other", "s3": {"bucket": INPUTS, "key": "ref.npy"}})
    assert np.array_equal(service.stored("other"), 0.5 * np.eye(2))


@pytest.mark.parametrize("bucket", [INPUTS, "elsewhere"])
def test_a_message_of_the_extended_client_is_worked_on_if_its_object_is_ours(
    service: MemoryService, bucket: str
) -> None:
    service.drop("big.npy", 2 * np.eye(2))
    name = "software.amazon.payloadoffloading.PayloadS3Pointer"
    assert service.deliver([name, {"s3BucketName": bucket, "s3Key": "big.npy"}]) == []
    if bucket == INPUTS:
        assert np.array_equal(service.stored("big"), 0.5 * np.eye(2))
    else:
        assert service.error("big") == "FORBIDDEN_REF"
