"""A job record as a DynamoDB item, and back.

Status, result and error stand in it as anybody reads them with the AWS CLI or boto3; of a small
.npy result the elements alone, and their dtype, shape and, if it is not C, their order as one
string, ``<f8 8 8 F``. All else that a record says is one attribute, ``facts``: JSON, deflated with
a dictionary that holds the names and the usual values. So the record of a small matrix with its
inverse is below a kibibyte, which is what DynamoDB charges a write by: n = 8 takes 0.95 of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from math import isfinite
from typing import Any, Final

import orjson

from matinv.errors import Code, ErrorInfo, Refused
from matinv.formats import npy, npy_header
from matinv.formats.codecs import CODECS, Format
from matinv.jobs.ownership import digest_of
from matinv.jobs.record import (
    InputInfo,
    JobCost,
    Progress,
    Record,
    ResultInfo,
    SliceFailure,
    Slices,
    Status,
)
from matinv.jobs.runs import STATUSES, RunEntry, RunPlace, entry_of, run_order
from matinv.linalg.certificate import Certificate

Value = Mapping[str, Any]
Item = Mapping[str, Value]

# All that an item may have: a new revision removes what it has not.
ATTRIBUTES: Final = (
    "job_id",
    "status",
    "listing",
    "updated_at",
    "expires_at",
    "revision",
    "facts",
    "result",
    "error",
    "run",
    "run_listing",
    "run_place",
    "created_at",
    "error_code",
)

# One index key takes 1,000 writes a second, and a full one holds up the table itself.
SHARDS: Final = 8

# Records in the table were packed with it: another one is a new attribute beside `facts`. What is
# most frequent stands last, where zlib finds it cheapest.
_DICTIONARY: Final = (
    b'"warnings":["ILL_CONDITIONED","RANK_DEFICIENT","UNDERFLOW"],"slices":{"count":2,"failed":1,'
    b'"failures":[{"index":0,"code":"SINGULAR","message":"'
    b'"routine":"closed-form","routine":"getrf+getri","routine":"potrf+potri","routine":"sweep",'
    b'"routine":"gauss-jordan","routine":"geqrf","routine":"pairs","routine":"arb","method":"spd",'
    b'"method":"pinv","routine":"gesdd","rank":1,"gap":1,"checked":"probe","checked":"verified",'
    b'"side":"left","scaled":true,"format":"json","format":"npz","output":"s3","output":"dynamodb",'
    b'"dtype":"float32","dtype":"complex128","dtype":"complex64","dtype":"int64",'
    b'"on_ill_conditioned":"fail","accuracy":"verified","redrive":1,"content":"'
    b'"version_id":"","load_ms":0.0,"publish_ms":0.0,"tags":{"team":"'
    b'{"input":{"source":"s3://matinv-inputs-","id":"version:","order":"00'
    b'{"input":{"source":"message","id":"sha256:","order":null,"size_bytes":856,'
    b'"shape":[8,8],"dtype":"float64","content":null},"created_at":"2026-12-01T00:00:00.000Z",'
    b'"attempts":1,"question":1,'
    b'"options":{"method":"auto","output":"auto","format":"npy","on_ill_conditioned":"warn",'
    b'"accuracy":"standard"},"message_id":"","message_at_ms":1790000000000,'
    b'"result":{"sha256":"","size_bytes":640},"certificate":{"rcond_1":0.0,"residual":0.0,'
    b'"side":"right","digits":15.0,"method":"general","routine":"gauss-jordan+schulz",'
    b'"checked":"full","scaled":false,"regular":true,"rank":null,"gap":null,"log_abs_det":1.0,'
    b'"sign":1.0},'
    b'"timings":{"queued_ms":100.0,"invert_ms":0.0},"cost":{"gb_s":0.0,"usd":0.0},'
    b'"engine":{"version":"0.1.0","numpy":"2.3.5","blas":"openblas 0.3.30","arch":"aarch64",'
    b'"threads":"1"}}'
)
# A window of 4 KiB and little memory: zlib's own take 60 µs to set up, these 5.
_WINDOW: Final = 12
_MEMORY: Final = 5

_DERIVED: Final = 1  # a question that its input and its options tell
_INPUT: Final = tuple(InputInfo.__slots__)
_ERROR: Final = frozenset(ErrorInfo.__slots__)
_NUMBERS: Final = ("rcond_1", "residual", "digits", "gap", "log_abs_det")


def item_of(record: Record) -> dict[str, Value]:
    """Return a record as an item in boto3's low-level form."""
    item: dict[str, Value] = {
        "job_id": _text(record.job_id),
        "status": _text(record.status),
        "listing": _text(listing(record.status, shard_of(record.job_id))),
        "updated_at": _text(record.updated_at),
        "expires_at": _number(record.expires_at),
        "revision": _number(record.revision),
        "facts": {"B": _deflated(_facts_of(record))},
    }
    if record.run:
        item |= _run_of(record)
    if record.error:
        fields = record.error.document()
        retryable = {"BOOL": fields.pop("retryable")}
        texts = {name: _text(text) for name, text in fields.items()}
        item["error"] = {"M": texts | {"retryable": retryable}}
    if record.result:
        item["result"] = _result_map(record.result)
    return item


def _run_of(record: Record) -> dict[str, Value]:
    """Return a record's attributes in the index of runs."""
    entry = entry_of(record)
    fields = {
        "run": record.run,
        "run_listing": f"{record.run}#{shard_of(record.job_id)}",
        "run_place": run_place(entry.place),
        "created_at": record.created_at,
    }
    # The index of a deployed table cannot be given another attribute, and no job has both.
    said = entry.error_code or entry.warning
    fields |= {"error_code": said} if said else {}
    return {name: _text(text) for name, text in fields.items()}


def run_entry_of(item: Item) -> RunEntry:
    """Return the entry that an item of the index of runs holds."""
    number, updated_at, job_id = item["run_place"]["S"].split("#", 2)
    status, said = STATUSES[int(number)], _optional_text(item, "error_code")
    code, warning = (None, said) if status.succeeded else (said, None)
    return RunEntry(job_id, status, item["created_at"]["S"], updated_at, code, warning)


def record_of(item: Item) -> Record:
    """Return the record that an item holds; attributes and facts of later versions are ignored."""
    facts = orjson.loads(_inflated(item["facts"]["B"]))
    input_ = InputInfo(**{name: facts["input"].get(name) for name in _INPUT})
    if input_.shape is not None:
        input_ = replace(input_, shape=tuple(input_.shape))
    options, question = facts.get("options", {}), facts.get("question", "")
    return Record(
        job_id=item["job_id"]["S"],
        status=Status(item["status"]["S"]),
        input=input_,
        created_at=facts["created_at"],
        updated_at=item["updated_at"]["S"],
        expires_at=int(item["expires_at"]["N"]),
        attempts=facts.get("attempts", 0),
        redrive=facts.get("redrive", 0),
        revision=int(item["revision"]["N"]),
        question=digest_of(input_, options) if question == _DERIVED else question,
        options=options,
        message_id=facts.get("message_id", ""),
        message_at_ms=facts.get("message_at_ms", 0),
        error=_error_of(item["error"]["M"]) if "error" in item else None,
        result=_result_of(item["result"]["M"], facts["result"]) if "result" in item else None,
        certificate=_certificate_of(facts["certificate"]) if "certificate" in facts else None,
        slices=_slices_of(facts["slices"]) if "slices" in facts else None,
        progress=Progress(**facts["progress"]) if "progress" in facts else None,
        timings_ms={name: float(ms) for name, ms in facts.get("timings", {}).items()},
        cost=JobCost(**facts["cost"]) if "cost" in facts else None,
        warnings=tuple(facts.get("warnings", ())),
        tags=facts.get("tags", {}),
        run=_optional_text(item, "run") or "",
        engine=facts.get("engine", {}),
    )


def listing(status: Status, shard: int) -> str:
    """Return the key under which the index lists a part of the records in `status`."""
    return f"{status}#{shard}"


def run_place(place: RunPlace) -> str:
    """Return a place in a run as text that sorts as `run_order` does."""
    return "#".join(map(str, run_order(place)))


def shard_of(job_id: str) -> int:
    """Return the part of an index in which a job is listed."""
    return zlib.crc32(job_id.encode()) % SHARDS


def _facts_of(record: Record) -> bytes:
    """Return all that an item does not show by itself, as JSON: first what nearly all have."""
    options, certificate, result = record.options, record.certificate, record.result
    derived = options and record.question == digest_of(record.input, options)
    facts: dict[str, Any] = {
        "input": record.input,
        "created_at": record.created_at,
        "attempts": record.attempts,
        "question": _DERIVED if derived else record.question,
        "options": options,
        "message_id": record.message_id,
        "message_at_ms": record.message_at_ms,
        "result": result and {"sha256": result.sha256, "size_bytes": result.size_bytes},
        "certificate": certificate,
        "timings": record.timings_ms,
        "cost": record.cost,
        "engine": record.engine,
        "redrive": record.redrive,
        "slices": record.slices,
        "warnings": record.warnings,
        "progress": record.progress,
        "tags": record.tags,
    }
    if certificate:
        numbers = [getattr(certificate, name) or 0.0 for name in _NUMBERS]
        if not isfinite(sum(numbers)):
            facts["certificate"] = _finite(certificate.document())
    if result and result.part_bytes is not None:
        facts["result"] |= {"part_bytes": result.part_bytes}
    if not isfinite(sum(record.timings_ms.values())):
        facts["timings"] = _finite(record.timings_ms)
    known = {name: fact for name, fact in facts.items() if fact}
    return orjson.dumps(known, _of_complex, option=orjson.OPT_SERIALIZE_NUMPY)


def _of_complex(number: complex) -> dict[str, float]:
    return {"re": number.real, "im": number.imag}


def _deflated(text: bytes) -> bytes:
    packer = zlib.compressobj(
        wbits=_WINDOW, memLevel=_MEMORY, method=zlib.DEFLATED, zdict=_DICTIONARY
    )
    return packer.compress(text) + packer.flush()


def _inflated(packed: Any) -> bytes:
    # boto3 wraps bytes in a class of its own where items are read by `Table`.
    return zlib.decompressobj(wbits=_WINDOW, zdict=_DICTIONARY).decompress(bytes(packed))


def _finite(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """Return numbers as JSON can hold them: those that are not finite as strings."""
    return {
        name: repr(float(value)) if isinstance(value, float) and not isfinite(value) else value
        for name, value in numbers.items()
    }


def _certificate_of(fields: Mapping[str, Any]) -> Certificate:
    texts = {name: float(text) for name in _NUMBERS if isinstance(text := fields.get(name), str)}
    return Certificate.of({**fields, **texts})


def _slices_of(fields: Mapping[str, Any]) -> Slices:
    failures = tuple(SliceFailure(**failure) for failure in fields["failures"])
    return Slices(fields["count"], fields["failed"], failures)


def _error_of(fields: Item) -> ErrorInfo:
    texts = {name: value["S"] for name, value in fields.items() if name in _ERROR}
    return ErrorInfo(**{"message": "", **texts, "code": Code(texts["code"])})


def _result_map(result: ResultInfo) -> Value:
    fields: dict[str, Value] = {"format": _text(result.format)}
    if result.uri is not None:
        fields["uri"] = _text(result.uri)
    if result.version_id is not None:
        fields["version_id"] = _text(result.version_id)
    if result.inline is not None:
        if array := _array_of(head := _npy_head(result.inline)):
            fields["array"] = _text(array)
            fields["inline"] = {"B": result.inline[len(head) :]}
        else:
            is_text = CODECS[result.format].output.is_text
            fields["inline"] = _text(result.inline.decode()) if is_text else {"B": result.inline}
    return {"M": fields}


def _npy_head(content: bytes) -> bytes:
    """Return the header of a .npy file of version 1.0, empty if it is none."""
    if not content.startswith(npy.MAGIC + b"\x01\x00"):
        return b""
    return content[: 10 + int.from_bytes(content[8:10], "little")]


@lru_cache(maxsize=256)
def _array_of(head: bytes) -> str:
    """Return the header of a .npy file in few words, empty if it is not as this one writes it."""
    if not head:
        return ""
    try:
        header = npy_header.parse(head[10:].decode("latin-1"))
    except Refused:
        return ""
    order = " F" if header.fortran_order else ""
    array = f"{header.dtype.str} {' '.join(map(str, header.shape))}{order}"
    return array if _head_of(array) == head else ""


@lru_cache(maxsize=256)
def _head_of(array: str) -> bytes:
    """Return the header of a .npy file from the text of `_array_of`."""
    dtype, *shape = array.removesuffix(" F").split()
    return npy.head(dtype, tuple(map(int, shape)), fortran_order=array.endswith(" F"))


def _result_of(fields: Item, facts: Mapping[str, Any]) -> ResultInfo:
    inline = None
    if "inline" in fields:
        ((_, content),) = fields["inline"].items()
        inline = content.encode() if isinstance(content, str) else bytes(content)
        if "array" in fields:
            inline = _head_of(fields["array"]["S"]) + inline
    return ResultInfo(
        Format(fields["format"]["S"]),
        facts["sha256"],
        facts["size_bytes"],
        _optional_text(fields, "uri"),
        _optional_text(fields, "version_id"),
        inline,
        facts.get("part_bytes"),
    )


def _text(text: str) -> Value:
    return {"S": str(text)}


def _number(number: int) -> Value:
    return {"N": str(number)}


def _optional_text(fields: Item, name: str) -> str | None:
    return fields[name]["S"] if name in fields else None
