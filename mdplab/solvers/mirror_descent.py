r"""Policy mirror descent with exact evaluation (natural policy gradient of a softmax policy).

.. math::
    \pi_{t+1}(a|s)\;\propto\;\pi_t(a|s)^{1-\eta_t\tau}\,\rho(a|s)^{\eta_t\tau}\,e^{\eta_tQ^{\pi_t}_\tau(s,a)},

with :math:`\eta_t` the ``step``: the coefficient of :math:`Q` in the log-policy.  The natural-gradient convention
:math:`\pi\propto\pi\,e^{\eta A/(1-\gamma)}` is ``step = eta / (1 - discount)``.  Without temperature there is no memory
loss; with counting measure as reference (default) :math:`\rho` drops out.  Iterates are kept as logarithms; the row
maximum of :math:`Q` is taken off before it meets the step.

Every value is that of the recorded policy (the exponential of its logarithms, as rounded), with the certificate of the
evaluation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.interrupts import asked, interruptible
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.operators.mirror import mirror_step
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.certificate import THEOREM
from mdplab.solvers.control import row_spread
from mdplab.solvers.discounted import UNIT, discounted_arrays, log_bonus
from mdplab.solvers.policy_evaluation import evaluate_relative, policy_cost
from mdplab.solvers.step_rules import StepRule

__all__ = ["MirrorDescentSolution", "StepRule", "mirror_descent"]


@dataclass(frozen=True, kw_only=True, eq=False)
class MirrorDescentSolution(Solution):
    """The iterates of policy mirror descent; its table has a row a step and state.

    Attributes
    ----------
    log_policies : ndarray (T + 1, S, A)
        Log-policies, the first being the initial one.
    values : ndarray (T + 1, S)
        Their (regularised) values; ``certificate.bound`` is the largest sup-norm error.
    q : ndarray (T + 1, S, A)
        Their action values; ``-inf`` at unavailable pairs.
    value_errors : ndarray (T + 1,)
        Sup-norm error of each value.
    q_span_errors : ndarray (T + 1,)
        Bound on the span over the actions of a state of the error of ``q``: what an update sees of it.
    step_sizes : ndarray (T, S)
        The steps taken.
    temperature : float
        Weight of the regulariser.
    bonus : ndarray (S, A)
        Temperature times log-reference, ``-inf`` at unavailable pairs.
    """

    log_policies: FloatArray
    values: FloatArray
    q: FloatArray
    value_errors: FloatArray
    q_span_errors: FloatArray
    step_sizes: FloatArray
    temperature: float
    bonus: FloatArray

    def _layout(self) -> Layout:
        return ("step", "state"), {"value": self.values, "q": self.q, "policy": self.policies}

    @property
    def policies(self) -> FloatArray:
        """The policies ``(T + 1, S, A)``."""
        return np.asarray(np.exp(self.log_policies))


@interruptible
def mirror_descent(
    mdp: MDP,
    *,
    step: ArrayLike | StepRule,
    steps: int,
    initial_policy: ArrayLike | None = None,
    initial_log_policy: ArrayLike | None = None,
    temperature: float = 0.0,
    log_reference: ArrayLike | None = None,
    tol: float = 1e-8,
    callback: Callable[[int, FloatArray, FloatArray], Any] | None = None,
) -> MirrorDescentSolution:
    """Run policy mirror descent with exact evaluation.

    Parameters
    ----------
    mdp : MDP
        Dense or CSR, masked or not.
    step : float, array_like (T,) or (T, S), or callable
        Positive coefficient of ``Q`` in the log-policy; an array gives it for each step; a callable is asked
        ``step(t, log_policy, q)`` and may answer with one number or one for each state (the named schedules are in
        :mod:`mdplab.solvers.step_rules`).
    steps : int
        Number of updates T >= 0.
    initial_policy : array_like (S, A), optional
        First policy; default is uniform over the available actions.
    initial_log_policy : array_like (S, A), optional
        The same as logarithms, normalised; at most one of the two.
    temperature : float, default 0
        Regulariser in the value and in the update; needs ``step * temperature <= 1``.
    log_reference : array_like (S, A), optional
        Log-weights of the reference of the regulariser; default is the counting measure.
    tol : float, default 1e-8
        Accuracy of the evaluations asked for; decides the status only.
    callback : callable, optional
        ``callback(t, log_policy, value)`` after every evaluation; a true answer ends the run.

    Returns
    -------
    MirrorDescentSolution
        ``residuals`` are the bounds of the evaluations.  Status CONVERGED if all meet ``tol``, PRECISION_LIMIT
        otherwise, INTERRUPTED if the callback ended the run.

    Raises
    ------
    ValueError
        If a step is not positive and finite or exceeds ``1 / temperature``, or another argument is out of range.

    References
    ----------
    .. [1] A. Agarwal et al., "On the theory of policy gradient methods", JMLR 22, 2021.
    .. [2] S. Cen et al., "Fast global convergence of natural policy gradient methods with entropy regularization",
       Operations Research 70, 2022.
    .. [3] M. Tomar et al., "Mirror descent policy optimization", ICLR 2022.
    """
    _check.count("steps", steps, 0)
    _check.non_negative("temperature", temperature)
    arrays = discounted_arrays(mdp)
    bonus = log_bonus(arrays, log_reference if temperature > 0 else None, temperature)
    # A full memory loss (step * temperature = 1) forgets the zeros of the policy: the magnet must hold the mask.
    magnet = np.where(bonus > -np.inf, bonus / temperature if temperature > 0 else 0.0, -np.inf)
    log_policy = _first(mdp, initial_policy, initial_log_policy)
    log_policies, values, action_values, errors, span_errors, sizes = [], [], [], [], [], []
    status = Status.CONVERGED
    w: FloatArray | None = None
    for t in range(steps + 1):
        policy = np.exp(log_policy)
        cost, cost_error = policy_cost(arrays, policy, temperature, log_reference)
        relative = evaluate_relative(arrays, policy, cost, cost_error, start=w)
        w, found = relative.w, relative.found
        q = np.where(arrays.available, relative.q, -np.inf)
        shifted = q + arrays.discount * found.centre
        log_policies.append(log_policy)
        values.append(found.value)
        action_values.append(shifted)
        errors.append(found.bound)
        # The shift is one number for all actions: only its sum with q rounds differently for each.
        shift_rounding = 2 * UNIT * float(np.abs(shifted[arrays.available]).max())
        span_errors.append(row_spread(arrays, found) + 2 * relative.lookahead + shift_rounding)
        if asked(callback, t, log_policy, found.value):
            status = Status.INTERRUPTED
            break
        if t < steps:
            size = _step_size(step, t, steps, log_policy, shifted, temperature)
            sizes.append(size)
            log_policy = _update(log_policy, q, size, temperature, magnet)
    bound = max(errors)
    if status is Status.CONVERGED and bound > tol:
        status = Status.PRECISION_LIMIT
    return MirrorDescentSolution(
        status=status,
        certificate=Certificate("sup-norm error of values of the recorded policies", bound, THEOREM, bound),
        steps=len(sizes),
        residuals=np.array(errors),
        log_policies=np.array(log_policies),
        values=np.array(values),
        q=np.array(action_values),
        value_errors=np.array(errors),
        q_span_errors=np.array(span_errors),
        step_sizes=np.array(sizes).reshape(len(sizes), arrays.n_states),
        temperature=temperature,
        bonus=bonus,
        names=mdp.names,
    )


def _update(
    log_policy: FloatArray, q: FloatArray, size: FloatArray, temperature: float, magnet: FloatArray
) -> FloatArray:
    """One mirror step; states with different steps have different memory and are taken one by one."""
    kappas = np.minimum(size * temperature, 1.0)
    if np.all(kappas == kappas[0]):
        return np.asarray(mirror_step(log_policy, q, step=size, kappa=float(kappas[0]), log_magnet=magnet))
    rows = [
        mirror_step(log_policy[s], q[s], step=float(size[s]), kappa=float(kappas[s]), log_magnet=magnet[s])
        for s in range(size.size)
    ]
    return np.array(rows)


def _step_size(
    step: ArrayLike | StepRule, t: int, steps: int, log_policy: FloatArray, q: FloatArray, temperature: float
) -> FloatArray:
    """The step of time ``t`` for each state, checked."""
    states = q.shape[0]
    if callable(step):
        raw = np.asarray(step(t, log_policy, q), dtype=float)
    else:
        rule = np.asarray(step, dtype=float)
        if rule.ndim > 0 and rule.shape not in ((steps,), (steps, states)):
            raise ValueError(
                f"step must be a number or of shape (T,) = ({steps},) or (T, S); got {rule.shape}"
            )
        raw = rule if rule.ndim == 0 else rule[t]
    if raw.shape not in ((), (states,)) or not (np.isfinite(raw).all() and (raw > 0).all()):
        raise ValueError(f"step at t = {t} must be positive and finite, one number or one a state; got {raw}")
    if temperature > 0 and (raw * temperature > 1 + 8 * UNIT).any():
        raise ValueError(
            f"step at t = {t} is {raw.max()}; at temperature {temperature} it must be at most {1 / temperature}"
        )
    return np.broadcast_to(raw, (states,)).astype(float)


def _first(mdp: MDP, policy: ArrayLike | None, log_policy: ArrayLike | None) -> FloatArray:
    """The first log-policy, checked."""
    shape = (mdp.n_states, mdp.n_actions)
    if policy is not None and log_policy is not None:
        raise ValueError("give initial_policy or initial_log_policy, not both")
    with np.errstate(divide="ignore"):
        if log_policy is not None:
            logs = np.asarray(_check.shaped("initial_log_policy", log_policy, shape, "(S, A)"), dtype=float)
            _check.policy(mdp, np.exp(logs), "exp(initial_log_policy)")
            return logs
        if policy is not None:
            return np.asarray(np.log(np.asarray(_check.policy(mdp, policy, "initial_policy"), dtype=float)))
        mask = np.ones(shape, dtype=bool) if mdp.available is None else mdp.available
        return np.where(mask, -np.log(mask.sum(axis=1, keepdims=True)), -np.inf)
