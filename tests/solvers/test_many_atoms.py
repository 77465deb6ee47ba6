"""Exact laws that would not fit into memory are refused before they are made, with the ways out."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab import operators, solvers
from mdplab.enumeration import markov_return_laws, return_laws
from mdplab.laws import FiniteLaw
from mdplab.models import OutcomeModel, RewardProcess
from mdplab.operators import distributional_backup, greedy_distributional_backup, quantile_projection
from mdplab.solution import ConvergenceWarning, Status
from mdplab.wasserstein import wasserstein_with_error
from tests.solvers.test_memory import peak

RNG = np.random.default_rng(5)
# rewards without common measure: as many sums as paths
MODEL = OutcomeModel.from_transition_rewards(RNG.dirichlet(np.ones(4), (4, 2)), RNG.normal(size=(4, 2, 4)))
VECTORS = OutcomeModel.from_transition_rewards(MODEL.law, RNG.normal(size=(4, 2, 4, 2)))
PROCESS = MODEL.reward_process(0, 0.9)
WIDE = FiniteLaw.from_atoms(RNG.normal(size=30_000), np.full(30_000, 1 / 30_000))
LAWS = [WIDE] * 4
MEAN, START = FiniteLaw.mean, [(0, 0.0)]
CALLS = {
    "distributional_backup": lambda: distributional_backup(PROCESS, LAWS, max_atoms=100_000),
    "greedy_distributional_backup": lambda: greedy_distributional_backup(
        MODEL, [[law] * 2 for law in LAWS], discount=0.9, max_atoms=100_000
    ),
    "reachable_nodes": lambda: solvers.reachable_nodes(MODEL, START, 30, max_atoms=10_000),
    "stock_value_iteration": lambda: solvers.stock_value_iteration(MODEL, MEAN, START, 30, max_atoms=10_000),
    "stock_policy_evaluation": lambda: solvers.stock_policy_evaluation(
        MODEL, MEAN, lambda node: 0, START, 30, max_atoms=10_000
    ),
    "stock_policy_iteration": lambda: solvers.stock_policy_iteration(
        MODEL, MEAN, lambda node: 0, START, 30, max_atoms=10_000
    ),
    "cvar_control": lambda: solvers.cvar_control(MODEL, 0.1, 0, 30, max_atoms=100_000),
    "homogeneous_stock_iteration": lambda: solvers.homogeneous_stock_iteration(
        VECTORS, lambda c: -np.abs(c).sum(axis=1), [(0, [0.0, 0.0])], 30, degree=1.0, max_atoms=100_000
    ),
    "return_laws": lambda: return_laws(MODEL, 3, max_count=10**8, max_atoms=100_000),
    "markov_return_laws": lambda: markov_return_laws(MODEL, 3, max_count=10**8, max_atoms=100_000),
    "convolve": lambda: WIDE.convolve(WIDE),
    "convolution_power": lambda: WIDE.convolution_power(40),
}


@pytest.mark.parametrize("name", CALLS)
def test_too_many_atoms_are_refused(name):
    def call() -> None:
        with pytest.raises(ValueError, match=r"^max_atoms: \d+ .* exceed the cap .*grid.*project.*w_1"):
            CALLS[name]()

    assert peak(call) < 2e8


def test_laws_of_one_start_with_many_atoms_are_refused_by_all_together():
    """Few nodes, but laws whose atoms double at every step."""
    law = np.zeros((1, 1, 2)) + 0.5
    model = OutcomeModel(law, RNG.normal(size=2), [0, 0])
    with pytest.raises(ValueError, match="max_atoms"):
        solvers.stock_value_iteration(model, MEAN, START, 25, discount=0.5, max_atoms=100_000)


def test_evaluation_ends_before_and_says_what_it_reached():
    with pytest.warns(ConvergenceWarning, match=r"max_atoms = 1000; .* widen merge"):
        found = solvers.distributional_evaluation(PROCESS, 40, max_atoms=1000)
    assert found.status is Status.MAX_STEPS
    assert max(law.n_atoms for law in found.laws) <= 1000
    assert np.isfinite(found.certificate.bound)


def test_evaluation_of_many_states_is_capped_by_all_together():
    states = 400
    kernel = np.full((states, states), 1 / states)
    process = RewardProcess(kernel, RNG.normal(size=(states, states)), 0.9)

    def call() -> None:
        with pytest.warns(ConvergenceWarning, match="would create 64000000 atoms in all states"):
            solvers.distributional_evaluation(process, 5, max_atoms=1_000_000)

    assert peak(call) < 2e8


def test_the_first_way_out_is_a_grid_whose_error_is_in_the_bound():
    coarse = solvers.stock_policy_evaluation(
        OutcomeModel.from_transition_rewards(MODEL.law, np.round(MODEL.rewards() * 4) / 4),
        MEAN,
        lambda node: 0,
        START,
        8,
        max_atoms=400_000,
    )
    assert coarse.status is Status.CONVERGED
    wide = solvers.distributional_evaluation(PROCESS, 40, merge=0.05, tol=10.0, max_atoms=5000)
    exact = solvers.distributional_evaluation(PROCESS, 6, tol=100.0)
    assert wide.status is Status.CONVERGED
    gap = max(abs(a - b) for a, b in zip(wide.means, exact.means, strict=True))
    assert gap <= wide.certificate.bound + exact.certificate.bound


def test_the_second_way_out_is_a_projection_with_a_known_distance():
    small = quantile_projection(WIDE, 50)
    distance, error = wasserstein_with_error(WIDE, small, 1)
    assert distance + error <= np.ptp(WIDE.atoms) / 100 + 2 * error
    assert len(operators.distributional_backup(PROCESS, [small] * 4, max_atoms=200)) == 4
