"""``--verify`` shows no digits that are wrong, and all that a right inverse claims."""

from __future__ import annotations

import pytest

from linalg.campaign.verifying import verify


@pytest.mark.parametrize("seed", range(2))
def test_verify_tells_wrong_inverses_from_right_ones(seed):
    asked, wrong = verify(150, seed, largest=24)
    assert asked > 90
    assert not wrong, "\n".join(wrong)


@pytest.mark.deep
@pytest.mark.parametrize("seed", range(10, 16))
def test_verify_tells_many_wrong_inverses_from_right_ones(seed):
    asked, wrong = verify(400, seed, largest=48)
    assert asked > 250
    assert not wrong, "\n".join(wrong)
