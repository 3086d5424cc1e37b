"""All results of a run as one archive, as it comes from the server."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinv.client import fetching
from matinv.console import archive as module
from matinv.console.archive import MANIFEST, archive, path_of
from matinv.errors import Code, Transient
from matinv.jobs.ids import valid_job_id
from matinv.testing.contracts import full_record
from support.memory_service import MemoryService, general

SINGULAR = [[1.0, 2.0], [2.0, 4.0]]


def unpacked(pieces: Iterator[bytes]) -> zipfile.ZipFile:
    found = zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    assert found.testzip() is None
    return found


def lines(found: zipfile.ZipFile) -> dict[str, dict[str, object]]:
    return {line["job_id"]: line for line in map(json.loads, found.read(MANIFEST).splitlines())}


def test_every_result_has_its_file_and_every_job_its_line(service: MemoryService) -> None:
    client = service.client
    matrices = {name: general(n, n) for n, name in enumerate(("fem/a", "fem/b/c", "fem/逆"), 4)}
    for name, matrix in matrices.items():
        client.submit(matrix, job_id=name)
    client.submit(SINGULAR, job_id="fem/bad")
    client.submit(general(4), job_id="other/a")
    service.work()
    client.submit(general(4), job_id="fem/open")
    found = unpacked(archive(client, "fem"))
    named = {f"{name}.{client.job(name).record().result.format}": name for name in matrices}  # type: ignore[union-attr]
    assert set(found.namelist()) == {*named, MANIFEST}
    assert {info.compress_type for info in found.infolist()} == {zipfile.ZIP_STORED}
    for file, name in named.items():
        inverse = (
            np.asarray(json.loads(found.read(file))["inverse"]) if file.endswith("json") else None
        )
        if inverse is None:
            inverse = np.load(io.BytesIO(found.read(file)))
        np.testing.assert_allclose(inverse @ matrices[name], np.eye(len(inverse)), atol=1e-9)
    told = lines(found)
    assert {name: line["status"] for name, line in told.items()} == {
        **dict.fromkeys(matrices, "SUCCEEDED"),
        "fem/bad": "FAILED",
        "fem/open": "QUEUED",
    }
    assert told["fem/bad"]["error"]["code"] == "SINGULAR"  # type: ignore[index]
    assert told["fem/a"]["file"] in named


def test_a_large_result_goes_through_in_pieces(
    service: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SMALL_BYTES", 1000)
    monkeypatch.setattr(fetching, "_CHUNK_BYTES", 10_000)
    matrix = general(100)
    service.client.submit(matrix, job_id="fem/large")
    service.work()
    pieces = list(archive(service.client, "fem"))
    assert max(map(len, pieces)) < 11_000
    inverse = np.load(io.BytesIO(unpacked(iter(pieces)).read("fem/large.npy")))
    np.testing.assert_allclose(inverse @ matrix, np.eye(100), atol=1e-9)


def test_no_more_is_fetched_than_is_taken(service: MemoryService) -> None:
    for n in range(60):
        service.client.submit(general(40, n), job_id=f"fem/{n}")
    service.work()
    service.store.calls.clear()
    pieces = archive(service.client, "fem")
    assert next(piece for piece in pieces if piece)
    assert 0 < service.store.calls["results"] <= 3 * module._THREADS
    assert len(unpacked_rest := list(pieces)) >= 60
    assert service.store.calls["results"] == 60
    assert unpacked_rest


def test_a_result_that_cannot_be_fetched_is_named_and_hurts_no_other(
    service: MemoryService,
) -> None:
    for name in ("fem/a", "fem/b"):
        service.client.submit(general(40), job_id=name)
    service.work()
    gone = service.table.records["fem/a"]
    assert gone.result
    service.store.delete(gone.result.uri, gone.result.version_id)
    found = unpacked(archive(service.client, "fem"))
    assert found.namelist() == ["fem/b.npy", MANIFEST]
    assert "file" not in lines(found)["fem/a"]
    assert lines(found)["fem/a"]["error"]


def test_bytes_that_are_not_those_of_the_record_are_not_passed_on(
    service: MemoryService,
) -> None:
    service.client.submit(general(40), job_id="fem/a")
    service.work()
    record = service.table.records["fem/a"]
    assert record.result
    service.table.records["fem/a"] = replace(record, result=replace(record.result, sha256="0" * 64))
    found = unpacked(archive(service.client, "fem"))
    assert found.namelist() == [MANIFEST]
    assert lines(found)["fem/a"]["error"]["code"] == "NOT_VERIFIED"  # type: ignore[index]


def test_an_archive_that_breaks_off_ends_as_an_error(service: MemoryService) -> None:
    def refuse(moment: str) -> None:
        raise Transient(Code.STORAGE, f"{moment} failed", "wait")

    service.client.submit(general(4), job_id="fem/a")
    service.work()
    service.table.fail = refuse
    with pytest.raises(Transient):
        list(archive(service.client, "fem"))


DEVICES = {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(10))}


@given(
    st.lists(
        st.text(st.sampled_from('aA:.\\/ *?"<>|con1ul逆'), min_size=1, max_size=12).filter(
            valid_job_id
        ),
        min_size=2,
        max_size=8,
        unique=True,
    )
)
def test_names_are_fit_for_any_system_and_distinct(job_ids: list[str]) -> None:
    names = [path_of(full_record(job_id)) for job_id in job_ids]
    assert len(set(names)) == len(names)
    for job_id, name in zip(job_ids, names, strict=True):
        assert name.endswith(".npy")
        for part in name.split("/"):
            assert part
            assert not set('<>:"\\|?*') & set(part)
            assert part == part.rstrip(". ")
            assert part.split(".")[0].lower() not in DEVICES
        simple = set(job_id) <= set("aA/逆")
        assert not simple or name == f"{job_id}.npy"
