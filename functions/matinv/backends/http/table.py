"""`ClientTable` over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final
from urllib.parse import urlencode

from matinv.backends.http.api import Api
from matinv.jobs.api_paths import path_of
from matinv.jobs.record import Record, Status
from matinv.jobs.record_document import record_of
from matinv.ports import Place
from matinv.ports.parallel import side_by_side

_PAGE: Final = 100


class RemoteTable:
    """`ClientTable`: the records as the API shows them; a dropped file is QUEUED there already."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def get(self, job_ids: Sequence[str]) -> dict[str, Record]:
        """Return the records that exist, one request for each."""
        found = side_by_side(self._get, dict.fromkeys(job_ids))
        return {record.job_id: record for record in found if record}

    def _get(self, job_id: str) -> Record | None:
        reply = self._api.ask("GET", path_of(job_id), missing=(404,))
        return None if reply.status == 404 else _record(json.loads(reply.content))

    def put(self, records: Sequence[Record]) -> list[bool]:
        """Write nothing: of what was sent the API has written the records."""
        return [True] * len(records)

    def list(self, status: Status, limit: int, before: Place | None = None) -> Iterator[Record]:
        """Yield records in `status`, the most recently updated first."""
        found = self._pages(status, limit if before is None else _PAGE)
        behind = (r for r in found if before is None or (r.updated_at, r.job_id) < before)
        return islice(behind, limit)

    def _pages(self, status: Status, limit: int) -> Iterator[Record]:
        """Yield all records in `status`; a request asks for `limit`, or a page."""
        cursor: dict[str, str] = {}
        while limit > 0:
            query = {"status": str(status), "limit": str(min(limit, _PAGE)), **cursor}
            page = json.loads(self._api.ask("GET", f"/jobs?{urlencode(query)}").content)
            yield from map(_record, page["jobs"])
            if "cursor" not in page:
                return
            cursor = {"cursor": page["cursor"]}


def _record(document: Mapping[str, Any]) -> Record:
    """Return a record whose result, wherever it is kept, is fetched from the API."""
    record = record_of(document)
    if record.result is None:
        return record
    place = f"{path_of(record.job_id)}/result"
    return replace(record, result=replace(record.result, uri=place, version_id=None))
