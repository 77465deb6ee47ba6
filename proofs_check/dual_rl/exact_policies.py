"""Duals of one policy in exact arithmetic: zeros of gradients in the values of pairs, and occupancies.

Chi-square: the gradient is linear where the mass is positive, and the minimiser rational.  KL: a box of balls with the zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import mdplab
from mdplab._typing import Array, FloatArray

if TYPE_CHECKING:
    from mdplab.models import MDP
    from proofs_check.dual_rl.policy_tasks import ConservativeTask, PolicyTask


class Pairs(NamedTuple):
    """``B_pi`` (SA, SA), rewards (SA,), ``(1 - gamma) mu_0 pi`` (SA,) and the occupancy (SA,) of a policy."""

    matrix: Array
    reward: Array
    start: Array
    occupancy: Array


def pairs(mdp: MDP, policy: FloatArray) -> Pairs:
    """One policy of a model."""
    twin = mdplab.exact.ExactMDP.of(mdp)
    law = mdplab.exact.laws(policy)
    steps = (twin.transition[..., np.newaxis] * law).reshape(law.size, law.size)
    start = mdplab.exact.laws(mdp.start_law())[:, np.newaxis] * law * (1 - twin.discount)
    return Pairs(
        mdplab.exact.identity(law.size) - twin.discount * steps,
        twin.reward.ravel(),
        start.ravel(),
        mdplab.exact.occupancy(twin, policy).ravel(),
    )


class Dual(NamedTuple):
    """``linear . Q + strength sum data f*((reward - matrix Q) / strength)``."""

    matrix: Array
    linear: Array
    data: Array
    reward: Array
    strength: Any

    def argument(self, q: Array) -> Array:
        """``(reward - matrix q) / strength``."""
        return np.asarray((self.reward - mdplab.exact.multiply(self.matrix, q)) / self.strength)

    def value(self, q: Array, divergence: str) -> Any:
        """The objective; the plain conjugate."""
        y = self.argument(q)
        conjugate = mdplab.exact.exp(y) - 1 if divergence == "kl" else y + y * y / 4
        return (self.linear * q).sum() + self.strength * (self.data * conjugate).sum()

    def minimiser(self, divergence: str, near: FloatArray) -> Array:
        """The zero of the gradient."""
        if divergence == "chi-square":
            half = self.data / (2 * self.strength)
            system = mdplab.exact.multiply(self.matrix.T, half[:, np.newaxis] * self.matrix)
            free = mdplab.exact.multiply(self.matrix.T, self.data + half * self.reward)
            return mdplab.exact.solve(system, free - self.linear)
        matrix = mdplab.exact.ball(self.matrix)

        def gradient(q: Array) -> tuple[Array, Array]:
            y = (self.reward - mdplab.exact.multiply(matrix, q)) / self.strength
            mass = self.data * mdplab.exact.exp(y)
            weighted = (mass / self.strength)[:, np.newaxis] * matrix
            return (
                self.linear - mdplab.exact.multiply(matrix.T, mass),
                mdplab.exact.multiply(matrix.T, weighted),
            )

        return mdplab.exact.enclose_zero(gradient, near.ravel())


def dual(task: PolicyTask, policy: FloatArray) -> Dual:
    """Dual-Q of a policy."""
    one = pairs(task.mdp, policy)
    data = mdplab.exact.laws(task.data.ravel())
    return Dual(one.matrix, one.start, data, one.reward, mdplab.exact.rational(task.strength))


def minimum(task: PolicyTask, divergence: str) -> Any:
    """The dual-Q objective at the zero of its gradient; data of pairs that are not played cost f(0) = 1."""
    whole = dual(task, task.policy)
    near = mdplab.solvers.dual_q(
        task.mdp, task.policy, task.data, divergence=divergence, strength=task.strength
    ).q.ravel()
    live = np.asarray(pairs(task.mdp, task.policy).occupancy > 0, dtype=bool)
    program = Dual(
        whole.matrix[live][:, live], whole.linear[live], whole.data[live], whole.reward[live], whole.strength
    )
    price = whole.strength * (mdplab.exact.rational(0) + whole.data[~live].sum())
    return program.value(program.minimiser(divergence, near[live]), divergence) - price


def regularised_value(task: PolicyTask, divergence: str, policy: FloatArray | None = None) -> Any:
    """``J(pi) - alpha D_f(d || d_O)``."""
    one = pairs(task.mdp, task.policy if policy is None else policy)
    data, strength = mdplab.exact.laws(task.data.ravel()), mdplab.exact.rational(task.strength)
    cost = mdplab.exact.f_divergence(one.occupancy, data, divergence)
    return (one.occupancy * one.reward).sum() - strength * cost


def both_minima(task: PolicyTask) -> list[Any]:
    """The plain minimum of chi-square, twice: its mass is the occupancy, where the conjugates agree."""
    program = dual(task, task.policy)
    q = program.minimiser("chi-square", task.data)
    if not all(y >= -2 for y in program.argument(q)):
        raise ValueError("the minimiser of the plain dual leaves the region where the conjugates agree")
    return [program.value(q, "chi-square")] * 2


def twice_regularised(task: PolicyTask) -> list[Any]:
    """The chi-square regularised value, twice."""
    return [regularised_value(task, "chi-square")] * 2


def closed_objective(task: PolicyTask) -> list[Any]:
    """The objective at ``B^-1 (R - alpha f'(d / d_O))`` (KL, chi-square)."""
    program, one = dual(task, task.policy), pairs(task.mdp, task.policy)
    ratio = one.occupancy / program.data
    slopes = {"kl": mdplab.exact.log(ratio), "chi-square": 2 * (ratio - 1)}
    found = []
    for divergence, slope in slopes.items():
        q = mdplab.exact.solve(one.matrix, one.reward - program.strength * slope)
        found.append(program.value(q, divergence))
    return found


def minima(task: PolicyTask) -> list[Any]:
    """The minima (KL, chi-square)."""
    return [minimum(task, divergence) for divergence in ("kl", "chi-square")]


# --- conservative Q-learning ----------------------------------------------------------------------------------------


def _data(task: ConservativeTask) -> Array:
    if task.other_data is not None:
        return np.asarray(mdplab.exact.laws(task.other_data.ravel()))
    return np.asarray(mdplab.exact.occupancy(task.mdp, task.behaviour).ravel())


def _conservative(task: ConservativeTask) -> Dual:
    one = pairs(task.mdp, task.policy)
    return Dual(one.matrix, one.start, _data(task), one.reward, mdplab.exact.rational(task.strength))


def dual_objective(task: ConservativeTask) -> Any:
    """The dual-Q objective at Q."""
    return _conservative(task).value(mdplab.exact.rational(task.q.ravel()), "chi-square")


def conservative_loss(task: ConservativeTask) -> Any:
    """The loss of conservative Q-learning at Q."""
    program, q = _conservative(task), mdplab.exact.rational(task.q)
    data = program.data.reshape(q.shape)
    ours = data.sum(axis=1)[:, np.newaxis] * mdplab.exact.laws(task.policy)
    delta = (program.argument(q.ravel()) * program.strength).reshape(q.shape)
    squares = (data * delta * delta).sum() / (4 * program.strength)
    return (ours * q).sum() - (data * q).sum() + squares + (data * program.reward.reshape(q.shape)).sum()


def read_estimate(task: ConservativeTask) -> Any:
    """``(1 - gamma) <mu_0 pi, Q>`` at the zero of the gradient."""
    program = _conservative(task)
    return (program.linear * program.minimiser("chi-square", task.q)).sum()


def pessimistic_return(task: ConservativeTask) -> Any:
    """``J(pi) - 2 alpha chi^2(d || d_O)``."""
    one, program = pairs(task.mdp, task.policy), _conservative(task)
    cost = mdplab.exact.chi_square(one.occupancy, program.data)
    return (one.occupancy * one.reward).sum() - 2 * program.strength * cost
