"""The command line with ``--api``: the address is enough, and little else differs from AWS."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from matinv.cli.app import cli
from support.api_server import ApiServer
from support.memory_service import Cli, MemoryService, general

pytestmark = pytest.mark.way("http", "memory has none of it")


def test_nothing_but_the_url_is_needed(
    api: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    body = '{"job_id": "a", "matrix": [[2]]}'
    sent = CliRunner().invoke(cli, ["--api", api.url, "submit", "-"], input=body)
    assert (sent.exit_code, sent.stdout) == (0, "a\n")
    api.service.work()
    monkeypatch.setenv("MATINV_API_URL", api.url)
    fetched = CliRunner().invoke(cli, ["result", "a", "--output", "json"])
    assert json.loads(fetched.stdout)["inverse"] == [[0.5]]


def test_a_large_result_is_fetched_from_where_it_is(run: Cli, service: MemoryService) -> None:
    big = general(800)
    np.save("big.npy", big)
    assert run("submit", "big.npy", "--wait").exit_code == 0
    assert run("result", "big", "-o", "x.npy").exit_code == 0
    assert np.abs(np.load("x.npy") @ big - np.eye(800)).max() < 1e-9
    assert "/objects/s3://results/big/" in run("result", "big", "--url").stdout


def test_a_small_result_has_no_url(run: Cli, service: MemoryService) -> None:
    run("submit", "-", "--job-id", "a", "--wait", stdin="[[2]]")
    result = run("result", "a", "--url")
    assert (result.exit_code, "fetch it" in result.stderr) == (7, True)


def test_verifying_needs_the_matrix(run: Cli) -> None:
    np.save("big.npy", general(200))
    run("submit", "big.npy", "--wait")
    result = run("result", "big", "--verify", "-o", "x.npy")
    assert (result.exit_code, "--input FILE" in result.stderr) == (7, True)
    assert run("result", "big", "--verify", "--input", "big.npy", "-o", "x.npy").exit_code == 0


def test_a_dead_job_is_redriven_by_its_id_with_other_options(
    run: Cli, service: MemoryService
) -> None:
    run("submit", "-", "--job-id", "bad", "--wait", stdin="[[1, 2], [2, 4]]")
    result = run("dlq", "redrive", "--job-id", "bad", "--method", "pinv")
    assert (result.exit_code, result.stdout) == (0, "bad\n")
    service.work()
    assert "SUCCEEDED" in run("status", "bad").stdout
    assert run("dlq", "redrive", "--job-id", "bad").exit_code == 6


@pytest.mark.parametrize("args", [(), ("--code", "SINGULAR"), ("--job-id", "a", "--dry-run")])
def test_dead_letters_are_redriven_by_id_alone(run: Cli, args: tuple[str, ...]) -> None:
    result = run("dlq", "redrive", *args)
    assert (result.exit_code, "by --job-id alone" in result.stderr) == (2, True)


def test_dead_letters_are_not_shown(run: Cli) -> None:
    result = run("dlq", "list")
    assert (result.exit_code, "does not offer" in result.stderr) == (7, True)


def test_two_ways_to_a_service_are_one_too_many() -> None:
    result = CliRunner().invoke(cli, ["--api", "https://x", "--stack", "y", "status", "a"])
    assert result.exit_code == 2
    assert "exclude each other" in result.stderr


def test_a_stack_on_the_command_line_wins_over_the_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MATINV_API_URL", "http://127.0.0.1:9")
    result = CliRunner().invoke(cli, ["--stack", "nowhere", "status", "a"])
    assert "--stack nowhere" in result.stderr
