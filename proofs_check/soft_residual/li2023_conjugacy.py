"""Iterates of residual soft Q iteration (Li et al. 2023): the iteration on the full task, seen without the reward.

Adding ``omega Q*`` turns the residual backup into the soft backup of the full task.  So not only the fixed points but all
iterates correspond, and the residual backup contracts like any soft backup, whatever the prior is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Outcome, Side, rounding
from mdplab.operators import residual_backup
from mdplab.solvers import ControlSolution
from proofs_check.soft_residual import exact_iteration as exact
from proofs_check.soft_residual.instances import (
    PRIOR_IS_SHARED,
    prior_of_another_discount,
    prior_of_another_kernel,
)
from proofs_check.soft_residual.iteration_instances import (
    IterationTask,
    iterates,
    iteration_task,
    three_state_iteration,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def residual_step(task: IterationTask, q: FloatArray, log_prior: FloatArray) -> FloatArray:
    """The residual backup ``B_R``: knows the kernel, the add-on reward and the log-prior."""
    return np.asarray(
        residual_backup(
            task.mdp,
            q,
            residual_reward=task.residual_reward,
            log_prior=log_prior,
            prior_weight=task.prior_weight,
            temperature=task.temperature,
        )
    )


def added_step(task: IterationTask, q: FloatArray, reward: FloatArray) -> FloatArray:
    """A soft backup of a reward, the exponentials added one after the other."""
    values = task.temperature * np.logaddexp.reduce(q / task.temperature, axis=1)
    return np.asarray(reward + task.mdp.discount * task.mdp.expectation(values))


def shifted_residual_iterates(task: IterationTask, log_prior: FloatArray | None = None) -> Side:
    """Residual iterates from the start, plus omega Q*."""
    prior = task.prior.log_policy if log_prior is None else log_prior
    found = iterates(lambda q: residual_step(task, q, prior), task.start_q, task.steps)
    shifted = found + task.reward_weight * task.prior.q
    error = task.iterates_error(found, prior)[:, None, None] + 2 * task.prior_error
    return Side(shifted, error + rounding(np.abs(shifted) + np.abs(found), 3))


def full_iterates(task: IterationTask, shift: float = 1.0) -> Side:
    """Soft iterates of the full task from the start plus omega Q*."""
    start = task.start_q + shift * task.reward_weight * task.prior.q
    found = iterates(lambda q: added_step(task, q, task.full_mdp.reward), start, task.steps)
    error = task.iterates_error(found, task.prior.log_policy)[:, None, None]
    return Side(found, error + rounding(np.abs(start), 3))


def shifted_backup(task: IterationTask) -> Side:
    """One residual backup of the other point, plus omega Q*."""
    log_prior, shift = task.prior.log_policy, task.reward_weight * task.prior.q
    value = residual_step(task, task.other_q, log_prior) + shift
    error = task.backup_error(task.other_q, log_prior) + rounding(
        np.abs(value).max() + np.abs(shift).max(), 3
    )
    return Side(value, error + 2 * task.prior_error)


def backup_of_shifted(task: IterationTask) -> Side:
    """One soft backup on the full task of the other point plus omega Q*."""
    q = task.other_q + task.reward_weight * task.prior.q
    return Side(added_step(task, q, task.full_mdp.reward), task.backup_error(q, task.prior.log_policy))


def backup_distance(task: IterationTask) -> Side:
    """Largest difference of the residual backups of two points, any prior."""
    first, second = (residual_step(task, q, task.any_log_prior) for q in (task.start_q, task.other_q))
    error = sum(task.backup_error(q, task.any_log_prior) for q in (task.start_q, task.other_q))
    return Side(np.abs(first - second).max(), error)


def log_mean_of_the_difference(task: IterationTask) -> Side:
    """The same difference as gamma P tau log E exp((Q - Q') / tau), the mean under the policy of Q'."""
    tau, apart = task.temperature, task.start_q - task.other_q
    weights = task.other_q + task.prior_weight * task.any_log_prior
    mean = np.logaddexp.reduce((weights + apart) / tau, axis=1) - np.logaddexp.reduce(weights / tau, axis=1)
    value = np.abs(task.mdp.discount * task.mdp.expectation(tau * mean)).max()
    return Side(value, 2 * task.backup_error(np.abs(weights) + np.abs(apart), task.any_log_prior))


def discounted_distance(task: IterationTask) -> Side:
    """gamma times the distance of the two points."""
    value = task.mdp.discount * np.abs(task.start_q - task.other_q).max()
    return Side(value, rounding(value, 3))


def squared_rate(task: IterationTask) -> Side:
    """gamma squared times the distance of the two points."""
    value = task.mdp.discount**2 * np.abs(task.start_q - task.other_q).max()
    return Side(value, rounding(value, 4))


def fixed_point(task: IterationTask) -> ControlSolution:
    """Residual soft Q iteration with any prior, run to its end."""
    return solvers.residual_q_learning(
        task.mdp,
        task.residual_reward,
        task.any_log_prior,
        prior_weight=task.prior_weight,
        temperature=task.temperature,
        tol=1e-12,
    )


def fixed_point_by_newton(task: IterationTask) -> ControlSolution:
    """Soft policy iteration on the add-on reward with the weighted log-prior as reference."""
    return solvers.soft_policy_iteration(
        task.mdp.replace(reward=task.residual_reward),
        temperature=task.temperature,
        log_reference=task.prior_weight / task.temperature * task.any_log_prior,
        tol=1e-9,
    )


def distance_error(task: IterationTask, q: FloatArray, found: ControlSolution) -> FloatArray:
    """Errors of the distances to the fixed point, beyond the start."""
    errors = task.iterates_error(q, task.any_log_prior) + found.q_error + rounding(np.abs(q).max(), 2)
    return np.asarray(errors[1:])


def distances(task: IterationTask) -> Side:
    """Distances of the residual iterates from the fixed point."""
    found = fixed_point(task)
    q = iterates(lambda q: residual_step(task, q, task.any_log_prior), task.start_q, task.steps)
    return Side(np.abs(q - found.q).max(axis=(1, 2))[1:], distance_error(task, q, found))


def distances_by_newton(task: IterationTask) -> Side:
    """Distances of iterates of added exponentials from the fixed point of soft policy iteration."""
    found, bonus = fixed_point_by_newton(task), task.prior_weight * task.any_log_prior
    q = iterates(lambda q: added_step(task, q + bonus, task.residual_reward), task.start_q, task.steps)
    return Side(np.abs(q - found.q).max(axis=(1, 2))[1:], distance_error(task, q, found))


def powers(task: IterationTask, rate: float | None = None) -> FloatArray:
    """``rate^k``, k = 1, ..., by default of the discount."""
    return np.asarray((task.mdp.discount if rate is None else rate) ** np.arange(1.0, task.steps + 1))


def geometric_bound(task: IterationTask) -> Side:
    """gamma^k times the distance of the start from the fixed point."""
    found = fixed_point(task)
    value = powers(task) * np.abs(task.start_q - found.q).max()
    return Side(value, powers(task) * found.q_error + rounding(value, 8))


def geometric_bound_by_newton(task: IterationTask) -> Side:
    """gamma^k times the distance of the start from the fixed point of soft policy iteration."""
    found = fixed_point_by_newton(task)
    value = powers(task) * np.abs(task.start_q - found.q).max()
    return Side(value, powers(task) * found.q_error + rounding(value, 8))


# --- the claim ------------------------------------------------------------------------------------------------------

T3 = three_state_iteration()
A_CONSTANT_APART = replace(T3, other_q=T3.start_q + 2.0)
SPECIFIED = "1e-12 at the size of the action values: rounding of the backups, damped by the discount"


def scale(task: IterationTask) -> FloatArray:
    """Absolute 1e-12 at the size of each iterate."""
    sizes = np.abs(np.asarray(full_iterates(task).value)).max(axis=(1, 2), keepdims=True)
    return np.asarray(1e-12 * (1 + sizes))


def distance_scale(task: IterationTask) -> float:
    """Absolute 1e-12 at the size of the action values and of the weighted log-prior."""
    sizes = (task.start_q, task.other_q, fixed_point(task).q, task.prior_weight * task.any_log_prior)
    return 1e-12 * (1 + sum(float(np.abs(x).max()) for x in sizes))


CONJUGACY = Claim(
    "rql-iteration-conjugacy",
    title="Every iterate of residual soft Q iteration, not only its limit, is one of the full task; the rate is the discount",
    papers=("li2023rql",),
    provenance="our formalisation",
    theorem="convergence of residual soft Q iteration",
    statement=r"""
    Let $B_R$ be the residual backup $B_R(Q) = r_R + \gamma P\,\hat\alpha\log\sum_a \exp((Q + \omega'\log\pi)/\hat\alpha)$
    and $\hat B$ the soft backup of $\hat r = \omega r + r_R$ at the temperature $\hat\alpha$. Then

    (i) $B_R(Q) + \omega Q^* = \hat B(Q + \omega Q^*)$ for every $Q$; hence $Q_{R,k} + \omega Q^* = \hat Q_k$ for all $k$
    whenever it holds at $k = 0$;

    (ii) $\|B_R Q - B_R Q'\|_\infty \le \gamma \|Q - Q'\|_\infty$ for every prior of full support;

    (iii) $\|Q_{R,k} - Q_R\|_\infty \le \gamma^k \|Q_{R,0} - Q_R\|_\infty$ for every prior of full support, $Q_R$ the fixed
    point.
    """,
    assumptions=(
        Assumption("A1", r"$\pi$ is exactly max-ent optimal for $(r, \alpha)$", "a uniform prior"),
        Assumption("A2", "the target task has the same kernel", "a prior of another kernel"),
        Assumption("A3", "the target task has the same discount", "a prior of another discount"),
        Assumption("A4", "infinite horizon", DEFINITIONAL),
        Assumption(
            "A5",
            r"$\hat\alpha > 0$, finite rewards and a prior of full support",
            DEFINITIONAL,
            lambda t: t.temperature > 0,
        ),
    ),
    instance_family=iteration_task,
    witnesses=(T3,),
    instances=100,
)

backup_part = CONJUGACY.part(
    "(i)",
    r"$B_R(Q) + \omega Q^* = \hat B(Q + \omega Q^*)$",
    Equal(shifted_backup, backup_of_shifted),
    resolution=lambda task: 1e-12 * (1 + float(np.abs(backup_of_shifted(task).value).max())),
    reason=SPECIFIED,
    shared=PRIOR_IS_SHARED,
    exact=(exact.shifted_backup, exact.backup_of_shifted),
)
iterates_part = CONJUGACY.part(
    "(i, iterates)",
    r"$Q_{R,k} + \omega Q^* = \hat Q_k$ for all $k$, if it holds at $k = 0$",
    Equal(shifted_residual_iterates, full_iterates),
    resolution=scale,
    reason=SPECIFIED,
    shared=PRIOR_IS_SHARED,
    exact=(exact.shifted_residual_iterates, exact.full_iterates),
)
contraction_part = CONJUGACY.part(
    "(ii)",
    r"$\|B_R Q - B_R Q'\|_\infty \le \gamma \|Q - Q'\|_\infty$ for every prior",
    AtMost(backup_distance, discounted_distance),
    resolution=distance_scale,
    reason=SPECIFIED,
    assumes=("A5",),
    cross_left=log_mean_of_the_difference,
    closed=("right",),
    specified_tightness="0.93",
    exact=(exact.backup_distance, exact.discounted_distance),
)
rate_part = CONJUGACY.part(
    "(iii)",
    r"$\|Q_{R,k} - Q_R\|_\infty \le \gamma^k \|Q_{R,0} - Q_R\|_\infty$ for every prior",
    AtMost(distances, geometric_bound),
    resolution=distance_scale,
    reason=SPECIFIED,
    assumes=("A5",),
    cross_left=distances_by_newton,
    cross_right=geometric_bound_by_newton,
    exact=(exact.distances, exact.geometric_bound),
)


@CONJUGACY.known(T3)
def _(task: IterationTask) -> Iterator[Known]:
    first = np.abs(task.start_q - fixed_point(task).q).max()
    found = np.append(first, np.asarray(distances(task).value))
    yield Known(
        "distance from the fixed point at k = 0, 1, 2, 10, 20, 60",
        "1.6149332931 1.3354587488 1.0992747516 0.4485252516 0.1563795348 0.0023114276",
        found[[0, 1, 2, 10, 20, 60]],
    )
    yield Known("factor of the last step", "0.9", found[60] / found[59])


@CONJUGACY.known(A_CONSTANT_APART)
def _(task: IterationTask) -> Iterator[Known]:
    bound = np.asarray(discounted_distance(task).value)
    yield Known(
        "ratio to the bound of (ii) for points a constant apart", "1", backup_distance(task).value / bound
    )


# --- what must fail -------------------------------------------------------------------------------------------------


def both_from_zero(task: IterationTask) -> Side:
    """Soft iterates of the full task from the start, not shifted."""
    return full_iterates(task, shift=0.0)


def uniform_prior(task: IterationTask) -> Side:
    """Residual iterates with a uniform prior, plus omega Q*."""
    return shifted_residual_iterates(task, np.full_like(task.mdp.reward, -np.log(task.mdp.n_actions)))


def with_another_discount(task: IterationTask) -> Side:
    """Residual iterates with the prior of discount .7, plus omega Q*."""
    return shifted_residual_iterates(task, prior_of_another_discount(task))


def with_another_kernel(task: IterationTask) -> Side:
    """Residual iterates with the prior of the kernel whose actions are exchanged in state 0, plus omega Q*."""
    return shifted_residual_iterates(task, prior_of_another_kernel(task))


def squared_bound(task: IterationTask) -> Side:
    """gamma^(2k) times the distance of the start from the fixed point."""
    side = geometric_bound(task)
    return Side(powers(task) * np.asarray(side.value), side.error)


def gaps(outcome: Outcome) -> FloatArray:
    return np.asarray(np.abs(outcome.left - outcome.right).max(axis=(1, 2))[:3])


iterates_part.control(
    "both iterations from zero",
    kind="mutation",
    instance=T3,
    right=both_from_zero,
    specified="10.9540374713 9.4514930395 8.4218692467",
    measure=gaps,
)
iterates_part.control("a uniform prior", kind="assumption", drops="A1", instance=T3, left=uniform_prior)
iterates_part.control(
    "a prior of another kernel", kind="assumption", drops="A2", instance=T3, left=with_another_kernel
)
iterates_part.control(
    "a prior of another discount", kind="assumption", drops="A3", instance=T3, left=with_another_discount
)
contraction_part.control(
    "gamma squared in the place of gamma",
    kind="constant",
    instance=A_CONSTANT_APART,
    right=squared_rate,
    specified="0.18",  # gamma c - gamma^2 c at c = 2
)
rate_part.control("gamma^(2k) in the place of gamma^k", kind="constant", instance=T3, right=squared_bound)


# --- the figure -----------------------------------------------------------------------------------------------------


@CONJUGACY.figure(
    "Distance of the residual iterates from their limit on the three-state task (line), the bound (dashed), and the largest "
    "gap between the shifted residual iterate and the iterate of the full task (dots): rounding, at every step."
)
def _(ax: Any) -> None:
    task = replace(three_state_iteration(150), start_q=np.array([[3.0, -2.0], [1.0, 4.0], [-3.0, 0.5]]))
    steps = np.arange(1, task.steps + 1)
    left, right = (np.asarray(route(task).value) for route in (shifted_residual_iterates, full_iterates))
    gap = np.abs(left - right).max(axis=(1, 2))[1:]
    ax.semilogy(steps, np.asarray(geometric_bound(task).value), "k--", label=r"bound, $\gamma^k$")
    ax.semilogy(steps, np.asarray(distances(task).value), "C0-", label=r"$\|Q_{R,k} - Q_R\|_\infty$")
    ax.semilogy(
        steps,
        np.maximum(gap, 1e-16),
        "C1.",
        markersize=5,
        label=r"$\|Q_{R,k} + \omega Q^* - \hat Q_k\|_\infty$",
    )
    ax.set(xlabel="iterate $k$", ylabel="sup norm", ylim=(1e-17, 1e2))
    ax.legend(loc="center left", bbox_to_anchor=(0.02, 0.36))
