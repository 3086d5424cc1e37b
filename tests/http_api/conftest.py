"""The HTTP API on the memory twins: by its events, and over a real socket."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from matinv.cli.app import cli
from support.api_requests import ApiRequests
from support.api_server import ApiServer, serving
from support.memory_service import MemoryService, Run


@pytest.fixture(autouse=True)
def _quiet(log: io.StringIO) -> None:
    """Keep what the API logs out of pytest's own capture."""


@pytest.fixture
def ask() -> ApiRequests:
    return ApiRequests()


@pytest.fixture
def api(log: io.StringIO) -> Iterator[ApiServer]:
    with serving() as made:
        yield made


@pytest.fixture
def service(api: ApiServer) -> MemoryService:
    return api.service


@pytest.fixture
def run(api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)

    def run_(*args: str, stdin: str | bytes = "") -> Result:
        result = CliRunner().invoke(
            cli, args, input=stdin, obj=api.client, prog_name="matinv", catch_exceptions=False
        )
        assert "Traceback" not in result.output
        return result

    return run_
