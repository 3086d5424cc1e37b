"""Snippets: the job that the page shows, as commands and as Python that anybody can run.

Both find the stack by the environment that `matinv env` or `matinv local up` prints; resources are
named outright in the Python, which knows boto3 and numpy alone.
"""

from __future__ import annotations

import shlex
from io import BytesIO
from posixpath import splitext
from typing import Final

from matinv.formats import npy
from matinv.formats.codecs import CODECS, Format
from matinv.jobs.record import Record
from matinv.jobs.request import MESSAGE_SOURCE, Options, answer_options, reference_of
from matinv.settings import Settings

_SEND_MESSAGE: Final = """\
a = np.load("matrix.npy")
text = io.BytesIO()
np.save(text, a)
boto3.client("sqs").send_message(
    QueueUrl={queue!r},
    MessageBody=json.dumps({{
        "job_id": {job_id!r},
        "npy": base64.b64encode(text.getvalue()).decode(),
        "tags": {tags!r},
        **{options!r},
    }}),
)"""
_SEND_FILE: Final = """\
boto3.client("s3").upload_file("matrix{ending}", {bucket!r}, {key!r})"""
_FLAGS: Final = {
    "method": "--method",
    "output": "--output-to",
    "format": "--format",
    "accuracy": "--accuracy",
    "on_ill_conditioned": "--on-ill-conditioned",
}
_FETCH: Final = """\
table = boto3.resource("dynamodb").Table({table!r})
record = table.get_item(Key={{"job_id": {job_id!r}}})["Item"]
print(record["status"], record.get("error", ""))"""
_INLINE: Final = """\
content = record["result"]["inline"]  # small results are in the record"""
_OBJECT: Final = """\
bucket, _, key = record["result"]["uri"].removeprefix("s3://").partition("/")
content = boto3.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()"""


def command_line(record: Record) -> str:
    """Return the commands that submit a job like this one, look at it and fetch its inverse."""
    name = shlex.quote(record.job_id)
    tags = "".join(f" --tag {shlex.quote(f'{key}={text}')}" for key, text in record.tags.items())
    options = "".join(f" {_FLAGS[name]} {text}" for name, text in _options_of(record).items())
    lines = [
        f"matinv submit matrix.npy --job-id {name}{options}{tags} --wait",
        f"matinv status {name} --output json",
    ]
    if record.result:
        kept = record.input.source != MESSAGE_SOURCE
        check = "--verify" if kept else "--verify --input matrix.npy"
        lines.append(f"matinv result {name} -o inverse.npy {check}")
    return "\n".join(lines)


def python(record: Record, settings: Settings) -> str:
    """Return a program that sends a job like this one, and fetches this one's inverse."""
    if record.input.source == MESSAGE_SOURCE:
        send = _SEND_MESSAGE.format(
            queue=settings.jobs_queue_url,
            job_id=record.job_id,
            tags=dict(record.tags),
            options=_options_of(record),
        )
    else:
        key = reference_of(record.input).key
        ending = splitext(key)[1]
        send = _SEND_FILE.format(ending=ending, bucket=settings.inputs_bucket, key=key)
    fetch = _FETCH.format(table=settings.jobs_table, job_id=record.job_id)
    if record.result:
        inline = record.result.inline is not None
        output = CODECS[record.result.format].output
        # boto3 wraps the bytes of a record, which has the elements of a .npy without its header.
        content = "bytes(content)" if inline and not output.is_text else "content"
        read = output.python.format(content=content)
        if record.result.inline and record.result.inline.startswith(npy.MAGIC):
            header = npy.read_header(BytesIO(record.result.inline), None)
            order = ', order="F"' if header.fortran_order else ""
            read = f"np.frombuffer({content}, {header.dtype.str!r}).reshape({header.shape}{order})"
        fetch = f"{fetch}\n{_INLINE if inline else _OBJECT}\ninverse = {read}"
    return "\n".join(
        [
            "import base64, io, json\n\nimport boto3\nimport numpy as np\n",
            f"# send\n{send}\n",
            f"# fetch, once it has ended\n{fetch}",
        ]
    )


def _options_of(record: Record) -> dict[str, str]:
    """Return the options that, with a .npy file, ask the question of this record."""
    usual = answer_options(Options(), Format.NPY)
    return {name: text for name, text in record.options.items() if usual.get(name) != text}
