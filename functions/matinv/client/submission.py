"""`Submission`: a matrix that can be sent, and how its options are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from matinv.errors import Code, Refused
from matinv.formats.codecs import Format
from matinv.jobs.message import options_of_metadata
from matinv.jobs.record import InputInfo
from matinv.jobs.request import Options
from matinv.linalg.types import Matrix
from matinv.ports import Part


@dataclass(frozen=True, slots=True)
class Submission:
    """A matrix that was found fit to be sent.

    Parameters
    ----------
    job_id : str
        Its job's id.
    options : Options
        What was chosen.
    input : InputInfo
        Its size, and its shape and dtype as far as they are known; for a message also its
        identity.
    format : Format
        How it is written.
    body : str or None
        The message that holds it, or None for a file.
    matrix : ndarray or None
        The matrix of a message.
    content : callable
        Opens a file's content.
    """

    job_id: str
    options: Options
    input: InputInfo
    format: Format
    body: str | None = field(default=None, repr=False)
    matrix: Matrix | None = field(default=None, repr=False)
    content: Callable[[], AbstractContextManager[Sequence[Part]]] = field(
        default=lambda: nullcontext(())
    )

    def metadata(self) -> dict[str, str]:
        """Return the options as the metadata of a file."""
        return {f"matinv-{name}": text for name, text in _metadata(self.options)}


def as_upload(submission: Submission) -> Submission:
    """Return `submission` if the worker will read its options from the metadata as they are."""
    metadata = submission.metadata()
    for text in (*metadata, *metadata.values()):
        if not (text.isascii() and text.isprintable()):
            raise _bad_tag(text)
    if options_of_metadata(metadata) != submission.options:
        raise _bad_tag(", ".join(submission.options.tags))
    return submission


def _bad_tag(observed: str) -> Refused:
    return Refused(
        Code.BAD_MESSAGE,
        "a tag of a matrix that is too large for a message cannot be written as S3 metadata",
        "write its key in lower case, and key and value in ASCII",
        observed=observed,
        limit="keys in lower-case ASCII, values in ASCII",
    )


def fields_of(options: Options) -> dict[str, Any]:
    """Return the options that differ from the defaults, as a message names them."""
    default = Options()
    chosen = {
        "method": options.method,
        "output": options.output,
        "format": options.format,
        "on_ill_conditioned": options.on_ill_conditioned,
        "tags": dict(options.tags),
    }
    return {name: value for name, value in chosen.items() if value != getattr(default, name)}


def _metadata(options: Options) -> Iterator[tuple[str, str]]:
    for name, value in fields_of(options).items():
        if name != "tags":
            yield name.replace("_", "-"), str(value)
    for key, value in options.tags.items():
        yield f"tag-{key}", value
