"""Tasks about one finite law: implicit maximisers; closed forms between the kinks of their losses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.instances import Draw
from mdplab.laws import FiniteLaw

__all__ = [
    "PIECES",
    "LocationTask",
    "expectile_law_task",
    "floored_task",
    "location_law",
    "root_of_pieces",
    "steep_task",
    "sure_task",
    "three_atoms",
]


@dataclass(frozen=True, eq=False)
class LocationTask:
    """A law, a temperature, weights and a place.

    Attributes
    ----------
    atoms, masses : ndarray, shape (n,)
        The law; atoms are sorted.
    temperature : float
        ``alpha`` or ``beta``.
    weights : ndarray, shape (K,)
        ``lambda`` or ``tau``, increasing.
    place : float
        Where objectives are evaluated.
    """

    atoms: FloatArray
    masses: FloatArray
    temperature: float
    weights: FloatArray
    place: float

    @cached_property
    def law(self) -> FiniteLaw:
        """The law, checked."""
        return FiniteLaw.from_atoms(self.atoms, self.masses)

    @property
    def top(self) -> float:
        """The largest atom with mass."""
        return float(self.atoms[self.masses > 0][-1])

    @property
    def top_mass(self) -> float:
        """Its mass."""
        return float(self.masses[self.masses > 0][-1])

    @property
    def gap(self) -> float:
        """Distance of the two largest atoms."""
        return float(self.atoms[-1] - self.atoms[-2])

    def at(self, weight: float) -> LocationTask:
        """The task with one other weight."""
        return replace(self, weights=np.array([weight]))


def _atoms(draw: Draw) -> FloatArray:
    """Sorted atoms 2 N(0, 1), two to six of them; of nearly equal ones the first is kept."""
    atoms = np.sort(draw.normal(draw.integer(2, 6), 2.0))
    kept = atoms[np.append(True, np.diff(atoms) > 1e-6)]
    if kept.size < 2:
        draw.reject("one atom")
    return np.asarray(kept)


def location_law(draw: Draw) -> LocationTask:
    """n in 2..6, q ~ 2 N(0, 1) sorted, p ~ Dirichlet(1), temperature 10^U(-.5, .7), weights U(.05, .99)."""
    atoms = _atoms(draw)
    masses = draw.weights(atoms.size)
    return LocationTask(
        atoms,
        masses,
        draw.log_number(10.0**-0.5, 10.0**0.7),
        np.sort(draw.uniform(0.05, 0.99, 4)),
        float(draw.normal(scale=2.0)),
    )


def floored_task(draw: Draw) -> LocationTask:
    """n in 2..6, x ~ 2 N(0, 1) sorted, p ~ Dirichlet(1) floored at .02, temperature 1, weights U(.52, .99)."""
    atoms = _atoms(draw)
    masses = np.maximum(draw.weights(atoms.size), 0.02)
    return LocationTask(atoms, masses / masses.sum(), 1.0, np.sort(draw.uniform(0.52, 0.99, 4)), atoms[-1])


def sure_task(draw: Draw) -> LocationTask:
    """A floored law with weights beyond ``1 / (1 + p_n)``, from which truncated losses are exact."""
    task = floored_task(draw)
    least = 1.0 / (1.0 + task.top_mass)
    return replace(task, weights=least + (1.0 - least) * task.weights)


def steep_task(draw: Draw) -> LocationTask:
    """A floored law with weights from which the largest atom alone decides the full losses too."""
    task = floored_task(draw)
    share = task.top_mass * min(task.gap / 2.0, 1.0)
    return replace(task, weights=(1.0 + share * task.weights) / (1.0 + share))


def expectile_law_task(draw: Draw) -> LocationTask:
    """A floored law with four weights from ``U(.05, .95)`` and ``1 - 10^U(-6, -1)``."""
    task = floored_task(draw)
    ends = 1.0 - draw.log_uniform(1e-6, 0.1, 2)
    return replace(task, weights=np.sort(np.concatenate([draw.uniform(0.05, 0.95, 2), ends])))


def three_atoms(*weights: float, temperature: float = 1.0) -> LocationTask:
    """Atoms (0, 1, 3) with masses (.5, .3, .2)."""
    return LocationTask(
        np.array([0.0, 1.0, 3.0]), np.array([0.5, 0.3, 0.2]), temperature, np.array(weights or (0.9,)), 0.75
    )


# --- closed forms ---------------------------------------------------------------------------------------------------

PIECES: dict[str, tuple[Any, Any, Any]] = {
    "chi-square": (-2, 1, 0.5),
    "total-variation": (-0.5, 1, 0),
    "truncated-chi-square": (0, 1, 0.5),
    "truncated-total-variation": (0, 1, 0),
    "truncated-square": (0, 0, 2),
}
"""``phi'(y) = constant + coefficient y`` above the kink and 0 below: (kink, constant, coefficient)."""


def root_of_pieces(
    atoms: Sequence[Any] | Array, masses: Sequence[Any] | Array, weight: Any, pieces: tuple[Any, Any, Any]
) -> Any:
    """The smallest v with ``weight E phi'(X - v) <= 1 - weight``, segment by segment from above.

    Between kinks ``v_k = x_k - kink`` the atoms above pull with ``constant + coefficient (x - v)``: the condition is linear
    in v.  Numbers may be floats or rationals.
    """
    kink, constant, slope = pieces
    order = range(len(atoms) - 1, -1, -1)
    mass, first = 0 * weight, 0 * weight
    for k in order:
        place = atoms[k] - kink
        # just below this kink and the ones above it
        mass, first = mass + masses[k], first + masses[k] * atoms[k]
        below = atoms[k - 1] - kink if k > 0 else None
        if weight * (constant * mass + slope * (first - place * mass)) > 1 - weight:
            return place  # the condition holds at the kink and fails just below it
        if slope:
            # weight (constant mass + slope (first - v mass)) = 1 - weight
            v = (constant * mass + slope * first - (1 - weight) / weight) / (slope * mass)
            if below is None or v > below:
                return v
    raise ValueError("the pull of all atoms does not reach 1 - weight")
