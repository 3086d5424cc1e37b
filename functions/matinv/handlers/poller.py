"""The poller: the worker where no Lambda calls it, on a machine that takes messages by itself.

``python -m matinv.handlers.poller`` polls the queue of the lane that the environment names, one
message at a time, and keeps each invisible for as long as it is in work. It ends when the queue has
been empty for a while (0), when SIGTERM comes: it hands back what is in hand (143), and when a job
takes longer than the lane allows (124). Killed at any point it loses nothing: SQS keeps the
message, and shows it again when its timeout ends. `matinv local worker` is the same, with what
Lambda would do.

Nothing here imports numpy before its BLAS is given its threads.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final

from matinv import processes
from matinv.backends.aws.event_source import Polling
from matinv.jobs.lanes import MOST_THREADS
from matinv.settings import Settings, limit_threads

if TYPE_CHECKING:
    from matinv.jobs.lanes import Lane

TIMED_OUT: Final = 124  # as timeout(1) says it
HANDED_BACK: Final = 143  # 128 + SIGTERM, as a shell says it

_NAP_S: Final = 0.1
_log = logging.getLogger("matinv.poller")


def main() -> int:
    """Poll by the options of the command line, and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m matinv.handlers.poller")
    options = {
        "--batch-size": (int, 1, "messages in work at a time"),
        "--visibility": (int, 900, "seconds that a message is hidden for, again and again"),
        "--linger": (float, 90.0, "seconds without a message after which it ends"),
        "--grace": (float, 20.0, "seconds that SIGTERM leaves to the message in hand"),
    }
    for name, (kind, default, meaning) in options.items():
        parser.add_argument(name, type=kind, default=default, help=f"{meaning}; {default}")
    chosen = parser.parse_args()
    polling = Polling(
        chosen.batch_size, visibility_s=chosen.visibility, linger_s=chosen.linger, heartbeat=True
    )
    return serve(Settings.from_environment().lane, polling, chosen.grace)


def serve(lane: Lane, polling: Polling, grace_s: float | None = None) -> int:
    """Poll a lane's queue until the process is asked to stop, or for as long as there is work.

    Parameters
    ----------
    lane : Lane
        This machine's.
    polling : Polling
        How messages are received and become batches.
    grace_s : float, optional
        How long the batch in hand may still take when the process is asked to stop; what is not
        done by then is handed back. As long as it takes by default.

    Returns
    -------
    int
        0, or `HANDED_BACK`. The process of a batch that takes longer than the lane's timeout ends
        at once, as Lambda ends it: nothing else stops a computation.

    Raises
    ------
    SettingsError
        If the environment lacks names.
    Transient
        If the queue cannot be reached.
    """
    lines = logging.StreamHandler()
    lines.setFormatter(logging.Formatter("matinv: worker: %(message)s"))
    _log.addHandler(lines)
    _log.setLevel(logging.INFO)
    _log.propagate = False  # the function's logger writes JSON
    logging.getLogger("botocore").setLevel(logging.WARNING)  # it tells where endpoints come from
    stop = processes.stop_event()
    limit_threads(lane.threads)
    from matinv import wiring  # noqa: PLC0415 - numpy, see the module's docstring
    from matinv.handlers.invocation import InProcess  # noqa: PLC0415
    from matinv.handlers.worker import handler  # noqa: PLC0415

    def end() -> None:
        _log.error("an invocation took longer than %g s; ending, as Lambda does", lane.timeout_s)
        os._exit(TIMED_OUT)

    invoke = InProcess(handler, lane.timeout_s, lane.memory_mb, on_timeout=end)
    poller = wiring.poller(lane.queue_url, invoke, polling)
    _log.info("polling %s", lane.queue_url)
    if (cores := os.cpu_count() or 1) > lane.threads == MOST_THREADS:
        _log.warning("of %d cores a job uses %d: BLAS is built for no more", cores, MOST_THREADS)
    # In a thread of its own: a signal's handler runs in the main thread, between two instructions
    # of Python, and a large matrix is one instruction for hours.
    polled = ThreadPoolExecutor(1, "matinv-poller").submit(poller.run, stop)
    while not (polled.done() or stop.is_set()):
        time.sleep(_NAP_S)
    wait([polled], grace_s)
    if not polled.done():
        _log.warning("stopped at work: handed back %d messages", poller.hand_back())
        sys.stdout.flush()
        os._exit(HANDED_BACK)
    polled.result()
    done = poller.tally
    _log.info("stopped after %d batches, %d messages", done.invocations, done.deleted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
