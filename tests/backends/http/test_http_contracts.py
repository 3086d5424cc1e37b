"""The HTTP API keeps a client's part of the contracts."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from matinv.backends.http.queue import RemoteQueue
from matinv.backends.http.table import RemoteTable
from matinv.jobs.record import Record
from matinv.ports import ClientTable
from matinv.testing.contracts import ClientQueueContract, ClientTableContract
from support.api_server import ApiServer


class TestRemoteTable(ClientTableContract):
    @pytest.fixture
    def table(self, api: ApiServer) -> RemoteTable:
        self.api = api
        return api.client.table  # type: ignore[return-value]

    def write(self, table: ClientTable, records: Sequence[Record]) -> None:
        assert all(self.api.service.table.put(records))


class TestRemoteQueue(ClientQueueContract):
    @pytest.fixture
    def queue(self, api: ApiServer) -> RemoteQueue:
        self.api = api
        return api.client.queue  # type: ignore[return-value]

    def sent(self, queue: RemoteQueue) -> list[str]:
        return self.api.service.queue.sent
