"""The lessons in a browser: each opens, answers a slider with another picture, and talks to no other computer."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from browsers import BROWSER, launched

CLASSROOM = Path(__file__).resolve().parents[2] / "experiments" / "classroom"
PICTURE = "svg[id^=drawing]"
PATIENCE = 60_000  # milliseconds; a loaded machine is slow, a page that answers is not waited for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome on this computer"),
]

LESSONS = [path.stem for path in sorted(CLASSROOM.glob("*.py")) if "marimo.App(" in path.read_text()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The chooser, started as `make demo` starts it by somebody with other tastes, and ended as Ctrl-C ends it."""
    settings = tmp_path_factory.mktemp("settings")
    (settings / "marimo").mkdir()
    (settings / "marimo" / "marimo.toml").write_text(
        '[display]\ntheme = "dark"\n[runtime]\non_cell_change = "lazy"\n'
    )
    port = free_port()
    command = [sys.executable, str(CLASSROOM / "demo.py"), "--port", str(port)]
    environment = os.environ | {"XDG_CONFIG_HOME": str(settings)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], PATIENCE / 1000)[0]
        address = re.search(r"http://\S+/", process.stdout.readline())
        assert address is not None
        try:
            yield address[0]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE / 1000) == 0


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as chromium:
        yield chromium


@pytest.fixture
def page(server: str, browser: Any) -> Iterator[Any]:
    """The chooser on a projector; at the end nothing may have gone wrong or elsewhere."""
    opened = browser.new_page(viewport={"width": 1280, "height": 720}, base_url=server)
    opened.set_default_timeout(PATIENCE)
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(f"error: {error}"))
    opened.on(
        "console", lambda said: faults.append(f"console: {said.text}") if said.type == "error" else None
    )

    def foreign(request: Any) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.hostname != "127.0.0.1":
            faults.append(f"request: {request.url}")

    opened.on("request", foreign)
    opened.goto(server)
    yield opened
    opened.close()
    assert faults == []


@pytest.mark.parametrize("port", ["taken", 65536])
def test_a_port_that_cannot_be_had_is_said(port: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1] if port == "taken" else port
        command = [sys.executable, str(CLASSROOM / "demo.py"), "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"port {port} is not free" in done.stderr


def test_the_chooser_fits_on_the_projector(page: Any) -> None:
    assert page.get_by_role("link").count() == len(LESSONS)
    assert page.evaluate("document.documentElement.scrollHeight") <= 720


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_answers(page: Any, name: str) -> None:
    page.locator(f'a[href="/{name}/"]').click()
    page.wait_for_selector(PICTURE)
    assert page.locator("body.light").count() == 1
    shown = page.locator(PICTURE).get_attribute("id")
    page.get_by_text("Answer", exact=True).wait_for()
    assert page.locator("#App").evaluate("element => element.scrollHeight") <= 720
    assert page.locator("#App").evaluate("element => element.scrollWidth") <= 1280
    for formula in page.locator("marimo-tex").all():
        formula.locator(".katex-html").wait_for(state="attached")
    slider = page.get_by_role("slider").first
    slider.focus()
    slider.press("ArrowRight")
    page.wait_for_function(
        "([picture, old]) => [...document.querySelectorAll(picture)].some(drawn => drawn.id !== old)",
        arg=[PICTURE, shown],
    )
    assert page.locator(PICTURE).count() == 1
    assert page.locator("[data-testid=console-output-area], .marimo-error").count() == 0
    answer = page.locator("details > .paragraph").first
    assert not answer.is_visible()
    page.get_by_text("Answer", exact=True).click()
    answer.wait_for(state="visible")


def test_a_conjecture_of_ones_own(page: Any) -> None:
    page.goto("/falsify_your_conjecture/")
    page.wait_for_selector(PICTURE)
    box = page.get_by_role("textbox")
    box.fill("J(p) <= J(q)")
    box.press("Enter")
    page.get_by_text("The counterexample").wait_for()
    box.fill("J(p) <= luck")
    box.press("Enter")
    page.get_by_text("unknown word 'luck'").wait_for()
