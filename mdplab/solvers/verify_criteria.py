r"""Verification of average-reward solutions: the multichain program, and powers of the policy's chain.

What policy iteration or value iteration found is compared with the linear program, the program with policy iteration; the
limit matrix of the policy comes from repeated squaring of ``(I + P) / 2``.  Tolerances are those of the other route.  The
definitions of residuals, classes and action values are evaluated in extended precision.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.models.tabular import MDP
from mdplab.operators.bellman import induced
from mdplab.solvers.average_reward import average_reward
from mdplab.solvers.average_reward_program import AverageProgramSolution, average_reward_program
from mdplab.solvers.gain_bounds import AverageSolution
from mdplab.solvers.verify import Check, Verification, _need, _need_shape, _reward, _verify
from mdplab.solvers.verify_algebra import DOUBLE, WIDE
from mdplab.solvers.verify_flow import Flow
from mdplab.solvers.verify_preferences import closure

__all__ = ["limit_gain"]

_PROGRAM = 1e-7
"""Relative accuracy granted to a linear program."""
_SQUARINGS = 60


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
    _need_shape(solution, solution.q.shape, model.reward.shape)
    scale = float(np.abs(_reward(model)).max()) + 1e-300
    programmed = isinstance(solution, AverageProgramSolution)
    other = average_reward(model) if programmed else average_reward_program(model)
    apart = float(np.maximum(other.lower - solution.upper, solution.lower - other.upper).max())
    own = limit_gain(*induced(model, solution.policy))
    room = 1e-9 * scale
    checks = [
        Check("bounds meet those of the other route", apart, 0.0),
        Check("gain of the policy is at least lower", float((solution.lower - own).max()), room),
        Check("gain of the policy is at most upper", float((own - solution.upper).max()), room),
        Check(
            "gain within certificate.bound of upper and lower",
            float(np.maximum(solution.upper - solution.gain, solution.gain - solution.lower).max()),
            solution.certificate.bound,
        ),
        Check(
            "policy loses at most suboptimality",
            float((other.lower - own).max()),
            solution.suboptimality + room,
        ),
        *_average_checks(solution, model),
    ]
    if isinstance(solution, AverageProgramSolution):
        checks += _program_checks(solution, model)
        return Verification("policy iteration, and powers of the policy's chain", tuple(checks))
    return Verification("linear program, and powers of the policy's chain", tuple(checks))


def _average_checks(solution: AverageSolution, model: MDP) -> list[Check]:
    """What the residuals, the action values and the classes of the policy are by their definitions."""
    flow = Flow(model)
    bias, gain = solution.bias.astype(WIDE), solution.gain.astype(WIDE)
    q = np.full(model.reward.shape, -np.inf, dtype=WIDE)
    q[flow.admitted] = flow.reward + flow.kernel @ bias
    size = float(np.abs(bias).max() + np.abs(flow.reward).max())
    rounding = 4 * (model.n_states + 4) * DOUBLE
    ahead = np.full(model.reward.shape, -np.inf, dtype=WIDE)
    ahead[flow.admitted] = flow.kernel @ gain
    first = float(np.abs(ahead.max(axis=1) - gain).max())
    # which actions conserve the gain is decided up to rounding: by any threshold of this size
    doubt = 32 * DOUBLE * (model.n_states + 4) * (size + float(np.abs(gain).max()))
    second = [_conserved(q, ahead, gain, bias, d) for d in (0.03 * doubt, 0.3 * doubt, doubt, 4 * doubt)]
    off_second = min(abs(solution.bias_residual - found) for found in second)
    chain = (flow.own * flow.vector(solution.policy)[:, np.newaxis]).T @ flow.kernel
    reach = closure(np.asarray(chain > 0))
    label = (reach & reach.T).argmax(axis=1)
    recurrent = (reach <= reach.T).all(axis=1)
    classes = np.where(recurrent, label, -1)
    together = classes[:, np.newaxis] == classes
    found = solution.component[:, np.newaxis] == solution.component
    wrong = float((together != found).any() or ((solution.component >= 0) != recurrent).any())
    single = float(solution.unichain != (np.unique(classes[recurrent]).size == 1))
    with np.errstate(invalid="ignore"):
        off = np.where(q == solution.q, 0, np.abs(q - solution.q))
    return [
        Check("q = R + P bias", float(off.max()), rounding * size),
        Check(
            "gain_residual",
            abs(first - solution.gain_residual),
            rounding * float(np.abs(gain).max() + 1e-300),
        ),
        Check("bias_residual", off_second, rounding * (size + float(np.abs(gain).max()))),
        Check("component", wrong, 0.0),
        Check("unichain", single, 0.0),
    ]


def _conserved(q: Array, ahead: Array, gain: Array, bias: Array, doubt: float) -> float:
    """Residual of the second optimality equation over the actions that lose at most ``doubt`` of the gain."""
    keeps = ahead >= gain[:, np.newaxis] - doubt
    return float(np.abs(np.where(keeps, q, -np.inf).max(axis=1) - gain - bias).max())


def _program_checks(solution: AverageProgramSolution, model: MDP) -> list[Check]:
    """The measures of the program satisfy its constraints and earn its objective."""
    flow = Flow(model)
    x, y = flow.vector(solution.stationary), flow.vector(solution.transient)
    scale = float(np.abs(flow.reward).max()) + 1e-300
    stay = flow.own.T @ x - flow.kernel.T @ x
    lead = flow.own.T @ (x + y) - flow.kernel.T @ y - WIDE(1) / model.n_states
    earned = float(x @ flow.reward)
    room = _PROGRAM * (1.0 + float(np.abs(y).sum()))
    average = float(solution.gain.mean())
    return [
        Check("measures are non-negative", float(-min(x.min(), y.min())), 0.0),
        Check("stationary is invariant", float(np.abs(stay).max()), room),
        Check("transient leads from the start to stationary", float(np.abs(lead).max()), room),
        Check("objective is earned by stationary", abs(earned - solution.objective), room * scale),
        Check("objective is the mean gain", abs(average - solution.objective), room * scale),
    ]
