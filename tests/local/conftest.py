"""One stack for each module of this directory that asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from matinv.jobs.lanes import Lane, large, standard
from matinv.local.stack import Shape, Stack


# Not for the session: the long poll of a worker that was killed lives on in the server for up to
# 20 s, as in SQS, and would take the first message of the next module.
@pytest.fixture(scope="module")
def stack(no_real_aws: None) -> Iterator[Stack]:
    huge = Lane("huge", "", 122_880, 16, 41_400)
    lanes = standard("", large("", huge))
    with Stack.start(Shape(max_receives=3, visibility_s=7, lanes=lanes)) as stack:
        yield stack
