"""`matinv top`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from threading import Event
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from matinv.cli import health_view
from matinv.cli.app import cli
from matinv.errors import Code, Misconfigured
from matinv.jobs.times import timestamp
from matinv.operations.health import snapshot
from matinv.ports.monitor import DEAD, Alarm, Depth, Figures, State
from matinv.settings import of_api
from support.memory_service import Cli, MemoryService, general
from support.processes import SOON_S

pytestmark = pytest.mark.way("memory", "an HTTP API has no queues and alarms to show")

WHY = "Jobs wait longer than promised."


@pytest.fixture
def busy(service: MemoryService) -> MemoryService:
    """A stack with something of everything."""
    for k in range(3):
        service.client.submit(general(4, k), job_id=f"good-{k}").wait()
    service.client.submit([[1.0, 2.0], [2.0, 4.0]], job_id="bad").wait()
    service.monitor.depths = {
        "standard": Depth(1200, 30, 4),
        "large": Depth(),
        DEAD: Depth(3),
    }
    service.monitor.counted = Figures({"standard": 75.0}, 40, 2)
    service.monitor.known_alarms = [
        Alarm("backlog-standard", State.ALARM, timestamp(service.now_s), WHY, pages=True),
        Alarm("canary", State.INSUFFICIENT_DATA, timestamp(0), "no heartbeat"),
        Alarm("table", State.OK, timestamp(0), "it throttles"),
    ]
    return service


@pytest.fixture
def at_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr("matinv.cli.commands.top.sys", SimpleNamespace(stdout=terminal))
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    monkeypatch.setenv("TERM", "xterm")


def after(looks: int, then: Callable[[], None]) -> Callable[[], None]:
    """Return what does something in the pause after so many looks."""
    left = iter(range(looks - 1, -1, -1))

    def sleeping() -> None:
        if next(left) == 0:
            then()

    return sleeping


def interrupt() -> None:
    raise KeyboardInterrupt


def test_one_frame_says_all_that_is_known(run: Cli, busy: MemoryService) -> None:
    result = run("top", "--once")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line.rstrip() for line in result.stdout.splitlines()]
    assert "standard   1,200      30       4   75 s" in lines
    assert "large          0       0       0      -" in lines
    assert "dead letters 3  see: matinv dlq list" in lines
    assert "alarms 1 firing  1 without data  1 OK" in lines
    assert any(line.startswith("  backlog-standard (pages) since 2023-11-14") for line in lines)
    assert any("4 ended, 1 failed, now 4 per second" in line for line in lines)
    assert any(line.startswith("backlog ends in about ") for line in lines)
    assert any(line.startswith("latency p50 ") for line in lines)
    assert any(line.startswith("cost $0.0000") and line.endswith(" per job") for line in lines)
    assert "duplicates 2 of 40 deliveries" in lines
    assert any(" bad SINGULAR: the matrix is singular" in line for line in lines)


def test_in_a_pipe_there_is_one_frame_without_escape_codes(run: Cli, busy: MemoryService) -> None:
    result = run("top")
    assert result.exit_code == 0
    assert result.stdout.count("dead letters") == 1
    assert "\x1b" not in result.stdout


def test_json_is_the_health_document(run: Cli, busy: MemoryService) -> None:
    (line,) = run("top", "--output", "json").stdout.splitlines()
    assert json.loads(line) == json.loads(json.dumps(snapshot(busy.client).document()))


def test_the_window_is_chosen(run: Cli, busy: MemoryService) -> None:
    busy.now_s += 120
    document = json.loads(run("top", "--output", "json", "--window", "1m").stdout)
    assert (document["window_s"], document["flow"]["ended"]) == (60.0, 0)


@pytest.mark.usefixtures("at_terminal")
def test_a_terminal_shows_frame_after_frame_until_ctrl_c(run: Cli, busy: MemoryService) -> None:
    busy.pauses.clear()
    busy.on_sleep = after(3, interrupt)
    result = run("top", "--interval", "2s")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.count("dead letters") == 3
    assert busy.pauses == [2.0, 2.0, 2.0]
    enters, leaves = "\x1b[?1049h", "\x1b[?1049l"
    assert result.stdout.index(enters) < result.stdout.index("lane") < result.stdout.index(leaves)


@pytest.mark.usefixtures("at_terminal")
def test_a_terminal_that_asks_for_one_frame_keeps_it(run: Cli, busy: MemoryService) -> None:
    result = run("top", "--once")
    assert result.exit_code == 0
    assert "\x1b[?1049h" not in result.stdout
    assert "dead letters" in result.stdout


@pytest.mark.usefixtures("at_terminal")
def test_a_fault_between_two_looks_does_not_end_the_view(run: Cli, busy: MemoryService) -> None:
    def deny(_: str) -> None:
        raise Misconfigured(Code.ACCESS_DENIED, "the token is over", "log in")

    def fail() -> None:
        busy.monitor.fail = busy.table.fail = deny
        busy.on_sleep = after(2, interrupt)

    busy.on_sleep = after(1, fail)
    result = run("top")
    assert result.exit_code == 0
    assert "unknown: jobs: the token is over" in result.stdout


@pytest.mark.usefixtures("at_terminal")
def test_a_frame_does_not_wait_for_what_is_slow(run: Cli, busy: MemoryService) -> None:
    answer = Event()

    def stall(moment: str) -> None:
        if moment == "places:before":
            assert answer.wait(SOON_S)

    def sleeping() -> None:
        answer.set()
        if len(busy.pauses) == 30:  # a bound for a busy machine
            raise KeyboardInterrupt

    busy.table.fail = stall
    busy.pauses.clear()
    busy.on_sleep = sleeping
    result = run("top")
    assert result.exit_code == 0
    first, *others = result.stdout.split("still to answer: jobs")
    assert others
    assert "1,200" in first
    assert "4 ended" not in first
    assert "4 ended" in others[-1]


@pytest.mark.usefixtures("at_terminal")
def test_ctrl_c_before_the_first_frame_ends_it_as_well(run: Cli, busy: MemoryService) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("matinv.operations.health.wait", stop)
        result = run("top")
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_stack_that_tells_nothing_is_an_error(run: Cli, busy: MemoryService) -> None:
    def deny(_: str) -> None:
        raise Misconfigured(Code.ACCESS_DENIED, "no credentials", "log in")

    busy.monitor.fail = busy.table.fail = deny
    result = run("top")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "matinv: ACCESS_DENIED: no credentials; log in\n"


def test_through_an_http_api_the_records_still_tell(run: Cli, busy: MemoryService) -> None:
    client = busy.client
    client.backend = replace(client.backend, monitor=None)
    client.settings = of_api("https://example.org")
    result = CliRunner().invoke(cli, ["top"], obj=client)
    assert result.exit_code == 0
    assert result.stdout.startswith("HTTP API  2023-11-14")
    assert "4 ended, 1 failed" in result.stdout
    assert "unknown: alarms: the HTTP API does not offer this" in result.stdout


def test_what_is_denied_is_named(run: Cli, busy: MemoryService) -> None:
    def deny(moment: str) -> None:
        if moment == "alarms:before":
            raise Misconfigured(Code.ACCESS_DENIED, "you may not see alarms")

    busy.monitor.fail = deny
    result = run("top")
    assert result.exit_code == 0
    assert "unknown: alarms: you may not see alarms" in result.stdout
    assert "alarms ?" in result.stdout


def test_an_idle_local_stack_is_readable_too(run: Cli, service: MemoryService) -> None:
    result = run("top")
    assert result.exit_code == 0
    assert "alarms none in this stack" in result.stdout
    assert "backlog ends in - (there is none)" in result.stdout
    assert "0 ended, 0 failed, now 0 per second" in result.stdout
    assert "duplicates ?" in result.stdout


@pytest.mark.parametrize("columns", [24, 40, 80, 200])
def test_no_line_is_longer_than_the_terminal(
    run: Cli, busy: MemoryService, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = run("top").stdout.splitlines()
    assert max(map(len, lines)) <= columns
    ended = next(line for line in lines if line.startswith("ended "))
    assert ended.endswith("█")  # the latest piece of the window is what is never cut


def test_foreign_text_does_not_reach_the_terminal_as_it_is(run: Cli, busy: MemoryService) -> None:
    busy.monitor.known_alarms = [
        Alarm("x", State.ALARM, timestamp(0), "\x1b[31mred\x1b[0m [bold]b")
    ]
    result = run("top")
    assert "\x1b" not in result.stdout
    assert r"\x1b[31mred\x1b[0m [bold]b" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--interval", "0.5s"], "--interval is 0.5s (allowed: 1s or more)"),
        (["--interval", "soon"], "'soon' is not a duration"),
        (["--window", "59s"], "--window is 59s (allowed: 1m to 1d)"),
        (["--window", "2d"], "--window is 172800s (allowed: 1m to 1d)"),
    ],
)
def test_what_is_not_allowed_is_told(run: Cli, arguments: list[str], said: str) -> None:
    result = run("top", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr


def test_bars_grow_with_their_values(busy: MemoryService) -> None:
    health = snapshot(busy.client)
    assert health.flow
    counts = (0, 1, 400, 800)
    buckets = [replace(health.flow.buckets[0], ended=count) for count in counts]
    text = health_view._bars("x", buckets, lambda bucket: bucket.ended)
    assert text.plain == "x      ▁▄█"
