"""The identity of an input: its content, or the version of its object."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from matinv.formats.codecs import Format
from matinv.jobs.ids import matrix_digest
from matinv.jobs.record import InputInfo
from matinv.jobs.request import Inline, Options, Reference, Request, input_info, opened

OLD = InputInfo("s3://inputs/a.npy", "version:1", order="01")

UNREAD = InputInfo("s3://inputs/a.npy", "")


def test_an_inline_matrix_is_known_by_its_content() -> None:
    array = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    info = input_info(Request("a", Inline(array, Format.JSON, 16), Options()))

    assert info == InputInfo(
        "message", f"sha256:{matrix_digest(array)}", None, 16, (2, 2), "float32"
    )


@pytest.mark.parametrize(
    ("version_id", "etag", "identity"),
    [
        ("v1", "e1", "version:v1"),
        ("v1", None, "version:v1"),
        (None, "e1", "etag:e1"),
        ("null", "e1", "etag:e1"),
        ("null", None, ""),
        (None, None, ""),
    ],
)
def test_an_object_is_known_by_its_version_or_etag(
    version_id: str | None, etag: str | None, identity: str
) -> None:
    reference = Reference("inputs", "run/a b.npy", version_id, etag, order="01")
    info = input_info(Request("a", reference))

    assert info == InputInfo("s3://inputs/run/a b.npy", identity, "01")


def test_opening_an_object_completes_what_is_known() -> None:
    assert opened(UNREAD, "v7", "e", 160) == replace(UNREAD, id="version:v7", size_bytes=160)
    assert opened(UNREAD, None, "e", 160).id == "etag:e"
    by_etag = replace(OLD, id="etag:e")
    assert opened(by_etag, "v7", "e", 160) == replace(OLD, id="version:v7", size_bytes=160)
