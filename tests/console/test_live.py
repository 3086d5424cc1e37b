"""One look at the stack for all pages: the stream without a browser."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any

from seeds import record

from matinv.console.board import Board
from matinv.console.live import Live
from matinv.errors import Code, Transient
from support.memory_service import MemoryService

SOON_S = 30


async def next_event(page: AsyncIterator[str]) -> tuple[str, Any]:
    """Return the next event's name and data."""
    text = await asyncio.wait_for(anext(page), SOON_S)
    name, data = text.strip().split("\n", 1)
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def run(test: Callable[[Live], Awaitable[None]], service: MemoryService, limit: int = 100) -> None:
    asyncio.run(test(Live(Board(service.client, limit))))  # type: ignore[arg-type]


def test_a_page_hears_everything_once_and_then_what_changes(service: MemoryService) -> None:
    service.table.put([record(1), record(2)])

    async def test(live: Live) -> None:
        async with aclosing(live.events()) as page:
            name, data = await next_event(page)
            assert (name, len(data["rows"]), data["limit"]) == ("all", 2, 100)
            service.table.put([record(3)])
            live.wake()
            name, data = await next_event(page)
            assert (name, [row[0] for row in data["rows"]]) == ("changed", ["job-00003"])

    run(test, service)


def test_a_second_page_costs_no_look(service: MemoryService) -> None:
    service.table.put([record(1)])

    async def test(live: Live) -> None:
        async with aclosing(live.events()) as first, aclosing(live.events()) as second:
            await next_event(first)
            before = service.table.calls["list"]
            assert (await next_event(second))[0] == "all"
            assert service.table.calls["list"] == before
            service.table.put([record(2)])
            live.wake()
            assert (await next_event(first))[1]["rows"] == (await next_event(second))[1]["rows"]

    run(test, service)


def test_nothing_is_read_when_nobody_looks(service: MemoryService) -> None:
    async def test(live: Live) -> None:
        page = live.events()
        await next_event(page)
        polling = live._polling
        assert polling
        await page.aclose()
        await asyncio.wait([polling], timeout=SOON_S)
        assert polling.cancelled()
        assert live._polling is None

    run(test, service)


def test_a_page_that_comes_later_does_not_see_what_was_removed(service: MemoryService) -> None:
    service.table.put([record(1), record(2)])

    async def test(live: Live) -> None:
        async with aclosing(live.events()) as page:
            assert len((await next_event(page))[1]["rows"]) == 2
        service.table.delete("job-00001")
        async with aclosing(live.events()) as page:
            assert [row[0] for row in (await next_event(page))[1]["rows"]] == ["job-00002"]

    run(test, service)


def test_trouble_is_told_once_and_so_is_its_end(service: MemoryService) -> None:
    def refuse(moment: str) -> None:
        raise Transient(Code.ACCESS_DENIED, f"{moment} denied", "check the role")

    async def test(live: Live) -> None:
        async with aclosing(live.events()) as page:
            await next_event(page)
            service.table.fail = refuse
            live.wake()
            name, data = await next_event(page)
            assert (name, data["error"]["code"]) == ("trouble", "ACCESS_DENIED")
            assert data["error"]["hint"] == "check the role"
            async with aclosing(live.events()) as late:
                assert [(await next_event(late))[0], (await next_event(late))[0]] == [
                    "all",
                    "trouble",
                ]
            service.table.fail = None
            live.wake()
            assert (await next_event(page))[0] == "recovered"

    run(test, service)


def test_a_page_that_takes_nothing_gets_the_whole_instead_of_a_long_tail(
    service: MemoryService,
) -> None:
    async def test(live: Live) -> None:
        async with aclosing(live.events()) as slow, aclosing(live.events()) as quick:
            await next_event(slow)
            await next_event(quick)
            for number in range(70):
                service.table.put([record(number)])
                live.wake()
                await next_event(quick)
            rest = [await next_event(slow)]
            while rest[-1][1]["rows"][-1][0] != "job-00069":
                rest.append(await next_event(slow))
            assert rest[0][0] == "all"
            assert len(rest) < 10

    run(test, service)


def test_streams_end_with_the_server(service: MemoryService) -> None:
    async def test(live: Live) -> None:
        page = live.events()
        await next_event(page)
        live.close()
        assert [event async for event in page] == []

    run(test, service)
