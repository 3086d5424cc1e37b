"""Every input of the corpus, and a while of looking for others."""

from __future__ import annotations

import base64
import os
import platform
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest

from fuzz.oracles import memory_traced
from fuzz.running import files_of, fuzz
from fuzz.targets import TARGETS

pytestmark = pytest.mark.deep

# Long enough to come back to most of what the corpus was grown to in minutes.
SECONDS = 10

HAS_WHEELS = (
    sys.platform == "linux" and platform.machine() == "x86_64" and sys.version_info < (3, 14)
)


@pytest.mark.parametrize(
    ("name", "file"),
    [pytest.param(n, file, id=f"{n}/{file.name}") for n in TARGETS for file in files_of(n)],
)
def test_an_input_of_the_corpus_is_read_or_refused_rightly(name: str, file: Path) -> None:
    with warnings.catch_warnings(), memory_traced():
        warnings.simplefilter("ignore", UserWarning)  # of numpy, about headers of Python 2
        TARGETS[name](file.read_bytes())


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_is_found_that_breaks_a_parser(name: str, tmp_path: Path) -> None:
    if not find_spec("atheris"):
        if HAS_WHEELS and os.environ.get("CI"):
            pytest.fail("atheris is not installed: see the development dependencies")
        pytest.skip("atheris has no wheels for this system")
    run = fuzz(name, SECONDS, tmp_path)
    if run.finding:
        data = base64.b64encode(run.finding.read_bytes()) if run.finding.exists() else b"none"
        pytest.fail(f"{run.log[-3000:]}\nthe input in base64: {data.decode()}")
    assert run.executions > len(files_of(name)), run.log
