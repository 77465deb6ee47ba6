"""Chi-square duals with both conjugates in rationals: a linear system, and the settled support of the corrected one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.dual_rl.exact_programs import data_of, dual_value, quadratic, read

if TYPE_CHECKING:
    from proofs_check.dual_rl.instances import OfflineTask


class Plain(NamedTuple):
    """Minimiser (S,), mass (SA,) and value of the plain dual."""

    value: Array
    mass: Array
    objective: Any


def minimiser(task: OfflineTask, data: Array) -> Array:
    """The plain minimiser: ``B'd = start`` with ``d = q (1 + delta / (2 alpha))``."""
    flow, (_, strength) = read(task), data_of(task)
    system = mdplab.exact.multiply(flow.matrix.T, data[:, np.newaxis] * flow.matrix) / (2 * strength)
    free = mdplab.exact.multiply(flow.matrix.T, data * (1 + flow.reward / (2 * strength)))
    return np.asarray(mdplab.exact.solve(system, free - flow.start))


def plain(task: OfflineTask) -> Plain:
    """The plain optimum; its value is that of the primal."""
    flow, (data, strength) = read(task), data_of(task)
    value = minimiser(task, data)
    mass = data * (1 + (flow.reward - flow.matrix @ value) / (2 * strength))
    return Plain(value, mass, (mass * flow.reward).sum() - strength * ((mass - data) ** 2 / data).sum())


def behaviour(task: OfflineTask) -> Array:
    """The occupancy of the policy of the data, without the rounding of the data."""
    data = data_of(task)[0].reshape(task.data.shape)
    return np.asarray(mdplab.exact.occupancy(task.mdp, data / data.sum(axis=1, keepdims=True)).ravel())


def plain_value(task: OfflineTask) -> Any:
    """Value of the plain program."""
    return plain(task).objective


def plain_point(task: OfflineTask) -> Array:
    """Minimiser of the plain dual."""
    return minimiser(task, behaviour(task))


def reward_fit(task: OfflineTask) -> Array:
    """Fit of R by BV with the weights of the data."""
    flow = read(task)
    weighted = behaviour(task)[:, np.newaxis] * flow.matrix
    system, free = (mdplab.exact.multiply(weighted.T, x) for x in (flow.matrix, flow.reward))
    return np.asarray(mdplab.exact.solve(system, free))


def corrected_value(task: OfflineTask) -> Any:
    """Minimum of the corrected dual."""
    return dual_value(task, "chi-square")


def excess(task: OfflineTask) -> Any:
    """Plain less corrected minimum."""
    return plain_value(task) - corrected_value(task)


def distance(task: OfflineTask) -> Any:
    """``alpha sum (d~ - d_p)^2 / q``."""
    data, strength = data_of(task)
    return strength * ((plain(task).mass - quadratic(task).mass) ** 2 / data).sum()


def negative_mass(task: OfflineTask) -> Any:
    """``alpha sum min(0, d~)^2 / q``."""
    (data, strength), mass = data_of(task), plain(task).mass
    negative = mass < 0
    return strength * (mass[negative] ** 2 / data[negative]).sum() + 0 * strength
