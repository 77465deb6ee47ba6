"""Faults put into functions, and a run of claims that must see what is wrong in them."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from proofs_check.__main__ import main

__all__ = ["Fault", "Row", "assert_seen", "inject"]

Fault = Callable[[Callable[..., Any]], Callable[..., Any]]
Row = tuple[str, str, Fault, tuple[str, ...]]
"""The module of a function, its name (a dot for a method), the fault, and the claims that must see it."""


def assert_seen(
    victims: Iterable[str], capsys: pytest.CaptureFixture[str], *, by_known_values: bool = False
) -> None:
    """The command exits 1 and names each claim: seen by the comparison of the routes, not by a crash.

    ``by_known_values`` admits claims that only a printed number of theirs tells.
    """
    victims = list(victims)
    assert main(["run", *victims, "--instances", "3", "--jobs", "1"]) == 1
    printed = capsys.readouterr().out
    signs = ["verdict violated", "verdict undecided", *(["known value"] if by_known_values else [])]
    for victim in victims:
        told = next(line for line in printed.splitlines() if line.startswith(f"NOT AS EXPECTED  {victim}"))
        assert any(sign in told for sign in signs), told


def inject(
    patch: pytest.MonkeyPatch, module: str, name: str, fault: Fault, *, only_there: bool = False
) -> None:
    """Replace a function in every module that holds it; a method, or ``only_there``, in its home alone."""
    home: Any = importlib.import_module(module)
    if "." in name:  # a method
        owner, name = name.split(".")
        home, only_there = getattr(home, owner), True
    right = getattr(home, name)
    wrong = fault(right)
    holders = [home] if only_there else list(sys.modules.values())
    for holder in holders:
        for attribute, value in list(vars(holder).items()):
            if value is right:
                patch.setattr(holder, attribute, wrong)
