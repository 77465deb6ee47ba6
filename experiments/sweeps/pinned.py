"""Instance families in which one question has a prescribed answer: a discount or a size.

A family is a function of a draw, and what it asks is recorded.  The question whose answer *is* the discount of the instance
(or its number of states) is found by answering it otherwise and looking at the instance; then it can be pinned, under any
engine: the seeded one, the lattice, the search of the falsifier.  All other answers are the same at the same seed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from mdplab._typing import Array
from mdplab.claims.part import InstanceFamily
from mdplab.instances import Draw, Rejected, SeededDraw

__all__ = ["KNOBS", "Pinned", "Question", "find_question", "pinned"]

KNOBS = {"discount": "discount", "states": "n_states", "actions": "n_actions"}
"""What can be pinned, and the attribute of a model that has it."""

_ATTEMPTS = 40


@dataclasses.dataclass(frozen=True)
class Question:
    """A question of a family: the ``occurrence``-th one of this kind and range.

    Attributes
    ----------
    kind : str
        ``"integers"`` or ``"uniform"``.
    low, high : float
        Its range.
    occurrence : int
        How many equal questions come before it.
    """

    kind: str
    low: float
    high: float
    occurrence: int


class Pinned(Draw):
    """Passes every question on to another engine, and answers one itself.

    Parameters
    ----------
    inner : Draw
        The engine; it records its own answer, so that its tape can be replayed.
    question : Question
        The question.
    value : float
        The answer.
    """

    def __init__(self, inner: Draw, question: Question, value: float) -> None:
        super().__init__()
        self._inner = inner
        self._question = question
        self._value = value
        self._seen = 0

    def _answer(self, kind: str, shape: tuple[int, ...], parameters: dict[str, Any]) -> Array:
        answer: Array = self._inner._ask(kind, shape, **parameters)
        asked, wanted = _key(kind, shape, parameters), self._question
        if asked == (wanted.kind, wanted.low, wanted.high):
            self._seen += 1
            if self._seen == wanted.occurrence + 1:
                return np.asarray(self._value, dtype=answer.dtype)
        return answer


def pinned(family: InstanceFamily, question: Question, value: float) -> InstanceFamily:
    """The family with one answer prescribed.

    Parameters
    ----------
    family : callable
        The family.
    question : Question
        The question.
    value : float
        Its answer, in the range of the question.

    Returns
    -------
    callable
        A family for every engine.
    """
    return lambda draw: family(Pinned(draw, question, value))


def _key(kind: str, shape: tuple[int, ...], parameters: dict[str, Any]) -> tuple[str, float, float] | None:
    if kind not in ("integers", "uniform") or shape:
        return None
    return kind, float(parameters["low"]), float(parameters["high"])


def find_question(family: InstanceFamily, knob: str) -> Question | None:
    """The question whose answer is the discount, the number of states or of actions of the instances.

    Parameters
    ----------
    family : callable
        The family.
    knob : str
        One of :data:`KNOBS`.

    Returns
    -------
    Question or None
        None where no question is it: the instances have no such thing, or it does not vary freely.
    """
    draw = _drawn(family)
    counts: dict[tuple[str, float, float], int] = {}
    for entry in [] if draw is None else draw.tape:
        key = _key(entry.kind, entry.value.shape, entry.parameters)
        if key is None:
            continue
        question = Question(*key, occurrence=counts.get(key, 0))
        counts[key] = question.occurrence + 1
        if _decides(family, question, KNOBS[knob]):
            return question
    return None


def _drawn(family: InstanceFamily) -> Draw | None:
    """A draw that gave an instance."""
    for seed in range(_ATTEMPTS):
        draw = SeededDraw(seed)
        try:
            family(draw)
        except Rejected:
            continue
        return draw
    return None


def _decides(family: InstanceFamily, question: Question, attribute: str) -> bool:
    """Whether two different answers both come back as what the instance has."""
    if question.kind == "integers":
        values = {question.low, question.high}
    else:
        values = {0.75 * question.low + 0.25 * question.high, 0.25 * question.low + 0.75 * question.high}
    if len(values) < 2:
        return False
    for value in values:
        for seed in range(_ATTEMPTS):
            try:
                instance = pinned(family, question, value)(SeededDraw(seed))
            except Rejected:
                continue
            if value not in _found(instance, attribute):
                return False
            break
        else:
            return False
    return True


def _found(instance: Any, attribute: str, depth: int = 3) -> Iterator[float]:
    """Values of an attribute in an instance and in what its fields hold; nothing is computed."""
    value = getattr(instance, attribute, None) if not isinstance(instance, np.ndarray) else None
    if isinstance(value, (int, float)):
        yield float(value)
    if depth == 0:
        return
    if isinstance(instance, tuple):
        held = list(instance)
    elif dataclasses.is_dataclass(instance):
        held = [getattr(instance, field.name, None) for field in dataclasses.fields(instance)]
    else:
        held = []
    for one in held:
        yield from _found(one, attribute, depth - 1)
