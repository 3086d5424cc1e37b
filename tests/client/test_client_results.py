"""Results: fetched, converted, verified, or the reason why there is none."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from matinv.client import (
    Client,
    ClientError,
    JobFailed,
    JobPartial,
    NotFinished,
    NotFound,
    NotVerified,
)
from matinv.errors import Code
from matinv.formats.codecs import Format
from matinv.jobs.record import Status
from support.memory_service import MemoryService, general

SINGULAR = [[1.0, 2.0], [2.0, 4.0]]


def test_failed_job_raises_with_its_code(client: Client) -> None:
    job = client.submit(SINGULAR)
    assert job.wait().status is Status.FAILED
    with pytest.raises(JobFailed) as caught:
        job.result()
    assert caught.value.error.code is Code.SINGULAR
    assert caught.value.hint


def test_certificate_has_the_determinant(client: Client) -> None:
    job = client.submit([[1, 2], [3, 4]])
    job.wait()
    found = job.certificate()
    assert found.digits > 14
    assert (found.log_abs_det, found.sign) == (pytest.approx(np.log(2)), -1)
    job = client.submit(np.array([[2j]]))
    job.wait()
    assert job.certificate().sign == 1j


def test_no_result_before_the_end_and_none_of_an_unknown_job(
    service: MemoryService, client: Client
) -> None:
    service.working = False
    with pytest.raises(NotFinished):
        client.submit(np.eye(2)).result()
    with pytest.raises(NotFound):
        client.job("nobody").result()
    with pytest.raises(NotFound):
        client.job("nobody").status()


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("output", ["s3", "dynamodb"])
@pytest.mark.parametrize("kind", [np.float64, np.complex128, np.float32])
def test_partial_result_is_nan_where_a_slice_failed_and_warns(
    client: Client, form: Format, output: str, kind: Any
) -> None:
    stack = np.stack([general(3), np.ones((3, 3)), general(3, 1)]).astype(kind)
    job = client.submit(stack, format=form, output=output)
    assert job.wait().status is Status.PARTIAL
    with pytest.warns(JobPartial, match=r"1 of 3 slices \(1\)"):
        inverse = job.result(verify=True)
    assert inverse.dtype == kind
    assert np.isnan(inverse[1]).all()
    np.testing.assert_allclose(inverse[[0, 2]], np.linalg.inv(stack[[0, 2]]), rtol=1e-4, atol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error", JobPartial)
        with pytest.raises(JobPartial):
            job.result()


@pytest.mark.parametrize("output", ["s3", "dynamodb"])
@pytest.mark.parametrize("form", list(Format))
def test_result_is_bit_equal_wherever_and_however_it_is_kept(
    client: Client, form: Format, output: str
) -> None:
    job = client.submit(general(9), format=form, output=output)
    job.wait()
    reference = client.submit(general(9), job_id="reference")
    reference.wait()
    assert (job.result() == reference.result()).all()


@pytest.mark.parametrize(
    "matrix",
    [
        np.diag([1e-200, 1.0]),
        np.array([[1e308, 1e308], [1e308, -1e308]]),
        np.diag([1e-200, 1.0, 1e200, 3.0]) @ general(4),
        general(6) @ general(6).T,
        np.array([[3.0]]),
    ],
)
def test_verification_passes_what_the_service_certified(client: Client, matrix: Any) -> None:
    job = client.submit(matrix)
    assert job.wait().status is Status.SUCCEEDED
    job.result(verify=True)


def test_verification_of_a_message_s_job_elsewhere_needs_the_matrix(
    service: MemoryService, client: Client
) -> None:
    client.submit(general(4), job_id="m").wait()
    elsewhere = service.client.job("m")
    with pytest.raises(NotVerified, match="which is not kept"):
        elsewhere.result(verify=True)
    with pytest.raises(NotVerified, match="not the one"):
        elsewhere.result(verify=general(4, 7))
    elsewhere.result(verify=np.asfortranarray(general(4)))


def test_verification_catches_a_result_that_was_changed(
    service: MemoryService, client: Client
) -> None:
    job = client.submit(general(200), job_id="big")
    result = job.wait().result
    assert result is not None
    assert result.uri is not None
    versions = service.store._versions[result.uri]
    found = versions[-1]
    assert found is not None
    data = bytearray(found.data)
    data[-1] ^= 1
    versions[-1] = type(found)(bytes(data), found.version_id, found.etag, found.metadata)
    job.result()
    with pytest.raises(NotVerified, match="SHA-256"):
        job.result(verify=True)


def test_verification_catches_a_wrong_inverse(service: MemoryService, client: Client) -> None:
    job = client.submit(general(200), job_id="big")
    job.wait()
    with pytest.raises(NotVerified, match="residual"):
        job.result(verify=general(200, 1))


def test_url_of_a_result_in_s3_and_none_of_one_in_its_record(client: Client) -> None:
    client.submit(np.eye(2), job_id="big", output="s3").wait()
    assert "s3://results/big/" in client.job("big").result_url(60)
    client.submit(np.eye(2), job_id="small").wait()
    with pytest.raises(ClientError, match="no URL"):
        client.job("small").result_url()
