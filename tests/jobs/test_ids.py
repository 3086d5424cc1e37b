"""Job ids: one rule, by which key, file name and id name one job."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import unicodedata
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinv.errors import Refused
from matinv.jobs.ids import checked_id, hashed_id, job_id_of, matrix_digest, names_of, valid_job_id

NAMES = st.text(min_size=1, max_size=40) | st.lists(
    st.sampled_from(["a", "é", "e\u0301", ".", "..", "/", " ", "\u202e", "\n", ".npy", ".json"]),
    min_size=1,
    max_size=8,
).map("".join)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "a",
            "0",
            "exp-42",
            "a/b",
            "a.b_c-d/E",
            "x" * 512,
            "é" * 256,
            "a.",
            "-",
            "eins zwei",
            "Ж",
        ),
        *(
            "\u0661\u0662",
            "größe 1+1=2/a%2Fb",
            "a\\b",
            "a?b#c",
            "run.7",
            "notes.txt",
            "a/.b",
            "😀",
        ),
    ],
)
def test_a_valid_job_id(text: str) -> None:
    assert valid_job_id(text)
    assert checked_id(text) == job_id_of(text) == job_id_of(f"{text}.npy") == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "..", "/a", "a/", "a//b", "a..b", "../a", "a/../b", "x" * 513, "é" * 257),
        *(".", "a/.", "./a", "a/./b"),  # a URL that is read loses these parts
        *(
            "a\n",
            "a\x00",
            "a\u200b",
            "\u202ea",
            "\ufeffa",
            "a\u2028b",
            "\x1b[31m",
            "\ud800",
            "\uffff",
        ),
        *("a.npy", "a.JSON", "a.npz", "a\u00a0b", 'x\r\n{"level":"INFO"}'),
    ],
)
def test_an_invalid_job_id(text: str) -> None:
    assert not valid_job_id(text)
    with pytest.raises(Refused, match="BAD_JOB_ID"):
        checked_id(text)


def test_an_id_in_another_normal_form_is_the_same_id() -> None:
    assert checked_id("gro\u0308\u00dfe") == "gr\u00f6\u00dfe"


def test_the_hint_for_a_file_s_name_is_an_id_that_works() -> None:
    with pytest.raises(Refused) as caught:
        checked_id("run 7/a.npy")
    assert caught.value.info.hint.endswith(": run 7/a")
    assert valid_job_id("run 7/a")


@given(NAMES)
def test_a_valid_job_id_fits_wherever_it_travels(text: str) -> None:
    if valid_job_id(text):
        assert len(text.splitlines()) == 1
        assert text.strip() == text
        assert unicodedata.normalize("NFC", text) == text
        assert json.loads(json.dumps(text)) == text.encode().decode() == text
        element = ElementTree.Element("id")
        element.text = text
        assert ElementTree.fromstring(ElementTree.tostring(element)).text == text


@given(NAMES)
def test_each_name_of_a_job_finds_it(name: str) -> None:
    job_id = job_id_of(name)
    assert valid_job_id(job_id)
    stem = re.sub(r"(?i)\.(npy|npz|json)\Z", "", name)
    again = [job_id, f"{job_id}.npy", stem + ".JSON", stem + ".npz"]
    decomposed = unicodedata.normalize("NFD", name)
    assert {job_id_of(other) for other in [*again, decomposed, *names_of(job_id)]} == {job_id}


@given(NAMES, NAMES)
def test_other_names_have_other_ids(one: str, other: str) -> None:
    def plain(name: str) -> str:
        return unicodedata.normalize("NFC", re.sub(r"(?i)\.(npy|npz|json)\Z", "", name))

    if plain(one) != plain(other):
        assert job_id_of(one) != job_id_of(other)


@pytest.mark.parametrize(
    ("key", "readable"),
    [
        *(("run//7.npy", "run/7"), ("/a.npy", "a"), ("a..b.npy", "a.b"), (".npy", "file")),
        *(
            ("a.npy.json", "a.npy"),
            ("x" * 600, "x" * 96),
            ("\u202ea b \n.npy", "a-b"),
            ("..", "file"),
            (".", "file"),
            ("a/./b.npy", "a/b"),
        ),
    ],
)
def test_a_key_that_makes_no_id_gets_a_readable_one(key: str, readable: str) -> None:
    assert re.fullmatch(re.escape(readable) + "-[0-9a-f]{32}", job_id_of(key))


@pytest.mark.parametrize(
    ("key", "job_id"),
    [
        ("exp-1.npy", "exp-1"),
        ("exp-1.JSON", "exp-1"),
        ("exp-1.npz", "exp-1"),
        ("run/7/a.b.npy", "run/7/a.b"),
        ("run.7/a.npy", "run.7/a"),
        ("run/plain", "run/plain"),
        ("eins zwei.npy", "eins zwei"),
    ],
)
def test_the_job_id_of_a_file_is_its_key_without_the_ending(key: str, job_id: str) -> None:
    assert job_id_of(key) == job_id


def test_the_hash_of_content() -> None:
    assert hashed_id(b"") == "sha256-e3b0c44298fc1c149afbf4c8996fb924"


def test_the_digest_of_a_matrix_is_that_of_its_values_and_type() -> None:
    matrix = np.array([[1.0, 2.0], [3.0, 4.0]])
    same = [
        np.asfortranarray(matrix),
        matrix.astype(">f8"),
        np.kron(matrix, np.ones((2, 2)))[::2, ::2],
    ]
    others = [
        matrix.T,
        -matrix,
        matrix[None],
        matrix.astype(np.float32),
        matrix.astype(np.complex128),
        np.where(matrix == 1, -0.0, matrix),
        np.where(matrix == 1, 0.0, matrix),
    ]

    assert {matrix_digest(array) for array in same} == {matrix_digest(matrix)}
    assert len({matrix_digest(array) for array in [matrix, *others]}) == 1 + len(others)
    content = b"<f8(2, 2)" + struct.pack("<4d", 1, 2, 3, 4)
    assert matrix_digest(matrix) == hashlib.sha256(content).hexdigest()
