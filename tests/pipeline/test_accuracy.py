"""What a submitter gets who asks for proof: each element right, or a clear refusal."""

from __future__ import annotations

import numpy as np
import pytest

from matinv.errors import Code
from matinv.jobs.record import Status
from matinv.linalg.certificate import Checked
from support.bodies import job
from support.matrices import rational
from support.memory_service import MemoryService

HILBERT = [[1 / (i + j + 1) for j in range(14)] for i in range(14)]


@pytest.mark.parametrize("dropped", [False, True])
def test_a_verified_inverse_is_the_exact_one_rounded(service: MemoryService, dropped: bool) -> None:
    event = job("a", HILBERT, accuracy="verified", output="s3", format="npy")
    if dropped:
        event = service.drop("a.npy", np.array(HILBERT), accuracy="verified")
    assert service.deliver(event) == []
    record = service.record("a")
    assert record.certificate is not None
    assert record.certificate.checked is Checked.VERIFIED
    assert record.certificate.regular
    assert record.warnings == ("ILL_CONDITIONED",)
    exact = rational.inverse(np.array(HILBERT))
    expected = [[rational.nearest(x, "float64") for x in row] for row in exact]
    np.testing.assert_array_equal(service.stored("a"), np.array(expected))


def test_a_pseudo_inverse_is_not_verified(service: MemoryService) -> None:
    assert service.deliver(job("a", accuracy="verified", method="pinv")) == []
    assert service.error("a") == Code.BAD_MESSAGE


def test_what_no_lane_has_time_to_verify_is_refused_before_it_is_read(
    service: MemoryService,
) -> None:
    event = service.drop("a.npy", np.eye(3000), accuracy="verified")
    assert service.deliver(event) == []
    assert service.error("a") == Code.TOO_LARGE


@pytest.mark.deep  # 4 s of ball arithmetic
def test_an_object_that_elimination_loses_is_inverted_at_once(service: MemoryService) -> None:
    n = 94
    companion = np.eye(n, k=1)
    companion[:, 0] = -np.poly(np.arange(1.0, n + 1))[1:]
    assert service.deliver(service.drop("c.npy", companion)) == []
    record = service.record("c")
    assert record.status is Status.SUCCEEDED
    assert record.certificate is not None
    assert record.certificate.digits > 10
    exact = rational.inverse(companion)
    assert rational.digits(service.stored("c"), exact) > record.certificate.digits - 0.3


def test_a_pseudo_inverse_says_its_rank(service: MemoryService) -> None:
    assert service.deliver(job("p", [[1, 0], [0, 1e-16]], method="pinv")) == []
    record = service.record("p")
    assert record.certificate is not None
    assert (record.certificate.rank, record.certificate.gap) == (1, pytest.approx(1e16))
    assert record.warnings == ("RANK_DEFICIENT",)


def test_an_inverse_with_elements_that_underflow_says_so(service: MemoryService) -> None:
    assert service.deliver(job("u", [[1.5e308, 0], [0, 1e308]])) == []
    assert service.record("u").warnings == ("UNDERFLOW",)
    assert service.deliver(job("n", [[1e307, 0], [0, 1e307]])) == []
    assert service.record("n").warnings == ()
