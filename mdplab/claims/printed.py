"""Printed numbers: whether a computed one reproduces them to the last digit."""

from __future__ import annotations

import math
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["compare_printed", "half_unit"]

_SWAMPED = 1e3
"""An error bound above this many half units (and a millionth of the number) confirms no digit: the row fails."""


def half_unit(printed: str) -> float:
    """Half a unit of the last printed digit of a number; an integer or a fraction is exact.

    Parameters
    ----------
    printed : str
        The number as printed, e.g. ``"0.25"``, ``"9.3e-12"``, ``"12"``, ``"1/3"``.

    Returns
    -------
    float
    """
    if "/" in printed or not set(printed) & set(".eE"):
        return 0.0
    exponent = Decimal(printed).as_tuple().exponent
    return 0.5 * 10.0 ** int(exponent)


def compare_printed(name: str, printed: str, computed: Any, error: float) -> list[dict[str, Any]]:
    """Compare printed with computed numbers, a row a number.

    A number passes within half a unit of its last digit plus the error bound, unless that bound is so large that it
    could confirm no digit.

    Parameters
    ----------
    name : str
        What the numbers are.
    printed : str
        The numbers, separated by white space.
    computed : array_like
        As many numbers.
    error : float
        Bound on the error of the computed numbers.

    Returns
    -------
    list of dict
        ``name``, ``printed``, ``computed``, ``passed`` and ``message``.
    """
    texts = printed.split()
    numbers = np.asarray(computed, dtype=float).ravel()
    if len(texts) != numbers.size:
        message = f"{len(texts)} numbers printed, {numbers.size} computed"
        return [{"name": name, "printed": printed, "computed": None, "passed": False, "message": message}]
    rows = []
    for place, (text, number) in enumerate(zip(texts, numbers, strict=True)):
        value = float(Fraction(text)) if "/" in text else float(text)
        half = half_unit(text)
        swamped = not error <= max(_SWAMPED * half, 1e-6 * (abs(value) if half else max(abs(value), 1.0)))
        passed = not swamped and bool(
            abs(number - value) <= half + error + 4 * np.finfo(float).eps * abs(value)
        )
        rows.append(
            {
                "name": name if len(texts) == 1 else f"{name} [{place}]",
                "printed": text,
                "computed": float(number) if math.isfinite(number) else None,
                "passed": passed,
                "message": f"the error bound {error:.3g} is too large to confirm the digits"
                if swamped
                else "",
            }
        )
    return rows
