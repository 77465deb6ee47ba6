r"""Huber's location of a sample: the set of its minimisers, without rounding.

With weights :math:`w_i\ge0` and a threshold :math:`\delta>0` the loss is quadratic within :math:`\delta` of a value and linear
beyond; its minimisers are the zeros of the score

.. math:: S(t)=\sum_iw_i\,\mathrm{clip}(x_i-t,-\delta,\delta),

which is continuous, does not increase and is linear between the kinks :math:`x_i\pm\delta`.  Hence the zeros are a closed
interval: one point where some value lies within :math:`\delta` of it, more where equal weights pull from far on both sides.

Whether there is one zero or an interval is a question of equality, which rounded sums cannot answer.  All data are integers
over a power of two; the sweep over the sorted kinks is done in such integers, and only its two results are rounded.

As :math:`\delta\to\infty` the location is the mean, as :math:`\delta\to0` the set of medians.  If of :math:`n` values
:math:`k<n/2` are arbitrary and the others lie in :math:`[a,b]`, it lies in
:math:`[a-k\delta/(n-k),\,b+k\delta/(n-k)]`: the :math:`n-k` honest ones pull back with more than the others can.

References
----------
.. [1] P. J. Huber, "Robust estimation of a location parameter", Annals of Mathematical Statistics 35, 1964.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["huber_location"]


def huber_location(
    values: ArrayLike, threshold: float, *, weights: ArrayLike | None = None
) -> tuple[float, float]:
    """Ends of the interval of the minimisers of Huber's loss.

    Parameters
    ----------
    values : array_like (n,)
        Finite numbers, n >= 1.
    threshold : float
        Where the loss turns linear, finite and positive.
    weights : array_like (n,), optional
        Finite and non-negative with a positive sum; ones by default.

    Returns
    -------
    lower, upper : float
        The smallest and the largest minimiser, each exact but for its own rounding (half a unit of the last place); equal
        where the minimiser is unique.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Notes
    -----
    ``O(n log n)`` operations on Python integers.

    Examples
    --------
    >>> huber_location([0.0, 0.0, 0.0, 1e6], 1.5)
    (0.5, 0.5)
    >>> huber_location([0.0, 10.0], 1.0)  # each pulls with the same force all the way between them
    (1.0, 9.0)
    """
    x = _finite("values", values)
    w = np.ones(x.size) if weights is None else _finite("weights", weights)
    if w.shape != x.shape or w.min() < 0.0 or not w.any():
        raise ValueError(
            f"weights: expected {x.size} numbers >= 0, one of them positive, got {np.array2string(w, threshold=8)}"
        )
    if not (np.isfinite(threshold) and threshold > 0.0):
        raise ValueError(f"threshold: expected a finite positive number, got {threshold!r}")
    *places, reach = (scaled := _integers([*x[w > 0].tolist(), float(threshold)]))[0]
    shares, _ = _integers(w[w > 0].tolist())
    kinks = sorted(
        [(place - reach, share) for place, share in zip(places, shares, strict=True)]
        + [(place + reach, -share) for place, share in zip(places, shares, strict=True)]
    )
    score, inside, previous = reach * sum(shares), 0, kinks[0][0]
    lower: Fraction | None = None
    upper = Fraction(kinks[-1][0])
    for place, change in kinks:
        after = score - inside * (place - previous)
        if lower is None and after <= 0:
            lower = previous + Fraction(score, inside)
        if after < 0:
            upper = previous + Fraction(score, inside)
            break
        score, inside, previous = after, inside + change, place
    assert lower is not None  # the score ends at -reach times the weights
    return float(lower / scaled[1]), float(upper / scaled[1])


def _finite(name: str, values: ArrayLike) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name}: expected real numbers, got dtype {array.dtype}")
    array = array.astype(np.float64)
    if array.ndim != 1 or array.size == 0 or not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite numbers of shape (n,), n >= 1, got shape {array.shape}")
    return array


def _integers(numbers: list[float]) -> tuple[list[int], int]:
    """The numbers as integers over one power of two, and that power."""
    ratios = [number.as_integer_ratio() for number in numbers]
    common = max(below for _, below in ratios)
    return [above * (common // below) for above, below in ratios], common
