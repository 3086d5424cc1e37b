from __future__ import annotations

from dataclasses import replace
from threading import Event

import pytest
from browsing import Console, page_of, running
from playwright.sync_api import Browser, Locator, Page, Route, expect
from seeds import FIRING, QUIET, record

from matinv.errors import Code, Transient
from matinv.jobs.record import Status
from matinv.jobs.times import timestamp
from matinv.ports.monitor import DEAD, Depth, Figures
from support.memory_service import MemoryService
from support.processes import SOON_S, until


def tile(page: Page, name: str) -> Locator:
    return page.locator(f"[data-tile='{name}']")


@pytest.fixture
def seen(service: MemoryService) -> MemoryService:
    """A stack in which 120 jobs ended in the last two minutes, 12 of them badly."""
    now = service.client.now()
    for i in range(120):
        ended = record(i, Status.FAILED if i % 10 == 0 else Status.SUCCEEDED)
        service.table.put([replace(ended, updated_at=timestamp(now - i))])
    service.monitor.depths = {
        "standard": Depth(waiting=300, working=10),
        "large": Depth(),
        DEAD: Depth(waiting=12),
    }
    service.monitor.counted = Figures({"standard": 90.0}, acknowledged=200, duplicates=5)
    service.monitor.known_alarms = [QUIET, FIRING]
    return service


@pytest.fixture
def health(seen: MemoryService, page: Page) -> Page:
    page.get_by_role("link", name="Health").click()
    expect(tile(page, "Backlog")).to_be_visible()
    return page


def test_the_numbers_of_a_stack_stand_first(health: Page) -> None:
    for name, said in {
        "Backlog": ["310", "oldest 1 min 30 s"],
        "Time left": ["≈", "s", "at the present rate"],
        "Throughput": ["1", "jobs per second"],
        "Latency": ["ms"],
        "Cost": ["$", "per job"],
        "Duplicates": ["2.5 %", "5 of 200 deliveries"],
        "Dead letters": ["12"],
    }.items():
        for text in said:
            expect(tile(health, name)).to_contain_text(text)


def test_queues_are_told_by_lane(health: Page) -> None:
    queues = health.get_by_role("region", name="Queues, table")
    expect(queues.get_by_role("row").nth(1)).to_have_text("standard300100" + "1 min 30 s")
    expect(queues.get_by_role("row").nth(2)).to_contain_text("large")


def test_throughput_and_latency_are_drawn_and_can_be_read_as_tables(health: Page) -> None:
    for name in ("Throughput", "Latency"):
        figure = health.get_by_role("figure").filter(has_text=name)
        width, height = figure.locator("canvas").evaluate("c => [c.width, c.height]")
        assert min(width, height) > 100
        figure.get_by_text("The numbers").click()
        expect(figure.get_by_role("row")).to_have_count(31)
    ended = health.get_by_role("region", name="Throughput, as a table").locator(
        "tbody td:nth-child(2)"
    )
    assert sum(map(int, ended.all_inner_texts())) == 120


def test_an_alarm_that_rings_says_why_and_what_to_do(health: Page) -> None:
    expect(health.get_by_text("1 of 2 alarms in alarm.")).to_be_visible()
    alarm = health.get_by_role("article").filter(has_text="dead-letters")
    for text in (
        "A job needs a person.",
        "Read the reasons, then redrive.",
        "infra/RUNBOOK.md#dead",
    ):
        expect(alarm).to_contain_text(text)
    expect(health.get_by_role("article").filter(has_text="errors")).to_be_hidden()


def test_latest_failures_lead_to_their_jobs(health: Page) -> None:
    health.get_by_role("region", name="Latest failures, table").get_by_role("link").first.click()
    expect(health.get_by_role("heading", name="job-00000")).to_be_visible()


def test_costs_and_phases_are_listed(health: Page) -> None:
    expect(
        health.get_by_role("region", name="Time by phase").last.get_by_role("row")
    ).to_have_count(4)
    costs = health.get_by_role("region", name="Cost").get_by_role("row")
    expect(costs.last).to_contain_text("$")


def test_what_may_not_be_seen_is_said_and_hides_nothing_else(
    page: Page, seen: MemoryService
) -> None:
    def deny(moment: str) -> None:
        if "alarms" in moment:
            raise Transient(Code.ACCESS_DENIED, "AccessDenied: DescribeAlarms", "ask an operator")

    seen.monitor.fail = deny
    page.get_by_role("link", name="Health").click()
    expect(page.get_by_role("region", name="Figures that cannot be read")).to_contain_text(
        "DescribeAlarms"
    )
    expect(tile(page, "Backlog")).to_contain_text("310")


def test_a_new_stack_has_nothing_to_show_and_says_so(page: Page) -> None:
    page.get_by_role("link", name="Health").click()
    expect(page.get_by_text("None within the last 15 min")).to_be_visible()
    expect(page.get_by_text("A local stack has no alarms")).to_be_visible()
    expect(tile(page, "Backlog")).to_contain_text("0")
    expect(tile(page, "Throughput")).to_contain_text("0")


def test_the_view_follows_what_happens(page: Page, seen: MemoryService) -> None:
    page.get_by_role("link", name="Health").click()
    expect(page.get_by_text("1 of 2 alarms in alarm.")).to_be_visible()
    seen.monitor.known_alarms = [QUIET]
    seen.now_s += 60
    expect(page.get_by_text("All 1 are quiet.")).to_be_visible()


@pytest.mark.parametrize("width", [360, 1280])
def test_charts_take_the_themes_colours_and_the_pages_width(
    chrome: Browser, seen: MemoryService, width: int
) -> None:
    with (
        running(seen.client) as console,
        page_of(chrome, console.link, viewport={"width": width, "height": 800}) as page,
    ):
        page.goto(f"{console.address}/#/health")
        canvas = page.locator("canvas").first
        expect(canvas).to_be_visible()
        pixels = "c => c.toDataURL()"
        light = canvas.evaluate(pixels)
        page.get_by_role("button", name="Switch to dark theme").click()
        until(lambda: page.locator("canvas").first.evaluate(pixels) != light)
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_health_that_cannot_be_asked_for_can_be_asked_for_again(
    chrome: Browser, console: Console, seen: MemoryService
) -> None:
    with page_of(chrome, console.link) as page:
        page.route("**/api/health", lambda route: route.abort())
        page.get_by_role("link", name="Health").click()
        expect(page.get_by_role("heading", name="Health cannot be read")).to_be_visible()
        page.unroute("**/api/health")
        page.get_by_role("button", name="Try again").click()
        expect(tile(page, "Backlog")).to_contain_text("310")


def test_health_shows_what_has_answered_while_the_rest_is_still_loading(
    page: Page, seen: MemoryService
) -> None:
    answer = Event()

    def stall(moment: str) -> None:
        if moment == "places:before":
            assert answer.wait(SOON_S)

    seen.table.fail = stall
    page.get_by_role("link", name="Health").click()
    expect(tile(page, "Backlog")).to_contain_text("310")
    expect(page.get_by_text("Still loading: jobs")).to_be_visible()
    expect(tile(page, "Throughput")).to_contain_text("–")
    answer.set()
    expect(tile(page, "Throughput")).to_contain_text("1")
    expect(page.get_by_text("Still loading")).to_have_count(0)


def test_an_answer_that_takes_longer_than_the_time_between_two_is_shown(
    page: Page, seen: MemoryService
) -> None:
    """One question at a time: none is dropped because the next one was asked."""
    page.clock.install()
    held: list[Route] = []
    # Playwright marks its handlers, which a method of a list does not let it.
    page.route("**/api/health", lambda route: held.append(route))  # noqa: PLW0108 - see above
    page.get_by_role("link", name="Health").click()
    until(lambda: page.evaluate("1") and len(held) == 1)
    page.clock.run_for(60_000)
    assert len(held) == 1
    held[0].continue_()
    page.unroute("**/api/health")
    expect(tile(page, "Backlog")).to_contain_text("310")
