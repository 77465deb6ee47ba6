"""Projected distributional operators in rationals: fixed atoms (categorical) and fixed masses (quantile)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement, pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.distributional import exact_laws

if TYPE_CHECKING:
    from mdplab.exact import RationalLaw
    from proofs_check.distributional.dabney2018_quantile import CountedLaw, CountedPair
    from proofs_check.distributional.grid_laws import GridPair

# --- fixed atoms ----------------------------------------------------------------------------------------------------


def split(law: RationalLaw, grid: Array) -> RationalLaw:
    """The categorical projection: the masses are second differences of the stop-loss function at the grid."""
    clipped = law.push(lambda atoms: np.clip(atoms, grid[0], grid[-1]))
    # E (X - z)^+ is linear in each cell for the projection, and equal to that of the law at the grid.
    excess = [clipped.masses @ np.maximum(clipped.atoms - z, 0) for z in grid]
    slopes = [(b - a) / (z - y) for (a, b), (y, z) in zip(pairwise(excess), pairwise(grid), strict=True)]
    masses = np.diff(np.array([mdplab.exact.rational(-1), *slopes, mdplab.exact.rational(0)], dtype=object))
    return mdplab.exact.RationalLaw.from_atoms(grid, masses)


def grid_of(case: GridPair) -> Array:
    return np.asarray(mdplab.exact.rational(case.grid), dtype=object)


def projected_backup(case: GridPair, laws: Sequence[RationalLaw]) -> list[RationalLaw]:
    """The evaluation operator and the categorical projection."""
    return [split(law, grid_of(case)) for law in exact_laws.backup(case.process, laws)]


def largest_cramer(laws: Sequence[RationalLaw], others: Sequence[RationalLaw]) -> Any:
    """The largest squared Cramer distance over states."""
    return max(mdplab.exact.cramer_squared(p, q) for p, q in zip(laws, others, strict=True))


def both_projected(case: GridPair) -> list[list[RationalLaw]]:
    return [projected_backup(case, exact_laws.read(family)) for family in (case.laws, case.others)]


def projected_cramer(case: GridPair) -> Any:
    """Largest Cramer distance after the projected backup."""
    laws, others = both_projected(case)
    return mdplab.exact.sqrt(largest_cramer(laws, others))


def scaled_cramer(case: GridPair) -> Any:
    """Root of the discount times the largest Cramer distance before."""
    before = largest_cramer(exact_laws.read(case.laws), exact_laws.read(case.others))
    return mdplab.exact.sqrt(mdplab.exact.rational(case.process.discount) * before)


def projected_wasserstein(case: GridPair) -> Any:
    """Largest Wasserstein distance after the projected backup."""
    laws, others = both_projected(case)
    return exact_laws.largest_distance(laws, others, 1)


def scaled_wasserstein(case: GridPair) -> Any:
    """Discount times the largest Wasserstein distance before."""
    return exact_laws.scaled_distance(case, 1)


def zero_laws(case: GridPair) -> list[RationalLaw]:
    return [mdplab.exact.RationalLaw.from_atoms([0], [1])] * case.process.n_states


def categorical_laws(case: GridPair) -> list[RationalLaw]:
    """The fixed point of the projected operator, by S backups."""
    laws = zero_laws(case)
    for _ in range(case.process.n_states):
        laws = projected_backup(case, laws)
    return laws


def return_laws(case: GridPair) -> list[RationalLaw]:
    """The laws of the return, by S backups."""
    laws = zero_laws(case)
    for _ in range(case.process.n_states):
        laws = exact_laws.backup(case.process, laws)
    return laws


def fixed_point_error(case: GridPair) -> Any:
    """Largest squared Cramer distance of the fixed point and the laws of the return."""
    return largest_cramer(categorical_laws(case), return_laws(case))


def projection_error(case: GridPair) -> Any:
    """Largest squared Cramer distance of the laws of the return and their projections, over 1 - discount."""
    laws = return_laws(case)
    error = largest_cramer([split(law, grid_of(case)) for law in laws], laws)
    return error / (1 - mdplab.exact.rational(case.process.discount))


def categorical_means(case: GridPair) -> Array:
    """Means of the fixed point."""
    return np.array([law.mean() for law in categorical_laws(case)], dtype=object)


def values(case: GridPair) -> Array:
    """Expected returns, by a linear system."""
    kernel, reward = mdplab.exact.laws(case.process.kernel), mdplab.exact.rational(case.process.reward)
    system = mdplab.exact.identity(len(kernel)) - mdplab.exact.rational(case.process.discount) * kernel
    return mdplab.exact.solve(system, (kernel * reward).sum(axis=1))


# --- fixed masses ---------------------------------------------------------------------------------------------------


def equal_masses(atoms: Sequence[Any]) -> RationalLaw:
    return mdplab.exact.RationalLaw.from_atoms(atoms, [mdplab.exact.rational(1) / len(atoms)] * len(atoms))


def midpoint_quantiles(law: RationalLaw, count: int) -> RationalLaw:
    """The quantile projection."""
    return equal_masses([law.quantile(mdplab.exact.rational(2 * i + 1) / (2 * count)) for i in range(count)])


def quantile_distance(case: CountedLaw) -> Any:
    """Wasserstein distance of the law and its projection."""
    law = mdplab.exact.RationalLaw.of(case.law)
    return mdplab.exact.wasserstein_power(midpoint_quantiles(law, case.count), law, 1)


def nearest_distance(case: CountedLaw) -> Any:
    """Least Wasserstein distance over all multisets of atoms."""
    law = mdplab.exact.RationalLaw.of(case.law)
    tuples = combinations_with_replacement(law.atoms, case.count)
    return min(mdplab.exact.wasserstein_power(equal_masses(atoms), law, 1) for atoms in tuples)


def range_bound(case: CountedLaw) -> Any:
    """Range of the atoms over twice the number of masses."""
    atoms = mdplab.exact.RationalLaw.of(case.law).atoms
    return (atoms[-1] - atoms[0]) / (2 * case.count)


def projected_distance(case: CountedPair) -> Any:
    """Largest distance of order infinity after the projected backup."""
    families = [exact_laws.backup(case.process, exact_laws.read(laws)) for laws in (case.laws, case.others)]
    projected = [[midpoint_quantiles(law, case.count) for law in laws] for laws in families]
    return exact_laws.largest_distance(projected[0], projected[1], np.inf)


def scaled_distance(case: CountedPair) -> Any:
    """Discount times the largest distance of order infinity before."""
    return exact_laws.scaled_distance(case, np.inf)
