r"""Least-squares value iteration from logged data, with elliptical bonuses or penalties.

Backwards over the stages, with :math:`\hat V_H` the terminal reward,

.. math::
    \Lambda_h=\mathrm{ridge}\,I+\sum_iw_i\phi_i\phi_i^\top,\qquad
    \hat w_h=\Lambda_h^{-1}\sum_iw_i\phi_i\,\big(r_i+\gamma\hat V_{h+1}(s_i')\big),

.. math::
    \hat Q_h=\mathrm{clip}\big(\phi\cdot\hat w_h+\mathrm{bonus}\,\|\phi\|_{\Lambda_h^{-1}}\big),\qquad
    \hat V_h=\max_a\hat Q_h .

A positive bonus is optimism (LSVI-UCB [1]_), a negative one pessimism (PEVI [2]_), none the plain regression.  With the exact
expectations in the place of data, features that span and no ridge it is exact planning.

The certificate is about the recursion: ``q`` is that of exact arithmetic *on these data* up to ``certificate.bound``.  A
stage adds the error of its regression (proven through :math:`\Lambda\succeq\mathrm{ridge}\,I` and an approximate inverse);
an error :math:`\epsilon` of :math:`\hat V_{h+1}` moves :math:`\phi\cdot\hat w_h` by at most
:math:`\gamma\epsilon\sqrt{\sum_iw_i}\,\|\phi\|_{\Lambda_h^{-1}}` (Cauchy-Schwarz).  What the data say of the truth is a matter of
statistics and is not in it.

References
----------
.. [1] C. Jin, Z. Yang, Z. Wang, M. I. Jordan, "Provably efficient reinforcement learning with linear function
   approximation", COLT 2020, algorithm 1.
.. [2] Y. Jin, Z. Yang, Z. Wang, "Is pessimism provably efficient for offline RL?", ICML 2021, algorithm 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.models.dataset import LoggedDataset
from mdplab.numerics.regression import elliptical_norm, gram_matrix, ridge_regression
from mdplab.operators import _check
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.discounted import UNIT, check_controls

__all__ = ["LeastSquaresSolution", "least_squares_value_iteration"]

_THEOREM = (
    "ridge regressions with proven errors; Cauchy-Schwarz for the errors of the next stage (running bound)"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class LeastSquaresSolution(Solution):
    """What least-squares value iteration makes of data; its table has a row a stage and state.

    Attributes
    ----------
    value : ndarray (H + 1, S)
        Estimated values; the last row is the terminal reward.
    q : ndarray (H, S, A)
        Estimated action values, bonus and clipping included.
    policy : ndarray (H, S, A)
        Greedy for ``q``, lowest index.
    weights : ndarray (H, d)
        Coefficients of the regressions.
    width : ndarray (H, S, A)
        Elliptical norms of the features.
    gram : ndarray (H, d, d)
        Gram matrices, ridge included.
    features, ridge, bonus, discount, reward, clip, pooled
        What was asked for; ``bonus`` (H,), ``reward`` (H, S, A) or None.
    """

    value: FloatArray
    q: FloatArray
    policy: FloatArray
    weights: FloatArray
    width: FloatArray
    gram: FloatArray
    features: FloatArray = field(repr=False)
    ridge: float = field(repr=False)
    bonus: FloatArray = field(repr=False)
    discount: float = field(repr=False)
    reward: FloatArray | None = field(repr=False)
    clip: tuple[float, float] | None = field(repr=False)
    pooled: bool = field(repr=False)

    def _layout(self) -> Layout:
        columns = {"value": self.value[:-1], "action": self._likeliest(self.policy)}
        return ("stage", "state"), {**columns, "q": self.q, "width": self.width}


def least_squares_value_iteration(
    data: LoggedDataset,
    features: ArrayLike,
    *,
    ridge: float,
    bonus: float | ArrayLike = 0.0,
    discount: float = 1.0,
    reward: ArrayLike | None = None,
    terminal: ArrayLike | None = None,
    clip: tuple[float, float] | None = None,
    pooled: bool = False,
    tol: float = 1e-8,
) -> LeastSquaresSolution:
    """Fit the action values of all stages to logged data.

    Parameters
    ----------
    data : LoggedDataset
        Weighted trajectories of H steps.
    features : array_like (S, A, d)
        Features of the pairs.
    ridge : float
        Positive.
    bonus : float or array_like (H,), default 0
        Multiplies the elliptical norms; negative for pessimism.
    discount : float, default 1
        In [0, 1].
    reward : array_like (S, A) or (H, S, A), optional
        Known expected rewards, added outside the regression; by default the logged rewards are regressed.
    terminal : array_like (S,), optional
        Value after the last stage; zeros by default.
    clip : tuple of float, optional
        Bounds put on ``q`` in every stage, for the reward of one step; with k steps to go they are multiplied by k.
    pooled : bool, default False
        Use the transitions of all stages in every stage (stationary models).
    tol : float, default 1e-8
        Decides the status only.

    Returns
    -------
    LeastSquaresSolution
        Status CONVERGED or PRECISION_LIMIT.

    Raises
    ------
    ValueError
        If an argument has a wrong shape or range.
    """
    check_controls(tol, 1)
    _check.number("discount", discount, 0.0, 1.0)
    horizon, states, actions = data.horizon, data.n_states, data.n_actions
    phi = np.asarray(features, dtype=np.float64)
    if phi.ndim != 3 or phi.shape[:2] != (states, actions) or not np.isfinite(phi).all():
        raise ValueError(
            f"features has shape {phi.shape}, expected finite (S, A, d) with S, A = {states}, {actions}"
        )
    if not (math.isfinite(ridge) and ridge > 0.0):
        raise ValueError(f"ridge is {ridge!r}, expected a positive finite number")
    if clip is not None and not clip[0] <= clip[1]:
        raise ValueError(f"clip is {clip!r}, expected two numbers in order")
    scale = np.broadcast_to(np.asarray(bonus, dtype=np.float64), (horizon,))
    gains: FloatArray | None = None
    if reward is not None:
        gains = np.broadcast_to(np.asarray(reward, dtype=np.float64), (horizon, states, actions))
    d = phi.shape[2]
    value, errors = np.zeros((horizon + 1, states)), np.zeros(horizon + 1)
    if terminal is not None:
        value[horizon] = _check.shaped("terminal", terminal, (states,), "(S,)")
    q, width = np.empty((horizon, states, actions)), np.empty((horizon, states, actions))
    weights, gram = np.empty((horizon, d)), np.empty((horizon, d, d))
    length = float(np.abs(phi).sum(axis=2).max())
    for h in range(horizon - 1, -1, -1):
        part = slice(None) if pooled else slice(h, h + 1)
        steps = horizon if pooled else 1
        x = phi[data.states[:, :-1][:, part], data.actions[:, part]].reshape(-1, d)
        mass = np.repeat(data.weights, steps)
        following = value[h + 1][data.states[:, 1:][:, part]].ravel()
        target = discount * following
        if gains is None:
            target = target + data.rewards[:, part].ravel()
        fit = ridge_regression(x, target, ridge=ridge, weights=mass, tol=tol)
        weights[h] = fit.coefficients
        gram[h] = gram_matrix(x, ridge=ridge, weights=mass)
        width[h] = elliptical_norm(phi, gram[h])
        stage = phi @ weights[h] + scale[h] * width[h]
        if gains is not None:
            stage = stage + gains[h]
        if clip is not None:
            stage = np.clip(stage, clip[0] * (horizon - h), clip[1] * (horizon - h))
        q[h] = stage
        value[h] = stage.max(axis=1)
        # Widths: the triangular solve is backward stable; the condition number of the Gram matrix multiplies.
        unsure = float(width[h].max()) * (x.shape[0] + 4 * d * d) * UNIT * _condition(gram[h], ridge)
        spread = math.sqrt(float(mass.sum())) * float(width[h].max()) + unsure
        targets = 3 * UNIT * float(np.abs(target).max())
        own = length * fit.certificate.bound + abs(float(scale[h])) * unsure
        own += (d + 4) * UNIT * (length * float(np.abs(weights[h]).max()) + float(np.abs(stage).max()))
        errors[h] = 1.01 * (own + spread * (discount * errors[h + 1] + targets))
    bound = float(errors.max())
    policy = np.eye(actions)[q.argmax(axis=2)]
    return LeastSquaresSolution(
        status=Status.CONVERGED if bound <= tol else Status.PRECISION_LIMIT,
        certificate=Certificate("sup-norm error of q as the recursion on the data", bound, _THEOREM, bound),
        steps=horizon,
        value=value,
        q=q,
        policy=policy,
        weights=weights,
        width=width,
        gram=gram,
        features=phi,
        ridge=ridge,
        bonus=scale,
        discount=discount,
        reward=gains,
        clip=clip,
        pooled=pooled,
    )


def _condition(gram: FloatArray, ridge: float) -> float:
    """Upper bound on the condition number: the trace over the ridge."""
    return float(np.trace(gram)) / ridge
