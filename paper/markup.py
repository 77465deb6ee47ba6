r"""Text of claims as Typst: markdown with LaTeX formulas between dollar signs, converted by pandoc in one go.

Formulas become Typst's own mathematics, so that they are set with the text: broken at relations, on its baseline,
selectable.  A content is a tree of dictionaries and lists whose leaves of the class :class:`Markdown` are converted and
whose other leaves stay as they are.
"""

from __future__ import annotations

import math
import re
from typing import Any

__all__ = ["Markdown", "converted", "escaped", "number"]

_BETWEEN = "\n\nBETWEENTWOTEXTS\n\n"
_ROMAN = re.compile(r"\{\\rm\s+([^{}]*)\}")  # an old form of \mathrm
_WORD = re.compile(r"upright\(((?:\w )+\w)\)")  # letters one by one: a word, spaced as an operator
# bars with a script after them: a pair, not a relation
_NORM = re.compile(r"\\\|((?:(?!\\\|)[^$])+?)\\\|(?=\s*[_^])")
_FORMAT = "commonmark+tex_math_dollars"


class Markdown(str):
    """A text that is to be converted."""


def converted(content: Any) -> Any:
    """Convert all texts of a content.

    Parameters
    ----------
    content : object
        Dictionaries, lists and leaves.

    Returns
    -------
    object
        The same tree, texts as Typst markup.

    Raises
    ------
    ValueError
        If a formula cannot be converted; the message names it.
    """
    texts: dict[str, str] = {}
    _collect(content, texts)
    for text, markup in zip(texts, _typst(list(texts)), strict=True):
        texts[text] = markup
    return _replaced(content, texts)


def _collect(content: Any, texts: dict[str, str]) -> None:
    if isinstance(content, Markdown):
        texts[content] = ""
    elif isinstance(content, dict):
        for item in content.values():
            _collect(item, texts)
    elif isinstance(content, list):
        for item in content:
            _collect(item, texts)


def _replaced(content: Any, texts: dict[str, str]) -> Any:
    if isinstance(content, Markdown):
        return texts[content]
    if isinstance(content, dict):
        return {key: _replaced(item, texts) for key, item in content.items()}
    if isinstance(content, list):
        return [_replaced(item, texts) for item in content]
    return content


def _typst(texts: list[str]) -> list[str]:
    import pypandoc

    source = _BETWEEN.join(
        _NORM.sub(r"\\left\\|\1\\right\\|", _ROMAN.sub(r"{\\mathrm{\1}}", text)) for text in texts
    )
    try:
        markup = pypandoc.convert_text(
            source, "typst", format=_FORMAT, extra_args=["--wrap=none", "--fail-if-warnings"]
        )
    except RuntimeError as problem:
        raise ValueError(f"a text cannot be converted to Typst: {problem}") from None
    pieces = markup.split(_BETWEEN.strip())
    assert len(pieces) == len(texts)
    return [_mended(piece) for piece in pieces]


def _mended(markup: str) -> str:
    """Words in one piece, and bars of norms as delimiters: pandoc's sign for them is a relation in Typst."""
    words = _WORD.sub(lambda found: f'op("{found[1].replace(" ", "")}")', markup)
    return words.replace("∥", "‖").strip()


def escaped(text: str) -> str:
    """Plain text as Typst markup.

    Parameters
    ----------
    text : str
        Anything.

    Returns
    -------
    str
        Markup that shows it as it is.
    """
    return re.sub(r"([\\#$*_`<>@\[\]~])", r"\\\1", text)


def number(value: float | int | None, digits: int = 3) -> str:
    """A number as Typst markup: ``0.0123`` as it is, ``1.3e-12`` as a power of ten, None as a dash.

    Parameters
    ----------
    value : float, int or None
        The number.
    digits : int
        Significant digits of a float, at least 1.

    Returns
    -------
    str
    """
    if value is None:
        return "–"
    if isinstance(value, int):
        return f"{value:,}".replace(",", "#sym.space.nobreak.narrow;").replace("-", "−")
    if not math.isfinite(value):
        return "∞" if value > 0 else "−∞"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    power = int(exponent)
    if value == 0:
        return "0"
    if -4 < power < 6:
        text = f"{value:.{max(digits - 1 - power, 0)}f}"
        return text.replace("-", "−")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    factor = "" if mantissa == "1" else f"{mantissa} times "
    return f"${factor}10^({power})$"
