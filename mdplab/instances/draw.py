"""One declaration of random instances: families are functions of a ``draw``.

An instance family is an ordinary function ``family(draw) -> instance`` that asks its argument for integers, weights,
normals, ...  Sizes may be drawn first and shapes may depend on them; constraints hold by construction where they can,
and :meth:`SeededDraw.reject` discards a draw where they cannot.  :class:`SeededDraw` is the seeded engine: it follows
the family's law and records every answer on a *tape*, from which the same instance can be rebuilt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import numpy as np

from mdplab._typing import Array, BoolArray, FloatArray, IntArray

__all__ = ["Rejected", "SeededDraw", "TapeEntry"]

Option = TypeVar("Option")
Shape = int | tuple[int, ...]


class Rejected(Exception):
    """Raised by :meth:`SeededDraw.reject`: the instance is outside the family and counts as skipped."""


@dataclass(frozen=True)
class TapeEntry:
    """One question of a family and its answer.

    Attributes
    ----------
    kind : str
        Name of the method of the draw.
    parameters : dict
        Its arguments.
    value : ndarray
        The answer (for a choice: the index of the option).
    """

    kind: str
    parameters: dict[str, Any]
    value: Array


class SeededDraw:
    """Draws an instance from NumPy's PCG64 generator and records the tape.

    Parameters
    ----------
    seed : int, sequence of int, or numpy.random.SeedSequence
        The same seed gives the same instance, bit for bit on one platform.

    Attributes
    ----------
    tape : list of TapeEntry
        Questions and answers so far.
    """

    def __init__(self, seed: int | Sequence[int] | np.random.SeedSequence) -> None:
        sequence = seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed)
        self._rng = np.random.Generator(np.random.PCG64(sequence))
        self.tape: list[TapeEntry] = []

    def _record(self, kind: str, value: Array, **parameters: Any) -> None:
        self.tape.append(TapeEntry(kind, parameters, np.asarray(value)))

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
        value = np.asarray(self._rng.integers(low, high, size=shape, endpoint=True), dtype=np.int64)
        self._record("integers", value, low=low, high=high)
        return value

    def number(self, low: float, high: float) -> float:
        """Draw one number uniformly from ``[low, high)``."""
        return float(self.uniform(low, high))

    def uniform(self, low: float, high: float, shape: Shape = ()) -> FloatArray:
        """Draw uniformly from ``[low, high)``; returns an array of the given shape."""
        value = np.asarray(self._rng.uniform(low, high, size=shape))
        self._record("uniform", value, low=low, high=high)
        return value

    def log_number(self, low: float, high: float) -> float:
        """Draw one number whose logarithm is uniform, from ``[low, high)``, ``0 < low``."""
        return float(self.log_uniform(low, high))

    def log_uniform(self, low: float, high: float, shape: Shape = ()) -> FloatArray:
        """Draw numbers whose logarithms are uniform, from ``[low, high)``, ``0 < low``."""
        if low <= 0:
            raise ValueError(f"log_uniform: low must be positive, got {low}")
        value = np.exp(np.asarray(self._rng.uniform(np.log(low), np.log(high), size=shape)))
        self._record("log_uniform", value, low=low, high=high)
        return value

    def normal(self, shape: Shape = (), scale: float = 1.0) -> FloatArray:
        """Draw centred normals with standard deviation ``scale``."""
        value = np.asarray(scale * self._rng.standard_normal(size=shape))
        self._record("normal", value, scale=scale)
        return value

    def weights(self, shape: Shape, concentration: float = 1.0) -> FloatArray:
        """Draw probability vectors along the last axis, symmetric Dirichlet.

        Parameters
        ----------
        shape : int or tuple of int
            Shape of the answer; the last axis sums to one.
        concentration : float
            The Dirichlet parameter, positive; small values give sparse rows.

        Returns
        -------
        ndarray, shape ``shape``
        """
        shape = (shape,) if isinstance(shape, int) else shape
        # log Gamma(c) = log Gamma(c + 1) + log(U) / c in law: no underflow to an all-zero row at small c
        log_gamma = np.log(self._rng.standard_gamma(concentration + 1.0, size=shape))
        log_gamma += np.log1p(-self._rng.uniform(size=shape)) / concentration
        value: FloatArray = np.exp(log_gamma - log_gamma.max(axis=-1, keepdims=True))
        value /= value.sum(axis=-1, keepdims=True)
        self._record("weights", value, concentration=concentration)
        return value

    def boolean(self, probability: float = 0.5, shape: Shape = ()) -> BoolArray:
        """Draw booleans that are true with the given probability."""
        value = np.asarray(self._rng.uniform(size=shape) < probability)
        self._record("boolean", value, probability=probability)
        return value

    def choice(self, options: Sequence[Option]) -> Option:
        """Draw one of the options uniformly."""
        index = int(self._rng.integers(len(options)))
        self._record("choice", np.asarray(index), options=len(options))
        return options[index]

    def reject(self, reason: str) -> NoReturn:
        """Discard this draw: it counts as skipped, not as an instance.

        Raises
        ------
        Rejected
            Always.
        """
        raise Rejected(reason)
