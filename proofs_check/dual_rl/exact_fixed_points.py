"""Fixed points of the gradients of distribution correction in balls: zeros of stationarity conditions, and linear flows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.dual_rl.exact_dice import mass_at
from proofs_check.dual_rl.exact_programs import data_of, entropic, read

if TYPE_CHECKING:
    from proofs_check.dual_rl.dice_tasks import FixedPointTask


def law_of(task: FixedPointTask) -> Array:
    """The law of the data, shape (S, A)."""
    return np.asarray(data_of(task)[0]).reshape(task.data.shape)


# --- semi-gradient --------------------------------------------------------------------------------------------------


def soft_value(task: FixedPointTask) -> Array:
    """Soft optimum relative to the behaviour policy."""
    data = law_of(task)
    behaviour = data / data.sum(axis=1, keepdims=True)
    found = mdplab.exact.soft_control(
        task.mdp, temperature=task.strength, log_reference=mdplab.exact.log(behaviour)
    )
    return np.asarray(found.value)


def stationary_value(task: FixedPointTask) -> Array:
    """Zero of ``q - D``."""
    data = law_of(task)
    flow, strength = read(task), data_of(task)[1]
    matrix = mdplab.exact.ball(flow.matrix).reshape(*data.shape, -1)

    def system(value: Array) -> tuple[Array, Array]:
        mass = mass_at(task, value, "kl")
        return data.sum(axis=1) - mass.sum(axis=1), (mass[..., np.newaxis] * matrix).sum(axis=1) / strength

    near = mdplab.exact.floats(soft_value(task))[0]
    return mdplab.exact.enclose_zero(system, near)


def semi_marginal(task: FixedPointTask) -> Array:
    """Masses of the states at the soft optimum."""
    return np.asarray(mass_at(task, soft_value(task), "kl").sum(axis=1))


def data_marginal(task: FixedPointTask) -> Array:
    """State marginal of the data."""
    return np.asarray(law_of(task).sum(axis=1))


# --- true gradient --------------------------------------------------------------------------------------------------


def true_mass(task: FixedPointTask) -> Array:
    """Mass at the zero of the gradient of the dual that starts from the marginal, shape (S, A)."""
    return np.asarray(entropic(task.restarted).mass).reshape(task.data.shape)


def true_flow(task: FixedPointTask) -> Array:
    """Its flow."""
    return mdplab.exact.multiply(read(task).matrix.T, true_mass(task).ravel())


def start_flow(task: FixedPointTask) -> Array:
    """``(1 - gamma) q``."""
    return np.asarray(read(task.restarted).start)


def true_states(task: FixedPointTask) -> Array:
    """Its masses of the states."""
    return np.asarray(true_mass(task).sum(axis=1))


def true_occupancy(task: FixedPointTask) -> Array:
    """Occupancy of its policy from the marginal."""
    mass = true_mass(task)
    return mdplab.exact.state_occupancy(task.restarted.mdp, mass / mass.sum(axis=1, keepdims=True))


# --- orthogonal gradient --------------------------------------------------------------------------------------------


class Rest(NamedTuple):
    """Mass (S, A), coefficient and scale at a fixed point."""

    mass: Array
    coefficient: Any
    scale: Any


def rest(task: FixedPointTask, scale: float) -> Rest:
    """Zero in V and c of ``q - D + eta (gamma P'D + c D)`` and ``c |D|^2 + D . gamma P'D``, D summed over actions."""
    twin, data, strength = mdplab.exact.ExactMDP.of(task.mdp), law_of(task), data_of(task)[1]
    matrix = mdplab.exact.ball(read(task).matrix).reshape(*data.shape, -1)
    kernel, eta = twin.discount * twin.transition, mdplab.exact.rational(scale)
    states, pairs = data.shape[0], kernel.reshape(data.size, -1)

    def system(point: Array) -> tuple[Array, Array]:
        c, mass = point[-1], mass_at(task, point[:-1], "kl")
        changes = -(mass / strength)[..., np.newaxis] * matrix
        here, there = mass.sum(axis=1), mdplab.exact.multiply(pairs.T, mass.ravel())
        moved = changes.sum(axis=1)
        arrived = mdplab.exact.multiply(pairs.T, changes.reshape(data.size, states))
        residual = [*(data.sum(axis=1) - here + eta * (there + c * here)), (here * (c * here + there)).sum()]
        jacobian = np.empty((states + 1, states + 1), dtype=object)
        jacobian[:-1, :-1] = -moved + eta * (arrived + c * moved)
        jacobian[:-1, -1] = eta * here
        jacobian[-1, :-1] = mdplab.exact.multiply((2 * c * here + there)[np.newaxis], moved)[0]
        jacobian[-1, :-1] += mdplab.exact.multiply(here[np.newaxis], arrived)[0]
        jacobian[-1, -1] = (here * here).sum()
        return np.array(residual, dtype=object), jacobian

    near = mdplab.solvers.dice_fixed_point(task.mdp, task.data, strength=task.strength, scale=scale)
    point = mdplab.exact.enclose_zero(system, np.append(near.value, near.coefficient))
    return Rest(mass_at(task, point[:-1], "kl"), point[-1], eta)


def rests(task: FixedPointTask) -> list[Rest]:
    """The fixed points of all scales."""
    return [rest(task, float(scale)) for scale in task.scales]


def orthogonal_masses(task: FixedPointTask) -> Array:
    """Masses of the states."""
    return np.array([found.mass.sum(axis=1) for found in rests(task)])


def discounted_masses(task: FixedPointTask) -> Array:
    """Flows of the policies with the effective discounts."""
    twin, rows = mdplab.exact.ExactMDP.of(task.mdp), []
    for found in rests(task):
        price = 1 - found.scale * found.coefficient
        policy = found.mass / found.mass.sum(axis=1, keepdims=True)
        chain = (policy[..., np.newaxis] * twin.transition).sum(axis=1)
        system = mdplab.exact.identity(twin.n_states) - found.scale * twin.discount / price * chain.T
        rows.append(mdplab.exact.solve(system, law_of(task).sum(axis=1) / price))
    return np.array(rows)


def projected_discount(task: FixedPointTask) -> list[Any]:
    """``eta gamma / (1 - eta c)``."""
    gamma = mdplab.exact.ExactMDP.of(task.mdp).discount
    return [f.scale * gamma / (1 - f.scale * f.coefficient) for f in rests(task)]


def total_discount(task: FixedPointTask) -> list[Any]:
    """``gamma / (gamma + 1 / (eta |D|_1))``."""
    gamma = mdplab.exact.ExactMDP.of(task.mdp).discount
    return [gamma / (gamma + 1 / (f.scale * f.mass.sum())) for f in rests(task)]


def below_the_discount(task: FixedPointTask) -> list[Any]:
    """Whether the first is below the discount, surely."""
    gamma = mdplab.exact.ExactMDP.of(task.mdp).discount
    return [mdplab.exact.rational(int(bool(found < gamma))) for found in projected_discount(task)]


def below_the_total(task: FixedPointTask) -> list[Any]:
    """Whether ``eta |D|_1 < 1 / (1 - gamma)``, not surely otherwise."""
    edge = 1 / (1 - mdplab.exact.ExactMDP.of(task.mdp).discount)
    return [mdplab.exact.rational(int(not bool(f.scale * f.mass.sum() >= edge))) for f in rests(task)]
