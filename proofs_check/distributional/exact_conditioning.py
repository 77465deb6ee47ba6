"""Conditioning on the return in rationals: trajectories of an outcome model, listed without rounding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import mdplab
from mdplab._typing import Array
from mdplab.models import OutcomeModel

if TYPE_CHECKING:
    from proofs_check.distributional.yang2022_dichotomy import ConditioningTask, TwoArms


class Trajectory(NamedTuple):
    """Start state, the pairs (action, outcome), both probabilities and the return."""

    start: int
    steps: tuple[tuple[int, int], ...]
    chance: Any
    choice: Any
    gain: Any

    @property
    def histories(self) -> list[tuple[Any, ...]]:
        """What is known at each stage."""
        return [(self.start, *self.steps[:stage]) for stage in range(len(self.steps))]


def trajectories(model: OutcomeModel, law: Array, behaviour: Array) -> list[Trajectory]:
    """All trajectories of positive probability: ``chance`` is that of the environment, ``choice`` of the behaviour.

    Outcome laws (S, A, O) and behaviour (H, S, A) are rational; the model gives rewards, next states and start.
    """
    reward = mdplab.exact.rational(model.outcome_reward)

    def extended(state: int, found: Trajectory) -> Iterator[Trajectory]:
        stage = len(found.steps)
        if stage == len(behaviour):
            yield found
            return
        for a, o in zip(*np.nonzero(law[state] * behaviour[stage, state][:, np.newaxis] != 0), strict=True):
            step = Trajectory(
                found.start,
                (*found.steps, (int(a), int(o))),
                found.chance * law[state, a, o],
                found.choice * behaviour[stage, state, a],
                found.gain + reward[o],
            )
            yield from extended(int(model.next_state[o]), step)

    one = mdplab.exact.rational(1)
    starts = mdplab.exact.laws(model.start_law())
    return [
        path
        for state in np.flatnonzero(starts != 0)
        for path in extended(int(state), Trajectory(int(state), (), starts[state], one, 0 * one))
    ]


def weights(paths: list[Trajectory]) -> dict[tuple[Any, ...], Any]:
    """Total probability of the trajectories through each history, those with a last action included."""
    total: dict[tuple[Any, ...], Any] = {}
    for path in paths:
        for history, (action, _) in zip(path.histories, path.steps, strict=True):
            for key in (history, (*history, action)):
                total[key] = total.get(key, 0) + path.chance * path.choice
    return total


def conditioned_value(paths: list[Trajectory], z: Any) -> Any:
    """Value of the conditioned policy run in the true environment; the behaviour where it is undefined."""
    given, whole = weights([path for path in paths if path.gain == z]), weights(paths)
    value = mdplab.exact.rational(0)
    for path in paths:
        mass = path.chance
        for history, (action, _) in zip(path.histories, path.steps, strict=True):
            table = given if history in given else whole
            mass *= table.get((*history, action), 0) / table[history]
        value += mass * path.gain
    return value


def achievable(paths: list[Trajectory]) -> list[Any]:
    """The returns of positive probability, ascending."""
    return sorted({path.gain for path in paths})


def of_task(task: ConditioningTask) -> list[Trajectory]:
    """The trajectories of a task, its rows normalised exactly."""
    law, behaviour = (mdplab.exact.laws(rows) for rows in (task.model.law, task.behaviour))
    return trajectories(task.model, law, behaviour)


def requested_returns(task: ConditioningTask) -> list[Any]:
    """Every achievable return."""
    return achievable(of_task(task))


def obtained_returns(task: ConditioningTask) -> list[Any]:
    """Value of the policy conditioned on every achievable return."""
    paths = of_task(task)
    return [conditioned_value(paths, z) for z in achievable(paths)]


def arms_by_enumeration(arms: TwoArms) -> list[Any]:
    """Probability of arm 0, value, and gap of the policy conditioned on the return 1, by enumeration."""
    p, first = (mdplab.exact.rational(x) for x in (arms.success, arms.first))
    law, behaviour = np.array([[[p, 1 - p, 0], [0, 0, 1]]]), np.array([[[first, 1 - first]]])
    paths = trajectories(arms.task.model, law, behaviour)
    given = weights([path for path in paths if path.gain == 1])
    value = conditioned_value(paths, 1)
    return [given.get((0, 0), 0) / given[(0,)], value, 1 - value]


def arms_in_closed_form(arms: TwoArms) -> Array:
    """Bayes' rule for arm 0; p, or a mixture of p and 1."""
    p, first = (mdplab.exact.rational(x) for x in (arms.success, arms.first))
    taken = first * p / (first * p + 1 - first) if arms.sure == 1 else mdplab.exact.rational(1)
    value = 1 - (1 - p) * taken
    return np.array([taken, value, 1 - value], dtype=object)
