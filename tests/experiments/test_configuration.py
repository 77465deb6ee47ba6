"""A configuration is read as written or refused with the file, the key and what was expected."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from experiments.sweeps import STUDIES
from experiments.sweeps.configuration import (
    ConfigurationError,
    Settings,
    names,
    number,
    read_configuration,
)
from experiments.sweeps.study import load


@dataclass(frozen=True)
class Example(Settings):
    """One field of each sort."""

    discounts: tuple[float, ...] = number(0, 1, inside=True)
    count: int = number(1, 10)
    kind: str = names(("a", "b"))


GOOD = {"seed": "7", "discounts": "[0.5, 0.9]", "count": "3", "kind": '"a"'}


def read(folder: Path, changes: dict[str, str | None], tail: str = "", *, fast: bool = False) -> Example:
    lines = {**GOOD, **changes}
    path = folder / "example.toml"
    path.write_text("".join(f"{key} = {value}\n" for key, value in lines.items() if value is not None) + tail)
    return read_configuration(Example, path, fast=fast)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, {}) == Example(seed=7, discounts=(0.5, 0.9), count=3, kind="a")


def test_the_small_version_replaces_what_it_names(tmp_path: Path) -> None:
    tail = "[fast]\ndiscounts = [0.5]\n"
    assert read(tmp_path, {}, tail).discounts == (0.5, 0.9)
    assert read(tmp_path, {}, tail, fast=True) == Example(seed=7, discounts=(0.5,), count=3, kind="a")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": None}, "example.toml: count is missing"),
        ({"colour": "1"}, "example.toml: colour is unknown, expected one of seed, discounts, count, kind"),
        ({"count": "2.5"}, "example.toml: count is 2.5, expected int"),
        ({"count": "true"}, "example.toml: count is True, expected int"),
        ({"count": "11"}, r"example.toml: count is 11, expected a number in \[1, 10\]"),
        ({"discounts": "[0.5, 1.0]"}, r"example.toml: discounts\[1\] is 1.0, expected a number in \(0, 1\)"),
        ({"discounts": "[0.5, nan]"}, r"example.toml: discounts\[1\] is nan, expected a number"),
        ({"discounts": "[0.5, 0.5]"}, "example.toml: discounts is .*, expected no entry twice"),
        ({"discounts": "[]"}, "example.toml: discounts is .*, expected a list of float, not empty"),
        ({"discounts": "0.5"}, "example.toml: discounts is 0.5, expected a list of float"),
        ({"kind": '"c"'}, "example.toml: kind is 'c', expected one of a, b"),
        ({"seed": "-1"}, r"example.toml: seed is -1, expected a number in \[0, inf\]"),
        ({"seed": "= 3"}, "example.toml: no valid TOML"),
    ],
)
def test_a_bad_file_is_refused(changes: dict[str, str | None], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(tmp_path, changes)


def test_the_small_version_is_checked_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"example.toml: \[fast\] counts is unknown"):
        read(tmp_path, {}, "[fast]\ncounts = 2\n")
    with pytest.raises(ConfigurationError, match=r"example.toml: \[fast\] count is 0"):
        read(tmp_path, {}, "[fast]\ncount = 0\n")
    with pytest.raises(ConfigurationError, match=r"example.toml: count is 0"):
        read(tmp_path, {"count": "0"}, "[fast]\ncount = 2\n", fast=True)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent.toml: cannot be read"):
        read_configuration(Example, tmp_path / "absent.toml")


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("fast", [False, True])
def test_the_configurations_of_the_studies_are_good(name: str, fast: bool) -> None:
    assert load(name).read(fast=fast).seed == 0
