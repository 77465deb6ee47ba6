"""Several max-ent policies of stage one: the second stage over the horizon, and the constrained model behind it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.convex import ProgramSolution, conic_constrained_program
from mdplab.instances import (
    Draw,
    dirichlet_mdp,
    three_state_addon_reward,
    three_state_mdp,
    three_state_unit_reward_mdp,
)
from mdplab.models import MDP, MultiObjectiveMDP
from mdplab.operators.tilt import log_product
from mdplab.solvers import ControlSolution, SoftConstrainedSolution
from proofs_check.soft_residual.instances import CustomisationTask

__all__ = [
    "ConstrainedTask",
    "MultiPriorTask",
    "constrained_task",
    "long_constrained_task",
    "long_multi_prior_task",
    "multi_prior_task",
    "printed_constrained_task",
    "printed_multi_prior_task",
]


@dataclass(frozen=True, eq=False)
class MultiPriorTask:
    """A main reward, and policies of stage one that are max-ent optimal for auxiliary rewards.

    Attributes
    ----------
    mdp : MDP
        The model with the main reward.
    auxiliary_rewards : ndarray, shape (n, S, A)
        Auxiliary rewards ``r_i``.
    auxiliary_temperatures : ndarray, shape (n,)
        Temperatures ``alpha_i`` of the policies of stage one.
    weights : ndarray, shape (n,)
        Coefficients ``lambda_i`` of the divergences.
    """

    mdp: MDP
    auxiliary_rewards: FloatArray
    auxiliary_temperatures: FloatArray
    weights: FloatArray

    @property
    def total(self) -> float:
        """``Lambda``, the sum of the coefficients."""
        return float(self.weights.sum())

    @cached_property
    def auxiliaries(self) -> list[CustomisationTask]:
        """Each auxiliary reward with its policy, its weight in the full task ``lambda_i / alpha_i``."""
        return [
            CustomisationTask(
                self.mdp.replace(reward=reward),
                self.mdp.reward,
                float(alpha),
                self.total,
                float(weight / alpha),
            )
            for reward, alpha, weight in zip(
                self.auxiliary_rewards, self.auxiliary_temperatures, self.weights, strict=True
            )
        ]

    @property
    def prior_error(self) -> float:
        """Error of a value that the backward errors of the policies of stage one cause."""
        return sum(task.prior_error for task in self.auxiliaries)

    @property
    def log_priors(self) -> FloatArray:
        """Log-probabilities of the policies of stage one, ``(n, S, A)``."""
        return np.array([task.prior.log_policy for task in self.auxiliaries])

    @cached_property
    def second_stage(self) -> ControlSolution:
        """Maximum of the main return less the divergences, by policy iteration: it knows the policies alone."""
        return solvers.soft_policy_iteration(
            self.mdp,
            temperature=self.total,
            log_reference=log_product(self.log_priors, self.weights / self.total),
            tol=1e-9,
        )

    @property
    def full_mdp(self) -> MDP:
        """The model with the reward ``r_0 + sum_i lambda_i / alpha_i r_i``."""
        shares = self.weights / self.auxiliary_temperatures
        return self.mdp.replace(reward=self.mdp.reward + np.tensordot(shares, self.auxiliary_rewards, axes=1))


@dataclass(frozen=True, eq=False)
class ConstrainedTask:
    """A main reward with an entropy bonus, and a threshold on the return of one auxiliary reward.

    Attributes
    ----------
    mdp : MDP
        The model with the main reward and its start law.
    auxiliary_reward : ndarray, shape (S, A)
        Auxiliary reward ``r_1``.
    prior_temperature : float
        Temperature ``alpha_1`` of the policy of stage one.
    temperature : float
        Weight ``T`` of the entropy.
    share : float
        Where the threshold lies between the return without it (0) and the largest one (1).
    given : float
        The threshold itself; NaN to take the share.
    """

    mdp: MDP
    auxiliary_reward: FloatArray
    prior_temperature: float
    temperature: float
    share: float = 0.5
    given: float = float("nan")

    @property
    def model(self) -> MultiObjectiveMDP:
        """Both rewards on one kernel."""
        rewards = [self.mdp.reward, self.auxiliary_reward]
        return MultiObjectiveMDP(self.mdp.transition, rewards, self.mdp.discount, self.mdp.start_law())

    @cached_property
    def safest(self) -> ControlSolution:
        """The largest auxiliary value."""
        return solvers.policy_iteration(self.mdp.replace(reward=self.auxiliary_reward))

    @cached_property
    def free_return(self) -> float:
        """Auxiliary return of the max-ent optimum without threshold."""
        free = solvers.soft_policy_iteration(self.mdp, temperature=self.temperature, tol=1e-9)
        return float(self.model.returns(free.policy)[1])

    @cached_property
    def threshold(self) -> float:
        """The threshold ``c``."""
        most = float(self.mdp.start_law() @ self.safest.value)
        return (
            self.free_return + self.share * (most - self.free_return) if np.isnan(self.given) else self.given
        )

    @property
    def is_strict(self) -> bool:
        """Whether the threshold binds and is kept with room to spare by some policy."""
        most = float(self.mdp.start_law() @ self.safest.value)
        room = 1e-6 * (1 + abs(most))
        return bool(self.free_return + room < self.threshold < most - room)

    @cached_property
    def solution(self) -> SoftConstrainedSolution:
        """The solution, by the root of its multiplier."""
        return solvers.soft_constrained(self.model, self.threshold, temperature=self.temperature)

    @cached_property
    def conic(self) -> ProgramSolution:
        """The solution, by a cone solver."""
        return conic_constrained_program(self.model, self.threshold, temperature=self.temperature)

    @property
    def stage_one(self) -> CustomisationTask:
        """The policy of stage one, with its weight ``nu`` in the Lagrangian."""
        return CustomisationTask(
            self.mdp.replace(reward=self.auxiliary_reward),
            self.mdp.reward,
            self.prior_temperature,
            self.temperature,
            self.solution.multiplier,
        )


def multi_prior_task(draw: Draw) -> MultiPriorTask:
    """One to three auxiliaries, normal rewards, lambda in (.05, 1), alpha in (.2, 2)."""
    mdp, n = dirichlet_mdp(draw), draw.integer(1, 3)
    shape = (n, mdp.n_states, mdp.n_actions)
    return MultiPriorTask(mdp, draw.normal(shape), draw.uniform(0.2, 2.0, n), draw.uniform(0.05, 1.0, n))


def constrained_task(draw: Draw) -> ConstrainedTask:
    """Normal rewards, alpha and T in (.2, 2), the threshold halfway to the largest auxiliary return."""
    mdp = dirichlet_mdp(draw)
    auxiliary = draw.normal((mdp.n_states, mdp.n_actions))
    return ConstrainedTask(mdp, auxiliary, draw.number(0.2, 2.0), draw.number(0.2, 2.0))


_SECOND = np.array([[0.4, 0.0], [-0.3, 0.2], [0.0, 0.6]])


def printed_multi_prior_task() -> MultiPriorTask:
    """The three-state kernel, its add-on reward as the main one, two auxiliaries, lambda = (.3, .2)."""
    mdp = three_state_mdp().replace(reward=three_state_addon_reward())
    rewards = np.array([three_state_unit_reward_mdp().reward, _SECOND])
    return MultiPriorTask(mdp, rewards, np.array([0.5, 0.8]), np.array([0.3, 0.2]))


def long_multi_prior_task(scale: float) -> MultiPriorTask:
    """Discount .999, policies of stage one that are nearly deterministic, coefficients of any size."""
    task = printed_multi_prior_task()
    return MultiPriorTask(
        task.mdp.replace(discount=0.999), task.auxiliary_rewards, np.array([0.02, 0.05]), scale * task.weights
    )


def printed_constrained_task() -> ConstrainedTask:
    """The first auxiliary alone, its return at least 6.5, T = .5."""
    task = printed_multi_prior_task()
    return ConstrainedTask(task.mdp, task.auxiliary_rewards[0], 0.5, 0.5, given=6.5)


def long_constrained_task(temperature: float) -> ConstrainedTask:
    """Discount .999, a policy of stage one that is nearly deterministic, entropy weights of any size."""
    task = printed_multi_prior_task()
    return ConstrainedTask(task.mdp.replace(discount=0.999), task.auxiliary_rewards[0], 0.02, temperature)
