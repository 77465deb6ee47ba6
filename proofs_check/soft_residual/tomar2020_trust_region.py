r"""Trust regions and mirror descent (Tomar, Shani, Efroni and Ghavamzadeh 2020): one path, two ways to time it.

For the policies ``p_lambda`` of the path and every policy ``p`` the dual function has ``g(lambda) - <p, Q> = lambda (delta -
D(p) + D(p || p_lambda))``, ``D`` the mean divergence under the occupancy.  At the multiplier whose divergence is the radius the
right side is at least ``lambda D(p || p_lambda)`` for every ``p`` within the radius: the mirror step with the step ``1 / lambda``
is the only solution, and how much another policy lacks is known.

The recorded step is an exact one along ``Q + epsilon``, and what ``epsilon`` moves is in the error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import (
    DEFINITIONAL,
    Assumption,
    AtLeast,
    Claim,
    Equal,
    Known,
    Method,
    Separates,
    Side,
    both_sides,
    rounding,
)
from mdplab.convex.flow import FlowPolytope
from proofs_check.soft_residual import exact_trust as exact
from proofs_check.soft_residual import tomar2020_mdpo as mdpo
from proofs_check.soft_residual.trust_instances import (
    TrustTask,
    three_state_trust_task,
    trust_task,
    unvisited_task,
    with_shared_rows,
    with_unvisited_states,
)
from proofs_check.soft_residual.trust_routes import (
    FACTORS,
    attained,
    conic_attained,
    conic_multiplier,
    conic_policy,
    converse_policy,
    divergence,
    divergence_far_out,
    implied_first_step,
    implied_steps,
    improvements,
    improvements_by_solves,
    increments,
    increments_by_divergences,
    largest_radius,
    lead,
    lead_by_divergences,
    multiplier,
    nothing,
    path_policy,
    surrogate,
)

# --- the claim ------------------------------------------------------------------------------------------------------

SMALL, MIDDLE, LARGE = (three_state_trust_task(radius) for radius in (0.001, 0.01, 0.1))


def long_task(radius: float) -> TrustTask:
    """Discount .999 and a policy that is nearly deterministic."""
    logits = np.array([[0.0, -30.0], [-20.0, 0.0], [0.0, -8.0]])
    return replace(LARGE, mdp=LARGE.mdp.replace(discount=0.999), logits=logits, radius=radius)


CONE = "one side is the optimum of a cone solver, polished in doubles"
STEP_IS_AN_INPUT = {
    "policy_evaluation": "the critic is an input; its error is in the bound",
    "trust_region": "the step is an input: a wrong one shows in the radius, which is on one side alone",
}

TRUST = Claim(
    "trpo-lagrangian-path",
    title="The exact average-KL trust-region step is a mirror step with one shared step size",
    papers=("tomar2020mdpo",),
    provenance="our formalisation",
    statement=r"""
    Let $d_k = d^{\pi_k}_\rho$ and consider $\max_\pi E_{d_k}\langle A^{\pi_k}, \pi\rangle$ subject to $E_{d_k}
    \mathrm{KL}(\pi\|\pi_k) \le \delta$, $0 < \delta < \delta_{max}$.

    (solution) The unique solution is $\pi \propto \pi_k e^{\eta Q^{\pi_k}}$ with a single $\eta(\delta)$ for all states: for
    every $\mu$, $E_{d_k}\langle A^{\pi_k}, \pi - \mu\rangle = \frac1\eta E_{d_k}\big[\mathrm{KL}(\mu\|\pi) -
    \mathrm{KL}(\mu\|\pi_k)\big] + \frac\delta\eta$.

    (multiplier) $\eta(\delta)$ is the inverse of the multiplier of the constraint.

    (increasing) $\eta \mapsto E_{d_k}\mathrm{KL}(\pi_\eta\|\pi_k)$ is strictly increasing (unless $A^{\pi_k} = 0$): from $\eta$ to
    $\eta'$ it gains $E_{d_k}\big[\mathrm{KL}(\pi_{\eta'}\|\pi_\eta) + \frac{\eta}{\eta' - \eta}\,
    \mathrm{J}(\pi_{\eta'}, \pi_\eta)\big]$, $\mathrm J$ the Jeffreys divergence.

    (limit) It tends to $\delta_{max} = E_{d_k}[-\log\pi_k(\text{greedy actions of } Q^{\pi_k})]$ as $\eta \to \infty$.

    (monotone) Hence for every $\delta$ the step is monotone in value, and $\delta$ only re-times one path.

    (converse) The converse order $\mathrm{KL}(\pi_k\|\pi)$ gives another path, of no single $\eta$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "$d_k > 0$ in all states",
            "a state that is never visited: any policy is optimal there",
            lambda task: bool(FlowPolytope.of(task.mdp).reachable().all()),
            wider=with_unvisited_states,
        ),
        Assumption(
            "A2",
            "tabular policy: independent rows",
            "one row for all states",
            lambda task: not task.shared,
            wider=with_shared_rows,
        ),
        Assumption("A3", "exact advantage", "the critic of half the discount"),
        Assumption(
            "A4",
            r"$0 < \delta < \delta_{max}$, beyond which no $\eta$ is finite",
            DEFINITIONAL,
            lambda task: bool(np.isfinite(task.region.step)),
        ),
    ),
    methods=(
        Method(
            "Trust region policy optimisation",
            "tilt",
            "KL",
            "the policy against the last iterate, in the mean over its states",
        ),
    ),
    instance_family=trust_task,
    witnesses=(SMALL, MIDDLE, LARGE, long_task(1e-2), long_task(1e-6)),
    instances=100,
)


def size(task: TrustTask) -> float:
    """The size of the advantages and of the logarithms over the step."""
    logs = float(np.abs(task.log_policy).max() + np.abs(task.region.log_policy).max())
    return 1 + float(np.abs(task.evaluation.q).max()) + logs / task.region.step


program_part = TRUST.part(
    "(solution, cone program)",
    "the cone program finds the mirror step",
    Equal(conic_policy, path_policy),
    resolution=1e-5,
    reason="what both miss of the conditions of optimality, and an interval around the multiplier; 1e-5",
    instances=10,
    witnesses=(SMALL, MIDDLE, LARGE),
    shared={"policy_evaluation": "the critic is an input"},
    exact=CONE,
)
surrogate_part = TRUST.part(
    "(solution, cone program, surrogate)",
    "and its surrogate",
    Equal(attained, conic_attained),
    resolution=lambda task: 1e-7 * size(task),
    reason="certified gap of the program; 1e-7 at the size of the advantages",
    instances=10,
    witnesses=(SMALL, MIDDLE, LARGE),
    shared={"policy_evaluation": "the critic is an input"},
    exact=CONE,
)
solution_part = TRUST.part(
    "(solution)",
    r"$E_{d_k}\langle A, \pi - \mu\rangle = \frac1\eta E_{d_k}[\mathrm{KL}(\mu\|\pi) - \mathrm{KL}(\mu\|\pi_k)] + \frac\delta\eta$",
    Equal(lead, lead_by_divergences),
    resolution=lambda task: 1e-10 * size(task) / (1 - task.mdp.discount),
    reason="certified values, rounding of divergences over the step; 1e-10 at the size of both",
    shared=STEP_IS_AN_INPUT,
    exact=(exact.lead, exact.lead_by_divergences),
)
multiplier_part = TRUST.part(
    "(multiplier, cone program)",
    r"$1/\eta$ is the multiplier of the cone program",
    Equal(conic_multiplier, multiplier),
    resolution=lambda task: 1e-4 / task.region.step,
    reason="signs of the divergence less the radius around both; 1e-4 relative",
    instances=10,
    witnesses=(SMALL, MIDDLE, LARGE),
    shared={"policy_evaluation": "the critic is an input"},
    exact=CONE,
)
increasing_part = TRUST.part(
    "(increasing)",
    r"the divergence gains $E_{d_k}[\mathrm{KL}(\pi_{\eta'}\|\pi_\eta) + \frac{\eta}{\eta' - \eta} \mathrm J(\pi_{\eta'}, \pi_\eta)]$",
    Equal(increments, increments_by_divergences),
    resolution=lambda task: (
        1e-10 * (1 + float(np.abs(task.log_policy).max())) * (1 + 64 * task.region.step * size(task))
    ),
    reason="rounding of divergences and of the logarithms of the path; 1e-10 at their size",
    shared=STEP_IS_AN_INPUT,
    exact=(
        partial(exact.increments, factors=FACTORS),
        partial(exact.increments_by_divergences, factors=FACTORS),
    ),
)
limit_part = TRUST.part(
    "(limit)",
    r"$E_{d_k}\mathrm{KL} \to E_{d_k}[-\log\pi_k(\text{greedy actions})]$",
    Equal(divergence_far_out, largest_radius),
    resolution=lambda task: 1e-11 * (1 + float(np.abs(task.log_policy).max())) / (1 - task.mdp.discount),
    reason="what the divergence has still to gain at that step, and rounding; 1e-11 at the size of the logarithms",
    quantifier="limit",
    shared={"policy_evaluation": "the critic is an input: it says which actions are greedy"},
    exact="a limit: at a finite step the sides differ by what is still to come",
)
monotone_part = TRUST.part(
    "(monotone)",
    r"$V^\pi \ge V^{\pi_k}$ in every state",
    AtLeast(improvements, nothing),
    resolution=lambda task: 1e-11 * mdpo.value_size(task.move) / (1 - task.mdp.discount),
    reason="certificates of the values and rounding of the step; 1e-11 of the size of the values over 1 - gamma",
    cross_left=improvements_by_solves,
    closed=("right",),
    shared={**STEP_IS_AN_INPUT},
    exact=(exact.improvements, exact.nothing),
)
TRUST.part(
    "(converse)",
    r"within $E_{d_k}\mathrm{KL}(\pi_k\|\pi) \le .1$ the steps that the solution implies differ from state to state",
    Separates(implied_steps, implied_first_step, margin=0.1),
    resolution=1e-9,
    reason="rounding of a bisection and of quotients",
    quantifier="exists",
    witnesses=(LARGE,),
    shared={"policy_evaluation": "the critic is an input"},
    exact="a separation of two numbers, far above their rounding",
)


def known_of(task: TrustTask, step: str, column: str, gain: str) -> Iterator[Known]:
    """Step, new first column and gain of the start value at a radius."""
    yield Known(f"step at delta = {task.radius}", step, task.region.step)
    yield Known(f"first column at delta = {task.radius}", column, task.region.policy[:, 0])
    yield Known(f"gain at delta = {task.radius}", gain, mdpo.gain(task.move).value)


@TRUST.known(SMALL)
def _(task: TrustTask) -> Iterator[Known]:
    yield from known_of(task, "0.1162971572", "0.6522817581 0.2822304765 0.3576882355", "0.1736247035")


@TRUST.known(MIDDLE)
def _(task: TrustTask) -> Iterator[Known]:
    yield from known_of(task, "0.3779419869", "0.7149395992 0.2672494654 0.3148434798", "0.5476212269")


# The specification prints 1.3976265936 for the step and 0.1729676720 for the last number with a step for each state; in balls
# they are 1.397626593530548 and 0.172967719958.
@TRUST.known(LARGE)
def _(task: TrustTask) -> Iterator[Known]:
    yield from known_of(task, "1.3976265935", "0.8860785687 0.2138813794 0.1785125179", "1.6720899361")
    yield Known("largest radius", "0.4391225217", task.largest_radius)
    yield Known(
        "first column in the converse order", "0.8564 0.2079 0.1865", np.exp(converse_policy(task)[:, 0])
    )
    column = "0.8270322800 0.1047762641 0.1729677200"
    yield Known("first column with a step for each state", column, np.exp(one_step_a_state(task)[:, 0]))


# --- what must fail -------------------------------------------------------------------------------------------------


def one_step_a_state(task: TrustTask) -> FloatArray:
    """Log-policy whose divergence is the radius in each state alone."""
    rows = [
        solvers.trust_region(row, logs[None], radii=[task.radius]).log_policy[0]
        for row, logs in zip(task.advantage, task.log_policy, strict=True)
    ]
    return np.array(rows)


def attained_state_by_state(task: TrustTask) -> Side:
    """Surrogate of the steps state by state, less that of the policy."""
    ours, before = surrogate(task, one_step_a_state(task)), surrogate(task, task.log_policy)
    return Side(ours[0] - before[0], ours[1] + before[1])


def careless_policy(task: Any) -> Side:
    """Another optimal policy: the mirror step where states are visited, action 0 where they are not."""
    side, visited = path_policy(task), FlowPolytope.of(task.mdp).reachable()[:, None]
    first = np.arange(task.mdp.n_actions) == 0
    return Side(np.where(visited, side.value, first), rounding(np.ones_like(task.region.policy)))


def mirror_policy(task: TrustTask) -> Side:
    """The mirror step in all states, visited or not."""
    return Side(task.region.policy, rounding(np.ones_like(task.region.policy)))


def another_order(task: TrustTask) -> Side:
    """The identity with the two divergences of the other policy turned round."""
    apart = divergence(task, task.region.log_policy, task.log_rival)
    away = divergence(task, task.log_policy, task.log_rival)
    return Side((apart[0] - away[0] + task.radius) / task.region.step, apart[1])


surrogate_part.control(
    "a step for each state",
    kind="mutation",
    instance=LARGE,
    left=attained_state_by_state,
    specified="0.1496454068 0.1610362619",
    measure=both_sides,
)
program_part.control(
    "a state that is never visited: any policy is optimal there",
    kind="assumption",
    drops="A1",
    instance=unvisited_task(),
    left=careless_policy,
    right=mirror_policy,
    both="two optimal policies in the place of one",
)
monotone_part.control(
    "one row for all states",
    kind="assumption",
    drops="A2",
    instance=TrustTask(mdpo.crossing(), np.log([[0.6, 0.4]] * 2), np.zeros((2, 2)), 0.5, shared=True),
)
monotone_part.control(
    "the critic of half the discount",
    kind="assumption",
    drops="A3",
    instance=TrustTask(mdpo.waiting(), np.zeros((2, 2)), np.zeros((2, 2)), 0.1),
    left=lambda task: mdpo.with_another_critic(task.move),
)
solution_part.control(
    "divergences in the converse order", kind="mutation", instance=LARGE, right=another_order
)

# --- the figure -----------------------------------------------------------------------------------------------------


@TRUST.figure(
    "Left: the path of the trust-region step on the three-state task, in the probabilities of action 0 in states 0 and 1, with the "
    "radii $\\delta$ as ticks; the converse order (dashed) leaves it. Right: gain of the start value against the radius, up to "
    "$\\delta_{max}$ (dotted).",
    panels=2,
)
def _(axes: Any) -> None:
    left, right = axes
    radii = np.geomspace(1e-4, 0.999 * LARGE.largest_radius, 60)
    tasks = [replace(LARGE, radius=radius) for radius in radii]
    path = np.array([task.region.policy[:, 0] for task in tasks])
    converse = np.array([np.exp(converse_policy(task)[:, 0]) for task in tasks])
    left.plot(path[:, 0], path[:, 1], color="C0", label=r"$\mathrm{KL}(\pi\|\pi_k) \leq \delta$")
    left.plot(
        converse[:, 0],
        converse[:, 1],
        color="C1",
        linestyle="dashed",
        label=r"$\mathrm{KL}(\pi_k\|\pi) \leq \delta$",
    )
    for radius in (0.001, 0.01, 0.1, 0.3):
        point = replace(LARGE, radius=radius).region.policy[:, 0]
        left.plot(point[0], point[1], "o", color="C0", markersize=4)
        left.annotate(f"{radius}", point[:2], textcoords="offset points", xytext=(4, 4), fontsize=9)
    left.set(xlabel=r"$\pi(0|s_0)$", ylabel=r"$\pi(0|s_1)$", xlim=(0.6, 1.02))
    left.legend(loc="lower left")
    right.semilogx(radii, [mdpo.gain(task.move).value for task in tasks], color="C0")
    right.axvline(LARGE.largest_radius, color="0.3", linestyle="dotted")
    right.text(0.93 * LARGE.largest_radius, 0.1, r"$\delta_{max}$", ha="right")
    right.set(xlabel=r"radius $\delta$", ylabel="gain of the start value")
    right.grid(True)
