"""One declaration of random instances, several engines: families are functions of a ``draw``.

An instance family is an ordinary function ``family(draw) -> instance`` that asks its argument for integers, weights,
normals, ...  Sizes may be drawn first and shapes may depend on them; constraints hold by construction where they can,
and :meth:`Draw.reject` discards a draw where they cannot.  Who answers is the engine's business:

* :class:`SeededDraw` follows the family's law;
* :class:`GridDraw` answers with simple rationals of the closed support, so that vertices, ties and absorbing states
  occur; :class:`LatticeDraw` takes its integers from a generator, the strategies of Hypothesis from their choices;
* :class:`~mdplab.instances.ReplayDraw` answers from a tape, which may have been changed.

Every engine records questions and answers on its ``tape``, from which the instance can be rebuilt.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, NoReturn, TypeVar

import numpy as np

from mdplab._typing import Array, BoolArray, FloatArray, IntArray

__all__ = ["Draw", "GridDraw", "LatticeDraw", "Rejected", "SeededDraw", "TapeEntry"]

Option = TypeVar("Option")
Shape = int | tuple[int, ...]
Seed = int | Sequence[int] | np.random.SeedSequence | np.random.Generator


class Rejected(Exception):
    """Raised by :meth:`Draw.reject`: the instance is outside the family and counts as skipped."""


@dataclass(frozen=True)
class TapeEntry:
    """One question of a family and its answer.

    Attributes
    ----------
    kind : str
        What was asked for: ``"integers"``, ``"uniform"``, ``"log_uniform"``, ``"normal"``, ``"weights"``, ``"distinct"``,
        ``"boolean"`` or ``"choice"``.
    parameters : dict
        The arguments of the question, but for its shape.
    value : ndarray
        The answer (for a choice: the index of the option).
    """

    kind: str
    parameters: dict[str, Any]
    value: Array


class Draw(ABC):
    """What a family asks; the engines answer.

    Attributes
    ----------
    tape : list of TapeEntry
        Questions and answers so far.
    """

    def __init__(self) -> None:
        self.tape: list[TapeEntry] = []

    @abstractmethod
    def _answer(self, kind: str, shape: tuple[int, ...], parameters: dict[str, Any]) -> Array:
        """Answer one question."""

    def _ask(self, kind: str, shape: Shape, **parameters: Any) -> Array:
        value = self._answer(kind, (shape,) if isinstance(shape, int) else shape, parameters)
        self.tape.append(TapeEntry(kind, parameters, value))
        return value

    def integer(self, low: int, high: int) -> int:
        """Draw one integer uniformly from ``low..high``, both ends included."""
        return int(self.integers(low, high))

    def integers(self, low: int, high: int, shape: Shape = ()) -> IntArray:
        """Draw integers uniformly from ``low..high``, both ends included.

        Parameters
        ----------
        low, high : int
            Ends of the range, ``low <= high``.
        shape : int or tuple of int
            Shape of the answer.

        Returns
        -------
        ndarray of int64, shape ``shape``
        """
        if low > high:
            raise ValueError(f"integers: low {low} exceeds high {high}")
        return self._ask("integers", shape, low=low, high=high)

    def number(self, low: float, high: float) -> float:
        """Draw one number uniformly from ``[low, high]``."""
        return float(self.uniform(low, high))

    def uniform(self, low: float, high: float, shape: Shape = ()) -> FloatArray:
        """Draw uniformly from ``[low, high]``; returns an array of the given shape.

        Both ends belong to the support, and some engines return them: where an end is no instance, ask for less.
        """
        if low > high:
            raise ValueError(f"uniform: low {low} exceeds high {high}")
        return self._ask("uniform", shape, low=low, high=high)

    def log_number(self, low: float, high: float) -> float:
        """Draw one number whose logarithm is uniform, from ``[low, high]``, ``0 < low``."""
        return float(self.log_uniform(low, high))

    def log_uniform(self, low: float, high: float, shape: Shape = ()) -> FloatArray:
        """Draw numbers whose logarithms are uniform, from ``[low, high]``, ``0 < low``."""
        if low <= 0:
            raise ValueError(f"log_uniform: low must be positive, got {low}")
        if low > high:
            raise ValueError(f"log_uniform: low {low} exceeds high {high}")
        return self._ask("log_uniform", shape, low=low, high=high)

    def normal(self, shape: Shape = (), scale: float = 1.0) -> FloatArray:
        """Draw centred normals with standard deviation ``scale``."""
        return self._ask("normal", shape, scale=scale)

    def weights(self, shape: Shape, concentration: float = 1.0, *, positive: bool = False) -> FloatArray:
        """Draw probability vectors along the last axis, symmetric Dirichlet.

        Parameters
        ----------
        shape : int or tuple of int
            Shape of the answer; the last axis sums to one.
        concentration : float
            The Dirichlet parameter, positive; small values give sparse rows.
        positive : bool, default False
            Whether the faces of the simplex, where a weight is zero, are no instances.

        Returns
        -------
        ndarray, shape ``shape``
        """
        return self._ask("weights", shape, concentration=concentration, positive=positive)

    def distinct(self, rows: int, count: int, n: int) -> IntArray:
        """Draw sorted rows of ``count`` distinct numbers below ``n``, every set equally likely.

        Parameters
        ----------
        rows, count, n : int
            ``count <= n``.

        Returns
        -------
        ndarray of int64, shape (rows, count)
        """
        if count > n:
            raise ValueError(f"distinct: {count} distinct numbers below {n} do not exist")
        return self._ask("distinct", (rows, count), n=n)

    def boolean(self, probability: float = 0.5, shape: Shape = ()) -> BoolArray:
        """Draw booleans that are true with the given probability."""
        return self._ask("boolean", shape, probability=probability)

    def choice(self, options: Sequence[Option]) -> Option:
        """Draw one of the options uniformly."""
        return options[int(self._ask("choice", (), options=len(options)))]

    def reject(self, reason: str) -> NoReturn:
        """Discard this draw: it counts as skipped, not as an instance.

        Raises
        ------
        Rejected
            Always.
        """
        raise Rejected(reason)


class SeededDraw(Draw):
    """Draws an instance from NumPy's PCG64 generator, by the family's law.

    Parameters
    ----------
    seed : int, sequence of int, numpy.random.SeedSequence, or numpy.random.Generator
        The same seed gives the same instance, bit for bit on one platform; a generator goes on from its state.
    """

    def __init__(self, seed: Seed) -> None:
        super().__init__()
        self._rng = _generator(seed)

    def _answer(self, kind: str, shape: tuple[int, ...], parameters: dict[str, Any]) -> Array:
        rng = self._rng
        match kind:
            case "integers":
                low, high = parameters["low"], parameters["high"]
                return np.asarray(rng.integers(low, high, size=shape, endpoint=True), dtype=np.int64)
            case "uniform":
                return np.asarray(rng.uniform(parameters["low"], parameters["high"], size=shape))
            case "log_uniform":
                low, high = np.log(parameters["low"]), np.log(parameters["high"])
                return np.exp(np.asarray(rng.uniform(low, high, size=shape)))
            case "normal":
                return np.asarray(parameters["scale"] * rng.standard_normal(size=shape))
            case "weights":
                return _dirichlet(rng, shape, parameters["concentration"])
            case "distinct":
                return _distinct(rng, shape[0], shape[1], parameters["n"])
            case "boolean":
                return np.asarray(rng.uniform(size=shape) < parameters["probability"])
        return np.asarray(rng.integers(parameters["options"]))


def _generator(seed: Seed) -> np.random.Generator:
    if isinstance(seed, np.random.Generator):
        return seed
    sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
    return np.random.Generator(np.random.PCG64(sequence))


def _dirichlet(rng: np.random.Generator, shape: tuple[int, ...], concentration: float) -> FloatArray:
    # log Gamma(c) = log Gamma(c + 1) + log(U) / c in law: no underflow to an all-zero row at small c
    log_gamma = np.log(rng.standard_gamma(concentration + 1.0, size=shape))
    log_gamma += np.log1p(-rng.uniform(size=shape)) / concentration
    value: FloatArray = np.exp(log_gamma - log_gamma.max(axis=-1, keepdims=True))
    value /= value.sum(axis=-1, keepdims=True)
    return value


def _distinct(rng: np.random.Generator, rows: int, k: int, n: int) -> IntArray:
    if 2 * k > n:
        return np.sort(np.argsort(rng.uniform(size=(rows, n)), axis=1)[:, :k], axis=1)
    # What repeats an earlier number of its row is drawn again: sampling without replacement, one number after another.
    chosen = np.sort(rng.integers(n, size=(rows, k)), axis=1)
    open_rows = np.arange(rows)
    while True:
        part = chosen[open_rows]
        again = np.zeros(part.shape, dtype=bool)
        again[:, 1:] = part[:, 1:] == part[:, :-1]
        bad = again.any(axis=1)
        if not bad.any():
            return chosen
        open_rows, part, again = open_rows[bad], part[bad], again[bad]
        part[again] = rng.integers(n, size=int(again.sum()))
        chosen[open_rows] = np.sort(part, axis=1)


# Denominators of the grid: a question has one for all its numbers, so that ties occur.
_DENOMINATORS = np.array([1, 2, 3, 4, 5, 10])
_NORMAL_PARTS = np.array([6, 12])
_LARGEST_WEIGHTS = np.array([1, 2, 3, 5, 9])


class GridDraw(Draw):
    """Answers with simple rationals of the closed support; where its integers come from is left open.

    A uniform number is an end of the range or divides it into at most ten parts, a normal one is a multiple of a part of
    the scale up to three times the scale, a log-uniform one is 1, 2 or 5 times a power of ten or an end, weights are
    integers up to nine divided by their sum.  Each quotient is rounded once.  Where all integers are the least, a
    probability vector is the first vertex, and a number is the one of the range nearest to zero.
    """

    @abstractmethod
    def _integers(self, low: int, high: int, shape: tuple[int, ...]) -> IntArray:
        """Integers from ``low..high``; the simplest is ``low``."""

    def _pick(self, options: Array, shape: tuple[int, ...] = ()) -> Array:
        return np.asarray(options[self._integers(0, len(options) - 1, shape)])

    def _answer(self, kind: str, shape: tuple[int, ...], parameters: dict[str, Any]) -> Array:
        match kind:
            case "integers":
                return self._integers(parameters["low"], parameters["high"], shape)
            case "uniform":
                return self._pick(
                    _grid(parameters["low"], parameters["high"], int(self._pick(_DENOMINATORS))), shape
                )
            case "log_uniform":
                return self._pick(_round_numbers(parameters["low"], parameters["high"]), shape)
            case "normal":
                reach = 3.0 * parameters["scale"]
                return self._pick(_grid(-reach, reach, int(self._pick(_NORMAL_PARTS))), shape)
            case "weights":
                return self._fractions(shape, positive=parameters["positive"])
            case "distinct":
                return self._subsets(shape[0], shape[1], parameters["n"])
            case "boolean":
                return np.asarray(self._integers(0, 1, shape) == 1)
        return self._integers(0, parameters["options"] - 1, ())

    def _fractions(self, shape: tuple[int, ...], *, positive: bool) -> FloatArray:
        least = int(positive)
        counts = self._integers(least, least + int(self._pick(_LARGEST_WEIGHTS)), shape)
        if not positive:  # a row of zeros is the first vertex
            counts[..., 0] += counts.sum(axis=-1) == 0
        return np.asarray(counts / counts.sum(axis=-1, keepdims=True))

    def _subsets(self, rows: int, k: int, n: int) -> IntArray:
        chosen = np.empty((rows, 0), dtype=np.int64)
        for taken in range(k):  # the number of this rank among those that are left
            number = self._integers(0, n - 1 - taken, (rows,))
            for earlier in chosen.T:
                number = number + (number >= earlier)
            chosen = np.sort(np.column_stack([chosen, number]), axis=1)
        return chosen


@lru_cache(maxsize=1024)
def _grid(low: float, high: float, parts: int) -> FloatArray:
    """The ends, what divides the range into equal parts, and 0 where it is inside, nearest to zero first."""
    first, last = Fraction(repr(float(low))), Fraction(repr(float(high)))
    points = {float(first + (last - first) * k / parts) for k in range(parts + 1)}
    if low < 0 < high:
        points.add(0.0)
    return np.array(sorted(points, key=lambda x: (abs(x), x)))


@lru_cache(maxsize=256)
def _round_numbers(low: float, high: float) -> FloatArray:
    """The ends, and 1, 2 or 5 times powers of ten between them, nearest to one first."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    points = {float(digit * Fraction(10) ** power) for power in powers for digit in (1, 2, 5)}
    inside = {low, high, *(x for x in points if low < x < high)}
    return np.array(sorted(inside, key=lambda x: (abs(np.log(x)), x)))


class LatticeDraw(GridDraw):
    """Takes the integers of the grid from NumPy's PCG64 generator, uniformly.

    Parameters
    ----------
    seed : int, sequence of int, numpy.random.SeedSequence, or numpy.random.Generator
        The same seed gives the same instance, bit for bit on every platform; a generator goes on from its state.
    """

    def __init__(self, seed: Seed) -> None:
        super().__init__()
        self._rng = _generator(seed)

    def _integers(self, low: int, high: int, shape: tuple[int, ...]) -> IntArray:
        return np.asarray(self._rng.integers(low, high, size=shape, endpoint=True), dtype=np.int64)
