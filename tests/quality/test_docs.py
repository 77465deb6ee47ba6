"""The code of the pages runs, block after block, and prints what they say."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("index.md", "claims.md", "conjectures.md", "methods.md", "testing.md", "verdicts.md")
PACKAGES = sorted(path.parent.name for path in (ROOT / "mdplab").glob("[!_]*/__init__.py"))
MODULES = ("plotting", "solution", "wasserstein")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")  # code that is wrong on purpose
def test_the_blocks_of_a_page_run_in_order(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that begins with the name of a file is that module; the others share one name space."""
    code = blocks((ROOT / "docs" / page).read_text(encoding="utf-8"), "python")
    assert code
    shared = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", shared)
    for source in code:
        named = re.match(r"# (\w+)\.py", source)
        module = ModuleType(named[1]) if named else shared
        if named:
            monkeypatch.setitem(sys.modules, named[1], module)
        exec(compile(source, page, "exec"), module.__dict__)


def without_counts(text: str) -> list[str]:
    return [line for line in text.strip().splitlines() if " in " not in line or "seed" not in line]


def test_the_printed_counterexample_is_the_one_found() -> None:
    text = (ROOT / "docs" / "conjectures.md").read_text(encoding="utf-8")
    scope: dict[str, Any] = {}
    exec(blocks(text, "python")[0], scope)
    assert without_counts(str(scope["found"])) == without_counts(blocks(text, "text")[0])


def test_the_conjecture_of_the_readme_is_refuted_as_it_says() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = (block for block in blocks(text, "python") if "falsify" in block)
    scope: dict[str, Any] = {}
    exec(code, scope)
    mdp, _ = scope["found"].instance
    assert scope["found"].verdict == "refuted"
    assert (mdp.n_states, mdp.n_actions) == (2, 2)


def test_every_public_package_has_its_page_of_the_reference() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "reference").glob("*.rst")}
    listed = (ROOT / "docs" / "reference" / "index.md").read_text(encoding="utf-8").split()
    assert pages == {*PACKAGES, *MODULES}
    assert pages <= set(listed)


def public_words() -> set[str]:
    """Public names, their parameters and their attributes."""
    words: set[str] = set()
    for name in (*PACKAGES, *MODULES):
        module = importlib.import_module(f"mdplab.{name}")
        for public in module.__all__:
            member = getattr(module, public)
            words |= {public, *vars(member)} if inspect.isclass(member) else {public}
            with contextlib.suppress(TypeError, ValueError):
                words |= set(inspect.signature(member).parameters)
    return words


def test_the_names_of_the_glossary_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    columns = [row.split("|")[2] for row in text.splitlines() if row.startswith("|") and row.count("|") > 3]
    names = set(re.findall(r"`(\w+)[`(]", " ".join(columns)))
    assert len(names) >= 25
    assert names - public_words() == set()
