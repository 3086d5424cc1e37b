"""Responses as the OpenAPI document describes them.

For scripts/docs and tests: no request loads them. `matinv.jobs.record_document` and others write
the responses; tests hold them against these models.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.json_schema import SkipJsonSchema

from matinv.errors import Code
from matinv.formats.codecs import ENDINGS, Format
from matinv.jobs.record import Status
from matinv.linalg.certificate import Checked, Side

_ENDINGS: Final = "|".join(map(re.escape, ENDINGS))
JOB_ID_PATTERN: Final = (
    rf"^(?![ /])(?!.*(\.\.|//|[ /]$|({_ENDINGS})$))[^\x00-\x1f\x7f-\xa0]{{1,512}}$"
)

RUN_PATTERN: Final = r"^(?![ /])(?!.*(\.\.|//|[ /]$))(?!(.*/)?\.(/|$))[^\x00-\x1f\x7f-\xa0]{1,128}$"

# Said, not checked: pydantic's own patterns cannot look ahead.
JobId = Annotated[str, Field(json_schema_extra={"pattern": JOB_ID_PATTERN})]
Number = float | None  # JSON has no infinity
Absent = SkipJsonSchema[None]  # may be left out, and is never null


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(_Model):
    """An error (RFC 9457)."""

    type: Literal["about:blank"]
    title: str
    status: int
    detail: str = Field(description="What was found; never a value of a matrix.")
    code: str = Field(description="An error code: functions/matinv/jobs/README.md lists them.")
    hint: str | Absent = Field(None, description="What to do.")
    observed: str | Absent = Field(None, description="The value that was found.")
    limit: str | Absent = Field(None, description="What is allowed.")
    retryable: bool


class Input(_Model):
    """The input of a job."""

    source: str = Field(description="s3://bucket/key, or message.")
    id: str
    order: str | Absent = None
    bytes: int | Absent = None
    shape: list[int] | Absent = None
    dtype: str | Absent = None
    content: str | Absent = Field(None, description="SHA-256 of a file, if its sender said it.")


class JobError(_Model):
    """Why a job failed."""

    code: Code
    message: str
    hint: str | Absent = None
    observed: str | Absent = None
    limit: str | Absent = None
    retryable: bool


class Result(_Model):
    """The place of the inverse."""

    format: Format
    sha256: str
    bytes: int
    inline: bool = Field(description="Whether it is in the record itself.")
    uri: str | Absent = None
    version_id: str | Absent = None
    part_bytes: int | Absent = Field(
        None, description="If set, sha256 is that of the digests of parts of so many bytes."
    )


class ComplexSign(_Model):
    """A complex number of absolute value 1."""

    re: float
    im: float


class Certificate(_Model):
    """How good an inverse is."""

    rcond_1: Number
    residual: Number
    side: Side
    digits: Number
    method: str
    routine: str
    checked: Checked
    scaled: bool
    regular: bool = False
    rank: int | Absent = None
    gap: Number | Absent = None
    log_abs_det: Number | Absent = None
    sign: float | ComplexSign | Absent = None


class SliceFailure(_Model):
    """A slice without an inverse."""

    index: int
    code: Code
    message: str


class Slices(_Model):
    """The verdicts on a stack."""

    count: int
    failed: int
    failures: list[SliceFailure]


class Progress(_Model):
    """How far a long job is."""

    percent: float = Field(description="Of its arithmetic, as of updated_at.")
    ends_at: str = Field(description="When that is done at this pace.")


class Cost(_Model):
    """The cost of the job, at us-east-1's list prices."""

    gb_s: float = Field(description="Its share of its workers' memory and time, in GiB-seconds.")
    usd: float


class Job(_Model):
    """The record of a job."""

    job_id: JobId
    status: Status
    input: Input
    created_at: str | Absent = None
    updated_at: str | Absent = None
    expires_at: int
    attempts: int
    redrive: int
    revision: int
    question: str | Absent = Field(None, description="Digest of input and options.")
    options: dict[str, str] | Absent = Field(None, description="Those that shape the answer.")
    message_id: str | Absent = Field(None, description="The SQS message worked on last.")
    message_at_ms: int
    error: JobError | Absent = None
    result: Result | Absent = None
    certificate: Certificate | Absent = None
    slices: Slices | Absent = None
    progress: Progress | Absent = Field(None, description="Of a long job that is running.")
    timings: dict[str, float] | Absent = None
    cost: Cost | Absent = None
    warnings: list[str] | Absent = None
    tags: dict[str, str] | Absent = None
    run: str | Absent = Field(None, description="The run that the job belongs to.")
    engine: dict[str, str] | Absent = None


class Jobs(_Model):
    """A page of jobs, the most recently updated first."""

    jobs: list[Job]
    cursor: str | Absent = Field(None, description="Of the next page, if there may be one.")


class RecentRun(_Model):
    """A run."""

    run: str
    updated_at: str


class Runs(_Model):
    """Runs, the latest first."""

    runs: list[RecentRun]


class Run(_Model):
    """How a run goes."""

    run: str
    counts: dict[Status, int] = Field(description="Its jobs by status.")
    failures: dict[str, int] = Field(description="Its failed jobs by error code.")
    first: str = Field(description="When its first record was made.")
    last: str = Field(description="When one of its records changed last.")
    warnings: dict[str, int] = Field(description="Its results by warning.")
    open_since: str = Field(description="When its oldest open job changed last; empty if none is.")
    ended_since: int = Field(description="Its jobs that have ended since then.")
    total: int
    ended: int


class RunCancelled(_Model):
    """The jobs of a run that were cancelled."""

    run: str
    cancelled: int


class RunJob(_Model):
    """A job of a run."""

    job_id: JobId
    status: Status
    created_at: str
    updated_at: str
    error_code: str | Absent = None
    warning: str | Absent = None


class RunJobs(_Model):
    """A page of a run's jobs, by status, then by time."""

    jobs: list[RunJob]
    cursor: str | Absent = Field(None, description="Of the next page, if there may be one.")


class RunResult(_Model):
    """A result, or where it is: one of inline and url."""

    job_id: JobId
    status: Status
    source: str = Field(description="Its input: s3://bucket/key, or message.")
    format: Format
    sha256: str
    bytes: int
    digits: Number
    inline: str | Absent = Field(None, description="The result in base64.")
    url: str | Absent = Field(None, description="Where to fetch it, without signing.")
    part_bytes: int | Absent = Field(
        None, description="If set, sha256 is that of the digests of parts of so many bytes."
    )


class RunResults(_Model):
    """A page of a run's results."""

    results: list[RunResult]
    expires_at: str = Field(description="Until when the URLs work.")
    cursor: str | Absent = Field(None, description="Of the next page, if there may be one.")


class Inverse(_Model):
    """An inverse; a slice that has none is null."""

    job_id: JobId
    certificate: Certificate
    slices: Slices | Absent = None
    warnings: list[str] | Absent = None
    inverse: JsonValue = Field(description="Rows, rows of rows, or {re, im} of them.")


class UploadUrl(_Model):
    """How to send a file: one PUT to `url` with just these headers."""

    method: Literal["PUT"]
    url: str
    headers: dict[str, str]
    expires_at: str
    source: str = Field(description="The object that it makes.")


class UploadParts(_Model):
    """How to send a file that is too large for one PUT: in parts, at most 10,000."""

    upload_id: str
    part_bytes: int = Field(description="Of each part; the last one may be shorter.")
    source: str = Field(description="The object that it makes.")


class Upload(_Model):
    """The place for the file of a job."""

    job_id: JobId
    upload: UploadUrl | UploadParts


class PartUrl(_Model):
    """How to send a part: one PUT to `url` with just these headers; keep the answer's ETag."""

    method: Literal["PUT"]
    url: str
    headers: dict[str, str]


class PartUrls(_Model):
    """Places for parts, in the order in which they were asked for."""

    urls: list[PartUrl]
    expires_at: str


class Uploaded(_Model):
    """A file that was sent in parts."""

    job_id: JobId
    source: str = Field(description="The object.")
    etag: str
    version_id: str | Absent = None


class UploadAborted(_Model):
    """An upload that is no more."""

    upload_id: str


class Outcome(_Model):
    """The outcome of one of several messages."""

    status: int = Field(description="As if it had come alone: 202, 200 if the job has ended.")
    job_id: JobId | Absent = Field(None, description="Absent of what is no message.")
    problem: Problem | Absent = Field(None, description="Why it was not sent, if it was not.")


class Outcomes(_Model):
    """The outcomes of several messages, in their order."""

    jobs: list[Outcome]


class Redriven(_Model):
    """The jobs that were sent back to work."""

    job_ids: list[JobId]


class Health(_Model):
    """The parts of the service answer."""

    status: Literal["ok"]
    version: str
