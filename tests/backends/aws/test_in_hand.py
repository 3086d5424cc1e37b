"""Messages in hand: how long SQS lets them be hidden, and who sees them meanwhile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EndpointConnectionError

from matinv.backends.aws.in_hand import InHand, extension_s

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

HOUR_S = 3600


@pytest.mark.parametrize(
    ("visibility_s", "held_s", "expected"),
    [
        (900, 0.0, 900),
        (900, 11 * HOUR_S, 900),
        (900, 12 * HOUR_S - 900, 900),
        (900, 12 * HOUR_S - 899.5, 899),
        (900, 12 * HOUR_S - 1, 1),
        (900, 12 * HOUR_S - 0.5, 0),
        (900, 12 * HOUR_S, 0),
        (900, 13 * HOUR_S, 0),
        (12 * HOUR_S, 1.0, 12 * HOUR_S - 1),
    ],
)
def test_a_message_is_hidden_for_twelve_hours_from_its_receive_at_most(
    visibility_s: int, held_s: float, expected: int
) -> None:
    assert extension_s(visibility_s, held_s) == expected
    assert held_s + extension_s(visibility_s, held_s) <= max(held_s, 12 * HOUR_S)


class Recorder:
    """An SQS client that keeps what is asked of it, and may be out of reach."""

    def __init__(self) -> None:
        self.calls: list[dict[str, int]] = []
        self.fails = False

    def change_message_visibility_batch(
        self,
        *,
        QueueUrl: str,  # noqa: N803 - boto3's names
        Entries: list[dict[str, Any]],  # noqa: N803
    ) -> dict[str, Any]:
        if self.fails:
            raise EndpointConnectionError(endpoint_url=QueueUrl)
        assert len(Entries) <= 10
        self.calls.append({e["ReceiptHandle"]: e["VisibilityTimeout"] for e in Entries})
        return {}


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def held(recorder: Recorder) -> InHand:
    sqs: Any = recorder
    return InHand(sqs, "https://sqs/jobs")


def test_each_message_has_twelve_hours_of_its_own(recorder: Recorder, held: InHand) -> None:
    held.take(["old"], 0.0)
    held.take(["new"], 40_000.0)
    held.extend(900, 42_900.0)
    held.extend(900, 43_200.0)
    assert recorder.calls == [{"old": 300, "new": 900}, {"new": 900}]


def test_what_is_settled_is_let_alone(recorder: Recorder, held: InHand) -> None:
    held.take([f"r{n}" for n in range(25)], 0.0)
    held.settle(f"r{n}" for n in range(0, 25, 2))
    held.extend(60, 1.0)
    assert {receipt for call in recorder.calls for receipt in call} == {
        f"r{n}" for n in range(1, 25, 2)
    }


def test_an_empty_hand_asks_nothing(recorder: Recorder, held: InHand) -> None:
    held.extend(60, 1.0)
    assert (held.hand_back(), recorder.calls) == (0, [])


def test_what_is_handed_back_is_visible_and_no_longer_hidden(
    recorder: Recorder, held: InHand
) -> None:
    held.take(["a", "b"], 0.0)
    assert held.hand_back() == 2
    held.extend(60, 1.0)
    assert recorder.calls == [{"a": 0, "b": 0}]


def test_a_beat_that_fails_is_made_good_by_the_next(recorder: Recorder, held: InHand) -> None:
    held.take(["a"], 0.0)
    recorder.fails = True
    held.extend(60, 20.0)
    recorder.fails = False
    held.extend(60, 40.0)
    assert recorder.calls == [{"a": 60}]


@pytest.mark.deep  # 9 s by SQS's clock
def test_beats_keep_a_message_from_others_for_longer_than_its_timeout(
    sqs: SQSClient, queue_urls: tuple[str, str, str]
) -> None:
    url = queue_urls[0]
    sqs.send_message(QueueUrl=url, MessageBody="long")
    held = InHand(sqs, url)
    (message,) = sqs.receive_message(QueueUrl=url, VisibilityTimeout=3)["Messages"]
    held.take([message["ReceiptHandle"]], time.monotonic())
    with held.beating(3, time.monotonic):
        assert "Messages" not in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=7)
    again = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=10)["Messages"]
    assert [one["Body"] for one in again] == ["long"]
