"""Positive-sided variance (Hong, Agrawal, Tachet des Combes and Laroche 2023): when re-weighting has something to gain.

Re-weighting trajectories can raise the mean return up to the best return in the data.  That room is at least the root
mean square of the excess over the mean.  The variance says nothing of the kind: a law with rare bad returns has as much of
it as one with rare good returns.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from mdplab._typing import BoolArray, FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Known, Side, both_sides
from mdplab.claims.tolerances import rounding
from mdplab.convex import linear_program
from mdplab.instances import Draw, Rejected, SeededDraw, random_law
from mdplab.laws import FiniteLaw
from proofs_check.dual_rl import exact_returns as exact


@dataclass(frozen=True, eq=False)
class ReturnTask:
    """The law of the return of the trajectories in a data set.

    Attributes
    ----------
    returns : ndarray, shape (n,)
        Different returns, increasing.
    masses : ndarray, shape (n,)
        Their probabilities, positive.
    """

    returns: FloatArray
    masses: FloatArray

    @cached_property
    def law(self) -> FiniteLaw:
        """The law, checked."""
        return FiniteLaw(self.returns, self.masses)

    @cached_property
    def above(self) -> BoolArray:
        """Where ``G > E G``, shape (n,); decided without rounding, as the probability of the set jumps at a tie."""
        masses, returns = ([Fraction(float(x)) for x in row] for row in (self.masses, self.returns))
        total = sum(p * g for p, g in zip(masses, returns, strict=True))
        return np.array([g * sum(masses) > total for g in returns])


def return_task(draw: Draw) -> ReturnTask:
    """Two to five returns ~ N(0, 1) with masses ~ Dirichlet(.3); masses that vanish are dropped."""
    law = random_law(draw, draw.integer(2, 5), concentration=0.3, floor=0.0)
    if law.atoms.size < 2:
        draw.reject("a constant return")
    return ReturnTask(law.atoms, law.masses)


def coin(chance: float) -> ReturnTask:
    """Return 1 with a probability, else 0."""
    return ReturnTask(np.array([0.0, 1.0]), np.array([1 - chance, chance]))


# --- the routes -----------------------------------------------------------------------------------------------------


def error_of(task: ReturnTask) -> float:
    """Rounding of distances from the mean and of their root mean square, which is Lipschitz in the largest of them."""
    size = 2 * float(np.abs(task.returns).max())
    return float(rounding(size, 4 * task.returns.size + 24)) + abs(1 - float(task.masses.sum())) * size


def excess(task: ReturnTask) -> FloatArray:
    """``max(G - E G, 0)``, each a mean of differences."""
    over = (task.returns[:, np.newaxis] - task.returns) @ task.masses
    return np.where(task.above, np.maximum(over, 0.0), 0.0)


def room(task: ReturnTask) -> Side:
    """max G - E G."""
    return Side(float((task.returns[-1] - task.returns) @ task.masses), error_of(task))


def best_weighting(task: ReturnTask) -> Side:
    """Largest gain in the mean over all laws on the returns of the data: a linear program."""
    n = task.returns.size
    gains = (task.returns[:, np.newaxis] - task.returns) @ task.masses
    found = linear_program(
        gains,
        equal=(np.ones((1, n)), [1.0]),
        maximise=True,
        variable_bound=1.0,
        multiplier_bound=2 * float(np.abs(gains).max()),
    )
    return Side(found.objective, found.certificate.bound + error_of(task))


def conditional_root(task: ReturnTask) -> Side:
    """Root mean square of the excess, given that it is positive."""
    masses = task.masses[task.above]
    return Side(float(np.sqrt(masses @ excess(task)[task.above] ** 2 / masses.sum())), error_of(task))


def positive_root(task: ReturnTask) -> Side:
    """Root of the positive-sided variance, the sum of the squared excesses."""
    return Side(float(np.sqrt(task.masses @ excess(task) ** 2)), error_of(task))


def tail_integral(task: ReturnTask) -> float:
    """``V_+`` as the integral of ``2 t Pr(G - E G > t)``, a step function of t between the excesses."""
    steps = np.concatenate([[0.0], excess(task)[task.above]])
    survival = np.cumsum(task.masses[task.above][::-1])[::-1]
    return float(survival @ (np.diff(steps) * (steps[1:] + steps[:-1])))


def conditional_tail(task: ReturnTask) -> Side:
    """Root of the integral of the tail of the excess, given that it is positive."""
    share = float(task.masses[task.above].sum())
    return Side(np.sqrt(tail_integral(task) / share), error_of(task))


def positive_tail(task: ReturnTask) -> Side:
    """Root of the integral of the tail of the excess."""
    return Side(np.sqrt(tail_integral(task)), error_of(task))


def deviation(task: ReturnTask) -> Side:
    """Root of the ordinary variance."""
    over = (task.returns[:, np.newaxis] - task.returns) @ task.masses
    return Side(float(np.sqrt(task.masses @ over**2)), error_of(task))


# --- the claim ------------------------------------------------------------------------------------------------------

RARE, USUAL, SURE = coin(0.1), coin(0.9), coin(1 - 2.0**-34)

OPPORTUNITY = Claim(
    "psv-opportunity",
    title="The room for improvement by re-weighting is at least the root positive-sided variance",
    papers=("hong2023trajectory",),
    provenance="our formalisation",
    theorem=None,
    statement=r"""
    Let $G$ be the return of a trajectory of the data, a finite law that is not constant, and $\mathbb V_+[G] =
    \mathbb E[\max(G - \mathbb E G, 0)^2]$. Re-weighting can raise the mean return by $\max G - \mathbb E G$, and
    $$\max G - \mathbb E G \;\overset{(a)}\ge\; \sqrt{\mathbb V_+[G] / \Pr(G > \mathbb E G)} \;\overset{(b)}\ge\;
    \sqrt{\mathbb V_+[G]}.$$
    (The paper reports a correlation of the gain with $\mathbb V_+$.)
    """,
    assumptions=(
        Assumption(
            "A1",
            "finitely many returns, not all equal",
            DEFINITIONAL,
            lambda task: task.returns.size >= 2 and bool((task.masses > 0).all()),
        ),
    ),
    instance_family=return_task,
    witnesses=(RARE, USUAL),
    instances=100,
)

REASON = "rounding of means of a few differences: 1e-14"
conditional = OPPORTUNITY.part(
    "(a)",
    r"$\sqrt{\mathbb V_+[G]/\Pr(G > \mathbb E G)} \le \max G - \mathbb E G$",
    AtMost(conditional_root, room),
    resolution=1e-12,
    reason=REASON,
    cross_left=conditional_tail,
    cross_right=best_weighting,
    exact=(exact.conditional_root, exact.room),
)
OPPORTUNITY.part(
    "(b)",
    r"$\sqrt{\mathbb V_+[G]} \le \sqrt{\mathbb V_+[G]/\Pr(G > \mathbb E G)}$",
    AtMost(positive_root, conditional_root),
    resolution=1e-12,
    reason=REASON,
    cross_left=positive_tail,
    cross_right=conditional_tail,
    exact=(exact.positive_root, exact.conditional_root),
)
ordered = OPPORTUNITY.part(
    "(a and b)",
    r"$\sqrt{\mathbb V_+[G]} \le \max G - \mathbb E G$",
    AtMost(positive_root, room),
    resolution=1e-12,
    reason=REASON,
    cross_left=positive_tail,
    cross_right=best_weighting,
    witnesses=(RARE, USUAL, SURE),
    floor=1e-14,  # the ratio of a rare bad return tends to one as its room vanishes
    specified_tightness="0.99999999996",
    exact=(exact.positive_root, exact.room),
)

OPPORTUNITY.reading(
    "variance",
    title="The room for improvement is at least the standard deviation of the return",
    statement=r"$\max G - \mathbb E G \ge \sqrt{\operatorname{Var} G}$ for the returns of every data set.",
    relation=AtMost(deviation, room),
    counterexamples=(USUAL,),
    repair=ordered,
    resolution=1e-12,
    reason=REASON,
    specified="0.3 0.1",
    measure=both_sides,
)


def printed(task: ReturnTask) -> list[float]:
    """Variance, positive-sided variance, room and root of the positive-sided variance."""
    root = float(np.asarray(positive_root(task).value))
    spread = float(np.asarray(deviation(task).value)) ** 2
    return [spread, tail_integral(task), float(np.asarray(room(task).value)), root]


@OPPORTUNITY.known(RARE)
def _(task: ReturnTask) -> Any:
    yield Known("variance, V+, room and root of V+", "0.09 0.081 0.9 0.2846049894", printed(task), 1e-15)


@OPPORTUNITY.known(USUAL)
def _(task: ReturnTask) -> Any:
    yield Known("variance, V+, room and root of V+", "0.09 0.009 0.1 0.0948683298", printed(task), 1e-15)


# --- what must fail -------------------------------------------------------------------------------------------------

ordered.control(
    "the variance in the place of the positive-sided variance",
    kind="mutation",
    instance=USUAL,
    left=deviation,
    specified="0.3 0.1",
    measure=both_sides,
)
conditional.control(
    r"the condition $G < \mathbb E G$ in the place of $G > \mathbb E G$",
    kind="mutation",
    instance=USUAL,
    left=lambda task: Side(np.sqrt(tail_integral(task) / task.masses[~task.above].sum()), 1e-15),
)


# --- the figure -----------------------------------------------------------------------------------------------------


@OPPORTUNITY.figure(
    "Room for improvement against the root positive-sided variance (dots) and against the standard deviation (crosses) "
    "of random laws. No dot lies below the diagonal; crosses do, those of laws whose bad returns are the rare ones."
)
def _(ax: Any) -> None:
    tasks = []
    for seed in range(150):
        with contextlib.suppress(Rejected):
            tasks.append(return_task(SeededDraw(seed)))
    rooms, roots, deviations = (
        [float(np.asarray(side(task).value)) for task in tasks] for side in (room, positive_root, deviation)
    )
    ax.plot(deviations, rooms, "x", color="C1", markersize=4, label=r"against $\sqrt{\mathrm{Var}\,G}$")
    ax.plot(roots, rooms, "o", color="C0", markersize=3.5, label=r"against $\sqrt{\mathbb{V}_+[G]}$")
    top = max(rooms)
    ax.plot([0, top], [0, top], color="0.4", linewidth=1, label="diagonal")
    ax.set(xlabel="root of the variance", ylabel=r"room $\max G - \mathbb{E}G$", xlim=(-0.05, 2.6))
    ax.legend(loc="lower right")
