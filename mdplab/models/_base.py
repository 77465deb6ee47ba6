"""What all models share: frozen fields, pickling that keeps arrays read-only, conversion to plain data."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from fractions import Fraction
from functools import cached_property
from typing import Any, Self

import numpy as np

from mdplab._typing import FloatArray
from mdplab.models.rational import RationalData, exact_texts, read_exact
from mdplab.names import Names


def lock_sparse(matrix: Any) -> Any:
    """Clear the write flags of a CSR matrix that we own."""
    for part in ("data", "indices", "indptr"):
        getattr(matrix, part).flags.writeable = False
    return matrix


def plain(value: Any) -> Any:
    """Arrays, CSR matrices, tuples and fractions as what JSON can write."""
    if isinstance(value, np.ndarray):
        return [plain(x) for x in value] if value.dtype == object else value.tolist()
    if hasattr(value, "tocsr"):
        parts = {part: getattr(value, part).tolist() for part in ("data", "indices", "indptr")}
        return {"format": "csr", "shape": list(value.shape), **parts}
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, tuple):
        return [plain(x) for x in value]
    return value


def _restored(value: Any) -> Any:
    """Inverse of :func:`plain` on what JSON can read, as far as the constructors need it."""
    if isinstance(value, Mapping) and value.get("format") == "csr":
        from scipy.sparse import csr_array

        data = np.asarray(value["data"], dtype=np.float64)
        indices, indptr = (np.asarray(value[part], dtype=np.int32) for part in ("indices", "indptr"))
        return csr_array((data, indices, indptr), shape=tuple(value["shape"]))
    return value


class Model:
    """Base of the frozen models; subclasses are frozen dataclasses with a constructor of their own.

    Fields that the constructor computes, and does not take, are declared with ``field(init=False)``.
    """

    def __setstate__(self, state: dict[str, Any]) -> None:
        # NumPy does not pickle the write flag.
        for value in state.values():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            elif hasattr(value, "tocsr"):
                lock_sparse(value)
        self.__dict__.update(state)

    @cached_property
    def names(self) -> Names:
        """Names of states, actions and objectives, where the model has them."""
        return Names(*(self.__dict__.get(f"{axis}_names") for axis in Names._fields))

    def to_dict(self) -> dict[str, Any]:
        """Raw data as lists and numbers, ready for JSON.

        Returns
        -------
        dict
            ``model`` (the name of the class) and the arguments of the constructor that are not None; a CSR matrix
            becomes a dictionary with ``format``, ``shape``, ``data``, ``indices`` and ``indptr``.  Where the model
            knows its rationals, ``exact`` holds them as texts; ``exact_rows`` says that no row deviates from one.
        """
        fields: Any = self
        result: dict[str, Any] = {"model": type(self).__name__}
        for field in dataclasses.fields(fields):
            value = getattr(self, field.name)
            if value is not None and field.init:
                result[field.name] = plain(value)
        if isinstance(exact := getattr(self, "exact", None), RationalData):
            result["exact"] = exact_texts(exact)
        if getattr(self, "row_deviation", None) == 0.0 and hasattr(type(self), "is_deterministic"):
            result["exact_rows"] = True
        return result

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Build the model from the answer of :meth:`to_dict`; it is validated again.

        Parameters
        ----------
        data : mapping
            Raw data; an entry ``model`` must be the name of this class.

        Returns
        -------
        Model
            Equal in every number to the model written, rationals included.

        Raises
        ------
        ValueError
            If the data are those of another class, have an unknown key or lack one, or are invalid.
        """
        name = data.get("model", cls.__name__)
        if name != cls.__name__:
            raise ValueError(f"data describe a {name}, expected a {cls.__name__}")
        beside = ("model", "exact", "exact_rows")
        fields = {key: _restored(value) for key, value in data.items() if key not in beside}
        parameters = inspect.signature(cls).parameters
        for key in fields:
            if key not in parameters:
                raise ValueError(
                    f"data have the unknown key {key!r}, expected some of {', '.join(parameters)}"
                )
        for key, parameter in parameters.items():
            if parameter.default is parameter.empty and key not in fields:
                raise ValueError(f"data lack the key {key!r} of a {cls.__name__}")
        model: Any = cls(**fields)
        if data.get("exact") is not None:
            if not hasattr(model, "exact"):
                raise ValueError(f"data have the key 'exact', which a {cls.__name__} does not know")
            model.__dict__["exact"] = read_exact(data["exact"], model)
        if data.get("exact_rows") and getattr(model, "is_deterministic", False):
            model.__dict__["row_deviation"] = 0.0  # sums of zeros and a single one are exact
        return model  # type: ignore[no-any-return]


class StartedModel(Model):
    """A model that may have a law of the first state, ``initial``."""

    initial: FloatArray | None

    def start_law(self) -> FloatArray:
        """The law of the first state.

        Returns
        -------
        ndarray (S,)
            ``initial``.

        Raises
        ------
        ValueError
            If the model has none.
        """
        if self.initial is None:
            raise ValueError("the model has no start law: build it with initial=")
        return self.initial
