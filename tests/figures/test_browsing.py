"""The page of figures in a browser: filters, enlarges, is used by keyboard alone, and fits on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from markupsafe import Markup

from browsers import BROWSER, launched
from figures.page import Entry, page_html

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome on this computer"),
]

PAPERS = {"first": ("x2020", "X (2020)"), "second": ("y2021", "Y (2021)"), "third": ("x2020", "X (2020)")}
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="840" height="310"><path d="M0 0L840 310" stroke="black"/></svg>'


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as chromium:
        yield chromium


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A page of three figures, the last in another family."""
    shown = [
        Entry(name, "tilting" if name == "third" else "dual_rl", Markup(f"The {name}"), (paper,), Markup("What"), f"alt {name}")
        for name, paper in PAPERS.items()
    ]  # fmt: skip
    for name in PAPERS:
        (tmp_path / f"{name}.svg").write_text(PICTURE)
    (tmp_path / "stix-two-math-subset.woff2").touch()
    (tmp_path / "index.html").write_text(page_html(shown), encoding="utf-8")
    return tmp_path


def opened(browser: Any, folder: Path, query: str = "", **view: Any) -> Any:
    page = browser.new_page(**view)
    page.on("pageerror", lambda error: pytest.fail(f"error: {error}"))
    page.on("request", lambda request: request.url.startswith(folder.as_uri()) or pytest.fail(request.url))
    page.goto(f"{(folder / 'index.html').as_uri()}{query}")
    return page


def visible(page: Any) -> list[str]:
    return [article.get_attribute("id") for article in page.locator("article").all() if article.is_visible()]


def test_filters_choose_figures_and_are_kept_in_the_address(browser: Any, folder: Path) -> None:
    page = opened(browser, folder)
    assert visible(page) == ["first", "second", "third"]
    page.get_by_label("Family").select_option("dual_rl")
    assert visible(page) == ["first", "second"]
    page.get_by_label("Text").fill("SECOND")
    assert visible(page) == ["second"]
    assert page.locator("output").inner_text() == "1 of 3"
    assert page.url.endswith("?family=dual_rl&text=SECOND")
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("document.querySelector('output').value === '3 of 3'")
    again = opened(browser, folder, "?paper=x2020")
    assert visible(again) == ["first", "third"]


def test_the_keyboard_suffices(browser: Any, folder: Path) -> None:
    page = opened(browser, folder, "?paper=x2020")
    page.locator("#first .drawing").focus()
    page.keyboard.press("Enter")
    large = page.locator("dialog")
    assert large.locator("img").get_attribute("alt") == "alt first"
    page.keyboard.press("ArrowRight")
    assert large.locator("img").get_attribute("alt") == "alt third"  # what the filter hides is passed over
    page.keyboard.press("Escape")
    large.wait_for(state="hidden")
    assert page.evaluate("document.activeElement.closest('article').id") == "third"


def test_a_phone_sees_the_whole_width(browser: Any, folder: Path) -> None:
    page = opened(browser, folder, viewport={"width": 360, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_without_scripts_all_figures_are_there(browser: Any, folder: Path) -> None:
    page = opened(browser, folder, java_script_enabled=False)
    assert visible(page) == ["first", "second", "third"]
    assert not page.locator("form").is_visible()
