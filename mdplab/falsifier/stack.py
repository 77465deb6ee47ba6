"""Many instances at once: a draw whose answers have an axis of instances in front, and changes of many copies of a tape."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray, IntArray
from mdplab.falsifier.tapes import Tape
from mdplab.instances import Draw, LatticeDraw, SeededDraw
from mdplab.instances.draw import TapeEntry
from mdplab.instances.replay import on_simplex

__all__ = ["CopiesDraw", "StackDraw"]


class StackDraw(Draw):
    """Answers for many instances: single integers, booleans and choices are shared, all else gets an axis in front.

    Parameters
    ----------
    inner : Draw
        The engine that answers.
    size : int
        Number of instances B.

    Attributes
    ----------
    size : int
        Number of instances.
    """

    def __init__(self, inner: LatticeDraw | SeededDraw, size: int) -> None:
        super().__init__()
        self._inner, self.size = inner, size
        self._shared: list[bool] = []

    def _answer(self, kind: str, shape: tuple[int, ...], parameters: dict[str, Any]) -> Any:
        shared = shape == () and kind in ("integers", "boolean", "choice")
        self._shared.append(shared)
        return self._inner._answer(kind, (), parameters) if shared else self._many(kind, shape, parameters)

    def _many(self, kind: str, shape: tuple[int, ...], parameters: dict[str, Any]) -> Array:
        """Answers (B, ...) to one question."""
        return self._asked(self.size, kind, shape, parameters)

    def _asked(self, count: int, kind: str, shape: tuple[int, ...], parameters: dict[str, Any]) -> Array:
        """Answers (count, ...) of the engine; sets of numbers are asked for as rows."""
        rows = (count * shape[0], shape[1]) if kind == "distinct" else (count, *shape)
        return self._inner._answer(kind, rows, parameters).reshape(count, *shape)

    def number(self, low: float, high: float) -> Any:
        """One number an instance, shape (B,)."""
        return self.uniform(low, high)

    def log_number(self, low: float, high: float) -> Any:
        """One number an instance, shape (B,)."""
        return self.log_uniform(low, high)

    def tape_of(self, index: int) -> Tape:
        """The tape of one of the instances."""
        return [
            entry if shared else TapeEntry(entry.kind, entry.parameters, np.asarray(entry.value[index]))
            for entry, shared in zip(self.tape, self._shared, strict=True)
        ]


class CopiesDraw(StackDraw):
    """Answers of one tape for many instances, each changed in about one number or law; what is shared stays.

    Parameters
    ----------
    tape : list of TapeEntry
        Answers to the same questions.
    rng : Generator
        Source of the changes.
    size : int
        Number of copies B.
    """

    def __init__(self, tape: Tape, rng: np.random.Generator, size: int) -> None:
        super().__init__(LatticeDraw(rng), size)
        self._entries = iter(tape)
        self._rng = rng
        weight = np.array([_weight(entry) for entry in tape])
        self._chances = iter(weight / max(weight.sum(), 1.0))

    def _answer(self, kind: str, shape: tuple[int, ...], parameters: dict[str, Any]) -> Any:
        self._entry, self._chance = next(self._entries), next(self._chances)
        answer = super()._answer(kind, shape, parameters)
        return self._entry.value if self._shared[-1] else answer

    def _many(self, kind: str, shape: tuple[int, ...], parameters: dict[str, Any]) -> Array:
        rng, value = self._rng, np.repeat(self._entry.value[np.newaxis], self.size, axis=0)
        chosen = np.flatnonzero(rng.random(self.size) < 1.5 * self._chance)
        if not value.size or not chosen.size:
            return value
        length = shape[-1] if kind in ("weights", "distinct") else 1  # a row is changed, else a number
        parts = value.reshape(self.size, -1, length)
        asked = self._asked(chosen.size, kind, shape, parameters).reshape(chosen.size, -1, length)
        place = rng.integers(parts.shape[1], size=chosen.size)
        new = asked[np.arange(chosen.size), place]
        match kind:
            case "weights":
                moved = _moved_laws(parts[chosen, place], new, rng)
                new = on_simplex(moved, positive=parameters["positive"])
            case "uniform" | "normal" | "log_uniform":
                moved = _moved_numbers(kind, parts[chosen, :, 0], place, new[:, 0], parameters, rng)
                new = moved[:, np.newaxis]
        parts[chosen, place] = new
        return parts.reshape(value.shape)


def _weight(entry: TapeEntry) -> float:
    shared = entry.value.ndim == 0 and entry.kind in ("integers", "boolean", "choice")
    return 0.0 if shared or not entry.value.size else 1.0 + np.sqrt(entry.value.size)


def _moved_laws(laws: FloatArray, new: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Each row a law of the grid, a shift of mass between two outcomes (all of it, or a part of any order), or noise."""
    count, n = laws.shape
    index, kind = np.arange(count), np.asarray(rng.random(count))
    i, j = rng.integers(n, size=(2, count))
    part = np.where(rng.random(count) < 0.3, 1.0, 10.0 ** -rng.uniform(0, 5, count))
    shifted = laws.copy()
    moved = shifted[index, i] * part
    shifted[index, i] -= moved
    shifted[index, j] += moved
    noisy = laws * np.exp(10.0 ** -rng.uniform(0, 4, (count, 1)) * rng.standard_normal((count, n)))
    noisy /= noisy.sum(axis=1, keepdims=True)
    return np.where((kind < 0.2)[:, np.newaxis], new, np.where((kind < 0.8)[:, np.newaxis], shifted, noisy))


def _moved_numbers(
    kind: str,
    numbers: FloatArray,
    place: IntArray,
    new: FloatArray,
    parameters: dict[str, Any],
    rng: np.random.Generator,
) -> FloatArray:
    """For each a number of the grid, another one of the same answer, or a step of any order of magnitude."""
    count = len(numbers)
    index, choice = np.arange(count), rng.random(count)
    old = numbers[index, place]
    other = numbers[index, rng.integers(numbers.shape[1], size=count)]
    step = 10.0 ** -rng.uniform(0, 5, count) * rng.standard_normal(count)
    match kind:
        case "log_uniform":
            stepped = old * np.exp(step * np.log(parameters["high"] / parameters["low"]))
        case "uniform":
            stepped = old + step * (parameters["high"] - parameters["low"])
        case _:
            stepped = old + step * parameters["scale"]
    result = np.where(choice < 0.35, new, np.where(choice < 0.5, other, stepped))
    return result if kind == "normal" else np.clip(result, parameters["low"], parameters["high"])
