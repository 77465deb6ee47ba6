"""Changes of a tape: random ones for the climb, and the real numbers of a tape as one vector for the polish.

The entries of a tape that are probability vectors or real numbers are relaxed; integers, choices, booleans and sets are
changed by random steps only.  Whatever a change does, :class:`~mdplab.instances.ReplayDraw` fits it to the questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray, IntArray
from mdplab.instances.draw import LatticeDraw, TapeEntry

__all__ = ["Reals", "Tape", "mutated", "real_vector", "signature", "with_reals"]

Tape = list[TapeEntry]
_REAL = ("uniform", "log_uniform", "normal", "weights")


def signature(tape: Tape) -> tuple[object, ...]:
    """Sizes, choices and shapes: what the polish leaves as it is.

    Parameters
    ----------
    tape : list of TapeEntry
        The tape.

    Returns
    -------
    tuple
        Hashable.
    """
    return tuple(
        (entry.kind, entry.value.shape, int(entry.value) if entry.value.ndim == 0 else None)
        if entry.kind in ("integers", "choice")
        else (entry.kind, entry.value.shape)
        for entry in tape
    )


def mutated(tape: Tape, rng: np.random.Generator) -> Tape:
    """A copy in which a few answers are changed: one mostly, several now and then.

    Parameters
    ----------
    tape : list of TapeEntry
        The tape; it stays as it is.
    rng : numpy.random.Generator
        Decides what is changed, and how.

    Returns
    -------
    list of TapeEntry
    """
    result = list(tape)
    places = [i for i, entry in enumerate(tape) if entry.value.size]
    weights = np.array([1.0 + np.sqrt(tape[i].value.size) for i in places])
    changes = 1 + min(int(rng.geometric(0.6)) - 1, 4)
    for i in rng.choice(places, size=changes, p=weights / weights.sum()):
        result[i] = replace(result[i], value=_changed(result[i], rng))
    return result


def _changed(entry: TapeEntry, rng: np.random.Generator) -> Array:
    """A new answer to one question: one number or row of it is changed, or everything asked again."""
    again = LatticeDraw(rng)._answer(entry.kind, entry.value.shape, entry.parameters)
    if rng.random() < 0.08:
        return again
    value = np.array(entry.value)
    length = value.shape[-1] if entry.kind in ("weights", "distinct") else 1
    rows, asked = value.reshape(-1, length), again.reshape(-1, length)
    place = rng.integers(len(rows), size=1)
    row, new = rows[place], asked[place]
    match entry.kind:
        case "weights":
            new = moved_laws(row, new, rng)
        case "distinct":
            new = row
            new[0, rng.integers(length)] += rng.choice([-1, 1])
        case "boolean":
            new = ~row
        case "integers" | "choice":
            new = row + rng.choice([-1, 1]) if rng.random() < 0.7 else new
        case _:
            new = moved_numbers(entry.kind, rows.T, place, new[:, 0], entry.parameters, rng)
    rows[place] = new
    return value


def moved_laws(laws: FloatArray, new: FloatArray, rng: np.random.Generator) -> FloatArray:
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


def moved_numbers(
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


@dataclass(frozen=True)
class Reals:
    """The relaxed numbers of a tape.

    Attributes
    ----------
    values : ndarray (n,)
        The numbers.
    steps : ndarray (n,)
        Size of a first step for each.
    """

    values: FloatArray
    steps: FloatArray


def real_vector(tape: Sequence[TapeEntry]) -> Reals:
    """All relaxed numbers of a tape as one vector; log-uniform ones by their logarithms.

    Parameters
    ----------
    tape : sequence of TapeEntry
        The tape.

    Returns
    -------
    Reals
    """
    values, steps = [np.empty(0)], [np.empty(0)]
    for entry in tape:
        if entry.kind in _REAL and entry.value.size:
            log = entry.kind == "log_uniform"
            values.append(np.log(entry.value).ravel() if log else np.ravel(entry.value))
            steps.append(np.full(entry.value.size, _first_step(entry)))
    return Reals(np.concatenate(values), np.concatenate(steps))


def _first_step(entry: TapeEntry) -> float:
    match entry.kind:
        case "uniform":
            return float(0.1 * (entry.parameters["high"] - entry.parameters["low"]))
        case "log_uniform":
            return float(0.1 * np.log(entry.parameters["high"] / entry.parameters["low"]))
        case "normal":
            return float(0.3 * entry.parameters["scale"])
    return 0.1


def with_reals(tape: Tape, vector: FloatArray) -> Tape:
    """The tape with other relaxed numbers; of weights the absolute values count, so that faces are inside.

    Parameters
    ----------
    tape : list of TapeEntry
        The tape; it stays as it is.
    vector : ndarray (n,)
        Numbers in the order of :func:`real_vector`.

    Returns
    -------
    list of TapeEntry
    """
    result, start = list(tape), 0
    for i, entry in enumerate(tape):
        if entry.kind in _REAL and entry.value.size:
            numbers = vector[start : start + entry.value.size].reshape(entry.value.shape)
            start += entry.value.size
            match entry.kind:
                case "log_uniform":
                    numbers = np.exp(numbers)
                case "weights":
                    numbers = np.abs(numbers)
            result[i] = replace(entry, value=numbers)
    return result
