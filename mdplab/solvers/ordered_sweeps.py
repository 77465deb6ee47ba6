r"""Sweeps in place between sweeps on a copy, for models that lead somewhere: goals, drifts, chains.

Sweeps on a copy move a value by one step each, and the residual of a model with a goal falls only when the values have
reached every state.  In place they pass through all states along the way at once (see :mod:`mdplab._kernels.ordered`).
On models that mix it is the other way round: there the span of the residual falls at once, while the constant part of
the error, which the span does not see, takes about :math:`1/(1-\gamma)` sweeps in place.

They are only a way to a better value.  Each round starts at the lower bound that the last sweep on a copy has proven,
:math:`w+\min(Tw-w)/(1-\gamma)`, and is followed by such a sweep, from whose residual alone bounds are drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mdplab._kernels import ordered
from mdplab._typing import FloatArray
from mdplab.interrupts import asked
from mdplab.solvers.discounted import DiscountedArrays

__all__ = ["OrderedSweeps"]

_BUDGET = 3e7
"""Multiplications a kernel call."""

_THETA = 0.1
"""Policy sweeps end when they move by this part of the last optimality sweep."""

_ROUND = 8
"""Optimality sweeps of the first round; each later one is twice as long."""

_PATIENCE = 0.25
"""Sweeps in all, relative to those on a copy that suffice by the discount alone."""


class OrderedSweeps:
    """Rounds of sweeps in place on one CSR model, with what they carry from round to round.

    Parameters
    ----------
    arrays : DiscountedArrays
        A CSR model.
    memory : tuple of ndarray
        ``slots``, ``own_data`` and ``own_indices`` as :mod:`mdplab._kernels.modified` takes them.
    value : ndarray (S,)
        Copied: to go back to, should the rounds not help.
    half_span : float
        Of the residual at ``value``.
    target : float
        Half-span asked for.
    """

    def __init__(
        self,
        arrays: DiscountedArrays,
        memory: tuple[Any, ...],
        value: FloatArray,
        half_span: float,
        target: float,
    ) -> None:
        self.arrays, self.memory = arrays, memory
        self.start, self.half_span = value.copy(), half_span
        self.scale, self.state = np.empty(value.size), np.array([1.0, 0.0])
        self.length = _ROUND
        ratio = max(half_span / max(target, 1e-300), 2.0)
        self.left = _PATIENCE * math.log(ratio) / -math.log(max(arrays.discount, 1e-300))

    def improve(
        self,
        shift: float,
        target: float,
        inner: int,
        most: int,
        value: FloatArray,
        actions: Any,
        gain: FloatArray,
        stopped: Callable[[int], bool] | None,
    ) -> tuple[list[float], bool]:
        """Improve ``value`` by one round.

        Parameters
        ----------
        shift : float
            Least residual at ``value``.
        target : float
            Largest change to end at.
        inner, most : int
            Most policy sweeps between optimality sweeps, and most optimality sweeps.
        value : ndarray (S,)
            Improved in place.
        actions, gain : ndarray (S,)
            Working space, as is ``memory``.
        stopped : callable or None
            ``stopped(optimality sweeps of this round)``, asked after each.

        Returns
        -------
        list of float
            Largest changes of the optimality sweeps.
        bool
            Whether the run was stopped.
        """
        arrays = self.arrays
        changes = np.empty(min(self.length, most))
        actions.fill(-1)
        before, done, end = self.state[1], 0, False
        while done < changes.size and not end and not changes[:done].min(initial=np.inf) <= target:
            done += ordered.ordered_csr(
                *arrays.unsigned,
                arrays.masked_reward,
                arrays.discount,
                shift,
                target,
                _THETA,
                inner,
                _BUDGET,
                value,
                actions,
                gain,
                self.scale,
                *self.memory,
                changes[done : done + 1 if stopped else None],
                self.state,
            )
            end = asked(None) if stopped is None else stopped(done)
        self.left -= done + self.state[1] - before
        self.length *= 2
        value -= 0.5 * (value.min() + value.max())
        return changes[:done].tolist(), end
