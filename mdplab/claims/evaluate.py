"""One part on one instance: inside which assumptions it is, and what came out."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab.claims.claim import Claim
from mdplab.claims.instance_data import fresh
from mdplab.claims.part import Part
from mdplab.claims.sides import Outcome, Undecided

__all__ = ["evaluate", "inside", "problem_text"]


def inside(claim: Claim, part: Part, instance: Any, *, without: str = "") -> bool:
    """Whether the instance meets every testable assumption that the part needs.

    Parameters
    ----------
    claim : Claim
        The claim.
    part : Part
        One of its parts.
    instance : object
        An instance of the part's family.
    without : str
        Name of an assumption that is left out.

    Returns
    -------
    bool

    Raises
    ------
    TypeError
        If a predicate does not answer with a boolean.
    """
    for assumption in claim.assumptions:
        needed = part.assumes is None or assumption.name in part.assumes
        if needed and assumption.predicate is not None and assumption.name != without:
            answer = assumption.predicate(instance)
            if not isinstance(answer, (bool, np.bool_)):
                raise TypeError(
                    f"the predicate of assumption {assumption.name} answered {answer!r}, expected a boolean"
                )
            if not answer:
                return False
    return True


def problem_text(problem: Exception) -> str:
    """What went wrong, in one line.

    Parameters
    ----------
    problem : Exception
        What was raised.

    Returns
    -------
    str
    """
    return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__


def evaluate(part: Part, instance: Any, **options: Any) -> Outcome:
    """Evaluate a part on a fresh copy of an instance; failures become outcomes.

    Parameters
    ----------
    part : Part
        The part.
    instance : object
        An instance of its family.
    **options
        As for :meth:`~mdplab.claims.part.Part.evaluate`.

    Returns
    -------
    Outcome
    """
    try:
        with np.errstate(all="ignore"):
            return part.evaluate(fresh(instance), **options)
    except Undecided as reason:
        return Outcome("undecided", message=str(reason))
    except Exception as problem:
        return Outcome("error", message=problem_text(problem))
