"""`Client.submit` does a thing once: judge, encode, hash, and enter a file."""

from __future__ import annotations

import binascii
import hashlib
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

import matinv
from matinv.client import Client
from matinv.formats import json_text, npy
from support.memory_service import MemoryService, general

PACKAGE = str(Path(matinv.__file__).parent)


def files_entered(call: Callable[[], object]) -> Counter[str]:
    """Count how often the control comes from another file of the package, the backends as one."""
    entered: Counter[str] = Counter()
    before = ""

    def see(frame: FrameType, event: str, argument: object) -> None:
        nonlocal before
        path = frame.f_code.co_filename
        if event == "call" and path.startswith(PACKAGE):
            name = path.removeprefix(PACKAGE + "/")
            name = "backends" if name.startswith("backends/") else name
            entered[name] += name != before
            before = name

    sys.setprofile(see)
    try:
        call()
    finally:
        sys.setprofile(None)
    return entered


@pytest.mark.parametrize("n", [4, 300], ids=["message", "file"])
def test_no_file_is_entered_more_than_three_times(client: Client, n: int) -> None:
    client.submit(general(n, seed=1))  # schemas are made once in a process
    entered = files_entered(lambda: client.submit(general(n)))
    del entered["backends"]
    assert entered["client/preparation.py"]
    assert entered.most_common(1)[0][1] <= 3, entered


def counted(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, counts: Counter[str]) -> None:
    original = getattr(owner, name)

    def counting(*arguments: Any, **options: Any) -> Any:
        counts[name] += 1
        return original(*arguments, **options)

    monkeypatch.setattr(owner, name, counting)


@pytest.mark.parametrize("dtype", ["f8", ">f4", "i8"])
def test_an_array_is_judged_encoded_and_hashed_once(
    service: MemoryService, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    counts: Counter[str] = Counter()
    for owner, name in (
        (npy, "read_header"),
        (npy, "read_body"),
        (json_text, "parse"),
        (binascii, "b2a_base64"),
        (binascii, "a2b_base64"),
    ):
        counted(monkeypatch, owner, name, counts)
    hashed: list[int] = []
    sha256 = hashlib.sha256

    class Counting:
        def __init__(self, data: bytes = b"", **options: Any) -> None:
            self._hash = sha256(data, **options)

        def update(self, data: Any) -> None:
            hashed.append(memoryview(data).nbytes)
            self._hash.update(data)

        def hexdigest(self) -> str:
            return self._hash.hexdigest()

    monkeypatch.setattr(hashlib, "sha256", Counting)
    job = service.client.submit((10 * general(20)).astype(dtype))
    assert counts == {"read_header": 1, "b2a_base64": 1}
    assert hashed == [job.matrix.nbytes]  # type: ignore[union-attr]


def test_a_job_keeps_what_was_sent_whatever_becomes_of_the_caller_s_array(client: Client) -> None:
    array = general(5)
    job = client.submit(array)
    array[:] = 0
    job.wait()
    np.testing.assert_allclose(job.result(verify=True) @ general(5), np.eye(5), atol=1e-12)


@pytest.mark.parametrize("n", [4, 300], ids=["message", "file"])
def test_what_stands_there_and_is_to_replace_what_comes_is_sent_without_its_file(
    service: MemoryService, n: int
) -> None:
    """Somebody's older message that replaces may yet be on its way."""
    client, matrix = service.client, general(n)
    client.submit(matrix, job_id="a").wait()
    before = service.record("a")
    other_at_s = service.now_s
    service.sleep(10)
    again = client.submit(matrix, job_id="a", replace=True)
    assert again.had_ended
    assert service.store.notifications == []
    service.work()
    service.now_s, now_s = other_at_s + 5, service.now_s
    service.deliver({"job_id": "a", "matrix": [[2.0]], "replace": True})
    service.now_s = now_s
    after = service.record("a")
    assert (after.result, after.updated_at) == (before.result, before.updated_at)
    assert after.message_at_ms == 1000 * now_s
    np.testing.assert_allclose(again.result(verify=True) @ matrix, np.eye(n), atol=1e-9)
