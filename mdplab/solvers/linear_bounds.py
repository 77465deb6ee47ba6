r"""A priori rounding bounds of the products that planning in feature space is made of.

A sum of k products in any order errs by at most ``k u / (1 - k u)`` times the sum of the moduli.  The residual of
:math:`\Phi w` is :math:`\Phi\delta`, :math:`\delta=\theta+\gamma\mu V-w`; its parts err by the rounding of :math:`\mu V` (S
terms), of the two sums, and of the product with the features (d terms).  What the kernel :math:`\Phi\mu` and the reward
:math:`\Phi\theta` lose when they are tabulated entry by entry (d terms each) is added, so that the bounds hold for the
table too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdplab._kernels.enclosures import TINY
from mdplab._typing import FloatArray
from mdplab.models.linear import LinearMDP
from mdplab.solvers.discounted import UNIT

__all__ = ["SAFETY", "Sizes", "sizes_of"]

SAFETY = 1.01
"""Covers products of first-order rounding terms."""


@dataclass(frozen=True)
class Sizes:
    """Magnitudes of one stage.

    Attributes
    ----------
    states, actions, dimension : int
        S, A and d.
    discount : float
        The discount.
    feature, measure : float
        Largest sum of moduli of a feature vector, and of a measure.
    mixture : float
        Largest sum over i of ``|phi_i|`` times the sum of moduli of measure i.
    theta : float
        Largest modulus of the reward vector.
    deviation : float
        Rows of the (policy's) kernel have a sum of moduli of at most one plus this.
    """

    states: int
    actions: int
    dimension: int
    discount: float
    feature: float
    measure: float
    mixture: float
    theta: float
    deviation: float

    @property
    def gap(self) -> float:
        """Lower bound of one minus the modulus of contraction."""
        return (1.0 - self.discount) * (1.0 - 4 * UNIT) - self.discount * self.deviation

    def product(self, w: FloatArray) -> float:
        """Rounding of ``features @ w``, underflow included (zeros are exact)."""
        size = float(np.abs(w).max())
        underflow = TINY if size > 0 else 0.0
        return SAFETY * (self.dimension + 1) * UNIT * self.feature * size + underflow

    def residual(self, w: FloatArray, value: FloatArray, value_error: float, delta: FloatArray) -> float:
        """Rounding of ``features @ (theta + discount * mu @ value - w)`` and of the table that it stands for."""
        size, weight = float(np.abs(value).max()), float(np.abs(w).max())
        image = self.discount * self.mixture * (value_error + (self.states + 2) * UNIT * size)
        inner = 3 * UNIT * (self.theta + self.discount * self.measure * size + weight)
        table = (self.dimension + 1) * UNIT
        table *= self.feature * self.theta + self.discount * self.mixture * size
        underflow = TINY * (1 + self.feature) if size > 0 or weight > 0 or self.theta > 0 else 0.0
        return SAFETY * (image + self.feature * inner + table) + self.product(delta) + underflow


def sizes_of(model: LinearMDP, h: int = 0, extra: float = 0.0) -> Sizes:
    """Measure a model.

    Parameters
    ----------
    model : LinearMDP
        The model.
    h : int, default 0
        Stage.
    extra : float, default 0
        Deviation from one of the row sums of a policy.

    Returns
    -------
    Sizes
    """
    moduli = np.abs(model.features)
    mass = np.abs(model.stage_measures(h)).sum(axis=1)
    stretch = 1.0 + (model.n_states + model.dimension + 2) * UNIT
    return Sizes(
        model.n_states,
        model.n_actions,
        model.dimension,
        model.discount,
        float(moduli.sum(axis=2).max()) * stretch,
        float(mass.max()) * stretch,
        float((moduli @ mass).max()) * stretch,
        float(np.abs(model.stage_theta(h)).max()),
        (1.0 + model.row_deviation) * (1.0 + extra) - 1.0,
    )
