r"""Mirror step on the simplex (exponentiated gradient, natural policy gradient, magnetic mirror descent).

.. math::
    p_{k+1} = \arg\max_p\ \eta\langle g, p\rangle - (1-\kappa)\,\mathrm{KL}(p\,\|\,p_k)
              - \kappa\,\mathrm{KL}(p\,\|\,m)
            \;\propto\; p_k^{1-\kappa}\, m^{\kappa}\, e^{\eta g}.

``step`` is :math:`\eta`, the coefficient of the gradient in the log-policy (an inverse temperature); ``kappa`` is the
pull towards the magnet :math:`m`.  A regularised ascent step of size :math:`\eta` at temperature :math:`\tau` has
:math:`\kappa=\eta\tau`; the implicit form has :math:`\kappa=\eta\tau/(1+\eta\tau)` and step :math:`\eta/(1+\eta\tau)`.

The extremal gradient of a row is removed before the multiplication by the step, so that steps of ``1e9`` lose
nothing.

References
----------
.. [1] A. Beck and M. Teboulle, "Mirror descent and nonlinear projected subgradient methods for convex
   optimization", Operations Research Letters 31, 2003.
.. [2] S. Sokota et al., "A unified approach to reinforcement learning, quantal response equilibria, and two-player
   zero-sum games", ICLR 2023.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array
from mdplab.models._validate import first
from mdplab.operators import _check
from mdplab.operators.tilt import log_tilt

__all__ = ["mirror_step"]


def mirror_step(
    log_policy: ArrayLike,
    gradient: ArrayLike,
    *,
    step: ArrayLike,
    kappa: float = 0.0,
    log_magnet: ArrayLike | None = None,
) -> Array:
    """One mirror step in log space: ``p ** (1 - kappa) * magnet ** kappa * exp(step * gradient)``, normalised.

    Parameters
    ----------
    log_policy : array_like (..., n)
        Log-probabilities along the last axis, real or complex; ``-inf`` stays ``-inf`` while ``kappa < 1``.
    gradient : array_like (..., n)
        What is ascended (action values, payoffs), broadcast against the policy; constants along a row have no effect.
    step : float or array_like
        Finite coefficient of the gradient; negative to descend.  An array broadcasts against the rows.
    kappa : float, default 0
        In [0, 1]; pull towards the magnet.
    log_magnet : array_like (..., n), optional
        Log-probabilities of the magnet, broadcast against the policy; default is the uniform law.

    Returns
    -------
    ndarray (..., n)
        Log-probabilities of the next policy.

    Raises
    ------
    ValueError
        If ``kappa`` is outside [0, 1], the step is not finite, shapes do not match or a row has no support left.
    """
    logs = _check.numeric("log_policy", log_policy)
    slope = _check.numeric("gradient", gradient)
    length = _check.numeric("step", step)
    magnet = None if log_magnet is None else _check.numeric("log_magnet", log_magnet)
    _check.number("kappa", kappa, 0.0, 1.0)
    if not np.isfinite(length).all():
        raise ValueError(f"step must be finite; got {step!r}")
    if logs.ndim == 0:
        raise ValueError("log_policy must have shape (..., n); got a number")
    try:
        np.broadcast_shapes(logs.shape, slope.shape, () if magnet is None else magnet.shape)
    except ValueError:
        shapes = f"log_policy {logs.shape}, gradient {slope.shape}"
        shapes += "" if magnet is None else f", log_magnet {magnet.shape}"
        raise ValueError(f"shapes do not broadcast: {shapes}") from None
    if length.ndim:
        length = length[..., np.newaxis]

    base = logs
    if kappa > 0:
        base = _scaled(1.0 - kappa, logs)
        if magnet is not None:
            base = base + _scaled(kappa, magnet)
    sign = np.where(length.real < 0, -1.0, 1.0)
    if np.isfinite(slope).all() and (base.real != -np.inf).all():
        shift = (slope.real * sign).max(axis=-1, keepdims=True) * sign
        return log_tilt(length * (slope - shift), log_reference=base)

    # zeros of the policy: their gradients are not looked at, neither as maximum nor for being finite
    slope, base = np.broadcast_arrays(slope, base)
    supported = base.real != -np.inf
    wrong = supported & ~np.isfinite(slope)
    if wrong.any():
        where = first(wrong)
        raise ValueError(f"gradient is {slope[where]} at {where}; it must be finite on the policy's support")
    slope = np.where(supported, slope, 0.0)
    shift = np.where(supported, slope.real * sign, -np.inf).max(axis=-1, keepdims=True)
    shift = np.where(np.isfinite(shift), shift, 0.0) * sign  # rows without support: the tilt complains
    return log_tilt(np.where(supported, length * (slope - shift), -np.inf), log_reference=base)


def _scaled(weight: float, logs: Array) -> Array:
    """``weight * logs`` with ``0 * -inf = 0``: a factor to the power zero does not count, not even its zeros."""
    if weight == 0:
        return np.zeros(logs.shape)
    vanishing = logs.real == -np.inf
    return np.where(vanishing, -np.inf, weight * np.where(vanishing, 0.0, logs))
