"""The engine that answers from a tape: an instance is built again, or a changed one from a changed tape."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray, IntArray
from mdplab.instances.draw import Draw, GridDraw, TapeEntry

__all__ = ["ReplayDraw"]


class ReplayDraw(Draw):
    """Answers from a tape.  Where the questions have come to differ from it, answers are fitted to them.

    An answer of another shape is cut, or filled with its simplest entries; numbers are moved into the range that is
    asked for; where weights are asked for, normals are taken as logits and integers as vertices.  What does not fit is
    left out where an answer behind it fits; a question that none fits gets the simplest answer of the grid.  So a tape
    whose sizes were lowered gives a smaller instance of the family, and one with another choice a similar instance.

    Parameters
    ----------
    tape : sequence of TapeEntry
        Answers in the order of the questions.
    dropped : int, optional
        Where an axis of an answer is by one too long, the index that is left out; by default the last.  Of an axis of pairs,
        as those above the diagonal of a matrix, all with this index are.
    """

    def __init__(self, tape: Sequence[TapeEntry], *, dropped: int | None = None) -> None:
        super().__init__()
        self._entries = list(tape)
        self._next = 0
        self._dropped = dropped

    def _answer(self, kind: str, shape: tuple[int, ...], parameters: dict[str, Any]) -> Array:
        value = self._fitting(kind, shape)
        if value is None:
            return _SIMPLEST._answer(kind, shape, parameters)
        if value.shape != shape:
            value = self._fitted(value, _SIMPLEST._answer(kind, shape, parameters))
        match kind:
            case "weights":
                return on_simplex(value, positive=parameters["positive"])
            case "integers" | "uniform" | "log_uniform":
                return np.asarray(np.minimum(np.maximum(value, parameters["low"]), parameters["high"]))
            case "choice":
                return np.asarray(np.minimum(np.maximum(value, 0), parameters["options"] - 1))
            case "distinct":
                return _made_distinct(value, parameters["n"])
        return value

    def _fitting(self, kind: str, shape: tuple[int, ...]) -> Array | None:
        """The next answer of this kind; for arrays also one of the few behind it."""
        for place in range(self._next, min(self._next + (_LOOK_AHEAD if shape else 1), len(self._entries))):
            entry = self._entries[place]
            value = (
                entry.value
                if entry.kind == kind
                else _as_weights(entry, shape)
                if kind == "weights"
                else None
            )
            if value is not None and value.ndim == len(shape):
                self._next = place + 1
                return value
        return None

    def _fitted(self, value: Array, simplest: Array) -> Array:
        for axis, length in enumerate(simplest.shape):
            value = np.delete(value, _left_out(value.shape[axis], length, self._dropped), axis=axis)
        common = tuple(slice(min(a, b)) for a, b in zip(value.shape, simplest.shape, strict=True))
        result = simplest.astype(value.dtype)
        result[common] = value[common]
        return result


_LEAST_WEIGHT = 1e-9  # stands for a face of the simplex where weights must be positive


_LOOK_AHEAD = 3


def _left_out(length: int, wanted: int, dropped: int | None) -> list[int]:
    """Indices that go with the dropped one where an axis has one entry too many, or is that of the pairs of items."""
    if dropped is None:
        return []
    if length == wanted + 1:
        return [dropped] if dropped <= wanted else []
    items = round((1 + math.sqrt(1 + 8 * length)) / 2)  # pairs i < j, row by row
    if items < 3 or items * (items - 1) != 2 * length or length - wanted != items - 1:
        return []
    return [k for k, pair in enumerate(combinations(range(items), 2)) if dropped in pair]


def _as_weights(entry: TapeEntry, shape: tuple[int, ...]) -> FloatArray | None:
    """Normals as logits, integers as vertices; None for what is no such array."""
    if entry.kind == "normal" and entry.value.ndim == len(shape):
        weights = np.exp(entry.value - entry.value.max(axis=-1, keepdims=True))
        return np.asarray(weights / weights.sum(axis=-1, keepdims=True))
    if entry.kind == "integers" and entry.value.ndim == len(shape) - 1 > 0:
        return np.asarray(np.eye(shape[-1])[np.clip(entry.value, 0, shape[-1] - 1)])
    return None


def on_simplex(value: Array, *, positive: bool) -> Array:
    """Rows divided by their sums, unless they are laws already; what has no sum is the first vertex."""
    least = _LEAST_WEIGHT if positive else 0.0
    total = value.sum(axis=-1, keepdims=True)
    if value.min(initial=0.0) < 0 or np.abs(total - 1.0).max(initial=0.0) > 4e-16 * value.shape[-1]:
        value = np.maximum(value, 0.0)
        total = value.sum(axis=-1, keepdims=True)
        value = np.where(total > 0, value / np.where(total > 0, total, 1.0), np.eye(value.shape[-1])[0])
    if value.min(initial=1.0) < least:
        value = np.maximum(value, least)
        value = value / value.sum(axis=-1, keepdims=True)
    return value


def _made_distinct(value: IntArray, n: int) -> IntArray:
    """Sorted rows; what repeats moves to the next free number."""
    value = np.sort(np.clip(value, 0, n - 1), axis=1)
    k = value.shape[1]
    for j in range(1, k):
        value[:, j] = np.maximum(value[:, j], value[:, j - 1] + 1)
    return np.asarray(np.minimum(value, n - k + np.arange(k)))


class _Simplest(GridDraw):
    """The least integer for everything."""

    def _integers(self, low: int, high: int, shape: tuple[int, ...]) -> IntArray:
        return np.full(shape, min(max(low, 0), high), dtype=np.int64)


_SIMPLEST = _Simplest()
