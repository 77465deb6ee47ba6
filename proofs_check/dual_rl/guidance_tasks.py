"""Tasks of interaction and guidance: an expert that steps in, a guide that rolls in and out; values by plain solves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import BoolArray, FloatArray, IntArray
from mdplab.claims.tolerances import rounding
from mdplab.enumeration import deterministic_policies, one_hot
from mdplab.instances import Draw, dirichlet_mdp, random_policy
from mdplab.models import MDP
from mdplab.operators import interventions, restricted_policy

__all__ = [
    "InterventionTask",
    "evaluated",
    "impatient_task",
    "intervention_task",
    "kernels",
    "loose_task",
    "mean_reward",
    "reference_task",
    "solved",
    "visits",
]

TIE = 1e-12
"""Differences of action values within it count as ties."""


@dataclass(frozen=True, eq=False)
class InterventionTask:
    """A learner, an expert that steps in, and the values by which it judges.

    Attributes
    ----------
    mdp : MDP
        The model.
    expert : ndarray of int, shape (S,)
        Actions of the expert.
    margin : float
        What it tolerates, ``delta``.
    learner : ndarray, shape (S, A)
        A policy.
    reference : ndarray, shape (S, A) or None
        Policy whose action values the expert judges by; None is the expert itself.
    patient : bool
        Whether only policies that are never interrupted are compared with the expert.
    """

    mdp: MDP
    expert: IntArray
    margin: float
    learner: FloatArray
    reference: FloatArray | None = None
    patient: bool = True

    @property
    def expert_policy(self) -> FloatArray:
        """The expert, shape (S, A)."""
        return one_hot(self.expert, self.mdp.n_actions)

    @property
    def judge(self) -> FloatArray:
        """The policy that the expert judges by, shape (S, A)."""
        return self.expert_policy if self.reference is None else self.reference

    @property
    def judged_by_expert(self) -> bool:
        """Whether that is the expert itself."""
        return bool(np.array_equal(self.judge, self.expert_policy))

    @cached_property
    def judged(self) -> solvers.EvaluationSolution:
        """Values of that policy."""
        return solvers.policy_evaluation(self.mdp, self.judge)

    @cached_property
    def interrupted(self) -> BoolArray:
        """Pairs at which the expert steps in, shape (S, A)."""
        return interventions(
            self.judged.q, self.expert, margin=self.margin, tol=TIE + 2 * self.judged.q_error
        )

    @property
    def compared(self) -> BoolArray:
        """Pairs that the compared policies may play, shape (S, A)."""
        return ~self.interrupted if self.patient else np.ones_like(self.interrupted)

    @cached_property
    def everyone(self) -> FloatArray:
        """All deterministic policies, shape (N, S, A)."""
        return one_hot(deterministic_policies(*self.interrupted.shape), self.mdp.n_actions)

    @cached_property
    def policies(self) -> FloatArray:
        """The compared deterministic policies, and the learner restricted to what they play (if it plays any)."""
        deterministic = self.everyone[~(self.everyone[:, ~self.compared] > 0).any(axis=1)]
        if not ((self.learner * self.compared).sum(axis=1) > 0).all():
            return deterministic
        return np.concatenate([deterministic, restricted_policy(self.learner, self.compared)[np.newaxis]])

    @property
    def tolerance(self) -> float:
        """What the ties may cost in a value."""
        return 2 * (TIE + 4 * self.judged.q_error) / (1 - self.mdp.discount)


def intervention_task(draw: Draw) -> InterventionTask:
    """Generator G with S = A = 3, a random deterministic expert, margin 0, .05 or .2, a learner of Dirichlet(1) rows."""
    mdp = dirichlet_mdp(
        draw, states=(3, 3), actions=(3, 3), concentration=(0.5,), reward="unit", discount=(0.5, 0.95)
    )
    expert = draw.integers(0, 2, 3)
    margin = draw.choice((0.0, 0.05, 0.2))
    return InterventionTask(mdp, expert, margin, random_policy(draw, 3, 3, kind="dirichlet"))


def reference_task(draw: Draw) -> InterventionTask:
    """As :func:`intervention_task`; the expert judges by the values of a policy of Dirichlet(1) rows."""
    return replace(intervention_task(draw), reference=random_policy(draw, 3, 3, kind="dirichlet"))


def loose_task(draw: Draw) -> InterventionTask:
    """Half :func:`intervention_task`, half :func:`reference_task`."""
    return draw.choice((intervention_task, reference_task))(draw)


def impatient_task(draw: Draw) -> InterventionTask:
    """As :func:`intervention_task`; half of the time interrupted policies are compared as well."""
    return replace(intervention_task(draw), patient=draw.choice((True, False)))


# --- plain solves ---------------------------------------------------------------------------------------------------


def kernels(mdp: MDP, policies: FloatArray) -> FloatArray:
    """Transition matrices of policies ``(..., S, A)``, shape (..., S, S)."""
    return np.asarray(np.einsum("...sa,sap->...sp", policies, mdp.transition))


def solved(mdp: MDP, policies: FloatArray, reward: FloatArray) -> tuple[FloatArray, float]:
    """Value of a reward ``(..., S)`` under policies ``(..., S, A)`` and its error, by one dense solve a policy."""
    kernel = kernels(mdp, policies)
    right = np.broadcast_to(reward, kernel.shape[:-1])
    value = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * kernel, right[..., np.newaxis])[..., 0]
    residual = np.abs(right + mdp.discount * (kernel @ value[..., np.newaxis])[..., 0] - value).max(
        initial=0.0
    )
    size = np.abs(value).max(initial=0.0) + np.abs(right).max(initial=0.0)
    rounded = float(rounding(size, 2 * mdp.n_states + mdp.n_actions + 8))
    return np.asarray(value), 1.01 * (float(residual) + rounded) / (1 - mdp.discount)


def mean_reward(mdp: MDP, policies: FloatArray) -> FloatArray:
    """Expected rewards of policies, shape (..., S)."""
    return np.asarray((policies * mdp.reward).sum(axis=-1))


def evaluated(mdp: MDP, policies: FloatArray) -> tuple[FloatArray, float]:
    """Values of policies ``(..., S, A)`` and their error, by one dense solve a policy."""
    return solved(mdp, policies, mean_reward(mdp, policies))


def visits(mdp: MDP, policies: FloatArray) -> tuple[FloatArray, float]:
    """Expected discounted visits ``[..., s, t]`` of t from s, and the error of a row in 1-norm, by transposed solves."""
    kernel = kernels(mdp, policies)
    flow = np.eye(mdp.n_states) - mdp.discount * np.swapaxes(kernel, -1, -2)
    found = np.linalg.solve(flow, np.broadcast_to(np.eye(mdp.n_states), kernel.shape))
    residual = np.abs(flow @ found - np.eye(mdp.n_states)).sum(axis=-2).max()
    rounded = float(rounding(2 / (1 - mdp.discount), 2 * mdp.n_states + mdp.n_actions + 8))
    error = 1.01 * (float(residual) + rounded) / (1 - mdp.discount)
    return np.swapaxes(found, -1, -2), error
