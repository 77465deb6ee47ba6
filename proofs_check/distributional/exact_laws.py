"""Laws of returns as rational atoms and masses: backups and Wasserstein distances without rounding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from mdplab.models import RewardProcess

if TYPE_CHECKING:
    from mdplab.exact import RationalLaw
    from proofs_check.distributional.bellemare2017_distributional import LawPair
    from proofs_check.distributional.bellemare2017_greedy import Switch

# --- evaluation: the operator of a reward process -------------------------------------------------------------------


def read(laws: Sequence[Any]) -> list[RationalLaw]:
    """The rational twins of laws."""
    return [mdplab.exact.RationalLaw.of(law) for law in laws]


def backup(process: RewardProcess, laws: Sequence[RationalLaw]) -> list[RationalLaw]:
    """The evaluation operator: mixtures of affine images, the kernel's rows normalised exactly."""
    kernel, reward = mdplab.exact.laws(process.kernel), mdplab.exact.rational(process.reward)
    discount, found = mdplab.exact.rational(process.discount), []
    for row, gains in zip(kernel, reward, strict=True):
        reached = [(p, r, law) for p, r, law in zip(row, gains, laws, strict=True) if p != 0]
        atoms = np.concatenate([r + discount * law.atoms for _, r, law in reached])
        masses = np.concatenate([p * law.masses for p, _, law in reached])
        found.append(mdplab.exact.RationalLaw.from_atoms(atoms, masses))
    return found


def largest_distance(laws: Sequence[RationalLaw], others: Sequence[RationalLaw], order: float) -> Any:
    """The largest Wasserstein distance over states: a rational, at order 2 the root of one.

    Balls do not tell a contraction by exactly the discount from equality: at order 2 such ties stay open.
    """
    pairs = list(zip(laws, others, strict=True))
    if order == np.inf:
        return max(mdplab.exact.wasserstein_infinity(p, q) for p, q in pairs)
    power = max(mdplab.exact.wasserstein_power(p, q, int(order)) for p, q in pairs)
    return power if order == 1 else mdplab.exact.sqrt(power)


def backed_distance(case: LawPair, order: float) -> Any:
    """Largest distance after the backup."""
    laws, others = (backup(case.process, read(family)) for family in (case.laws, case.others))
    return largest_distance(laws, others, order)


def scaled_distance(case: LawPair, order: float) -> Any:
    """Discount times the largest distance before the backup."""
    distance = largest_distance(read(case.laws), read(case.others), order)
    return mdplab.exact.rational(case.process.discount) * distance


def iterated_laws(case: LawPair) -> Array:
    """Atoms and masses of the laws after S backups of the law of 0, and after one more."""
    laws = [mdplab.exact.RationalLaw.from_atoms([0], [1])] * case.process.n_states
    for _ in range(case.process.n_states):
        laws = backup(case.process, laws)
    return flattened([*laws, *backup(case.process, laws)])


def path_laws(case: LawPair) -> Array:
    """Atoms and masses of the returns of all paths to the last state, twice."""
    kernel, reward = mdplab.exact.laws(case.process.kernel), mdplab.exact.rational(case.process.reward)
    discount, last = mdplab.exact.rational(case.process.discount), case.process.n_states - 1

    def paths(state: int) -> Iterator[list[int]]:
        if state == last:
            yield [state]
        for t in np.flatnonzero(kernel[state] != 0) if state != last else ():
            for rest in paths(int(t)):
                yield [state, *rest]

    def law(state: int) -> RationalLaw:
        found = list(paths(state))
        steps = [list(pairwise(path)) for path in found]
        gains = [sum(discount**k * reward[step] for k, step in enumerate(taken)) for taken in steps]
        masses = [np.prod([mdplab.exact.rational(1), *(kernel[step] for step in taken)]) for taken in steps]
        return mdplab.exact.RationalLaw.from_atoms(gains, masses)

    return flattened([law(state) for state in range(last + 1)] * 2)


def flattened(laws: Sequence[RationalLaw]) -> Array:
    """All atoms and masses in one row."""
    return np.concatenate([np.concatenate((law.atoms, law.masses)) for law in laws])


# --- greedy control: the switch -------------------------------------------------------------------------------------

Table = list["RationalLaw"]


def coin(mean: Any) -> RationalLaw:
    """The law of ``mean`` plus or minus one."""
    return mdplab.exact.RationalLaw.from_atoms([mean - 1, mean + 1], mdplab.exact.rational([0.5, 0.5]))


def optimal(case: Switch) -> Table:
    """``Z*``: the laws of x1 and of the two actions of x2."""
    second = coin(mdplab.exact.rational(case.epsilon))
    return [second.affine(case.discount, 0), mdplab.exact.RationalLaw.from_atoms([0], [1]), second]


def perturbed(case: Switch) -> Table:
    """``Z``: as ``Z*``, but for the second action."""
    return [*optimal(case)[:2], coin(-mdplab.exact.rational(case.epsilon))]


def greedy_backup(case: Switch, laws: Table) -> Table:
    """``T_* Z``: x1 takes the discounted law of the larger mean, the actions of x2 their rewards."""
    chosen = max(laws[1:], key=lambda law: law.mean())
    return [chosen.affine(case.discount, 0), *optimal(case)[1:]]


def both_backed(case: Switch) -> tuple[Table, Table]:
    return greedy_backup(case, optimal(case)), greedy_backup(case, perturbed(case))


def distance_of_means(laws: Table, others: Table) -> Any:
    return max(abs(p.mean() - q.mean()) for p, q in zip(laws, others, strict=True))


def distance_before(case: Switch) -> Any:
    """Largest Wasserstein distance of Z* and Z."""
    return largest_distance(optimal(case), perturbed(case), 1)


def twice_epsilon(case: Switch) -> Any:
    """2 epsilon."""
    return 2 * mdplab.exact.rational(case.epsilon)


def distance_after(case: Switch) -> Any:
    """Largest Wasserstein distance of the greedy backups."""
    return largest_distance(*both_backed(case), 1)


def just_discount(case: Switch) -> Any:
    """The discount."""
    return mdplab.exact.rational(case.discount)


def distance_ratio(case: Switch) -> Any:
    """Ratio of the distances after and before."""
    return distance_after(case) / distance_before(case)


def expansion(case: Switch) -> Any:
    """Discount over 2 epsilon."""
    return just_discount(case) / twice_epsilon(case)


def mean_distances(case: Switch) -> list[Any]:
    """Largest distance of means before and after the greedy backup."""
    return [distance_of_means(optimal(case), perturbed(case)), distance_of_means(*both_backed(case))]


def mean_distances_closed(case: Switch) -> list[Any]:
    """2 epsilon, and discount times epsilon."""
    return [twice_epsilon(case), just_discount(case) * mdplab.exact.rational(case.epsilon)]


def mean_ratio(case: Switch) -> Any:
    """Ratio of the distances of means after and before."""
    before, after = mean_distances(case)
    return after / before


def optimal_laws(case: Switch) -> Array:
    """Atoms and masses of Z*."""
    return flattened(optimal(case))


def backed_optimal_laws(case: Switch) -> Array:
    """Atoms and masses of the greedy backup of Z*."""
    return flattened(greedy_backup(case, optimal(case)))
