"""Calls whose failure is a value, and calls that may not take for ever."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import wait
from typing import Final, ParamSpec, TypeVar

from matinv.errors import Code, Transient
from matinv.jobs.lanes import MARGIN_S
from matinv.pipeline.app import App, Deadline

# Time that must be left to answer and for telemetry: half of what is left when jobs are not waited
# for any more, so that there is time to say which come back.
_ANSWER_S: Final = MARGIN_S / 4

P = ParamSpec("P")
T = TypeVar("T")


def result_or_error(call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | Exception:
    """Return the result of `call`, or its error: one job's bug must not reach its neighbours."""
    try:
        return call(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - the one safety net; the error is reported and logged
        return error


def within_deadline(app: App, deadline: Deadline, call: Callable[[], T]) -> T:
    """Return the results of AWS calls, but stop waiting while there is still time to answer.

    A service that does not answer holds its caller for a read timeout and three attempts more, 20
    to 120 s. The call is left behind: what it still does is what a slow worker does late.

    Raises
    ------
    Transient
        DEADLINE.
    """
    pool = app.pool(1, "matinv-call")
    done = pool.submit(call)
    pool.shutdown(wait=False)
    while (left_s := deadline.remaining_s() - _ANSWER_S) > 0:
        wait([done], timeout=left_s)
        if done.done():
            return done.result()
    raise Transient(
        Code.DEADLINE,
        "a service of AWS did not answer before the invocation ended",
        "nothing to do: it is delivered again",
    )
