"""`RedrivingQueue` over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from matinv.backends.http.api import Api
from matinv.jobs.api_paths import path_of


class RemoteQueue:
    """`RedrivingQueue`: sending, and redriving by job id."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def send(self, body: str) -> None:
        """Submit a message."""
        self._api.ask("POST", "/jobs", body)

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

    def check(self) -> None:
        """Ask for the API's health."""
        self._api.ask("GET", "/health")
