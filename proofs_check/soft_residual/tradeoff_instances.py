"""Customisation tasks with a whole range of weights of the log-prior, and of coefficients of the divergence."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab._typing import FloatArray
from mdplab.instances import Draw
from mdplab.models import MDP
from mdplab.solvers import ControlSolution
from proofs_check.soft_residual.any_prior_routes import by_iteration, by_newton
from proofs_check.soft_residual.composition_instances import NEAR_DETERMINISTIC, AnyPriorTask, Step
from proofs_check.soft_residual.instances import customisation_data, customisation_task, three_state_task

__all__ = [
    "TradeoffTask",
    "bandit",
    "max_ent_tradeoff",
    "near_deterministic_tradeoff",
    "three_state_tradeoff",
    "tradeoff_task",
]


@dataclass(frozen=True, eq=False)
class TradeoffTask(AnyPriorTask):
    """A customisation task for each weight at the temperature of the task, and for each coefficient of a pure KL.

    Attributes
    ----------
    weights : ndarray, shape (n,)
        Weights ``w`` of the log-prior, not decreasing.
    coefficients : ndarray, shape (n,)
        Positive coefficients ``beta``, not decreasing: both the weight and the temperature.
    """

    weights: FloatArray
    coefficients: FloatArray

    @property
    def weighted(self) -> list[Step]:
        """One customisation for each weight."""
        return [Step(self.residual_reward, float(weight), self.temperature) for weight in self.weights]

    @property
    def pure_kl(self) -> list[Step]:
        """One customisation for each coefficient."""
        return [Step(self.residual_reward, float(beta), float(beta)) for beta in self.coefficients]

    @cached_property
    def weighted_optima(self) -> list[ControlSolution]:
        """Residual soft Q iteration at each weight."""
        return [by_iteration(self, self.log_prior, step) for step in self.weighted]

    @cached_property
    def pure_kl_optima(self) -> list[ControlSolution]:
        """Residual soft Q iteration at each coefficient."""
        return [by_iteration(self, self.log_prior, step) for step in self.pure_kl]

    @cached_property
    def weighted_newton(self) -> list[ControlSolution]:
        """Soft policy iteration at each weight."""
        return [by_newton(self, self.log_prior, step) for step in self.weighted]

    @cached_property
    def pure_kl_newton(self) -> list[ControlSolution]:
        """Soft policy iteration at each coefficient."""
        return [by_newton(self, self.log_prior, step) for step in self.pure_kl]


def max_ent_tradeoff(draw: Draw) -> TradeoffTask:
    """A random task with its max-ent prior, six weights in (0, 3) and six coefficients from .05 to 10."""
    return TradeoffTask(
        **customisation_data(customisation_task(draw)),
        logits=None,
        weights=np.sort(draw.uniform(0.0, 3.0, 6)),
        coefficients=np.sort(draw.log_uniform(0.05, 10.0, 6)),
    )


def tradeoff_task(draw: Draw) -> TradeoffTask:
    """The same with any prior: the softmax of normal logits."""
    task = max_ent_tradeoff(draw)
    return replace(task, logits=draw.normal(task.mdp.reward.shape))


def three_state_tradeoff() -> TradeoffTask:
    """The three-state task at the weights and coefficients of the printed values."""
    return TradeoffTask(
        **customisation_data(three_state_task()),
        logits=None,
        weights=np.array([0.0, 0.3, 0.6, 1.2, 3.0]),
        coefficients=np.array([0.05, 0.2, 0.6, 2.0, 10.0]),
    )


def near_deterministic_tradeoff() -> TradeoffTask:
    """A prior with odds up to e^800, discount .999, temperature a thousandth."""
    task = three_state_tradeoff()
    return replace(task, mdp=task.mdp.replace(discount=0.999), logits=NEAR_DETERMINISTIC, temperature=1e-3)


def bandit() -> TradeoffTask:
    """Two arms, played once: the first pays 1 and has probability .9 under the prior; temperature 2."""
    mdp = MDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.0, np.ones(1))
    return TradeoffTask(
        mdp,
        np.array([[1.0, 0.0]]),
        prior_temperature=1.0,
        temperature=2.0,
        reward_weight=1.0,
        logits=np.log([[0.9, 0.1]]),
        weights=np.array([0.0, 2.0]),
        coefficients=np.array([2.0, 20.0]),
    )
