"""Greedy distributional control expands Wasserstein distances (Bellemare, Dabney, Munos 2017).

The evaluation of a fixed policy contracts laws of returns (``bellemare2017_distributional``), and the optimality
operator contracts means.  On laws it does not: an arbitrarily small change exchanges two actions of nearly equal mean
and very different law, and the law of their predecessor jumps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Assumption, AtMost, Claim, Equal, Known, Side, rounding
from mdplab.instances import Draw
from mdplab.laws import FiniteLaw
from mdplab.models import OutcomeModel
from mdplab.operators.distributional import greedy_distributional_backup
from proofs_check.distributional import exact_laws as exact
from proofs_check.distributional.bellemare2017_distributional import largest, number, quantile_distances

Table: TypeAlias = list[list[FiniteLaw]]

# --- instances ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Switch:
    """A state that leads to a choice between 0 and ``epsilon`` plus or minus one.

    Attributes
    ----------
    epsilon : float
        Mean reward of the second action, in (0, 1).
    discount : float
        Discount, in (0, 1].
    """

    epsilon: float
    discount: float

    def coin(self, mean: float) -> FiniteLaw:
        """The law of ``mean`` plus or minus one."""
        return FiniteLaw.from_atoms([mean - 1.0, mean + 1.0], [0.5, 0.5])

    @property
    def model(self) -> OutcomeModel:
        """States x1, x2 and the end; outcomes: to x2 for 0, to the end for 0, for epsilon - 1, for epsilon + 1."""
        law = np.zeros((3, 2, 4))
        law[0, :, 0] = law[2, :, 1] = law[1, 0, 1] = 1.0
        law[1, 1, 2:] = 0.5
        return OutcomeModel(law, [0.0, 0.0, self.epsilon - 1.0, self.epsilon + 1.0], [1, 2, 2, 2])

    @property
    def optimal(self) -> Table:
        """``Z*``, state by state and action by action."""
        zero = FiniteLaw.dirac(0.0)
        return [
            [self.coin(self.epsilon).scale(self.discount)] * 2,
            [zero, self.coin(self.epsilon)],
            [zero] * 2,
        ]

    @property
    def perturbed(self) -> Table:
        """``Z``: as ``Z*``, but the second action has the law of ``-epsilon`` plus or minus one."""
        first, second, end = self.optimal
        return [first, [second[0], self.coin(-self.epsilon)], end]

    def backed(self, laws: Table) -> Table:
        """``T_* Z`` by the greedy operator."""
        return greedy_distributional_backup(self.model, laws, discount=self.discount)


def switch(draw: Draw) -> Switch:
    """Epsilon and discount uniform on (0, 1)."""
    return Switch(draw.number(0.0, 1.0), draw.number(0.0, 1.0))


def wide_switch(draw: Draw) -> Switch:
    """Epsilon uniform on (-2, 2), discount on (0, 1)."""
    return Switch(draw.number(-2.0, 2.0), draw.number(0.0, 1.0))


def three(laws: Table) -> list[FiniteLaw]:
    """The laws of x1 and of the two actions of x2."""
    return [laws[0][0], laws[1][0], laws[1][1]]


Distance = Callable[[Table, Table], Side]


def wasserstein_distance(laws: Table, others: Table) -> Side:
    return largest(quantile_distances(three(laws), three(others), 1, relative=float(rounding(1, 8))))


def mean_distance(laws: Table, others: Table) -> Side:
    gaps = [abs(law.mean() - other.mean()) for law, other in zip(three(laws), three(others), strict=True)]
    return Side(max(gaps), rounding(2, 16))


def before(case: Switch, distance: Distance) -> Side:
    return distance(case.optimal, case.perturbed)


def after(case: Switch, distance: Distance) -> Side:
    return distance(case.backed(case.optimal), case.backed(case.perturbed))


def ratio(case: Switch, distance: Distance) -> Side:
    top, bottom = after(case, distance), before(case, distance)
    value = np.asarray(top.value) / np.asarray(bottom.value)
    error = (np.asarray(top.error) + value * np.asarray(bottom.error)) / np.asarray(bottom.value)
    return Side(value, 1.1 * error + rounding(value, 2))


def distance_before(case: Switch) -> Side:
    """Largest Wasserstein distance of Z* and Z, by quantiles."""
    return before(case, wasserstein_distance)


def twice_epsilon(case: Switch) -> Side:
    """Closed form 2 epsilon."""
    return Side(2 * case.epsilon, rounding(2 * case.epsilon, 1))


def distance_after(case: Switch) -> Side:
    """Largest Wasserstein distance of the greedy backups of Z* and Z, by quantiles."""
    return after(case, wasserstein_distance)


def just_discount(case: Switch) -> Side:
    """Closed form: the discount."""
    return Side(case.discount)


def distance_ratio(case: Switch) -> Side:
    """Ratio of the largest Wasserstein distances after and before the greedy backup."""
    return ratio(case, wasserstein_distance)


def expansion(case: Switch) -> Side:
    """Closed form discount / (2 epsilon)."""
    value = case.discount / (2 * case.epsilon)
    return Side(value, rounding(value, 2))


def mean_distances(case: Switch) -> Side:
    """Largest distance of means before and after the greedy backup."""
    value = [number(distance(case, mean_distance)) for distance in (before, after)]
    return Side(value, rounding(2, 16))


def mean_distances_closed(case: Switch) -> Side:
    """Closed forms 2 epsilon and discount times epsilon."""
    value = np.array([2 * case.epsilon, case.discount * case.epsilon])
    return Side(value, rounding(value, 2))


def mean_ratio(case: Switch) -> Side:
    """Ratio of the largest distances of means after and before the greedy backup."""
    return ratio(case, mean_distance)


def mean_ratio_closed(case: Switch) -> Side:
    """Closed form discount / 2."""
    return Side(case.discount / 2)


def atoms_and_masses(laws: Table) -> Side:
    value = np.concatenate([np.concatenate((law.atoms, law.masses)) for law in three(laws)])
    return Side(value, rounding(2, 4))


def optimal_laws(case: Switch) -> Side:
    """Atoms and masses of Z*."""
    return atoms_and_masses(case.optimal)


def backed_optimal_laws(case: Switch) -> Side:
    """Atoms and masses of the greedy backup of Z*."""
    return atoms_and_masses(case.backed(case.optimal))


SMALL, MIDDLE, UNIT = Switch(0.01, 0.9), Switch(0.1, 0.9), Switch(0.1, 1.0)

EXPANSION = Claim(
    "dist-control-not-contraction",
    title="The greedy distributional backup expands Wasserstein distances although means contract",
    papers=("bellemare2017distributional",),
    provenance="as in the paper",
    theorem="the optimality operator is not a contraction",
    statement=r"""
    State $x_1$ leads to $x_2$ without reward; in $x_2$ the action $a_1$ pays $0$ and $a_2$ pays $\epsilon \pm 1$ with
    equal odds, and both end. Let $Z^*$ be the laws of the optimal returns and let $Z$ differ from it in one law,
    that of $a_2$, which is $-\epsilon \pm 1$. The operator $T_*$ takes the action of the larger mean. Then

    (a) $\bar w_1(Z^*, Z) = 2\epsilon$, (b) $\bar w_1(T_* Z^*, T_* Z) = \gamma$,

    (c) so the ratio is $\frac{\gamma}{2\epsilon}$, which tends to infinity as $\epsilon \to 0$;

    (d) the largest distance of means goes from $2\epsilon$ to $\gamma\epsilon$, (e) a contraction:
    the ratio is at most $\gamma$; (f) $T_* Z^* = Z^*$.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$0 < \epsilon < 1$",
            "epsilon above one",
            lambda case: 0.0 < case.epsilon < 1.0,
            wider=wide_switch,
        ),
        Assumption(
            "A2", "the action of the larger mean is taken", "the action of the larger best outcome is taken"
        ),
    ),
    instance_family=switch,
    witnesses=(SMALL, MIDDLE, UNIT),
    instances=200,
)
EXACT = "a handful of rounded operations"


def relative_resolution(case: Switch) -> FloatArray:
    """1e-9, relative and absolute."""
    return np.asarray(1e-9 * (1 + case.discount / (2 * case.epsilon)))


EXPANSION.part(
    "(a)",
    r"$\bar w_1(Z^*, Z) = 2\epsilon$",
    Equal(distance_before, twice_epsilon),
    resolution=1e-13,
    reason=EXACT,
    exact=(exact.distance_before, exact.twice_epsilon),
)
after_part = EXPANSION.part(
    "(b)",
    r"$\bar w_1(T_*Z^*, T_*Z) = \gamma$",
    Equal(distance_after, just_discount),
    resolution=1e-13,
    reason=EXACT,
    exact=(exact.distance_after, exact.just_discount),
)
EXPANSION.part(
    "(c)",
    r"the ratio is $\gamma/(2\epsilon)$",
    Equal(distance_ratio, expansion),
    resolution=relative_resolution,
    reason="rounding of two distances of order one over epsilon: 1e-9 relative",
    exact=(exact.distance_ratio, exact.expansion),
)
EXPANSION.part(
    "(d)",
    r"means: from $2\epsilon$ to $\gamma\epsilon$",
    Equal(mean_distances, mean_distances_closed),
    resolution=1e-13,
    reason=EXACT,
    exact=(exact.mean_distances, exact.mean_distances_closed),
)
means_part = EXPANSION.part(
    "(e)",
    r"means contract: their ratio is at most $\gamma$",
    AtMost(mean_ratio, just_discount),
    resolution=relative_resolution,
    reason="rounding of two distances of order one over epsilon: 1e-9 relative",
    cross_left=mean_ratio_closed,
    closed=("right",),
    exact=(exact.mean_ratio, exact.just_discount),
)
EXPANSION.part(
    "(f)",
    r"$T_* Z^* = Z^*$",
    Equal(backed_optimal_laws, optimal_laws),
    resolution=1e-13,
    reason=EXACT,
    exact=(exact.backed_optimal_laws, exact.optimal_laws),
)


@EXPANSION.known(SMALL)
def _(case: Switch) -> Iterator[Known]:
    for some, printed in (
        (UNIT, "0.2 1 0.2 0.1"),
        (MIDDLE, "0.2 0.9 0.2 0.09"),
        (case, "0.02 0.9 0.02 0.009"),
    ):
        distances = [number(distance_before(some)), number(distance_after(some))]
        computed = np.append(distances, np.asarray(mean_distances(some).value))
        name = f"epsilon {some.epsilon:g}, discount {some.discount:g}: distances and distances of means"
        yield Known(name, printed, computed, 1e-15)


def optimistic_distance_after(case: Switch) -> Side:
    """Distance after backups that take the action of the larger best outcome."""
    backed = []
    for laws in (case.optimal, case.perturbed):
        chosen = max(laws[1], key=lambda law: float(law.atoms[-1]))
        zero = FiniteLaw.dirac(0.0)
        backed.append([[chosen.scale(case.discount)] * 2, [zero, case.coin(case.epsilon)], [zero] * 2])
    return wasserstein_distance(backed[0], backed[1])


after_part.control("epsilon above one", kind="assumption", drops="A1", instance=Switch(1.5, 0.9))
after_part.control(
    "the action of the larger best outcome is taken",
    kind="assumption",
    drops="A2",
    instance=UNIT,
    left=optimistic_distance_after,
)
means_part.control(
    "the Wasserstein distance in the place of the distance of means",
    kind="mutation",
    instance=SMALL,
    left=distance_ratio,
    specified="45",
    measure=lambda outcome: outcome.left,
)


def scaled_distance_before(case: Switch) -> Side:
    """Discount times the largest Wasserstein distance of Z* and Z."""
    found = distance_before(case)
    return Side(case.discount * np.asarray(found.value), np.asarray(found.error) + rounding(1, 1))


EXPANSION.reading(
    "contraction",
    title="The greedy distributional backup contracts the largest Wasserstein distance with the discount",
    statement=r"""
    $\bar w_1(T_* Z, T_* Z') \le \gamma\, \bar w_1(Z, Z')$, as for the evaluation of a policy and as for the means.
    """,
    relation=AtMost(distance_after, scaled_distance_before),
    counterexamples=(SMALL, MIDDLE, UNIT),
    repair=means_part,
    resolution=1e-12,
    reason=EXACT,
    specified="45",
    measure=lambda outcome: SMALL.discount * outcome.left / outcome.right,
)


@EXPANSION.figure(
    "Ratio of the largest distances after and before the greedy backup. Wasserstein distances expand without bound "
    "as epsilon falls (slope -1); the distances of means contract by half the discount."
)
def _(ax: Any) -> None:
    epsilons = np.geomspace(1e-4, 0.99, 30)
    for color, discount in enumerate((0.9, 0.3)):
        cases = [Switch(float(e), discount) for e in epsilons]
        for route, line, what in ((distance_ratio, "-", "Wasserstein"), (mean_ratio, "--", "means")):
            values = [number(route(case)) for case in cases]
            ax.loglog(epsilons, values, line, color=f"C{color}", label=rf"{what}, $\gamma = {discount:g}$")
    ax.axhline(1.0, color="0.45", linewidth=0.8)
    ax.plot(SMALL.epsilon, 45.0, "o", color="C0")
    ax.annotate("45", (SMALL.epsilon, 45.0), (5, 4), textcoords="offset points", color="C0")
    ax.set(xlabel=r"$\epsilon$", ylabel="ratio after / before")
    ax.legend()
