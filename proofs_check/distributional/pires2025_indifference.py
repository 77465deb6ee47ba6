r"""What distributional dynamic programming can optimise (Pires et al. 2025): two indifferences, and what fails without.

Value iteration compares laws of what is still to come, at the scale of the moment.  The comparison must survive what
happens to the laws on the way to the start: they are scaled by the discount, and mixed.  A preference that changes with
the scale is repaired by an objective for each depth; one that changes under mixtures is not repaired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mdplab import laws, solvers
from mdplab.claims import Assumption, Claim, Equal, Known, Side, both_sides, rounding
from mdplab.instances import Draw, SeededDraw
from mdplab.laws import FiniteLaw, Functional
from proofs_check.distributional import exact_indifference as exact
from proofs_check.distributional import exact_stock
from proofs_check.distributional.pires2025_stock import best_values, planned_values
from proofs_check.distributional.stock_tasks import (
    OTHERS,
    TIE,
    ReturnTask,
    StockTask,
    delayed_coin,
    switch_model,
    two_state_model,
)

# --- indifference to scaling ----------------------------------------------------------------------------------------

SCALED = ("-exp(-0.7 x)", "tanh x", "-|x - 1|")


def scaled_task(draw: Draw) -> StockTask:
    """Three steps, discount 1/2, rewards from -2 to 2, a utility that is not homogeneous, stocks -1, 0, 1/2."""
    return StockTask(two_state_model(draw, 2), 3, 0.5, draw.choice(SCALED), (-1.0, 0.0, 0.5))


def any_scaled_task(draw: Draw) -> StockTask:
    """The same with objectives that need not be indifferent to mixtures."""
    return replace(scaled_task(draw), objective=draw.choice((*OTHERS, *SCALED)))


COIN = StockTask(delayed_coin(), 2, 0.5, "-exp(-x)", (0.0,))


def the_coin(draw: Draw) -> StockTask:
    """Nothing is drawn: the coin."""
    return COIN


SWITCH_STOCK = StockTask(switch_model(), 2, 1.0, "CVaR at 3/4", (0.0,))


def timed_values(task: StockTask) -> Side:
    """Value iteration with the objective of the law scaled by the discounts up to each depth"""

    def at(depth: int) -> Callable[[FiniteLaw], float]:
        return lambda law: task.functional(law.scale(task.discount**depth))

    objectives = [at(depth) for depth in range(task.steps + 1)]
    plan = solvers.stock_value_iteration(
        task.model, objectives, task.starts, task.steps, discount=task.discount
    )
    return Side([plan.values[task.steps, s, c] for s, c in task.starts], task.planning_error)


def same_and_best(task: StockTask) -> Side:
    """Value iteration with one objective at every depth, and the best of all policies, from state 0"""
    sides = planned_values(task), best_values(task)
    return Side([np.asarray(side.value)[0] for side in sides], task.planning_error)


def coin_values(task: StockTask) -> Side:
    """Closed forms: -1 for the sure 0, and minus the mean of exp(-1.1) and exp(.5) for the coin"""
    return Side([-1.0, -(np.exp(-1.1) + np.exp(0.5)) / 2], rounding(1, 8))


SCALING = Claim(
    "dist-gamma-indifference",
    title="With a discount the objective must be indifferent to scaling; an objective for each depth repairs it",
    papers=("pires2025return",),
    provenance="our formalisation",
    statement=r"""
    Let $\gamma = \frac12$, a finite horizon, and $K\nu = E_\nu u$ with a utility that is not positively homogeneous.

    (a) Value iteration with a stock that applies $K$ at every depth can be strictly suboptimal: from state 0 one comes to
    state 1 for nothing, where one action pays 0 and the other $2.2$ or $-1$ by a coin; with $u(x) = -e^{-x}$ it refuses
    the coin and obtains $-1$, the optimum is $-\frac12 (e^{-1.1} + e^{0.5})$.

    (b) Applied at depth $t$ (0 at the start) to the law of $C_t + R + \gamma G'$, the objective
    $K_t\nu = K(\gamma^t X_\nu)$ is optimal for every $u$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "$K$ is indifferent to mixtures (which expected utilities are)",
            "a conditional value-at-risk in the place of an expected utility",
            lambda task: task.functional.mixtures,
            wider=any_scaled_task,
        ),
    ),
    instance_family=scaled_task,
    witnesses=(COIN,),
    instances=60,
)
SCALING.part(
    "(a)",
    r"the coin at scale $\gamma$: one objective for all depths gives $-1$, the best policy more",
    Equal(same_and_best, coin_values),
    resolution=1e-10,
    reason="ties of width 1e-12 at two steps, and rounding",
    quantifier="exists",
    family=the_coin,
    exact=(exact.same_and_best, exact.coin_values),
)
timed_part = SCALING.part(
    "(b)",
    r"$K_t\nu = K(\gamma^t X_\nu)$ at depth $t$ attains the best of all policies",
    Equal(timed_values, best_values),
    resolution=1e-10,
    reason="ties of width 1e-12 at three steps, and the rounding of expected utilities of sizes up to a hundred",
    exact=(exact.timed_values, exact_stock.best_values),
)


@SCALING.known(COIN)
def _(task: StockTask) -> Iterator[Known]:
    printed = "-0.9907961771991038"
    yield Known("the same objective at every depth", "-1.0", np.asarray(planned_values(task).value)[0], 1e-12)
    yield Known("the best of all policies", printed, np.asarray(best_values(task).value)[0], 1e-14)
    yield Known("an objective for each depth", printed, np.asarray(timed_values(task).value)[0], 1e-14)


timed_part.control(
    "the same objective at every depth",
    kind="mutation",
    instance=COIN,
    left=planned_values,
    specified="-1.0 -0.9907961771991038",
    measure=both_sides,
)
timed_part.control(
    "a conditional value-at-risk in the place of an expected utility",
    kind="assumption",
    drops="A1",
    instance=SWITCH_STOCK,
    specified="-6.666666666666667 -6.333333333333333",
    measure=both_sides,
)


@SCALING.figure(
    r"Sure amount that is worth as much as $k$ times the coin, over $k$, under $u(x) = -e^{-x}$. At the scale of the moment, "
    r"$k = 1$, the coin is worse than 0; by the time of the start the discount has made it $k = \gamma$, where it is better."
)
def _(ax: Any) -> None:
    scales = np.linspace(0.02, 1.3, 200)

    def worth(k: Any) -> Any:
        return -np.log((np.exp(-2.2 * k) + np.exp(k)) / 2) / k

    ax.plot(scales, worth(scales), color="C0", label=r"coin, $2.2$ or $-1$")
    ax.axhline(0.0, color="C1", linestyle="--", label="sure $0$")
    for k, name in ((1.0, r"$k = 1$: refused"), (0.5, r"$k = \gamma$: taken")):
        ax.plot(k, worth(k), "o", color="C0")
        ax.annotate(name, (k, worth(k)), (6, 4), textcoords="offset points")
    ax.set(xlabel="scale $k$", ylabel="certainty equivalent over $k$", xlim=(0, 1.45))
    ax.legend(loc="lower left")


# --- indifference to mixtures ---------------------------------------------------------------------------------------

INDIFFERENT = {
    "entropic risk": laws.entropic_risk(0.7),
    "mean": laws.expected_utility(lambda x: x, name="mean", homogeneous=True, lipschitz=1.0),
}
AFFECTED = {
    "mean less half the variance": laws.mean_variance(0.5),
    "lower median": laws.quantile_functional(0.5),
    "CVaR at 1/2": laws.conditional_value_at_risk(0.5),
    "CVaR at 3/4": laws.conditional_value_at_risk(0.75),
}
FUNCTIONALS = INDIFFERENT | AFFECTED


@dataclass(frozen=True, eq=False)
class RiskTask(ReturnTask):
    """A model with a functional, from state 0 without stock.

    Attributes
    ----------
    objective : str
        Name of the functional.
    """

    objective: str

    @property
    def functional(self) -> Functional:
        """The functional K."""
        return FUNCTIONALS[self.objective]

    @property
    def error(self) -> float:
        """Rounding of a functional of returns (a variance has their squares), and ties at each step.

        A later certainty equivalent that is lower by d makes the whole lower by d at most.
        """
        size = max(1.0, self.largest_return) ** (2 if "variance" in self.objective else 1)
        return self.steps * TIE + float(rounding(size, 128 * (1 + self.steps)))


def risk_task(draw: Draw) -> RiskTask:
    """Three steps without discount, rewards from -2 to 2; entropic risk or the mean."""
    return RiskTask(two_state_model(draw, 2), 3, 1.0, draw.choice((*INDIFFERENT,)))


def any_risk_task(draw: Draw) -> RiskTask:
    """The same with all functionals."""
    return replace(risk_task(draw), objective=draw.choice((*FUNCTIONALS,)))


def discounted_risk_task(draw: Draw) -> RiskTask:
    """The same with discount 1 or 1/2."""
    return replace(risk_task(draw), discount=draw.choice((0.5, 1.0)))


SWITCH = RiskTask(switch_model(), 2, 1.0, "CVaR at 3/4")


def the_switch(draw: Draw) -> RiskTask:
    """Nothing is drawn: the switch."""
    return SWITCH


ENTROPIC, MEAN = (RiskTask(switch_model(), 2, 1.0, name) for name in INDIFFERENT)


def planned_value(task: RiskTask) -> Side:
    """Value iteration with a stock"""
    plan = solvers.stock_value_iteration(
        task.model, task.functional, [(0, 0.0)], task.steps, discount=task.discount
    )
    return Side(plan.values[task.steps, 0, 0.0], task.error)


def best_value(task: RiskTask) -> Side:
    """Enumeration of the laws of all history-dependent policies"""
    return Side(task.tables[0].values(task.functional).max(), task.error)


def planned_and_best(task: RiskTask) -> Side:
    """Value iteration with a stock, and the best of all policies"""
    return Side([np.asarray(side.value) for side in (planned_value(task), best_value(task))], task.error)


def switch_values(task: RiskTask) -> Side:
    """Closed forms: -20/3 and -19/3"""
    return Side([-20 / 3, -19 / 3], rounding(7, 2))


def loss(task: RiskTask) -> float:
    """What value iteration loses against the best of all policies."""
    planned, best = np.asarray(planned_and_best(task).value)
    return float(best - planned)


MIXTURES = Claim(
    "dist-mixture-indifference-necessary",
    title="Distributional dynamic programming fails on functionals that are not indifferent to mixtures",
    papers=("pires2025return",),
    provenance="our formalisation",
    statement=r"""
    Let the horizon be finite and $\gamma = 1$.

    (a) From 0 a coin leads to X or Y. In X one action pays 1 and ends; the other pays 4 and ends, or leads to Y, by a coin.
    Y pays $-10$ and ends. For $K = \mathrm{CVaR}_{3/4}$ (lower tail) and two steps, value iteration with a stock obtains
    $-\frac{20}{3}$, the best policy $-\frac{19}{3}$: with one step to go $K$ prefers $\frac12\delta_0 + \frac12\delta_4$ to
    $\delta_1$, but after mixing each with $\delta_{-10}$ the order is reversed.

    (b) For the entropic risk $-\frac{1}{0.7} \log E e^{-0.7 X}$, an increasing function of an expected utility, and for the
    mean it is optimal on every instance.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$\gamma = 1$ (for the entropic risk, which is not indifferent to scaling)",
            "entropic risk with a discount",
            lambda task: task.discount == 1.0,
            wider=discounted_risk_task,
        ),
        Assumption(
            "A2",
            "$K$ is indifferent to mixtures",
            "mean less half the variance",
            lambda task: task.functional.mixtures,
            wider=any_risk_task,
        ),
    ),
    instance_family=risk_task,
    witnesses=(ENTROPIC, MEAN),
    instances=60,
)
MIXTURES.part(
    "(a)",
    r"$\mathrm{CVaR}_{3/4}$: value iteration obtains $-\frac{20}{3}$, the best policy $-\frac{19}{3}$",
    Equal(planned_and_best, switch_values),
    resolution=1e-10,
    reason="ties of width 1e-12 at two steps, and rounding",
    quantifier="exists",
    family=the_switch,
    witnesses=(SWITCH,),
    assumes=("A1",),
    exact=(exact.planned_and_best, exact.switch_values),
)
optimal_part = MIXTURES.part(
    "(b)",
    "entropic risk and mean: value iteration attains the best of all policies",
    Equal(planned_value, best_value),
    resolution=1e-10,
    reason="ties of width 1e-12 at three steps, and rounding of returns up to six",
    exact=(exact.planned_value, exact.best_value),
)


@MIXTURES.known(SWITCH)
def _(task: RiskTask) -> Iterator[Known]:
    values = np.asarray(planned_and_best(task).value)
    yield Known("value iteration and best policy", "-6.666666666666667 -6.333333333333333", values, 1e-14)
    sure, coin = FiniteLaw.dirac(1.0), FiniteLaw.from_atoms([0.0, 4.0], [0.5, 0.5])
    values = np.array([task.functional(law) for law in (sure, coin)])
    yield Known("CVaR of 1 and of 0 or 4", "1 1.3333333333", values, 1e-15)
    mixed = [FiniteLaw.mix([law, FiniteLaw.dirac(-10.0)], [0.5, 0.5]) for law in (sure, coin)]
    values = np.array([task.functional(law) for law in mixed])
    yield Known("after mixing with -10", "-6.3333333333 -6.6666666667", values, 1e-15)


def seeded(objective: str, seed: int) -> RiskTask:
    return replace(risk_task(SeededDraw(seed)), objective=objective)


optimal_part.control(
    "entropic risk with a discount",
    kind="assumption",
    drops="A1",
    instance=RiskTask(delayed_coin(), 2, 0.5, "entropic risk"),
)
optimal_part.control(
    "CVaR at 3/4",
    kind="assumption",
    drops="A2",
    instance=SWITCH,
    specified="-6.666666666666667 -6.333333333333333",
    measure=lambda outcome: np.array([outcome.left, outcome.right]),
)
for name, seed in (("mean less half the variance", 24), ("lower median", 59), ("CVaR at 1/2", 65)):
    optimal_part.control(name, kind="assumption", drops="A2", instance=seeded(name, seed))


@MIXTURES.figure(
    "Value iteration with a stock against the best of all history-dependent policies on 60 random models (two states, two "
    "actions, three steps): how often it loses, and the largest loss. The two functionals of the claim never lose.",
    panels=2,
)
def _(axes: Any) -> None:
    shown = {name: name for name in FUNCTIONALS if name != "CVaR at 3/4"}
    shown["mean less half the variance"] = "mean − var/2"
    losses = np.array([[loss(seeded(name, seed)) for seed in range(60)] for name in shown])
    quantities = (100 * (losses > 1e-9).mean(axis=1), losses.max(axis=1))
    for ax, heights, label in zip(
        axes, quantities, ("instances with a loss (%)", "largest loss"), strict=True
    ):
        bars = ax.barh(list(shown.values()), np.maximum(heights, 0.0), color=["C0"] * 2 + ["C1"] * 3)
        ax.bar_label(bars, fmt="%.3g", padding=2)
        ax.set(xlabel=label, xlim=(0, 1.2 * heights.max()))
        ax.invert_yaxis()
