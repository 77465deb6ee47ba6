"""Re-weighted trajectories in exact arithmetic: a policy rolled forward, trajectories counted, one dual number.

Weights are exponentials of rational returns, balls; their derivative at ``1 / eta = 0`` is rational.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import mdplab
from mdplab._typing import Array, BoolArray, IntArray

if TYPE_CHECKING:
    from proofs_check.dual_rl.instances import WeightingTask


class Set(NamedTuple):
    """Trajectories of positive probability: states (N, H), actions (N, H), law (N,) and returns (N,), rational."""

    states: IntArray
    actions: IntArray
    law: Array
    gains: Array


def twin_of(task: WeightingTask) -> Any:
    return mdplab.exact.ExactHorizon.of(task.model)


def enumerated(task: WeightingTask) -> Set:
    """All trajectories of the behaviour."""
    twin, behaviour = twin_of(task), mdplab.exact.laws(task.behaviour)

    def extended(path: list[tuple[int, int]], state: int, mass: Any, gain: Any) -> Iterator[Any]:
        if len(path) == twin.horizon:
            yield path, mass, gain + twin.terminal[state]
            return
        stage = len(path)
        chances = behaviour[stage, state][:, np.newaxis] * twin.transition[stage, state]
        for a, after in zip(*np.nonzero(chances != 0), strict=True):
            step, reward = (state, int(a)), twin.reward[stage, state, a]
            yield from extended([*path, step], int(after), mass * chances[a, after], gain + reward)

    starts = np.flatnonzero(twin.initial != 0)
    found = [row for s in starts for row in extended([], int(s), twin.initial[s], mdplab.exact.rational(0))]
    steps = np.array([path for path, _, _ in found])
    law, gains = (np.array([row[k] for row in found], dtype=object) for k in (1, 2))
    return Set(steps[..., 0], steps[..., 1], law, gains)


def from_each(paths: Set) -> list[BoolArray]:
    """The trajectories from each initial state."""
    return [paths.states[:, 0] == s for s in np.unique(paths.states[:, 0])]


def inverses(task: WeightingTask) -> Array:
    """``1 / eta``, the temperatures being the data."""
    return np.asarray(1 / mdplab.exact.rational(task.temperatures))


def mass(task: WeightingTask, paths: Set, inverse: Any) -> Array:
    """Law of the re-weighted trajectories: tilted, with the mass of each initial state kept, if the task says so."""
    result, gains = (
        paths.law.copy(),
        paths.gains - (task.normalisation == "first order") * baseline(task, paths),
    )
    groups = from_each(paths) if task.normalisation == "each start" else [paths.law != 0]
    for here in groups:
        logs = mdplab.exact.log(paths.law[here])
        result[here] = paths.law[here].sum() * mdplab.exact.softmax(inverse * gains[here], log_reference=logs)
    return result


def baseline(task: WeightingTask, paths: Set) -> Array:
    """Mean return given the initial state; over all trajectories where the weights are normalised so.  Shape (N,)."""
    means = 0 * paths.gains
    for here in [paths.law != 0] if task.normalisation == "all starts" else from_each(paths):
        means[here] = paths.law[here] @ paths.gains[here] / paths.law[here].sum()
    return np.asarray(means)


def visits(task: WeightingTask, paths: Set, weights: Array) -> Array:
    """Weight of the pair (s, a) at every stage, shape (H, S, A)."""
    table = np.full(task.behaviour.shape, mdplab.exact.rational(0), dtype=object)
    for h, stage in enumerate(table):
        np.add.at(stage, (paths.states[:, h], paths.actions[:, h]), weights)
    return table


def induced_policy(task: WeightingTask, paths: Set, weights: Array) -> Array:
    """``Pr(a_h = a | s_h = s)`` in the weighted set; the behaviour where a state is not visited."""
    total = visits(task, paths, weights).sum(axis=-1, keepdims=True)
    seen = visits(task, paths, paths.law).sum(axis=-1, keepdims=True) != 0
    shares = visits(task, paths, weights) / np.where(seen, total, 1)
    return np.where(seen, shares, mdplab.exact.laws(task.behaviour))


def rolled_forward(task: WeightingTask, policy: Array) -> Array:
    """Visitation of every stage and return of a stage policy, by the forward recursion."""
    twin = twin_of(task)
    law, row, value = twin.initial, [], mdplab.exact.rational(0)
    for h in range(twin.horizon):
        pairs = law[:, np.newaxis] * policy[h]
        row += list(pairs.ravel())
        value += (pairs * twin.reward[h]).sum()
        law = (pairs[:, :, np.newaxis] * twin.transition[h]).sum(axis=(0, 1))
    return np.array([*row, value + law @ twin.terminal], dtype=object)


def policy_side(task: WeightingTask) -> Array:
    """Visitation and return of the induced policy, rolled forward (a row a temperature)."""
    paths = enumerated(task)
    return np.stack(
        [
            rolled_forward(task, induced_policy(task, paths, mass(task, paths, inverse)))
            for inverse in inverses(task)
        ]
    )


def weighted_side(task: WeightingTask) -> Array:
    """Visitation and mean return of the re-weighted set, counted (a row a temperature)."""
    paths = enumerated(task)
    laws = [mass(task, paths, inverse) for inverse in inverses(task)]
    return np.stack([np.append(visits(task, paths, law).ravel(), law @ paths.gains) for law in laws])


def returns_of_policies(task: WeightingTask) -> Array:
    """Return of the behaviour, then of the policy at each temperature, by the forward recursion."""
    found = rolled_forward(task, mdplab.exact.laws(task.behaviour))[-1]
    return np.array([found, *policy_side(task)[:, -1]], dtype=object)


def return_before(task: WeightingTask) -> Array:
    """Return of the behaviour and of the policies but for the coldest, by the forward recursion."""
    return returns_of_policies(task)[:-1]


def return_after(task: WeightingTask) -> Array:
    """Return of the policy at each temperature, by the forward recursion."""
    return returns_of_policies(task)[1:]


def derivative(task: WeightingTask) -> Any:
    """Derivative of the return in ``1 / eta`` at 0, by the chain rule through policy and forward recursion."""
    paths, twin = enumerated(task), twin_of(task)
    slope = paths.law * (paths.gains - baseline(task, paths))  # of the weights, which are 1
    policy = induced_policy(task, paths, paths.law)
    seen = visits(task, paths, paths.law).sum(axis=-1, keepdims=True)
    moved = visits(task, paths, slope)
    change = (moved - policy * moved.sum(axis=-1, keepdims=True)) / np.where(seen != 0, seen, 1)
    law, drift, value = twin.initial, 0 * twin.initial, mdplab.exact.rational(0)
    for h in range(twin.horizon):
        pairs = law[:, np.newaxis] * policy[h]
        drifts = drift[:, np.newaxis] * policy[h] + law[:, np.newaxis] * change[h]
        value += (drifts * twin.reward[h]).sum()
        law, drift = ((x[:, :, np.newaxis] * twin.transition[h]).sum(axis=(0, 1)) for x in (pairs, drifts))
    return value + drift @ twin.terminal


def return_variance(task: WeightingTask) -> Any:
    """Variance of the return given the initial state, averaged: second moment less squared mean."""
    paths, value = enumerated(task), mdplab.exact.rational(0)
    for here in from_each(paths):
        total, first = paths.law[here].sum(), paths.law[here] @ paths.gains[here]
        value += paths.law[here] @ paths.gains[here] ** 2 - first**2 / total
    return value


def best_paths(task: WeightingTask) -> tuple[Any, Any]:
    """Mean over initial states of the largest return, and of ``log 1/p`` of a trajectory that attains it."""
    paths, largest, rare = enumerated(task), mdplab.exact.rational(0), mdplab.exact.ball(0)
    for here in from_each(paths):
        law, gains = paths.law[here], paths.gains[here]
        start = law.sum()
        largest += start * gains.max()
        rare -= start * mdplab.exact.log(law[gains == gains.max()].max() / start)
    return largest, rare


def limit_low(task: WeightingTask) -> Array:
    """J by the forward recursion, and the best mean return less ``eta log 1/p``."""
    largest, rare = best_paths(task)
    return np.concatenate([policy_side(task)[:, -1], largest - rare / inverses(task)])


def limit_high(task: WeightingTask) -> Array:
    """The best mean return, and J by the forward recursion."""
    ceiling = np.full(task.temperatures.size, best_paths(task)[0])
    return np.concatenate([ceiling, return_after(task)])
