from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from matinv.errors import Code, Refused
from matinv.jobs.ids import hashed_id
from matinv.jobs.intake import deliveries
from matinv.jobs.request import Delivery, Inline, Reference, Request
from matinv.testing.events import (
    SENT_AT_MS,
    eventbridge,
    s3_notification,
    s3_test_event,
    sns_wrapped,
    sqs_event,
)
from support.examples import examples

RECORDED = Path(__file__).parents[1] / "events"
ORDER = "0055AED6DCD90281E5".ljust(32, "0")
ETAG = "d41d8cd98f00b204e9800998ecf8427e"


def recorded(name: str) -> Any:
    return json.loads((RECORDED / name).read_text())


def delivered(*bodies: Any, **fields: Any) -> list[Delivery]:
    return deliveries(sqs_event(bodies, **fields))


def reference_of(delivery: Delivery) -> Reference:
    assert isinstance(delivery.content, Request), delivery.content
    assert isinstance(delivery.content.input, Reference)
    return delivery.content.input


def refusal_of(delivery: Delivery) -> Refused:
    assert isinstance(delivery.content, Refused), delivery.content
    return delivery.content


def sole(found: list[Delivery]) -> Delivery:
    assert len(found) == 1
    return found[0]


# Messages


def test_each_message_becomes_a_delivery_with_what_sqs_says_of_it() -> None:
    found = deliveries(recorded("inline_jobs.json"))

    assert [delivery.job_id for delivery in found][1:] == ["exp-42", "exp-45"]
    assert [delivery.receive_count for delivery in found] == [1, 2, 1]
    first = found[0]
    assert first.message_id == "059f36b4-87a3-44ab-83d2-661975830a7d"
    assert first.receipt.startswith("AQEB")
    assert first.sent_at_ms == SENT_AT_MS
    assert first.body == '{"matrix": [[1, 2], [3, 4]]}'
    assert isinstance(first.content, Request)
    assert first.job_id == first.content.job_id
    assert isinstance(first.content.input, Inline)


def test_poison_leaves_its_neighbours_alone() -> None:
    event = recorded("poison_among_good.json")
    found = deliveries(event)

    assert [delivery.message_id for delivery in found] == [
        record["messageId"] for record in event["Records"]
    ]
    assert [delivery.body for delivery in found] == [record["body"] for record in event["Records"]]
    codes = [getattr(delivery.content, "code", None) for delivery in found]
    assert codes == [None, Code.BAD_JOB_ID, *[Code.BAD_MESSAGE] * 5, None]
    assert [found[0].job_id, found[-1].job_id] == ["good-1", "good-2"]
    for poison in found[1:-1]:
        assert poison.job_id == hashed_id(poison.body.encode("utf-8", "surrogatepass"))
        assert len(str(refusal_of(poison)).splitlines()) == 1


@pytest.mark.parametrize("position", range(10))
def test_a_bad_message_at_any_position_hurts_no_other(position: int) -> None:
    bodies: list[Any] = [{"job_id": f"j{i}", "matrix": [[i + 1]]} for i in range(10)]
    bodies[position] = "["
    found = delivered(*bodies)

    assert [isinstance(delivery.content, Request) for delivery in found] == [
        i != position for i in range(10)
    ]


def test_attributes_that_sqs_always_sends_may_be_missing() -> None:
    event = sqs_event(['{"matrix": [[1]]}'])
    for record in event["Records"]:
        del record["attributes"], record["receiptHandle"]
    delivery = sole(deliveries(event))

    assert (delivery.receive_count, delivery.sent_at_ms, delivery.receipt) == (1, 0, "")


@pytest.mark.parametrize("body", [None, 7, {"matrix": [[1]]}])
def test_a_body_that_is_no_text_is_a_bad_message(body: object) -> None:
    event = sqs_event([""])
    event["Records"][0]["body"] = body

    assert refusal_of(sole(deliveries(event))).code is Code.BAD_MESSAGE


# Wiring faults


@pytest.mark.parametrize(
    "event",
    [
        recorded("without_message_id.json"),
        recorded("from_s3_directly.json"),
        recorded("from_sns_directly.json"),
        {},
        None,
        [],
        "text",
        {"Records": None},
        {"Records": {}},
        {"Records": [None]},
        {"Records": [{"messageId": "m", "body": "{}"}]},
        {"Records": [{"messageId": "", "body": "{}", "eventSource": "aws:sqs"}]},
        {"Records": [{"messageId": None, "body": "{}", "eventSource": "aws:sqs"}]},
        {"Records": [{"messageId": "m", "body": "{}", "eventSource": "aws:kinesis"}]},
        {"matrix": [[1]]},
    ],
)
def test_what_is_not_a_batch_of_sqs_is_a_wiring_fault(event: object) -> None:
    with pytest.raises(ValueError, match="SQS"):
        deliveries(event)


def test_an_empty_batch_has_no_deliveries() -> None:
    assert deliveries({"Records": []}) == []


# Notifications


def test_a_notification_names_the_object_its_version_and_its_order() -> None:
    event = recorded("s3_to_sqs.json")
    delivery = sole(deliveries(event))

    assert delivery.job_id == "exp-44"
    assert delivery.body == event["Records"][0]["body"]
    assert delivery.content == Request(
        "exp-44",
        Reference(
            "matinv-inputs",
            "exp-44.npy",
            "096fKKXTRTtl3on89fVO.nfljtsv6qko",
            "b21b84d653bb07b05b1e6b33684dc11b",
            ORDER,
        ),
        dropped=True,
        replace=None,
    )


def test_the_key_of_a_notification_is_decoded_once() -> None:
    delivery = sole(deliveries(recorded("s3_key_encoded.json")))

    assert reference_of(delivery).key == "runs/größe 1+1=2/a%2Fb.npy"
    assert delivery.job_id == "runs/größe 1+1=2/a%2Fb"


@given(
    st.text(min_size=1, max_size=20).filter(
        lambda key: key.encode("utf-8", "ignore").decode() == key
    )
)
@examples(60)
def test_any_key_survives_the_encoding_of_s3(key: str) -> None:
    for body in (s3_notification("b", f"{key}.npy"), eventbridge("b", f"{key}.npy")):
        assert reference_of(sole(delivered(body))).key == f"{key}.npy"


def test_a_key_that_is_not_utf8_is_refused_rather_than_changed() -> None:
    notification = s3_notification("b", "x.npy")
    notification["Records"][0]["s3"]["object"]["key"] = "%FF.npy"

    assert refusal_of(sole(delivered(notification))).code is Code.BAD_MESSAGE


def test_the_same_upload_reads_the_same_by_every_way() -> None:
    fields = {"version_id": "v1", "sequencer": "0055AED6DCD90281E5"}
    notification = s3_notification("inputs", "a b.npy", **fields)
    bodies = [notification, sns_wrapped(notification), eventbridge("inputs", "a b.npy", **fields)]
    references = {reference_of(delivery) for delivery in delivered(*bodies)}

    assert references == {Reference("inputs", "a b.npy", "v1", ETAG, ORDER)}


def test_an_event_of_eventbridge_has_a_plain_key() -> None:
    delivery = sole(deliveries(recorded("s3_via_eventbridge.json")))

    assert reference_of(delivery) == Reference(
        "matinv-inputs",
        "runs/größe 1+1.npy",
        "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
        ETAG,
        "617f08299329d189".ljust(32, "0"),
    )


def test_what_sns_wraps_is_unwrapped_and_its_copy_stays_wrapped() -> None:
    event = recorded("s3_via_sns.json")
    delivery = sole(deliveries(event))

    assert reference_of(delivery).key == "exp-44.npy"
    assert delivery.body == event["Records"][0]["body"]
    job = sole(delivered(sns_wrapped({"job_id": "via-sns", "matrix": [[2]]})))
    assert job.job_id == "via-sns"
    assert isinstance(job.content, Request)
    assert refusal_of(sole(delivered(sns_wrapped("hello")))).code is Code.BAD_MESSAGE
    assert delivered(sns_wrapped(s3_test_event("inputs"))) == []


def test_several_records_are_several_deliveries_each_with_a_body_of_its_own() -> None:
    found = deliveries(recorded("s3_several_records.json"))

    assert [delivery.job_id for delivery in found] == ["exp-1", "exp-2", "notes.txt"]
    assert len({delivery.message_id for delivery in found}) == 1
    for delivery in found:
        again = sole(delivered(delivery.body))
        assert again.job_id == delivery.job_id
        if isinstance(delivery.content, Request):
            assert again.content == delivery.content


def test_several_records_wrapped_by_sns_get_bodies_of_their_own() -> None:
    found = delivered(sns_wrapped(s3_notification("inputs", "a.npy", "b.npy")))

    assert [reference_of(sole(delivered(delivery.body))).key for delivery in found] == [
        "a.npy",
        "b.npy",
    ]


@pytest.mark.parametrize(
    "body",
    [
        s3_test_event("inputs"),
        {"Records": []},
        s3_notification("inputs", "a.npy", event_name="ObjectRemoved:Delete"),
        s3_notification("inputs", "a.npy", event_name="ObjectRemoved:DeleteMarkerCreated"),
        s3_notification("inputs", "a.npy", "b.npy", event_name="ObjectTagging:Put"),
        eventbridge("inputs", "a.npy", detail_type="Object Deleted"),
    ],
)
def test_what_tells_of_no_upload_is_ignored(body: Any) -> None:
    good = {"job_id": "good", "matrix": [[1]]}

    assert delivered(body) == []
    assert [delivery.job_id for delivery in delivered(good, body, good)] == ["good", "good"]
    assert deliveries(recorded("s3_test_event.json")) == []


@pytest.mark.parametrize("name", ["Put", "Post", "Copy", "CompleteMultipartUpload"])
def test_every_kind_of_upload_counts(name: str) -> None:
    for event_name in (f"ObjectCreated:{name}", f"s3:ObjectCreated:{name}"):
        assert sole(delivered(s3_notification("b", "a.npy", event_name=event_name))).job_id == "a"


def test_folders_that_consoles_create_are_ignored() -> None:
    for body in (s3_notification("b", "folder/"), eventbridge("b", "folder/")):
        assert delivered(body) == []


def test_sequencers_are_ordered_as_s3_orders_them() -> None:
    older, newer, newest = (
        reference_of(sole(delivered(s3_notification("b", "a.npy", sequencer=sequencer)))).order
        for sequencer in ("0055AED6DCD90281", "0055AED6DCD902810A", "0055AED6DCD9029")
    )

    assert older is not None
    assert newer is not None
    assert newest is not None
    assert older < newer < newest


def test_without_a_sequencer_an_upload_has_no_order() -> None:
    notification = s3_notification("b", "a.npy", sequencer=None, etag='"e"')
    reference = reference_of(sole(delivered(notification)))

    assert reference.order == ""
    assert reference.etag == "e"


def damaged(**changes: Any) -> dict[str, Any]:
    notification = s3_notification("b", "a.npy")
    notification["Records"][0].update(changes)
    return notification


@pytest.mark.parametrize(
    "body",
    [
        {"Records": None},
        {"Records": {}},
        {"Records": [None]},
        {"Records": ["x"]},
        {"Records": [{}]},
        damaged(eventSource="aws:dynamodb"),
        damaged(eventName=None),
        damaged(s3=None),
        damaged(s3={}),
        damaged(s3={"bucket": {"name": "b"}, "object": {}}),
        damaged(s3={"bucket": {"name": "b"}, "object": {"key": 7}}),
        damaged(s3={"bucket": {"name": "b"}, "object": {"key": ""}}),
        damaged(s3={"bucket": {"name": "b"}, "object": {"key": "a" * 4000 + ".npy"}}),
        damaged(s3={"bucket": {"name": "b"}, "object": {"key": "a.npy", "sequencer": "0" * 99}}),
        damaged(s3={"bucket": {}, "object": {"key": "a.npy"}}),
        damaged(s3={"bucket": {"name": "b"}, "object": {"key": "a.npy", "sequencer": 7}}),
        eventbridge("b", "a.npy") | {"source": "aws.ec2"},
        eventbridge("b", "a.npy") | {"detail": None},
        eventbridge("b", "a.npy") | {"detail-type": 7},
        eventbridge("b", "a.npy", detail_type="AWS API Call via CloudTrail"),
        sns_wrapped("") | {"Type": "SubscriptionConfirmation"},
        s3_test_event("b") | {"Event": "s3:OtherEvent"},
    ],
)
def test_what_is_almost_a_notification_is_a_bad_message(body: Any) -> None:
    text = json.dumps(body)
    delivery = sole(delivered(text))

    assert refusal_of(delivery).code is Code.BAD_MESSAGE
    assert delivery.job_id == hashed_id(text.encode())
    assert delivery.body == text


def test_one_bad_record_of_a_notification_hurts_no_other() -> None:
    notification = s3_notification("b", "a.npy", "b.npy", "c.npy")
    notification["Records"][1] = {"re": [1], "deep": json.loads("[" * 500 + "]" * 500)}
    found = delivered(notification)

    assert [isinstance(delivery.content, Request) for delivery in found] == [True, False, True]
    assert all(delivery.body for delivery in found)


def test_a_notification_of_nothing_but_noise_is_one_refusal() -> None:
    for records in ([0] * 100_000, [{}] * 10_000, [{"n": i} for i in range(1001)]):
        body = json.dumps({"Records": records})
        delivery = sole(delivered(body))

        assert refusal_of(delivery).code is Code.BAD_MESSAGE
        assert delivery.body == body
    assert len(delivered({"Records": [{"n": i} for i in range(1000)]})) == 1000


def test_records_that_say_the_same_are_one_delivery() -> None:
    assert reference_of(sole(delivered(s3_notification("b", *["a.npy"] * 500)))).key == "a.npy"
    assert len(delivered({"Records": [{}, {}, {"a": 1}]})) == 2


def test_a_list_where_s3_has_none_stays_in_the_body_of_its_record_alone() -> None:
    notification = s3_notification("b", "a.npy", "b.npy")
    notification["Records"][0]["re"] = [1, [2.50]]
    first, second = delivered(notification)

    assert json.loads(first.body) == {"Records": notification["Records"][:1]}
    assert json.loads(second.body) == {"Records": notification["Records"][1:]}


def test_envelopes_of_sns_inside_each_other_are_opened_as_deep_as_a_message_can_hold() -> None:
    body = '{"job_id": "deep", "matrix": [[2]]}'
    while len(body) < 128 * 1024:  # each envelope escapes the quotes of those inside: twice as long
        body = json.dumps({"Type": "Notification", "Message": body})
    delivery = sole(delivered(body))

    assert (delivery.job_id, delivery.body) == ("deep", body)
    assert refusal_of(sole(delivered(body[:-2]))).code is Code.BAD_MESSAGE


@pytest.mark.parametrize(
    "count",
    ["0", "-1", pytest.param("9" * 5000, id="5,000 digits"), "1e3", "\u0663", "", None, [], {}],
)
def test_a_receive_count_that_sqs_never_sends_is_the_first(count: object) -> None:
    event = sqs_event(['{"matrix": [[1]]}'])
    event["Records"][0]["attributes"]["ApproximateReceiveCount"] = count

    assert sole(deliveries(event)).receive_count == 1


# Whatever nobody thought of, and speed

FRAGMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "Records",
                    "eventSource",
                    "eventName",
                    "s3",
                    "bucket",
                    "name",
                    "object",
                    "key",
                    "re",
                ]
            ),
            inner | st.sampled_from(["aws:s3", "ObjectCreated:Put", "a.npy"]),
            max_size=3,
        )
    ),
    max_leaves=10,
)
HEADS = st.sampled_from(["Records", "Message", "Type", "Event", "detail-type", "detail", "source"])


@given(
    st.dictionaries(
        HEADS, FRAGMENTS | st.sampled_from(["Notification", "aws.s3", "{}"]), max_size=4
    )
)
@examples(150)
def test_any_body_becomes_deliveries(body: dict[str, Any]) -> None:
    for delivery in delivered(body):
        assert isinstance(delivery.content, Request | Refused)
        assert delivery.job_id
