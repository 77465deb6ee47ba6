"""Greedy over random rollouts in rationals: convolutions of laws, and counts of outcomes in one large integer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array, IntArray
from mdplab.enumeration import all_tuples

if TYPE_CHECKING:
    from proofs_check.distributional.rollout_tasks import RolloutTask

FEW = (1, 2, 5)
"""Numbers of rollouts at which the probability of success is compared exactly."""


class _Model:
    """Integer tables of a task, rewards shifted to start at zero; tails: number of random continuations by their sum."""

    def __init__(self, task: RolloutTask) -> None:
        mdp = task.mdp
        self.steps, self.horizon, self.n_actions = task.steps, mdp.horizon, mdp.n_actions
        self.reward: IntArray = (mdp.reward - mdp.reward.min()).astype(int)
        self.successor: IntArray = mdp.transition.argmax(axis=-1)
        self.optimal = mdplab.exact.backward_induction(mdp).optimal
        self.start = int(np.flatnonzero(np.asarray(mdp.initial))[0])
        self.span = int(self.reward.max()) * self.horizon + 1

    def run(self, state: int, plan: Array) -> tuple[int, int]:
        """Last state and sum of a plan."""
        total = 0
        for a in plan:
            total, state = total + int(self.reward[state, a]), int(self.successor[state, a])
        return state, total

    def counts(self, stage: int, state: int) -> list[int]:
        """Number of sequences of the remaining actions by their sum."""
        found = [0] * self.span
        for tail in all_tuples(self.n_actions, self.horizon - stage):
            found[self.run(state, tail)[1]] += 1
        return found

    def plans(self, stage: int) -> Array:
        """All plans from a stage."""
        return all_tuples(self.n_actions, min(self.steps, self.horizon - stage))

    def success(self, stage: int, state: int, choice: Any) -> Any:
        """Probability of optimal actions to the end, from a law of the choice."""
        if stage == self.horizon:
            return mdplab.exact.rational(1)
        chosen = choice(stage, state)
        return sum(
            chosen[a] * self.success(stage + 1, int(self.successor[state, a]), choice)
            for a in range(self.n_actions)
            if self.optimal[stage, state, a]
        )


def by_convolutions(task: RolloutTask) -> list[Any]:
    """Each plan wins against those before it strictly, against those after it with ties: convolved rational laws."""
    model = _Model(task)

    def success(rollouts: int) -> Any:
        def choice(stage: int, state: int) -> Array:
            plans, laws = model.plans(stage), []
            for plan in plans:
                last, gained = model.run(state, plan)
                whole = model.n_actions ** (model.horizon - stage - len(plan))
                tail = np.array(model.counts(stage + len(plan), last), dtype=object) * (
                    mdplab.exact.rational(1) / whole
                )
                power = tail
                for _ in range(rollouts - 1):
                    power = np.convolve(power, tail)
                law = np.zeros(rollouts * (model.span + model.span), dtype=int).astype(object)
                law[rollouts * gained : rollouts * gained + power.size] = power
                laws.append(law)
            cumulative = [law.cumsum() for law in laws]
            chosen = np.zeros(model.n_actions, dtype=int).astype(object)
            for i, (plan, law) in enumerate(zip(plans, laws, strict=True)):
                terms = law
                for j, other in enumerate(cumulative):
                    if j != i:
                        terms = terms * (np.append(0, other[:-1]) if j < i else other)
                chosen[plan[0]] += terms.sum()
            return chosen

        return model.success(0, model.start, choice)

    return [success(m) for m in FEW]


def by_counting(task: RolloutTask) -> list[Any]:
    """Outcomes of the episodes counted by powers of one large integer; the largest sum of each first action compared."""
    model = _Model(task)

    def success(rollouts: int) -> Any:
        def choice(stage: int, state: int) -> list[Any]:
            size = 2 * rollouts * model.span
            reached = [[1] * size for _ in range(model.n_actions)]
            outcomes = 1
            for plan in model.plans(stage):
                last, gained = model.run(state, plan)
                counts = model.counts(stage + len(plan), last)
                digits = (sum(counts) ** rollouts).bit_length() + 1
                packed = sum(c << (digits * i) for i, c in enumerate(counts)) ** rollouts
                running, mask = 0, (1 << digits) - 1
                outcomes *= sum(counts) ** rollouts
                for x in range(size):
                    if x >= rollouts * gained:
                        running += (packed >> (digits * (x - rollouts * gained))) & mask
                    reached[plan[0]][x] *= running
            chosen = []
            for a, own in enumerate(reached):
                total = 0
                for x in range(size):
                    ways = own[x] - (own[x - 1] if x else 0)
                    for b, other in enumerate(reached):
                        if b != a:
                            ways *= (other[x - 1] if x else 0) if b < a else other[x]
                    total += ways
                chosen.append(mdplab.exact.rational(total) / outcomes)
            return chosen

        return model.success(0, model.start, choice)

    return [success(m) for m in FEW]
