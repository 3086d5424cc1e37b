"""One delivery on its way through the pipeline."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from matinv.errors import Refused
from matinv.formats.codecs import CODECS, Format, Text, format_of_key
from matinv.jobs.ownership import Question
from matinv.jobs.record import InputInfo, Record
from matinv.jobs.request import (
    MESSAGE_SOURCE,
    Delivery,
    Inline,
    Options,
    Reference,
    Request,
    answer_options,
    input_info,
)
from matinv.pipeline.app import App


@dataclass(slots=True)
class Task:
    """One delivery on its way through the pipeline; stages fill it in.

    ``request`` is None when the body is not a job: such a task only ever fails. ``billed_s`` is its
    share of the time of an invocation that ``shared_by`` jobs were in.
    """

    delivery: Delivery
    request: Request | None
    input: InputInfo
    record: Record | None
    timings_ms: dict[str, float] = field(default_factory=dict)
    predicted_s: float = 0.0
    options_known: bool = True
    begun: bool = False
    billed_s: float = 0.0
    shared_by: int = 1

    @property
    def job_id(self) -> str:
        """The id of the record that the task may write."""
        return self.delivery.job_id

    @property
    def options(self) -> Options:
        """The submitter's options."""
        return self.request.options if self.request else Options()

    @property
    def redrive(self) -> int:
        """How often an operator sent the job again."""
        return self.request.redrive if self.request else 0

    def question(self) -> Question:
        """Return the question, as far as it is known."""
        request = self.request
        return Question(
            self.input,
            answer_options(self.options, own_format(request)) if self.options_known else None,
            upload=bool(request and request.dropped),
            replaces=request.replace if request else False,
            message_id=self.delivery.message_id,
            sent_at_ms=self.delivery.sent_at_ms,
            was_dead=bool(self.delivery.error_code),
        )

    @contextmanager
    def timed(self, stage: str, now: Callable[[], float]) -> Iterator[None]:
        """Add the duration of the block to the task's timings."""
        begun = now()
        try:
            yield
        finally:
            spent_ms = round(1000 * (now() - begun), 3)
            self.timings_ms[stage] = self.timings_ms.get(stage, 0.0) + spent_ms

    def worked_ms(self) -> float:
        """Return how long the task was worked on."""
        return sum(ms for stage, ms in self.timings_ms.items() if stage != "queued_ms")


def own_format(request: Request | None) -> Format | None:
    """Return the format of an input, which its message or its key says; None for no such key."""
    match request:
        case Request(input=Inline(format=form)):
            return form
        case Request(input=Reference(key=key)):
            with suppress(Refused):
                return format_of_key(key)
    return None


def task_of(app: App, delivery: Delivery, record: Record | None) -> Task:
    """Begin the task of a delivery, whose job has `record`."""
    content = delivery.content
    if isinstance(content, Request):
        task = Task(delivery, content, input_info(content), record)
        # Metadata of a dropped file, and a file of text, may hold options.
        form = own_format(content)
        is_text = form is not None and isinstance(CODECS[form].input, Text)
        asked = isinstance(content.input, Inline) or not is_text
        task.options_known = asked and not content.dropped
    else:
        body = delivery.body.encode("utf-8", "surrogatepass")
        digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
        task = Task(delivery, None, InputInfo(MESSAGE_SOURCE, digest, None, len(body)), record)
    task.timings_ms["queued_ms"] = max(0.0, round(1000 * app.now() - delivery.sent_at_ms, 3))
    return task
