r"""Formulas as MathML, from LaTeX.

``latex2mathml`` converts; what it writes is then brought to what browsers implement, MathML Core:

* alphabets (``\mathbb``, ``\mathcal``, bold) are characters, not the attribute ``mathvariant``, which browsers ignore;
* letters of ``\mathrm{KL}`` are one upright word; ``\log``, ``\max`` and such words are operators, spaced by the rules
  of TeX (a thin space towards a letter, none towards a parenthesis);
* a sign with one operand (``-x``, ``(\cdot|s)``) has no space; accents are marked as such; fences keep their size;
* a long formula falls into several ``math`` elements at its relations and signs, so that lines can break there.

A formula that cannot be converted raises ``ValueError``: a report with broken formulas is never written.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from functools import lru_cache

import latex2mathml.converter
from markupsafe import Markup, escape

from mdplab.claims.alphabets import letters

__all__ = ["formula"]

_OPENING, _CLOSING, _BARS = frozenset("([{⟨⌊⌈"), frozenset(")]}⟩⌋⌉"), frozenset("|‖∣")
_SIGNS = frozenset("+−±∓×·⋅∗∘⊙⊗⊕∪∩∧∨")
_RELATIONS = frozenset(":=≠<>≤≥≪≫≡∼≈≃≅∝∈∉∋⊂⊆→←↔⇒⇔↦≺≼≻≽")
_LARGE = frozenset("∑∏∫⋃⋂")
_PUNCTUATION = frozenset(",;")
_PRIMES = frozenset("′″‴")
_TALL = frozenset("bdfhikltβδζθλξϑABCDEFGHIJKLMNOPQRSTUVWXYZΓΔΘΛΞΠΣΥΦΨΩ")  # letters above the height of x
_LIMITS = frozenset(
    {"max", "min", "sup", "inf", "lim", "lim sup", "lim inf", "argmax", "argmin", "arg max", "arg min"}
)
_ACCENTS = {"^": "ˆ", "∼": "˜", "¯": "¯", "˙": "˙", "¨": "¨", "→": "→"}
_OVERLINES = {"―": "‾", "‾": "‾"}
_IDENTIFIERS = frozenset("∞⊤⊥∅ℓ∀∃∇∂…⋯")  # operators of the library that are symbols
_COMMANDS = {r"\arg": "arg"}  # commands that the library leaves as they are
_SPACES = {"negativethinmathspace": ""}
_SCRIPTS = {"msub", "msup", "msubsup", "munder", "mover", "munderover"}
_ARGUMENTS = {"msubsup": 3, "munderover": 3} | dict.fromkeys(
    ("msub", "msup", "munder", "mover", "mfrac", "mroot"), 2
)
_THIN, _THICK = "0.1667em", "0.2778em"
_KEPT = {
    "mo": {"stretchy", "fence", "form", "minsize", "maxsize", "movablelimits", "lspace", "rspace"},
    "mspace": {"width"},
    "mfrac": {"linethickness"},
    "mstyle": {"displaystyle", "scriptlevel"},
    "mover": {"accent"},
    "mtd": {"columnalign"},
    "mtable": {"displaystyle"},
}
_DROPPED = {
    "rowspacing", "columnspacing", "rowlines", "columnlines", "accent", "xmlns", "symmetric", "largeop", "mathvariant",
    "notation", "class", "display", "separator",
}  # fmt: skip
_WIDE = 24  # a piece of so many characters may be wider than a small screen
_BREAK_FROM, _PIECE = 18, 8  # a formula of so many characters may break, into pieces of about that many


# --- formulas -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def formula(latex: str, *, display: bool = False, before: str = "", after: str = "") -> Markup:
    r"""Convert a formula to MathML.

    Parameters
    ----------
    latex : str
        The formula without its dollar signs, e.g. ``r"\hat\pi^*(a|s)"``.
    display : bool
        Whether it stands on a line of its own.
    before, after : str
        Text that no line break may part from it: a parenthesis, a comma.

    Returns
    -------
    Markup
        One ``math`` element, or several between which lines may break.

    Raises
    ------
    ValueError
        If the formula is empty, has a command that is not known, or is malformed.
    """
    if not latex.strip():
        raise ValueError("an empty formula")
    braces = re.sub(r"\\.|[^{}]", "", latex)
    if braces.count("{") != braces.count("}"):
        raise ValueError(f"the formula {latex!r} has a brace without its partner")
    try:
        root = ET.fromstring(latex2mathml.converter.convert(latex, display="block" if display else "inline"))
    except Exception as problem:
        reason = f"{type(problem).__name__}: {problem}".removesuffix(": ")
        raise ValueError(f"the formula {latex!r} cannot be converted ({reason})") from None
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        text = (element.text or "").strip()
        if text in _COMMANDS:
            element.text = _COMMANDS[text]
        elif "\\" in text or element.tag in {"merror", "maction"}:
            raise ValueError(f"the formula {latex!r} has the unknown command {text}")
        elif text == "&" or element.get("linebreak"):
            raise ValueError(
                f"the formula {latex!r} has an alignment mark or a line break outside an environment"
            )
    row = _flat(list(root))
    try:
        row = _converted(row)
    except ValueError as problem:
        raise ValueError(f"the formula {latex!r}: {problem}") from None
    parts = [_math(piece, display) for piece in _pieces(row)]
    parts[0] = f"{escape(before)}{parts[0]}"
    parts[-1] = f"{parts[-1]}{escape(after)}"
    joined = ({0} if before else set()) | ({len(parts) - 1} if after else set())
    html = "<wbr>".join(
        f'<span class="joined">{part}</span>' if place in joined else part for place, part in enumerate(parts)
    )
    return Markup(f'<span class="display" tabindex="0">{html}</span>' if display else html)


def _math(children: list[ET.Element], display: bool) -> str:
    node = ET.Element("math", {"displaystyle": "true"} if display else {})
    node.extend(children)
    for element in node.iter():
        if element.get("class") in {"op", "word"}:
            del element.attrib["class"]
    if any(element.tag == "mfrac" for element in node.iter()):
        node.set("class", "tall")
    html = ET.tostring(node, encoding="unicode", method="xml")
    return html if display or len(_text(children)) < _WIDE else f'<span class="wide">{html}</span>'


def _text(children: Iterable[ET.Element]) -> str:
    return "".join("".join(child.itertext()) for child in children)


def _flat(children: list[ET.Element]) -> list[ET.Element]:
    """Children of a row; a row that holds nothing but another row is that row."""
    while len(children) == 1 and children[0].tag == "mrow" and not children[0].attrib:
        children = list(children[0])
    return children


def _converted(row: list[ET.Element], small: bool = False) -> list[ET.Element]:
    """Bring the elements of a row (of a script, if small) to MathML Core, and space its operators."""
    row = [_unwrapped(_element(child, small)) for child in _words(row) if not _is_no_space(child)]
    _space(row, small)
    return row


def _unwrapped(element: ET.Element) -> ET.Element:
    """A word of ``\\mathrm`` without its row, so that it is spaced as a part of the row around it."""
    if element.tag == "mrow" and len(element) == 1 and _kind(element[0]) == "op":
        return element[0]
    return element


def _is_no_space(element: ET.Element) -> bool:
    return element.tag == "mspace" and _SPACES.get(element.get("width", ""), "kept") == ""


def _words(row: list[ET.Element]) -> list[ET.Element]:
    """Join neighbouring upright letters to words: ``\\mathrm{KL}`` is one identifier."""
    words: list[ET.Element] = []
    for child in row:
        upright = child.tag in {"mi", "mn"} and child.get("mathvariant") == "normal"
        if upright and words and words[-1].get("class") == "word":
            words[-1].text = (words[-1].text or "") + (child.text or "")
        elif upright:
            word = ET.Element("mi", {"class": "word"})
            word.text = child.text
            words.append(word)
        else:
            words.append(child)
    return words


def _element(element: ET.Element, small: bool) -> ET.Element:
    """Convert one element and what it holds."""
    tag = element.tag
    if tag in {"mi", "mn", "mo", "mtext"}:
        return _token(element)
    if tag == "mspace":
        return _with(ET.Element("mspace"), element)
    if tag in {"mrow", "math", "mstyle", "mtd", "msqrt", "mphantom", "menclose", "mpadded"}:
        node = _with(ET.Element("mrow" if tag in {"menclose", "mpadded", "math"} else tag), element)
        if tag == "menclose":
            if element.get("notation") != "box":
                raise ValueError(f"no enclosure {element.get('notation')}")
            node.set("class", "boxed")
        node.extend(_converted(list(element), small))
        return node
    if tag in _SCRIPTS or tag in {"mfrac", "mroot", "mtable", "mtr"}:
        if len(element) != _ARGUMENTS.get(tag, len(element)):
            raise ValueError("an argument is missing")
        node = _with(ET.Element(tag), element)
        for place, child in enumerate(element):
            below = small or (tag in _SCRIPTS and place > 0)
            node.append(_single(child, below) if child.tag == "mrow" else _element(child, below))
        return _script(node) if tag in _SCRIPTS else node
    raise ValueError(f"no element {tag}")


def _single(row: ET.Element, small: bool) -> ET.Element:
    """A row in the place of one argument: its only element, where it has only one."""
    children = _converted(_flat([row]), small)
    if len(children) == 1:
        return children[0]
    node = ET.Element("mrow")
    node.extend(children)
    return node


def _with(node: ET.Element, source: ET.Element) -> ET.Element:
    """Copy the attributes that browsers implement; refuse those that nobody expected."""
    kept = _KEPT.get(node.tag, set())
    for name, value in source.attrib.items():
        if name in kept:
            if name == "columnalign":
                node.set("style", f"text-align:{value}")
            else:
                node.set(name, value)
        elif name not in _DROPPED:
            raise ValueError(f"no attribute {name} of {source.tag}")
    return node


def _token(element: ET.Element) -> ET.Element:
    text = letters((element.text or "").strip("\n"), element.get("mathvariant"))
    if element.tag == "mtext":
        node = ET.Element("mtext")
    elif element.tag == "mo" and text in _IDENTIFIERS:
        node = ET.Element("mi")
    elif text in _OPENING | _CLOSING | _BARS:
        node = _with(ET.Element("mo"), element)
        if node.get("minsize"):
            node.set("stretchy", "true")
        elif element.tag == "mi":
            node.set("stretchy", "false")
        if text in _OPENING | _CLOSING:
            node.set("form", "prefix" if text in _OPENING else "postfix")
        elif text != "∣":
            node.attrib.update(lspace="0em", rspace="0em")
    elif element.tag in {"mi", "mo"} and len(text) > 1 and text.replace(" ", "").isalnum():
        node = ET.Element("mo", {"class": "op", "form": "prefix"})
        if text in _LIMITS:
            node.set("movablelimits", "true")
    elif element.tag == "mo" or text in _SIGNS | _RELATIONS | {"~"}:
        node = _with(ET.Element("mo"), element)
    else:
        node = ET.Element(element.tag)
        if element.get("class") == "word" or (text == "∇" and element.tag == "mi"):
            node.set("mathvariant", "normal")  # one upright letter: the one value that browsers implement
    node.text = {"*": "∗", "~": "∼"}.get(text, text) if node.tag == "mo" else text
    return node


def _script(node: ET.Element) -> ET.Element:
    """Scripts: signs in them are symbols, accents are accents, limits of max and min go below in a display."""
    base, *scripts = list(node)
    if node.tag in {"mover", "munder"} and scripts[0].tag == "mo" and scripts[0].get("class") != "op":
        sign = scripts[0].text or ""
        if node.tag == "mover" and (sign in _ACCENTS or sign in _OVERLINES):
            node.set("accent", "true")
            scripts[0].text = _ACCENTS.get(sign) or _OVERLINES[sign]
            scripts[0].attrib = {"stretchy": "true" if sign in _OVERLINES else "false"}
            if sign in _ACCENTS and (base.text or "") in _TALL:
                scripts[0].set("class", "skewed")
        return node  # or a brace above or below
    for script in scripts:
        if script.tag == "mo":
            script.tag, script.attrib = "mi", {}
    if node.tag == "msub" and base.get("movablelimits"):
        node.tag = "munder"
    if base.tag == "mover" and base.get("accent") and len(base[0].text or "") == 1:
        node[0] = _lowered(base)
    last = scripts[-1]
    if node.tag in {"msup", "msubsup"} and last.tag == "mi" and (last.text or "") in _PRIMES:
        return _primed(node)
    return node


def _lowered(accented: ET.Element) -> ET.Element:
    """An accented letter as high as the letter: scripts go where they go without the accent, as in TeX."""
    padded = ET.Element("mpadded", {"height": "0.69em" if accented[0].text in _TALL else "0.48em"})
    padded.append(accented)
    return padded


def _primed(node: ET.Element) -> ET.Element:
    """A prime stands beside its letter: the font's sign is a raised one already."""
    row = ET.Element("mrow")
    prime = ET.Element("mo", {"lspace": "0em", "rspace": "0em", "class": "prime"})
    prime.text = node[-1].text
    node.remove(node[-1])
    if node.tag == "msubsup":
        node.tag = "msub"
        row.extend([node, prime])
    else:
        row.extend([node[0], prime])
    return row


# --- spaces and breaks ----------------------------------------------------------------------------------------------


def _core(element: ET.Element) -> ET.Element:
    """The operator within scripts, which carries the space of the whole."""
    while element.tag in {"msub", "msup", "msubsup", "munder", "munderover"} and len(element):
        element = element[0]
    return element


def _kind(element: ET.Element) -> str:
    """Class of an element as TeX has it: ord, op, large, sign, relation, open, close, bar, comma or space."""
    core = _core(element)
    if core.tag == "mspace":
        return "space"
    if core.tag != "mo":
        return "ord"
    text = core.text or ""
    if core.get("class") == "op":
        return "op"
    kinds = {
        "open": _OPENING, "close": _CLOSING, "bar": _BARS, "large": _LARGE,
        "sign": _SIGNS, "relation": _RELATIONS, "comma": _PUNCTUATION,
    }  # fmt: skip
    return next((kind for kind, members in kinds.items() if text in members), "ord")


def _space(row: list[ET.Element], small: bool) -> None:
    """Set the spaces of words, signs and relations in a row (of a script, if small) by the rules of TeX."""
    kinds = [_kind(element) for element in row]
    for place, element in enumerate(row):
        before = kinds[place - 1] if place else "none"
        after = kinds[place + 1] if place + 1 < len(row) else "none"
        core = _core(element)
        if kinds[place] == "op":
            core.set("lspace", _THIN if before in {"ord", "close"} else "0em")
            core.set("rspace", _THIN if after in {"ord", "op", "bar"} else "0em")
        elif kinds[place] == "sign":
            bare_left = before in {"none", "open", "bar", "relation", "sign", "comma", "op", "large"}
            bare_right = after in {"none", "close", "relation", "comma"} or (
                after == "bar" and core.text in {"·", "⋅"}
            )
            if small or bare_left or bare_right:
                core.attrib.update(form="prefix", lspace="0em", rspace="0em")
        elif kinds[place] == "relation":
            width = "0em" if small else _THICK
            core.set("lspace", "0em" if before == "none" else width)
            core.set("rspace", _THIN if after == "none" and not small else width)
        elif kinds[place] == "large" and before not in {"ord", "op", "close", "bar"}:
            core.set("lspace", "0em")
        elif core.tag == "mo" and core.text in {"/", "."}:
            core.attrib.update(lspace="0em", rspace="0em")


def _pieces(row: list[ET.Element]) -> list[list[ET.Element]]:
    """Cut a long row after relations and signs, outside parentheses if it can be, and between long numbers."""
    if len(_text(row)) <= _BREAK_FROM:
        return [row]
    pieces: list[list[ET.Element]] = [[]]
    opened: list[int] = []  # length of the piece where each open parenthesis stands
    for element in row:
        kind, core = _kind(element), _core(element)
        length = len(_text(pieces[-1]))
        if kind == "open":
            opened.append(length)
        elif kind == "close" and opened:
            opened.pop()
        outside = not opened or length >= _WIDE
        breaks = kind == "relation" and outside
        if kind == "comma":  # between long numbers, not in (s, a)
            breaks = not opened or length - opened[-1] >= _PIECE
        elif kind == "sign":
            breaks = outside and core.get("lspace") is None and core.text not in {"∗", "·", "⋅"}
        pieces[-1].append(element)
        if breaks and length >= _PIECE - 1:
            core.set("form", "infix")  # the last of a row would be taken as a postfix
            pieces.append([])
            opened = [0] * len(opened)
    if not pieces[-1]:
        pieces.pop()
    elif len(pieces) > 1 and len(_text(pieces[-1])) < 4:
        tail = pieces.pop()
        pieces[-1].extend(tail)
    return pieces
