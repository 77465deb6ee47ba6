r"""Feasibility-dependent extraction: reward where safety is possible, safety where it is not.

Let :math:`Q_h(s,a)\le0` say that the action can be followed by safe behaviour for ever, and let :math:`A` be a reward
advantage.  In a state with an allowed action (one of positive reference and :math:`Q_h\le0`) the best policy under a penalty
:math:`\tau\,\mathrm{KL}(p\,\|\,\rho)` that takes allowed actions alone, and elsewhere the one that violates least, are

.. math:: p\propto\rho\,e^{A/\tau}\,1\{Q_h\le0\},\qquad p\propto\rho\,e^{-Q_h/\tau},

weighted behaviour cloning with the weights :math:`e^{A/\tau}1\{Q_h\le0\}` and :math:`e^{-Q_h/\tau}`.

References
----------
.. [1] Y. Zheng et al., "Safe offline reinforcement learning with feasibility-guided diffusion model", ICLR 2024.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array
from mdplab.operators import _check
from mdplab.operators.tilt import log_tilt

__all__ = ["feasible_tilt_log"]


def feasible_tilt_log(
    advantage: ArrayLike, feasibility: ArrayLike, *, temperature: float, log_reference: ArrayLike
) -> Array:
    """Log-policy that maximises the advantage over allowed actions, or feasibility where there is none.

    Parameters
    ----------
    advantage : array_like (..., A)
        Reward advantages or action values, finite.
    feasibility : array_like (..., A)
        ``Q_h``, finite; an action is allowed where it is at most 0.  Infeasible states see it up to a constant only.
    temperature : float
        Positive.
    log_reference : array_like (..., A)
        Log-probabilities of the behaviour; ``-inf`` takes an action out.

    Returns
    -------
    ndarray (..., A)
        Log-probabilities, ``-inf`` for what is not taken.

    Raises
    ------
    ValueError
        If shapes differ, an entry is not finite, or as :func:`~mdplab.operators.log_tilt`.

    Examples
    --------
    >>> import numpy as np
    >>> log_policy = feasible_tilt_log([0.1, 0.5, 2.0], [-1.0, 0.0, 3.0], temperature=0.5,
    ...                                log_reference=np.log([0.5, 0.3, 0.2]))
    >>> np.exp(log_policy).round(6).tolist()
    [0.428206, 0.571794, 0.0]
    """
    score, risk = (
        _check.numeric(name, x) for name, x in (("advantage", advantage), ("feasibility", feasibility))
    )
    logs = _check.numeric("log_reference", log_reference)
    if not score.shape == risk.shape == logs.shape:
        raise ValueError(
            "advantage, feasibility and log_reference must have one shape; "
            f"got {score.shape}, {risk.shape} and {logs.shape}"
        )
    for name, x in (("advantage", score), ("feasibility", risk)):
        if not np.isfinite(x).all():
            raise ValueError(f"{name} has entries that are not finite")
    allowed = (risk <= 0.0) & (logs > -np.inf)
    feasible = allowed.any(axis=-1, keepdims=True)
    masked = np.where(allowed | ~feasible, logs, -np.inf)
    return log_tilt(np.where(feasible, score, -risk), temperature=temperature, log_reference=masked)
