"""The owner of a job id: the table of the design, row by row, and all of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from matinv.errors import Code, ErrorInfo
from matinv.formats.codecs import Format
from matinv.jobs.ownership import Ownership, Question, asked_again, differing, digest_of, owner
from matinv.jobs.record import InputInfo, Record, Status
from matinv.jobs.request import Options, answer_options
from matinv.jobs.times import timestamp
from matinv.linalg.types import Method

AUTO, PINV = (answer_options(Options(method=m), Format.NPY) for m in (Method.AUTO, Method.PINV))
URI = "s3://inputs/a.npy"
UPLOADS = [InputInfo(URI, f"version:{n}", order=f"0{n}") for n in range(4)]  # the first is oldest
INLINE, OTHER = (InputInfo("message", f"sha256:{n}") for n in "12")
ELSEWHERE = InputInfo("s3://inputs/a.json", "version:9", order="99")

GOING_ON = [Status.QUEUED, Status.RUNNING, Status.RETRYING]
SUCCEEDED = [Status.SUCCEEDED, Status.PARTIAL]
OWNING = [*SUCCEEDED, *GOING_ON]
FAILED = [Status.FAILED]
WITHOUT_RESULT = [Status.CANCELLED, Status.EXPIRED]
# Where it counts when a message was sent, the table's last rows have those of a cancelled job.
STANDING = [status for status in Status if status is not Status.CANCELLED]
CANCELLED_AT_MS, LATER = 5000, 5001
PERMANENT, PASSING = ErrorInfo(Code.SINGULAR, "singular"), ErrorInfo(Code.THROTTLED, "slow down")

OURS, ENDED, STALE, CONFLICT = (
    Ownership.OURS,
    Ownership.ENDED,
    Ownership.STALE,
    Ownership.CONFLICT,
)


def record(status: Status, input_: InputInfo, options: Any = AUTO, **fields: Any) -> Record:
    failed = {"error": PERMANENT} if status is Status.FAILED else {}
    at = timestamp(CANCELLED_AT_MS / 1000)
    times = {"created_at": at, "updated_at": at, "expires_at": 0, "message_at_ms": 1000}
    facts = {**times, **failed, "message_id": "worked-on", "options": options, **fields}
    return Record(job_id="a", status=status, input=input_, **facts)


def comes(input_: InputInfo, options: Any = AUTO, **fields: Any) -> Question:
    return Question(input_, options, **{"message_id": "another", "sent_at_ms": 2000, **fields})


def uploaded(number: int, options: Any = AUTO, **fields: Any) -> Question:
    return comes(UPLOADS[number], options, **{"upload": True, **fields})


# The rows of the design's table, in its order: (what stands there, what comes, what happens).
ROWS: dict[str, list[tuple[list[Status], InputInfo, Question, Ownership]]] = {
    "not ended: anything of this question": [
        (GOING_ON, INLINE, comes(INLINE), OURS),
        (GOING_ON, INLINE, comes(INLINE, message_id="worked-on"), OURS),
        (GOING_ON, UPLOADS[1], uploaded(1), OURS),
        (GOING_ON, UPLOADS[1], uploaded(1, None), OURS),
        (GOING_ON, UPLOADS[1], comes(replace(UPLOADS[1], order=None)), OURS),
    ],
    "succeeded: the same question": [
        (SUCCEEDED, INLINE, comes(INLINE), ENDED),
        (SUCCEEDED, UPLOADS[1], uploaded(1), ENDED),
        (SUCCEEDED, UPLOADS[1], uploaded(1, None), ENDED),
        (SUCCEEDED, UPLOADS[1], comes(replace(UPLOADS[1], order=None)), ENDED),
    ],
    "succeeded, or not ended: the same input, other options": [
        (OWNING, INLINE, comes(INLINE, PINV), CONFLICT),
        (OWNING, UPLOADS[1], comes(replace(UPLOADS[1], order=None), PINV), CONFLICT),
        (OWNING, INLINE, comes(INLINE, PINV, replaces=True), OURS),
    ],
    "failed: the same SQS message, or the same upload's notification": [
        (FAILED, INLINE, comes(INLINE, message_id="worked-on"), ENDED),
        (FAILED, UPLOADS[1], uploaded(1, None), ENDED),
        (FAILED, UPLOADS[1], uploaded(1, None, message_id="worked-on", was_dead=True), ENDED),
        (FAILED, replace(INLINE, id=""), comes(INLINE, message_id="worked-on"), ENDED),
    ],
    "failed: any other message, also one that was moved back": [
        (FAILED, INLINE, comes(INLINE), OURS),
        (FAILED, INLINE, comes(INLINE, PINV), OURS),
        (FAILED, INLINE, comes(OTHER), OURS),
        (FAILED, INLINE, uploaded(1), OURS),
        (FAILED, UPLOADS[1], comes(INLINE), OURS),
        (FAILED, UPLOADS[1], uploaded(1, None, was_dead=True), OURS),
        (FAILED, UPLOADS[1], comes(replace(UPLOADS[1], id="", order=None)), OURS),
        (FAILED, replace(UPLOADS[1], id="", order=None), comes(UPLOADS[1]), OURS),
        (FAILED, replace(UPLOADS[1], order=None), uploaded(1, None), OURS),
    ],
    "cancelled or expired: the same SQS message, or the same upload's notification": [
        (WITHOUT_RESULT, INLINE, comes(INLINE, message_id="worked-on", sent_at_ms=LATER), ENDED),
        (WITHOUT_RESULT, UPLOADS[1], uploaded(1, None, sent_at_ms=LATER), ENDED),
    ],
    "cancelled: whatever was sent before": [
        ([Status.CANCELLED], INLINE, comes(INLINE), ENDED),
        ([Status.CANCELLED], INLINE, comes(INLINE, sent_at_ms=CANCELLED_AT_MS), ENDED),
        ([Status.CANCELLED], INLINE, comes(OTHER, replaces=True), ENDED),
        ([Status.CANCELLED], UPLOADS[1], uploaded(2), ENDED),
        ([Status.CANCELLED], UPLOADS[1], comes(replace(UPLOADS[1], id="", order=None)), ENDED),
        ([Status.CANCELLED], replace(UPLOADS[1], order=None), uploaded(1, sent_at_ms=LATER), ENDED),
    ],
    "cancelled or expired: any other message, sent since": [
        (WITHOUT_RESULT, INLINE, comes(INLINE, sent_at_ms=LATER), OURS),
        (WITHOUT_RESULT, INLINE, comes(INLINE, message_id="", sent_at_ms=0), OURS),  # not sent yet
        (WITHOUT_RESULT, INLINE, comes(OTHER, sent_at_ms=LATER), OURS),
        (WITHOUT_RESULT, UPLOADS[1], uploaded(2, sent_at_ms=LATER), OURS),
        (WITHOUT_RESULT, UPLOADS[1], uploaded(1, was_dead=True, sent_at_ms=LATER), OURS),
        ([Status.EXPIRED], INLINE, comes(INLINE), OURS),
    ],
    "any, from an upload: a newer upload of that key": [
        (STANDING, UPLOADS[1], uploaded(2), OURS),
        (STANDING, UPLOADS[1], uploaded(2, None), OURS),
        (STANDING, UPLOADS[1], uploaded(0), STALE),
        (STANDING, UPLOADS[1], uploaded(0, None, was_dead=True), STALE),
        (STANDING, UPLOADS[1], comes(UPLOADS[0]), STALE),  # an older letter, sent back
    ],
    "any, from a message: other content": [
        (OWNING, INLINE, comes(OTHER), CONFLICT),
        (OWNING, INLINE, uploaded(1), CONFLICT),
        (OWNING, UPLOADS[1], comes(INLINE), CONFLICT),
        (OWNING, UPLOADS[1], comes(ELSEWHERE, upload=True), CONFLICT),
        (STANDING, INLINE, comes(OTHER, replaces=True), OURS),
        (STANDING, INLINE, uploaded(1, replaces=True), OURS),
        (OWNING, INLINE, comes(OTHER, replaces=True, sent_at_ms=999), STALE),
        (OWNING, INLINE, uploaded(1, None, replaces=None), Ownership.OPEN_FIRST),
    ],
}  # fmt: skip


@pytest.mark.parametrize("row", ROWS)
def test_the_table_of_the_design(row: str) -> None:
    for statuses, stands, question, expected in ROWS[row]:
        for status in statuses:
            assert owner(record(status, stands), question) is expected, (status, stands, question)


def test_nothing_stands_there() -> None:
    for question in (comes(INLINE), uploaded(1, None), comes(replace(UPLOADS[0], id=""), None)):
        assert owner(None, question) is OURS


# Two contents of one key


def told_without(info: InputInfo) -> InputInfo:
    return replace(info, order="")


@pytest.mark.parametrize("status", STANDING)
@pytest.mark.parametrize(
    ("stands_plain", "comes_plain"), [(True, False), (False, True), (True, True)]
)
def test_orders_of_different_kinds_are_not_compared_but_s3_is_asked(
    status: Status, stands_plain: bool, comes_plain: bool
) -> None:
    for stood, came in product(range(1, 3), range(1, 3)):
        if stood == came:
            continue
        stands = told_without(UPLOADS[stood]) if stands_plain else UPLOADS[stood]
        input_ = told_without(UPLOADS[came]) if comes_plain else UPLOADS[came]
        question = comes(input_, None, upload=True, replaces=None)
        found = record(status, stands)
        assert owner(found, question) is Ownership.ASK_S3
        verdicts = {
            current: owner(found, question, frozenset({f"version:{current}", "etag:e"}))
            for current in (stood, came, 3)
        }
        assert verdicts == {stood: STALE, came: OURS, 3: STALE}
        assert owner(found, question, frozenset()) is STALE


def test_a_time_that_an_earlier_version_wrote_is_no_sequencer() -> None:
    old = replace(UPLOADS[1], order="2026-11-21T03:00:00.000Z")
    assert owner(record(Status.SUCCEEDED, old), uploaded(2)) is Ownership.ASK_S3


@pytest.mark.parametrize("status", STANDING)
def test_a_job_begun_by_a_reference_accepts_newer_uploads_of_its_key(status: Status) -> None:
    found = record(status, replace(UPLOADS[1], order=None))
    assert owner(found, uploaded(2, None)) is Ownership.ASK_S3
    assert owner(found, uploaded(2, None), frozenset({"version:2"})) is OURS
    assert owner(found, uploaded(0, None), frozenset({"version:1"})) is STALE


def test_a_message_that_names_an_older_version_is_another_input() -> None:
    question = comes(replace(UPLOADS[0], order=None))
    for status in OWNING:
        found = record(status, UPLOADS[1])
        assert owner(found, question, frozenset({"version:1"})) is CONFLICT
        assert owner(found, replace(question, replaces=True), frozenset({"version:1"})) is OURS


def test_one_upload_by_version_and_by_etag_is_one_input() -> None:
    by_etag = replace(told_without(UPLOADS[1]), id="etag:e")
    question = comes(by_etag, upload=True)
    found = record(Status.SUCCEEDED, UPLOADS[1])
    assert owner(found, question, frozenset({"version:1", "etag:e"})) is ENDED


def test_bytes_uploaded_again_with_other_options_are_a_newer_question() -> None:
    stands = replace(UPLOADS[1], id="etag:e")
    again = comes(replace(UPLOADS[2], id="etag:e"), None, upload=True)
    found = record(Status.SUCCEEDED, stands)
    assert owner(found, again) is Ownership.OPEN_FIRST
    assert owner(found, replace(again, options=AUTO)) is ENDED
    assert owner(found, replace(again, options=PINV)) is OURS


# What has not been read yet


@pytest.mark.parametrize("status", SUCCEEDED)
def test_an_unread_object_of_an_ended_job_decides_once_it_is_open(status: Status) -> None:
    unread = InputInfo(URI, "")
    assert owner(record(status, UPLOADS[1]), comes(unread, None)) is Ownership.OPEN_FIRST
    reference = comes(replace(UPLOADS[1], order=None), None)  # the file may hold options
    assert owner(record(status, UPLOADS[1]), reference) is Ownership.OPEN_FIRST


def test_a_failure_that_may_pass_is_not_the_end_of_its_message() -> None:
    """SQS moves it to the dead letters itself; until then nobody else has it."""
    for stands, question in [
        (INLINE, comes(INLINE, message_id="worked-on")),
        (UPLOADS[1], uploaded(1, None)),
    ]:
        assert owner(record(Status.FAILED, stands, error=PASSING), question) is OURS


def test_of_two_that_replace_each_other_the_one_sent_later_stays() -> None:
    early, late = (comes(i, replaces=True, sent_at_ms=t) for i, t in ((INLINE, 5), (OTHER, 6)))
    worked = record(Status.SUCCEEDED, OTHER, message_id="another", message_at_ms=6)
    assert owner(worked, early) is STALE
    assert owner(record(Status.SUCCEEDED, INLINE, message_at_ms=5), late) is OURS


def test_an_answered_question_that_is_asked_again_to_replace_others_is_as_new_as_that() -> None:
    first = record(Status.SUCCEEDED, INLINE, message_at_ms=5)
    other, again = (comes(i, replaces=True, sent_at_ms=t) for i, t in ((OTHER, 6), (INLINE, 7)))
    assert owner(first, again) is ENDED
    noted = asked_again(first, again)
    assert noted == replace(first, message_id="another", message_at_ms=7, revision=1)
    assert owner(noted, other) is STALE
    assert asked_again(noted, again) is None
    assert asked_again(first, replace(again, replaces=False)) is None
    assert asked_again(first, replace(again, sent_at_ms=4)) is None


# Invariants over everything that can come


def everything() -> list[tuple[Record, Question, frozenset[str] | None]]:
    inputs = [INLINE, OTHER, *UPLOADS[1:3], told_without(UPLOADS[1]), told_without(UPLOADS[2])]
    inputs += [replace(UPLOADS[1], order=None), replace(UPLOADS[2], order=None)]
    inputs += [InputInfo(URI, ""), InputInfo("s3://inputs/a.json", "version:1", "01")]
    records = [
        record(status, stands, options, **error)
        for status, stands, options in product(Status, inputs, (AUTO, PINV, {}))
        for error in ([{"error": e} for e in (PERMANENT, PASSING)] if status in FAILED else [{}])
    ]
    questions = [
        Question(input_, options, upload, replaces, message_id, sent_at_ms, was_dead)
        for input_, options, replaces in product(inputs, (AUTO, PINV, None), (True, False, None))
        for message_id, sent_at_ms in (("worked-on", 1000), ("another", 2000), ("another", 500))
        for upload, was_dead in product((True, False), (True, False))
        if not (upload and (input_.source == "message" or input_.order is None))
    ]
    one, two = frozenset({"version:1", "etag:e"}), frozenset({"version:2"})
    currents = [None, one, two, frozenset[str]()]
    return list(product(records, questions, currents))


@pytest.mark.parametrize(
    "part",
    [0, *(pytest.param(part, marks=pytest.mark.deep) for part in range(1, 7))],  # 4 s
)
def test_what_holds_whatever_comes(part: int) -> None:
    for found, question, current in everything()[part::7]:
        verdict = owner(found, question, current)
        where = (found, question, current)
        succeeded, asked = found.status in SUCCEEDED, question.options
        if current is not None:
            assert verdict is not Ownership.ASK_S3, where
        if verdict is OURS and succeeded:  # only a newer upload, or who says so, takes a result
            takes = question.replaces or question.input.id != found.input.id
            assert takes or (question.upload and question.input.order), where
        told_anew = question.message_id != "worked-on" and asked and found.options
        if verdict is ENDED and succeeded and told_anew:
            assert asked == found.options or question.upload, where
        if verdict is CONFLICT:
            assert found.status is not Status.FAILED or question.input.source == URI, where
            assert not question.replaces, where
        orders = (found.input.order, question.input.order)
        comparable = found.input.source == question.input.source == URI and all(orders)
        if comparable and list(orders) != sorted(map(str, orders)) and question.input.id:
            assert verdict is not OURS, where


# Digests and differences


def test_the_digest_of_a_question_is_that_of_its_input_and_its_options() -> None:
    digests = {
        digest_of(input_, options) for input_, options in product((INLINE, OTHER), (AUTO, PINV))
    }
    assert len(digests) == 4
    assert digest_of(INLINE, AUTO) == digest_of(INLINE, dict(reversed(AUTO.items())))


def test_tags_are_no_part_of_a_question_and_the_own_format_is() -> None:
    assert answer_options(Options(tags={"a": "b"}), Format.NPY) == AUTO
    assert answer_options(Options(format=Format.NPY), Format.JSON) == AUTO
    assert answer_options(Options(), Format.JSON) != AUTO


def test_differences_are_named() -> None:
    assert differing(record(Status.SUCCEEDED, INLINE), comes(INLINE, PINV)) == (
        "method: pinv",
        "method: auto",
    )
    assert differing(record(Status.SUCCEEDED, INLINE), comes(OTHER, PINV)) is None
