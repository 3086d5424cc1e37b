"""Bodies: a message, whose job id may come as the request's ``Idempotency-Key``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from matinv.errors import Code, Refused
from matinv.formats import json_text
from matinv.http_api.request import Exchange
from matinv.jobs.ids import checked_id

IDEMPOTENCY_KEY: Final = "idempotency-key"


@dataclass(frozen=True, slots=True)
class Body:
    """A body.

    Parameters
    ----------
    text : bytes
        As it came.
    tree : object
        The body as `matinv.formats.json_text` read it, with the job id of the request's header.
    job_id : str or None
        That id.
    """

    text: bytes = field(repr=False)
    tree: Any = field(repr=False)
    job_id: str | None


def read(exchange: Exchange) -> Body:
    """Return the body of a request.

    Raises
    ------
    Refused
        BAD_MESSAGE, for text that is not JSON; BAD_JOB_ID, for an Idempotency-Key that is no valid
        job id, or not the one in the body.
    """
    text = exchange.body()
    tree = json_text.parse(text, Code.BAD_MESSAGE)
    job_id = exchange.headers.get(IDEMPOTENCY_KEY)
    if job_id is None:
        return Body(text, tree, None)
    job_id = checked_id(job_id)
    if isinstance(tree, dict):
        if "job_id" in tree and checked_id(tree["job_id"]) != job_id:
            raise Refused(
                Code.BAD_JOB_ID,
                "Idempotency-Key and job_id differ",
                "the key is the job's id: leave one of them out, or send the same id in both",
                observed=str(tree["job_id"]),
                limit=job_id,
            )
        tree["job_id"] = job_id
    return Body(text, tree, job_id)
