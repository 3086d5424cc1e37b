"""`RedrivingQueue` over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from matinv.backends.aws.calls import packed
from matinv.backends.http.api import Api, error_of
from matinv.backends.http.sigv4 import Reply
from matinv.errors import MatinvError
from matinv.jobs.api_paths import path_of, run_path_of
from matinv.jobs.record import Record
from matinv.jobs.record_document import record_of
from matinv.ports.parallel import CLIENT_THREADS, side_by_side

# A request's, so that several go side by side: the API takes 1,000 messages, and Lambda 6 MB.
_MESSAGES: Final = 100
_BYTES: Final = 2**20


class RemoteQueue:
    """`RedrivingQueue`: sending, and redriving by job id."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def send(self, body: str, group: str = "") -> None:  # noqa: ARG002 - the API finds it
        """Submit a message."""
        self._api.ask("POST", "/jobs", body)

    def send_all(
        self,
        bodies: Sequence[str],
        groups: Sequence[str] = (),  # noqa: ARG002 - the API finds them
    ) -> list[MatinvError | None]:
        """Submit messages, many in a request."""

        def refusals(some: Sequence[str]) -> list[MatinvError | None]:
            try:
                if len(some) == 1:
                    self.send(some[0])
                    return [None]
                # As they are: reading and writing could change a digit.
                reply = self._api.ask("POST", "/jobs", f'{{"jobs":[{",".join(some)}]}}')
            except MatinvError as error:
                return [error] * len(some)

            def refusal(outcome: Mapping[str, Any]) -> MatinvError | None:
                if "problem" not in outcome:
                    return None
                problem = json.dumps(outcome["problem"]).encode()
                return error_of(Reply(outcome["status"], {}, problem))

            return [*map(refusal, json.loads(reply.content)["jobs"])]

        requests = packed(bodies, _MESSAGES, _BYTES, lambda body: len(body.encode()))
        return [one for some in side_by_side(refusals, requests, CLIENT_THREADS) for one in some]

    def redrive(self, job_id: str, changes: Mapping[str, Any]) -> Sequence[str]:
        """Send a dead job back to work; return the ids of all jobs of its letters, if any.

        Raises
        ------
        MatinvError
            Why that cannot be done.
        """
        path = f"{path_of(job_id)}/redrive"
        reply = self._api.ask("POST", path, json.dumps(dict(changes)), missing=(404,))
        ids: list[str] = [] if reply.status == 404 else json.loads(reply.content)["job_ids"]
        return ids

    def cancel(self, job_ids: Sequence[str]) -> dict[str, Record]:
        """Cancel jobs; return the records of those that are known."""

        def one(job_id: str) -> Record | None:
            reply = self._api.ask("POST", f"{path_of(job_id)}/cancel", missing=(404,))
            return None if reply.status == 404 else record_of(json.loads(reply.content))

        found = side_by_side(one, dict.fromkeys(job_ids), CLIENT_THREADS)
        return {record.job_id: record for record in found if record}

    def cancel_run(self, run: str) -> int:
        """Cancel the jobs of a run; return how many had not ended."""
        count: int = json.loads(self._api.ask("DELETE", run_path_of(run)).content)["cancelled"]
        return count

    def check(self) -> None:
        """Ask for the API's health."""
        self._api.ask("GET", "/health")
