"""Programs over occupancies and values in exact arithmetic: vertices of linear programs, zeros of gradients.

Every pair of points is checked to be feasible, so that equal objectives prove both optimal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import mdplab
from mdplab._typing import Array

if TYPE_CHECKING:
    from proofs_check.dual_rl.instances import OfflineTask, PlanningTask


class Flow(NamedTuple):
    """Flow matrix ``B`` (SA, S), rewards (SA,) and start ``(1 - gamma) mu_0`` (S,), rational."""

    matrix: Array
    reward: Array
    start: Array


def read(task: PlanningTask) -> Flow:
    """The program of a task, its rows normalised exactly."""
    twin = mdplab.exact.ExactMDP.of(task.mdp)
    states = np.repeat(mdplab.exact.identity(twin.n_states), twin.n_actions, axis=0)
    matrix = states - twin.discount * twin.transition.reshape(states.shape)
    start = mdplab.exact.laws(task.mdp.start_law())
    return Flow(matrix, twin.reward.ravel(), (1 - twin.discount) * start)


# --- linear programs of control -------------------------------------------------------------------------------------


def least(task: PlanningTask) -> Any:
    """The value program, a vertex."""
    flow = read(task)
    return mdplab.exact.linear_program(-flow.start, at_most=(-flow.matrix, -flow.reward), free=True)


def largest(task: PlanningTask) -> Any:
    """The occupancy program, a vertex."""
    flow = read(task)
    return mdplab.exact.linear_program(flow.reward, equal=(flow.matrix.T, flow.start))


def least_value(task: PlanningTask) -> list[Any]:
    """The least start value that no backup improves, twice."""
    return [-least(task).value] * 2


def return_and_value(task: PlanningTask) -> list[Any]:
    """The largest return over occupancies, and the start value of policy iteration."""
    return [largest(task).value, read(task).start @ optimal_value(task)]


def minimiser(task: PlanningTask) -> Array:
    """Minimiser of the value program."""
    return np.asarray(least(task).primal)


def optimal_value(task: PlanningTask) -> Array:
    """Optimal value by policy iteration."""
    return mdplab.exact.policy_iteration(task.mdp).value


def mass_times_flow(task: PlanningTask) -> Any:
    """Optimal vertex of the occupancy program times BV, with V of the value program."""
    flow = read(task)
    return (largest(task).primal * (flow.matrix @ minimiser(task))).reshape(task.mdp.reward.shape)


def mass_times_reward(task: PlanningTask) -> Any:
    """Optimal vertex of the occupancy program times R."""
    return (largest(task).primal * read(task).reward).reshape(task.mdp.reward.shape)


def played(task: PlanningTask) -> Array:
    """Pairs with positive mass in an optimal vertex of the occupancy program (1 or 0)."""
    return np.asarray(largest(task).primal > 0, dtype=int).reshape(task.mdp.reward.shape)


def optimal_action(task: PlanningTask) -> Array:
    """Policy iteration: one optimal action of each state (1 or 0); of several, one that the vertex plays."""
    optimal = mdplab.exact.policy_iteration(task.mdp).optimal
    chosen = (2 * (optimal & (played(task) > 0)) + optimal).argmax(axis=1)
    return np.asarray(np.eye(task.mdp.n_actions, dtype=int)[chosen])


# --- programs with a divergence -------------------------------------------------------------------------------------


class Pair(NamedTuple):
    """A mass on the pairs (SA,) with the flow of the start, and a value (S,)."""

    mass: Array
    value: Array


def data_of(task: OfflineTask) -> tuple[Array, Any]:
    """The law of the data (SA,), normalised exactly, and the strength."""
    return mdplab.exact.laws(task.data.ravel()), mdplab.exact.rational(task.strength)


def entropic(task: OfflineTask) -> Pair:
    """KL: the value encloses the zero of the gradient ``start - B'd`` with ``d = q exp(delta / alpha)``."""
    flow, (data, strength) = read(task), data_of(task)
    matrix = mdplab.exact.ball(flow.matrix)

    def mass(value: Array) -> Array:
        delta = flow.reward - mdplab.exact.multiply(matrix, value)
        return np.asarray(data * mdplab.exact.exp(delta / strength))

    def gradient(value: Array) -> tuple[Array, Array]:
        d = mass(value)
        weighted = (d / strength)[:, np.newaxis] * matrix
        return flow.start - mdplab.exact.multiply(matrix.T, d), mdplab.exact.multiply(matrix.T, weighted)

    near = mdplab.solvers.dual_v(task.mdp, task.data, divergence="kl", strength=task.strength).value
    value = mdplab.exact.enclose_zero(gradient, near)
    return Pair(mass(value), value)


def quadratic(task: OfflineTask) -> Pair:
    """Chi-square: ``d = q max(0, 1 + delta / (2 alpha))`` is linear where it is positive, and the value rational."""
    flow, (data, strength) = read(task), data_of(task)
    near = mdplab.solvers.dual_v(task.mdp, task.data, divergence="chi-square", strength=task.strength).value
    value = mdplab.exact.rational(near)
    active = None
    for _ in range(100):
        weight = 1 + (flow.reward - flow.matrix @ value) / (2 * strength)
        if active is not None and ((weight > 0) == active).all():
            return Pair(data * np.where(active, weight, 0), value)
        active = weight > 0
        rows, q = flow.matrix[active], data[active]
        system = mdplab.exact.multiply(rows.T, q[:, np.newaxis] * rows) / (2 * strength)
        free = mdplab.exact.multiply(rows.T, q * (1 + flow.reward[active] / (2 * strength)))
        value = mdplab.exact.solve(system, free - flow.start)
    raise ValueError("the set of pairs with positive mass does not settle")


def nearest_mass(task: OfflineTask) -> Array:
    """Total variation: the mass, from the vertex of a linear program in ``d`` and ``t >= |d - q|``."""
    flow, (data, strength) = read(task), data_of(task)
    one = mdplab.exact.identity(data.size)
    found = mdplab.exact.linear_program(
        np.concatenate([flow.reward, np.full(data.size, -strength / 2)]),
        at_most=(np.block([[one, -one], [-one, -one]]), np.concatenate([data, -data])),
        equal=(np.concatenate([flow.matrix.T, 0 * flow.matrix.T], axis=1), flow.start),
    )
    return np.asarray(found.primal)[: data.size]


def least_cover(task: OfflineTask) -> Array:
    """Total variation: the value, with ``u >= delta``, ``u >= -alpha / 2`` and ``delta <= alpha / 2``."""
    flow, (data, strength) = read(task), data_of(task)
    one = mdplab.exact.identity(data.size)
    found = mdplab.exact.linear_program(
        -np.concatenate([flow.start, data]),
        at_most=(
            np.block([[-flow.matrix, -one], [0 * flow.matrix, -one], [-flow.matrix, 0 * one]]),
            np.concatenate([-flow.reward, np.full(data.size, strength / 2), strength / 2 - flow.reward]),
        ),
        free=True,
    )
    return np.asarray(found.primal)[: flow.start.size]


SMOOTH = {"kl": entropic, "chi-square": quadratic}


def mass_of(task: OfflineTask, divergence: str) -> Array:
    """The mass on the pairs that should be optimal."""
    return SMOOTH[divergence](task).mass if divergence in SMOOTH else nearest_mass(task)


def value_of(task: OfflineTask, divergence: str) -> Array:
    """The value that should be optimal."""
    return SMOOTH[divergence](task).value if divergence in SMOOTH else least_cover(task)


def primal_value(task: OfflineTask, divergence: str) -> Any:
    """``<d, R> - alpha D_f(d || q)`` at a feasible mass."""
    flow, (data, strength), mass = read(task), data_of(task), mass_of(task, divergence)
    balanced = mdplab.exact.overlap(mdplab.exact.multiply(flow.matrix.T, mass), flow.start).all()
    if not (balanced and all(d >= 0 for d in mass)):
        raise ValueError("the mass is not feasible")
    return (mass * flow.reward).sum() - strength * mdplab.exact.f_divergence(mass, data, divergence)


def dual_value(task: OfflineTask, divergence: str) -> Any:
    """``(1 - gamma) mu_0 . V + alpha sum q f*(delta / alpha)`` at the value."""
    flow, (data, strength), value = read(task), data_of(task), value_of(task, divergence)
    y = (flow.reward - mdplab.exact.multiply(flow.matrix, value)) / strength
    if divergence == "kl":
        conjugate = mdplab.exact.exp(y) - 1
    elif divergence == "chi-square":
        conjugate = np.array([t + t * t / 4 if t >= -2 else mdplab.exact.rational(-1) for t in y])
    else:
        half = mdplab.exact.rational(0.5)
        if not all(t <= half for t in y):
            raise ValueError("the value is not feasible")
        conjugate = np.array([max(t, -half) for t in y])
    return (flow.start * value).sum() + strength * (data * conjugate).sum()


def recovered_flow(task: OfflineTask) -> Array:
    """Flow of the mass at the minimiser (rows: KL, chi-square)."""
    flow = read(task)
    return np.stack([mdplab.exact.multiply(flow.matrix.T, pair(task).mass) for pair in SMOOTH.values()])


def start_flow(task: OfflineTask) -> Array:
    """Flow of every occupancy, twice."""
    return np.stack([read(task).start] * 2)


def recovered_value(task: OfflineTask) -> list[Any]:
    """Primal objective of the mass at the minimiser (KL, chi-square)."""
    return [primal_value(task, divergence) for divergence in SMOOTH]


def least_upper_bound(task: OfflineTask) -> list[Any]:
    """Dual objective at its minimiser (KL, chi-square)."""
    return [dual_value(task, divergence) for divergence in SMOOTH]
