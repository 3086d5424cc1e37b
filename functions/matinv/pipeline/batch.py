"""A batch, top to bottom: dedupe, load, admit, group, invert, publish, acknowledge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing

from matinv.errors import MatinvError
from matinv.jobs.lanes import MARGIN_S
from matinv.jobs.request import Delivery, Request, input_info
from matinv.pipeline.announce import Announcer, news
from matinv.pipeline.app import App, Deadline
from matinv.pipeline.attempt import result_or_error, within_deadline
from matinv.pipeline.bill import Bill
from matinv.pipeline.dedupe import check_owner
from matinv.pipeline.finish import Finished, hand_back, settle
from matinv.pipeline.invert import run
from matinv.pipeline.outcome import Outcome, Report, Verdict, failure, stop_of
from matinv.pipeline.task import task_of


def process(app: App, batch: Sequence[Delivery], deadline: Deadline) -> Report:
    """Do the jobs of a batch of messages.

    Parameters
    ----------
    batch : sequence of Delivery
        Several deliveries may come from one message, and several may be of one job.
    deadline : Deadline
        When to stop and hand back the rest.

    Returns
    -------
    Report
        Never an exception for a bad record. A delivery without an outcome is not acknowledged.
    """
    outcomes: list[Outcome] = []
    announcer = Announcer(app, deadline)
    bill = Bill(deadline, len(batch))
    for turn in _turns(batch):
        retrying = {o.delivery.job_id for o in outcomes if o.verdict is Verdict.RETRY}
        if stop_of(outcomes):
            break
        if deadline.remaining_s() <= MARGIN_S / 2:
            break  # not even time to say so: no outcome, no acknowledgement
        for settled in _take_turn(app, [d for d in turn if d.job_id not in retrying], bill):
            outcomes += settled
            announcer.announce(news(settled))
    if why := stop_of(outcomes):
        decided = {id(outcome.delivery) for outcome in outcomes}
        rest = [delivery for delivery in batch if id(delivery) not in decided]
        outcomes += _hand_back_all(app, rest, why, deadline)
    return Report(batch, outcomes, announcer.close())


def give_up(app: App, delivery: Delivery, error: MatinvError, deadline: Deadline) -> Report:
    """End a delivery with an error that its own work could not report."""
    announcer = Announcer(app, deadline)
    try:
        found = within_deadline(app, deadline, lambda: app.table.get([delivery.job_id]))
    except MatinvError as unknown:
        outcomes = _hand_back_all(app, [delivery], unknown, deadline)
    else:
        task = task_of(app, delivery, found.get(delivery.job_id))
        # The job may be another's, or have ended meanwhile.
        owned = result_or_error(check_owner, app, task)
        outcomes = _settled(
            app, [Finished(task, owned if isinstance(owned, Exception) else error)], deadline
        )
    announcer.announce(news(outcomes))
    return Report([delivery], outcomes, announcer.close())


def _hand_back_all(
    app: App, deliveries: Sequence[Delivery], error: MatinvError, deadline: Deadline
) -> list[Outcome]:
    """Hand deliveries back; if SQS does not answer, their visibility timeout decides when."""
    outcomes = result_or_error(
        within_deadline, app, deadline, lambda: list(hand_back(app, deliveries, error))
    )
    if isinstance(outcomes, Exception):
        verdict = Verdict.of_transient(error)
        return [Outcome(delivery, verdict, None, error.info) for delivery in deliveries]
    return outcomes


def _turns(batch: Sequence[Delivery]) -> Iterator[list[Delivery]]:
    """Yield lists of distinct jobs: further deliveries of a job find its record in a later turn.

    Of several uploads under one key the newest goes first, so that the older ones are stale.
    """

    def upload_order(delivery: Delivery) -> str:
        content = delivery.content
        return (input_info(content).order or "") if isinstance(content, Request) else ""

    jobs: dict[str, list[Delivery]] = {}
    for delivery in batch:
        jobs.setdefault(delivery.job_id, []).append(delivery)
    for deliveries in jobs.values():
        if len(deliveries) > 1:
            deliveries.sort(key=upload_order, reverse=True)
    while jobs:
        yield [deliveries.pop(0) for deliveries in jobs.values()]
        jobs = {job_id: deliveries for job_id, deliveries in jobs.items() if deliveries}


def _take_turn(app: App, turn: Sequence[Delivery], bill: Bill) -> Iterator[Sequence[Outcome]]:
    deadline = bill.deadline
    try:
        deadline.check()
        found = within_deadline(app, deadline, lambda: app.table.get([d.job_id for d in turn]))
    except MatinvError as error:
        yield _hand_back_all(app, turn, error, deadline)
        return
    tasks = [task_of(app, delivery, found.get(delivery.job_id)) for delivery in turn]
    with closing(run(app, tasks, deadline)) as parts:
        for ended in parts:
            bill.charge([end.task for end in ended])
            settled = _settled(app, ended, deadline)
            yield settled
            if stop := stop_of(settled):
                deadline.stopped.append(stop)  # what still runs ends at its next step
                return


def _settled(app: App, ended: Sequence[Finished], deadline: Deadline) -> list[Outcome]:
    outcomes = result_or_error(within_deadline, app, deadline, lambda: list(settle(app, ended)))
    if isinstance(outcomes, Exception):
        error, exception = failure(outcomes)
        return [Outcome(e.task.delivery, Verdict.RETRY, None, error, exception) for e in ended]
    return outcomes
