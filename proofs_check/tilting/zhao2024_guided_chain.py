"""Step-by-step guidance of a chain is not the tilt (compared against in Zhao et al. 2024): the missing factor.

Guidance mixes each row of the chain and of the conditional chain geometrically and normalises it.  The mixture alone
would telescope to the tilt ``p(x_{0:T}) h(x_T)^w``; each normaliser ``Z_t(x_t)`` divides the weight of the paths through
``x_t`` by how much ``h`` still varies there, so that guidance avoids the states from which the label is open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtLeast, Claim, Equal, Known, Outcome, Separates
from mdplab.divergences import total_variation
from proofs_check.tilting import exact_guidance as exact
from proofs_check.tilting.chain_routes import LOG_SPACE, within
from proofs_check.tilting.guidance_routes import (
    divided_paths,
    guided_end,
    guided_paths,
    guided_task,
    log_moments,
    log_normalisers,
    neutral_task,
    nothing,
    signed_log_moments,
    signed_log_normalisers,
    tilt,
    weighted_end,
)
from proofs_check.tilting.instances import ChainTask, three_state_task

# --- the claim ------------------------------------------------------------------------------------------------------

TWO, FOUR, HALF = (three_state_task(weight) for weight in (2.0, 4.0, 0.5))

GUIDED = Claim(
    "guided-chain-not-tilt",
    title="Guiding a chain step by step does not sample the tilt; the missing factor is explicit, and weights restore it",
    papers=("zhao2024ctrl",),
    provenance="our formalisation",
    statement=r"""
    Let $P^c$ be a chain $P$ conditioned on a label with likelihood $h(x) = p(c|x)$ of its last state: its start law $\nu^c$
    and its kernels are tilted by $h_t = E_p[h(x_T) | x_t]$. The guided chain of weight $w \ge 0$ has the start law $\mu
    \propto \nu^{1-w} (\nu^c)^w$ and the kernels $Q_t(x, \cdot) = P_t^{1-w} (P_t^c)^w / Z_t(x)$.

    (a) $Z_t(x) = E_p\big[(h_{t+1}(x') / h_t(x))^w \,\big|\, x_t = x\big]$, with $Z_t \ge 1$ for $w \ge 1$ and $Z_t \le 1$ for
    $0 \le w \le 1$;

    (b) the path law is $C\, p(x_{0:T})\, h(x_T)^w \prod_{t<T} Z_t(x_t)^{-1}$;

    (c) hence paths weighted by $\prod_t Z_t(x_t)$ end in exactly the tilt $\propto p_T(x)\, h(x)^w$;

    (d) without weights the last law is the tilt for $w \in \{0, 1\}$ and in general for no other $w$.
    """,
    assumptions=(
        Assumption("A1", "$h > 0$", DEFINITIONAL, lambda task: bool(np.all(task.likelihood > 0))),
        Assumption(
            "A2",
            r"(d), where the last law is the tilt: $w \in \{0, 1\}$",
            "the weight 2",
            lambda task: task.strength in (0.0, 1.0),
            wider=guided_task,
        ),
    ),
    instance_family=guided_task,
    witnesses=(TWO, FOUR, HALF),
    instances=80,
)

normaliser_part = GUIDED.part(
    "(a, normaliser)",
    r"$\log Z_t(x) = \log E_p[(h_{t+1}(x')/h_t(x))^w \mid x_t = x]$",
    Equal(log_normalisers, log_moments),
    resolution=within(log_moments),
    reason=LOG_SPACE,
    assumes=("A1",),
    exact=(exact.log_normalisers, exact.log_moments),
)
sign_part = GUIDED.part(
    "(a, sign)",
    r"$\log Z_t$ has the sign of $w - 1$",
    AtLeast(signed_log_normalisers, nothing),
    resolution=within(signed_log_moments),
    reason=LOG_SPACE,
    cross_left=signed_log_moments,
    closed=("right",),
    assumes=("A1",),
    exact=(exact.signed_log_normalisers, exact.nothing),
)
path_part = GUIDED.part(
    "(b)",
    r"$q(x_{0:T}) = C\,p(x_{0:T})\,h(x_T)^w\prod_{t<T}Z_t(x_t)^{-1}$",
    Equal(guided_paths, divided_paths),
    resolution=within(divided_paths),
    reason=LOG_SPACE,
    assumes=("A1",),
    exact=(exact.guided_paths, exact.divided_paths),
)
weighted_part = GUIDED.part(
    "(c)",
    r"weighted by $\prod_t Z_t(x_t)$, the last law is $\propto p_T h^w$",
    Equal(weighted_end, tilt),
    resolution=within(tilt),
    reason=LOG_SPACE,
    assumes=("A1",),
    exact=(exact.weighted_end, exact.tilt),
)
same_part = GUIDED.part(
    "(d, weights 0 and 1)",
    r"for $w \in \{0,1\}$ the last law is the tilt",
    Equal(guided_end, tilt),
    resolution=within(tilt),
    reason=LOG_SPACE,
    family=neutral_task,
    witnesses=(three_state_task(0.0), three_state_task(1.0)),
    exact=(exact.guided_end, exact.tilt),
)
other_part = GUIDED.part(
    "(d, other weights)",
    r"for $w = 2, 4, \tfrac12$ the last law is not the tilt",
    Separates(guided_end, tilt, margin=1e-3),
    quantifier="exists",
    resolution=1e-9,
    reason=LOG_SPACE,
    assumes=("A1",),
    exact="a separation of named witnesses, a thousand million times above the error bounds",
)


def distance(task: ChainTask) -> FloatArray:
    """Distance of the guided last law from the tilt."""
    return total_variation(guided_end(task).value, tilt(task).value)


@GUIDED.known(TWO)
def _(task: ChainTask) -> Iterator[Known]:
    yield Known("guided, weight 2", "0.006653599779 0.243291071612 0.750055328609", guided_end(task).value)
    yield Known("tilt, weight 2", "0.008334814091 0.259872951002 0.731792234907", tilt(task).value)
    yield Known("distance, weight 2", "0.0182630937", distance(task))
    yield Known(
        "log Z_1, weight 2",
        "0.115255782462 0.063766618359 0.041667465536",
        np.asarray(log_normalisers(task).value)[1],
    )


@GUIDED.known(FOUR)
def _(task: ChainTask) -> Iterator[Known]:
    yield Known("guided, weight 4", "0.000055459706 0.074359165284 0.925585375010", guided_end(task).value)
    yield Known("tilt, weight 4", "0.000126706785 0.098765448773 0.901107844442", tilt(task).value)
    yield Known("distance, weight 4", "0.0244775306", distance(task))


@GUIDED.known(HALF)
def _(task: ChainTask) -> Iterator[Known]:
    yield Known("distance, weight .5", "0.00529778070", distance(task))
    yield Known(
        "log Z_1, weight .5",
        "-0.014308203169 -0.009407891728 -0.006517308483",
        np.asarray(log_normalisers(task).value)[1],
    )


# --- what must fail -------------------------------------------------------------------------------------------------


def difference(outcome: Outcome) -> FloatArray:
    return total_variation(outcome.left, outcome.right)


normaliser_part.control("a normalised mixture", kind="mutation", instance=TWO, right=nothing)
sign_part.control(
    "one sign for all weights",
    kind="mutation",
    instance=HALF,
    left=log_normalisers,
    specified="-0.014308203169 -0.009407891728 -0.006517308483",
    measure=lambda outcome: outcome.left[1],
)
path_part.control("without Z", kind="mutation", instance=TWO, right=partial(divided_paths, power=0.0))
weighted_part.control(
    "the weights inverted",
    kind="mutation",
    instance=TWO,
    left=partial(weighted_end, power=-1.0),
    specified="0.0330662787",
    measure=difference,
)
same_part.control(
    "the weight 2", kind="assumption", drops="A2", instance=TWO, specified="0.0182630937", measure=difference
)
other_part.control("with weights", kind="mutation", instance=TWO, left=weighted_end)

GUIDED.reading(
    "guided-is-tilted",
    title="The guided chain samples the tilted law",
    statement="For every weight $w$ the last law of the guided chain is $\\propto p_T(x)\\, p(c|x)^w$.",
    relation=Equal(guided_end, tilt),
    counterexamples=(TWO, FOUR, HALF),
    repair=weighted_part,
    resolution=1e-9,
    reason=LOG_SPACE,
    assumes=("A1",),
    specified="0.0182630937",
    measure=difference,
)


# --- the figure -----------------------------------------------------------------------------------------------------


@GUIDED.figure(
    "Distance of the last law of the guided three-state chain from the tilt against the weight of the guidance (left): it "
    r"vanishes at 0 and 1 only. Weighting the paths by $\prod_t Z_t$ removes it at all weights; the inverse weights move "
    "away (right).",
    panels=2,
)
def _(axes: Any) -> None:
    weights = np.linspace(0, 6, 121)
    tasks = [replace(TWO, strength=float(weight)) for weight in weights]
    gaps = [distance(task) for task in tasks]
    axes[0].plot(weights, gaps, color="C0")
    axes[0].plot([0, 1], [0, 0], "o", color="C0", label="zero at $w = 0, 1$", clip_on=False, zorder=3)
    axes[0].set_ylabel("TV to the tilt")
    axes[0].legend(loc="upper left")
    for power, style, label in ((-1.0, "-.", r"$\Pi_t Z_t^{-1}$"), (1.0, "-", r"$\Pi_t Z_t$")):
        shown = [total_variation(weighted_end(t, power=power).value, tilt(t).value) for t in tasks]
        axes[1].plot(weights, shown, style, color="C1" if power < 0 else "C2", label=f"weights {label}")
    axes[1].plot(weights, gaps, ":", color="C0", label="no weights")
    axes[1].set_ylim(top=0.064)
    axes[1].legend(loc="upper left")
    for ax in axes:
        ax.set_xlabel("weight $w$")
        ax.grid(True)
