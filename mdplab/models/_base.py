"""What all models share: frozen fields, pickling that keeps arrays read-only, conversion to plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Self

import numpy as np

from mdplab._typing import FloatArray


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

    def to_dict(self) -> dict[str, Any]:
        """Raw data as lists and numbers, ready for JSON.

        Returns
        -------
        dict
            ``model`` (the name of the class) and the arguments of the constructor that are not None; a CSR matrix
            becomes a dictionary with ``format``, ``shape``, ``data``, ``indices`` and ``indptr``.
        """
        fields: Any = self
        result: dict[str, Any] = {"model": type(self).__name__}
        for field in dataclasses.fields(fields):
            value = getattr(self, field.name)
            if value is not None and field.init:
                result[field.name] = plain(value)
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
            Equal in every number to the model written.

        Raises
        ------
        ValueError
            If the data are those of another class, or invalid.
        """
        name = data.get("model", cls.__name__)
        if name != cls.__name__:
            raise ValueError(f"data describe a {name}, expected a {cls.__name__}")
        return cls(**{key: _restored(value) for key, value in data.items() if key != "model"})


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
