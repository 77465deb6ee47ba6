r"""Check a solution by another route than the one that made it.

Everything is recomputed in extended precision (``numpy.longdouble``) by plain array expressions that share no code with
the kernels and no refinement with the solvers:

* Newton's method on the plain (not relative) value, with the residual in extended precision and a fresh linear solve
  in double precision each step, gives the fixed point :math:`x` with the proven error
  :math:`\|Tx-x\|_\infty/(1-\gamma)`, far below the solution's own; ``value`` must lie within ``certificate.bound``
  of it.
* The residual of ``value`` must be within ``backward_error``.
* The returned policy is evaluated in the same way and must not lose more than ``suboptimality``.
* ``policy`` is the exponential of ``log_policy`` and its rows are laws; ``q``, ``policy`` and ``log_policy`` lie within
  their errors of those of the fixed point.
* The reward that was optimised is the model's own, but for solutions that declare an add-on reward (``residual``, or a
  ``reward`` of their own in finite horizons), and excluded actions are those of the model.

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
from mdplab.models.tabular import MDP
from mdplab.solution import Solution, Status
from mdplab.solvers.control import ControlSolution
from mdplab.solvers.policy_evaluation import EvaluationSolution
from mdplab.solvers.verify_algebra import EPS, WIDE

__all__ = ["Check", "Verification", "verify"]

_WIDE = WIDE
_EPS = EPS
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
    model : model, array_like or iterable of MDP
        What was given to the solver: an MDP, a game, data, a preference matrix, a :class:`LinearProgram`, ...; for a
        :class:`BatchSolution` the models of the stack, in order.
    solution : Solution
        Of any kind that a function of :mod:`mdplab.solvers` or :mod:`mdplab.convex` returns for a model.

    Returns
    -------
    Verification
        Frozen report; ``passed`` says whether every check holds.

    Raises
    ------
    TypeError
        If the kind of the solution is unknown or the model is not of the kind that it belongs to.
    ValueError
        If the model has another number of states, actions or stages, or if the solution claims nothing: no bound is
        known, or infeasibility and unboundedness are the word of a solver that gave no proof.
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


_ENDS = (Status.CONVERGED, Status.PRECISION_LIMIT, Status.MAX_STEPS, Status.INTERRUPTED)


def _need_shape(solution: Solution, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise ValueError(
            f"the {type(solution).__name__} has tables of shape {found}, the model {expected}: another model was solved"
        )


def _need_claim(solution: Solution) -> None:
    if not np.isfinite(solution.certificate.bound):
        raise ValueError(
            f"the {type(solution).__name__} with status {solution.status.name} claims nothing that could be checked: "
            f"{solution.status.value}"
        )


def _status_check(solution: Solution) -> Check:
    return Check("status is one of solved problems", float(solution.status not in _ENDS), 0.0)


def _distance(first: Array, second: Array) -> float:
    """Largest difference where either is finite; equal infinities agree."""
    with np.errstate(invalid="ignore"):
        return float(np.where(first == second, 0, np.abs(first - second)).max())


def _input_checks(solution: ControlSolution, mdp: MDP) -> list[Check]:
    """The problem that was solved is that of the model."""
    admitted = np.ones(mdp.reward.shape, dtype=bool) if mdp.available is None else mdp.available
    checks = [_status_check(solution)]
    if not solution.residual:
        found = _distance(solution.reward[admitted], mdp.reward[admitted])
        checks.append(Check("reward is the model's", found, 0.0))
    if solution.bonus is not None:
        lost = float((solution.bonus[~admitted] > -np.inf).any())
        checks.append(Check("bonus excludes unavailable actions", lost, 0.0))
    taken = float(solution.policy[~admitted].max(initial=0.0))
    checks.append(Check("policy takes available actions", taken, 0.0))
    return checks


def _q_check(q: FloatArray, exact: Array, available: Array | None, allowed: float) -> Check:
    """Action values on admitted pairs; ``-inf`` elsewhere."""
    expected = exact if available is None else np.where(available, exact, -np.inf)
    return Check("q within q_error", _distance(q, expected), allowed)


def _softmax_checks(
    solution: Any, q: Array, bonus: FloatArray | None, available: Array | None, error: float
) -> list[Check]:
    """Policy and log-policy against those of the exact action values, which err by ``error``."""
    if bonus is None:
        # Where the best action is not decided by the recomputed values either, nothing can be said.
        values = q if available is None else np.where(available, q, -np.inf)
        best = values.argmax(axis=-1)[..., np.newaxis] == np.arange(q.shape[-1])
        decided = values.max(axis=-1) - np.where(best, -np.inf, values).max(axis=-1) > 2 * error
        off = float(np.abs(solution.policy - best)[decided].max(initial=0.0))
        return [Check("policy within policy_error", off, solution.policy_error)]
    temperature = _WIDE(solution.temperature)
    total = q + bonus.astype(_WIDE)
    exponents = (total - total.max(axis=-1, keepdims=True)) / temperature
    logs = exponents - np.log(np.exp(exponents).sum(axis=-1, keepdims=True))
    room = float(2 * error / temperature) + 64 * _EPS
    rows, log_policy = np.exp(logs), solution.log_policy
    finite = (log_policy > -np.inf) & (logs > -np.inf)
    # The finite entries: a logarithm below the doubles is -inf.
    gap = np.abs(np.where(finite, log_policy, 0.0) - np.where(finite, logs, 0)) - room * np.where(
        finite, np.abs(logs), 0
    )
    lost = float(((log_policy == -np.inf) & (logs > -1e300)).any())
    return [
        Check(
            "policy within policy_error",
            float(np.abs(solution.policy - rows).max()),
            solution.policy_error + room,
        ),
        Check("log_policy within log_policy_error", float(gap.max()), solution.log_policy_error + room),
        Check("log_policy is finite inside the reference", lost, 0.0),
    ]


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
        system = (np.eye(mdp.n_states) - mdp.discount * kernel).astype(float)
        return np.asarray(np.linalg.solve(system, right))
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


def _optimality(mdp: MDP, reward: FloatArray, bonus: FloatArray | None, temperature: float) -> Operator:
    """Hard or soft optimality backup of the problem that was solved."""

    def operator(v: Array) -> tuple[Array, FloatArray]:
        q = _lookahead(mdp, reward, v)
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
    _need_shape(solution, solution.q.shape, model.reward.shape)
    return Verification("Newton's method in extended precision", tuple(_control_checks(solution, model)))


def _control_checks(solution: ControlSolution, model: MDP) -> list[Check]:
    operator = _optimality(model, solution.reward, solution.bonus, solution.temperature)
    optimum, error = _fixed_point(model, operator, solution.value)
    # Bonuses that leave no weight to an action do not round what matters.
    bonus = np.zeros(1) if solution.bonus is None else np.where(solution.policy > 0, solution.bonus, 0.0)
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
    checks = _input_checks(solution, model)
    checks += _value_checks(solution, optimum, error, operator, room)
    exact = _lookahead(model, solution.reward, optimum)
    checks.append(_q_check(solution.q, exact, model.available, solution.q_error + error + room))
    checks += _softmax_checks(solution, exact, solution.bonus, model.available, error + room)
    checks += _policy_checks(solution.policy, solution.log_policy)
    allowed = solution.suboptimality + error + own_error
    checks.append(Check("policy loses at most suboptimality", float((optimum - own).max()), allowed))
    return checks


@_verify.register
def _(solution: EvaluationSolution, model: Any) -> Verification:
    _need(model, MDP, solution)
    _need_shape(solution, solution.q.shape, model.reward.shape)
    checks = _evaluation_checks(solution, model)
    return Verification("linear solve refined in extended precision", tuple(checks))


def _evaluation_checks(solution: EvaluationSolution, model: MDP) -> list[Check]:
    policy, cost = solution.policy.astype(_WIDE), solution.cost.astype(_WIDE)
    deviation = float(np.abs(policy.sum(axis=1) - 1).max())
    operator = _evaluation(model, model.reward, policy, cost)
    value, error = _fixed_point(model, operator, solution.value, deviation)
    # The cost is a double: its logarithm was rounded.
    room = _room(model, value, model.reward, solution.cost) + _cost_rounding(
        solution.cost, solution.temperature
    )
    error += 2 * room / (1.0 - model.discount * (1.0 + deviation))
    checks = [_status_check(solution), *_value_checks(solution, value, error, operator, room)]
    exact = _lookahead(model, model.reward, value)
    checks.append(_q_check(solution.q, exact, model.available, solution.q_error + error + room))
    if model.available is not None:
        taken = float(solution.policy[~model.available].max(initial=0.0))
        checks.append(Check("policy takes available actions", taken, 0.0))
    if solution.temperature == 0:
        checks.append(Check("no cost without temperature", float(np.abs(solution.cost).max()), 0.0))
    return checks


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
