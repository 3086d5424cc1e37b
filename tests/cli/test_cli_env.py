"""`--stack`, MATINV_STACK and `matinv env`: a deployed stack by Terraform's outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from matinv.cli.app import cli
from matinv.client import Client
from matinv.jobs.lanes import standard
from matinv.settings import Settings
from support.memory_service import MemoryService

MATINV = [sys.executable, "-c", "from matinv.cli import main; main()"]
SETTINGS = Settings(
    inputs_bucket="matinv-inputs",
    results_bucket="matinv-results",
    jobs_table="matinv-jobs",
    lane=standard("https://sqs.eu-west-1.amazonaws.com/123456789012/matinv-jobs"),
    dlq_url="https://sqs.eu-west-1.amazonaws.com/123456789012/matinv-dead",
)
NAMES = SETTINGS.to_environment() | {"AWS_REGION": "eu-west-1"}
OUTPUTS = {
    "api": {"sensitive": False, "type": "string", "value": "https://example.lambda-url"},
    "environment": {"sensitive": False, "type": ["map", "string"], "value": NAMES},
}

FAKE_TERRAFORM = """#!/bin/sh
printf '%s\\n' "$*" >>"$FAKE_LOG"
cat "$FAKE_STDERR" >&2
cat "$FAKE_STDOUT"
exit "$FAKE_CODE"
"""


@pytest.fixture(autouse=True)
def no_variables() -> Iterator[None]:
    """Begin without settings, and undo what the commands do to this process's environment."""
    before = dict(os.environ)
    for name in [*NAMES, "AWS_DEFAULT_REGION"]:
        os.environ.pop(name, None)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    """Return a file of outputs."""
    path = tmp_path / "outputs.json"
    path.write_text(json.dumps(OUTPUTS))
    return path


Terraform = Callable[..., Path]


@pytest.fixture
def fake_terraform(tmp_path: Path) -> Terraform:
    """Return a function that puts a Terraform that says this on PATH, and returns a root."""

    def say(stdout: str, stderr: str = "", code: int = 0) -> Path:
        for name, text in {"stdout": stdout, "stderr": stderr, "log": ""}.items():
            (tmp_path / name).write_text(text)
            os.environ[f"FAKE_{name.upper()}"] = str(tmp_path / name)
        os.environ["FAKE_CODE"] = str(code)
        command = tmp_path / "bin" / "terraform"
        command.parent.mkdir()
        command.write_text(FAKE_TERRAFORM)
        command.chmod(0o755)
        os.environ["PATH"] = f"{command.parent}:{os.environ['PATH']}"
        root = tmp_path / "infra" / "service"
        root.mkdir(parents=True)
        return root

    return say


def run(*args: object, stdin: str = "") -> Result:
    result = CliRunner().invoke(cli, list(map(str, args)), input=stdin, prog_name="matinv")
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """Return the settings of the clients that commands make, of a service in this process."""
    found: list[Settings] = []

    def connect() -> Client:
        found.append(Settings.from_environment())
        return MemoryService().client

    monkeypatch.setattr(Client, "connect", connect)
    return found


# Where it comes from


def test_file_of_outputs_names_the_stack(stack: Path, used: list[Settings]) -> None:
    assert run("--stack", stack, "list").exit_code == 0
    assert used == [SETTINGS]
    assert os.environ["AWS_REGION"] == os.environ["AWS_DEFAULT_REGION"] == "eu-west-1"


def test_stdin_names_the_stack(used: list[Settings]) -> None:
    assert run("--stack", "-", "list", stdin=json.dumps(OUTPUTS)).exit_code == 0
    assert used == [SETTINGS]


def test_root_is_asked_through_terraform(fake_terraform: Terraform, used: list[Settings]) -> None:
    root = fake_terraform(json.dumps(OUTPUTS))
    assert run("--stack", root, "list").exit_code == 0
    assert used == [SETTINGS]
    said = Path(os.environ["FAKE_LOG"]).read_text()
    assert said == f"-chdir={root} output -no-color -json\n"


def test_region_that_no_output_names_stays(stack: Path, used: list[Settings]) -> None:
    os.environ["AWS_DEFAULT_REGION"] = "eu-north-1"
    stack.write_text(json.dumps({"environment": {"value": SETTINGS.to_environment()}}))
    assert run("--stack", stack, "list").exit_code == 0
    assert used == [SETTINGS]
    assert os.environ["AWS_DEFAULT_REGION"] == "eu-north-1"


# Who wins


def test_option_replaces_the_names_of_another_stack_whole(
    stack: Path, used: list[Settings]
) -> None:
    os.environ |= {"MATINV_JOBS_TABLE": "other", "MATINV_LARGE_QUEUE_URL": "https://other"}
    run("--stack", stack, "list")
    assert used == [SETTINGS]
    assert "MATINV_LARGE_QUEUE_URL" not in os.environ


def test_variable_names_the_stack_where_nothing_else_does(
    stack: Path, used: list[Settings]
) -> None:
    os.environ["MATINV_STACK"] = str(stack)
    run("list")
    assert used == [SETTINGS]


def test_names_that_are_set_win_over_the_variable_and_are_not_mixed_with_it(stack: Path) -> None:
    os.environ |= {"MATINV_STACK": str(stack), "MATINV_JOBS_TABLE": "other"}
    result = run("list")
    assert result.exit_code == 1
    assert "MATINV_INPUTS_BUCKET is not set" in result.stderr


def test_option_wins_over_the_variable(stack: Path, used: list[Settings]) -> None:
    os.environ["MATINV_STACK"] = "nowhere"
    run("--stack", stack, "list")
    assert used == [SETTINGS]


@pytest.mark.parametrize("command", ["estimate --n 8", "submit --dry-run a.json", "--help"])
def test_commands_that_need_no_stack_do_not_ask_for_one(
    command: str, fake_terraform: Terraform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.json").write_text("[[1]]")
    os.environ["MATINV_STACK"] = str(fake_terraform(""))
    assert run(*command.split()).exit_code == 0
    assert Path(os.environ["FAKE_LOG"]).read_text() == ""


# What can be wrong


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", "there are no outputs; run terraform apply there, or select its workspace"),
        ('{"api": {"value": 1}, "x": {}}', "no output environment, only api, x; name the service"),
        ("", "no output of terraform output -json"),
        ("[]", "no output of terraform output -json"),
        ("[" * 100_000, "no output of terraform output -json"),
        ('{"environment": "x"}', "output environment is not a map of MATINV_* names"),
        ('{"environment": {"value": null}}', "output environment is not a map"),
        ('{"environment": {"value": {"MATINV_JOBS_TABLE": 1}}}', "output environment is not a map"),
        ('{"environment": {"value": {"PATH": "/tmp"}}}', "output environment is not a map"),
        ('{"environment": {"value": {"MATINV_X;reboot;": ""}}}', "output environment is not a map"),
        ('{"environment": {"value": {"MATINV_X\\n": ""}}}', "output environment is not a map"),
    ],
)
def test_outputs_that_name_no_stack_are_refused(stack: Path, text: str, expected: str) -> None:
    stack.write_text(text)
    for result in (run("--stack", stack, "list"), run("env", "--stack", stack)):
        assert result.exit_code == 1
        assert result.stdout == ""
        assert result.stderr.startswith(f"matinv: SETTINGS: --stack {stack}: {expected}")


def test_place_that_does_not_exist_is_said(tmp_path: Path) -> None:
    result = run("--stack", tmp_path / "nowhere", "list")
    assert result.exit_code == 1
    assert "nowhere: No such file or directory; name a Terraform root" in result.stderr


def test_file_that_is_not_text_is_said(stack: Path) -> None:
    stack.write_bytes(b"\xff\xfe")
    assert "not text" in run("--stack", stack, "list").stderr


def test_missing_terraform_is_said(tmp_path: Path) -> None:
    os.environ["PATH"] = str(tmp_path)
    result = run("--stack", tmp_path, "list")
    assert result.exit_code == 1
    assert (
        "terraform is not installed; name a file with the output of terraform output"
        in result.stderr
    )


def test_error_of_terraform_is_repeated_on_one_line(fake_terraform: Terraform, stack: Path) -> None:
    stderr = (
        "╷\n│ Warning: old\n╵\n╷\n│ Error: Backend initialization required\n│\n│ Reason: none\n╵\n"
    )
    root = fake_terraform("", stderr, 1)
    result = run("--stack", root, "list")
    assert result.exit_code == 1
    assert result.stderr == (
        f"matinv: SETTINGS: --stack {root}: terraform says: Error: Backend initialization required "
        "Reason: none; correct that, or name a file with the output of terraform output -json\n"
    )
    assert run("env", "--stack", stack).exit_code == 0


def test_doctor_tells_it_as_its_first_finding(stack: Path) -> None:
    stack.write_text("{}")
    result = run("--stack", stack, "doctor")
    assert result.exit_code == 1
    assert result.stdout.startswith(f"failed  settings        --stack {stack}: there are no outp")


# matinv env


@pytest.mark.parametrize("before", [True, False])
def test_env_prints_lines_that_a_shell_takes(stack: Path, *, before: bool) -> None:
    awkward = NAMES | {"MATINV_JOBS_TABLE": 'it\'s $HOME; `x`\n"y"'}
    stack.write_text(json.dumps({"environment": {"value": awkward}}))
    os.environ |= {"MATINV_LARGE_QUEUE_URL": "https://other", "MATINV_STACK": "kept"}
    option = ("--stack", stack)
    result = run(*option, "env") if before else run("env", *option)
    assert result.exit_code == 0
    code = "import os, json; print(json.dumps(dict(os.environ)))"
    script = f"{result.stdout}\nexec '{sys.executable}' -c '{code}'"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    assert found.items() >= awkward.items()
    assert found["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert "MATINV_LARGE_QUEUE_URL" not in found
    assert found["MATINV_STACK"] == "kept"


def test_env_takes_the_variable_too(stack: Path) -> None:
    os.environ |= {"MATINV_STACK": str(stack), "MATINV_JOBS_TABLE": "other"}
    assert "export MATINV_JOBS_TABLE=matinv-jobs\n" in run("env").stdout


def test_env_without_a_stack_is_a_usage_error() -> None:
    result = run("env")
    assert result.exit_code == 2
    assert "no stack is named (allowed: --stack DIR_OR_JSON, MATINV_STACK)" in result.stderr


def test_local_worker_takes_the_stack_as_well(stack: Path) -> None:
    stack.write_text("{}")
    result = run("--stack", stack, "local", "worker")
    assert result.exit_code == 1
    assert "there are no outputs" in result.stderr


def test_env_loads_nothing_heavy(stack: Path) -> None:
    heavy = "numpy|boto3|botocore|pydantic_core|rich|orjson"
    code = (
        "import sys; from matinv.cli.app import cli; "
        f"cli(['env', '--stack', {str(stack)!r}], standalone_mode=False); "
        f"print([m for m in '{heavy}'.split('|') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
