"""Elementary functions of exact numbers, as balls, with the conventions ``log 0 = -inf`` and ``0 log 0 = 0``.

An exact zero is a number; a ball that merely contains zero has no logarithm, and the result is NaN, which compares with
nothing: a comparison with it is never sure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mdplab.exact._flint import arb
from mdplab.exact.numbers import ball, each

__all__ = ["exp", "log", "sqrt", "xlogy"]


def _mapped(function: Callable[[arb], arb], x: Any) -> Any:
    return each(lambda entry: function(ball(entry)), x)


def _log(x: arb) -> arb:
    return arb("-inf") if x.is_zero() else x.log()


def log(x: Any) -> Any:
    """Natural logarithm.

    Parameters
    ----------
    x : array_like
        Rationals, balls, or floats read as by :func:`mdplab.exact.rational`.

    Returns
    -------
    object array of arb, or arb
        ``-inf`` at 0; NaN where a ball is not surely positive.
    """
    return _mapped(_log, x)


def exp(x: Any) -> Any:
    """Exponential.

    Parameters
    ----------
    x : array_like
        As for :func:`log`; ``-inf`` and None give 0.

    Returns
    -------
    object array of arb, or arb
    """
    return _mapped(lambda entry: entry.exp(), x)


def sqrt(x: Any) -> Any:
    """Square root.

    Parameters
    ----------
    x : array_like
        As for :func:`log`.

    Returns
    -------
    object array of arb, or arb
        NaN where a ball is not surely non-negative.
    """
    return _mapped(lambda entry: entry.sqrt(), x)


def xlogy(x: Any, y: Any) -> Any:
    """The product ``x log y``, 0 where ``x`` is exactly 0.

    Parameters
    ----------
    x, y : array_like
        As for :func:`log`, broadcast against each other.

    Returns
    -------
    object array of arb, or arb
        ``-inf`` where ``y`` is 0 and ``x`` surely positive.
    """
    return product(x, log(y))


def product(x: Any, y: Any) -> Any:
    """The product of balls ``x * y``, 0 where ``x`` is exactly 0, whatever ``y`` is."""
    return _PRODUCT(ball(x), ball(y))


_PRODUCT = np.frompyfunc(lambda x, y: arb(0) if x.is_zero() else x * y, 2, 1)
