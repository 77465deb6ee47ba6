r"""What closeness to a stage-one policy guarantees for its auxiliary return (Cai et al. 2023).

By the performance difference lemma the loss is ``E_{d^mu} <pi_i - mu, Q^{pi_i}> / (1 - gamma)``: an inner product with a
difference of laws, so at most their total variation times the span of ``Q``; Pinsker and Jensen do the rest.  The occupancy is
that of the *new* policy: divergences measured on the data of the stage-one policy promise nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Assumption, AtMost, Claim, Known, Side, both_sides, rounding
from mdplab.divergences import kl_from_logs, total_variation
from mdplab.instances import SeededDraw
from mdplab.operators import occupancy, state_occupancy
from proofs_check.soft_residual import exact_guarantee as exact
from proofs_check.soft_residual.guarantee_instances import (
    GuaranteeTask,
    guarantee_task,
    leaving_task,
    long_task,
    loop_task,
    three_state_guarantee_task,
)
from proofs_check.soft_residual.mirror_instances import dense_values, flow_error

# --- the routes -----------------------------------------------------------------------------------------------------


def difference(task: GuaranteeTask) -> Side:
    """Modulus of the difference of two certified values at the start law."""
    start = task.mdp.start_law()
    value = abs(float(start @ (task.stage.value - task.other.value)))
    size = np.abs(task.stage.value).max() + np.abs(task.other.value).max()
    error = task.stage.certificate.bound + task.other.certificate.bound
    return Side(value, error + rounding(size, start.size + 2))


def difference_of_occupancies(task: GuaranteeTask) -> Side:
    """Modulus of the mean reward under two occupancies, one transposed solve each, over 1 - gamma."""
    mdp = task.mdp
    stage, other = np.exp(task.log_stage), np.exp(task.log_policy)
    pairs = [occupancy(mdp, policy) for policy in (stage, other)]
    horizon, largest = 1 / (1 - mdp.discount), float(np.abs(mdp.reward).max())
    flows = flow_error(mdp, pairs[0].sum(axis=1), stage) + flow_error(mdp, pairs[1].sum(axis=1), other)
    value = abs(float(((pairs[0] - pairs[1]) * mdp.reward).sum())) * horizon
    return Side(value, horizon * largest * (flows + rounding(2.0, mdp.reward.size + 6)))


def variations(task: GuaranteeTask) -> tuple[FloatArray, FloatArray]:
    """Total variation of the two policies in every state, and its error."""
    stage, other = np.exp(task.log_stage), np.exp(task.log_policy)
    return total_variation(other, stage), rounding(np.ones(task.mdp.n_states), task.mdp.n_actions + 6)


def divergences(task: GuaranteeTask) -> tuple[FloatArray, FloatArray]:
    """``KL(mu || pi_i)`` in every state, and its error."""
    logs = np.abs(task.log_policy) + np.abs(task.log_stage)
    terms = np.exp(task.log_policy) * (logs + 1)
    return kl_from_logs(task.log_policy, task.log_stage), rounding(terms.sum(axis=1), task.mdp.n_actions + 8)


def under(task: GuaranteeTask, visiting: FloatArray, distances: tuple[FloatArray, FloatArray]) -> Side:
    """Mean of distances under the occupancy of a policy, by a transposed solve."""
    d = state_occupancy(task.mdp, visiting)
    error = flow_error(task.mdp, d, visiting) * distances[0].max() + d @ distances[1]
    return Side(d @ distances[0], error + rounding(distances[0].max(), d.size + 2))


def by_evaluation(task: GuaranteeTask, distances: tuple[FloatArray, FloatArray]) -> Side:
    """The same mean as the value of the other policy when distances are its rewards, by a dense solve."""
    mdp = task.mdp.replace(reward=np.broadcast_to(distances[0][:, None], task.mdp.reward.shape))
    values, _, error = dense_values(mdp, task.log_policy[None])
    size = rounding(np.abs(values).max(), values.size + 2)
    scale = 1 - mdp.discount
    return Side(scale * (values[0] @ mdp.start_law()), scale * (error + size) + distances[1].max())


def root_of_half(mean: Side) -> Side:
    """``sqrt(mean / 2)``, its error from the ends of the enclosure."""
    value, error = float(np.asarray(mean.value)), float(np.asarray(mean.error))
    root = np.sqrt(value / 2)
    ends = np.sqrt((value + error) / 2) - root, root - np.sqrt(max(value - error, 0.0) / 2)
    return Side(root, max(ends) + rounding(root, 4))


def times_span(task: GuaranteeTask, q: FloatArray, q_error: float, mean: Side) -> Side:
    """Largest span of ``Q`` in a state times a mean distance, over 1 - gamma."""
    span, average, off = float(np.ptp(q, axis=1).max()), float(np.asarray(mean.value)), np.asarray(mean.error)
    value, horizon = span * average, 1 / (1 - task.mdp.discount)
    missed = (2 * q_error + float(rounding(np.abs(q).max(), 4))) * (average + float(off))
    return Side(horizon * value, horizon * (span * off + missed) + rounding(horizon * value, 8))


def action_values(task: GuaranteeTask) -> tuple[FloatArray, float]:
    """Certified action values up to a constant, and their error."""
    return task.centred_stage.q, task.centred_stage.q_error + task.centring_error


def action_values_by_solve(task: GuaranteeTask) -> tuple[FloatArray, float]:
    """The same by a dense solve."""
    _, q, error = dense_values(task.centred_mdp, task.log_stage[None])
    return q[0], error + task.centring_error


def variation_bound(task: GuaranteeTask) -> Side:
    """Span of certified action values times the mean total variation, over 1 - gamma."""
    mean = under(task, np.exp(task.log_policy), variations(task))
    return times_span(task, *action_values(task), mean)


def variation_bound_by_solves(task: GuaranteeTask) -> Side:
    """The same by dense solves."""
    return times_span(task, *action_values_by_solve(task), by_evaluation(task, variations(task)))


def divergence_bound(task: GuaranteeTask) -> Side:
    """Span of certified action values times the root of half the mean divergence, over 1 - gamma."""
    mean = under(task, np.exp(task.log_policy), divergences(task))
    return times_span(task, *action_values(task), root_of_half(mean))


def divergence_bound_by_solves(task: GuaranteeTask) -> Side:
    """The same by dense solves."""
    return times_span(
        task, *action_values_by_solve(task), root_of_half(by_evaluation(task, divergences(task)))
    )


# --- the claim ------------------------------------------------------------------------------------------------------

THREE, LOOP, LEAVING = three_state_guarantee_task(), loop_task(), leaving_task()
EVALUATION_IS_SHARED = "certified values of a policy; the second routes use none"

GUARANTEE = Claim(
    "tscac-auxiliary-guarantee",
    title="Staying close to a stage-one policy bounds the loss of its auxiliary return",
    papers=("cai2023tsac",),
    provenance="our formalisation",
    statement=r"""
    Let $\pi_i$ be a stage-one policy with auxiliary reward $r_i$, $\mu$ any policy and $\mathrm{sp} = \max_s
    \big(\max_a Q^{\pi_i}(s,a) - \min_a Q^{\pi_i}(s,a)\big)$. Then

    (TV) $|J_i(\pi_i) - J_i(\mu)| \le \frac{\mathrm{sp}}{1-\gamma}\, E_{s \sim d^\mu_\rho} \mathrm{TV}(\mu, \pi_i)$,

    (Pinsker) which is at most $\frac{\mathrm{sp}}{1-\gamma}\sqrt{\tfrac12 E_{s \sim d^\mu_\rho}
    \mathrm{KL}(\mu\|\pi_i)}$,

    (KL) so that the latter bounds the loss too.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"distances are averaged under the occupancy of the new policy $\mu$",
            "divergences under the occupancy of the stage-one policy",
        ),
    ),
    instance_family=guarantee_task,
    witnesses=(THREE, LOOP, LEAVING, long_task()),
    instances=200,
)


def tolerance(task: GuaranteeTask) -> float:
    """1e-10 at the size of the bound with total variation one."""
    span = float(np.ptp(task.stage.q, axis=1).max())
    return 1e-10 * (1 + (span + float(np.abs(task.mdp.reward).max())) / (1 - task.mdp.discount))


def root_tolerance(task: GuaranteeTask) -> float:
    """The tolerance, and what the root makes of a divergence known to 1e-13: at most 1e-13 over twice the root."""
    span, mean = (
        float(np.ptp(task.stage.q, axis=1).max()),
        under(task, np.exp(task.log_policy), divergences(task)),
    )
    return tolerance(task) + span / (1 - task.mdp.discount) * 1e-13 / max(float(np.sqrt(mean.value)), 1e-3)


variation_part = GUARANTEE.part(
    "(TV)",
    r"$|J_i(\pi_i) - J_i(\mu)| \le \frac{\mathrm{sp}}{1-\gamma} E_{d^\mu_\rho} \mathrm{TV}(\mu, \pi_i)$",
    AtMost(difference, variation_bound),
    resolution=tolerance,
    reason="certified values and flow residuals; 1e-10 at the size of the bound",
    cross_left=difference_of_occupancies,
    cross_right=variation_bound_by_solves,
    specified_tightness="0.992",
    exact=(exact.difference, exact.variation_bound),
)
pinsker_part = GUARANTEE.part(
    "(Pinsker)",
    r"$E_{d^\mu_\rho} \mathrm{TV}(\mu, \pi_i) \le \sqrt{\frac12 E_{d^\mu_\rho} \mathrm{KL}(\mu\|\pi_i)}$, both times the factor",
    AtMost(variation_bound, divergence_bound),
    resolution=root_tolerance,
    reason="certified values, flow residuals and a root of a mean divergence; 1e-10 at the size of the bound",
    cross_left=variation_bound_by_solves,
    cross_right=divergence_bound_by_solves,
    exact=(exact.variation_bound, exact.divergence_bound),
)
divergence_part = GUARANTEE.part(
    "(KL)",
    r"$|J_i(\pi_i) - J_i(\mu)| \le \frac{\mathrm{sp}}{1-\gamma} \sqrt{\frac12 E_{d^\mu_\rho} \mathrm{KL}(\mu\|\pi_i)}$",
    AtMost(difference, divergence_bound),
    resolution=root_tolerance,
    reason="certified values, flow residuals and a root of a mean divergence; 1e-10 at the size of the bound",
    cross_left=difference_of_occupancies,
    cross_right=divergence_bound_by_solves,
    specified_tightness="0.948",
    exact=(exact.difference, exact.divergence_bound),
)


def known_of(task: GuaranteeTask, loss: str, variation: str, divergence: str) -> Iterator[Known]:
    """The signed difference and both bounds."""
    signed = task.mdp.start_law() @ (task.stage.value - task.other.value)
    yield Known("J(pi_i) - J(mu)", loss, signed)
    yield Known("bound by the total variation", variation, variation_bound(task).value)
    yield Known("bound by the divergence", divergence, divergence_bound(task).value)


@GUARANTEE.known(THREE)
def _(task: GuaranteeTask) -> Iterator[Known]:
    yield from known_of(task, "-0.6018496874", "0.7224192019", "0.9570911309")


@GUARANTEE.known(LOOP)
def _(task: GuaranteeTask) -> Iterator[Known]:
    yield from known_of(task, "0.5", "0.5", "0.5004181675")


@GUARANTEE.known(LEAVING)
def _(task: GuaranteeTask) -> Iterator[Known]:
    yield Known("right bound where the wrong one fails", "6.7404533721", divergence_bound(task).value)


# --- what must fail -------------------------------------------------------------------------------------------------


def bound_on_old_data(task: GuaranteeTask) -> Side:
    """The divergence averaged under the occupancy of the stage-one policy."""
    mean = under(task, np.exp(task.log_stage), divergences(task))
    return times_span(task, *action_values(task), root_of_half(mean))


def half_the_span(task: GuaranteeTask) -> Side:
    """Half the span in the place of the span."""
    side = variation_bound(task)
    return Side(np.asarray(side.value) / 2, side.error)


def root_of_a_quarter(task: GuaranteeTask) -> Side:
    """Pinsker's constant 1/4 in the place of 1/2."""
    side = divergence_bound(task)
    return Side(np.asarray(side.value) / np.sqrt(2), side.error)


divergence_part.control(
    "divergences under the occupancy of the stage-one policy",
    kind="assumption",
    drops="A1",
    instance=LEAVING,
    right=bound_on_old_data,
    specified="4.1805890874 3.7261751859",
    measure=both_sides,
)
variation_part.control("half the span", kind="constant", instance=LOOP, right=half_the_span)
pinsker_part.control("1/4 in the place of 1/2", kind="constant", instance=LOOP, right=root_of_a_quarter)

# --- the figure -----------------------------------------------------------------------------------------------------


@GUARANTEE.figure(
    "Loss of the auxiliary return over what the mean divergence allows, against that divergence: policies drawn around random "
    "stage-one policies (dots) and the two-state task (large marks, from the stage-one policy on towards one that does harm). "
    "Under the occupancy of the new policy nothing exceeds one (line); on the data of the stage-one policy the two-state task does."
)
def _(ax: Any) -> None:
    def place(task: GuaranteeTask, log_visiting: FloatArray) -> tuple[float, float]:
        mean = float(np.asarray(under(task, np.exp(log_visiting), divergences(task)).value))
        allowed = np.ptp(task.stage.q, axis=1).max() / (1 - task.mdp.discount) * np.sqrt(mean / 2)
        return mean, float(np.asarray(difference(task).value) / allowed)

    tasks = [guarantee_task(SeededDraw(seed)) for seed in range(150)]
    start, way = LEAVING.stage_logits, LEAVING.logits - LEAVING.stage_logits
    path = [GuaranteeTask(LEAVING.mdp, start, start + share * way) for share in np.linspace(0.1, 1.5, 15)]
    drawn = np.array([place(task, task.log_policy) for task in tasks])
    right = np.array([place(task, task.log_policy) for task in path])
    wrong = np.array([place(task, task.log_stage) for task in path])
    ax.semilogx(*drawn.T, ".", color="0.6", markersize=4)
    ax.plot(*right.T, "o-", color="C0", markersize=4, linewidth=1, label=r"under $d^\mu$ (right)")
    ax.plot(*wrong.T, "x--", color="C1", markersize=5, linewidth=1, label=r"under $d^{\pi_i}$ (wrong)")
    ax.axhline(1.0, color="0.2")
    ax.set(
        xlabel=r"mean divergence $E\,\mathrm{KL}(\mu\|\pi_i)$ (nats)",
        ylabel="loss over its bound",
        xlim=(5e-5, 1e1),
        ylim=(0.0, 1.45),
    )
    ax.legend(loc="upper left")
