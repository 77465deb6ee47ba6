"""A study of three cheap tasks for the tests of the runner; some tasks go wrong where they are asked to."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.sweeps.configuration import Settings, names, number
from experiments.sweeps.study import Parameters, Row, Study

NUMBERS = 8


@dataclass(frozen=True)
class Configuration(Settings):
    """What may go wrong, and a folder in which tasks leave a mark when they run."""

    numbers: tuple[int, ...] = number(0, 100)
    scale: float = number(0, 10, inside=True)
    fault: str = names(("none", "raises", "dies", "not finite", "slow"))
    marks: str = ""


def tasks(configuration: Configuration) -> Iterator[Parameters]:
    """A task for each number."""
    for n in configuration.numbers:
        yield {"n": n}


def rows(configuration: Configuration, parameters: Parameters) -> Iterator[Row]:
    """The number, scaled; the task of the number 3 goes wrong."""
    n = int(parameters["n"])
    if configuration.marks:
        with (Path(configuration.marks) / str(n)).open("a") as stream:
            stream.write("x")
    if n == 3:
        match configuration.fault:
            case "raises":
                raise RuntimeError("three is a crowd")
            case "dies":
                os._exit(1)
            case "not finite":
                yield {"value": float("nan")}
            case "slow":
                time.sleep(60)
    yield {"value": configuration.scale * n, "note": None}


def figure(table: Any, configuration: Configuration) -> Any:
    """A line."""
    from mdplab import plotting

    picture, (ax,) = plotting.new_figure()
    ax.plot(table.n, table.value)
    return picture


def findings(table: Any, configuration: Configuration) -> dict[str, float]:
    """The largest value."""
    return {"largest": float(table.value.max())}


STUDY = Study(
    file=__file__,
    title="A toy",
    question="How large is it?",
    configuration=Configuration,
    tasks=tasks,
    rows=rows,
    figure=figure,
    caption="A line.",
    findings=findings,
    answer="At most {largest:g}.",
)


def configuration(fault: str = "none", marks: str = "", scale: float = 2.0) -> Configuration:
    """Eight numbers."""
    return Configuration(seed=0, numbers=tuple(range(NUMBERS)), scale=scale, fault=fault, marks=marks)
