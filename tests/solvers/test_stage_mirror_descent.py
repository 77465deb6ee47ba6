"""Mirror descent of stage policies: its identities, its ends, and its input checks."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab.models import FiniteHorizonMDP
from mdplab.operators import log_tilt, stage_laws
from mdplab.solution import Status
from mdplab.solvers import (
    backward_induction,
    mirror_descent,
    regularised_steps,
    stage_evaluation,
    stage_mirror_descent,
)
from tests.small_models import T3_KERNEL, T3_REWARD, t3


def stage_model(seed: int) -> FiniteHorizonMDP:
    rng = np.random.default_rng([seed, 30])
    horizon, states, actions = int(rng.integers(1, 6)), int(rng.integers(1, 5)), int(rng.integers(1, 4))
    lead = (horizon,) if seed % 2 else ()
    return FiniteHorizonMDP(
        rng.dirichlet(np.ones(states), (*lead, states, actions)),
        rng.normal(size=(horizon, states, actions)),
        discount=(1.0, 0.9)[seed % 2],
        terminal=rng.normal(size=states),
        initial=rng.dirichlet(np.ones(states)),
    )


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_every_record_is_an_evaluation_and_a_step(seed: int, temperature: float) -> None:
    mdp = stage_model(seed)
    rng = np.random.default_rng(seed)
    shape = (mdp.horizon, mdp.n_states, mdp.n_actions)
    steps = rng.uniform(0.1, 1.0, (4, *shape[:2]))
    reference = log_tilt(rng.normal(size=shape))
    mask = rng.random(shape) < 0.7
    mask[..., 0] = True
    run = stage_mirror_descent(
        mdp, step=steps, steps=4, temperature=temperature, log_reference=reference, available=mask
    )
    assert run.log_policies.shape == (5, *shape)
    for t in range(5):
        own = stage_evaluation(mdp, run.policies[t], temperature=temperature, log_reference=reference)
        assert (np.abs(own.value - run.values[t]).max(axis=1) <= own.value_errors + run.value_errors[t]).all()
        assert np.all(run.policies[t][~mask] == 0)
        if t < 4:
            kappa = steps[t][..., np.newaxis] * temperature
            with np.errstate(invalid="ignore"):
                raw = (
                    (1 - kappa) * run.log_policies[t] + kappa * reference + steps[t][..., np.newaxis] * own.q
                )
            weights = np.where(mask, np.exp(raw - raw.max(axis=2, keepdims=True)), 0.0)
            np.testing.assert_allclose(
                run.policies[t + 1], weights / weights.sum(axis=2, keepdims=True), atol=1e-13
            )
    assert np.all(np.diff(run.values, axis=0) >= -1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_full_steps_solve_the_last_stages_first(seed: int) -> None:
    mdp = stage_model(seed)
    best = backward_induction(mdp, temperature=0.5)
    first = log_tilt(np.random.default_rng(seed).normal(size=best.policy.shape))
    run = stage_mirror_descent(
        mdp, step=regularised_steps(0.5), steps=mdp.horizon, temperature=0.5, initial_log_policy=first
    )
    for k in range(1, mdp.horizon + 1):
        done = slice(mdp.horizon - k, None)
        np.testing.assert_allclose(run.policies[k, done], best.policy[done], rtol=0, atol=1e-13)
    assert np.abs(run.values[-1] - best.value).max() <= run.certificate.bound + best.certificate.bound + 1e-13


@pytest.mark.parametrize("step", [0.1, 1.0, 10.0])
def test_the_gain_is_a_sum_of_jeffreys_divergences(step: float) -> None:
    for seed in range(8):
        mdp = stage_model(seed)
        run = stage_mirror_descent(mdp, step=step, steps=3)
        for t in range(3):
            change = run.policies[t + 1] - run.policies[t]
            jeffreys = (change * (run.log_policies[t + 1] - run.log_policies[t])).sum(axis=2)
            laws = stage_laws(mdp, run.policies[t + 1])[:-1]
            weights = laws * (mdp.discount ** np.arange(mdp.horizon))[:, np.newaxis]
            gain = mdp.initial @ (run.values[t + 1, 0] - run.values[t, 0])
            assert gain == pytest.approx((weights * jeffreys).sum() / step, rel=1e-9, abs=1e-12)


def test_one_long_horizon_is_the_discounted_run() -> None:
    long = stage_mirror_descent(FiniteHorizonMDP(T3_KERNEL, T3_REWARD, 350, 0.9), step=1.0, steps=3)
    run = mirror_descent(t3(), step=1.0, steps=3)
    np.testing.assert_allclose(long.policies[:, 0], run.policies, atol=1e-11)
    np.testing.assert_allclose(long.values[:, 0], run.values, atol=1e-11)


def test_ends_of_runs_and_rules() -> None:
    mdp = stage_model(1)
    seen = []
    run = stage_mirror_descent(
        mdp, step=lambda t, logs, q: 1.0 + t, steps=5, callback=lambda t, logs, v: seen.append(t) or t == 2
    )
    assert run.status is Status.INTERRUPTED
    assert seen == [0, 1, 2]
    assert run.step_sizes[:, 0, 0].tolist() == [1.0, 2.0]
    assert stage_mirror_descent(mdp, step=[1.0, 2.0], steps=2).status is Status.CONVERGED
    assert stage_mirror_descent(mdp, step=1.0, steps=0, tol=0.0).status is Status.PRECISION_LIMIT
    uniform = np.full((mdp.n_states, mdp.n_actions), 1 / mdp.n_actions)
    same = stage_mirror_descent(mdp, step=1.0, steps=1, initial_policy=uniform)
    np.testing.assert_allclose(same.policies, stage_mirror_descent(mdp, step=1.0, steps=1).policies)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": -1}, "steps"),
        ({"step": 0.0}, "step at t = 0"),
        ({"step": [1.0]}, "step must be a number"),
        ({"step": 3.0, "temperature": 0.5}, "at most 2.0"),
        ({"initial_policy": np.ones((3, 2))}, "initial_policy at"),
        ({"initial_policy": np.eye(3), "initial_log_policy": np.eye(3)}, "not both"),
        ({"initial_log_policy": np.zeros((3, 2))}, "initial_log_policy at"),
        (
            {"initial_policy": np.full((3, 2), 0.5), "available": np.array([[True, False]] * 3)},
            r"initial_policy takes the unavailable pair \(stage 0, state 0, action 1\)",
        ),
        ({"log_reference": np.full((3, 2), -np.inf), "temperature": 0.5}, "gives no weight"),
    ],
)
def test_bad_input_is_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stage_mirror_descent(
            FiniteHorizonMDP(T3_KERNEL, T3_REWARD, 2), **({"step": 1.0, "steps": 2} | options)
        )
