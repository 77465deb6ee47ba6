"""Two policies and the auxiliary reward that one of them was trained for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import rounding
from mdplab.instances import (
    Draw,
    dirichlet_mdp,
    random_logits,
    three_state_logits,
    three_state_mdp,
    two_armed_loop,
)
from mdplab.models import MDP
from mdplab.operators import log_tilt
from mdplab.solvers import EvaluationSolution
from proofs_check.soft_residual.mirror_instances import dense_values

__all__ = [
    "GuaranteeTask",
    "guarantee_task",
    "leaving_task",
    "long_task",
    "loop_task",
    "three_state_guarantee_task",
]

_SCALES = (0.05, 0.5, 2.0)


@dataclass(frozen=True, eq=False)
class GuaranteeTask:
    """A stage-one policy, another policy, and the auxiliary reward of the model.

    Attributes
    ----------
    mdp : MDP
        The model with the auxiliary reward and its start law.
    stage_logits : ndarray, shape (S, A)
        Logits of the stage-one policy.
    logits : ndarray, shape (S, A)
        Logits of the other policy.
    """

    mdp: MDP
    stage_logits: FloatArray
    logits: FloatArray

    @property
    def log_stage(self) -> FloatArray:
        """Log-probabilities of the stage-one policy."""
        return np.asarray(log_tilt(self.stage_logits))

    @property
    def log_policy(self) -> FloatArray:
        """Log-probabilities of the other policy."""
        return np.asarray(log_tilt(self.logits))

    @cached_property
    def stage(self) -> EvaluationSolution:
        """Auxiliary values of the stage-one policy."""
        return solvers.policy_evaluation(self.mdp, np.exp(self.log_stage))

    @cached_property
    def other(self) -> EvaluationSolution:
        """Auxiliary values of the other policy."""
        return solvers.policy_evaluation(self.mdp, np.exp(self.log_policy))

    @cached_property
    def centred_mdp(self) -> MDP:
        """The model with a constant taken off the reward: the spans of ``Q`` stay, the values become small.

        Any constant will do; this one is about the mean of ``(1 - discount) V``.
        """
        values, _, _ = dense_values(self.mdp, self.log_stage[None])
        constant = (1 - self.mdp.discount) * float(values.mean())
        return self.mdp.replace(reward=self.mdp.reward - constant)

    @property
    def centring_error(self) -> float:
        """Error of an action value that the rounding of that difference causes."""
        size = float(np.abs(self.centred_mdp.reward).max())
        return float(rounding(size, 1)) / (1 - self.mdp.discount)

    @cached_property
    def centred_stage(self) -> EvaluationSolution:
        """Action values of the stage-one policy up to a constant."""
        return solvers.policy_evaluation(self.centred_mdp, np.exp(self.log_stage))


def guarantee_task(draw: Draw) -> GuaranteeTask:
    """Normal rewards and logits; the other policy moves the logits by normal ones of scale .05, .5 or 2."""
    mdp = dirichlet_mdp(draw)
    stage = random_logits(draw, mdp.n_states, mdp.n_actions)
    return GuaranteeTask(
        mdp, stage, stage + random_logits(draw, mdp.n_states, mdp.n_actions, draw.choice(_SCALES))
    )


def three_state_guarantee_task() -> GuaranteeTask:
    """The three-state task: stage-one rows (.6, .4), (.3, .7), (.5, .5)."""
    return GuaranteeTask(
        three_state_mdp(), np.log([[0.6, 0.4], [0.3, 0.7], [0.5, 0.5]]), three_state_logits()
    )


def loop_task() -> GuaranteeTask:
    """One state, discount .9: from (.5, .5) to (.45, .55), where the bound by the total variation is tight."""
    return GuaranteeTask(two_armed_loop(0.9), np.zeros((1, 2)), np.log([[0.45, 0.55]]))


def leaving_task() -> GuaranteeTask:
    """State 0 stays or moves to an absorbing state, where alone the other policy does harm."""
    transition = np.zeros((2, 2, 2))
    transition[0, 0, 0] = transition[0, 1, 1] = transition[1, :, 1] = 1.0
    mdp = MDP(transition, np.array([[1.0, 1.0], [1.0, 0.0]]), 0.9, np.array([1.0, 0.0]))
    return GuaranteeTask(mdp, np.log([[0.99, 0.01], [0.9, 0.1]]), np.log([[0.9, 0.1], [0.1, 0.9]]))


def long_task() -> GuaranteeTask:
    """Discount .999 and two policies that are nearly deterministic, each in its own way."""
    mdp = three_state_mdp().replace(discount=0.999)
    return GuaranteeTask(
        mdp,
        np.array([[0.0, -40.0], [-40.0, 0.0], [0.0, -40.0]]),
        np.array([[0.0, -30.0], [0.0, -45.0], [-1.0, 0.0]]),
    )
