"""Instances as plain data: fresh copies for a check, JSON types for a record."""

from __future__ import annotations

import dataclasses
import math
from fractions import Fraction
from typing import Any

import numpy as np

__all__ = ["fresh", "instance_data"]


def fresh(instance: Any) -> Any:
    """A copy of an instance without the values it has cached, nested instances included.

    Parameters
    ----------
    instance : object
        A dataclass; anything else is returned as it is.

    Returns
    -------
    object
    """
    names = getattr(type(instance), "__dataclass_fields__", None)
    if names is None or hasattr(instance, "to_dict"):  # models hold raw data only
        return instance
    values = {name: getattr(instance, name) for name, place in names.items() if place.init}
    return dataclasses.replace(instance, **{name: fresh(value) for name, value in values.items()})


def instance_data(instance: Any) -> Any:
    """Explicit data of an instance as JSON types.

    Parameters
    ----------
    instance : object
        A model, a dataclass, an array, a sparse matrix, a container or a scalar.

    Returns
    -------
    object
        Dictionaries, lists, strings and numbers; infinities become ``"inf"`` and ``"-inf"``, a NaN ``"nan"``.

    Raises
    ------
    TypeError
        If a value has no such form.
    """
    if hasattr(instance, "to_dict"):
        return instance_data(instance.to_dict())
    names = getattr(instance, "__dataclass_fields__", None)
    if names is not None and not isinstance(instance, type):
        return {name: instance_data(getattr(instance, name)) for name in names}
    if isinstance(instance, dict):
        return {str(key): instance_data(value) for key, value in instance.items()}
    if hasattr(instance, "tocsr"):
        csr = instance.tocsr()
        return {name: instance_data(getattr(csr, name)) for name in ("data", "indices", "indptr", "shape")}
    if isinstance(instance, np.ndarray):
        return instance_data(instance.tolist())
    if isinstance(instance, (list, tuple)):
        return [instance_data(value) for value in instance]
    if isinstance(instance, (set, frozenset)):
        return sorted(instance_data(value) for value in instance)
    if isinstance(instance, np.generic):
        return instance_data(instance.item())
    if isinstance(instance, Fraction):
        return str(instance)
    if isinstance(instance, float) and not math.isfinite(instance):
        return str(instance)
    if instance is None or isinstance(instance, (bool, int, float, str)):
        return instance
    raise TypeError(
        f"an instance holds a {type(instance).__name__}, which cannot be written as data: {instance!r}"
    )
