"""Messages in hand: received, not settled yet, and kept from other workers meanwhile."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from matinv.backends.aws.calls import pages

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

_log = logging.getLogger("matinv.poller")

# From its receive on a message can be invisible for 12 hours, however often that is set anew
# (Amazon SQS Developer Guide, "Amazon SQS visibility timeout").
LONGEST_S: Final = 43_200

_ENTRIES: Final = 10  # SQS's limit for every batch call
_BEATS: Final = 3  # within a visibility timeout, so that two of them may fail


def extension_s(visibility_s: int, held_s: float) -> int:
    """Return for how long from now a message can be hidden that was received `held_s` ago.

    Examples
    --------
    >>> extension_s(900, 0), extension_s(900, 42_600), extension_s(900, 43_199.5)
    (900, 600, 0)
    """
    return max(0, min(visibility_s, LONGEST_S - ceil(held_s)))


@dataclass(slots=True)
class InHand:
    """The messages of one queue that this process has in hand.

    Parameters
    ----------
    sqs : client
        boto3's.
    queue_url : str
        The queue.
    """

    sqs: SQSClient
    queue_url: str
    _since_s: dict[str, float] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def take(self, receipts: Iterable[str], now_s: float) -> None:
        """Note messages that a call has received which began then."""
        with self._turn:
            self._since_s |= dict.fromkeys(receipts, now_s)

    def settle(self, receipts: Iterable[str]) -> None:
        """Forget messages that are done with, or come again when their timeout ends."""
        with self._turn:
            for receipt in receipts:
                self._since_s.pop(receipt, None)

    def extend(self, visibility_s: int, now_s: float) -> None:
        """Hide all of them for so long from now, as far as SQS lets; a failure is logged.

        A message that was hidden for 12 hours becomes visible: the next worker finds this one's
        record, or replaces its work.
        """
        with self._turn:
            since_s = dict(self._since_s)
        wanted = {receipt: extension_s(visibility_s, now_s - at) for receipt, at in since_s.items()}
        self._set({receipt: seconds for receipt, seconds in wanted.items() if seconds})

    def hand_back(self) -> int:
        """Make all of them visible at once and return how many that are."""
        with self._turn:
            receipts = [*self._since_s]
            self._since_s.clear()
        self._set(dict.fromkeys(receipts, 0))
        return len(receipts)

    @contextmanager
    def beating(self, visibility_s: int, monotonic: Callable[[], float]) -> Iterator[None]:
        """Hide them again and again from a thread, for the length of the block."""
        ending = threading.Event()

        def beat() -> None:
            while not ending.wait(visibility_s / _BEATS):
                self.extend(visibility_s, monotonic())

        thread = threading.Thread(target=beat, name="matinv-heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join()

    def _set(self, seconds: Mapping[str, int]) -> None:
        for page in pages([*seconds.items()], _ENTRIES):
            try:
                answer = self.sqs.change_message_visibility_batch(
                    QueueUrl=self.queue_url,
                    Entries=[
                        {"Id": str(i), "ReceiptHandle": receipt, "VisibilityTimeout": timeout_s}
                        for i, (receipt, timeout_s) in enumerate(page)
                    ],
                )
            except (BotoCoreError, ClientError) as error:
                _log.warning("cannot set the visibility of %d messages: %s", len(page), error)
                continue
            for failure in answer.get("Failed", []):  # it was deleted, or its receipt is old
                _log.warning("cannot set the visibility of a message: %s", failure.get("Code"))
