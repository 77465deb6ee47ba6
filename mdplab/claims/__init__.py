"""Machinery of claims: parts, relations, routes, verdicts, controls, false readings, and the runner."""

from mdplab.claims.check import as_expected, check, draw_instance
from mdplab.claims.claim import DEFINITIONAL, HARMLESS, Assumption, Claim, Record
from mdplab.claims.methods import Method
from mdplab.claims.part import Control, Known, Part, Reading
from mdplab.claims.registry import digest, find, load, records
from mdplab.claims.relations import AtLeast, AtMost, Equal, Rate, Separates
from mdplab.claims.sides import Outcome, Side, Undecided, both_sides, left_side, right_side
from mdplab.claims.tolerances import central_difference_error, complex_step_error, rounding

__all__ = [
    "DEFINITIONAL",
    "HARMLESS",
    "Assumption",
    "AtLeast",
    "AtMost",
    "Claim",
    "Control",
    "Equal",
    "Known",
    "Method",
    "Outcome",
    "Part",
    "Rate",
    "Reading",
    "Record",
    "Separates",
    "Side",
    "Undecided",
    "as_expected",
    "both_sides",
    "central_difference_error",
    "check",
    "complex_step_error",
    "digest",
    "draw_instance",
    "find",
    "left_side",
    "load",
    "records",
    "right_side",
    "rounding",
]
