r"""Distributional dynamic programming with a stock (Pires et al. 2025): the best of all history-dependent policies.

Carry along with the state what has been earned, :math:`C' = (C + R)/\gamma`, and choose actions by the law of stock plus
return.  For an expected utility that is memory enough: no policy that remembers the whole history does better.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab.claims import Assumption, Claim, Equal, Known, Side, both_sides
from mdplab.enumeration import markov_return_laws
from mdplab.laws import FiniteLaw
from mdplab.operators.distributional import backup_laws
from proofs_check.distributional import exact_stock as exact
from proofs_check.distributional.stock_tasks import (
    M2,
    M4,
    UTILITIES,
    StockTask,
    curved_task,
    delayed_coin,
    functional_task,
    stock_task,
    switch_model,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def planned_values(task: StockTask) -> Side:
    """Value iteration with a stock: the objective at every start"""
    plan = solvers.stock_value_iteration(
        task.model, task.functional, task.starts, task.steps, discount=task.discount
    )
    return Side([plan.values[task.steps, s, c] for s, c in task.starts], task.planning_error)


def best_values(task: StockTask) -> Side:
    """Enumeration of the laws of all history-dependent policies: the largest objective at every start"""
    return Side([task.achieved(s, c).max() for s, c in task.starts], task.utility_error)


# --- the claim ------------------------------------------------------------------------------------------------------

PRINTED = {
    "min(x, 0)": ("-0.5472 -1.8370625", "-0.576"),
    "-|x|": ("-0.702625 -1.8951125", "-0.7315"),
    "-x^2": ("-0.696603125 -4.7394421875", "-0.756125"),
    "1{x >= 0}": ("0.36 0.09", "0.36"),
}
DISTANCE = StockTask(M4, 3, 1.0, "-|x|", (0.0,))
SHORT = tuple(StockTask(M2, 3, 0.5, name, (-1.0,)) for name in PRINTED)

OPTIMAL = Claim(
    "dist-dvi-optimal-finite-horizon",
    title="Stock-augmented distributional value iteration attains the best of all history-dependent policies after H steps",
    papers=("pires2025return", "bauerle2011cvar"),
    provenance="our formalisation",
    statement=r"""
    Let $K\nu = E_\nu u$. The stock $c$ becomes $(c + r)/\gamma$ when $r$ is earned, so that $c + G$ is $\gamma$ times the
    next stock plus the next return. Value iteration starts from $\eta_0 = \delta_0$; $\eta_{n+1}(s, c)$ is the law of
    $R + \gamma G'$, $G' \sim \eta_n(S', C')$, under the action for which $K$ of the law of $c + R + \gamma G'$ is largest.
    Then at every state and stock
    $$K(c + \eta_H(s, c)) = \max_\pi K(c + G^\pi)$$
    over all history-dependent policies $\pi$ of $H$ steps. The utility need be neither continuous nor Lipschitz.
    """,
    assumptions=(
        Assumption(
            "A1",
            "$K$ is an expected utility, hence indifferent to mixtures",
            "a conditional value-at-risk in the place of an expected utility",
            lambda task: task.functional.mixtures,
            wider=functional_task,
        ),
        Assumption(
            "A2",
            r"if $\gamma < 1$, $u(\lambda x) = \lambda^q u(x)$ for $\lambda > 0$ and some $q \ge 0$",
            "exponential utility with a discount",
            lambda task: task.discount == 1.0 or task.functional.scaling,
            wider=curved_task,
        ),
    ),
    instance_family=stock_task,
    witnesses=(*SHORT, DISTANCE),
    instances=60,
)


def at_the_size(task: StockTask) -> float:
    """1e-10, and some thousand units of rounding of utilities: cubes of returns reach thousands, and may cancel."""
    return 1e-10 + 1e-12 * task.largest_utility


optimal_part = OPTIMAL.part(
    "(value)",
    r"$K(c + \eta_H(s,c)) = \max_\pi K(c + G^\pi)$ at every state and stock",
    Equal(planned_values, best_values),
    resolution=at_the_size,
    reason="ties of width 1e-12 at three or four steps, and the rounding of expected utilities of sizes up to a thousand",
    exact=(exact.planned_values, exact.best_values),
)


def first_values(task: StockTask) -> tuple[float, float]:
    """Value iteration and the best of all policies, from state 0 with the first stock."""
    return float(np.asarray(planned_values(task).value)[0]), float(task.achieved(0, task.stocks[0]).max())


for short, (long_printed, short_printed) in zip(SHORT, PRINTED.values(), strict=True):

    def _values(
        task: StockTask, long_printed: str = long_printed, short_printed: str = short_printed
    ) -> Iterator[Known]:
        name = task.objective
        yield Known(f"{name}: best, H = 3", f"{short_printed} {short_printed}", first_values(task), 1e-12)
        longer = replace(task, steps=4)
        worst = float(longer.achieved(0, -1.0).min())
        planned, best = first_values(longer)
        yield Known(f"{name}: best and worst, H = 4, 32768 laws", long_printed, [best, worst], 1e-12)
        yield Known(f"{name}: value iteration, H = 4", long_printed.split()[0], planned, 1e-12)

    OPTIMAL.known(short)(_values)


# --- what must fail -------------------------------------------------------------------------------------------------


def frozen_values(task: StockTask) -> Side:
    """Value iteration that chooses at every step as if nothing had been earned: a Markov policy"""
    laws = [FiniteLaw.dirac(0.0)] * task.model.n_states
    for _ in range(task.steps):
        reward = task.model.rewards()
        found = [
            backup_laws(task.model.law[s], reward[s], task.discount, laws) for s in range(task.model.n_states)
        ]
        laws = [max(choices, key=task.functional) for choices in found]
    return Side([task.functional(laws[s].shift(c)) for s, c in task.starts], task.planning_error)


optimal_part.control(
    "the stock is frozen at 0",
    kind="mutation",
    instance=DISTANCE,
    left=frozen_values,
    specified="-2.08 -1.936",
    measure=both_sides,
)
optimal_part.control(
    "a conditional value-at-risk in the place of an expected utility",
    kind="assumption",
    drops="A1",
    instance=StockTask(switch_model(), 2, 1.0, "CVaR at 3/4", (0.0,)),
    specified="-6.666666666666667 -6.333333333333333",
    measure=both_sides,
)
optimal_part.control(
    "exponential utility with a discount",
    kind="assumption",
    drops="A2",
    instance=StockTask(delayed_coin(), 2, 0.5, "-exp(-x)", (0.0,)),
    specified="-1.0 -0.9907961771991038",
    measure=both_sides,
)


# --- the figure -----------------------------------------------------------------------------------------------------


@OPTIMAL.figure(
    "Value $-E|c + G|$ against the start stock $c$ (the instance of the frozen stock, three steps). Each grey curve is one of "
    "the 128 laws that policies achieve; value iteration with the stock (dots) runs along their upper envelope. The best "
    "policy that sees only stage and state falls short of it where the first rewards matter to the last choice."
)
def _(ax: Any) -> None:
    stocks = np.linspace(-4, 4, 161)
    curves = np.array([DISTANCE.achieved(0, float(c)) for c in stocks])
    dots = replace(DISTANCE, stocks=tuple(np.linspace(-4, 4, 17)))
    table = markov_return_laws(DISTANCE.model, DISTANCE.steps, discount=DISTANCE.discount)[0]
    markov = [table.expectations(UTILITIES[DISTANCE.objective], float(c)).max() for c in stocks]
    ax.plot(stocks, curves, color="0.8", linewidth=0.4)
    ax.plot(stocks, curves.max(axis=1), color="C0", label="best of all policies")
    ax.plot(stocks, markov, "--", color="C1", label="best Markov policy")
    ax.plot(stocks, curves.min(axis=1), ":", color="C2", label="worst policy")
    half = len(dots.starts) // 2
    planned = np.asarray(planned_values(dots).value)[:half]
    ax.plot(dots.stocks, planned, "o", color="C0", markersize=3, label="value iteration")
    ax.set(xlabel="start stock $c$", ylabel=r"$-E\,|c + G|$")
    ax.legend()
