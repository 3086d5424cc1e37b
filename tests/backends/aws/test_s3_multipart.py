"""S3: large results are uploaded in parts: the requests that are made, and a fault in each."""

from __future__ import annotations

import hashlib
import io
import threading
from base64 import b64decode
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from matinv.backends.aws.s3 import S3Store
from matinv.backends.aws.s3_bodies import Pieces
from matinv.errors import Refused, Transient
from matinv.formats import npy
from matinv.linalg.types import Matrix
from matinv.ports import Stored
from matinv.testing.contracts import digest
from support.faults import Faults, lost_answer, once, only, refusal

pytestmark = pytest.mark.deep

SERVICE = "s3"

MIB = 2**20

PIECES = Pieces(above_bytes=6 * MIB, size_bytes=5 * MIB)

FIRST = {"matinv-job-id": "first"}

COMPLETE = "POST …uploadId="

IN_THREE = {"CreateMultipartUpload": 1, "UploadPart": 3, "CompleteMultipartUpload": 1}


@pytest.fixture
def store(client: Any, buckets: tuple[str, str], faults: Faults) -> S3Store:
    return S3Store(client, *buckets, PIECES)


def matrix(dtype: Any = np.float64, order: Any = "C") -> Matrix:
    """A matrix of 12 MiB: three pieces."""
    n = int((12 * MIB / np.dtype(dtype).itemsize) ** 0.5)
    values = np.random.default_rng(0).integers(0, 100, (n, n))
    return np.asarray(values.astype(dtype), order=order)


def saved(array: Matrix) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def put(store: S3Store, parts: Sequence[Any] = (), metadata: Any = FIRST) -> Stored:
    parts = parts or npy.parts(matrix())
    return store.put_result("j/1.npy", parts, digest(parts), metadata)


@pytest.fixture
def unfinished(client: Any, buckets: tuple[str, str]) -> Callable[[], list[Any]]:
    """Return a look for uploads of results that nobody will finish."""
    return lambda: client.list_multipart_uploads(Bucket=buckets[1]).get("Uploads", [])


def still_running() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("matinv-aws")]


class TestWriting:
    def test_a_large_result_is_an_upload_of_parts(
        self, store: S3Store, faults: Faults, client: Any, buckets: Any
    ) -> None:
        array = matrix()
        stored = put(store, npy.parts(array))
        assert stored.metadata is None
        assert faults.calls == IN_THREE
        with store.results(stored.uri, stored.version_id) as blob:
            assert blob.read(blob.size_bytes) == saved(array)
            assert blob.metadata == FIRST
        head = client.head_object(Bucket=buckets[1], Key="j/1.npy")
        assert head["ContentType"] == "application/x-npy"
        assert head["VersionId"] == stored.version_id

    def test_a_result_in_parts_travels_with_its_hashes_and_its_condition(
        self, store: S3Store, client: Any
    ) -> None:
        # moto does not compare the hashes; that S3 is asked to is all that can be seen here.
        seen: list[tuple[str, dict[str, Any], bytes]] = []

        def look(request: Any, event_name: str, **_: object) -> None:
            headers = {name.lower(): value for name, value in request.headers.items()}
            seen.append((event_name.rpartition(".")[2], headers, request.body))

        client.meta.events.register("before-send.s3", look)
        content = np.random.default_rng(0).bytes(12 * MIB)
        put(store, [content])
        sent = [headers["x-amz-checksum-sha256"] for name, headers, _ in seen if "Part" in name]
        pieces = [content[begin : begin + 5 * MIB] for begin in range(0, 12 * MIB, 5 * MIB)]
        assert sorted(map(b64decode, sent)) == sorted(hashlib.sha256(p).digest() for p in pieces)
        name, headers, body = seen[-1]
        assert name == "CompleteMultipartUpload"
        assert headers["if-none-match"] in {"*", b"*"}
        assert body.count(b"<ChecksumSHA256>") == 3

    @pytest.mark.parametrize(("extra", "call"), [(0, "PutObject"), (1, "CompleteMultipartUpload")])
    def test_a_small_result_takes_one_put(
        self, store: S3Store, faults: Faults, extra: int, call: str
    ) -> None:
        put(store, [bytes(PIECES.above_bytes), bytes(extra)])
        assert faults.calls[call] == 1
        assert ("PutObject" in faults.calls) is (call == "PutObject")

    @pytest.mark.parametrize("fault", [refusal(503, "SlowDown"), lost_answer])
    @pytest.mark.parametrize("to", ["PUT …partNumber=2", COMPLETE])
    def test_one_fault_is_overcome(
        self, store: S3Store, faults: Faults, unfinished: Any, to: str, fault: Any
    ) -> None:
        faults.script.extend([once(to, fault)] * 9)
        assert put(store).metadata is None
        assert faults.calls.total() == sum(IN_THREE.values()) + 1
        assert not unfinished()

    @pytest.mark.parametrize(
        ("answer", "code"),
        [((503, "SlowDown"), "THROTTLED"), ((400, "BadDigest"), "STORAGE")],
    )
    @pytest.mark.parametrize("to", ["PUT …partNumber=2", COMPLETE])
    def test_a_fault_that_stays_is_transient(
        self, store: S3Store, faults: Faults, to: str, answer: Any, code: str
    ) -> None:
        faults.script.extend([only(to, refusal(*answer))] * 50)
        with pytest.raises(Transient, match=code):
            put(store)
        assert faults.calls["AbortMultipartUpload"] == 1

    def test_what_fails_leaves_nothing(
        self, store: S3Store, faults: Faults, unfinished: Any, buckets: Any
    ) -> None:
        faults.script.extend([only("PUT …partNumber=2", refusal(403, "AccessDenied"))] * 9)
        with pytest.raises(Transient, match="ACCESS_DENIED"):
            put(store)
        assert not still_running()
        faults.script.clear()
        assert not unfinished()
        uri = f"s3://{buckets[1]}/j/1.npy"
        with pytest.raises(Refused, match="INPUT_GONE"), store.results(uri, None):
            pytest.fail("there is a result")

    def test_the_first_error_is_told_even_if_nothing_can_be_taken_back(
        self, store: S3Store, faults: Faults
    ) -> None:
        def answer(request: Any, send: Any) -> Any:
            error = (400, "BadDigest") if request.method == "PUT" else (403, "AccessDenied")
            return refusal(*error)(request, send)

        faults.script.extend([None] + [answer] * 9)
        with pytest.raises(Transient, match="BadDigest"):
            put(store)
        assert faults.calls["AbortMultipartUpload"] == 1

    def test_a_lost_race_adopts_what_is_there_and_leaves_nothing(
        self, store: S3Store, faults: Faults, unfinished: Any
    ) -> None:
        first = put(store)
        found = put(store, [b"x" * 12 * MIB], {"matinv-job-id": "second"})
        assert found == Stored(first.uri, first.version_id, FIRST)
        assert faults.calls == {
            "CreateMultipartUpload": 2,
            "UploadPart": 6,
            "CompleteMultipartUpload": 2,
            "AbortMultipartUpload": 1,
            "HeadObject": 1,
        }
        assert not unfinished()

    def test_a_conflict_with_another_writer_is_tried_again_from_the_start(
        self, store: S3Store, faults: Faults, unfinished: Any
    ) -> None:
        in_flight = only(COMPLETE, refusal(409, "ConditionalRequestConflict"))
        faults.script.extend([None] * 4 + [in_flight])
        assert put(store).metadata is None
        assert faults.calls["CreateMultipartUpload"] == 2
        assert faults.calls["HeadObject"] == 1
        assert not unfinished()

    @pytest.mark.parametrize(
        "again", [refusal(412, "PreconditionFailed"), refusal(404, "NoSuchUpload")]
    )
    def test_a_result_whose_last_answer_was_lost_is_adopted(
        self, store: S3Store, faults: Faults, again: Any
    ) -> None:
        # What S3 may say when botocore asks again; moto says 200.
        faults.script.extend([None] * 4 + [lost_answer, again])
        assert put(store).metadata == FIRST

    def test_a_large_input_is_an_upload_of_parts_without_condition(
        self, store: S3Store, faults: Faults
    ) -> None:
        for byte in (b"a", b"b"):
            reference = store.upload("a.npy", [byte * 12 * MIB], {"matinv-method": "spd"})
            with store.open(reference) as blob:
                assert (blob.version_id, blob.etag) == (reference.version_id, reference.etag)
                assert blob.metadata == {"matinv-method": "spd"}
                assert blob.read(blob.size_bytes) == byte * 12 * MIB
        assert faults.calls["CompleteMultipartUpload"] == 2
