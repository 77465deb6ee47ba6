"""Stationary laws, average and total rewards: against elimination with fractions and the float solvers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from mdplab import MDP, exact, solvers
from mdplab.models import TotalRewardMDP
from tests import rational_chains
from tests.small_models import random_mdp


def test_stationary_law_of_two_states() -> None:
    """Leaving with probabilities p and q: the law is (q, p) / (p + q)."""
    law = exact.stationary_law([[0.9, 0.1], [0.3, 0.7]])
    assert exact.fractions(law).tolist() == [Fraction(3, 4), Fraction(1, 4)]
    assert exact.overlap(exact.stationary_law(exact.ball([[0.9, 0.1], [0.3, 0.7]])), law).all()


def test_transient_states_have_no_stationary_mass() -> None:
    assert exact.stationary_law([[0.5, 0.5], [0, 1]]).tolist() == [0, 1]
    with pytest.raises(ValueError, match="single recurrent class"):
        exact.stationary_law([[1, 0], [0, 1]])
    with pytest.raises(ValueError, match=r"kernel has shape \(1, 2\)"):
        exact.stationary_law([[0.5, 0.5]])


@pytest.mark.parametrize("seed", range(8))
def test_gain_and_bias(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mdp = MDP(rng.dirichlet(np.ones(4), (4, 2)), rng.normal(size=(4, 2)), 0.9)
    twin = exact.ExactMDP.of(mdp, stored=True)
    best = []
    for actions in rational_chains.policies(mdp):
        policy = np.eye(2, dtype=int)[list(actions)]
        found = exact.average_reward(twin, policy)
        assert [exact.fractions(found.gain)] * 4 == rational_chains.gains(mdp, actions)
        kernel, reward = exact.induced(twin, policy)
        assert (found.bias + found.gain == reward + kernel @ found.bias).all()
        assert found.stationary @ found.bias == 0
        best.append(found.gain)
    solution = solvers.average_reward(mdp)
    assert (exact.distance(max(best), exact.dyadic(solution.gain)) <= solution.certificate.bound).all()


@pytest.mark.parametrize("seed", range(8))
def test_total_rewards(seed: int) -> None:
    base = random_mdp(seed, masked=True)
    weights = np.random.default_rng(seed).integers(0, 4, base.transition.shape)
    weights[..., -1] += 32 - weights.sum(axis=-1)
    reward = np.round(4 * base.reward) / 4
    model = TotalRewardMDP(
        weights / 32, reward, np.arange(base.n_states) == base.n_states - 1, available=base.available
    )
    for actions in rational_chains.policies(model):
        value = exact.total_reward(model, np.eye(base.n_actions, dtype=int)[list(actions)])
        totals = rational_chains.proper_totals(model, actions)
        assert dict(enumerate(exact.fractions(value))) == totals


def test_a_policy_that_stays_has_no_total() -> None:
    model = TotalRewardMDP(
        [[[1.0, 0.0], [0.5, 0.5]], [[0.0, 0.0]] * 2], [[1.0, 1.0], [0.0, 0.0]], [False, True]
    )
    with pytest.raises(ValueError, match="need not terminate"):
        exact.total_reward(model, [[1, 0], [1, 0]])
    assert exact.total_reward(model, [[0, 1], [1, 0]]).tolist() == [2, 0]
    assert exact.total_reward(TotalRewardMDP([[[1.0]]], [[1.0]], [True]), [[1]]).tolist() == [0]
