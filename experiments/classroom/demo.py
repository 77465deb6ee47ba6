"""The chooser of the classroom: ``python experiments/classroom/demo.py [--port N]`` serves all lessons on this computer.

The first page lists the lessons with their idea; each is a marimo notebook served as an application, without its
code. Nothing is asked of another computer, and none can ask: the address is 127.0.0.1.
"""

from __future__ import annotations

import argparse
import ast
import html
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import marimo
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route

HERE = Path(__file__).parent
ORDER = (
    "value_iteration",
    "soft_control",
    "residual_q_learning",
    "policy_gradient",
    "return_conditioning",
    "dual_rl",
    "nash_learning",
    "falsify_your_conjecture",
)


class Lesson(NamedTuple):
    """A notebook: its file, and what its docstring says."""

    path: Path
    title: str
    idea: str


def lessons() -> Iterator[Lesson]:
    """The lessons in the order in which they are taught."""
    for name in ORDER:
        path = HERE / f"{name}.py"
        title, idea = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n\n")
        yield Lesson(path, title.rstrip("."), idea)


def index() -> str:
    """The first page."""
    items = "".join(
        f'<li><a href="/{lesson.path.stem}/"><b>{html.escape(lesson.title)}</b> {html.escape(lesson.idea)}</a></li>'
        for lesson in lessons()
    )
    return (HERE / "chooser.html").read_text(encoding="utf-8").replace("<!-- lessons -->", items)


def application() -> Starlette:
    """The chooser and the lessons as one application."""
    notebooks = marimo.create_asgi_app(quiet=True, include_code=False)
    for lesson in lessons():
        notebooks = notebooks.with_app(path=f"/{lesson.path.stem}", root=str(lesson.path))
    page = index()

    async def first(request: Request) -> HTMLResponse:
        return HTMLResponse(page)

    return Starlette(routes=[Route("/", first), Mount("/", notebooks.build())])


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Serve the lessons of the classroom on this computer.")
    parser.add_argument("--port", type=int, default=8000)
    port = parser.parse_args().port
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except (OSError, OverflowError):  # taken, reserved, or no port
        parser.error(f"port {port} is not free: choose another, for instance make demo PORT=8080")
    # The application of each notebook would take Ctrl-C for itself alone, so the signal is kept from them all; and their
    # threads wait for orders for ever, so the process does not wait for them. There is nothing to save.
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)

    def stop() -> None:
        signal.sigwait(ends)
        os._exit(0)

    threading.Thread(target=stop, daemon=True).start()
    print(f"The lessons are at http://127.0.0.1:{listener.getsockname()[1]}/ (Ctrl-C ends)", flush=True)
    uvicorn.Server(uvicorn.Config(application(), log_level="warning")).run([listener])


if __name__ == "__main__":
    main()
