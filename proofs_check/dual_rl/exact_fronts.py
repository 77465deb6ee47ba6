"""Pareto points in rationals: mixtures of exact optima, clean-up and constrained programs by the exact simplex method."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array

if TYPE_CHECKING:
    from proofs_check.dual_rl.front_tasks import FrontTask, SegmentTask


def rewards_of(task: FrontTask) -> Array:
    """Rewards of the pairs, shape (m, S A)."""
    return np.asarray(mdplab.exact.rational(task.rewards))


def scalarised(task: FrontTask, weights: Array) -> Any:
    """The twin of the scalarised model."""
    twin = mdplab.exact.ExactMDP.of(task.model.base)
    return replace(twin, reward=(weights @ rewards_of(task)).reshape(twin.reward.shape))


def best_occupancy(task: FrontTask, weights: Array) -> tuple[Array, Any]:
    """Occupancy (S A,) of an optimal policy of the scalarised model, and the optimal normalised return."""
    twin = scalarised(task, weights)
    found = mdplab.exact.policy_iteration(twin)
    policy = np.eye(task.model.n_actions)[found.optimal.argmax(axis=1)]
    value = (1 - twin.discount) * (twin.initial @ found.value)
    return np.ravel(mdplab.exact.occupancy(twin, policy)), value


def flow_of(task: FrontTask) -> tuple[Array, Array]:
    """Flow constraints: a row a state."""
    twin = mdplab.exact.ExactMDP.of(task.model.base)
    states = np.repeat(np.eye(task.model.n_states, dtype=int), task.model.n_actions, axis=0)
    rows = states - twin.discount * twin.transition.reshape(states.shape)
    return rows.T, (1 - twin.discount) * twin.initial


def largest(task: FrontTask, cost: Array, keep: Array, least: Array, near: Array) -> Any:
    """``max cost . d`` over occupancies with ``keep d >= least``."""
    guess = np.array([float(x) for x in near])
    return mdplab.exact.linear_program(cost, at_most=(-keep, -least), equal=flow_of(task), near=guess)


def target(task: FrontTask) -> Array:
    """Occupancy of the mixture, pushed to the front if the task says so."""
    weights, share = mdplab.exact.laws(task.weights), mdplab.exact.rational(task.share)
    first, second = (best_occupancy(task, w)[0] for w in weights)
    mixed = share * first + (1 - share) * second
    if not task.pushed:
        return np.asarray(mixed)
    rewards = rewards_of(task)
    return np.asarray(largest(task, rewards.sum(axis=0), rewards, rewards @ mixed, mixed).primal)


def programs(task: FrontTask) -> list[Any]:
    """The constrained program of every objective, thresholds at the returns of the target."""
    d, rewards = target(task), rewards_of(task)
    least = rewards @ d
    found = []
    for k in range(len(rewards)):
        others = [j for j in range(len(rewards)) if j != k]
        found.append(largest(task, rewards[k], rewards[others], least[others], d))
    return found


def values(task: FrontTask) -> Array:
    """Values of the constrained programs."""
    return np.array([found.value for found in programs(task)])


def returns(task: FrontTask) -> Array:
    """Returns of the target."""
    return np.asarray(rewards_of(task) @ target(task))


def randomisations(task: FrontTask) -> Array:
    """Positive entries of the basic solutions beyond one for each state visited."""
    shape = (task.model.n_states, task.model.n_actions)
    counts = []
    for found in programs(task):
        taken = np.array([x != 0 for x in found.primal]).reshape(shape)
        counts.append(int(taken.sum() - taken.any(axis=1).sum()))
    return np.array(counts)


def most(task: FrontTask) -> Array:
    """``m - 1`` for every program."""
    m = task.model.n_objectives
    return np.full(m, m - 1)


def images(task: FrontTask) -> Array:
    """Returns of all deterministic policies, shape (N, m)."""
    twin, rewards = mdplab.exact.ExactMDP.of(task.model.base), rewards_of(task)
    eye = np.eye(task.model.n_actions)
    return np.array([rewards @ np.ravel(mdplab.exact.occupancy(twin, eye[a])) for a in task.actions])


def scalarised_returns(task: FrontTask) -> Array:
    """Returns of the policies of policy iteration at both weights."""
    rewards = rewards_of(task)
    return np.array([rewards @ best_occupancy(task, w)[0] for w in mdplab.exact.laws(task.weights)])


def best_images(task: FrontTask) -> Array:
    """Returns of the best deterministic policies by enumeration (of several those of policy iteration, if they are there)."""
    points, rows = images(task), []
    for weights, found in zip(mdplab.exact.laws(task.weights), scalarised_returns(task), strict=True):
        heights = points @ weights
        best = points[heights == max(heights)]
        same = (best == found).all(axis=1)
        rows.append(best[same.argmax()])
    return np.array(rows)


def edge_of(task: FrontTask) -> tuple[Array, Array, Array]:
    """Ends of the longest edge of the front and the weights normal to it, by enumeration (two rewards)."""
    points = sorted({tuple(v) for v in images(task)}, key=lambda v: (-v[0], -v[1]))
    front: list[Any] = []
    for v in points:
        if front and v[1] <= front[-1][1]:
            continue
        while len(front) > 1 and (front[-1][0] - front[-2][0]) * (v[1] - front[-2][1]) <= (
            front[-1][1] - front[-2][1]
        ) * (v[0] - front[-2][0]):
            front.pop()
        front.append(v)
    if len(front) == 1:
        only = np.array(front[0])
        return only, only, np.array([mdplab.exact.rational(0.5)] * 2)
    first, second = max(pairwise(front), key=lambda e: e[0][0] - e[1][0])
    rise, fall = second[1] - first[1], first[0] - second[0]
    return np.array(first), np.array(second), np.array([rise, fall]) / (rise + fall)


def edge_optimum(task: FrontTask) -> Array:
    """Optimal return at the weights normal to the edge, three times."""
    _, _, weights = edge_of(task)
    return np.repeat(best_occupancy(task, weights)[1], 3)


def edge_returns(task: FrontTask) -> Array:
    """Scalarised returns of both ends and of a point between them."""
    first, second, weights = edge_of(task)
    share = mdplab.exact.rational(task.share)
    return np.array([weights @ first, weights @ second, weights @ (share * first + (1 - share) * second)])


def staircase(task: SegmentTask) -> Any:
    """Sum of the rectangles between successive points."""
    n, tenth = task.size, mdplab.exact.rational(0.1)
    place = mdplab.exact.rational(np.arange(n, dtype=float)) / (n - 1)
    heights = place + tenth
    return ((1 - place + tenth) * np.append(heights[0], heights[1:] - heights[:-1])).sum()


def closed_form(task: SegmentTask) -> Any:
    """``.71 - 1 / (2 (n - 1))``."""
    return mdplab.exact.rational(0.71) - mdplab.exact.rational(0.5) / (task.size - 1)
