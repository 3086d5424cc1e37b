"""One stack for the tests of this directory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from matinv.jobs.lanes import Lane, large, standard
from matinv.local.stack import Shape, Stack


@pytest.fixture(scope="session")
def stack(no_real_aws: None) -> Iterator[Stack]:
    huge = Lane("huge", "", 122_880, 16, 41_400)
    lanes = standard("", large("", huge))
    with Stack.start(Shape(max_receives=3, visibility_s=7, lanes=lanes)) as stack:
        yield stack
