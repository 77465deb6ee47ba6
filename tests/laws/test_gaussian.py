"""Normal laws: closed forms against quadrature, compositions, edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.laws import Gaussian, gaussian_kl, gaussian_wasserstein
from mdplab.numerics import normal_expectation

laws = st.builds(Gaussian, st.floats(-5, 5), st.floats(0.1, 5))
centres = st.floats(-5, 5)


@given(laws, st.floats(0, 20), centres)
def test_tilt_is_the_normalised_product(law, precision, centre):
    tilted = law.tilt(precision, centre)
    x = np.linspace(-3, 3, 7)
    product = law.log_density(x) - 0.5 * precision * (x - centre) ** 2
    constant = product - tilted.log_density(x)
    np.testing.assert_allclose(constant, constant[3], rtol=1e-11, atol=1e-11)


@given(laws, st.floats(0, 20), st.floats(0, 20), centres)
def test_tilts_add_up_and_are_undone(law, first, second, centre):
    twice, once = law.tilt(first, centre).tilt(second, centre), law.tilt(first + second, centre)
    assert twice.mean == pytest.approx(once.mean, rel=1e-12, abs=1e-13)
    assert twice.deviation == pytest.approx(once.deviation, rel=1e-13)
    assert twice.tilt(-first - second, centre).deviation == pytest.approx(law.deviation, rel=1e-11)


@given(laws, laws)
def test_divergence_is_the_expected_log_ratio(p, q):
    found = normal_expectation(lambda x: p.log_density(x) - q.log_density(x), p.mean, p.deviation, order=8)
    assert gaussian_kl(p, q) == pytest.approx(found.value, rel=1e-11, abs=1e-12)
    assert gaussian_kl(p, q) >= 0


@pytest.mark.parametrize("excess", [1e-3, -1e-3, 0.49, 0.51, -0.51])
def test_divergence_close_to_zero(excess):
    """Against the series of x**2 / 2 + x - log(1 + x), in the plain formula where it does not cancel."""
    p = Gaussian(0.0, 1.0 + excess)
    plain = -math.log(1 + excess) + ((1 + excess) ** 2 - 1) / 2
    assert gaussian_kl(p, Gaussian(0.0, 1.0)) == pytest.approx(plain, rel=1e-9)
    assert gaussian_kl(p, Gaussian(0.0, 1.0)) > 0.6 * excess**2


@given(laws, laws)
def test_distance_is_that_of_equal_quantiles(p, q):
    def squared(z):
        return (p.mean + p.deviation * z - q.mean - q.deviation * z) ** 2

    assert gaussian_wasserstein(p, q) ** 2 == pytest.approx(
        normal_expectation(squared, order=4).value, rel=1e-12, abs=1e-14
    )


@given(laws, st.floats(-3, 3).filter(lambda x: abs(x) > 1e-3), centres)
def test_affine_image(law, scale, shift):
    image = law.affine(scale, shift)
    expected = normal_expectation(
        lambda x: (scale * x + shift - 1.5) ** 2, law.mean, law.deviation, order=4
    ).value
    assert image.mean_square(1.5) == pytest.approx(expected, rel=1e-12)
    assert image.mean == pytest.approx(scale * law.mean + shift)


def test_known_numbers():
    assert gaussian_kl(Gaussian(1.0, 2.0), Gaussian(0.0, 1.0)) == pytest.approx(
        2.0 - math.log(2.0), rel=1e-15
    )
    assert gaussian_wasserstein(Gaussian(3.0, 1.0), Gaussian(0.0, 5.0)) == 5.0
    assert Gaussian(0.0, 2.0).tilt(0.75, 4.0) == Gaussian(3.0, 1.0)


def test_a_narrow_weight_on_a_wide_law():
    tilted = Gaussian(1e3, 1e3).tilt(1e12, -5.0)
    assert tilted.mean == pytest.approx(-5.0, rel=1e-14)
    assert tilted.deviation == pytest.approx(1e-6, rel=1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Gaussian(math.nan, 1.0), "mean is nan"),
        (lambda: Gaussian(0.0, 0.0), "deviation is 0.0"),
        (lambda: Gaussian(0.0, 1.0).affine(0.0, 1.0), "scale, shift are 0.0, 1.0"),
        (lambda: Gaussian(0.0, 1.0).affine(1.0, math.inf), "scale, shift are 1.0, inf"),
        (lambda: Gaussian(0.0, 2.0).tilt(-0.25, 0.0), r"precision is -0.25, expected .* = -0.25"),
        (lambda: Gaussian(0.0, 2.0).tilt(math.inf, 0.0), "precision is inf"),
        (lambda: Gaussian(0.0, 2.0).tilt(1.0, math.nan), "centre is nan"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
