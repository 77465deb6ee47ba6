r"""Advantages relative to a group of rollouts, and the expected update that they give.

In a group of :math:`G` rewards the advantage of a rollout is :math:`r_i-\bar r`, divided by the *population* standard deviation
of the group if it is standardised; a group without spread has advantages zero.  For a softmax policy with one state the
expected update is

.. math:: u = E\Big[\frac1G\sum_i A_i\,\nabla\log\pi(a_i)\Big],\qquad
          \frac{\partial\log\pi(a)}{\partial\theta_b}=1[a=b]-\pi(b).

Centred rewards give :math:`u=\frac{G-1}{G}\nabla J`, standardised ones another direction, unless rewards are binary.

References
----------
.. [1] Z. Shao et al., "DeepSeekMath: pushing the limits of mathematical reasoning in open language models", 2024,
   arXiv:2402.03300 (group-relative policy optimization).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.operators import _check

__all__ = ["group_advantages"]


def group_advantages(rewards: ArrayLike, *, standardised: bool = True) -> FloatArray:
    """Rewards less the mean of their group, over its population standard deviation.

    Parameters
    ----------
    rewards : array_like (..., G)
        Rewards of the rollouts of a group along the last axis.
    standardised : bool, default True
        Whether to divide by the standard deviation.

    Returns
    -------
    ndarray (..., G)
        Zero throughout a group whose rewards are all equal.

    Raises
    ------
    ValueError
        If a reward is complex or not finite, or a group is empty.

    Examples
    --------
    >>> group_advantages([1.0, 0.0, 0.0, 1.0]).tolist()
    [1.0, -1.0, -1.0, 1.0]
    """
    r = _check.numeric("rewards", rewards)
    if np.iscomplexobj(r) or not np.isfinite(r).all():
        raise ValueError("rewards must be real and finite")
    if r.ndim < 1 or r.shape[-1] == 0:
        raise ValueError(f"rewards must have shape (..., G) with G >= 1; got {r.shape}")
    first = r[..., :1]
    centred = r - first  # from a member of the group, so that equal rewards give exact zeros
    centred = centred - centred.mean(axis=-1, keepdims=True)
    if standardised:
        size = np.abs(centred).max(axis=-1, keepdims=True)  # no overflow or underflow of squares
        centred = centred / np.where(size > 0, size, 1.0)
        spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True))
        centred = centred / np.where(spread > 0, spread, 1.0)
    equal = (r == first).all(axis=-1, keepdims=True)
    return np.asarray(np.where(equal, 0.0, centred))
