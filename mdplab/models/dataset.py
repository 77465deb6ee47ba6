r"""Logged data: weighted trajectories of one length.

With weights one this is a sample; with weights that are probabilities it is an exact trajectory law, and every
"count" below is an expectation.  Weights are never normalised: ``total_weight`` is what they sum to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray, IntArray
from mdplab.models import _validate as v
from mdplab.models._base import Model
from mdplab.names import UNNAMED

__all__ = ["LoggedDataset"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class LoggedDataset(Model):
    """N weighted trajectories of H steps.

    Parameters
    ----------
    states : array_like of int (N, H+1)
        States visited, the last one included.
    actions : array_like of int (N, H)
        Actions taken.
    rewards : array_like (N, H)
        Finite rewards received.
    weights : array_like (N,), optional
        Non-negative weights with a positive sum; ones by default.
    n_states, n_actions : int
        S and A of the model that the data are about.

    Attributes
    ----------
    states : ndarray of int64 (N, H+1)
        Read-only.
    actions : ndarray of int64 (N, H)
        Read-only.
    rewards : ndarray (N, H)
        Read-only.
    weights : ndarray (N,)
        Read-only.
    n_states, n_actions : int
        S and A.

    Raises
    ------
    ValueError
        If an index is out of range, shapes do not fit or weights are negative or all zero.
    """

    states: IntArray
    actions: IntArray
    rewards: FloatArray
    weights: FloatArray
    n_states: int
    n_actions: int

    def __init__(
        self,
        states: ArrayLike,
        actions: ArrayLike,
        rewards: ArrayLike,
        weights: ArrayLike | None = None,
        *,
        n_states: int,
        n_actions: int,
    ) -> None:
        s, a = v.count("n_states", n_states), v.count("n_actions", n_actions)
        taken = v.integers("actions", actions, 0, a - 1, ("N", "H"))
        n, h = taken.shape
        self.__dict__.update(
            states=v.integers("states", states, 0, s - 1, (n, h + 1)),
            actions=taken,
            rewards=v.finite("rewards", rewards, (n, h)),
            weights=_weights(np.ones(n) if weights is None else weights, n),
            n_states=s,
            n_actions=a,
        )

    @property
    def n_trajectories(self) -> int:
        """Number of trajectories N."""
        return int(self.actions.shape[0])

    @property
    def horizon(self) -> int:
        """Number of steps H."""
        return int(self.actions.shape[1])

    @property
    def total_weight(self) -> float:
        """Sum of the weights."""
        return float(self.weights.sum())

    def reweighted(self, weights: ArrayLike) -> Self:
        """The same trajectories with other weights.

        Parameters
        ----------
        weights : array_like (N,)
            Non-negative with a positive sum.

        Returns
        -------
        LoggedDataset
            Shares everything else.
        """
        data = object.__new__(type(self))
        data.__dict__.update(self.__dict__, weights=_weights(weights, self.n_trajectories))
        return data

    def returns(self, discount: float = 1.0) -> FloatArray:
        """Discounted return of each trajectory.

        Parameters
        ----------
        discount : float, default 1
            In [0, 1].

        Returns
        -------
        ndarray (N,)
            ``sum_h discount^h rewards[:, h]``.
        """
        gamma = v.number("discount", discount, 0.0, 1.0)
        result: FloatArray = self.rewards @ gamma ** np.arange(self.horizon)
        return result

    def stage_counts(self) -> FloatArray:
        """Weight of each pair at each stage.

        Returns
        -------
        ndarray (H, S, A)
            Every stage sums to ``total_weight``.
        """
        stage = np.arange(self.horizon) * self.n_states
        index = (stage + self.states[:, :-1]) * self.n_actions + self.actions
        shape = (self.horizon, self.n_states, self.n_actions)
        return self._summed(index, shape)

    def counts(self) -> FloatArray:
        """Weight of each pair over all stages.

        Returns
        -------
        ndarray (S, A)
            Sums to ``H * total_weight``.
        """
        index = self.states[:, :-1] * self.n_actions + self.actions
        return self._summed(index, (self.n_states, self.n_actions))

    def transition_counts(self) -> FloatArray:
        """Weight of each transition over all stages.

        Returns
        -------
        ndarray (S, A, S)
            Summed over successors these are :meth:`counts`.
        """
        pair = self.states[:, :-1] * self.n_actions + self.actions
        index = pair * self.n_states + self.states[:, 1:]
        return self._summed(index, (self.n_states, self.n_actions, self.n_states))

    def _summed(self, index: IntArray, shape: tuple[int, ...]) -> FloatArray:
        spread = np.broadcast_to(self.weights[:, np.newaxis], index.shape)
        result = np.bincount(index.ravel(), weights=spread.ravel(), minlength=int(np.prod(shape)))
        return np.asarray(result.reshape(shape), dtype=np.float64)

    def start_law(self) -> FloatArray:
        """Law of the first state, weights divided by their sum.

        Returns
        -------
        ndarray (S,)
            Sums to one.
        """
        mass = np.bincount(self.states[:, 0], weights=self.weights, minlength=self.n_states)
        result: FloatArray = mass / mass.sum()
        return result

    def empirical_policy(
        self, *, smoothing: float = 0.0, by_stage: bool = False, default: ArrayLike | None = None
    ) -> FloatArray:
        """Relative frequencies of the actions.

        Parameters
        ----------
        smoothing : float, default 0
            Added to the count of every pair, >= 0.
        by_stage : bool, default False
            One policy for each stage.
        default : array_like (A,), (S, A) or (H, S, A), optional
            Law of the actions where nothing was seen and nothing is added.

        Returns
        -------
        ndarray (S, A) or (H, S, A)
            ``(count + smoothing) / (sum over actions)``.

        Raises
        ------
        ValueError
            If a row is undefined and no ``default`` is given; the message names the first.
        """
        added = v.number("smoothing", smoothing, 0.0, np.inf)
        mass = (self.stage_counts() if by_stage else self.counts()) + added
        totals = mass.sum(axis=-1, keepdims=True)
        unseen = totals[..., 0] == 0.0
        if unseen.any() and default is None:
            where = UNNAMED.place(("stage", "state")[3 - mass.ndim :], v.first(unseen))
            raise ValueError(f"no data at ({where}): give smoothing > 0 or a default law of the actions")
        result: FloatArray = mass / np.where(totals == 0.0, 1.0, totals)
        if default is not None:
            law = v.real("default", default, *(mass.shape[i:] for i in range(mass.ndim)))
            law, _ = v.laws("default", law, ("stage", "state")[3 - law.ndim :], tolerance=v.COMPUTED_ROWS)
            result[unseen] = np.broadcast_to(law, mass.shape)[unseen]
        return result

    def __repr__(self) -> str:
        return (
            f"LoggedDataset(N={self.n_trajectories}, H={self.horizon}, S={self.n_states}, "
            f"A={self.n_actions}, total_weight={self.total_weight:g})"
        )


def _weights(weights: ArrayLike, n: int) -> FloatArray:
    """Non-negative weights with a positive sum."""
    array = v.finite("weights", weights, (n,))
    if array.min() < 0.0:
        i = int(np.argmax(array < 0.0))
        raise ValueError(f"weights[{i}] is {float(array[i])!r}, expected a weight >= 0")
    if not array.any():
        raise ValueError("weights are all zero, expected at least one positive weight")
    return array
