"""The worker: the event-source runner with the real handler, in this process."""

from __future__ import annotations

import logging
import os
import sys

from matinv.backends.aws import clients
from matinv.backends.aws.errors import translated
from matinv.handlers.worker import handler
from matinv.local.event_source import Polling
from matinv.local.invoke import InProcess
from matinv.local.runner import Runner
from matinv.local.shutdown import stop_event
from matinv.settings import Settings

TIMED_OUT = 124  # exit code, as of timeout(1)

_log = logging.getLogger(__name__)


def serve(polling: Polling, memory_mb: int, timeout_s: float) -> None:
    """Poll the jobs queue that the environment names until told to stop.

    An invocation that takes longer than `timeout_s` ends the process, as Lambda ends it; the
    messages in hand come again. Logs go to standard error, the function's own too.

    Raises
    ------
    SettingsError
        If the environment lacks names.
    Transient
        If the queue cannot be reached.
    """
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _log_to_stderr()
    logging.getLogger("botocore").setLevel(logging.WARNING)  # it tells where endpoints come from
    stop = stop_event()
    queue_url = Settings.from_environment().jobs_queue_url
    invoke = InProcess(handler, timeout_s, memory_mb, on_timeout=lambda: _end(timeout_s))
    with translated(f"looking at {queue_url}"):
        runner = Runner(clients.client("sqs"), queue_url, invoke, polling)
    _log.info("polling %s", queue_url)
    runner.run(stop)
    done = runner.tally
    _log.info("stopped after %d batches, %d messages", done.invocations, done.deleted)


def _log_to_stderr() -> None:
    lines = logging.StreamHandler()
    lines.setFormatter(logging.Formatter("matinv: worker: %(message)s"))
    ours = logging.getLogger("matinv.local")
    ours.addHandler(lines)
    ours.setLevel(logging.INFO)
    ours.propagate = False  # the function's logger writes JSON


def _end(timeout_s: float) -> None:
    _log.error("an invocation took longer than %g s; ending, as Lambda does", timeout_s)
    os._exit(TIMED_OUT)
