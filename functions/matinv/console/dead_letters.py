"""Dead letters: what is in the queue and why, sent back with other options, or deleted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from threading import Lock
from typing import Any, Final

from matinv.client import Client
from matinv.console.errors import Answer, Bad
from matinv.formats.codecs import Format
from matinv.jobs.request import Output
from matinv.jobs.times import timestamp
from matinv.linalg.types import Accuracy, Method, OnIllConditioned
from matinv.operations.dead_letters import DeadLetters, delete, redrive

# Looking takes the letters out of everybody's sight for a moment; five seconds for a thousand.
LIMIT: Final = 1000

_CHOICES: Final = {
    "method": Method,
    "accuracy": Accuracy,
    "output": Output,
    "format": Format,
    "on_ill_conditioned": OnIllConditioned,
}


@dataclass(frozen=True, slots=True)
class Desk:
    """Reads the dead letters of a stack, for one caller at a time.

    Parameters
    ----------
    client : Client
        The stack.
    turn : Lock
        Two looks at once would each see a part of the queue.
    """

    client: Client
    turn: Lock = field(default_factory=Lock)

    def listed(self) -> Answer:
        """Return the letters, the reasons counted, and whether there are more."""
        rows: list[dict[str, Any]] = []
        with self.turn, DeadLetters(self.client) as letters:
            for letter in islice(letters, LIMIT + 1):
                code, message = letter.reason
                row = {
                    "message_id": letter.received.message_id,
                    "job_ids": letter.job_ids,
                    "code": code,
                    "message": message,
                    "source": letter.source,
                    "sent_at": timestamp(letter.received.sent_at_ms / 1000),
                    "tags": dict(letter.tags),
                    "problem": letter.problem.document() if letter.problem else None,
                }
                rows.append(row)
        reasons = Counter(row["code"] or "UNKNOWN" for row in rows[:LIMIT])
        return {
            "letters": rows[:LIMIT],
            "reasons": dict(reasons.most_common()),
            "more": len(rows) > LIMIT,
        }

    def redriven(self, order: dict[str, Any]) -> Answer:
        """Send the letters that `order` names back, or only list them.

        Parameters
        ----------
        order : dict
            ``message_ids``, ``changes`` (options of a message) and ``dry_run``.

        Raises
        ------
        Bad
            If it is not that.
        Transient
            If a queue is out of order; what was sent back until then is.
        """
        wanted = _chosen(order)
        changes: dict[str, str] = order.get("changes") or {}
        for name, value in changes.items():
            if name not in _CHOICES or value not in list(_CHOICES[name]):
                raise Bad("BAD_REQUEST", f"{name} cannot be {value}", "choose one from the list")
        with self.turn:
            done = redrive(
                self.client,
                lambda letter: letter.received.message_id in wanted,
                changes,
                len(wanted),
                dry_run=bool(order.get("dry_run")),
            )
        answers = [
            {
                "message_id": one.letter.received.message_id,
                "job_ids": one.letter.job_ids,
                "problem": one.problem.document() if one.problem else None,
            }
            for one in done
        ]
        found = {answer["message_id"] for answer in answers}
        return {"done": answers, "gone": sorted(wanted - found)}

    def deleted(self, order: dict[str, Any]) -> Answer:
        """Delete the letters that `order` names by ``message_ids``.

        Raises
        ------
        Bad
            If it is not that.
        Transient
            If a queue is out of order; what was deleted until then is.
        """
        wanted = _chosen(order)
        with self.turn:
            done = delete(
                self.client, lambda letter: letter.received.message_id in wanted, len(wanted)
            )
        found = {letter.received.message_id for letter in done}
        return {"deleted": sorted(found), "gone": sorted(wanted - found)}


def _chosen(order: dict[str, Any]) -> set[str]:
    ids = order.get("message_ids")
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str) for one in ids):
        raise Bad("BAD_REQUEST", "no letters were chosen", "select at least one first")
    return set(ids)
