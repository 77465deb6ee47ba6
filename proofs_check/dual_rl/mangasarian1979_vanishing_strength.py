"""Vanishing regularisation of the occupancy program (after Mangasarian and Meyer 1979).

As the strength of the divergence falls, the regularised optimum tends to the optimal policy.  A quadratic penalty gets there
at a positive strength, because the program is linear and its optimum a vertex; the KL divergence never does, and what it
keeps off the optimal policy is exponentially small, at the rate of the smallest loss of an action.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mdplab.claims import DEFINITIONAL, Assumption, AtLeast, AtMost, Claim, Equal, Known, Side, both_sides
from mdplab.claims.tolerances import rounding
from mdplab.instances import Draw
from mdplab.operators import occupancy, policy_of_occupancy
from proofs_check.dual_rl import exact_limits as exact
from proofs_check.dual_rl.instances import OfflineTask, behaviour_task, detour_task, two_state_task
from proofs_check.dual_rl.limit_routes import (
    at,
    candidates,
    charge,
    edge,
    line,
    log_gap,
    log_gap_bounds,
    log_gap_of_policy,
    optimum,
    switches,
    threshold,
    threshold_of_policies,
)
from proofs_check.dual_rl.limit_sides import (
    STRENGTHS,
    dual_sandwich,
    gap_high,
    gap_high_of_policy,
    gap_low,
    gap_low_of_policy,
    growth,
    growth_of_policy,
    joined,
    mass_columns,
    primal_high,
    primal_low,
    total,
    value_high,
    value_low,
)
from proofs_check.dual_rl.recovered_mass import policy_occupancy, recovered
from proofs_check.dual_rl.sikchi2023_dual_rl import supported

SMALL = (0.1, 0.05, 0.03, 0.02)

# --- the routes -----------------------------------------------------------------------------------------------------


def mass_below(task: OfflineTask, divergence: str = "chi-square") -> Side:
    """Recovered mass at the strength .98 alpha_0."""
    found = recovered(at(task, 0.98 * edge(task)), divergence)
    return Side(found.mass, found.mass_error)


def optimal_mass(task: OfflineTask) -> Side:
    """Occupancy of the optimal policy, by policy iteration and a linear solve."""
    best = optimum(task)
    return Side(best.mass, best.mass_error)


def mass_beyond(task: OfflineTask) -> Side:
    """Recovered mass off the optimal policy at the strength 1.05 alpha_0."""
    found = recovered(at(task, 1.05 * edge(task)), "chi-square")
    return Side(found.mass[optimum(task).others].sum(), found.mass_error)


def mass_beyond_of_policy(task: OfflineTask) -> Side:
    """The same of the occupancy of the recovered policy (linear solve)."""
    beyond = at(task, 1.05 * edge(task))
    mass, error = policy_occupancy(beyond, recovered(beyond, "chi-square"))
    return Side(mass[optimum(task).others].sum(), error)


def least_mass(task: OfflineTask) -> Side:
    """Improvement of the objective along the best line from d* to another policy, over the largest A* + alpha K."""
    best, alpha = optimum(task), 1.05 * edge(task)
    found, (k, error) = switches(task, best), line(task, best)
    slope = float((best.advantage + alpha * k)[best.others].max())
    rise = alpha * found.relief - found.loss
    rise_error = alpha * found.relief_error + found.loss_error
    step = np.clip(rise / np.where(found.other, 2 * alpha * found.spread, 1.0), 0.0, 1.0)
    gain = np.where(found.other, step * rise - alpha * step**2 * found.spread, 0.0)
    top = gain.argmax()
    doubt = float(step[top] * rise_error[top] + rounding(alpha * found.spread[top], 24))
    doubt = doubt / slope + float(gain[top]) * (alpha * error + best.advantage_error) / slope**2
    return Side(gain[top] / slope, doubt)


def with_bounds(task: OfflineTask, lower: bool, route: Callable[..., Side]) -> Side:
    """Lower bound and exponent, or exponent and upper bound, at the small strengths."""
    best = optimum(task)
    rows: list[Side] = []
    for a in SMALL:
        bound = log_gap_bounds(at(task, a), best)[0 if lower else 1]
        pair = (bound, route(at(task, a), best))
        rows += pair if lower else pair[::-1]
    return Side(np.array([row.value for row in rows]), np.array([row.error for row in rows]))


def exponent_low(task: OfflineTask) -> Side:
    """Lower bound on -alpha log of the gap, and the exponent itself by the mass that the dual gives (KL)."""
    return with_bounds(task, True, log_gap)


def exponent_high(task: OfflineTask) -> Side:
    """The exponent by the mass that the dual gives, and its upper bound (KL)."""
    return with_bounds(task, False, log_gap)


def policy_exponent_low(task: OfflineTask) -> Side:
    """Lower bound, and the exponent by the loss of the recovered policy (KL)."""
    return with_bounds(task, True, log_gap_of_policy)


def policy_exponent_high(task: OfflineTask) -> Side:
    """The exponent by the loss of the recovered policy, and its upper bound (KL)."""
    return with_bounds(task, False, log_gap_of_policy)


# --- the instances --------------------------------------------------------------------------------------------------


def limit_task(draw: Draw) -> OfflineTask:
    """A model of generator G with the occupancy of a behaviour policy as data."""
    return at(behaviour_task(draw), STRENGTHS[0])


def unique(task: OfflineTask) -> bool:
    """Every other action loses something."""
    best = optimum(task)
    return bool((best.advantage[best.others] < -1e-6).all())


def is_occupancy(task: OfflineTask) -> bool:
    """The data are the occupancy of their own policy."""
    return bool(np.abs(occupancy(task.mdp, policy_of_occupancy(task.data)) - task.data).max() < 1e-9)


M2, DETOUR = two_state_task(), detour_task()

# --- the claim ------------------------------------------------------------------------------------------------------

LIMIT = Claim(
    "regularised-lp-limit",
    title="Vanishing regularisation: exact at a positive strength for chi-square, exponentially small gap for KL",
    papers=("sikchi2023dual", "mangasarian1979nonlinear"),
    provenance="our formalisation",
    theorem="finite exactness of quadratic perturbations",
    statement=r"""
    Let $v(\alpha) = \max_d \langle d, R\rangle - \alpha D_f(d\|d_O)$ over the occupancies, with maximiser $d_\alpha$, for
    KL and chi-square; let $\pi^*$ be the optimal policy, $d^* = d^{\pi^*}$, $J^* = \langle d^*, R\rangle$, $A^* = Q^* - V^*$.

    (i) $v$ is nonincreasing and convex, $J^* - \alpha D_f(d^*\|d_O) \le v(\alpha) \le J^*$.

    (ii) $0 \le J^* - \langle d_\alpha, R\rangle \le \alpha[D_f(d^*\|d_O) - D_f(d_\alpha\|d_O)] \le \alpha D_f(d^*\|d_O)$.

    (iii) Chi-square: $d_\alpha = d^*$ exactly if and only if $\alpha \le \alpha_0$, where with $w_s = d^*(s,\pi^*(s)) /
    d_O(s,\pi^*(s))$, $U = (I - \gamma P_{\pi^*})^{-1}\,2(w - 1)$ and $K(s,a) = U(s) - \gamma\sum_{s'}P(s'|s,a)U(s') + 2$
    $$\alpha_0 = \min_{a \ne \pi^*(s),\ K(s,a) > 0} \frac{-A^*(s,a)}{K(s,a)};$$
    beyond, the mass off $\pi^*$ is at least the gain of the objective on a segment from $d^*$ to the occupancy of another
    policy, divided by the largest $A^* + \alpha K$ off $\pi^*$.

    (iv) KL: $-\alpha\log(J^* - \langle d_\alpha, R\rangle) \to \Delta = \min_{a \ne \pi^*(s)}|A^*(s,a)|$ as $\alpha \to 0$,
    never exact. With $L = (I - \gamma P_{\pi^*})^{-1}\log\frac1{d_O(\cdot,\pi^*)}$, $M = \frac1{1-\gamma}\max_s
    \log\frac{d_O(s)}{(1-\gamma)\mu_0(s)}$ and $(s_1, a_1)$ where $|A^*|$ is least, it lies between $\Delta -
    \alpha\log\sum_{a \ne \pi^*(s)}|A^*|\,d_O\,e^{L(s) + \gamma M}$ and $\Delta - \alpha\,[\log(\Delta\,d_O(s_1,a_1)) - M -
    \gamma (PL)(s_1,a_1)]$.
    """,
    assumptions=(
        Assumption("A1", r"$d_O > 0$ everywhere", DEFINITIONAL, supported),
        Assumption(
            "A2",
            r"$\mu_0 > 0$",
            "a state that only other policies visit",
            lambda task: bool((task.mdp.start_law() > 0).all()),
        ),
        Assumption("A3", "one optimal action in each state, which $\\pi^*$ plays", DEFINITIONAL, unique),
        Assumption(
            "A4",
            r"$d_O$ is an occupancy (of a policy with full support), so that $\alpha_0$ is finite",
            DEFINITIONAL,
            is_occupancy,
        ),
    ),
    instance_family=limit_task,
    witnesses=(M2,),
    instances=25,
)

POLICY = {
    "policy_iteration": "the optimal policy is what both sides are about; second and exact routes enumerate"
}
DUALS = POLICY | {
    "dual_v": "value and mass are two answers: the occupancy of its policy is solved for, the value certified"
}
shape = LIMIT.part(
    "(i)",
    r"$v$ nonincreasing, convex, $J^* - \alpha D_f(d^*\|d_O) \le v \le J^*$ at $\alpha = .1, .2, .4, .8$",
    AtMost(value_low, value_high),
    resolution=1e-9,
    reason="certificates of the dual: 1e-11; distance to the exact minimiser, as small a curvature as the data: 1e-10",
    instances=4,
    cross_left=primal_low,
    cross_right=primal_high,
    shared=DUALS,
    exact=(exact.value_low, exact.value_high),
)
gain = LIMIT.part(
    "(ii)",
    r"$0 \le J^* - \langle d_\alpha, R\rangle \le \alpha[D_f(d^*\|d_O) - D_f(d_\alpha\|d_O)]$",
    AtMost(gap_low, gap_high),
    resolution=1e-9,
    reason="distance to the exact minimiser by the curvature of the dual, as small as the data: 1e-10",
    instances=5,
    cross_left=gap_low_of_policy,
    cross_right=gap_high_of_policy,
    specified_tightness=".51",
    shared=DUALS,
    exact=(exact.gap_low, exact.gap_high),
)
LIMIT.part(
    "(ii) total",
    r"$\alpha[D_f(d^*\|d_O) - D_f(d_\alpha\|d_O)] \le \alpha D_f(d^*\|d_O)$",
    AtMost(growth, total),
    resolution=1e-9,
    reason="distance to the exact minimiser by the curvature of the dual, as small as the data: 1e-10",
    instances=6,
    cross_left=growth_of_policy,
    closed=("right",),
    shared=DUALS,
    exact=(exact.growth, exact.total),
)
exact_edge = LIMIT.part(
    "(iii) threshold",
    r"$\min_{a \ne \pi^*(s), K > 0}(-A^*/K)$ is the largest strength at which no policy improves on $d^*$ linearly",
    Equal(threshold_of_policies, threshold),
    resolution=1e-8,
    reason="linear solves over the smallest mass of the data: 1e-10",
    shared=POLICY,
    exact=(exact.threshold_of_policies, exact.threshold),
)
below = LIMIT.part(
    "(iii)",
    r"chi-square: $d_\alpha = d^*$ at $\alpha = .98\,\alpha_0$",
    Equal(mass_below, optimal_mass),
    resolution=1e-8,
    reason="distance to the exact minimiser by the curvature of the dual: 1e-9",
    shared=POLICY,
    exact=(exact.mass_below, exact.optimal_mass),
)
beyond = LIMIT.part(
    "(iii) beyond",
    r"chi-square: mass off $\pi^*$ at $\alpha = 1.05\,\alpha_0$, with a positive lower bound",
    AtLeast(mass_beyond, least_mass),
    resolution=1e-8,
    reason="values over strengths down to 1e-3 are rounded, and the curvature is as small as the data: 1e-9",
    cross_left=mass_beyond_of_policy,
    closed=("right",),
    shared=DUALS,
    exact=(exact.mass_beyond, exact.least_mass),
)
rate = LIMIT.part(
    "(iv)",
    r"KL: $-\alpha\log(J^* - \langle d_\alpha, R\rangle) = \Delta + O(\alpha)$ at $\alpha = .1, .05, .03, .02$, two explicit bounds",
    AtMost(exponent_low, exponent_high),
    resolution=1e-8,
    reason="residual at the minimiser of the dual, in logarithms: 1e-10",
    instances=5,
    cross_left=policy_exponent_low,
    cross_right=policy_exponent_high,
    shared=DUALS,
    exact=(exact.exponent_low, exact.exponent_high),
)


def chi_gap(task: OfflineTask, strength: float) -> tuple[float, float]:
    """Gap of the chi-square at a strength, and its error."""
    found = charge(at(task, strength), "chi-square", optimum(task))
    return found.gap, found.gap_error


@LIMIT.known(M2)
def _(task: OfflineTask) -> Any:
    first = edge(task)
    yield Known("threshold", ".0719676844890", first, 1e-14)
    yield Known("candidates -A*/K", ".0719676845 .0936365666", candidates(task)[0])
    gaps = [chi_gap(task, a) for a in (1.0, 0.3, 0.1, 1.05 * first, 0.95 * first)]
    printed = ".4471203332 .3464617506 .0808632318 .0137363968 0.0000000000"
    yield Known("chi-square: gaps", printed, [g for g, _ in gaps], max(e for _, e in gaps))
    rows = (
        ".7101727798 3.8276080238e-3 .5565515208",
        ".7722835639 2.778620988e-5 .5245485354",
        ".7974343815 3.91825e-8 .5116510645",
        ".8100111978 1.07066e-11 .5052032721",
    )
    best = optimum(task)
    for a, row in zip(SMALL, rows, strict=True):
        found = charge(at(task, a), "kl", best)
        exponent = float(np.asarray(log_gap(at(task, a), best).value))
        yield Known(f"KL at {a}: value, gap, exponent", row, [found.found.objective, found.gap, exponent])
    least = -best.advantage[best.others].max()
    yield Known("limit of the exponents", ".4923076923", least, best.advantage_error)
    last = float(np.asarray(log_gap(at(task, SMALL[-1]), best).value))
    yield Known("within 5 % at .02", "1.0", last / least, 0.0)


# --- what must fail -------------------------------------------------------------------------------------------------


def half_floor(task: OfflineTask) -> Side:
    """The left sides of (i) with half of alpha D(d*)."""
    whole = dual_sandwich(task)[0]
    value, costs = np.array(whole.value), np.asarray(total(task).value).ravel()
    value[-2 * costs.size : -costs.size] += costs / 2
    return Side(value, whole.error)


def tripled_least(task: OfflineTask) -> Side:
    """The left sides of (iv) with three times the smallest loss of an action."""
    best, whole = optimum(task), exponent_low(task)
    value = np.array(whole.value)
    value[::2] -= 2 * best.advantage[best.others].max()
    return Side(value, whole.error)


shape.control(
    "half of the divergence of the optimal policy",
    kind="constant",
    instance=M2,
    left=half_floor,
)
gain.control(
    "the divergences exchanged",
    kind="mutation",
    instance=M2,
    right=lambda task: joined(mass_columns(task)[0], (-mass_columns(task)[1][0], mass_columns(task)[1][1])),
)
exact_edge.control(
    r"K without its 2",
    kind="constant",
    instance=M2,
    right=lambda task: threshold(task, 0.0),
    specified=".0719676845 .1017022372",
    measure=both_sides,
)
exact_edge.control("a state that only other policies visit", kind="assumption", drops="A2", instance=DETOUR)
below.control(
    "KL in the place of chi-square",
    kind="mutation",
    instance=M2,
    left=lambda task: mass_below(task, "kl"),
)
beyond.control(
    "a strength below the threshold",
    kind="constant",
    instance=M2,
    left=lambda task: Side(
        np.asarray(mass_below(task).value)[optimum(task).others].sum(), mass_below(task).error
    ),
)
rate.control(
    "three times the smallest loss",
    kind="constant",
    instance=M2,
    left=tripled_least,
)


# --- the figure -----------------------------------------------------------------------------------------------------


@LIMIT.figure(
    "Loss of the regularised optimum of the two-state model against the inverse strength. KL: a straight line on the "
    "logarithmic axis, whose slope is the smallest loss of an action (dashed). Chi-square: no loss at all from the "
    "threshold $1/\\alpha_0$ on."
)
def _(ax: Any) -> None:
    best, first = optimum(M2), 1 / edge(M2)
    least = -float(best.advantage[best.others].max())
    inverses = np.linspace(1.0, 40.0, 60)
    logs = [-inverse * float(np.asarray(log_gap(at(M2, 1 / inverse), best).value)) for inverse in inverses]
    ax.plot(inverses, np.array(logs) / np.log(10), color="C0", label="KL")
    slope = logs[-1] + least * (inverses[-1] - inverses)
    ax.plot(inverses, slope / np.log(10), "--", color="0.4", label=r"slope $-\Delta/\ln 10$")
    near = first - np.geomspace(first - 1.0, 1e-3, 60)
    ax.plot(near, [np.log10(chi_gap(M2, 1 / inverse)[0]) for inverse in near], color="C1", label="chi-square")
    ax.axvline(first, color="C1", linestyle=":", label=r"$1/\alpha_0$")
    ax.set(xlabel=r"inverse strength $1/\alpha$", ylabel=r"$\log_{10}(J^* - \langle d_\alpha, R\rangle)$")
    ax.legend(fontsize="small")
