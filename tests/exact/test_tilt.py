"""Elementary functions, tilts and divergences in balls."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from mdplab import divergences, exact
from mdplab.operators import tilt

RNG = np.random.default_rng(3)
P, Q = RNG.dirichlet(np.ones(4), 3), RNG.dirichlet(np.ones(4), 3)


def close(enclosed: Any, floats: Any, error: float = 1e-14) -> bool:
    """Whether balls lie near floats."""
    return bool((exact.distance(enclosed, exact.dyadic(floats)) <= error).all())


def test_conventions_at_zero() -> None:
    assert exact.log(0) == exact.ball(-math.inf)
    assert exact.exp(-math.inf) == 0
    assert exact.xlogy(0, 0) == 0
    assert exact.xlogy(2, 0) == exact.ball(-math.inf)
    uncertain = exact.log(2) - exact.log(2)  # contains 0
    assert exact.width(exact.log(uncertain)) == math.inf
    assert not exact.surely_above(exact.log(uncertain), -1000)


def test_functions_are_inverse_to_each_other() -> None:
    x = exact.rational([0.1, 2.0, 1e-9, 3e5])
    assert (exact.distance(exact.exp(exact.log(x)), x) < 1e-65).all()
    assert (exact.distance(exact.sqrt(x) ** 2, x) < 1e-65).all()


@pytest.mark.parametrize("temperature", [0.1, 1.0, 40.0])
def test_tilts_agree_with_floats(temperature: float) -> None:
    x = np.array([[0.3, -1.0, 2.0, -np.inf], [0.0, 0.0, 0.0, 0.0], [5.0, 1.0, -np.inf, 1.0]])
    for log_reference in (None, np.log(Q)):
        options: dict[str, Any] = {"temperature": temperature}
        reference = (
            {} if log_reference is None else {"log_reference": exact.ball(exact.dyadic(log_reference))}
        )
        given = {} if log_reference is None else {"log_reference": log_reference}
        assert close(
            exact.log_sum_exp(x, **options, **reference), tilt.log_sum_exp(x, **options, **given), 1e-12
        )
        found, floats = exact.log_tilt(x, **options, **reference), tilt.log_tilt(x, **options, **given)
        inside = np.isfinite(floats)
        assert close(found[inside], floats[inside], 1e-12)
        assert (found[~inside] == exact.ball(-math.inf)).all()
        assert exact.overlap(exact.softmax(x, **options, **reference).sum(axis=-1), 1).all()


def test_tilts_near_temperature_zero() -> None:
    logs = exact.log_tilt([1, 2, None], temperature=1e-5)
    assert exact.distance(logs[0], -100_000) < 1e-60
    assert exact.surely_above(0, logs[0])
    assert exact.exp(logs[0]) > 0  # far below the smallest float


def test_gibbs_variational_identity() -> None:
    """lse - (<p, x> - tau KL(p || ref)) = tau KL(p || tilt), an identity of balls."""
    x, p, q = exact.rational([0.3, -1.0, 2.0, 0.1]), exact.laws(P[0]), exact.laws(Q[0])
    log_q, tau = exact.log(q), exact.rational(0.7)
    tilted = exact.softmax(x, temperature=tau, log_reference=log_q)
    left = exact.log_sum_exp(x, temperature=tau, log_reference=log_q) - (p @ x - tau * exact.kl(p, q))
    assert exact.distance(left, tau * exact.kl(p, tilted)) < 1e-70
    assert (
        exact.distance(exact.regulariser(p, temperature=tau, log_reference=log_q), tau * exact.kl(p, q))
        < 1e-70
    )


@pytest.mark.parametrize("name", ["kl", "jeffreys", "total_variation"])
def test_divergences_agree_with_floats(name: str) -> None:
    assert close(
        getattr(exact, name)(exact.laws(P, stored=True), exact.laws(Q, stored=True)),
        getattr(divergences, name)(P, Q),
    )


def test_f_divergences_agree_with_floats() -> None:
    p, q = exact.laws(P, stored=True), exact.laws(Q, stored=True)
    for name in ("kl", "swapped-kl", "jeffreys", "chi-square", "total-variation", "hellinger"):
        row = divergences.f_divergence(name)
        assert close(exact.f_divergence(p, q, name), row.divergence(P, Q), 1e-13)
    for order in (-0.5, 0.0, 0.25, 1.0, 1.5):
        row = divergences.alpha_divergence(order)
        assert close(exact.f_divergence(p, q, "alpha", order), row.divergence(P, Q), 1e-13)
        for one, other in (([0, 1], [0.5, 0.5]), ([0.5, 0.5], [0, 1]), ([0, 1], [0, 1])):
            floats, enclosed = row.divergence(one, other), exact.f_divergence(one, other, "alpha", order)
            if np.isfinite(floats):
                assert exact.distance(enclosed, exact.dyadic(float(floats))) < 1e-15
            else:
                assert enclosed == exact.ball(0) - exact.ball(-math.inf)
    assert close(exact.f_divergence(2 * p, q, "kl"), divergences.KL.divergence(2 * P, Q), 1e-13)
    assert close(exact.entropy(p), divergences.entropy(P))
    with pytest.raises(ValueError, match="name is 'renyi'"):
        exact.f_divergence(p, q, "renyi")
    with pytest.raises(ValueError, match="order is None"):
        exact.f_divergence(p, q, "alpha")


def test_rational_divergences_stay_rational() -> None:
    assert exact.total_variation([0.1, 0.9], [0.2, 0.8]) == exact.rational(0.1)
    assert exact.chi_square([0.1, 0.9], [0.2, 0.8]) == exact.rational(0.0625)
    assert exact.chi_square([0, 1], [0, 1]) == 0
    third = exact.sqrt([4, 16]) / 6  # balls around 1/3 and 2/3, at distance 0 from themselves
    assert exact.distance(exact.chi_square(third, third), 0) < 1e-70


def test_divergences_at_the_boundary() -> None:
    infinite = exact.ball(0) - exact.ball(-math.inf)
    assert exact.distance(exact.kl([0, 1], [0.5, 0.5]), exact.log(2)) < 1e-70
    assert exact.kl([0.5, 0.5], [0, 1]) == infinite
    assert exact.jeffreys([0, 1], [0, 1]) == 0
    assert exact.jeffreys([0.5, 0.5], [0, 1]) == infinite
    assert exact.chi_square([0.5, 0.5], [0, 1]) == infinite
    with pytest.raises(ValueError, match="q has a negative entry"):
        exact.kl([0.5, 0.5], [-1, 2])


def test_bad_tilts() -> None:
    with pytest.raises(ValueError, match="nothing to normalise"):
        exact.log_tilt([None, -np.inf])
    with pytest.raises(ValueError, match="temperature is 0"):
        exact.log_sum_exp([1, 2], temperature=0)
    with pytest.raises(ValueError, match="log_reference is -inf"):
        exact.regulariser([0.5, 0.5], log_reference=[0, -np.inf])
