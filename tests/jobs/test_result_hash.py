from __future__ import annotations

import hashlib

import pytest

from matinv.jobs.result_hash import ResultHash

CONTENT = bytes(range(256)) * 3


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


@pytest.mark.parametrize("step", [1, 7, 100, 255, 256, 257, 10_000])
def test_a_hash_of_parts_is_that_of_their_hashes_however_the_bytes_come(step: int) -> None:
    digest = ResultHash(256)
    for begin in range(0, len(CONTENT), step):
        digest.update(CONTENT[begin : begin + step])
    parts = [sha256(CONTENT[begin : begin + 256]) for begin in (0, 256, 512)]
    assert digest.hexdigest() == sha256(b"".join(parts)).hex()


def test_the_last_part_may_be_shorter() -> None:
    digest = ResultHash(500)
    digest.update(CONTENT)
    assert digest.hexdigest() == sha256(sha256(CONTENT[:500]) + sha256(CONTENT[500:])).hex()


def test_without_parts_it_is_the_hash_of_the_bytes() -> None:
    digest = ResultHash()
    digest.update(CONTENT[:10])
    digest.update(memoryview(CONTENT[10:]))
    assert digest.hexdigest() == sha256(CONTENT).hex()
