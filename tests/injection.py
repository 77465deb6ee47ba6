"""A run of claims that must see what is wrong in them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from proofs_check.__main__ import main

__all__ = ["assert_seen"]


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
