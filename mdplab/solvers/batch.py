r"""Many small dense models of one shape in one call: evaluation, hard and soft control.

A stack is an array ``(B, S, A, S)`` with rewards ``(B, S, A)``.  Each model is solved by the same compiled code
(:mod:`mdplab._kernels.small`): a few sweeps of modified policy iteration, then Newton's method, each with the bounds of
:mod:`mdplab.solvers.certificate`.  A stack costs microseconds a model where single calls would cost their overhead; its
bounds are per model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._kernels import small
from mdplab._typing import BoolArray, FloatArray
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.certificate import THEOREM
from mdplab.solvers.control import ControlSolution
from mdplab.solvers.discounted import UNIT, check_controls, warn_max_steps

__all__ = ["BatchSolution", "solve_batch", "solve_small_model"]

_WORK = 5e7
"""Multiplications a kernel call: below a tenth of a second."""

_MAX_STEPS = 1000


@dataclass(frozen=True, kw_only=True, eq=False)
class BatchSolution(Solution):
    """Values and policies of a stack of models; ``certificate`` and ``status`` are those of the worst; its table has a row a model and state.

    Attributes
    ----------
    value : ndarray (B, S)
        Optimal values, or values of the policies.
    q : ndarray (B, S, A)
        Action values; ``-inf`` at unavailable pairs.
    policy : ndarray (B, S, A)
        The policies found, or those evaluated.
    lower, upper : ndarray (B, S)
        ``lower <= V <= upper``, rounding included.
    bound : ndarray (B,)
        Sup-norm error of each model's ``value``.
    rounding : ndarray (B,)
        Its part that is due to rounding.
    q_error, backward_error : ndarray (B,)
        Sup-norm errors of ``q`` on available pairs; bounds of the Bellman residuals of ``value``.
    suboptimality : ndarray (B,)
        What each policy loses at most; NaN for evaluations.
    model_steps : ndarray of int (B,)
        Backups done.
    temperature : float
        0 for hard control.
    bonus : ndarray (B, S, A) or None
        ``temperature * log_reference``, added to the action values of soft control; ``-inf`` excludes an action.
    cost : ndarray (B, S, A) or None
        ``temperature * log(policy / reference)`` of the policies that were evaluated.
    """

    value: FloatArray
    q: FloatArray
    policy: FloatArray
    lower: FloatArray
    upper: FloatArray
    bound: FloatArray
    rounding: FloatArray
    q_error: FloatArray
    backward_error: FloatArray
    suboptimality: FloatArray
    model_steps: Any
    temperature: float
    bonus: FloatArray | None = field(repr=False)
    cost: FloatArray | None = field(repr=False)

    def _layout(self) -> Layout:
        bounds = {"value": self.value, "lower": self.lower, "upper": self.upper}
        return ("model", "state"), {**bounds, "q": self.q, "policy": self.policy}


def solve_batch(
    transition: ArrayLike,
    reward: ArrayLike,
    discount: ArrayLike,
    *,
    policy: ArrayLike | None = None,
    temperature: float = 0.0,
    log_reference: ArrayLike | None = None,
    available: ArrayLike | None = None,
    tol: float = 1e-8,
) -> BatchSolution:
    """Solve or evaluate a stack of small models.

    Parameters
    ----------
    transition : array_like (B, S, A, S)
        Kernels; rows are laws within ``8 eps S`` (of unavailable pairs: anything).
    reward : array_like, broadcast to (B, S, A)
        Finite on available pairs.
    discount : array_like, broadcast to (B,)
        In [0, 1).
    policy : array_like, broadcast to (B, S, A), optional
        Policies to evaluate; without them the models are optimised.
    temperature : float, default 0
        Non-negative; multiplies the divergence from the reference (minus the entropy without one).
    log_reference : array_like, broadcast to (B, S, A), optional
        Log-weights of the reference, ``-inf`` allowed.
    available : array_like of bool, broadcast to (B, S, A), optional
        Actions that may be taken, at least one in each state.
    tol : float, default 1e-8
        Sup-norm error of the values asked for.

    Returns
    -------
    BatchSolution
        Status CONVERGED if every bound is within ``tol``; PRECISION_LIMIT if rounding is what keeps one above it;
        otherwise MAX_STEPS, with a ConvergenceWarning.

    Raises
    ------
    ValueError
        If an argument is out of range, has another shape, a row is no law, or rewards are so large that values overflow;
        the message names model and pair.
    """
    check_controls(tol, 1)
    _check.non_negative("temperature", temperature)
    kernels = np.ascontiguousarray(transition, dtype=float)
    if kernels.ndim != 4 or kernels.shape[1] != kernels.shape[3] or 0 in kernels.shape:
        raise ValueError(f"transition has shape {kernels.shape}, expected (B, S, A, S)")
    shape = kernels.shape[:3]
    gain = _broadcast("reward", reward, shape)
    mask = None if available is None else _mask(available, shape)
    bad = ~np.isfinite(gain) if mask is None else ~np.isfinite(gain) & mask
    if bad.any():
        raise ValueError(f"reward[{_place(bad)}] is {gain[bad][0]}, expected a finite number")
    rates = _broadcast("discount", discount, shape[:1])
    if not ((rates >= 0) & (rates < 1)).all():
        b = int(np.argmin((rates >= 0) & (rates < 1)))
        raise ValueError(f"discount of model {b} is {rates[b]}, expected a number in [0, 1)")
    kind = small.EVALUATION if policy is not None else small.SOFT if temperature > 0 else small.HARD
    nothing = np.zeros(shape)
    extra = cost_error = nothing
    rows = np.empty(shape)
    if kind == small.EVALUATION:
        rows = _policies(policy, shape, mask)
        extra, cost_error = _cost(rows, temperature, log_reference)
    elif kind == small.SOFT:
        extra = _bonus(log_reference, temperature, shape, mask)
    if mask is not None:
        gain = np.where(mask, gain, 0.0 if kind == small.SOFT else -np.inf)
    value, q = np.empty(shape[:2]), np.empty(shape)
    numbers = np.full((shape[0], small.COLUMNS), np.nan)
    matrices = kernels.reshape(shape[0], shape[1] * shape[2], shape[1])
    chunk = max(1, int(_WORK / (60 * matrices[0].size + 10 * shape[1] ** 3)))
    for first in range(0, shape[0], chunk):  # Ctrl-C is heard between chunks
        small.solve_stack(
            kind,
            matrices,
            gain,
            extra,
            cost_error,
            rates,
            float(temperature),
            float(tol),
            _MAX_STEPS,
            first,
            min(first + chunk, shape[0]),
            value,
            q,
            rows,
            numbers,
        )
    _check_faults(kernels, gain, rates, numbers)
    return _collected(kind, value, q, rows, extra, numbers, temperature, tol)


def _collected(
    kind: int,
    value: FloatArray,
    q: FloatArray,
    policy: FloatArray,
    extra: FloatArray,
    numbers: FloatArray,
    temperature: float,
    tol: float,
) -> BatchSolution:
    """The solution from the kernel's numbers."""
    bound, rounding = numbers[:, small.BOUND].copy(), numbers[:, small.ROUNDING].copy()
    worst = int(np.argmax(bound))
    steps = numbers[:, small.STEPS].astype(np.int64)
    status = Status.CONVERGED
    if bound[worst] > tol:
        # Rounding explains a bound that is mostly rounding.
        unexplained = (bound > tol) & (bound > 4 * rounding)
        status = Status.MAX_STEPS if unexplained.any() else Status.PRECISION_LIMIT
    warn_max_steps("solve_batch", status, int(steps.max()), float(bound[worst]), tol)
    return BatchSolution(
        status=status,
        certificate=Certificate(
            "sup-norm error of value, largest of the stack",
            float(bound[worst]),
            THEOREM,
            float(rounding[worst]),
        ),
        steps=int(steps.max()),
        value=value,
        q=q,
        policy=policy,
        lower=value - bound[:, np.newaxis],
        upper=value + bound[:, np.newaxis],
        bound=bound,
        rounding=rounding,
        q_error=numbers[:, small.Q_ERROR].copy(),
        backward_error=numbers[:, small.BACKWARD].copy(),
        suboptimality=np.full(bound.shape, np.nan)
        if kind == small.EVALUATION
        else numbers[:, small.LOSS].copy(),
        model_steps=steps,
        temperature=float(temperature),
        bonus=extra if kind == small.SOFT else None,
        cost=extra if kind == small.EVALUATION else None,
    )


_NO_RESIDUALS = np.empty(0)
_NO_RESIDUALS.flags.writeable = False


def solve_small_model(mdp: MDP, tol: float, method: str = "", rule: str = "") -> ControlSolution | None:
    """Hard control of one small dense model by the code of the stacks: one kernel call.

    Parameters
    ----------
    mdp : MDP
        Dense.
    tol : float
        Sup-norm error of the value asked for.
    method, rule : str
        Put into the solution.

    Returns
    -------
    ControlSolution or None
        None unless the bound is within ``tol``, or rounding is what keeps it above.
    """
    reward = mdp.reward if mdp.available is None else np.where(mdp.available, mdp.reward, -np.inf)
    shape = reward.shape
    value, q, policy, logs = np.empty(shape[0]), np.empty(shape), np.empty(shape), np.empty(shape)
    out = np.zeros(small.COLUMNS)
    data_rounding = 0.0 if mdp.exact is None else UNIT
    small.solve_one(mdp.transition, reward, mdp.discount, tol, data_rounding, value, q, policy, logs, out)
    bound, rounding, steps, fault, backward, q_error, loss, unique, _ = out.tolist()
    if fault or bound > max(tol, 4 * rounding):
        return None
    error = 0.0 if unique else math.inf
    lower, upper = value - bound, value + bound
    for array in (value, q, policy, logs, lower, upper):
        array.setflags(write=False)  # what Solution would do by a view each, here at a tenth of the cost
    return ControlSolution(
        status=Status.CONVERGED if bound <= tol else Status.PRECISION_LIMIT,
        certificate=Certificate("sup-norm error of value", bound, THEOREM, rounding),
        steps=int(steps),
        residuals=_NO_RESIDUALS,
        value=value,
        q=q,
        policy=policy,
        log_policy=logs,
        lower=lower,
        upper=upper,
        suboptimality=loss,
        backward_error=backward,
        q_error=q_error,
        policy_error=error,
        log_policy_error=error,
        temperature=0.0,
        bonus=None,
        reward=mdp.reward if mdp.available is None else np.where(mdp.available, mdp.reward, 0.0),
        names=mdp.names,
        method=method,
        rule=rule,
    )


def _broadcast(name: str, x: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """A contiguous array of doubles of the shape."""
    array = np.asarray(x)
    if np.iscomplexobj(array):
        raise ValueError(f"{name} must be real")
    try:
        wide = np.broadcast_to(array.astype(float, copy=False), shape)
    except ValueError as error:
        raise ValueError(
            f"{name} has shape {array.shape}, expected {shape} or what broadcasts to it"
        ) from error
    return np.ascontiguousarray(wide)


def _place(bad: BoolArray) -> str:
    return ", ".join(str(int(i)) for i in np.argwhere(bad)[0])


def _mask(available: ArrayLike, shape: tuple[int, ...]) -> BoolArray:
    array = np.asarray(available)
    if array.dtype != np.bool_:
        raise ValueError(f"available has dtype {array.dtype}, expected bool")
    mask: BoolArray = np.broadcast_to(array, shape)
    empty = np.asarray(~mask.any(axis=2))
    if empty.any():
        raise ValueError(f"available: model {_place(empty).replace(', ', ', state ')} has no action")
    return mask


def _policies(policy: ArrayLike | None, shape: tuple[int, ...], mask: BoolArray | None) -> FloatArray:
    rows = np.array(_broadcast("policy", policy if policy is not None else (), shape))
    wrong = ~(rows >= 0) if mask is None else ~(rows >= 0) | (~mask & (rows != 0))
    if wrong.any():
        raise ValueError(
            f"policy[{_place(wrong)}] is {rows[wrong][0]}, expected a probability of an available action"
        )
    off = np.abs(rows.sum(axis=2) - 1) > 1e-9
    if off.any():
        raise ValueError(f"policy[{_place(off)}] sums to {rows.sum(axis=2)[off][0]}, expected 1")
    return rows


def _cost(
    rows: FloatArray, temperature: float, log_reference: ArrayLike | None
) -> tuple[FloatArray, FloatArray]:
    """``temperature * log(policy / reference)`` and its rounding error."""
    if temperature == 0:
        return np.zeros(rows.shape), np.zeros(rows.shape)
    taken = rows > 0
    logs = np.log(np.where(taken, rows, 1.0))
    weights = np.zeros(rows.shape)
    if log_reference is not None:
        weights = _logs(log_reference, rows.shape)
        if (taken & (weights == -np.inf)).any():
            raise ValueError(
                f"log_reference[{_place(taken & (weights == -np.inf))}] is -inf where the policy is positive"
            )
    cost = np.where(taken, temperature * (logs - np.where(taken, weights, 0.0)), 0.0)
    # The logarithm is good to two units, difference and product round once each.
    return cost, UNIT * 1.01 * (2 * temperature * np.abs(logs) + 2 * np.abs(cost))


def _logs(log_reference: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    weights = _broadcast("log_reference", log_reference, shape)
    wrong = ~(weights < np.inf)
    if wrong.any():
        raise ValueError(
            f"log_reference[{_place(wrong)}] is {weights[wrong][0]}, expected the log of a weight"
        )
    return weights


def _bonus(
    log_reference: ArrayLike | None, temperature: float, shape: tuple[int, ...], mask: BoolArray | None
) -> FloatArray:
    with np.errstate(over="ignore"):  # a product beyond the doubles is a weight of zero
        bonus = np.zeros(shape) if log_reference is None else temperature * _logs(log_reference, shape)
    if mask is not None:
        bonus = np.where(mask, bonus, -np.inf)
    if (bonus == np.inf).any():
        raise ValueError(f"log_reference[{_place(bonus == np.inf)}] times {temperature} overflows")
    empty = np.asarray(~(bonus > -np.inf).any(axis=2))
    if empty.any():
        raise ValueError(f"log_reference: model {_place(empty).replace(', ', ', state ')} gives no weight")
    return bonus


def _check_faults(kernels: FloatArray, gain: FloatArray, rates: FloatArray, numbers: FloatArray) -> None:
    faults = numbers[:, small.FAULT]
    if not faults.any():
        return
    b = int(np.argmax(faults != 0))
    if faults[b] < 0:
        size = np.where(np.isfinite(gain[b]), np.abs(gain[b]), 0.0)
        s, a = (int(i) for i in np.unravel_index(int(size.argmax()), size.shape))
        raise ValueError(
            f"reward[{b}, {s}, {a}] is {float(gain[b, s, a])!r}: at discount {rates[b]} values would overflow; rescale the "
            "reward"
        )
    s, a = divmod(int(faults[b]) - 1, kernels.shape[2])
    row = kernels[b, s, a]
    what = f"sums to {row.sum()!r}" if (row >= 0).all() else "has an entry that is no probability"
    raise ValueError(f"transition[{b}, {s}, {a}] {what}, expected a law")
