"""Draw every figure, in parallel, and only those whose inputs have changed.

A figure is finished when its stamp is written: ``.stamps/<name>.json`` holds the digest of its inputs, its caption and
what a reader would stumble over.  An interrupted build keeps what is finished, and the next one goes on there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from figures.inputs import digest
from figures.legibility import faults
from figures.topic import MissingData, Sources, Topic
from mdplab import plotting
from mdplab.claims.claim import Claim
from mdplab.claims.registry import find, records
from mdplab.claims.texts import claim_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["TOPICS", "Drawing", "Failure", "build", "changed", "drawings", "names", "remove_others", "stamp"]

TOPICS = ("tightness", "papers", "convergence", "effort", "benchmark")
"""Scripts of figures outside single claims, in the order of the page."""

ENDINGS = ("pdf", "svg", "png")


@dataclass(frozen=True)
class Drawing:
    """A figure that is to be drawn.

    Attributes
    ----------
    name : str
        Id of the claim or name of the script: the files are named so.
    inputs : str
        Digest of what it depends on.
    data : object
        What a script loaded; None for a claim.
    """

    name: str
    inputs: str
    data: Any


@dataclass(frozen=True)
class Failure:
    """A figure that could not be drawn, and why."""

    name: str
    message: str


def names() -> tuple[str, ...]:
    """Names of all figures: the scripts, then the claims in the order of the registry.

    Returns
    -------
    tuple of str
    """
    claims = [record for record in records().values() if isinstance(record, Claim)]
    return (*TOPICS, *(claim.id for claim in claims if claim.figure_function is not None))


def drawings(chosen: Iterable[str], sources: Sources) -> tuple[list[Drawing], list[Failure]]:
    """What each figure depends on.

    Parameters
    ----------
    chosen : iterable of str
        Names of figures.
    sources : Sources
        Files of data.

    Returns
    -------
    ready : list of Drawing
    failed : list of Failure
        Figures without data.
    """
    ready, failed = [], []
    for name in chosen:
        try:
            ready.append(_topic_drawing(name, sources) if name in TOPICS else _claim_drawing(name))
        except MissingData as problem:
            failed.append(Failure(name, str(problem)))
    return ready, failed


def stamp(folder: Path, name: str) -> dict[str, Any]:
    """What is known of a finished figure: ``inputs``, ``title``, ``caption``, ``faults``; empty if it is not finished.

    Parameters
    ----------
    folder : Path
        Where figures are written.
    name : str
        Name of the figure.

    Returns
    -------
    dict
    """
    file = _stamp_file(folder, name)
    if not file.is_file() or any(not (folder / f"{name}.{ending}").is_file() for ending in ENDINGS):
        return {}
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:  # written by nobody, or by a disk that was full
        return {}
    return found


def changed(ready: Iterable[Drawing], folder: Path) -> list[Drawing]:
    """The figures that are not drawn, or whose inputs have changed.

    Parameters
    ----------
    ready : iterable of Drawing
        The figures.
    folder : Path
        Where figures are written.

    Returns
    -------
    list of Drawing
    """
    return [drawing for drawing in ready if stamp(folder, drawing.name).get("inputs") != drawing.inputs]


def build(
    waiting: Sequence[Drawing],
    folder: Path,
    *,
    jobs: int = 1,
    finished: Callable[[str], None] = lambda name: None,
) -> list[Failure]:
    """Draw figures.

    Parameters
    ----------
    waiting : sequence of Drawing
        The figures.
    folder : Path
        Where they are written.
    jobs : int
        Worker processes; the files do not depend on their number.
    finished : callable
        Called with the name of each figure that is drawn.

    Returns
    -------
    list of Failure
        Figures that could not be drawn; the others are.
    """
    from joblib import Parallel, delayed

    _stamp_file(folder, "x").parent.mkdir(parents=True, exist_ok=True)
    failed = []
    workers = Parallel(n_jobs=max(min(jobs, len(waiting)), 1), return_as="generator_unordered")
    for name, message in workers(delayed(_draw)(drawing, folder) for drawing in waiting):
        if message:
            failed.append(Failure(name, message))
        finished(name)
    return failed


def remove_others(folder: Path, kept: Iterable[str]) -> None:
    """Remove the figures of claims and scripts that there are no more.

    Parameters
    ----------
    folder : Path
        Where figures are written.
    kept : iterable of str
        Names of the figures that stay.
    """
    for file in _stamp_file(folder, "x").parent.glob("*.json"):
        if file.stem not in set(kept):
            for ending in ENDINGS:
                (folder / f"{file.stem}.{ending}").unlink(missing_ok=True)
            file.unlink()


def _stamp_file(folder: Path, name: str) -> Path:
    return folder / ".stamps" / f"{name}.json"


def _topic(name: str) -> Topic:
    topic: Topic = import_module(f"figures.{name}").TOPIC
    return topic


def _topic_drawing(name: str, sources: Sources) -> Drawing:
    data = _topic(name).load(sources)
    return Drawing(name, digest(f"figures.{name}", json.dumps(data).encode()), data)


def _claim_drawing(name: str) -> Drawing:
    claim = find(name)
    assert isinstance(claim, Claim)
    assert claim.figure_function is not None
    texts = f"{claim.title}\n{claim.figure_caption}".encode()
    return Drawing(name, digest(claim.figure_function.__module__, texts), None)


def _draw(drawing: Drawing, folder: Path) -> tuple[str, str]:
    """Draw, save and stamp one figure; the name, and what went wrong."""
    from threadpoolctl import threadpool_limits

    _stamp_file(folder, drawing.name).unlink(missing_ok=True)
    try:
        with threadpool_limits(1):  # one order of every sum, whatever the number of cores
            figure, title, caption = _drawn(drawing)
        plotting.save_figure(figure, folder / drawing.name, title=title)
        found = faults(figure)
    except Exception as problem:  # the others shall be drawn
        return drawing.name, f"{type(problem).__name__}: {problem}"
    content = {"inputs": drawing.inputs, "title": title, "caption": caption, "faults": found}
    part = _stamp_file(folder, drawing.name).with_suffix(".part")
    part.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    part.replace(_stamp_file(folder, drawing.name))
    return drawing.name, ""


def _drawn(drawing: Drawing) -> tuple[Figure, str, str]:
    if drawing.name in TOPICS:
        topic = _topic(drawing.name)
        with plotting.style():
            figure, caption = topic.draw(drawing.data)
        return figure, topic.title, caption
    claim = find(drawing.name)
    assert isinstance(claim, Claim)
    figure_of_claim = claim_figure(claim)
    assert figure_of_claim is not None
    return figure_of_claim, claim.title, claim.figure_caption
