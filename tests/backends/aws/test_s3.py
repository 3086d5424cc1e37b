"""S3: faults on the way to it, what it is asked, and what streams."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
import urllib.error
import urllib.request
from base64 import b64decode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest

from matinv.backends.aws import clients
from matinv.backends.aws.s3 import S3Store
from matinv.backends.aws.s3_bodies import Parts, Pieces, decoded, encoded
from matinv.errors import Code, Misconfigured, Refused, Transient
from matinv.jobs.request import Reference
from matinv.ports import ComingPart, SentPart, UploadUrl
from matinv.testing.contracts import digest
from support.faults import Faults, lost_answer, lost_request, refusal, s3_that_breaks

SERVICE = "s3"


@pytest.fixture
def store(client: Any, buckets: tuple[str, str], faults: Faults) -> S3Store:
    return S3Store(client, *buckets)


SLOW_DOWN = refusal(503, "SlowDown")
BROKEN = refusal(500, "InternalError")
ABC = [b"a", memoryview(b"bc")]


def put(store: S3Store) -> Any:
    return store.put_result("j/1.npy", ABC, digest(ABC), {"matinv-job-id": "j"})


def open_(store: S3Store, reference: Reference) -> bytes:
    with store.open(reference) as blob:
        return blob.read(blob.size_bytes)


@pytest.mark.deep  # 3 s
class TestFaults:
    @pytest.mark.parametrize("fault", [lost_request, SLOW_DOWN, BROKEN])
    def test_one_fault_is_overcome(self, store: S3Store, faults: Faults, fault: Any) -> None:
        faults.script.append(fault)
        reference = store.upload("a.npy", ABC, {})
        faults.script.append(fault)
        assert open_(store, reference) == b"abc"
        faults.script.append(fault)
        assert put(store).metadata is None

    @pytest.mark.parametrize(
        ("fault", "code"),
        [
            (SLOW_DOWN, Code.THROTTLED),
            (BROKEN, Code.STORAGE),
            (lost_request, Code.STORAGE),
            (refusal(403, "AccessDenied"), Code.ACCESS_DENIED),
            (refusal(404, "NoSuchBucket"), Code.ACCESS_DENIED),
            (refusal(400, "BadDigest"), Code.STORAGE),
        ],
    )
    def test_a_fault_that_stays_is_transient(
        self, store: S3Store, faults: Faults, fault: Any, code: Code
    ) -> None:
        faults.script.extend([fault] * 50)
        for call in (
            lambda: open_(store, Reference("bucket", "a.npy")),
            lambda: store.upload("a.npy", ABC, {}),
            lambda: put(store),
            lambda: store.delete("s3://bucket/a.npy"),
        ):
            with pytest.raises(Transient) as caught:
                call()
            assert caught.value.code is code

    def test_looking_for_a_file_without_permission_is_not_absence(
        self, store: S3Store, faults: Faults
    ) -> None:
        faults.script.append(refusal(403, ""))
        with pytest.raises(Transient, match="ACCESS_DENIED"):
            store.find_input("a")

    @pytest.mark.parametrize("answer", [(403, "AccessDenied"), (400, "KMS.DisabledException")])
    def test_an_object_with_a_key_of_its_own_is_denied_alone(
        self, store: S3Store, faults: Faults, buckets: Any, answer: Any
    ) -> None:
        faults.script.append(refusal(*answer))
        with pytest.raises(Transient, match="ACCESS_DENIED") as caught:
            open_(store, Reference(buckets[0], "a.npy"))
        assert not isinstance(caught.value, Misconfigured)
        assert "key" in caught.value.info.hint
        assert faults.calls == {"GetObject": 1, "HeadBucket": 1}

    @pytest.mark.parametrize("answer", [(403, ""), (404, "")])
    def test_a_bucket_that_is_denied_is_our_own_fault(
        self, store: S3Store, faults: Faults, buckets: Any, answer: Any
    ) -> None:
        faults.script.extend([refusal(403, "AccessDenied"), refusal(*answer)])
        with pytest.raises(Misconfigured, match=buckets[0]):
            open_(store, Reference(buckets[0], "a.npy"))
        assert faults.calls == {"GetObject": 1, "HeadBucket": 1}

    def test_a_bucket_that_is_missing_is_our_own_fault(self, store: S3Store) -> None:
        with pytest.raises(Misconfigured, match="no-such-bucket does not exist"):
            open_(store, Reference("no-such-bucket", "a.npy"))

    @pytest.mark.parametrize("reset", [False, True])
    @pytest.mark.parametrize("into", [False, True])
    @pytest.mark.parametrize("sent", [0, 70_000, 3_000_000])
    def test_a_body_that_breaks_off_is_transient(
        self, monkeypatch: pytest.MonkeyPatch, sent: int, into: bool, reset: bool
    ) -> None:
        with s3_that_breaks(4_000_000, sent, reset=reset) as url:
            monkeypatch.setenv("AWS_ENDPOINT_URL", url)
            store = S3Store(clients.client("s3"), "inputs", "results")
            buffer = memoryview(bytearray(4_000_000))
            with (
                store.open(Reference("inputs", "a.npy")) as blob,
                pytest.raises(Transient, match="STORAGE"),
            ):
                blob.readinto(buffer) if into else blob.read(len(buffer))

    def test_a_result_whose_answer_was_lost_is_adopted(
        self, store: S3Store, faults: Faults
    ) -> None:
        faults.script.append(lost_answer)
        assert put(store).metadata == {"matinv-job-id": "j"}
        assert faults.calls == {"PutObject": 2, "HeadObject": 1}

    def test_a_result_that_another_worker_is_just_writing_is_waited_for(
        self, store: S3Store, faults: Faults
    ) -> None:
        in_flight = refusal(409, "ConditionalRequestConflict")
        faults.script.extend([in_flight, None, in_flight, None])
        assert put(store).metadata is None
        assert faults.calls == {"PutObject": 3, "HeadObject": 2}

    def test_a_conflict_that_stays_is_transient(self, store: S3Store, faults: Faults) -> None:
        faults.script.extend([refusal(409, "ConditionalRequestConflict"), refusal(404, "")] * 50)
        with pytest.raises(Transient, match="STORAGE"):
            put(store)
        assert faults.calls["PutObject"] == 5

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (404, "NoSuchKey"),
            (404, "NoSuchVersion"),
            (405, "MethodNotAllowed"),  # what S3, but not moto, says of a delete marker
            (400, "InvalidArgument"),  # what S3, but not moto, says of "no-such-version"
            (400, "KeyTooLongError"),
            (403, "InvalidObjectState"),
        ],
    )
    def test_what_s3_will_never_have_is_gone(
        self, store: S3Store, faults: Faults, status: int, code: str
    ) -> None:
        faults.script.append(refusal(status, code))
        with pytest.raises(Refused, match="INPUT_GONE"):
            open_(store, Reference("bucket", "a.npy", "v1"))


class TestRequests:
    def test_each_operation_takes_one_call(self, store: S3Store, faults: Faults) -> None:
        reference = store.upload("a.npy", ABC, {})
        open_(store, reference)
        stored = put(store)
        store.url(stored.uri, stored.version_id, 60)
        assert faults.calls == {"PutObject": 2, "GetObject": 1}

    def test_a_result_travels_with_its_hash_and_its_condition(
        self, store: S3Store, client: Any
    ) -> None:
        # moto does not compare the hash; that S3 is asked to is all that can be seen here.
        seen: list[dict[str, str]] = []
        client.meta.events.register(
            "before-send.s3.PutObject", lambda request, **_: seen.append(dict(request.headers))
        )
        put(store)
        headers = {name.lower(): value for name, value in seen[0].items()}
        assert b64decode(headers["x-amz-checksum-sha256"]).hex() == digest(ABC)
        assert headers["if-none-match"] in {"*", b"*"}
        assert not any("trailer" in name or "crc" in name for name in headers)

    def test_content_has_a_type(self, store: S3Store, client: Any, buckets: Any) -> None:
        types = {}
        for key in ("a.npy", "a.json", "A.JSON"):
            store.upload(key, ABC, {})
            types[key] = client.head_object(Bucket=buckets[0], Key=key)["ContentType"]
        json_type = "application/json"
        assert types == {
            "a.npy": "application/x-npy",
            "a.json": json_type,
            "A.JSON": json_type,
        }

    def test_a_presigned_url_reads_without_credentials(
        self, store: S3Store, tmp_path: Path
    ) -> None:
        parts = [b"the result"]
        stored = store.put_result("j é+/1.npy", parts, digest(parts), {})
        url = store.url(stored.uri, stored.version_id, 60)
        assert "X-Amz-Algorithm=AWS4" in url
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"the result"

    def test_an_unversioned_bucket_goes_by_etag(
        self, client: Any, unique: str, faults: Faults
    ) -> None:
        client.create_bucket(Bucket=unique)
        store = S3Store(client, unique, unique)
        first = store.upload("a.npy", [b"first"], {})
        assert first.version_id in {None, "null"}
        assert open_(store, first) == b"first"
        second = store.upload("a.npy", [b"second"], {})
        assert open_(store, second) == b"second"
        with pytest.raises(Refused) as caught:
            open_(store, first)
        assert caught.value.info.observed == "overwritten"
        assert put(store).metadata is None

    @pytest.mark.parametrize(
        "pieces",
        [pytest.param(Pieces(above_bytes=2**40), marks=pytest.mark.deep), Pieces(0, 16 * 2**20)],
    )
    def test_a_body_is_neither_copied_to_send_nor_to_read(
        self, client: Any, buckets: tuple[str, str], pieces: Pieces
    ) -> None:
        store = S3Store(client, *buckets, pieces)
        size = 64 * 2**20
        data = np.zeros(size // 8)
        tracemalloc.start()
        reference = store.upload("large.npy", [b"header", data.data], {})
        peak_to_send = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        with store.open(reference) as blob:
            blob.read(6)
            assert blob.readinto(data.data) == size
        peak_to_read = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak_to_send < 4 * 2**20
        assert peak_to_read < 10 * 2**20  # four streams, 2 MiB in the hand of each

    def test_leaving_early_does_not_read_the_rest(self, store: S3Store) -> None:
        reference = store.upload("large.npy", [bytes(16 * 2**20)], {})
        with store.open(reference) as blob:
            blob.read(10)
            body = blob._body
        assert body._raw_stream.closed
        assert body.tell() < 2**20


class TestParts:
    def test_parts_read_like_a_file(self) -> None:
        parts = Parts([b"", b"abc", memoryview(np.arange(2, dtype=np.int16)), b"", bytearray(b"z")])
        whole = b"abc\0\0\1\0z"
        pieces = [bytes(piece) for piece in iter(lambda: parts.read(2), b"")]
        assert b"".join(pieces) == whole
        assert parts.tell() == parts.seek(0, io.SEEK_END) == len(whole)
        assert bytes(parts.read()) == b""
        assert parts.seek(-3, io.SEEK_CUR) == 5
        assert bytes(parts.read(9)) == b"\1\0"
        assert parts.seek(0) == 0
        assert bytes(parts.read(-1)) == b"abc"

    def test_reads_are_views(self) -> None:
        array = np.zeros(10)
        view = Parts([array.data]).read(16)
        array[:] = 1.0
        assert bytes(view) == np.ones(2).tobytes()


class TestMetadata:
    @pytest.mark.parametrize(
        ("header", "text"),
        [
            ("plain", "plain"),
            ("=?UTF-8?B?w6k=?=", "é"),
            ("=?UTF-8?Q?=C3=A9?=", "é"),
            ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
            ("=?ISO-8859-1?Q?=E9?=", "é"),
            ("=?UTF-8?B?", "=?UTF-8?B?"),
            ("=?UTF-8?B?a?=", "=?UTF-8?B?a?="),  # base64 that is cut short
            ("=?\xb5?Q?x?=", "=?\xb5?Q?x?="),  # a charset that is not ASCII
            ("=?no-such-charset?B?w6k=?=", None),
        ],
    )
    def test_what_others_encoded_is_read(self, header: str, text: str | None) -> None:
        (found,) = decoded({"X": header}).values()
        assert found == (header if text is None else text)

    def test_what_is_encoded_is_ascii(self) -> None:
        text = "".join(map(chr, range(300)))
        (header,) = encoded({"x": text + "\ud800"}).values()
        assert header.isascii()
        assert header.isprintable()
        assert decoded({"X": header}) == {"x": text + "?"}


class TestUploadUrl:
    """Moto checks no signature: what is signed is read from the URL."""

    def put(self, place: UploadUrl, body: bytes) -> int:
        request = urllib.request.Request(
            place.url, data=body, headers=dict(place.headers), method="PUT"
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def test_it_makes_an_object_once(self, store: S3Store) -> None:
        place = store.upload_url("a/b c.npy", 3, {"matinv-method": "spd", "matinv-tag-x": "é"}, 900)
        assert (self.put(place, b"abc"), self.put(place, b"xyz")) == (200, 412)
        with store.open(Reference(*place.uri.removeprefix("s3://").split("/", 1))) as blob:
            assert blob.read(9) == b"abc"
            assert blob.metadata == {"matinv-method": "spd", "matinv-tag-x": "é"}

    def test_all_that_it_is_bound_to_is_signed(self, store: S3Store) -> None:
        place = store.upload_url("a.npy", 3, {"matinv-method": "spd"}, 900)
        query = dict(parse_qsl(urlsplit(place.url).query))
        assert set(query["X-Amz-SignedHeaders"].split(";")) == {"host", *place.headers}
        assert place.headers.keys() >= {"content-length", "content-type", "if-none-match"}
        assert query["X-Amz-Expires"] == "900"
        assert query["X-Amz-Algorithm"] == "AWS4-HMAC-SHA256"

    def test_a_part_is_bound_to_its_bytes(self, store: S3Store) -> None:
        place = store.part_url(
            "a b.npy", "u/1", ComingPart(7, 3, hashlib.sha256(b"abc").hexdigest()), 900
        )
        query = dict(parse_qsl(urlsplit(place.url).query))
        assert set(query["X-Amz-SignedHeaders"].split(";")) == {"host", *place.headers}
        assert place.headers == {
            "content-length": "3",
            "x-amz-checksum-sha256": "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=",
        }
        assert (query["uploadId"], query["partNumber"], query["X-Amz-Expires"]) == (
            "u/1",
            "7",
            "900",
        )

    @pytest.mark.parametrize(
        ("answer", "code"),
        [("NoSuchUpload", "INPUT_GONE"), ("", "BAD_MESSAGE"), ("SlowDown", "THROTTLED")],
    )
    def test_what_is_no_whole_upload_makes_no_object(
        self, store: S3Store, faults: Faults, answer: str, code: str
    ) -> None:
        begun = store.begin_upload("a.npy", 9, {})
        if answer:  # moto itself fails where there is no such upload
            faults.script.extend(50 * [refusal(404 if code == "INPUT_GONE" else 503, answer)])
        with pytest.raises((Refused, Transient), match=code):
            store.finish_upload("a.npy", begun.upload_id, 9, [SentPart(1, '"e"', 64 * "0")])
        faults.script.clear()
        for _ in range(2):
            store.abort_upload("a.npy", begun.upload_id)
        assert store.find_input("a.npy") is None
