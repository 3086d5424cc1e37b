"""Records as items of DynamoDB, and back to the last bit."""

from __future__ import annotations

import json
from dataclasses import replace
from math import isnan
from typing import Any

import numpy as np
import pytest

from matinv.backends.aws.dynamodb_items import item_of, record_of
from matinv.formats.codecs import Format
from matinv.jobs.record import ResultInfo
from matinv.testing.contracts import full_record, record


class TestItems:
    def test_an_item_is_readable_with_the_aws_cli(self) -> None:
        item = item_of(full_record(result=ResultInfo(Format.JSON, "ab", 9, inline=b'{"x": 1}')))
        plain = {name: plain_of(value) for name, value in item.items()}
        assert plain["status"] == "PARTIAL"
        assert plain["input"]["shape"] == ["3", "2", "2"]
        assert plain["result"]["inline"] == '{"x": 1}'
        assert plain["error"]["retryable"] is False
        assert plain["certificate"]["digits"] == "0.3333333333333333"
        assert plain["timings"].keys() == {"queued_ms", "load_ms", "invert_ms"}
        assert plain["slices"]["failures"][0]["index"] == "1"
        assert json.dumps(plain)

    def test_what_has_no_value_is_left_out(self) -> None:
        always = {"job_id", "status", "listing", "input", "created_at", "updated_at", "expires_at"}
        assert item_of(record("a")).keys() == always | {"attempts", "revision"}

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
        values = item_of(full)["timings"]["M"].values()
        for value in values:
            if "N" in value:
                assert -130 <= np.floor(np.log10(abs(float(value["N"])))) <= 125
                assert len(value["N"].partition("e")[0].strip("-").replace(".", "")) <= 38

    def test_the_jobs_spread_over_the_index(self) -> None:
        listings = {item_of(record(f"j{n}"))["listing"]["S"] for n in range(100)}
        assert listings == {f"QUEUED#{shard}" for shard in range(8)}


def plain_of(value: Any) -> Any:
    ((kind, content),) = value.items()
    if kind == "M":
        return {name: plain_of(member) for name, member in content.items()}
    return [plain_of(member) for member in content] if kind == "L" else content
