r"""Exponential tilting in log space: the core of every softmax, partition function and geometric mixture.

For a row of values :math:`x` on a finite set, a reference measure :math:`\rho` and a temperature :math:`\tau>0`,

.. math::
    \mathrm{lse}_\tau(x) = \tau\log\sum_a \rho_a e^{x_a/\tau}, \qquad
    \mathrm{tilt}_a = \rho_a e^{x_a/\tau}\Big/\sum_b \rho_b e^{x_b/\tau}.

They solve Gibbs' variational problem: for every law :math:`p` on the set,

.. math:: \mathrm{lse}_\tau(x) - \big[\langle p, x\rangle - \tau\,\mathrm{KL}(p\,\|\,\rho)\big]
          = \tau\,\mathrm{KL}(p\,\|\,\mathrm{tilt}) \ge 0,

so the tilt is the only maximiser and the right side, :func:`gibbs_gap`, is what another law loses.

Notes
-----
* ``log_reference=None`` is the counting measure (a plain sum); a reference law turns the sum into an expectation.
  The reference need not be normalised.  ``-inf`` in it, or in ``x``, takes the entry out; what ``x`` holds where
  the reference vanishes is never looked at.
* The row maximum of ``x`` is removed *before* the division by the temperature, and the largest exponent is left out
  of the sum and restored by ``log1p``.  Hence no overflow at any temperature, and the log-probability of a nearly
  certain entry keeps its relative accuracy.
* Complex ``x``, ``log_reference`` or ``temperature`` pass through analytically (comparisons look at real parts
  only), so a complex step differentiates all functions of this module.
* Any leading axes; ``log_reference`` broadcasts against ``x``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array
from mdplab.models._validate import first
from mdplab.operators import _check

__all__ = ["gibbs_gap", "log_mixture", "log_sum_exp", "log_tilt"]


def _weighed(
    x: ArrayLike, temperature: ArrayLike, log_reference: ArrayLike | None, axis: int
) -> tuple[Array, Array, Array]:
    """Split the weights ``reference * exp(x / temperature)`` of every row (moved to the last axis).

    Returns ``(e, log sum exp(e), value)``: the log weights ``e`` of the row with maximum 0, and the soft maximum; the
    last two keep the row axis with length 1.
    """
    values = _check.numeric("x", x)
    tau = _check.temperature(temperature)
    reference = None if log_reference is None else _check.numeric("log_reference", log_reference)
    if reference is not None:
        if reference.shape != values.shape:
            try:
                values, reference = np.broadcast_arrays(values, reference)
            except ValueError:
                message = (
                    f"log_reference {reference.shape} does not broadcast against x of shape {values.shape}"
                )
                raise ValueError(message) from None
        off = reference.real == -np.inf
        if off.any():
            values = np.where(off, -np.inf, values)
    if not -values.ndim <= axis < values.ndim or values.shape[axis] == 0:
        raise ValueError(f"x of shape {values.shape} has no entries along axis {axis}")
    if axis not in (-1, values.ndim - 1):
        values = np.moveaxis(values, axis, -1)
        reference = None if reference is None else np.moveaxis(reference, axis, -1)
    if tau.ndim:
        tau = tau[..., np.newaxis]

    top = values.real.max(axis=-1, keepdims=True)
    _raise_unless_finite("x", top)
    is_complex = "c" in (
        values.dtype.kind,
        tau.dtype.kind,
        reference.dtype.kind if reference is not None else "f",
    )
    if is_complex:  # a complex -inf must not enter the arithmetic: -inf * 0j is NaN
        inside = values.real != -np.inf
        exponents = (np.where(inside, values, top) - top) / tau
        if reference is not None:
            exponents = exponents + np.where(inside, reference, 0.0)
        exponents = np.where(inside, exponents, -np.inf)
    else:
        with np.errstate(over="ignore"):  # a quotient beyond the doubles is a weight of zero
            exponents = (values - top) / tau
        if reference is not None:
            exponents += reference
    shift: Array | float = 0.0
    if reference is not None:
        shift = exponents.real.max(axis=-1, keepdims=True)
        _raise_unless_finite("log_reference", np.asarray(shift))
        exponents = exponents - shift
    # The largest weights are exactly one; with one of them left out of the sum, log1p keeps what rounding to one
    # would lose.  (expm1 is their imaginary part in complex arithmetic.)
    below = exponents.real < 0.0
    weights = np.where(below, np.exp(exponents), np.expm1(exponents) if is_complex else 0.0)
    others = exponents.shape[-1] - 1 - np.count_nonzero(below, axis=-1, keepdims=True)
    rest = np.log1p(weights.sum(axis=-1, keepdims=True) + others)
    return exponents, rest, top + tau * (shift + rest)


def _raise_unless_finite(name: str, maxima: Array) -> None:
    """Complain of the first row whose largest admitted entry is not a finite number."""
    if np.isfinite(maxima).all():
        return
    row = first(~np.isfinite(maxima[..., 0]))
    where = f"row {row if len(row) != 1 else row[0]}" if row else "the row"
    value = maxima[(*row, 0)]
    if value == -np.inf:
        raise ValueError(f"{where} of {name} has no finite entry (all -inf): nothing to normalise")
    raise ValueError(f"{where} of {name} contains {value}; entries must be finite or -inf")


def log_sum_exp(
    x: ArrayLike,
    *,
    temperature: ArrayLike = 1.0,
    log_reference: ArrayLike | None = None,
    axis: int = -1,
) -> Array:
    """Soft maximum ``temperature * log sum reference * exp(x / temperature)`` along an axis.

    Parameters
    ----------
    x : array_like (..., n)
        Values, real or complex; ``-inf`` takes an entry out.
    temperature : float or array_like, default 1
        Positive; an array broadcasts against the rows (``x`` without ``axis``).
    log_reference : array_like, optional
        Logarithm of the reference measure, broadcast against ``x``, ``-inf`` where it vanishes; default is the
        counting measure.
    axis : int, default -1
        Axis of the sum.

    Returns
    -------
    ndarray (...)
        Shape of ``x`` without ``axis`` (a NumPy scalar for one row).

    Raises
    ------
    ValueError
        If the temperature is not positive, shapes do not match, a row has no entry left or an entry is NaN or +inf.

    References
    ----------
    .. [1] S. Boyd and L. Vandenberghe, *Convex Optimization*, 2004, section 3.1.5.

    Examples
    --------
    >>> bool(log_sum_exp([1000.0, 1000.0], temperature=1e-3) == 1000.0 + 1e-3 * np.log(2.0))
    True
    """
    value: Array = _weighed(x, temperature, log_reference, axis)[2][..., 0]
    return value


def log_tilt(
    x: ArrayLike,
    *,
    temperature: ArrayLike = 1.0,
    log_reference: ArrayLike | None = None,
    axis: int = -1,
) -> Array:
    """Logarithm of the tilted law ``reference * exp(x / temperature) / normaliser`` along an axis.

    Parameters
    ----------
    x : array_like (..., n)
        Values, real or complex; ``-inf`` takes an entry out.
    temperature : float or array_like, default 1
        Positive; an array broadcasts against the rows (``x`` without ``axis``).
    log_reference : array_like, optional
        Logarithm of the reference measure, broadcast against ``x``; default is the counting measure (a softmax).
    axis : int, default -1
        Axis along which the law is normalised.

    Returns
    -------
    ndarray (..., n)
        Log-probabilities, ``-inf`` where an entry is out.

    Raises
    ------
    ValueError
        As :func:`log_sum_exp`.

    References
    ----------
    .. [1] I. Csiszar, "I-divergence geometry of probability distributions and minimization problems",
       Annals of Probability 3, 1975.

    Examples
    --------
    >>> np.exp(log_tilt([0.0, np.log(3.0)])).round(12).tolist()
    [0.25, 0.75]
    """
    exponents, rest, _ = _weighed(x, temperature, log_reference, axis)
    logs: Array = exponents - rest
    return logs if axis in (-1, logs.ndim - 1) else np.moveaxis(logs, -1, axis)


def log_product(log_probabilities: ArrayLike, weights: ArrayLike) -> Array:
    """The geometric mixture before it is normalised: ``sum_i w_i log p_i``.

    Parameters
    ----------
    log_probabilities, weights : array_like
        As for :func:`log_mixture`.

    Returns
    -------
    ndarray (..., n)
        ``-inf`` where a law of positive weight vanishes.

    Raises
    ------
    ValueError
        If shapes do not match, or a negative weight meets a probability zero.
    """
    logs = _check.numeric("log_probabilities", log_probabilities)
    w = _check.numeric("weights", weights)
    if w.ndim != 1 or logs.ndim < 2 or logs.shape[0] != w.size:
        raise ValueError(
            f"weights must have shape (k,) and log_probabilities (k, ..., n); got {w.shape} and {logs.shape}"
        )
    if not np.isfinite(w).all():
        raise ValueError(f"weights must be finite; got {w.tolist()}")
    total: Array = np.zeros(logs.shape[1:])
    for law, weight in enumerate(w):
        if weight == 0:
            continue
        vanishing = logs[law].real == -np.inf
        if weight.real < 0 and vanishing.any():
            where = first(vanishing)
            raise ValueError(
                f"law {law} has probability zero at entry {where} but the negative weight {weight}"
            )
        total = total + np.where(vanishing, -np.inf, weight * np.where(vanishing, 0.0, logs[law]))
    return total


def log_mixture(log_probabilities: ArrayLike, weights: ArrayLike) -> Array:
    """Normalised geometric mixture: the logarithm of ``prod_i p_i ** w_i / normaliser``.

    Parameters
    ----------
    log_probabilities : array_like (k, ..., n)
        Logarithms of ``k`` laws (rows along the last axis); ``-inf`` for probability zero.
    weights : array_like (k,)
        Finite exponents.  They need neither sum to one nor be positive (guidance beyond one extrapolates); a law
        of weight zero does not count, not even its zeros.

    Returns
    -------
    ndarray (..., n)
        Log-probabilities of the mixture.

    Raises
    ------
    ValueError
        If shapes do not match, if a negative weight meets a probability zero, or if the laws of positive weight
        have no common support.

    References
    ----------
    .. [1] G. E. Hinton, "Training products of experts by minimizing contrastive divergence", Neural Computation
       14, 2002.
    """
    return log_tilt(log_product(log_probabilities, weights))


def gibbs_gap(
    p: ArrayLike,
    x: ArrayLike,
    temperature: ArrayLike = 1.0,
    log_reference: ArrayLike | None = None,
    *,
    axis: int = -1,
) -> Array:
    """What the law ``p`` loses in Gibbs' problem: ``temperature * kl(p, tilt)``.

    It equals ``log_sum_exp(x) - (<p, x> - temperature * kl(p, reference))``, computed here without the
    cancellation of that difference.

    Parameters
    ----------
    p : array_like (..., n)
        Laws along ``axis``, broadcast against ``x``.
    x : array_like (..., n)
        Values.
    temperature : float or array_like, default 1
        Positive; an array broadcasts against the rows.
    log_reference : array_like, optional
        Logarithm of the reference measure; default is the counting measure.
    axis : int, default -1
        Axis of the laws.

    Returns
    -------
    ndarray (...)
        Non-negative up to rounding, zero exactly at the tilt, ``inf`` where ``p`` charges what the tilt does not.

    Raises
    ------
    ValueError
        If ``p`` is not a law, or as :func:`log_sum_exp`.

    References
    ----------
    .. [1] M. D. Donsker and S. R. S. Varadhan, "Asymptotic evaluation of certain Markov process expectations for
       large time, I", Communications on Pure and Applied Mathematics 28, 1975.
    """
    log_tilted = log_tilt(x, temperature=temperature, log_reference=log_reference, axis=axis)
    law = _check.numeric("p", p)
    try:
        law, log_tilted = np.broadcast_arrays(law, log_tilted)
    except ValueError:
        message = f"p of shape {law.shape} does not broadcast against x, of shape {log_tilted.shape}"
        raise ValueError(message) from None
    law, log_tilted = np.moveaxis(law, axis, -1), np.moveaxis(log_tilted, axis, -1)
    _check.laws("p", law)
    return np.asarray(temperature) * _kl_from_log(law, log_tilted)


def _kl_from_log(p: Array, log_q: Array, log_p: Array | None = None) -> Array:
    """``kl(p, q)`` along the last axis from ``p`` and ``log q``: ``0 log 0 = 0``, ``inf`` where ``q`` misses ``p``."""
    charged = p.real > 0
    missed = charged & (log_q.real == -np.inf)
    both = charged & ~missed
    logs = np.log(np.where(both, p, 1.0)) if log_p is None else np.where(both, log_p, 0.0)
    ratio = logs - np.where(both, log_q, 0.0)
    total: Array = np.asarray((np.where(both, p, 0.0) * ratio).sum(axis=-1))
    return np.where(missed.any(axis=-1), np.inf, total)[()]
