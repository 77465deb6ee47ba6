"""Distributional evaluation with fixed atoms (Rowland, Bellemare, Dabney, Munos, Teh 2018).

To keep a law on a grid, a mass between two atoms is split linearly between them, and a mass outside goes to the
nearest end.  On distribution functions this is the mean over each cell, an orthogonal projection of L2.  The backup
contracts the Cramer distance with the root of the discount, so the projected backup does, and by Pythagoras its fixed
point is nearly as good as the projection of the true laws.  Splitting preserves means, clipping does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Assumption, AtMost, Claim, Equal, Known, Side, draw_instance
from mdplab.instances import Draw
from mdplab.instances.laws import acyclic_reward_process, dirichlet_reward_process, sparse_weights
from mdplab.laws import FiniteLaw
from mdplab.models import RewardProcess
from mdplab.operators import categorical_projection
from mdplab.wasserstein import sup_wasserstein, wasserstein_on_positions
from proofs_check.distributional import exact_projections as exact
from proofs_check.distributional.bellemare2017_distributional import number
from proofs_check.distributional.grid_laws import (
    GridPair,
    categorical_laws,
    difference_of_masses,
    energy,
    fixed_masses,
    grid_transition,
    largest_cramer,
    path_returns,
    projected_backup,
    return_laws,
)

# --- instances ------------------------------------------------------------------------------------------------------


def grid_pair(draw: Draw) -> GridPair:
    """2 to 4 states, normal rewards, discount in (.1, .99), random laws on 3 to 11 atoms in [-3, 3]."""
    process, grid = dirichlet_reward_process(draw), np.linspace(-3.0, 3.0, draw.integer(3, 11))
    rows = [sparse_weights(draw, (process.n_states, grid.size)) for _ in range(2)]
    families = [tuple(FiniteLaw.from_atoms(grid, row) for row in table) for table in rows]
    return GridPair(process, families[0], families[1], grid)


def chain(process: RewardProcess, half_width: float, n_atoms: int) -> GridPair:
    """A process that ends, with a grid around 0; the laws are those of 0."""
    zero = (FiniteLaw.dirac(0.0),) * process.n_states
    return GridPair(process, zero, zero, np.linspace(-half_width, half_width, n_atoms))


def small_rewards(draw: Draw) -> RewardProcess:
    """5 states in a line, discount in (.3, .95), rewards for which the grid [-4, 4] is closed."""
    process = acyclic_reward_process(draw, states=(5, 5), discount=(0.3, 0.95))
    reward = min(1.0, 4 * (1 - process.discount)) * draw.uniform(-1.0, 1.0, (5, 5))
    reward[-1, -1] = 0.0
    return RewardProcess(process.kernel, reward, process.discount)


def closed_chain(draw: Draw) -> GridPair:
    """5 states in a line, 9, 17 or 33 atoms in [-4, 4]."""
    return chain(small_rewards(draw), 4.0, draw.choice((9, 17, 33)))


def any_chain(draw: Draw) -> GridPair:
    """5 states in a line, 9, 17 or 33 atoms on a grid that may clip."""
    half_width = 4.0 if draw.boolean() else draw.number(0.2, 4.0)
    return chain(small_rewards(draw), half_width, draw.choice((9, 17, 33)))


CHAIN = RewardProcess(
    [[0.0, 0.5, 0.5, 0.0], [0.0, 0.0, 0.25, 0.75], [0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]],
    [[0.0, 0.3, -0.7, 0.0], [0.0, 0.0, 1.0, -0.45], [0.0, 0.0, 0.0, 0.8], [0.0, 0.0, 0.0, 0.0]],
    0.9,
)
CLOSED, ALMOST, CLIPPED = chain(CHAIN, 4.0, 17), chain(CHAIN, 2.0, 9), chain(CHAIN, 0.5, 9)
LINE = chain(RewardProcess(np.eye(5)[[1, 2, 3, 4, 4]], np.full(5, 0.4) * (np.arange(5) < 4), 0.95), 4.0, 9)


def loop(discount: float, grid: FloatArray) -> GridPair:
    """One state without reward; the laws of the first and the last atom."""
    first, last = (FiniteLaw.dirac(float(x)) for x in (grid[0], grid[-1]))
    return GridPair(RewardProcess([[1.0]], [[0.0]], discount), (first,), (last,), grid)


TIGHT, COARSE = loop(0.25, np.linspace(0.0, 1.0, 5)), loop(0.01, np.array([0.0, 1.0]))

# --- routes: atoms, and tables of masses ----------------------------------------------------------------------------


def both_projected(case: GridPair) -> list[list[FiniteLaw]]:
    return [projected_backup(case, family) for family in (case.laws, case.others)]


def projected_cramer(case: GridPair) -> Side:
    """Largest Cramer distance after the projected backup of laws with atoms."""
    # The distance is a norm of the difference of distribution functions.
    return Side(largest_cramer(*both_projected(case)), case.relative * np.sqrt(case.span))


def scaled_cramer(case: GridPair, *, power: float = 0.5) -> Side:
    """Root of the discount times the largest Cramer distance before, by atoms."""
    factor = case.process.discount**power
    return Side(factor * largest_cramer(case.laws, case.others), case.relative * np.sqrt(case.span))


def projected_wasserstein(case: GridPair, *, order: float = 1) -> Side:
    """Largest Wasserstein distance after the projected backup, by quantiles."""
    laws, others = both_projected(case)
    return Side(sup_wasserstein(laws, others, order), case.relative * case.span)


def scaled_wasserstein(case: GridPair, *, order: float = 1) -> Side:
    """Discount times the largest Wasserstein distance before, by quantiles."""
    before = sup_wasserstein(case.laws, case.others, order)
    return Side(case.process.discount * before, case.relative * case.span)


def after(case: GridPair) -> FloatArray:
    return np.asarray(np.einsum("sitj,tj->si", grid_transition(case), difference_of_masses(case)))


def cramer_of_masses(case: GridPair, difference: FloatArray, factor: float = 1.0) -> Side:
    squares = np.cumsum(difference, axis=1)[:, :-1] ** 2 @ np.diff(case.grid)
    return Side(factor * np.sqrt(squares.max()), case.relative * np.sqrt(case.span))


def wasserstein_of_masses(case: GridPair, difference: FloatArray, factor: float = 1.0) -> Side:
    distances = wasserstein_on_positions(difference, np.zeros_like(difference), case.grid)
    return Side(factor * distances.max(), case.relative * case.span)


def projected_cramer_by_matrix(case: GridPair) -> Side:
    """Largest Cramer distance after the projected backup, by the matrix of the operator on masses."""
    return cramer_of_masses(case, after(case))


def scaled_cramer_by_masses(case: GridPair) -> Side:
    """Root of the discount times the largest Cramer distance before, by tables of masses."""
    return cramer_of_masses(case, difference_of_masses(case), float(np.sqrt(case.process.discount)))


def projected_wasserstein_by_matrix(case: GridPair) -> Side:
    """Largest Wasserstein distance after the projected backup, by the matrix of the operator on masses."""
    return wasserstein_of_masses(case, after(case))


def scaled_wasserstein_by_masses(case: GridPair) -> Side:
    """Discount times the largest Wasserstein distance before, by tables of masses."""
    return wasserstein_of_masses(case, difference_of_masses(case), case.process.discount)


# --- the fixed point of a process that ends -------------------------------------------------------------------------


def square_error(case: GridPair) -> float:
    """Error of a squared Cramer distance of laws that live within the grid and the reach of the rewards."""
    reach = case.process.n_states * float(np.abs(case.process.reward).max()) + case.span
    return 4 * case.relative * reach


def fixed_point_error(case: GridPair) -> Side:
    """Largest squared Cramer distance of the fixed point (S projected backups) and the laws of the return."""
    return Side(largest_cramer(categorical_laws(case), return_laws(case)) ** 2, square_error(case))


def projection_error(case: GridPair, *, horizon: bool = True) -> Side:
    """Largest squared Cramer distance of the laws of the return and their projections, over 1 - discount."""
    laws = return_laws(case)
    split = [categorical_projection(law, case.grid) for law in laws]
    factor = 1 / (1 - case.process.discount) if horizon else 1.0
    return Side(factor * largest_cramer(split, laws) ** 2, factor * square_error(case))


def fixed_point_error_by_paths(case: GridPair) -> Side:
    """The same, by a linear system for the fixed point, all paths, and expected distances."""
    masses = fixed_masses(case)
    pairs = [(case.grid, masses[s], *path_returns(case.process, s)) for s in range(len(masses))]
    return Side(max(energy(*pair) for pair in pairs), square_error(case))


def projection_error_by_paths(case: GridPair) -> Side:
    """The same, by all paths, tent functions and expected distances."""
    largest = 0.0
    for s in range(case.process.n_states):
        gains, masses = path_returns(case.process, s)
        split = [np.interp(gains, case.grid, unit) @ masses for unit in np.eye(case.grid.size)]
        largest = max(largest, energy(case.grid, np.array(split), gains, masses))
    factor = 1 / (1 - case.process.discount)
    return Side(factor * largest, factor * square_error(case))


def categorical_means(case: GridPair) -> Side:
    """Means of the fixed point, by S projected backups."""
    return Side([law.mean() for law in categorical_laws(case)], square_error(case))


def values(case: GridPair) -> Side:
    """Expected returns, by a linear system."""
    process = case.process
    system = np.eye(process.n_states) - process.discount * process.kernel
    gains = (process.kernel * process.reward).sum(axis=1)
    return Side(np.linalg.solve(system, gains), square_error(case) / (1 - process.discount))


# --- the claim ------------------------------------------------------------------------------------------------------

CATEGORICAL = Claim(
    "dist-categorical-cramer",
    title="Projected categorical evaluation contracts the Cramer distance with the root of the discount",
    papers=("rowland2018categorical",),
    provenance="as in the paper",
    theorem="contraction and fixed point of categorical evaluation (the Wasserstein remark is ours)",
    statement=r"""
    Let $z_1 < \dots < z_m$ be equally spaced, let $\Pi_C$ split a mass at $x$ linearly between the neighbours of $x$ on
    the grid and clip what lies outside, let $T$ be the distributional evaluation operator, and let
    $\ell_2^2(\nu, \nu') = \int (F_\nu - F_{\nu'})^2$. A bar is the largest over states. Then

    (i) $\bar\ell_2(\Pi_C T\eta, \Pi_C T\eta') \le \sqrt{\gamma}\, \bar\ell_2(\eta, \eta')$ for laws on the grid;

    (ii) the fixed point $\eta_C$ of $\Pi_C T$ has
    $\bar\ell_2^2(\eta_C, \eta^\pi) \le \frac{1}{1-\gamma}\, \bar\ell_2^2(\Pi_C \eta^\pi, \eta^\pi)$, clipping or not;

    (iii) where no mass is clipped, $\eta_C$ has the mean $V^\pi$;

    (iv) $\bar w_1(\Pi_C T\eta, \Pi_C T\eta') \le \gamma\, \bar w_1(\eta, \eta')$.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"the grid is closed: $R(s, s') + \gamma z_j \in [z_1, z_m]$ for every reward that is paid and every atom $z_j$ "
            r"that $\eta_C(s')$ charges (it is not enough that $\eta^\pi$ lives in $[z_1, z_m]$)",
            "a grid that holds the returns but is not closed",
            lambda case: case.closed,
            wider=any_chain,
        ),
    ),
    instance_family=grid_pair,
    witnesses=(TIGHT, COARSE),
    instances=100,
)
SMALL = "rounding of split masses (a position over the width of a cell), times the length of the grid"

cramer_part = CATEGORICAL.part(
    "(i)",
    r"$\bar\ell_2(\Pi_C T\eta, \Pi_C T\eta') \le \sqrt{\gamma}\,\bar\ell_2(\eta, \eta')$",
    AtMost(projected_cramer, scaled_cramer),
    resolution=1e-10,
    reason=SMALL,
    assumes=(),
    cross_left=projected_cramer_by_matrix,
    cross_right=scaled_cramer_by_masses,
    specified_tightness="0.984",
    exact=(exact.projected_cramer, exact.scaled_cramer),
)
error_part = CATEGORICAL.part(
    "(ii)",
    r"$\bar\ell_2^2(\eta_C, \eta^\pi) \le \bar\ell_2^2(\Pi_C \eta^\pi, \eta^\pi) / (1 - \gamma)$",
    AtMost(fixed_point_error, projection_error),
    resolution=1e-9,
    reason=f"{SMALL}, over 1 - discount",
    family=any_chain,
    witnesses=(CLOSED, ALMOST, CLIPPED),
    assumes=(),
    cross_left=fixed_point_error_by_paths,
    cross_right=projection_error_by_paths,
    specified_tightness="0.70",
    exact=(exact.fixed_point_error, exact.projection_error),
)
mean_part = CATEGORICAL.part(
    "(iii)",
    r"the means of $\eta_C$ are $V^\pi$",
    Equal(categorical_means, values),
    resolution=1e-9,
    reason=f"{SMALL}, over 1 - discount",
    family=closed_chain,
    witnesses=(CLOSED,),
    exact=(exact.categorical_means, exact.values),
)
wasserstein_part = CATEGORICAL.part(
    "(iv)",
    r"$\bar w_1(\Pi_C T\eta, \Pi_C T\eta') \le \gamma\,\bar w_1(\eta, \eta')$",
    AtMost(projected_wasserstein, scaled_wasserstein),
    resolution=1e-10,
    reason=SMALL,
    assumes=(),
    cross_left=projected_wasserstein_by_matrix,
    cross_right=scaled_wasserstein_by_masses,
    specified_tightness="1.000",
    exact=(exact.projected_wasserstein, exact.scaled_wasserstein),
)


@CATEGORICAL.known(CLOSED)
def _(case: GridPair) -> Iterator[Known]:
    law = return_laws(case)[0]
    yield Known("atoms of the return from state 0", "-0.105 0.02 1.848", law.atoms, 1e-15)
    yield Known("their masses", ".375 .5 .125", law.masses, 1e-15)
    sides = [number(fixed_point_error(case)), number(projection_error(case))]
    yield Known("both sides of (ii)", "0.12 1.2", sides, 1e-13)
    means = np.asarray(categorical_means(case).value) - np.asarray(values(case).value)
    yield Known("error of the mean", "0", np.abs(means).max(), 1e-13)
    law = categorical_laws(case)[0]
    yield Known("atoms of the fixed point at state 0", "-.5 0 .5 1 1.5 2 2.5", law.atoms)
    yield Known("their masses", ".20125 .53125 .1425 .003 .044 .066 .012", law.masses, 1e-14)
    sides = [number(fixed_point_error(CLIPPED)), number(projection_error(CLIPPED))]
    yield Known("both sides of (ii) on the grid that clips", ".3 3", sides, 1e-13)


cramer_part.control(
    "the discount in the place of its root",
    kind="constant",
    instance=TIGHT,
    right=partial(scaled_cramer, power=1.0),
    specified="0.5 0.25",
    measure=lambda outcome: np.array([outcome.left, outcome.right]),
)
error_part.control(
    "no factor for the horizon",
    kind="constant",
    instance=LINE,
    right=partial(projection_error, horizon=False),
)
mean_part.control(
    "a grid that holds the returns but is not closed",
    kind="assumption",
    drops="A1",
    instance=ALMOST,
    specified="0.006",
)
mean_part.control(
    "a grid that does not hold the returns",
    kind="assumption",
    drops="A1",
    instance=CLIPPED,
    specified="0.305",
)
wasserstein_part.control(
    "the Wasserstein distance of order 2",
    kind="mutation",
    instance=COARSE,
    left=partial(projected_wasserstein, order=2),
    right=partial(scaled_wasserstein, order=2),
    both="one distance is put in the place of another on both sides",
    specified=".1 .01",
    measure=lambda outcome: np.array([outcome.left, outcome.right]),
)


@CATEGORICAL.figure(
    r"Left: the error of the fixed point on the chain of the known values falls with the number of atoms on $[-4, 4]$ "
    "and stays below the bound. Right: ratio of the largest distances after and before a projected backup, over 300 "
    "random processes, each divided by its factor: none exceeds one.",
    panels=2,
)
def _(axes: Any) -> None:
    counts = [9, 17, 33, 65, 129, 257]
    cases = [chain(CHAIN, 4.0, n) for n in counts]
    for route, style, label in (
        (projection_error, "s--", r"$\bar\ell_2(\Pi_C\eta^\pi,\eta^\pi)/\sqrt{1-\gamma}$"),
        (fixed_point_error, "o-", r"$\bar\ell_2(\eta_C,\eta^\pi)$"),
    ):
        axes[0].loglog(counts, [np.sqrt(number(route(case))) for case in cases], style, label=label)
    axes[0].set(xlabel="atoms $m$", ylabel="Cramér error")
    axes[0].legend()
    drawn = [draw_instance(CATEGORICAL, cramer_part, index) for index in range(300)]
    bins = np.linspace(0, 1, 26)
    routes = (
        ("C0", projected_cramer, scaled_cramer, r"$\ell_2$, by $\sqrt{\gamma}$"),
        ("C1", projected_wasserstein, scaled_wasserstein, r"$w_1$, by $\gamma$"),
    )
    for color, top, bottom, label in routes:
        ratios = [number(top(case)) / number(bottom(case)) for case in drawn]
        axes[1].hist(np.round(ratios, 9), bins, histtype="step", linewidth=1.6, color=color, label=label)
    axes[1].axvline(1.0, color="0.45", linestyle="--")
    axes[1].set(xlabel="ratio / factor", ylabel="instances")
    axes[1].legend(loc="upper left")
