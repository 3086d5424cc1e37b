from __future__ import annotations

import sys
import threading
from typing import Any

import pytest

from matinv.backends.aws.event_source import FunctionError
from matinv.handlers.invocation import InProcess


def test_a_handler_gets_a_context_like_lambdas() -> None:
    seen: list[Any] = []

    def handler(event: object, context: Any) -> None:
        seen.append(context)

    InProcess(handler, timeout_s=30, memory_mb=512)({})
    context = seen[0]
    assert 29_000 < context.get_remaining_time_in_millis() <= 30_000
    assert context.memory_limit_in_mb == 512
    assert len(context.aws_request_id) == 36


def test_each_invocation_has_its_own_request_id() -> None:
    ids: set[str] = set()
    invoke = InProcess(lambda _, context: ids.add(context.aws_request_id))
    invoke({})
    invoke({})
    assert len(ids) == 2


def test_remaining_time_never_falls_below_zero() -> None:
    left = InProcess(lambda _, context: context.get_remaining_time_in_millis(), timeout_s=0)
    assert left({}) == 0


@pytest.mark.parametrize(
    ("answer", "as_json"), [(None, None), ({"a": (1, 2)}, {"a": [1, 2]}), ("x", "x")]
)
def test_answers_are_what_json_makes_of_them(answer: object, as_json: object) -> None:
    assert InProcess(lambda *_: answer)({}) == as_json


@pytest.mark.parametrize("answer", [{1, 2}, b"x", float("nan"), object()])
def test_an_answer_that_json_cannot_hold_is_an_error(answer: object) -> None:
    with pytest.raises(FunctionError):
        InProcess(lambda *_: answer)({})


def raises(*_: object) -> None:
    message = "no"
    raise KeyError(message)


@pytest.mark.parametrize("handler", [raises, lambda *_: sys.exit(1)])
def test_a_handler_that_raises_or_exits_is_an_error(handler: Any) -> None:
    with pytest.raises(FunctionError, match=r"KeyError|SystemExit"):
        InProcess(handler)({})


def test_an_invocation_that_takes_too_long_is_noticed_while_it_runs() -> None:
    noticed = threading.Event()
    invoke = InProcess(lambda *_: noticed.wait(10), timeout_s=0.01, on_timeout=noticed.set)
    assert invoke({}) is True


def test_an_invocation_in_time_is_not() -> None:
    late: list[int] = []
    timers: list[threading.Thread] = []

    def handler(*_: object) -> None:
        timers.extend(t for t in threading.enumerate() if isinstance(t, threading.Timer))

    InProcess(handler, timeout_s=30, on_timeout=lambda: late.append(1))({})
    for timer in timers:
        timer.join(10)
    assert timers
    assert not any(timer.is_alive() for timer in timers)
    assert not late
