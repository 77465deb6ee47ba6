r"""Verification of implicit maximisers: signs of the optimality condition in extended precision.

:math:`\lambda\,\mathbb E\,\varphi'((X-v)/\alpha)-(1-\lambda)` is positive below the smallest minimiser and not above it; the
slopes are written out here once more.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array
from mdplab.laws import FiniteLaw
from mdplab.solvers.implicit_maximiser import ImplicitMaximum
from mdplab.solvers.verify import Check, Verification, _need, _need_claim, _verify
from mdplab.solvers.verify_algebra import DOUBLE, EPS, WIDE
from mdplab.solvers.verify_flow import same

__all__ = ["KINDS"]

KINDS = (ImplicitMaximum,)
"""The kinds of solution that this module verifies."""


def _slope(loss: str, y: Array) -> Array:
    if loss == "gumbel":
        return np.asarray(np.exp(y))
    if loss == "chi-square":
        return np.where(y > -2, 1 + y / 2, 0)
    if loss == "total-variation":
        return np.where(2 * y > -1, WIDE(1), WIDE(0))
    if loss == "truncated-chi-square":
        return np.where(y > 0, 1 + y / 2, 0)
    if loss == "truncated-total-variation":
        return np.where(y > 0, WIDE(1), WIDE(0))
    return np.where(y > 0, 2 * y, 0)


def _balance(found: ImplicitMaximum, v: float) -> tuple[float, float]:
    """The optimality condition at ``v`` and the sum of the moduli of its terms."""
    y = (found.atoms.astype(WIDE) - WIDE(v)) / WIDE(found.temperature)
    weight, masses = WIDE(found.weight), found.masses.astype(WIDE)
    up = weight * (masses @ _slope(found.loss, y))
    down = (1 - weight) * (masses @ _slope(found.loss, -y) if found.loss == "expectile" else 1)
    return float(up - down), float(up + down)


@_verify.register
def _(solution: ImplicitMaximum, model: Any) -> Verification:
    _need(model, FiniteLaw, solution)
    _need_claim(solution)
    value, edge = solution.value, float(solution.atoms[-1]) - 0.5 * solution.temperature
    bounded = solution.loss == "total-variation" and solution.lower <= edge
    below, size = _balance(solution, solution.lower)
    above, larger = _balance(solution, solution.upper)
    room = 64 * (solution.atoms.size + 4) * EPS
    far = max(value - solution.lower, solution.upper - value)
    inside = solution.lower <= value <= solution.upper
    slopes = np.asarray(
        _slope(solution.loss, (solution.atoms - value).astype(WIDE) / WIDE(solution.temperature)),
        dtype=float,
    )
    checks = (
        same("atoms are the law's", solution.atoms, model.atoms),
        same("masses are the law's", solution.masses, model.masses),
        Check("value lies between its bounds", float(not inside), 0.0),
        Check("value within certificate.bound", far, solution.certificate.bound * (1 + DOUBLE)),
        Check("lower is below the root", float(not (bounded or below > -room * size)), 0.0),
        Check("upper is above the root", float(not above <= room * larger), 0.0),
        Check(
            "lower is in the domain", float(solution.loss == "total-variation" and solution.lower < edge), 0.0
        ),
        same("slopes", solution.slopes, slopes, 64 * DOUBLE * (1.0 + float(np.abs(slopes).max()) * 1e3)),
    )
    return Verification("signs of the optimality condition in extended precision", checks)
