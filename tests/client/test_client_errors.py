"""Errors of the client: one root, and a text that says all that is known."""

from __future__ import annotations

from matinv.client import NotFound, NotVerified, Superseded, TimedOut
from matinv.errors import Code, MatinvError, Refused


def test_every_error_has_one_root_and_says_all_that_it_knows() -> None:
    refused = Refused(Code.NOT_SQUARE, "not square", "cut it", observed="(2, 3)", limit="(n, n)")
    late = TimedOut(("a",), {}, 3.0)
    for error in (refused, late, NotFound(("a",)), NotVerified("no", "try"), Superseded("a")):
        assert isinstance(error, MatinvError)
        assert str(error).startswith(f"{error.code}: {error.info.message}")
        assert str(error).endswith(f"; {error.info.hint}")
    assert str(refused) == "NOT_SQUARE: not square (found: (2, 3); allowed: (n, n)); cut it"
    assert late.code == "TIMED_OUT"
