r"""What Markov policies can optimise (Marthe, Garivier, Vernade 2023; Pires et al. 2025): linear and exponential utilities.

A policy that sees stage and state forgets what has been earned.  That costs nothing if the earned amount does not change the
order of what is still to come: a linear utility adds it, an exponential one multiplies by a positive number.  For other
utilities there are models in which the best choice depends on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray, IntArray
from mdplab.claims import DEFINITIONAL, Assumption, AtLeast, Claim, Equal, Known, Side, both_sides
from mdplab.instances import Draw, SeededDraw
from proofs_check.distributional import exact_markov as exact
from proofs_check.distributional.markov_tasks import (
    CLASSICAL,
    OTHERS,
    MarkovTask,
    any_utility_task,
    classical_task,
    forgetful,
)
from proofs_check.distributional.pires2025_stock import planned_values
from proofs_check.distributional.stock_tasks import M2, M3, M4, StockTask, Utility, two_state_model

# --- routes ---------------------------------------------------------------------------------------------------------


def history_values(task: MarkovTask) -> Side:
    """Enumeration of the laws of all history-dependent policies: the largest expected utility from each state"""
    return Side(task.best(), task.error)


def policy_values(task: MarkovTask) -> FloatArray:
    """Expected utility of every Markov policy from each state, shape (N, S).

    Linear and exponential utilities have recursions of their own, all others go by the laws of the returns.
    """
    if task.utility not in CLASSICAL:
        return np.stack([table.expectations(task.of_return) for table in task.markov_tables], axis=1)
    states = np.arange(task.model.n_states)
    value: FloatArray = np.full((len(task.policies), len(states)), float(task.utility != "x"))
    for stage in range(task.steps - 1, -1, -1):
        chosen = states, task.policies[:, stage]
        gain = task.discount**stage * task.model.rewards()[chosen]
        targets = task.model.next_states()[chosen]
        later = np.take_along_axis(value, targets.reshape(len(value), -1), axis=1).reshape(targets.shape)
        worth = gain + later if task.utility == "x" else np.exp(task.rate * gain) * later
        value = (task.model.law[chosen] * worth).sum(axis=-1)
    return -value if task.utility == "-exp(b x)" else value


def markov_values(task: MarkovTask) -> Side:
    """Enumeration of all Markov policies, each by a recursion of expected utilities: the largest from each state"""
    return Side(policy_values(task).max(axis=0), task.error)


def stationary_values(task: MarkovTask) -> Side:
    """Enumeration of the policies that do the same at all stages: the largest expected utility from each state"""
    same = (task.policies == task.policies[:, :1]).all(axis=(1, 2))
    return Side(policy_values(task)[same].max(axis=0), task.error)


def gaps(task: MarkovTask) -> Side:
    """Enumerations: the best of all policies less the best of Markov policies, from state 0"""
    return Side([task.best()[0] - policy_values(task)[:, 0].max()], 2 * task.error)


def gaps_by_running(task: MarkovTask) -> Side:
    """Value iteration with a stock less the best of the Markov policies, run one after another, from state 0"""
    stocked = StockTask(task.model, task.steps, task.discount, task.utility, (0.0,))
    planned = np.asarray(planned_values(stocked).value)[0]

    def ran(policy: IntArray) -> float:
        plan = solvers.stock_policy_evaluation(
            task.model,
            stocked.functional,
            lambda node: int(policy[task.steps - node[0], node[1]]),
            stocked.starts[:1],
            task.steps,
            discount=task.discount,
        )
        return plan.values[task.steps, 0, 0.0]

    markov = max(map(ran, task.policies))
    return Side([planned - markov], stocked.planning_error + stocked.utility_error)


def strict(task: MarkovTask) -> Side:
    """The constant 1/1000"""
    return Side([0.001])


def history_and_markov(task: MarkovTask) -> Side:
    """Enumerations: the best of all policies and of Markov policies, from state 0"""
    return Side([task.best()[0], policy_values(task)[:, 0].max()], task.error)


def nothing_and_one(task: MarkovTask) -> Side:
    """Closed forms: whoever remembers the coin undoes it; whoever does not doubles it half of the time"""
    return Side([0.0, -1.0])


# --- the claim ------------------------------------------------------------------------------------------------------

FORGETFUL = MarkovTask(forgetful(), 3, 1.0, "-|x|")
GAPS = {name: MarkovTask(M3 if name == "-x^2" else M4, 3, 1.0, name) for name in OTHERS}
LINEAR = MarkovTask(M4, 3, 1.0, "x")
EXPONENTIAL = {model: MarkovTask(model, 3, 1.0, "-exp(b x)", -0.7) for model in (M4, M2)}


def the_forgetful(draw: Draw) -> MarkovTask:
    """Nothing is drawn: the model that forgets the coin."""
    return FORGETFUL


def gap_task(draw: Draw) -> MarkovTask:
    """One of the models with a gap."""
    return draw.choice(tuple(GAPS.values()))


MARKOV = Claim(
    "dist-stockless-exponential-only",
    title="Without the stock, Markov policies are enough for linear and exponential utilities and not for others",
    papers=("pires2025return", "marthe2023beyond"),
    provenance="our formalisation",
    statement=r"""
    Let the horizon be finite, $G$ the discounted return, and a Markov policy a choice of actions by stage and state.

    (enough) For $u(x) = x$ and $u(x) = \pm e^{\beta x}$, with or without a discount,
    $$\max_{\text{Markov}} E u(G) = \max_{\text{history-dependent}} E u(G).$$

    (gap) For $u = -|x|$, $\min(x, 0)$, $-x^2$, $x^3$ and $\tanh x$ there are models in which the left side is smaller.

    (extremal) A coin leads from 0 to 1 with reward 1, or to 2 with reward $-1$; from both one comes to 3 for nothing, where the
    last choice pays $1$ or $-1$. For $u = -|x|$ the best policy obtains 0, the best Markov policy $-1$.

    Randomised policies do no better: $E u(G)$ is linear in the choice at each stage and state.
    """,
    assumptions=(
        Assumption(
            "A1",
            "the utility is linear or exponential",
            "distance: -|x|",
            lambda task: task.utility in CLASSICAL,
            wider=any_utility_task,
        ),
        Assumption("A2", "finitely many states, actions and outcomes, a finite horizon", DEFINITIONAL),
    ),
    instance_family=classical_task,
    witnesses=(LINEAR, *EXPONENTIAL.values()),
    instances=60,
)
ROUNDED = "rounding of expected utilities, times the sizes of the utilities and of their exponents"


def at_the_size(task: MarkovTask) -> float:
    """1e-12 of the largest utility and its exponent: exponentials of returns reach thousands."""
    return 1e-12 * task.size


enough_part = MARKOV.part(
    "(enough)",
    r"$\max_{\mathrm{Markov}} E u(G) = \max_{\mathrm{history}} E u(G)$ for linear and exponential $u$",
    Equal(history_values, markov_values),
    resolution=at_the_size,
    reason=ROUNDED,
    exact=(exact.history_values, exact.markov_values),
)
MARKOV.part(
    "(gap)",
    r"for $-|x|$, $\min(x, 0)$, $-x^2$, $x^3$, $\tanh x$ the best of all policies is better by more than $1/1000$ in a model",
    AtLeast(gaps, strict),
    cross_left=gaps_by_running,
    closed=("right",),
    resolution=1e-10,
    reason=ROUNDED,
    quantifier="exists",
    family=gap_task,
    witnesses=tuple(GAPS.values()),
    assumes=("A2",),
    exact=(exact.gaps, exact.strict),
)
MARKOV.part(
    "(extremal)",
    r"the coin forgotten: $-E|G|$ is $0$ for the best policy, $-1$ for the best Markov policy",
    Equal(history_and_markov, nothing_and_one),
    resolution=1e-10,
    reason=ROUNDED,
    quantifier="exists",
    family=the_forgetful,
    witnesses=(FORGETFUL,),
    assumes=("A2",),
    exact=(exact.history_and_markov, exact.nothing_and_one),
)


@MARKOV.known(GAPS["-|x|"])
def _(task: MarkovTask) -> Iterator[Known]:
    yield Known("M4, -|x|: all policies, Markov", "-1.936 -2.08", history_and_markov(task).value, 1e-14)


@MARKOV.known(GAPS["min(x, 0)"])
def _(task: MarkovTask) -> Iterator[Known]:
    yield Known("M4, min(x, 0): all policies, Markov", "-1.872 -2.016", history_and_markov(task).value, 1e-14)


@MARKOV.known(LINEAR)
def _(task: MarkovTask) -> Iterator[Known]:
    yield Known("M4, x: all policies, Markov", "-1.44 -1.44", history_and_markov(task).value, 1e-14)


PRINTED = {M4: "-6.71910849167316", M2: "-0.6221235677892002"}
for model, printed in PRINTED.items():

    def _exponential(task: MarkovTask, printed: str = printed) -> Iterator[Known]:
        values = history_and_markov(task).value
        yield Known("-exp(-0.7 x): all policies, Markov", f"{printed} {printed}", values, 1e-13)

    MARKOV.known(EXPONENTIAL[model])(_exponential)


@MARKOV.known(EXPONENTIAL[M2])
def _(task: MarkovTask) -> Iterator[Known]:
    for name, printed in (("x^3", "7.536 7.536"), ("-|x|", "-0.786 -0.786")):
        values = history_and_markov(replace(task, utility=name)).value
        yield Known(f"M2, {name}, without a gap: all policies, Markov", printed, values, 1e-13)


@MARKOV.known(FORGETFUL)
def _(task: MarkovTask) -> Iterator[Known]:
    yield Known("the coin forgotten: all policies, Markov", "0 -1", history_and_markov(task).value, 1e-15)


# --- what must fail -------------------------------------------------------------------------------------------------

for name, instance in GAPS.items():
    enough_part.control(
        f"distance: {name}" if name == "-|x|" else f"the utility {name}",
        kind="assumption",
        drops="A1",
        instance=instance,
        specified={"-|x|": "-1.936 -2.08", "min(x, 0)": "-1.872 -2.016"}.get(name, ""),
        measure=both_sides,
    )
enough_part.control(
    "the same choice at all stages",
    kind="mutation",
    instance=MarkovTask(M3, 3, 1.0, "x"),
    right=stationary_values,
)


# --- the figure -----------------------------------------------------------------------------------------------------

SHOWN: tuple[tuple[str, str, Utility], ...] = (
    ("-exp(b x)", r"$u = -e^{-0.7x}$: certainty equivalent", lambda value: -np.log(-value) / 0.7),
    ("-|x|", r"$u = -|x|$: $-E|G|$", lambda value: value),
    ("-x^2", r"$u = -x^2$: $-\sqrt{E\,G^2}$", lambda value: -np.sqrt(-value)),
)


@MARKOV.figure(
    "The best Markov policy against the best of all policies, on 60 random models (two states, three steps, no discount). With an "
    "exponential utility all lie on the diagonal; with distance and square many lie below: remembering what was earned pays.",
    panels=3,
)
def _(axes: Any) -> None:
    models = [two_state_model(SeededDraw(seed), 2) for seed in range(60)]
    for i, (ax, (utility, name, scaled)) in enumerate(zip(axes, SHOWN, strict=True)):
        tasks = [MarkovTask(model, 3, 1.0, utility, -0.7) for model in models]
        history, markov = np.array([scaled(np.asarray(history_and_markov(task).value)) for task in tasks]).T
        ends = [markov.min(), history.max()]
        ax.plot(ends, ends, color="0.6", linewidth=0.8, zorder=1)
        ax.plot(history, markov, "o", color=f"C{i}", markersize=3.5, markerfacecolor="none")
        ax.set(title=name, xlabel="best of all policies")
    axes[0].set(ylabel="best Markov policy")
