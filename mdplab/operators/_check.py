"""Checks at the boundary of the operators: every message names the argument, the place and what was expected."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array
from mdplab.models._validate import COMPUTED_ROWS, first, place


def numeric(name: str, x: ArrayLike) -> Array:
    """``x`` as an array of float64, or of complex128 if it is complex."""
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


def temperature(value: Any, name: str = "temperature") -> Array:
    """A positive finite temperature, a number or an array."""
    if isinstance(value, float) and 0.0 < value < np.inf:  # the common case, quickly
        return np.asarray(value)
    array = numeric(name, value)
    if not (np.isfinite(array.real).all() and (array.real > 0).all()):
        raise ValueError(f"{name} must be positive and finite; got {value!r}")
    return array


def number(name: str, value: float, low: float, high: float) -> None:
    """A finite number of the closed interval from ``low`` to ``high``."""
    if not low <= value <= high or not np.isfinite(value):
        raise ValueError(f"{name} must be a finite number in [{low}, {high}]; got {value}")


def discount(value: float) -> None:
    """A discount in [0, 1)."""
    if not 0.0 <= value < 1.0:
        raise ValueError(f"discount must lie in [0, 1); got {value}")


def laws(name: str, p: Array, what: str = "row") -> None:
    """Probabilities along the last axis (real parts, so that complex steps pass)."""
    real = p.real
    if not (real >= 0).all():
        where = first(~(real >= 0))
        raise ValueError(f"{place(name, where)} is {float(real[where])!r}: probabilities must be >= 0")
    off = np.abs(real.sum(axis=-1) - 1.0)
    if not (off <= COMPUTED_ROWS).all():
        where = first(~(off <= COMPUTED_ROWS))
        row = f" at {what} {where if len(where) > 1 else where[0]}" if where else ""
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
    if mask.dtype != np.bool_ or mask.shape != values.shape[-2:]:
        expected = f"(S, A) = {values.shape[-2:]}"
        raise ValueError(
            f"available must be boolean of shape {expected}; got {mask.dtype} of shape {mask.shape}"
        )
    return np.where(mask, values, -np.inf)


def policy(mdp: Any, probabilities: ArrayLike, name: str = "policy") -> Array:
    """A policy of a discounted model: shape ``(S, A)``, rows laws, zero on unavailable actions."""
    array = shaped(name, probabilities, (mdp.n_states, mdp.n_actions), "(S, A)")
    laws(name, array, "state")
    if mdp.available is not None and (array[~mdp.available] != 0).any():
        state, action = first(~mdp.available & (array != 0))
        raise ValueError(
            f"{name} takes the unavailable action {action} in state {state} with probability {array[state, action]}"
        )
    return array


def start_law(mdp: Any, initial: ArrayLike | None) -> Array:
    """The start law given, or the model's own."""
    law = shaped("initial", mdp.start_law() if initial is None else initial, (mdp.n_states,), "(S,)")
    laws("initial", law)
    return law
