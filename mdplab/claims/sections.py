"""What the report shows of one record: its numbers and its texts, put together for the page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from mdplab.claims.check import as_expected
from mdplab.claims.citations import Reference
from mdplab.claims.markup import markdown, markdown_line
from mdplab.claims.numerals import numeral, pretty
from mdplab.claims.part import Part

__all__ = ["ClaimText", "section"]

# How an equation or inequality is written between the two routes, and what the number beside it says.
_RELATIONS = {
    "Equal": ("=", "largest difference", "worst_violation"),
    "AtMost": ("≤", "smallest slack", "min_slack"),
    "AtLeast": ("≥", "smallest slack", "min_slack"),
    "Separates": ("≠", "distance beyond the margin", "min_slack"),
    "Rate": ("→", "slopes inside the window by", "min_slack"),
}

_SMALL = 240.0  # points: a drawing that needs more is enlarged on demand on a small screen

_VERDICTS = {
    "holds": ("good", "holds"),
    "refuted": ("refuted", "refuted, as expected"),
    "undecided": ("unsure", "undecided"),
    "violated": ("bad", "violated"),
    "error": ("bad", "error"),
}


@dataclass(frozen=True, kw_only=True)
class ClaimText:
    """What the report says about a record beyond its numbers; texts are markdown with formulas.

    Parameters
    ----------
    title : str
        The statement in one line of words.
    statement : str
        The statement.
    source : str
        Whose statement it is.
    theorem : str or None
        Number or name of the theorem in the source.
    assumptions : list of (str, str, str)
        Name, text, and what carries it: the name of a control, or why there is none.
    parts : dict
        Statement of each part, by its name.
    routes : dict
        Left route, right route and list of cross-checks of each part, by its name.
    papers : list of str
        Keys of the bibliography.
    methods : list of (str, str, str, str)
        Published methods that it identifies: name, form, divergence, what is regularised.
    figure_svg : str or None
        The figure as one ``svg`` element.
    figure_caption : str
        Its caption.
    """

    title: str
    statement: str
    source: str = ""
    theorem: str | None = None
    assumptions: list[tuple[str, str, str]] = field(default_factory=list)
    parts: dict[str, str] = field(default_factory=dict)
    routes: dict[str, tuple[str, str, list[str]]] = field(default_factory=dict)
    papers: list[str] = field(default_factory=list)
    methods: list[tuple[str, str, str, str]] = field(default_factory=list)
    figure_svg: str | None = None
    figure_caption: str = ""


def section(
    record: Mapping[str, Any], text: ClaimText | None, known: Mapping[str, Reference], used: set[str]
) -> dict[str, Any]:
    """What the template shows of a record.

    Parameters
    ----------
    record : mapping
        A record of the run.
    text : ClaimText or None
        Its texts.
    known : mapping
        The bibliography.
    used : set of str
        Identifiers that the page has already; those of this section are added.

    Returns
    -------
    dict
        Names that the template uses; texts that are HTML are ``Markup``.

    Raises
    ------
    ValueError
        If a formula cannot be converted, or the figure is not a self-contained drawing.
    """
    identifier = str(record["id"])
    anchor = _anchor(identifier, used)
    papers = text.papers if text is not None and text.papers else record.get("papers", [])
    tightness = [part["tightness"] for part in record["parts"] if part.get("tightness") is not None]
    controls = record["controls"]
    kind, label = _verdict(record["verdict"], record["expect"])
    return {
        "id": identifier,
        "anchor": anchor,
        "title": markdown_line(text.title) if text is not None else identifier,
        "family": str(record.get("family", "")),
        "reading": record["expect"] == "refuted",
        "papers": [
            {"key": key, "short": known[key].short if key in known else key, "found": key in known}
            for key in papers
        ],
        "verdict": label,
        "verdict_kind": kind,
        "as_expected": as_expected(dict(record)),
        "tightness": max(tightness, default=None),
        "controls": [_control(control) for control in controls],
        "controls_as_expected": sum(bool(control["as_expected"]) for control in controls),
        "known": [_known(row) for row in record["known_values"]],
        "known_passed": record["known_values_passed"],
        "known_total": record["known_values_total"],
        "seconds": record.get("seconds"),
        "message": record.get("message") or "",
        "has_text": text is not None,
        "source": _sentence(markdown_line(text.source)) if text is not None and text.source else "",
        "theorem": markdown_line(text.theorem) if text is not None and text.theorem else "",
        "statement": markdown(text.statement) if text is not None else "",
        "assumptions": _assumptions(text, record) if text is not None else [],
        "parts": [_part(part, text, record["expect"]) for part in record["parts"]],
        "methods": [[markdown_line(entry) for entry in row] for row in text.methods]
        if text is not None
        else [],
        "worst": _worst(record.get("worst_instance")),
        "figure": _figure(text.figure_svg, used) if text is not None and text.figure_svg else None,
        "caption": markdown_line(text.figure_caption) if text is not None else "",
    }


def _anchor(identifier: str, used: set[str]) -> str:
    """An identifier of the page: that of the record, as far as its letters allow it."""
    anchor = base = re.sub(r"[^A-Za-z0-9_.-]+", "-", identifier).lstrip("-.0123456789") or "record"
    number = 2
    while anchor in used:
        anchor, number = f"{base}-{number}", number + 1
    used.add(anchor)
    return anchor


def _verdict(verdict: str, expect: str = "holds") -> tuple[str, str]:
    if verdict == "refuted" and expect != "refuted":
        return "bad", "refuted"
    return _VERDICTS.get(verdict, ("bad", verdict))


def _sentence(text: Markup) -> Markup:
    return Markup(text[:1].upper() + text[1:]) if text[:1].isalpha() else text


def _assumptions(text: ClaimText, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Assumptions with what carries them; those of a false reading are met by its counterexamples, and carry nothing."""
    names = {control["name"] for control in record["controls"]}
    dropped = {row["assumption"]: _ablation(row) for row in record.get("ablations", [])}
    return [
        {
            "name": name,
            "text": markdown_line(words),
            "control": carried in names,
            "carried": "" if record["expect"] == "refuted" else carried,
            "ablation": dropped.get(name, ""),
        }
        for name, words, carried in text.assumptions
    ]


def _ablation(row: Mapping[str, Any]) -> str:
    """What a search found without the assumption; empty where that says no more than the declaration."""
    if not row["evaluations"]:
        return ""
    found = "a counterexample was found" if row["how"] == "counterexample" else row["answer"]
    where = f" in part {row['part']}" if row["part"] else f" ({row['how']})" if row["how"] else ""
    number = row["evaluations"]
    tried = f"{number} instance{'s' if number != 1 else ''}"
    return f"Searched without it ({tried}): {found}{where}."


def _part(part: Mapping[str, Any], text: ClaimText | None, expect: str) -> dict[str, Any]:
    name = part["name"]
    sign, measure, key = _RELATIONS.get(
        part["relation"], (part["relation"], "largest violation", "worst_violation")
    )
    if part["verdict"] == "violated":
        measure, key = "violation", "worst_violation"
    left, right, cross = (text.routes.get(name) if text is not None else None) or _listed(
        part.get("routes", [])
    )
    tolerance = part.get("tolerance")
    error = tolerance.get("largest_error") if isinstance(tolerance, Mapping) else tolerance
    reason = tolerance.get("reason", "") if isinstance(tolerance, Mapping) else ""
    kind, label = _verdict(part["verdict"])
    if expect == "refuted" and part["verdict"] == "violated":
        kind, label = "refuted", "violated, as it must be"
    counts = [f"{part[word]} {word}" for word in ("skipped", "degenerate", "undecided") if part.get(word)]
    return {
        "name": name,
        "text": markdown_line(text.parts[name]) if text is not None and name in text.parts else "",
        "relation": sign,
        "left": markdown_line(left),
        "right": markdown_line(right),
        "cross": [markdown_line(route) for route in cross],
        "verdict": label,
        "kind": kind,
        "instances": part["instances"],
        "counts": ", ".join(counts),
        "measure": measure,
        "value": part.get(key),
        "tightness": part.get("tightness"),
        "specified_tightness": part.get("specified_tightness"),
        "searched": part.get("searched"),
        "error": error,
        "reason": markdown_line(str(reason)),
        "certified": _certified(part),
    }


def _listed(routes: list[str]) -> tuple[str, str, list[str]]:
    left, right, *cross = [*routes, "", ""] if len(routes) < 2 else routes
    return left, right, [route for route in cross if route]


def _certified(part: Mapping[str, Any]) -> str:
    """Where the part was checked exactly, or its own reason why it cannot be; empty where neither is declared."""
    certified = part.get("certified")
    if isinstance(certified, Mapping):
        return f"exactly, on {certified.get('instances')} of {certified.get('of')} instances, to {certified.get('to')}"
    exact = part.get("exact")
    reason = exact.get("reason") if isinstance(exact, Mapping) else exact
    return f"no: {reason}" if reason and reason != Part.exact else ""


def _control(control: Mapping[str, Any]) -> dict[str, Any]:
    repair = control["kind"] == "repair"
    if control["as_expected"]:
        outcome = "holds, as it must" if repair else "violated, as it must be"
    elif repair:
        outcome = "does not hold"
    else:
        outcome = "violated, but not as specified" if control["violated"] else "not violated"
    return {
        **control,
        "outcome": outcome,
        "part": control.get("part", ""),
        "message": control.get("message", ""),
    }


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    """Show as many digits of the computed number as are printed, and two more."""
    printed = str(row["printed"])
    decimals = len(printed.partition("e")[0].partition(".")[2]) + 2
    computed = row["computed"]
    plain = isinstance(computed, (int, float)) and "e" not in printed and "/" not in printed and decimals > 2
    shown = f"{computed:.{decimals}f}".replace("-", "−") if plain else numeral(computed, 12)
    return {
        "name": row["name"],
        "printed": printed.replace("-", "−"),
        "computed": shown,
        "passed": bool(row["passed"]),
    }


def _worst(worst: Any) -> dict[str, Any] | None:
    if not worst:
        return None
    data = worst.get("data", worst) if isinstance(worst, Mapping) else worst
    place = []
    if isinstance(worst, Mapping):
        place = [str(worst[key]) for key in ("instance",) if key in worst]
        place += [f"part {worst['part']}"] if "part" in worst else []
        place += [f"seed {worst['seed']}"] if "seed" in worst else []
    return {"place": ", ".join(place), "data": pretty(data)}


# --- figures --------------------------------------------------------------------------------------------------------


def _figure(svg: str, used: set[str]) -> Markup:
    """Check that a drawing is one SVG element that loads and runs nothing, with identifiers of its own."""
    text = svg[svg.find("<svg") :] if "<svg" in svg else svg
    try:
        root = ET.fromstring(text)
    except ET.ParseError as problem:
        raise ValueError(f"the figure is not SVG: {problem}") from None
    if root.tag.rpartition("}")[2] != "svg":
        raise ValueError(f"the figure is a {root.tag} element, expected svg")
    for element in root.iter():
        tag = element.tag.rpartition("}")[2]
        if tag in {"script", "foreignObject", "iframe", "a"}:
            raise ValueError(f"the figure has a {tag} element")
        for name, value in element.attrib.items():
            name = name.rpartition("}")[2]
            if name.startswith("on") or (name == "href" and not value.startswith(("#", "data:image/"))):
                raise ValueError(f"the figure has the attribute {name}={value[:60]!r}")
            if name == "id":
                if value in used:
                    raise ValueError(f"the figure has the identifier {value!r}, which the page has already")
                used.add(value)
        for style in (element.text or "" if tag == "style" else "", element.get("style", "")):
            if re.search(r"@import|url\(\s*['\"]?(?!['\"]?#)", style):
                raise ValueError("the figure has a style that loads something")
    width = re.match(r"[\d.]+", root.get("width", ""))
    if width is None:
        return Markup(text)
    # On a small screen a wide drawing is small; when chosen it is wide enough to read, and scrolled.
    points = 0.72 * float(width[0])
    kind = "scaled wide-drawing" if points > _SMALL else "scaled"
    return Markup('<div class="{}" style="--legible: {:.0f}pt">{}</div>').format(kind, points, Markup(text))
