"""Published methods as instances of one program: which form, which divergence, what it regularises, which claim shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["FORMS", "HEADINGS", "Method", "markdown_table"]

Form: TypeAlias = Literal["primal", "dual in V", "dual in Q", "tilt"]

FORMS: tuple[Form, ...] = ("primal", "dual in V", "dual in Q", "tilt")
"""A program over occupancies, its dual in state values or in action values, or a closed-form exponential tilt."""

HEADINGS = ("method", "form", "divergence", "what it regularises", "claim")


@dataclass(frozen=True)
class Method:
    """A published method that a claim identifies.

    Parameters
    ----------
    name : str
        As its authors call it.
    form : {"primal", "dual in V", "dual in Q", "tilt"}
        A program over occupancies, its dual in state values or in action values, or a closed-form tilt.
    divergence : str
        What measures the distance, e.g. ``"chi-square"`` (markdown).
    regularises : str
        Between which two things (markdown).

    Raises
    ------
    ValueError
        If the form is another one.
    """

    name: str
    form: Form
    divergence: str
    regularises: str

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ValueError(f"form of method {self.name!r} is {self.form!r}, expected one of {FORMS}")


def markdown_table(rows: Iterable[Sequence[str]]) -> str:
    """The table of methods as markdown.

    Parameters
    ----------
    rows : iterable of sequence of str
        A row has an entry a heading.

    Returns
    -------
    str
        One line a row, under two lines of headings.
    """
    lines = [HEADINGS, ["---"] * len(HEADINGS), *rows]
    return "\n".join("| " + " | ".join(entry.replace("|", r"\|") for entry in line) + " |" for line in lines)
