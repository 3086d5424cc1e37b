"""The account: what became of every job, every published object and every dead letter."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matinv.backends.aws.dynamodb_items import record_of
from matinv.jobs.record import Record
from matinv.local.stack import Stack
from soak.orders import Order, wrong


@dataclass(frozen=True, slots=True)
class Account:
    """What was found in the end.

    Parameters
    ----------
    faults : sequence of str
        Promises that were broken.
    lost : int
        Jobs without a terminal record.
    statuses, codes : Counter
        How jobs ended.
    objects, letters, letters_twice : int
        Published objects, dead letters, and those of them that are copies of others.
    attempts : Counter
        Jobs by the receives that they took.
    """

    faults: Sequence[str]
    lost: int
    statuses: Counter[str]
    codes: Counter[str]
    objects: int
    letters: int
    letters_twice: int
    attempts: Counter[int]


def settle(stack: Stack, orders: Sequence[Order]) -> Account:
    """Hold what stands in table, buckets and queues against what was sent."""
    records, objects, letters = _records(stack), _objects(stack), _letters(stack)
    faults = [
        f"{order.job_id}: {fault}" for order in orders for fault in _check(order, records, objects)
    ]
    named = {(r.result.uri, r.result.version_id) for r in records.values() if r.result}
    stray = set(objects) - named
    if stray:
        faults.append(f"{len(stray)} published objects that no record names, {min(stray)} for one")
    if unknown := records.keys() - {order.job_id for order in orders}:
        faults.append(f"{len(unknown)} records of jobs that nobody sent, {min(unknown)} for one")
    expected = {(order.job_id, order.code) for order in orders if order.code}
    if different := letters.keys() ^ expected:
        faults.append(
            f"{len(different)} dead letters missing or too many, {min(different)} for one"
        )
    return Account(
        faults,
        sum(not _ended(records.get(order.job_id)) for order in orders),
        Counter(str(record.status) for record in records.values()),
        Counter(str(record.error.code) for record in records.values() if record.error),
        len(objects),
        letters.total(),
        letters.total() - len(letters),
        Counter(record.attempts for record in records.values()),
    )


def _ended(record: Record | None) -> bool:
    return record is not None and record.status.terminal


def _check(
    order: Order, records: Mapping[str, Record], objects: Mapping[tuple[str, str], bytes]
) -> Iterator[str]:
    record = records.get(order.job_id)
    if record is None:
        yield "lost: it has no record"
        return
    if record.status not in order.statuses:
        yield f"ended {record.status}, {record.error}"
        return
    if (record.error.code if record.error else None) != order.code:
        yield f"failed with {record.error}"
    if not record.result:
        return
    place = (record.result.uri or "", record.result.version_id or "")
    data = record.result.inline or objects.get(place)
    if data is None:
        yield f"its result {place} is not there"
    elif hashlib.sha256(data).hexdigest() != record.result.sha256:
        yield "its result is not the one that the record has the hash of"
    elif fault := wrong(order, data):
        yield fault


def _records(stack: Stack) -> dict[str, Record]:
    pages = (
        stack.client("dynamodb").get_paginator("scan").paginate(TableName=stack.settings.jobs_table)
    )
    items: list[Any] = [item for page in pages for item in page["Items"]]
    return {item["job_id"]["S"]: record_of(item) for item in items}


def _objects(stack: Stack) -> dict[tuple[str, str], bytes]:
    """Return every version of every published object."""
    s3, bucket = stack.client("s3"), stack.settings.results_bucket
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    found = [v for page in pages for v in page.get("Versions", ())]
    return {
        (f"s3://{bucket}/{v['Key']}", v["VersionId"]): s3.get_object(
            Bucket=bucket, Key=v["Key"], VersionId=v["VersionId"]
        )["Body"].read()
        for v in found
    }


def _letters(stack: Stack) -> Counter[tuple[str, str]]:
    """Take all dead letters; count them by job and reason."""
    sqs, url = stack.client("sqs"), stack.settings.dlq_url
    letters: Counter[tuple[str, str]] = Counter()
    while received := sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
    ).get("Messages"):
        for message in received:
            texts = {k: v["StringValue"] for k, v in message.get("MessageAttributes", {}).items()}
            letters[texts.get("job_id", "?"), texts.get("error_code", "no reason")] += 1
        sqs.delete_message_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(received)
            ],
        )
    return letters
