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

from mdplab import models, solvers
from mdplab.claims import as_expected

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    "index.md",
    "first-steps.md",
    "claims.md",
    "conjectures.md",
    "methods.md",
    "testing.md",
    "verdicts.md",
)
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


README = (ROOT / "README.md").read_text(encoding="utf-8")


def run_block(word: str) -> dict[str, Any]:
    """Run the block of the README that contains a word, by itself."""
    (code,) = (block for block in blocks(README, "python") if word in block)
    scope: dict[str, Any] = {}
    exec(code, scope)
    return scope


def test_the_optimum_of_the_readme_is_printed_as_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    run_block("soft_value_iteration")
    said = re.findall(r"^print\(.*\)  # (.*)$", README, re.MULTILINE)[:3]
    assert capsys.readouterr().out.splitlines() == said
    assert said[0].startswith("[33.59")


def test_the_theorem_of_the_readme_holds_and_its_controls_do_not(capsys: pytest.CaptureFixture[str]) -> None:
    scope = run_block("rql-fixed-point")
    assert as_expected(scope["result"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("- holds")
    violations = [float(line.split()[-1]) for line in lines if "violated by" in line]
    assert len(violations) == len(scope["result"]["controls"])
    assert min(violations) > 0.01


def test_the_conjecture_of_the_readme_is_refuted_as_it_says() -> None:
    found = run_block("falsify")["found"]
    mdp, _ = found.instance
    assert found.verdict == "refuted"
    assert (mdp.n_states, mdp.n_actions) == (2, 2)


def test_every_block_of_the_readme_is_run() -> None:
    """The block on tests of one's own is run by `tests/test_testing_guide.py`."""
    words = ("soft_value_iteration", "rql-fixed-point", "falsify", "test_q_learning")
    assert [[word in block for word in words].count(True) for block in blocks(README, "python")] == [1] * len(
        words
    )


def test_pictures_have_a_text_and_are_there() -> None:
    pictures = re.findall(r"!\[([^]]*)\]\(([^)]*)\)", README)
    assert all(len(text) > 20 for text, _ in pictures)
    assert {path for _, path in pictures} == {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "images").iterdir()
    }


def test_the_solvers_of_the_first_steps_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "first-steps.md").read_text(encoding="utf-8")
    rows = [row.split("|") for row in text.splitlines() if row.startswith("|") and row.count("|") == 4]
    assert len(rows) > 10
    assert set(re.findall(r"`(\w+)`", " ".join(row[3] for row in rows))) <= set(solvers.__all__)
    assert set(re.findall(r"`(\w+)`", " ".join(row[1] for row in rows))) <= set(models.__all__)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", (ROOT / page).read_text(encoding="utf-8"))
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_targets_of_the_readme_are_those_of_make() -> None:
    targets = set(re.findall(r"^(\w+):.* ## ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", README, re.MULTILINE))
    assert named <= targets
    assert targets - named <= {"lint", "format", "clean"}


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
