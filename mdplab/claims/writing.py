"""What is wrong with the texts of a record: formulas that cannot be shown, papers that no bibliography has.

A report cannot be written over either; the check of the record finds them first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from mdplab.claims.citations import short_reference
from mdplab.claims.claim import Claim, Record
from mdplab.claims.markup import markdown, markdown_line
from mdplab.claims.part import describe, routes

__all__ = ["text_problems"]


def text_problems(record: Record) -> list[str]:
    """Find the texts and papers of a record that a report could not show.

    Parameters
    ----------
    record : Claim or Reading
        The record.

    Returns
    -------
    list of str
        One message each, with the place and the formula or key; empty where all is well.
    """
    found = []
    for place, convert, text in _uses(record):
        try:
            convert(text)
        except ValueError as problem:
            found.append(f"{place}: {problem}")
    return found


def _uses(record: Record) -> Iterator[tuple[str, Callable[[str], Any], str]]:
    """Places, what a report does with their texts, and the texts."""
    for key in record.papers:
        yield "papers", short_reference, key
    yield "title", markdown_line, record.title
    yield "statement", markdown, record.statement
    if isinstance(record, Claim):
        yield "provenance", markdown_line, record.provenance
        yield "theorem", markdown_line, record.theorem or ""
        yield "caption of the figure", markdown_line, record.figure_caption
        for method in record.methods:
            for entry in (method.name, method.form, method.divergence, method.regularises):
                yield f"method {method.name}", markdown_line, entry
        for assumption in record.assumptions:
            yield f"assumption {assumption.name}", markdown_line, assumption.text
    for part in record.parts if isinstance(record, Claim) else [record.part]:
        yield f"part {part.name}", markdown_line, part.text
        yield f"reason of part {part.name}", markdown_line, part.reason
        for route in routes(part):
            yield f"route of part {part.name}", markdown_line, describe(route)
