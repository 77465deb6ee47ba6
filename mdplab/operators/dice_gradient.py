r"""Gradients of the residual loss of distribution correction (DICE): forward, backward and orthogonal.

With :math:`\delta_V=R-BV` the loss :math:`L(\theta)=\alpha\langle d_O,f^*_p(\delta_{V_\theta}/\alpha)\rangle` of a linear
:math:`V_\theta=\Phi\theta` sees :math:`V` twice, in the state where an action is taken and in the states that follow.  With the
mass :math:`D=d_O\,w(\delta_V/\alpha)\ge0`, :math:`w=(f^*_p)'`, its gradient is the sum of

.. math::
    g_f=-\Phi^\top D(\cdot),\quad D(s)=\sum_aD(s,a),\qquad
    g_b=\gamma\,\Phi^\top\sum_{s,a}D(s,a)P(\cdot|s,a).

A semi-gradient keeps the *forward* gradient alone.  In tabular form :math:`g_f\cdot g_b\le0`: the two always conflict.  The
*orthogonal* gradient takes out of the backward one what lies along the forward one, :math:`g_\perp=g_b-c\,g_f` with the
coefficient :math:`c=g_f\cdot g_b/|g_f|^2`; a step along :math:`-(g_f+\eta g_\perp)` lowers the loss with frozen targets to first
order as the semi-gradient does, by :math:`|g_f|^2`, and the true loss by
:math:`|g_f|^2+g_f\cdot g_b+\eta|g_\perp|^2`.

References
----------
.. [1] L. Mao, H. Xu, W. Zhang and X. Zhan, "ODICE: revealing the mystery of distribution correction estimation via
   orthogonal-gradient update", ICLR 2024.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.divergences import FDivergence, f_divergence
from mdplab.models import _validate as v
from mdplab.models.tabular import MDP
from mdplab.operators import _check
from mdplab.operators.occupancy import flow_matrix

__all__ = ["DiceGradient", "dice_gradient"]


@dataclass(frozen=True, eq=False)
class DiceGradient:
    """The parts of the gradient of a residual loss; the parameters are the values, or coefficients of features.

    Attributes
    ----------
    loss : float
        ``strength * <d_O, f*((R - BV) / strength)>``.
    mass : ndarray, shape (S, A)
        ``D``.
    forward, backward : ndarray, shape (n,)
        ``g_f`` and ``g_b``; their sum is the gradient.
    """

    loss: float
    mass: FloatArray
    forward: FloatArray
    backward: FloatArray

    @property
    def full(self) -> FloatArray:
        """The gradient of the loss, shape (n,)."""
        return np.asarray(self.forward + self.backward)

    @property
    def coefficient(self) -> float:
        """``c = g_f . g_b / |g_f|^2``; NaN where the forward gradient vanishes."""
        size = float(self.forward @ self.forward)
        return float(self.forward @ self.backward) / size if size > 0.0 else math.nan

    @property
    def orthogonal(self) -> FloatArray:
        """``g_b - c g_f``, shape (n,)."""
        return np.asarray(self.backward - self.coefficient * self.forward)

    @property
    def threshold(self) -> float:
        """The scale ``eta >= 0`` beyond which every step along ``-(g_f + eta orthogonal)`` lowers the true loss.

        Zero where the semi-gradient does, infinite where no scale does.
        """
        slope, square = float(self.forward @ self.full), float(self.orthogonal @ self.orthogonal)
        if slope > 0.0:
            return 0.0
        return -slope / square if square > 0.0 else math.inf

    def direction(self, scale: float) -> FloatArray:
        """Direction of an orthogonal-gradient step.

        Parameters
        ----------
        scale : float
            ``eta``; 0 is the semi-gradient.

        Returns
        -------
        ndarray, shape (n,)
            ``-(g_f + eta orthogonal)``.
        """
        return np.asarray(-(self.forward + scale * self.orthogonal))


def dice_gradient(
    mdp: MDP,
    data_occupancy: ArrayLike,
    parameters: ArrayLike,
    *,
    divergence: str | FDivergence,
    strength: float,
    features: ArrayLike | None = None,
) -> DiceGradient:
    """Forward and backward gradient of the residual loss ``strength * <d_O, f*((R - BV) / strength)>``.

    Parameters
    ----------
    mdp : MDP
        The model.
    data_occupancy : array_like, shape (S, A)
        ``d_O``, non-negative weights, zero at unavailable pairs.
    parameters : array_like, shape (S,) or (n,)
        The values ``V``, or with features the coefficients of ``V = features @ parameters``.
    divergence : str or FDivergence
        Row of :mod:`mdplab.divergences`, with its corrected conjugate.
    strength : float
        ``alpha``, positive.
    features : array_like, shape (S, n), optional
        Features of the states.

    Returns
    -------
    DiceGradient
        Where the conjugate has a kink (total variation) the mass is one of several.

    Raises
    ------
    ValueError
        If shapes do not match, an argument is out of its range, or a residual is outside the domain of the conjugate.

    Examples
    --------
    >>> from mdplab.instances import two_state_behaviour, two_state_mdp
    >>> from mdplab.operators import occupancy
    >>> mdp = two_state_mdp()
    >>> data = occupancy(mdp, two_state_behaviour())
    >>> found = dice_gradient(mdp, data, [5.0, 6.0], divergence="chi-square", strength=1.0)
    >>> round(found.coefficient, 6), found.orthogonal.round(6).tolist()
    (-0.88214, [-0.051127, 0.067245])
    """
    _check.model(mdp, MDP)
    _check.non_negative("strength", strength, positive=True)
    row = f_divergence(divergence)
    data = v.finite("data_occupancy", data_occupancy, (mdp.n_states, mdp.n_actions))
    if data.min() < 0.0:
        where = v.first(data < 0.0)
        raise ValueError(f"{v.place('data_occupancy', where)} is {data[where]}, expected a weight >= 0")
    if mdp.available is not None:
        _check.admitted("data_occupancy", data, mdp.available, mdp.names, "weight")
    basis = np.eye(mdp.n_states) if features is None else v.finite("features", features, np.shape(features))
    if basis.ndim != 2 or basis.shape[0] != mdp.n_states:
        raise ValueError(f"features must have shape (S, n) with S = {mdp.n_states}; got {basis.shape}")
    weights = v.finite("parameters", parameters, basis.shape[1:])
    residual = np.asarray(mdp.reward - (flow_matrix(mdp) @ (basis @ weights)).reshape(data.shape))
    y = np.where(data > 0.0, residual / strength, 0.0)
    if not (y <= row.domain_upper).all():
        raise ValueError(
            f"parameters: a residual exceeds strength times {row.domain_upper}, the domain's edge"
        )
    mass = data * row.weight(y)
    kernel: Any = mdp.transition
    arriving = (kernel if mdp.is_sparse else kernel.reshape(-1, mdp.n_states)).T @ mass.ravel()
    return DiceGradient(
        loss=float(strength) * float((data * row.conjugate(y)).sum()),
        mass=mass,
        forward=-(basis.T @ mass.sum(axis=1)),
        backward=mdp.discount * (basis.T @ arriving),
    )
