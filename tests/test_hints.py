"""What matinv advises where it refuses something works: each hint in the code is followed here."""

from __future__ import annotations

import io
import re
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from support.hints.commands import COMMANDS
from support.hints.console import CONSOLE
from support.hints.elsewhere import ELSEWHERE, Elsewhere, Kind
from support.hints.matrices import MATRICES
from support.hints.requests import REQUESTS
from support.hints.texts import hint_texts
from support.hints.ways import Advice

FOLLOWED: Final = (*MATRICES, *REQUESTS, *COMMANDS, *CONSOLE)

_TESTS: Final = Path(__file__).parent


@pytest.fixture(autouse=True)
def _quiet(log: io.StringIO) -> None:
    """Keep what the API logs out of pytest's own capture."""


@pytest.mark.parametrize("given", FOLLOWED, ids=lambda given: given.hint)
def test_what_a_hint_advises_works(given: Advice) -> None:
    found = given.provoke()
    assert given.is_given_by(found), found
    assert given.follow
    assert [follow() for follow in given.follow] == [""] * len(given.follow)


def test_every_hint_in_the_code_is_known_here_and_no_other() -> None:
    found = hint_texts()
    known = {given.hint for given in (*FOLLOWED, *ELSEWHERE)}
    new = [f"{hint!r} ({', '.join(places)})" for hint, places in found.items() if hint not in known]
    assert not new, "follow these hints in support/hints, each with an input that provokes it"
    assert not known - found.keys(), "these are given no more"


def test_a_hint_has_one_entry() -> None:
    followed = {given.hint for given in FOLLOWED}
    others = [given.hint for given in ELSEWHERE]
    assert not followed.intersection(others)
    assert len(others) == len({*others})


def test_what_is_not_followed_here_is_counted() -> None:
    kinds = Counter(given.kind for given in ELSEWHERE)
    assert kinds == {Kind.AWS: 4, Kind.OPERATOR: 2, Kind.REPORT: 3, Kind.WAIT: 6, Kind.SHOWN: 12}


@pytest.mark.parametrize("given", ELSEWHERE, ids=lambda given: given.hint)
def test_a_test_that_is_named_exists(given: Elsewhere) -> None:
    test = given.test
    assert bool(test) == (given.kind in {Kind.WAIT, Kind.SHOWN})
    if test:
        file, _, function = test.partition("::")
        assert re.search(rf"^def {function}\(", (_TESTS / file).read_text(), re.MULTILINE)
