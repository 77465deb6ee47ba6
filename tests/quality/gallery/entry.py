"""One conjecture of the gallery, and what is expected of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mdplab.falsifier import Conjecture
from mdplab.falsifier.conjecture import Kind
from mdplab.laws import FiniteLaw
from quality.gallery.arithmetic import EXACT, Arithmetic

Statement = Callable[..., tuple[Any, Any]]


@dataclass(frozen=True)
class Entry:
    """A conjecture with its family and what is known of it.

    Attributes
    ----------
    statement : callable
        From an instance and an arithmetic (floats by default) to both sides; the docstring says it in words.
    family : callable
        Function of a draw.
    note : str
        Why it is false, or the source of the theorem.
    true : bool
        Whether it is a theorem.
    tight : bool
        Whether the ratio of a true inequality comes as close to 1 as one likes.
    kind : str
        Relation of the sides.
    assumes : callable
        Instances that count.
    evaluations : int
        Of the test: enough to refute it, or to come to a ratio of .999.
    stacked : tuple of callables, optional
        The family as arrays, and both sides for stacks of them.
    """

    statement: Statement
    family: Callable[[Any], Any]
    note: str
    true: bool = False
    tight: bool = False
    kind: Kind = "at most"
    assumes: Callable[[Any], bool] | None = None
    evaluations: int = 1000
    stacked: tuple[Callable[[Any], Any], Callable[[Any], tuple[Any, Any]]] | None = None

    @property
    def name(self) -> str:
        """Name of the statement."""
        return self.statement.__name__

    @property
    def words(self) -> str:
        """The statement in words: its docstring."""
        return " ".join((self.statement.__doc__ or "").split())

    @property
    def conjecture(self) -> Conjecture:
        """What :func:`mdplab.falsify` takes: floats search, exact arithmetic decides."""
        assumed = {} if self.assumes is None else {"assumes": self.assumes}
        return Conjecture(
            self.statement, self.kind, exact=partial(self.statement, a=EXACT), stacked=self.stacked, **assumed
        )


def nothing(a: Arithmetic) -> tuple[Any, Any]:
    """Sides that say nothing: the premise of the statement does not hold."""
    return a.number(0), a.number(0)


def size_of(instance: Any) -> str:
    """How large an instance is: states and actions of its models, else atoms, else outcomes."""
    leaves = list(_leaves(instance))
    models = [x for x in leaves if hasattr(x, "n_states")]
    if models:
        return f"{max(x.n_states for x in models)} states, {max(getattr(x, 'n_actions', 1) for x in models)} actions"
    laws = [x for x in leaves if isinstance(x, FiniteLaw)]
    if laws:
        return f"{max(law.n_atoms for law in laws)} outcomes"
    return f"{max(max(np.shape(x), default=1) for x in leaves)} outcomes"


def is_small(instance: Any) -> bool:
    """Whether it has at most three states, or at most four outcomes (arms, responses, rows) where there are no states."""
    size = size_of(instance)
    return int(size.split()[0]) <= (3 if "states" in size else 4)


def _leaves(instance: Any) -> Iterator[Any]:
    if hasattr(instance, "n_states") or isinstance(instance, FiniteLaw):
        yield instance
    elif dataclasses.is_dataclass(instance):
        for field in dataclasses.fields(instance):
            yield from _leaves(getattr(instance, field.name))
    elif isinstance(instance, (list, tuple)):
        for x in instance:
            yield from _leaves(x)
    elif instance is not None:
        yield instance
