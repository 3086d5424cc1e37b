"""Message-move tasks for moto's SQS: what the console's "Start DLQ redrive" starts.

moto has none. A task runs in a thread of its own and, as AWS documents it, moves messages as new
ones: with their body and message attributes, a new id and a new time ("Learn how to configure a
dead-letter queue redrive", Amazon SQS Developer Guide). Without a destination a message goes back
to the queue that SQS moved it from; of one that somebody sent to the dead-letter queue nobody knows
that, and the task fails with CouldNotDetermineMessageSource.
"""

from __future__ import annotations

import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Final
from weakref import WeakKeyDictionary

from moto.core.responses import ActionResult
from moto.sqs import models as sqs
from moto.sqs.exceptions import SQSException
from moto.sqs.responses import SQSResponse

_LISTED: Final = 10  # what ListMessageMoveTasks returns at most

_add_of_moto = sqs.Queue.add_message


class _NoSuchTask(SQSException):
    code = "ResourceNotFoundException"


class _Unsupported(SQSException):
    code = "AWS.SimpleQueueService.UnsupportedOperation"


@dataclass(slots=True, eq=False)
class _Task:
    """A task: from where, to where, how fast, and how far it has come."""

    source: sqs.Queue
    destination: sqs.Queue | None
    per_second: int | None
    to_move: int
    handle: str = field(default_factory=lambda: str(uuid.uuid4()))
    started_ms: int = field(default_factory=lambda: int(1000 * time.time()))
    status: str = "RUNNING"
    moved: int = 0
    failure: str | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)

    def described(self) -> dict[str, Any]:
        """Return its entry in ListMessageMoveTasks, with its handle while it runs."""
        facts = {
            "TaskHandle": self.handle if self.status == "RUNNING" else None,
            "Status": self.status,
            "SourceArn": self.source.queue_arn,
            "DestinationArn": self.destination.queue_arn if self.destination else None,
            "MaxNumberOfMessagesPerSecond": self.per_second,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            "FailureReason": self.failure,
            "StartedTimestamp": self.started_ms,
        }
        return {name: value for name, value in facts.items() if value is not None}


_tasks: dict[str, list[_Task]] = {}  # by the source's ARN, the last one first
_moved_from: WeakKeyDictionary[sqs.Message, sqs.Queue] = WeakKeyDictionary()


def add() -> None:
    """Let moto's SQS serve StartMessageMoveTask, ListMessageMoveTasks, CancelMessageMoveTask."""
    for owner, name, action in (
        (SQSResponse, "start_message_move_task", _start),
        (SQSResponse, "list_message_move_tasks", _list),
        (SQSResponse, "cancel_message_move_task", _cancel),
        (sqs.Queue, "add_message", _add_message),
    ):
        setattr(owner, name, action)


def _add_message(queue: sqs.Queue, message: sqs.Message) -> None:
    """Add a message, and remember where SQS moved it from, if it did: it was received before."""
    if message.approximate_receive_count and message not in _moved_from:
        for source in _queues(queue):
            if source.dead_letter_queue is queue:
                _moved_from[message] = source
    _add_of_moto(queue, message)


def _queues(queue: sqs.Queue) -> list[sqs.Queue]:
    return list(sqs.sqs_backends[queue.account_id][queue.region].queues.values())


def _start(response: SQSResponse) -> ActionResult:
    source = _of_arn(response, response._get_param("SourceArn"))
    destination = response._get_param("DestinationArn")
    if not any(queue.dead_letter_queue is source for queue in _queues(source)):
        raise _Unsupported("Source queue must be configured as a dead-letter queue.")
    tasks = _tasks.setdefault(source.queue_arn, [])
    if any(task.status == "RUNNING" for task in tasks):
        raise _Unsupported("There is already a task running. Only one active task is allowed.")
    task = _Task(
        source,
        _of_arn(response, destination) if destination else None,
        response._get_param("MaxNumberOfMessagesPerSecond"),
        len(source.messages),
    )
    tasks.insert(0, task)
    threading.Thread(target=_run, args=(response.sqs_backend, task), daemon=True).start()
    return ActionResult({"TaskHandle": task.handle})


def _list(response: SQSResponse) -> ActionResult:
    source = _of_arn(response, response._get_param("SourceArn"))
    limit = min(int(response._get_param("MaxResults") or 1), _LISTED)
    found = _tasks.get(source.queue_arn, [])[:limit]
    return ActionResult({"Results": [task.described() for task in found]})


def _cancel(response: SQSResponse) -> ActionResult:
    handle = response._get_param("TaskHandle")
    running = (t for tasks in _tasks.values() for t in tasks if t.status == "RUNNING")
    task = next((task for task in running if task.handle == handle), None)
    if task is None:
        raise _NoSuchTask("Task does not exist.")
    task.status = "CANCELLING"
    task.cancelled.set()
    return ActionResult({"ApproximateNumberOfMessagesMoved": task.moved})


def _of_arn(response: SQSResponse, arn: str) -> sqs.Queue:
    queues = response.sqs_backend.queues.values()
    found = next((queue for queue in queues if queue.queue_arn == arn), None)
    if found is None:
        raise _NoSuchTask("The resource that you specified for the ARN doesn't exist.")
    return found


def _run(backend: sqs.SQSBackend, task: _Task) -> None:
    """Move visible messages until none is left, or the task is cancelled."""
    while not task.cancelled.is_set():
        with task.source._messages_lock:
            message = next(iter(task.source.messages), None)  # the oldest
            if message is not None:
                task.source._messages.remove(message)
                task.source.pending_messages.discard(message)
        if message is None:
            task.status = "COMPLETED"
            return
        destination = task.destination or _moved_from.get(message)
        if destination is None:
            _add_of_moto(task.source, message)
            task.status, task.failure = "FAILED", "CouldNotDetermineMessageSource"
            return
        backend.send_message(destination.name, message.body, message.message_attributes)
        task.moved += 1
        if task.per_second:
            task.cancelled.wait(1 / task.per_second)
    task.status = "CANCELLED"
