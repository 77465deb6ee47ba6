r"""Divergences between finite distributions, and the f-divergences with their conjugates.

Every function works along the last axis and broadcasts over the others.  With the convention
``0 log 0 = 0`` and ``p log(p / 0) = inf`` for ``p > 0``:

- ``kl(p, q)``              ``sum p log(p / q)``
- ``jeffreys(p, q)``        ``sum (p - q)(log p - log q) = kl(p, q) + kl(q, p)``
- ``entropy(p)``            ``-sum p log p``
- ``total_variation(p, q)`` ``1/2 sum |p - q|`` (the factor 1/2 is part of it)

:mod:`mdplab.divergences.table` holds the f-divergences ``D_f(p || q) = sum q f(p / q)`` with their generators,
conjugates and weights: the two KL divergences, Jeffreys, chi-square, total variation, squared Hellinger and the alpha
family.

The package needs NumPy alone; the conjugate of the Jeffreys divergence takes the Wright omega function from SciPy.
"""

from mdplab.divergences.chernoff import chernoff_information
from mdplab.divergences.laws import entropy, jeffreys, kl, kl_from_logs, total_variation
from mdplab.divergences.power import alpha_divergence
from mdplab.divergences.row import FDivergence
from mdplab.divergences.table import (
    CHI_SQUARE,
    HELLINGER,
    JEFFREYS,
    KL,
    SWAPPED_KL,
    TOTAL_VARIATION,
    f_divergence,
)

__all__ = [
    "CHI_SQUARE",
    "HELLINGER",
    "JEFFREYS",
    "KL",
    "SWAPPED_KL",
    "TOTAL_VARIATION",
    "FDivergence",
    "alpha_divergence",
    "chernoff_information",
    "entropy",
    "f_divergence",
    "jeffreys",
    "kl",
    "kl_from_logs",
    "total_variation",
]
