"""Files of other tools, by the command and over HTTP: read, or refused with advice that works."""

from __future__ import annotations

import base64
import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from matinv.errors import Code, Refused
from support.api_server import ApiServer
from support.memory_service import Cli, MemoryService, general

FIELD = Path(__file__).parents[1] / "formats" / "field"
MATRIX = [[4.0, 1.0, 0.0], [2.0, 5.0, 1.0], [0.0, 3.0, 6.0]]

TAKEN = ["py2-long.npy", "py2-long-v2.npy", "descr-d.npy", "bom.json", "pd-split.json", "cov.npz"]

# File, code, and words of the message or the hint.
REFUSED = [
    ("nan.npy", "NON_FINITE", "fill in or remove"),
    ("nan.json", "NON_FINITE", "no inverse"),
    ("pd-columns.json", "BAD_FORMAT", 'df.to_json(orient="values")'),
    ("utf16.json", "BAD_FORMAT", "iconv -f UTF-16 -t UTF-8"),
    ("cplx-objs.json", "BAD_FORMAT", '{"re": [[…]], "im": [[…]]}'),
    ("r-list.json", "BAD_MESSAGE", "it is a list"),
    ("trailing-1.npy", "NOT_SQUARE", "a[..., 0]"),
    ("trailing-bytes.npy", "BAD_LENGTH", "longer than its header says"),
]


def plain(path: Path) -> Any:
    """Return what a file holds, as numpy reads it; of text the matrix that was written."""
    if path.suffix == ".json":
        return np.array(MATRIX)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy says that Python 2 wrote it
        loaded = np.load(path)
        return (loaded if path.suffix == ".npy" else loaded[loaded.files[0]]).astype(float)


@pytest.mark.parametrize("name", TAKEN)
def test_a_file_of_another_tool_is_submitted_and_its_result_is_verified(
    run: Cli, service: MemoryService, name: str
) -> None:
    shutil.copy(FIELD / name, name)
    assert run("submit", name, "--job-id", "a", "--wait").exit_code == 0
    given = ("--verify", "--input", name, "--output", "json")
    result = run("result", "a", *given)
    assert result.exit_code == 0, result.stderr
    inverse = np.array(json.loads(result.stdout)["inverse"])
    asked = plain(FIELD / name)
    np.testing.assert_allclose(inverse @ asked, np.eye(len(inverse)), atol=1e-9)


@pytest.mark.parametrize("case", REFUSED, ids=[name for name, *_ in REFUSED])
@pytest.mark.parametrize("options", [(), ("--dry-run",)], ids=["submit", "dry run"])
def test_what_cannot_be_read_is_refused_with_advice_before_anything_is_sent(
    run: Cli, service: MemoryService, case: tuple[str, str, str], options: tuple[str, ...]
) -> None:
    name, code, words = case
    shutil.copy(FIELD / name, name)
    np.save("good.npy", general(3))
    result = run("submit", name, "good.npy", *options)
    assert (result.exit_code, result.stdout) == (7, "")
    assert f"matinv: {code}: {name}: " in result.stderr
    assert words in result.stderr
    assert (service.queue.sent, service.store.uris(), service.table.records) == ([], [], {})


def test_the_command_reads_what_api_and_record_call_timings(run: Cli) -> None:
    run("submit", "-", "--job-id", "a", "--method", "auto", "--wait", stdin="[[2]]")
    document = json.loads(run("status", "a", "--output", "json").stdout)
    assert "queued_ms" in document["timings"]
    assert "timings_ms" not in document
    assert "[default: auto]" in run("submit", "--help").stdout


# Over HTTP, as fields of a message


def body_of(name: str) -> dict[str, Any]:
    content = (FIELD / name).read_bytes()
    if name.endswith(".npy"):
        return {"npy": base64.b64encode(content).decode()}
    tree = json.loads(content.decode("utf-8-sig"))
    return tree if isinstance(tree, dict) and "matrix" in tree else {"matrix": tree}


@pytest.mark.way("http", "it asks the API itself")
@pytest.mark.parametrize("name", [name for name in TAKEN if name != "cov.npz"])
def test_a_layout_of_another_tool_is_answered_by_the_api(api: ApiServer, name: str) -> None:
    asked = plain(FIELD / name)
    answer = api.post("/invert", body_of(name))
    assert answer.status == 200
    np.testing.assert_allclose(answer.tree["inverse"] @ asked, np.eye(len(asked)), atol=1e-9)
    assert api.post("/jobs", {"job_id": "a", **body_of(name)}).status == 202
    api.service.work()
    assert api.get("/jobs/a").tree["status"] == "SUCCEEDED"


@pytest.mark.way("http", "it asks the API itself")
@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("nan.npy", "NON_FINITE", "remove"),
        ("pd-columns.json", "BAD_FORMAT", 'df.to_json(orient="values")'),
        ("cplx-objs.json", "BAD_FORMAT", '{"re": [[…]], "im": [[…]]}'),
        ("r-list.json", "BAD_MESSAGE", "auto_unbox = TRUE"),
        ("savez.npz.npy", "BAD_FORMAT", "numpy.save"),
        ("trailing-1.npy", "NOT_SQUARE", "a[..., 0]"),
        ("trailing-bytes.npy", "BAD_LENGTH", "more bytes follow the array"),
    ],
)
def test_a_layout_that_is_not_read_is_named_by_the_api(
    api: ApiServer, name: str, code: str, words: str
) -> None:
    answer = api.post("/invert", body_of(name))
    assert (answer.status, answer.code) == (400, code)
    assert words in answer.tree["hint"]
    sent = api.post("/jobs", {"job_id": "a", **body_of(name)})
    if sent.status == 202:  # the elements are the worker's to read
        api.service.work()
        assert api.get("/jobs/a").tree["error"]["code"] == code
    else:
        assert (sent.code, words in sent.tree["hint"]) == (code, True)


# Whole bodies: tests/formats/test_foreign.py has all of them

WHOLE = {
    "columns": (json.dumps({"a": {"0": 1}, "b": {"0": 2}}), 'df.to_json(orient="values")'),
    "data": (json.dumps({"data": MATRIX}), '{"matrix": [[…]]}'),
    "repr": (repr(np.array(MATRIX)), "json.dumps"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_foreign_whole_file_is_refused_with_advice_by_the_command(run: Cli, name: str) -> None:
    text, words = WHOLE[name]
    Path("a.json").write_text(text)
    result = run("submit", "a.json")
    assert (result.exit_code, result.stdout) == (7, "")
    assert words in result.stderr


@pytest.mark.way("http", "it asks the API itself")
@pytest.mark.parametrize("path", ["/jobs", "/invert"])
@pytest.mark.parametrize("name", WHOLE)
def test_a_foreign_whole_body_is_refused_with_advice_by_the_api(
    api: ApiServer, name: str, path: str
) -> None:
    text, words = WHOLE[name]
    answer = api("POST", path, text)
    assert (answer.status, words in answer.tree["hint"]) == (400, True)


@pytest.mark.way("http", "it asks the API itself")
@pytest.mark.parametrize("mask", [np.eye(3, dtype=bool), np.ones((3, 3), bool)])
def test_masked_and_missing_elements_are_refused_before_the_api_is_asked(
    api: ApiServer, mask: Any
) -> None:
    missing = general(3).astype(object)
    missing[1, 1] = None
    before = len(api.requests)
    for source in (np.ma.masked_array(general(3), mask=mask), missing):
        with pytest.raises(Refused) as caught:
            api.client.submit(source)
        assert caught.value.code is Code.NON_FINITE
    assert len(api.requests) == before
    assert api.post("/invert", {"matrix": [[1, None], [0, 1]]}).tree["hint"].startswith("null is")
