"""Values and Lipschitz constants of small models on a line, by routes that share no solver, with proven errors."""

from __future__ import annotations

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray, IntArray
from mdplab.claims import Side, rounding
from mdplab.enumeration import deterministic_policies, one_hot
from mdplab.laws import FiniteLaw
from mdplab.models import MDP
from mdplab.operators import lipschitz_constant
from mdplab.wasserstein import wasserstein_with_error


def kernel_of(mdp: MDP) -> FloatArray:
    return np.asarray(mdp.to_dense().transition, dtype=np.float64)


def smallest_cell(positions: FloatArray) -> float:
    return float(np.diff(np.sort(positions)).min(initial=np.ptp(positions) or 1.0))


# --- values ---------------------------------------------------------------------------------------------------------


def optimal_value(mdp: MDP) -> Side:
    """Optimal value by policy iteration."""
    found = solvers.policy_iteration(mdp)
    return Side(found.value, found.certificate.bound)


def solved(mdp: MDP, policies: IntArray) -> Side:
    """Values (N, S) of deterministic policies (N, S) by linear solves; the error is that of their residuals."""
    states = np.arange(mdp.n_states)
    kernels, rewards = kernel_of(mdp)[states, policies], np.asarray(mdp.reward)[states, policies]
    values = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * kernels, rewards[..., np.newaxis])[..., 0]
    residual = np.abs(rewards + mdp.discount * np.einsum("nst,nt->ns", kernels, values) - values).max()
    size = max(1.0, float(np.abs(values).max()), float(np.abs(rewards).max()))
    return Side(values, (residual + float(rounding(size, 4 * mdp.n_states + 8))) / (1 - mdp.discount))


def best_enumerated_value(mdp: MDP) -> Side:
    """Optimal value: the largest over all deterministic policies."""
    found = solved(mdp, deterministic_policies(mdp.n_states, mdp.n_actions))
    return Side(np.max(np.asarray(found.value), axis=0), found.error)


def evaluated(mdp: MDP, policies: IntArray) -> Side:
    """Values (N, S) of deterministic policies, by policy evaluation one at a time."""
    found = [solvers.policy_evaluation(mdp, one_hot(policy, mdp.n_actions)) for policy in policies]
    return Side([f.value for f in found], max(f.certificate.bound for f in found))


# --- Lipschitz constants --------------------------------------------------------------------------------------------


def steepest_of_pairs(values: FloatArray, positions: FloatArray) -> FloatArray:
    """Largest slope over all pairs of states, of functions along the last axis."""
    with np.errstate(invalid="ignore"):
        distances = np.abs(np.subtract.outer(positions, positions))
        rises = np.abs(values[..., :, np.newaxis] - values[..., np.newaxis, :])
        return np.asarray(np.nanmax(np.where(distances > 0, rises / distances, 0.0), axis=(-2, -1)))


def slope(values: Side, positions: FloatArray, *, pairs: bool = False) -> Side:
    """Lipschitz constants of functions along the last axis, by neighbours or by all pairs."""
    table = np.asarray(values.value, dtype=float)
    found = (
        steepest_of_pairs(table, positions)
        if pairs
        else np.asarray(lipschitz_constant(np.moveaxis(table, -1, 0), positions))
    )
    error = (2 * np.max(np.asarray(values.error)) + rounding(np.abs(table).max(), 2)) / smallest_cell(
        positions
    )
    return Side(found, error + rounding(found, 4))


def quantile_distance(p: FloatArray, q: FloatArray, positions: FloatArray) -> tuple[float, float]:
    """Wasserstein-1 distance by the coupling of quantiles, and its error."""
    return wasserstein_with_error(FiniteLaw.from_atoms(positions, p), FiniteLaw.from_atoms(positions, q), 1)


def distance_error(positions: FloatArray) -> float:
    """Error of a Wasserstein-1 distance by distribution functions: rounding of S cumulative masses over the range."""
    return float(rounding(np.ptp(positions), 4 * positions.size + 8))


def quantile_slope(rows: FloatArray, positions: FloatArray) -> Side:
    """Lipschitz constant of the rows (S, S) of a chain over all pairs, by couplings of quantiles."""
    best, worst = 0.0, 0.0
    for i in range(positions.size):
        for j in range(i):
            cell = abs(positions[i] - positions[j])
            distance, error = quantile_distance(rows[i], rows[j], positions)
            best, worst = max(best, distance / cell), max(worst, error / cell)
    return Side(best, worst + distance_error(positions) / smallest_cell(positions) + rounding(best, 4))
