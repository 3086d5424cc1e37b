"""The rules for every `MatrixStore`."""
# ruff: noqa: D102 - a test's name is its sentence

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from matinv.errors import Code, Refused
from matinv.jobs.request import Reference
from matinv.ports import ClientStore, MatrixStore, Part
from matinv.testing.contracts.racing import side_by_side


def digest(parts: Sequence[Part]) -> str:
    """Return the hex SHA-256 of parts."""
    return hashlib.sha256(b"".join(parts)).hexdigest()


class ClientStoreContract:
    """`matinv.ports.ClientStore`: what a client sends, and what it fetches."""

    @pytest.fixture
    def store(self) -> Any:
        """Return an empty store."""
        raise NotImplementedError

    def sent(self, store: Any, reference: Reference) -> tuple[bytes, Mapping[str, str]]:
        """Return content and metadata of an input, past a store that cannot read it."""
        with store.open(reference) as blob:
            return blob.read(blob.size_bytes), blob.metadata

    def write_result(self, store: Any, job_id: str, content: bytes) -> tuple[str, str | None]:
        """Write a result past a store that cannot; return where it is and its version."""
        stored = store.put_result(f"{job_id}/1.npy", [content], digest([content]), {})
        return stored.uri, stored.version_id

    @pytest.mark.parametrize("key", ["a/b.npy", "a b+c.npy", "x=1&y=2.json", "мир/é.npz"])
    def test_an_upload_stands_under_its_key_with_its_options(
        self, store: ClientStore, key: str
    ) -> None:
        parts: list[Part] = [b"head", np.arange(3.0).data, b""]
        metadata = {"matinv-method": "spd", "matinv-tag-team": "fem"}
        reference = store.upload(key, parts, metadata)
        assert reference.key == key
        content, kept = self.sent(store, reference)
        assert content == b"head" + np.arange(3.0).tobytes()
        assert kept.items() >= metadata.items()

    def test_options_that_are_none_are_refused_and_nothing_is_sent(
        self, store: ClientStore
    ) -> None:
        with pytest.raises(Refused, match="BAD_MESSAGE"):
            store.upload("a.npy", [b"1"], {"matinv-tag-a:b": "x"})
        assert store.find_input("a.npy") is None

    @pytest.mark.parametrize("size", [1, 100_000])
    def test_a_result_is_read_as_it_was_written(self, store: ClientStore, size: int) -> None:
        content = bytes(range(256)) * (size // 256 + 1)
        uri, version_id = self.write_result(store, "j/1", content)
        with store.results(uri, version_id) as blob:
            assert blob.size_bytes == len(content)
            assert blob.read(blob.size_bytes) == content


class MatrixStoreContract(ClientStoreContract):
    """`matinv.ports.MatrixStore` over buckets that keep versions."""

    def read(self, store: MatrixStore, reference: Reference) -> bytes:
        """Return all of an object."""
        with store.open(reference) as blob:
            return blob.read(blob.size_bytes)

    def test_what_was_uploaded_is_read(self, store: MatrixStore) -> None:
        parts: list[Part] = [b"head", np.arange(3.0).data, b""]
        reference = store.upload("a/b.npy", parts, {"matinv-method": "spd", "matinv-tag-a_1.b": ""})
        with store.open(reference) as blob:
            assert (blob.size_bytes, blob.etag) == (28, reference.etag)
            assert blob.version_id == reference.version_id
            assert blob.metadata == {"matinv-method": "spd", "matinv-tag-a_1.b": ""}
            assert blob.read(28) == b"head" + np.arange(3.0).tobytes()

    def test_an_empty_object_is_read(self, store: MatrixStore) -> None:
        with store.open(store.upload("empty.npy", [], {})) as blob:
            assert (blob.size_bytes, blob.read(10), blob.metadata) == (0, b"", {})

    @pytest.mark.parametrize(
        "key", ["a b+c.npy", "x=1&y=2.npy", "мир/é.npy", "50%2Foff.npy", "a/./b.npy", "~tilde'.npy"]
    )
    def test_keys_are_taken_literally(self, store: MatrixStore, key: str) -> None:
        reference = store.upload(key, [key.encode()], {})
        assert self.read(store, reference) == key.encode()
        assert reference.key == key

    @pytest.mark.parametrize(
        "text",
        ["plain", "two  blanks", " edges ", "", "é мир 逆", "=?UTF-8?Q?a?=", "a\nb\x00", "%41"],
    )
    def test_metadata_survives(self, store: MatrixStore, text: str) -> None:
        with store.open(store.upload("a.npy", [b"1"], {"matinv-tag-x": text})) as blob:
            assert blob.metadata == {"matinv-tag-x": text}

    @pytest.mark.parametrize("name", ["a b", "a:c", "Team", "é", "x\r\ny"])
    def test_names_of_metadata_that_headers_cannot_carry_are_refused(
        self, store: MatrixStore, name: str
    ) -> None:
        with pytest.raises(Refused, match="BAD_MESSAGE"):
            store.upload("a.npy", [b"1"], {f"matinv-tag-{name}": "x"})
        assert store.find_input("a.npy") is None

    def test_metadata_above_two_kilobytes_is_refused(self, store: MatrixStore) -> None:
        metadata = {f"matinv-tag-{number}": "x" * 240 for number in range(8)}
        store.upload("a.npy", [b"1"], metadata)
        with pytest.raises(Refused, match="BAD_MESSAGE"):
            store.upload("b.npy", [b"1"], metadata | {"matinv-tag-9": "x" * 240})
        assert store.find_input("b.npy") is None

    def test_reads_go_on_where_the_last_one_ended(self, store: MatrixStore) -> None:
        buffer = bytearray(8)
        with store.open(store.upload("a.npy", [b"0123456789"], {})) as blob:
            assert blob.read(0) == b""
            assert blob.read(3) == b"012"
            assert blob.readinto(memoryview(buffer)[:4]) == 4
            assert bytes(buffer[:4]) == b"3456"
            assert blob.readinto(memoryview(buffer)) == 3
            assert bytes(buffer[:3]) == b"789"
            assert blob.readinto(memoryview(buffer)) == 0
            assert blob.read(5) == b""

    def test_a_large_body_fills_its_array(self, store: MatrixStore) -> None:
        data = np.random.default_rng(1).standard_normal(1_400_001)
        reference = store.upload("large.npy", [b"x" * 7, data.data], {})
        array = np.empty_like(data)
        with store.open(reference) as blob:
            blob.read(7)
            assert blob.readinto(array.data) == data.nbytes
            assert blob.read(1) == b""
        np.testing.assert_array_equal(array, data)

    def test_what_was_opened_stays_what_it_was(self, store: MatrixStore) -> None:
        first = bytes(6_000_000)
        reference = store.upload("a.npy", [first], {})
        buffer = bytearray(b"x" * len(first))
        with store.open(reference) as blob:
            buffer[:6] = blob.read(6)
            store.upload("a.npy", [b"x" * len(first)], {})
            store.delete(reference.uri)
            assert blob.readinto(memoryview(buffer)[6:]) == len(first) - 6
        assert buffer == first

    def test_leaving_early_leaves_the_store_usable(self, store: MatrixStore) -> None:
        reference = store.upload("large.npy", [bytes(3_000_000)], {})
        for _ in range(3):
            with store.open(reference) as blob:
                assert blob.read(6) == bytes(6)
        assert len(self.read(store, reference)) == 3_000_000

    def test_a_version_is_read_although_a_newer_one_exists(self, store: MatrixStore) -> None:
        first = store.upload("a.npy", [b"first"], {})
        second = store.upload("a.npy", [b"second"], {})
        assert first.version_id != second.version_id
        assert self.read(store, first) == b"first"
        assert self.read(store, second) == b"second"

    def test_an_etag_that_is_not_there_any_more_is_overwritten(self, store: MatrixStore) -> None:
        first = replace(store.upload("a.npy", [b"first"], {}), version_id=None)
        assert self.read(store, first) == b"first"
        second = replace(store.upload("a.npy", [b"second"], {}), version_id="null")
        assert self.read(store, second) == b"second"
        self.refused(store, first, observed="overwritten")
        self.refused(store, replace(first, version_id="null"), observed="overwritten")

    def test_without_version_and_etag_the_newest_is_read(self, store: MatrixStore) -> None:
        store.upload("a.npy", [b"first"], {})
        newest = replace(store.upload("a.npy", [b"second"], {}), version_id=None, etag=None)
        assert self.read(store, newest) == b"second"

    @pytest.mark.parametrize("etag", ["x\r\nHost: elsewhere", '"', "é", "0" * 32])
    def test_an_etag_from_elsewhere_is_overwritten(self, store: MatrixStore, etag: str) -> None:
        reference = replace(store.upload("a.npy", [b"1"], {}), version_id=None, etag=etag)
        self.refused(store, reference, observed="overwritten")

    def test_what_does_not_exist_is_gone(self, store: MatrixStore) -> None:
        there = store.upload("a.npy", [b"1"], {})
        for reference in (
            replace(there, key="b.npy"),
            replace(there, key="b.npy", version_id=None),
            replace(there, version_id="no-such-version"),
            replace(there, key="k" * 1025),
        ):
            self.refused(store, reference)

    def test_what_was_deleted_is_gone(self, store: MatrixStore) -> None:
        reference = store.upload("a.npy", [b"1"], {})
        store.delete(reference.uri)
        self.refused(store, replace(reference, version_id=None))
        assert self.read(store, reference) == b"1"
        store.delete(reference.uri, reference.version_id)
        self.refused(store, reference)
        store.delete(reference.uri, reference.version_id)
        store.delete(reference.uri.replace("a.npy", "never-there.npy"))

    def refused(
        self, store: MatrixStore, reference: Reference, observed: str | None = None
    ) -> None:
        """Assert that reading is refused for good."""
        with pytest.raises(Refused) as caught, store.open(reference):
            pytest.fail("it was opened")
        assert caught.value.code is Code.INPUT_GONE
        assert (caught.value.info.observed == "overwritten") is (observed == "overwritten")

    def test_a_result_is_written_once(self, store: MatrixStore) -> None:
        parts: list[Part] = [b"first ", memoryview(b"result")]
        written = store.put_result("j/1.json", parts, digest(parts), {"matinv-sha256": "é"})
        assert written.metadata is None
        late = [b"late result"]
        found = store.put_result("j/1.json", late, digest(late), {"matinv-sha256": "other"})
        assert found == replace(written, metadata={"matinv-sha256": "é"})
        with store.results(written.uri, written.version_id) as blob:
            assert blob.read(99) == b"first result"
            assert blob.metadata == {"matinv-sha256": "é"}

    def test_a_large_result_is_written_once(self, store: MatrixStore) -> None:
        parts: list[Part] = [b"header", np.random.default_rng(2).bytes(6_000_000)]
        written = store.put_result("j/1.npy", parts, digest(parts), {"matinv-sha256": "first"})
        assert written.metadata is None
        late = [bytes(6_000_000)]
        found = store.put_result("j/1.npy", late, digest(late), {"matinv-sha256": "late"})
        assert found == replace(written, metadata={"matinv-sha256": "first"})
        with store.results(written.uri, written.version_id) as blob:
            assert digest([blob.read(blob.size_bytes)]) == digest(parts)

    def test_of_results_written_side_by_side_one_stays(self, store: MatrixStore) -> None:
        def put(number: int) -> Any:
            parts = [str(number).encode()]
            return store.put_result("j/1.npy", parts, digest(parts), {"number": str(number)})

        stored = side_by_side(put)
        (winner,) = (n for n, one in enumerate(stored) if one.metadata is None)
        assert {one.version_id for one in stored} == {stored[winner].version_id}
        assert all(
            one.metadata == {"number": str(winner)} for n, one in enumerate(stored) if n != winner
        )

    def test_some_bytes_of_an_object_are_read_alone(self, store: MatrixStore) -> None:
        reference = store.upload("a.npy", [bytes(range(100))], {})
        for begin, size in ((0, 1), (7, 30), (99, 1), (0, 100)):
            buffer = bytearray(size)
            with store.open_range(reference, begin, size) as blob:
                assert blob.readinto(memoryview(buffer)) == size
            assert buffer == bytes(range(begin, begin + size))
        store.upload("a.npy", [bytes(100)], {})
        with store.open_range(reference, 50, 1) as blob:  # that version still
            assert blob.read(1) == b"2"
        store.delete(reference.uri, reference.version_id)
        with pytest.raises(Refused, match="INPUT_GONE"), store.open_range(reference, 0, 1):
            pytest.fail("it was opened")

    def test_a_result_in_parts_is_there_with_its_last_call_and_written_once(
        self, store: MatrixStore
    ) -> None:
        parts = [np.random.default_rng(3).bytes(5 * 2**20), b"the ", b"rest"]
        upload = store.begin_parts("j/1.npy", {"matinv-sha256": "first"})
        late = store.begin_parts("j/1.npy", {"matinv-sha256": "late"})
        sent = [
            store.put_part("j/1.npy", upload, 2, parts[1:]),
            store.put_part("j/1.npy", upload, 1, parts[:1]),
        ]
        assert [part.sha256 for part in sent] == [digest(parts[1:]), digest(parts[:1])]
        late_sent = [store.put_part("j/1.npy", late, 1, [b"late"])]
        uri = f"s3://{self.bucket_of_results(store)}/j/1.npy"
        with pytest.raises(Refused, match="INPUT_GONE"), store.results(uri, None):
            pytest.fail("it is there before its time")
        written = store.finish_parts("j/1.npy", upload, sent[::-1])
        assert written.metadata is None
        with store.results(written.uri, written.version_id) as blob:
            assert blob.read(blob.size_bytes) == b"".join(parts)
        found = store.finish_parts("j/1.npy", late, late_sent)
        assert found == replace(written, metadata={"matinv-sha256": "first"})

    def test_an_upload_in_parts_that_is_dropped_leaves_nothing(self, store: MatrixStore) -> None:
        upload = store.begin_parts("j/1.npy", {})
        store.put_part("j/1.npy", upload, 1, [b"1"])
        store.abort_parts("j/1.npy", upload)
        store.abort_parts("j/1.npy", upload)
        written = store.put_result("j/1.npy", [b"2"], digest([b"2"]), {})
        assert written.metadata is None

    def bucket_of_results(self, store: MatrixStore) -> str:
        """Return the name of the results bucket, by a result in it."""
        stored = store.put_result("where", [b"1"], digest([b"1"]), {})
        return Reference.at(stored.uri).bucket

    def test_a_result_that_does_not_exist_is_gone(self, store: MatrixStore) -> None:
        stored = store.put_result("j/1.npy", [b"1"], digest([b"1"]), {})
        for uri, version_id in ((stored.uri + "x", None), (stored.uri, "no-such-version")):
            with pytest.raises(Refused, match="INPUT_GONE"), store.results(uri, version_id):
                pytest.fail("it was opened")

    @pytest.mark.parametrize("key", ["a/b.npy", "eins zwei+ü.json", "a//b.npy"])
    def test_a_dropped_file_is_found(self, store: MatrixStore, key: str) -> None:
        assert store.find_input(key) is None
        store.upload(key, [b"1"], {})
        newer = store.upload(key, [b"2"], {})
        assert store.find_input(key) == newer
        assert store.find_input("a") is None
        store.delete(newer.uri)
        assert store.find_input(key) is None

    def test_a_url_names_the_object(self, store: MatrixStore) -> None:
        stored = store.put_result("j/1.npy", [b"1"], digest([b"1"]), {})
        assert "j/1.npy" in store.url(stored.uri, stored.version_id, 60)

    def test_an_upload_url_is_bound_to_a_key_a_size_and_options(self, store: MatrixStore) -> None:
        place = store.upload_url("a/b.npy", 136, {"matinv-tag-x": "y"}, 900)
        assert place.uri.endswith("/a/b.npy")
        assert "a/b.npy" in place.url
        assert (
            place.headers.items()
            >= {
                "content-length": "136",
                "if-none-match": "*",
                "x-amz-meta-matinv-tag-x": "y",
            }.items()
        )
        with pytest.raises(Refused, match="BAD_MESSAGE"):
            store.upload_url("a.npy", 1, {"matinv-tag-a b": "x"}, 900)
