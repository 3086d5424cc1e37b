"""The table of routes: all that may be asked for, and what the OpenAPI document says of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from matinv.errors import printable
from matinv.http_api import invert, jobs, results, runs, service, uploads
from matinv.http_api.listing import query_schema
from matinv.http_api.problems import Problem
from matinv.http_api.request import Exchange
from matinv.http_api.responses import Response
from matinv.jobs.error_answers import METHOD_NOT_ALLOWED, NOT_FOUND
from matinv.jobs.message import Schema


@dataclass(frozen=True, slots=True)
class Operation:
    """A route as `matinv.http_api.openapi` describes it.

    Parameters
    ----------
    id, summary, description : str
        As OpenAPI has them.
    answers : mapping
        By status, what it means and the names of the schemas that its body may have.
    problems : tuple of int
        The statuses of its problem documents, beside 503, which every operation has.
    bodies : tuple of str
        The names of the schemas that a request's body may have; none, if it has no body.
    keyed : bool
        Whether the header Idempotency-Key counts.
    query : callable, optional
        The schema of the query's parameters, if it may have any.
    """

    id: str
    summary: str
    answers: Mapping[int, tuple[str, tuple[str, ...]]]
    problems: tuple[int, ...] = ()
    bodies: tuple[str, ...] = ()
    description: str = ""
    keyed: bool = False
    query: Schema | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """A route.

    Parameters
    ----------
    method, path : str
        Requests that it answers; ``{job_id}`` in the path stands for an id, and ``{run}`` for a
        run's name, slashes included.
    function : callable
        The function that answers.
    operation : Operation or None
        Its description; None for what the OpenAPI document leaves out.
    """

    method: str
    path: str
    function: Callable[[Exchange], Response] = field(repr=False)
    operation: Operation | None = None


ROUTES: Final = (
    Route("POST", "/", invert.invert),  # what the URL alone did before it had routes
    Route(
        "POST",
        "/invert",
        invert.invert,
        Operation(
            "invert",
            "Invert a small matrix at once",
            {200: ("The inverse.", ("Inverse",))},
            (400, 409, 413, 415, 422),
            ("SmallMatrix",),
            "With a job_id, or an Idempotency-Key, the job is kept like any other.",
            keyed=True,
        ),
    ),
    Route(
        "POST",
        "/jobs",
        jobs.submit,
        Operation(
            "submit",
            "Submit a matrix",
            {
                200: (
                    "The job has ended before, for this very matrix. To several messages: the "
                    "outcome of each.",
                    ("Job", "Outcomes"),
                ),
                202: ("It is on its way, or the file is to be sent there.", ("Job", "Upload")),
            },
            (400, 409, 413, 415),
            ("Message", "UploadRequest", "Messages"),
            "A small one in the body; for a large one ask for an upload, and PUT the file to the "
            "URL that comes back, within 15 minutes. A file above 5 GiB goes in parts: see "
            "/uploads/parts. The Idempotency-Key is the job's id: sent again with the same matrix, "
            "the request has the same answer. Up to 1,000 messages in one request are sent ten in "
            "a call of the queue; a wrong one does not hurt others.",
            keyed=True,
        ),
    ),
    Route(
        "POST",
        "/uploads/parts",
        uploads.part_urls,
        Operation(
            "part_urls",
            "Ask where to send parts of a large file",
            {200: ("URLs that work for 15 minutes.", ("PartUrls",))},
            (400, 413, 415),
            ("PartUrlsRequest",),
            "Up to 100 at once. S3 compares each part with the SHA-256 that you name.",
        ),
    ),
    Route(
        "POST",
        "/uploads/complete",
        uploads.complete,
        Operation(
            "complete_upload",
            "Make a file of its parts",
            {202: ("It is there, and on its way.", ("Uploaded",))},
            (400, 409, 413, 415),
            ("UploadCompletion",),
            "Only if the job has no input yet, unless you replace it.",
        ),
    ),
    Route(
        "POST",
        "/uploads/abort",
        uploads.abort,
        Operation(
            "abort_upload",
            "Drop a file that was not completed",
            {200: ("It is dropped.", ("UploadAborted",))},
            (400, 413, 415),
            ("UploadPlace",),
            "The bucket drops by itself after a day what nobody completes.",
        ),
    ),
    Route(
        "GET",
        "/jobs",
        jobs.list_jobs,
        Operation(
            "list_jobs",
            "List jobs, the most recently updated first",
            {200: ("A page of them.", ("Jobs",))},
            (400,),
            query=query_schema,
        ),
    ),
    Route(
        "GET",
        "/jobs/{job_id}",
        jobs.job,
        Operation("job", "Look at a job", {200: ("Its record.", ("Job",))}, (400, 404)),
    ),
    Route(
        "GET",
        "/jobs/{job_id}/result",
        results.result,
        Operation(
            "result",
            "Fetch the inverse",
            {200: ("The inverse.", ("Inverse",)), 303: ("Fetch it there, without signing.", ())},
            (400, 404, 406, 409, 413, 422),
            description="A result above 4 MiB is a redirection to a URL that works for 15 minutes, "
            "and comes in the format in which it is stored.",
        ),
    ),
    Route(
        "POST",
        "/jobs/{job_id}/redrive",
        jobs.redrive_job,
        Operation(
            "redrive",
            "Send a dead job back to work",
            {202: ("It is on its way.", ("Redriven",))},
            (400, 404, 413, 415, 422),
            ("Options",),
            "With the options of the body in place of its own.",
        ),
    ),
    Route(
        "POST",
        "/jobs/{job_id}/cancel",
        jobs.cancel_job,
        Operation(
            "cancel",
            "Cancel a job",
            {200: ("Its record: cancelled, or as it had ended before.", ("Job",))},
            (400, 404),
        ),
    ),
    Route(
        "GET",
        "/runs",
        runs.recent,
        Operation(
            "list_runs",
            "List runs, the latest first",
            {200: ("Their names, and when they went on, to a quarter of an hour.", ("Runs",))},
            (400,),
            query=runs.recent_schema,
        ),
    ),
    Route(
        "GET",
        "/runs/{run}",
        runs.summary,
        Operation(
            "run",
            "Count the jobs of a run",
            {200: ("Its jobs by status, and those that failed by code.", ("Run",))},
            (400, 404),
        ),
    ),
    Route(
        "DELETE",
        "/runs/{run}",
        runs.cancel,
        Operation(
            "cancel_run",
            "Cancel the jobs of a run that have not ended",
            {200: ("How many those were.", ("RunCancelled",))},
            (400,),
            description="Records and results stay. A run that is too large for one request is "
            "answered with 503: ask again for the rest.",
        ),
    ),
    Route(
        "GET",
        "/runs/{run}/jobs",
        runs.entries,
        Operation(
            "run_jobs",
            "List the jobs of a run",
            {200: ("A page of them, by status, then by time.", ("RunJobs",))},
            (400,),
            query=runs.entries_schema,
        ),
    ),
    Route(
        "GET",
        "/runs/{run}/results",
        runs.results,
        Operation(
            "run_results",
            "Fetch the results of a run",
            {
                200: (
                    "A page of them: the bytes of small ones, URLs of the others.",
                    ("RunResults",),
                )
            },
            (400,),
            description="Results come as they are stored, those of stacks that succeeded in part "
            "last. URLs need no signature and work for 15 minutes.",
            query=runs.results_schema,
        ),
    ),
    Route(
        "GET",
        "/health",
        service.health,
        Operation(
            "health", "Whether table and jobs queue answer", {200: ("They do.", ("Health",))}
        ),
    ),
    Route("GET", "/openapi.json", service.openapi),
)

PATHS: Final = frozenset(route.path for route in ROUTES)
_BY_NAME: Final = {(route.method, route.path): route for route in ROUTES}


def route_of(method: str, path: str) -> Route:
    """Return the route of a request.

    Parameters
    ----------
    method : str
        HTTP's.
    path : str
        With ``{job_id}`` or ``{run}`` in the place of a name.

    Raises
    ------
    Problem
        404, 405.
    """
    if path not in PATHS:
        raise Problem(NOT_FOUND, "no such path", "see /openapi.json")
    if (method, path) not in _BY_NAME:
        allowed = ", ".join(route.method for route in ROUTES if route.path == path)
        raise Problem(
            METHOD_NOT_ALLOWED,
            "method not allowed",
            f"use {allowed}",
            observed=printable(method, 20),
            limit=allowed,
            headers={"allow": allowed},
        )
    return _BY_NAME[method, path]
