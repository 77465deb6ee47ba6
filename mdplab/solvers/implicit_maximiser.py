r"""Implicit maximisers: location parameters of a finite law that rise to its largest value, or beyond.

For a law of :math:`X` with atoms :math:`x_1<\dots<x_n`, a loss :math:`\varphi`, a weight :math:`\lambda\in(0,1)` and a
temperature :math:`\alpha>0`

.. math::
    v_\lambda=\min\arg\min_v\ (1-\lambda)\,v+\lambda\alpha\,\mathbb E\,\varphi\big((X-v)/\alpha\big),

the value that a semi-gradient dual-V loss regresses on the values of sampled actions.  It is the smallest root of

.. math:: (1-\lambda)\ge\lambda\,\mathbb E\,\varphi'\big((X-v)/\alpha\big),

with the left derivative of the loss; the right side does not increase with :math:`v`.

=========================== ============================ ================================== ===========================
loss                        phi(y)                       phi'(y), from the left             v as the weight tends to 1
=========================== ============================ ================================== ===========================
gumbel                      exp(y) - 1                   exp(y)                             infinity
chi-square                  y + y^2/4 (-1 below -2)      max(0, 1 + y/2)                    x_n + 2 alpha
total-variation             max(y, -1/2), y <= 1/2       1 above -1/2, else 0               x_n + alpha/2
truncated-chi-square        y + y^2/4 for y > 0          1 + y/2 above 0, else 0            x_n, reached at a weight < 1
truncated-total-variation   max(y, 0)                    1 above 0, else 0                  x_n, reached at a weight < 1
truncated-square            y^2 for y > 0                2 y above 0, else 0                x_n, not reached
expectile                   y^2 for y > 0                2 y above 0, else 0                x_n, not reached
=========================== ============================ ================================== ===========================

For the *expectile* (IQL) the term ``(1 - weight) v`` is replaced by ``(1 - weight) alpha E (v - X)_+^2 / alpha^2``.

Certificate.  Sums are evaluated with a bound of their rounding; the ends of the interval returned have proven signs.

References
----------
H. Sikchi, Q. Zheng, A. Zhang, S. Niekum (2023), Dual RL, arXiv 2302.08560 (f-DVL).
D. Garg, J. Hejna, M. Geist, S. Ermon (2023), Extreme Q-learning, arXiv 2301.02328 (the Gumbel loss).
I. Kostrikov, A. Nair, S. Levine (2021), Implicit Q-learning, arXiv 2110.06169 (the expectile).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mdplab._typing import FloatArray
from mdplab.laws import FiniteLaw
from mdplab.numerics import monotone_root
from mdplab.operators import _check
from mdplab.solution import Certificate, Layout, Solution, Status

__all__ = ["ImplicitMaximum", "implicit_maximiser"]

_EPS = float(np.finfo(np.float64).eps)


class _Loss(NamedTuple):
    """Left derivative of the loss, where it has kinks or jumps, and the end of its domain."""

    slope: Callable[[FloatArray], FloatArray]
    kinks: tuple[float, ...] = ()
    top: float = np.inf


def _exp(y: FloatArray) -> FloatArray:
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(y))


_LOSSES = {
    "gumbel": _Loss(_exp),
    "chi-square": _Loss(lambda y: np.maximum(0.0, 1.0 + y / 2.0), (-2.0,)),
    "total-variation": _Loss(lambda y: np.where(y > -0.5, 1.0, 0.0), (-0.5,), 0.5),
    "truncated-chi-square": _Loss(lambda y: np.where(y > 0.0, 1.0 + y / 2.0, 0.0), (0.0,)),
    "truncated-total-variation": _Loss(lambda y: np.where(y > 0.0, 1.0, 0.0), (0.0,)),
    "truncated-square": _Loss(lambda y: 2.0 * np.maximum(y, 0.0), (0.0,)),
    "expectile": _Loss(lambda y: 2.0 * np.maximum(y, 0.0), (0.0,)),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class ImplicitMaximum(Solution):
    """The smallest minimiser of a location loss; its table has a row an atom.

    The certificate bounds the error of ``value``.

    Attributes
    ----------
    value : float
        ``v``.
    lower, upper : float
        Proven bounds on it.
    loss : str
        Name of the loss.
    weight, temperature : float
        ``lambda`` and ``alpha``.
    atoms, masses : ndarray, shape (n,)
        The law.
    slopes : ndarray, shape (n,)
        ``phi'((atoms - value) / temperature)``, from the left: how strongly each atom pulls.
    """

    value: float
    lower: float
    upper: float
    loss: str
    weight: float
    temperature: float
    atoms: FloatArray
    masses: FloatArray
    slopes: FloatArray

    def _layout(self) -> Layout:
        return ("atom",), {"atoms": self.atoms, "masses": self.masses, "slopes": self.slopes}


def implicit_maximiser(
    law: FiniteLaw, *, loss: str, weight: float, temperature: float = 1.0
) -> ImplicitMaximum:
    """Smallest minimiser of ``(1 - weight) v + weight temperature E phi((X - v) / temperature)``.

    Parameters
    ----------
    law : FiniteLaw
        Law of ``X``.
    loss : str
        One of the table of the module.
    weight : float
        In (0, 1); above 1/2 for ``"truncated-total-variation"``, which has no smallest minimiser below.
    temperature : float, default 1
        ``alpha > 0``.

    Returns
    -------
    ImplicitMaximum
        ``PRECISION_LIMIT`` where rounding cannot tell between two atoms.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    References
    ----------
    H. Sikchi, Q. Zheng, A. Zhang, S. Niekum (2023), Dual RL, arXiv 2302.08560.
    """
    if not isinstance(law, FiniteLaw):
        raise ValueError(f"law: expected a FiniteLaw, got {type(law).__name__}")
    if loss not in _LOSSES:
        raise ValueError(f"loss: {loss!r}; expected one of {', '.join(map(repr, _LOSSES))}")
    _check.number("weight", weight, 0.0, 1.0)
    least = 0.5 if loss == "truncated-total-variation" else 0.0
    if not least < weight < 1.0:
        raise ValueError(f"weight: {weight!r}; expected a number strictly between {least} and 1 for {loss!r}")
    _check.non_negative("temperature", temperature, positive=True)
    row = _LOSSES[loss]
    x, p, scale = law.atoms, law.masses, float(temperature)
    rise, fall = float(weight), 1.0 - float(weight)

    def balance(v: float) -> tuple[float, float]:
        """``weight E phi' - (1 - weight)`` at v, and a bound on its rounding."""
        with np.errstate(all="ignore"):
            return balanced((x - v) / scale, v)

    def balanced(y: FloatArray, v: float) -> tuple[float, float]:
        width = _EPS * (2.0 * np.abs(y) + np.abs(x) / scale + abs(v) / scale)
        up = p * row.slope(y)
        spread = np.maximum(row.slope(y + 2.0 * width) - row.slope(y - 2.0 * width), 0.0)
        # a kink or a jump is where it is: atoms are compared with v without rounding
        exact = np.isin(y, row.kinks) if 0.0 in row.kinks else np.zeros(y.size, dtype=bool)
        spread = rise * np.where(exact, 0.0, spread)
        down = np.array([fall])
        if loss == "expectile":
            down = fall * p * row.slope(-y)
            spread = spread + fall * np.maximum(
                row.slope(-y + 2.0 * width) - row.slope(-y - 2.0 * width), 0.0
            )
        value = rise * float(up.sum()) - float(down.sum())
        room = float(p @ spread) + _EPS * (x.size + 6.0) * (rise * float(up.sum()) + float(down.sum()) + _EPS)
        return value, room

    span, unit = float(x[-1] - x[0]) + scale, _EPS * (float(np.abs(x).max()) + scale)
    floor = float(x[-1]) - row.top * scale if np.isfinite(row.top) else -np.inf
    low = floor if np.isfinite(row.top) else float(x[0]) - span
    found = monotone_root(
        lambda v: balance(v)[0],
        low,
        max(float(x[-1]), low) + span,
        bounds=(floor, np.inf),
        xtol=unit,
        max_widenings=2000,
    )
    value = found.root
    for kink in (k for place in row.kinks for k in x - place * scale):
        if abs(float(kink) - value) <= 8.0 * (unit + _EPS * abs(value)):
            value = float(kink)
    lower = floor if value <= floor else _proven(balance, value, -1.0, floor, unit)
    upper = (
        value if value <= floor and balance(value)[0] <= 0.0 else _proven(balance, value, 1.0, np.inf, unit)
    )
    error = max(value - lower, upper - value)
    sharp = error <= 1e-9 * (abs(value) + float(np.abs(x).max()) + scale)
    return ImplicitMaximum(
        status=Status.CONVERGED if sharp else Status.PRECISION_LIMIT,
        certificate=Certificate(
            "absolute error of value",
            float(np.nextafter(error, np.inf)) if error else 0.0,
            "proven signs of a monotone function at lower and upper",
            float(np.nextafter(error, np.inf)) if error else 0.0,
        ),
        steps=found.steps,
        value=value,
        lower=lower,
        upper=upper,
        loss=loss,
        weight=float(weight),
        temperature=scale,
        atoms=x,
        masses=p,
        slopes=row.slope((x - value) / scale),
    )


def _proven(
    balance: Callable[[float], tuple[float, float]], value: float, side: float, end: float, unit: float
) -> float:
    """The nearest point tried on one side of ``value`` whose sign is proven; ``end`` if there is none."""
    step = 0.0
    for _ in range(300):
        point = value + side * step
        if side * (point - end) >= 0.0:
            return end
        number, room = balance(point)
        if (side < 0.0 and number > room) or (side > 0.0 and number <= -room):
            return point
        step = max(4.0 * step, 0.5 * unit, 2.0 * _EPS * abs(value))
    return end
