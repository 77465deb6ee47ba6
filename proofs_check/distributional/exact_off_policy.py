"""Off-policy estimators in rationals: all trajectories of the behaviour with exact probabilities and ratios."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array

if TYPE_CHECKING:
    from mdplab.exact import ExactHorizon
    from proofs_check.distributional.off_policy_tasks import OffPolicyTask


class ExactTask:
    """The data of a task as rationals, rows normalised exactly, and its list of trajectories."""

    def __init__(self, task: OffPolicyTask) -> None:
        model, log, number = task.model, task.log, mdplab.exact.rational
        self.law, self.target, self.behaviour, self.start = (
            mdplab.exact.laws(x) for x in (model.law, task.target, task.behaviour, model.start_law())
        )
        self.reward, self.estimate, self.discount = (
            number(x) for x in (model.rewards(), task.estimate, task.discount)
        )
        self.successor, self.horizon = model.next_states(), task.horizon
        self.states, self.actions, outcomes = log.states[:, :-1], log.actions, log.outcomes
        pairs = (self.states, self.actions)
        self.rewards = self.reward[(*pairs, outcomes)]
        self.powers = np.array([self.discount**t for t in range(task.horizon)], dtype=object)
        logged = self.behaviour[pairs]
        self.probability = self.start[self.states[:, 0]] * np.prod(
            logged * self.law[(*pairs, outcomes)], axis=1
        )
        self.ratios = np.multiply.accumulate(self.target[pairs] / logged, axis=1)
        self.model: ExactHorizon = replace(
            mdplab.exact.ExactHorizon.of(task.mdp),
            reward=np.broadcast_to((self.law * self.reward).sum(axis=-1), task.estimate.shape),
        )

    @cached_property
    def q(self) -> Array:
        """``Q^pi (H, S, A)``."""
        return mdplab.exact.stage_evaluation(self.model, self.target).q

    def value(self, policy: Array) -> Any:
        """Value of a policy by backward induction."""
        return self.start @ mdplab.exact.stage_evaluation(self.model, policy).value[0]

    def mean(self, estimates: Array) -> Any:
        """Mean over all trajectories."""
        return self.probability @ estimates

    def variance(self, estimates: Array) -> Any:
        """Variance over all trajectories."""
        return self.probability @ (estimates - self.mean(estimates)) ** 2

    def importance_sampling(self) -> Array:
        """Ratio of the trajectory times return."""
        return np.asarray(self.ratios[:, -1] * (self.rewards @ self.powers))

    def marginal(self) -> Array:
        """Rewards times ratios of the laws of the pairs."""
        wanted, logged = (
            mdplab.exact.stage_laws(self.model, policy)[:-1, :, np.newaxis] * policy
            for policy in (self.target, self.behaviour)
        )
        at = (np.arange(self.horizon), self.states, self.actions)
        return np.asarray((wanted[at] / logged[at] * self.rewards) @ self.powers)

    def doubly_robust(self, q: Array) -> Array:
        """The doubly robust estimates; zeros give per-decision importance sampling."""
        stages = np.arange(self.horizon)
        mean = (self.target * q).sum(axis=-1)[stages, self.states]
        before = np.concatenate((0 * self.ratios[:, :1] + 1, self.ratios[:, :-1]), axis=1)
        gain = self.rewards - q[stages, self.states, self.actions]
        return np.asarray((self.ratios * gain + before * mean) @ self.powers)


def means_by_enumeration(task: OffPolicyTask) -> list[Any]:
    """Means of the four estimators over all trajectories."""
    case = ExactTask(task)
    estimates = (
        case.importance_sampling(),
        case.doubly_robust(0 * case.estimate),
        case.marginal(),
        case.doubly_robust(case.estimate),
    )
    return [case.mean(estimate) for estimate in estimates]


def value_four_times(task: OffPolicyTask) -> list[Any]:
    """The value of the target by backward induction."""
    case = ExactTask(task)
    return [case.value(case.target)] * 4


def bias_by_enumeration(task: OffPolicyTask) -> Any:
    """Mean of the direct estimate less that of importance sampling."""
    case = ExactTask(task)
    direct = (case.target * case.estimate[0]).sum(axis=-1)[case.states[:, 0]]
    return case.mean(direct - case.importance_sampling())


def bias_by_residuals(task: OffPolicyTask) -> Any:
    """Discounted sum of the Bellman residuals of the estimate along the target."""
    case = ExactTask(task)
    pairs = mdplab.exact.stage_laws(case.model, case.target)[:-1, :, np.newaxis] * case.target
    ahead = np.concatenate(((case.target * case.estimate).sum(axis=-1)[1:], case.estimate[:1, :, 0] * 0))
    backed = np.stack([case.model.lookahead(t, ahead[t]) for t in range(case.horizon)])
    return case.powers @ (pairs * (case.estimate - backed)).sum(axis=(1, 2))


def self_normalised_once(task: OffPolicyTask) -> Any:
    """Mean of the self-normalised estimate from one trajectory."""
    case = ExactTask(task)
    ratios, gain = case.ratios[:, -1], case.rewards @ case.powers
    possible = ratios != 0
    estimate = gain.copy()
    estimate[possible] = ratios[possible] * gain[possible] / ratios[possible]
    return case.mean(estimate)


def behaviour_value(task: OffPolicyTask) -> Any:
    """The value of the behaviour by backward induction."""
    case = ExactTask(task)
    return case.value(case.behaviour)


def controls(case: ExactTask) -> tuple[Array, Array, Array]:
    """The control variates ``Q^pi``, the rough estimate and zero."""
    return case.q, case.estimate, 0 * case.estimate


def variances_by_enumeration(task: OffPolicyTask) -> list[Any]:
    """Variances of the doubly robust estimates over all trajectories."""
    case = ExactTask(task)
    return [case.variance(case.doubly_robust(q)) for q in controls(case)]


def variances_by_formula(task: OffPolicyTask) -> list[Any]:
    """The orthogonal increments, summed along a forward sweep of second moments."""
    case = ExactTask(task)
    value = np.concatenate(((case.target * case.q).sum(axis=-1), 0 * case.q[:1, :, 0]))
    ratio = case.target / case.behaviour
    found = []
    for q in controls(case):
        moment, total = case.start, case.start @ (value[0] - case.start @ value[0]) ** 2
        for t in range(case.horizon):
            noise = case.reward + case.discount * value[t + 1][case.successor] - case.q[t][..., np.newaxis]
            gap = ratio * (case.q[t] - q[t])
            centred = gap - (case.behaviour * gap).sum(axis=-1, keepdims=True)
            step = ratio**2 * (case.law * noise**2).sum(axis=-1) + centred**2
            total += case.powers[t] ** 2 * (moment @ (case.behaviour * step).sum(axis=-1))
            weight = moment[:, np.newaxis] * case.behaviour * ratio**2
            moment = (weight[..., np.newaxis] * case.model.transition[t]).sum(axis=(0, 1))
        found.append(total)
    return found


def least_variance(task: OffPolicyTask) -> list[Any]:
    """Variance with the true action values, twice, by enumeration."""
    return variances_by_enumeration(task)[:1] * 2


def other_variances(task: OffPolicyTask) -> list[Any]:
    """Variances with the rough estimate and with none, by the formula."""
    return variances_by_formula(task)[1:]
