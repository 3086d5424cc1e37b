"""One stack for the tests of this directory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from matinv.local.stack import Shape, Stack


@pytest.fixture(scope="session")
def stack(no_real_aws: None) -> Iterator[Stack]:
    with Stack.start(Shape(max_receives=3, visibility_s=7, large_lane=True)) as stack:
        yield stack
