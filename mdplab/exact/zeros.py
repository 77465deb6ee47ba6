r"""Zeros of smooth systems in balls: Newton's method on midpoints, and one rigorous evaluation that proves the zero.

Let :math:`C` be about the inverse of the Jacobian at :math:`\tilde x` and :math:`X` a box around :math:`\tilde x`.  If

.. math:: K(X)=\tilde x-Cg(\tilde x)+\big(I-CG(X)\big)(X-\tilde x)

lies in the interior of :math:`X`, where the ball matrix :math:`G(X)` contains all Jacobians on :math:`X`, then :math:`g` has
exactly one zero in :math:`X`, and it lies in :math:`K(X)` (Krawczyk 1969).  So :math:`\tilde x` and :math:`C` may come from
anywhere.  Where :math:`g` is the gradient of a strictly convex function, the zero is its minimiser.

References
----------
.. [1] S. M. Rump, "Verification methods: rigorous results using floating-point arithmetic", Acta Numerica 19, 2010,
   section 13.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mdplab._typing import Array
from mdplab.exact._flint import arb, arb_mat, ctx
from mdplab.exact.linear import identity, multiply
from mdplab.exact.numbers import ball, entries, middle
from mdplab.exact.order import highest

__all__ = ["enclose_zero"]

_MOST_STEPS = 100  # a bound on the time, not on the error


def enclose_zero(system: Callable[[Array], tuple[Any, Any]], near: Any) -> Array:
    """Enclose a zero of a smooth system.

    Parameters
    ----------
    system : callable
        From a point, an object array (n,) of balls, to the residual (n,) and its Jacobian (n, n): rationals or balls that
        contain the numbers at every point of the balls given.
    near : array_like (n,)
        Where Newton's method starts, as a rule the solution of a float solver; it decides nothing but which zero.

    Returns
    -------
    object array (n,) of arb
        A box with exactly one zero; at 256 bits its radii are near 1e-70 unless the system holds wider balls or is badly
        conditioned.

    Raises
    ------
    ValueError
        If the steps do not shrink, the Jacobian is singular, or its balls are too wide to prove a zero.
    """
    point = middle(near)
    goal = arb(2) ** (32 - ctx.prec)
    for _ in range(_MOST_STEPS):
        residual, jacobian = (middle(part) for part in system(point))
        step = _approximately(jacobian, residual[:, np.newaxis])[:, 0]
        point = middle(point - step)
        if max(abs(step)) <= goal * (1 + max(abs(point))):
            break
    else:
        raise ValueError(f"near: Newton's method does not converge from there in {_MOST_STEPS} steps")
    residual, jacobian = system(point)
    inverse = _approximately(middle(jacobian), identity(point.size))
    move = multiply(inverse, ball(residual))
    # The image is rounded twice at the size of the point, by two units in its last place at most: a point closer to the
    # zero than that needs a wider box than its move.
    rounding = arb(2) ** (3 - ctx.prec) * max(abs(point))
    radius = 2 * highest(abs(move)).abs_upper() + rounding + goal * goal
    box = entries([arb(x, radius) for x in point])
    spread = ball(identity(point.size)) - multiply(inverse, ball(system(box)[1]))
    image = point - move + multiply(spread, box - point)
    if not all(outer.contains_interior(inner) for outer, inner in zip(box, image, strict=True)):
        raise ValueError(
            "system: no zero is proven near the last point; its balls are too wide or its Jacobian singular"
        )
    return entries(image)


def _approximately(matrix: Array, right: Array) -> Array:
    """About the solution of a system, as midpoints; nothing is claimed about it."""
    try:
        found = arb_mat(matrix.tolist()).solve(arb_mat(ball(right).tolist()), algorithm="approx")
    except ZeroDivisionError:
        raise ValueError("system: the Jacobian is singular") from None
    return middle(np.array(found.tolist(), dtype=object))
