"""The README of the studies: written from what full runs found, never by hand.

What the full runs found is in ``findings.json``, three significant digits and the configuration; the README is a function
of that file and of the studies.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.sweeps import STUDIES
from experiments.sweeps.configuration import ConfigurationError
from experiments.sweeps.study import Study, load
from mdplab.claims.runner import write_json

__all__ = ["README", "STORE", "compare", "readme", "rounded", "store"]

README = Path(__file__).with_name("README.md")
STORE = Path(__file__).with_name("findings.json")

_OPENING = """# Numerical studies

Written by `python -m experiments.sweeps --readme` from the results of full runs (`findings.json`); not edited by hand.

```sh
make experiments          # all studies, some minutes: tables and figures in results/experiments/
make experiments FAST=1   # the small versions, a minute or two: results/experiments/fast/
```

Each study is one module with a configuration file of the same name (`.toml`). It writes a table (`.parquet`, with seed,
configuration, versions and command in the file's metadata) and a figure (`.pdf`, `.svg`, `.png`). An interrupted run goes
on where it stopped; another configuration, version or source starts anew. A task that fails is reported, costs no other
task, and is tried again by the same command. The same seed gives the same bytes, for every number of workers.
"""


def rounded(found: Mapping[str, float | str]) -> dict[str, float | str]:
    """Findings to three significant digits: what the README says, and what every machine reproduces.

    Parameters
    ----------
    found : mapping
        Findings of a study.

    Returns
    -------
    dict
    """
    return {key: value if isinstance(value, str) else float(f"{value:.3g}") for key, value in found.items()}


def stored() -> dict[str, Any]:
    """What full runs found, by study."""
    content = json.loads(STORE.read_text(encoding="utf-8")) if STORE.exists() else {}
    assert isinstance(content, dict)
    return content


def store(study: Study, found: Mapping[str, float | str]) -> None:
    """Keep what a full run found.

    Parameters
    ----------
    study : Study
        The study.
    found : mapping
        Its findings.
    """
    everything = {**stored(), study.name: rounded(found)}
    write_json({name: everything[name] for name in STUDIES if name in everything}, STORE)


def compare(study: Study, found: Mapping[str, float | str]) -> str:
    """What a run found that is not what the README says.

    Parameters
    ----------
    study : Study
        The study.
    found : mapping
        Findings of a full run.

    Returns
    -------
    str
        Empty if nothing.
    """
    said, now = stored().get(study.name, {}), rounded(found)
    return ", ".join(
        f"{key} {said.get(key)} -> {now.get(key)}" for key in {**said, **now} if said.get(key) != now.get(key)
    )


def readme() -> str:
    """The text of the README.

    Returns
    -------
    str

    Raises
    ------
    ConfigurationError
        If a paragraph asks for what was not stored: its study has changed since.
    """
    everything = stored()
    sections = [_OPENING]
    for number, name in enumerate(STUDIES, 1):
        study = load(name)
        try:
            answer = study.answer.format(**everything[name]) if name in everything else "Not run yet."
        except KeyError as lacking:
            raise ConfigurationError(
                f"{STORE.name} lacks {lacking} of {name}: run it with --readme"
            ) from None
        paragraphs = (
            f"## {number}. {study.title}",
            f"`{name}.py`. {study.question}",
            f"**What one sees.** {answer}",
            f"**Figure** (`{name}.png`). {study.caption}",
        )
        sections.append("\n\n".join(_wrapped(paragraph) for paragraph in paragraphs) + "\n")
    return "\n".join(sections)


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(paragraph, 120, break_long_words=False, break_on_hyphens=False)
