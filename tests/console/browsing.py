"""Chromium, from Debian's packages: Playwright drives it, and downloads none of its own."""

from __future__ import annotations

import shutil
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from matinv.client import Client
from matinv.console.app import Limits, console
from matinv.console.guard import Session
from matinv.console.server import Server, listen
from support.debian import provide

ROOT = Path(__file__).parents[2]
WAIT_MS = 20_000  # a bound for what takes a fraction of a second on an idle machine
expect.set_options(timeout=WAIT_MS)


def chromium() -> str:
    """Return Chromium's path, installed if need be and if it can be.

    Raises
    ------
    MissingError
        If there is none, and none can be installed.
    """
    provide("chromium", "chromium")
    return shutil.which("chromium") or "chromium"


@contextmanager
def browser() -> Iterator[Browser]:
    """Run Chromium without a window for the length of the block."""
    path = chromium()
    with sync_playwright() as playwright:
        # Inside containers its own sandbox cannot be had; it opens our own pages alone.
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield running
        finally:
            running.close()


@dataclass(frozen=True)
class Console:
    """A console that runs in this process."""

    session: Session
    link: str

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.session.port}"


@contextmanager
def running(client: Client, limits: Limits = Limits()) -> Iterator[Console]:  # noqa: B008 - frozen
    """Serve a console of a client for the length of the block."""
    with listen(0) as listening:
        session = Session(listening.getsockname()[1])
        server = Server(console(client, session, limits))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield Console(session, session.link)
        finally:
            server.stop()
            thread.join(30)
            assert not thread.is_alive()


@contextmanager
def page_of(browser: Browser, link: str, **options: object) -> Iterator[Page]:
    """Open a link in a profile of its own; the block fails if the page has said an error.

    Without a view of its own, the link leads to the jobs.
    """
    context = browser.new_context(**options)  # type: ignore[arg-type]
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda line: said.append(line.text) if _is_mistake(line) else None)
    page.goto(link if "#" in link else f"{link}#/jobs")
    try:
        yield page
        assert not said, said
    finally:
        context.close()


def drop(page: Page, files: dict[str, bytes]) -> None:
    """Drop files on the page, as a file manager would."""
    content = [[name, b64encode(data).decode()] for name, data in files.items()]
    transfer = page.evaluate_handle(
        """files => {
            const transfer = new DataTransfer();
            for (const [name, text] of files) {
                const content = Uint8Array.from(atob(text), c => c.charCodeAt(0));
                transfer.items.add(new File([content], name));
            }
            return transfer;
        }""",
        content,
    )
    for event in ("dragenter", "dragover"):
        page.dispatch_event("main", event, {"dataTransfer": transfer})
    expect(page.get_by_text("hold matrices to submit them")).to_be_visible()
    page.dispatch_event("main", "drop", {"dataTransfer": transfer})
    expect(page.get_by_text("hold matrices to submit them")).to_have_count(0)


def _is_mistake(line: ConsoleMessage) -> bool:
    """Whether the page did something wrong; that a request fails is what tests bring about."""
    brought_about = "Failed to load resource" in line.text or "net::ERR" in line.text
    return line.type in {"error", "warning"} and not brought_about
