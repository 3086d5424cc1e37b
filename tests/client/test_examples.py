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


@pytest.mark.parametrize("name", sorted(file.stem for file in EXAMPLES.glob("*.py")))
def test_each_example_runs_as_a_program(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    example(name, "__main__")
    assert ("inverse" in capsys.readouterr().out) or name in {"as_they_end", "inverses_async"}
