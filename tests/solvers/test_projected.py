"""Projected fixed points and temporal differences against their definitions, in exact arithmetic where short."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from mdplab.models import MDP
from mdplab.solution import Status
from mdplab.solvers import policy_evaluation
from mdplab.solvers.projected import lstd, projected_fixed_point
from tests.naive import fractions_of, solve_exactly
from tests.small_models import random_mdp


def problem(seed: int) -> tuple[MDP, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, 41])
    mdp = random_mdp(seed, masked=False)
    policy = rng.dirichlet(np.ones(mdp.n_actions), mdp.n_states)
    d = min(2, mdp.n_states)
    return mdp, policy, rng.normal(size=(mdp.n_states, d)), rng.uniform(0.1, 1.0, mdp.n_states)


def chain(mdp: MDP, policy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.einsum("sa,sat->st", policy, mdp.transition), (policy * mdp.reward).sum(axis=1)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("sparse", [False, True])
def test_td_certificate_contains_the_exact_fixed_point(seed: int, sparse: bool) -> None:
    mdp, policy, phi, weights = problem(seed)
    found = projected_fixed_point(mdp.to_sparse() if sparse else mdp, policy, phi, weights=weights)
    n, d = phi.shape
    # Everything from the doubles as they stand, in rationals.
    p, pi, r = fractions_of(mdp.transition), fractions_of(policy), fractions_of(mdp.reward)
    f, w, g = fractions_of(phi), fractions_of(weights), Fraction(mdp.discount)
    actions = range(mdp.n_actions)
    after = [
        [sum(pi[s][a] * p[s][a][t] * f[t][j] for a in actions for t in range(n)) for j in range(d)]
        for s in range(n)
    ]
    matrix = [
        [sum(w[s] * f[s][i] * (f[s][j] - g * after[s][j]) for s in range(n)) for j in range(d)]
        for i in range(d)
    ]
    right = [
        sum(w[s] * f[s][i] * sum(pi[s][a] * r[s][a] for a in actions) for s in range(n)) for i in range(d)
    ]
    theta = solve_exactly(matrix, right)
    value = [sum(f[s][j] * theta[j] for j in range(d)) for s in range(n)]
    error = max(abs(Fraction(float(a)) - b) for a, b in zip(found.value, value, strict=True))
    assert error <= found.certificate.bound < 1e-7
    assert found.status in (Status.CONVERGED, Status.PRECISION_LIMIT)
    exact = policy_evaluation(mdp, policy)
    assert np.abs(found.value - exact.value).max() <= found.value_error + exact.certificate.bound


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("trace", [0.0, 0.4, 1.0])
def test_fixed_point_is_one_of_the_projected_operator(seed: int, sparse: bool, trace: float) -> None:
    mdp, policy, phi, weights = problem(seed)
    found = projected_fixed_point(
        mdp.to_sparse() if sparse else mdp, policy, phi, weights=weights, trace=trace
    )
    kernel, reward = chain(mdp, policy)
    n, gamma = len(reward), mdp.discount
    projection = phi @ np.linalg.solve(phi.T @ (weights[:, None] * phi), phi.T * weights)
    # T^(lambda) v = v + (I - lambda gamma P)^{-1} (T v - v)
    step = np.linalg.solve(
        np.eye(n) - trace * gamma * kernel, reward + gamma * kernel @ found.value - found.value
    )
    scale = max(1.0, float(np.abs(found.value).max()))
    np.testing.assert_allclose(projection @ (found.value + step), found.value, atol=1e-8 * scale)


@pytest.mark.parametrize("seed", range(20))
def test_trace_one_is_the_projection_of_the_value(seed: int) -> None:
    mdp, policy, phi, weights = problem(seed)
    one = projected_fixed_point(mdp, policy, phi, weights=weights, trace=1.0)
    other = projected_fixed_point(mdp, policy, phi, weights=weights, method="projection")
    allowed = one.certificate.bound + other.certificate.bound
    assert np.abs(one.value - other.value).max() <= allowed < 1e-7
    value = policy_evaluation(mdp, policy).value
    root = np.sqrt(weights)
    best = phi @ np.linalg.lstsq(root[:, None] * phi, root * value, rcond=None)[0]
    np.testing.assert_allclose(other.value, best, atol=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_residual_method_minimises_the_residual(seed: int) -> None:
    mdp, policy, phi, weights = problem(seed)
    found = projected_fixed_point(mdp, policy, phi, weights=weights, method="residual")
    kernel, reward = chain(mdp, policy)

    def loss(theta: np.ndarray) -> float:
        gap = reward + mdp.discount * kernel @ phi @ theta - phi @ theta
        return float(weights @ gap**2)

    least = loss(found.coefficients)
    rng = np.random.default_rng(seed)
    for scale in (1e-1, 1e-3):
        for _ in range(10):
            assert loss(found.coefficients + scale * rng.normal(size=phi.shape[1])) >= least - 1e-12


def test_full_features_give_the_value() -> None:
    mdp, policy, _, _ = problem(3)
    for method in ("td", "residual", "projection"):
        found = projected_fixed_point(mdp, policy, np.eye(mdp.n_states), method=method)  # type: ignore[arg-type]
        np.testing.assert_allclose(found.value, policy_evaluation(mdp, policy).value, atol=1e-10)
        assert found.value_error < 1e-9


def test_dependent_features_are_uncertified() -> None:
    mdp, policy, phi, _ = problem(5)
    found = projected_fixed_point(mdp, policy, np.concatenate([phi, phi[:, :1]], axis=1))
    assert found.status is Status.UNCERTIFIED
    assert found.certificate.bound == np.inf


def test_tsitsiklis_van_roy_weights_matter() -> None:
    """Two states, feature (1, 2), both go to state 1: off its stationary law the fixed point exists, and TD diverges."""
    mdp = MDP([[[0.0, 1.0]], [[0.0, 1.0]]], [[0.0], [0.0]], 0.9)
    found = projected_fixed_point(mdp, [[1.0], [1.0]], [[1.0], [2.0]], weights=[1.0, 1.0])
    assert found.matrix[0, 0] == pytest.approx((1 - 1.8) + 2 * (2 - 1.8))  # negative: an unstable equation
    assert projected_fixed_point(mdp, [[1.0], [1.0]], [[1.0], [2.0]], weights=[0.0, 1.0]).matrix[0, 0] > 0


@pytest.mark.parametrize("trace", [0.0, 0.7])
def test_lstd_is_its_equation(trace: float) -> None:
    mdp, policy, phi, _ = problem(7)
    mdp = mdp.replace(initial=np.full(mdp.n_states, 1 / mdp.n_states))
    data = mdp.sample(policy, 6, 30, seed=1).reweighted(np.linspace(0.5, 2.0, 30))
    found = lstd(data, phi, discount=0.8, ridge=0.1, trace=trace)
    d = phi.shape[1]
    matrix, right = 0.1 * np.eye(d), np.zeros(d)
    for i in range(30):
        z = np.zeros(d)
        for h in range(6):
            s, t = data.states[i, h], data.states[i, h + 1]
            z = trace * 0.8 * z + phi[s]
            matrix += data.weights[i] * np.outer(z, phi[s] - 0.8 * phi[t])
            right += data.weights[i] * z * data.rewards[i, h]
    np.testing.assert_allclose(found.coefficients, np.linalg.solve(matrix, right), rtol=1e-10)
    assert found.certificate.bound < 1e-10
    assert found.value_error == np.inf


def test_lstd_q_on_all_transitions_is_the_action_value() -> None:
    """Every transition once, weighted by its probability: exact data."""
    mdp, policy, _, _ = problem(9)
    n, a = mdp.n_states, mdp.n_actions
    s, b, t = (index.ravel() for index in np.indices((n, a, n)))
    from mdplab.models import LoggedDataset

    data = LoggedDataset(
        np.stack([s, t], 1),
        b[:, None],
        mdp.reward[s, b][:, None],
        mdp.transition[s, b, t],
        n_states=n,
        n_actions=a,
    )
    found = lstd(data, np.eye(n * a).reshape(n, a, -1), discount=mdp.discount, policy=policy)
    np.testing.assert_allclose(found.value, policy_evaluation(mdp, policy).q, atol=1e-9)
    with pytest.raises(ValueError, match="policy is needed"):
        lstd(data, np.eye(n * a).reshape(n, a, -1), discount=0.9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "gtd"}, "method is 'gtd'"),
        ({"trace": 1.5}, "trace is 1.5"),
        ({"weights": [0.0]}, "weights must be"),
        ({"features": np.ones((1, 2))}, "features has shape"),
    ],
)
def test_bad_input_is_named(changes: dict[str, object], message: str) -> None:
    mdp, policy, phi, _ = problem(0)
    with pytest.raises(ValueError, match=message):
        projected_fixed_point(mdp, policy, **({"features": phi} | changes))  # type: ignore[arg-type]
