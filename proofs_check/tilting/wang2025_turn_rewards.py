"""Turn rewards that pay the increase of a potential (Wang et al. 2025 pay that of the likelihood of the right answer).

They telescope: what is optimised in the end is the outcome *plus* the last potential.  This is no policy-invariant shaping
(Ng, Harada, Russell 1999) unless the last potential is the expected outcome itself or counts as zero; and in a discounted
problem plain differences pay for being likely early.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab.claims import Assumption, Claim, Equal, Known
from mdplab.instances import SeededDraw
from proofs_check.tilting import exact_trees as exact
from proofs_check.tilting import tree_routes as routes
from proofs_check.tilting.chain_routes import within
from proofs_check.tilting.tree_instances import (
    TreeTask,
    calibrated,
    calibrated_tree,
    moving_model,
    near_certain_tree,
    one_turn,
    stopping_tree,
    tree_task,
    two_turns,
)

# --- the claim ------------------------------------------------------------------------------------------------------

ONE, TWO, NEAR = one_turn(), two_turns(), near_certain_tree()

TURNS = Claim(
    "ig-telescoping",
    title="Turn rewards telescope to the gain of the last potential: no invariant shaping, and discounting favours early gains",
    papers=("wang2025igpo", "ng1999shaping"),
    provenance="our formalisation",
    statement=r"""
    In a finite tree of histories of $T$ turns, with actions chosen and observations drawn, let $\Phi(h) \in [0, 1]$ be a potential,
    $O$ the outcome at the end, and $\Phi(h_{t+1}) - \Phi(h_t)$ the reward of turn $t$.

    (a) For every policy $E \sum_t [\Phi(h_{t+1}) - \Phi(h_t)] = E \Phi(h_T) - \Phi(h_0)$: outcome plus turn rewards are optimised
    by the optimisers of $E[O + \Phi(h_T)]$; if the last turn pays no difference, of $E[O + \Phi(h_{T-1})]$;

    (b) the optimisers of $E[O]$ are kept if $E[O|h_T] = \Phi(h_T)$, when the total is $2 E\Phi(h_T) - \Phi(h_0)$, or if the potential
    of the end counts as zero;

    (c) with a discount, $\sum_t \gamma^t (\Phi_{t+1} - \Phi_t) = \gamma^{T-1} \Phi_T - \Phi_0 + (1 - \gamma) \sum_{t=1}^{T-1}
    \gamma^{t-1} \Phi_t$: a bonus for being likely early;

    (d) $\sum_t \gamma^t (\gamma \Phi_{t+1} - \Phi_t) = \gamma^T \Phi_T - \Phi_0$, with the optimisers of $E\Phi(h_T)$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "a fixed number of turns",
            "an episode ends after one turn",
            lambda task: task.stopped is None or not np.any(task.stopped) or task.turns == 1,
            wider=stopping_tree,
        ),
        Assumption(
            "A2",
            r"$\Phi$ is a function of the history alone (a frozen model)",
            "the model is updated after the first turn",
            lambda task: task.drift == 0,
            wider=moving_model,
        ),
        Assumption(
            "A3",
            r"calibration, $E[O|h_T] = \Phi(h_T)$ (in (b, calibrated) alone)",
            "an outcome that the potential misjudges",
            lambda task: bool(np.array_equal(task.outcome, task.potentials[-1])),
            wider=tree_task,
        ),
    ),
    instance_family=tree_task,
    witnesses=(ONE, TWO, NEAR),
    instances=30,
)

SUMS = "rounding of sums of at most 216 leaves over three turns; below 1e-9 relative plus 1e-11 absolute"
FROZEN = ("A1", "A2")


def part(name: str, text: str, sides: str, **options: Any) -> Any:
    """A part whose float and exact sides have the same names."""
    left, right = sides.split()
    return TURNS.part(
        name,
        text,
        Equal(getattr(routes, left), getattr(routes, right)),
        exact=(getattr(exact, left), getattr(exact, right)),
        **{
            "assumes": FROZEN,
            "resolution": within(getattr(routes, right)),
            "reason": SUMS,
            **options,
        },
    )


gain_part = part(
    "(a)",
    r"$E\sum_t[\Phi(h_{t+1})-\Phi(h_t)] = E\Phi(h_T)-\Phi(h_0)$ for every policy",
    "turn_gain potential_change",
)
optimum_part = part(
    "(a, optimum)",
    r"outcome plus differences have the optimum, and optimisers, of $E[O+\Phi(h_T)]$; of $E[O+\Phi(h_{T-1})]$ without the last",
    "turn_optima telescoped_optima",
)
calibrated_part = part(
    "(b, calibrated)",
    r"if $E[O|h_T]=\Phi(h_T)$ the total is $2E\Phi(h_T)-\Phi(h_0)$ and its optimiser reaches $\max E[O]$",
    "calibrated_optimum calibrated_values",
    family=calibrated_tree,
    witnesses=(TWO, calibrated(ONE), calibrated(NEAR)),
    assumes=None,
)
zero_part = part(
    "(b, zero)",
    r"if $\Phi(h_T)$ counts as zero the total is $E[O]-\Phi(h_0)$ and its optimiser reaches $\max E[O]$",
    "zero_end_optimum zero_end_values",
)
early_part = part(
    "(c)",
    r"$\sum\gamma^t(\Phi_{t+1}-\Phi_t) = \gamma^{T-1}\Phi_T-\Phi_0+(1-\gamma)\sum_{0<t<T}\gamma^{t-1}\Phi_t$ in expectation",
    "discounted_gain discounted_leaves",
)
early_optimum_part = part(
    "(c, optimum)",
    "the optimum of the discounted differences is that of this sum",
    "discounted_optimum best_early_leaf",
)
shaped_part = part(
    "(d)",
    r"$\sum\gamma^t(\gamma\Phi_{t+1}-\Phi_t) = \gamma^T\Phi_T-\Phi_0$, expected and best; the optimiser reaches $\max E\Phi_T$",
    "shaped_gain shaped_leaves",
    resolution=lambda task: within(routes.shaped_leaves)(task) / task.discount**task.turns,
    reason="the same, over the power of the discount by which a loss of the computed policy counts more",
)


@TURNS.known(ONE)
def _(task: TreeTask) -> Iterator[Known]:
    total = routes.first_action_values(task, pays=True) + task.potential[0]
    yield Known("outcome plus potential of the two actions", "1.4 1.1", total, 1e-15)
    yield Known("totals", "1.2 0.9", routes.first_action_values(task, pays=True), 1e-15)
    yield Known(
        "totals with terminal potential 0",
        ".3 .6",
        routes.first_action_values(task, pays=True, zero_end=True),
        1e-15,
    )


@TURNS.known(TWO)
def _(task: TreeTask) -> Iterator[Known]:
    yield Known("undiscounted gains", ".5 .6", routes.first_action_values(task), 1e-15)
    yield Known("gains with discount 1/2", ".5 .35", routes.first_action_values(task, discount=0.5), 1e-15)
    yield Known("gains with discount .8", ".5 .5", routes.first_action_values(task, discount=0.8), 1e-15)
    yield Known(
        "with the discount in the shaping",
        "-.025 0",
        routes.first_action_values(task, discount=0.5, factor=0.5),
        1e-15,
    )


# --- what must fail -------------------------------------------------------------------------------------------------

gain_part.control(
    "the model is updated after the first turn",
    kind="assumption",
    drops="A2",
    instance=replace(NEAR, drift=0.1),
    specified="0.1",
)
shaped_part.control(
    "an episode ends after one turn",
    kind="assumption",
    drops="A1",
    instance=replace(TWO, stopped=np.array([True, False])),
)
optimum_part.control(
    "the outcome alone",
    kind="mutation",
    instance=ONE,
    right=partial(routes.telescoped_optima, outcome_only=True),
)
calibrated_part.control(
    "an outcome that the potential misjudges",
    kind="assumption",
    drops="A3",
    instance=ONE,
    specified="0.3",
    measure=lambda outcome: outcome.right[1] - outcome.left[1],
)
zero_part.control(
    "the potential of the end counts",
    kind="mutation",
    instance=ONE,
    left=partial(routes.zero_end_optimum, zero_end=False),
    specified="0.3",
    measure=lambda outcome: outcome.right[1] - outcome.left[1],
)
early_part.control(
    "no bonus for early potentials",
    kind="mutation",
    instance=TWO,
    right=partial(routes.discounted_leaves, bonus=False),
)
early_optimum_part.control(
    "no bonus for early potentials, at the best",
    kind="mutation",
    instance=TWO,
    right=partial(routes.best_early_leaf, bonus=False),
)
shaped_part.control(
    "plain differences", kind="constant", instance=TWO, left=partial(routes.shaped_gain, factor=1.0)
)

TURNS.reading(
    "differences-keep-the-optimum",
    title="Paying the increase of a potential each turn is potential shaping: the optimisers of the outcome stay",
    statement=r"The optimiser of $E[O + \sum_t (\Phi(h_{t+1}) - \Phi(h_t))]$ reaches $\max E[O]$.",
    relation=Equal(routes.outcome_of_gainers, routes.best_outcome),
    counterexamples=(ONE,),
    repair=zero_part,
    resolution=1e-11,
    reason=SUMS,
    specified="0.3",
    assumes=FROZEN,
)
TURNS.reading(
    "discounted-differences-keep-the-optimum",
    title="Discounted increases of a potential are optimised where its final value is",
    statement=r"The optimiser of $E \sum_t \gamma^t (\Phi(h_{t+1}) - \Phi(h_t))$ reaches $\max E\Phi(h_T)$.",
    relation=Equal(routes.reach_of_early_gainers, routes.best_reach),
    counterexamples=(TWO,),
    repair=shaped_part,
    resolution=1e-11,
    reason=SUMS,
    specified="0.1",
)


# --- the figure -----------------------------------------------------------------------------------------------------


@TURNS.figure(
    "Outcome lost by the optimiser of outcome plus turn rewards, on 300 random trees, against the largest miscalibration of the last "
    "potential. Calibrated potentials lose nothing; others at most as much as they are off (dashed): the loss is at most half the "
    r"difference of two expectations of $\Phi(h_T) - O$."
)
def _(ax: Any) -> None:
    off, lost = [], []
    for seed in range(300):
        task = tree_task(SeededDraw(seed))
        weight = (seed % 30) / 29
        task = replace(task, outcome=(1 - weight) * task.potentials[-1] + weight * task.outcome)
        off.append(np.abs(task.outcome - task.potentials[-1]).max())
        lost.append(np.subtract(routes.best_outcome(task).value, routes.outcome_of_gainers(task).value))
    ax.plot([0, 1], [0, 1], "--", color="0.3", label="as much as it is off")
    ax.plot(off, lost, "o", markersize=3.5, alpha=0.6, label="random trees")
    ax.set(
        xlabel=r"miscalibration $\max|E[O|h_T]-\Phi(h_T)|$",
        ylabel=r"loss in $E[O]$",
        xlim=(0, 1),
        ylim=(-0.02, 1),
    )
    ax.grid(True)
    ax.legend()
