r"""Models in files: one ``.npz`` archive a model, dense or CSR, with names and masks, and without pickle.

The archive holds the arrays of the model and one entry ``mdplab``, a JSON text with the version of the format, the class
and everything that is no array: numbers (floats by their shortest decimal, which reads back as the same float), names,
shapes of CSR matrices, and, where the model has them, the rationals behind its floats.  Entries carry no time, so
the same model gives the same bytes.  Reading runs the constructor: what comes back is validated as if typed, and
equal in every bit to what was written.

Any NumPy reads the arrays: ``numpy.load(path)["reward"]``.
"""

from __future__ import annotations

import dataclasses
import json
import os
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from mdplab._typing import Array
from mdplab.models._base import Model
from mdplab.models.rational import RationalData, exact_texts, read_exact

__all__ = ["load", "save"]

FORMAT = 1
_HEADER = "mdplab"
_CSR = ("data", "indices", "indptr")


def save(model: Model, path: str | os.PathLike[str], *, compressed: bool = False) -> Path:
    """Write a model to a ``.npz`` file; :func:`load` reads it.

    Parameters
    ----------
    model : Model
        Any model of :mod:`mdplab.models`.
    path : path
        File to write, replaced in one step if it exists; the ending ``.npz`` is added where there is none.
    compressed : bool, default False
        Deflate the arrays: smaller and slower.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    TypeError
        If ``model`` is no model.
    ValueError
        If the path has another ending.
    """
    if not isinstance(model, Model):
        raise TypeError(f"model is a {type(model).__name__}, expected a model of mdplab.models")
    file = Path(path)
    if not file.suffix:
        file = file.with_suffix(".npz")
    if file.suffix != ".npz":
        raise ValueError(f"path is {str(path)!r}, expected the ending .npz")
    arrays: dict[str, Array] = {}
    header = {"format": FORMAT, **_packed(model, "", arrays)}
    arrays[_HEADER] = np.array(json.dumps(header))
    method = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    handle, scratch = tempfile.mkstemp(suffix=".npz", dir=file.parent)
    try:
        with os.fdopen(handle, "wb") as out, zipfile.ZipFile(out, "w", method) as archive:
            for name, array in arrays.items():
                entry = zipfile.ZipInfo(f"{name}.npy")  # dated 1980: the same bytes at any time
                entry.compress_type = method
                with archive.open(entry, "w", force_zip64=True) as part:
                    np.lib.format.write_array(part, array, allow_pickle=False)
        os.chmod(scratch, 0o666 & ~_umask())
        os.replace(scratch, file)
    except BaseException:
        os.unlink(scratch)
        raise
    return file


def _umask() -> int:
    """The mask of permissions of new files, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _packed(model: Model, prefix: str, arrays: dict[str, Array]) -> dict[str, Any]:
    """Header of a model; its arrays go to ``arrays`` under ``prefix``."""
    plain: dict[str, Any] = {}
    fields: Any = model
    for field in dataclasses.fields(fields):
        value = getattr(model, field.name)
        if field.init and value is not None:
            plain[field.name] = _entry(value, prefix + field.name, arrays)
    header: dict[str, Any] = {"model": type(model).__name__, "fields": plain}
    probability = model.__dict__.get("_probability")  # of a policy given by probabilities, bit by bit
    if probability is not None:
        header["probability"] = _entry(probability, f"{prefix}probability", arrays)
    if isinstance(exact := getattr(model, "exact", None), RationalData):
        header["exact"] = exact_texts(exact)
    if getattr(model, "row_deviation", None) == 0.0:
        header["exact_rows"] = True
    return header


def _entry(value: Any, name: str, arrays: dict[str, Array]) -> Any:
    """What the header says of one field; arrays are put aside."""
    if isinstance(value, Model):
        return {"kind": "model", **_packed(value, f"{name}.", arrays)}
    if isinstance(value, np.ndarray):
        if value.dtype == object:
            raise TypeError(f"{name} is an array of objects, which has no place in a file")
        if value.ndim > 0 and value.strides[0] == 0 and value.shape[0] > 1:  # one kernel for all steps
            arrays[name] = np.ascontiguousarray(value[0])
            return {"kind": "repeated", "times": value.shape[0]}
        arrays[name] = np.ascontiguousarray(value)
        return {"kind": "array"}
    if hasattr(value, "tocsr"):
        for part in _CSR:
            arrays[f"{name}.{part}"] = getattr(value, part)
        return {"kind": "csr", "shape": list(value.shape)}
    if isinstance(value, (tuple, list)):
        return {"kind": "list", "values": [_entry(x, f"{name}.{i}", arrays) for i, x in enumerate(value)]}
    if isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Fraction):
        return {"kind": "fraction", "value": str(value)}
    if isinstance(value, np.generic):
        return value.item()
    if value is None:
        return None
    raise TypeError(f"{name} is a {type(value).__name__}, which has no place in a file")


def load(path: str | os.PathLike[str]) -> Any:
    """Read a model that :func:`save` wrote.

    Parameters
    ----------
    path : path
        The file.

    Returns
    -------
    Model
        Of the class that was written, validated again; arrays are equal bit by bit.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is damaged, was not written by :func:`save` or by a newer version, or its data are invalid.
    """
    file = Path(path)
    if not file.exists():
        raise FileNotFoundError(f"no file {str(path)!r}")
    arrays: dict[str, Array] = {}
    try:
        with zipfile.ZipFile(file) as archive:
            if (bad := archive.testzip()) is not None:  # before a damaged header can ask for all memory
                raise ValueError(f"entry {bad!r} fails its checksum")
            for name in archive.namelist():
                if name.endswith(".npy"):
                    with archive.open(name) as part:
                        arrays[name[:-4]] = np.lib.format.read_array(part, allow_pickle=False)
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        ValueError,
        OSError,
        EOFError,
        RuntimeError,
    ) as error:
        raise ValueError(
            f"{str(path)!r} is damaged or no .npz file without pickled objects ({error}): write it again by "
            "mdplab.save"
        ) from error
    if _HEADER not in arrays:
        raise ValueError(f"{str(path)!r} was not written by mdplab.save: it has no entry {_HEADER!r}")
    try:
        header = json.loads(str(arrays.pop(_HEADER)))
        version = int(header["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{str(path)!r} is damaged: its entry {_HEADER!r} is unreadable") from error
    if version > FORMAT:
        raise ValueError(
            f"{str(path)!r} has format {version}, this version reads up to {FORMAT}: update mdplab"
        )
    try:
        return _unpacked(header, "", arrays)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(f"{str(path)!r} holds no valid model: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    return f"the entry {error} is missing" if isinstance(error, KeyError) else str(error)


def _classes() -> dict[str, type[Model]]:
    """The models by name."""
    from mdplab import models

    found = {name: getattr(models, name) for name in models.__all__}
    return {
        name: thing for name, thing in found.items() if isinstance(thing, type) and issubclass(thing, Model)
    }


def _unpacked(header: Mapping[str, Any], prefix: str, arrays: Mapping[str, Array]) -> Model:
    """The model that a header describes."""
    known = _classes()
    name = header["model"]
    if name not in known:
        raise ValueError(f"unknown model {name!r}, expected one of {', '.join(sorted(known))}")
    fields = {key: _value(value, prefix + key, arrays) for key, value in header["fields"].items()}
    kind: Any = known[name]
    shared = header["fields"].get("kernels")
    if name == "MarkovChain" and isinstance(shared, Mapping) and shared["kind"] == "repeated":
        fields |= {"kernels": arrays[f"{prefix}kernels"], "steps": shared["times"]}
    if "probability" in header:
        model = object.__new__(kind)
        logs, rows = fields["log_probability"], _value(header["probability"], f"{prefix}probability", arrays)
        if rows.shape != logs.shape or not np.allclose(np.exp(logs), rows, rtol=1e-9, atol=1e-12):
            raise ValueError("log_probability and probability disagree")
        model._keep(logs, rows)
    else:
        model = kind(**fields)
    if "exact" in header:
        model.__dict__["exact"] = read_exact(header["exact"], model)
    if header.get("exact_rows") and model.is_deterministic:
        model.__dict__["row_deviation"] = 0.0
    return model  # type: ignore[no-any-return]


def _value(entry: Any, name: str, arrays: Mapping[str, Array]) -> Any:
    """One field from the header and the arrays."""
    if not isinstance(entry, Mapping):
        return entry
    match entry["kind"]:
        case "array":
            return arrays[name]
        case "repeated":
            array = arrays[name]
            return np.broadcast_to(array, (int(entry["times"]), *array.shape))
        case "csr":
            from scipy.sparse import csr_array

            data, indices, indptr = (arrays[f"{name}.{part}"] for part in _CSR)
            matrix = csr_array(tuple(entry["shape"]), dtype=np.float64)
            matrix.data, matrix.indices, matrix.indptr = data, indices, indptr  # checked by the model
            return matrix
        case "list":
            return tuple(_value(x, f"{name}.{i}", arrays) for i, x in enumerate(entry["values"]))
        case "fraction":
            return Fraction(entry["value"])
        case "model":
            return _unpacked(entry, f"{name}.", arrays)
    raise ValueError(f"{name} is of the unknown kind {entry['kind']!r}")
