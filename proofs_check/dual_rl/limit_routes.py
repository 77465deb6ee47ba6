r"""Small strengths: the optimum of control, what the regularised optimum keeps off it, and bounds on both.

Chi-square.  On the pairs of the optimal policy ``d_O w(delta / alpha) = d*`` asks for ``delta = 2 alpha (w - 1)``, whence
``V = V* - alpha U``; the other pairs stay empty as long as ``A* + alpha K <= 0``.

KL.  A mass is at most one, so that ``delta(s, pi*(s)) <= alpha log(1 / d_O)`` and ``V >= V* - alpha L`` with ``L = (I - gamma
P_pi*)^{-1} log(1 / d_O)``; the mass of a state is at least ``(1 - gamma) mu_0(s)``, so that ``V <= TV + alpha M`` and
``V <= V* + alpha M / (1 - gamma)``.  Hence ``delta = A* + O(alpha)`` off the optimal policy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from mdplab import solvers
from mdplab._typing import Array, BoolArray, FloatArray, IntArray
from mdplab.claims import Side
from mdplab.claims.tolerances import rounding
from mdplab.divergences import f_divergence
from mdplab.enumeration import deterministic_policies, one_hot
from mdplab.operators import log_sum_exp, occupancy
from proofs_check.dual_rl.instances import OfflineTask
from proofs_check.dual_rl.recovered_mass import Recovered, recovered
from proofs_check.dual_rl.sikchi2023_dual_q import occupancy_error

__all__ = [
    "Charge",
    "Optimum",
    "Switches",
    "at",
    "candidates",
    "charge",
    "edge",
    "every_policy",
    "line",
    "log_gap",
    "log_gap_bounds",
    "log_gap_of_policy",
    "optimum",
    "penalty",
    "switches",
    "threshold",
    "threshold_of_policies",
]


def at(task: OfflineTask, strength: float) -> OfflineTask:
    """The task with another strength."""
    return replace(task, strength=strength)


class Optimum(NamedTuple):
    """Optimal control.

    Attributes
    ----------
    actions : ndarray of int, shape (S,)
        The optimal policy.
    advantage, advantage_error : ndarray (S, A), float
        ``A* = Q* - V*``, and a bound on the error of its entries.
    mass, mass_error : ndarray (S, A), float
        ``d*``, and a bound on the error of its entries.
    others : ndarray of bool, shape (S, A)
        The pairs that the policy does not play.
    value, value_error : float
        ``J*`` and a bound on its error.
    """

    actions: IntArray
    advantage: FloatArray
    advantage_error: float
    mass: FloatArray
    mass_error: float
    others: BoolArray
    value: float
    value_error: float


def optimum(task: OfflineTask) -> Optimum:
    """Policy iteration, and the occupancy of its policy."""
    found = solvers.policy_iteration(task.mdp)
    actions = found.q.argmax(axis=1)
    own = np.take_along_axis(found.q, actions[:, np.newaxis], axis=1)
    policy = one_hot(actions, task.mdp.n_actions)
    size = float(np.abs(found.q).max())
    return Optimum(
        actions,
        np.asarray(found.q - own),
        2 * found.q_error + float(rounding(size, 2)),
        np.asarray(occupancy(task.mdp, policy)),
        occupancy_error(task),
        policy == 0,
        float(task.start @ found.value),
        (1 - task.mdp.discount) * found.certificate.bound + float(rounding(size, task.start.size + 2)),
    )


def every_policy(task: OfflineTask) -> tuple[IntArray, FloatArray]:
    """Actions (N, S) of all deterministic policies, and their occupancies (N, S, A) by linear solves."""
    mdp = task.mdp
    actions = deterministic_policies(mdp.n_states, mdp.n_actions)
    kernels = np.asarray(mdp.transition)[np.arange(mdp.n_states), actions]
    systems = np.eye(mdp.n_states) - mdp.discount * kernels.transpose(0, 2, 1)
    states = np.linalg.solve(systems, np.broadcast_to(task.start[:, np.newaxis], (*actions.shape, 1)))
    return actions, np.asarray(states * one_hot(actions, mdp.n_actions))


# --- what a divergence costs ----------------------------------------------------------------------------------------


class Charge(NamedTuple):
    """``alpha D_f(d_alpha || d_O)`` and ``-<d_alpha, A*>`` with their errors, and what was recovered."""

    cost: float
    cost_error: float
    gap: float
    gap_error: float
    found: Recovered


def charge(task: OfflineTask, divergence: str, best: Optimum) -> Charge:
    """Cost and gap of the regularised optimum, read off the mass that its dual gives.

    The argument y of the weight errs by ``k``, so that a mass errs by ``(e^k - 1) d`` (KL) or ``d_O k / 2`` (chi-square), all
    together by no more than the 1-norm bound of the mass; the divergence has the slope ``f'(d / d_O)``, which is y, cut
    off for the chi-square.
    """
    found = recovered(task, divergence)
    y, k = np.abs(found.residual) / task.strength, found.residual_error / task.strength
    moved = found.mass * np.expm1(k) if divergence == "kl" else task.data * k / 2
    cost = task.strength * float(f_divergence(divergence).divergence(found.mass.ravel(), task.data.ravel()))
    size = task.strength * float((found.mass * (1 + y) + task.data).sum())
    gap = -float((found.mass * best.advantage).sum())

    def weighed(slope: FloatArray) -> float:
        return min(float((moved * slope).sum()), found.mass_error * float(slope.max()))

    return Charge(
        cost,
        task.strength * weighed(y + k) + float(rounding(size, y.size + 12)),
        gap,
        weighed(np.abs(best.advantage))
        + (1 + found.mass_error) * best.advantage_error
        + float(rounding(gap, y.size + 4)),
        found,
    )


def penalty(task: OfflineTask, divergence: str, mass: FloatArray, error: float) -> tuple[float, float]:
    """``alpha D_f(d || d_O)`` of a mass that has an error in the 1-norm, and its own error."""
    data = task.data
    cost = task.strength * float(f_divergence(divergence).divergence(mass.ravel(), data.ravel()))
    share = np.maximum(mass, error) / data
    steep = np.abs(np.log(share)) + 1 if divergence == "kl" else 2 * share + 2
    size = task.strength * float((steep * (mass + data)).sum())
    return cost, 2 * error * task.strength * float(steep.max()) + float(rounding(size, data.size + 12))


# --- the threshold of the chi-square --------------------------------------------------------------------------------


class Switches(NamedTuple):
    """How all deterministic policies fare against the optimal one, in the gradient of the objective at d*.

    Attributes
    ----------
    loss, loss_error : ndarray (N,), float
        ``J* - J(pi)`` and a bound on its error.
    relief, relief_error : ndarray (N,), ndarray (N,)
        ``<d* - d^pi, f'(d* / d_O)>`` and bounds on its errors.
    spread : ndarray (N,)
        ``sum (d^pi - d*)^2 / d_O``.
    other : ndarray of bool (N,)
        Whether the policy differs from the optimal one in a state that the latter visits.
    """

    loss: FloatArray
    loss_error: float
    relief: FloatArray
    relief_error: FloatArray
    spread: FloatArray
    other: BoolArray


def switches(task: OfflineTask, best: Optimum) -> Switches:
    """Loss and relief of every policy."""
    actions, masses = every_policy(task)
    slope = 2 * (best.mass / task.data - 1)
    apart, off = best.mass - masses, 2 * best.mass_error
    reach = np.abs(apart).sum(axis=(1, 2)) + off * slope.size
    size = float(np.abs(slope).max() + 4)
    return Switches(
        -(masses * best.advantage).sum(axis=(1, 2)),
        best.advantage_error + off * float(np.abs(best.advantage).sum()) + float(rounding(1.0, slope.size)),
        (apart * slope).sum(axis=(1, 2)),
        off * float(np.abs(slope).sum())
        + reach * float((off / task.data).max() + rounding(size, slope.size + 6)),
        (apart**2 / task.data).sum(axis=(1, 2)),
        ((actions != best.actions) & (best.mass.sum(axis=1) > 1e-13)).any(axis=1),
    )


def line(task: OfflineTask, best: Optimum) -> tuple[FloatArray, float]:
    """``K`` with ``delta = A* + alpha K`` off the optimal policy (S, A), as long as d* is optimal; its error."""
    mdp, states = task.mdp, np.arange(task.mdp.n_states)
    kernel = np.asarray(mdp.transition)
    share = best.mass[states, best.actions] / task.data[states, best.actions]
    system = np.eye(mdp.n_states) - mdp.discount * kernel[states, best.actions]
    u = np.linalg.solve(system, 2 * (share - 1))
    size = float(np.abs(u).max() + share.max() + 2)
    off = 2 * best.mass_error / float(task.data[states, best.actions].min())
    error = (off + float(rounding(size, 4 * u.size + 12))) / (1 - mdp.discount)
    k = np.asarray(u[:, np.newaxis] - mdp.discount * kernel @ u + 2, dtype=np.float64)
    return k, 2 * error + float(rounding(size, u.size + 6))


def candidates(task: OfflineTask, constant: float = 2.0) -> tuple[FloatArray, FloatArray]:
    """``-A* / K`` at the pairs off the optimal policy, infinite for ``K <= 0``; bounds on the errors."""
    best = optimum(task)
    k, error = line(task, best)
    slope, away = (k + constant - 2.0)[best.others], -best.advantage[best.others]
    with np.errstate(divide="ignore"):
        value = np.where(slope > 0, away / np.where(slope > 0, slope, 1.0), np.inf)
        off = (best.advantage_error + value * error) / np.maximum(slope - error, 0.0)
    return value, off


def threshold(task: OfflineTask, constant: float = 2.0) -> Side:
    """min -A* / K over single actions, K by a linear solve."""
    value, off = candidates(task, constant)
    k = value.argmin()
    return Side(value[k], off[k] + rounding(value[k], 4))


def threshold_of_policies(task: OfflineTask) -> Side:
    """Smallest ratio of loss to relief over all deterministic policies: from there on d* can be improved linearly."""
    found = switches(task, optimum(task))
    loss, relief, off = (x[found.other] for x in (found.loss, found.relief, found.relief_error))
    with np.errstate(divide="ignore", invalid="ignore"):
        lower = np.where(relief > -off, np.maximum(loss - found.loss_error, 0) / (relief + off), np.inf)
        upper = np.where(relief > off, (loss + found.loss_error) / (relief - off), np.inf)
    low, high = float(lower.min()), float(upper.min())
    return Side((low + high) / 2, (high - low) / 2 + 1e-16)


def edge(task: OfflineTask) -> float:
    """The threshold alpha_0."""
    return float(np.asarray(threshold(task).value))


# --- the exponent of the KL divergence ------------------------------------------------------------------------------


def log_gap(task: OfflineTask, best: Optimum) -> Side:
    """``-alpha log <d_alpha, -A*>``, of the logarithms ``log d_O + delta / alpha`` of the mass."""
    found = recovered(task, "kl")
    logs = np.log(task.data) + found.residual / task.strength
    return _exponent(task, best, found, logs, found.residual_error / task.strength)


def log_gap_of_policy(task: OfflineTask, best: Optimum) -> Side:
    """``-alpha log`` of the loss of the recovered policy: the advantage in the states that it visits (linear solve)."""
    found = recovered(task, "kl")
    logs = np.log(task.data) + found.residual / task.strength
    logs -= np.asarray(log_sum_exp(logs))[:, np.newaxis]
    states = occupancy(task.mdp, np.exp(logs)).sum(axis=1)
    k = 2 * found.residual_error / task.strength + float(rounding(np.abs(logs).max() + 2, 16))
    # the states' masses err by the mean error of the policy over 1 - gamma
    off = (np.expm1(k) + occupancy_error(task)) / (1 - task.mdp.discount) / float(states.min())
    return _exponent(task, best, found, logs + np.log(states)[:, np.newaxis], k + float(-np.log1p(-off)))


def _exponent(task: OfflineTask, best: Optimum, found: Recovered, logs: Array, error: float) -> Side:
    away = -best.advantage[best.others]
    terms = logs[best.others] + np.log(away)
    value = -task.strength * float(log_sum_exp(terms))
    doubt = error - float(np.log1p(-best.advantage_error / away.min()))
    size = float(np.abs(terms).max() + np.abs(found.residual).max() / task.strength + 2)
    return Side(value, task.strength * (doubt + float(rounding(size, terms.size + 12))))


def log_gap_bounds(task: OfflineTask, best: Optimum) -> tuple[Side, Side]:
    """Bounds on ``-alpha log <d_alpha, -A*>``, which meet at ``min |A*|`` as the strength vanishes."""
    mdp, states = task.mdp, np.arange(task.mdp.n_states)
    kernel = np.asarray(mdp.transition)
    system = np.eye(mdp.n_states) - mdp.discount * kernel[states, best.actions]
    low = np.linalg.solve(system, -np.log(task.data[states, best.actions]))
    rise = float(np.log(task.data.sum(axis=1) / task.start).max()) / (1 - mdp.discount)
    away = np.where(best.others, -best.advantage, np.inf)
    first = np.unravel_index(away.argmin(), away.shape)
    least = float(away[first])
    above = (np.log(task.data * -best.advantage, where=best.others, out=np.full(away.shape, -np.inf))) + (
        low[:, np.newaxis] + mdp.discount * rise
    )
    below = np.log(task.data[first] * least) - rise - mdp.discount * float(kernel[first] @ low)
    size = float(np.abs(low).max() + abs(rise) + abs(below) + 2) / (1 - mdp.discount)
    error = best.advantage_error * (1 + task.strength / least) + task.strength * float(
        rounding(size, 8 * low.size + 24)
    )
    return (
        Side(least - task.strength * float(log_sum_exp(above[best.others])), error),
        Side(least - task.strength * float(below), error),
    )
