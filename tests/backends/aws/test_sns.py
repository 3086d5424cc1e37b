"""SNS: how often it is called, faults on the way to it, and how subscribers filter."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from matinv import pipeline, wiring
from matinv.backends.aws import clients
from matinv.backends.aws.sns import SNSEvents
from matinv.jobs import intake
from matinv.jobs.lanes import standard
from matinv.jobs.record import Record, Status
from matinv.settings import Settings
from matinv.testing.contracts import full_record, record
from matinv.testing.events import sqs_event
from support.faults import Faults, lost_answer, lost_request, refusal, success
from support.subscriptions import drained, subscribe

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

SERVICE = "sns"
DENIED = refusal(403, "AuthorizationError")


@pytest.fixture
def events(client: Any, topic_arn: str, faults: Faults) -> SNSEvents:
    return SNSEvents(client, topic_arn)


@pytest.fixture
def queue_url(sqs: SQSClient, unique: str) -> str:
    return sqs.create_queue(QueueName=f"{unique}-listener")["QueueUrl"]


def records(count: int) -> list[Record]:
    return [record(f"j{n}", status=Status.SUCCEEDED) for n in range(count)]


def partly(*failed: tuple[int, bool], taken: tuple[int, ...] = ()) -> Any:
    """Return a fault: SNS takes some entries of a batch, and refuses others, ours or its fault."""
    members = [
        f"<member><Id>{i}</Id><Code>X</Code><SenderFault>{str(ours).lower()}</SenderFault></member>"
        for i, ours in failed
    ]
    done = [f"<member><Id>{i}</Id><MessageId>m</MessageId></member>" for i in taken]
    return success(
        f"<PublishBatchResponse><PublishBatchResult><Successful>{''.join(done)}</Successful>"
        f"<Failed>{''.join(members)}</Failed></PublishBatchResult></PublishBatchResponse>"
    )


@pytest.mark.deep  # 2 s
class TestPublish:
    @pytest.mark.parametrize(("count", "calls"), [(0, 0), (1, 1), (10, 1), (11, 2), (95, 10)])
    def test_ten_records_take_one_call(
        self, events: SNSEvents, faults: Faults, count: int, calls: int
    ) -> None:
        assert events.publish(records(count)) == [True] * count
        assert faults.calls["PublishBatch"] == faults.calls.total() == calls

    def test_a_call_holds_at_most_256_kib(self, events: SNSEvents, faults: Faults) -> None:
        tags = {f"{n}{'k' * 120}": "\x01" * 256 for n in range(10)}
        assert all(events.publish([replace(r, tags=tags) for r in records(20)]))
        assert faults.calls == {"PublishBatch": 2}
        assert all(
            events.publish([replace(r, tags=tags | {"x": "逆" * 30_000}) for r in records(6)])
        )
        assert faults.calls == {"PublishBatch": 5}  # 107 KB each, two to a call

    @pytest.mark.parametrize("fault", [lost_answer, lost_request, refusal(500, "InternalError")])
    def test_a_passing_fault_is_overcome(
        self, events: SNSEvents, faults: Faults, fault: Any
    ) -> None:
        faults.script.append(fault)
        assert events.publish(records(3)) == [True] * 3
        assert faults.calls == {"PublishBatch": 2}

    @pytest.mark.parametrize(
        "fault", [DENIED, refusal(400, "Throttled"), lost_request, success("<html>")]
    )
    def test_a_fault_that_stays_is_an_answer(
        self, events: SNSEvents, faults: Faults, fault: Any
    ) -> None:
        faults.script.extend([fault] * 50)
        assert events.publish(records(15)) == [False] * 15

    def test_a_topic_that_is_gone_is_an_answer(self, events: SNSEvents, client: Any) -> None:
        gone = SNSEvents(client, "arn:aws:sns:us-east-1:123456789012:no-such-topic")
        assert gone.publish(records(1)) == [False]

    def test_a_call_that_fails_does_not_keep_the_others(
        self, events: SNSEvents, faults: Faults
    ) -> None:
        faults.script.append(DENIED)
        assert sum(events.publish(records(25))) in {15, 20}

    def test_entries_that_sns_failed_on_are_published_again(
        self, events: SNSEvents, faults: Faults, sqs: SQSClient, topic_arn: str, queue_url: str
    ) -> None:
        subscribe(events._sns, topic_arn, sqs, queue_url, RawMessageDelivery="true")
        faults.calls.clear()
        faults.script.append(partly((0, False), (2, True), taken=(1,)))
        assert events.publish(records(3)) == [True, True, False]
        assert faults.calls == {"PublishBatch": 2}
        (message,) = drained(sqs, queue_url)  # the first call only said that it took j1
        assert json.loads(message["Body"])["job_id"] == "j0"

    def test_entries_that_fail_again_are_said_to(self, events: SNSEvents, faults: Faults) -> None:
        faults.script.extend([partly((0, False), taken=(1,)), partly((0, False))])
        assert events.publish(records(2)) == [False, True]
        assert faults.calls == {"PublishBatch": 2}


class TestFilters:
    @pytest.mark.parametrize(
        ("scope", "policy", "expected"),
        [
            ("MessageAttributes", {"status": ["FAILED"]}, {"failed"}),
            ("MessageAttributes", {"error_code": ["SINGULAR"]}, {"full"}),
            ("MessageAttributes", {"status": [{"anything-but": "PARTIAL"}]}, {"failed", "good"}),
            ("MessageBody", {"tags": {"team": ["fem"]}}, {"full", "good"}),
            ("MessageBody", {"tags": {"team": ["cfd"]}}, set()),
        ],
    )
    def test_subscribers_filter_by_attribute_or_by_tag(
        self,
        *,
        events: SNSEvents,
        sqs: SQSClient,
        topic_arn: str,
        queue_url: str,
        scope: str,
        policy: Any,
        expected: set[str],
    ) -> None:
        attributes = {"FilterPolicyScope": scope, "FilterPolicy": json.dumps(policy)}
        subscribe(events._sns, topic_arn, sqs, queue_url, RawMessageDelivery="true", **attributes)
        good = replace(record("good", status=Status.SUCCEEDED), tags={"team": "fem"})
        events.publish([good, record("failed", status=Status.FAILED), full_record()])
        bodies = [json.loads(message["Body"]) for message in drained(sqs, queue_url)]
        assert {body["job_id"] for body in bodies} == expected

    def test_without_raw_delivery_the_event_is_the_message_of_an_envelope(
        self, events: SNSEvents, sqs: SQSClient, topic_arn: str, queue_url: str
    ) -> None:
        subscribe(events._sns, topic_arn, sqs, queue_url)
        events.publish([full_record()])
        (message,) = drained(sqs, queue_url)
        envelope = json.loads(message["Body"])
        assert json.loads(envelope["Message"])["job_id"] == "full"
        assert envelope["MessageAttributes"]["status"]["Value"] == "PARTIAL"


class TestWiring:
    @pytest.fixture
    def settings(
        self,
        at_moto: str,
        buckets: tuple[str, str],
        table_name: str,
        queue_urls: tuple[str, str, str],
    ) -> Settings:
        return Settings(*buckets, table_name, standard(queue_urls[0]), queue_urls[1])

    def test_the_service_publishes_ten_jobs_per_call(
        self, settings: Settings, topic_arn: str
    ) -> None:
        app = wiring.app_from(replace(settings, events_topic_arn=topic_arn))
        assert isinstance(app.events, SNSEvents)
        calls = Faults(app.events._sns).calls
        report = done(app, 25)
        assert report.unannounced.job_ids == []
        assert calls == {"PublishBatch": 3}

    def test_without_a_topic_there_is_not_even_a_client(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made: list[str] = []
        make = clients.client

        def note(name: Any, *owner: Any) -> Any:
            made.append(name)
            return make(name, *owner)

        monkeypatch.setattr(clients, "client", note)
        app = wiring.app_from(settings)
        assert sorted(made) == ["dynamodb", "s3", "sqs"]
        assert done(app, 3).unannounced.job_ids == []


def done(app: pipeline.App, count: int) -> pipeline.Report:
    """Let a service do so many small jobs."""
    batch = sqs_event([{"job_id": f"j{n}", "matrix": [[n + 1]]} for n in range(count)])
    deadline = pipeline.Deadline(lambda: 60.0, 60.0)
    report = pipeline.process(app, intake.deliveries(batch), deadline)
    assert report.batch_item_failures() == {"batchItemFailures": []}
    return report
