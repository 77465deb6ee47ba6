"""Models on a line in rationals: Lipschitz constants, Wasserstein distances, backups and optimal values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array, FloatArray
from mdplab.models import MDP

if TYPE_CHECKING:
    from proofs_check.distributional.blonde2020_lipschitz import LineTask
    from proofs_check.distributional.zheng2023_model_gap import ModelPair


def twin(mdp: MDP) -> Any:
    return mdplab.exact.ExactMDP.of(mdp)


def slope(values: Array, positions: FloatArray) -> Any:
    """Lipschitz constant over neighbours."""
    x = mdplab.exact.rational(positions)
    order = np.argsort(positions)
    pairs = zip(order[1:], order[:-1], strict=True)
    return max(abs(values[i] - values[j]) / abs(x[i] - x[j]) for i, j in pairs)


def distance(p: Array, q: Array, positions: FloatArray) -> Any:
    """Wasserstein-1 distance by cumulative masses."""
    order = np.argsort(positions)
    x = mdplab.exact.rational(positions)[order]
    gaps = np.cumsum((p - q)[order])[:-1]
    return sum((abs(gap) * cell for gap, cell in zip(gaps, np.diff(x), strict=True)), x[0] - x[0])


def steepest(rows: Array, positions: FloatArray) -> Any:
    """Lipschitz constant of the rows of a chain over neighbours."""
    x, order = mdplab.exact.rational(positions), np.argsort(positions)
    pairs = zip(order[1:], order[:-1], strict=True)
    return max(distance(rows[i], rows[j], positions) / abs(x[i] - x[j]) for i, j in pairs)


def best(q: Array) -> Array:
    return np.array([max(row) for row in q], dtype=object)


# --- two models -----------------------------------------------------------------------------------------------------


def largest_model_error(case: ModelPair) -> Any:
    first, second = twin(case.mdp), twin(case.other)
    shape = first.reward.shape
    return max(
        distance(first.transition[pair], second.transition[pair], case.positions)
        for pair in np.ndindex(shape)
    )


def backup_gap(case: ModelPair) -> Array:
    """Difference of the backups of both models."""
    values = mdplab.exact.rational(case.values)
    gap: Array = np.abs(best(twin(case.mdp).lookahead(values)) - best(twin(case.other).lookahead(values)))
    return gap


def backup_bound(case: ModelPair) -> Array:
    """Discount, Lipschitz constant and largest model error."""
    values = mdplab.exact.rational(case.values)
    bound = twin(case.mdp).discount * slope(values, case.positions) * largest_model_error(case)
    return np.array([bound] * case.mdp.n_states, dtype=object)


def value_gap(case: ModelPair) -> Any:
    """Largest difference of the optimal values."""
    first, second = (mdplab.exact.policy_iteration(twin(mdp)).value for mdp in (case.mdp, case.other))
    return max(np.abs(first - second))


def value_bound(case: ModelPair) -> Any:
    """The bound with the flatter of both optimal values."""
    discount = twin(case.mdp).discount
    flat = min(
        slope(mdplab.exact.policy_iteration(twin(mdp)).value, case.positions)
        for mdp in (case.mdp, case.other)
    )
    return discount / (1 - discount) * largest_model_error(case) * flat


def gaps_of_potentials(case: ModelPair) -> Array:
    """Expectations of the potentials, and the larger of their Lipschitz constants and 1."""
    first, second = twin(case.mdp), twin(case.other)
    found = []
    for pair in np.ndindex(first.reward.shape):
        change = first.transition[pair] - second.transition[pair]
        order = np.argsort(case.positions)
        x = mdplab.exact.rational(case.positions)[order]
        sums = np.cumsum(change[order])[:-1]
        steps = [cell if s < 0 else -cell for s, cell in zip(sums, np.diff(x), strict=True)]
        potential = np.array([x[0] - x[0], *np.cumsum(np.array(steps, dtype=object))], dtype=object)
        found += [(change[order] * potential).sum(), slope(potential[np.argsort(order)], case.positions)]
    return np.array(found, dtype=object)


def distances_and_ones(case: ModelPair) -> Array:
    """Wasserstein-1 distances by couplings of quantiles, and 1."""
    first, second = twin(case.mdp), twin(case.other)
    one, found = mdplab.exact.rational(1), []
    x = mdplab.exact.rational(case.positions)
    for pair in np.ndindex(first.reward.shape):
        p, q = (mdplab.exact.RationalLaw.from_atoms(x, m.transition[pair]) for m in (first, second))
        found += [mdplab.exact.wasserstein_power(p, q, 1), one]
    return np.array(found, dtype=object)


# --- Lipschitz rewards and kernels ----------------------------------------------------------------------------------


def constants(case: LineTask) -> tuple[Any, Any]:
    """Largest Lipschitz constants of rewards and kernels over actions."""
    model, x = twin(case.mdp), case.positions
    actions = range(model.n_actions)
    return (
        max(slope(model.reward[:, a], x) for a in actions),
        max(steepest(model.transition[:, a], x) for a in actions),
    )


def optimal_slope(case: LineTask) -> Any:
    """Lipschitz constant of the optimal value."""
    return slope(mdplab.exact.policy_iteration(twin(case.mdp)).value, case.positions)


def bound(case: LineTask) -> Any:
    """L_r / (1 - gamma L_P)."""
    reward, kernel = constants(case)
    return reward / (1 - twin(case.mdp).discount * kernel)


def constant_slopes(case: LineTask) -> Array:
    """Lipschitz constants of the values of constant actions."""
    model = twin(case.mdp)
    found = []
    for a in range(model.n_actions):
        matrix = mdplab.exact.identity(model.n_states) - model.discount * model.transition[:, a]
        found.append(slope(mdplab.exact.solve(matrix, model.reward[:, a]), case.positions))
    return np.array(found, dtype=object)


def bounds(case: LineTask) -> Array:
    """The bound, once an action."""
    return np.array([bound(case)] * case.mdp.n_actions, dtype=object)


def step_slopes(case: LineTask) -> Array:
    """Lipschitz constants of the values of one to six steps."""
    model, found = twin(case.mdp), []
    values = mdplab.exact.rational(np.zeros(model.n_states))
    for _ in range(6):
        values = best(model.lookahead(values))
        found.append(slope(values, case.positions))
    return np.array(found, dtype=object)


def step_bounds(case: LineTask) -> Array:
    """L_r times sums of powers of gamma L_P."""
    reward, kernel = constants(case)
    factor, total, found = twin(case.mdp).discount * kernel, mdplab.exact.rational(0), []
    for k in range(6):
        total = total + factor**k
        found.append(reward * total)
    return np.array(found, dtype=object)
