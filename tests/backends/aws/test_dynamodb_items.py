"""Records as items of DynamoDB, and back to the last bit."""

from __future__ import annotations

import io
import json
from base64 import b64decode
from dataclasses import replace
from math import isnan
from typing import Any, Literal

import numpy as np
import pytest
from numpy.lib.format import write_array

from matinv.backends.aws.dynamodb_items import item_of, record_of
from matinv.formats.codecs import Format
from matinv.formats.npy import MAGIC
from matinv.jobs.ownership import digest_of
from matinv.jobs.record import ResultInfo
from matinv.testing.contracts import full_record, record

FIRST = b"SKgSa/TKIz4/GBjgyxFQEUiWgHCgOQLCISIzGOoaATODMXJmqAUAazEycw=="
"""The facts of ``record("a")``."""


def saved(x: Any, version: tuple[int, int] = (1, 0)) -> bytes:
    file = io.BytesIO()
    write_array(file, x, version)
    return file.getvalue()


class TestItems:
    def test_status_result_and_error_are_readable_with_the_aws_cli(self) -> None:
        item = item_of(full_record(result=ResultInfo(Format.JSON, "ab", 9, inline=b'{"x": 1}')))
        plain = {name: plain_of(value) for name, value in item.items() if name != "facts"}
        assert plain["status"] == "PARTIAL"
        assert plain["result"] == {"format": "json", "inline": '{"x": 1}'}
        assert plain["error"]["retryable"] is False
        assert plain["error"]["code"] == plain["error_code"] == "SINGULAR"
        assert json.dumps(plain)

    @pytest.mark.parametrize("order", ["C", "F"])
    def test_boto3_and_numpy_read_a_small_result(self, order: Literal["C", "F"]) -> None:
        x = np.array([[1.0, 2.0], [3.0, 4.0]], order=order)
        file = io.BytesIO()
        np.save(file, x)
        item = item_of(full_record(result=ResultInfo(Format.NPY, "ab", 9, inline=file.getvalue())))
        plain = plain_of(item["result"])
        assert plain["array"] == "<f8 2 2" + (" F" if order == "F" else "")
        found = np.frombuffer(plain["inline"]).reshape(2, 2, order=order)
        assert found.tolist() == x.tolist()

    @pytest.mark.parametrize(
        "content",
        [
            *(b"", MAGIC, MAGIC + b"\x01\x00", MAGIC + b"\x01\x00\xff\xff{}"),
            *(saved(np.eye(3), version) for version in [(1, 0), (2, 0)]),
            *(saved(np.zeros((2, 3, 3), dtype)) for dtype in ("f4", "c16", ">f8")),
            saved(np.eye(2)).replace(b", }", b",  }"),  # as nobody writes it
            saved(np.eye(2))[:-7],
        ],
    )
    def test_every_file_comes_back_to_the_byte(self, content: bytes) -> None:
        small = full_record(result=ResultInfo(Format.NPY, "ab" * 32, len(content), inline=content))
        assert record_of(item_of(small)) == small

    def test_a_question_that_input_and_options_tell_comes_back(self) -> None:
        bare = replace(full_record(), question="")
        known = replace(bare, question=digest_of(bare.input, bare.options))
        for one in (bare, known):
            assert record_of(item_of(one)) == one

    def test_facts_are_read_as_they_were_packed_in_the_first_version(self) -> None:
        """Tables are full of them: this one must be read for ever."""
        item = item_of(record("a")) | {"facts": {"B": b64decode(FIRST)}}
        assert record_of(item) == record("a")

    def test_what_has_no_value_is_left_out(self) -> None:
        always = {"job_id", "status", "listing", "updated_at", "expires_at", "revision", "facts"}
        assert item_of(record("a")).keys() == always

    @pytest.mark.parametrize(
        "number",
        [
            *(0.0, -0.0, 1.0, 0.1, -2.5e-7, 1e22, 9.9e125, 1e126, 1e-130, 9e-131, 5e-324, -1e308),
            *(float("inf"), np.float64(1) / 3, 12),
        ],
    )
    def test_numbers_come_back_exactly(self, number: float) -> None:
        full = replace(full_record(), timings_ms={"x_ms": number})
        (found,) = record_of(item_of(full)).timings_ms.values()
        assert repr(found) == repr(float(number))

    def test_random_numbers_come_back_exactly(self) -> None:
        numbers = np.random.default_rng(5).integers(0, 2**64, 2000, dtype=np.uint64)
        floats = {
            str(n): f for n, f in enumerate(numbers.view(np.float64).tolist()) if not isnan(f)
        }
        full = replace(full_record(), timings_ms=floats)
        assert record_of(item_of(full)).timings_ms == floats

    def test_the_jobs_spread_over_the_index(self) -> None:
        listings = {item_of(record(f"j{n}"))["listing"]["S"] for n in range(100)}
        assert listings == {f"QUEUED#{shard}" for shard in range(8)}


def plain_of(value: Any) -> Any:
    ((kind, content),) = value.items()
    if kind == "M":
        return {name: plain_of(member) for name, member in content.items()}
    return [plain_of(member) for member in content] if kind == "L" else content
