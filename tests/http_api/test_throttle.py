"""A caller that sends too many requests has to wait."""

from __future__ import annotations

from matinv.http_api.throttle import BURST, RATE_PER_S, Throttle
from support.api_requests import ApiRequests


def test_a_caller_who_comes_too_often_is_told_when_to_come_again() -> None:
    now_s = [0.0]
    ask = ApiRequests(throttle=Throttle(lambda: now_s[0]))
    assert [ask.get("/health").status for _ in range(BURST + 1)] == [200] * BURST + [429]
    answer = ask.get("/health")
    assert (answer.code, answer.tree["retryable"]) == ("THROTTLED", True)
    now_s[0] += int(answer.headers["retry-after"])
    assert [ask.get("/health").status for _ in range(int(RATE_PER_S) + 1)] == [
        *[200] * int(RATE_PER_S),
        429,
    ]


def test_callers_are_told_apart_by_identity_else_by_address(ask: ApiRequests) -> None:
    def come_as(**iam: str) -> int:
        ask.change = lambda event: event["requestContext"].update(authorizer={"iam": iam})
        return ask.get("/health").status

    assert {come_as(userArn="one") for _ in range(BURST)} == {200}
    assert [come_as(userArn="one"), come_as(userArn="two"), come_as()] == [429, 200, 200]
