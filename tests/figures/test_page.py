"""The page of figures refers to its own folder alone, and says in words what each figure shows."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markupsafe import Markup

from figures import page
from figures.page import Entry
from mdplab.claims.runner import source_hash

HOSTILE = '<script>alert(1)</script>"&'


class Reader(HTMLParser):
    """Elements with their attributes; identifiers; addresses."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def shown() -> list[Entry]:
    drawn = Entry(
        "a",
        "dual_rl",
        Markup("Title"),
        (("x2020", "X (2020)"),),
        Markup("Gap and <i>bound</i>"),
        "Gap and bound",
    )
    table = Entry(
        "b", "tilting", Markup("Table"), (), Markup("Known"), "", ((Markup("size"), "1.5", "1.5000001"),)
    )
    return [drawn, table]


def test_the_page_lists_figures_and_tables(shown: list[Entry]) -> None:
    reader = Reader(page.page_html(shown))
    assert [article["id"] for article in reader.all("article")] == ["a", "b"]
    assert [article["data-family"] for article in reader.all("article")] == ["dual_rl", "tilting"]
    images = [image for image in reader.all("img") if "src" in image]
    assert images == [{"src": "a.svg", "alt": "Gap and bound", "loading": "lazy"}]
    assert {option.get("value") for option in reader.all("option")} == {"", "dual_rl", "tilting", "x2020"}
    assert "1.5000001" in page.page_html(shown)


def test_the_page_refers_to_its_folder_alone(shown: list[Entry]) -> None:
    text = page.page_html(shown)
    reader = Reader(text)
    addresses = [
        value
        for _, attributes in reader.elements
        for key, value in attributes.items()
        if key in ("href", "src")
    ]
    assert {"a.pdf", "a.svg", "a.png", "#a", "#b", "#figures"} == set(addresses)
    assert re.findall(r"https?:", text) == []
    assert set(re.findall(r"url\(([^)]*)\)", text)) == {"stix-two-math-subset.woff2"}
    identifiers = [attributes["id"] for _, attributes in reader.elements if "id" in attributes]
    assert len(set(identifiers)) == len(identifiers)


def test_texts_are_escaped() -> None:
    entry = Entry("a", HOSTILE, Markup("Title"), ((HOSTILE, HOSTILE),), Markup(""), HOSTILE)
    text = page.page_html([entry])
    assert "<script>alert" not in text
    assert next(image for image in Reader(text).all("img") if "src" in image)["alt"] == HOSTILE


def test_entries_are_what_is_finished(tmp_path: Path) -> None:
    (tmp_path / ".stamps").mkdir()
    stamp = {"inputs": "", "title": "A $\\gamma$", "caption": "Bound $\\gamma^k$"}
    (tmp_path / ".stamps" / "best-of-n-kl.json").write_text(json.dumps(stamp))
    for ending in ("pdf", "svg", "png"):
        (tmp_path / f"best-of-n-kl.{ending}").touch()
    verdicts = tmp_path / "verdicts.json"
    value = {"name": "norm", "printed": "1.5", "computed": 1.5}
    run = {"run": {"sources": "others"}, "records": [{"id": "iqlearn-bijection", "known_values": [value]}]}
    verdicts.write_text(json.dumps(run))
    found = page.entries(tmp_path, ["best-of-n-kl", "gfn-balance"], verdicts)
    assert [entry.name for entry in found] == ["iqlearn-bijection", "best-of-n-kl"]
    table, drawn = found
    assert table.table == (("norm", "1.5", "1.5"),)
    assert drawn.family == "finite_models"
    assert drawn.alt == r"Bound \gamma^k"
    assert "<math" in drawn.caption
    page.write_page(tmp_path, ["best-of-n-kl"], verdicts)
    written = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert 'id="best-of-n-kl"' in written
    assert "verdicts.json is of other sources" in written
    assert {"stix-two-math-subset.woff2", "OFL.txt"} < {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is missing"),
        ('{"run": {"sour', "is broken"),
        ("[]", "is not a run of the claims"),
        ('{"records": []}', "is not a run of the claims"),
        ('{"run": {"sources": "others"}, "records": []}', "is of other sources"),
        (json.dumps({"run": {"sources": source_hash()}, "records": []}), ""),
    ],
)
def test_the_page_says_what_is_wrong_with_the_run(tmp_path: Path, content: str | None, said: str) -> None:
    verdicts = tmp_path / "verdicts.json"
    if content is not None:
        verdicts.write_text(content)
    assert said in page.remark(verdicts)
    assert bool(page.remark(verdicts)) == bool(said)
    page.write_page(tmp_path, [], verdicts)
    assert ('class="warning"' in (tmp_path / "index.html").read_text(encoding="utf-8")) == bool(said)
