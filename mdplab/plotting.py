r"""The look of the project's figures, and figures as text.

Three steps are shared by every figure: draw under the project's style, on axes that belong to no window,
and write the result as SVG that can stand inside a page.

- *Style.* :func:`style` applies ``mdplab.mplstyle`` (colours of Okabe and Ito, which remain distinct under
  the common colour-vision deficiencies; letters of at least 9 points) and restores what was set before.
- *Figures without windows.* :func:`new_figure` builds the figure from its class, not through ``pyplot``: no
  display is needed, nothing is kept in a global list, and the figure disappears with its last reference.
- *Text.* :func:`figure_to_svg` returns the same text for the same drawing (no date, salted identifiers) and
  makes every identifier and style rule of the drawing its own, since identifiers are global in a page: two
  drawings in one HTML file would otherwise share clip paths and letters, and the first would cut the second.
- *Files.* :func:`save_figure` writes PDF, SVG and PNG, the same bytes for the same drawing.

Matplotlib is imported inside the functions.

References
----------
M. Okabe and K. Ito (2008), Color Universal Design: how to make figures and presentations that are friendly
to colorblind people.
"""

from __future__ import annotations

import hashlib
import html
import io
import logging
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["figure_to_svg", "new_figure", "save_figure", "style"]

_STYLE_FILE = Path(__file__).with_name("mdplab.mplstyle")
_IDENTIFIER = re.compile(r'(\bid="|\bhref="#|url\(#)(?=[^")])')


@contextmanager
def style() -> Iterator[None]:
    """Draw under the project's style, whatever the user's own settings are.

    Lines and texts take their looks when they are made, so the drawing belongs into the ``with`` block, not
    only the creation of the figure. The settings are those of the process: do not enter from two threads.

    Yields
    ------
    None
        On leaving the block the former settings are restored.
    """
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()  # not the user's own file: the same bytes on every desk
        matplotlib.rcParams.update(matplotlib.rc_params_from_file(_STYLE_FILE, use_default_template=False))
        yield


def new_figure(
    panels: int = 1, *, columns: int | None = None, panel_size: tuple[float, float] = (4.2, 3.1)
) -> tuple[Figure, list[Axes]]:
    """Make a figure with a row, or a grid, of panels.

    Parameters
    ----------
    panels : int
        Number of panels, at least 1.
    columns : int, optional
        Panels in a row, at least 1; all panels stand in one row by default. The last row may be shorter.
    panel_size : tuple of float
        Width and height of one panel in inches, both positive.

    Returns
    -------
    figure : matplotlib.figure.Figure
        A figure that no window and no global list knows of.
    axes : list of matplotlib.axes.Axes
        The panels, ``(panels,)``, row by row.

    Raises
    ------
    ValueError
        If a number is below 1 or a size is not positive.
    """
    if panels < 1:
        raise ValueError(f"panels must be at least 1, got {panels}")
    per_row = panels if columns is None else columns
    if per_row < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    width, height = panel_size
    if not (width > 0 and height > 0):
        raise ValueError(f"panel_size must be a positive width and height in inches, got {panel_size}")
    from matplotlib.figure import Figure

    per_row = min(per_row, panels)
    rows = -(-panels // per_row)
    with style():
        figure = Figure(figsize=(width * per_row, height * rows))
        axes = [figure.add_subplot(rows, per_row, place + 1) for place in range(panels)]
    return figure, axes


def figure_to_svg(figure: Figure, *, title: str = "", prefix: str = "") -> str:
    """Write a figure as an ``<svg>`` element for a page, the same text for the same drawing.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write; it is not changed.
    title : str
        What the drawing shows, for screen readers. An empty title marks the drawing as decoration.
    prefix : str
        First part of every identifier in the drawing: a letter, then letters, digits, ``-``, ``_``, ``.``.
        By default a hash of the drawing, so that different drawings never share an identifier. Give one where
        the same drawing stands twice in a page.

    Returns
    -------
    str
        One ``<svg>`` element without XML declaration and date; letters are outlines, no font is needed.

    Raises
    ------
    ValueError
        If `prefix` cannot begin an identifier.
    """
    if prefix and not re.fullmatch(r"[A-Za-z][\w.-]*", prefix, flags=re.ASCII):
        raise ValueError(
            f"prefix must be a letter followed by letters, digits, '-', '_' or '.', got {prefix!r}"
        )
    buffer = io.StringIO()
    with style():
        figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    text = buffer.getvalue()
    text = text[text.index("<svg") :].rstrip() + "\n"
    name = prefix or "drawing-" + hashlib.sha256(text.encode()).hexdigest()[:12]
    text = _IDENTIFIER.sub(rf"\g<1>{name}-", text)
    # Matplotlib's one style rule is for `*`: within a page it would reach everything else.
    root = f"{name}-svg"
    text = text.replace('<style type="text/css">*{', f'<style type="text/css">[id="{root}"] *{{', 1)
    if title:
        return text.replace("<svg", f'<svg id="{root}" role="img" aria-label="{html.escape(title)}"', 1)
    return text.replace("<svg", f'<svg id="{root}" aria-hidden="true"', 1)


def save_figure(figure: Figure, stem: str | Path, *, title: str) -> tuple[Path, Path, Path]:
    """Write a figure as PDF (letters embedded as TrueType), SVG and PNG, the same bytes for the same drawing.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        What to write; it is not changed.
    stem : str or path
        The files without their endings; the folder is made if need be, each file is replaced in one step.
    title : str
        What the drawing shows: the title of the files, and in the SVG the text for screen readers.

    Returns
    -------
    tuple of Path
        The three files: ``.pdf``, ``.svg``, ``.png``.
    """
    folder, name = Path(stem).parent, Path(stem).name
    pdf, svg, png = (folder / f"{name}.{ending}" for ending in ("pdf", "svg", "png"))
    folder.mkdir(parents=True, exist_ok=True)
    with style():
        buffer = io.BytesIO()
        log = logging.getLogger("fontTools.ttLib.tables._h_e_a_d")
        log.addFilter(_is_not_of_undated_font)
        try:
            figure.savefig(
                buffer,
                format="pdf",
                metadata={"Title": title, "Creator": None, "Producer": None, "CreationDate": None},
            )
        finally:
            log.removeFilter(_is_not_of_undated_font)
        _replace(pdf, buffer.getvalue())
        _replace(svg, figure_to_svg(figure, title=title).encode())
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=200, metadata={"Title": title, "Software": None})
        _replace(png, buffer.getvalue())
    return pdf, svg, png


def _is_not_of_undated_font(record: logging.LogRecord) -> bool:
    """Matplotlib takes the prime of formulas from a font without a date, which the subsetting remarks upon in every PDF."""
    return "timestamp seems very low" not in str(record.msg)


def _replace(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    part.replace(path)
