"""A job record as a DynamoDB item, readable with the plain AWS CLI, and back.

Fields without a value are left out. A number that DynamoDB cannot hold, below 1e-130, above
9.9e125 or a negative zero, is written as a string.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from zlib import crc32

from matinv.errors import Code, ErrorInfo
from matinv.formats.codecs import CODECS, Format
from matinv.jobs.record import InputInfo, Record, ResultInfo, SliceFailure, Slices, Status
from matinv.jobs.runs import STATUSES, RunEntry, RunPlace, entry_of, run_order
from matinv.linalg.certificate import Certificate, Checked, Side

Value = Mapping[str, Any]
Item = Mapping[str, Value]

# All that an item may have: a new revision removes what it has not.
ATTRIBUTES: Final = (
    "job_id",
    "status",
    "listing",
    "input",
    "created_at",
    "updated_at",
    "expires_at",
    "attempts",
    "revision",
    "question",
    "message_id",
    "redrive",
    "message_at_ms",
    "options",
    "error",
    "result",
    "certificate",
    "slices",
    "timings",
    "warnings",
    "tags",
    "engine",
    "run",
    "run_listing",
    "run_place",
    "error_code",
)

# One index key takes 1,000 writes a second, and a full one holds up the table itself.
SHARDS: Final = 8


def item_of(record: Record) -> dict[str, Value]:
    """Return a record as an item in boto3's low-level form."""
    item: dict[str, Value] = {
        "job_id": _text(record.job_id),
        "status": _text(record.status),
        "listing": _text(listing(record.status, shard_of(record.job_id))),
        "input": _input_map(record.input),
        "created_at": _text(record.created_at),
        "updated_at": _text(record.updated_at),
        "expires_at": _number(record.expires_at),
        "attempts": _number(record.attempts),
        "revision": _number(record.revision),
    }
    item |= _question_of(record)
    if record.run:
        item |= _run_of(record)
    if record.error:
        fields = record.error.document()
        retryable = {"BOOL": fields.pop("retryable")}
        item["error"] = {"M": _texts(fields)["M"] | {"retryable": retryable}}
    if record.result:
        item["result"] = _result_map(record.result)
    if record.certificate:
        item["certificate"] = _certificate_map(record.certificate)
    if record.slices:
        item["slices"] = _slices_map(record.slices)
    if record.timings_ms:
        item["timings"] = {"M": {name: _number(ms) for name, ms in record.timings_ms.items()}}
    if record.warnings:
        item["warnings"] = {"L": [_text(warning) for warning in record.warnings]}
    if record.tags:
        item["tags"] = _texts(record.tags)
    if record.engine:
        item["engine"] = _texts(record.engine)
    return item


def _question_of(record: Record) -> dict[str, Value]:
    """Return what a record says of who asked, and of what was asked."""
    texts = {"question": record.question, "message_id": record.message_id}
    numbers = {"redrive": record.redrive, "message_at_ms": record.message_at_ms}
    fields = {name: _text(text) for name, text in texts.items() if text}
    fields |= {name: _number(number) for name, number in numbers.items() if number}
    return fields | ({"options": _texts(record.options)} if record.options else {})


def _run_of(record: Record) -> dict[str, Value]:
    """Return a record's run, and what the index of runs shows of it beside its own fields."""
    fields = {
        "run": record.run,
        "run_listing": f"{record.run}#{shard_of(record.job_id)}",
        "run_place": run_place(entry_of(record).place),
    }
    fields |= {"error_code": record.error.code} if record.error else {}
    return {name: _text(text) for name, text in fields.items()}


def run_entry_of(item: Item) -> RunEntry:
    """Return the entry that an item of the index of runs holds."""
    number, updated_at, job_id = item["run_place"]["S"].split("#", 2)
    status, code = STATUSES[int(number)], _optional_text(item, "error_code")
    return RunEntry(job_id, status, item["created_at"]["S"], updated_at, code)


def record_of(item: Item) -> Record:
    """Return the record that an item holds; attributes of later versions are ignored."""
    source: Item = item["input"]["M"]
    return Record(
        job_id=item["job_id"]["S"],
        status=Status(item["status"]["S"]),
        input=InputInfo(
            source=source["source"]["S"],
            id=source["id"]["S"],
            order=_optional_text(source, "order"),
            size_bytes=_int(source["bytes"]) if "bytes" in source else None,
            shape=tuple(map(_int, source["shape"]["L"])) if "shape" in source else None,
            dtype=_optional_text(source, "dtype"),
            content=_optional_text(source, "content"),
        ),
        created_at=item["created_at"]["S"],
        updated_at=item["updated_at"]["S"],
        expires_at=_int(item["expires_at"]),
        attempts=_int(item["attempts"]),
        redrive=_int(item["redrive"]) if "redrive" in item else 0,
        revision=_int(item["revision"]),
        question=_optional_text(item, "question") or "",
        options={name: text["S"] for name, text in _members(item, "options").items()},
        message_id=_optional_text(item, "message_id") or "",
        message_at_ms=_int(item["message_at_ms"]) if "message_at_ms" in item else 0,
        error=_optional(item, "error", _error_of),
        result=_optional(item, "result", _result_of),
        certificate=_optional(item, "certificate", _certificate_of),
        slices=_optional(item, "slices", _slices_of),
        timings_ms={name: _float(ms) for name, ms in _members(item, "timings").items()},
        warnings=tuple(w["S"] for w in item["warnings"]["L"]) if "warnings" in item else (),
        tags={name: text["S"] for name, text in _members(item, "tags").items()},
        run=_optional_text(item, "run") or "",
        engine={name: text["S"] for name, text in _members(item, "engine").items()},
    )


def listing(status: Status, shard: int) -> str:
    """Return the key under which the index lists a part of the records in `status`."""
    return f"{status}#{shard}"


def run_place(place: RunPlace) -> str:
    """Return a place in a run as text that sorts as `run_order` does."""
    return "#".join(map(str, run_order(place)))


def shard_of(job_id: str) -> int:
    """Return the part of an index in which a job is listed."""
    return crc32(job_id.encode()) % SHARDS


def _input_map(info: InputInfo) -> Value:
    fields: dict[str, Value] = {"source": _text(info.source), "id": _text(info.id)}
    if info.order is not None:
        fields["order"] = _text(info.order)
    if info.size_bytes is not None:
        fields["bytes"] = _number(info.size_bytes)
    if info.shape is not None:
        fields["shape"] = {"L": [_number(length) for length in info.shape]}
    if info.dtype is not None:
        fields["dtype"] = _text(info.dtype)
    if info.content is not None:
        fields["content"] = _text(info.content)
    return {"M": fields}


def _error_of(fields: Item) -> ErrorInfo:
    return ErrorInfo(
        code=Code(fields["code"]["S"]),
        message=_optional_text(fields, "message") or "",
        hint=_optional_text(fields, "hint") or "",
        observed=_optional_text(fields, "observed"),
        limit=_optional_text(fields, "limit"),
    )


def _result_map(result: ResultInfo) -> Value:
    fields: dict[str, Value] = {
        "format": _text(result.format),
        "sha256": _text(result.sha256),
        "bytes": _number(result.size_bytes),
    }
    if result.uri is not None:
        fields["uri"] = _text(result.uri)
    if result.version_id is not None:
        fields["version_id"] = _text(result.version_id)
    if result.inline is not None:
        is_text = CODECS[result.format].output.is_text
        fields["inline"] = _text(result.inline.decode()) if is_text else {"B": result.inline}
    return {"M": fields}


def _result_of(fields: Item) -> ResultInfo:
    return ResultInfo(
        format=Format(fields["format"]["S"]),
        sha256=fields["sha256"]["S"],
        size_bytes=_int(fields["bytes"]),
        uri=_optional_text(fields, "uri"),
        version_id=_optional_text(fields, "version_id"),
        inline=_optional(fields, "inline", _bytes_of),
    )


def _bytes_of(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _certificate_map(certificate: Certificate) -> Value:
    names = ("rank", "gap", "log_abs_det", "sign")
    optional = {name: getattr(certificate, name) for name in names}
    return {
        "M": {
            **{name: _signed(value) for name, value in optional.items() if value is not None},
            "rcond_1": _number(certificate.rcond_1),
            "residual": _number(certificate.residual),
            "side": _text(certificate.side),
            "digits": _number(certificate.digits),
            "method": _text(certificate.method),
            "routine": _text(certificate.routine),
            "checked": _text(certificate.checked),
            "scaled": {"BOOL": certificate.scaled},
            "regular": {"BOOL": certificate.regular},
        }
    }


def _signed(number: complex) -> Value:
    if isinstance(number, complex):
        return {"M": {"re": _number(number.real), "im": _number(number.imag)}}
    return _number(number)


def _sign_of(value: Any) -> complex:
    if isinstance(value, Mapping):
        return complex(_float(value["re"]), _float(value["im"]))
    return float(value)


def _certificate_of(fields: Item) -> Certificate:
    return Certificate(
        rcond_1=_float(fields["rcond_1"]),
        residual=_float(fields["residual"]),
        side=Side(fields["side"]["S"]),
        digits=_float(fields["digits"]),
        method=fields["method"]["S"],
        routine=fields["routine"]["S"],
        checked=Checked(fields["checked"]["S"]),
        scaled=fields["scaled"]["BOOL"],
        regular=fields["regular"]["BOOL"] if "regular" in fields else False,
        rank=_int(fields["rank"]) if "rank" in fields else None,
        gap=_float(fields["gap"]) if "gap" in fields else None,
        log_abs_det=_float(fields["log_abs_det"]) if "log_abs_det" in fields else None,
        sign=_optional(fields, "sign", _sign_of),
    )


def _slices_map(slices: Slices) -> Value:
    fields: dict[str, Value] = {"count": _number(slices.count), "failed": _number(slices.failed)}
    if slices.failures:
        fields["failures"] = {
            "L": [
                {
                    "M": {
                        "index": _number(f.index),
                        "code": _text(f.code),
                        "message": _text(f.message),
                    }
                }
                for f in slices.failures
            ]
        }
    return {"M": fields}


def _slices_of(fields: Item) -> Slices:
    failures = [value["M"] for value in fields["failures"]["L"]] if "failures" in fields else []
    return Slices(
        count=_int(fields["count"]),
        failed=_int(fields["failed"]),
        failures=tuple(
            SliceFailure(_int(f["index"]), f["code"]["S"], f["message"]["S"]) for f in failures
        ),
    )


def _text(text: str) -> Value:
    return {"S": str(text)}


def _texts(pairs: Mapping[str, str]) -> Value:
    return {"M": {name: _text(text) for name, text in pairs.items()}}


def _number(number: float) -> Value:
    """Return an attribute value that reads back as the very same float64 or int."""
    if isinstance(number, int):
        return {"N": str(number)}
    digits = repr(float(number))  # numpy's repr is another
    if 1e-130 <= abs(number) < 1e126 or digits == "0.0":
        return {"N": digits}
    return {"S": digits}


def _float(value: Value) -> float:
    (digits,) = value.values()
    return float(digits)


def _int(value: Value) -> int:
    return int(value["N"])


def _members(item: Item, name: str) -> Item:
    return item[name]["M"] if name in item else {}


def _optional_text(fields: Item, name: str) -> str | None:
    return fields[name]["S"] if name in fields else None


def _optional(fields: Item, name: str, read: Callable[[Any], Any]) -> Any:
    if name not in fields:
        return None
    (value,) = fields[name].values()
    return read(value)
