r"""Homeostatic regulation (Pires et al. 2025): keep a vector near the origin, with a stock for every coordinate.

The stock is how far one is from where one wants to be, in every need; rewards move it.  The cost is a norm of what comes out
at the end.  A norm of a scaled vector is the scaled norm, so the values of what is still to come can be compared at the scale
of the moment, and scaled back: the recursion needs numbers, not laws.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import Assumption, Claim, Equal, Known, Outcome, Side, both_sides, rounding
from proofs_check.distributional import exact_homeostasis as exact
from proofs_check.distributional.homeostasis_tasks import (
    NORMS,
    HomeostasisTask,
    crossed_m2,
    degree,
    displaced_task,
    homeostasis_task,
)

OPERATIONS = 128
"""More than the rounded operations on the way to an expected utility: returns are exact, all terms of a sum have one sign."""

# --- routes ---------------------------------------------------------------------------------------------------------


def recursion_values(task: HomeostasisTask, *, power: int | None = None) -> Side:
    """Recursion of numbers at the stocks that occur: best expected utility, a row for each utility, a column for each start"""
    rows, errors = [], []
    for name in task.utilities:
        plan = solvers.homogeneous_stock_iteration(
            task.model,
            NORMS[name],
            task.starts,
            task.steps,
            degree=degree(name) if power is None else power,
            discount=task.discount,
        )
        rows.append([plan.values[task.steps, s, c] for s, c in task.starts])
        errors.append([plan.certificate.bound] * len(task.starts))
    return Side(rows, errors)


def best_values(task: HomeostasisTask) -> Side:
    """Enumeration of the laws of all history-dependent policies: the largest expected utility of stock plus return"""
    rows = [
        [task.tables[s].expectations(NORMS[name], c).max() for s, c in task.starts] for name in task.utilities
    ]
    return Side(rows, rounding(rows, OPERATIONS))


# --- the claim ------------------------------------------------------------------------------------------------------

THREE_STEPS, FOUR_STEPS = crossed_m2(3), crossed_m2(4)
DISPLACED = replace(THREE_STEPS, utilities=("l1 from (1, 1)",))

HOMEOSTASIS = Claim(
    "dist-vector-homeostatic",
    title="Vector-valued stock: homeostatic regulation is solved by a scalar recursion for homogeneous costs",
    papers=("pires2025return",),
    provenance="our formalisation",
    statement=r"""
    Let rewards $R$ and stock $c$ be vectors, the stock become $(c + r) / \gamma$ when $r$ is earned, and let
    $u(\lambda x) = \lambda^q u(x)$ for $\lambda > 0$: $-\|x\|_2$, $-\|x\|_1$ and $-\|x\|_\infty$ with $q = 1$, $-\|x\|_2^2$
    with $q = 2$. The recursion $f_0 = u$,
    $$f_h(s, c) = \gamma^q \max_a \sum_{s'} P(s' | s, a) f_{h-1}(s', (c + R(s, a, s')) / \gamma)$$
    gives the best expected utility of stock plus return of all history-dependent policies of $h$ steps,
    $$f_h(s, c) = \max_\pi E u(c + G^\pi(s)).$$
    """,
    assumptions=(
        Assumption(
            "A1",
            "$u$ is positively homogeneous of degree $q$",
            "distance from (1, 1)",
            lambda task: "l1 from (1, 1)" not in task.utilities,
            wider=displaced_task,
        ),
    ),
    instance_family=homeostasis_task,
    witnesses=(THREE_STEPS, replace(THREE_STEPS, discount=0.25)),
    instances=40,
)
recursion_part = HOMEOSTASIS.part(
    "(value)",
    r"$f_h(s, c) = \max_\pi E u(c + G^\pi(s))$ at every state and stock, for four utilities",
    Equal(recursion_values, best_values),
    resolution=1e-10,
    reason="relative rounding of sums of terms of one sign, up to a few hundred; scaling by powers of two is exact",
    exact=(exact.recursion_values, exact.best_values),
)


@HOMEOSTASIS.known(THREE_STEPS)
def _(task: HomeostasisTask) -> Iterator[Known]:
    longer = replace(task, steps=4)
    printed = "-1.8737476024482487 -2.5129625 -1.43715 -4.479153125"
    names = "l2, l1, linf, square, four steps"
    yield Known(f"{names}: recursion", printed, np.asarray(recursion_values(longer).value)[:, 0], 1e-14)
    yield Known(f"{names}: 32768 laws", printed, np.asarray(best_values(longer).value)[:, 0], 1e-14)


# --- what must fail -------------------------------------------------------------------------------------------------


def from_state_zero(outcome: Outcome) -> FloatArray:
    """What the recursion gives from state 0, for each utility."""
    return outcome.left[:, 0]


recursion_part.control(
    "no factor for the scale",
    kind="constant",
    instance=FOUR_STEPS,
    left=partial(recursion_values, power=0),
    specified="-29.97996163917198 -40.2074 -22.9944 -1146.6632",
    measure=from_state_zero,
)
recursion_part.control(
    "the factor of a norm for its square",
    kind="constant",
    instance=replace(FOUR_STEPS, utilities=("square",)),
    left=partial(recursion_values, power=1),
    specified="-71.66645",
    measure=from_state_zero,
)
recursion_part.control(
    "distance from (1, 1)", kind="assumption", drops="A1", instance=DISPLACED, measure=both_sides
)


# --- the figure -----------------------------------------------------------------------------------------------------


@HOMEOSTASIS.figure(
    "Best first action over the plane of stocks (cost: Euclidean norm; three steps from state 0 of the known values). Each "
    "arrow is the expected reward vector of the action that is chosen: regulation is a choice of direction by the "
    "present deviation from the origin (cross)."
)
def _(ax: Any) -> None:
    task = THREE_STEPS
    grid = np.linspace(-4, 4, 17)
    stocks = [(float(x), float(y)) for x in grid for y in grid]
    plan = solvers.homogeneous_stock_iteration(
        task.model, NORMS["l2"], [(0, c) for c in stocks], task.steps, degree=1, discount=task.discount
    )
    drift = (task.model.law[0, :, :, None] * task.model.rewards()[0]).sum(axis=1)
    actions = np.array([plan.actions[task.steps, 0, c] for c in stocks])
    for a, colour in enumerate(("C0", "C1")):
        chosen = np.array(stocks)[actions == a]
        arrows = np.tile(drift[a], (len(chosen), 1))
        ax.quiver(*chosen.T, *arrows.T, color=colour, pivot="mid", label=f"action {a}")
    ax.plot(0, 0, "x", color="black", markersize=8)
    ax.set(xlabel="stock $c_1$", ylabel="stock $c_2$", aspect="equal", xlim=(-4.6, 4.6), ylim=(-4.6, 4.6))
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
