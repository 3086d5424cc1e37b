"""The HTTP API keeps a client's part of the contracts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from matinv.backends.http.queue import RemoteQueue
from matinv.backends.http.store import RemoteStore
from matinv.backends.http.table import RemoteTable
from matinv.formats.codecs import Format
from matinv.jobs.api_paths import path_of
from matinv.jobs.record import Record, ResultInfo, Status
from matinv.jobs.request import Reference
from matinv.ports import ClientTable
from matinv.testing.contracts import (
    ClientQueueContract,
    ClientStoreContract,
    ClientTableContract,
    digest,
    record,
)
from support.api_server import ApiServer


class TestRemoteStore(ClientStoreContract):
    @pytest.fixture
    def store(self, api: ApiServer) -> RemoteStore:
        self.api = api
        return api.client.store  # type: ignore[return-value]

    def sent(self, store: RemoteStore, reference: Reference) -> tuple[bytes, Mapping[str, str]]:
        with self.api.service.store.open(reference) as blob:
            return blob.read(blob.size_bytes), blob.metadata

    def write_result(self, store: RemoteStore, job_id: str, content: bytes) -> tuple[str, None]:
        hash_ = digest([content])
        stored = self.api.service.store.put_result(f"{job_id}/1.npy", [content], hash_, {})
        result = ResultInfo(Format.NPY, hash_, len(content), stored.uri, stored.version_id)
        done = replace(record(job_id, status=Status.SUCCEEDED), result=result)
        assert self.api.service.table.put([done]) == [True]
        return f"{path_of(job_id)}/result", None


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
