"""The Python client, against the memory twins and the real pipeline."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinv.client import (
    Client,
    ClientError,
    JobFailed,
    JobPartial,
    Mode,
    NotFinished,
    NotFound,
    NotVerified,
    Superseded,
    TimedOut,
    prepare,
)
from matinv.client.message_text import edited, members
from matinv.client.prepare import INLINE_LIMIT_BYTES, job_id_of_name
from matinv.client.residual import residual
from matinv.errors import Code, MatinvError, Refused, Transient
from matinv.formats.names import Format
from matinv.jobs.ids import valid_job_id
from matinv.jobs.message import parse_message
from matinv.jobs.record import Record, Status
from matinv.jobs.request import Options
from matinv.linalg.certificate import Side
from matinv.linalg.types import Method
from matinv.local.samples import npy_bytes
from matinv.settings import SettingsError
from support.memory_service import SETTINGS, MemoryService, general

SINGULAR = [[1.0, 2.0], [2.0, 4.0]]


@pytest.fixture
def service() -> MemoryService:
    return MemoryService.make()


@pytest.fixture
def client(service: MemoryService) -> Client:
    return service.client


def refusal(source: Any, **options: Any) -> Code:
    with pytest.raises(Refused) as caught:
        prepare(source, **options)
    return caught.value.code


# --- submitting arrays


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
    assert "job_id" not in json.loads(body)
    assert parse_message(body.encode()).job_id == job.job_id


def test_default_job_id_is_the_same_in_a_message_and_as_a_file() -> None:
    inline = prepare(general(155))
    uploaded = prepare(general(155), options=Options(tags={f"t{k}": "x" * 250 for k in range(7)}))
    assert inline.body is not None
    assert uploaded.body is None
    assert uploaded.job_id == inline.job_id


def test_default_job_id_of_integers_is_that_of_the_floats_that_the_worker_reads() -> None:
    integers = np.diag(np.arange(1, 201))
    assert prepare(integers).job_id == prepare(integers.astype(float)).job_id


def test_same_array_twice_is_one_job_and_is_not_sent_again(
    service: MemoryService, client: Client
) -> None:
    client.submit(np.eye(3)).wait()
    again = client.submit(np.eye(3))
    assert again.ended
    assert service.queue.sent == []
    assert again.result().tolist() == np.eye(3).tolist()


def test_job_that_still_waits_is_sent_again_because_duplicates_are_harmless(
    service: MemoryService, client: Client
) -> None:
    client.submit(np.eye(3))
    job = client.submit(np.eye(3))
    assert not job.ended
    assert len(service.queue.sent) == 2
    assert job.wait().status is Status.SUCCEEDED


def test_other_input_under_the_same_job_id_is_refused_before_it_is_sent(
    service: MemoryService, client: Client
) -> None:
    client.submit(np.eye(3), job_id="mine").wait()
    for other in (2 * np.eye(3), general(200)):
        with pytest.raises(Refused) as caught:
            client.submit(other, job_id="mine")
        assert caught.value.code is Code.JOB_ID_CONFLICT
    assert service.queue.sent == []
    assert service.store.uris() == []


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


@pytest.mark.parametrize("tags", [{"Team": "fem"}, {"team": "é"}, {"a\nb": "c"}])
def test_tag_that_s3_would_change_is_refused_for_a_file(tags: dict[str, str]) -> None:
    assert refusal(general(200), options=Options(tags=tags)) is Code.BAD_MESSAGE


def test_option_that_does_not_exist_is_a_value_error(client: Client) -> None:
    with pytest.raises(ValueError, match="lu"):
        client.submit(np.eye(2), method="lu")


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ([[1, 2, 3], [4, 5, 6]], Code.NOT_SQUARE),
        ([[1, 2], [3]], Code.RAGGED),
        (np.zeros((0, 0)), Code.EMPTY),
        (3.0, Code.NOT_SQUARE),
        (np.array([[None]]), Code.UNSUPPORTED_DTYPE),
        (np.array([["1"]]), Code.UNSUPPORTED_DTYPE),
        (np.array([[True]]), Code.UNSUPPORTED_DTYPE),
        (np.zeros((1, 1), np.float16), Code.UNSUPPORTED_DTYPE),
        (np.zeros((2, 2), [("a", "f8")]), Code.UNSUPPORTED_DTYPE),
        (np.array([[2**53 + 1]]), Code.PRECISION),
        (b"", Code.BAD_FORMAT),
        (b"{", Code.BAD_FORMAT),
        (b'[[1]], "method": "pinv"', Code.BAD_FORMAT),
        (b'{"matrix": ' + b"[" * 100_000, Code.BAD_FORMAT),
        (b"\xff\xfe", Code.BAD_FORMAT),
        (b"[[1, 2], [3]]", Code.RAGGED),
        (b'{"s3": {"bucket": "inputs", "key": "a.npy"}}', Code.BAD_MESSAGE),
        (b'{"matrix": [[1]], "job_id": "../x"}', Code.BAD_JOB_ID),
        (b'{"matrix": [[1]], "unknown": 1}', Code.BAD_MESSAGE),
        (b"\x93NUMPY", Code.BAD_FORMAT),
    ],
)
def test_bad_matrix_is_refused_here_with_the_worker_s_code(source: Any, code: Code) -> None:
    assert refusal(source) is code


@pytest.mark.parametrize("job_id", ["", "../x", "a//b", "a\n", "Ж", "x" * 129])
def test_bad_job_id_is_refused_here(job_id: str) -> None:
    assert refusal(np.eye(2), job_id=job_id) is Code.BAD_JOB_ID


# --- submitting files


def test_file_is_sent_under_its_name(client: Client, tmp_path: Path) -> None:
    np.save(tmp_path / "exp-42.npy", general(4))
    job = client.submit(tmp_path / "exp-42.npy")
    assert job.job_id == "exp-42"
    assert job.wait().status is Status.SUCCEEDED
    assert client.submit(str(tmp_path / "exp-42.npy")).ended


def test_large_file_is_uploaded_byte_by_byte(
    service: MemoryService, client: Client, tmp_path: Path
) -> None:
    path = tmp_path / "big.npy"
    np.save(path, general(300, dtype=">f4"))
    job = client.submit(path)
    reference = service.store.find_input("big")
    assert reference is not None
    with service.store.open(reference) as blob:
        assert blob.read(10**9) == path.read_bytes()
    assert job.wait().status is Status.SUCCEEDED
    job.result(verify=True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("exp-42", "exp-42"),
        ("run 7 (final)", "run-7-final"),
        (".hidden", "hidden"),
        ("a..b", "a.b"),
        ("sub/dir/a b", "sub/dir/a-b"),
        ("x" * 200, "x" * 128),
        ("x" * 127 + "/y", "x" * 127),
    ],
)
def test_file_name_becomes_a_valid_job_id(name: str, expected: str) -> None:
    assert job_id_of_name(name) == expected


@pytest.mark.parametrize("name", ["матрица", "", "...", "/", "-", "a\u202eb", "x" * 126 + ". ."])
def test_name_without_a_valid_letter_still_gets_a_job_id(name: str) -> None:
    assert valid_job_id(job_id_of_name(name))


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


def test_json_message_keeps_its_own_id_and_options_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text('{"job_id": "own", "matrix": [[1]], "method": "spd", "output": "s3"}')
    own, told = prepare(path), prepare(path, "told", Options(Method.GENERAL))
    assert (own.job_id, own.options.method) == ("own", Method.SPD)
    assert (told.job_id, told.options.method, told.options.output) == ("told", "general", "s3")


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


def test_number_s_text_is_sent_as_it_stands(service: MemoryService, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[[-0.0, 1e-320], [0.1000000000000000055, 1]]")
    service.client.submit(tmp_path / "a.json")
    assert "[[-0.0, 1e-320], [0.1000000000000000055, 1]]" in service.queue.sent[0]


def test_missing_file_is_an_os_error_and_another_extension_bad_format(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        prepare(tmp_path / "none.npy")
    (tmp_path / "a.txt").write_text("1")
    assert refusal(tmp_path / "a.txt") is Code.BAD_FORMAT


def test_file_cut_short_is_refused_by_its_header(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(npy_bytes(general(300))[:-1])
    assert refusal(tmp_path / "a.npy") is Code.BAD_LENGTH


# --- the order of writes


def test_record_says_queued_at_once_and_as_the_worker_will_know_the_input(
    service: MemoryService, client: Client
) -> None:
    job = client.submit(np.eye(2), job_id="a")
    queued = service.table.records["a"]
    assert (queued.status, queued.revision) == (Status.QUEUED, 1)
    assert job.wait().input.id == queued.input.id
    assert job.record().revision == 2


def test_message_is_sent_first_so_that_a_crash_before_the_record_loses_nothing(
    service: MemoryService, client: Client
) -> None:
    def crash(moment: str) -> None:
        if moment == "put:before":
            raise KeyboardInterrupt

    service.table.fail = crash
    with pytest.raises(KeyboardInterrupt):
        client.submit(np.eye(2), job_id="a")
    service.table.fail = None
    assert client.job("a").wait().status is Status.SUCCEEDED


def test_table_that_cannot_be_written_does_not_fail_what_was_sent(
    service: MemoryService, client: Client
) -> None:
    def throttle(moment: str) -> None:
        if moment == "put:before":
            raise Transient(Code.THROTTLED, "too fast")

    service.table.fail = throttle
    job = client.submit(np.eye(2))
    assert len(service.queue.sent) == 1
    service.table.fail = None
    assert job.wait().status is Status.SUCCEEDED


def test_message_that_could_not_be_sent_leaves_no_record(
    service: MemoryService, client: Client
) -> None:
    def break_(moment: str) -> None:
        if moment == "send:before":
            raise Transient(Code.STORAGE, "the queue is away")

    service.queue.fail = break_
    with pytest.raises(Transient):
        client.submit(np.eye(2))
    assert service.table.records == {}


def test_one_that_cannot_be_sent_leaves_the_others_alone(
    service: MemoryService, client: Client
) -> None:
    client.submit(np.eye(2), job_id="taken").wait()
    submissions = [
        prepare(k * np.eye(3), job_id) for k, job_id in enumerate(("a", "taken", "b"), 1)
    ]
    a, taken, b = client.send(submissions)
    assert isinstance(taken, MatinvError)
    assert not isinstance(a, MatinvError)
    assert not isinstance(b, MatinvError)
    assert {r.status for r in client.wait([a, b]).values()} == {Status.SUCCEEDED}


# --- waiting


def test_one_read_serves_all_jobs_of_a_round(service: MemoryService, client: Client) -> None:
    jobs = [client.submit(k * np.eye(2), job_id=f"j{k}") for k in range(1, 121)]
    service.table.calls.clear()
    records = client.wait(jobs)
    assert len(records) == 120
    looks = len(service.pauses) + 1
    # The worker reads once for its batch, too.
    assert service.table.calls["get"] <= looks + 2


def test_pauses_grow_up_to_a_limit(service: MemoryService, client: Client) -> None:
    service.working = False
    client.submit(np.eye(2), job_id="a")
    with pytest.raises(TimedOut):
        client.job("a").wait(timeout_s=120)
    assert service.pauses[0] == pytest.approx(0.1)
    assert max(service.pauses) == pytest.approx(5.0)
    assert sum(service.pauses) == pytest.approx(120)
    assert service.pauses[:-1] == sorted(service.pauses[:-1])


def test_timeout_names_the_jobs_that_go_on(service: MemoryService, client: Client) -> None:
    done = client.submit(np.eye(2), job_id="done")
    done.wait()
    service.working = False
    client.submit(np.eye(3), job_id="late")
    with pytest.raises(TimedOut) as caught:
        client.wait(["done", "late"], timeout_s=3)
    assert caught.value.job_ids == ("late",)
    assert caught.value.records["done"].status is Status.SUCCEEDED
    assert "3 s" in str(caught.value)


def test_zero_timeout_looks_once(service: MemoryService, client: Client) -> None:
    client.submit(np.eye(2), job_id="a")
    with pytest.raises(TimedOut):
        client.job("a").wait(timeout_s=0)
    assert service.pauses == []


def test_any_returns_with_the_first_that_ends(service: MemoryService, client: Client) -> None:
    client.submit(np.eye(2), job_id="first").wait()
    service.working = False
    client.submit(np.eye(3), job_id="second")
    service.pauses.clear()
    records = client.wait(["first", "second"], mode=Mode.ANY)
    assert {i: r.status for i, r in records.items()} == {"first": "SUCCEEDED", "second": "QUEUED"}
    assert service.pauses == []


def test_unknown_id_is_not_found_after_a_grace_in_which_a_producer_s_message_may_arrive(
    service: MemoryService, client: Client
) -> None:
    with pytest.raises(NotFound):
        client.job("typo").wait()
    assert 30 <= sum(service.pauses) < 40

    def produce() -> None:
        if sum(service.pauses) > 80:
            service.queue.send('{"job_id": "typo", "matrix": [[2]]}')

    service.pauses.clear()
    service.on_sleep = produce
    with pytest.raises(NotFound):
        client.job("typo").wait(timeout_s=10)
    service.world.now_s += 100
    service.queue.send('{"job_id": "typo", "matrix": [[2]]}')
    assert client.job("typo").wait().status is Status.SUCCEEDED


def test_unknown_id_does_not_end_the_waiting_for_others(
    service: MemoryService, client: Client
) -> None:
    service.working = False
    client.submit(np.eye(2), job_id="slow")

    def late() -> None:
        service.working = sum(service.pauses) > 60

    service.on_sleep = late
    with pytest.raises(NotFound) as caught:
        client.wait(["slow", "typo"])
    assert caught.value.job_ids == ("typo",)
    assert caught.value.records["slow"].status is Status.SUCCEEDED


def test_changes_are_reported_once_each(service: MemoryService, client: Client) -> None:
    seen: list[tuple[str, Status]] = []

    def note(record: Record) -> None:
        seen.append((record.job_id, record.status))

    service.working = False
    client.submit(np.eye(2), job_id="a")
    service.on_sleep = lambda: setattr(service, "working", len(service.pauses) > 3)
    client.wait(["a", "a"], on_change=note)
    assert seen == [("a", Status.QUEUED), ("a", Status.SUCCEEDED)]


def test_file_without_a_record_is_looked_for_once(service: MemoryService, client: Client) -> None:
    client.submit(general(200), job_id="f")
    service.working = False
    other = service.client
    with pytest.raises(TimedOut):
        other.wait(["f"], timeout_s=60)
    assert service.store.calls["find_input"] == 1
    assert other.job("f").status() is Status.QUEUED


def test_waiting_for_nothing_is_over_at_once(client: Client) -> None:
    assert client.wait([]) == {}


def test_newer_upload_is_waited_for_although_the_older_has_ended(
    service: MemoryService, client: Client
) -> None:
    old = client.submit(general(200), job_id="same")
    old.wait()
    new = client.submit(2 * general(200), job_id="same")
    assert new.status() is Status.QUEUED
    with pytest.raises(NotFinished):
        new.result()
    new.wait()
    np.testing.assert_allclose(new.result(verify=True), old.client.job("same").result())
    np.testing.assert_allclose(2 * new.result() @ general(200), np.eye(200), atol=1e-12)
    with pytest.raises(Superseded):
        old.result()
    assert old.wait().status is Status.SUCCEEDED


# --- results


def test_failed_job_raises_with_its_code(client: Client) -> None:
    job = client.submit(SINGULAR)
    assert job.wait().status is Status.FAILED
    with pytest.raises(JobFailed) as caught:
        job.result()
    assert caught.value.error.code is Code.SINGULAR
    assert caught.value.hint


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
    with pytest.raises(NotVerified, match="nobody keeps"):
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


def test_residual_is_nan_for_another_shape_and_for_nothing_but_nan() -> None:
    assert np.isnan(residual(np.eye(2), np.eye(3)))
    assert np.isnan(residual(np.eye(2), np.full((2, 2), np.nan)))


def test_residual_is_judged_on_the_side_that_the_certificate_names() -> None:
    rng = np.random.default_rng(0)
    u, v = (np.linalg.qr(rng.standard_normal((6, 6)))[0] for _ in range(2))
    matrix = u @ np.diag([1, 1, 1, 1, 1, 1e-6]) @ v.T
    # Wrong along the largest singular value on the right, along the smallest on the left.
    wrong = np.linalg.inv(matrix) + 1e-6 * np.outer(v[:, 0], u[:, -1])
    assert residual(matrix, wrong, Side.LEFT) < 30
    assert residual(matrix, wrong, Side.RIGHT) > 30


def test_url_of_a_result_in_s3_and_none_of_one_in_its_record(client: Client) -> None:
    client.submit(np.eye(2), job_id="big", output="s3").wait()
    assert "s3://results/big/" in client.job("big").result_url(60)
    client.submit(np.eye(2), job_id="small").wait()
    with pytest.raises(ClientError, match="no URL"):
        client.job("small").result_url()


def test_list_is_newest_first_over_all_statuses(service: MemoryService, client: Client) -> None:
    for k, job_id in enumerate("abc"):
        client.submit((k + 1) * np.eye(2), job_id=job_id).wait()
    client.submit(SINGULAR, job_id="bad").wait()
    service.working = False
    service.world.now_s += 1
    client.submit(5 * np.eye(2), job_id="new")
    assert [record.job_id for record in client.list()] == ["new", "bad", "c", "b", "a"]
    assert [record.job_id for record in client.list(limit=2)] == ["new", "bad"]
    assert [record.job_id for record in client.list("SUCCEEDED", 2)] == ["c", "b"]


# --- connecting


def test_connect_names_all_that_is_missing() -> None:
    with pytest.raises(SettingsError, match="MATINV_DLQ_URL"):
        Client.connect({})


def test_connect_builds_a_client_of_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    client = Client.connect(SETTINGS.to_environment())
    assert client.settings == SETTINGS


# --- message bodies


def test_body_is_edited_without_touching_numbers() -> None:
    body = '{ "matrix" : [[1E0, -0, 1e400],[0.10, "\\"],[", {"a": [1]}]] , "job_id":"a" }'
    assert members(body)["matrix"] == '[[1E0, -0, 1e400],[0.10, "\\"],[", {"a": [1]}]]'
    assert json.loads(edited(body, {"job_id": "b", "redrive": 2}))["redrive"] == 2
    assert members(edited(body, {"job_id": None})).keys() == {"matrix"}
    assert members("{}") == {}


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"a"}', '{"a": 1,}', '{"a": 1} x', '{"a": 1 "b": 2}', '{"a":1,"a":2}']
)
def test_body_that_is_no_object_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        members(text)
