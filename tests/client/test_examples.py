"""The programs of functions/examples do what they say."""

from __future__ import annotations

import asyncio
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import matinv
from matinv import Client
from support.memory_service import general

EXAMPLES = Path(matinv.__file__).parents[1] / "examples"


def example(name: str, run_name: str = "example") -> dict[str, Any]:
    return runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name=run_name)


def test_matinv_and_joblib_return_the_same_inverses() -> None:
    given = [general(20, seed) for seed in range(30)]
    ours = example("inverses")["inverses"](given, Client.in_memory())
    theirs = example("inverses_with_joblib")["inverses"](given)
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_the_one_on_asyncio_has_errors_as_values() -> None:
    given = [np.eye(3), np.ones((3, 3)), 2 * np.eye(3)]
    traces = example("inverses_async")["traces"]
    first, error, last = asyncio.run(traces(given, Client.in_memory()))
    assert (first, last) == (3.0, 1.5)
    assert "SINGULAR" in error


def test_results_are_handled_as_they_come(tmp_path: Path) -> None:
    np.save(tmp_path / "good.npy", general(4))
    np.save(tmp_path / "bad.npy", np.ones((2, 2)))
    found = dict(example("as_they_end")["certified_digits"](tmp_path, Client.in_memory()))
    assert found.keys() == {"good", "bad"}
    assert found["bad"] is None
    assert found["good"] > 10


def test_a_run_has_its_errors_beside_its_inverses(capsys: pytest.CaptureFixture[str]) -> None:
    given = [general(4), np.ones((4, 4)), general(4, 1)]
    client = Client.in_memory()
    inverses, errors = example("a_run")["invert_run"](given, "study", client)
    assert inverses.keys() == {0, 2}
    assert errors.keys() == {1}
    assert "SINGULAR" in errors[1]
    assert client.wait_for_run("study")
    assert capsys.readouterr().err.endswith("3 of 3")


@pytest.mark.parametrize("name", ["inverses", "inverses_with_joblib"])
def test_programs_without_a_stack_run_as_they_are(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    example(name, "__main__")
    assert capsys.readouterr().out == "100 inverses\n"


def test_the_readme_runs_and_describes_each_program() -> None:
    page = (EXAMPLES / "README.md").read_text()
    for file in (*EXAMPLES.glob("*.py"), *EXAMPLES.glob("*.sh")):
        assert page.count(f"functions/examples/{file.name}") == 1
        assert page.count(f"({file.name})") == 1
