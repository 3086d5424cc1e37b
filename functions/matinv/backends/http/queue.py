"""`JobQueue` over HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from matinv.backends.http.api import Api, refuse
from matinv.jobs.api_paths import path_of
from matinv.jobs.lanes import Lane
from matinv.jobs.request import Delivery
from matinv.ports import DeadLetter, Received


class RemoteQueue:
    """`JobQueue`: sending, and redriving by job id."""

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

    def bury(self, letters: Sequence[DeadLetter]) -> list[bool]:
        """Bury none."""
        return [False] * len(letters)

    def forward(self, lane: Lane, deliveries: Sequence[Delivery]) -> list[bool]:
        """Forward none."""
        return [False] * len(deliveries)

    def delay(self, deliveries: Sequence[Delivery], seconds: Sequence[int]) -> None:
        """Do nothing."""

    def max_receive_count(self) -> int:
        """Refuse."""
        refuse("the queue's redrive policy")

    def receive_dead(self, limit: int, visibility_s: int) -> Sequence[Received]:
        """Refuse."""
        refuse("looking into the dead letters", "matinv dlq redrive --job-id ID works")

    def delete_dead(self, messages: Sequence[Received]) -> None:
        """Refuse."""
        refuse("removing dead letters")

    def release_dead(self, messages: Sequence[Received]) -> None:
        """Do nothing: none was taken."""
