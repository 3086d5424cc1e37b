"""The command line on a client of the memory twins."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from matinv.cli.app import cli
from support.memory_service import MemoryService, Run


@pytest.fixture
def service() -> MemoryService:
    return MemoryService.make()


@pytest.fixture
def run(service: MemoryService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run one command line in an empty directory."""
    monkeypatch.chdir(tmp_path)

    def run_(*args: str, stdin: str | bytes = "") -> Result:
        result = CliRunner().invoke(
            cli, args, input=stdin, obj=service.client, prog_name="matinv", catch_exceptions=False
        )
        assert "Traceback" not in result.output
        return result

    return run_
