"""Runs in a browser: the first view, and the page of one."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browsing import Console, page_of, running
from playwright.sync_api import Browser, Locator, Page, expect
from seeds import record

from matinv.errors import Code, Transient
from matinv.jobs.record import Status
from matinv.jobs.times import timestamp
from support.memory_service import MemoryService, general

SINGULAR = [[1.0, 2.0], [2.0, 4.0]]


@pytest.fixture
def seen(service: MemoryService) -> MemoryService:
    """A stack with a run of six jobs, of which one failed and two wait, and another run."""
    for n in range(3):
        service.client.submit(general(40, n), job_id=f"fem/good-{n}")
    service.client.submit(SINGULAR, job_id="fem/bad")
    service.client.submit(general(4), job_id="alone")
    service.client.submit(general(4), job_id="a", run="study/Ünï")
    service.work()
    for n in range(2):
        service.client.submit(general(4, n), job_id=f"fem/open-{n}")
    return service


def run(page: Page, name: str) -> Locator:
    link = page.get_by_role("link", name=name, exact=True)
    return page.get_by_role("listitem").filter(has=link)


def at(page: Page, console: Console, address: str) -> None:
    page.goto(f"{console.address}/#/{address}")


def test_runs_are_the_first_view(chrome: Browser, seen: MemoryService) -> None:
    with running(seen.client) as console, page_of(chrome, f"{console.link}#") as page:
        expect(page.get_by_role("heading", name="Runs")).to_be_visible()
        fem = run(page, "fem")
        for said in ("4 of 6 jobs ended", "succeeded 3", "queued 2", "failed 1", "SINGULAR 1"):
            expect(fem).to_contain_text(said)
        expect(fem.get_by_role("img")).to_have_accessible_name(
            "4 of 6 jobs ended: 2 queued, 3 succeeded, 1 failed"
        )
        expect(run(page, "study/Ünï")).to_contain_text("1 of 1 job ended")
        expect(page.get_by_role("listitem")).to_have_count(2)


def test_a_new_stack_says_what_a_run_is(page: Page, console: Console) -> None:
    at(page, console, "runs")
    expect(page.get_by_role("heading", name="No runs yet")).to_be_visible()
    expect(page.get_by_text("matinv submit FOLDER --run NAME")).to_be_visible()
    page.get_by_role("link", name="all jobs").click()
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()


def test_a_run_goes_on_before_ones_eyes(page: Page, console: Console, seen: MemoryService) -> None:
    at(page, console, "runs")
    expect(run(page, "fem")).to_contain_text("4 of 6 jobs ended")
    seen.work()
    expect(run(page, "fem")).to_contain_text("6 of 6 jobs ended")
    expect(run(page, "fem")).to_contain_text("from the first submission to the last end")


def test_a_runs_jobs_are_shown_by_state(page: Page, console: Console, seen: MemoryService) -> None:
    at(page, console, "runs")
    page.get_by_role("link", name="fem", exact=True).click()
    expect(page.get_by_role("heading", name="fem")).to_be_visible()
    table = page.get_by_role("region", name="Jobs of the run, table")
    expect(table.get_by_role("row")).to_have_count(7)
    page.get_by_role("button", name="queued 2").click()
    expect(table.get_by_role("row")).to_have_count(3)
    expect(page.get_by_role("button", name="running 0")).to_be_disabled()
    page.get_by_role("link", name="SINGULAR 1").click()
    expect(table.get_by_role("row")).to_have_count(2)
    expect(table).to_contain_text("the matrix is singular")
    page.reload()
    expect(table.get_by_role("row")).to_have_count(2)
    table.get_by_role("link", name="fem/bad").click()
    expect(page.get_by_role("heading", name="fem/bad")).to_be_visible()
    page.get_by_role("region", name="Facts").get_by_role("link", name="fem", exact=True).click()
    expect(page.get_by_role("heading", name="Progress")).to_be_visible()


def test_many_jobs_come_in_pages(page: Page, console: Console, service: MemoryService) -> None:
    records = [
        replace(record(n), job_id=f"big/{n:04}", run="big", updated_at=timestamp(1_700_000_000 + n))
        for n in range(250)
    ]
    service.table.put(records)
    at(page, console, "run/big")
    table = page.get_by_role("region", name="Jobs of the run, table")
    next_, previous = (page.get_by_role("button", name=name) for name in ("Next", "Previous"))
    for first, number in (("big/0000", 100), ("big/0100", 100), ("big/0200", 50)):
        expect(table.get_by_role("link", name=first)).to_be_visible()
        expect(table.locator("tbody tr")).to_have_count(number)
        if number == 100:
            next_.click()
    expect(next_).to_be_disabled()
    previous.click()
    expect(table.get_by_role("link", name="big/0100")).to_be_visible()


def test_all_results_are_downloaded_as_one_archive(
    page: Page, console: Console, seen: MemoryService
) -> None:
    at(page, console, "run/study%2F%C3%9Cn%C3%AF")
    expect(page.get_by_role("link", name="Download 1 result as .zip")).to_be_visible()
    at(page, console, "run/fem")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download 3 results as .zip").click()
    assert download.value.suggested_filename == "fem.zip"
    with zipfile.ZipFile(Path(download.value.path())) as found:
        assert found.testzip() is None
        assert len(found.namelist()) == 4
        inverse = np.load(io.BytesIO(found.read("fem/good-1.npy")))
        manifest = [*map(json.loads, found.read("manifest.jsonl").splitlines())]
    np.testing.assert_allclose(inverse @ general(40, 1), np.eye(40), atol=1e-9)
    assert sorted(line["job_id"] for line in manifest if "file" not in line) == [
        "fem/bad",
        "fem/open-0",
        "fem/open-1",
    ]


def test_a_run_is_cancelled_once_that_is_confirmed(
    page: Page, console: Console, seen: MemoryService
) -> None:
    at(page, console, "run/fem")
    page.get_by_role("button", name="Cancel …").click()
    dialog = page.get_by_role("dialog", name="Cancel the run fem")
    expect(dialog.get_by_text("2 jobs that have not ended")).to_be_visible()
    dialog.get_by_role("button", name="Let it go on").click()
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Cancel …").click()
    dialog.get_by_role("button", name="Cancel the run").click()
    expect(page.get_by_text("2 jobs cancelled.")).to_be_visible()
    expect(page.get_by_text("6 of 6 jobs ended")).to_be_visible()
    expect(page.get_by_role("button", name="cancelled 2")).to_be_enabled()
    expect(page.get_by_role("button", name="Cancel …")).to_have_count(0)
    seen.work()
    states = {name: record.status for name, record in seen.table.records.items()}
    assert (states["fem/open-0"], states["fem/good-0"]) == (Status.CANCELLED, Status.SUCCEEDED)


def test_a_run_that_cannot_be_cancelled_now_says_why(
    page: Page, console: Console, seen: MemoryService
) -> None:
    at(page, console, "run/fem")
    page.get_by_role("button", name="Cancel …").click()

    def refuse(moment: str) -> None:
        if moment == "put:before":
            raise Transient(Code.ACCESS_DENIED, "the table may not be written", "ask an operator")

    seen.table.fail = refuse
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.get_by_role("dialog").get_by_text("may not be written")).to_be_visible()


def test_a_run_that_nobody_knows_and_one_that_cannot_be_read_say_so(
    page: Page, console: Console, seen: MemoryService
) -> None:
    at(page, console, "run/nothing")
    expect(page.get_by_text("no job of the run nothing is known")).to_be_visible()

    def refuse(moment: str) -> None:
        raise Transient(Code.ACCESS_DENIED, f"{moment} denied", "ask an operator")

    seen.table.fail = refuse
    at(page, console, "runs")
    expect(page.get_by_role("heading", name="Runs cannot be read")).to_be_visible()
    at(page, console, "run/fem")
    expect(page.get_by_role("heading", name="The run cannot be shown")).to_be_visible()
    seen.table.fail = None
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", name="Progress")).to_be_visible()


def test_runs_go_by_keyboard(page: Page, console: Console, seen: MemoryService) -> None:
    at(page, console, "runs")
    page.get_by_role("link", name="fem", exact=True).focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Progress")).to_be_visible()
    page.get_by_role("button", name="failed 1").focus()
    page.keyboard.press("Enter")
    table = page.get_by_role("region", name="Jobs of the run, table")
    expect(table.get_by_role("row")).to_have_count(2)
    table.get_by_role("link", name="fem/bad").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="fem/bad")).to_be_visible()


@pytest.mark.parametrize("view", ["runs", "run/fem"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_view_of_runs_scrolls_sideways(
    chrome: Browser, console: Console, seen: MemoryService, view: str, width: int
) -> None:
    name = "0123456789" * 6
    seen.client.submit(SINGULAR, job_id=f"fem/{name}", tags={"team": name})
    seen.client.submit(SINGULAR, job_id="b", run=name)
    seen.work()
    with page_of(chrome, console.link, viewport={"width": width, "height": 800}) as page:
        at(page, console, view)
        expect(page.get_by_text("SINGULAR").first).to_be_visible()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
