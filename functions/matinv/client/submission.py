"""`Submission`: a matrix that can be sent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace

from matinv.client.message_text import edited
from matinv.formats.codecs import Format
from matinv.jobs.record import InputInfo
from matinv.jobs.request import Options
from matinv.linalg.types import Matrix
from matinv.ports import Part

Content = Callable[[], AbstractContextManager[Sequence[Part]]]


@dataclass(frozen=True, slots=True)
class Submission:
    """A matrix that was found fit to be sent.

    Parameters
    ----------
    job_id : str
        Its job's id.
    options : Options
        The chosen options.
    input : InputInfo
        Its size, and its shape and dtype as far as they are known; for a message also its
        identity.
    format : Format
        How it is written.
    body : str or None
        The message that holds it, or None for a file.
    matrix : ndarray or None
        The matrix of a message.
    metadata : mapping
        The options, as the metadata of a file.
    content : callable
        Opens a file's content.
    replaces : bool
        Whether it may take its job id from another question.
    """

    job_id: str
    options: Options
    input: InputInfo
    format: Format
    body: str | None = field(default=None, repr=False)
    matrix: Matrix | None = field(default=None, repr=False)
    metadata: Mapping[str, str] = field(default_factory=dict)
    content: Content = field(default=lambda: nullcontext(()))
    replaces: bool = False

    def replacing(self) -> Submission:
        """Return the same, allowed to take its job id from another question."""
        body = None if self.body is None else edited(self.body, {"replace": True})
        return replace(self, body=body, replaces=True)
