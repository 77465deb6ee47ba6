"""What errors of a learned value cost a controlled chain (Zhao et al. 2024): path divergence of second order.

Each row of the controls is tilted by the error of the next value; a tilt by a function of range R moves a law by a
divergence of at most ``R^2 / 8`` (Hoeffding's lemma), in either direction, and the chain rule adds up the steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Assumption, AtMost, Claim, Equal, Known, Rate, Side, both_sides
from mdplab.operators import marginals
from proofs_check.tilting import exact_estimates as exact
from proofs_check.tilting.chain_routes import LOG_SPACE, within
from proofs_check.tilting.estimate_routes import (
    EstimateTask,
    bound,
    controls,
    controls_by_products,
    divergence_from_the_optimum,
    end_divergences,
    end_divergences_by_enumeration,
    estimated_task,
    loss,
    misjudged_end,
    path_divergences,
    path_divergences_by_enumeration,
    size_bound,
    three_state_estimate,
)

# --- the claim ------------------------------------------------------------------------------------------------------

HALF, ONE = three_state_estimate(0.5), three_state_estimate(1.0)
STATES = np.array([1.0, -1.0, 1.0])

VALUE_ERROR = Claim(
    "tilt-value-error",
    title="Errors of size eps in the values of a controlled chain cost at most T eps^2 / 2 in path divergence",
    papers=("zhao2024ctrl",),
    provenance="our formalisation",
    statement=r"""
    In the setting of `tilt-soft-optimal-chain`, with any reward of the last state, let $\hat V_t$ be estimates of $V_t$ for
    $t < T$, $\hat V_T = V_T = r$, and let the controls be $\hat\mu \propto \nu e^{\hat V_0}$, $\hat Q_t(x, \cdot) \propto
    P_t(x, \cdot)\, e^{\hat V_{t+1}}$. With $\varepsilon = \max_{t,x} |\hat V_t - V_t|$:

    (a) $\mathrm{KL}(Q^* \| \hat Q)$ and $\mathrm{KL}(\hat Q \| Q^*)$ are both at most
    $\frac18 \sum_{t<T} \mathrm{range}(\hat V_t - V_t)^2 \le \frac{T \varepsilon^2}{2}$, and so are the divergences of the last
    laws;

    (b) the loss is $\log Z - J(\hat\mu, \hat Q) = \mathrm{KL}(\hat Q \| Q^*)$: of second order in $\varepsilon$;

    (c) a constant added to each $\hat V_t$ changes nothing.
    """,
    assumptions=(
        Assumption(
            "A1",
            "the terminal reward is known",
            "the terminal reward is misjudged",
            lambda estimate: estimate.end_error is None or not np.any(estimate.end_error),
            wider=misjudged_end,
        ),
    ),
    instance_family=estimated_task,
    witnesses=(HALF, ONE),
    instances=80,
)


def at_the_bound(estimate: EstimateTask) -> FloatArray:
    """Inequalities may fail by rounding: 1e-9 at the size of the bound."""
    return 1e-9 * (1 + np.asarray(bound(estimate).value))


path_part = VALUE_ERROR.part(
    "(a)",
    r"$\mathrm{KL}(Q^*\|\hat Q), \mathrm{KL}(\hat Q\|Q^*) \le \frac18\sum_{t<T}\mathrm{range}(\hat V_t-V_t)^2$",
    AtMost(path_divergences, bound),
    resolution=at_the_bound,
    reason=LOG_SPACE,
    cross_left=path_divergences_by_enumeration,
    closed=("right",),
    exact=(exact.path_divergences, exact.bound),
)
size_part = VALUE_ERROR.part(
    "(a, size)",
    r"both are at most $T\varepsilon^2/2$",
    AtMost(path_divergences, size_bound),
    resolution=at_the_bound,
    reason=LOG_SPACE,
    cross_left=path_divergences_by_enumeration,
    closed=("right",),
    specified_tightness="0.887",
    exact=(exact.path_divergences, exact.size_bound),
)
end_part = VALUE_ERROR.part(
    "(a, last law)",
    r"the divergences of the last laws are at most $\frac18\sum_{t<T}\mathrm{range}(\hat V_t-V_t)^2$",
    AtMost(end_divergences, bound),
    resolution=at_the_bound,
    reason=LOG_SPACE,
    cross_left=end_divergences_by_enumeration,
    closed=("right",),
    exact=(exact.end_divergences, exact.bound),
)
loss_part = VALUE_ERROR.part(
    "(b)",
    r"$\log Z - J(\hat\mu,\hat Q) = \mathrm{KL}(\hat Q\|Q^*)$",
    Equal(loss, divergence_from_the_optimum),
    resolution=within(divergence_from_the_optimum),
    reason=LOG_SPACE,
    exact=(exact.loss, exact.divergence_from_the_optimum),
)
shift_part = VALUE_ERROR.part(
    "(c)",
    r"start, kernels and last law stay when a constant is added to each $\hat V_t$",
    Equal(controls, controls_by_products),
    resolution=within(controls_by_products),
    reason=LOG_SPACE,
    exact=(exact.controls, exact.controls_by_products),
)

# --- second order ---------------------------------------------------------------------------------------------------

SCALES: FloatArray = np.array([0.5**n for n in range(3, 8)])


def scaled(estimate: EstimateTask, scale: float) -> EstimateTask:
    return replace(estimate, errors=scale * estimate.errors)


def losses(estimate: EstimateTask, *, route: Any = path_divergences_by_enumeration) -> Side:
    """Losses at errors that are halved again and again: divergences from the optimum"""
    sides = [route(scaled(estimate, scale)) for scale in SCALES]
    return Side([np.max(side.value) for side in sides], [np.max(side.error) for side in sides])


def no_loss(estimate: EstimateTask) -> Side:
    """Zero."""
    return Side(0.0)


def distances(estimate: EstimateTask) -> Side:
    """Largest change of a control in the place of the loss"""
    best = np.asarray(controls_by_products(scaled(estimate, 0.0)).value)
    sides = [controls_by_products(scaled(estimate, scale)) for scale in SCALES]
    return Side(
        [np.abs(np.asarray(s.value) - best).max() for s in sides], [2 * np.max(s.error) for s in sides]
    )


rate_part = VALUE_ERROR.part(
    "(b, second order)",
    r"halving the errors divides the loss by four in the end",
    Rate(losses, no_loss, parameter=lambda estimate: SCALES, window=(1.95, 2.05)),
    quantifier="exists",
    resolution=1e-6,
    reason="rounding of the divergences, 1e-9 of the smallest",
    exact="a fitted slope",
)


@VALUE_ERROR.known(HALF)
def _(estimate: EstimateTask) -> Iterator[Known]:
    yield Known("path divergences at .5", "0.31499906366 0.29514329204", path_divergences(estimate).value)
    yield Known("bound at .5", "0.375", np.asarray(size_bound(estimate).value)[0])
    yield Known(
        "last law at .5", "0.008808050015 0.235495053955 0.755696896030", marginals(estimate.chain)[-1]
    )
    yield Known(
        "divergence of the last law from the tilt",
        "0.00158037742",
        np.asarray(end_divergences(estimate).value)[1],
    )


@VALUE_ERROR.known(ONE)
def _(estimate: EstimateTask) -> Iterator[Known]:
    yield Known("path divergences at 1", "1.12976018678 0.92210245083", path_divergences(estimate).value)
    yield Known("bound at 1", "1.5", np.asarray(size_bound(estimate).value)[0])


# --- what must fail -------------------------------------------------------------------------------------------------

SAME_AT_ALL_TIMES = replace(HALF, errors=0.5 * np.tile(STATES, (3, 1)))
EXACT_VALUES = replace(HALF, errors=np.zeros((3, 3)))


@VALUE_ERROR.known(SAME_AT_ALL_TIMES)
def _(estimate: EstimateTask) -> Iterator[Known]:
    yield Known(
        "path divergences of a shift by state",
        "0.29976943598 0.24770357998",
        path_divergences(estimate).value,
    )
    yield Known(
        "last law of a shift by state",
        "0.010975383046 0.248890117361 0.740134499593",
        marginals(estimate.chain)[-1],
    )


def shifted_by_state(estimate: EstimateTask) -> Side:
    """Controls of values shifted by .5 (1, -1, 1), the same at all times"""
    return controls(replace(estimate, errors=estimate.errors + 0.5 * STATES))


def forward_divergence(estimate: EstimateTask) -> Side:
    """The divergence in the other direction"""
    side = path_divergences(estimate)
    return Side(np.asarray(side.value)[0], np.max(side.error))


size_part.control(
    "eps in the place of the range",
    kind="constant",
    instance=HALF,
    right=partial(size_bound, divisor=8.0),
    specified="0.31499906366 0.09375",
    measure=both_sides,
)
path_part.control(
    "the terminal reward is misjudged",
    kind="assumption",
    drops="A1",
    instance=replace(EXACT_VALUES, end_error=0.5 * STATES),
)
end_part.control(
    "last laws of a misjudged reward",
    kind="assumption",
    drops="A1",
    instance=replace(EXACT_VALUES, end_error=0.5 * STATES),
)
loss_part.control("the other divergence", kind="mutation", instance=HALF, right=forward_divergence)
rate_part.control("the change of the controls", kind="mutation", instance=HALF, left=distances)
shift_part.control(
    "a shift that depends on the state",
    kind="mutation",
    instance=EXACT_VALUES,
    left=shifted_by_state,
    specified="0.010975383046 0.248890117361 0.740134499593",
    measure=lambda outcome: outcome.left[-3:],
)


def divergence_of_the_path(estimate: EstimateTask) -> Side:
    """Divergence of the path law from the optimum"""
    side = path_divergences(estimate)
    return Side(np.asarray(side.value)[1], np.max(side.error))


def divergence_of_the_end(estimate: EstimateTask) -> Side:
    """Divergence of the last law from the tilt"""
    side = end_divergences(estimate)
    return Side(np.asarray(side.value)[1], np.max(side.error))


VALUE_ERROR.reading(
    "last-law-tells-the-path",
    title="If the last law is close to the tilt, the path law is close to the optimum",
    statement=r"$\mathrm{KL}(\hat Q \| Q^*) \le \mathrm{KL}(\hat q_T \| q^*_T)$: what is seen at the end bounds the path.",
    relation=AtMost(divergence_of_the_path, divergence_of_the_end),
    counterexamples=(HALF,),
    repair=path_part,
    resolution=1e-9,
    reason=LOG_SPACE,
    specified="0.29514329204 0.00158037742",
    measure=lambda outcome: np.append(outcome.left, outcome.right),
)


# --- the figure -----------------------------------------------------------------------------------------------------


@VALUE_ERROR.figure(
    "Path divergences between the optimum and the controls of wrong values, and the divergence of their last laws, against "
    r"the size of the errors on the three-state chain, with the bound $T\varepsilon^2/2$. All have slope 2: small errors "
    "cost little."
)
def _(ax: Any) -> None:
    sizes = np.logspace(-2, 0.5, 26)
    estimates = [three_state_estimate(size) for size in sizes]
    paths = np.array([path_divergences(estimate).value for estimate in estimates])
    ends = np.array([np.asarray(end_divergences(estimate).value)[1] for estimate in estimates])
    ax.loglog(sizes, 1.5 * sizes**2, "--", color="0.3", label=r"bound $T\varepsilon^2/2$")
    ax.loglog(sizes, paths[:, 0], color="C0", label=r"$\mathrm{KL}(Q^*\|\hat Q)$")
    ax.loglog(sizes, paths[:, 1], "-.", color="C1", label=r"$\mathrm{KL}(\hat Q\|Q^*)$")
    ax.loglog(sizes, ends, ":", color="C2", label=r"$\mathrm{KL}(\hat q_T\|q^*_T)$")
    ax.set(xlabel=r"largest error $\varepsilon$ of a value", ylabel="divergence (nats)", ylim=(2e-7, 1e5))
    ax.grid(True)
    ax.legend(loc="upper left", ncols=2)
