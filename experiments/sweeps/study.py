"""What a study is: parameters of its tasks, rows of a task, a figure of the table, and what the table says."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from experiments.sweeps.configuration import Settings, read_configuration

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Parameters", "Row", "Study", "generator", "load", "task_name"]

Parameters: TypeAlias = Mapping[str, str | int | float]
Row: TypeAlias = dict[str, str | int | float | bool | None]


@dataclass(frozen=True)
class Study:
    """A study; what it computes depends on the configuration alone.

    Attributes
    ----------
    file : str
        The module, ``__file__``; the TOML file beside it is its configuration, and what it writes has its name.
    title : str
        One line.
    question : str
        What is varied and what is measured, as a paragraph of Markdown.
    configuration : type
        The dataclass of its configuration.
    tasks : callable
        From the configuration to the parameters of its tasks: JSON types, no two alike.
    rows : callable
        From the configuration and the parameters of a task to its rows; the parameters become columns too.
    figure : callable
        From the table of all rows and the configuration to the figure, drawn under the project's style.
    caption : str
        What the figure shows, in plain text.
    findings : callable
        From the table and the configuration to the numbers of ``answer``.
    answer : str
        What one sees, as a Markdown paragraph with the findings as format fields.
    also : tuple of str
        Further modules of this package whose sources decide the rows.
    """

    file: str
    title: str
    question: str
    configuration: type[Settings]
    tasks: Callable[[Any], Iterable[Parameters]]
    rows: Callable[[Any, Any], Iterable[Row]]
    figure: Callable[[pd.DataFrame, Any], Figure]
    caption: str
    findings: Callable[[pd.DataFrame, Any], Mapping[str, float | str]]
    answer: str
    also: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the study: that of its module."""
        return Path(self.file).stem

    def read(self, *, fast: bool = False) -> Settings:
        """Read the configuration beside the module.

        Parameters
        ----------
        fast : bool
            Whether to read the small version.

        Returns
        -------
        Settings
        """
        return read_configuration(self.configuration, Path(self.file).with_suffix(".toml"), fast=fast)


def load(name: str) -> Study:
    """The study of a name.

    Parameters
    ----------
    name : str
        One of :data:`experiments.sweeps.STUDIES`.

    Returns
    -------
    Study
    """
    study = import_module(f"experiments.sweeps.{name}").STUDY
    assert isinstance(study, Study)
    return study


def task_name(parameters: Parameters) -> str:
    """Name of a task, from its parameters.

    Parameters
    ----------
    parameters : mapping
        The parameters.

    Returns
    -------
    str
    """
    return " ".join(f"{key}={value}" for key, value in parameters.items())


def generator(seed: int, *keys: str | int) -> np.random.SeedSequence:
    """Seed of a part of a study: depends on the seed and the keys alone, not on what else is computed.

    Parameters
    ----------
    seed : int
        Seed of the study.
    *keys : str or int
        What the numbers are for.

    Returns
    -------
    numpy.random.SeedSequence
    """
    words = (zlib.crc32(key.encode()) if isinstance(key, str) else key for key in keys)
    return np.random.SeedSequence([seed, *words])
