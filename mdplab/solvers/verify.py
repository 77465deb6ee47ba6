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

from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.models.tabular import MDP
from mdplab.solution import Solution, Status
from mdplab.solvers.control import ControlSolution
from mdplab.solvers.policy_evaluation import EvaluationSolution
from mdplab.solvers.verify_algebra import EPS, WIDE
from mdplab.solvers.verify_bellman import (
    Operator,
    _evaluation,
    _fixed_point,
    _lookahead,
    _optimality,
    _room,
)

__all__ = ["Check", "Verification", "verify"]


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


def _reward(mdp: MDP) -> FloatArray:
    """The model's reward, 0 at unavailable pairs: what stands there must not make room for errors."""
    return mdp.reward if mdp.available is None else np.where(mdp.available, mdp.reward, 0.0)


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


def _input_checks(solution: Any, mdp: MDP) -> list[Check]:
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
    temperature = WIDE(solution.temperature)
    total = q + bonus.astype(WIDE)
    exponents = (total - total.max(axis=-1, keepdims=True)) / temperature
    logs = exponents - np.log(np.exp(exponents).sum(axis=-1, keepdims=True))
    room = float(2 * error / temperature) + 64 * EPS
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


@_verify.register
def _(solution: ControlSolution, model: Any) -> Verification:
    _need(model, MDP, solution)
    _need_shape(solution, solution.q.shape, model.reward.shape)
    return Verification("Newton's method in extended precision", tuple(_control_checks(solution, model)))


def _control_checks(solution: ControlSolution, model: MDP) -> list[Check]:
    """All that a control solution claims."""
    checks, exact, error = _optimum_checks(solution, model)
    checks += _softmax_checks(solution, exact, solution.bonus, model.available, error)
    return checks + _policy_checks(solution.policy, solution.log_policy)


def _optimum_checks(solution: Any, model: MDP) -> tuple[list[Check], Array, float]:
    """What stacks of models claim as well; the exact action values, and their error."""
    operator = _optimality(model, solution.reward, solution.bonus, solution.temperature)
    optimum, error = _fixed_point(model, operator, solution.value)
    # Bonuses that leave no weight to an action do not round what matters.
    bonus = np.zeros(1) if solution.bonus is None else np.where(solution.policy > 0, solution.bonus, 0.0)
    room = _room(model, optimum, solution.reward, bonus, np.full(1, solution.temperature))
    # The policy is the law proportional to its rows; its logarithms are what the rows say.
    policy = solution.policy.astype(WIDE)
    policy = policy / policy.sum(axis=1, keepdims=True)
    cost = np.zeros(policy.shape, dtype=WIDE)
    if solution.bonus is not None:
        taken = policy > 0
        cost = solution.temperature * np.log(np.where(taken, policy, 1)) - np.where(taken, solution.bonus, 0)
    own, own_error = _fixed_point(model, _evaluation(model, solution.reward, policy, cost), solution.value)
    error, own_error = (e + 2 * room / (1.0 - model.discount) for e in (error, own_error))
    checks = _input_checks(solution, model)
    checks += _value_checks(solution, optimum, error, operator, room)
    exact = _lookahead(model, solution.reward, optimum)
    checks.append(_q_check(solution.q, exact, model.available, solution.q_error + error + room))
    allowed = solution.suboptimality + error + own_error
    checks.append(Check("policy loses at most suboptimality", float((optimum - own).max()), allowed))
    return checks, exact, error + room


@_verify.register
def _(solution: EvaluationSolution, model: Any) -> Verification:
    _need(model, MDP, solution)
    _need_shape(solution, solution.q.shape, model.reward.shape)
    checks = _evaluation_checks(solution, model)
    return Verification("linear solve refined in extended precision", tuple(checks))


def _evaluation_checks(solution: Any, model: MDP) -> list[Check]:
    policy, cost = solution.policy.astype(WIDE), solution.cost.astype(WIDE)
    deviation = float(np.abs(policy.sum(axis=1) - 1).max())
    reward = _reward(model)
    operator = _evaluation(model, reward, policy, cost)
    value, error = _fixed_point(model, operator, solution.value, deviation)
    # The cost is a double: its logarithm was rounded.
    room = _room(model, value, reward, solution.cost) + _cost_rounding(solution.cost, solution.temperature)
    error += 2 * room / (1.0 - model.discount * (1.0 + deviation))
    checks = [_status_check(solution), *_value_checks(solution, value, error, operator, room)]
    exact = _lookahead(model, reward, value)
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
    solution: Any,
    exact: Array,
    error: float,
    operator: Operator,
    room: float,
) -> list[Check]:
    """Value, bounds and residual against the recomputed fixed point."""
    value, bound = solution.value.astype(WIDE), solution.certificate.bound
    residual = float(np.abs(operator(value)[0] - value).max())
    return [
        Check("value within certificate.bound", float(np.abs(exact - value).max()), bound + error),
        Check("lower <= fixed point", float((solution.lower - exact).max()), error),
        Check("fixed point <= upper", float((exact - solution.upper).max()), error),
        Check("residual within backward_error", residual, solution.backward_error + room),
    ]
