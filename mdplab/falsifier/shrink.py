"""Shrinking: the smallest sizes and the simplest rationals of an instance that says as much.

One change at a time is tried and kept if the score stays above a floor: sizes and choices are lowered (each state or
action in turn is the one that is left out), answers are replaced by their simplest values as a whole, by rows and by
numbers, and what is left is rounded to small denominators.  Passes repeat until nothing changes.

A counterexample keeps at least a tenth of its score, an instance that is only tight all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.falsifier.search import BudgetSpent, Candidate, Search
from mdplab.falsifier.simplest import complexity
from mdplab.falsifier.tapes import Tape
from mdplab.instances import ReplayDraw
from mdplab.instances.draw import TapeEntry

__all__ = ["shrunk"]

_KEPT = 0.1  # part of the score that must be left
_ENOUGH = 0.01  # a score that is enough in any case
_LOSS = 1e-9  # what a tight instance may lose
_DENOMINATORS = (1, 2, 3, 4, 5, 6, 8, 10, 20, 100, 1000)


def shrunk(search: Search, start: Candidate) -> Candidate:
    """A simpler candidate that breaks the conjecture too, or is as tight.

    Parameters
    ----------
    search : Search
        With a budget of its own.
    start : Candidate
        What the search ended with.

    Returns
    -------
    Candidate
        ``start`` itself where nothing simpler was found (or it is a named instance).
    """
    if start.tape is None:
        return start
    floor = min(_KEPT * start.score, _ENOUGH) if start.score > 0 else start.score - _LOSS
    best = start
    try:
        changed = True
        while changed:
            changed = False
            for stage in (_smaller, _simpler):
                while (found := _first(search, best, stage(best.tape or []), floor)) is not None:
                    best, changed = found, True
    except BudgetSpent:
        pass
    return best


def _first(
    search: Search, best: Candidate, changes: Iterator[tuple[Tape, int | None]], floor: float
) -> Candidate | None:
    """The first change that is simpler and keeps the score."""
    cost = _cost(best.tape or [])
    for tape, dropped in changes:
        tried = search.evaluate(ReplayDraw(tape, dropped=dropped))
        if tried is not None and tried.score >= floor and _cost(tried.tape or []) < cost - 1e-9:
            return tried
    return None


def _cost(tape: Tape) -> float:
    """Sizes count most, then what there is to write."""
    sizes = sum(int(entry.value) for entry in tape if _is_size(entry))
    return 1e4 * sizes + sum(complexity(entry.value) + 0.01 * entry.value.size for entry in tape)


def _is_size(entry: TapeEntry) -> bool:
    return entry.kind in ("integers", "choice") and entry.value.ndim == 0


def _with(tape: Tape, i: int, value: Array) -> Tape:
    return [*tape[:i], replace(tape[i], value=value), *tape[i + 1 :]]


def _smaller(tape: Tape) -> Iterator[tuple[Tape, int | None]]:
    """Every size and choice lowered: by one with each index left out, or at once to its least."""
    for i, entry in enumerate(tape):
        if not _is_size(entry):
            continue
        value, least = int(entry.value), entry.parameters.get("low", 0)
        if value - 1 > least:
            yield _with(tape, i, np.asarray(least)), None
        if value > least:
            lower = _with(tape, i, np.asarray(value - 1))
            yield from ((lower, dropped) for dropped in range(min(value, 8)))


def _simpler(tape: Tape) -> Iterator[tuple[Tape, int | None]]:
    """Every answer simpler: all of it, a row of it, a number of it."""
    for i, entry in enumerate(tape):
        if _is_size(entry) or not entry.value.size:
            continue
        for value in _simpler_values(entry):
            yield _with(tape, i, value), None


def _simpler_values(entry: TapeEntry) -> Iterator[Array]:
    value = entry.value
    if entry.kind == "weights":
        rows = value.reshape(-1, value.shape[-1])
        for denominator in _DENOMINATORS:
            yield _rounded_laws(rows, denominator).reshape(value.shape)
        for i, row in enumerate(rows):
            for law in _simpler_laws(row):
                changed = rows.copy()
                changed[i] = law
                yield changed.reshape(value.shape)
        return
    yield np.zeros_like(value)
    if value.dtype == float:
        for denominator in _DENOMINATORS:
            yield np.round(value * denominator) / denominator
    for place in np.ndindex(value.shape):
        for number in _simpler_numbers(entry, float(value[place])):
            changed = np.array(value)
            changed[place] = number
            yield changed


def _simpler_laws(row: FloatArray) -> Iterator[FloatArray]:
    yield from np.eye(row.size)
    kept = row > 0
    yield kept / kept.sum()
    for denominator in _DENOMINATORS:
        yield _rounded_laws(row[np.newaxis], denominator)[0]


def _rounded_laws(rows: FloatArray, denominator: int) -> FloatArray:
    """Laws with this denominator: the largest remainders are rounded up."""
    parts = rows * denominator
    counts = np.floor(parts + 1e-9)
    for row, rest in zip(counts, parts - counts, strict=True):
        row[np.argsort(-rest, kind="stable")[: round(denominator - row.sum())]] += 1
    return np.asarray(counts / denominator)


def _simpler_numbers(entry: TapeEntry, number: float) -> Iterator[float]:
    yield 0
    if entry.kind == "boolean":
        return
    yield from (1, -1) if entry.kind != "integers" else ()
    for end in ("low", "high"):
        if end in entry.parameters:
            yield entry.parameters[end]
    if entry.kind in ("integers", "distinct"):
        yield number - np.sign(number)
        return
    for denominator in _DENOMINATORS:
        yield np.round(number * denominator) / denominator
    if entry.kind == "log_uniform":
        power = 10.0 ** np.floor(np.log10(number))
        yield from (power, 2 * power, 5 * power)
