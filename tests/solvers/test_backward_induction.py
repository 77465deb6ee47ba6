"""Backward induction against exact recursions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from mdplab.models import FiniteHorizonMDP
from mdplab.solution import Status
from mdplab.solvers import backward_induction, evaluate_stages_array
from tests import naive
from tests.small_models import T3_KERNEL, T3_LOGITS, T3_REWARD, T3_START


def random_model(seed: int) -> FiniteHorizonMDP:
    rng = np.random.default_rng(seed)
    horizon, states, actions = int(rng.integers(1, 9)), int(rng.integers(1, 5)), int(rng.integers(1, 4))
    lead = (horizon,) if seed % 2 else ()
    kernel = rng.dirichlet(np.ones(states), (*lead, states, actions))
    reward = rng.normal(size=(*((horizon,) if seed % 3 else ()), states, actions)) + 3.0
    return FiniteHorizonMDP(kernel, reward, horizon, float(rng.uniform(0.5, 1.0)), rng.normal(size=states))


def stages(mdp: FiniteHorizonMDP, number: type) -> tuple[list, list]:
    kernels, rewards = [], []
    for h in range(mdp.horizon):
        kernel = mdp.stage_kernel(h)
        kernels.append(
            [[[(t, number(float(p))) for t, p in enumerate(row)] for row in pairs] for pairs in kernel]
        )
        rewards.append([[number(float(r)) for r in row] for row in mdp.stage_reward(h)])
    return kernels, rewards


@pytest.mark.parametrize("seed", range(20))
def test_hard_stages(seed: int) -> None:
    mdp = random_model(seed)
    mask = np.random.default_rng(seed).random((mdp.horizon, mdp.n_states, mdp.n_actions)) < 0.6
    mask[..., 0] = True
    solution = backward_induction(mdp, available=mask)
    kernels, rewards = stages(mdp, Fraction)
    v = [Fraction(float(x)) for x in mdp.terminal]
    assert naive.largest_error(solution.value[-1], v) == 0
    for h in reversed(range(mdp.horizon)):
        q = naive.exact_lookahead(kernels[h], rewards[h], Fraction(mdp.discount), v)
        q = [
            [x if ok else None for x, ok in zip(*pair, strict=True)] for pair in zip(q, mask[h], strict=True)
        ]
        v = [max(x for x in row if x is not None) for row in q]
        assert (
            naive.largest_error(solution.value[h], v)
            <= solution.value_errors[h]
            <= solution.certificate.bound
        )
        assert naive.largest_error(solution.q[h], q) <= solution.q_error
        assert all(
            Fraction(float(low)) <= x <= Fraction(float(high))
            for low, x, high in zip(solution.lower[h], v, solution.upper[h], strict=True)
        )
    assert np.all(solution.policy[~mask] == 0)
    np.testing.assert_array_equal(solution.policy.sum(axis=2), 1.0)
    assert solution.certificate.bound < 1e-12


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("temperature", [1e-3, 0.7, 1e3])
def test_soft_stages(seed: int, temperature: float) -> None:
    mdp = random_model(seed)
    rng = np.random.default_rng([seed, 9])
    shape = (mdp.horizon, mdp.n_states, mdp.n_actions)
    logs = np.log(rng.dirichlet(np.ones(mdp.n_actions), shape[:2]))
    solution = backward_induction(mdp, temperature=temperature, log_reference=logs)
    kernels, rewards = stages(mdp, Decimal)
    v, own, tau = ([Decimal(float(x)) for x in mdp.terminal],) * 2 + (Decimal(temperature),)
    gamma = Decimal(mdp.discount)
    for h in reversed(range(mdp.horizon)):
        bonus = [[tau * Decimal(float(x)) for x in row] for row in logs[h]]
        v, policy = naive.exact_soft_backup(kernels[h], rewards[h], gamma, bonus, tau, v)
        assert naive.largest_error(solution.value[h], v) <= solution.value_errors[h]
        assert naive.largest_error(solution.policy[h], policy) <= solution.policy_error
        assert naive.largest_error(solution.log_policy[h], [[p.ln() for p in row] for row in policy]) <= (
            solution.log_policy_error
        )
        lookahead = naive.exact_lookahead(kernels[h], rewards[h], gamma, own)
        laws = [[Decimal(float(p)) for p in row] for row in solution.policy[h]]
        laws = [[p / sum(row) for p in row] for row in laws]
        own = [
            sum(p * (x + b - tau * p.ln()) if p else Decimal(0) for p, x, b in zip(*triple, strict=True))
            for triple in zip(laws, lookahead, bonus, strict=True)
        ]
    assert max(float(x - y) for x, y in zip(v, own, strict=True)) <= solution.suboptimality


def test_ties_and_gaps_decide_what_is_known_of_the_policy() -> None:
    kernel = np.ones((1, 2, 1))
    tied = backward_induction(FiniteHorizonMDP(kernel, [[0.1, 0.1]], 3))
    assert tied.policy_error == np.inf
    assert tied.policy[:, 0, 0].tolist() == [1.0, 1.0, 1.0]
    clear = backward_induction(FiniteHorizonMDP(kernel, [[0.1, 0.2]], 3))
    assert clear.policy_error == clear.suboptimality == 0.0
    assert clear.status is Status.CONVERGED
    assert (
        backward_induction(FiniteHorizonMDP(kernel, [[0.1, 0.2]], 3), tol=0.0).status
        is Status.PRECISION_LIMIT
    )


def test_a_stationary_soft_model_approaches_the_discounted_one() -> None:
    from mdplab.solvers import soft_policy_iteration
    from tests.small_models import t3

    long = backward_induction(FiniteHorizonMDP(T3_KERNEL, T3_REWARD, 400, 0.9), temperature=0.5)
    np.testing.assert_allclose(long.value[0], soft_policy_iteration(t3(), temperature=0.5).value, atol=1e-12)


def test_complex_stages_differentiate_the_trajectory_objective() -> None:
    # Finite-horizon soft policy gradient on T3 (H = 4, temperature .5): first column as printed.
    horizon, tau, step = 4, 0.5, 1e-30

    def value(theta: np.ndarray) -> complex:
        policy = np.exp(theta) / np.exp(theta).sum(axis=1, keepdims=True)
        kernel = np.einsum("sa,sat->st", policy, T3_KERNEL)
        gain = (policy * (T3_REWARD - tau * np.log(policy))).sum(axis=1)
        v = evaluate_stages_array(kernel, np.array([gain] * horizon), np.zeros(3), 0.9)
        return complex(T3_START @ v[0])

    gradient = np.zeros(3)
    for s in range(3):
        theta = T3_LOGITS.astype(complex)
        theta[s, 0] += 1j * step
        gradient[s] = value(theta).imag / step
    np.testing.assert_allclose(gradient, [0.2597454286, 0.0395554976, -0.2280365800], rtol=0, atol=6e-11)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, "temperature"),
        ({"tol": np.nan}, "tol"),
        ({"available": np.zeros((3, 2), bool)}, "stage 0, state 0 has no action"),
        ({"available": np.ones((3, 2))}, "available must be boolean"),
        ({"temperature": 1.0, "log_reference": np.zeros(2)}, "log_reference must have shape"),
        ({"temperature": 1.0, "log_reference": np.full((3, 2), -np.inf)}, "gives no weight"),
    ],
)
def test_bad_input_is_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        backward_induction(FiniteHorizonMDP(T3_KERNEL, T3_REWARD, 2), **options)
