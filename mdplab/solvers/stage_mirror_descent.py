r"""Mirror descent of stage policies with exact evaluation, for finite horizons.

.. math::
    \pi_{t+1,h}(a|s)\;\propto\;\pi_{t,h}(a|s)^{1-\eta\tau}\,\rho_h(a|s)^{\eta\tau}\,e^{\eta Q^{\pi_t}_{h}(s,a)},

all stages at once, with the ``step`` :math:`\eta` a number, or one for each stage and state.  (Regularised) values of all
stages and states are nondecreasing.  With the full step (:math:`\eta\tau=1`) the last k stages are soft-optimal after k
iterations, all of them after H.  Without temperature, with the steps of :func:`mdplab.solvers.adaptive_steps`, the gap
of stage h after :math:`k\ge H-h` iterations is at most :math:`\sum_{i<H-h}\gamma^ic_{k-1-i}`.

Every value is that of the recorded policies (the exponentials of their logarithms, as rounded), with the running
error of their evaluation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import BoolArray, FloatArray
from mdplab.interrupts import asked, interruptible
from mdplab.models._kernel import STAGED
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.operators import _check
from mdplab.operators.mirror import mirror_step
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.discounted import UNIT
from mdplab.solvers.stage_inputs import finite_horizon, stage_bonus, stage_cost, stage_mask, stage_rows
from mdplab.solvers.stages import STAGE_THEOREM, evaluate_stages, stage_arrays
from mdplab.solvers.step_rules import StepRule

__all__ = ["StageMirrorDescentSolution", "stage_mirror_descent"]


@dataclass(frozen=True, kw_only=True, eq=False)
class StageMirrorDescentSolution(Solution):
    """The iterates of mirror descent of stage policies; its table has a row a step, stage and state.

    Attributes
    ----------
    log_policies : ndarray (T + 1, H, S, A)
        Log-policies, the first being the initial one.
    values : ndarray (T + 1, H + 1, S)
        Their (regularised) values; ``certificate.bound`` is the largest sup-norm error.
    q : ndarray (T + 1, H, S, A)
        Their action values; ``-inf`` at unavailable pairs.
    value_errors : ndarray (T + 1, H + 1)
        Sup-norm errors of the values, stage by stage.
    q_errors : ndarray (T + 1, H)
        Sup-norm errors of the action values on available pairs.
    step_sizes : ndarray (T, H, S)
        The steps taken.
    temperature : float
        Weight of the regulariser.
    bonus : ndarray (H, S, A)
        Temperature times log-reference, ``-inf`` at excluded actions.
    """

    log_policies: FloatArray
    values: FloatArray
    q: FloatArray
    value_errors: FloatArray
    q_errors: FloatArray
    step_sizes: FloatArray
    temperature: float
    bonus: FloatArray

    def _layout(self) -> Layout:
        return ("step", "stage", "state"), {
            "value": self.values[:, :-1],
            "q": self.q,
            "policy": self.policies,
        }

    @property
    def policies(self) -> FloatArray:
        """The policies ``(T + 1, H, S, A)``."""
        return np.asarray(np.exp(self.log_policies))


@interruptible
def stage_mirror_descent(
    mdp: FiniteHorizonMDP,
    *,
    step: ArrayLike | StepRule,
    steps: int,
    initial_policy: ArrayLike | None = None,
    initial_log_policy: ArrayLike | None = None,
    temperature: float = 0.0,
    log_reference: ArrayLike | None = None,
    available: ArrayLike | None = None,
    tol: float = 1e-8,
    callback: Callable[[int, FloatArray, FloatArray], Any] | None = None,
) -> StageMirrorDescentSolution:
    """Run mirror descent of stage policies with exact evaluation.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        Kernel, reward and mask stationary or by stage.
    step : float, array_like (T,) or (T, H, S), or callable
        Positive coefficient of ``Q`` in the log-policy; a callable is asked ``step(t, log_policy, q)`` with arrays
        ``(H, S, A)`` and may answer with a number or an array ``(H, S)``.
    steps : int
        Number of updates T >= 0.
    initial_policy : array_like (H, S, A) or (S, A), optional
        First policies; default is uniform over the available actions.
    initial_log_policy : array_like (H, S, A) or (S, A), optional
        The same as logarithms, normalised; at most one of the two.
    temperature : float, default 0
        Regulariser in the value and in the update; needs ``step * temperature <= 1``.
    log_reference : array_like (H, S, A) or (S, A), optional
        Log-weights of the reference of the regulariser; default is the counting measure.
    available : array_like of bool (S, A) or (H, S, A), optional
        Admitted actions among the model's; all of them, by default.
    tol : float, default 1e-8
        Accuracy of the evaluations asked for; decides the status only.
    callback : callable, optional
        ``callback(t, log_policy, value)`` after every evaluation; a true answer ends the run.

    Returns
    -------
    StageMirrorDescentSolution
        ``residuals`` are the bounds of the evaluations.  Status CONVERGED if all meet ``tol``, PRECISION_LIMIT
        otherwise, INTERRUPTED if the callback ended the run.

    Raises
    ------
    ValueError
        If a step is not positive and finite or exceeds ``1 / temperature``, or another argument is out of range.

    References
    ----------
    .. [1] M. Tomar et al., "Mirror descent policy optimization", ICLR 2022.
    .. [2] E. Johnson et al., "Optimal convergence rate for exact policy mirror descent in discounted Markov decision
       processes", NeurIPS 2023.
    """
    _check.count("steps", steps, 0)
    _check.non_negative("temperature", temperature)
    finite_horizon(mdp)
    mask = stage_mask(mdp, available)
    arrays = stage_arrays(mdp, mask)
    bonus = stage_bonus(log_reference, temperature, mask, mdp.names)
    magnet = np.where(bonus > -np.inf, bonus / temperature if temperature > 0 else 0.0, -np.inf)
    log_policy = _first(mdp, mask, initial_policy, initial_log_policy)
    log_policies, values, action_values, errors, q_errors, sizes = [], [], [], [], [], []
    status = Status.CONVERGED
    for t in range(steps + 1):
        policy = np.exp(log_policy)
        found = evaluate_stages(
            arrays, policy, *stage_cost(policy, temperature, bonus, mdp.names), temperature
        )
        log_policies.append(log_policy)
        values.append(found.value)
        action_values.append(found.q)
        errors.append(found.errors)
        q_errors.append(found.q_errors)
        if asked(callback, t, log_policy, found.value):
            status = Status.INTERRUPTED
            break
        if t < steps:
            size = _step_size(step, t, steps, log_policy, found.q, temperature)
            sizes.append(size)
            log_policy = _update(log_policy, found.q, size, temperature, magnet)
    bounds = np.array(errors).max(axis=1)
    bound = float(bounds.max())
    if status is Status.CONVERGED and bound > tol:
        status = Status.PRECISION_LIMIT
    return StageMirrorDescentSolution(
        status=status,
        certificate=Certificate(
            "sup-norm error of values of the recorded policies", bound, STAGE_THEOREM, bound
        ),
        steps=len(sizes),
        residuals=bounds,
        log_policies=np.array(log_policies),
        values=np.array(values),
        q=np.array(action_values),
        value_errors=np.array(errors),
        q_errors=np.array(q_errors),
        step_sizes=np.array(sizes).reshape(len(sizes), *mask.shape[:2]),
        temperature=temperature,
        bonus=bonus,
        names=mdp.names,
    )


def _update(
    log_policy: FloatArray, q: FloatArray, size: FloatArray, temperature: float, magnet: FloatArray
) -> FloatArray:
    """One mirror step; rows with different steps have different memory and are taken one by one."""
    kappas = np.minimum(size * temperature, 1.0)
    first = float(kappas[0, 0])
    if np.all(kappas == first):
        return np.asarray(mirror_step(log_policy, q, step=size, kappa=first, log_magnet=magnet))
    result = np.empty(q.shape)
    for row in np.ndindex(size.shape):
        result[row] = mirror_step(
            log_policy[row], q[row], step=float(size[row]), kappa=float(kappas[row]), log_magnet=magnet[row]
        )
    return result


def _step_size(
    step: ArrayLike | StepRule, t: int, steps: int, log_policy: FloatArray, q: FloatArray, temperature: float
) -> FloatArray:
    """The step of time ``t`` for each stage and state, checked."""
    rows = q.shape[:2]
    if callable(step):
        raw = np.asarray(step(t, log_policy, q), dtype=float)
    else:
        rule = np.asarray(step, dtype=float)
        if rule.ndim > 0 and rule.shape not in ((steps,), (steps, *rows)):
            raise ValueError(
                f"step must be a number or of shape (T,) = ({steps},) or (T, H, S); got {rule.shape}"
            )
        raw = rule if rule.ndim == 0 else rule[t]
    if raw.shape not in ((), rows) or not (np.isfinite(raw).all() and (raw > 0).all()):
        raise ValueError(
            f"step at t = {t} must be positive and finite, one number or of shape (H, S); got {raw}"
        )
    if temperature > 0 and (raw * temperature > 1 + 8 * UNIT).any():
        raise ValueError(
            f"step at t = {t} is {raw.max()}; at temperature {temperature} it must be at most {1 / temperature}"
        )
    return np.broadcast_to(raw, rows).astype(float)


def _first(
    mdp: FiniteHorizonMDP, mask: BoolArray, policy: ArrayLike | None, log_policy: ArrayLike | None
) -> FloatArray:
    """The first log-policies, checked."""
    if policy is not None and log_policy is not None:
        raise ValueError("give initial_policy or initial_log_policy, not both")
    if policy is None and log_policy is None:
        return np.where(mask, -np.log(mask.sum(axis=2, keepdims=True)), -np.inf)
    name = "initial_policy" if log_policy is None else "initial_log_policy"
    if log_policy is not None:
        logs = stage_rows(name, log_policy, mdp, infinite=True)
        rows = np.exp(logs)
    else:
        assert policy is not None
        rows = stage_rows(name, policy, mdp)
        with np.errstate(divide="ignore", invalid="ignore"):  # negative entries are named below
            logs = np.log(rows)
    _check.laws(name, rows, STAGED[:2], mdp.names)
    _check.admitted(name, rows, mask, mdp.names)
    return np.asarray(logs, dtype=float)
