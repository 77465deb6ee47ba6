"""Comparison of a table with its exact value, and the message where they differ: place, numbers, gap and a hint."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import BoolArray, FloatArray
from mdplab.models.tabular import MDP
from mdplab.names import Names
from mdplab.operators import _check

AXES = ("state", "action")


def names_of(mdp: MDP) -> Names:
    """What the model calls its states and actions."""
    return Names(state=mdp.state_names, action=mdp.action_names)


def available(mdp: MDP) -> BoolArray:
    """Pairs that may be taken, all of them without a mask."""
    return np.ones(mdp.reward.shape, dtype=bool) if mdp.available is None else mdp.available


def table(mdp: MDP, name: str, values: ArrayLike, *, per_action: bool) -> FloatArray:
    """What the code under test has computed, as float64; a wrong shape or kind is a failure of that code."""
    _check.model(mdp, MDP)
    shape, letters = (mdp.reward.shape, "(S, A)") if per_action else (mdp.reward.shape[:1], "(S,)")
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise AssertionError(f"{name} has dtype {array.dtype}, expected real numbers")
    if array.shape != shape:
        raise AssertionError(f"{name} has shape {array.shape}, expected {letters} = {shape}")
    return array.astype(np.float64)


def check_tolerance(tol: float, error: float = 0.0) -> None:
    """A tolerance below what is known of the exact value cannot be asked for."""
    _check.non_negative("tol", tol)
    if error > tol:
        raise ValueError(f"tol is {tol:.3g}, but the exact value is known within {error:.3g} only: raise tol")


def fail(lines: list[str]) -> NoReturn:
    """Raise the failure, its lines indented below the first."""
    raise AssertionError("\n  ".join(line for line in lines if line))


def assert_close(
    mdp: MDP,
    name: str,
    found: FloatArray,
    exact: FloatArray,
    *,
    error: float,
    tol: float,
    what: str,
    where: BoolArray | None = None,
    hints: Iterable[str] = (),
    default: str = "",
) -> None:
    """Fail where ``found`` is farther than ``tol + error`` from ``exact``, which is known within ``error``.

    So a failure is proof that the true gap exceeds ``tol``.  ``where`` selects the entries that count; the first of
    ``hints``, or else ``default``, ends the message.
    """
    check_tolerance(tol, error)
    counts = np.ones(found.shape, dtype=bool) if where is None else where
    gap = np.where(counts, found - np.where(counts, exact, 0.0), 0.0)
    bad = counts & ~(np.abs(gap) <= tol + error)
    if not bad.any():
        return
    size = np.where(bad, np.nan_to_num(np.abs(gap), nan=np.inf, posinf=np.inf), -1.0)
    index = np.unravel_index(int(size.argmax()), size.shape)
    axes = AXES[: found.ndim]
    kind = "states" if found.ndim == 1 else "state-action pairs"
    hint = next(iter(hints), default) if np.isfinite(found[counts]).all() else f"{name} is not finite"
    fail(
        [
            f"{name} is not {what}: {np.count_nonzero(bad)} of {np.count_nonzero(counts)} {kind} are off by more than "
            f"{tol:.3g}",
            f"worst at {names_of(mdp).place(axes, index)}: {name} {found[index]:.10g}, exact {exact[index]:.10g} "
            f"(within {error:.1g}), gap {gap[index]:.3g}",
            f"hint: {hint}" if hint else "",
        ]
    )


def value_hints(
    mdp: MDP, name: str, found: FloatArray, exact: FloatArray, *, tol: float, temperature: float = 0.0
) -> Iterator[str]:
    """Well-known mistakes that explain all of the difference, of values or of action values."""
    inside = available(mdp) if found.ndim == 2 else np.ones(found.shape, dtype=bool)
    x, y = found[inside], exact[inside]
    near = 10 * tol + 1e-9 * float(np.abs(y).max())
    gamma = mdp.discount

    def explains(guess: Any) -> bool:
        return bool((np.abs(x - guess) <= near).all())

    if explains(gamma * y):
        yield f"{name} is the exact one times the discount {gamma:g}: discounted one step too often"
    if gamma > 0 and explains(y / gamma):
        yield f"{name} is the exact one divided by the discount {gamma:g}: discounted one step too rarely"
    if explains((1 - gamma) * y):
        yield f"{name} is the exact one times 1 - discount: it is normalised, values here are not"
    if explains(-y):
        what = "rewards, or entropy that is taken off where it is added" if temperature > 0 else "rewards"
        yield f"{name} has the opposite sign: costs in the place of {what}?"
    if explains(np.zeros(x.shape)):
        yield f"{name} is zero everywhere: was anything computed?"
    shift = float(np.mean(x - y))
    if x.size > 1 and explains(y + shift):
        entropy = math.log(mdp.n_actions) * temperature / (1 - gamma)
        for most, when in ((entropy, ""), (gamma * entropy, ", beginning with the second step")):
            if temperature > 0 and abs(abs(shift) - most) <= near:
                yield (
                    f"{name} is off by temperature * log(A) in each step{when}: the entropy is measured from the uniform "
                    "policy in one and from the counting measure in the other; see log_reference"
                )
            if temperature > 0 and abs(shift + 2 * most) <= near:
                yield f"{name} is off by twice the largest entropy in each step{when}: it is taken off where it is added"
        yield f"{name} is the exact one plus the constant {shift:.6g}: a constant in the rewards?"
