"""Values, policies and laws of QuantEcon.py on the same arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from mdplab import instances, solvers
from mdplab.models import MDP
from mdplab.solvers.chain_value import evaluate_chain
from tests.solver_models import large

quantecon = pytest.importorskip("quantecon")
pytestmark = pytest.mark.slow  # it compiles anew in every process

MODELS: dict[str, Any] = {
    "forest": lambda: instances.forest_management(8, discount=0.95),
    "inventory": lambda: instances.inventory(12, [0.1] * 10),
    "riverswim": lambda: instances.riverswim(),
    "car rental": lambda: instances.car_rental(5, most_moved=2),
    "machine": lambda: instances.machine_replacement(20),
    "grid": lambda: instances.gridworld(6, 5, {(5, 4): 1.0}, slip=0.2, terminal=[(5, 4)], discount=0.99).mdp,
} | {f"random {seed}": (lambda seed=seed: large(seed).replace(discount=0.97)) for seed in range(0, 60, 3)}


def theirs(mdp: MDP) -> Any:
    """The model as state-action pairs, unavailable ones left out."""
    kernel = sparse.csr_matrix(mdp.to_sparse().transition)
    keep = np.ones(mdp.reward.shape, bool) if mdp.available is None else mdp.available
    states, actions = np.nonzero(keep)
    return quantecon.markov.DiscreteDP(mdp.reward[keep], kernel[keep.ravel()], mdp.discount, states, actions)


@pytest.mark.parametrize("name", MODELS)
def test_values_agree_to_nine_digits(name: str) -> None:
    mdp = MODELS[name]()
    other = theirs(mdp).solve(method="policy_iteration")
    scale = max(1.0, float(np.abs(other.v).max()))
    for solver in (
        solvers.policy_iteration,
        solvers.value_iteration,
        solvers.modified_policy_iteration,
        solvers.solve,
    ):
        found = solver(mdp, tol=1e-10)
        assert np.abs(found.value - other.v).max() <= 1e-9 * scale
    taken = np.eye(mdp.n_actions)[other.sigma]
    assert (solvers.policy_iteration(mdp).candidates(1e-9 * scale) * taken).sum() == mdp.n_states
    evaluated = solvers.policy_evaluation(mdp, taken).value
    np.testing.assert_allclose(evaluated, theirs(mdp).evaluate_policy(other.sigma), atol=1e-9 * scale)


@pytest.mark.parametrize("seed", range(10))
def test_stationary_laws(seed: int) -> None:
    kernel = np.random.default_rng(seed).dirichlet(np.full(12, 0.3), 12)
    law = quantecon.MarkovChain(kernel).stationary_distributions
    assert len(law) == 1
    np.testing.assert_allclose(
        evaluate_chain(sparse.csr_array(kernel), np.zeros(12)).stationary, law[0], atol=1e-12
    )
