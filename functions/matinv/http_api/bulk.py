"""Many messages in one request: each with its own outcome, in their order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from matinv.client import Client, Submission
from matinv.client.message_text import elements
from matinv.client.send import Sender, Sent, send_all
from matinv.errors import Code, MatinvError, Refused
from matinv.formats import json_text
from matinv.http_api.bodies import IDEMPOTENCY_KEY, Body
from matinv.http_api.problems import problem_of
from matinv.http_api.request import Exchange
from matinv.http_api.submit import submission_of
from matinv.jobs.ownership import digest_of
from matinv.jobs.request import answer_options
from matinv.pipeline import Deadline

# A hundred calls of SQS and twenty of the table. With the longest ids and errors that there are,
# their outcomes fit an answer of Lambda's.
MOST: Final = 1000

_BEGIN: Final = re.compile(rb'[ \t\r\n]*+\{[ \t\r\n]*+"jobs"[ \t\r\n]*+:')


def messages_of(exchange: Exchange) -> list[bytes] | None:
    """Return the messages of a request as the texts that they are, or None for any other body.

    None of them is read here, so that one that is no message, or has a NaN, is its own problem.

    Raises
    ------
    Refused
        BAD_MESSAGE, for text that is not JSON, has more than the list or comes with an
        Idempotency-Key; TOO_LARGE, for more than `MOST`.
    """
    text = exchange.body()
    if not _BEGIN.match(text):
        return None
    if IDEMPOTENCY_KEY in exchange.headers:
        raise Refused(
            Code.BAD_MESSAGE,
            "an Idempotency-Key is the id of one job, and the request has several",
            "leave the header out, and give each message its job_id",
        )
    try:
        texts = elements(text.decode("utf-8", "surrogatepass"), "jobs")
        found = [one.encode("utf-8", "surrogatepass") for one in texts]
    except ValueError:
        found = []
        json_text.loads(text, Code.BAD_MESSAGE)  # it says where the text is not JSON
    if not found:
        raise Refused(
            Code.BAD_MESSAGE,
            "the request is not an object with a list of jobs and nothing else",
            'send {"jobs": [{"matrix": …}, …]}, options inside each message',
        )
    if len(found) > MOST:
        raise Refused(
            Code.TOO_LARGE,
            "the request has too many messages",
            "send them in several requests",
            observed=f"{len(found)} messages",
            limit=f"{MOST} messages",
        )
    return found


def outcomes(client: Client, messages: Sequence[bytes], deadline: Deadline) -> list[dict[str, Any]]:
    """Send messages; return of each the status that it would have alone, and its job or problem.

    Of several with one job id each is compared with what those before it have left in the table,
    as if it came in a request of its own; those that ask the same are one.

    Raises
    ------
    Transient
        If the table cannot be read, or time is over: whoever sends all of it again gets the same
        jobs.
    """
    found: dict[int, Sent | MatinvError] = {}
    pending: dict[int, Submission] = {}
    for number, message in enumerate(messages):
        try:
            tree = json_text.parse(message, Code.BAD_MESSAGE)
            pending[number] = submission_of(Body(message, tree, None))
        except MatinvError as error:
            found[number] = error
    sender = Sender(client.store, client.table, client.queue, client.settings, client.now)
    ids = {number: submission.job_id for number, submission in pending.items()}
    while pending:
        deadline.check()
        first: dict[str, int] = {}
        same: dict[int, int] = {}
        for number, submission in pending.items():
            one = first.setdefault(submission.job_id, number)
            if _asked(pending[one]) == _asked(submission):
                same[number] = one
        records = client.table.get([*first])
        sent = send_all(sender, [pending[number] for number in first.values()], records)
        by_first = dict(zip(first.values(), sent, strict=True))
        found |= {number: by_first[one] for number, one in same.items()}
        pending = {number: one for number, one in pending.items() if number not in same}

    def document(number: int) -> dict[str, Any]:
        outcome = found[number]
        named = {"job_id": ids[number]} if number in ids else {}
        if isinstance(outcome, MatinvError):
            problem = problem_of(outcome)
            return {"status": int(problem.status), **named, "problem": problem.document}
        return {"status": 200 if outcome.ended else 202, **named}

    return [document(number) for number in range(len(messages))]


def _asked(submission: Submission) -> tuple[str, bool]:
    """Return a key that is equal for two messages with the same question."""
    options = answer_options(submission.options, submission.format)
    return digest_of(submission.input, options), submission.replaces
