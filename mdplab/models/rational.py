"""The exact rational data behind a model that was built from integer weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational
from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.models import _validate as v
from mdplab.names import UNNAMED, Names

__all__ = ["RationalData"]


@dataclass(frozen=True, eq=False)
class RationalData:
    """Integer weights and fractions that determine a discounted model exactly.

    Attributes
    ----------
    weights : ndarray of Python int (S, A, S)
        Non-negative; ``P[s, a, t] = weights[s, a, t] / weights[s, a].sum()``.
    reward : ndarray of Fraction (S, A)
        Expected rewards.
    discount : Fraction
        In [0, 1).
    initial : ndarray of Python int (S,) or None
        Weights of the start law.
    """

    weights: Array
    reward: Array
    discount: Fraction
    initial: Array | None = None

    def probability(self, state: int, action: int, successor: int) -> Fraction:
        """One transition probability.

        Parameters
        ----------
        state, action, successor : int
            The indices of ``P[s, a, t]``.

        Returns
        -------
        Fraction
            Zero where the whole row is zero (unavailable pairs).
        """
        row = self.weights[state, action]
        total = sum(row)
        return Fraction(row[successor], total) if total else Fraction(0)

    def transition(self) -> Array:
        """All transition probabilities, an object array of Fraction ``(S, A, S)``."""
        result = np.empty(self.weights.shape, dtype=object)
        for index in np.ndindex(result.shape):
            result[index] = self.probability(*index)
        return result


def exact_number(value: Any) -> Fraction:
    """A number as a fraction: integers and fractions as they are, a float as the dyadic fraction that it stores."""
    return Fraction(value) if isinstance(value, Rational) else Fraction(float(value))


def _objects(name: str, x: Any, shapes: Sequence[v.Shape]) -> Array:
    """``x`` as an object array of Python numbers of one of the shapes."""
    array = v.unmasked(name, x)
    v.check_shape(name, array.shape, shapes)
    return np.array(array.tolist(), dtype=object) if array.dtype != object else array.copy()


def integer_weights(name: str, x: Any, *shapes: v.Shape) -> Array:
    """Non-negative Python integers of one of the shapes, read-only."""
    array = _objects(name, x, shapes)
    for index in np.ndindex(array.shape):
        if (
            isinstance(array[index], bool)
            or not isinstance(array[index], (int, np.integer))
            or array[index] < 0
        ):
            raise ValueError(f"{v.place(name, index)} is {array[index]!r}, expected a non-negative integer")
        array[index] = int(array[index])
    return v.lock(array)


def fractions(name: str, x: Any, *shapes: v.Shape) -> Array:
    """The numbers of ``x`` (integers, fractions or floats, which are fractions too), exactly, read-only."""
    array = _objects(name, x, shapes)
    for index in np.ndindex(array.shape):
        value = array[index]
        try:
            array[index] = exact_number(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{v.place(name, index)} is {value!r}, expected a finite number") from error
    return v.lock(array)


def quotients(
    name: str,
    weights: Array,
    labels: Sequence[str] = (),
    free: Array | None = None,
    names: Names = UNNAMED,
) -> FloatArray:
    """Weights divided by their row sums, each quotient rounded once; rows where ``free`` may be all zero."""
    result = np.zeros(weights.shape)
    for index in np.ndindex(weights.shape[:-1]):
        total = sum(weights[index])
        if total:
            result[index] = [weight / total for weight in weights[index]]  # int / int rounds correctly
        elif free is None or not free[index]:
            where = f" row ({names.place(labels, index)})" if labels else ""
            raise ValueError(f"{name}{where} sums to 0, expected a positive sum of weights")
    return result


def exact_reward(weights: Array, reward: Any) -> Array:
    """Fractions ``(S, A)``; rewards on transitions are averaged exactly."""
    shape = weights.shape
    gain = fractions("reward", reward, shape[:2], (*shape[:2], shape[0]))
    if gain.ndim == 2:
        return gain
    result = np.empty(weights.shape[:2], dtype=object)
    for index in np.ndindex(result.shape):
        total = sum(weights[index]) or 1
        result[index] = (
            sum((w * r for w, r in zip(weights[index], gain[index], strict=True)), Fraction(0)) / total
        )
    return v.lock(result)


def exact_texts(exact: RationalData) -> dict[str, Any]:
    """The rationals as nested lists of texts, which JSON can write at any size."""
    return {
        "weights": _texts(exact.weights),
        "reward": _texts(exact.reward),
        "discount": str(exact.discount),
        "initial": None if exact.initial is None else _texts(exact.initial),
    }


def _texts(numbers: Any) -> Any:
    array = np.asarray(numbers, dtype=object)
    return [_texts(row) for row in array] if array.ndim else str(numbers)


def _numbers(texts: Any, parse: type[int] | type[Fraction]) -> Any:
    return [_numbers(text, parse) for text in texts] if isinstance(texts, list) else parse(texts)


def read_exact(texts: Mapping[str, Any], model: Any) -> RationalData:
    """The rationals of :func:`exact_texts`, held against the floats of ``model``."""
    weights, reward = _numbers(texts["weights"], int), _numbers(texts["reward"], Fraction)
    start = None if texts["initial"] is None else _numbers(texts["initial"], int)
    discount = Fraction(texts["discount"])
    built = type(model).from_weights(weights, reward, discount, start, available=model.available)
    same = np.array_equal(built.transition, model.to_dense().transition) and built.discount == model.discount
    if not same or not np.allclose(built.reward, model.reward, rtol=1e-12, atol=1e-300):
        raise ValueError("the rationals disagree with the floats")
    exact: RationalData = built.exact
    return exact
