"""Edits of a JSON message leave the digits of its numbers as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from matinv.client.message_text import edited, members
from support.memory_service import MemoryService


def test_number_s_text_is_sent_as_it_stands(service: MemoryService, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[[-0.0, 1e-320], [0.1000000000000000055, 1]]")
    service.client.submit(tmp_path / "a.json")
    assert "[[-0.0, 1e-320], [0.1000000000000000055, 1]]" in service.queue.sent[0]


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
