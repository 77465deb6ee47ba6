r"""Potential shaping: rewards that pay the change of a potential.

For potentials :math:`\Phi_h(s)` and a factor :math:`\kappa` the shaping rewards are

.. math:: F_h(s,a)=\kappa\sum_{s'}P_h(s'|s,a)\Phi_{h+1}(s')-\Phi_h(s).

With the model's own discount as the factor they telescope, :math:`E\sum_h\gamma^hF_h=\gamma^HE\,\Phi_H(s_H)-\Phi_0(s_0)`
under every policy: the optimal policies stay if :math:`\Phi_H=0`, and every value moves by :math:`-\Phi_h`.  Plain
differences, factor 1, in a discounted problem do not: they pay :math:`(1-\gamma)\gamma^h\Phi_{h+1}` more, a bonus for a
high potential early on.

References
----------
.. [1] A. Y. Ng, D. Harada and S. Russell, "Policy invariance under reward transformations: Theory and application to
   reward shaping", ICML 1999.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.operators import _check

__all__ = ["shaping_rewards"]


def shaping_rewards(
    mdp: FiniteHorizonMDP, potential: ArrayLike, *, factor: float | None = None
) -> FloatArray:
    """Expected shaping rewards of a potential, to be added to a model's rewards.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        The model; its rewards play no part.
    potential : array_like (H+1, S) or (S,)
        Finite potentials of all stages, or one for all of them, the end included.
    factor : float, optional
        What multiplies the potential of the next state; the model's discount by default, 1 for plain differences.

    Returns
    -------
    ndarray (H, S, A)
        ``factor * E[potential[h+1] | s, a] - potential[h, s]``.

    Raises
    ------
    ValueError
        If the potential has another shape or an entry that is not finite, or the factor is negative or not finite.

    Examples
    --------
    >>> from mdplab.models import FiniteHorizonMDP
    >>> model = FiniteHorizonMDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[0.0], [1.0]], 2, discount=0.5)
    >>> shaping_rewards(model, [1.0, 2.0])[0].tolist()
    [[-0.25], [-1.0]]
    """
    _check.model(mdp, FiniteHorizonMDP)
    shape = (mdp.horizon + 1, mdp.n_states)
    array = _check.numeric("potential", potential)
    if array.shape == shape[1:]:
        array = np.broadcast_to(array, shape)
    phi = _check.shaped("potential", array, shape, "(H+1, S)")
    if np.iscomplexobj(phi) or not np.isfinite(phi).all():
        raise ValueError("potential must hold finite real numbers")
    scale = mdp.discount if factor is None else factor
    _check.non_negative("factor", scale)
    return np.array(
        [scale * (mdp.stage_kernel(h) @ phi[h + 1]) - phi[h, :, np.newaxis] for h in range(mdp.horizon)]
    )
