"""Changes of a tape: random ones for the climb, and the real numbers of a tape as one vector for the polish.

The entries of a tape that are probability vectors or real numbers are relaxed; integers, choices, booleans and sets are
changed by random steps only.  Whatever a change does, :class:`~mdplab.instances.ReplayDraw` fits it to the questions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mdplab._typing import Array, FloatArray
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
    if rng.random() < 0.08:
        return _asked_again(entry, entry.value.shape, rng)
    value = np.array(entry.value)
    rows = (
        value.reshape(-1, value.shape[-1]) if entry.kind in ("weights", "distinct") else value.reshape(-1, 1)
    )
    row = rows[rng.integers(len(rows))]
    match entry.kind:
        case "weights":
            row[:] = _moved_law(row, rng)
        case "distinct":
            row[rng.integers(row.size)] += rng.choice([-1, 1])
        case "boolean":
            row[0] = not row[0]
        case "integers" | "choice":
            row[0] = row[0] + rng.choice([-1, 1]) if rng.random() < 0.7 else _asked_again(entry, (), rng)
        case _:
            row[0] = _moved_number(entry, value, float(row[0]), rng)
    return value


def _asked_again(entry: TapeEntry, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    return LatticeDraw(int(rng.integers(2**62)))._answer(entry.kind, shape, entry.parameters)


def _moved_law(row: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A vertex, a shift of mass between two outcomes (all of it, or a part of any order), two exchanged, or noise."""
    result, n = row.copy(), row.size
    kind = rng.random()
    if n == 1:
        return result
    i, j = rng.choice(n, 2, replace=False)
    if kind < 0.2:
        result[:] = 0.0
        result[i] = 1.0
    elif kind < 0.75:
        part = 1.0 if rng.random() < 0.3 else 10.0 ** -rng.uniform(0, 5)
        moved = result[i] * part
        result[i] -= moved
        result[j] += moved
    elif kind < 0.85:
        result[[i, j]] = result[[j, i]]
    else:
        result *= np.exp(10.0 ** -rng.uniform(0, 4) * rng.standard_normal(n))
    return result


def _moved_number(entry: TapeEntry, value: Array, number: float, rng: np.random.Generator) -> float:
    """A grid point, another number of the same answer, or a step of any order of magnitude."""
    kind = rng.random()
    if kind < 0.35:
        return float(_asked_again(entry, (), rng))
    if kind < 0.5:
        return float(value.flat[rng.integers(value.size)])
    step = 10.0 ** -rng.uniform(0, 5) * rng.standard_normal()
    match entry.kind:
        case "log_uniform":
            return float(number * np.exp(step * np.log(entry.parameters["high"] / entry.parameters["low"])))
        case "uniform":
            return float(number + step * (entry.parameters["high"] - entry.parameters["low"]))
    return float(number + step * entry.parameters["scale"])


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
