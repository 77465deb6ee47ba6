r"""The second stage of the two-stage constrained actor-critic in one state (Cai et al. 2023): a tilted geometric mean.

For ``p_lambda`` proportional to ``prod_i pi_i^(lambda_i / Lambda) exp(A / Lambda)`` and every ``p`` the deficit of the penalised
objective is ``Lambda KL(p || p_lambda)``.  The dual function ``g`` of the problem within radii has ``g(lambda) - <A, p> = Lambda
KL(p || p_lambda) + sum_i lambda_i (epsilon_i - KL(p || pi_i))``: without gap where the radii with a price are met.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import (
    DEFINITIONAL,
    Assumption,
    AtMost,
    Claim,
    Equal,
    Known,
    Method,
    Side,
)
from mdplab.divergences import chernoff_information
from mdplab.operators import log_mixture, log_tilt, multi_reference_value
from proofs_check.soft_residual import exact_two_stage as exact
from proofs_check.soft_residual.two_stage_instances import (
    TwoStageTask,
    extreme_task,
    pair_task,
    printed_task,
    two_stage_task,
    with_any_radii,
)
from proofs_check.soft_residual.two_stage_routes import (
    attained,
    closed_policy,
    closed_value,
    conic_constrained_policy,
    conic_constrained_value,
    conic_policy,
    conic_radius,
    conic_value,
    constrained_policy,
    deficit,
    divergence,
    divergences,
    dual,
    objective,
    primal,
    radii,
    radii_used,
    radii_used_by_ratios,
    smallest_common_radius,
)

# --- the claim ------------------------------------------------------------------------------------------------------

PRINTED = printed_task()
CONE = "one side is the optimum of a cone solver, polished in doubles"

TWO_STAGE = Claim(
    "tscac-closed-form",
    title="The second-stage policy is a weighted geometric mean of stage-one policies, tilted by the main advantage",
    papers=("cai2023tsac",),
    provenance="as in the paper",
    statement=r"""
    Let $A$ be the main advantage in a state, $\pi_i$ the policies of stage one, $\lambda_i \ge 0$ and $\Lambda = \sum_i
    \lambda_i > 0$. (The form of the solution is the paper's; duality and feasibility are our formalisation.)

    (i) $\max_p \langle A, p\rangle - \sum_i \lambda_i \mathrm{KL}(p\|\pi_i) = \Lambda \log\sum_a \prod_i
    \pi_i^{\lambda_i/\Lambda} e^{A/\Lambda}$, attained by $p^* \propto \prod_i \pi_i^{\lambda_i/\Lambda} e^{A/\Lambda}$; any $p$
    lacks exactly $\Lambda\,\mathrm{KL}(p\|p^*)$.

    (ii) $\max \langle A, p\rangle$ subject to $\mathrm{KL}(p\|\pi_i) \le \epsilon_i$ is solved by $p^*$ at multipliers that minimise
    the convex dual $\Lambda\log\sum_a(\cdot) + \sum_i \lambda_i\epsilon_i$, without gap under strict feasibility; $\lambda = 0$
    if the point mass on $\arg\max A$ is feasible, and $\lambda_i = 0$ for every radius that is not met.

    (iii) For two policies and one common radius a feasible point exists iff $\epsilon \ge -\min_{0 \le s \le 1}
    \log\sum_a \pi_1^s \pi_2^{1-s}$, their Chernoff information.
    """,
    assumptions=(
        Assumption(
            "A1", r"full-support $\pi_i$", DEFINITIONAL, lambda task: bool(np.isfinite(task.logits).all())
        ),
        Assumption("A2", r"$\Lambda > 0$", DEFINITIONAL, lambda task: task.total > 0),
        Assumption(
            "A3",
            "strict feasibility (Slater): a policy within all radii, with room to spare",
            "a common radius below the Chernoff information",
            lambda task: task.has_interior,
            wider=with_any_radii,
        ),
    ),
    methods=(
        Method(
            "Two-stage constrained actor-critic",
            "tilt",
            "KL",
            "the policy against a weighted geometric mean of stage-one policies",
        ),
    ),
    instance_family=two_stage_task,
    witnesses=(PRINTED, extreme_task(1e-3), extreme_task(1.0), extreme_task(1e3)),
    instances=100,
)
PENALISED = ("A1", "A2")


def size(task: TwoStageTask) -> float:
    """The size of the advantages and of the penalties."""
    return 1 + float(np.abs(task.advantage).max()) + task.total * (1 + float(np.abs(task.log_policies).max()))


value_part = TWO_STAGE.part(
    "(i, value)",
    r"the tilted geometric mean attains $\Lambda\log\sum_a\prod_i\pi_i^{\lambda_i/\Lambda}e^{A/\Lambda}$",
    Equal(attained, closed_value),
    resolution=lambda task: 1e-12 * size(task),
    reason="rounding of closed forms; 1e-12 of their size",
    assumes=PENALISED,
    exact=(exact.attained, exact.closed_value),
)
deficit_part = TWO_STAGE.part(
    "(i, deficit)",
    r"any $p$ lacks $\Lambda\,\mathrm{KL}(p\|p^*)$",
    Equal(deficit, divergence),
    resolution=lambda task: 1e-12 * size(task),
    reason="rounding of closed forms; 1e-12 of their size",
    assumes=PENALISED,
    exact=(exact.deficit, exact.divergence),
)
TWO_STAGE.part(
    "(i, cone program, value)",
    "the cone program has this value",
    Equal(conic_value, closed_value),
    resolution=1e-6,
    reason="certified gap of the cone program; 1e-6",
    assumes=PENALISED,
    witnesses=(PRINTED,),
    instances=10,
    exact=CONE,
)
TWO_STAGE.part(
    "(i, cone program, policy)",
    "and this maximiser",
    Equal(conic_policy, closed_policy),
    resolution=1e-5,
    reason="root of the certified gap over Lambda (Pinsker), the point polished by Newton's method; 1e-5",
    assumes=PENALISED,
    witnesses=(PRINTED,),
    instances=10,
    exact=CONE,
)
duality_part = TWO_STAGE.part(
    "(ii, duality)",
    r"$\langle A, p^*\rangle = \Lambda\log\sum_a(\cdot) + \sum_i\lambda_i\epsilon_i$ at the multipliers that minimise the right side",
    Equal(primal, dual),
    resolution=lambda task: 1e-10 * size(task),
    reason="certified gap of the dual problem; 1e-10 at the size of the advantages",
    instances=40,
    shared={"trust_region": "the multipliers are an input: wrong ones leave a gap"},
    exact=(exact.primal, exact.dual),
)
radii_part = TWO_STAGE.part(
    "(ii, radii)",
    r"$\mathrm{KL}(p^*\|\pi_i) \le \epsilon_i$ at the multipliers",
    AtMost(radii_used, radii),
    resolution=lambda task: 1e-11 * size(task),
    reason="rounding of divergences, and what the solution exceeds the radii by; 1e-11",
    cross_left=radii_used_by_ratios,
    closed=("right",),
    instances=40,
    shared={"trust_region": "the solution is an input"},
    exact="radii with a price are met with equality, which no ball decides",
)
TWO_STAGE.part(
    "(ii, cone program, value)",
    "the cone program within radii has the value of the dual",
    Equal(conic_constrained_value, dual),
    resolution=1e-6,
    reason="certified gap of the cone program; 1e-6",
    witnesses=(PRINTED,),
    instances=10,
    exact=CONE,
)
TWO_STAGE.part(
    "(ii, cone program, policy)",
    "and its policy",
    Equal(conic_constrained_policy, constrained_policy),
    resolution=1e-5,
    reason="root of the certified gap over Lambda (Pinsker), the point polished by Newton's method; 1e-5",
    witnesses=(PRINTED,),
    instances=10,
    exact=CONE,
)
radius_part = TWO_STAGE.part(
    "(iii)",
    "the smallest common radius of two policies is their Chernoff information",
    Equal(conic_radius, smallest_common_radius),
    resolution=1e-7,
    reason="certified gap of the cone program; 1e-7",
    family=pair_task,
    assumes=("A1",),
    witnesses=(PRINTED,),
    instances=10,
    exact=CONE,
)


@TWO_STAGE.known(PRINTED)
def _(task: TwoStageTask) -> Iterator[Known]:
    column = "0.3948577711 0.2011119740 0.1051331997 0.2988970552"
    yield Known("tilted geometric mean", column, np.exp(task.log_policy))
    yield Known("its value", "0.3172039556", closed_value(task).value)
    found = task.constrained
    yield Known("multipliers", "0.1894512962 0.5348121140", found.multipliers)
    yield Known("policy within radii", "0.3629037785 0.1860752486 0.0985995766 0.3524213964", found.policy[0])
    yield Known("its value", "0.5368896957", found.objective)
    yield Known("smallest common radius", "0.1166484874", smallest_common_radius(task).value)
    arithmetic = "0.4255321806 0.1749615456 0.0913455592 0.3081607145"
    yield Known("tilted arithmetic mean", arithmetic, np.exp(arithmetic_mean(task)))


# --- what must fail -------------------------------------------------------------------------------------------------


def arithmetic_mean(task: TwoStageTask) -> FloatArray:
    """Log-policy of the tilted arithmetic mean."""
    mixture = task.weights / task.total @ np.exp(task.log_policies)
    return np.asarray(log_tilt(task.advantage, temperature=task.total, log_reference=np.log(mixture)))


def attained_by_the_arithmetic_mean(task: TwoStageTask) -> Side:
    """Objective of the tilted arithmetic mean."""
    return objective(task, arithmetic_mean(task))


def attained_without_division(task: TwoStageTask) -> Side:
    """Objective of the tilt whose exponents are the multipliers themselves."""
    powers = task.weights @ task.log_policies
    return objective(task, np.asarray(log_tilt(task.advantage, temperature=task.total, log_reference=powers)))


def radii_of_the_nearest(task: TwoStageTask) -> Side:
    """Divergences of the policy whose larger divergence is smallest."""
    _, share = chernoff_information(*task.log_policies)
    centre = np.asarray(log_mixture(task.log_policies, [float(share), 1 - float(share)]))
    return Side(*divergences(task, centre))


def half_the_multipliers(task: TwoStageTask) -> Side:
    """The dual function at half the multipliers."""
    found = replace(task.constrained, multipliers=task.constrained.multipliers / 2)
    value = multi_reference_value(task.advantage, task.log_policies, found.multipliers)
    return Side(float(value) + float(found.multipliers @ task.radii))


value_part.control(
    "the arithmetic mean in the place of the geometric one",
    kind="mutation",
    instance=PRINTED,
    left=attained_by_the_arithmetic_mean,
    specified="0.0032234603",
)
value_part.control(
    "exponents that are not divided by Lambda",
    kind="constant",
    instance=PRINTED,
    left=attained_without_division,
    specified="0.0004930996",
)
duality_part.control("half the multipliers", kind="constant", instance=PRINTED, right=half_the_multipliers)
radii_part.control(
    "a common radius below the Chernoff information",
    kind="assumption",
    drops="A3",
    instance=printed_task(radii=(0.1, 0.1)),
    left=radii_of_the_nearest,
    specified="0.0166484874",
)

# --- the figure -----------------------------------------------------------------------------------------------------


@TWO_STAGE.figure(
    "Three actions: the balls $\\mathrm{KL}(p\\|\\pi_i) \\leq .35$ of two policies, the tilted geometric means as $\\Lambda$ runs (line "
    "with arrow towards small $\\Lambda$), and the balls of the smallest common radius (dotted), tangent at the Chernoff point."
)
def _(ax: Any) -> None:
    logs = np.log([[0.7, 0.2, 0.1], [0.15, 0.25, 0.6]])
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])
    grid = np.linspace(1e-3, 1, 300)
    first, second = np.meshgrid(grid, grid)
    inside = first + second < 1 - 1e-3
    points = np.stack([first, second, np.where(inside, 1 - first - second, np.nan)], axis=-1)
    places = np.where(inside[..., None], points, 1 / 3) @ corners
    radius, share = chernoff_information(*logs)
    for number, law in enumerate(logs):
        with np.errstate(invalid="ignore"):
            apart = (points * (np.log(points) - law)).sum(axis=-1)
        for level, style in ((0.35, "solid"), (float(radius), "dotted")):
            ax.contour(places[..., 0], places[..., 1], apart, [level], colors=f"C{number}", linestyles=style)
        spot = np.exp(law) @ corners
        ax.plot(*spot, "o", color=f"C{number}", markersize=4)
        ax.annotate(rf"$\pi_{number + 1}$", spot, textcoords="offset points", xytext=(5, -9))
    totals = np.geomspace(0.02, 50, 80)
    task = replace(PRINTED, advantage=np.array([0.2, 1.0, 0.0]), logits=logs)
    path = (
        np.array([np.exp(replace(task, weights=np.full(2, total / 2)).log_policy) for total in totals])
        @ corners
    )
    ax.plot(path[:, 0], path[:, 1], color="0.2")
    ax.annotate("", path[15], xytext=path[25], arrowprops={"arrowstyle": "->", "color": "0.2"})
    meeting = np.exp(log_mixture(logs, [float(share), 1 - float(share)])) @ corners
    ax.plot(*meeting, "s", color="0.2", markersize=5)
    ax.annotate(
        "Chernoff point", meeting, xytext=(-0.06, 0.62), arrowprops={"arrowstyle": "-", "color": "0.5"}
    )
    ax.plot(*corners[[0, 1, 2, 0]].T, color="0.6", linewidth=1)
    for corner, name in zip(corners, "012", strict=True):
        ax.annotate(f"$a_{name}$", corner, textcoords="offset points", xytext=(-4, 5 if name == "2" else -12))
    ax.set(aspect="equal", xlim=(-0.08, 1.08), ylim=(-0.1, 0.98))
    ax.axis("off")
