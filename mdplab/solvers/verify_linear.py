r"""Verification of planning in linear MDPs: the table of the kernel in extended precision.

Solvers never form :math:`\Phi\mu`.  Here it is formed, entry by entry in extended precision, and treated as any table:
Newton's method for optima and evaluations, a plain recursion for finite horizons.  A tabular model is accepted as well, and
then says nothing of the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.models.linear import LinearMDP
from mdplab.models.tabular import MDP
from mdplab.solvers.backward_induction import HorizonSolution
from mdplab.solvers.control import ControlSolution
from mdplab.solvers.linear_backward_induction import LinearHorizonSolution
from mdplab.solvers.linear_mdp import LinearControlSolution, LinearEvaluationSolution
from mdplab.solvers.policy_evaluation import EvaluationSolution
from mdplab.solvers.verify import (
    Check,
    Verification,
    _control_checks,
    _evaluation_checks,
    _need_shape,
    _policy_checks,
    _softmax_checks,
    _status_check,
    _verify,
)
from mdplab.solvers.verify_algebra import DOUBLE, EPS, WIDE
from mdplab.solvers.verify_bellman import _aggregate

__all__ = ["KINDS"]

KINDS = (LinearControlSolution, LinearEvaluationSolution, LinearHorizonSolution)
"""The kinds that this module adds to :func:`mdplab.solvers.verify`."""

_ROUTE = "kernel formed in extended precision, then as a table"


@dataclass(frozen=True)
class _Table:
    """A linear MDP as a table in extended precision: what the checks ask of an :class:`MDP`."""

    transition: Array
    reward: Array
    discount: float
    row_deviation: float
    available: None = None
    is_sparse: bool = False

    @property
    def n_states(self) -> int:
        return int(self.transition.shape[0])

    @property
    def n_actions(self) -> int:
        return int(self.transition.shape[1])


def _kernel(model: LinearMDP, h: int = 0) -> Array:
    return np.asarray(model.features.astype(WIDE) @ model.stage_measures(h).astype(WIDE))


def _product_check(name: str, found: FloatArray, features: FloatArray, vector: FloatArray) -> Check:
    """A product of the features in double precision against that in extended precision, in units of its rounding."""
    exact = features.astype(WIDE) @ vector.astype(WIDE)
    allowed = (vector.size + 2) * DOUBLE * (np.abs(features) @ np.abs(vector))
    return Check(name, float((np.abs(found - exact) - allowed).max()), 0.0)


def _table(model: LinearMDP, solution: ControlSolution | EvaluationSolution, reward: Array) -> MDP:
    _need_shape(solution, solution.q.shape, model.features.shape[:2])
    return cast(MDP, _Table(_kernel(model), reward, model.discount, model.row_deviation))


@_verify.register
def _(solution: LinearControlSolution, model: Any) -> Verification:
    if not isinstance(model, LinearMDP):
        return _verify.dispatch(ControlSolution)(solution, model)
    checks = [
        _product_check("reward is the model's", solution.reward, model.features, model.theta),
        _product_check("q = features @ weights", solution.q, model.features, solution.weights),
        *_control_checks(solution, _table(model, solution, solution.reward)),
    ]
    return Verification(_ROUTE, tuple(checks))


@_verify.register
def _(solution: LinearEvaluationSolution, model: Any) -> Verification:
    if not isinstance(model, LinearMDP):
        return _verify.dispatch(EvaluationSolution)(solution, model)
    reward = model.features.astype(WIDE) @ model.theta.astype(WIDE)
    checks = [
        _product_check("q = features @ weights", solution.q, model.features, solution.weights),
        *_evaluation_checks(solution, _table(model, solution, reward)),
    ]
    return Verification(_ROUTE, tuple(checks))


@_verify.register
def _(solution: LinearHorizonSolution, model: Any) -> Verification:
    if not isinstance(model, LinearMDP):
        return _verify.dispatch(HorizonSolution)(solution, model)
    horizon = len(solution.q)
    _need_shape(solution, solution.q.shape, (model.horizon or horizon, *model.features.shape[:2]))
    last = np.zeros(model.n_states) if model.terminal is None else model.terminal
    optimum = own = last.astype(WIDE)
    discount, features = WIDE(model.discount), model.features
    q = np.empty(solution.q.shape, dtype=WIDE)
    errors = solution.value_errors
    worst, outside = float(np.abs(solution.value[-1] - last).max()) - float(errors[-1]), 0.0
    room = loss = 0.0
    checks = [_status_check(solution), *_policy_checks(solution.policy, solution.log_policy)]
    for h in range(horizon - 1, -1, -1):
        kernel = _kernel(model, h)
        theta, measures = model.stage_theta(h), model.stage_measures(h)
        reward = features.astype(WIDE) @ theta.astype(WIDE)
        q[h] = reward + discount * (kernel @ optimum)
        bonus = None if solution.bonus is None else solution.bonus[h]
        optimum = _aggregate(q[h], bonus, solution.temperature, None)
        policy = solution.policy[h].astype(WIDE)
        entries = reward + discount * (kernel @ own)
        size = float(np.abs(q[h]).max() + np.abs(reward).max()) + solution.temperature
        if bonus is not None:
            taken = policy > 0
            logs = np.where(taken, solution.log_policy[h], 0.0).astype(WIDE)
            entries = entries - WIDE(solution.temperature) * logs + np.where(taken, bonus, 0.0)
            size += float(np.abs(np.where(taken, bonus, 0.0)).max())
        own = np.where(policy > 0, policy * entries, 0).sum(axis=1)
        room += 8 * EPS * (model.n_states + model.dimension + 8) * size + 4e-16 * solution.temperature
        worst = max(worst, float(np.abs(optimum - solution.value[h]).max()) - float(errors[h]))
        outside = max(
            outside, float(np.maximum(solution.lower[h] - optimum, optimum - solution.upper[h]).max())
        )
        loss = max(loss, float((optimum - own).max()))
        # the weights are the backup of the recorded values, in units of its rounding
        backup = theta + discount * (measures.astype(WIDE) @ solution.value[h + 1].astype(WIDE))
        allowed = (
            (model.n_states + 3) * DOUBLE * (np.abs(theta) + np.abs(measures) @ np.abs(solution.value[h + 1]))
        )
        excess = float((np.abs(solution.weights[h] - backup) - allowed).max())
        checks += [
            Check(f"weights of stage {h}", excess, 0.0),
            _product_check(
                f"q = features @ weights in stage {h}", solution.q[h], features, solution.weights[h]
            ),
        ]
    bound = solution.certificate.bound
    checks += [
        Check("stage values within value_errors", worst, room),
        Check("value_errors within certificate.bound", float(errors.max()), bound),
        Check("lower <= values <= upper", outside, room),
        Check("q within q_error", float(np.abs(solution.q - q).max()), solution.q_error + room),
        *_softmax_checks(solution, q, solution.bonus, None, room),
        Check("policy loses at most suboptimality", loss, solution.suboptimality + 2 * room),
    ]
    return Verification("kernel formed and recursion run in extended precision", tuple(checks))
