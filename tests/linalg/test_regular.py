"""Every published inverse shows that its matrix is regular, by a proof or by the probes."""

from __future__ import annotations

import numpy as np
import pytest

from linalg.campaign.oracle import Truth
from matinv.linalg.budget import Budget
from matinv.linalg.inverse import invert

NO_TIME_FOR_BALLS = Budget(lambda: 0.3, 2**30)


def conditioned(n, decades, seed=0):
    rng = np.random.default_rng([n, seed])
    left, right = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    return left * 10.0 ** -np.linspace(0, decades, n) @ right


@pytest.mark.parametrize("n", [180, pytest.param(200, marks=pytest.mark.deep)])
@pytest.mark.parametrize(
    "decades",
    [*(pytest.param(d, marks=pytest.mark.deep) for d in (11.0, 12.0, 12.5, 13.0)), 13.5, 14.0],
)
def test_a_step_in_twice_the_precision_proves_what_kappa_hides(n, decades):
    a = conditioned(n, decades)
    inverses = invert(a, budget=NO_TIME_FOR_BALLS)
    if inverses.failures:
        assert decades > 13
        return
    certificate, truth = inverses.certificate(), Truth(a)
    assert certificate.regular
    assert certificate.digits <= -np.log10(truth.error(inverses.x)) + 0.3
    log_abs_det, sign = truth.determinant
    assert certificate.sign == sign
    assert abs(certificate.log_abs_det - log_abs_det) < n * 10.0**-certificate.digits


@pytest.mark.parametrize("order", ["C", "F"])
def test_nothing_is_published_in_place_without_it(order):
    published = 0
    for seed in range(40):
        a = np.array(conditioned(70, 8 + seed / 6, seed), order=order)
        inverses = invert(a, overwrite=True, budget=Budget(lambda: 0, 0))
        if inverses.failures:
            assert inverses.overwritten
        else:
            published += 1
            assert inverses.certificate().regular
    assert 10 < published < 40
