"""`ClientTable` over HTTP."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from itertools import islice, takewhile
from typing import Any, Final
from urllib.parse import urlencode

from matinv.backends.http.api import Api
from matinv.jobs.api_paths import cursor_of, path_of, run_path_of
from matinv.jobs.record import Record, Status
from matinv.jobs.record_document import record_of
from matinv.jobs.runs import RecentRun, RunEntry, RunPlace, RunSummary
from matinv.ports import Place
from matinv.ports.parallel import CLIENT_THREADS, side_by_side

_PAGE: Final = 100
_RUN_PAGE: Final = 1000


class RemoteTable:
    """`ClientTable`: the records as the API shows them; a dropped file is QUEUED there already."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def get(self, job_ids: Sequence[str]) -> dict[str, Record]:
        """Return the records that exist, one request for each."""
        found = side_by_side(self._get, dict.fromkeys(job_ids), CLIENT_THREADS)
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

    def places(self, status: Status, limit: int, since: str = "") -> Iterator[Place]:
        """Yield where records in `status` stand, the most recently updated first."""
        found = ((r.updated_at, r.job_id) for r in self._pages(status, limit))
        return takewhile(lambda place: place[0] >= since, islice(found, limit))

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

    def run_entries(
        self,
        run: str,
        status: Status | None = None,
        after: RunPlace | None = None,
        limit: int | None = None,
    ) -> Iterator[RunEntry]:
        """Yield the jobs of a run, in the order of `run_order`."""
        return islice(self._run_pages(run, status, after, limit), limit)

    def _run_pages(
        self, run: str, status: Status | None, after: RunPlace | None, limit: int | None
    ) -> Iterator[RunEntry]:
        size = _RUN_PAGE if limit is None else max(1, min(limit, _RUN_PAGE))
        query = {"limit": str(size)} | ({"status": str(status)} if status else {})
        if after:
            query["cursor"] = cursor_of(after)
        while True:
            path = f"{run_path_of(run)}/jobs?{urlencode(query)}"
            page = json.loads(self._api.ask("GET", path).content)
            for entry in page["jobs"]:
                yield RunEntry(**entry | {"status": Status(entry["status"])})
            if "cursor" not in page:
                return
            query["cursor"] = page["cursor"]

    def run_summary(self, run: str) -> RunSummary:
        """Count the jobs of a run."""
        reply = self._api.ask("GET", run_path_of(run), missing=(404,))
        if reply.status == 404:
            return RunSummary(run, {}, {})
        found = json.loads(reply.content)
        counts = {Status(status): count for status, count in found["counts"].items()}
        names = [one.name for one in fields(RunSummary) if one.name in found]
        return RunSummary(**{name: found[name] for name in names} | {"run": run, "counts": counts})

    def recent_runs(self, limit: int) -> Sequence[RecentRun]:
        """Return the runs, the latest first."""
        query = urlencode({"limit": str(max(1, min(limit, _PAGE)))})
        found = json.loads(self._api.ask("GET", f"/runs?{query}").content)["runs"]
        return [RecentRun(**run) for run in found[:limit]]


def _record(document: Mapping[str, Any]) -> Record:
    """Return a record whose result, wherever it is kept, is fetched from the API."""
    record = record_of(document)
    if record.result is None:
        return record
    place = f"{path_of(record.job_id)}/result"
    return replace(record, result=replace(record.result, uri=place, version_id=None))
