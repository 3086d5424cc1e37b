"""Poison: marks in a matrix or a body end, in several ways, the process that touches them.

Python imports this at start-up where the directory is on PYTHONPATH, in the worker and its child.
"""

import os
import signal
from typing import Any

from matinv.formats import json_text
from matinv.pipeline import invert as work

UNREADABLE = b"poison"  # in a body: whoever parses it crashes

_parse, _invert = json_text.parse, work.invert


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def leave() -> None:
    os._exit(3)


def eat() -> None:
    limit_mb = int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])
    eaten = [b"x" * 2**20 for _ in range(limit_mb)]
    assert len(eaten) == limit_mb
    os.kill(os.getpid(), signal.SIGKILL)  # Lambda does that, the emulator does not


def vanish() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def loop() -> None:
    while True:
        pass


def hang() -> None:
    signal.pause()


MARKS = {666001: crash, 666002: leave, 666003: eat, 666004: vanish, 666005: loop, 666006: hang}


def parse(text: bytes, *args: Any) -> Any:
    if UNREADABLE in text:
        crash()
    return _parse(text, *args)


def invert(a: Any, *args: Any, **options: Any) -> Any:
    for mark, act in MARKS.items():
        if (a == mark).any():
            act()
    return _invert(a, *args, **options)


json_text.parse, work.invert = parse, invert
