"""Customisation tasks whose prior comes from another discount, and those where that does no harm."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.instances import Draw
from mdplab.models import MDP
from mdplab.solvers import ControlSolution
from proofs_check.soft_residual.instances import (
    CustomisationTask,
    customisation_data,
    customisation_task,
    three_state_task,
)

__all__ = [
    "MismatchTask",
    "harmless_mismatch",
    "mismatch_task",
    "three_state_mismatch",
    "with_a_harmless_mismatch",
]


@dataclass(frozen=True, eq=False)
class MismatchTask(CustomisationTask):
    """A customisation task whose prior is max-ent optimal at another discount.

    Attributes
    ----------
    prior_discount : float
        Discount ``gamma_p`` of the prior.
    """

    prior_discount: float

    @property
    def prior_mdp(self) -> MDP:
        """The model with the discount of the prior."""
        return self.mdp.replace(discount=self.prior_discount)

    @property
    def bias(self) -> FloatArray:
        """The reward ``omega (gamma_p - gamma) P V_p`` that the prior brings in, shape (S, A)."""
        later = self.mdp.expectation(self.prior.value)
        return np.asarray(self.reward_weight * (self.prior_discount - self.mdp.discount) * later)

    @cached_property
    def residual(self) -> ControlSolution:
        """Residual soft Q iteration at the discount of the task: sees the kernel, the add-on reward and the log-prior."""
        return solvers.residual_q_learning(
            self.mdp,
            self.residual_reward,
            self.prior.log_policy,
            prior_weight=self.prior_weight,
            temperature=self.temperature,
            tol=1e-12,
        )


def mismatch_task(draw: Draw) -> MismatchTask:
    """A random task, the prior's discount uniform in (.3, .97)."""
    return MismatchTask(**customisation_data(customisation_task(draw)), prior_discount=draw.number(0.3, 0.97))


def harmless_mismatch(draw: Draw) -> MismatchTask:
    """A random task in which the mismatch is only shaping: equal discounts, constant value, or a kernel without actions."""
    task = mismatch_task(draw)
    kind = draw.choice(("equal discounts", "constant value", "kernel without actions"))
    mdp = task.mdp
    if kind == "equal discounts":
        return replace(task, prior_discount=mdp.discount)
    if kind == "kernel without actions":
        kernel = np.broadcast_to(mdp.transition[:, :1], mdp.transition.shape)
        return replace(task, mdp=MDP(kernel, mdp.reward, mdp.discount, mdp.initial))
    row = draw.normal(mdp.n_actions)  # the same rewards in every state, in another order: one soft maximum
    shifts = draw.integers(0, mdp.n_actions - 1, mdp.n_states)
    return replace(task, mdp=mdp.replace(reward=np.array([np.roll(row, int(shift)) for shift in shifts])))


def with_a_harmless_mismatch(draw: Draw) -> MismatchTask:
    """A random task, or one in which the mismatch is only shaping."""
    return draw.choice((mismatch_task, harmless_mismatch))(draw)


def three_state_mismatch(prior_discount: float = 0.7) -> MismatchTask:
    """The three-state task with the prior of discount .7."""
    return MismatchTask(**customisation_data(three_state_task()), prior_discount=prior_discount)
