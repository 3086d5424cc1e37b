"""The metrics that AWS' services and this service publish, with the dimensions that they have.

An alarm on a name that is not here would plan, apply and never fire. Sources, read in 2026:

- AWS/SQS: SQS Developer Guide, "Available CloudWatch metrics for Amazon SQS"; only `QueueName`.
- AWS/Lambda: Lambda Developer Guide, "Types of metrics for Lambda functions": invocation,
  performance and concurrency metrics by `FunctionName` (by Resource and ExecutedVersion as well,
  not used here), `ClaimedAccountConcurrency` of the account without dimension, event source mapping
  metrics by `EventSourceMappingUUID`, only with `MetricsConfig` EventCount.
- AWS/DynamoDB: DynamoDB Developer Guide, "DynamoDB metrics and dimensions": requests that were
  throttled or failed by `TableName` and `Operation`, units and throttle events by `TableName`, and
  throttle events by `TableName` and `GlobalSecondaryIndexName`.
- AWS/SNS: SNS Developer Guide, "Monitoring Amazon SNS topics using CloudWatch"; by `TopicName`.
- matinv: `matinv.telemetry` and `matinv.handlers.canary`.
"""

from __future__ import annotations

from matinv.errors import Code

QUEUE = frozenset({"QueueName"})
FUNCTION = frozenset({"FunctionName"})
MAPPING = frozenset({"EventSourceMappingUUID"})
TABLE = frozenset({"TableName"})
OPERATION = frozenset({"TableName", "Operation"})
ACCOUNT: frozenset[str] = frozenset()
SERVICE = frozenset({"service"})

OWN = {
    "Acknowledged",
    "BatchSize",
    "CanaryTime",
    "Duplicates",
    "EventsLost",
    "Forwarded",
    "Heartbeat",
    "InputSize",
    "InvertTime",
    "JobsExpired",
    "JobsFailed",
    "JobsPartial",
    "JobsRefused",
    "JobsRetried",
    "JobsSucceeded",
    "LoadTime",
    "MemoryUsed",
    "Misconfigured",
    "Order",
    "PublishTime",
    "QueuedTime",
    "ReceivedAgain",
    "Stale",
    "TerminalRecords",
    "UserErrors",
}

# A table's throttle events are published for each of its indexes as well, apart from the table's.
BY_INDEX = {
    ("AWS/DynamoDB", name): frozenset({"TableName", "GlobalSecondaryIndexName"})
    for name in ("ReadThrottleEvents", "WriteThrottleEvents")
}

PUBLISHED: dict[tuple[str, str], frozenset[str]] = {
    **{("matinv", name): SERVICE for name in OWN | {code.value for code in Code}},
    **{
        ("AWS/SQS", name): QUEUE
        for name in (
            "ApproximateAgeOfOldestMessage",
            "ApproximateNumberOfMessagesDelayed",
            "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesVisible",
            "NumberOfEmptyReceives",
            "NumberOfMessagesDeleted",
            "NumberOfMessagesReceived",
            "NumberOfMessagesSent",
            "SentMessageSize",
        )
    },
    **{
        ("AWS/Lambda", name): FUNCTION
        for name in (
            "AsyncEventAge",
            "AsyncEventsDropped",
            "AsyncEventsReceived",
            "ConcurrentExecutions",
            "DeadLetterErrors",
            "DestinationDeliveryFailures",
            "Duration",
            "Errors",
            "Invocations",
            "RecursiveInvocationsDropped",
            "Throttles",
        )
    },
    **{
        ("AWS/Lambda", name): MAPPING
        for name in (
            "DeletedEventCount",
            "DroppedEventCount",
            "FailedInvokeEventCount",
            "FilteredOutEventCount",
            "InvokedEventCount",
            "OnFailureDestinationDeliveredEventCount",
            "PolledEventCount",
        )
    },
    ("AWS/Lambda", "ClaimedAccountConcurrency"): ACCOUNT,
    ("AWS/SNS", "NumberOfNotificationsFailed"): frozenset({"TopicName"}),
    **{
        ("AWS/DynamoDB", name): OPERATION
        for name in ("SuccessfulRequestLatency", "SystemErrors", "ThrottledRequests")
    },
    **{
        ("AWS/DynamoDB", name): TABLE
        for name in (
            "ConditionalCheckFailedRequests",
            "ConsumedReadCapacityUnits",
            "ConsumedWriteCapacityUnits",
            "ReadThrottleEvents",
            "TimeToLiveDeletedItemCount",
            "TransactionConflict",
            "WriteThrottleEvents",
        )
    },
}
