"""The commands that start a console, on the embedded stack with its real worker."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import boto3
import numpy as np
import pytest
from browsing import page_of
from playwright.sync_api import Browser, Page, expect

from matinv.local.stack import Stack
from support.processes import SOON_S, alive, children, matinv, until

pytestmark = pytest.mark.deep

LINK = re.compile(r"http://127\.0\.0\.1:\d+/\?token=\S+")


@contextmanager
def started(
    *arguments: str, folder: Path, env: Mapping[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run a command and give the block the link that it prints."""
    log = folder / "log"
    with (
        log.open("w") as stream,
        matinv(*arguments, env=env, stdout=stream, stderr=stream) as process,
    ):
        found = until(lambda: LINK.search(log.read_text()) or process.poll() is not None)
        assert isinstance(found, re.Match), log.read_text()
        yield found[0], process
        if process.poll() is None:
            process.terminate()
            process.wait(SOON_S)


@pytest.fixture(scope="module")
def up(
    tmp_path_factory: pytest.TempPathFactory, no_real_aws: None
) -> Iterator[tuple[str, Mapping[str, str]]]:
    """A stack with its worker and its console; its link, and its environment."""
    folder = tmp_path_factory.mktemp("up")
    command = ["local", "up", "--console", "--no-browser", "--env-file", str(folder / "env")]
    with started(*command, folder=folder) as (link, process):
        text = until(lambda: (folder / "env").exists() and (folder / "env").read_text())
        yield link, dict(re.findall(r"^export (\w+)='?(.*?)'?$", text, re.M))
        below = children(process.pid)
        process.terminate()
        process.wait(SOON_S)
        until(lambda: not any(map(alive, below)))


@pytest.fixture(scope="module")
def page(chrome: Browser, up: tuple[str, Mapping[str, str]]) -> Iterator[Page]:
    with page_of(chrome, up[0]) as opened:
        yield opened


def test_a_chosen_file_is_inverted_by_the_worker_and_its_snippets_do_the_same(
    page: Page, up: tuple[str, Mapping[str, str]], tmp_path: Path
) -> None:
    matrix = np.diag(np.arange(1.0, 301.0))
    np.save(tmp_path / "matrix.npy", matrix)
    shutil.copy(tmp_path / "matrix.npy", tmp_path / "diagonal.npy")
    page.get_by_role("button", name="Submit").click()
    page.locator("input[type=file]").set_input_files(tmp_path / "diagonal.npy")
    line = page.get_by_role("row").filter(has_text="diagonal")
    expect(line.get_by_text("succeeded")).to_be_visible()
    line.get_by_role("link", name="diagonal").click()
    expect(page.get_by_role("img", name="A: magnitudes from 4.0e+0 to 3.0e+2")).to_be_visible()

    shell = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", **up[1]}
    command = page.get_by_role("region", name="Command").inner_text()
    done = run(["bash", "-ec", command], tmp_path, shell)
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "inverse.npy") @ matrix, np.eye(300), atol=1e-12)

    program = page.get_by_role("region", name="Python with boto3").inner_text()
    check = "\nassert abs(inverse @ np.load('matrix.npy') - np.eye(300)).max() < 1e-12"
    done = run([sys.executable, "-W", "error", "-c", program + check], tmp_path, shell)
    assert done.returncode == 0, done.stderr


def test_snippets_of_a_pasted_matrix_do_the_same_too(
    page: Page, up: tuple[str, Mapping[str, str]], tmp_path: Path
) -> None:
    np.save(tmp_path / "matrix.npy", np.diag([2, 4]))
    page.get_by_role("button", name="Submit").click()
    page.get_by_label("Matrix").fill("2 0\n0 4")
    page.get_by_label("Job id").fill("pasted")
    page.get_by_role("button", name="Submit the matrix").click()
    expect(page.get_by_role("heading", name="pasted")).to_be_visible()
    expect(page.get_by_role("heading", name="Certificate")).to_be_visible()
    shell = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", **up[1]}
    program = page.get_by_role("region", name="Python with boto3").inner_text()
    check = "\nassert inverse == [[0.5, 0.0], [0.0, 0.25]]"
    done = run([sys.executable, "-W", "error", "-c", program + check], tmp_path, shell)
    assert done.returncode == 0, done.stderr


def run(
    command: list[str], folder: Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=SOON_S
    )


def test_a_failed_job_is_sent_back_with_another_method_and_then_done(page: Page) -> None:
    page.get_by_role("button", name="Submit").click()
    page.get_by_label("Matrix").fill("2 4 6\n2 0 2\n6 8 14")
    page.get_by_label("Job id").fill("sneaky")
    page.get_by_role("button", name="Submit the matrix").click()
    expect(page.get_by_text("SINGULAR").first).to_be_visible()
    page.get_by_role("link", name="Show its dead letter").click()
    page.get_by_role("checkbox", name="Select sneaky").check()
    page.get_by_role("button", name="Redrive …").click()
    page.get_by_label("Method").select_option("pinv")
    page.get_by_role("button", name="Redrive 1", exact=True).click()
    expect(page.get_by_text("1 letter sent back.")).to_be_visible()
    expect(page.get_by_role("heading", name="No dead letters")).to_be_visible()
    page.get_by_role("link", name="Jobs", exact=True).click()
    line = page.get_by_role("row").filter(has_text="sneaky")
    expect(line.get_by_text("succeeded")).to_be_visible()
    line.get_by_role("link", name="sneaky").click()
    expect(page.get_by_text("as a pseudo-inverse")).to_be_visible()


def test_an_alarm_is_watched_as_it_begins_to_ring(
    page: Page, up: tuple[str, Mapping[str, str]]
) -> None:
    cloudwatch = boto3.client(
        "cloudwatch", endpoint_url=up[1]["AWS_ENDPOINT_URL"], region_name=up[1]["AWS_REGION"]
    )
    name = "matinv-dead-letters"
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        AlarmDescription="A job needs a person. Do: redrive it. Runbook: https://example.com/dlq",
        AlarmActions=[f"arn:aws:sns:{up[1]['AWS_REGION']}:123456789012:matinv-alarms"],
        Namespace="AWS/SQS",
        MetricName="ApproximateNumberOfMessagesVisible",
        Statistic="Maximum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=0,
        ComparisonOperator="GreaterThanThreshold",
    )
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="quiet")
    page.get_by_role("link", name="Health").click()
    alarms = page.get_by_role("region", name="Alarms")
    expect(alarms).to_contain_text("All 1 are quiet.")
    cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="a letter")
    expect(alarms).to_contain_text("1 of 1 alarm in alarm.")
    expect(alarms).to_contain_text("A job needs a person.")
    expect(alarms.get_by_role("link", name="https://example.com/dlq")).to_be_visible()


def test_a_stack_that_stops_is_told_with_what_to_do(
    chrome: Browser, no_real_aws: None, tmp_path: Path
) -> None:
    with Stack.start() as stack:
        env = stack.environment()
        with (
            started("console", "--no-browser", folder=tmp_path, env=env) as (link, _),
            page_of(chrome, link) as page,
        ):
            expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
            stack.process.kill()
            expect(page.get_by_role("heading", name="Jobs cannot be read")).to_be_visible()
            expect(page.get_by_role("button", name="Try again")).to_be_visible()
            page.get_by_role("link", name="Dead letters").click()
            expect(page.get_by_text("STORAGE")).to_be_visible()


def test_a_port_that_is_taken_is_said_in_one_line(up: tuple[str, Mapping[str, str]]) -> None:
    port = re.findall(r":(\d+)/", up[0])[0]
    with matinv(
        "console", "--no-browser", "--port", port, env=up[1], stderr=subprocess.PIPE
    ) as process:
        _, said = process.communicate(timeout=SOON_S)
    assert process.returncode == 1
    assert re.fullmatch(rf"matinv: PORT: cannot listen at 127\.0\.0\.1:{port}: .*\n", said)
