"""The Python client, against the ports in memory and the real pipeline."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinv.client import (
    Client,
)
from matinv.client.preparation import INLINE_LIMIT_BYTES
from matinv.errors import Refused
from matinv.formats.codecs import Format
from matinv.jobs.message import parse_message
from matinv.jobs.record import Status
from matinv.linalg.types import Method
from matinv.settings import SettingsError
from support.memory_service import SETTINGS, MemoryService, general

SINGULAR = [[1.0, 2.0], [2.0, 4.0]]


@pytest.mark.parametrize(
    "array",
    [
        general(5),
        general(5, dtype=">f8"),
        general(5, dtype=np.float32),
        general(5, dtype=np.complex64) * (1 + 1j),
        np.asfortranarray(general(5)),
        general(10)[::2, ::2],
        np.array([[2, 1], [1, 1]], np.int32),
        np.stack([general(4), general(4, 1)]),
        np.asfortranarray(np.stack([general(4), general(4, 1)])),
    ],
    ids=["f8", ">f8", "f4", "c8", "F", "strided", "i4", "stack", "F-stack"],
)
def test_any_array_goes_in_and_its_inverse_comes_out(client: Client, array: Any) -> None:
    job = client.submit(array)
    assert job.wait().status is Status.SUCCEEDED
    inverse = job.result(verify=True)
    expected = np.linalg.inv(np.asarray(array, array.dtype.newbyteorder("=")))
    np.testing.assert_allclose(inverse, expected, rtol=2e-4 if array.itemsize == 4 else 1e-4)
    assert inverse.dtype == np.linalg.inv(array.astype(array.dtype.newbyteorder("="))).dtype


def test_lists_are_arrays_too(client: Client) -> None:
    job = client.submit([[1, 2], [3, 4]])
    job.wait()
    assert job.result().tolist() == [[-2.0, 1.0], [1.5, -0.5]]


def test_small_array_travels_inside_a_message(service: MemoryService, client: Client) -> None:
    client.submit(general(8), job_id="small")
    assert len(service.queue.sent) == 1
    assert service.store.uris() == []


def test_large_array_is_uploaded_and_the_upload_alone_starts_the_job(
    service: MemoryService, client: Client
) -> None:
    job = client.submit(general(200), job_id="large")
    assert service.queue.sent == []
    assert service.store.uris() == ["s3://inputs/large.npy"]
    assert service.table.records == {}
    assert job.status() is Status.QUEUED
    assert job.wait().status is Status.SUCCEEDED
    np.testing.assert_allclose(job.result(verify=True) @ general(200), np.eye(200), atol=1e-12)


@pytest.mark.parametrize("n", [1, 8, 100, 150, 156, 157, 158, 160, 300])
def test_no_message_exceeds_the_queue_and_every_size_arrives(
    service: MemoryService, n: int
) -> None:
    job = service.client.submit(general(n))
    assert all(len(body) <= INLINE_LIMIT_BYTES for body in service.queue.sent)
    assert job.wait().status is Status.SUCCEEDED


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("form", [None, *Format])
def test_default_job_id_is_the_one_that_the_worker_derives(
    service: MemoryService, method: Method, form: Format | None
) -> None:
    job = service.client.submit(np.eye(3), method=method, format=form)
    (body,) = service.queue.sent
    fields = json.loads(body)
    assert fields.pop("job_id") == job.job_id
    assert parse_message(json.dumps(fields).encode()).job_id == job.job_id


def test_options_reach_the_record(client: Client) -> None:
    job = client.submit(
        SINGULAR, job_id="p", method="pinv", output="s3", format="json", tags={"Team": "Übung"}
    )
    record = job.wait()
    assert record.tags == {"Team": "Übung"}
    assert record.result is not None
    assert record.result.format is Format.JSON
    assert record.result.uri is not None
    assert record.certificate is not None
    assert record.certificate.method == "pinv"
    np.testing.assert_allclose(job.result(verify=True), np.linalg.pinv(SINGULAR), atol=1e-15)


def test_options_of_a_file_travel_as_metadata(client: Client) -> None:
    job = client.submit(general(200), method="general", format="json", tags={"team": "fem"})
    record = job.wait()
    assert record.tags == {"team": "fem"}
    assert record.result is not None
    assert record.result.format is Format.JSON
    np.testing.assert_allclose(job.result() @ general(200), np.eye(200), atol=1e-12)


def test_option_that_does_not_exist_is_refused_with_those_that_do(client: Client) -> None:
    with pytest.raises(Refused, match="found: lu; allowed: auto, general, spd, pinv"):
        client.submit(np.eye(2), method="lu")


def test_file_is_sent_under_its_name(client: Client, tmp_path: Path) -> None:
    np.save(tmp_path / "exp-42.npy", general(4))
    job = client.submit(tmp_path / "exp-42.npy")
    assert job.job_id == "exp-42"
    assert job.wait().status is Status.SUCCEEDED
    assert client.submit(str(tmp_path / "exp-42.npy")).had_ended


def test_large_file_is_uploaded_byte_by_byte(
    service: MemoryService, client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "big.npy"
    np.save(path, general(300, dtype=">f4"))
    job = client.submit(path)
    reference = service.store.find_input("big.npy")
    assert reference is not None
    with service.store.open(reference) as blob:
        assert blob.read(10**9) == path.read_bytes()
    assert job.wait().status is Status.SUCCEEDED
    job.result(verify=True)


@pytest.mark.parametrize(
    "text",
    [
        "[[4, 1], [1, 3]]",
        ' \n{"matrix": [[4, 1], [1, 3]]}',
        '{"re": [[4, 1], [1, 3]], "im": [[0, 0], [0, 0]]}',
        '{"v": 1, "job_id": "m", "matrix": [[4, 1], [1, 3]], "method": "general"}',
    ],
)
def test_json_file_is_a_matrix_or_a_message(client: Client, tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text)
    job = client.submit(tmp_path / "m.json")
    assert job.job_id == "m"
    job.wait()
    np.testing.assert_allclose(job.result(verify=True), np.linalg.inv([[4, 1], [1, 3]]))


def test_large_json_message_is_uploaded_without_its_id_and_with_the_options_told(
    client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "file.json"
    message = {"job_id": "own", "matrix": general(130).tolist(), "method": "spd"}
    path.write_text(json.dumps(message))
    job = client.submit(path, method="general")
    assert job.job_id == "own"
    record = job.wait()
    assert record.status is Status.SUCCEEDED
    assert record.input.source == "s3://inputs/own.json"
    job.result(verify=True)
    job.result(verify=np.array(message["matrix"]))


def test_connect_names_all_that_is_missing() -> None:
    with pytest.raises(SettingsError, match="MATINV_DLQ_URL"):
        Client.connect({})


def test_connect_builds_a_client_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    client = Client.connect(SETTINGS.to_environment())
    assert client.settings == SETTINGS


def test_a_status_is_listed_in_any_case_and_another_word_is_refused(client: Client) -> None:
    job = client.submit([[1.0, 2.0], [2.0, 4.0]])
    job.wait()
    assert [record.job_id for record in client.list(status="failed")] == [job.job_id]
    with pytest.raises(Refused, match=r"allowed: QUEUED, RUNNING, RETRYING, SUCCEEDED"):
        client.list(status="done")


def test_an_option_that_there_is_none_of_is_a_type_error_that_names_it(client: Client) -> None:
    for call in (client.submit, client.map):
        with pytest.raises(TypeError, match="metod"):
            call([[2.0]], metod="general")  # type: ignore[operator]
