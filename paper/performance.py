"""The benchmark as it is printed: times of all systems, and of regularised programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paper.markup import escaped, number

__all__ = ["tables"]

_OURS = "mdplab solve"


def tables(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Tables of the benchmark.

    Parameters
    ----------
    kept : mapping
        What :func:`paper.results.data` returns for ``"bench"``.

    Returns
    -------
    dict
        ``systems``, ``rows`` with one cell a system, the least and the largest lead over the best other system, and
        ``programs``.
    """
    found = kept["results"]
    solves = found["solve"]
    instances = list(dict.fromkeys(row["instance"] for row in solves))
    systems = [
        name
        for name in dict.fromkeys(row["system"] for row in solves)
        if any(row["ms"] is not None for row in solves if row["system"] == name)
    ]
    cells = {(row["instance"], row["system"]): row for row in solves}
    rows, leads = [], {}
    for instance in instances:
        good = {
            name: cells[instance, name]["ms"]
            for name in systems
            if cells[instance, name]["ms"] is not None and not cells[instance, name]["note"]
        }
        others = [ms for name, ms in good.items() if name != _OURS]
        lead = min(others) / good[_OURS] if others and _OURS in good else None
        leads[instance] = lead
        rows.append(
            {
                "instance": escaped(instance),
                "cells": [
                    _cell(cells[instance, name], best=bool(good) and name == min(good, key=good.__getitem__))
                    for name in systems
                ],
                "lead": number(lead, 2),
            }
        )
    known = [lead for lead in leads.values() if lead is not None]
    return {
        "about": kept["about"],
        "versions": ", ".join(
            f"{name} {text}" for name, text in found["versions"].items() if text != "missing"
        ),
        "systems": [escaped(name) for name in systems],
        "rows": rows,
        "least": number(min(known), 2),
        "largest": number(max(known), 2),
        "ahead": number(sum(lead > 1 for lead in known)),
        "instances": number(len(known)),
        "programs": [
            {"instance": escaped(row["instance"]), "times": number(row["ratio"], 2)}
            for row in found["occupancy"]
        ],
    }


def _cell(row: Mapping[str, Any], best: bool) -> dict[str, Any]:
    late = row["note"].startswith(">")
    wrong = row["note"].startswith("misses")
    shown = escaped(row["note"]) if late else number(row["ms"], 3)
    return {"text": shown, "best": best, "wrong": wrong}
