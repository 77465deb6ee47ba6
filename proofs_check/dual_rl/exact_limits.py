"""Vanishing strength in exact arithmetic: the threshold of the chi-square in rationals, exponents of the KL in balls."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import mdplab
from mdplab._typing import Array, BoolArray, IntArray
from proofs_check.dual_rl.exact_programs import SMOOTH, data_of, dual_value, mass_of, quadratic, read

if TYPE_CHECKING:
    from proofs_check.dual_rl.instances import OfflineTask

STRENGTHS = (0.1, 0.2, 0.4, 0.8)
SMALL = (0.1, 0.05, 0.03, 0.02)


class Best(NamedTuple):
    """Optimal policy (S,), advantages, occupancy and its complement (S, A), and the normalised optimal value."""

    actions: IntArray
    advantage: Array
    mass: Array
    others: BoolArray
    value: Any


def best(task: OfflineTask) -> Best:
    """Policy iteration in rationals."""
    found = mdplab.exact.policy_iteration(task.mdp)
    actions = found.optimal.argmax(axis=1)
    policy = np.eye(task.mdp.n_actions, dtype=int)[actions]
    return Best(
        actions,
        found.q - found.value[:, np.newaxis],
        mdplab.exact.occupancy(task.mdp, mdplab.exact.rational(policy)),
        policy == 0,
        (read(task).start * found.value).sum(),
    )


def cost(task: OfflineTask, mass: Array, divergence: str) -> Any:
    """``alpha D_f(d || q)``."""
    data, strength = data_of(task)
    return strength * mdplab.exact.f_divergence(mass.ravel(), data, divergence)


def tasks(task: OfflineTask, strengths: tuple[float, ...] = STRENGTHS) -> list[OfflineTask]:
    """The task at several strengths."""
    return [replace(task, strength=a) for a in strengths]


# --- (i), (ii) ------------------------------------------------------------------------------------------------------


def sandwich(task: OfflineTask) -> tuple[Array, Array]:
    """Both sides of (i)."""
    top = best(task)
    value = np.array([[dual_value(t, name) for t in tasks(task)] for name in SMOOTH])
    floor = np.array([[top.value - cost(t, top.mass, name) for t in tasks(task)] for name in SMOOTH])
    chords = [(2 * value[:, k - 1] + value[:, k + 1]) / 3 for k in (1, 2)]
    low = [value[:, 1:], value[:, 1], value[:, 2], floor, value]
    high = [value[:, :-1], *chords, value, np.full(value.shape, top.value)]
    return np.concatenate([np.ravel(x) for x in low]), np.concatenate([np.ravel(x) for x in high])


def value_low(task: OfflineTask) -> Array:
    """Left side of (i)."""
    return sandwich(task)[0]


def value_high(task: OfflineTask) -> Array:
    """Right side of (i)."""
    return sandwich(task)[1]


def columns(task: OfflineTask) -> tuple[Array, Array, Array]:
    """Gap ``-<d, A*>``, ``alpha [D(d*) - D(d)]`` and ``alpha D(d*)``."""
    top = best(task)
    rows = []
    for name, t in itertools.product(SMOOTH, tasks(task)):
        mass = mass_of(t, name)
        total = cost(t, top.mass, name)
        rows.append([-(mass * top.advantage.ravel()).sum(), total - cost(t, mass, name), total])
    gap, growth, total = np.array(rows, dtype=object).T
    return gap, growth, total


def gap_low(task: OfflineTask) -> Array:
    """0 and the gap."""
    gap = columns(task)[0]
    return np.concatenate([0 * gap, gap])


def gap_high(task: OfflineTask) -> Array:
    """The gap and the growth of the divergence."""
    return np.concatenate(columns(task)[:2])


def growth(task: OfflineTask) -> Array:
    """``alpha [D(d*) - D(d)]``."""
    return columns(task)[1]


def total(task: OfflineTask) -> Array:
    """``alpha D(d*)``."""
    return columns(task)[2]


# --- (iii) ----------------------------------------------------------------------------------------------------------


def line(task: OfflineTask, top: Best) -> Array:
    """``K``, shape (S, A)."""
    twin, states = mdplab.exact.ExactMDP.of(task.mdp), np.arange(task.mdp.n_states)
    data = data_of(task)[0].reshape(task.data.shape)
    share = (top.mass / data)[states, top.actions]
    system = mdplab.exact.identity(twin.n_states) - twin.discount * twin.transition[states, top.actions]
    u = mdplab.exact.solve(system, 2 * (share - 1))
    return np.asarray(u[:, np.newaxis] - twin.discount * mdplab.exact.multiply(twin.transition, u) + 2)


def threshold(task: OfflineTask) -> Any:
    """The least ``-A* / K`` of a single action."""
    top = best(task)
    k = line(task, top)
    chosen = top.others & (k > 0)
    return (-top.advantage[chosen] / k[chosen]).min()


class Switches(NamedTuple):
    """Loss, relief and spread of every policy with another occupancy (N,)."""

    loss: Array
    relief: Array
    spread: Array


def switches(task: OfflineTask, top: Best) -> Switches:
    """All deterministic policies."""
    twin, flow, states = mdplab.exact.ExactMDP.of(task.mdp), read(task), np.arange(task.mdp.n_states)
    data = data_of(task)[0].reshape(task.data.shape)
    slope = 2 * (top.mass / data - 1)
    rows = []
    for actions in itertools.product(range(twin.n_actions), repeat=twin.n_states):
        kernel = twin.transition[states, list(actions)]
        visits = mdplab.exact.solve(
            mdplab.exact.identity(twin.n_states) - twin.discount * kernel.T, flow.start
        )
        mass = 0 * top.mass
        mass[states, list(actions)] = visits
        apart = top.mass - mass
        if (apart != 0).any():
            loss = top.value - (mass * twin.reward).sum()
            rows.append([loss, (apart * slope).sum(), (apart * apart / data).sum()])
    return Switches(*np.array(rows, dtype=object).T)


def threshold_of_policies(task: OfflineTask) -> Any:
    """The least ratio of loss to relief of a policy."""
    found = switches(task, best(task))
    chosen = found.relief > 0
    return (found.loss[chosen] / found.relief[chosen]).min()


def scaled(task: OfflineTask, factor: float) -> OfflineTask:
    """The task at a multiple of the threshold, in floats."""
    first = float(mdplab.exact.floats(np.array([threshold(task)]))[0][0])
    return replace(task, strength=factor * first)


def mass_below(task: OfflineTask) -> Array:
    """The mass at .98 of the threshold."""
    return np.asarray(quadratic(scaled(task, 0.98)).mass.reshape(task.data.shape))


def optimal_mass(task: OfflineTask) -> Array:
    """``d*``."""
    return best(task).mass


def mass_beyond(task: OfflineTask) -> Any:
    """The mass off the optimal policy at 1.05 of the threshold."""
    return quadratic(scaled(task, 1.05)).mass[best(task).others.ravel()].sum()


def least_mass(task: OfflineTask) -> Any:
    """The best gain on a segment from ``d*``, over the largest ``A* + alpha K``."""
    top, alpha = best(task), mdplab.exact.rational(scaled(task, 1.05).strength)
    found = switches(task, top)
    slope = (top.advantage + alpha * line(task, top))[top.others].max()
    gains = [mdplab.exact.rational(0)]
    for loss, relief, spread in zip(*found, strict=True):
        rise = alpha * relief - loss
        if rise > 0:
            step = min(rise / (2 * alpha * spread), mdplab.exact.rational(1))
            gains.append(step * rise - alpha * step * step * spread)
    return max(gains) / slope


# --- (iv) -----------------------------------------------------------------------------------------------------------


def exponents(task: OfflineTask) -> list[Any]:
    """``-alpha log <d, -A*>`` at the small strengths."""
    top, result = best(task), []
    for t in tasks(task, SMALL):
        gap = -(mass_of(t, "kl") * top.advantage.ravel()).sum()
        result.append(-data_of(t)[1] * mdplab.exact.log(np.array([gap]))[0])
    return result


def bounds(task: OfflineTask) -> list[tuple[Any, Any]]:
    """The two bounds at the small strengths."""
    top, twin, flow = best(task), mdplab.exact.ExactMDP.of(task.mdp), read(task)
    states, data = np.arange(twin.n_states), data_of(task)[0].reshape(task.data.shape)
    system = mdplab.exact.identity(twin.n_states) - twin.discount * twin.transition[states, top.actions]
    low = mdplab.exact.solve(mdplab.exact.ball(system), -mdplab.exact.log(data[states, top.actions]))
    rise = mdplab.exact.highest(mdplab.exact.log(data.sum(axis=1) / flow.start)) / (1 - twin.discount)
    away = -top.advantage
    least = away[top.others].min()
    s, a = np.argwhere(top.others & (away == least))[0]
    above = mdplab.exact.exp(low[:, np.newaxis] + twin.discount * rise + np.zeros(data.shape, dtype=int))
    upper = (away * data * above)[top.others].sum()
    following = (twin.transition[s, a] * low).sum()
    below = mdplab.exact.log(np.array([least * data[s, a]]))[0] - rise - twin.discount * following
    logs = mdplab.exact.log(np.array([upper]))[0]
    strengths = [data_of(t)[1] for t in tasks(task, SMALL)]
    return [(least - alpha * logs, least - alpha * below) for alpha in strengths]


def exponent_low(task: OfflineTask) -> list[Any]:
    """Lower bound and exponent, in turn."""
    return [x for (low, _), e in zip(bounds(task), exponents(task), strict=True) for x in (low, e)]


def exponent_high(task: OfflineTask) -> list[Any]:
    """Exponent and upper bound, in turn."""
    return [x for (_, high), e in zip(bounds(task), exponents(task), strict=True) for x in (e, high)]
