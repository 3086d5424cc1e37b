"""checkov, from an environment of its own, and a reason beside everything that it is not to see."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from terraform_cli import INFRA, REPOSITORY

CHECKOV = REPOSITORY / ".tools" / "checkov" / "bin" / "checkov"
SKIP = re.compile(r"#\s*checkov:skip=(\w+):?(.*)")


@pytest.mark.deep
def test_checkov_finds_nothing() -> None:
    if not CHECKOV.exists():
        reason = "checkov is not installed: scripts/test does that"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    found = subprocess.run(
        [CHECKOV, "--config-file", INFRA / ".checkov.yaml", "--directory", INFRA],
        env={**os.environ, "LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "Failed checks: 0" in found.stdout


def test_each_skip_has_its_reason() -> None:
    skips = [s for file in INFRA.rglob("*.tf") for s in SKIP.findall(file.read_text())]
    assert skips
    assert [check for check, reason in skips if len(reason.strip()) < 20] == []
