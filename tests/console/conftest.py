"""A browser for the tests of a file, and consoles of a service in this process."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from browsing import Console, browser, page_of, running
from playwright.sync_api import Browser, Page

from support.debian import MissingError
from support.memory_service import MemoryService


@pytest.fixture(scope="module")
def chrome() -> Iterator[Browser]:
    # Not for the session: as long as Playwright runs, nobody else can run an event loop.
    try:
        with browser() as started:
            yield started
    except MissingError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(f"the console cannot be tested on this machine: {error}")
        pytest.skip(str(error))


@pytest.fixture
def service() -> MemoryService:
    return MemoryService()


@pytest.fixture
def console(service: MemoryService) -> Iterator[Console]:
    with running(service.client) as started:
        yield started


@pytest.fixture
def page(chrome: Browser, console: Console) -> Iterator[Page]:
    with page_of(chrome, console.link) as opened:
        yield opened
