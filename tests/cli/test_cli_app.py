"""The command line as a whole: what it loads, how it ends, what its help says."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from matinv.cli import app
from matinv.cli.errors import exit_of_status, gravest
from matinv.cli.options import Duration
from matinv.cli.reference import help_texts, markdown
from matinv.cli.terminal import print_table
from matinv.jobs.error_answers import Exit
from matinv.jobs.record import Status
from matinv.local.samples import npy_bytes
from support.memory_service import Cli, MemoryService

pytestmark = pytest.mark.way("memory", "it is the same for every client")

MATINV = [sys.executable, "-c", "from matinv.cli import main; main()"]
HEAVY = (
    "numpy",
    "boto3",
    "botocore",
    "pydantic_core",
    "rich",
    "orjson",
    "scipy_openblas64",
    "moto",
)


def loaded_by(code: str) -> list[str]:
    """Return which of the heavy packages a fresh interpreter has loaded after `code`."""
    report = (
        f"{code}\nimport sys, json\nprint(json.dumps([m for m in {HEAVY} if m in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", report], capture_output=True, text=True, check=True
    )
    loaded: list[str] = json.loads(done.stdout.splitlines()[-1])
    return loaded


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    assert loaded_by("import matinv.cli") == []
    assert loaded_by("import matinv.cli.app") == []


def test_help_loads_nothing_heavy() -> None:
    assert loaded_by("from matinv.cli.app import cli; cli(['--help'], standalone_mode=False)") == []


def test_help_of_a_command_does_not_load_boto3() -> None:
    code = "from matinv.cli.app import cli; cli(['submit', '--help'], standalone_mode=False)"
    assert not {"boto3", "botocore", "rich"} & set(loaded_by(code))


def test_missing_click_is_said_in_one_line() -> None:
    code = "import sys; sys.modules['click'] = None\nfrom matinv.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "matinv: MISSING: click is not installed; run: pip install 'matinv[cli]'\n"
    )


def test_short_help_in_the_group_is_what_the_commands_say() -> None:
    root = click.Context(app.cli, info_name="matinv")
    for name, (_, _, text) in app._COMMANDS.items():
        command = app.cli.get_command(root, name)
        assert command is not None
        assert command.get_short_help_str(200) == text, name


def test_every_command_has_help_with_all_options_explained() -> None:
    texts = dict(help_texts())
    assert {"matinv", "matinv submit", "matinv dlq redrive", "matinv local up"} <= texts.keys()
    for path, text in texts.items():
        assert text.startswith(f"Usage: {path} "), path
        assert max(map(len, text.splitlines())) <= 88, path


def test_reference_is_the_help_of_every_command() -> None:
    text = markdown()
    for path, help_ in help_texts():
        assert f"### `{path}`\n\n```text\n{help_}\n```\n" in text


def test_reference_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = markdown()
    monkeypatch.setenv("COLUMNS", "40")
    assert markdown() == wide


def test_version_and_unknown_command(run: Cli) -> None:
    assert run("--version").stdout == "matinv, version 0.1.0\n"
    result = run("invert")
    assert result.exit_code == 2
    assert result.stderr.startswith("matinv: USAGE: no such command: 'invert' (allowed: submit, ")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("submt a.npy", "no such command: 'submt' (did you mean: submit?)"),
        ("dlq lst", "No such command 'lst'. Did you mean 'list'?"),
        ("submit --metod lu a.npy", "'--metod'. (Did you mean one of: '--method',"),
    ],
)
def test_what_is_misspelt_is_suggested(run: Cli, line: str, said: str) -> None:
    result = run(*line.split())
    assert result.exit_code == 2
    assert said in result.stderr


def test_help_fits_a_narrow_terminal() -> None:
    for path, text in help_texts(60):
        assert max(map(len, text.splitlines())) <= 60, path


@pytest.mark.parametrize(
    ("line", "found"),
    [("sub", "submit"), ("dlq re", "redrive"), ("submit --me", "--method")],
)
def test_a_shell_completes_commands_and_options(line: str, found: str) -> None:
    words = {"COMP_WORDS": f"matinv {line}", "COMP_CWORD": str(len(line.split()))}
    env = {**os.environ, **words, "_MATINV_COMPLETE": "bash_complete"}
    code = "import sys; sys.argv = ['matinv']; from matinv.cli import main; main()"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    assert done.stdout == f"plain,{found}\n"


def test_no_command_shows_the_help_and_exits_2(run: Cli) -> None:
    result = run()
    assert result.exit_code == 2
    assert result.stderr.startswith("Usage: matinv [OPTIONS] COMMAND")


def test_missing_settings_exit_1_and_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MATINV_")]:
        monkeypatch.delenv(name)
    result = CliRunner().invoke(app.cli, ["status", "a"], prog_name="matinv")
    assert result.exit_code == 1
    assert result.stderr.startswith("matinv: SETTINGS: MATINV_INPUTS_BUCKET is not set; ")
    assert "matinv local up" in result.stderr


def test_bug_keeps_its_traceback(service: MemoryService) -> None:
    def fail(moment: str) -> None:
        raise ZeroDivisionError

    service.table.fail = fail
    result = CliRunner().invoke(app.cli, ["status", "a"], obj=service.client)
    assert isinstance(result.exception, ZeroDivisionError)


def test_reader_that_closes_the_pipe_ends_the_command_quietly(tmp_path: Path) -> None:
    files = [str(tmp_path / f"{k}.npy") for k in range(500)]
    for file in files:
        Path(file).write_bytes(npy_bytes(np.eye(2)))  # 140 kB of output: more than a pipe holds
    command = [*MATINV, "estimate", "--output", "json", *files]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


@pytest.mark.parametrize("no_color", [True, False])
def test_terminal_gets_a_table_with_colours_unless_they_are_not_wanted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, no_color: bool
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    if no_color:
        monkeypatch.setenv("NO_COLOR", "1")
    print_table(["JOB ID", "STATUS"], [["[red]a[/red]", "FAILED"]])
    out = capsys.readouterr().out
    assert "[red]a[/red]" in out
    assert ("\x1b[31m" in out) is not no_color


def test_table_goes_to_a_real_terminal() -> None:
    leader, follower = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "100"}
    with os.fdopen(leader, "rb", buffering=0) as screen:
        subprocess.run(
            [*MATINV, "estimate", "--n", "8"], stdout=follower, env=environment, check=True
        )
        os.close(follower)
        text = screen.read(4096).decode()
    assert "8 x 8" in text
    assert "─" in text
    assert "\x1b[3" not in text


def test_exit_code_of_several_jobs_is_the_gravest() -> None:
    assert gravest([]) is Exit.OK
    assert gravest([Exit.PARTIAL, Exit.OK]) is Exit.PARTIAL
    assert gravest([Exit.PARTIAL, Exit.TIMED_OUT, Exit.FAILED]) is Exit.FAILED
    assert gravest([Exit.FAILED, Exit.NOT_FOUND]) is Exit.NOT_FOUND
    assert exit_of_status(Status.RUNNING) is Exit.TIMED_OUT


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90.0), ("90s", 90.0), ("1.5m", 90.0), ("2h", 7200.0), ("7d", 604800.0), ("0", 0.0)],
)
def test_duration_has_units(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "-1", "soon", "1y", "٣s", "1 s", "nan"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="allowed: 90, 90s"):
        Duration().convert(text, None, None)


def options(command: click.Command, *path: str) -> Iterator[tuple[str, click.Option]]:
    """Yield every option of a command and of those below it, with where it stands."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from options(below, *path, name)
    for param in command.params:
        if isinstance(param, click.Option):
            yield " ".join((*path, param.opts[0])), param


def test_every_default_that_help_shows_is_accepted() -> None:
    shown = 0
    for name, option in options(app.cli):
        context = click.Context(app.cli)
        record = option.get_help_record(context)
        found = re.search(r"\[default: ([^];]+)", record[1]) if record else None
        if found is None or option.is_flag:
            continue
        shown += 1
        try:
            option.type_cast_value(context, found[1])
        except click.BadParameter as error:  # the message names no option
            pytest.fail(f"{name} shows {found[1]} and refuses it: {error.message}")
    assert shown > 10


@pytest.mark.parametrize("width", [80, 60])
def test_a_table_fits_the_terminal_and_ids_stay_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    long_id = "study/patient 7/session 3/covariance of the left half 0017"
    note = "SINGULAR: the matrix is singular"
    print_table(
        ["JOB ID", "STATUS", "SHAPE", "EMPTY", "UPDATED", "NOTE"],
        [
            [long_id, "FAILED", "100 x 100", "-", "2026-11-28T21:10:00.123Z", note],
            ["a", "SUCCEEDED", "3 x 3", "-", "2026-11-28T21:10:00.123Z", "-"],
        ],
    )
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= width
    assert "EMPTY" not in lines[0]
    assert lines[2].startswith(long_id)
    assert lines[3] == f"  {note}"
    assert ("FAILED" in lines[2]) is (width == 80)


def test_an_id_that_is_wider_than_the_terminal_is_on_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_table(["JOB ID", "STATUS"], [["x" * 200, "FAILED"]])
    assert "x" * 200 in capsys.readouterr().out.splitlines()
