"""The loss of an auxiliary return and its two bounds in balls."""

from __future__ import annotations

from typing import Any

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.guarantee_instances import GuaranteeTask


def policies(task: GuaranteeTask) -> tuple[Array, Array]:
    """Probabilities of the stage-one policy and of the other one."""
    return mdplab.exact.softmax(task.stage_logits), mdplab.exact.softmax(task.logits)


def difference(task: GuaranteeTask) -> Any:
    """Modulus of the difference of the auxiliary returns."""
    start = mdplab.exact.laws(task.mdp.start_law())
    stage, other = (mdplab.exact.policy_evaluation(task.mdp, policy).value for policy in policies(task))
    return abs((stage - other) @ start)


def weighed(task: GuaranteeTask, distances: Array) -> Any:
    """Mean of distances under the occupancy of the other policy."""
    return mdplab.exact.state_occupancy(task.mdp, policies(task)[1]) @ distances


def factor(task: GuaranteeTask) -> Any:
    """Span of the auxiliary action values over 1 - gamma."""
    q = mdplab.exact.policy_evaluation(task.mdp, policies(task)[0]).q
    spans = mdplab.exact.highest(q, axis=1) - mdplab.exact.lowest(q, axis=1)
    return mdplab.exact.highest(spans) / (1 - mdplab.exact.rational(task.mdp.discount))


def variation_bound(task: GuaranteeTask) -> Any:
    """The span times the mean total variation, over 1 - gamma."""
    stage, other = policies(task)
    return factor(task) * weighed(task, mdplab.exact.total_variation(other, stage))


def divergence_bound(task: GuaranteeTask) -> Any:
    """The span times the root of half the mean divergence, over 1 - gamma."""
    stage, other = policies(task)
    return factor(task) * mdplab.exact.sqrt(weighed(task, mdplab.exact.kl(other, stage)) / 2)
