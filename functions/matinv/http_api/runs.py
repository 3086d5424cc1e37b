"""``/runs``: which there are, how one goes, its jobs, and where to fetch its results."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any, Final
from unicodedata import normalize

from pydantic_core import core_schema as cs

from matinv.client.results import result_of
from matinv.http_api.listing import (
    TIME,
    parameters_of,
    place_of,
    query_fields,
    refused,
)
from matinv.http_api.problems import Problem
from matinv.http_api.request import Exchange
from matinv.http_api.responses import Response, as_json
from matinv.http_api.results import URL_S
from matinv.jobs.api_paths import cursor_of
from matinv.jobs.error_answers import NOT_FOUND
from matinv.jobs.ids import valid_job_id
from matinv.jobs.message import object_schema
from matinv.jobs.record import Record, Status
from matinv.jobs.runs import RunEntry, RunPlace, entry_document, summary_document
from matinv.jobs.times import timestamp
from matinv.ports.parallel import side_by_side

# Entries have 0.2 KiB, so that a page of the longest ids there are fits an answer of Lambda's.
ENTRIES: Final = 1000
RESULTS: Final = 100

# Of the results that a page holds itself; as base64 and beside the URLs they fit an answer of 6 MB.
INLINE_BYTES: Final = 2 * 2**20


@cache
def recent_schema() -> cs.TypedDictSchema:
    """Return the schema of the parameters of ``GET /runs``."""
    return object_schema(query_fields(100, "limit"))


@cache
def entries_schema() -> cs.TypedDictSchema:
    """Return the schema of the parameters of ``GET /runs/{run}/jobs``."""
    return object_schema(query_fields(ENTRIES, "status", "limit", "cursor"))


@cache
def results_schema() -> cs.TypedDictSchema:
    """Return the schema of the parameters of ``GET /runs/{run}/results``."""
    return object_schema(query_fields(RESULTS, "limit", "cursor"))


def recent(exchange: Exchange) -> Response:
    """List runs."""
    limit = parameters_of(exchange.query, recent_schema)["limit"]
    runs = exchange.services.client.table.recent_runs(limit)
    return as_json(200, {"runs": [{"run": r.run, "updated_at": r.updated_at} for r in runs]})


def summary(exchange: Exchange) -> Response:
    """Say how a run goes."""
    run = _run(exchange)
    found = exchange.services.client.table.run_summary(run)
    if not found.total:
        raise Problem(NOT_FOUND, f"no job of run {run} is known", "GET /runs lists runs")
    return as_json(200, summary_document(found))


def cancel(exchange: Exchange) -> Response:
    """Cancel the jobs of a run."""
    run = _run(exchange)
    count = exchange.services.client.cancel_run(run, exchange.deadline.check)
    return as_json(200, {"run": run, "cancelled": count})


def entries(exchange: Exchange) -> Response:
    """List the jobs of a run."""
    query = parameters_of(exchange.query, entries_schema)
    run, after = _run(exchange), _after(query)
    table = exchange.services.client.table
    found = [*table.run_entries(run, query.get("status"), after, query["limit"])]
    page: dict[str, Any] = {"jobs": [entry_document(entry) for entry in found]}
    return as_json(200, page | _rest(found, len(found) == query["limit"]))


def results(exchange: Exchange) -> Response:
    """Say where the results of a run are."""
    query = parameters_of(exchange.query, results_schema)
    run, after, limit = _run(exchange), _after(query), query["limit"]
    client = exchange.services.client

    def succeeded() -> Iterator[RunEntry]:
        for status in (Status.SUCCEEDED, Status.PARTIAL):
            if after is None or after[0] in {Status.SUCCEEDED, status}:
                yield from client.table.run_entries(run, status, after, limit)

    found = [*islice(succeeded(), limit)]
    records = client.table.get([entry.job_id for entry in found])
    taken: list[RunEntry] = []
    shown: list[Record] = []
    inline_bytes = 0
    for entry in found:
        record = records.get(entry.job_id)
        if record and record.status.succeeded:  # else it is another question's by now
            inline_bytes += len(result_of(record).inline or b"")
            if inline_bytes > INLINE_BYTES and shown:
                break
            shown.append(record)
        taken.append(entry)

    def document(record: Record) -> dict[str, Any]:
        result = result_of(record)
        fields: dict[str, Any] = {
            "job_id": record.job_id,
            "status": record.status,
            "source": record.input.source,
            "format": result.format,
            "sha256": result.sha256,
            "bytes": result.size_bytes,
            "digits": record.certificate and record.certificate.digits,
        }
        if result.uri is None:
            return fields | {"inline": base64.b64encode(result.inline or b"").decode()}
        fields |= {"part_bytes": result.part_bytes} if result.part_bytes else {}
        return fields | {"url": client.store.url(result.uri, result.version_id, URL_S)}

    page = {
        "results": side_by_side(document, shown),
        "expires_at": timestamp(client.now() + URL_S),
    }
    return as_json(200, page | _rest(taken, len(found) == limit or len(taken) < len(found)))


def _run(exchange: Exchange) -> str:
    """Return the run that a path names."""
    return normalize("NFC", exchange.name)


def _after(query: dict[str, Any]) -> RunPlace | None:
    """Return the place that a query's cursor names."""
    if "cursor" not in query:
        return None
    match place_of(query["cursor"]):
        case [str(status), str(at), str(job_id)]:
            if status in set(Status) and TIME.fullmatch(at) and valid_job_id(job_id):
                return Status(status), at, job_id
    raise refused("invalid cursor")


def _rest(found: list[RunEntry], more: bool) -> dict[str, str]:  # noqa: FBT001 - of one caller's page
    return {"cursor": cursor_of(found[-1].place)} if found and more else {}
