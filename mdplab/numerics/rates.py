"""Orders of convergence from errors on a grid of parameters.

If ``error = C parameter^order (1 + o(1))`` then log error is asymptotically linear in log parameter.  The least-squares
slope averages the order over the whole grid; the local slopes between successive refinements show whether the
asymptote has been reached, which the average hides.  A fitted slope is evidence, never a certificate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray

__all__ = ["RateFit", "dyadic_envelope", "fit_rate", "local_slopes"]


@dataclass(frozen=True, eq=False)
class RateFit:
    """A fitted power law ``error = exp(intercept) parameter^slope``.

    Attributes
    ----------
    slope, intercept : float
        Least-squares line of log error on log parameter.
    local : ndarray, shape (n-1,)
        Slopes between successive parameters.
    deviation : float
        Largest absolute residual of the fit, in logs.
    """

    slope: float
    intercept: float
    local: FloatArray
    deviation: float


def fit_rate(parameter: ArrayLike, error: ArrayLike) -> RateFit:
    """Fit a power law by least squares in logs.

    Parameters
    ----------
    parameter : array_like, shape (n,)
        Positive, strictly monotone, n >= 2 (step sizes, or sample sizes).
    error : array_like, shape (n,)
        Positive errors.

    Returns
    -------
    RateFit

    Raises
    ------
    ValueError
        If there are fewer than two points, an entry is not positive, or the parameters are not monotone.  An error of
        exactly 0 has no slope: it must be left out knowingly.
    """
    log_x, log_y = _logs(parameter, error)
    centred = log_x - log_x.mean()
    slope = float(centred @ (log_y - log_y.mean()) / (centred @ centred))
    intercept = float(log_y.mean() - slope * log_x.mean())
    deviation = float(np.abs(log_y - intercept - slope * log_x).max())
    return RateFit(slope, intercept, np.diff(log_y) / np.diff(log_x), deviation)


def local_slopes(parameter: ArrayLike, error: ArrayLike) -> FloatArray:
    """Slopes of log error against log parameter between successive points.

    Parameters
    ----------
    parameter, error : array_like, shape (n,)
        As in :func:`fit_rate`.

    Returns
    -------
    ndarray, shape (n-1,)
    """
    log_x, log_y = _logs(parameter, error)
    return np.asarray(np.diff(log_y) / np.diff(log_x))


def dyadic_envelope(error: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Largest error on each dyadic block of steps, for rates of oscillating sequences.

    Parameters
    ----------
    error : array_like, shape (n,)
        Nonnegative error after step 1, 2, ..., n.

    Returns
    -------
    starts, envelope : ndarray, shape (k,)
        Block starts 1, 2, 4, ... with ``2 start - 1 <= n`` and the largest error at the steps ``[start, 2 start)``.
    """
    values = np.asarray(error, dtype=np.float64)
    if values.ndim != 1 or values.shape[0] == 0:
        raise ValueError(f"error: expected shape (n,), n >= 1, got {values.shape}")
    starts = 2 ** np.arange(int(values.shape[0] + 1).bit_length() - 1)
    envelope = np.array([values[k - 1 : 2 * k - 1].max() for k in starts])
    return starts.astype(np.float64), envelope


def _logs(parameter: ArrayLike, error: ArrayLike) -> tuple[FloatArray, FloatArray]:
    x, y = np.asarray(parameter, dtype=np.float64), np.asarray(error, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or x.shape[0] < 2:
        raise ValueError(
            f"parameter, error: expected two arrays of one shape (n,), n >= 2, got {x.shape} and {y.shape}"
        )
    for name, values in (("parameter", x), ("error", y)):
        bad = np.flatnonzero(~((values > 0.0) & np.isfinite(values)))
        if bad.size:
            i = int(bad[0])
            raise ValueError(f"{name}: entry {i} is {values[i]!r}, expected a finite number > 0")
    steps = np.diff(x)
    if not (np.all(steps > 0.0) or np.all(steps < 0.0)):
        raise ValueError("parameter: expected strictly monotone values")
    return np.log(x), np.log(y)
