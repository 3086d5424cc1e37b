"""What goes between a worker and its ranks, as JSON: questions, answers, errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from matinv.errors import MatinvError, Misconfigured, Refused, Transient

_KINDS: Final = {kind.__name__: kind for kind in (Refused, Transient, Misconfigured)}


def said(error: MatinvError) -> dict[str, Any]:
    """Return an error as JSON can hold it."""
    info = error.info
    numbers = {"observed": info.observed, "limit": info.limit}
    return {
        "kind": type(error).__name__,
        "error": [str(info.code), info.message, info.hint],
        "numbers": numbers,
    }


def error_of(document: Mapping[str, Any]) -> MatinvError:
    """Return the error that a document says."""
    return _KINDS[document["kind"]](*document["error"], **document["numbers"])
