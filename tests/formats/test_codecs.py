from __future__ import annotations

import ast
import io
from pathlib import Path

import numpy as np
import pytest

import matinv
from matinv.errors import Code, Refused
from matinv.formats.codecs import (
    CODECS,
    ENDINGS,
    Format,
    Headed,
    Text,
    format_of_content,
    format_of_key,
    media_type_of,
    open_file,
)
from matinv.formats.opened import OpenedFile
from matinv.formats.result import Result
from matinv.linalg.inverse import invert

PACKAGE = Path(matinv.__file__).parent
HEADED = [form for form, codec in CODECS.items() if isinstance(codec.input, Headed)]
SAMPLES = {
    "general": np.array([[4.0, 1.0], [2.0, 3.0]]),
    "float32": np.eye(3, dtype=np.float32) * 3,
    "complex": np.array([[1, 2j], [3j, 4]]),
    "stack": np.stack([np.eye(2), np.ones((2, 2)), np.diag([2.0, 4.0])]),
}


def written(form: Format, matrix: np.ndarray) -> bytes:
    inverses = invert(matrix)
    result = Result(inverses.x, inverses.failures.keys(), {"job_id": "a"}, inverses)
    return b"".join(CODECS[form].output.write(result))


def test_every_format_has_a_row_of_its_own() -> None:
    assert set(CODECS) == set(Format)
    assert len(set(ENDINGS)) == len(ENDINGS)
    assert len({codec.media_type for codec in CODECS.values()}) == len(CODECS)
    assert all(ending == ending.lower() and ending[0] == "." for ending in ENDINGS)


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("kind", list(SAMPLES))
def test_what_a_format_writes_its_own_reader_reads(form: Format, kind: str) -> None:
    content = written(form, SAMPLES[kind])
    read = CODECS[form].output.read(io.BytesIO(content), len(content))
    expected = invert(SAMPLES[kind]).x
    assert read.shape == expected.shape
    assert np.array_equal(read.astype(expected.dtype), expected, equal_nan=True)


@pytest.mark.parametrize("form", list(Format))
@pytest.mark.parametrize("kind", ["general", "complex", "stack"])
def test_people_s_own_program_reads_what_a_format_writes(form: Format, kind: str) -> None:
    content = written(form, SAMPLES[kind])
    program = CODECS[form].output.python.format(content="content")
    names = {"np": np, "io": io, "json": __import__("json"), "content": content}
    found = eval(program, names)
    if isinstance(found, dict):  # complex numbers in JSON
        found = np.array(found["re"]) + 1j * np.array(found["im"])
    expected = invert(SAMPLES[kind]).x
    for index, one in enumerate(found if expected.ndim == 3 else [found]):
        slice_ = expected[index] if expected.ndim == 3 else expected
        assert one is None or np.array_equal(one, slice_, equal_nan=True)


@pytest.mark.parametrize("form", list(Format))
def test_content_without_a_name_is_known_by_how_it_begins(form: Format) -> None:
    assert format_of_content(written(form, SAMPLES["general"])) is form


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x1f\x8b\x08", b"\x89HDF\r\n", b"7", b"1 2\n3 4"]
)
def test_content_of_no_known_format_is_not_taken_for_one(content: bytes) -> None:
    with pytest.raises(Refused) as caught:
        format_of_content(content)
    assert caught.value.code is Code.BAD_FORMAT


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_ending_says_format_and_media_type(ending: str) -> None:
    form = format_of_key(f"runs/7/A{ending.upper()}")
    assert ending in CODECS[form].endings
    assert media_type_of(f"a{ending}") == CODECS[form].media_type


def test_a_name_without_a_known_ending_lists_those_that_there_are() -> None:
    with pytest.raises(Refused) as caught:
        format_of_key("a.mat")
    info = caught.value.info
    assert all(ending in info.hint and ending in (info.limit or "") for ending in ENDINGS)
    assert media_type_of("a.mat") == "application/octet-stream"


@pytest.mark.parametrize(
    "named", [form for form in Format if isinstance(CODECS[form].input, Headed)]
)
def test_a_file_is_taken_for_what_it_holds_not_for_what_its_name_says(named: Format) -> None:
    file = io.BytesIO()
    np.save(file, SAMPLES["stack"])
    size_bytes = file.tell()
    file.seek(0)
    opened = open_file(named, file, size_bytes)
    assert isinstance(opened, OpenedFile)
    assert opened.header.shape == (3, 2, 2)
    assert np.array_equal(opened.read(), SAMPLES["stack"])


def test_text_is_known_by_its_length_alone() -> None:
    reader = io.BytesIO(b"[[1]]")
    assert isinstance(open_file(Format.JSON, reader, 5), Text)
    assert reader.tell() == 0


def test_nothing_but_the_table_asks_which_format_it_is() -> None:
    """A new format must not need a change elsewhere: no comparison, no match, no list of names."""
    asked = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parent.name in {"formats", "testing", "contracts"} or path.name == "openapi.py":
            continue  # OpenAPI spells the fields of a message, of which one is npy
        for node in ast.walk(ast.parse(path.read_text())):
            inside: list[ast.AST] = []
            if isinstance(node, ast.Compare):
                inside = [node.left, *node.comparators]
            elif isinstance(node, ast.MatchValue):
                inside = [node.value]
            elif isinstance(node, ast.Dict):
                inside = [key for key in node.keys if key]
            elif isinstance(node, ast.Tuple | ast.List | ast.Set):
                inside = list(node.elts)
            for one in inside:
                member = isinstance(one, ast.Attribute) and ast.unparse(one.value) == "Format"
                name = isinstance(one, ast.Constant) and one.value in {
                    *Format,
                    *ENDINGS,
                    *(codec.media_type for codec in CODECS.values()),
                }
                if member or (name and one.value not in ALSO_MEANT):
                    asked.append(f"{path.relative_to(PACKAGE)}:{one.lineno}: {ast.unparse(one)}")
    assert asked == []


# These words also mean something else than a format of matrices.
ALSO_MEANT = {
    "json",  # how commands print: --output json
    "application/json",  # how the API and the console talk, whatever the matrix
}
