"""Mirror steps: the closed form, large steps, magnets, zeros."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.operators import log_mixture, log_tilt, mirror_step

SEEDS = st.integers(0, 2**32 - 1)
CALM = settings(deadline=None, max_examples=60)


@CALM
@given(SEEDS)
def test_against_the_plain_formula(seed):
    rng = np.random.default_rng(seed)
    p, magnet = rng.dirichlet(np.ones(4), (2, 2, 3))
    g, step, kappa = rng.normal(size=(2, 3, 4)), rng.uniform(-2, 2), rng.uniform(0, 1)
    weights = p ** (1 - kappa) * magnet**kappa * np.exp(step * g)
    expected = weights / weights.sum(axis=-1, keepdims=True)
    logs = mirror_step(np.log(p), g, step=step, kappa=kappa, log_magnet=np.log(magnet))
    np.testing.assert_allclose(np.exp(logs), expected, rtol=1e-11)


@CALM
@given(SEEDS)
def test_maximises_its_objective(seed):
    rng = np.random.default_rng(seed)
    p, magnet, other = rng.dirichlet(np.ones(3), 3)
    g, step, kappa = rng.normal(size=3), rng.uniform(0, 3), rng.uniform(0, 1)

    def objective(law):
        return step * g @ law - (1 - kappa) * law @ np.log(law / p) - kappa * law @ np.log(law / magnet)

    best = np.exp(mirror_step(np.log(p), g, step=step, kappa=kappa, log_magnet=np.log(magnet)))
    assert objective(other) <= objective(best) + 1e-12


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_large_steps_lose_nothing(sign):
    # 1e5 + k * 2^-20: differences of the three good entries are exact, products with the step are not; 0 is far off
    g = np.array([1e5, 1e5 + 2.0**-20, 1e5 + 2.0**-19, 0.0])
    step = 1e9 + 1.0
    logs = mirror_step(np.log([0.2, 0.3, 0.4, 0.1]), sign * g, step=sign * step)
    expected = np.log([0.2 / 0.4, 0.3 / 0.4]) - step * np.array([2.0**-19, 2.0**-20])
    np.testing.assert_allclose(logs[:3], [*expected, 0.0], rtol=1e-15, atol=0)


@CALM
@given(SEEDS)
def test_constants_of_a_row_and_steps_per_row(seed):
    rng = np.random.default_rng(seed)
    logs = np.log(rng.dirichlet(np.ones(3), 2))
    g = np.round(rng.normal(size=(2, 3)) * 64) / 64
    step = np.array([0.5, 3.0])
    np.testing.assert_array_equal(mirror_step(logs, g + 8.0, step=step), mirror_step(logs, g, step=step))
    for row in range(2):
        alone = mirror_step(logs[row], g[row], step=step[row])
        np.testing.assert_array_equal(mirror_step(logs, g, step=step)[row], alone)


def test_zero_step_and_full_magnet():
    logs, magnet = log_tilt([0.1, 0.2, 0.3]), log_tilt([1.0, 0.0, -1.0])
    np.testing.assert_allclose(mirror_step(logs, [3.0, 1.0, 2.0], step=0.0), logs, rtol=0, atol=1e-15)
    np.testing.assert_allclose(
        mirror_step([0.0, -np.inf, -np.inf], [0.0, 0.0, 0.0], step=1.0, kappa=1.0, log_magnet=magnet),
        magnet,
        rtol=0,
        atol=1e-15,
    )
    uniform = mirror_step(logs, np.zeros(3), step=1.0, kappa=0.25)
    np.testing.assert_allclose(uniform, log_mixture([logs, np.log(np.ones(3) / 3)], [0.75, 0.25]), atol=1e-15)


def test_zeros_stay_and_hide_the_gradient():
    logs = mirror_step([*np.log([0.5, 0.5]), -np.inf], [1.0, 1.0, np.nan], step=1e9)
    np.testing.assert_allclose(logs, [-np.log(2), -np.log(2), -np.inf], rtol=1e-15)


def test_complex_step_derivative_in_the_gradient():
    logs, g, direction = np.log([0.2, 0.3, 0.5]), np.array([1.0, -1.0, 0.5]), np.array([0.3, 0.7, -0.2])
    policy = np.exp(mirror_step(logs, g, step=2.0))
    moved = mirror_step(logs, g + 1e-30j * direction, step=2.0).imag / 1e-30
    np.testing.assert_allclose(moved, 2.0 * (direction - policy @ direction), rtol=1e-13)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": np.inf}, "step must be finite"),
        ({"step": 1.0, "kappa": 1.5}, "kappa must be"),
        ({"step": 1.0, "log_magnet": np.zeros(5)}, "do not broadcast"),
        ({"step": 1.0, "kappa": 0.5, "log_magnet": [-np.inf, -np.inf]}, "all -inf"),
    ],
)
def test_bad_input(options, message):
    with pytest.raises(ValueError, match=message):
        mirror_step(np.log([0.5, 0.5]), [0.0, 1.0], **options)


def test_gradient_must_be_finite_on_the_support():
    with pytest.raises(ValueError, match=r"gradient is nan at \(1,\)"):
        mirror_step(np.log([0.5, 0.5]), [0.0, np.nan], step=1.0)
