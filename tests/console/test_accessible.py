"""What axe-core finds in each view, in either theme: nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import Console, drop, page_of
from playwright.sync_api import Browser, Page, expect
from seeds import FIRING, QUIET

from matinv.errors import Code, Transient
from support.memory_service import MemoryService, general

# All of WCAG up to 2.2 AA, and what axe calls best practice.
RULES = {"resultTypes": ["violations"]}


def jobs(page: Page) -> None:
    expect(page.get_by_role("link", name="big", exact=True)).to_be_visible()


def empty_filter(page: Page) -> None:
    page.get_by_label("Search").fill("nothing like it")
    expect(page.get_by_role("heading", name="No job matches")).to_be_visible()


def one_job(page: Page) -> None:
    page.get_by_role("link", name="big", exact=True).click()
    expect(page.get_by_role("img", name="A⁻¹")).to_be_visible()


def stack(page: Page) -> None:
    page.get_by_role("link", name="stack", exact=True).click()
    expect(page.get_by_role("region", name="Failed slices")).to_be_visible()


def failed_job(page: Page) -> None:
    page.get_by_role("link", name="sneaky", exact=True).click()
    expect(page.get_by_text("What to do")).to_be_visible()


def unknown_job(page: Page) -> None:
    page.evaluate("location.hash = '#/job/nobody'")
    expect(page.get_by_text("NOT_FOUND")).to_be_visible()


def submit(page: Page) -> None:
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def files(page: Page) -> None:
    drop(page, {"good.json": b"[[3]]", "text.npy": b"[[1]]"})
    expect(page.get_by_text("1 of 2 files sent, 1 refused")).to_be_visible()


def letters(page: Page) -> None:
    page.get_by_role("link", name="Dead letters").click()
    expect(page.get_by_label("Select all")).to_be_visible()


def redrive(page: Page) -> None:
    letters(page)
    page.get_by_label("Select all").check()
    page.get_by_role("button", name="Redrive …").click()
    page.get_by_role("button", name="Dry run").click()
    expect(page.get_by_text("1 letter would be sent back.")).to_be_visible()


def health(page: Page) -> None:
    page.get_by_role("link", name="Health").click()
    expect(page.get_by_text("1 of 2 alarms in alarm.")).to_be_visible()
    for summary in page.locator("summary").all():
        summary.click()


def delete(page: Page) -> None:
    letters(page)
    page.get_by_label("Select all").check()
    page.get_by_role("button", name="Delete …").click()
    expect(page.get_by_role("dialog", name="Delete 1 dead letter")).to_be_visible()


def runs(page: Page) -> None:
    page.get_by_role("link", name="Runs").click()
    expect(page.get_by_text("2 of 3 jobs ended")).to_be_visible()


def run(page: Page) -> None:
    runs(page)
    page.get_by_role("link", name="fem", exact=True).click()
    expect(page.get_by_role("region", name="Jobs of the run, table")).to_be_visible()


def cancel(page: Page) -> None:
    run(page)
    page.get_by_role("button", name="Cancel …").click()
    expect(page.get_by_role("dialog", name="Cancel the run fem")).to_be_visible()


VIEWS = [
    cancel,
    runs,
    run,
    delete,
    jobs,
    empty_filter,
    one_job,
    stack,
    failed_job,
    unknown_job,
    submit,
    files,
    letters,
    redrive,
    health,
]


APPEARANCES = [
    {"color_scheme": "light", "viewport": {"width": 1280, "height": 800}},
    {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
]


@pytest.fixture
def furnished(service: MemoryService) -> MemoryService:
    stack = general(6).repeat(3).reshape(6, 6, 3).transpose(2, 0, 1).copy()
    stack[1, :, 0] = 0
    service.client.submit(general(300), job_id="big", tags={"team": "fem"}, run="fem")
    service.client.submit(stack, job_id="stack")
    service.client.submit([[2, 4, 6], [2, 0, 2], [6, 8, 14]], job_id="sneaky", run="fem")
    service.work()
    service.client.submit([[2]], job_id="waiting", run="fem")
    service.monitor.known_alarms = [FIRING, QUIET]
    return service


@pytest.mark.parametrize("appearance", APPEARANCES, ids=["desk", "phone"])
@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.__name__)
def test_axe_finds_nothing(
    chrome: Browser,
    furnished: MemoryService,
    console: Console,
    view: Callable[[Page], None],
    appearance: dict[str, object],
) -> None:
    with page_of(chrome, console.link, **appearance) as page:
        jobs(page)
        view(page)
        assert_accessible(page)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_an_empty_page_nor_in_one_in_trouble(
    chrome: Browser, service: MemoryService, console: Console, theme: str
) -> None:
    with page_of(chrome, console.link, color_scheme=theme) as page:
        expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
        assert_accessible(page)

        def refuse(moment: str) -> None:
            raise Transient(Code.STORAGE, f"{moment} failed", "wait a little")

        service.table.fail = refuse
        expect(page.get_by_role("heading", name="Jobs cannot be read")).to_be_visible()
        assert_accessible(page)


def assert_accessible(page: Page) -> None:
    found = Axe().run(page, options=RULES)
    assert found.violations_count == 0, found.generate_report()
