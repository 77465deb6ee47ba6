"""Mirror descent policy optimisation (Tomar, Shani, Efroni and Ghavamzadeh 2020): what one exact step gains.

A step along ``Q`` moves the log-policy by ``eta Q`` up to a function of the state, which drops out of ``<pi' - pi, .>``.  So
the performance difference ``E_{d'} <pi' - pi, Q> / (1 - gamma)`` is a Jeffreys divergence over the step: no radius of trust
is needed, as long as every state has a row of its own.

Both sides are evaluated at the recorded policies; the recorded step is an exact one along ``Q + epsilon``, and what
``epsilon`` moves is the error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import HARMLESS, Assumption, AtLeast, Claim, Equal, Known, Method, Outcome, Side, rounding
from mdplab.instances import three_state_unit_reward_mdp
from mdplab.models import MDP
from mdplab.operators import state_occupancy
from proofs_check.soft_residual import exact_mdpo as exact
from proofs_check.soft_residual.mirror_instances import (
    StepTask,
    dense_values,
    flow_error,
    step_task,
    with_forbidden_actions,
    with_shared_rows,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def gain(task: StepTask) -> Side:
    """Start values after and before the step, by two dense solves."""
    values, _, error = dense_values(task.mdp, np.array([task.log_policy, task.next_log_policy]))
    size = rounding(np.abs(values).max(), 2 * task.mdp.n_states + 4)
    return Side((values[1] - values[0]) @ task.mdp.start_law(), 2 * error + size)


def jeffreys_gain(task: StepTask) -> Side:
    """Jeffreys divergence under the occupancy after the step, over eta (1 - gamma)."""
    return divergence_under(task, np.exp(task.next_log_policy))


def divergence_under(task: StepTask, visiting: FloatArray) -> Side:
    """The Jeffreys divergence of the step under the occupancy of any policy."""
    mdp, horizon = task.mdp, 1 / (1 - task.mdp.discount)
    before, after, moved = np.exp(task.log_policy), np.exp(task.next_log_policy), task.change
    d = state_occupancy(mdp, visiting)
    divergence = ((after - before) * moved).sum(axis=1)
    logs = np.where(after > 0, np.abs(task.next_log_policy) + np.abs(task.log_policy), 0.0)
    logs[before == 0] = 0.0
    rounded = rounding(
        np.abs(after - before) * logs + np.abs(moved) * (after + before), 2 * mdp.n_actions + 12
    )
    missed = rounded.sum(axis=1) / task.step + task.critic_error
    error = flow_error(mdp, d, visiting) * divergence.max() / task.step + d @ missed
    return Side(horizon / task.step * (d @ divergence), horizon * error)


def improvements(task: StepTask) -> Side:
    """Values after the step less those before, in every state."""
    before, after = task.evaluation, task.next_evaluation
    error = after.certificate.bound + before.certificate.bound + rounding(np.abs(after.value).max(), 1)
    return Side(after.value - before.value, error + task.critic_error.max() / (1 - task.mdp.discount))


def improvements_by_solves(task: StepTask) -> Side:
    """Two dense solves."""
    values, _, error = dense_values(task.mdp, np.array([task.log_policy, task.next_log_policy]))
    return Side(values[1] - values[0], 2 * error)


def nothing(task: StepTask) -> Side:
    """Zero."""
    return Side(np.zeros(task.mdp.n_states))


def values_after(task: StepTask) -> Side:
    """Values after the step."""
    found = task.next_evaluation
    return Side(found.value, found.certificate.bound + task.critic_error.max() / (1 - task.mdp.discount))


def values_after_by_solve(task: StepTask) -> Side:
    """One dense solve."""
    values, _, error = dense_values(task.mdp, task.next_log_policy[None])
    return Side(values[0], error)


def greedy_less_divergence(task: StepTask) -> Side:
    """Backup of the values by greedy actions, less their divergence from the policy over the step."""
    return backup_less_divergence(task, task.evaluation.q, task.evaluation.q_error)


def greedy_less_divergence_by_solve(task: StepTask) -> Side:
    """The same from the action values of one dense solve."""
    _, q, error = dense_values(task.mdp, task.log_policy[None])
    return backup_less_divergence(task, q[0], error)


def backup_less_divergence(task: StepTask, q: FloatArray, error: float) -> Side:
    """``max_a Q(s, a) + log pi(a|s) / eta``: the best comparator, near the greedy one where the step is large."""
    terms = q + task.log_policy / task.step
    size = np.where(task.log_policy > -np.inf, np.abs(q) + np.abs(task.log_policy / task.step), 0.0)
    return Side(terms.max(axis=1), error + rounding(size.max(), 4))


# --- the claim ------------------------------------------------------------------------------------------------------

SMALL, UNIT, LARGE = (
    StepTask(three_state_unit_reward_mdp(), np.zeros((3, 2)), eta) for eta in (0.1, 1.0, 10.0)
)
CRITIC_IS_AN_INPUT = {
    "policy_evaluation": "the critic of the recorded step is an input; what the step misses is in the bound"
}


def crossing() -> MDP:
    """Two states: action 0 changes state 0 and keeps state 1, action 1 the other way round; (1, 1) alone pays."""
    transition = np.zeros((2, 2, 2))
    transition[0, 0, 1] = transition[0, 1, 0] = transition[1, 0, 1] = transition[1, 1, 0] = 1.0
    return MDP(transition, np.array([[0.0, 0.0], [0.0, 1.0]]), 0.9, np.array([1.0, 0.0]))


def waiting() -> MDP:
    """State 0: action 0 stays and pays .8, action 1 moves to state 1, which pays 1 for ever."""
    transition = np.zeros((2, 2, 2))
    transition[0, 0, 0] = transition[0, 1, 1] = transition[1, :, 1] = 1.0
    return MDP(transition, np.array([[0.8, 0.0], [1.0, 1.0]]), 0.9, np.array([1.0, 0.0]))


def shared_step(eta: float) -> StepTask:
    """A step of the row (.6, .4) that both states of the crossing share."""
    return StepTask(crossing(), np.log([[0.6, 0.4], [0.6, 0.4]]), eta, shared=True)


def value_size(task: StepTask) -> float:
    """The size of the values before and after."""
    return 1 + float(np.abs(task.evaluation.value).max() + np.abs(task.next_evaluation.value).max())


MDPO = Claim(
    "mdpo-jeffreys-improvement",
    title="The value gain of an exact mirror step is a Jeffreys divergence: monotone for every step size",
    papers=("tomar2020mdpo",),
    provenance="our formalisation",
    statement=r"""
    Let $\pi_{k+1}(\cdot|s) \propto \pi_k(\cdot|s)\, e^{\eta Q^{\pi_k}(s,\cdot)}$ with $\eta > 0$. Then

    (identity) $V^{\pi_{k+1}}(\rho) - V^{\pi_k}(\rho) = \frac{1}{\eta(1-\gamma)}\,
    E_{s \sim d^{\pi_{k+1}}_\rho}\big[\mathrm{KL}(\pi_{k+1}\|\pi_k) + \mathrm{KL}(\pi_k\|\pi_{k+1})\big]$, exactly;

    (monotone) hence $V^{\pi_{k+1}} \ge V^{\pi_k}$ in every state, for all $\eta \in (0, \infty)$;

    (limit) and $V^{\pi_{k+1}}(s) \ge \max_a \big(Q^{\pi_k}(s,a) - \tfrac1\eta \log\tfrac{1}{\pi_k(a|s)}\big)$: for
    $\eta \to \infty$ at least the improvement of policy iteration. No trust region is needed.
    """,
    assumptions=(
        Assumption("A1", r"exact $Q^{\pi_k}$", "the critic of half the discount"),
        Assumption(
            "A2",
            "independent rows (tabular policy)",
            "one row for all states, a large step",
            lambda task: not task.shared,
            wider=with_shared_rows,
        ),
        Assumption(
            "A3",
            "full support",
            HARMLESS,
            lambda task: bool(np.all(task.log_policy > -np.inf)),
            wider=with_forbidden_actions,
        ),
    ),
    methods=(
        Method("Mirror descent policy optimisation", "tilt", "KL", "the policy against the last iterate"),
    ),
    instance_family=step_task,
    witnesses=(SMALL, UNIT, LARGE),
    instances=200,
)

identity_part = MDPO.part(
    "(identity)",
    r"the gain is $\frac{1}{\eta(1-\gamma)} E_{d^{\pi_{k+1}}_\rho}$ of the Jeffreys divergence",
    Equal(gain, jeffreys_gain),
    resolution=lambda task: 1e-9 * np.abs(np.asarray(gain(task).value)) + 1e-12 * value_size(task),
    reason="1e-9 of the gain and, where it cancels, certificates of the values: 1e-12 of their size",
    shared=CRITIC_IS_AN_INPUT,
    exact=(exact.gain, exact.jeffreys_gain),
)
monotone_part = MDPO.part(
    "(monotone)",
    r"$V^{\pi_{k+1}} \ge V^{\pi_k}$ in every state",
    AtLeast(improvements, nothing),
    resolution=lambda task: 1e-11 * value_size(task),
    reason="certificates of the values and rounding of the step; 1e-11 of the size of the values",
    cross_left=improvements_by_solves,
    closed=("right",),
    shared=CRITIC_IS_AN_INPUT,
    exact=(exact.improvements, exact.nothing),
)
limit_part = MDPO.part(
    "(limit)",
    r"$V^{\pi_{k+1}} \ge \max_a (Q^{\pi_k}(\cdot,a) + \frac1\eta \log \pi_k(a|\cdot))$ in every state",
    AtLeast(values_after, greedy_less_divergence),
    resolution=lambda task: 1e-11 * (value_size(task) + float(np.abs(task.log_policy).max()) / task.step),
    reason="certificates of the values and rounding of the step; 1e-11 of the size of the sides",
    cross_left=values_after_by_solve,
    cross_right=greedy_less_divergence_by_solve,
    shared=CRITIC_IS_AN_INPUT,
    exact=(exact.values_after, exact.greedy_less_divergence),
)


def first_column(task: StepTask) -> FloatArray:
    return np.asarray(np.exp(task.next_log_policy[:, 0]))


@MDPO.known(SMALL)
def _(task: StepTask) -> Iterator[Known]:
    yield Known("gain at eta = .1", "0.1576505201", gain(task).value)
    yield Known("first column", "0.5268293540 0.4927452226 0.4811072882", first_column(task))


@MDPO.known(UNIT)
def _(task: StepTask) -> Iterator[Known]:
    yield Known("gain at eta = 1", "1.5131531674", gain(task).value)
    yield Known("first column", "0.7453959434 0.4279520978 0.3195004605", first_column(task))
    optimum = solvers.policy_iteration(task.mdp).value @ task.mdp.start_law()
    yield Known("optimal start value", "7.9322818447", optimum)


@MDPO.known(LARGE)
def _(task: StepTask) -> Iterator[Known]:
    yield Known("gain at eta = 10", "3.7069416805", gain(task).value)
    yield Known("first column", "0.9999783841 0.0520491275 0.0005202481", first_column(task))


@MDPO.known(shared_step(0.1))
def _(task: StepTask) -> Iterator[Known]:
    yield Known("value of the shared row", "2.16", task.evaluation.value[0])
    yield Known("after a step of .1 of the shared row", "2.1676212526", task.next_evaluation.value[0])


@MDPO.known(shared_step(1.0))
def _(task: StepTask) -> Iterator[Known]:
    yield Known("after a step of 1 of the shared row", "2.2216461160", task.next_evaluation.value[0])


# --- what must fail -------------------------------------------------------------------------------------------------


def under_the_old_occupancy(task: StepTask) -> Side:
    """The divergence under the occupancy before the step."""
    return divergence_under(task, np.exp(task.log_policy))


def with_another_critic(task: StepTask) -> Side:
    """Improvements of a step along the action values of half the discount."""
    other = replace(task, mdp=task.mdp.replace(discount=task.mdp.discount / 2))
    found = solvers.policy_evaluation(task.mdp, np.exp(other.next_log_policy))
    return Side(
        found.value - task.evaluation.value, found.certificate.bound + task.evaluation.certificate.bound
    )


def right_and_left(outcome: Outcome) -> FloatArray:
    return np.array([outcome.right, outcome.left]).ravel()


def value_of_the_start(outcome: Outcome) -> FloatArray:
    return np.asarray(2.16 + outcome.left[0])


identity_part.control(
    "occupancy before the step",
    kind="mutation",
    instance=UNIT,
    right=under_the_old_occupancy,
    specified="1.4646806188 1.5131531674",
    measure=right_and_left,
)
monotone_part.control(
    "the critic of half the discount",
    kind="assumption",
    drops="A1",
    instance=StepTask(waiting(), np.zeros((2, 2)), 10.0),
    left=with_another_critic,
)
for label, eta, printed in (
    ("a large step", 10.0, "1.4328822110"),
    ("a very large step", 100.0, "2.0560e-7"),
):
    monotone_part.control(
        f"one row for all states, {label}",
        kind="assumption",
        drops="A2",
        instance=shared_step(eta),
        specified=printed,
        measure=value_of_the_start,
    )


# --- the figure -----------------------------------------------------------------------------------------------------


@MDPO.figure(
    "Gain of one mirror step from the uniform policy of the three-state task against the step: the difference of two values "
    "(line) is the Jeffreys divergence (circles). Where two states share one row (the two-state crossing) a large step loses."
)
def _(ax: Any) -> None:
    steps = np.geomspace(0.01, 100.0, 81)
    tasks = [replace(UNIT, step=eta) for eta in steps]
    ax.semilogx(steps, [gain(task).value for task in tasks], color="C0", label="gain, one row a state")
    ax.plot(
        steps[::5],
        [jeffreys_gain(task).value for task in tasks[::5]],
        "o",
        color="C0",
        fillstyle="none",
        label="Jeffreys divergence",
    )
    shared = [gain(shared_step(eta)).value for eta in steps]
    ax.plot(steps, shared, color="C1", linestyle="dashed", label="gain, one row for all states")
    ax.axhline(0.0, color="0.3", linewidth=1)
    ax.set(xlabel=r"step $\eta$", ylabel="gain of the start value", ylim=(-2.5, 6.6))
    ax.legend(loc="upper left")
