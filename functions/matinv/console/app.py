"""The console's server: a page, a stream of events and a few answers in JSON."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from matinv import __version__
from matinv.client import Client
from matinv.console.archive import archive, attachment
from matinv.console.board import Board
from matinv.console.dead_letters import Desk
from matinv.console.errors import Bad, refused
from matinv.console.guard import CSRF_HEADER, Guard, Session
from matinv.console.health import HealthCache
from matinv.console.jobs import download, picture, shown, submitted
from matinv.console.live import Live
from matinv.console.runs import Runs, unknown_run
from matinv.errors import MatinvError
from matinv.formats.codecs import CODECS, ENDINGS, Format, either
from matinv.jobs.record import Status

_STATIC: Final = Path(__file__).with_name("static")
_ORDER_BYTES: Final = 2**20  # a redrive of a thousand letters is 40 KB


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the console.

    Parameters
    ----------
    jobs : int
        How many jobs the table shows at most, the latest.
    upload_bytes : int
        The largest file that may be dropped on the page.
    """

    jobs: int = 10_000
    upload_bytes: int = 2**30


def console(client: Client, session: Session, limits: Limits = Limits()) -> Starlette:
    """Return the server as an ASGI application.

    Parameters
    ----------
    client : Client
        The stack that it shows.
    session : Session
        The session that may use it.
    limits : Limits
        The limits of uploads and rows.
    """
    live = Live(Board(client, limits.jobs))
    pages = _Pages(client, session, limits, live, Desk(client), HealthCache(client), Runs(client))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.live = live
        yield

    return Starlette(
        routes=pages.routes(),
        middleware=[Middleware(Guard, session=session)],
        exception_handlers={MatinvError: refused},
        lifespan=lifespan,
    )


@dataclass(frozen=True, slots=True)
class _Pages:
    """The endpoints. Those that are no coroutines run in a thread: they wait for AWS."""

    client: Client
    session: Session
    limits: Limits
    live: Live
    desk: Desk
    watch: HealthCache
    runs: Runs

    def routes(self) -> list[Route | Mount]:
        return [
            Route("/", self.page),
            Route("/api/session", self.about),
            Route("/api/live", self.stream),
            Route("/api/jobs", self.submit, methods=["POST"]),
            Route("/api/job", self.job),
            Route("/api/job/picture", self.picture),
            Route("/api/job/result", self.result),
            Route("/api/runs", self.all_runs),
            Route("/api/run", self.run),
            Route("/api/run/jobs", self.run_jobs),
            Route("/api/run/archive", self.archive),
            Route("/api/run/cancel", self.cancel, methods=["POST"]),
            Route("/api/health", self.health),
            Route("/api/dead-letters", self.letters),
            Route("/api/dead-letters/redrive", self.redrive, methods=["POST"]),
            Route("/api/dead-letters/delete", self.delete, methods=["POST"]),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ]

    async def page(self, _request: Request) -> Response:
        return FileResponse(_STATIC / "index.html")

    async def about(self, _request: Request) -> Response:
        settings = self.client.settings
        return JSONResponse(
            {
                "csrf": {"header": CSRF_HEADER, "token": self.session.csrf},
                "version": __version__,
                "stack": settings.stack,
                "upload_bytes": self.limits.upload_bytes,
                "formats": {form: codec.title for form, codec in CODECS.items()},
                "endings": ENDINGS,
            }
        )

    async def stream(self, _request: Request) -> Response:
        return StreamingResponse(self.live.events(), media_type="text/event-stream")

    async def submit(self, request: Request) -> Response:
        limit = self.limits.upload_bytes
        return JSONResponse(await submitted(self.client, self.live, request, limit), 201)

    def job(self, request: Request) -> Response:
        return JSONResponse(shown(self.client, _given(request, "id")))

    def picture(self, request: Request) -> Response:
        number = request.query_params.get("slice", "0")
        slice_ = int(number) if number.isascii() and number.isdigit() else -1
        which = "a" if request.query_params.get("of") == "a" else "x"
        return JSONResponse(picture(self.client, _given(request, "id"), which, slice_))

    def result(self, request: Request) -> Response:
        form = request.query_params.get("format")
        if form not in list(Format):
            raise Bad(
                "BAD_REQUEST", f"there is no format {form}", f"ask for {either(list(Format))}"
            )
        return download(self.client, _given(request, "id"), Format(form))

    def all_runs(self, _request: Request) -> Response:
        return JSONResponse(self.runs.listed())

    def run(self, request: Request) -> Response:
        return JSONResponse(self.runs.one(_given(request, "run")))

    def run_jobs(self, request: Request) -> Response:
        query = request.query_params
        status = Status(query["status"]) if query.get("status") in set(Status) else None
        after = None
        if query.get("after"):
            at = query.getlist("after")
            if len(at) != 3 or at[0] not in set(Status):
                raise Bad("BAD_REQUEST", "there is no such page of jobs", "load the page again")
            after = Status(at[0]), at[1], at[2]
        return JSONResponse(self.runs.jobs(_given(request, "run"), status, after))

    def archive(self, request: Request) -> Response:
        run = _given(request, "run")
        if next(self.client.table.run_entries(run, limit=1), None) is None:
            raise unknown_run(run)
        name = attachment(f"{run.replace('/', '-')}.zip")
        return StreamingResponse(
            archive(self.client, run), headers=name, media_type="application/zip"
        )

    async def cancel(self, request: Request) -> Response:
        run = (await _order(request)).get("run")
        if not isinstance(run, str) or not run:
            raise Bad("BAD_REQUEST", "run is missing", "name a run")
        answer = await run_in_threadpool(self.runs.cancelled, run)
        self.live.wake()
        return JSONResponse(answer)

    def health(self, _request: Request) -> Response:
        return JSONResponse(self.watch.health())

    def letters(self, _request: Request) -> Response:
        return JSONResponse(self.desk.listed())

    async def redrive(self, request: Request) -> Response:
        answer = await run_in_threadpool(self.desk.redriven, await _order(request))
        self.live.wake()
        return JSONResponse(answer)

    async def delete(self, request: Request) -> Response:
        return JSONResponse(await run_in_threadpool(self.desk.deleted, await _order(request)))


async def _order(request: Request) -> dict[str, Any]:
    """Return the JSON object that the page sends."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _ORDER_BYTES:
            raise Bad("TOO_LARGE", "the request is too large", "choose fewer")
    try:
        order = json.loads(body)
    except ValueError:
        order = None
    if not isinstance(order, dict):
        raise Bad("BAD_REQUEST", "the request is no JSON object", "load the page again")
    return order


def _given(request: Request, name: str) -> str:
    value = request.query_params.get(name)
    if not value:
        noun = "run" if name == "run" else "job"
        raise Bad("BAD_REQUEST", f"{name} is missing", f"name a {noun}")
    return value
