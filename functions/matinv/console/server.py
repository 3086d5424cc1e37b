"""Serving: the console on the loopback interface, until it is stopped."""

from __future__ import annotations

import logging
import socket
import webbrowser
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette

from matinv import processes
from matinv.client import Client
from matinv.console.app import Limits, console
from matinv.console.guard import Session

_LOOPBACK = "127.0.0.1"  # never another: the page uses the person's credentials
_STOP_S = 2  # for answers on their way; streams are ended


def serve(
    client: Client, port: int, limits: Limits, *, browser: bool, ready: Callable[[str], object]
) -> None:
    """Serve until Ctrl-C, SIGTERM, or the end of a pipe on standard input.

    Parameters
    ----------
    client : Client
        The stack to show.
    port : int
        The port on the loopback interface; 0 for a free one.
    limits : Limits
        The limits of uploads and rows.
    browser : bool
        Whether to open the person's browser.
    ready : callable
        Called with the link, once the console listens.

    Raises
    ------
    OSError
        If the port is taken.
    """
    with listen(port) as listening:
        session = Session(listening.getsockname()[1])
        link = session.link
        server = Server(console(client, session, limits))
        if processes.stdin_is_a_pipe():
            processes.when_orphaned(server.stop)
        ready(link)
        if browser:
            webbrowser.open(link)
        server.run(sockets=[listening])


def listen(port: int) -> socket.socket:
    """Return a socket that listens on the loopback interface, at a free port for 0."""
    return socket.create_server((_LOOPBACK, port))


class Server(uvicorn.Server):
    """A server that ends its streams when it stops: they would hold it up for ever."""

    def __init__(self, app: Starlette) -> None:
        self._starlette = app
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_STOP_S,
            )
        )

    def stop(self) -> None:
        """Stop soon; may be called from any thread."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the streams, then stop as uvicorn does."""
        self._starlette.state.live.close()
        await super().shutdown(sockets)
