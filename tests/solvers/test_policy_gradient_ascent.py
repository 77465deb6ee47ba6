"""Policy gradient ascent: bounds against sixty-digit decimals, the guarantees of the steps, known values."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from mdplab.models import MDP, FiniteHorizonMDP
from mdplab.operators import (
    fisher_information,
    policy_hessian,
    score,
    softmax_policy_gradient,
    state_occupancy,
)
from mdplab.solution import Status
from mdplab.solvers import (
    backward_induction,
    policy_evaluation,
    policy_gradient_ascent,
    policy_iteration,
    smoothness_constant,
    soft_policy_iteration,
)
from tests import naive
from tests.small_models import T3_KERNEL, T3_LOGITS, T3_REWARD, T3_START, as_sparse, random_mdp, t3
from tests.solver_models import DISCOUNTS, model

PI0 = np.array([[0.6, 0.4], [0.3, 0.7], [0.5, 0.5]])


def distance(found: np.ndarray, exact: list) -> float:
    """2-norm of the difference, in decimals."""
    flat: list = []

    def collect(x: np.ndarray, y: list) -> None:
        for a, b in zip(x, y, strict=True):
            if isinstance(b, list):
                collect(a, b)
            else:
                flat.append(Decimal(float(a)) - b)

    collect(found, exact)
    return float(sum(d * d for d in flat).sqrt())


@pytest.mark.parametrize("discount", DISCOUNTS)
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("sparse", [False, True])
def test_bounds_hold(seed: int, discount: float, sparse: bool) -> None:
    mdp = model(seed, discount)
    rng = np.random.default_rng([seed, 6])
    temperature = (0.0, 1e-3, 0.7, 50.0)[seed % 4]
    logs = rng.normal(size=mdp.reward.shape)
    run = policy_gradient_ascent(
        as_sparse(mdp) if sparse else mdp,
        steps=2,
        step=0.3,
        initial_logits=4 * rng.normal(size=mdp.reward.shape),
        temperature=temperature,
        log_reference=logs,
    )
    tau = Decimal(temperature)
    free = np.ones(mdp.reward.shape, bool) if mdp.available is None else mdp.available
    bonus = [
        [tau * Decimal(float(x)) if ok else None for x, ok in zip(*pair, strict=True)]
        for pair in zip(logs, free, strict=True)
    ]
    start = [Decimal(float(x)) for x in mdp.initial]
    for t in range(3):
        rows = naive.exact_rows(mdp, Decimal, normalise=bool(t % 2))
        policy = naive.normalised_rows(run.policies[t])
        value, gradient = naive.exact_policy_gradient(
            rows, naive.decimals(mdp.reward), Decimal(mdp.discount), policy, bonus, tau, start
        )
        assert naive.largest_error(run.values[t], value) <= run.value_errors[t] <= run.certificate.bound
        objective = sum(p * v for p, v in zip(start, value, strict=True))
        assert naive.largest_error([run.start_values[t]], [objective]) <= run.start_errors[t]
        found = distance(run.gradients[t], gradient)
        assert found <= run.gradient_errors[t]
        scale = run.gradient_norms[t] + np.abs(run.values[t]).max() / (1 - discount)
        assert run.gradient_errors[t] <= 1e-9 * (scale + temperature) / (1 - discount)
        assert np.all(run.gradients[t][~free] == 0)


@pytest.mark.parametrize("seed", range(15))
def test_stage_bounds_hold(seed: int) -> None:
    rng = np.random.default_rng([seed, 8])
    horizon, states, actions = (int(rng.integers(1, 7)), int(rng.integers(1, 5)), int(rng.integers(1, 4)))
    lead = (horizon,) if seed % 2 else ()
    mdp = FiniteHorizonMDP(
        rng.dirichlet(np.ones(states), (*lead, states, actions)),
        rng.normal(size=(horizon, states, actions)) + 3,
        discount=(1.0, 0.9)[seed % 2],
        terminal=rng.normal(size=states),
        initial=rng.dirichlet(np.ones(states)),
    )
    temperature = (0.0, 0.4)[seed // 2 % 2]
    logs = np.log(rng.dirichlet(np.ones(actions), (horizon, states)))
    first = 3 * rng.normal(size=logs.shape)
    run = policy_gradient_ascent(
        mdp, steps=2, step=0.5, temperature=temperature, log_reference=logs, initial_logits=first
    )
    tau = Decimal(temperature)
    bonus = [[[tau * x for x in row] for row in stage] for stage in naive.decimals(logs)]
    rewards = [naive.decimals(mdp.stage_reward(h)) for h in range(horizon)]
    kernels = [
        [
            [[(t, p) for t, p in enumerate(row)] for row in pairs]
            for pairs in naive.decimals(mdp.stage_kernel(h))
        ]
        for h in range(horizon)
    ]
    start = naive.decimals(mdp.initial)
    for t in range(3):
        policies = [naive.normalised_rows(stage) for stage in run.policies[t]]
        terminal = naive.decimals(mdp.terminal)
        values, gradient = naive.exact_stage_gradient(
            kernels, rewards, Decimal(mdp.discount), terminal, policies, bonus, tau, start
        )
        assert naive.largest_error(run.values[t], values) <= run.value_errors[t]
        objective = sum(p * v for p, v in zip(start, values[0], strict=True))
        assert naive.largest_error([run.start_values[t]], [objective]) <= run.start_errors[t]
        assert distance(run.gradients[t], gradient) <= run.gradient_errors[t] <= 1e-11
    assert run.values.shape == (3, horizon + 1, states)
    assert run.status is Status.CONVERGED


@pytest.mark.parametrize("temperature", [0.0, 0.4])
@pytest.mark.parametrize("referred", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_smoothness_bounds_the_hessian_and_makes_ascent_monotone(
    seed: int, temperature: float, referred: bool
) -> None:
    base = random_mdp(seed, masked=bool(seed % 2))
    mdp = base.replace(discount=min(base.discount, 0.8))
    rng = np.random.default_rng([seed, 9])
    reference = np.log(rng.dirichlet(np.ones(mdp.n_actions), mdp.n_states)) if referred else None
    options = {"temperature": temperature, "log_reference": reference}
    constant = smoothness_constant(mdp, **options)
    first = rng.normal(scale=2, size=mdp.reward.shape)
    run = policy_gradient_ascent(mdp, steps=15, initial_logits=first, **options)
    for policy in run.policies[::5]:
        hessian = policy_hessian(mdp, policy, **options)
        assert np.abs(np.linalg.eigvalsh(hessian)).max() <= constant
    gains = np.diff(run.start_values)
    np.testing.assert_allclose(run.step_sizes, 1 / constant if constant > 0 else 1.0)
    slack = 2 * run.start_errors.max()
    assert np.all(gains >= 0.5 * run.gradient_norms[:-1] ** 2 / constant - slack)
    for length in (1e-3, 0.3):
        direct = policy_gradient_ascent(
            mdp, steps=10, step=length, normalised=True, initial_logits=first, **options
        )
        least = length * direct.gradient_norms[:-1] - constant / 2 * length**2
        assert np.all(np.diff(direct.start_values) >= least - 2 * direct.start_errors.max())


def reduced_fisher(mdp: MDP, policy: np.ndarray) -> tuple[float, float]:
    """Least eigenvalue of the Fisher matrix and the longest score, logit of action 0 fixed."""
    pairs = np.eye(6).reshape(3, 2, 6)[:, :, [1, 3, 5]]
    occupancy = state_occupancy(mdp, policy)
    matrix = fisher_information(policy, state_occupancy=occupancy, features=pairs)
    longest = np.linalg.norm(score(policy, pairs), axis=2).max()
    return float(np.linalg.eigvalsh(matrix)[0]), float(longest)


def test_normalised_ascent_on_m0() -> None:
    mdp = t3().replace(discount=0.5)
    best = mdp.initial @ policy_iteration(mdp).value
    options = {"normalised": True, "reference_action": 0, "initial_logits": np.log(PI0)}
    run = policy_gradient_ascent(mdp, step=0.001, steps=500, **options)
    gaps = best - run.start_values
    assert gaps[0] == pytest.approx(0.7351324852, abs=6e-11)
    assert gaps[500] == pytest.approx(0.6034893417, abs=6e-11)
    constant = smoothness_constant(mdp)
    assert constant == pytest.approx(83.2, rel=1e-11)
    ratios = [m / mu for mu, m in (reduced_fisher(mdp, policy) for policy in run.policies[:500])]
    c = max(ratios)
    assert c == pytest.approx(12.3524537792, abs=6e-11)
    bound = (1 - 0.001 / c) ** 500 * gaps[0] + c * constant * 0.001 / 2
    assert bound == pytest.approx(1.2198310642, abs=6e-11)
    assert gaps[500] <= bound
    assert np.all(gaps[1:] <= gaps[:-1] - 0.001 * run.gradient_norms[:-1] + constant / 2 * 1e-6)
    assert np.all(run.logits[:, :, 0] == np.log(PI0)[:, 0])
    np.testing.assert_allclose(
        np.linalg.norm(np.diff(run.logits, axis=0).reshape(500, -1), axis=1), 0.001, rtol=1e-10
    )
    # Without curvature the inequality is wrong at a long step.
    long = policy_gradient_ascent(mdp, step=1.0, steps=1, **options)
    assert long.gradient_norms[0] == pytest.approx(0.2707401295, abs=6e-11)
    gained = long.start_values[1] - long.start_values[0]
    assert long.gradient_norms[0] - gained == pytest.approx(0.0196226617, abs=6e-11)


def test_soft_gradient_on_t3() -> None:
    run = policy_gradient_ascent(t3(), steps=0, initial_logits=T3_LOGITS, temperature=0.5)
    assert run.start_values[0] == pytest.approx(7.9287231253, abs=6e-11)
    expected = np.array([0.7001964674, 0.1141751520, -0.7369361496])
    np.testing.assert_allclose(run.gradients[0], np.stack([expected, -expected], axis=1), rtol=0, atol=6e-11)
    found = policy_evaluation(t3(), run.policies[0], temperature=0.5)
    other = softmax_policy_gradient(
        run.policies[0],
        q=found.q,
        state_occupancy=state_occupancy(t3(), run.policies[0]),
        discount=0.9,
        temperature=0.5,
    )
    np.testing.assert_allclose(run.gradients[0], other, atol=1e-13)


def test_ascent_reaches_the_soft_optimum() -> None:
    best = soft_policy_iteration(t3(), temperature=0.5)
    run = policy_gradient_ascent(t3(), steps=600, step=1.0, temperature=0.5)
    np.testing.assert_allclose(run.policies[-1], best.policy, atol=1e-7)
    assert (run.values[-1] <= best.upper + run.value_errors[-1]).all()
    stages = FiniteHorizonMDP(T3_KERNEL, T3_REWARD, 3, initial=T3_START)
    run = policy_gradient_ascent(stages, steps=800, step=1.0, temperature=0.5)
    np.testing.assert_allclose(
        run.policies[-1], backward_induction(stages, temperature=0.5).policy, atol=1e-7
    )


def test_ends_of_runs() -> None:
    flat = MDP(np.ones((1, 2, 1)), [[1.0, 1.0]], 0.5, [1.0])
    run = policy_gradient_ascent(flat, steps=5, step=0.1, normalised=True)
    assert run.status is Status.PRECISION_LIMIT
    assert run.steps == 0
    assert policy_gradient_ascent(flat, steps=2).step_sizes.tolist() == [1.0, 1.0]
    seen = []
    run = policy_gradient_ascent(
        t3(), steps=9, step=0.1, callback=lambda t, logits, found: seen.append(found.start_value) or t == 2
    )
    assert run.status is Status.INTERRUPTED
    assert run.steps == 2
    np.testing.assert_array_equal(run.start_values, seen)
    excluded = policy_gradient_ascent(
        t3(), steps=2, step=0.5, initial_logits=[[0.0, -np.inf], [0.0, 0.0], [0.0, 0.0]]
    )
    assert np.all(excluded.logits[:, 0, 1] == -np.inf)
    assert np.all(excluded.gradients[:, 0] == 0)
    assert policy_gradient_ascent(t3(), steps=1, step=0.1, tol=0.0).status is Status.PRECISION_LIMIT


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": -1}, "steps"),
        ({"step": 0.0}, "step must be positive"),
        ({"step": [1.0]}, "step must be positive"),
        ({"normalised": True}, "step is missing"),
        ({"temperature": -1.0}, "temperature"),
        ({"reference_action": 2}, "reference_action"),
        ({"initial_logits": np.zeros(3)}, "initial_logits must have shape"),
        ({"initial_logits": np.full((3, 2), np.inf)}, "finite or -inf"),
        ({"initial_logits": np.full((3, 2), -np.inf)}, "exclude every available action"),
        ({"initial": np.ones(3)}, "initial"),
    ],
)
def test_bad_input_is_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        policy_gradient_ascent(t3(), **({"steps": 3} | options))
