"""Distributional evaluation with fixed masses (Dabney, Rowland, Bellemare, Munos 2018).

Among the laws of m equal masses the one on the quantiles at the midpoints of m equal intervals is nearest in the
Wasserstein distance of order 1: each mass serves its own interval of levels, and the median of an interval is its
midpoint.  The projected backup contracts the distance of order infinity, which bounds the gap of any two quantiles; it
does not contract that of order 1, because a quantile may jump across a gap when a little mass moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Side, rounding
from mdplab.instances import Draw
from mdplab.instances.laws import random_law
from mdplab.laws import FiniteLaw
from mdplab.laws.finite_law import LEVEL_TOLERANCE
from mdplab.models import RewardProcess
from mdplab.operators import quantile_projection
from mdplab.wasserstein import wasserstein_with_error
from proofs_check.distributional import exact_projections as exact
from proofs_check.distributional.bellemare2017_distributional import (
    LawPair,
    both_backed,
    cdf_distance,
    cdf_error,
    largest,
    law_pair,
    loop_backup,
    number,
    quantile_distances,
    relative_error,
    scaled_distance,
    scaled_distance_by_cdf,
)

# --- instances ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class CountedLaw:
    """A law and a number of masses.

    Attributes
    ----------
    law : FiniteLaw
        The law.
    count : int
        Number m of equal masses.
    """

    law: FiniteLaw
    count: int


@dataclass(frozen=True, eq=False)
class CountedPair(LawPair):
    """A reward process, two families of laws, and a number of masses.

    Attributes
    ----------
    count : int
        Number m of equal masses.
    """

    count: int


def counted_law(draw: Draw) -> CountedLaw:
    """Six normal atoms with Dirichlet(1) masses, and one to three masses."""
    return CountedLaw(random_law(draw, 6), draw.integer(1, 3))


def counted_pair(draw: Draw) -> CountedPair:
    """2 to 4 states, laws of four normal atoms, one to six masses."""
    pair = law_pair(draw)
    return CountedPair(pair.process, pair.laws, pair.others, draw.integer(1, 6))


THREE = FiniteLaw.from_atoms([0.0, 1.0, 4.0], [0.2, 0.5, 0.3])
ONE, TWO, FOUR = (CountedLaw(THREE, count) for count in (1, 2, 4))
COIN = CountedLaw(FiniteLaw.from_atoms([0.0, 1.0], [0.5, 0.5]), 1)


def still(law: FiniteLaw, other: FiniteLaw) -> CountedPair:
    """One state without reward and discount, one mass."""
    return CountedPair(RewardProcess([[1.0]], [[0.0]], 1.0), (law,), (other,), 1)


JUMP = still(
    FiniteLaw.from_atoms([0.0, 1.0], [0.501, 0.499]), FiniteLaw.from_atoms([0.0, 1.0], [0.499, 0.501])
)

# --- routes ---------------------------------------------------------------------------------------------------------


def distance_error(law: FiniteLaw) -> float:
    """Rounding of a distance of order 1 between laws within the atoms of ``law``: levels times range."""
    return float(rounding(np.abs(law.atoms).max() + np.ptp(law.atoms), 8 * law.n_atoms))


def quantile_distance(case: CountedLaw) -> Side:
    """Wasserstein distance of the law and its projection, by the merged quantile grid."""
    value, error = wasserstein_with_error(quantile_projection(case.law, case.count), case.law, 1)
    # A level within the tolerance of a jump belongs to it: that much mass may go to the other side.
    return Side(value, error + case.count * LEVEL_TOLERANCE * np.ptp(case.law.atoms))


def equal_masses(atoms: FloatArray) -> FiniteLaw:
    return FiniteLaw.from_atoms(atoms, np.full(atoms.size, 1 / atoms.size))


def nearest_distance(case: CountedLaw) -> Side:
    """Least Wasserstein distance over all multisets of atoms of the law, by distribution functions."""
    tuples = combinations_with_replacement(case.law.atoms, case.count)
    value = min(cdf_distance(equal_masses(np.array(atoms)), case.law, 1) for atoms in tuples)
    return Side(value, distance_error(case.law))


def quantile_distance_by_cells(case: CountedLaw) -> Side:
    """The same as a sum over the m intervals of levels: the masses of each, times distances to its middle."""
    law, total = case.law, 0.0
    ends = np.append(0.0, law.cumulative)
    for i in range(case.count):
        low, middle, high = (2 * i + np.arange(3)) / (2 * case.count)
        inside = np.diff(np.clip(ends, low, high))
        chosen = law.atoms[np.flatnonzero(law.cumulative >= middle - LEVEL_TOLERANCE)[0]]
        total += float(inside @ np.abs(law.atoms - chosen))
    return Side(total, distance_error(law) + case.count * LEVEL_TOLERANCE * np.ptp(law.atoms))


def range_bound(case: CountedLaw, *, divisor: int = 2) -> Side:
    """Closed form: range of the atoms over 2 m."""
    value = float(np.ptp(case.law.atoms)) / (divisor * case.count)
    return Side(value, rounding(value, 4))


def projected_distance(case: CountedPair, *, order: float = np.inf) -> Side:
    """Largest distance after the backup and the projection, by quantiles."""
    projected = [[quantile_projection(law, case.count) for law in laws] for laws in both_backed(case)]
    relative = relative_error(case.process)
    return largest(quantile_distances(projected[0], projected[1], order, relative=relative))


def projected_distance_by_loops(case: CountedPair) -> Side:
    """Largest gap of equally ranked atoms after a backup by loops; each atom is found by counting masses."""
    levels = (2 * np.arange(case.count) + 1) / (2 * case.count)
    ranked = []
    for laws in (case.laws, case.others):
        backed = loop_backup(case.process, laws)
        short = [np.cumsum(law.masses) < levels[:, None] - LEVEL_TOLERANCE for law in backed]
        ranked.append([law.atoms[which.sum(axis=1)] for law, which in zip(backed, short, strict=True)])
    value = max(float(np.abs(x - y).max()) for x, y in zip(*ranked, strict=True))
    return Side(value, cdf_error(case, value, np.inf))


SIDES: dict[str, Callable[[CountedPair], Side]] = {
    "right": partial(scaled_distance, order=np.inf),
    "cross_right": partial(scaled_distance_by_cdf, order=np.inf),
}

# --- the claim ------------------------------------------------------------------------------------------------------

QUANTILE = Claim(
    "dist-quantile-projection",
    title="Midpoint quantiles are the nearest law of m equal masses; their backup contracts at order infinity, not one",
    papers=("dabney2018quantile",),
    provenance="as in the paper",
    theorem="lemma 2 and proposition 2",
    statement=r"""
    Let $\Pi_Q \nu$ be the law of $m$ equal masses at $F_\nu^{-1}\big(\frac{2i-1}{2m}\big)$, $i = 1, \dots, m$, with
    the left-continuous inverse, and let $T$ be the distributional evaluation operator. Then

    (i) $w_1(\Pi_Q \nu, \nu)$ is the least distance of $\nu$ to a law of $m$ equal masses (an optimal one sits on atoms
    of $\nu$);

    (ii) $\bar w_\infty(\Pi_Q T\eta, \Pi_Q T\eta') \le \gamma\, \bar w_\infty(\eta, \eta')$;

    (iii) $w_1(\Pi_Q \nu, \nu) \le \frac{\max - \min}{2m}$, with the ends of the support of $\nu$.
    """,
    assumptions=(Assumption("A1", "bounded support (here: finite)", DEFINITIONAL),),
    instance_family=counted_law,
    witnesses=(ONE, TWO, FOUR, COIN),
    instances=150,
)
nearest_part = QUANTILE.part(
    "(i)",
    r"$w_1(\Pi_Q\nu, \nu) = \min w_1(\cdot, \nu)$ over laws of $m$ equal masses",
    Equal(quantile_distance, nearest_distance),
    resolution=1e-10,
    reason="rounded levels and the tolerance 1e-12 with which they are compared, times the range",
    exact=(exact.quantile_distance, exact.nearest_distance),
)
contraction_part = QUANTILE.part(
    "(ii)",
    r"$\bar w_\infty(\Pi_Q T\eta, \Pi_Q T\eta') \le \gamma\,\bar w_\infty(\eta, \eta')$",
    AtMost(projected_distance, SIDES["right"]),
    resolution=1e-10,
    reason="rounding of atoms; levels are compared with the tolerance 1e-12",
    family=counted_pair,
    witnesses=(JUMP,),
    cross_left=projected_distance_by_loops,
    cross_right=SIDES["cross_right"],
    specified_tightness="1",
    exact=(exact.projected_distance, exact.scaled_distance),
)
range_part = QUANTILE.part(
    "(iii)",
    r"$w_1(\Pi_Q\nu, \nu) \le (\max - \min) / (2m)$",
    AtMost(quantile_distance, range_bound),
    resolution=1e-10,
    reason="rounded levels and the tolerance 1e-12 with which they are compared, times the range",
    cross_left=quantile_distance_by_cells,
    closed=("right",),
    exact=(exact.quantile_distance, exact.range_bound),
)


@QUANTILE.known(FOUR)
def _(case: CountedLaw) -> Iterator[Known]:
    for some, atoms, masses, distance in (
        (ONE, "1", "1", "1.1"),
        (TWO, "1 4", ".5 .5", ".8"),
        (case, "0 1 4", ".25 .5 .25", ".2"),
    ):
        law = quantile_projection(some.law, some.count)
        yield Known(f"atoms for m = {some.count}", atoms, law.atoms)
        yield Known(f"masses for m = {some.count}", masses, law.masses, 1e-15)
        yield Known(f"distance for m = {some.count}", distance, number(quantile_distance(some)), 1e-14)


def distance_of_upper_levels(case: CountedLaw) -> Side:
    """Wasserstein distance of the law and its quantiles at the levels i/m."""
    chosen = equal_masses(case.law.quantile(np.arange(1, case.count + 1) / case.count))
    return Side(cdf_distance(chosen, case.law, 1), distance_error(case.law))


nearest_part.control(
    "the levels i/m in the place of the midpoints",
    kind="mutation",
    instance=ONE,
    left=distance_of_upper_levels,
    specified="2.3 1.1",
    measure=lambda outcome: np.array([outcome.left, outcome.right]),
)
contraction_part.control(
    "the Wasserstein distance of order 1",
    kind="mutation",
    instance=JUMP,
    left=partial(projected_distance, order=1),
    right=partial(scaled_distance, order=1),
    both="one distance is put in the place of another on both sides",
    specified="1 .002",
    measure=lambda outcome: np.array([outcome.left, outcome.right]),
)
range_part.control(
    "the range over 3 m",
    kind="constant",
    instance=COIN,
    right=partial(range_bound, divisor=3),
)


@QUANTILE.figure(
    "A law of three atoms (thick) and its projections to one, two and four equal masses. Each mass sits at the quantile "
    "of the middle of its interval of levels; the distance is the area between the stairs."
)
def _(ax: Any) -> None:
    cases: tuple[CountedLaw | None, ...] = (None, ONE, TWO, FOUR)
    for color, case, style in zip(("0.75", "C0", "C1", "C2"), cases, ("-", "-", ":", "-"), strict=True):
        law = THREE if case is None else quantile_projection(case.law, case.count)
        label = r"$\nu$"
        if case is not None:
            label = f"$m = {case.count}$: $w_1 = {number(quantile_distance(case)):.1f}$"
        x = np.concatenate(([-0.6], law.atoms, [4.6]))
        wide = 6.0 if case is None else 1.5
        levels = np.concatenate(([0.0], law.cumulative, [1.0]))
        ax.step(x, levels, where="post", color=color, linewidth=wide, linestyle=style, label=label)
    ax.set(xlabel="$x$", ylabel="$F(x)$", ylim=(-0.02, 1.05))
    ax.legend(loc="lower right")
