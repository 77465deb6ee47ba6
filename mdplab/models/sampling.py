r"""Sampling of trajectories: inverse distribution functions, vectorised over trajectories.

The next state of a pair is the first one whose cumulated probability exceeds a uniform number, times the sum of the
row (rows may miss the sum one by rounding).  Cumulated probabilities are summed row by row, so that sparse kernels
with millions of rows lose no precision; the search bisects all rows at once.  A state of probability zero is never
drawn.  The same seed gives the same data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, FloatArray, IntArray
from mdplab.models import _validate as v
from mdplab.models._base import StartedModel
from mdplab.models._kernel import PAIR
from mdplab.models.dataset import LoggedDataset

__all__ = ["RowSampler", "SampledModel"]


class RowSampler:
    """Draws from the rows of a table of laws, dense or CSR.

    Parameters
    ----------
    rows : ndarray (..., n) or csr_array (m, n)
        Non-negative; the rows asked for must have a positive sum.  Leading axes of a dense table are flattened.
    """

    def __init__(self, rows: Any) -> None:
        if isinstance(rows, np.ndarray):
            flat = rows.reshape(-1, rows.shape[-1])
            self._cumulated = np.cumsum(flat, axis=1).ravel()
            self._starts = np.arange(flat.shape[0] + 1) * flat.shape[1]
            self._columns: IntArray | None = None
        else:
            self._starts = rows.indptr.astype(np.int64)
            self._columns = rows.indices
            self._cumulated = _cumulated(rows.data, self._starts)

    def __call__(self, row: IntArray, uniform: FloatArray) -> IntArray:
        """One draw from each of the rows, given uniform numbers of [0, 1).

        Parameters
        ----------
        row : ndarray of int (N,)
            Numbers of the rows.
        uniform : ndarray (N,)
            Uniform numbers.

        Returns
        -------
        ndarray of int64 (N,)
            Columns.
        """
        first, last = self._starts[row], self._starts[row + 1] - 1
        low, high = first.copy(), last
        # Rounding of the product must not reach the sum itself, behind which only zeros stand.
        total = self._cumulated[last]
        wanted = np.minimum(uniform * total, np.nextafter(total, 0.0))
        while (open_ := low < high).any():
            middle = (low + high) >> 1
            right = open_ & (self._cumulated[middle] <= wanted)
            low = np.where(right, middle + 1, low)
            high = np.where(right, high, middle)
        drawn = low - first if self._columns is None else self._columns[low]
        return np.asarray(drawn, dtype=np.int64)


def _cumulated(data: FloatArray, starts: IntArray) -> FloatArray:
    """Cumulated sums within each row of a CSR matrix."""
    result = np.array(data, dtype=np.float64)
    lengths = np.diff(starts)
    longest = int(lengths.max(initial=0))
    if longest > 64:  # few long rows: one call a row
        for i in np.flatnonzero(lengths > 1):
            part = result[starts[i] : starts[i + 1]]
            np.cumsum(part, out=part)
        return result
    for k in range(1, longest):
        at = starts[:-1][lengths > k] + k
        result[at] += result[at - 1]
    return result


class SampledModel(StartedModel):
    """A model of states and actions whose trajectories can be drawn."""

    def sample(
        self, policy: ArrayLike, horizon: int, n: int, seed: int | np.random.Generator
    ) -> LoggedDataset:
        """Draw trajectories.

        Parameters
        ----------
        policy : array_like (S, A) or (H, S, A)
            Probabilities of the actions, stationary or by stage; rows are laws within ``1e-9``.
        horizon : int
            Number H of steps of each trajectory; at most the horizon of a finite-horizon model.
        n : int
            Number of trajectories.
        seed : int or numpy.random.Generator
            Seed, or a generator that goes on.

        Returns
        -------
        LoggedDataset
            Rewards are the expected rewards ``R[s, a]`` of the pairs; trajectories go on in absorbing states.

        Raises
        ------
        ValueError
            If the model has no start law, or the policy is none or takes an unavailable action.
        """
        model: Any = self
        steps, count = v.count("horizon", horizon), v.count("n", n)
        longest = getattr(model, "horizon", None)
        if longest is not None and steps > longest:
            raise ValueError(f"horizon is {steps}, but the model has {longest} stages")
        shape = (model.n_states, model.n_actions)
        law = v.real("policy", policy, shape, (steps, *shape))
        axes = ("stage", "state")[3 - law.ndim :]
        law, _ = v.laws("policy", law, axes, tolerance=v.COMPUTED_ROWS, names=self.names)
        mask = getattr(model, "available", None)
        if mask is not None and mask.ndim == 3:  # by stage
            mask = mask[:steps]
        if mask is not None and (wrong := (law > 0.0) & ~mask).any():
            *stage, s, a = v.first(wrong)
            raise ValueError(
                f"policy takes the unavailable pair ({self.names.place(PAIR, (s, a))})"
                + (f" at stage {stage[0]}" if stage else "")
            )
        rng = np.random.default_rng(seed)
        states = np.empty((count, steps + 1), dtype=np.int64)
        actions = np.empty((count, steps), dtype=np.int64)
        rewards = np.empty((count, steps))
        start = RowSampler(self.start_law()[np.newaxis])
        states[:, 0] = start(np.zeros(count, dtype=np.int64), rng.random(count))
        draw_action = RowSampler(law)
        staged = getattr(model.transition, "ndim", 2) == 4
        draw_state = RowSampler(model.transition)
        for h in range(steps):
            row = states[:, h] + (h * shape[0] if law.ndim == 3 else 0)
            actions[:, h] = draw_action(row, rng.random(count))
            pair = states[:, h] * shape[1] + actions[:, h]
            gain: Array = model.reward[h] if model.reward.ndim == 3 else model.reward
            rewards[:, h] = gain.ravel()[pair]
            offset = h * shape[0] * shape[1] if staged else 0
            states[:, h + 1] = draw_state(pair + offset, rng.random(count))
        return LoggedDataset(states, actions, rewards, n_states=shape[0], n_actions=shape[1])
