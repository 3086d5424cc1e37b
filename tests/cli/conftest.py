"""The command line on a service in memory: as a client of its own, and through its HTTP API."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from matinv.cli.app import cli
from support.api_server import ApiServer, serving
from support.memory_service import Cli, MemoryService


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of a command both ways, but for those that name the one that is theirs."""
    if "way" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("way")
        http = pytest.param("http", marks=pytest.mark.deep)  # 6 s; the API has tests of its own
        ways = ["memory", http] if mark is None else [mark.args[0]]
        metafunc.parametrize("way", ways)


@pytest.fixture
def api(log: io.StringIO) -> Iterator[ApiServer]:
    with serving() as made:
        yield made


@pytest.fixture
def service(way: str, request: pytest.FixtureRequest) -> MemoryService:
    api: ApiServer | None = request.getfixturevalue("api") if way == "http" else None
    return api.service if api else MemoryService()


@pytest.fixture
def run(
    way: str,
    service: MemoryService,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Cli:
    """Run one command line in an empty directory."""
    monkeypatch.chdir(tmp_path)
    client = request.getfixturevalue("api").client if way == "http" else service.client

    def run_(*args: str, stdin: str | bytes = "") -> Result:
        result = CliRunner().invoke(
            cli, args, input=stdin, obj=client, prog_name="matinv", catch_exceptions=False
        )
        assert "Traceback" not in result.output
        return result

    return run_
