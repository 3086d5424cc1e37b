"""`JobEvents` on SNS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from matinv.backends.aws.calls import message_bytes, packed, pause
from matinv.backends.aws.errors import translated
from matinv.errors import Transient
from matinv.jobs.event import Event, event_of
from matinv.jobs.record import Record
from matinv.ports.parallel import side_by_side

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient

_ENTRIES: Final = 10  # PublishBatch's limit
_BYTES: Final = 256 * 1024  # of a message, and of all messages of a call, attributes included

# The second attempt is for entries that SNS failed on; whole calls are botocore's to repeat.
_ATTEMPTS: Final = 2


class SNSEvents:
    """Job events on a standard topic.

    Parameters
    ----------
    sns : SNSClient
        From `matinv.backends.aws.clients.client`.
    topic_arn : str
        The topic.
    """

    def __init__(self, sns: SNSClient, topic_arn: str) -> None:
        self._sns = sns
        self._topic_arn = topic_arn

    def publish(self, records: Sequence[Record]) -> list[bool]:
        """Tell subscribers, ten records per call."""
        events = [event_of(record) for record in records]
        pending = dict(enumerate(events))
        taken: set[int] = set()
        for attempt in range(_ATTEMPTS):
            pause(attempt)
            calls = packed(
                pending.items(),
                _ENTRIES,
                _BYTES,
                lambda item: message_bytes(item[1].body, item[1].attributes),
            )
            answers = side_by_side(self._publish, calls)
            taken |= {int(e["Id"]) for answer in answers for e in answer.get("Successful", ())}
            failed = [e for answer in answers for e in answer.get("Failed", ())]
            pending = {n: events[n] for n in (int(e["Id"]) for e in failed if not e["SenderFault"])}
            if not pending:
                break
        return [number in taken for number in range(len(events))]

    def _publish(self, call: Sequence[tuple[int, Event]]) -> Mapping[str, Any]:
        entries: Any = [
            {
                "Id": str(number),
                "Message": event.body,
                "MessageAttributes": {
                    name: {"DataType": "String", "StringValue": text}
                    for name, text in event.attributes.items()
                },
            }
            for number, event in call
        ]
        try:
            with translated("publishing events"):
                return self._sns.publish_batch(
                    TopicArn=self._topic_arn, PublishBatchRequestEntries=entries
                )
        except Transient:  # botocore has tried again where that makes sense
            return {}
