r"""Statistical functionals of laws: what an agent maximises when it is not the mean.

A functional K maps a law on the line to a number.  What distributional dynamic programming can optimise depends on three
properties, which a :class:`Functional` declares:

* *indifferent to mixtures*: :math:`K\nu_i\ge K\nu_i'` for all i implies :math:`K(\sum w_i\nu_i)\ge K(\sum w_i\nu_i')`;
* *indifferent to scaling*: :math:`K\nu\ge K\nu'` implies :math:`K(\gamma X)\ge K(\gamma X')` for :math:`0<\gamma\le1`,
  :math:`X\sim\nu`, :math:`X'\sim\nu'`;
* *Lipschitz*: :math:`|K\nu-K\nu'|\le L\,w_1(\nu,\nu')`.

An expected utility has the first, and the second where :math:`u(\lambda x)=\lambda^qu(x)` for some :math:`q\ge0`; the
third is that of its utility.  The conditional value-at-risk is the largest of
:math:`b+\tau^{-1}E\min(X-b,0)` over b: it lacks the first, and its constant is :math:`1/\tau`.

References
----------
.. [1] B. A. Pires et al., *Optimizing return distributions with distributional dynamic programming*, 2025,
   arXiv:2501.13028.
.. [2] R. T. Rockafellar and S. Uryasev, *Optimization of conditional value-at-risk*, Journal of Risk 2 (2000).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.laws.finite_law import FiniteLaw

__all__ = [
    "Functional",
    "conditional_value_at_risk",
    "entropic_risk",
    "expected_utility",
    "mean_variance",
    "quantile_functional",
]


@dataclass(frozen=True)
class Functional:
    """A functional of laws with the properties that it is known to have.

    Parameters
    ----------
    name : str
        What it is.
    evaluate : callable
        From a :class:`FiniteLaw` to a float; calling the functional calls it.
    mixtures : bool
        Whether it is indifferent to mixtures.
    scaling : bool
        Whether it is indifferent to factors in (0, 1].
    lipschitz : float
        Constant in the Wasserstein distance of order 1; inf where there is none.

    Raises
    ------
    ValueError
        If the constant is negative or NaN.
    """

    name: str
    evaluate: Callable[[FiniteLaw], float]
    mixtures: bool
    scaling: bool
    lipschitz: float = math.inf

    def __post_init__(self) -> None:
        if not self.lipschitz >= 0.0:
            raise ValueError(f"lipschitz: expected a number >= 0 or inf, got {self.lipschitz!r}")

    def __call__(self, law: FiniteLaw) -> float:
        """The value of the functional at a law."""
        return self.evaluate(law)


def expected_utility(
    utility: Callable[[FloatArray], Array],
    *,
    name: str = "expected utility",
    homogeneous: bool = False,
    lipschitz: float = math.inf,
) -> Functional:
    """The functional ``E u(X)``.

    Parameters
    ----------
    utility : callable
        Maps an array of reals to an array of the same shape.
    name : str, default "expected utility"
        Name of the functional.
    homogeneous : bool, default False
        Whether ``u(k x) = k**q u(x)`` for all ``k > 0`` and some ``q >= 0``.
    lipschitz : float, default inf
        Lipschitz constant of the utility.

    Returns
    -------
    Functional
        Indifferent to mixtures; to scaling where the utility is homogeneous.
    """
    return Functional(name, lambda law: law.expectation(utility), True, homogeneous, lipschitz)


def conditional_value_at_risk(level: float) -> Functional:
    """The mean of the lower tail, ``level^{-1} int_0^level F^{-1}(u) du``.

    Parameters
    ----------
    level : float, in (0, 1]
        Mass of the tail; 1 gives the mean.

    Returns
    -------
    Functional
        Indifferent to scaling, to mixtures at level 1 only; Lipschitz with constant ``1 / level``.

    Raises
    ------
    ValueError
        If the level is not in (0, 1].
    """
    if not 0.0 < level <= 1.0:
        raise ValueError(f"level: expected a number in (0, 1], got {level!r}")
    return Functional(
        f"CVaR at {level:g}", lambda law: float(law.cvar(level)), level == 1.0, True, 1.0 / level
    )


def quantile_functional(level: float) -> Functional:
    """The left-continuous quantile; at 1/2 the lower median.

    Parameters
    ----------
    level : float, in [0, 1]
        An atom is taken when its cumulative mass is at least ``level`` less ``LEVEL_TOLERANCE``.

    Returns
    -------
    Functional
        Indifferent to scaling; to mixtures at the levels 0 and 1 only (where it is the least and the largest atom).

    Raises
    ------
    ValueError
        If the level is not in [0, 1].
    """
    if not 0.0 <= level <= 1.0:
        raise ValueError(f"level: expected a number in [0, 1], got {level!r}")
    return Functional(
        f"quantile at {level:g}", lambda law: float(law.quantile(level)), level in (0.0, 1.0), True
    )


def entropic_risk(aversion: float) -> Functional:
    """The certainty equivalent ``-log(E exp(-aversion X)) / aversion`` of the exponential utility.

    Parameters
    ----------
    aversion : float
        Positive: averse to risk; negative: seeking it.

    Returns
    -------
    Functional
        Indifferent to mixtures, as an increasing function of an expected utility; not to scaling.

    Raises
    ------
    ValueError
        If the aversion is zero or not finite.
    """
    if aversion == 0.0 or not math.isfinite(aversion):
        raise ValueError(f"aversion: expected a finite number other than 0, got {aversion!r}")

    def value(law: FiniteLaw) -> float:
        exponents = -aversion * law.atoms
        largest = float(exponents.max())
        return -(largest + math.log(float(law.masses @ np.exp(exponents - largest)))) / aversion

    return Functional(f"entropic risk at {aversion:g}", value, True, False)


def mean_variance(weight: float) -> Functional:
    """The mean less ``weight`` times the variance.

    Parameters
    ----------
    weight : float
        Positive.

    Returns
    -------
    Functional
        Indifferent neither to mixtures nor to scaling, and not Lipschitz.

    Raises
    ------
    ValueError
        If the weight is not positive and finite.
    """
    if not 0.0 < weight < math.inf:
        raise ValueError(f"weight: expected a finite number > 0, got {weight!r}")
    return Functional(
        f"mean less {weight:g} variances", lambda law: law.mean() - weight * law.variance(), False, False
    )
