r"""How fast value iteration with a stock converges (Pires et al. 2025): like :math:`L\gamma^n` for Lipschitz objectives.

The value of n steps is the best over n steps with nothing after them.  What comes after moves the law of the return by at
most :math:`\gamma^n` times the return that is missing, and a Lipschitz objective by L times that.  An objective that is
not Lipschitz may never hear of what is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import Assumption, AtMost, Claim, Equal, Known, Outcome, Side, rounding
from mdplab.models import FiniteHorizonMDP, OutcomeModel
from proofs_check.distributional import exact_rates as exact
from proofs_check.distributional.rate_tasks import (
    COMPARED,
    DISCOUNT,
    M2_ONES,
    RateTask,
    loop,
    loop_task,
    mixed_task,
    rate_task,
    rich_loop_task,
    rough_loop_task,
    unscaled_task,
    values_by_enumeration,
    values_by_stocks,
    values_by_sums,
)
from proofs_check.distributional.stock_tasks import TIE, UTILITIES

POWERS = DISCOUNT ** np.arange(COMPARED)

# --- the routes -----------------------------------------------------------------------------------------------------


def planned(task: RateTask) -> range:
    """Numbers of steps for which laws are carried along."""
    return range(5 if task.objective in UTILITIES else 4)


def planned_values(task: RateTask) -> Side:
    """Value iteration with a stock, laws carried along: f_n at every start, n up to 4"""
    found = []
    for n in planned(task):
        plan = solvers.stock_value_iteration(task.model, task.functional, task.starts, n, discount=DISCOUNT)
        found += [plan.values[n, s, round(c, 12)] for s, c in task.starts]
    return Side(found, 6 * (TIE + 2 * task.error))


def best_values(task: RateTask) -> Side:
    """The best expected utility by recursion over partial sums; other objectives by enumeration of laws"""
    values = values_by_sums if task.objective in UTILITIES else values_by_enumeration
    return Side(np.concatenate([values(task, n).ravel() for n in planned(task)]), task.error)


def gaps_by_sums(task: RateTask) -> Side:
    """|f_n - f_N| by recursion over stages, states and partial sums, n = 0, ..., 8"""
    last = values_by_sums(task, task.last)
    return Side([np.abs(values_by_sums(task, n) - last) for n in range(COMPARED)], 2 * task.error)


def gaps_by_stocks(task: RateTask) -> Side:
    """|f_n - f_N| by recursion over the stocks that occur, values rescaled at every step"""
    last = values_by_stocks(task, task.last)
    return Side([np.abs(values_by_stocks(task, n) - last) for n in range(COMPARED)], 2 * task.error)


def spread(task: RateTask, rows: FloatArray) -> FloatArray:
    """One number for each n, the same at all starts."""
    return np.broadcast_to(rows[:, None, None], (COMPARED, task.model.n_states, len(task.stocks)))


def uniform_bounds(task: RateTask) -> Side:
    """Closed form gamma^n r (1 - gamma^(N - n)) / (1 - gamma)"""
    rows = np.asarray(task.bound * (POWERS - DISCOUNT**task.last) / (1 - DISCOUNT))
    return Side(spread(task, rows), rounding(2 * task.bound, 4))


def largest_returns(task: RateTask) -> Side:
    """gamma^n times the largest expected return of N - n steps, by backward induction"""
    model = task.model
    mean = (model.law * model.rewards()).sum(axis=-1)
    value = np.zeros(model.n_states)
    largest = [0.0]
    for _ in range(task.last):
        value = (mean + DISCOUNT * (model.law @ value)).max(axis=1)
        largest.append(float(value.max()))
    rows = POWERS * np.array(largest[: -COMPARED - 1 : -1])
    return Side(spread(task, rows), rounding(2 * float(model.rewards().max()), 16 * task.last))


def largest_returns_by_solver(task: RateTask) -> Side:
    """gamma^n times the largest expected return of N - n steps, by the solver for finite horizons"""
    model = task.model
    mean = (model.law * model.rewards()).sum(axis=-1)
    solution = solvers.backward_induction(FiniteHorizonMDP(model.law, mean, task.last, DISCOUNT))
    rows = POWERS * solution.value.max(axis=1)[:COMPARED]
    return Side(spread(task, rows), rounding(2 * float(model.rewards().max()), 16 * task.last))


def whole_return(task: RateTask) -> float:
    """The return of the loop: twice its reward."""
    return 2 * float(task.model.rewards()[0, 0, 0])


def limit_gaps(task: RateTask) -> Side:
    """|f_n - u(c + 2 r)| in the loop, by recursion over partial sums"""
    limit = UTILITIES[task.objective](np.array(task.stocks) + whole_return(task))
    return Side([np.abs(values_by_sums(task, n)[0] - limit) for n in range(COMPARED)], 2 * task.error)


def limit_gaps_closed(task: RateTask) -> Side:
    """|u(c + 2 r (1 - gamma^n)) - u(c + 2 r)| in the loop"""
    utility, stocks = UTILITIES[task.objective], np.array(task.stocks)
    whole = whole_return(task)
    gaps = np.abs(utility(stocks + whole * (1 - POWERS[:, None])) - utility(stocks + whole))
    return Side(gaps, 2 * task.error)


def limit_bounds(task: RateTask) -> Side:
    """Closed form gamma^n r / (1 - gamma)"""
    rows = POWERS * task.bound / (1 - DISCOUNT)
    return Side(np.broadcast_to(rows[:, None], (COMPARED, len(task.stocks))), rounding(2 * task.bound, 4))


# --- the claim ------------------------------------------------------------------------------------------------------

LOOP = loop("min(x, 0)", -2.0)
RISKY = RateTask(
    OutcomeModel.from_transition_rewards(
        [[[0.8, 0.2], [0.3, 0.7]], [[0.7, 0.3], [0.1, 0.9]]], [[[0, 0], [0, 1]], [[1, 0], [1, 0]]]
    ),
    "CVaR at 1/4",
    (0.0,),
)
M2_DISTANCE = replace(M2_ONES, objective="-|x|")

RATE = Claim(
    "dist-dvi-lipschitz-rate",
    title="For Lipschitz objectives value iteration converges at rate L gamma^n times the largest return distance",
    papers=("pires2025return",),
    provenance="our formalisation",
    statement=r"""
    Let $\gamma = \frac12$, $0 \le R \le r$, $K = E u$ with $u$ $L$-Lipschitz (here $L = 1$),
    $f_n(s, c) = K(c + \eta_n(s, c))$ the value of $n$ steps of value iteration from $\eta_0 = \delta_0$, and
    $f_* = \sup_\pi K(c + G^\pi)$. Then

    (stock) $f_n(s, c)$ is the best that policies attain in $n$ steps;

    (distance) $|f_n - f_N| \le L \gamma^n \sup_{\pi, s} w_1(\delta_0, G^\pi_{N-n}(s))$ for $n \le N$, where the distance is
    the largest expected return of $N - n$ steps;

    (finite) which is at most $L \gamma^n r \frac{1 - \gamma^{N-n}}{1 - \gamma}$;

    (limit) $|f_n - f_*| \le L \gamma^n \frac{r}{1 - \gamma}$, with equality in the loop of one state that always pays $r$,
    as long as $c + G \le 0$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "$K$ is indifferent to mixtures",
            "a conditional value-at-risk in the place of an expected utility",
            lambda task: task.functional.mixtures,
            wider=mixed_task,
        ),
        Assumption(
            "A2",
            r"$K$ is indifferent to $\gamma$",
            "distance from 1, which is not homogeneous",
            lambda task: task.functional.scaling,
            wider=unscaled_task,
        ),
        Assumption(
            "A3",
            "$K$ is 1-Lipschitz in $w_1$",
            "the indicator of a positive stock, which is not Lipschitz",
            lambda task: task.functional.lipschitz <= 1.0,
            wider=rough_loop_task,
        ),
        Assumption(
            "A4",
            "rewards are at most $r$",
            "rewards of 2 where the bound says 1",
            lambda task: bool(task.model.rewards()[task.model.law > 0].max() <= task.bound),
            wider=rich_loop_task,
        ),
    ),
    instance_family=rate_task,
    witnesses=(M2_ONES, M2_DISTANCE, LOOP),
    instances=15,
)
ROUNDED = "rounding of at most 13 mixtures of utilities of size at most four"

stock_part = RATE.part(
    "(stock)",
    "value iteration with a stock gives the best value of $n$ steps",
    Equal(planned_values, best_values),
    instances=8,
    resolution=1e-10,
    reason="ties of width 1e-12 at each of at most four steps, and rounding",
    assumes=("A1", "A2"),
    exact=(
        lambda task: exact.planned_values(task, planned(task)),
        lambda task: exact.best_values(task, planned(task)),
    ),
)
RATE.part(
    "(distance)",
    r"$|f_n - f_N| \le L\gamma^n \sup_{\pi,s} w_1(\delta_0, G^\pi_{N-n}(s))$",
    AtMost(gaps_by_sums, largest_returns),
    resolution=1e-11,
    reason=ROUNDED,
    assumes=("A1", "A2", "A3"),
    cross_left=gaps_by_stocks,
    cross_right=largest_returns_by_solver,
    exact=(exact.gaps, exact.distance_bounds),
)
finite_part = RATE.part(
    "(finite)",
    r"$|f_n - f_N| \le L\gamma^n r\,(1 - \gamma^{N-n})/(1 - \gamma)$",
    AtMost(gaps_by_sums, uniform_bounds),
    resolution=1e-11,
    reason=ROUNDED,
    cross_left=gaps_by_stocks,
    closed=("right",),
    specified_tightness="1.0",
    exact=(exact.gaps, exact.uniform_bounds),
)
limit_part = RATE.part(
    "(limit)",
    r"$|f_n - f_*| \le L\gamma^n r/(1 - \gamma)$, in loops, where $f_*$ is known",
    AtMost(limit_gaps, limit_bounds),
    resolution=1e-11,
    reason=ROUNDED,
    family=loop_task,
    witnesses=(LOOP, loop("-|x|", -2.0), loop("min(x, 0)", -0.6)),
    cross_left=limit_gaps_closed,
    closed=("right",),
    exact=(exact.limit_gaps, exact.limit_bounds),
)


@RATE.known(M2_ONES)
def _(task: RateTask) -> Iterator[Known]:
    for steps, printed in (
        (2, "-.525 -.98 -.425 -.8"),
        (8, "-.384096825 -.79205315 -.319809425 -.650168675"),
        (13, "-.3818893895004999 -.7891834790778749 -.318232680812 -.647803566672625"),
    ):
        yield Known(f"f_{steps} by sums", printed, values_by_sums(task, steps).ravel(), 1e-14)
        yield Known(f"f_{steps} by stocks", printed, values_by_stocks(task, steps).ravel(), 1e-14)


@RATE.known(M2_DISTANCE)
def _(task: RateTask) -> Iterator[Known]:
    for steps, printed in (
        (8, "-.43915904203125 -.80026285015625 -.37314299414062 -.66337568867187"),
        (13, "-.4372641872721075 -.7974882194174924 -.372062601939827 -.6612569980585729"),
    ):
        yield Known(f"f_{steps} by sums", printed, values_by_sums(task, steps).ravel(), 1e-14)
        yield Known(f"f_{steps} by stocks", printed, values_by_stocks(task, steps).ravel(), 1e-14)


@RATE.known(LOOP)
def _(task: RateTask) -> Iterator[Known]:
    chosen = [0, 1, 4, 8]
    printed = "2 1 .125 .0078125"
    yield Known("errors of the loop, n = 0, 1, 4, 8", printed, np.asarray(limit_gaps(task).value)[chosen, 0])
    yield Known("their bounds", printed, np.asarray(limit_bounds(task).value)[chosen, 0])


# --- what must fail -------------------------------------------------------------------------------------------------


def left_at(*steps: int) -> Any:
    """The left side at some numbers of steps."""

    def measure(outcome: Outcome) -> FloatArray:
        return outcome.left[list(steps), 0]

    return measure


def faster_bounds(task: RateTask) -> Side:
    """Closed form gamma^(n + 1) r (1 - gamma^(N - n)) / (1 - gamma)"""
    found = uniform_bounds(task)
    return Side(DISCOUNT * np.asarray(found.value), found.error)


stock_part.control(
    "a conditional value-at-risk in the place of an expected utility",
    kind="assumption",
    drops="A1",
    instance=RISKY,
)
stock_part.control(
    "distance from 1, which is not homogeneous",
    kind="assumption",
    drops="A2",
    instance=replace(M2_ONES, objective="-|x - 1|"),
)
limit_part.control(
    "the indicator of a positive stock, which is not Lipschitz",
    kind="assumption",
    drops="A3",
    instance=loop("1{x >= 0}", -2.0),
    specified="1 1 1",
    measure=left_at(0, 4, 8),
)
limit_part.control(
    "the root of the distance, which is not Lipschitz: the rate is the root of the specified one",
    kind="assumption",
    drops="A3",
    instance=loop("-sqrt|x|", -2.0),
    specified="1.41421356 .70710678 .35355339 .08838835",
    measure=left_at(0, 2, 4, 8),
)
limit_part.control(
    "rewards of 2 where the bound says 1",
    kind="assumption",
    drops="A4",
    instance=loop("min(x, 0)", -6.0, reward=2),
    specified="4 2",
    measure=left_at(0, 1),
)
finite_part.control("one power of the discount more", kind="constant", instance=LOOP, right=faster_bounds)


# --- the figure -----------------------------------------------------------------------------------------------------


@RATE.figure(
    r"Largest error $|f_n - f_N|$, N = 13, of the specified model for two Lipschitz utilities, below the bound "
    r"$2\gamma^n$ (black); in the loop the error of $-\sqrt{|x|}$ falls like $\gamma^{n/2}$ only, and that of the "
    r"indicator of $x \ge 0$ not at all."
)
def _(ax: Any) -> None:
    steps = np.arange(COMPARED)
    ax.semilogy(steps, 2 * POWERS, color="black", label=r"bound $L\gamma^n r/(1-\gamma)$")
    for number, (task, label) in enumerate(((M2_ONES, r"$\min(x, 0)$"), (M2_DISTANCE, r"$-|x|$"))):
        gaps = np.asarray(gaps_by_sums(task).value).max(axis=(1, 2))
        ax.semilogy(steps, gaps, "o-^-"[2 * number : 2 * number + 2], color=f"C{number}", label=label)
    for number, (name, label) in enumerate(
        (("-sqrt|x|", r"$-\sqrt{|x|}$"), ("1{x >= 0}", r"$1\{x\geq 0\}$"))
    ):
        gaps = np.asarray(limit_gaps(loop(name, -2.0)).value)[:, 0]
        ax.semilogy(steps, gaps, "s--D:"[3 * number : 3 * number + 3], color=f"C{number + 2}", label=label)
    ax.set(xlabel="steps $n$", ylabel="error of the value")
    ax.legend()
