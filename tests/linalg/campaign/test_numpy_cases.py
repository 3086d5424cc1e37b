"""numpy's own test cases of inv and pinv, asked of matinv.

scipy's are in test_scipy_cases.py.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.linalg.tests import test_linalg as numpy_cases

from linalg.campaign import product

pytestmark = pytest.mark.deep  # 14,219 inversions


def through(method):
    """Return a function of numpy's kind: any leading dimensions, any dtype that numpy promotes."""

    def call(a, **_options):
        a = np.asanyarray(a)
        stack = np.asarray(a, np.result_type(a, np.float32)).reshape(-1, *a.shape[-2:])
        answers = product.ask(stack, method)
        codes = {answer.code for answer in answers} - {None}
        if codes:
            raise np.linalg.LinAlgError(*sorted(codes))
        return np.stack([answer.x for answer in answers]).reshape(a.shape).view(type(a))

    return call


@pytest.fixture(autouse=True)
def _ours(monkeypatch):
    ours = {"inv": through("auto"), "pinv": through("pinv"), "LinAlgError": np.linalg.LinAlgError}
    monkeypatch.setattr(numpy_cases, "linalg", SimpleNamespace(**ours))


# matinv refuses what has no element (EMPTY): numpy's tests of that are left out.


class TestInverse(numpy_cases.InvCases):
    test_empty_sq_cases = test_generalized_empty_sq_cases = None


class TestPseudoInverse(
    numpy_cases.LinalgSquareTestCase, numpy_cases.LinalgGeneralizedSquareTestCase
):
    test_empty_sq_cases = test_generalized_empty_sq_cases = None
    do = numpy_cases.PinvCases.do


class TestPseudoInverseOfHermitian(numpy_cases.PinvHermitianCases):
    test_empty_herm_cases = test_generalized_empty_herm_cases = None
