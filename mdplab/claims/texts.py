"""What a report says about a record beyond its numbers: statement, assumptions, routes and the drawn figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdplab.claims.claim import Claim, Record
from mdplab.claims.part import Part, Reading, describe
from mdplab.claims.report import ClaimText

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["claim_figure", "claim_text", "figure_svg"]


def claim_text(record: Record, *, figure: bool = True) -> ClaimText:
    """Collect the texts of a record and draw its figure.

    Parameters
    ----------
    record : Claim or Reading
        The record; drawing its figure may solve small problems.
    figure : bool
        Whether to draw it.

    Returns
    -------
    ClaimText
    """
    parts = record.parts if isinstance(record, Claim) else [record.part]
    claim = record if isinstance(record, Claim) else record.claim
    return ClaimText(
        title=record.title,
        statement=record.statement,
        source=claim.provenance if isinstance(record, Claim) else f"a false reading of {claim.id}",
        theorem=claim.theorem if isinstance(record, Claim) else None,
        assumptions=[(a.name, a.text, a.carried_by) for a in claim.assumptions],
        parts={part.name: part.text for part in parts},
        routes={part.name: _routes(part) for part in parts},
        figure_svg=figure_svg(record) if figure and isinstance(record, Claim) else None,
        figure_caption="" if isinstance(record, Reading) else record.figure_caption,
        papers=list(record.papers),
        methods=[(m.name, m.form, m.divergence, m.regularises) for m in getattr(record, "methods", ())],
    )


def _routes(part: Part) -> tuple[str, str, list[str]]:
    cross = [describe(route) for route in (part.cross_left, part.cross_right) if route is not None]
    return describe(part.relation.left), describe(part.relation.right), cross


def claim_figure(claim: Claim) -> Figure | None:
    """Draw the figure of a claim.

    Parameters
    ----------
    claim : Claim
        The claim.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where the claim has no figure.
    """
    if claim.figure_function is None:
        return None
    from mdplab import plotting

    with plotting.style():
        figure, axes = plotting.new_figure(claim.figure_panels)
        claim.figure_function(axes if claim.figure_panels > 1 else axes[0])
    return figure


def figure_svg(claim: Claim) -> str | None:
    """Draw the figure of a claim as a drawing for a page.

    Parameters
    ----------
    claim : Claim
        The claim.

    Returns
    -------
    str or None
        SVG; None where the claim has no figure.
    """
    from mdplab import plotting

    figure = claim_figure(claim)
    return None if figure is None else plotting.figure_to_svg(figure, title=claim.title, prefix=claim.id)
