"""S3: large bodies are read in pieces: the requests that are made, and a fault in each."""

from __future__ import annotations

import io
import threading
from typing import Any

import numpy as np
import pytest

from matinv.backends.aws import clients
from matinv.backends.aws.s3 import S3Store
from matinv.backends.aws.s3_bodies import Pieces, cut
from matinv.errors import Refused, Transient
from matinv.formats import npy
from matinv.jobs.request import Reference
from matinv.linalg.types import Matrix
from support.faults import Faults, refusal, s3_that_breaks

pytestmark = pytest.mark.deep

SERVICE = "s3"

MIB = 2**20

PIECES = Pieces(above_bytes=6 * MIB, size_bytes=5 * MIB)


@pytest.fixture
def store(client: Any, buckets: tuple[str, str], faults: Faults) -> S3Store:
    return S3Store(client, *buckets, PIECES)


@pytest.fixture
def unversioned(client: Any, unique: str, faults: Faults) -> S3Store:
    client.create_bucket(Bucket=unique)
    return S3Store(client, unique, unique, PIECES)


@pytest.fixture
def ranges(client: Any) -> list[tuple[str, bool, bool]]:
    """Collect of each GET: its range, and whether it names a version and an ETag."""
    seen: list[tuple[str, bool, bool]] = []

    def look(request: Any, **_: object) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        range_ = headers.get("range", b"")
        text = range_.decode() if isinstance(range_, bytes) else range_
        seen.append((text, "versionId=" in request.url, "if-match" in headers))

    client.meta.events.register("before-send.s3.GetObject", look)
    return seen


def matrix(dtype: Any = np.float64, order: Any = "C") -> Matrix:
    """A matrix of 12 MiB: three pieces."""
    n = int((12 * MIB / np.dtype(dtype).itemsize) ** 0.5)
    values = np.random.default_rng(0).integers(0, 100, (n, n))
    return np.asarray(values.astype(dtype), order=order)


def saved(array: Matrix) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def load(store: S3Store, reference: Reference) -> Matrix:
    with store.open(reference) as blob:
        return npy.read_body(blob, npy.read_header(blob, blob.size_bytes))


def still_running() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("matinv-aws")]


def test_what_was_overwritten_is_read_under_a_key_of_its_own(unversioned: S3Store) -> None:
    content = b"first"
    reference = unversioned.upload("a.npy", [content], {})
    unversioned.upload("a.npy", [b"other"], {})
    with pytest.raises(Refused, match="under a key of its own"), unversioned.open(reference):
        pass
    with unversioned.open(unversioned.upload("b.npy", [content], {})) as blob:
        assert blob.read(blob.size_bytes) == content


class TestReading:
    def test_a_large_body_takes_a_get_per_piece_of_one_version(
        self, store: S3Store, ranges: list[Any]
    ) -> None:
        array = matrix()
        reference = store.upload("a.npy", [saved(array)], {})
        latest = Reference(reference.bucket, reference.key)
        np.testing.assert_array_equal(load(store, latest), array)
        begin, size = 128, array.nbytes + 128
        assert ranges[0] == ("", False, False)
        assert sorted(ranges[1:]) == [
            (f"bytes={begin + 10 * MIB}-{size - 1}", True, False),
            (f"bytes={begin + 5 * MIB}-{begin + 10 * MIB - 1}", True, False),
        ]

    def test_without_versions_each_piece_asks_for_the_etag(
        self, unversioned: S3Store, ranges: list[Any]
    ) -> None:
        array = matrix()
        reference = unversioned.upload("a.npy", [saved(array)], {})
        assert reference.etag
        assert reference.etag.endswith("-3")
        np.testing.assert_array_equal(load(unversioned, reference), array)
        assert [(version, etag) for _, version, etag in ranges] == [(False, True)] * 3

    @pytest.mark.parametrize(("dtype", "order"), [("<f4", "F"), (">f8", "C"), (">c16", "F")])
    def test_every_form_of_floats_comes_in_pieces(
        self, store: S3Store, faults: Faults, dtype: str, order: str
    ) -> None:
        array = matrix(dtype, order)
        loaded = load(store, store.upload("a.npy", [saved(array)], {}))
        np.testing.assert_array_equal(loaded, array)
        assert loaded.dtype.isnative
        assert faults.calls["GetObject"] == 3

    @pytest.mark.parametrize("dtype", ["<i8", ">u2"])
    def test_integers_are_converted_as_they_come(
        self, store: S3Store, faults: Faults, dtype: str
    ) -> None:
        array = matrix(dtype)
        loaded = load(store, store.upload("a.npy", [saved(array)], {}))
        np.testing.assert_array_equal(loaded, array)
        assert faults.calls["GetObject"] == 1

    @pytest.mark.parametrize(("extra", "gets"), [(0, 1), (1, 2)])
    def test_a_small_rest_takes_one_get(
        self, store: S3Store, faults: Faults, extra: int, gets: int
    ) -> None:
        size = PIECES.above_bytes + extra
        reference = store.upload("a.npy", [b"header", bytes(size)], {})
        with store.open(reference) as blob:
            blob.read(6)
            assert blob.readinto(memoryview(bytearray(size))) == size
        assert faults.calls["GetObject"] == gets

    def test_a_buffer_for_a_part_of_the_rest_is_filled_from_the_open_stream(
        self, store: S3Store, faults: Faults
    ) -> None:
        content = np.random.default_rng(0).bytes(12 * MIB)
        buffer = memoryview(bytearray(8 * MIB))
        with store.open(store.upload("a.npy", [content], {})) as blob:
            assert blob.readinto(buffer) == len(buffer)
            rest = blob.read(blob.size_bytes)
        assert bytes(buffer) + rest == content
        assert faults.calls["GetObject"] == 1

    def test_a_refused_header_costs_no_body(self, store: S3Store, faults: Faults) -> None:
        reference = store.upload("a.npy", [saved(np.zeros((2, 12 * MIB // 16)))], {})
        with store.open(reference) as blob:
            with pytest.raises(Refused, match="NOT_SQUARE"):
                npy.read_header(blob, blob.size_bytes)
            assert blob._body.tell() <= 4096
        assert faults.calls["GetObject"] == 1

    def test_what_is_overwritten_while_it_is_read_is_refused(self, unversioned: S3Store) -> None:
        reference = unversioned.upload("a.npy", [bytes(12 * MIB)], {})
        with unversioned.open(reference) as blob:
            unversioned.upload("a.npy", [b"x" * 12 * MIB], {})
            with pytest.raises(Refused) as caught:
                blob.readinto(memoryview(bytearray(12 * MIB)))
        assert caught.value.info.observed == "overwritten"
        assert not still_running()

    def test_what_is_deleted_while_it_is_read_is_gone(self, unversioned: S3Store) -> None:
        reference = unversioned.upload("a.npy", [bytes(12 * MIB)], {})
        with unversioned.open(reference) as blob:
            unversioned.delete(reference.uri)
            with pytest.raises(Refused, match="INPUT_GONE"):
                blob.readinto(memoryview(bytearray(12 * MIB)))

    def test_a_fault_of_one_range_is_overcome(self, store: S3Store, faults: Faults) -> None:
        array = matrix()
        reference = store.upload("a.npy", [saved(array)], {})
        faults.script.extend([None, refusal(503, "SlowDown")])
        np.testing.assert_array_equal(load(store, reference), array)
        assert faults.calls["GetObject"] == 4

    @pytest.mark.parametrize(("at", "reset"), [(0, False), (5 * MIB, True), (10 * MIB, False)])
    def test_a_piece_that_breaks_off_is_transient(
        self, monkeypatch: pytest.MonkeyPatch, at: int, reset: bool
    ) -> None:
        with s3_that_breaks(12 * MIB, MIB, reset=reset, at=at) as url:
            monkeypatch.setenv("AWS_ENDPOINT_URL", url)
            store = S3Store(clients.client("s3"), "inputs", "results", PIECES)
            with (
                store.open(Reference("inputs", "a.npy")) as blob,
                pytest.raises(Transient, match="STORAGE"),
            ):
                blob.readinto(memoryview(bytearray(12 * MIB)))
            assert not still_running()

    def test_a_server_that_knows_no_ranges_is_not_taken_for_one(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with s3_that_breaks(12 * MIB, 12 * MIB, reset=False) as url:
            monkeypatch.setenv("AWS_ENDPOINT_URL", url)
            store = S3Store(clients.client("s3"), "inputs", "results", PIECES)
            with (
                store.open(Reference("inputs", "a.npy")) as blob,
                pytest.raises(Transient, match="another range than the requested one"),
            ):
                blob.readinto(memoryview(bytearray(12 * MIB)))


class TestCutting:
    def test_pieces_are_views_of_the_parts(self) -> None:
        array = np.zeros(3, dtype=np.int16)
        pieces = cut([b"", b"abc", array.data], 4)
        array[:] = 0x7A7A
        assert [b"".join(piece) for piece in pieces] == [b"abcz", b"zzzz", b"z"]
