"""Laws on a grid: the projected backup on laws with atoms, and the same as a matrix on tables of masses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import rounding
from mdplab.laws import FiniteLaw
from mdplab.models import RewardProcess
from mdplab.operators import categorical_projection
from mdplab.operators.distributional import distributional_backup
from mdplab.wasserstein import cramer
from proofs_check.distributional.bellemare2017_distributional import LawPair

Laws = Sequence[FiniteLaw]


@dataclass(frozen=True, eq=False)
class GridPair(LawPair):
    """A reward process, two families of laws on a grid, and the grid.

    Attributes
    ----------
    grid : ndarray, shape (m,)
        Equally spaced atoms.
    """

    grid: FloatArray

    @property
    def closed(self) -> bool:
        """Whether a reward plus a discounted atom of the fixed point stays inside the grid (by a relative 1e-12)."""
        process, slack = self.process, 1e-12 * float(np.abs(self.grid).max())
        ends = np.array([law.atoms[[0, -1]] for law in categorical_laws(self)])
        images = (process.reward[..., None] + process.discount * ends)[process.kernel > 0]
        return bool(images.min() >= self.grid[0] + slack and images.max() <= self.grid[-1] - slack)

    @property
    def step(self) -> float:
        """Distance of two atoms."""
        return float(np.diff(self.grid).min())

    @property
    def relative(self) -> float:
        """Error of a value of a distribution function after as many projected backups as states."""
        s, m = self.process.n_states, self.grid.size
        # A split mass errs by the error of its position over the width of the cell.
        places = (np.abs(self.process.reward).max() + np.abs(self.grid).max()) / self.step
        return s * (float(rounding(m + s + places, 16)) + 2 * self.process.row_deviation)

    @property
    def span(self) -> float:
        """Length of the grid."""
        return float(self.grid[-1] - self.grid[0])


# --- laws with atoms ----------------------------------------------------------------------------------------------


def projected_backup(case: GridPair, laws: Laws) -> list[FiniteLaw]:
    return [categorical_projection(law, case.grid) for law in distributional_backup(case.process, laws)]


def largest_cramer(laws: Laws, others: Laws) -> float:
    return max(cramer(p, q) for p, q in zip(laws, others, strict=True))


def zero_laws(case: GridPair) -> list[FiniteLaw]:
    return [FiniteLaw.dirac(0.0)] * case.process.n_states


def categorical_laws(case: GridPair) -> list[FiniteLaw]:
    """The fixed point of the projected operator: S backups of the law of 0, an atom of the grid."""
    laws = zero_laws(case)
    for _ in range(case.process.n_states):
        laws = projected_backup(case, laws)
    return laws


def return_laws(case: GridPair) -> list[FiniteLaw]:
    """The laws of the return: S backups of the law of 0."""
    laws = zero_laws(case)
    for _ in range(case.process.n_states):
        laws = distributional_backup(case.process, laws)
    return laws


# --- tables of masses ---------------------------------------------------------------------------------------------


def grid_transition(case: GridPair) -> FloatArray:
    """The projected operator as a matrix ``(S, m, S, m)`` on masses: tent functions at the images of the atoms."""
    process, grid = case.process, case.grid
    images = process.reward[..., None] + process.discount * grid
    tents = np.stack([np.interp(images, grid, unit) for unit in np.eye(grid.size)])
    return np.asarray(np.einsum("st,istj->sitj", process.kernel, tents))


def difference_of_masses(case: GridPair) -> FloatArray:
    """Masses of the first family less those of the second, ``(S, m)``."""
    table = np.zeros((case.process.n_states, case.grid.size))
    for row, law, other in zip(table, case.laws, case.others, strict=True):
        row[np.searchsorted(case.grid, law.atoms)] += law.masses
        row[np.searchsorted(case.grid, other.atoms)] -= other.masses
    return table


def fixed_masses(case: GridPair) -> FloatArray:
    """Masses ``(S, m)`` of the fixed point: a linear system for all states but the last, whose law is that of 0."""
    s, m = case.process.n_states, case.grid.size
    matrix, zero = grid_transition(case), (case.grid == 0.0).astype(float)
    left = (s - 1) * m
    system = np.eye(left) - matrix[:-1, :, :-1].reshape(left, left)
    solved = np.linalg.solve(system, (matrix[:-1, :, -1] @ zero).ravel())
    return np.vstack([solved.reshape(s - 1, m), zero])


def path_returns(process: RewardProcess, state: int) -> tuple[FloatArray, FloatArray]:
    """Returns of all paths of S steps from a state, and their probabilities."""
    paths, factor = [(state, 1.0, 0.0)], 1.0
    for _ in range(process.n_states):
        paths = [
            (int(t), mass * process.kernel[s, t], gain + factor * process.reward[s, t])
            for s, mass, gain in paths
            for t in np.flatnonzero(process.kernel[s])
        ]
        factor *= process.discount
    _, masses, gains = zip(*paths, strict=True)
    return np.array(gains), np.array(masses)


def energy(x: FloatArray, p: FloatArray, y: FloatArray, q: FloatArray) -> float:
    """Squared Cramer distance as ``E|X - Y| - E|X - X'|/2 - E|Y - Y'|/2``."""
    places, signed = np.concatenate((x, y)), np.concatenate((p, -q))
    return float(-(signed @ np.abs(np.subtract.outer(places, places)) @ signed) / 2)
