"""Shrinking: the smallest sizes and the simplest rationals of an instance that says as much.

One change at a time is tried and kept if the score stays above a floor: sizes and choices are lowered (each state or
action in turn is the one that is left out), answers are replaced by their simplest values as a whole, by rows and by
numbers, and what is left is rounded to small denominators.  Before each pass, a few instances of smaller sizes are drawn
anew: what is small need not be a part of what is large.  Passes repeat until nothing changes.

A counterexample keeps at least a tenth of its score, an instance that is only tight all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.falsifier.search import BudgetSpent, Candidate, Search
from mdplab.falsifier.simplest import complexity
from mdplab.falsifier.tapes import Tape
from mdplab.instances import LatticeDraw, ReplayDraw
from mdplab.instances.draw import TapeEntry

__all__ = ["shrunk"]

_KEPT = 0.1  # part of the score that must be left
_ENOUGH = 0.01  # a score that is enough in any case
_LOSS = 1e-9  # what a tight instance may lose
_REDRAWS = 50  # instances of smaller sizes that are drawn anew
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
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([search.seed, _REDRAWS])))
    try:
        cost = np.inf
        while cost > _cost(best.tape or []):
            cost = _cost(best.tape or [])
            best = _redrawn(search, best, floor, rng)
            for changes in (_smaller, _simpler):
                place = 0
                while place < len(best.tape or []):  # a smaller tape may have fewer answers
                    found = _first(search, best, changes(best.tape or [], place), floor)
                    best, place = (best, place + 1) if found is None else (found, place)
    except BudgetSpent:
        pass
    return best


def _redrawn(search: Search, best: Candidate, floor: float, rng: np.random.Generator) -> Candidate:
    """An instance of the grid whose sizes are smaller, where a few draws find one."""
    place = 0
    while place < len(best.tape or []):
        entry = (best.tape or [])[place]
        smaller = best
        if entry.kind == "integers" and _is_size(entry) and entry.value > entry.parameters["low"]:
            for _ in range(_REDRAWS):
                tape = _with(best.tape or [], place, entry.value - 1)
                tried = search.evaluate(_SizedDraw(rng, tape))
                if (
                    tried is not None
                    and tried.score >= floor
                    and _cost(tried.tape or []) < _cost(best.tape or [])
                ):
                    smaller = tried
                    break
        best, place = smaller, place + (smaller is best)
    return best


class _SizedDraw(LatticeDraw):
    """Sizes and choices of a tape; all else from the grid."""

    def __init__(self, rng: np.random.Generator, tape: Tape) -> None:
        super().__init__(rng)
        self._sizes = iter([entry for entry in tape if _is_size(entry)])

    def _answer(self, kind: str, shape: tuple[int, ...], parameters: dict[str, Any]) -> Array:
        entry = next(self._sizes, None) if shape == () and kind in ("integers", "choice") else None
        if entry is None or entry.kind != kind:
            return super()._answer(kind, shape, parameters)
        low, high = parameters.get("low", 0), parameters.get("high", parameters.get("options", 1) - 1)
        return np.asarray(np.clip(entry.value, low, high))


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


def _smaller(tape: Tape, i: int) -> Iterator[tuple[Tape, int | None]]:
    """A size or choice lowered: by one with each index left out, or at once to its least."""
    entry = tape[i]
    if not _is_size(entry):
        return
    value, least = int(entry.value), entry.parameters.get("low", 0)
    if value - 1 > least:
        yield _with(tape, i, np.asarray(least)), None
    if value > least:
        lower = _with(tape, i, np.asarray(value - 1))
        yield from ((lower, dropped) for dropped in range(min(value, 8)))


def _simpler(tape: Tape, i: int) -> Iterator[tuple[Tape, int | None]]:
    """An answer simpler: all of it, a row of it, a number of it."""
    if not _is_size(tape[i]) and tape[i].value.size:
        yield from ((_with(tape, i, value), None) for value in _simpler_values(tape[i]))


def _simpler_values(entry: TapeEntry) -> Iterator[Array]:
    value = entry.value
    if entry.kind == "weights":
        rows = value.reshape(-1, value.shape[-1])
        for denominator in _DENOMINATORS:
            yield _rounded_laws(rows, denominator).reshape(value.shape)
        for i, row in enumerate(rows):
            for law in _simpler_laws(row, entry.parameters["positive"]):
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


def _simpler_laws(row: FloatArray, positive: bool) -> Iterator[FloatArray]:
    n = row.size
    yield from np.eye(n)
    kept = row > 0
    yield kept / kept.sum()
    if positive:  # what a vertex stands for where faces are left out
        for denominator in _DENOMINATORS:
            if denominator > n:
                yield from (1 + (denominator - n) * np.eye(n)) / denominator
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
    yield from (1, -1, 0.5, -0.5) if entry.kind != "integers" else ()
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
