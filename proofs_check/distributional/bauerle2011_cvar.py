r"""Conditional value-at-risk by the stock (Baeuerle and Ott 2011; Pires et al. 2025).

The mean of the worst share :math:`\tau` of outcomes is the largest of :math:`b + E\min(G - b, 0)/\tau` over b.  For a
fixed b this is an expected utility of stock plus return, with the start stock -b: dynamic programming solves it, and a
search on the line over b does the rest.  Choosing actions by the value-at-risk itself does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Outcome, Side
from mdplab.laws import FiniteLaw, conditional_value_at_risk
from proofs_check.distributional import exact_stock as exact
from proofs_check.distributional.stock_tasks import M3, TIE, RiskTask, coarse_risk_task, objective, risk_task

# --- the routes -----------------------------------------------------------------------------------------------------


class Search(NamedTuple):
    """The best start stock of a level: minus the stock, the value there and the law that is planned there."""

    atom: float
    value: float
    law: FiniteLaw


def outer_values(task: RiskTask, points: FloatArray) -> tuple[list[FiniteLaw], FloatArray]:
    """Planned laws (n,) from the stocks -b, and ``b + max E min(G - b, 0) / level``, shape (levels, n)."""
    starts = [(task.state, -float(b)) for b in points]
    plan = solvers.stock_value_iteration(
        task.model, objective("min(x, 0)"), starts, task.steps, discount=task.discount
    )
    nodes = [(task.steps, s, round(c, 12) + 0.0) for s, c in starts]
    losses = np.array([plan.values[node] for node in nodes])
    return [plan.laws[node] for node in nodes], points + losses / np.array(task.levels)[:, None]


def searched(task: RiskTask) -> list[Search]:
    """For each level the smallest atom whose value is largest, up to ties."""
    laws, values = outer_values(task, task.atoms)
    best = [int(np.flatnonzero(row >= row.max() - TIE)[0]) for row in values]
    return [Search(float(task.atoms[i]), float(row[i]), laws[i]) for i, row in zip(best, values, strict=True)]


def searched_risks(task: RiskTask) -> Side:
    """Value iteration with the utility min(x, 0) from the stock -b, the largest over the atoms b"""
    return Side([found.value for found in searched(task)], task.risk_error)


def planned_risks(task: RiskTask) -> Side:
    """Value-at-risk of the law that value iteration gives at a maximising stock"""
    risks = [found.law.cvar(level) for found, level in zip(searched(task), task.levels, strict=True)]
    return Side(risks, task.risk_error)


def best_risks(task: RiskTask) -> Side:
    """Enumeration of the laws of all history-dependent policies: the largest value-at-risk"""
    table = task.tables[task.state]
    levels = np.array(task.levels)
    return Side(np.max([table.law(i).cvar(levels) for i in range(len(table))], axis=0), task.tail_error)


# --- the claim ------------------------------------------------------------------------------------------------------

WITNESS = RiskTask(M3, 3, 1.0, (0.1, 0.25, 0.5, 0.9))

RISK = Claim(
    "dist-cvar-by-stock",
    title="The best CVaR over all history-dependent policies is a one-dimensional search over the starting stock",
    papers=("bauerle2011cvar", "pires2025return", "rockafellar2000cvar"),
    provenance="our formalisation",
    statement=r"""
    Let $\mathrm{CVaR}_\tau(\nu) = \tau^{-1} \int_0^\tau F_\nu^{-1}$ be the mean of the lower tail, $0 < \tau < 1$, and $B$
    the finite set of atoms of all achievable laws of the return $G$ of $H$ steps. Then

    (value) $\max_\pi \mathrm{CVaR}_\tau(G^\pi) = \max_{b \in B} \{b + \tau^{-1} \max_\pi E \min(G^\pi - b, 0)\}$, where
    the inner maximum is value iteration with the utility $\min(x, 0)$ from the stock $c = -b$; between neighbouring atoms
    the outer function is a maximum of linear functions of $b$, hence convex, so that an atom attains the maximum;

    (law) the law that value iteration gives at a maximising $b$ has this value-at-risk.
    """,
    assumptions=(
        Assumption("A1", "the horizon is finite, and so is the support", DEFINITIONAL),
        Assumption(
            "A2",
            "all atoms are searched",
            "every fourth atom is searched",
            lambda task: not task.coarse,
            wider=coarse_risk_task,
        ),
    ),
    instance_family=risk_task,
    witnesses=(WITNESS,),
    instances=20,
)
ROUNDED = "ties of width 1e-12 and the rounding of expected losses, over the smallest level"

value_part = RISK.part(
    "(value)",
    r"$\max_\pi \mathrm{CVaR}_\tau(G^\pi) = \max_b \{b + \tau^{-1} \max_\pi E\min(G^\pi - b, 0)\}$",
    Equal(searched_risks, best_risks),
    resolution=1e-9,
    reason=ROUNDED,
    exact=(exact.searched_risks, exact.best_risks),
)
law_part = RISK.part(
    "(law)",
    r"$\mathrm{CVaR}_\tau$ of the law planned at a maximising $b$ is the best",
    Equal(planned_risks, best_risks),
    resolution=1e-9,
    reason=ROUNDED,
    exact=(exact.planned_risks, exact.best_risks),
)


@RISK.known(WITNESS)
def _(task: RiskTask) -> Iterator[Known]:
    found = searched(task)
    printed = "-2.88 -0.752 0.624 1.6888888889"
    yield Known("best value-at-risk, by search", printed, [search.value for search in found], 1e-12)
    yield Known("best value-at-risk, by enumeration", printed, np.asarray(best_risks(task).value), 1e-12)
    compiled = [
        solvers.cvar_control(task.model, level, task.state, task.steps, discount=task.discount).value
        for level in task.levels
    ]
    yield Known("best value-at-risk, by the solver for it", printed, compiled, 1e-12)
    yield Known("smallest maximising b", "0 2 2 4", [search.atom for search in found])
    yield Known("atoms of the law at level 1/4", "-7 -5 -2 0 2 4", found[1].law.atoms)
    yield Known("its masses", "0.028 0.012 0.016 0.144 0.512 0.288", found[1].law.masses, 1e-15)


# --- what must fail -------------------------------------------------------------------------------------------------


def directly_planned(task: RiskTask) -> Side:
    """Value-at-risk of value iteration that chooses by the value-at-risk itself, from the stock 0"""
    start = (task.state, 0.0)
    plans = [
        solvers.stock_value_iteration(
            task.model, conditional_value_at_risk(level), [start], task.steps, discount=task.discount
        )
        for level in task.levels
    ]
    return Side([plan.values[task.steps, *start] for plan in plans], task.risk_error)


def risk_neutral(task: RiskTask) -> Side:
    """Value-at-risk of the policy with the largest mean"""
    start = (task.state, 0.0)
    plan = solvers.stock_value_iteration(
        task.model, FiniteLaw.mean, [start], task.steps, discount=task.discount
    )
    return Side(plan.laws[task.steps, *start].cvar(np.array(task.levels)), task.risk_error)


def first_three(outcome: Outcome) -> FloatArray:
    return outcome.left[:3]


law_part.control(
    "actions are chosen by the value-at-risk itself",
    kind="mutation",
    instance=WITNESS,
    left=directly_planned,
    specified="-3.0 -1.872 0.624",
    measure=first_three,
)
law_part.control(
    "actions are chosen by the value-at-risk itself: what is lost",
    kind="mutation",
    instance=WITNESS,
    left=directly_planned,
    specified="0.12 1.12 0",
    measure=lambda outcome: (outcome.right - outcome.left)[:3],
)
law_part.control(
    "the policy with the largest mean",
    kind="mutation",
    instance=WITNESS,
    left=risk_neutral,
    specified="-3.76 -2.048 -0.16",
    measure=first_three,
)
value_part.control(
    "every fourth atom is searched",
    kind="assumption",
    drops="A2",
    instance=RiskTask(M3, 3, 1.0, (0.1, 0.25, 0.5, 0.9), coarse=True),
)


# --- the figure -----------------------------------------------------------------------------------------------------


@RISK.figure(
    r"The outer function $b + \tau^{-1} \max_\pi E\min(G - b, 0)$ of the specified instance, by value iteration from the stock "
    "$-b$. Its maximum (dot, at an atom) is the best value-at-risk over all policies (line, by enumeration)."
)
def _(ax: Any) -> None:
    points = np.linspace(-4, 6, 201)
    task = RiskTask(M3, 3, 1.0, (0.1, 0.25, 0.5))
    _, values = outer_values(task, points)
    best = np.asarray(best_risks(task).value)
    for number, (row, search) in enumerate(zip(values, searched(task), strict=True)):
        color = f"C{number}"
        ax.axhline(best[number], color=color, linewidth=0.7, linestyle="--")
        ax.plot(points, row, color=color, label=rf"$\tau = {task.levels[number]:g}$")
        ax.plot(search.atom, search.value, "o", color=color)
    ax.set(xlabel="threshold $b$", ylabel=r"$b + \tau^{-1}\,\max_\pi E\,\min(G - b, 0)$", ylim=(-10, 2))
    ax.legend()
