"""What the claims about demonstrations share: the divergence from the optimum, sums with error bounds, extreme tasks."""

from __future__ import annotations

import numpy as np

from mdplab.claims import DEFINITIONAL, Assumption, Side, rounding
from mdplab.models import FiniteHorizonMDP
from proofs_check.soft_residual.demonstration_instances import (
    DemonstrationTask,
    Number,
    mean,
    three_state_task,
)

__all__ = [
    "ALMOST_SURE",
    "COLD",
    "FULL_SUPPORT",
    "HOT",
    "ROUNDING",
    "SURE",
    "best_by_maxima",
    "combined",
    "divergence_from_the_optimum",
    "number",
    "regularised_loss",
]

COLD, HOT = three_state_task(1e-3), three_state_task(1e3)
ALMOST_SURE = np.array([[1 - 1e-12, 1e-12], [1e-300, 1.0], [1 - 2**-40, 2**-40]])
"""A cloned policy close to a deterministic one."""
SURE = three_state_task(0.3, reference=ALMOST_SURE)
ROUNDING = "rounding of backward recursions at the size of the values: 1e-11 (1 + lambda + |V|)"

FULL_SUPPORT = Assumption(
    "A1",
    r"$\pi^{BC} > 0$",
    DEFINITIONAL,
    lambda task: bool((task.reference > 0).all()),
)


def divergence_from_the_optimum(task: DemonstrationTask, *, swapped: bool = False) -> Side:
    """Forward sweep: lambda times the path divergence from the tilted policy, whose normaliser is a root"""
    with np.errstate(divide="ignore"):
        logs = np.log(task.expert)
    if swapped:
        found = task.divergence(task.roots.log_policy, logs, policy_error=task.roots.log_policy_errors)
    else:
        found = task.divergence(logs, task.roots.log_policy, reference_error=task.roots.log_policy_errors)
    return Side(task.temperature * found.value, 1.01 * task.temperature * found.error)


def regularised_loss(task: DemonstrationTask) -> Side:
    """Backward induction less the evaluation of the policy with its penalty"""
    best = task.at_the_start(task.optimum)
    own = task.at_the_start(task.evaluation(task.expert, task.temperature))
    return Side(best.value - own.value, best.error + own.error + float(rounding(best.value, 1)))


def number(side: Side) -> Number:
    """A scalar side as a number."""
    return Number(float(np.asarray(side.value)), float(np.asarray(side.error)))


def combined(*signed: tuple[int, Number]) -> Number:
    """A signed sum of numbers."""
    value = sum(sign * number.value for sign, number in signed)
    size = sum(abs(number.value) for _, number in signed)
    return Number(value, sum(number.error for _, number in signed) + float(rounding(size, 2 * len(signed))))


def best_by_maxima(mdp: FiniteHorizonMDP) -> Number:
    """Best return from the start law, by maxima over the actions, stage by stage."""
    value = np.zeros(mdp.n_states)
    for h in range(mdp.horizon - 1, -1, -1):
        value = (mdp.stage_reward(h) + mdp.stage_kernel(h) @ value).max(axis=1)
    size = mdp.horizon * float(np.abs(mdp.reward).max())
    return mean(mdp, value, float(rounding(size, (mdp.horizon + 1) * (mdp.n_states + 4))))
