r"""Nucleus (top-p) masks of policies, and policies restricted to a mask.

The *nucleus* of a row :math:`\pi(\cdot|s)` at a level :math:`p\in(0,1]` is the shortest prefix of its actions, sorted by
decreasing probability with ties by index, whose mass :math:`m` is at least :math:`p`.  No set with fewer actions has that
mass.  The restriction :math:`q=\pi 1_M/m` of a policy to any mask :math:`M` with :math:`m>0` is its KL-projection on
the policies supported in :math:`M`:

.. math:: \mathrm{KL}(r\|\pi)=\mathrm{KL}(r\|q)-\log m,\qquad \mathrm{KL}(q\|\pi)=-\log m,\qquad \mathrm{TV}(q,\pi)=1-m .

References
----------
.. [1] A. Holtzman, J. Buys, L. Du, M. Forbes and Y. Choi, "The curious case of neural text degeneration", ICLR 2020.
.. [2] R. Ramamurthy et al., "Is reinforcement learning (not) for natural language processing", ICLR 2023.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import BoolArray, FloatArray
from mdplab.models._validate import first, place
from mdplab.operators import _check

__all__ = ["nucleus", "restricted_policy"]


def _rows(policy: ArrayLike) -> FloatArray:
    """The policy as real rows, checked."""
    rows = _check.numeric("policy", policy)
    if rows.ndim < 1 or np.iscomplexobj(rows):
        raise ValueError(f"policy must be real of shape (..., A); got {rows.dtype} of shape {rows.shape}")
    _check.laws("policy", rows)
    return np.asarray(rows, dtype=np.float64)


def nucleus(policy: ArrayLike, level: float, *, tol: float = 1e-12) -> BoolArray:
    """Mask of the smallest set of actions with mass at least a level.

    Parameters
    ----------
    policy : array_like (..., A)
        Probabilities.
    level : float
        The level p, in (0, 1].
    tol : float, default 1e-12
        Masses are compared with ``level - tol``: without it the rounded sum of .7 and .2 would miss .9.

    Returns
    -------
    ndarray of bool (..., A)
        At least one true in each row; of equal probabilities the lowest indices are taken.

    Raises
    ------
    ValueError
        If a row is no law, the level is outside (0, 1] or the tolerance is negative.
    """
    rows = _rows(policy)
    _check.number("level", level, 0.0, 1.0)
    _check.number("tol", tol, 0.0, 1.0)
    if level == 0.0:
        raise ValueError("level is 0, expected a number in (0, 1]")
    order = np.argsort(-rows, axis=-1, kind="stable")
    mass = np.cumsum(np.take_along_axis(rows, order, axis=-1), axis=-1)
    # an action is kept if those before it do not yet have the mass
    kept = np.concatenate((np.zeros((*mass.shape[:-1], 1)), mass[..., :-1]), axis=-1) < level - tol
    kept[..., 0] = True
    mask = np.zeros(rows.shape, dtype=bool)
    np.put_along_axis(mask, order, kept, axis=-1)
    return mask


def restricted_policy(policy: ArrayLike, mask: ArrayLike) -> FloatArray:
    """Policy conditioned on taking a retained action.

    Parameters
    ----------
    policy : array_like (..., A)
        Probabilities.
    mask : array_like of bool (..., A)
        The retained actions, of positive mass in each row.

    Returns
    -------
    ndarray (..., A)
        ``policy * mask`` over its row sums.

    Raises
    ------
    ValueError
        If a row is no law, the mask is not boolean of the same shape, or it retains no mass in some row.
    """
    rows, kept = _rows(policy), np.asarray(mask)
    if kept.dtype != np.bool_ or kept.shape != rows.shape:
        raise ValueError(
            f"mask must be boolean of shape {rows.shape}; got {kept.dtype} of shape {kept.shape}"
        )
    retained = np.where(kept, rows, 0.0)
    largest = retained.max(axis=-1, keepdims=True)
    if (largest == 0).any():
        where = first(largest[..., 0] == 0)
        raise ValueError(f"{place('mask', where)} retains no mass")
    retained = retained / largest  # keeps masses near the underflow threshold accurate
    return np.asarray(retained / retained.sum(axis=-1, keepdims=True))
