"""Requests and responses as the OpenAPI document describes them.

Responses are written by `matinv.jobs.record_document`, messages are read by
`matinv.jobs.message`, which knows limits and codes; tests hold both against these models. Only
queries are read by one of them.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from pydantic.json_schema import SkipJsonSchema

from matinv.errors import Code
from matinv.formats.codecs import Format
from matinv.jobs.record import Status
from matinv.jobs.request import Output
from matinv.linalg.certificate import Checked, Side
from matinv.linalg.types import Method, OnIllConditioned

JOB_ID_PATTERN: Final = (
    r"^(?![ /])(?!.*(\.\.|//|[ /]$|\.(npy|npz|json)$))[^\x00-\x1f\x7f-\xa0]{1,512}$"
)

# Said, not checked: pydantic's own patterns cannot look ahead.
JobId = Annotated[str, Field(json_schema_extra={"pattern": JOB_ID_PATTERN})]
Number = float | None  # JSON has no infinity
Rows = list[list[float]] | list[list[list[float]]]
Absent = SkipJsonSchema[None]  # may be left out, and is never null
TagName = Annotated[str, Field(min_length=1, max_length=128)]
TagValue = Annotated[str, Field(max_length=256)]
Tags = Annotated[dict[TagName, TagValue], Field(max_length=10)]
Tag = Annotated[str, Field(pattern="^[^=]{1,128}=.{0,256}$")]
Key = Annotated[str, Field(min_length=1, max_length=1024)]
Cursor = Annotated[str, Field(max_length=400)]


LARGEST_UPLOAD_BYTES: Final = 5 * 2**30  # S3's limit for one PUT


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(_Model):
    """An error (RFC 9457)."""

    type: Literal["about:blank"]
    title: str
    status: int
    detail: str = Field(description="What was found; never a value of a matrix.")
    code: str = Field(description="One of the codes that the README lists.")
    hint: str | Absent = Field(None, description="What to do.")
    observed: str | Absent = Field(None, description="The value that was found.")
    limit: str | Absent = Field(None, description="What is allowed.")
    retryable: bool


class Input(_Model):
    """What is inverted."""

    source: str = Field(description="s3://bucket/key, or message.")
    id: str
    order: str | Absent = None
    bytes: int | Absent = None
    shape: list[int] | Absent = None
    dtype: str | Absent = None


class JobError(_Model):
    """Why a job failed."""

    code: Code
    message: str
    hint: str | Absent = None
    observed: str | Absent = None
    limit: str | Absent = None
    retryable: bool


class Result(_Model):
    """Where the inverse is."""

    format: Format
    sha256: str
    bytes: int
    inline: bool = Field(description="Whether it is in the record itself.")
    uri: str | Absent = None
    version_id: str | Absent = None


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
    error: JobError | Absent = None
    result: Result | Absent = None
    certificate: Certificate | Absent = None
    slices: Slices | Absent = None
    timings: dict[str, float] | Absent = None
    warnings: list[str] | Absent = None
    tags: dict[str, str] | Absent = None
    engine: dict[str, str] | Absent = None


class Jobs(_Model):
    """A page of jobs, the most recently updated first."""

    jobs: list[Job]
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


class Upload(_Model):
    """Where the file of a job goes."""

    job_id: JobId
    upload: UploadUrl


class Redriven(_Model):
    """The jobs that were sent back to work."""

    job_ids: list[JobId]


class Health(_Model):
    """The parts of the service answer."""

    status: Literal["ok"]
    version: str


class Complex(_Model):
    """A complex matrix."""

    re: Rows
    im: Rows


class Options(_Model):
    """What a submitter may choose."""

    method: Method | Absent = None
    output: Output | Absent = None
    format: Format | Absent = None
    on_ill_conditioned: OnIllConditioned | Absent = None


class _Named(Options):
    job_id: JobId | Absent = None
    tags: Tags | Absent = None


class Reference(_Model):
    """An object of the inputs bucket."""

    bucket: str = Field(min_length=1, max_length=255)
    key: Key
    version_id: Key | Absent = None


class SmallMatrix(_Named):
    """A matrix to invert at once: either matrix or npy."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "oneOf": [{"required": ["matrix"]}, {"required": ["npy"]}],
            "examples": [{"matrix": [[1, 2], [3, 4]]}],
        },
    )

    v: Literal[1] | Absent = None
    matrix: Rows | Complex | Absent = None
    npy: str | Absent = Field(None, description="A .npy file in base64.")


class Message(SmallMatrix):
    """A matrix to invert: exactly one of matrix, npy and s3."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "oneOf": [{"required": ["matrix"]}, {"required": ["npy"]}, {"required": ["s3"]}],
            "examples": [{"job_id": "exp-42", "matrix": [[1, 2], [3, 4]]}],
        },
    )

    s3: Reference | Absent = None


class UploadForm(_Model):
    """The file that is going to be sent."""

    format: Format
    bytes: int = Field(ge=1, description=f"At most {LARGEST_UPLOAD_BYTES}.")


class UploadRequest(_Named):
    """A request for a URL to upload a file to."""

    upload: UploadForm


class JobQuery(_Model):
    """Which jobs to list."""

    status: Status | Absent = None
    tag: Tag | Absent = Field(None, description="key=value")
    since: str | Absent = Field(None, description="Updated at or after: an ISO 8601 time in UTC.")
    limit: int = Field(50, ge=1, le=100)
    cursor: Cursor | Absent = Field(None, description="What the last page ended with.")
