"""The drawings of the paper: figures of claims as the claims draw them, and the certificates against the true errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from figures import tightness
from figures.topic import Sources
from mdplab import plotting
from mdplab.claims import Claim, registry
from mdplab.claims.texts import claim_figure
from paper.certificates import METHODS, solved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CLAIMS", "caption", "certificates", "claim_drawing", "overview"]

CLAIMS = (
    "best-of-n-kl",
    "dist-control-not-contraction",
    "fdpp-kl-prevents-overfitting",
    "guided-chain-not-tilt",
    "ope-exact-bias-variance",
    "qvi-solvability",
    "rcsl-inconsistency",
    "rdpo-unbiased-and-inflation",
    "rql-fixed-point",
)
"""Claims whose figures carry an argument of the paper."""

# Inches a panel: what is shown smaller is drawn smaller, so that letters stay legible.
_WIDTHS = {1: 4.0, 2: 4.1}
_FLOOR = 1e-17  # where errors that are zero are drawn


def _claim(identifier: str) -> Claim:
    found = registry.find(identifier)
    if not isinstance(found, Claim) or found.figure_function is None:
        raise ValueError(f"the paper shows the figure of {identifier}, which has none")
    return found


def claim_drawing(identifier: str) -> str:
    """The figure of a claim.

    Parameters
    ----------
    identifier : str
        Id of a claim.

    Returns
    -------
    str
        SVG.

    Raises
    ------
    ValueError
        If it is no claim, or has no figure.
    """
    claim = _claim(identifier)
    figure = claim_figure(claim)
    assert figure is not None
    figure.set_size_inches(_WIDTHS.get(claim.figure_panels, 3.0) * claim.figure_panels, 3.0)
    return plotting.figure_to_svg(figure, title=claim.title, prefix=claim.id)


def caption(identifier: str) -> str:
    """The caption of the figure of a claim (markdown)."""
    return _claim(identifier).figure_caption


def overview(sources: Sources) -> tuple[str, str]:
    """The tightness of all inequalities.

    Parameters
    ----------
    sources : Sources
        The files that figures are read from.

    Returns
    -------
    tuple of str
        SVG, and the caption (markdown).
    """
    topic = tightness.TOPIC
    with plotting.style():
        figure, words = topic.draw(topic.load(sources))
    return plotting.figure_to_svg(figure, title=topic.title, prefix="tightness"), words


def certificates() -> str:
    """Certified bounds against true errors.

    Returns
    -------
    str
        SVG.
    """
    with plotting.style():
        figure, (axes,) = plotting.new_figure(panel_size=(5.0, 3.3))
        _draw_certificates(figure)
        axes.set_xlabel(r"true error $\max_s |V(s) - V^*(s)|$, in exact arithmetic")
        axes.set_ylabel("bound of the certificate")
    return plotting.figure_to_svg(
        figure, title="Certified bounds against true errors of four solvers", prefix="certificates"
    )


def _draw_certificates(figure: Figure) -> None:
    (axes,) = figure.axes
    for method, marker in zip(METHODS, "osD^", strict=True):
        rows = [row for row in solved() if row.method == method]
        axes.loglog(
            [max(row.error, _FLOOR) for row in rows],
            [row.bound for row in rows],
            marker,
            markersize=3.2,
            markeredgewidth=0,
            alpha=0.7,
            label=method,
        )
    ends = (_FLOOR, 0.1)
    axes.loglog(ends, ends, color="black", linewidth=1, label="bound = error")
    axes.axvspan(_FLOOR / 3, 2 * _FLOOR, color="0.92", linewidth=0)
    axes.set_xlim(_FLOOR / 3, ends[1])
    axes.annotate("exact", (_FLOOR, 1e-4), rotation=90, ha="center", va="center", color="0.35")
    axes.legend(loc="lower right", markerscale=1.6)
