"""Sphinx configuration: pages in Markdown, reference from the docstrings."""

from __future__ import annotations

from importlib.metadata import version as version_of
from typing import Any

from sphinx.application import Sphinx

project = "mdplab"
author = "the mdplab authors"
copyright = "the mdplab authors"
version = release = version_of("mdplab")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # formulas need no network
    "numpydoc",
    "myst_parser",
]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 2

autodoc_typehints = "none"  # the docstrings give types with their shapes
autodoc_member_order = "alphabetical"
numpydoc_show_class_members = False

html_theme = "furo"
html_title = f"mdplab {version}"
html_show_copyright = False
html_show_sphinx = False
html_copy_source = False
html_show_search_summary = False  # pages opened as files may not be read by the search


def show_formulas_as_written(
    app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]
) -> None:
    """In the text of a module, an indented block is a formula in plain characters."""
    if what != "module":
        return
    shown: list[str] = []
    for line in lines:
        starts = line.startswith("    ") and shown and not shown[-1].strip()
        if starts and not shown[-2].rstrip().endswith("::"):
            shown += ["::", ""]
        shown.append(line)
    lines[:] = shown


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", show_formulas_as_written)
