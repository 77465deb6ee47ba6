r"""Tilts with several references: what maximises a linear form less divergences from many laws.

For values :math:`x` and weights :math:`\lambda_i\ge0` with sum :math:`\Lambda>0`,

.. math::
    \max_p\ \langle p,x\rangle-\sum_i\lambda_i\,\mathrm{KL}(p\,\|\,\pi_i)
    =\Lambda\log\sum_a e^{x_a/\Lambda}\prod_i\pi_i(a)^{\lambda_i/\Lambda},\qquad
    p^*\propto e^{x/\Lambda}\prod_i\pi_i^{\lambda_i/\Lambda},

and any other law :math:`p` loses exactly :math:`\Lambda\,\mathrm{KL}(p\,\|\,p^*)`.  With one reference this is the tilt of
:mod:`mdplab.operators.tilt` at the temperature :math:`\lambda_1`.  It is the second-stage policy of the two-stage constrained
actor-critic: a weighted geometric mean of the policies of stage one, tilted by the main advantage.

References
----------
.. [1] Q. Cai et al., "Two-stage constrained actor-critic for short video recommendation", WWW 2023.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array
from mdplab.operators import _check
from mdplab.operators.tilt import log_product, log_sum_exp, log_tilt

__all__ = ["multi_reference_tilt", "multi_reference_value"]


def multi_reference_tilt(x: ArrayLike, log_references: ArrayLike, weights: ArrayLike) -> Array:
    """Logarithm of the law that maximises ``<p, x> - sum_i weights[i] KL(p || reference_i)`` along the last axis.

    Parameters
    ----------
    x : array_like (..., n)
        Values, real or complex.
    log_references : array_like (k, ..., n)
        Log-probabilities of ``k`` laws, broadcast against ``x``; ``-inf`` for probability zero.
    weights : array_like (k,)
        Non-negative coefficients of the divergences, of positive sum; a law of weight zero does not count.

    Returns
    -------
    ndarray (..., n)
        Log-probabilities.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, all are zero, shapes do not match, or the laws that count have no common
        support.

    Examples
    --------
    >>> references = np.log([[0.5, 0.5], [0.9, 0.1]])
    >>> np.exp(multi_reference_tilt([0.0, 0.0], references, [1.0, 1.0])).round(12).tolist()
    [0.75, 0.25]
    """
    total, reference = _geometric(log_references, weights)
    return log_tilt(x, temperature=total, log_reference=reference)


def multi_reference_value(x: ArrayLike, log_references: ArrayLike, weights: ArrayLike) -> Array:
    """The maximum of ``<p, x> - sum_i weights[i] KL(p || reference_i)`` over laws ``p`` along the last axis.

    Parameters
    ----------
    x, log_references, weights : array_like
        As for :func:`multi_reference_tilt`.

    Returns
    -------
    ndarray (...)
        A NumPy scalar for one row.

    Raises
    ------
    ValueError
        As :func:`multi_reference_tilt`.
    """
    total, reference = _geometric(log_references, weights)
    return log_sum_exp(x, temperature=total, log_reference=reference)


def _geometric(log_references: ArrayLike, weights: ArrayLike) -> tuple[float, Array]:
    """Sum of the weights, and the geometric mixture of the references, not normalised."""
    w: Any = _check.numeric("weights", weights)
    if np.iscomplexobj(w) or not (np.isfinite(w).all() and (w >= 0).all() and w.sum() > 0):
        raise ValueError(f"weights must be finite and non-negative with a positive sum; got {w.tolist()}")
    total = float(w.sum())
    return total, log_product(log_references, w / total)
