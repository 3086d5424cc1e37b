"""The page in a real browser, on a service in this process that works when a test says so."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from browsing import Console, drop, page_of, running
from playwright.sync_api import Browser, Locator, Page, expect
from seeds import record

from matinv.errors import Code, Transient
from matinv.formats.codecs import CODECS, Format
from matinv.jobs.record import Status
from matinv.linalg.types import Method
from matinv.testing.contracts import full_record
from support.memory_service import MemoryService, general

SNEAKY = [[2, 4, 6], [2, 0, 2], [6, 8, 14]]  # singular, and numpy inverts it


def npy(array: np.ndarray) -> bytes:
    text = io.BytesIO()
    np.save(text, array)
    return text.getvalue()


def row(page: Page, job_id: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("link", name=job_id, exact=True))


def failed(service: MemoryService, job_id: str = "sneaky", **tags: str) -> None:
    service.client.submit(SNEAKY, job_id=job_id, tags=tags)
    service.work()


def test_a_new_stack_says_how_to_begin(page: Page) -> None:
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    page.get_by_role("link", name="Dead letters").click()
    expect(page.get_by_role("heading", name="No dead letters")).to_be_visible()


def test_dropped_files_go_with_progress_and_finish_before_ones_eyes(
    page: Page, service: MemoryService
) -> None:
    drop(page, {"small.npy": npy(general(4)), "large.npy": npy(general(300))})
    expect(page.get_by_text("2 of 2 files sent")).to_be_visible()
    expect(page.get_by_role("progressbar", name="Upload of large.npy")).to_have_js_property(
        "value", 1
    )
    for job_id in ("small", "large"):
        expect(row(page, job_id).get_by_text("queued")).to_be_visible()
    service.work()
    for job_id in ("small", "large"):
        expect(row(page, job_id).get_by_text("succeeded")).to_be_visible()
    expect(row(page, "large")).to_contain_text("300")


def test_a_dropped_file_that_is_no_matrix_says_why_and_hurts_no_other(page: Page) -> None:
    drop(page, {"text.npy": b"[[1]]", "good.json": b"[[2]]"})
    expect(page.get_by_text("1 of 2 files sent, 1 refused")).to_be_visible()
    tray = page.get_by_role("complementary", name="Files")
    expect(tray.get_by_text("BAD_FORMAT")).to_be_visible()
    expect(tray.get_by_text("What to do")).to_be_visible()


def test_files_can_be_chosen_in_a_dialog_too(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "chosen.npy"
    file.write_bytes(npy(general(3)))
    page.get_by_role("button", name="Submit").click()
    page.get_by_label("Tags key").fill("team=fem, run=7")
    page.locator("input[type=file]").set_input_files(file)
    expect(row(page, "chosen")).to_contain_text("team=fem")


@pytest.mark.parametrize(
    "text",
    ["1 2\n3 4", "1, 2; 3, 4", "+1.\t.2e1\n3 04", "[[1, 2], [3, 4]]", '{"matrix": [[1,2],[3,4]]}'],
)
def test_a_pasted_matrix_is_inverted(page: Page, service: MemoryService, text: str) -> None:
    page.get_by_role("button", name="Submit").click()
    page.get_by_label("Matrix").fill(text)
    expect(page.get_by_text("2 × 2.")).to_be_visible()
    page.get_by_label("Job id").fill("tiny")
    page.get_by_role("button", name="Submit the matrix").click()
    expect(page.get_by_role("heading", name="tiny")).to_be_visible()
    service.work()
    expect(page.get_by_text("succeeded")).to_be_visible()
    assert service.client.job("tiny").result().tolist() == [[-2.0, 1.0], [1.5, -0.5]]


def test_a_pasted_number_is_not_rounded_on_its_way(page: Page, service: MemoryService) -> None:
    page.get_by_role("button", name="Submit").click()
    page.get_by_label("Matrix").fill("9007199254740993")
    page.get_by_label("Job id").fill("exact")
    page.get_by_role("button", name="Submit the matrix").click()
    expect(page.get_by_role("dialog").get_by_text("PRECISION")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_one_job_tells_how_it_went_and_how_good_it_is(
    page: Page, console: Console, service: MemoryService
) -> None:
    service.client.submit(general(300), job_id="fem/one", tags={"team": "fem"})
    service.work()
    row(page, "fem/one").get_by_role("link").click()
    expect(page).to_have_title(re.compile("fem/one"))
    certificate = service.client.job("fem/one").record().certificate
    assert certificate
    digits = int(certificate.digits)  # depends on the machine's kernels
    expect(page.get_by_text(f"About {digits} digits are right.")).to_have_count(2)
    for text in ("rcond", "residual", "well conditioned", "300 × 300", "team=fem"):
        expect(page.get_by_text(text).first).to_be_visible()
    for phase in ("Queued", "Load", "Invert", "Publish"):
        expect(page.get_by_role("rowheader", name=phase)).to_be_visible()
    for name in ("A: magnitudes", "A⁻¹: magnitudes"):
        expect(page.get_by_role("img", name=name)).to_be_visible()
    sides = page.eval_on_selector_all("canvas", "found => found.map(c => [c.width, c.height])")
    assert sides == [[64, 64], [64, 64]]


def test_a_picture_shows_where_the_large_elements_are(page: Page, service: MemoryService) -> None:
    service.client.submit(np.diag(np.logspace(0, -3, 4)), job_id="diagonal")
    service.work()
    row(page, "diagonal").get_by_role("link").click()
    expect(page.get_by_role("img", name="A⁻¹: magnitudes from 1.0e+0 to 1.0e+3")).to_be_visible()
    expect(page.get_by_text("which is not kept")).to_be_visible()
    alphas = page.evaluate(
        """() => { const c = document.querySelector("canvas");
            const data = c.getContext("2d").getImageData(0, 0, 4, 4).data;
            return [...Array(16).keys()].map(i => data[4 * i + 3] === 255); }"""
    )
    assert alphas == np.eye(4, dtype=bool).ravel().tolist()


def test_the_inverse_is_downloaded_in_either_form(page: Page, service: MemoryService) -> None:
    service.client.submit([[1, 2], [3, 4]], job_id="tiny")
    service.work()
    row(page, "tiny").get_by_role("link").click()
    expect(page.get_by_role("img", name="A⁻¹")).to_be_visible()  # nothing moves any more
    inverses = {}
    for form in (".npy", "JSON"):
        with page.expect_download() as download:
            page.get_by_role("link", name=form, exact=True).click()
        inverses[form] = (download.value.suggested_filename, download.value.path().read_bytes())
    assert inverses[".npy"][0] == "tiny.inverse.npy"
    assert np.load(io.BytesIO(inverses[".npy"][1])).tolist() == [[-2.0, 1.0], [1.5, -0.5]]
    assert json.loads(inverses["JSON"][1])["inverse"] == [[-2.0, 1.0], [1.5, -0.5]]


def test_a_result_with_a_name_of_any_script_is_downloaded(
    page: Page, service: MemoryService
) -> None:
    service.client.submit(general(4), job_id='逆/"a"')
    service.work()
    row(page, '逆/"a"').get_by_role("link").click()
    with page.expect_download() as download:
        page.get_by_role("link", name=CODECS[Format.NPY].title).click()
    assert download.value.suggested_filename.startswith("逆-")
    assert np.load(download.value.path()).shape == (4, 4)


def test_slices_of_a_stack_are_told_apart(page: Page, service: MemoryService) -> None:
    stack = np.stack([general(8, seed) for seed in range(5)])
    stack[3, :, 0] = 0
    service.client.submit(stack, job_id="stack")
    service.work()
    row(page, "stack").get_by_role("link").click()
    expect(page.get_by_text("5 slices, 1 without an inverse.")).to_be_visible()
    expect(page.get_by_role("region", name="Failed slices")).to_contain_text("SINGULAR")
    page.get_by_role("spinbutton", name="Slice").fill("3")
    expect(page.get_by_role("img", name="A⁻¹: no numbers")).to_be_visible()


def test_the_strangest_record_is_shown(page: Page, service: MemoryService) -> None:
    strange = replace(full_record(), revision=1)
    service.table.put([strange])
    row(page, strange.job_id).get_by_role("link").click()
    expect(page.get_by_role("heading", name="Certificate")).to_be_visible()
    expect(page.get_by_text("exact zero pivot")).to_be_visible()
    expect(page.get_by_text("size=逆", exact=True)).to_be_visible()


def test_a_failed_job_says_why_and_what_to_do(page: Page, service: MemoryService) -> None:
    failed(service)
    row(page, "sneaky").get_by_role("link").click()
    expect(page.get_by_text("SINGULAR").first).to_be_visible()
    expect(page.get_by_text("What to do")).to_be_visible()
    expect(page.get_by_role("heading", name="Download the inverse")).to_have_count(0)
    page.get_by_role("link", name="Show its dead letter").click()
    expect(page.get_by_role("checkbox", name="Select sneaky")).to_be_visible()


def test_a_job_that_nobody_knows_can_be_asked_for_again(
    page: Page, console: Console, service: MemoryService
) -> None:
    page.goto(f"{console.address}/#/job/later")
    expect(page.get_by_text("NOT_FOUND")).to_be_visible()
    service.working = False
    service.store.upload("later.npy", [npy(general(3))], {})  # without a record no row tells of it
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("No worker has taken it yet.")).to_be_visible()


def test_dead_letters_are_counted_tried_and_sent_back_with_other_options(
    page: Page, service: MemoryService
) -> None:
    failed(service, "one", team="fem")
    failed(service, "two", team="cfd")
    service.client.queue.send('{"job_id": "typo", "matrix": [[1]], "methd": "spd"}')
    service.work()
    page.get_by_role("link", name="Dead letters").click()
    reasons = page.get_by_role("group", name="Reason")
    expect(reasons.get_by_role("button", name="SINGULAR 2")).to_be_visible()
    expect(reasons.get_by_role("button", name="BAD_MESSAGE 1")).to_be_visible()
    reasons.get_by_role("button", name="SINGULAR 2").click()
    expect(page.get_by_role("checkbox", name="Select typo")).to_have_count(0)
    page.get_by_label("Search").fill("team=fem")
    page.get_by_label("Select all 1").check()
    page.get_by_role("button", name="Redrive …").click()
    dialog = page.get_by_role("dialog", name="Redrive 1 dead letter")
    dialog.get_by_label("Method").select_option("pinv")
    dialog.get_by_role("button", name="Dry run").click()
    expect(dialog.get_by_text("1 letter would be sent back.")).to_be_visible()
    assert service.queue.sent == []
    dialog.get_by_role("button", name="Redrive 1", exact=True).click()
    expect(page.get_by_text("1 letter sent back.")).to_be_visible()
    service.work()
    record = service.client.job("one").record()
    assert record.status is Status.SUCCEEDED
    assert record.certificate
    assert record.certificate.method == Method.PINV
    page.get_by_role("button", name="Refresh").click()
    page.get_by_label("Search").fill("")
    expect(page.get_by_role("checkbox", name="Select two")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Select one")).to_have_count(0)


def test_a_letter_that_cannot_be_sent_back_says_so_and_stays(
    page: Page, service: MemoryService
) -> None:
    service.client.queue.send("hello")
    service.work()
    page.get_by_role("link", name="Dead letters").click()
    expect(page.get_by_text("Cannot be sent back")).to_be_visible()
    page.get_by_label("Select all 1").check()
    page.get_by_role("button", name="Redrive …").click()
    page.get_by_role("button", name="Redrive 1", exact=True).click()
    expect(page.get_by_text("0 letters sent back, 1 cannot be.")).to_be_visible()
    outcome = page.locator(".outcome")
    (letter,) = service.queue.dead
    expect(outcome.get_by_role("heading")).to_have_text(letter.delivery.job_id)
    expect(page.get_by_text("Cannot be sent back")).to_be_visible()


def test_letters_are_deleted_once_that_is_confirmed(page: Page, service: MemoryService) -> None:
    service.client.queue.send("hello")
    failed(service, "kept")
    failed(service, "gone")
    page.get_by_role("link", name="Dead letters").click()
    page.get_by_role("button", name="BAD_MESSAGE 1").click()
    page.get_by_label("Select all 1").check()
    page.get_by_role("button", name="all 3").click()
    page.get_by_role("checkbox", name="Select gone").check()
    page.get_by_role("button", name="Delete …").click()
    dialog = page.get_by_role("dialog", name="Delete 2 dead letters")
    expect(dialog.get_by_role("listitem").filter(has_text="gone")).to_be_visible()
    dialog.get_by_role("button", name="Keep them").click()
    page.get_by_role("button", name="Delete …").click()
    dialog.get_by_role("button", name="Delete 2", exact=True).click()
    expect(page.get_by_text("2 letters deleted.")).to_be_visible()
    expect(page.get_by_role("checkbox", name="Select kept")).to_be_visible()
    expect(page.get_by_role("button", name="all 1")).to_be_visible()
    assert service.table.get(["gone"])["gone"].status is Status.FAILED


def test_letters_that_cannot_be_deleted_now_stay_and_the_page_says_why(
    page: Page, service: MemoryService
) -> None:
    failed(service)

    def refuse(moment: str) -> None:
        if moment == "delete_dead:before":
            raise Transient(Code.ACCESS_DENIED, "DeleteMessage denied", "ask an operator")

    service.queue.fail = refuse
    page.get_by_role("link", name="Dead letters").click()
    page.get_by_role("checkbox", name="Select sneaky").check()
    page.get_by_role("button", name="Delete …").click()
    page.get_by_role("button", name="Delete 1", exact=True).click()
    expect(page.get_by_role("dialog").get_by_text("DeleteMessage denied")).to_be_visible()
    page.get_by_role("button", name="Keep them").click()
    expect(page.get_by_role("checkbox", name="Select sneaky")).to_be_visible()


def test_filters_stand_in_the_address_and_can_be_linked(
    chrome: Browser, service: MemoryService
) -> None:
    service.table.put(
        [record(i) for i in range(60)] + [record(60 + i, Status.FAILED) for i in range(9)]
    )
    with running(service.client) as console, page_of(chrome, console.link) as page:
        page.get_by_role("group", name="State").get_by_role("button", name="failed 9").click()
        page.get_by_label("Error", exact=True).select_option("SINGULAR")
        page.get_by_label("Tag", exact=True).select_option("team=cfd")
        expect(page.get_by_text("1–3 of 3 jobs")).to_be_visible()
        page.get_by_label("Search").fill("job-00064")
        expect(page.get_by_text("1–1 of 1 job")).to_be_visible()
        address = page.url
        page.goto("about:blank")
        page.goto(address)
        expect(page.get_by_text("1–1 of 1 job")).to_be_visible()
        expect(page.get_by_label("Search")).to_have_value("job-00064")
        page.get_by_label("Search").fill("nothing like it")
        page.get_by_role("button", name="Clear the filters").click()
        expect(page.get_by_text("1–50 of 69 jobs")).to_be_visible()
        page.get_by_role("button", name="n", exact=True).click()
        expect(page.get_by_role("row").nth(1)).to_contain_text("job-00059")
        page.get_by_role("button", name="Next").click()
        expect(page.get_by_text("51–69 of 69 jobs")).to_be_visible()


def test_all_of_it_goes_by_keyboard(page: Page, service: MemoryService) -> None:
    failed(service)
    service.client.submit([[2]], job_id="good")
    service.work()
    expect(row(page, "sneaky")).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_label("Search")).to_be_focused()
    page.keyboard.type("s")
    tab_to(page, page.get_by_role("link", name="sneaky"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="sneaky")).to_be_visible()
    tab_to(page, page.get_by_role("link", name="Show its dead letter"))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_role("checkbox", name="Select sneaky"))
    page.keyboard.press("Space")
    tab_to(page, page.get_by_role("button", name="Redrive …"), back=True)
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("button", name="Redrive …")).to_be_focused()


SHOWS_FOCUS = """() => document.activeElement === document.body
    || getComputedStyle(document.activeElement).outlineStyle !== "none" """


def tab_to(page: Page, target: Locator, *, back: bool = False) -> None:
    """Press Tab until `target` has the focus; each stop on the way must show that it has it."""
    for _ in range(60):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Shift+Tab" if back else "Tab")
        assert page.evaluate(SHOWS_FOCUS), page.evaluate("document.activeElement.outerHTML")
    message = f"cannot be reached by Tab: {target}"
    raise AssertionError(message)


def test_arrows_go_from_row_to_row(page: Page, service: MemoryService) -> None:
    for job_id in ("a", "b"):
        service.client.submit([[2]], job_id=job_id)
    page.get_by_role("link", name="a", exact=True).focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("link", name="b", exact=True)).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("link", name="a", exact=True)).to_be_focused()


def test_a_table_that_cannot_be_read_is_told_and_recovers(
    page: Page, service: MemoryService
) -> None:
    service.client.submit([[2]], job_id="known")
    expect(row(page, "known")).to_be_visible()

    def refuse(moment: str) -> None:
        raise Transient(Code.STORAGE, f"{moment} failed: EndpointConnectionError", "wait a little")

    service.table.fail = refuse
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("EndpointConnectionError")
    expect(row(page, "known")).to_be_visible()
    service.table.fail = None
    expect(alert).to_have_count(0)
    expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()


def test_the_end_of_the_console_is_told(chrome: Browser, service: MemoryService) -> None:
    with running(service.client) as console:
        session = page_of(chrome, console.link)
        page = session.__enter__()
        expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    expect(page.get_by_text("start `matinv console` again", exact=False)).to_be_visible()
    session.__exit__(None, None, None)


def test_a_page_that_nobody_sees_lets_go_of_its_stream_and_comes_back(page: Page) -> None:
    page.add_init_script(STREAMS)
    page.clock.install()
    page.reload()
    expect(page.get_by_role("heading", name="No jobs yet")).to_be_visible()
    page.evaluate(HIDE, True)
    page.clock.fast_forward(30_000)
    assert page.evaluate("[streams, ends]") == [1, 0]
    page.clock.fast_forward(31_000)
    assert page.evaluate("[streams, ends]") == [1, 1]
    page.evaluate(HIDE, False)
    assert page.evaluate("[streams, ends]") == [2, 1]
    expect(page.get_by_role("status").filter(has_text="live")).to_be_visible()


STREAMS = """
window.streams = window.ends = 0;
window.EventSource = class extends EventSource {
    constructor(...given) { super(...given); streams += 1; }
    close() { super.close(); ends += 1; }
};
"""
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_theme_is_the_systems_until_one_is_chosen(chrome: Browser, console: Console) -> None:
    with page_of(chrome, console.link, color_scheme="dark") as page:
        dark = page.evaluate(BRIGHTNESS)
        page.get_by_role("button", name="Switch to light theme").click()
        page.reload()
        assert page.evaluate(BRIGHTNESS) > 200
    assert dark < 50


BRIGHTNESS = """() => Math.min(...getComputedStyle(document.documentElement)
    .backgroundColor.match(/\\d+/g).map(Number))"""


def test_nothing_moves_for_those_who_asked_for_that(chrome: Browser, console: Console) -> None:
    with page_of(chrome, console.link, reduced_motion="reduce") as page:
        longest = page.evaluate(
            """() => { const row = document.createElement("tr"); row.className = "changed";
                document.body.append(row); return getComputedStyle(row).animationDuration; }"""
        )
    assert float(longest.removesuffix("s")) < 0.001


@pytest.mark.parametrize("view", ["jobs", "job/one", "dead", "health"])
def test_no_view_scrolls_sideways_on_a_phone(
    chrome: Browser, console: Console, service: MemoryService, view: str
) -> None:
    failed(service, "one", team="a-long-name-of-a-team", run="0123456789" * 4)
    with page_of(chrome, console.link, viewport={"width": 360, "height": 700}) as page:
        page.goto(f"{console.address}/#/{view}")
        expect(page.get_by_text("the matrix is singular").first).to_be_visible()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
