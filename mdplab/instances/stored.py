"""Instances as JSON and back: explicit data, so that a counterexample outlives the family that it was drawn from.

Models are written by their own ``to_dict``, frozen dataclasses by the arguments of their constructors and the place of
their class.  Reading imports that place: read files that you trust.
"""

from __future__ import annotations

import dataclasses
import importlib
import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from mdplab import models
from mdplab.instances.draw import TapeEntry

__all__ = ["decode", "decode_tape", "encode", "encode_tape"]

_SCALARS = (bool, int, str, type(None))


def encode(instance: Any) -> Any:
    """Explicit data of an instance as JSON types, from which it can be built again.

    Parameters
    ----------
    instance : object
        A model, a frozen dataclass, an array, a sparse matrix, a tuple, list or dictionary of such, or a scalar.

    Returns
    -------
    object
        Floats keep every bit.

    Raises
    ------
    TypeError
        If a value has no such form.
    """
    if isinstance(instance, _SCALARS):
        return instance
    if isinstance(instance, float):
        return instance if math.isfinite(instance) else {"type": "float", "value": repr(instance)}
    if isinstance(instance, Fraction):
        return {"type": "fraction", "value": str(instance)}
    if isinstance(instance, np.generic):
        return encode(instance.item())
    if isinstance(instance, np.ndarray):
        return {
            "type": "array",
            "dtype": instance.dtype.name,
            "shape": list(instance.shape),
            "data": [encode(x) for x in instance.ravel().tolist()],
        }
    if hasattr(instance, "tocsr"):
        csr = instance.tocsr()
        parts = {name: encode(getattr(csr, name)) for name in ("data", "indices", "indptr")}
        return {"type": "csr", "shape": list(csr.shape), **parts}
    if isinstance(instance, (list, tuple)):
        return {"type": type(instance).__name__, "items": [encode(x) for x in instance]}
    if isinstance(instance, dict):
        return {"type": "dict", "items": [[encode(key), encode(value)] for key, value in instance.items()]}
    if hasattr(instance, "to_dict") and hasattr(models, type(instance).__name__):
        return {"type": "model", "data": instance.to_dict()}
    if dataclasses.is_dataclass(instance) and not isinstance(instance, type):
        names = [field.name for field in dataclasses.fields(instance) if field.init]
        return {
            "type": "dataclass",
            "class": f"{type(instance).__module__}:{type(instance).__qualname__}",
            "fields": {name: encode(getattr(instance, name)) for name in names},
        }
    raise TypeError(
        f"an instance holds a {type(instance).__name__}, which cannot be written as data: {instance!r}"
    )


def decode(data: Any) -> Any:
    """Inverse of :func:`encode`.

    Parameters
    ----------
    data : object
        JSON types.

    Returns
    -------
    object
        Equal to what was written in every bit.

    Raises
    ------
    ValueError
        If the data are of an unknown type, or name a class that is not there.
    """
    if not isinstance(data, Mapping):
        return data
    match data.get("type"):
        case "float":
            return float(data["value"])
        case "fraction":
            return Fraction(data["value"])
        case "array":
            return np.array([decode(x) for x in data["data"]], dtype=data["dtype"]).reshape(data["shape"])
        case "csr":
            from scipy.sparse import csr_array

            parts = tuple(decode(data[name]) for name in ("data", "indices", "indptr"))
            return csr_array(parts, shape=tuple(data["shape"]))
        case "list":
            return [decode(x) for x in data["items"]]
        case "tuple":
            return tuple(decode(x) for x in data["items"])
        case "dict":
            return {decode(key): decode(value) for key, value in data["items"]}
        case "model":
            return getattr(models, data["data"]["model"]).from_dict(data["data"])
        case "dataclass":
            return _class(data["class"])(**{name: decode(value) for name, value in data["fields"].items()})
    raise ValueError(f"data are of the type {data.get('type')!r}, which is unknown")


def _class(place: str) -> Any:
    module, _, name = place.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as problem:
        raise ValueError(f"the class {place} of the instance cannot be imported: {problem}") from problem
    if not dataclasses.is_dataclass(found):
        raise ValueError(f"{place} is no dataclass")
    return found


def encode_tape(tape: Sequence[TapeEntry] | None) -> Any:
    """A tape as JSON types.

    Parameters
    ----------
    tape : sequence of TapeEntry or None
        Answers of a draw; None for a named instance.

    Returns
    -------
    list of dict or None
    """
    if tape is None:
        return None
    return [{"kind": e.kind, "parameters": e.parameters, "value": encode(np.asarray(e.value))} for e in tape]


def decode_tape(data: Any) -> list[TapeEntry] | None:
    """Inverse of :func:`encode_tape`.

    Parameters
    ----------
    data : list of dict or None
        JSON types.

    Returns
    -------
    list of TapeEntry or None
    """
    if data is None:
        return None
    return [TapeEntry(entry["kind"], entry["parameters"], decode(entry["value"])) for entry in data]
