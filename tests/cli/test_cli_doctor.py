"""`matinv doctor`."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from matinv.cli.app import cli
from matinv.errors import Code, Misconfigured, Transient
from matinv.ports.monitor import Deployed
from support.memory_service import Cli, MemoryService

pytestmark = pytest.mark.way("memory", "an HTTP API has no dead letters to check")

CHECKS = [
    "settings",
    "inputs bucket",
    "results bucket",
    "jobs table",
    "jobs queue",
    "dead letters",
    "job by message",
    "job by file",
]


def test_healthy_service_is_ok_in_every_line_and_left_as_it_was(
    run: Cli, service: MemoryService
) -> None:
    result = run("doctor")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert [line[8:24].strip() for line in lines] == CHECKS
    assert all(line.startswith("ok ") for line in lines)
    assert "residual" in lines[-1]
    assert service.table.records == {}
    assert service.store.uris() == []
    assert service.store.calls["upload"] == service.store.calls["put_result"] == 1


def test_json_output_is_one_object_per_check(run: Cli) -> None:
    lines = [json.loads(line) for line in run("doctor", "--output", "json").stdout.splitlines()]
    assert [line["check"] for line in lines] == CHECKS
    assert {line["state"] for line in lines} == {"ok"}


def test_part_that_cannot_be_reached_is_named_with_what_to_do(
    run: Cli, service: MemoryService
) -> None:
    def fail(moment: str) -> None:
        if moment == "get:before":
            raise Transient(Code.ACCESS_DENIED, "may not read the table", "allow dynamodb:GetItem")

    service.table.fail = fail
    result = run("doctor")
    assert result.exit_code == 1
    states = {line[8:24].strip(): line[:8].strip() for line in result.stdout.splitlines()}
    assert states == dict.fromkeys(CHECKS, "ok") | {
        "jobs table": "failed",
        "job by message": "skipped",
        "job by file": "skipped",
    }
    assert "ACCESS_DENIED: may not read the table; allow dynamodb:GetItem" in result.stdout


def test_what_is_deployed_wrongly_fails_and_what_may_not_be_seen_is_skipped(
    service: MemoryService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied() -> Deployed:
        raise Misconfigured(Code.ACCESS_DENIED, "looking at the api failed: AccessDenied")

    checks = {
        "keys": lambda: Deployed("everything with keys of AWS"),
        "lane standard": lambda: Deployed("its mapping is Disabled", wrong=True),
        "api": denied,
    }
    whole = service.backend()
    deployed = replace(whole, deployment=SimpleNamespace(checks=lambda: checks))
    monkeypatch.setattr(service, "backend", lambda: deployed)
    result = CliRunner().invoke(cli, ["doctor"], obj=service.client, prog_name="matinv")
    assert result.exit_code == 1
    lines = {line[8:24].strip(): line[:8].strip() for line in result.stdout.splitlines()}
    assert lines == dict.fromkeys(CHECKS, "ok") | {
        "keys": "ok",
        "lane standard": "failed",
        "api": "skipped",
    }
    assert "see the policy `operator`" in result.stdout


def test_missing_worker_is_found_out(run: Cli, service: MemoryService) -> None:
    service.working = False
    result = run("doctor", "--timeout", "5s")
    assert result.exit_code == 1
    assert result.stdout.count("no worker finished job matinv-doctor-") == 2
    assert result.stdout.count("within 5 s") == 2
    assert "matinv local worker" in result.stdout


def test_missing_settings_are_the_first_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MATINV_DLQ_URL", raising=False)
    result = CliRunner().invoke(cli, ["doctor"], prog_name="matinv")
    assert result.exit_code == 1
    assert result.stdout.startswith("failed  settings        MATINV_INPUTS_BUCKET is not set; ")
    assert len(result.stdout.splitlines()) == 1
