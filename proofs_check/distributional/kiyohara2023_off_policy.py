"""Off-policy estimators (Kiyohara et al. 2023; Jiang and Li 2016): exact means and variances, and what is only folklore.

Importance sampling, per decision or marginal, and the doubly robust estimator all have the value of the target as their
mean.  The variance of the last is a sum of orthogonal increments, and only one of them depends on the control variate:
the true action values are the best, no control variate (per-decision importance sampling) is one of the others.  No other
two of the estimators are ordered.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from mdplab import operators, solvers
from mdplab._typing import FloatArray
from mdplab.claims import Assumption, AtMost, Claim, Equal, Known, Separates, Side, rounding
from mdplab.enumeration import expectation_over_groups
from mdplab.instances import SeededDraw
from proofs_check.distributional import exact_off_policy as exact
from proofs_check.distributional.off_policy_tasks import (
    ANY_START,
    EVEN,
    LATE_COIN,
    NO_RETURN,
    NO_RETURN_EVEN,
    TWO_STATES,
    UNSUPPORTED,
    OffPolicyTask,
    random_task,
    supported,
    two_states,
    unsupported_task,
)

# --- routes ---------------------------------------------------------------------------------------------------------


def means(task: OffPolicyTask, *, believed: FloatArray | None = None) -> Side:
    """Means of IS, PDIS, MIS and DR with the rough estimate, over all trajectories of the behaviour."""
    found = [task.log.expectation(estimate) for estimate in task.estimates(believed).values()]
    return Side(found, task.mean_error())


def value(task: OffPolicyTask, policy: FloatArray) -> tuple[float, float]:
    """Value of a policy by backward induction, and its error."""
    found, start = solvers.stage_evaluation(task.mdp, policy), task.model.start_law()
    size = float(np.abs(found.value).max())
    return float(start @ found.value[0]), float(found.value_errors[0] + rounding(size, 40))


def target_value(task: OffPolicyTask) -> Side:
    """The value of the target by backward induction, four times."""
    found, error = value(task, task.target)
    return Side([found] * 4, error)


def direct_bias(task: OffPolicyTask) -> Side:
    """Mean of the direct estimate less that of importance sampling, over all trajectories."""
    direct = operators.direct_method(task.log, task.target, task.estimate)
    return Side(task.log.expectation(direct - task.estimates()["IS"]), 2 * task.mean_error())


def residual_sum(task: OffPolicyTask, *, along: str = "target") -> Side:
    """Discounted sum of the Bellman residuals of the estimate in the state-action laws of the target."""
    pairs = operators.stage_occupancy(task.mdp, getattr(task, along))
    ahead = np.vstack(((task.target * task.estimate).sum(axis=-1)[1:], np.zeros((1, 2))))
    backed = task.mdp.reward + task.discount * np.einsum("saz,tz->tsa", task.mdp.transition, ahead)
    powers = task.discount ** np.arange(task.horizon)
    return Side(powers @ (pairs * (task.estimate - backed)).sum(axis=(1, 2)), task.mean_error())


def self_normalised_mean(task: OffPolicyTask, size: int) -> float:
    """Mean of the self-normalised estimate over all data sets of ``size`` trajectories."""

    def estimate(groups: Any) -> FloatArray:
        return operators.self_normalised(task.ratios[:, -1][groups], task.log.returns[groups])

    return float(expectation_over_groups(estimate, task.log.probability, size))


def self_normalised(task: OffPolicyTask, *, size: int) -> Side:
    """Mean of the self-normalised estimate over all data sets of one size."""
    terms = size * task.operations() + task.log.n_trajectories**size
    return Side(self_normalised_mean(task, size), rounding(np.abs(task.log.returns).max(), int(terms)))


def behaviour_value(task: OffPolicyTask) -> Side:
    """The value of the behaviour by backward induction."""
    return Side(*value(task, task.behaviour))


def one_value(task: OffPolicyTask) -> Side:
    """The value of the target by backward induction."""
    return Side(*value(task, task.target))


def rough_or_none(task: OffPolicyTask) -> list[FloatArray]:
    return [task.estimate, np.zeros_like(task.estimate)]


def control_variates(task: OffPolicyTask) -> list[FloatArray]:
    return [task.q, *rough_or_none(task)]


def variances(task: OffPolicyTask, controls: Any = control_variates) -> Side:
    """Variances with true, rough and no action values, over all trajectories."""
    found = [task.variance(task.doubly_robust(q)) for q in controls(task)]
    return Side(found, task.variance_error())


def increments(task: OffPolicyTask, controls: Any = control_variates) -> Side:
    """Variances with true, rough and no action values: orthogonal increments along a forward sweep."""
    found = [
        operators.doubly_robust_variance(task.model, task.target, task.behaviour, q, discount=task.discount)
        for q in controls(task)
    ]
    return Side(found, task.variance_error())


def no_start(task: OffPolicyTask) -> Side:
    """The increments without the variance of the start."""
    start, first = task.model.start_law(), (task.target * task.q[0]).sum(axis=-1)
    return Side(
        np.asarray(increments(task).value) - start @ (first - start @ first) ** 2, task.variance_error()
    )


def least(task: OffPolicyTask, route: Any = variances) -> Side:
    """Variance with the true action values, twice, over all trajectories."""
    return Side(route(task, lambda task: [task.q] * 2).value, task.variance_error())


def others(task: OffPolicyTask, route: Any = variances) -> Side:
    """Variances with the rough estimate and with none, over all trajectories."""
    return Side(route(task, rough_or_none).value, task.variance_error())


def variance_of(task: OffPolicyTask, name: str) -> Side:
    """Variance of one estimator over all trajectories."""
    return Side(task.variances()[name], task.variance_error())


# --- the claim ------------------------------------------------------------------------------------------------------

OPE = Claim(
    "ope-exact-bias-variance",
    title="IS, PDIS, MIS and DR are unbiased; the variance of DR in closed form, least for the true action values",
    papers=("kiyohara2023sharpe", "jiang2015doubly"),
    provenance="our formalisation",
    statement=r"""
    A finite horizon $H$, target $\pi$ of value $V^\pi$, behaviour $\mu$, start law $d_0$; $\rho_{0:t}$ is the cumulative
    ratio $\prod_{k \le t} \pi(a_k|s_k) / \mu(a_k|s_k)$, $d^\pi_t$ and $d^\mu_t$ are the laws of the state at stage $t$, $G$ is
    the return. For one trajectory of $\mu$:

    (a) $V^\pi$ is the mean of IS $\rho_{0:H-1} G$, of PDIS $\sum_t \gamma^t \rho_{0:t} r_t$, of MIS
    $\sum_t \gamma^t \frac{d^\pi_t(s_t) \pi(a_t|s_t)}{d^\mu_t(s_t) \mu(a_t|s_t)} r_t$ and of DR
    $\sum_t \gamma^t [\rho_{0:t}(r_t - \hat Q_t) + \rho_{0:t-1} \sum_a \pi(a|s_t) \hat Q_t(s_t, a)]$, for any $\hat Q$.

    (b) The direct method has the bias $\mathbb{E}_{d_0, \pi} \hat Q_0 - V^\pi = \sum_t \gamma^t \mathbb{E}_{d^\pi_t, \pi}
    [\hat Q_t - r_t - \gamma \sum_a \pi \hat Q_{t+1}]$.

    (c) From one trajectory the self-normalised estimate $\sum_i \rho^{(i)} G^{(i)} / \sum_i \rho^{(i)}$ has the value of
    the behaviour as its mean (where all ratios vanish the plain mean of the returns is the estimate); (d) from two it is
    biased too.

    (e) With $V, Q$ those of the target,
    $$\mathrm{Var(DR)} = \mathrm{Var}_{d_0}(V_0) + \sum_t \gamma^{2t} \Big(\mathbb{E} \rho_{0:t}^2 (r_t + \gamma V_{t+1} - Q_t)^2
      + \mathbb{E} \rho_{0:t-1}^2 \mathrm{Var}_\mu[\rho_t (Q_t - \hat Q_t)]\Big);$$
    for $\hat Q = Q^\pi$ the last term vanishes, and $\hat Q = 0$ is PDIS.

    (f) So no $\hat Q$ has less variance than $Q^\pi$, and PDIS never has.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"full support: $\mu(a|s) > 0$ wherever $\pi(a|s) > 0$",
            "an action that the behaviour never takes",
            supported,
            wider=unsupported_task,
        ),
        Assumption("A2", r"$\mu$ is known", "a wrong behaviour in the ratios"),
    ),
    instance_family=random_task,
    witnesses=(TWO_STATES, ANY_START, NO_RETURN, NO_RETURN_EVEN, LATE_COIN),
    instances=100,
)

FINITE_SUM = "rounding of sums over at most 128 trajectories, in the magnitudes of their terms"
IN_SECOND_MOMENTS = FINITE_SUM + ": some thousands of units of rounding of a second moment"


def in_second_moments(task: OffPolicyTask) -> float:
    """1e-12 in units of the second moment of all terms of an estimate."""
    return 1e-12 * (1 + task.second_moment())


mean_part = OPE.part(
    "(a)",
    r"IS, PDIS, MIS and DR with any $\hat Q$ have the mean $V^\pi$",
    Equal(means, target_value),
    resolution=1e-10,
    reason=FINITE_SUM,
    exact=(exact.means_by_enumeration, exact.value_four_times),
)
bias_part = OPE.part(
    "(b)",
    r"the direct method's bias is the discounted sum of Bellman residuals of $\hat Q$ along the target",
    Equal(direct_bias, residual_sum),
    resolution=1e-10,
    reason=FINITE_SUM,
    exact=(exact.bias_by_enumeration, exact.bias_by_residuals),
)
once_part = OPE.part(
    "(c)",
    "from one trajectory the self-normalised estimate has the mean of the behaviour's returns",
    Equal(partial(self_normalised, size=1), behaviour_value),
    resolution=1e-10,
    reason=FINITE_SUM,
    assumes=(),
    exact=(exact.self_normalised_once, exact.behaviour_value),
)
twice_part = OPE.part(
    "(d)",
    "from two trajectories the self-normalised estimate is biased",
    Separates(partial(self_normalised, size=2), one_value, margin=0.1),
    resolution=1e-10,
    reason=FINITE_SUM,
    quantifier="exists",
    witnesses=(TWO_STATES,),
    exact="a separation by a margin far above the rounding of its two sides",
)
variance_part = OPE.part(
    "(e)",
    r"variance of DR with $\hat Q = Q^\pi$, $\hat Q$ and $0$: the sum of its orthogonal increments",
    Equal(variances, increments),
    resolution=in_second_moments,
    reason=IN_SECOND_MOMENTS,
    shared={
        "stage_evaluation": "only for the control variate Q^pi, an input; the formula sweeps its own values"
    },
    exact=(exact.variances_by_enumeration, exact.variances_by_formula),
)
least_part = OPE.part(
    "(f)",
    r"$\mathrm{Var}$ of DR with $Q^\pi$ is at most that of DR with $\hat Q$ and that of PDIS",
    AtMost(least, others),
    cross_left=partial(least, route=increments),
    cross_right=partial(others, route=increments),
    shared={
        "stage_evaluation": "for the control variate Q^pi of the left side; on the right only in the error bound"
    },
    resolution=in_second_moments,
    reason=IN_SECOND_MOMENTS,
    exact=(exact.least_variance, exact.other_variances),
)


@OPE.known(TWO_STATES)
def _(task: OffPolicyTask) -> Iterator[Known]:
    yield Known("value of the target", "-0.3857", value(task, task.target)[0], 1e-14)
    found = task.variances()
    yield Known(
        "variances of IS, PDIS, DR (Q = 1), MIS",
        "2.53615239 2.40722919 4.28679623 2.13285351",
        np.array([found[name] for name in ("IS", "PDIS", "DR", "MIS")]),
        1e-13,
    )
    yield Known("variance of DR with the true Q", "2.1019592936", found["DR, true Q"], 1e-13)
    yield Known("self-normalised, one trajectory", "-0.06075", self_normalised_mean(task, 1), 1e-14)
    yield Known(
        "self-normalised, two trajectories", "-0.2624430832482624", self_normalised_mean(task, 2), 1e-14
    )


@OPE.known(UNSUPPORTED)
def _(task: OffPolicyTask) -> Iterator[Known]:
    mean = task.log.expectation(task.doubly_robust(task.q))
    yield Known("DR with the true Q needs no support", "-0.3857", mean, 1e-14)


# --- what must fail -------------------------------------------------------------------------------------------------

mean_part.control(
    "an action that the behaviour never takes",
    kind="assumption",
    drops="A1",
    instance=UNSUPPORTED,
    specified="-0.44046 -0.41346 -0.4383 -0.28916",
    measure=lambda outcome: outcome.left,
)
mean_part.control(
    "a wrong behaviour in the ratios",
    kind="assumption",
    drops="A2",
    instance=TWO_STATES,
    left=partial(means, believed=np.array([[0.6, 0.4], [0.5, 0.5]])),
)
bias_part.control(
    "residuals along the behaviour",
    kind="mutation",
    instance=TWO_STATES,
    right=partial(residual_sum, along="behaviour"),
)
once_part.control(
    "the value of the target",
    kind="mutation",
    instance=TWO_STATES,
    right=one_value,
    specified="0.32495",  # -.06075 + .3857
)
twice_part.control(
    "importance sampling in the place of the self-normalised estimate",
    kind="mutation",
    instance=TWO_STATES,
    left=lambda task: Side(np.asarray(means(task).value)[0], task.mean_error()),
)
variance_part.control(
    "the increments of the true Q for every control variate",
    kind="mutation",
    instance=TWO_STATES,
    right=partial(increments, controls=lambda task: [task.q] * 3),
)
variance_part.control("no variance of the start", kind="mutation", instance=ANY_START, right=no_start)
least_part.control(
    "importance sampling in the place of DR with the true Q",
    kind="mutation",
    instance=TWO_STATES,
    left=lambda task: Side([task.variances()["IS"]] * 2, task.variance_error()),
    specified="0.1289232",  # 2.53615239 - 2.40722919
)

# The numbers follow from Var(rho) = .36 and E rho^2 = 1.36 of the first decision.
for suffix, smaller, larger, instance, printed in (
    ("pdis-below-is", "PDIS", "IS", NO_RETURN, "0.4896"),
    ("mis-below-pdis", "MIS", "PDIS", NO_RETURN_EVEN, "0.36"),
    ("rough-dr-below-pdis", "DR", "PDIS", TWO_STATES, "1.87956704"),
    ("true-dr-below-mis", "DR, true Q", "MIS", LATE_COIN, "0.09"),
):
    OPE.reading(
        suffix,
        title=f"The variance of {smaller} is never above that of {larger}",
        statement=f"The variance of {smaller} is at most that of {larger}, on every model with full support.",
        relation=AtMost(partial(variance_of, name=smaller), partial(variance_of, name=larger)),
        counterexamples=(instance,),
        repair=least_part,
        resolution=in_second_moments,
        reason=IN_SECOND_MOMENTS,
        specified=printed,
        shared={"stage_evaluation": "for the control variate Q^pi and the error bound, both inputs"},
    )


# --- the figure -----------------------------------------------------------------------------------------------------


@OPE.figure(
    "Variance of the estimators relative to per-decision importance sampling. Left: 200 random tasks of three stages "
    "(boxes: quartiles; whiskers: 5 to 95 %; crosses: the extremes); only DR with the true action values stays below one. "
    "Right: two states (rough action values: all one), growing horizon.",
    panels=2,
)
def _(axes: Any) -> None:
    names, labels = ("IS", "MIS", "DR", "DR, true Q"), ("IS", "MIS", "DR,\nrough Q", "DR,\ntrue Q")
    found = [random_task(SeededDraw(seed)).variances() for seed in range(200)]
    boxes = [[row[name] / row["PDIS"] for row in found] for name in names]
    axes[0].boxplot(boxes, whis=(5, 95), showfliers=False, widths=0.5)
    for k, box in enumerate(boxes):
        axes[0].plot([k + 1] * 2, [min(box), max(box)], "x", color=f"C{k}")
    axes[0].axhline(1.0, color="0.45", linestyle="--", linewidth=1.0)
    axes[0].set_yscale("log")
    axes[0].set_xticks(range(1, 5), labels)
    axes[0].set(ylabel="variance / variance of PDIS")
    horizons = np.arange(1, 7)
    grown = [two_states(EVEN, horizon=int(h)).variances() for h in horizons]
    for k, (name, label) in enumerate(zip((*names, "PDIS"), (*labels, "PDIS"), strict=True)):
        look = ("o-", "s-", "^-", "v-", "k--")[k]
        axes[1].semilogy(horizons, [row[name] for row in grown], look, label=label.replace("\n", " "))
    axes[1].set_yticks([2, 5, 10, 20, 50], ["2", "5", "10", "20", "50"])
    axes[1].minorticks_off()
    axes[1].set(xlabel="horizon $H$", ylabel="variance", ylim=(1.2, 90.0))
    axes[1].legend(loc="upper left")
