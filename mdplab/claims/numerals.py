"""Numbers, times and data as a reader wants to see them in a page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup, escape

__all__ = ["duration", "numeral", "plural", "pretty"]

_LONGEST = 12_000  # characters of an instance that a page shows
_WIDTH = 100


def numeral(value: Any, digits: int = 3) -> Markup:
    """Write a number: ``0.0123`` as it is, ``1.3e-12`` as 1.3 × 10⁻¹².

    Parameters
    ----------
    value : float, int or None
        The number; None is a dash.
    digits : int
        Significant digits, at least 1.

    Returns
    -------
    Markup
        The number with a true minus sign and a raised exponent; ``undefined`` where it is not finite.
    """
    if value is None:
        return Markup('<span class="none" title="undefined">–</span>')
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return escape(value)
    if isinstance(value, int):
        return escape(f"{value}".replace("-", "−"))
    if not math.isfinite(value):
        return Markup("undefined")
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    power = int(exponent)
    if value == 0:
        return Markup("0")
    if -4 < power < 6:
        text = f"{value:.{max(digits - 1 - power, 0)}f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
        return escape(text.replace("-", "−"))
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    sign = "−" if power < 0 else ""
    return Markup('<span class="number">{} × 10<sup>{}</sup></span>').format(
        mantissa.replace("-", "−"), f"{sign}{abs(power)}"
    )


def duration(seconds: float | None) -> str:
    """Write a time in the unit that suits it.

    Parameters
    ----------
    seconds : float or None
        The time, not negative; None is a dash.

    Returns
    -------
    str
        For instance ``"0.21 s"`` or ``"2 min 05 s"``.
    """
    if seconds is None:
        return "–"
    if seconds < 0.1:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 10:
        return f"{seconds:.2f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"


def plural(count: int, word: str) -> str:
    """Write a count with its word.

    Parameters
    ----------
    count : int
        How many.
    word : str
        The word in the singular; its plural takes an s.

    Returns
    -------
    str
        For instance ``"1 control"`` or ``"3 controls"``.
    """
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def pretty(data: Any) -> str:
    """Write data as JSON with short lists in one line.

    Parameters
    ----------
    data : object
        JSON types.

    Returns
    -------
    str
        Cut after some thousand characters, and then saying so.
    """
    text = _layout(data, 0)
    if len(text) <= _LONGEST:
        return text
    return f"{text[:_LONGEST]}\n... ({len(text) - _LONGEST} more characters, in the JSON file of the run)"


def _layout(data: Any, indent: int) -> str:
    flat = json.dumps(data, ensure_ascii=False)
    if not isinstance(data, (Mapping, list)) or not data:
        return flat
    if isinstance(data, list) and len(flat) + indent <= _WIDTH:
        return flat
    inner = " " * (indent + 2)
    if isinstance(data, Mapping):
        lines = [
            f"{inner}{json.dumps(key, ensure_ascii=False)}: {_layout(item, indent + 2)}"
            for key, item in data.items()
        ]
    elif any(isinstance(item, (Mapping, list)) for item in data):
        lines = [inner + _layout(item, indent + 2) for item in data]
    else:
        lines = _filled(data, inner)
    brackets = "{}" if isinstance(data, Mapping) else "[]"
    return "\n".join([brackets[0], ",\n".join(lines), " " * indent + brackets[1]])


def _filled(data: list[Any], inner: str) -> list[str]:
    """Numbers of a long list, as many a line as fit."""
    lines, line = [], inner
    for item in data:
        text = json.dumps(item, ensure_ascii=False)
        if len(line) + len(text) + 2 > _WIDTH and line != inner:
            lines.append(line.rstrip(", "))
            line = inner
        line += text + ", "
    lines.append(line.rstrip(", "))
    return lines
