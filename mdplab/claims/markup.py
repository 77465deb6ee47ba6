r"""Text of claims as HTML: markdown with formulas between ``$...$`` (in the line) and ``$$...$$`` (displayed).

Markdown is CommonMark without raw HTML, images and headings (``markdown-it-py``); formulas become MathML
(:mod:`mdplab.claims.mathml`).  Punctuation next to a formula stays on its line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from markupsafe import Markup

from mdplab.claims.mathml import formula

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererProtocol
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_core import StateCore
    from markdown_it.rules_inline import StateInline
    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict

__all__ = ["markdown", "markdown_line"]


def markdown(text: str) -> Markup:
    """Convert paragraphs of markdown with formulas to HTML.

    Parameters
    ----------
    text : str
        CommonMark; raw HTML is shown as text, images and headings are not recognised.

    Returns
    -------
    Markup
        Block elements.

    Raises
    ------
    ValueError
        If a formula cannot be converted, or a dollar sign has no partner (write ``\\$`` for the sign itself).
    """
    return Markup(_parser().render(text))


def markdown_line(text: str) -> Markup:
    """Convert one line of markdown with formulas to HTML.

    Parameters
    ----------
    text : str
        Inline markdown.

    Returns
    -------
    Markup
        Inline elements.

    Raises
    ------
    ValueError
        As :func:`markdown`.
    """
    return Markup(_parser().renderInline(text))


@cache
def _parser() -> MarkdownIt:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False})
    parser.disable(["image", "heading", "lheading", "html_block", "html_inline", "code", "reference"])
    parser.inline.ruler.before("escape", "formula", _inline_formula)
    parser.block.ruler.before(
        "fence", "display", _block_formula, {"alt": ["paragraph", "blockquote", "list"]}
    )
    parser.core.ruler.push("join", _join)
    parser.add_render_rule("formula", _render)
    parser.add_render_rule("display", _render)
    return parser


def _render(
    self: RendererProtocol, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    token = tokens[index]
    return formula(token.content, display=token.type == "display", **token.meta)


def _join(state: StateCore) -> None:
    """Move punctuation next to a formula into it, so that no line begins with a comma."""
    for block in state.tokens:
        tokens = block.children or []
        for token, following in pairwise(tokens):
            if token.type == "formula" and following.type == "text":
                after = re.match(r"[.,;:!?)\]’”\"'-]*", following.content)
                assert after is not None  # an empty match is a match
                following.content = following.content[after.end() :]
                token.meta["after"] = after[0]
            elif token.type == "text" and following.type == "formula":
                before = re.search(r"[(\[“\"]*$", token.content)
                assert before is not None
                token.content = token.content[: before.start()]
                following.meta["before"] = before[0]


def _block_formula(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Lines from one that begins with ``$$`` to one that ends with ``$$`` are a displayed formula."""
    lines = []
    for line in range(start, end):
        lines.append(state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].strip())
        body = " ".join(lines)
        if not body.startswith("$$"):
            return False
        closed = re.fullmatch(r"\$\$(.+?)\$\$([.,;:]?)", body)
        if closed:
            break
    else:
        return False
    if not silent:
        token = state.push("display", "", 0)
        token.content = closed[1].strip() + closed[2]
        token.map = [start, line + 1]
    state.line = line + 1
    return True


def _inline_formula(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] != "$":
        return False
    mark = "$$" if state.src.startswith("$$", state.pos) else "$"
    start = state.pos + len(mark)
    end = state.src.find(mark, start)
    while end > 0 and state.src[end - 1] == "\\":
        end = state.src.find(mark, end + 1)
    if end < 0:
        raise ValueError(f"the formula {state.src[state.pos : state.pos + 40]!r}... is not closed")
    if not silent:
        token = state.push("display" if mark == "$$" else "formula", "", 0)
        token.content = " ".join(state.src[start:end].split())
    state.pos = end + len(mark)
    return True
