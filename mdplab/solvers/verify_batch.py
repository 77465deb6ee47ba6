"""Verification of stacks: every model by itself, as a single solution is verified, and what is said of the whole stack.

The ``model`` of a :class:`BatchSolution` is an iterable of the models of the stack in order; a discount of its own belongs
to each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.models.tabular import MDP
from mdplab.solution import Certificate, Status
from mdplab.solvers.batch import BatchSolution
from mdplab.solvers.verify import (
    Check,
    Verification,
    _evaluation_checks,
    _need,
    _need_shape,
    _optimum_checks,
    _status_check,
    _verify,
)
from mdplab.solvers.verify_algebra import DOUBLE
from mdplab.solvers.verify_flow import same

__all__ = ["KINDS"]

KINDS = (BatchSolution,)
"""The kinds that this module adds to :func:`mdplab.solvers.verify`."""


@dataclass(frozen=True, eq=False)
class _One:
    """What a stack says of one model, as a single solution would."""

    status: Status
    certificate: Certificate
    value: FloatArray
    q: FloatArray
    policy: FloatArray
    lower: FloatArray
    upper: FloatArray
    q_error: float
    backward_error: float
    suboptimality: float
    temperature: float
    bonus: FloatArray | None
    cost: FloatArray | None
    reward: FloatArray
    residual: bool = False


def _one(solution: BatchSolution, b: int, mdp: MDP) -> _One:
    names = ("value", "q", "policy", "lower", "upper", "q_error", "backward_error", "suboptimality")
    entries: dict[str, Any] = {name: getattr(solution, name)[b] for name in names}
    return _One(
        status=solution.status,
        certificate=Certificate("sup-norm error of value", float(solution.bound[b]), "", 0.0),
        temperature=solution.temperature,
        bonus=None if solution.bonus is None else solution.bonus[b],
        cost=None if solution.cost is None else solution.cost[b],
        reward=np.asarray(mdp.reward),
        **entries,
    )


@_verify.register
def _(solution: BatchSolution, model: Any) -> Verification:
    if isinstance(model, MDP) or not isinstance(model, Iterable):
        raise TypeError(
            f"a BatchSolution belongs to an iterable of the MDPs of the stack; got {type(model).__name__}"
        )
    models = list(model)
    _need_shape(solution, (len(solution.value),), (len(models),))
    checks = [
        _status_check(solution),
        same("certificate.bound is the largest", np.array(solution.certificate.bound), solution.bound.max()),
        Check("rounding within bound", float((solution.rounding - solution.bound).max()), 0.0),
        Check("steps is the largest", float(abs(solution.steps - int(solution.model_steps.max()))), 0.0),
    ]
    for b, mdp in enumerate(models):
        _need(mdp, MDP, solution)
        _need_shape(solution, solution.q[b].shape, mdp.reward.shape)
        one = _one(solution, b, mdp)
        if one.cost is None:
            found = _optimum_checks(one, mdp)[0]
        else:
            found = _evaluation_checks(one, mdp)
            found.append(Check("suboptimality is not claimed", float(not np.isnan(one.suboptimality)), 0.0))
        # the ends of the interval are rounded, the bound covers value itself
        width = np.maximum(one.upper - one.value, one.value - one.lower) - one.certificate.bound
        excess = float(width.max() - 2 * DOUBLE * np.abs(one.value).max())
        found.append(Check("lower and upper within the bound of value", excess, 0.0))
        checks += [replace(check, name=f"model {b}: {check.name}") for check in found]
    return Verification("each model by Newton's method in extended precision", tuple(checks))
