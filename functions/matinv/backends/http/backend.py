"""A service behind an HTTP API, by its URL."""

from __future__ import annotations

from matinv.backends.http.api import Api
from matinv.backends.http.queue import RemoteQueue
from matinv.backends.http.store import RemoteStore
from matinv.backends.http.table import RemoteTable
from matinv.ports import ApiBackend


def backend(url: str) -> ApiBackend:
    """Return the service behind the API at a URL."""
    api = Api(url)
    return ApiBackend(RemoteStore(api), RemoteTable(api), RemoteQueue(api))
