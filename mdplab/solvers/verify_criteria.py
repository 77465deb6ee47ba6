r"""Checks of total-reward, average-reward, constrained and multi-objective solutions by other routes.

Registered with :func:`mdplab.solvers.verify`.  Values come from linear programs and from powers of chains, which share
no code with policy iteration, its decomposition or its bounds; tolerances are those of the other route.

* Total reward: the linear program over the states with finite value; the policy by LAPACK.
* Average reward: the multichain program; the limit matrix of the policy by repeated squaring of ``(I + P) / 2``.
* Constrained: weak duality, by value iteration on the scalarised model; the returns of the policy by one solve.
* Fronts: value iteration at random weights lies between the vertices and the certified bound.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse

from mdplab._typing import FloatArray
from mdplab.convex.linear import linear_program
from mdplab.models.multi_objective import MultiObjectiveMDP
from mdplab.models.tabular import MDP
from mdplab.models.total_reward import TotalRewardMDP
from mdplab.operators.bellman import induced
from mdplab.solvers.average_reward_program import average_reward_program
from mdplab.solvers.constrained import ConstrainedSolution
from mdplab.solvers.gain_bounds import AverageSolution
from mdplab.solvers.multi_objective import FrontSolution
from mdplab.solvers.total_reward import TotalRewardSolution
from mdplab.solvers.value_iteration import value_iteration
from mdplab.solvers.verify import Check, Verification, _need, _reward, _verify

__all__ = ["limit_gain"]

_PROGRAM = 1e-7
"""Relative accuracy granted to a linear program."""
_SQUARINGS = 60


@_verify.register
def _(solution: TotalRewardSolution, model: Any) -> Verification:
    _need(model, TotalRewardMDP, solution)
    value = solution.value
    states = np.flatnonzero(np.isfinite(value) & ~model.terminal)
    checks = []
    if states.size:
        n, a = model.n_states, model.n_actions
        kernel: Any = sparse.csr_array(
            model.transition if model.is_sparse else model.transition.reshape(n * a, n)
        )
        rows = (states[:, np.newaxis] * a + np.arange(a)).ravel()
        # no pair that the program may use leads to a state of infinite value
        allowed = solution.q.ravel()[rows] > -np.inf
        rows = rows[allowed]
        own = sparse.csr_array((np.ones(rows.size), (np.arange(rows.size), rows // a)), shape=(rows.size, n))
        matrix = sparse.csr_array((own - kernel[rows])[:, states])
        # idle states may stop with 0; the bounds keep the program from drifting where constants change nothing
        size = 1 + 2 * float(np.abs(value[states]).max())
        least = np.where(solution.idle[states], 0.0, -size)
        program = linear_program(
            np.ones(states.size), at_least=(matrix, model.reward.ravel()[rows]), lower=least, upper=size
        )
        room = _PROGRAM * size * (1 + float(np.max(solution.steps_to_stop[states])))
        difference = float(np.abs(program.primal - value[states]).max())
        checks.append(Check("value within certificate.bound", difference, solution.certificate.bound + room))
        moving = states[~solution.idle[states]]
        choice = moving * a + solution.policy[moving].argmax(axis=1)
        inner = np.eye(moving.size) - kernel[choice][:, moving].toarray()
        settled = np.where(solution.idle & np.isfinite(value), value, 0.0)
        own_value = np.linalg.solve(inner, model.reward.ravel()[choice] + kernel[choice] @ settled)
        short = float((value[moving] - own_value).max(initial=0.0))
        checks.append(
            Check("policy loses at most suboptimality", short, min(solution.suboptimality, 1e300) + room)
        )
    order = bool(np.all(solution.lower <= value)) and bool(np.all(value <= solution.upper))
    checks.append(Check("lower <= value <= upper", 0.0 if order else 1.0, 0.0))
    return Verification("linear program over the states of finite value", tuple(checks))


def limit_gain(kernel: Any, reward: FloatArray) -> FloatArray:
    """Average reward of a chain by repeated squaring of ``(I + P) / 2``, whose powers converge to the limit matrix.

    Parameters
    ----------
    kernel : ndarray or csr_array (S, S)
        Stochastic matrix; a sparse one is made dense.
    reward : ndarray (S,)
        Reward of each state.

    Returns
    -------
    ndarray (S,)
        The gain, without certificate.
    """
    power = np.asarray(kernel if isinstance(kernel, np.ndarray) else kernel.toarray(), dtype=np.float64)
    power = 0.5 * (power + np.eye(power.shape[0]))
    for _ in range(_SQUARINGS):
        power = power @ power
        power /= power.sum(axis=1, keepdims=True)
    return np.asarray(power @ reward)


@_verify.register
def _(solution: AverageSolution, model: Any) -> Verification:
    _need(model, MDP, solution)
    scale = float(np.abs(_reward(model)).max()) + 1e-300
    program = average_reward_program(model)
    apart = float(np.maximum(program.lower - solution.upper, solution.lower - program.upper).max())
    own = limit_gain(*induced(model, solution.policy))
    room = 1e-9 * scale
    checks = (
        Check("bounds meet those of the linear program", apart, 0.0),
        Check("gain of the policy is at least lower", float((solution.lower - own).max()), room),
        Check("gain of the policy is at most upper", float((own - solution.upper).max()), room),
        Check(
            "gain within certificate.bound of upper and lower",
            float(np.maximum(solution.upper - solution.gain, solution.gain - solution.lower).max()),
            solution.certificate.bound,
        ),
    )
    return Verification("linear program, and powers of the policy's chain", checks)


def _best(model: MultiObjectiveMDP, weights: FloatArray) -> tuple[float, float]:
    """Largest scalarised start value by value iteration, with its error."""
    found = value_iteration(model.scalarise(weights), tol=1e-9 * (1 + float(np.abs(weights).sum())))
    value = float(model.initial @ found.value)
    return value, found.certificate.bound + 1e-12 * (1 + float(np.abs(found.value).max()))


@_verify.register
def _(solution: ConstrainedSolution, model: Any) -> Verification:
    _need(model, MultiObjectiveMDP, solution)
    if not np.isfinite(solution.objective):
        return Verification("none: there is no policy to check", ())
    weights = np.concatenate([[1.0], solution.multipliers])
    best, error = _best(model, weights)
    priced = solution.multipliers > 0
    upper = best - float(solution.multipliers[priced] @ solution.thresholds[priced])
    returns = model.returns(solution.policy)
    room = 1e-10 * (1 + float(np.abs(returns).max()))
    checks = (
        Check("Lagrangian is below upper", upper - error, solution.upper + room),
        Check("objective is below the Lagrangian", float(returns[0]), upper + error + solution.gap + room),
        Check("returns", float((np.abs(returns - solution.returns) - solution.return_errors).max()), room),
        Check(
            "thresholds are kept",
            float((solution.thresholds - returns[1:]).max(initial=0.0)),
            solution.infeasibility + room,
        ),
        Check("multipliers are non-negative", float((-solution.multipliers).max(initial=0.0)), 0.0),
    )
    return Verification("value iteration on the Lagrangian, one solve for the policy", checks)


@_verify.register
def _(solution: FrontSolution, model: Any) -> Verification:
    _need(model, MultiObjectiveMDP, solution)
    m = model.n_objectives
    room = 1e-10 * (1 + float(np.abs(solution.returns).max()))
    checks = []
    for i, policy in enumerate(solution.policies):
        off = float(np.abs(model.returns(policy) - solution.returns[i]).max())
        checks.append(Check(f"returns of vertex {i}", off, float(solution.return_errors[i].max()) + room))
    for weights in (*np.eye(m), *np.random.default_rng(0).dirichlet(np.ones(m), 20)):
        best, error = _best(model, weights)
        loss = abs(best - solution.value(weights))
        checks.append(Check("loss at a random weight", loss, solution.certificate.bound + error + room))
    return Verification("value iteration at random weights", tuple(checks))
