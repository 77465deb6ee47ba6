"""The falsifier: is my inequality true, and how tight is it?

:func:`falsify` searches a family of instances for one that breaks a conjecture: simple rationals first, then climbing and
polishing, then exact confirmation and shrinking to a counterexample that fits into a paper.
"""

from __future__ import annotations

from mdplab.falsifier.conjecture import Conjecture, of_part
from mdplab.falsifier.falsify import falsify
from mdplab.falsifier.result import Counterexample, Falsification, load
from mdplab.falsifier.show import as_latex, as_source, as_text, transition_picture

__all__ = [
    "Conjecture",
    "Counterexample",
    "Falsification",
    "as_latex",
    "as_source",
    "as_text",
    "falsify",
    "load",
    "of_part",
    "transition_picture",
]
