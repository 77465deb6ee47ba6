r"""Check a solution by another route than the one that made it.

Everything is recomputed in extended precision (``numpy.longdouble``) by plain array expressions that share no code with
the kernels and no refinement with the solvers:

* Newton's method on the plain (not relative) value, with the residual in extended precision and a fresh linear solve
  in double precision each step, gives the fixed point :math:`x` with the proven error
  :math:`\|Tx-x\|_\infty/(1-\gamma)`, far below the solution's own; ``value`` must lie within ``certificate.bound``
  of it.
* The residual of ``value`` must be within ``backward_error``.
* The returned policy is evaluated in the same way and must not lose more than ``suboptimality``.
* ``policy`` is the exponential of ``log_policy`` and its rows are laws.

Where ``longdouble`` is no wider than ``double`` the checks allow for double rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import scipy.sparse.linalg
from scipy import sparse

from mdplab._typing import Array, FloatArray
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.models.tabular import MDP
from mdplab.solution import Solution
from mdplab.solvers.backward_induction import HorizonSolution
from mdplab.solvers.control import ControlSolution
from mdplab.solvers.mirror_descent import MirrorDescentSolution
from mdplab.solvers.policy_evaluation import EvaluationSolution

__all__ = ["Check", "Verification", "verify"]

_WIDE = np.longdouble
_EPS = float(np.finfo(_WIDE).eps)
_NEWTON = 60


@dataclass(frozen=True)
class Check:
    """One inequality ``found <= allowed``.

    Attributes
    ----------
    name : str
        What was checked.
    found, allowed : float
        Both sides; ``allowed`` includes the rounding of the check itself.
    """

    name: str
    found: float
    allowed: float

    @property
    def passed(self) -> bool:
        """Whether it holds (NaN does not)."""
        return bool(self.found <= self.allowed)


@dataclass(frozen=True)
class Verification:
    """Report of :func:`verify`.

    Attributes
    ----------
    route : str
        How it was recomputed.
    checks : tuple of Check
        All inequalities.
    """

    route: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether all checks hold."""
        return all(check.passed for check in self.checks)

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that do not hold."""
        return tuple(check for check in self.checks if not check.passed)


def verify(model: Any, solution: Solution) -> Verification:
    """Recompute what a solution claims about a model.

    Parameters
    ----------
    model : MDP or FiniteHorizonMDP
        The model that was solved.
    solution : Solution
        A :class:`ControlSolution`, :class:`EvaluationSolution`, :class:`HorizonSolution`,
        :class:`MirrorDescentSolution`, :class:`PolicyGradientSolution`, :class:`StageEvaluation` or
        :class:`StageMirrorDescentSolution`.

    Returns
    -------
    Verification
        Frozen report; ``passed`` says whether every check holds.

    Raises
    ------
    TypeError
        If the kind of the solution is unknown or the model is not of the kind that it belongs to.
    """
    return _verify(solution, model)


@singledispatch
def _verify(solution: object, model: Any) -> Verification:
    raise TypeError(f"verify does not know solutions of type {type(solution).__name__}")


def _need(model: Any, kind: type, solution: object) -> None:
    if not isinstance(model, kind):
        raise TypeError(
            f"a {type(solution).__name__} belongs to a {kind.__name__}; got {type(model).__name__}"
        )


def _lookahead(mdp: MDP, reward: FloatArray, v: Array) -> Array:
    """``R + discount * P v`` in extended precision; a sparse kernel stays sparse, a dense one is taken by states."""
    transition: Any = mdp.transition
    if mdp.is_sparse:
        products = transition.data.astype(_WIDE) * v[transition.indices]
        sums = np.concatenate(([_WIDE(0)], np.cumsum(products)))
        expected = (sums[transition.indptr[1:]] - sums[transition.indptr[:-1]]).reshape(reward.shape)
    else:
        expected = np.array([(transition[s].astype(_WIDE) * v).sum(axis=1) for s in range(mdp.n_states)])
    result: Array = reward.astype(_WIDE) + _WIDE(mdp.discount) * expected
    return result


def _aggregate(q: Array, bonus: FloatArray | None, temperature: float, available: Array | None) -> Array:
    """Maximum over available actions, or weighted log-sum-exp."""
    if bonus is None:
        values = q if available is None else np.where(available, q, -np.inf)
        return np.asarray(values.max(axis=-1))
    y = q + bonus.astype(_WIDE)
    top = y.max(axis=-1, keepdims=True)
    total = np.exp((y - top) / _WIDE(temperature)).sum(axis=-1)
    return np.asarray(top[..., 0] + _WIDE(temperature) * np.log(total))


def _room(mdp: Any, *magnitudes: Any) -> float:
    """Rounding of one recomputed backup: operations of a row (the prefix sums of CSR run over all) times magnitude."""
    transition: Any = mdp.transition
    count = transition.nnz if not isinstance(transition, np.ndarray) else transition.shape[-1]
    largest = max(float(np.abs(m[np.isfinite(m)]).max(initial=0.0)) for m in map(np.asarray, magnitudes))
    return float(4 * _EPS * (count + 4 * mdp.n_actions + 64) * largest)


def _policy_checks(policy: FloatArray, log_policy: FloatArray) -> list[Check]:
    return [
        Check("policy = exp(log_policy)", float(np.abs(policy - np.exp(log_policy)).max()), 1e-14),
        Check("rows of policy sum to 1", float(np.abs(policy.sum(axis=-1) - 1).max()), 1e-9),
    ]


def _plain_solve(mdp: MDP, policy: FloatArray, right: FloatArray) -> FloatArray:
    """``(I - discount * P_policy)^{-1} right`` in double precision."""
    transition: Any = mdp.transition
    if not mdp.is_sparse:
        kernel = np.einsum("sa,sat->st", policy, transition)
        return np.asarray(np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * kernel, right))
    pairs: Any = sparse.csr_array(transition.multiply(policy.reshape(-1, 1)))
    owner = np.repeat(np.arange(mdp.n_states), mdp.n_actions)
    pool: Any = sparse.csr_array((np.ones(owner.size), (owner, np.arange(owner.size))))
    matrix: Any = sparse.eye_array(mdp.n_states)
    matrix = matrix - mdp.discount * (pool @ pairs)
    return np.asarray(scipy.sparse.linalg.spsolve(sparse.csc_array(matrix), right), dtype=float)


Operator = Callable[[Array], tuple[Array, FloatArray]]
"""Backup of a value in extended precision, and the policy that it averages with."""


def _fixed_point(
    mdp: MDP, operator: Operator, start: FloatArray, deviation: float = 0.0
) -> tuple[Array, float]:
    """Fixed point by Newton's method in extended precision, with its proven error but for the rounding of backups."""
    x = np.asarray(start, dtype=_WIDE)
    best, size = x, np.inf
    for _ in range(_NEWTON):
        backup, policy = operator(x)
        residual = backup - x
        found = float(np.abs(residual).max())
        if found >= 0.5 * size:
            break
        best, size = x, found
        x = x + _plain_solve(mdp, policy, residual.astype(float))
    return best, size / (1.0 - mdp.discount * (1.0 + mdp.row_deviation + deviation))


def _optimality(mdp: MDP, solution: ControlSolution) -> Operator:
    """Hard or soft optimality backup of the problem that was solved."""
    bonus, temperature = solution.bonus, solution.temperature

    def operator(v: Array) -> tuple[Array, FloatArray]:
        q = _lookahead(mdp, solution.reward, v)
        backup = _aggregate(q, bonus, temperature, mdp.available)
        if bonus is not None:
            return backup, np.exp((q + bonus - backup[:, np.newaxis]) / temperature).astype(float)
        values = q if mdp.available is None else np.where(mdp.available, q, -np.inf)
        return backup, np.eye(mdp.n_actions)[values.argmax(axis=1)]

    return operator


def _evaluation(mdp: MDP, reward: FloatArray, policy: Array, cost: Array) -> Operator:
    """Evaluation backup of a policy whose actions cost something."""
    rows = policy.astype(float)

    def operator(v: Array) -> tuple[Array, FloatArray]:
        entries = np.where(policy > 0, _lookahead(mdp, reward, v) - cost, 0)
        return np.asarray((policy * entries).sum(axis=1)), rows

    return operator


@_verify.register
def _(solution: ControlSolution, model: Any) -> Verification:
    _need(model, MDP, solution)
    operator = _optimality(model, solution)
    optimum, error = _fixed_point(model, operator, solution.value)
    bonus = np.zeros(1) if solution.bonus is None else solution.bonus
    room = _room(model, optimum, solution.reward, bonus, np.full(1, solution.temperature))
    # The policy is the law proportional to its rows; its logarithms are what the rows say.
    policy = solution.policy.astype(_WIDE)
    policy = policy / policy.sum(axis=1, keepdims=True)
    cost = np.zeros(policy.shape, dtype=_WIDE)
    if solution.bonus is not None:
        taken = policy > 0
        cost = solution.temperature * np.log(np.where(taken, policy, 1)) - np.where(taken, solution.bonus, 0)
    own, own_error = _fixed_point(model, _evaluation(model, solution.reward, policy, cost), solution.value)
    error, own_error = (e + 2 * room / (1.0 - model.discount) for e in (error, own_error))
    checks = _value_checks(solution, optimum, error, operator, room)
    checks += _policy_checks(solution.policy, solution.log_policy)
    allowed = solution.suboptimality + error + own_error
    checks.append(Check("policy loses at most suboptimality", float((optimum - own).max()), allowed))
    return Verification("Newton's method in extended precision", tuple(checks))


@_verify.register
def _(solution: EvaluationSolution, model: Any) -> Verification:
    _need(model, MDP, solution)
    policy, cost = solution.policy.astype(_WIDE), solution.cost.astype(_WIDE)
    deviation = float(np.abs(policy.sum(axis=1) - 1).max())
    operator = _evaluation(model, model.reward, policy, cost)
    value, error = _fixed_point(model, operator, solution.value, deviation)
    # The cost is a double: its logarithm was rounded.
    room = _room(model, value, model.reward, solution.cost) + _cost_rounding(
        solution.cost, solution.temperature
    )
    error += 2 * room / (1.0 - model.discount * (1.0 + deviation))
    return Verification(
        "linear solve refined in extended precision",
        tuple(_value_checks(solution, value, error, operator, room)),
    )


def _cost_rounding(cost: FloatArray, temperature: float) -> float:
    """Rounding of ``temperature * log(policy / reference)``."""
    return 1e-15 * (float(np.abs(cost).max()) + temperature) if temperature > 0 else 0.0


def _value_checks(
    solution: ControlSolution | EvaluationSolution,
    exact: Array,
    error: float,
    operator: Operator,
    room: float,
) -> list[Check]:
    """Value, bounds and residual against the recomputed fixed point."""
    value, bound = solution.value.astype(_WIDE), solution.certificate.bound
    residual = float(np.abs(operator(value)[0] - value).max())
    return [
        Check("value within certificate.bound", float(np.abs(exact - value).max()), bound + error),
        Check("lower <= fixed point", float((solution.lower - exact).max()), error),
        Check("fixed point <= upper", float((exact - solution.upper).max()), error),
        Check("residual within backward_error", residual, solution.backward_error + room),
    ]


@_verify.register
def _(solution: HorizonSolution, model: Any) -> Verification:
    _need(model, FiniteHorizonMDP, solution)
    checks = [] if solution.bonus is None else _policy_checks(solution.policy, solution.log_policy)
    last = model.terminal if solution.reward is None else solution.value[-1]
    checks.append(Check("value of the last stage", float(np.abs(solution.value[-1] - last).max()), 0.0))
    optimum = own = np.asarray(last, dtype=_WIDE)
    room = worst = loss = 0.0
    for h in range(model.horizon - 1, -1, -1):
        reward = model.stage_reward(h) if solution.reward is None else solution.reward[h]
        kernel, gain = model.stage_kernel(h).astype(_WIDE), reward.astype(_WIDE)
        bonus = None if solution.bonus is None else solution.bonus[h]
        discount = _WIDE(model.discount)
        q = gain + discount * (kernel * optimum).sum(axis=2)
        optimum = _aggregate(q, bonus, solution.temperature, solution.available[h])
        policy = solution.policy[h].astype(_WIDE)
        entries = gain + discount * (kernel * own).sum(axis=2)
        if bonus is not None:
            taken = policy > 0
            logs = np.where(taken, solution.log_policy[h], 0.0).astype(_WIDE)
            entries = entries - _WIDE(solution.temperature) * logs + np.where(taken, bonus, 0.0)
        own = np.where(policy > 0, policy * entries, 0).sum(axis=1)
        magnitudes = (optimum, gain, np.full(1, solution.temperature)) + (() if bonus is None else (bonus,))
        room += _room(model, *magnitudes) + 4e-16 * solution.temperature
        excess = float(np.abs(optimum - solution.value[h]).max()) - float(solution.value_errors[h])
        worst = max(worst, excess)
        loss = float((optimum - own).max())
    checks.append(Check("stage values within value_errors", worst, room))
    checks.append(Check("policy loses at most suboptimality", loss, solution.suboptimality + 2 * room))
    return Verification("extended precision: plain recursion of optimum and policy", tuple(checks))


@_verify.register
def _(solution: MirrorDescentSolution, model: Any) -> Verification:
    _need(model, MDP, solution)
    checks = []
    for t, (logs, claimed) in enumerate(zip(solution.log_policies, solution.values, strict=True)):
        policy = np.exp(logs)
        taken = policy > 0
        cost = solution.temperature * np.where(taken, logs, 0.0) - np.where(taken, solution.bonus, 0.0)
        deviation = float(np.abs(policy.sum(axis=1) - 1).max())
        operator = _evaluation(model, model.reward, policy.astype(_WIDE), cost.astype(_WIDE))
        value, error = _fixed_point(model, operator, claimed, deviation)
        # The logarithms of the rounded policy are off by a few units from those recorded.
        room = _room(model, value, model.reward, cost) + 4 * _cost_rounding(cost, solution.temperature)
        error += 2 * room / (1.0 - model.discount * (1.0 + deviation))
        allowed = float(solution.value_errors[t]) + error
        checks.append(Check(f"value of the policy at t = {t}", float(np.abs(claimed - value).max()), allowed))
    return Verification(
        "every recorded policy by a linear solve refined in extended precision", tuple(checks)
    )
