"""`matinv console` before it serves, and what it serves from."""

from __future__ import annotations

import re
import socket
from pathlib import Path

import pytest
import uvicorn
from click.testing import CliRunner

from matinv import console
from matinv.cli.app import cli
from matinv.local.stack import Stack
from support.memory_service import MemoryService

STATIC = Path(console.__file__).with_name("static")


@pytest.mark.parametrize("command", [["console"], ["local", "up", "--console"]])
def test_without_its_libraries_it_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setattr("matinv.cli.commands.console.find_spec", lambda name: None)
    monkeypatch.setattr(Stack, "start", lambda *_: pytest.fail("started all the same"))
    result = CliRunner().invoke(cli, command)
    assert result.exit_code != 0
    assert "pip install 'matinv[console]'" in result.stderr


def test_a_port_that_is_taken_is_said_and_another_one_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found: list[int] = []

    def run_and_stop(self: uvicorn.Server, sockets: list[socket.socket]) -> None:
        found.append(sockets[0].getsockname()[1])

    monkeypatch.setattr(uvicorn.Server, "run", run_and_stop)
    client = MemoryService().client
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        run = CliRunner().invoke(cli, ["console", "--no-browser", "--port", port], obj=client)
        assert run.exit_code == 1
        assert run.stderr.strip().endswith("choose another --port")
        again = CliRunner().invoke(cli, ["console", "--no-browser", "--port", "0"], obj=client)
    assert again.exit_code == 0
    assert f"http://127.0.0.1:{found[0]}/?token=" in again.stderr


def test_every_library_of_the_page_is_listed_with_version_and_licence() -> None:
    vendor = STATIC / "vendor"
    text = (vendor / "VENDOR.txt").read_text()
    listed = re.findall(r"^(\S+\.(?:js|css)) +\w+ +[\d.]+ +\S+ +(\S+\.LICENSE) \(", text, re.M)
    there = {path.name for path in vendor.iterdir()} - {"VENDOR.txt"}
    assert {name for pair in listed for name in pair} == there


def test_the_page_asks_nobody_else_for_anything() -> None:
    for path in STATIC.iterdir():
        if path.suffix in {".js", ".css", ".html"}:
            text = path.read_text()
            assert not re.search(r"""(?:src=|from |import |url\()["']?(?:https?:)?//""", text), path
