"""Duals in the values of pairs: printed values, closed forms, bounds that hold, support, goals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mdplab import solvers
from mdplab.divergences import f_divergence
from mdplab.models import MDP
from mdplab.operators import occupancy
from mdplab.solution import Status
from mdplab.solvers import dual_q, goal_conditioned, mixture_dual, penalised_reward, policy_evaluation, verify
from tests.small_models import as_sparse, m2, random_mdp
from tests.verification import assert_every_field_is_checked, failures, moved, shifted

DATA = occupancy(m2(), [[0.7, 0.3], [0.6, 0.4]])
POLICY = np.array([[0.2, 0.8], [0.1, 0.9]])
GREEDY = np.array([[0.0, 1.0], [0.0, 1.0]])
NAMES = ["kl", "chi-square"]


def problem(seed: int) -> tuple[MDP, np.ndarray, np.ndarray, float]:
    """A model with a policy, a law of data on all admitted pairs, and a strength."""
    rng = np.random.default_rng([seed, 7])
    base = random_mdp(seed, masked=seed % 2 == 1)
    start = rng.dirichlet(np.ones(base.n_states)) if seed % 3 else np.eye(base.n_states)[0]
    mdp = MDP(base.transition, base.reward, (0.0, 0.5, 0.9, 0.99)[seed % 4], start, available=base.available)
    mask = np.ones(mdp.reward.shape, dtype=bool) if mdp.available is None else mdp.available
    policy = rng.dirichlet(np.ones(mask.shape[1]), mask.shape[0]) * mask
    if seed % 5 == 0:
        policy = np.eye(mask.shape[1])[mask.argmax(axis=1)]
    data = (rng.dirichlet(np.ones(mask.size)).reshape(mask.shape) + 1e-3) * mask
    return (
        mdp,
        policy / policy.sum(axis=1, keepdims=True),
        data / data.sum(),
        float(10.0 ** rng.uniform(-1, 0.5)),
    )


@pytest.mark.parametrize("mdp", [m2(), as_sparse(m2())], ids=["dense", "csr"])
@pytest.mark.parametrize("conjugate", ["corrected", "plain"])
@pytest.mark.parametrize(
    ("name", "objective", "q"),
    [
        ("kl", 0.6536677208472, [[6.0463629563, 6.2007371709], [6.3940215477, 7.1638859716]]),
        ("chi-square", 0.5449475694161, [[3.5006357557, 3.4042946749], [3.7443048135, 3.9272831916]]),
    ],
)
def test_printed_values(mdp: MDP, conjugate: str, name: str, objective: float, q: list[list[float]]) -> None:
    found = dual_q(mdp, POLICY, DATA, divergence=name, strength=0.1, conjugate=conjugate)
    assert found.status is Status.CONVERGED
    assert found.objective == pytest.approx(objective, abs=6e-14)
    np.testing.assert_allclose(found.q, q, atol=6e-11)
    np.testing.assert_allclose(found.mass, occupancy(mdp, POLICY), atol=found.mass_error + 1e-15)
    reward = penalised_reward(mdp, POLICY, DATA, divergence=name, strength=0.1)
    closed = policy_evaluation(mdp.replace(reward=reward), POLICY)
    np.testing.assert_allclose(found.q, closed.q, atol=found.q_error + 1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("conjugate", ["corrected", "plain"])
def test_random_duals_pass(name: str, conjugate: str) -> None:
    seen = set()
    for seed in range(30):
        mdp, policy, data, strength = problem(seed)
        found = dual_q(mdp, policy, data, divergence=name, strength=strength, conjugate=conjugate)
        report = verify(mdp, found)
        assert report.passed, (seed, report.failures)
        assert found.certificate.bound < 1e-9
        seen.add(found.status)
    assert Status.CONVERGED in seen
    assert len(seen) == (1 if (name, conjugate) == ("chi-square", "plain") else 2)


@pytest.mark.parametrize("name", NAMES)
def test_random_mixtures_pass(name: str) -> None:
    for seed in range(20):
        mdp, policy, offline, share = problem(seed)
        target = np.zeros_like(offline)
        target.flat[offline.argmax()] = 1.0
        share = min(share, 0.95)
        found = mixture_dual(mdp, policy, target, offline, share=share, divergence=name)
        report = verify(mdp, found)
        assert report.passed, (seed, report.failures)
        assert found.status is Status.CONVERGED
        ours = share * occupancy(mdp, policy) + (1 - share) * offline
        theirs = share * target + (1 - share) * offline
        exact = -float(f_divergence(name).divergence(ours.ravel(), theirs.ravel()))
        assert found.objective == pytest.approx(exact, abs=1e-11)


@pytest.mark.parametrize("name", NAMES)
def test_unplayed_pairs_cost_their_data(name: str) -> None:
    found = dual_q(m2(), GREEDY, DATA, divergence=name, strength=0.1)
    expected = Status.NOT_ATTAINED if name == "kl" else Status.NOT_UNIQUE
    assert found.status is expected
    d = occupancy(m2(), GREEDY)
    value = float((d * m2().reward).sum()) - 0.1 * float(
        f_divergence(name).divergence(d.ravel(), DATA.ravel())
    )
    assert found.objective == pytest.approx(value, abs=1e-13)
    assert np.isinf(found.q[:, 0]).all() == (name == "kl")
    assert (found.mass[:, 0] == 0.0).all()


def test_a_policy_off_the_support_is_infeasible() -> None:
    data = np.array([[0.0, 0.5], [0.0, 0.5]])
    found = dual_q(m2(), POLICY, data, divergence="kl", strength=0.1)
    assert found.status is Status.INFEASIBLE
    assert found.objective == -np.inf
    assert verify(m2(), found).passed
    covered = replace(found.problem, data=DATA)
    assert failures(m2(), found, problem=covered) == {"the policy leaves the support of the data"}
    assert dual_q(m2(), GREEDY, data, divergence="kl", strength=0.1).status is Status.NOT_ATTAINED


@pytest.mark.parametrize("name", NAMES)
def test_every_field_is_checked(name: str) -> None:
    found = dual_q(m2(), POLICY, DATA, divergence=name, strength=0.1)
    bound = 10 * found.certificate.bound
    changes: dict[str, Any] = {
        "q": moved(10 * found.q_error),
        "objective": shifted(bound),
        "mass": moved(10 * found.mass_error),
        "residual": moved(1e-9),
        "lower": shifted(bound),
        "upper": shifted(-bound),
        "policy": lambda x: np.roll(x, 1, axis=1),
        "problem": lambda p: replace(p, strength=p.strength * (1 + 1e-6)),
    }
    assert_every_field_is_checked(m2(), found, changes, inputs=("q_error", "mass_error"))
    early = dual_q(m2(), POLICY, DATA, divergence="kl", strength=0.1, tol=1.0, max_steps=7)
    assert np.isfinite(early.q_error)
    assert failures(m2(), early, q_error=0.0) == {"q within q_error"}
    assert failures(m2(), early, mass_error=0.0) == {"mass within mass_error"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("max_steps", [1, 2, 4])
@pytest.mark.filterwarnings("ignore::mdplab.solution.ConvergenceWarning")
def test_bounds_of_an_unfinished_run_hold(name: str, max_steps: int) -> None:
    for seed in range(10):
        mdp, policy, data, strength = problem(seed)
        found = dual_q(mdp, policy, data, divergence=name, strength=strength, max_steps=max_steps)
        assert verify(mdp, found).passed


@pytest.mark.parametrize(("name", "printed"), [("kl", 0.0370829954412), ("chi-square", 0.0731390786710)])
def test_goals(name: str, printed: float) -> None:
    """The model of states (g, s) against the mixture of the occupancies of its goals."""
    mdp = goal_conditioned(m2(), [0.5, 0.5])
    policies = np.vstack([[[0.7, 0.3], [0.6, 0.4]], POLICY])
    joint = np.vstack([0.5 * occupancy(m2(), policy) for policy in policies.reshape(2, 2, 2)])
    np.testing.assert_allclose(occupancy(mdp, policies), joint, atol=1e-15)
    reach = np.moveaxis(m2().transition, -1, 0).reshape(4, 2)
    offline = occupancy(mdp, np.full((4, 2), 0.5))
    found = mixture_dual(mdp, policies, reach / reach.sum(), offline, share=0.5, divergence=name)
    assert found.objective == pytest.approx(-printed, abs=6e-14)


def test_goals_keep_the_mask() -> None:
    base = random_mdp(1, masked=True)
    assert base.available is not None
    mdp = goal_conditioned(base.replace(initial=np.eye(base.n_states)[0]), [0.25, 0.75])
    assert mdp.available is not None
    np.testing.assert_array_equal(mdp.available, np.tile(base.available, (2, 1)))


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="divergence: 'total-variation'; expected 'kl' or 'chi-square'"):
        dual_q(m2(), POLICY, DATA, divergence="total-variation", strength=1.0)
    with pytest.raises(ValueError, match="conjugate: 'other'"):
        dual_q(m2(), POLICY, DATA, divergence="kl", strength=1.0, conjugate="other")
    with pytest.raises(ValueError, match=r"data_occupancy: entry \(state 0, action 0\) is -1"):
        dual_q(m2(), POLICY, [[-1.0, 1.0], [0.5, 0.5]], divergence="kl", strength=1.0)
    with pytest.raises(ValueError, match="data_occupancy: sums to 2"):
        dual_q(m2(), POLICY, 2 * DATA, divergence="kl", strength=1.0)
    with pytest.raises(ValueError, match="asks for positive data"):
        dual_q(
            m2(), GREEDY, [[0.0, 0.5], [0.0, 0.5]], divergence="chi-square", strength=1.0, conjugate="plain"
        )
    with pytest.raises(ValueError, match="offline: the policy leads from a pair with mass"):
        # the other state is not reached, and the pair that the policy plays there has no mass
        mixture_dual(
            MDP(np.eye(2)[[[0, 0], [1, 1]]], np.zeros((2, 2)), 0.5, [1.0, 0.0]),
            GREEDY[:, ::-1],
            DATA,
            [[0.5, 0.0], [0.0, 0.5]],
            share=0.5,
            divergence="kl",
        )
    with pytest.raises(ValueError, match=r"share: 1\.0; expected a number strictly between 0 and 1"):
        mixture_dual(m2(), POLICY, DATA, DATA, share=1.0, divergence="kl")
    with pytest.raises(ValueError, match="data_occupancy: expected positive mass"):
        penalised_reward(m2(), POLICY, [[0.0, 0.5], [0.0, 0.5]], divergence="kl", strength=1.0)
    with pytest.raises(ValueError, match="goal_law must have shape"):
        goal_conditioned(m2(), [[1.0]])
    other = replace(dual_q(m2(), POLICY, DATA, divergence="kl", strength=1.0))
    unknown = replace(other, problem=replace(other.problem, divergence=f_divergence("total-variation")))
    with pytest.raises(ValueError, match="whose formulas are known"):
        solvers.verify(m2(), unknown)
