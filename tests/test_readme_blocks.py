"""A reader can paste each command of a README, from its top to its bottom, and it works.

The blocks of a page run in one shell, in a folder that has what a clone has. A block below a
comment that says what it needs (AWS, a network, …) is not run: only its names are checked.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from matinv.cli.app import cli
from matinv.jobs.message import message_schema
from support.pages import PAGES, ROOT

BLOCK = re.compile(
    r"^(?:<!-- (?P<mark>(?:needs|tested) [^>]+) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
LANGUAGES = {"sh", "python", "json", "hcl", "mermaid", "text"}
ALL_NEED_AWS = "infra/"  # each command there is about a deployed stack


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    language: str
    code: str
    marked: bool


BLOCKS = [
    Block(
        page,
        match["language"],
        match["code"],
        bool(match["mark"]) or page.startswith(ALL_NEED_AWS),
    )
    for page in (path.relative_to(ROOT).as_posix() for path in PAGES)
    for match in BLOCK.finditer((ROOT / page).read_text())
]
COMMANDS = [block for block in BLOCKS if block.language in {"sh", "python"}]
RUN = sorted({block.page for block in COMMANDS if not block.marked})


def test_every_block_is_found_and_says_its_language() -> None:
    for page in {block.page for block in BLOCKS}:
        fences = re.findall(r"^```(\w*)$", (ROOT / page).read_text(), re.MULTILINE)
        own = [block.language for block in BLOCKS if block.page == page]
        assert fences[::2] == own, page
        assert set(own) <= LANGUAGES, page


@pytest.mark.deep
@pytest.mark.parametrize("page", RUN)
def test_the_commands_of_a_page_work_from_top_to_bottom(page: str, tmp_path: Path) -> None:
    clone = tmp_path / "a clone"
    clone.mkdir()
    for entry in ROOT.iterdir():
        if entry.name not in {".git", ".env", ".venv"} and not entry.name.endswith("_cache"):
            (clone / entry.name).symlink_to(entry)
    (clone / ".venv").symlink_to(sys.prefix)
    script = "set -eum -o pipefail\n" + "\n".join(
        block.code if block.language == "sh" else f"python - <<'PYTHON'\n{block.code}PYTHON"
        for block in COMMANDS
        if block.page == page and not block.marked
    )
    script = script.replace("8080", str(free_port())).replace("range(1000)", "range(20)")
    env = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        ["bash", "-c", f"trap 'kill $(jobs -p) 2>/dev/null || :; wait' EXIT\n{script}"],
        cwd=clone,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


@pytest.mark.parametrize("block", [block for block in COMMANDS if block.language == "sh"])
def test_a_command_names_scripts_and_commands_that_there_are(block: Block) -> None:
    code = re.sub(r"#.*|'[^']*'", "", block.code)
    for script in re.findall(r"\bscripts/(\w+)", code):
        assert shutil.which(ROOT / "scripts" / script), script
    for line in re.findall(r"(?:^|[\s(|])matinv ((?:--(?:stack|api) \S+ )?\w.*)", code):
        name, *words = re.sub(r"^--\w+ \S+ ", "", line).split()
        command = cli.get_command(click.Context(cli), name)
        if isinstance(command, click.Group):
            command = command.get_command(click.Context(command), words[0])
        assert command, line
        known = {name for parameter in command.params for name in parameter.opts}
        assert set(re.findall(r"(?<=\s)--?[a-z][a-z-]*", re.split(r"[|&;>]", line)[0])) <= known


@pytest.mark.parametrize(
    "line",
    [line for block in BLOCKS if block.language == "json" for line in block.code.splitlines()],
)
def test_an_example_of_a_message_has_fields_that_there_are(line: str) -> None:
    assert json.loads(line).keys() <= message_schema()["fields"].keys()
