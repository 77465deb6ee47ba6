"""Checks at the boundary of the operators: every message names the argument, the place and what was expected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array
from mdplab.models._kernel import STAGED
from mdplab.models._validate import COMPUTED_ROWS, first, place
from mdplab.models.policy import Policy
from mdplab.names import UNNAMED, Names


def numeric(name: str, x: ArrayLike) -> Array:
    """``x`` as an array of float64, or of complex128 if it is complex.

    A ``log_*`` argument takes the log-probabilities of a :class:`Policy` and refuses a table of probabilities.
    """
    if "log_" in name and "(" not in name:
        return _logarithms(name, x)
    return _numbers(name, x)


def _logarithms(name: str, x: ArrayLike | Policy) -> Array:
    """Log-weights; where every row is non-negative and sums to one, probabilities were meant to be logarithms."""
    if isinstance(x, Policy):
        return x.log_probability
    array = _numbers(name, x)
    if array.ndim and array.shape[-1] > 1 and array.size:
        real = array.real
        # An honest row of this kind is possible (0, 1), a whole table of them is a table of probabilities.
        if (real >= 0).all() and (np.abs(real.sum(axis=-1) - 1.0) <= COMPUTED_ROWS).all():
            raise ValueError(
                f"{name} has rows of non-negative entries with sum 1: these are probabilities; expected their logarithms"
            )
    return array


def _numbers(name: str, x: ArrayLike) -> Array:
    array = np.asarray(x)
    if array.dtype == np.float64 or array.dtype == np.complex128:
        return array
    if array.dtype.kind == "c":
        return array.astype(np.complex128)
    if array.dtype.kind in "biuf":
        return array.astype(np.float64)
    raise ValueError(f"{name} must be an array of numbers; got dtype {array.dtype}")


def shaped(name: str, x: ArrayLike, shape: tuple[int, ...], letters: str, *, leading: bool = False) -> Array:
    """``x`` as a NaN-free numeric array of the given shape (after any leading axes if ``leading``)."""
    array = numeric(name, x)
    got = array.shape[len(array.shape) - len(shape) :] if leading else array.shape
    if got != shape or array.ndim < len(shape):
        expected = f"{letters} = {shape}"
        raise ValueError(f"{name} must have shape {expected}; got {array.shape}")
    if np.isnan(array).any():
        raise ValueError(f"{place(name, first(np.isnan(array)))} is nan, expected a number")
    return array


def pairs(
    name: str, x: ArrayLike, shape: tuple[int, int], available: Array | None, fill: float = 0.0
) -> Array:
    """A table ``(S, A)`` that is read at available pairs: entries elsewhere may be anything and become ``fill``."""
    array = numeric(name, x)
    if available is not None and array.shape == shape:
        array = np.where(available, array, fill)
    return shaped(name, array, shape, "(S, A)")


def temperature(value: Any, name: str = "temperature") -> Array:
    """A positive finite temperature, a number or an array."""
    if isinstance(value, float) and 0.0 < value < np.inf:  # the common case, quickly
        return np.asarray(value)
    array = numeric(name, value)
    if not (np.isfinite(array.real).all() and (array.real > 0).all()):
        raise ValueError(f"{name} must be positive and finite; got {value!r}")
    return array


def non_negative(name: str, value: Any, *, positive: bool = False) -> None:
    """A finite real number, at least 0 or above it."""
    if isinstance(value, float) and 0.0 < value < math.inf:  # the common case, quickly
        return
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        wrong = True
    else:
        size = _double(value)
        wrong = not (math.isfinite(size) and size >= 0) or (positive and size == 0)
    if wrong:
        kind = "positive and finite" if positive else "a non-negative finite number"
        raise ValueError(f"{name} must be {kind}; got {value!r}")


def _double(value: Any) -> float:
    """A real number as a double, an integer beyond the doubles as an infinity."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def count(name: str, value: Any, low: int = 1) -> None:
    """An integer of at least ``low``."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
        raise ValueError(f"{name} must be an integer of at least {low}; got {value!r}")


def model(mdp: Any, kind: type, other: str = "") -> None:
    """A model of the class ``kind``; ``other`` is a hint for those who brought another kind."""
    if not isinstance(mdp, kind):
        name, found = (f"{'an' if k.__name__[0] in 'AEIOM' else 'a'} {k.__name__}" for k in (kind, type(mdp)))
        hint = f"; {other}" if other else ""
        raise TypeError(f"expected {name}, got {'None' if mdp is None else found}{hint}")


def number(name: str, value: Any, low: float, high: float) -> None:
    """A finite number of the closed interval from ``low`` to ``high``."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{name} must be a finite number in [{low}, {high}]; got {value!r}")
    if not low <= _double(value) <= high:
        raise ValueError(f"{name} must be a finite number in [{low}, {high}]; got {value}")


def discount(value: float) -> None:
    """A discount in [0, 1)."""
    if not 0.0 <= value < 1.0:
        raise ValueError(f"discount must lie in [0, 1); got {value}")


def laws(name: str, p: Array, axes: Sequence[str] = (), names: Names = UNNAMED) -> None:
    """Probabilities along the last axis (real parts, so that complex steps pass); ``axes`` are the others."""
    real = p.real
    if not (real >= 0).all():
        where = first(~(real >= 0))
        shown = place(name, where) + names.note(axes, where[: len(axes)])
        raise ValueError(f"{shown} is {float(real[where])!r}: probabilities must be >= 0")
    off = np.abs(real.sum(axis=-1) - 1.0)
    if not (off <= COMPUTED_ROWS).all():
        where = first(~(off <= COMPUTED_ROWS))
        row = f" at {names.place(axes or ['row'], where)}" if where else ""
        found = float(real[where].sum())
        raise ValueError(f"{name}{row} sums to {found!r}, expected 1 within {COMPUTED_ROWS}")


def masked(name: str, q: ArrayLike, available: ArrayLike | None) -> Array:
    """``q (..., S, A)`` with ``-inf`` at unavailable actions."""
    values = numeric(name, q)
    if values.ndim < 2:
        raise ValueError(f"{name} must have shape (..., S, A); got {values.shape}")
    if available is None:
        return values
    mask = np.asarray(available)
    if mask.dtype != np.bool_ or mask.shape not in (values.shape[-2:], values.shape):
        expected = f"(S, A) = {values.shape[-2:]}"
        if values.ndim > 2:
            expected += f" or {values.shape}"
        raise ValueError(
            f"available must be boolean of shape {expected}; got {mask.dtype} of shape {mask.shape}"
        )
    return np.where(mask, values, -np.inf)


def policy(mdp: Any, probabilities: ArrayLike, name: str = "policy") -> Array:
    """A policy of a discounted model: shape ``(S, A)``, rows laws, zero on unavailable actions."""
    array = shaped(name, probabilities, (mdp.n_states, mdp.n_actions), "(S, A)")
    laws(name, array, STAGED[1:2], mdp.names)
    if mdp.available is not None:
        admitted(name, array, mdp.available, mdp.names)
    return array


def stage_policy(mdp: Any, probabilities: ArrayLike, name: str = "policy") -> Array:
    """A policy of a finite-horizon model, ``(H, S, A)``, or ``(S, A)`` for all stages; otherwise as :func:`policy`."""
    shape = (mdp.horizon, mdp.n_states, mdp.n_actions)
    array = numeric(name, probabilities)
    if array.shape not in (shape, shape[1:]):
        raise ValueError(
            f"{name} must have shape (S, A) = {shape[1:]} or (H, S, A) = {shape}; got {array.shape}"
        )
    array = shaped(name, np.broadcast_to(array, shape), shape, "(H, S, A)")
    laws(name, array, STAGED[:2], mdp.names)
    if mdp.available is not None:
        admitted(name, array, mdp.available, mdp.names)
    return array


def admitted(name: str, weights: Array, available: Array, names: Names, what: str = "probability") -> None:
    """Probabilities (or other weights) ``(S, A)`` or ``(H, S, A)`` that are zero on unavailable actions."""
    wrong = ~available & (weights != 0)
    if wrong.any():
        pair = first(wrong)
        where = names.place(STAGED[-len(pair) :], pair)
        raise ValueError(f"{name} takes the unavailable pair ({where}) with {what} {weights[pair]}")


def start_law(mdp: Any, initial: ArrayLike | None) -> Array:
    """The start law given, or the model's own."""
    law = shaped("initial", mdp.start_law() if initial is None else initial, (mdp.n_states,), "(S,)")
    laws("initial", law)
    return law
