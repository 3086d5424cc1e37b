"""The ports over the HTTP API, for those who may call its URL and nothing else.

What the API does itself, the record of a job that was submitted, is not written again from here.
What it does not offer raises `Refused`.
"""

from __future__ import annotations

from matinv.backends.http.api import Api
from matinv.backends.http.queue import RemoteQueue
from matinv.backends.http.store import RemoteStore
from matinv.backends.http.table import RemoteTable


def ports(url: str) -> tuple[RemoteStore, RemoteTable, RemoteQueue]:
    """Return the ports over the API at a URL."""
    api = Api(url)
    return RemoteStore(api), RemoteTable(api), RemoteQueue(api)
