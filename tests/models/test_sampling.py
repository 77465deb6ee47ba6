"""Trajectories: their law, their seeds, what is refused; names in messages."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from mdplab.models import MDP, FiniteHorizonMDP, Policy
from mdplab.models.sampling import RowSampler
from mdplab.operators import stage_occupancy
from tests.small_models import random_mdp


def start_anywhere(seed: int) -> MDP:
    mdp = random_mdp(seed, masked=False)
    return mdp.replace(initial=np.full(mdp.n_states, 1 / mdp.n_states))


@pytest.mark.parametrize("kind", ["dense", "csr", "long csr"])
def test_row_sampler_inverts_the_distribution_function(kind: str) -> None:
    """Against numpy.searchsorted row by row; zeros are never drawn."""
    rng = np.random.default_rng(3)
    width = 150 if kind == "long csr" else 7
    rows = rng.uniform(size=(9, width)) * (rng.uniform(size=(9, width)) < 0.8)
    rows[:, 0] += 0.1
    rows[4, -3:] = 0.0
    rows /= rows.sum(axis=1, keepdims=True)
    sampler = RowSampler(rows if kind == "dense" else sparse.csr_array(rows))
    at, u = rng.integers(0, 9, 4000), rng.random(4000)
    u[:9], at[:9] = 1.0 - 2.0**-53, np.arange(9)
    drawn = sampler(at, u)
    assert (rows[at, drawn] > 0).all()
    for i in range(9, 4000):
        cumulated = np.cumsum(rows[at[i]])
        assert drawn[i] == np.searchsorted(cumulated, u[i] * cumulated[-1], side="right")
    assert (sampler(np.arange(9), np.zeros(9)) == (rows > 0).argmax(axis=1)).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("staged", [False, True])
def test_frequencies_are_the_occupancies(seed: int, staged: bool) -> None:
    mdp = start_anywhere(seed)
    rng = np.random.default_rng(seed)
    n, a = mdp.n_states, mdp.n_actions
    policy = rng.dirichlet(np.ones(a), (4, n) if staged else n)
    data = mdp.sample(policy, 4, 20_000, seed=seed)
    model = FiniteHorizonMDP(mdp.transition, mdp.reward, 4, initial=mdp.initial)
    law = stage_occupancy(model, np.broadcast_to(policy, (4, n, a)))
    error = np.abs(data.stage_counts() / 20_000 - law)
    assert (error <= 5 * np.sqrt(law * (1 - law) / 20_000) + 1e-12).all()  # five standard deviations
    np.testing.assert_array_equal(data.rewards, mdp.reward[data.states[:, :-1], data.actions])


def test_transitions_have_the_right_law_by_stage() -> None:
    """A kernel for each stage, deterministic: the whole trajectory is known."""
    flip, stay = np.eye(2)[::-1], np.eye(2)
    kernel = np.stack([stay, flip, stay])[:, :, np.newaxis, :]
    model = FiniteHorizonMDP(kernel, np.arange(6.0).reshape(3, 2, 1), initial=[1.0, 0.0])
    data = model.sample(np.ones((2, 1)), 3, 2, seed=0)
    np.testing.assert_array_equal(data.states, [[0, 0, 1, 1]] * 2)
    np.testing.assert_array_equal(data.rewards, [[0.0, 2.0, 5.0]] * 2)
    with pytest.raises(ValueError, match="horizon is 4, but the model has 3"):
        model.sample(np.ones((2, 1)), 4, 2, seed=0)


def test_seeds() -> None:
    mdp = start_anywhere(2)
    policy = Policy.uniform(mdp.n_states, mdp.n_actions)
    one, two, other = (mdp.sample(policy, 5, 50, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one.states, two.states)
    assert (one.states != other.states).any()
    np.testing.assert_array_equal(one.states, mdp.to_sparse().sample(policy, 5, 50, seed=1).states)
    rng = np.random.default_rng(1)
    np.testing.assert_array_equal(mdp.sample(policy, 5, 50, seed=rng).states, one.states)
    assert (mdp.sample(policy, 5, 50, seed=rng).states != one.states).any()  # the generator goes on


def test_refusals_use_names() -> None:
    kernel = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])
    names = {"state_names": ["dry", "wet"], "action_names": ["wait", "go"]}
    mask = np.array([[True, True], [True, False]])
    mdp = MDP(kernel, np.zeros((2, 2)), 0.9, [1.0, 0.0], available=mask, **names)
    with pytest.raises(ValueError, match=r"unavailable pair \(state 1 'wet', action 1 'go'\)"):
        mdp.sample(np.full((2, 2), 0.5), 2, 2, seed=0)
    with pytest.raises(ValueError, match="no start law"):
        MDP(kernel, np.zeros((2, 2)), 0.9).sample(np.full((2, 2), 0.5), 2, 2, seed=0)
    with pytest.raises(ValueError, match=r"policy row \(state 0 'dry'\) sums to 1.5"):
        mdp.sample(np.full((2, 2), 0.75), 2, 2, seed=0)
    kernel[1, 0] = 0.3
    for given in (kernel, sparse.csr_array(kernel.reshape(4, 2))):
        with pytest.raises(
            ValueError, match=r"transition row \(state 1 'wet', action 0 'wait'\) sums to 0.6"
        ):
            MDP(given, np.zeros((2, 2)), 0.9, **names)
    kernel[1, 0] = 0.5
    with pytest.raises(ValueError, match=r"row \(state 1 'wet', action 0 'wait'\) is random"):
        MDP(kernel, np.zeros((2, 2)), 0.9, **names).successors()


def test_masks_by_stage() -> None:
    mask = np.array([[[True, True]], [[True, False]], [[True, True]]])
    model = FiniteHorizonMDP(np.ones((1, 2, 1)), [[0.0, 1.0]], initial=[1.0], available=mask)
    policy = Policy.uniform(1, 2, mask)
    data = model.sample(policy, 3, 200, seed=0)
    assert (data.actions[:, 1] == 0).all()
    assert (data.actions[:, 0] == 1).any()
    assert model.sample(Policy.uniform(1, 2), 1, 5, seed=0).n_actions == 2  # stage 1 is not reached
    for other in (Policy.uniform(1, 2), np.full((3, 1, 2), 0.5)):
        with pytest.raises(ValueError, match=r"unavailable pair \(state 0, action 1\) at stage 1"):
            model.sample(other, 3, 5, seed=0)
