"""Live: one poll of the stack serves all pages, which hear only of what changed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Final

from starlette.concurrency import run_in_threadpool

from matinv.console.board import Board, Change
from matinv.console.rows import COLUMNS
from matinv.errors import MatinvError
from matinv.jobs.record_document import plain

_BUSY_S: Final = 0.5  # between two polls while jobs are on their way
_IDLE_S: Final = 2.0
_BEAT_S: Final = 15.0  # a comment, so that a page that is gone is noticed

# A page that takes nothing for so many messages begins anew.
_BEHIND: Final = 64


@dataclass(slots=True)
class Live:
    """The stream of changes.

    Parameters
    ----------
    board : Board
        The board; it is polled only while a page listens.
    """

    board: Board
    _pages: set[asyncio.Queue[str | None]] = field(default_factory=set)
    _polling: asyncio.Task[None] | None = None
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _trouble: str | None = None
    _known: bool = False

    def wake(self) -> None:
        """Poll at once: something was sent. To be called in the event loop."""
        self._wake.set()

    def close(self) -> None:
        """End all streams, so that the server can stop."""
        for page in self._pages:
            page.put_nowait(None)
        if self._polling:
            self._polling.cancel()

    async def events(self) -> AsyncIterator[str]:
        """Yield the events of one page: everything once, then changes."""
        page: asyncio.Queue[str | None] = asyncio.Queue()
        self._pages.add(page)
        try:
            beginning = [_everything(self.board)] if self._known else []
            beginning += [self._trouble] if self._trouble else []
            for event in beginning:
                yield event
            if self._polling is None:
                self._polling = asyncio.create_task(self._keep_polling())
            while True:
                try:
                    news = await asyncio.wait_for(page.get(), _BEAT_S)
                except TimeoutError:
                    news = ": still here\n\n"
                if news is None:  # the server stops
                    return
                yield news
        finally:
            self._pages.discard(page)
            if not self._pages and self._polling:
                self._polling.cancel()
                self._polling = None
                # Records that were removed are not noticed: the next page begins with a fresh
                # board. The old one is left to a poll that may still be on its way.
                self.board = replace(self.board, rows={}, unread={}, _left="")
                self._known = False

    async def _keep_polling(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            self._wake.clear()
            until_s = clock() + _BUSY_S
            await self._ask(self.board.poll)
            while self.board.unread and not self._trouble and clock() < until_s:
                await self._ask(self.board.read)
            if self.board.unread and not self._trouble:
                continue
            with suppress(TimeoutError):
                pause_s = _BUSY_S if self.board.busy() else _IDLE_S
                await asyncio.wait_for(self._wake.wait(), pause_s)

    async def _ask(self, part: Callable[[], Change]) -> None:
        try:
            change = await run_in_threadpool(part)
        except MatinvError as error:
            event = _event("trouble", {"error": error.info.document()})
            if event != self._trouble:
                self._trouble = event
                self._tell(event)
            return
        if self._trouble:
            self._trouble = None
            self._tell(_event("recovered", {}))
            self._known = False  # of what was found before the trouble the pages know nothing
        if not self._known:
            self._known = True
            self._tell(_everything(self.board))
        elif change.rows or change.gone:
            self._tell(_event("changed", _rows(change) | {"unread": len(self.board.unread)}))

    def _tell(self, event: str) -> None:
        for page in self._pages:
            if page.qsize() >= _BEHIND:
                while not page.empty():
                    page.get_nowait()
                event = _everything(self.board)
            page.put_nowait(event)


def _everything(board: Board) -> str:
    rows = tuple(board.rows.values())
    rest = {"limit": board.limit, "unread": len(board.unread)}
    return _event("all", _rows(Change(rows)) | rest)


def _rows(change: Change) -> dict[str, Any]:
    return {"columns": COLUMNS, "rows": [row.cells for row in change.rows], "gone": change.gone}


def _event(name: str, data: dict[str, Any]) -> str:
    text = json.dumps(plain(data), allow_nan=False, separators=(",", ":"))
    return f"event: {name}\ndata: {text}\n\n"
