"""When a serving process stops: Ctrl-C, SIGTERM, or the end of the pipe on its standard input."""

from __future__ import annotations

import signal
import threading
from types import FrameType

from matinv import processes

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def stop_event() -> threading.Event:
    """Return an event that is set when the process should stop; a second signal ends it at once.

    Nobody may wait for it in the main thread: the signal's handler runs there and sets it, which
    takes the lock that a wait holds for a moment. Look at ``is_set()`` between naps.
    """
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in _SIGNALS:
        signal.signal(number, on_signal)
    if processes.stdin_is_a_pipe():
        processes.when_orphaned(stop.set)
    return stop
