"""Many instances at once: a draw whose answers have an axis of instances in front, and changes of many copies of a tape."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array
from mdplab.falsifier.tapes import Tape, moved_laws, moved_numbers
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
                moved = moved_laws(parts[chosen, place], new, rng)
                new = on_simplex(moved, positive=parameters["positive"])
            case "uniform" | "normal" | "log_uniform":
                moved = moved_numbers(kind, parts[chosen, :, 0], place, new[:, 0], parameters, rng)
                new = moved[:, np.newaxis]
        parts[chosen, place] = new
        return parts.reshape(value.shape)


def _weight(entry: TapeEntry) -> float:
    shared = entry.value.ndim == 0 and entry.kind in ("integers", "boolean", "choice")
    return 0.0 if shared or not entry.value.size else 1.0 + np.sqrt(entry.value.size)
