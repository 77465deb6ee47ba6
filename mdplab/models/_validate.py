"""Parsing of raw arrays at the boundary of the models: one place, one wording.

Every function takes the name of the argument first and returns data that is safe to keep: C-contiguous, of the
right dtype, and read-only.  *Read-only* means a view whose flag is cleared; the caller's own array stays as
writeable as it was.  Where dtype and layout already fit nothing is copied, otherwise exactly one copy is made.
Nothing is normalised.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, BoolArray, FloatArray, IntArray
from mdplab.names import UNNAMED, Names

EPS = float(np.finfo(np.float64).eps)
COMPUTED_ROWS = 1e-9
"""Accepted deviation of row sums of what is usually computed (policies, chains they induce), not typed."""

Shape = tuple[int | str | None, ...]
"""Lengths of the axes; a letter stands for any length, the same wherever it occurs."""


def lock(array: Array) -> Array:
    """A read-only view of ``array``; the array itself keeps its flag."""
    view = array.view()
    view.flags.writeable = False
    return view


def place(name: str, index: Iterable[Any]) -> str:
    """``name[i, j]`` with plain integers."""
    inside = ", ".join(str(int(i)) for i in index)
    return f"{name}[{inside}]" if inside else name


def first(mask: BoolArray) -> tuple[int, ...]:
    """Index of the first true entry in C order."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(mask)), mask.shape))


def number(name: str, value: Any, low: float, high: float, *, closed: str = "[]") -> float:
    """A finite number of the interval from ``low`` to ``high`` with the brackets ``closed``."""
    if isinstance(value, (str, bytes)) or np.ndim(value) != 0:
        raise ValueError(f"{name} must be a single number, got {value!r}")
    try:
        result = float(value)
    except (TypeError, ValueError, OverflowError) as error:  # an integer beyond the doubles overflows
        raise ValueError(f"{name} must be a single number, got {value!r}") from error
    inside = (low <= result if closed[0] == "[" else low < result) and (
        result <= high if closed[1] == "]" else result < high
    )
    if not inside or math.isinf(result):
        raise ValueError(
            f"{name} is {result!r}, expected a number in {closed[0]}{low:g}, {high:g}{closed[1]}"
        )
    return result


def count(name: str, value: Any, low: int = 1) -> int:
    """An integer of at least ``low``."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
        raise ValueError(f"{name} is {value!r}, expected an integer of at least {low}")
    return int(value)


def unmasked(name: str, x: Any) -> Array:
    """``x`` as an ndarray, with what NumPy would swallow refused."""
    if isinstance(x, np.ma.MaskedArray):
        raise ValueError(f"{name} is a masked array: its mask would be lost; fill it first")
    if hasattr(x, "tocsr"):
        raise ValueError(f"{name} is a sparse matrix, expected an array")
    if isinstance(x, (list, tuple)):
        _check_items(name, x, ())
    elif isinstance(x, np.ndarray) and x.dtype == object:
        _check_items(name, x.ravel().tolist(), None)
    try:
        return np.asarray(x)
    except ValueError as error:
        raise ValueError(f"{name} is not a rectangular array: {error}") from error


def _check_items(name: str, items: Sequence[Any], at: tuple[int, ...] | None) -> None:
    """Refuse masked arrays and sparse matrices inside lists; ``at`` is the place of ``items``, None if unknown."""
    # One pass over the types, in C: a list of floats costs far less than its conversion.
    for kind in set(map(type, items)):
        masked = issubclass(kind, np.ma.MaskedArray)
        if masked or hasattr(kind, "tocsr"):
            i = next(i for i, item in enumerate(items) if type(item) is kind)
            where = f"an entry of {name}" if at is None else place(name, (*at, i))
            if masked:
                raise ValueError(f"{where} is masked: its mask would be lost; fill it first")
            raise ValueError(f"{where} is a sparse matrix, expected an array")
        if issubclass(kind, (list, tuple)):
            for i, item in enumerate(items):
                if type(item) is kind:
                    _check_items(name, item, None if at is None else (*at, i))


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    """Whether lengths are as wanted, equal letters standing for equal lengths."""
    if len(wanted) != len(shape):
        return False
    letters: dict[str, int] = {}
    return all(
        letters.setdefault(w, n) == n if isinstance(w, str) else w in (None, n)
        for w, n in zip(wanted, shape, strict=True)
    )


def check_shape(name: str, shape: tuple[int, ...], shapes: Sequence[Shape]) -> None:
    """Raise unless ``shape`` is one of ``shapes`` and no axis is empty."""
    for wanted in shapes:
        if _fits(shape, wanted):
            if 0 in shape:
                raise ValueError(f"{name} has shape {shape}: no axis may be empty")
            return
    written = [["any" if w is None else str(w) for w in wanted] for wanted in shapes]
    options = " or ".join(f"({w[0]},)" if len(w) == 1 else f"({', '.join(w)})" for w in written)
    raise ValueError(f"{name} has shape {shape}, expected {options}")


def real(name: str, x: ArrayLike, *shapes: Shape) -> FloatArray:
    """``x`` as C-contiguous float64 of one of the shapes (``None`` or a letter = any length); entries are not checked."""
    array = unmasked(name, x)
    if array.dtype != np.float64:
        if array.dtype.kind not in "biufO":
            raise ValueError(f"{name} has dtype {array.dtype}, expected real numbers")
        if array.dtype == object:
            _check_numbers(name, array)
        try:
            array = array.astype(np.float64)  # objects: fractions and the like
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"{name} must hold real numbers: {error}") from error
    check_shape(name, array.shape, shapes)
    return np.asarray(array, order="C")


def _check_numbers(name: str, array: Array) -> None:
    """Refuse what NumPy would read as a number: texts (by parsing) and None (as NaN)."""
    items: list[Any] = array.ravel().tolist()
    for kind in set(map(type, items)):
        if issubclass(kind, (str, bytes, type(None))):
            k = next(k for k, item in enumerate(items) if type(item) is kind)
            index = np.unravel_index(k, array.shape)
            raise ValueError(f"{place(name, index)} is {array[index]!r}, expected a number")


def finite(name: str, x: ArrayLike, *shapes: Shape) -> FloatArray:
    """Read-only finite float64 array of one of the shapes."""
    array = real(name, x, *shapes)
    if not np.isfinite(array).all():
        index = first(~np.isfinite(array))
        raise ValueError(f"{place(name, index)} is {float(array[index])}, expected a finite number")
    return lock(array)


def integers(name: str, x: ArrayLike, low: int, high: int, *shapes: Shape) -> IntArray:
    """Read-only int64 array with entries from ``low`` to ``high`` inclusive."""
    array = unmasked(name, x)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} has dtype {array.dtype}, expected integers")
    check_shape(name, array.shape, shapes)
    if array.min() < low or array.max() > high:
        index = first((array < low) | (array > high))
        raise ValueError(
            f"{place(name, index)} is {int(array[index])}, expected an integer from {low} to {high}"
        )
    return lock(np.asarray(array, dtype=np.int64, order="C"))


def boolean(name: str, x: ArrayLike, *shapes: Shape) -> BoolArray:
    """Read-only boolean array."""
    array = unmasked(name, x)
    if array.dtype != np.bool_:
        raise ValueError(f"{name} has dtype {array.dtype}, expected booleans")
    check_shape(name, array.shape, shapes)
    return lock(np.asarray(array, order="C"))


def names(name: str, values: Sequence[Any] | None, n: int, what: str) -> tuple[str, ...] | None:
    """A tuple of ``n`` strings, or None."""
    if values is None:
        return None
    if isinstance(values, str):
        raise ValueError(f"{name} is a single string, expected a sequence of {n}")
    result = tuple(str(value) for value in values)
    if len(result) != n:
        raise ValueError(f"{name} has {len(result)} entries, expected one for each of {n} {what}")
    if len(set(result)) != n:
        twice = next(r for i, r in enumerate(result) if r in result[:i])
        raise ValueError(f"{name} has {twice!r} twice, expected distinct names")
    return result


def pair_names(
    n_states: int,
    n_actions: int,
    state_names: Sequence[Any] | None = None,
    action_names: Sequence[Any] | None = None,
) -> Names:
    """Checked names of states and actions."""
    return Names(
        names("state_names", state_names, n_states, "states"),
        names("action_names", action_names, n_actions, "actions"),
    )


def row_tolerance(n: int) -> float:
    """Accepted deviation of the sum of a row of length ``n``: ``8 eps n``."""
    return 8 * EPS * n


def check_sums(
    name: str,
    sums: FloatArray,
    n: int,
    longest: int,
    labels: Sequence[str] = (),
    free: BoolArray | None = None,
    tolerance: float | None = None,
    source: Any = None,
    names: Names = UNNAMED,
) -> float:
    """Largest deviation of the row sums from one, rounding of the summation included.

    ``sums`` has one axis a label; ``n`` is the length of a row, ``longest`` the largest number of terms summed;
    rows where ``free`` may also be all zero.  The default tolerance is ``8 eps n``.  ``source`` is the argument as
    given: where it was of low precision the message says so.  ``names`` are those of the entries of the axes.
    """
    deviation = np.abs(sums - 1.0)
    if free is not None:
        deviation[free & (sums == 0.0)] = 0.0
    largest = float(deviation.max())
    rule = "" if tolerance is not None else " (8 eps n)"
    tolerance = row_tolerance(n) if tolerance is None else tolerance
    if not largest <= tolerance:
        index = first(~(deviation <= tolerance))
        row = f" row ({names.place(labels, index)})" if labels else ""
        zero = ", or all zeros as the pair is unavailable" if free is not None and free[index] else ""
        found = float(sums[index])
        raise ValueError(
            f"{name}{row} sums to {found!r}, expected 1 within {tolerance:.2g}{rule}{zero}{_coarse(source)}"
        )
    # The computed sum of k non-negative terms is within about (k-1) eps/2 of the exact one, in any order.
    return largest + (longest - 1) * EPS


def _coarse(source: Any) -> str:
    """A hint where ``source`` is an array, or a list of arrays, of floats of less than 64 bits."""
    if source is None:
        return ""
    dtype = np.dtype(source.dtype) if hasattr(source, "dtype") else np.asarray(source).dtype
    if dtype.kind != "f" or dtype.itemsize >= 8:
        return ""
    digits = np.finfo(dtype).precision
    return f"; it was given as {dtype}, which holds {digits} digits only: compute the rows in float64"


def laws(
    name: str,
    array: FloatArray,
    labels: Sequence[str] = (),
    free: BoolArray | None = None,
    tolerance: float | None = None,
    source: Any = None,
    names: Names = UNNAMED,
) -> tuple[FloatArray, float]:
    """Check probabilities along the last axis of a float64 array; returns it read-only, and the row deviation.

    ``source`` is the argument as given, ``names`` are those of the axes; see :func:`check_sums`.
    """
    if not array.min() >= 0.0:  # a NaN makes the minimum NaN
        bad_probability(name, array, labels=labels, names=names)
    n = array.shape[-1]
    with np.errstate(over="ignore"):
        sums = (array.reshape(-1, n) @ np.ones(n)).reshape(array.shape[:-1])
    return lock(array), check_sums(name, sums, n, n, labels, free, tolerance, source, names)


def bad_probability(
    name: str,
    array: FloatArray,
    index: Sequence[int] | None = None,
    labels: Sequence[str] = (),
    names: Names = UNNAMED,
) -> None:
    """Raise for the first entry of ``array`` that is no probability; ``index`` replaces its place in the message."""
    where = first(~(array >= 0.0))
    value = float(array[where])
    index = where if index is None else index
    shown = place(name, index) + names.note(labels, index[: len(labels)])
    if math.isnan(value):
        raise ValueError(f"{shown} is nan, expected a probability")
    raise ValueError(f"{shown} is {value!r}: probabilities must be >= 0")


def law(name: str, x: ArrayLike, n: int | None, tolerance: float | None = None) -> FloatArray:
    """Read-only probability vector of length ``n`` (None: any)."""
    return laws(name, real(name, x, (n,)), tolerance=tolerance, source=x)[0]
