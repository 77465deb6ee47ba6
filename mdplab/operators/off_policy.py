r"""Off-policy evaluation: estimates of a target policy's value from trajectories of a behaviour policy.

Along a trajectory :math:`s_0,a_0,r_0,s_1,\dots` of the behaviour :math:`\mu` let
:math:`\rho_{0:t}=\prod_{k\le t}\pi_k(a_k|s_k)/\mu_k(a_k|s_k)` and :math:`\hat V_t=\sum_a\pi_t(a|s_t)\hat Q_t(s_t,a)`.  Each
estimator gives one number a trajectory, to be averaged over the data:

* direct: :math:`\hat V_0`;
* importance sampling: :math:`\rho_{0:H-1}\sum_t\gamma^tr_t`; per decision: :math:`\sum_t\gamma^t\rho_{0:t}r_t`;
* marginal: :math:`\sum_t\gamma^tw_t(s_t,a_t)r_t` with :math:`w_t=d^\pi_t/d^\mu_t`, the ratio of the laws of the pair;
* doubly robust: :math:`\sum_t\gamma^t\big[\rho_{0:t}(r_t-\hat Q_t)+\rho_{0:t-1}\hat V_t\big]`.

All but the first are unbiased if :math:`\mu` is known and takes every action that :math:`\pi` takes.  The self-normalised
estimate :math:`\sum_i\rho^iG^i/\sum_i\rho^i` is one number for the data, and biased.

On the list of all trajectories (:func:`~mdplab.enumeration.enumerate_outcome_trajectories`) means and variances are exact
sums.  That of the doubly robust estimator has a closed form, a sum of the orthogonal increments of the estimate,

.. math:: \mathrm{Var}=\mathrm{Var}_{d_0}(V_0)+\sum_t\gamma^{2t}\Big(E\,\rho_{0:t}^2\,(r_t+\gamma V_{t+1}-Q_t)^2
          +E\,\rho_{0:t-1}^2\,\mathrm{Var}_\mu\big[\rho_t(Q_t-\hat Q_t)\big]\Big),

smallest for :math:`\hat Q=Q^\pi`; with :math:`\hat Q=0` it is that of per-decision importance sampling.

References
----------
.. [1] D. Precup, R. S. Sutton, S. Singh, "Eligibility traces for off-policy policy evaluation", ICML 2000.
.. [2] N. Jiang, L. Li, "Doubly robust off-policy value evaluation for reinforcement learning", ICML 2016, arXiv:1511.03722.
.. [3] T. Xie, Y. Ma, Y.-X. Wang, "Towards optimal off-policy evaluation for reinforcement learning with marginalized
   importance sampling", NeurIPS 2019, arXiv:1906.03393.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, FloatArray, IntArray
from mdplab.models import _validate as v
from mdplab.models.outcome import OutcomeModel
from mdplab.operators import _check

__all__ = [
    "LoggedSteps",
    "direct_method",
    "doubly_robust",
    "doubly_robust_variance",
    "importance_ratios",
    "importance_sampling",
    "marginal_importance_sampling",
    "per_decision_importance_sampling",
    "self_normalised",
]


class LoggedSteps(Protocol):
    """What the estimators read: a :class:`~mdplab.models.LoggedDataset` or all enumerated trajectories."""

    @property
    def states(self) -> IntArray:
        """States ``(N, H+1)``."""

    @property
    def actions(self) -> IntArray:
        """Actions ``(N, H)``."""

    @property
    def rewards(self) -> FloatArray:
        """Rewards ``(N, H)``."""


def _staged(name: str, x: ArrayLike, horizon: int, *, finite: bool = True) -> FloatArray:
    """A real table ``(S, A)`` or ``(H, S, A)``, for all stages."""
    if horizon == 0:
        raise ValueError("expected at least one stage; the data hold none")
    table = (v.finite if finite else v.real)(name, x, ("S", "A"), (horizon, "S", "A"))
    return np.asarray(np.broadcast_to(table, (horizon, *table.shape[-2:])))


def _policy(name: str, x: ArrayLike, horizon: int) -> FloatArray:
    table = _staged(name, x, horizon)
    _check.laws(name, table, ("stage", "state"))
    return table


def _same_shape(name: str, table: FloatArray, target: FloatArray) -> None:
    if table.shape != target.shape:
        raise ValueError(f"{name} has shape {table.shape} over all stages, the target {target.shape}")


def _covers(name: str, table: FloatArray, log: LoggedSteps) -> None:
    """All pairs of the data are in a table ``(H, S, A)``."""
    if log.actions.size and (
        log.states[:, :-1].max() >= table.shape[1] or log.actions.max() >= table.shape[2]
    ):
        raise ValueError(f"{name} has shape {table.shape}; the data hold a state or action beyond it")


def _taken(name: str, table: FloatArray, log: LoggedSteps) -> FloatArray:
    """Entries ``(N, H)`` of a table ``(H, S, A)`` at the pairs of the data."""
    _covers(name, table, log)
    return np.asarray(table[np.arange(log.actions.shape[1]), log.states[:, :-1], log.actions])


def _powers(discount: float, horizon: int) -> FloatArray:
    _check.number("discount", discount, 0.0, 1.0)
    return np.asarray(float(discount) ** np.arange(horizon))


def importance_ratios(log: LoggedSteps, target: ArrayLike, behaviour: ArrayLike) -> FloatArray:
    r"""Cumulative importance ratios :math:`\rho_{0:t}` along the trajectories.

    Parameters
    ----------
    log : LoggedDataset or Trajectories
        Trajectories of the behaviour.
    target, behaviour : array_like (S, A) or (H, S, A)
        Probabilities of the policy to be evaluated and of the one that produced the data.

    Returns
    -------
    ndarray (N, H)
        Of column t the mean is 1 if the behaviour takes every action that the target takes.

    Raises
    ------
    ValueError
        If a policy is not one, the data hold an action that the behaviour does not take, or a ratio overflows.
    """
    horizon = log.actions.shape[1]
    policies = _policy("target", target, horizon), _policy("behaviour", behaviour, horizon)
    _same_shape("behaviour", policies[1], policies[0])
    wanted, logged = _taken("target", policies[0], log), _taken("behaviour", policies[1], log)
    if (logged == 0).any():
        i, t = v.first(logged == 0)
        raise ValueError(
            f"behaviour: trajectory {i} takes action {int(log.actions[i, t])} in state {int(log.states[i, t])} at stage {t}, "
            "which has probability zero"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        ratios = np.asarray(np.cumprod(wanted / logged, axis=1))
    if not np.isfinite(ratios).all():
        i, t = v.first(~np.isfinite(ratios))
        raise ValueError(
            f"the ratio of trajectory {i} overflows at stage {t}: the policies are too far apart"
        )
    return ratios


def importance_sampling(
    log: LoggedSteps, target: ArrayLike, behaviour: ArrayLike, *, discount: float = 1.0
) -> FloatArray:
    """The return of each trajectory times the ratio of the whole trajectory.

    Parameters
    ----------
    log, target, behaviour
        As for :func:`importance_ratios`.
    discount : float, default 1
        In [0, 1].

    Returns
    -------
    ndarray (N,)

    Raises
    ------
    ValueError
        As :func:`importance_ratios`, or if the discount is out of range.
    """
    ratios = importance_ratios(log, target, behaviour)
    return np.asarray(ratios[:, -1] * (log.rewards @ _powers(discount, ratios.shape[1])))


def per_decision_importance_sampling(
    log: LoggedSteps, target: ArrayLike, behaviour: ArrayLike, *, discount: float = 1.0
) -> FloatArray:
    """Each reward times the ratio of the decisions that led to it.

    Parameters
    ----------
    log, target, behaviour, discount
        As for :func:`importance_sampling`.

    Returns
    -------
    ndarray (N,)

    Raises
    ------
    ValueError
        As :func:`importance_sampling`.
    """
    ratios = importance_ratios(log, target, behaviour)
    return np.asarray((ratios * log.rewards) @ _powers(discount, ratios.shape[1]))


def marginal_importance_sampling(log: LoggedSteps, ratios: ArrayLike, *, discount: float = 1.0) -> FloatArray:
    """Each reward times the ratio of the laws of its pair of state and action.

    Parameters
    ----------
    log : LoggedDataset or Trajectories
        Trajectories of the behaviour.
    ratios : array_like (S, A) or (H, S, A)
        ``d_pi / d_mu``, for example :func:`density_ratio` of two :func:`stage_occupancy`; read at the pairs of the data only.
    discount : float, default 1
        In [0, 1].

    Returns
    -------
    ndarray (N,)

    Raises
    ------
    ValueError
        If a ratio of the data is negative or not finite, shapes do not fit or the discount is out of range.
    """
    horizon = log.actions.shape[1]
    read = _taken("ratios", _staged("ratios", ratios, horizon, finite=False), log)
    wrong = ~(np.isfinite(read) & (read >= 0))
    if wrong.any():
        i, t = v.first(wrong)
        raise ValueError(
            f"ratios: {read[i, t]} at stage {t} of trajectory {i}, where the data have mass; "
            "expected a finite number of at least 0"
        )
    return np.asarray((read * log.rewards) @ _powers(discount, horizon))


def direct_method(log: LoggedSteps, target: ArrayLike, q: ArrayLike) -> FloatArray:
    r"""The estimated value :math:`\sum_a\pi_0(a|s_0)\hat Q_0(s_0,a)` of the start state.

    Parameters
    ----------
    log : LoggedDataset or Trajectories
        Trajectories; only their start states are read.
    target : array_like (S, A) or (H, S, A)
        The policy to be evaluated.
    q : array_like (S, A) or (H, S, A)
        Estimated action values.

    Returns
    -------
    ndarray (N,)

    Raises
    ------
    ValueError
        If the policy is not one, or shapes do not fit.
    """
    wanted, estimate = _target_and_q(target, q, log.actions.shape[1])
    _covers("target", wanted, log)
    return np.asarray((wanted[0] * estimate[0]).sum(axis=-1)[log.states[:, 0]])


def doubly_robust(
    log: LoggedSteps, target: ArrayLike, behaviour: ArrayLike, q: ArrayLike, *, discount: float = 1.0
) -> FloatArray:
    """Per-decision importance sampling with estimated action values as control variates.

    Parameters
    ----------
    log, target, behaviour
        As for :func:`importance_ratios`.
    q : array_like (S, A) or (H, S, A)
        Estimated action values, any.
    discount : float, default 1
        In [0, 1].

    Returns
    -------
    ndarray (N,)

    Raises
    ------
    ValueError
        As :func:`importance_sampling`, or if shapes do not fit.
    """
    horizon = log.actions.shape[1]
    ratios = importance_ratios(log, target, behaviour)
    wanted, estimate = _target_and_q(target, q, horizon)
    before = np.concatenate((np.ones((ratios.shape[0], 1)), ratios), axis=1)[:, :-1]
    mean = (wanted * estimate).sum(axis=-1)[np.arange(horizon), log.states[:, :-1]]
    steps = ratios * (log.rewards - _taken("q", estimate, log)) + before * mean
    return np.asarray(steps @ _powers(discount, horizon))


def _target_and_q(target: ArrayLike, q: ArrayLike, horizon: int) -> tuple[FloatArray, FloatArray]:
    wanted, estimate = _policy("target", target, horizon), _staged("q", q, horizon)
    _same_shape("q", estimate, wanted)
    return wanted, estimate


def self_normalised(ratios: ArrayLike, returns: ArrayLike) -> FloatArray:
    """Mean of the returns weighted by their ratios: the self-normalised estimate of each data set.

    Parameters
    ----------
    ratios : array_like (..., n)
        Ratios of whole trajectories, non-negative: the last column of :func:`importance_ratios`.
    returns : array_like (..., n)
        Returns of the same trajectories.

    Returns
    -------
    ndarray (...)
        Where all ratios of a data set vanish it says nothing: the plain mean of the returns is given.

    Raises
    ------
    ValueError
        If a ratio is negative, a number is not finite, or shapes do not fit.
    """
    weight: FloatArray = np.asarray(ratios)
    if weight.ndim < 1 or weight.shape[-1] == 0:
        raise ValueError(f"ratios must have shape (..., n) with n >= 1; got {weight.shape}")
    weight = v.finite("ratios", weight, weight.shape)
    if (weight < 0).any():
        where = v.first(weight < 0)
        raise ValueError(f"{v.place('ratios', where)} is {weight[where]}, expected a number of at least 0")
    gain = v.finite("returns", returns, weight.shape)
    largest = weight.max(axis=-1, keepdims=True)  # no overflow of the sum
    share = np.where(largest > 0, weight / np.where(largest > 0, largest, 1.0), 1.0)
    return np.asarray((share * gain).sum(axis=-1) / share.sum(axis=-1))


def doubly_robust_variance(
    model: OutcomeModel,
    target: ArrayLike,
    behaviour: ArrayLike,
    q: ArrayLike,
    *,
    discount: float = 1.0,
    initial: ArrayLike | None = None,
) -> float:
    """Variance of the doubly robust estimate from one trajectory, by one backward and one forward sweep.

    Parameters
    ----------
    model : OutcomeModel
        Outcome laws and rewards: the variance needs them unaveraged.
    target, behaviour : array_like (S, A) or (H, S, A)
        Policies.
    q : array_like (H, S, A)
        Estimated action values; their first axis is the horizon.  Zeros give per-decision importance sampling.
    discount : float, default 1
        In [0, 1].
    initial : array_like (S,), optional
        Start law; default is the model's.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If shapes do not fit, rewards are vectors, or the behaviour does not take an action that the target takes.
    """
    _check.model(model, OutcomeModel)
    if model.has_vector_rewards:
        raise ValueError("model has vector rewards; choose a component first")
    estimate: Array = np.asarray(q)
    shape = (model.n_states, model.n_actions)
    if estimate.ndim != 3 or estimate.shape[1:] != shape:
        raise ValueError(f"q must have shape (H, {shape[0]}, {shape[1]}); got {estimate.shape}")
    horizon = estimate.shape[0]
    powers = _powers(discount, horizon)
    wanted, estimate = _target_and_q(target, estimate, horizon)
    logged = _policy("behaviour", behaviour, horizon)
    _same_shape("behaviour", logged, wanted)
    if ((wanted > 0) & (logged == 0)).any():
        t, s, a = v.first((wanted > 0) & (logged == 0))
        raise ValueError(f"behaviour[{t}, {s}, {a}] is zero, at an action that the target takes")
    ratio = wanted / np.where(logged > 0, logged, 1.0)
    kernel, reward, successor = model.kernel(), model.rewards(), model.next_states()
    value, noise, values = np.zeros(shape[0]), np.empty(wanted.shape), np.empty(wanted.shape)
    for t in reversed(range(horizon)):
        targets = reward + discount * value[successor]
        values[t] = (model.law * targets).sum(axis=-1)
        noise[t] = (model.law * (targets - values[t][..., np.newaxis]) ** 2).sum(axis=-1)
        value = (wanted[t] * values[t]).sum(axis=-1)
    moment = start = _check.start_law(model, initial)  # E rho_{0:t-1}^2 at s_t
    variance = start @ (value - start @ value) ** 2
    for t in range(horizon):
        gap = ratio[t] * (values[t] - estimate[t])
        spread = (gap - (logged[t] * gap).sum(axis=-1, keepdims=True)) ** 2
        variance += powers[t] ** 2 * moment @ (logged[t] * (ratio[t] ** 2 * noise[t] + spread)).sum(axis=-1)
        moment = np.einsum("s,sa,saz->z", moment, logged[t] * ratio[t] ** 2, kernel)
    return float(variance)
