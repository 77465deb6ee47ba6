"""Doob's transform is potential shaping: where rewards on the way come from, and why log-likelihoods are the right ones.

Steering a chain towards a label needs the reward at the end alone (Zhao et al. 2024); paying the increase of a potential at
each step (Wang et al. 2025 pay that of the probability of the answer) telescopes to a constant and changes no optimal
transition (Ng, Harada, Russell 1999).  With the exact log-likelihood as the potential nothing is left to look ahead for:
the controller that maximises each step's pay alone is the Doob transform.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab.claims import Assumption, AtMost, Claim, Equal, Known, Side, left_side
from mdplab.enumeration import path_log_probability
from mdplab.operators import marginals
from proofs_check.tilting import exact_shaping as exact
from proofs_check.tilting import shaping_routes as routes
from proofs_check.tilting.chain_routes import LOG_SPACE, within
from proofs_check.tilting.estimate_routes import (
    bound,
    path_divergences,
)
from proofs_check.tilting.shaping_routes import (
    ShapedTask,
    end_law_by_enumeration,
    estimate_of,
    exact_potential,
    near_certain_task,
    one_step_look,
    perfect,
    potential_at_the_end,
    shaped_controls,
    shaped_end,
    shaped_task,
    start_and_end_by_enumeration,
    start_and_end_shaped,
    start_not_paid,
    three_state_shaping,
    unshaped_controls,
)


def _first(side: Side) -> Side:
    return Side(np.asarray(side.value)[0], np.max(side.error))


def myopic_divergence(shaped: ShapedTask) -> Side:
    """Chain rule: divergence of the optimal path law from that of the myopic controls"""
    return _first(path_divergences(estimate_of(shaped)))


def myopic_divergence_by_enumeration(shaped: ShapedTask) -> Side:
    """Enumeration: the same divergence, path by path, in logarithms"""
    estimate, task = estimate_of(shaped), shaped.task
    law, best = task.path_tilt, task.path_log_weights - task.path_log_partition
    with np.errstate(divide="ignore"):  # the paths that the last kernel cannot take
        other = path_log_probability(estimate.chain, task.paths.states)
    terms = law[law > 0] * (best - other)[law > 0]
    return Side(terms.sum(), 2 * estimate.relative * (np.abs(terms).sum() + 5))


def range_bound(shaped: ShapedTask, *, divisor: float = 8.0) -> Side:
    """sum_{0<t<T} range(Phi_t - V_t)^2 / 8"""
    side = _first(bound(estimate_of(shaped)))
    # a value is known up to at most T steps of rounding, so a range up to twice that
    error = (shaped.task.chain.steps + 1) * shaped.task.step_error
    ranges = np.sqrt(8 * np.asarray(side.value) * shaped.task.chain.steps)  # at least the sum of the ranges
    return Side(np.asarray(side.value) * 8 / divisor, side.error + error * (ranges + error))


# --- the claim ------------------------------------------------------------------------------------------------------

C3 = three_state_shaping()
COLD, HOT = near_certain_task(1e3), near_certain_task(1e-3)

SHAPING = Claim(
    "doob-is-shaping",
    title="Doob's transform is potential shaping; with the exact log-likelihood as potential the myopic controller is optimal",
    papers=("zhao2024ctrl", "wang2025igpo", "ng1999shaping"),
    provenance="our formalisation",
    statement=r"""
    In the setting of `tilt-soft-optimal-chain` let $r$ be the reward of the last state, $V_t$ the values, $h_t = e^{V_t}$, and
    $\Phi_t(x)$, $t \le T$, a potential with $\Phi_T = 0$. Pay $\Phi_0(x_0)$ at the start, $\Phi_{t+1}(x_{t+1}) - \Phi_t(x_t)$
    in step $t$, and $r(x_T)$ at the end. The *myopic* controller sees the reward of its own step only:
    $Q^{\mathrm{my}}_t(x, \cdot) \propto P_t(x, \cdot)\, e^{\Phi_{t+1}}$ for $t < T-1$, and $\propto P_t(x, \cdot)\, e^r$ in the
    last step. Then

    (a) the optimal start and kernels are the $\mu^*$, $Q^*_t$ of the unshaped problem, and so is the law of the last state,
    $\propto p_T e^r$; the values are $V_t - \Phi_t$, $t < T$;

    (b) with $\Phi_t = V_t$, $t < T$, the values are 0, every one-step normaliser
    $\sum_{x'} P_t(x, x') h_{t+1}(x') / h_t(x)$ is 1, and from $\mu^*$ the myopic controller is $Q^*$;

    (c) with any $\Phi$, started at $\mu^*$, $\mathrm{KL}(Q^* \| Q^{\mathrm{my}}) \le \frac18 \sum_{t=1}^{T-1}
    \mathrm{range}(\Phi_t - V_t)^2$;

    (d) with $\Phi_T \ne 0$ the law of the last state is $\propto p_T e^{r + \Phi_T}$; if $\Phi_0$ is not paid, the law of the
    first is $\propto \nu e^{V_0 - \Phi_0}$ and that of the last gains the factor $E_p[e^{-\Phi_0(x_0)} | x_T]$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "the differences are not discounted",
            "discounted differences",
            lambda shaped: shaped.discount == 1,
            wider=routes.discounted_increments,
        ),
        Assumption(
            "A2",
            r"$\Phi_T = 0$",
            "a potential at the end",
            lambda shaped: shaped.end_potential is None or not np.any(shaped.end_potential),
            wider=potential_at_the_end,
        ),
        Assumption(
            "A3",
            r"$\Phi_0(x_0)$ is paid at the start",
            "the potential of the start is not paid",
            lambda shaped: shaped.start_paid or not np.any(np.ptp(shaped.potential[0])),
            wider=start_not_paid,
        ),
    ),
    instance_family=shaped_task,
    witnesses=(C3, COLD, HOT),
    instances=100,
)

controls_part = SHAPING.part(
    "(a)",
    r"optimal start and kernels are those without $\Phi$, the values $V_t - \Phi_t$",
    Equal(shaped_controls, unshaped_controls),
    resolution=within(unshaped_controls),
    reason=LOG_SPACE,
    exact=(exact.shaped_controls, exact.unshaped_controls),
)
end_part = SHAPING.part(
    "(a, end)",
    r"the law of the last state is the tilt, $\propto p_T e^r$",
    Equal(shaped_end, end_law_by_enumeration),
    resolution=within(end_law_by_enumeration),
    reason=LOG_SPACE,
    exact=(exact.shaped_end, exact.end_law),
)
perfect_part = SHAPING.part(
    "(b)",
    r"with $\Phi = V$: shaped values 0, one-step normalisers 1, the myopic controller is $Q^*$",
    Equal(one_step_look, perfect),
    resolution=lambda shaped: 1e-11 * max(1.0, shaped.task.strength) + within(perfect)(shaped),
    reason=LOG_SPACE + ", at the size of the values that cancel",
    exact=(exact.one_step_look, exact.perfect),
)
myopic_part = SHAPING.part(
    "(c)",
    r"$\mathrm{KL}(Q^*\|Q^{\mathrm{my}}) \le \frac18\sum_{t=1}^{T-1}\mathrm{range}(\Phi_t-V_t)^2$",
    AtMost(myopic_divergence, range_bound),
    resolution=lambda shaped: (
        1e-11 * max(1.0, shaped.task.strength) + 1e-9 * (1 + np.asarray(range_bound(shaped).value))
    ),
    reason=LOG_SPACE,
    cross_left=myopic_divergence_by_enumeration,
    closed=("right",),
    specified_tightness="0.923",
    exact=(exact.myopic_divergence, exact.bound),
)
SHAPING.part(
    "(d)",
    r"with $\Phi_T \ne 0$: first law $\mu \propto \nu\,E[e^{r+\Phi_T}|x_0]$, last law $\propto p_T e^{r+\Phi_T}$",
    Equal(start_and_end_shaped, start_and_end_by_enumeration),
    resolution=within(start_and_end_by_enumeration),
    reason=LOG_SPACE,
    family=potential_at_the_end,
    assumes=("A1",),
    exact=(exact.start_and_end_shaped, exact.weighted_ends),
)
unpaid_part = SHAPING.part(
    "(d, start)",
    r"$\Phi_0$ not paid: first law $\propto \nu e^{V_0-\Phi_0}$, last law $\propto p_T e^r E[e^{-\Phi_0(x_0)}|x_T]$",
    Equal(start_and_end_shaped, start_and_end_by_enumeration),
    resolution=within(start_and_end_by_enumeration),
    reason=LOG_SPACE,
    family=start_not_paid,
    witnesses=(replace(exact_potential(C3), start_paid=False),),
    assumes=("A1",),
    exact=(exact.start_and_end_shaped, exact.weighted_ends),
)

NO_POTENTIAL = replace(C3, potential=np.zeros((3, 3)))


@SHAPING.known(NO_POTENTIAL)
def _(shaped: ShapedTask) -> Iterator[Known]:
    h = np.exp(shaped.task.values)
    for t, printed in enumerate((".4704 .536 .5704", ".412 .54 .612", ".3 .54 .7", ".1 .5 .9")):
        yield Known(f"h_{t}", printed, h[t], 1e-15)
    yield Known(
        "rewards of the first step from state 0",
        "-0.132560047235 0.137985742974 0.263148885928",
        np.log(h[1] / h[0, 0]),
    )
    yield Known(
        "last law of the myopic controls",
        "0.081698238434 0.397614765689 0.520686995877",
        marginals(estimate_of(shaped).chain)[-1],
    )
    yield Known("tilt", "0.058853513174 0.367001254705 0.574145232120", shaped_end(shaped).value)
    yield Known("path divergence of the myopic controls", "0.0485745481", myopic_divergence(shaped).value)
    yield Known("bound of (c)", "0.1093124030", range_bound(shaped).value)


END = replace(C3, end_potential=np.array([0.0, 0.5, -1.0]))
UNPAID = replace(exact_potential(C3), start_paid=False)


@SHAPING.known(END)
def _(shaped: ShapedTask) -> Iterator[Known]:
    yield Known(
        "last law with (0, .5, -1) at the end",
        "0.067249436120 0.691402657721 0.241347906160",
        shaped_end(shaped).value,
    )


@SHAPING.known(UNPAID)
def _(shaped: ShapedTask) -> Iterator[Known]:
    yield Known("first law where V_0 is not paid", ".5 .3 .2", shaped.chain.initial, 1e-14)


# --- what must fail -------------------------------------------------------------------------------------------------


def end_of_probability_increments(shaped: ShapedTask) -> Side:
    """Increments of p(y|x_t) in the place of those of log p(y|x_t): law of the last state"""
    task = shaped.task
    h = np.exp(task.values)  # strength 1; a reward p(y|x) is the logarithm of its exponential
    return shaped_end(replace(shaped, task=replace(task, likelihood=np.exp(h[-1])), potential=h[:-1]))


def less_than_v(shaped: ShapedTask) -> Side:
    """One step ahead with nine tenths of V for the potential"""
    return one_step_look(shaped, scale=0.9)


controls_part.control(
    "discounted differences", kind="assumption", drops="A1", instance=replace(C3, discount=0.9)
)
end_part.control(
    "a potential at the end",
    kind="assumption",
    drops="A2",
    instance=END,
    specified="0.067249436120 0.691402657721 0.241347906160",
    measure=left_side,
)
end_part.control(
    "the potential of the start is not paid",
    kind="assumption",
    drops="A3",
    instance=UNPAID,
    specified="0.060065026696 0.369264756519 0.570670216785",
    measure=left_side,
)
end_part.control(
    "increments of the probability in the place of its logarithm",
    kind="mutation",
    instance=C3,
    left=end_of_probability_increments,
    specified="0.189648288256 0.352851422075 0.457500289670",
    measure=left_side,
)
perfect_part.control("nine tenths of V", kind="mutation", instance=C3, left=less_than_v)
myopic_part.control(
    "1/32 in the place of 1/8",
    kind="constant",
    instance=NO_POTENTIAL,
    right=partial(range_bound, divisor=32.0),
)
unpaid_part.control(
    "the first law taken for the tilt's",
    kind="mutation",
    instance=UNPAID,
    right=lambda shaped: start_and_end_by_enumeration(replace(shaped, start_paid=True)),
)


# --- the figure -----------------------------------------------------------------------------------------------------


@SHAPING.figure(
    r"Path divergence of the myopic controls from the optimum on the three-state chain, for the potential $\Phi = \theta V$, with "
    r"the bound of (c). Only the exact log-likelihood, $\theta = 1$, lets the controller ignore what comes later."
)
def _(ax: Any) -> None:
    scales = np.linspace(-0.5, 2.0, 101)
    tasks = [exact_potential(C3, scale) for scale in scales]
    ax.plot(scales, [range_bound(task).value for task in tasks], "--", color="0.3", label="bound of (c)")
    ax.plot(
        scales,
        [myopic_divergence(task).value for task in tasks],
        label=r"$\mathrm{KL}(Q^*\|Q^{\mathrm{my}})$",
    )
    ax.plot(1.0, 0.0, "o", color="C1", label=r"$\Phi = V$: Doob's transform")
    ax.set(
        xlabel=r"scale $\theta$ of the potential $\Phi = \theta V$",
        ylabel="path divergence",
        ylim=(-0.01, None),
    )
    ax.grid(True)
    ax.legend()
