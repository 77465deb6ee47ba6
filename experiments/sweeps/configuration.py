"""Configurations: a TOML file read into a frozen dataclass, and refused with a clear message where it is wrong.

The keys of the file are the fields of the dataclass, all of them and no others.  A table ``[fast]`` replaces some of them
in the small version of the study.  A field's annotation says its type (``int``, ``float``, ``str`` or a tuple of one of
these, ``tuple[int, ...]``), and :func:`number` or :func:`names` what it may be.
"""

from __future__ import annotations

import dataclasses
import math
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

__all__ = ["ConfigurationError", "Settings", "names", "number", "read_configuration"]


class ConfigurationError(ValueError):
    """A configuration file that cannot be read or is not what the study expects."""


def number(low: float = -math.inf, high: float = math.inf, *, inside: bool = False) -> Any:
    """A field of numbers in a range.

    Parameters
    ----------
    low, high : float
        Ends of the range of the number, or of every number of a tuple.
    inside : bool
        Whether the ends are excluded.

    Returns
    -------
    dataclasses.Field
    """
    return dataclasses.field(metadata={"range": (low, high, inside)})


def names(allowed: Sequence[str]) -> Any:
    """A field of names.

    Parameters
    ----------
    allowed : sequence of str
        What may be named.

    Returns
    -------
    dataclasses.Field
    """
    return dataclasses.field(metadata={"names": tuple(allowed)})


@dataclasses.dataclass(frozen=True)
class Settings:
    """What every configuration has; each study adds its own fields.

    Attributes
    ----------
    seed : int
        Seed of all random numbers of the study, not negative.
    """

    seed: int = number(0)


C = TypeVar("C", bound=Settings)


def read_configuration(kind: type[C], path: Path, *, fast: bool = False) -> C:
    """Read a configuration.

    Parameters
    ----------
    kind : type
        The dataclass.
    path : Path
        The TOML file.
    fast : bool
        Whether the table ``[fast]`` replaces what it names.

    Returns
    -------
    Settings
        An instance of ``kind``.

    Raises
    ------
    ConfigurationError
        If the file is missing or no TOML, a key is missing or unknown, or a value is of another type or out of range; the
        message names the file, the key and what was expected.
    """
    try:
        with path.open("rb") as stream:
            content = tomllib.load(stream)
    except OSError as problem:
        raise ConfigurationError(f"{path.name}: cannot be read: {problem.strerror}") from None
    except tomllib.TOMLDecodeError as problem:
        raise ConfigurationError(f"{path.name}: no valid TOML: {problem}") from None
    small = content.pop("fast", {})
    if not isinstance(small, dict):
        raise ConfigurationError(f"{path.name}: fast is {small!r}, expected a table")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for place, keys in (("", content), ("[fast] ", small)):
        for key in keys:
            if key not in fields:
                raise ConfigurationError(
                    f"{path.name}: {place}{key} is unknown, expected one of {', '.join(fields)}"
                )
    if missing := [name for name in fields if name not in content]:
        raise ConfigurationError(f"{path.name}: {missing[0]} is missing")
    hints = get_type_hints(kind)
    full, replaced = (
        {key: _value(f"{path.name}: {place}{key}", keys[key], hints[key], fields[key]) for key in keys}
        for place, keys in (("", content), ("[fast] ", small))
    )
    return kind(**(full | replaced if fast else full))


def _value(place: str, value: Any, hint: Any, field: dataclasses.Field[Any]) -> Any:
    """A value of the annotated type, in its range."""
    if get_origin(hint) is tuple:
        inner = get_args(hint)[0]
        if not isinstance(value, list) or not value:
            raise ConfigurationError(f"{place} is {value!r}, expected a list of {inner.__name__}, not empty")
        if len(set(map(repr, value))) < len(value):
            raise ConfigurationError(f"{place} is {value!r}, expected no entry twice")
        return tuple(_single(f"{place}[{i}]", entry, inner, field) for i, entry in enumerate(value))
    return _single(place, value, hint, field)


def _single(place: str, value: Any, kind: type, field: dataclasses.Field[Any]) -> Any:
    accepted: Any = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or isinstance(value, bool):
        raise ConfigurationError(f"{place} is {value!r}, expected {kind.__name__}")
    if "names" in field.metadata and value not in field.metadata["names"]:
        raise ConfigurationError(
            f"{place} is {value!r}, expected one of {', '.join(field.metadata['names'])}"
        )
    if "range" in field.metadata:
        low, high, inside = field.metadata["range"]
        good = low < value < high if inside else low <= value <= high
        if not (good and math.isfinite(value)):
            opening, closing = ("(", ")") if inside else ("[", "]")
            raise ConfigurationError(
                f"{place} is {value!r}, expected a number in {opening}{low:g}, {high:g}{closing}"
            )
    return kind(value)
