"""Balls around flows of normal laws: closed forms, the float twins and their bounds."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab import exact
from mdplab.laws import AffineField, Gaussian, flow_discrepancy, gaussian_flow

START = Gaussian(0.5, 2.0)


def test_a_constant_field_has_a_closed_form():
    growth = exact.exp(exact.rational(1.5))
    found = exact.gaussian_flow(START, AffineField(np.array([1.5]), np.array([3.0])))
    meant = [growth / 2 + 3 * (growth - 1) / exact.rational(1.5), 2 * growth]
    assert exact.overlap(found, meant).all()
    assert exact.width(found).max() < 1e-60


def test_fields_that_differ_by_a_constant():
    field = AffineField(np.array([1.0, -2.0]), np.array([0.5]))
    found = exact.flow_discrepancy(START, field, AffineField(field.drift, np.array([-1.5])))
    assert exact.overlap(found, exact.rational(4)).all()
    assert exact.width(found) < 1e-60


@pytest.mark.parametrize("seed", range(3))
def test_the_floats_are_within_their_bounds(seed):
    rng = np.random.default_rng(seed)
    fields = [AffineField(rng.integers(-9, 9, 2) / 4, rng.integers(-9, 9, 3) / 4) for _ in range(2)]
    flow, (value, error) = gaussian_flow(START, fields[0]), flow_discrepancy(START, *fields)
    bounds = [flow.mean_error, flow.deviation_error, error]
    meant = [*exact.gaussian_flow(START, fields[0]), exact.flow_discrepancy(START, *fields)]
    for found, bound, ball in zip([flow.law.mean, flow.law.deviation, value], bounds, meant, strict=True):
        assert exact.distance(exact.dyadic(found), ball) <= bound
        assert exact.width(ball) < 1e-50
