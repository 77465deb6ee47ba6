r"""Preferences between n responses: winning probabilities, labelled pairs, weights of ordered pairs.

*Graph.*  Weights :math:`w_{ij}\ge0` of the ordered pair "i beats j" have the symmetric part
:math:`W=w+w^\top` off the diagonal.  The comparison graph has the edge :math:`\{i,j\}` where :math:`W_{ij}>0`; its
Laplacian :math:`\Lambda=\mathrm{diag}(W1)-W` satisfies
:math:`x^\top\Lambda x=\sum_{ij}w_{ij}(x_i-x_j)^2` and has rank n minus the number of components.  Connectedness
decides uniqueness of the fits; existence of a Bradley-Terry maximum-likelihood fit needs more, that the directed
graph "i beats j" is strongly connected.

Weights are never normalised; pairs of a response with itself count in ``total`` and nowhere else.

References
----------
L. R. Ford Jr., *Solution of a ranking problem from binary comparisons*, Amer. Math. Monthly 64 (1957).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import BoolArray, FloatArray, IntArray
from mdplab.models import _validate as v
from mdplab.models._base import Model

__all__ = ["Comparisons", "PairWeights", "PreferenceMatrix"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class PreferenceMatrix(Model):
    """Winning probabilities of each response against each other.

    Parameters
    ----------
    probability : array_like (n, n)
        ``P[i, j]`` is the probability that i is preferred to j; ``P + P.T = 1`` within ``4 eps`` and ``P[i, i] = 1/2``.

    Attributes
    ----------
    probability : ndarray (n, n)
        Read-only.

    Raises
    ------
    ValueError
        If an entry is outside [0, 1], or a pair of entries does not sum to one.
    """

    probability: FloatArray

    def __init__(self, probability: ArrayLike) -> None:
        array = v.finite("probability", probability, ("n", "n"))
        n = array.shape[0]
        if array.shape[1] != n:
            raise ValueError(f"probability has shape {array.shape}, expected (n, n)")
        outside = (array < 0.0) | (array > 1.0)
        if outside.any():
            index = v.first(outside)
            raise ValueError(
                f"{v.place('probability', index)} is {float(array[index])!r}, expected a number in [0, 1]"
            )
        off = np.abs(array + array.T - 1.0) > 4 * v.EPS
        if off.any():
            i, j = v.first(off)
            if i == j:
                raise ValueError(f"probability[{i}, {i}] is {float(array[i, i])!r}, expected 0.5")
            total = float(array[i, j] + array[j, i])
            raise ValueError(
                f"probability[{i}, {j}] + probability[{j}, {i}] is {total!r}, expected 1 within {4 * v.EPS:.2g}"
            )
        self.__dict__.update(probability=array)

    @classmethod
    def bradley_terry(cls, scores: ArrayLike) -> Self:
        """Preferences by a difference of scores, ``P[i, j] = 1 / (1 + exp(scores[j] - scores[i]))``.

        Parameters
        ----------
        scores : array_like (n,)
            Finite rewards of the responses.

        Returns
        -------
        PreferenceMatrix
            Transitive; no overflow at any difference.
        """
        score = v.finite("scores", scores, ("n",))
        difference = score[:, np.newaxis] - score
        small = np.exp(-np.abs(difference))
        return cls(np.where(difference >= 0.0, 1.0, small) / (1.0 + small))

    @property
    def n_responses(self) -> int:
        """Number of responses n."""
        return int(self.probability.shape[0])

    def __repr__(self) -> str:
        return f"PreferenceMatrix(n={self.n_responses})"


@dataclass(frozen=True, eq=False, init=False, repr=False)
class PairWeights(Model):
    """Weights of ordered pairs of responses, the winner first.

    Parameters
    ----------
    weights : array_like (n, n)
        ``weights[i, j] >= 0`` is the weight (a count, a probability) of "i beats j"; not all zero.

    Attributes
    ----------
    weights : ndarray (n, n)
        Read-only.

    Raises
    ------
    ValueError
        If a weight is negative or not finite, or all are zero.
    """

    weights: FloatArray

    def __init__(self, weights: ArrayLike) -> None:
        array = v.finite("weights", weights, ("n", "n"))
        if array.shape[0] != array.shape[1]:
            raise ValueError(f"weights has shape {array.shape}, expected (n, n)")
        if array.min() < 0.0:
            index = v.first(array < 0.0)
            raise ValueError(
                f"{v.place('weights', index)} is {float(array[index])!r}, expected a weight >= 0"
            )
        if not array.any():
            raise ValueError("weights are all zero, expected at least one positive weight")
        self.__dict__.update(weights=array)

    @classmethod
    def from_law(cls, first: ArrayLike, second: ArrayLike, preference: PreferenceMatrix) -> Self:
        """Expected weights when two responses are drawn independently and compared.

        Parameters
        ----------
        first, second : array_like (n,)
            Laws of the two responses.
        preference : PreferenceMatrix
            Law of the label.

        Returns
        -------
        PairWeights
            ``weights[i, j] = (first[i] second[j] + second[i] first[j]) P[i, j]``: of total one, pairs of a response
            with itself included.
        """
        n = preference.n_responses
        x, y = v.law("first", first, n, v.COMPUTED_ROWS), v.law("second", second, n, v.COMPUTED_ROWS)
        return cls((np.outer(x, y) + np.outer(y, x)) * preference.probability)

    @property
    def n_responses(self) -> int:
        """Number of responses n."""
        return int(self.weights.shape[0])

    @property
    def total(self) -> float:
        """Sum of all weights, pairs of a response with itself included."""
        return float(self.weights.sum())

    def symmetric(self) -> FloatArray:
        """Symmetric part without its diagonal.

        Returns
        -------
        ndarray (n, n)
            ``W = w + w.T`` with zero diagonal.
        """
        result: FloatArray = self.weights + self.weights.T
        np.fill_diagonal(result, 0.0)
        return result

    def laplacian(self) -> FloatArray:
        """Laplacian of the comparison graph.

        Returns
        -------
        ndarray (n, n)
            ``diag(W 1) - W``, positive semidefinite.
        """
        symmetric = self.symmetric()
        result: FloatArray = np.diag(symmetric.sum(axis=1)) - symmetric
        return result

    def components(self) -> IntArray:
        """Connected components of the comparison graph.

        Returns
        -------
        ndarray of int64 (n,)
            Component of each response, numbered in the order of their first responses.
        """
        return _classes(_reachable(self.symmetric() > 0.0))

    def strong_components(self) -> IntArray:
        """Strongly connected components of the directed graph with an arc from i to j where i has beaten j.

        Returns
        -------
        ndarray of int64 (n,)
            Component of each response, numbered in the order of their first responses.
        """
        reach = _reachable(self.weights > 0.0)
        return _classes(reach & reach.T)

    @property
    def is_connected(self) -> bool:
        """Whether the comparison graph has one component."""
        return int(self.components().max()) == 0

    @property
    def is_strongly_connected(self) -> bool:
        """Whether every response has beaten every other directly or through others."""
        return int(self.strong_components().max()) == 0

    def flipped(self, probability: float) -> Self:
        """Expected weights after each label is flipped independently.

        Parameters
        ----------
        probability : float
            Probability of a flip, in [0, 1].

        Returns
        -------
        PairWeights
            ``(1 - probability) w + probability w.T``, of the same total.
        """
        chance = v.number("probability", probability, 0.0, 1.0)
        return type(self)((1.0 - chance) * self.weights + chance * self.weights.T)

    def __repr__(self) -> str:
        return f"PairWeights(n={self.n_responses}, total={self.total:g})"


@dataclass(frozen=True, eq=False, init=False, repr=False)
class Comparisons(Model):
    """Labelled pairs of responses, the winner first.

    Parameters
    ----------
    pairs : array_like of int (N, 2)
        Winner and loser of each comparison.
    n_responses : int
        Number of responses n; entries of ``pairs`` are below it.

    Attributes
    ----------
    pairs : ndarray of int64 (N, 2)
        Read-only.
    n_responses : int
        n.

    Raises
    ------
    ValueError
        If an entry is no response.
    """

    pairs: IntArray
    n_responses: int

    def __init__(self, pairs: ArrayLike, n_responses: int) -> None:
        n = v.count("n_responses", n_responses)
        self.__dict__.update(pairs=v.integers("pairs", pairs, 0, n - 1, ("m", 2)), n_responses=n)

    @property
    def n_comparisons(self) -> int:
        """Number of comparisons N."""
        return int(self.pairs.shape[0])

    def wins(self) -> PairWeights:
        """Counts of the ordered pairs.

        Returns
        -------
        PairWeights
            ``weights[i, j]`` is how often i beat j.
        """
        n = self.n_responses
        counts = np.bincount(self.pairs[:, 0] * n + self.pairs[:, 1], minlength=n * n)
        return PairWeights(counts.reshape(n, n))

    def flipped(self, flips: ArrayLike) -> Self:
        """The comparisons with some labels exchanged.

        Parameters
        ----------
        flips : array_like of bool (N,)
            Which labels to flip.

        Returns
        -------
        Comparisons
            Winner and loser exchanged where ``flips`` is true.
        """
        mask = v.boolean("flips", flips, (self.n_comparisons,))
        return type(self)(np.where(mask[:, np.newaxis], self.pairs[:, ::-1], self.pairs), self.n_responses)

    def differences(self, features: ArrayLike) -> FloatArray:
        """Features of the winner minus those of the loser.

        Parameters
        ----------
        features : array_like (n,) or (n, d)
            Finite features, or rewards, of the responses.

        Returns
        -------
        ndarray (N,) or (N, d)
            One difference per comparison.
        """
        table = v.finite("features", features, (self.n_responses, "d"), (self.n_responses,))
        result: FloatArray = table[self.pairs[:, 0]] - table[self.pairs[:, 1]]
        return result

    def __repr__(self) -> str:
        return f"Comparisons(N={self.n_comparisons}, n={self.n_responses})"


def _reachable(arcs: BoolArray) -> BoolArray:
    """Reflexive transitive closure, by repeated squaring."""
    reach = arcs | np.eye(arcs.shape[0], dtype=bool)
    while True:
        # counts stay below 2^53: exact in float64
        longer = (reach.astype(np.float64) @ reach.astype(np.float64)) > 0.0
        if np.array_equal(longer, reach):
            return reach
        reach = longer


def _classes(equivalent: BoolArray) -> IntArray:
    """Number of the class of each element, in the order of the first elements."""
    leaders = equivalent.argmax(axis=1)
    return np.asarray(np.unique(leaders, return_inverse=True)[1], dtype=np.int64)
