"""Tasks of the family: raw data, with priors and optima as cached properties."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import rounding
from mdplab.instances import Draw, three_state_addon_reward, three_state_mdp
from mdplab.instances.garnet import dirichlet_mdp
from mdplab.models import MDP
from mdplab.solvers import ControlSolution

__all__ = [
    "PRIOR_IS_SHARED",
    "CustomisationTask",
    "customisation_data",
    "customisation_task",
    "exchanged_actions",
    "prior_of_another_discount",
    "prior_of_another_kernel",
    "soft_backward_error",
    "three_state_task",
]

PRIOR_IS_SHARED = {
    "soft_policy_iteration": "the prior is an input of the claim; its backward error is in the bound"
}
"""What both routes to a statement about a max-ent prior enter."""


@dataclass(frozen=True, eq=False)
class CustomisationTask:
    """Customise the max-ent policy of ``mdp`` by an add-on reward, without knowing the reward of ``mdp``.

    Attributes
    ----------
    mdp : MDP
        Kernel, discount, start law and the inherent reward ``r``.
    residual_reward : ndarray, shape (S, A)
        The add-on reward ``r_R``.
    prior_temperature : float
        Temperature ``alpha`` of the prior.
    temperature : float
        Temperature ``alpha-hat`` of the customised policy.
    reward_weight : float
        Weight ``omega`` of the inherent reward.
    """

    mdp: MDP
    residual_reward: FloatArray
    prior_temperature: float
    temperature: float
    reward_weight: float

    @property
    def prior_weight(self) -> float:
        """The weight ``omega' = omega alpha`` of the log-prior."""
        return self.reward_weight * self.prior_temperature

    @property
    def prior_mdp(self) -> MDP:
        """The model of which the prior is the max-ent optimum."""
        return self.mdp

    @cached_property
    def prior(self) -> ControlSolution:
        """The max-ent optimum of the inherent reward: ``Q*``, ``V*`` and the prior policy."""
        return solvers.soft_policy_iteration(self.prior_mdp, temperature=self.prior_temperature, tol=1e-9)

    @cached_property
    def full_mdp(self) -> MDP:
        """The full task, reward ``omega r + r_R``."""
        return self.mdp.replace(reward=self.reward_weight * self.mdp.reward + self.residual_reward)

    @cached_property
    def full(self) -> ControlSolution:
        """The max-ent optimum of the full task."""
        return solvers.soft_policy_iteration(self.full_mdp, temperature=self.temperature, tol=1e-9)

    @cached_property
    def prior_backward_error(self) -> float:
        """Largest change of ``r`` under which the computed prior is exactly max-ent optimal."""
        value, discount = self.prior.value, self.prior_mdp.discount
        logs = self.prior_temperature * self.prior.log_policy
        return soft_backward_error(self.prior_mdp, self.mdp.reward, logs, value, value, discount)

    @property
    def prior_error(self) -> float:
        """Error of a value of the full task that the prior's backward error causes: omega |epsilon| / (1 - gamma)."""
        return self.reward_weight * self.prior_backward_error / (1 - self.mdp.discount)


def soft_backward_error(
    mdp: MDP,
    reward: FloatArray,
    log_policy: FloatArray,
    value: FloatArray,
    later: FloatArray,
    discount: float,
) -> float:
    """Largest change of a reward under which a computed soft backup is exact.

    With ``epsilon = log_policy - (reward + discount P later - value)`` the pair (policy, value) solves the soft equations
    of ``reward + epsilon`` exactly.  Values are centred first (rows sum to one), so that rounding scales with their span.

    Parameters
    ----------
    mdp : MDP
        The kernel.
    reward : ndarray (S, A)
        What the log-sum-exp is taken of, without the later value.
    log_policy : ndarray (S, A)
        Temperature times the log-policy, a log-softmax.
    value, later : ndarray (S,)
        The value and the one after it.
    discount : float
        The discount.

    Returns
    -------
    float
        Rounding of the comparison included.
    """
    centre = 0.5 * (value.max() + value.min())
    now, then = value - centre, later - centre
    target = reward + discount * mdp.expectation(then) - now[:, None]
    gap = np.abs(log_policy - (target - (1 - discount) * centre))
    size = np.abs(log_policy).max() + np.abs(reward).max() + abs((1 - discount) * centre)
    size += np.abs(now).max() + np.abs(then).max()
    return float(gap.max() + rounding(size, mdp.n_states + 8))


def customisation_data(task: CustomisationTask) -> dict[str, Any]:
    """The raw data of a task by name, for a task that has more of them."""
    return {field.name: getattr(task, field.name) for field in fields(CustomisationTask)}


def customisation_task(draw: Draw) -> CustomisationTask:
    """S in 2..6, A in 2..4, normal rewards, discount in (.3, .97), temperatures in (.2, 2), omega in (0, 2)."""
    mdp = dirichlet_mdp(draw)
    return CustomisationTask(
        mdp,
        draw.normal((mdp.n_states, mdp.n_actions)),
        prior_temperature=draw.number(0.2, 2.0),
        temperature=draw.number(0.2, 2.0),
        reward_weight=draw.number(0.0, 2.0),
    )


def three_state_task() -> CustomisationTask:
    """The three-state task used for printed values: omega = 1.2, alpha = .5, alpha-hat = .4."""
    return CustomisationTask(
        three_state_mdp(),
        three_state_addon_reward(),
        prior_temperature=0.5,
        temperature=0.4,
        reward_weight=1.2,
    )


def prior_of_another_discount(task: CustomisationTask) -> FloatArray:
    """Log-probabilities of the max-ent optimum of the inherent reward at the discount .7, for controls."""
    other = task.mdp.replace(discount=0.7)
    return solvers.soft_policy_iteration(other, temperature=task.prior_temperature, tol=1e-9).log_policy


def exchanged_actions(mdp: MDP) -> MDP:
    """The model in which the actions of state 0 have exchanged their rows, for controls."""
    kernel = np.array(mdp.transition)
    kernel[0] = kernel[0, ::-1]
    return MDP(kernel, mdp.reward, mdp.discount, mdp.initial)


def prior_of_another_kernel(task: CustomisationTask) -> FloatArray:
    """Log-probabilities of the max-ent optimum when the actions of state 0 have exchanged their rows, for controls."""
    other = exchanged_actions(task.mdp)
    return solvers.soft_policy_iteration(other, temperature=task.prior_temperature, tol=1e-9).log_policy
