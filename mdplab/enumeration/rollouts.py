r"""Greedy over rollouts of random play: the law of what it chooses, and how often it acts optimally.

The planner is at a state of a deterministic model.  For each sequence of the next k actions (fewer near the end) it runs m
independent episodes that follow the sequence and then act uniformly at random, and it takes the first action of the
sequence with the largest mean reward-to-go; of equal ones, the first in lexicographic order.  With integer rewards the sums
over m episodes are integers: their laws are m-fold convolution powers, taken by repeated squaring, and

.. math:: \Pr(\text{sequence } i \text{ wins})=\sum_xp_i(x)\prod_{j<i}F_j(x-1)\prod_{j>i}F_j(x).

Every operation adds or multiplies numbers that are not negative, so the relative error of a probability is at most the
number of rounded operations on the longest way to it, about :math:`m\,r\log_2m` for a range r of the reward-to-go.

References
----------
.. [1] C. Laidlaw, S. Russell and A. Dragan, "Bridging RL Theory and Practice with the Effective Horizon", 2023.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mdplab._typing import FloatArray
from mdplab.enumeration.combinatorics import all_tuples, check_count
from mdplab.models import FiniteHorizonMDP
from mdplab.models import _validate as v

__all__ = ["greedy_rollout_choice", "greedy_rollout_success"]

MAX_SUPPORT = 200_000
"""Cap on the number of values of a sum of rewards, by default."""


def greedy_rollout_choice(
    mdp: FiniteHorizonMDP,
    stage: int,
    state: int,
    steps: int,
    rollouts: int,
    *,
    max_count: int = MAX_SUPPORT,
) -> FloatArray:
    """Probability of each action that greedy over random rollouts takes.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        Deterministic, undiscounted, with integer rewards, all actions available.
    stage, state : int
        Where the planner is.
    steps : int
        Number k of planned actions, at least 1.
    rollouts : int
        Number m of episodes for each sequence, at least 1.
    max_count : int, default 200_000
        Hard cap on the number of values of a sum over the episodes.

    Returns
    -------
    ndarray (A,)
        Sum one up to rounding.

    Raises
    ------
    TypeError
        If the model is no finite-horizon model.
    ValueError
        If an argument is out of its range, the model is of another kind, or the cap is exceeded.
    """
    planner = _Rollouts(mdp, steps, rollouts, max_count)
    horizon, n_states, _ = planner.reward.shape
    v.integers("stage", stage, 0, horizon - 1, ())
    v.integers("state", state, 0, n_states - 1, ())
    return planner.choice(int(stage), int(state))


def greedy_rollout_success(
    mdp: FiniteHorizonMDP, steps: int, rollouts: int, *, max_count: int = MAX_SUPPORT
) -> float:
    """Probability that greedy over random rollouts takes optimal actions at all stages.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        Deterministic, undiscounted, with integer rewards, a start law, all actions available.
    steps : int
        Number k of planned actions, at least 1.
    rollouts : int
        Number m of episodes for each sequence, at least 1; those of different stages and sequences are independent.
    max_count : int, default 200_000
        Hard cap on the number of values of a sum over the episodes.

    Returns
    -------
    float
        By a recursion over the states that optimal actions reach.

    Raises
    ------
    TypeError
        If the model is no finite-horizon model.
    ValueError
        If an argument is out of its range, the model is of another kind or has no start law, or the cap is exceeded.
    """
    planner = _Rollouts(mdp, steps, rollouts, max_count)
    start = mdp.initial
    if start is None:
        raise ValueError("mdp: the model has no start law")
    value = planner.terminal.astype(np.float64)
    optimal = np.empty((mdp.horizon, mdp.n_states, mdp.n_actions), dtype=bool)
    for h in reversed(range(mdp.horizon)):
        q = planner.reward[h] + value[planner.successor[h]]
        value = q.max(axis=-1)
        optimal[h] = q == value[:, np.newaxis]

    @cache
    def success(stage: int, state: int) -> float:
        if stage == mdp.horizon:
            return 1.0
        chosen = planner.choice(stage, state)
        return sum(
            float(chosen[a]) * success(stage + 1, int(planner.successor[stage, state, a]))
            for a in np.flatnonzero(optimal[stage, state])
        )

    return float(sum(start[s] * success(0, int(s)) for s in np.flatnonzero(start)))


class _Rollouts:
    """The planner: tables of the model, rewards shifted to start at zero, and the laws of sums that were needed."""

    def __init__(self, mdp: FiniteHorizonMDP, steps: int, rollouts: int, max_count: int) -> None:
        if not isinstance(mdp, FiniteHorizonMDP):
            raise TypeError(f"mdp must be a FiniteHorizonMDP; got {type(mdp).__name__}")
        steps, rollouts = v.count("steps", steps), v.count("rollouts", rollouts)
        stages = range(mdp.horizon)
        kernel = np.array([mdp.stage_kernel(h) for h in stages])
        reward = np.array([mdp.stage_reward(h) for h in stages])
        if mdp.available is not None and not np.all(mdp.available):
            where = v.place("mdp: pair", v.first(~np.asarray(mdp.available)))
            raise ValueError(f"{where} is unavailable; expected all actions to be available")
        if mdp.discount != 1.0 or not np.all((kernel == 0.0) | (kernel == 1.0)):
            raise ValueError("mdp: expected deterministic transitions and discount 1")
        if np.any(reward != np.round(reward)) or np.any(mdp.terminal != np.round(mdp.terminal)):
            raise ValueError("mdp: expected integer rewards")
        self.steps, self.rollouts = min(steps, mdp.horizon), rollouts
        self.successor = kernel.argmax(axis=-1)
        # all sequences of one stage run equally long: a constant reward a step changes no choice
        self.reward = (reward - reward.min()).astype(np.int64)
        self.terminal = np.asarray(mdp.terminal - mdp.terminal.min()).astype(np.int64)
        self.span = int(self.reward.max()) * mdp.horizon + int(self.terminal.max())
        check_count(rollouts * self.span + 1, max_count, "values of a sum of rewards")
        self._powers: dict[tuple[int, int], FloatArray] = {}
        self._laws = self._random_laws()

    def _random_laws(self) -> FloatArray:
        """Laws (H + 1, S, span + 1) of the reward-to-go of random play."""
        horizon, n_states, n_actions = self.reward.shape
        laws = np.zeros((horizon + 1, n_states, self.span + 1))
        laws[-1, np.arange(n_states), self.terminal] = 1.0
        for h in reversed(range(horizon)):
            for s, a in np.ndindex(n_states, n_actions):
                gain = int(self.reward[h, s, a])
                after = laws[h + 1, self.successor[h, s, a]]
                laws[h, s, gain:] += after[: after.size - gain] / n_actions
        return laws

    def _power(self, stage: int, state: int) -> FloatArray:
        """Law of the sum of the reward-to-go over the episodes, from its smallest value 0."""
        key = stage, state
        if key not in self._powers:
            square = np.trim_zeros(self._laws[stage, state], "b")
            result, left = np.ones(1), self.rollouts
            while left:
                if left % 2:
                    result = np.convolve(result, square)
                left //= 2
                square = np.convolve(square, square) if left else square
            self._powers[key] = result
        return self._powers[key]

    def choice(self, stage: int, state: int) -> FloatArray:
        """Probability of each first action."""
        horizon, _, n_actions = self.reward.shape
        length = min(self.steps, horizon - stage)
        sequences = all_tuples(n_actions, length)
        laws = np.zeros((len(sequences), self.rollouts * self.span + 2))  # place x + 1 is the sum x
        for law, sequence in zip(laws, sequences, strict=True):
            here, gained = state, 0
            for h, a in enumerate(sequence, start=stage):
                gained += int(self.reward[h, here, a])
                here = int(self.successor[h, here, a])
            power = self._power(stage + length, here)
            first = 1 + self.rollouts * gained
            law[first : first + power.size] = power
        cumulative = laws.cumsum(axis=1)
        below = np.ones_like(laws[0])
        later = np.ones_like(laws)
        for i in range(len(laws) - 2, -1, -1):
            later[i] = later[i + 1] * cumulative[i + 1]
        chosen = np.zeros(n_actions)
        for i, sequence in enumerate(sequences):
            chosen[sequence[0]] += float((laws[i, 1:] * below[:-1]) @ later[i, 1:])
            below *= cumulative[i]
        return chosen
