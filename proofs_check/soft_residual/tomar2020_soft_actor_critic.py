r"""The exact soft actor-critic step as mirror descent (Tomar, Shani, Efroni and Ghavamzadeh 2020).

The softmax of ``Q / alpha`` is the mirror step with ``eta = 1 / alpha`` in which the uniform policy stands for the previous one,
and the step of entropy-regularised mirror descent that forgets the previous policy altogether: soft policy iteration.  Its rate
is that of the backup, ``T_{pi'} V = T V``.

A recorded update is an exact one along ``Q + epsilon``.  With ``sigma`` the span of ``epsilon`` in a state, ``T_{pi'} V >= T V -
sigma``, so that ``V' >= T V - sigma / (1 - gamma)``: that much is in the errors.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import (
    DEFINITIONAL,
    Assumption,
    AtLeast,
    AtMost,
    Claim,
    Equal,
    Known,
    Method,
    Side,
    Undecided,
    rounding,
)
from mdplab.divergences import kl_from_logs
from mdplab.instances import three_state_logits
from mdplab.operators import log_tilt
from mdplab.solvers import ControlSolution
from proofs_check.soft_residual import cen2022_entropy_npg as npg
from proofs_check.soft_residual import exact_soft_step as exact
from proofs_check.soft_residual.mirror_instances import dense_values, update_errors
from proofs_check.soft_residual.soft_step_instances import (
    SoftStepTask,
    soft_step_task,
    three_state_soft_task,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def first_span(task: SoftStepTask) -> float:
    """Span of what the critic of the first recorded update misses."""
    return float(update_errors(task.descent.run)[0])


def stepped_policy(task: SoftStepTask) -> Side:
    """Policy of the first update of regularised mirror descent at the full step."""
    policy = np.exp(task.descent.run.log_policies[1])
    return Side(policy, first_span(task) / task.temperature + rounding(np.ones_like(policy)))


def conic_policy(task: SoftStepTask) -> Side:
    """Maximiser of a cone program; what it lacks is alpha times its divergence from the optimum (and Pinsker)."""
    if not np.isfinite(task.conic.gap):
        raise Undecided("the cone program has no certified interval")
    missed = 1.01 * np.sqrt(task.conic.gap / (2 * task.temperature)) + first_span(task) / task.temperature
    return Side(task.conic.policy, np.full_like(task.conic.policy, missed))


def objective(task: SoftStepTask, log_policy: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``<Q, p> - alpha KL(p || uniform)`` in every state, and its error; ``Q`` less its largest entry."""
    policy, uniform = np.exp(log_policy), np.full_like(log_policy, -np.log(task.mdp.n_actions))
    q = task.descent.run.q[0]
    gains = q - q.max(axis=1, keepdims=True)
    logs = np.abs(log_policy) + np.log(task.mdp.n_actions)
    terms = policy * (np.abs(gains) + task.temperature * logs)
    value = (policy * gains).sum(axis=1) - task.temperature * kl_from_logs(log_policy, uniform)
    return value, rounding(terms.sum(axis=1), task.mdp.n_actions + 10)


def lead(task: SoftStepTask) -> Side:
    """What the first update attains in every state less what the rival does."""
    ours, theirs = objective(task, task.descent.run.log_policies[1]), objective(task, task.log_rival)
    span = float(task.descent.run.q_span_errors[0])
    return Side(
        ours[0] - theirs[0], ours[1] + theirs[1] + span + rounding(np.abs(task.descent.run.q[0]).max(), 4)
    )


def divergence(task: SoftStepTask) -> Side:
    """``alpha KL(rival || step)`` in every state."""
    after, rival = task.descent.run.log_policies[1], task.log_rival
    value = task.temperature * kl_from_logs(rival, after)
    terms = np.exp(rival) * (np.abs(rival) + np.abs(after) + 1)
    return Side(
        value, task.temperature * rounding(terms.sum(axis=1), task.mdp.n_actions + 10) + first_span(task)
    )


def mirror_log_policy(task: SoftStepTask) -> Side:
    """Log-policy of the first update of regularised mirror descent, the memory exponent zero."""
    logs = task.descent.run.log_policies[1]
    return Side(logs, first_span(task) / task.temperature + rounding(np.abs(logs).max(), 8))


def softmax_of_the_critic(task: SoftStepTask) -> Side:
    """Logarithm of the softmax of ``Q / alpha``, by a dense solve."""
    return softmax_with(task, None)


def softmax_with(task: SoftStepTask, log_reference: FloatArray | None) -> Side:
    """Logarithm of ``reference exp(Q / alpha)``, normalised."""
    _, q, error = dense_values(task.mdp, task.log_policy[None], task.temperature)
    logs = np.asarray(log_tilt(q[0], temperature=task.temperature, log_reference=log_reference))
    size = np.abs(logs).max() + np.abs(q).max() / task.temperature
    return Side(logs, 2 * error / task.temperature + rounding(size, 8))


def improvements(task: SoftStepTask) -> Side:
    """Differences of the certified soft values of successive iterates, in every state."""
    return npg.improvements(task.descent)


def improvements_by_solves(task: SoftStepTask) -> Side:
    """One dense solve for each iterate."""
    return npg.improvements_by_solves(task.descent)


def nothing(task: SoftStepTask) -> Side:
    """Zero."""
    return npg.nothing(task.descent)


def distances(task: SoftStepTask, best: ControlSolution, values: FloatArray, errors: Any) -> Side:
    """Largest distances of the values of the iterates from the optimum."""
    size = rounding(np.abs(values).max(), 2)
    return Side(np.abs(best.value - values).max(axis=1), best.certificate.bound + errors + size)


def all_distances(task: SoftStepTask) -> Side:
    """Soft policy iteration less the certified values of the iterates."""
    run = task.descent.run
    return distances(task, task.descent.optimum, run.values, run.value_errors)


def all_distances_by_solves(task: SoftStepTask) -> Side:
    """Soft value iteration less one dense solve for each iterate."""
    values, _, error = dense_values(task.mdp, task.descent.run.log_policies, task.temperature)
    return distances(task, npg.soft_optimum(task.descent), values, np.full(task.steps + 1, error))


def later(task: SoftStepTask, side: Side) -> Side:
    """The distances after the updates, and what the updates miss."""
    missed = update_errors(task.descent.run) / (1 - task.mdp.discount)
    return Side(np.asarray(side.value)[1:], np.asarray(side.error)[1:] + missed)


def earlier(task: SoftStepTask, side: Side, factor: float) -> Side:
    """The distances before the updates, times a factor."""
    value = factor * np.asarray(side.value)[:-1]
    return Side(value, factor * np.asarray(side.error)[:-1] + rounding(value, 2))


def distances_after(task: SoftStepTask) -> Side:
    """Soft policy iteration less the certified values after the updates."""
    return later(task, all_distances(task))


def distances_after_by_solves(task: SoftStepTask) -> Side:
    """Soft value iteration less dense solves after the updates."""
    return later(task, all_distances_by_solves(task))


def contracted(task: SoftStepTask) -> Side:
    """``gamma`` times soft policy iteration less the certified values before the updates."""
    return earlier(task, all_distances(task), task.mdp.discount)


def contracted_by_solves(task: SoftStepTask) -> Side:
    """``gamma`` times soft value iteration less dense solves before the updates."""
    return earlier(task, all_distances_by_solves(task), task.mdp.discount)


# --- the claim ------------------------------------------------------------------------------------------------------

UNIFORM, GENERIC = three_state_soft_task(), three_state_soft_task(three_state_logits())
CERTAIN = np.log([[0.99, 0.01], [0.05, 0.95], [0.01, 0.99]])


def extreme(temperature: float) -> SoftStepTask:
    """Discount .999 from a policy that is nearly deterministic."""
    logits = np.array([[0.0, -40.0], [-30.0, 0.0], [0.0, -20.0]])
    return replace(GENERIC, mdp=GENERIC.mdp.replace(discount=0.999), logits=logits, temperature=temperature)


ITERATES_ARE_INPUTS = {
    "mirror_descent": "the recorded policies are inputs; what their updates miss is in the bound"
}

SAC = Claim(
    "sac-as-mdpo",
    title="The exact soft actor-critic step is a mirror step from the uniform policy, and the full step of regularised mirror descent",
    papers=("tomar2020mdpo", "cen2020fast"),
    provenance="our formalisation",
    statement=r"""
    At temperature $\alpha$ let $Q_k = Q^{\pi_k}_\alpha$ and $\pi_{k+1} \propto e^{Q_k/\alpha}$.

    (i) $\pi_{k+1} = \arg\max_p \langle Q_k, p\rangle - \alpha\,\mathrm{KL}(p\|\mathrm{unif})$, and any other $p$ loses
    $\alpha\,\mathrm{KL}(p\|\pi_{k+1})$: a mirror step with $\eta = 1/\alpha$ in which the uniform policy replaces the previous one.

    (ii) It is the step of entropy-regularised mirror descent at $\eta = (1-\gamma)/\alpha$, from any $\pi_k$.

    (iii) Soft values are nondecreasing, and $\|V^*_\alpha - V^{\pi_{k+1}}_\alpha\|_\infty \le \gamma \|V^*_\alpha -
    V^{\pi_k}_\alpha\|_\infty$.
    """,
    assumptions=(
        Assumption("A1", "full support", DEFINITIONAL, lambda task: bool(np.isfinite(task.logits).all())),
        Assumption(
            "A2",
            "exact soft critic",
            "the unregularised return under the softmax of a critic without entropy",
        ),
    ),
    methods=(Method("Soft actor-critic", "tilt", "KL", "the policy against the uniform one"),),
    instance_family=soft_step_task,
    witnesses=(UNIFORM, GENERIC, extreme(1e-3), extreme(1.0), extreme(1e3)),
    instances=100,
)


def size(task: SoftStepTask) -> float:
    """The size of the soft values and of the logarithms times alpha."""
    return (
        1
        + float(np.abs(task.descent.run.q[0]).max())
        + task.temperature * (1 + float(np.abs(task.log_rival).max()))
    )


program_part = SAC.part(
    "(i, cone program)",
    r"the cone program $\max \langle Q_k, p\rangle - \alpha\,\mathrm{KL}(p\|\mathrm{unif})$ has this maximiser",
    Equal(conic_policy, stepped_policy),
    resolution=1e-4,
    reason="certified gap of the cone program over alpha, and Pinsker: at most 1e-4 on a policy",
    witnesses=(UNIFORM, GENERIC),
    instances=15,
    shared=ITERATES_ARE_INPUTS,
    exact="one side is the optimum of a cone solver, known to its certified gap",
)
deficit_part = SAC.part(
    "(i, deficit)",
    r"what any $p$ loses is $\alpha\,\mathrm{KL}(p\|\pi_{k+1})$",
    Equal(lead, divergence),
    resolution=lambda task: 1e-11 * size(task) / (1 - task.mdp.discount),
    reason="certified critic and rounding; 1e-11 at the size of the values over 1 - gamma",
    shared=ITERATES_ARE_INPUTS,
    exact=(exact.lead, exact.divergence),
)
step_part = SAC.part(
    "(ii)",
    r"$e^{Q_k/\alpha}$, normalised, is the step of regularised mirror descent at $\eta = (1-\gamma)/\alpha$",
    Equal(mirror_log_policy, softmax_of_the_critic),
    resolution=lambda task: 1e-10 * size(task) / task.temperature,
    reason="certified critic over alpha; 1e-10 at the size of the log-policies",
    exact=(exact.mirror_log_policy, exact.softmax_of_the_critic),
)
QUADRATIC = "the iterates converge quadratically: after ten of them differences are below any precision"
monotone_part = SAC.part(
    "(iii, monotone)",
    r"$V^{\pi_k}_\alpha \le V^{\pi_{k+1}}_\alpha$ in every state",
    AtLeast(improvements, nothing),
    resolution=lambda task: 1e-10 * size(task) / (1 - task.mdp.discount),
    reason="certificates of the values and rounding of the updates; 1e-10 at the size of the values over 1 - gamma",
    cross_left=improvements_by_solves,
    closed=("right",),
    shared=ITERATES_ARE_INPUTS,
    exact=QUADRATIC,
)
contraction_part = SAC.part(
    "(iii, contraction)",
    r"$\|V^*_\alpha - V^{\pi_{k+1}}_\alpha\|_\infty \le \gamma \|V^*_\alpha - V^{\pi_k}_\alpha\|_\infty$",
    AtMost(distances_after, contracted),
    resolution=lambda task: 1e-10 * size(task) / (1 - task.mdp.discount),
    reason="certificates of optimum and values, rounding of the updates; 1e-10 at the size of the values over 1 - gamma",
    cross_left=distances_after_by_solves,
    cross_right=contracted_by_solves,
    floor=1e-6,
    specified_tightness="0.37",
    shared=ITERATES_ARE_INPUTS,
    exact=QUADRATIC,
)


@SAC.known(UNIFORM)
def _(task: SoftStepTask) -> Iterator[Known]:
    policies = task.descent.run.policies
    yield Known(
        "errors of the value",
        "1.5981724599 0.0121342753 5.5067e-7",
        np.asarray(all_distances(task).value)[:3],
    )
    yield Known("first column after one step", "0.8955202771 0.3588352834 0.1806223264", policies[1, :, 0])
    yield Known("first column after two steps", "0.9195757060 0.3694141831 0.2069441411", policies[2, :, 0])


# --- what must fail -------------------------------------------------------------------------------------------------


def keeping_the_policy(task: SoftStepTask) -> Side:
    """Logarithm of ``pi_k exp(Q_k / alpha)``, normalised: the previous policy as reference."""
    return softmax_with(task, task.log_policy)


def start_returns(task: SoftStepTask, log_policy: FloatArray) -> Side:
    """The unregularised return of a policy, for every update and state."""
    found = solvers.policy_evaluation(task.mdp, np.exp(log_policy))
    value = float(task.mdp.start_law() @ found.value)
    return Side(np.full((task.steps, task.mdp.n_states), value), found.certificate.bound)


def return_before(task: SoftStepTask) -> Side:
    """Unregularised return of the first policy."""
    return start_returns(task, task.log_policy)


def return_after(task: SoftStepTask) -> Side:
    """Unregularised return of the softmax of its critic without entropy."""
    found = solvers.policy_evaluation(task.mdp, np.exp(task.log_policy))
    return start_returns(task, np.asarray(log_tilt(found.q, temperature=task.temperature)))


def a_third_of_the_discount(task: SoftStepTask) -> Side:
    """A third of the discount times the distances before the updates."""
    return earlier(task, all_distances(task), task.mdp.discount / 3)


step_part.control(
    "the previous policy as reference",
    kind="mutation",
    instance=GENERIC,
    right=keeping_the_policy,
    specified="0.1727786478",
    measure=lambda outcome: np.abs(np.exp(outcome.left) - np.exp(outcome.right)).max(),
)
monotone_part.control(
    "the unregularised return under the softmax of a critic without entropy",
    kind="assumption",
    drops="A2",
    instance=three_state_soft_task(CERTAIN),
    left=return_after,
    right=return_before,
    both="the return takes the place of the soft value before and after the step",
    specified="6.8687077692 7.8308846484",
    measure=lambda outcome: [outcome.left[0, 0], outcome.right[0, 0]],
)
contraction_part.control(
    "a third of the discount", kind="constant", instance=extreme(1e-3), right=a_third_of_the_discount
)

# --- the figure -----------------------------------------------------------------------------------------------------


@SAC.figure(
    "Error of the soft value on the three-state task ($\\alpha = .5$) of the soft actor-critic (the full step) and of regularised "
    "mirror descent with smaller steps, with the line $\\gamma^k$: the exact step is far faster than its contraction promises."
)
def _(ax: Any) -> None:
    best = UNIFORM.descent.optimum.value
    for number, (share, label) in enumerate(
        (
            (1.0, "soft actor-critic"),
            (0.5, r"$\eta = \frac{1}{2}(1-\gamma)/\alpha$"),
            (0.1, r"$\eta = \frac{1}{10}(1-\gamma)/\alpha$"),
        )
    ):
        run = replace(UNIFORM.descent, eta=share * UNIFORM.descent.eta).run
        errors = np.abs(best - run.values).max(axis=1)
        shown = errors > 1e-14
        ax.semilogy(
            np.flatnonzero(shown),
            errors[shown],
            color=f"C{number}",
            marker="os^"[number],
            markersize=3,
            label=label,
        )
    counts = np.arange(21)
    ax.plot(
        counts,
        0.9**counts * np.abs(best - UNIFORM.descent.run.values[0]).max(),
        color="0.3",
        linestyle="dashed",
        label=r"$\gamma^k$",
    )
    ax.set(
        xlabel="number of updates $k$",
        ylabel="error of the soft value",
        ylim=(1e-14, 1e1),
        xticks=range(0, 21, 5),
    )
    ax.grid(True)
    ax.legend(loc="lower left")
