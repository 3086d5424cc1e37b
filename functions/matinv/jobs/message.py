"""Messages of schema version 1, and files that hold one: text in, a `Request` out, and back.

Checks come in an order that lets an error name its job: JSON, version, job id, fields, matrix.
Fields are checked by pydantic's engine; it and a schema take 25 ms of a cold start, to which its
models would add 90.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from io import BytesIO
from typing import Any, Final
from urllib.parse import quote, unquote

from pydantic_core import SchemaValidator, ValidationError
from pydantic_core import core_schema as cs

from matinv.errors import Code, MatinvError, Refused
from matinv.formats import json_matrix, json_text
from matinv.formats.codecs import CODECS, Format, Headed, either
from matinv.formats.foreign import check_layout, is_split, of_pandas, unwrapped, without_mark
from matinv.formats.result import Result
from matinv.jobs.ids import checked_id, hashed_id, job_id_of
from matinv.jobs.request import Inline, Options, Output, Reference, Request, answer_options
from matinv.jobs.runs import RUN_BYTES, checked_run
from matinv.linalg.types import Accuracy, Method, OnIllConditioned

VERSION: Final = 1

# The fields that hold a file in base64, and its format.
_FILES: Final = {
    codec.input.message_field: (form, codec.input)
    for form, codec in CODECS.items()
    if isinstance(codec.input, Headed) and codec.input.message_field
}
INPUTS: Final = ("matrix", *_FILES, "s3")
_METADATA_PREFIX: Final = "matinv-"
_TAG_PREFIX: Final = "tag-"

# Older versions of the client call the class MessageS3Pointer.
_POINTER: Final = re.compile(rb'[ \t\r\n]*+\[[ \t\r\n]*+"[A-Za-z.]{1,100}S3Pointer"')
_OBJECTS: Final = re.compile(rb"[ \t\r\n]*+\[[ \t\r\n]*+\{")
_ROWS: Final = re.compile(rb"\[[ \t\r\n]*+\[")

# Metadata of a file that its sender wrote for itself and for the worker's `matinv.jobs.ownership`.
REPLACE: Final = "matinv-replace"
CONTENT: Final = "matinv-content"  # the SHA-256 of the file
_NO_OPTIONS: Final = frozenset({REPLACE, CONTENT})

Fields = dict[str, cs.TypedDictField]
Schema = Callable[[], cs.TypedDictSchema]
"""Functions, because a schema is made when the first object comes that it is for."""


def object_schema(fields: Fields, others: cs.ExtraBehavior = "forbid") -> cs.TypedDictSchema:
    """Return the schema of a JSON object that may have `fields`, and others or not."""
    config = cs.CoreConfig(strict=True, extra_fields_behavior=others)
    return cs.typed_dict_schema(fields, total=False, config=config)


@cache
def options_schema() -> cs.TypedDictSchema:
    """Return the schema of options, as a message or an object's metadata spells them."""
    # The lengths of tags are those that AWS allows for the tags of its resources.
    name, value = cs.str_schema(min_length=1, max_length=128), cs.str_schema(max_length=256)
    return object_schema(
        {
            "method": _one_of(Method),
            "accuracy": _one_of(Accuracy),
            "output": _one_of(Output),
            "format": _one_of(Format),
            "on_ill_conditioned": _one_of(OnIllConditioned),
            "tags": cs.typed_dict_field(cs.dict_schema(name, value, max_length=10)),
            "run": cs.typed_dict_field(
                cs.no_info_after_validator_function(
                    checked_run, cs.str_schema(min_length=1, max_length=RUN_BYTES)
                )
            ),
            # SQS keeps no message longer than 14 days.
            "expires_in_s": cs.typed_dict_field(cs.int_schema(ge=1, le=14 * 86_400)),
        }
    )


@cache
def message_schema() -> cs.TypedDictSchema:
    """Return the schema of a message."""
    # An object in S3; its key is written as it is, not form-encoded.
    name, text = (cs.str_schema(min_length=1, max_length=most) for most in (255, 1024))
    reference = object_schema(
        {
            "bucket": cs.typed_dict_field(name, required=True),
            "key": cs.typed_dict_field(text, required=True),
            "version_id": cs.typed_dict_field(cs.nullable_schema(text)),
            "order": cs.typed_dict_field(cs.nullable_schema(cs.str_schema(max_length=64))),
        }
    )
    return object_schema(
        {
            **options_schema()["fields"],
            "v": cs.typed_dict_field(cs.int_schema(ge=VERSION, le=VERSION)),
            "job_id": cs.typed_dict_field(cs.str_schema()),
            "matrix": cs.typed_dict_field(cs.any_schema()),
            **{file: cs.typed_dict_field(cs.nullable_schema(cs.str_schema())) for file in _FILES},
            "s3": cs.typed_dict_field(cs.nullable_schema(reference)),
            "redrive": cs.typed_dict_field(cs.int_schema(ge=1, le=2**31)),
            "replace": cs.typed_dict_field(cs.bool_schema()),
        }
    )


def _one_of(choices: type[StrEnum]) -> cs.TypedDictField:
    schema = cs.enum_schema(choices, list(choices), sub_type="str", strict=False)
    return cs.typed_dict_field(schema)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A job id, and the job, or why there is none."""

    job_id: str
    content: Request | MatinvError


def parse_message(body: bytes) -> Parsed:
    """Parse the body of a message; never raises.

    The job id of a body that is refused and names no valid one is the hash of the body.
    """
    try:
        tree = json_text.parse(body, Code.BAD_MESSAGE)
    except Refused as error:
        return Parsed(hashed_id(body), error)
    return parse_tree(tree, body)


def parse_tree(tree: object, body: bytes) -> Parsed:
    """Do the same for a body that `matinv.formats.json_text` has parsed into `tree` already."""
    try:
        request = _request(_checked(tree))
    except Refused as error:
        named = None
        with suppress(Refused):  # the job id that the body names, if it is a valid one
            if isinstance(tree, dict) and "job_id" in tree:
                named = checked_id(tree["job_id"])
        return Parsed(named or hashed_id(body), error)
    return Parsed(request.job_id, request)


def encode(request: Request, content: Sequence[bytes | memoryview] | None = None) -> str:
    """Return the body of a message that `parse_message` reads as `request`.

    Parameters
    ----------
    request : Request
        Not of a dropped file.
    content : sequence of bytes or memoryview, optional
        The matrix as a file of its format, if there is one; written anew by default.
    """
    fields: dict[str, Any] = {"job_id": request.job_id, **fields_of(request.options)}
    if request.redrive:
        fields["redrive"] = request.redrive
    match request.input:
        case Inline(array=array, format=form):
            file = CODECS[form].input
            if isinstance(file, Headed) and file.message_field:
                parts = content or CODECS[form].output.write(Result(array, (), {}))
                text = binascii.b2a_base64(b"".join(parts), newline=False).decode()
                matrix = f'"{file.message_field}":"{text}"'
            else:
                matrix = f'"matrix":{json_matrix.encode(array).decode()}'
        case Reference(bucket, key, version_id, _, order):
            named = {"bucket": bucket, "key": key, "version_id": version_id, "order": order}
            matrix = f'"s3":{json.dumps({k: v for k, v in named.items() if v is not None})}'
    # json.dumps escapes whatever is not ASCII: XML, and so SQS, does not take all of it.
    return f"{json.dumps(fields)[:-1]},{matrix}}}"


def fields_of(options: Options) -> dict[str, Any]:
    """Return the options that differ from the defaults, or were named, as a message has them."""
    default = Options()
    chosen = {name: getattr(options, name) for name in options_schema()["fields"]}
    fields = {
        name: value
        for name, value in chosen.items()
        if (value or value == 0)  # which is no time to expire in, and refused
        and (value != getattr(default, name) or name in options.named)
    }
    return fields | ({"tags": dict(options.tags)} if options.tags else {})


def parse_file(text: bytes, request: Request) -> tuple[Inline, Options]:
    """Read a dropped .json file: a matrix, or a message without ``s3``.

    Parameters
    ----------
    text : bytes
        The whole file.
    request : Request
        The request as known so far; options in the file win over its own.

    Raises
    ------
    Refused
        BAD_FORMAT for text that is not JSON; BAD_JOB_ID, if the file names another job than its
        key; else as for a message.
    """
    tree = unwrapped(json_text.parse(without_mark(text), Code.BAD_FORMAT))
    if not isinstance(tree, dict) or tree.keys() & {"re", "im"}:
        matrix = json_matrix.matrix_of(tree, Code.BAD_FORMAT)
        return Inline(matrix, Format.JSON, len(text)), request.options
    fields = _checked(tree)
    if alien := fields.keys() & {"s3", "redrive", "replace"}:
        raise Refused(
            Code.BAD_MESSAGE,
            "the file has a field that only messages have",
            "leave it out, or send the content to the jobs queue",
            observed=", ".join(sorted(alien)),
        )
    if fields.get("job_id", request.job_id) != request.job_id:
        raise Refused(
            Code.BAD_JOB_ID,
            "the file's job_id differs from its key",
            "leave job_id out of files: it is the key without its extension",
            observed=fields["job_id"],
            limit=request.job_id,
        )
    return _inline(fields, Code.BAD_FORMAT), over(request.options, fields)


def options_of_metadata(metadata: Mapping[str, str]) -> Options:
    """Return the options in an object's metadata: ``matinv-method``, ``matinv-tag-…`` and so on.

    The name of a run is percent-encoded, since S3 keeps ASCII alone.

    Raises
    ------
    Refused
        BAD_MESSAGE, for a value or a ``matinv-`` name that does not exist.
    """
    ours = {
        key.lower().removeprefix(_METADATA_PREFIX): value
        for key, value in metadata.items()
        if key.lower().startswith(_METADATA_PREFIX) and key.lower() not in _NO_OPTIONS
    }
    if not ours:
        return Options()
    tags = {
        name.removeprefix(_TAG_PREFIX): value
        for name, value in ours.items()
        if name.startswith(_TAG_PREFIX)
    }
    fields: dict[str, Any] = {"tags": tags} if tags else {}
    fields |= {
        name.replace("-", "_"): value
        for name, value in ours.items()
        if not name.startswith(_TAG_PREFIX)
    }
    if "run" in fields:
        fields["run"] = unquote(fields["run"])
    if re.fullmatch("[0-9]{1,9}", fields.get("expires_in_s", "")):
        fields["expires_in_s"] = int(fields["expires_in_s"])
    return over(Options(), validated(options_schema, fields))


def replaces(metadata: Mapping[str, str]) -> bool:
    """Whether the metadata of a file lets its question take the job id from another one."""
    return metadata.get(REPLACE) == "true"


def metadata_of(options: Options) -> dict[str, str]:
    """Return options as the metadata of an object, which `options_of_metadata` reads.

    Raises
    ------
    Refused
        BAD_MESSAGE, for tags that S3 would not give back as they are.
    """
    fields = fields_of(options)
    tags = fields.pop("tags", {})
    if options.run:
        fields["run"] = quote(options.run, safe="/ ")
    metadata = {_METADATA_PREFIX + name.replace("_", "-"): str(v) for name, v in fields.items()}
    metadata |= {_METADATA_PREFIX + _TAG_PREFIX + name: text for name, text in tags.items()}
    texts = [*metadata, *metadata.values()]
    changed = [text for text in texts if not (text.isascii() and text.isprintable())]
    if changed or options_of_metadata(metadata) != options:
        raise Refused(
            Code.BAD_MESSAGE,
            "a tag of a matrix that is too large for a message cannot be written as S3 metadata",
            "write its key in lower case, and key and value in ASCII",
            observed=changed[0] if changed else ", ".join(tags),
            limit="keys in lower-case ASCII, values in ASCII",
        )
    return metadata


def id_of_content(inline: Inline, options: Options) -> str:
    """Return the id of a job that was given none: equal for the same matrix and question.

    Blanks in the text, ``1`` or ``1.0``, and tags make no difference.
    """
    asked = answer_options(options, inline.format).values()
    return hashed_id(" ".join((inline.digest, *asked)).encode())


def checked_options(options: Options) -> Options:
    """Return options that a caller put together, as a message would hold them.

    Raises
    ------
    Refused
        BAD_MESSAGE, for the first one that no message may have.
    """
    return over(options, validated(options_schema, fields_of(options)))


def validated(schema: Schema, tree: object) -> dict[str, Any]:
    """Return those fields of `schema` that `tree` has.

    Raises
    ------
    Refused
        BAD_MESSAGE, for the first field that is wrong.
    """
    try:
        found: dict[str, Any] = _validator(schema).validate_python(tree)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        if first["type"] == "extra_forbidden":
            raise Refused(
                Code.BAD_MESSAGE,
                f"there is no field {where}",
                "check its spelling: unknown fields are refused, lest an option has no effect",
                observed=where,
                limit=", ".join(schema()["fields"]),
            ) from None
        value: Any = tree  # then what stands at the field's path, None if it leads nowhere
        for name in first["loc"]:
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, list):
            raise Refused(
                Code.BAD_MESSAGE,
                f"field {where}: it is a list, and must be a single value",
                "write the value without brackets; in R: jsonlite::toJSON(x, auto_unbox = TRUE)",
                observed=f"a list of {len(value)}",
            ) from None
        raise Refused(
            Code.BAD_MESSAGE,
            f"field {where}: {first['msg'][:1].lower()}{first['msg'][1:]}",
            "functions/matinv/jobs/README.md lists the fields of a message and their values",
        ) from None
    if "accuracy" in found:
        over(Options(), found)  # whether they go together
    return found


@cache
def _validator(schema: Schema) -> SchemaValidator:
    return SchemaValidator(schema())


def over(options: Options, fields: Mapping[str, Any]) -> Options:
    """Return `options` with those in `fields` in place of its own.

    Raises
    ------
    Refused
        BAD_MESSAGE, if they do not go together, wherever each of them comes from.
    """
    chosen = {name: fields[name] for name in options_schema()["fields"] if name in fields}
    if not chosen:
        return options
    both = replace(options, **chosen, named=options.named | chosen.keys())
    if both.accuracy is Accuracy.VERIFIED and both.method is Method.PINV:
        raise Refused(
            Code.BAD_MESSAGE,
            "a pseudo-inverse cannot be verified: its rank is a choice",
            'leave "accuracy" out, or use another "method"',
            observed="pinv",
            limit="auto, general, spd",
        )
    return both


def _checked(tree: object) -> dict[str, Any]:
    if isinstance(tree, json_text.Unread) and _POINTER.match(tree.text, tree.start, tree.end):
        # Amazon's extended client for SQS: ["….PayloadS3Pointer", {"s3BucketName": …, "s3Key": …}].
        match json_text.loads(tree.text[tree.start : tree.end], Code.BAD_MESSAGE):
            case [str(), {"s3BucketName": str(bucket), "s3Key": str(key)}]:
                tree = {"s3": {"bucket": bucket, "key": key}}
    elif isinstance(tree, json_text.Unread) and _OBJECTS.match(tree.text, tree.start, tree.end):
        match json_text.loads(tree.text[tree.start : tree.end], Code.BAD_MESSAGE):
            case [dict() as first, *_] if first.keys() & set(INPUTS):
                raise Refused(
                    Code.BAD_MESSAGE,
                    "the message is a list of messages",
                    "send each of them as a message of its own",
                )
        raise of_pandas("records")
    if not isinstance(tree, dict):
        raise Refused(
            Code.BAD_MESSAGE,
            "the message is not a JSON object",
            'send {"matrix": [[1, 2], [3, 4]]}, or the same with "npy" or "s3"',
        )
    version = tree.get("v", VERSION)
    if type(version) is int and version != VERSION:
        raise Refused(
            Code.UNSUPPORTED_VERSION,
            "this worker does not know the message's schema version",
            "send version 1, or deploy a newer worker",
            observed=version,
            limit=VERSION,
        )
    named = {"job_id": checked_id(tree["job_id"])} if "job_id" in tree else {}
    unknown = tree.keys() - message_schema()["fields"].keys()
    if unknown and not tree.keys() & set(INPUTS):
        _check_whole(tree, unknown)
    return validated(message_schema, tree) | named


def _check_whole(tree: Mapping[str, Any], unknown: Set[str]) -> None:
    """Refuse an object without an input that is the matrix itself, or has it in another field.

    Raises
    ------
    Refused
        BAD_FORMAT for a table of pandas, else BAD_MESSAGE.
    """
    if is_split(tree) or tree.keys() == {"re", "im"}:
        raise Refused(
            Code.BAD_MESSAGE,
            "the message is a bare matrix",
            'send {"matrix": …} with it inside',
            observed=", ".join(tree),
            limit=", ".join(INPUTS),
        )
    check_layout(tree)
    for name in sorted(unknown):
        value = tree[name]
        unread = isinstance(value, json_text.Unread) and _ROWS.match(value.text, value.start)
        if unread or (isinstance(value, list) and value and isinstance(value[0], list)):
            raise Refused(
                Code.BAD_MESSAGE,
                f"there is no field {name}",
                'name the field with the matrix like this: {"matrix": [[…]]}',
                observed=name,
                limit=", ".join(INPUTS),
            )


def _request(fields: Mapping[str, Any]) -> Request:
    options = over(Options(), fields)
    job_id, redrive = fields.get("job_id"), fields.get("redrive", 0)
    takes = fields.get("replace", False)
    if _only(fields, "s3") and fields["s3"] is not None:
        reference = Reference(**fields["s3"])
        job_id = job_id or job_id_of(reference.key)
        return Request(job_id, reference, options, redrive, replace=takes)
    inline = _inline(fields, Code.BAD_MESSAGE)
    job_id = job_id or id_of_content(inline, options)
    return Request(job_id, inline, options, redrive, replace=takes)


def _inline(fields: Mapping[str, Any], syntax: Code) -> Inline:
    if _only(fields, "matrix"):
        value = fields["matrix"]
        arrays = value.values() if isinstance(value, dict) else (value,)
        size_bytes = sum(one.size_bytes for one in arrays if isinstance(one, json_text.Unread))
        return Inline(json_matrix.matrix_of(value, syntax), Format.JSON, size_bytes)
    for name, (form, file) in _FILES.items():
        if _only(fields, name) and fields[name] is not None:
            try:
                data = binascii.a2b_base64(fields[name], strict_mode=True)
            except ValueError as error:
                raise Refused(
                    Code.BAD_FORMAT,
                    f"the {name} field is not base64: {error}",
                    "use the standard alphabet with padding and without blanks or line breaks",
                ) from None
            return Inline(file.open(BytesIO(data), len(data)).read(), form, len(fields[name]))
    raise Refused(
        Code.BAD_MESSAGE,
        "the message does not hold exactly one input",
        f"give one of {either(INPUTS, 'and')}",
        observed=", ".join(sorted(fields.keys() & set(INPUTS))) or "none",
    )


def _only(fields: Mapping[str, Any], name: str) -> bool:
    return fields.keys() & set(INPUTS) == {name}
