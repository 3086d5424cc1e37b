"""Ten thousand jobs: counts, because times are noise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from browsing import page_of, running
from playwright.sync_api import Browser, Page, expect
from seeds import record

from matinv.console.board import READ_AT_ONCE
from matinv.jobs.record import Status
from matinv.jobs.times import timestamp
from support.memory_service import MemoryService
from support.processes import until

MANY = 10_000
ROWS = 50

# Notes messages of the stream and tasks that held the page up for more than 200 ms.
WITNESS = """
window.messages = [];
const Real = window.EventSource;
window.EventSource = class extends Real {
    addEventListener(name, act) {
        super.addEventListener(name, event => {
            const { rows, unread } = JSON.parse(event.data);
            messages.push([name, event.data.length, rows.length, unread]);
            act(event);
        });
    }
};
window.long = 0;
new PerformanceObserver(list => {
    long += list.getEntries().filter(entry => entry.duration > 200).length;
}).observe({ type: "longtask", buffered: true });
"""


@pytest.fixture
def many(service: MemoryService) -> MemoryService:
    service.table.put(
        [record(i, Status.FAILED if i % 10 == 0 else Status.SUCCEEDED) for i in range(MANY)]
    )
    return service


@pytest.fixture
def page(chrome: Browser, many: MemoryService) -> Iterator[Page]:
    with running(many.client) as console, page_of(chrome, console.link) as opened:
        opened.add_init_script(WITNESS)
        opened.reload()
        expect(opened.get_by_text("1–50 of 10,000 jobs")).to_be_visible()
        until(lambda: opened.evaluate("messages.length && messages.at(-1)[3] === 0"))
        yield opened


def rows(page: Page) -> int:
    return page.locator("table.jobs tbody tr").count()


def test_all_jobs_come_in_one_message_their_details_bit_by_bit_and_few_rows_are_in_the_document(
    page: Page,
) -> None:
    (first, size, jobs, _), *others = page.evaluate("messages")
    assert (first, jobs) == ("all", MANY)
    assert size < 400 * MANY
    assert {name for name, *_ in others} <= {"changed"}
    assert all(jobs <= READ_AT_ONCE for _, _, jobs, _ in others)
    assert rows(page) == ROWS
    assert page.locator("*").count() < 1500


def test_a_change_of_one_job_is_a_short_message(page: Page, many: MemoryService) -> None:
    ended = record(MANY - 1, revision=2)
    many.table.put([replace(ended, updated_at=timestamp(1_800_000_000), tags={"late": "yes"})])
    expect(page.locator("table.jobs").get_by_text("late=yes")).to_be_visible()
    name, length, *_ = page.evaluate("messages.at(-1)")
    assert (name, length < 1000) == ("changed", True)


def test_filters_sorting_and_pages_hold_nobody_up(page: Page) -> None:
    before = page.evaluate("long")
    page.get_by_label("Search").press_sequentially("job-0777")
    expect(page.get_by_text("1–10 of 10 jobs")).to_be_visible()
    page.get_by_label("Search").fill("")
    page.get_by_role("group", name="State").get_by_role("button", name="failed").click()
    expect(page.get_by_text("1–50 of 1,000 jobs")).to_be_visible()
    page.get_by_role("button", name="n", exact=True).click()
    page.get_by_role("button", name="Next").click()
    expect(page.get_by_text("51–100 of 1,000 jobs")).to_be_visible()
    assert rows(page) == ROWS
    # Each step looks through all jobs once: a few ms. Five of 15 may be late on a busy machine;
    # a table of all rows makes every one of them late.
    assert page.evaluate("long") - before <= 5
