"""Random points of the simplex and random policies."""

from __future__ import annotations

from mdplab._typing import FloatArray
from mdplab.instances.draw import Draw

__all__ = ["full_support"]


def full_support(
    draw: Draw, shape: int | tuple[int, ...], *, concentration: float = 1.0, mixture: float = 0.02
) -> FloatArray:
    """Draw laws with full support: ``(1 - mixture) Dirichlet(concentration) + mixture * uniform``.

    Parameters
    ----------
    draw : Draw
        The engine.
    shape : int or tuple of int
        Shape of the answer; the last axis of length n sums to one.
    concentration : float, default 1
        The Dirichlet parameter, positive.
    mixture : float, default 0.02
        Weight of the uniform law, in [0, 1]; every entry is at least ``mixture / n``.

    Returns
    -------
    ndarray, shape ``shape``

    Raises
    ------
    ValueError
        If the mixture is outside [0, 1].
    """
    if not 0.0 <= mixture <= 1.0:
        raise ValueError(f"mixture: expected a weight in [0, 1], got {mixture}")
    weights = draw.weights(shape, concentration)
    law: FloatArray = (1.0 - mixture) * weights + mixture / weights.shape[-1]
    return law
