"""infra/CHECKED.md names tests that there are."""

from __future__ import annotations

import re

import pytest
from terraform_cli import INFRA

ROWS = re.findall(r"^\| ([AB]\d+) \|(.+)\|$", (INFRA / "CHECKED.md").read_text(), re.M)
TESTS = "\n".join(path.read_text() for path in (INFRA.parent / "tests").rglob("test_*.py"))
RUNS = "\n".join(path.read_text() for path in INFRA.rglob("*.tftest.hcl"))


def test_each_fault_and_risk_that_was_found_has_its_row() -> None:
    known = [f"A{n}" for n in range(1, 10)] + [f"B{n}" for n in range(1, 16)]
    assert [number for number, _ in ROWS] == known


@pytest.mark.parametrize(("number", "row"), ROWS)
def test_a_row_names_tests_that_there_are(number: str, row: str) -> None:
    named = re.findall(r"`([a-z_0-9]{20,})`", row.rpartition(" | ")[2])
    assert named or number == "B15"
    for name in named:
        assert f"def {name}(" in TESTS or f'run "{name}"' in RUNS, name
