"""Residual policy gradient joined with mirror descent: all iterates are those of the full task.

An update that sees action values through advantages only cannot tell the augmented reward from that of the full task: the
two ``Q`` of a policy differ by a function of the state.  So natural policy gradient takes the same path under both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Outcome, Side, rounding
from mdplab.operators import log_tilt
from proofs_check.soft_residual import exact_policy as exact
from proofs_check.soft_residual.instances import (
    PRIOR_IS_SHARED,
    prior_of_another_discount,
    prior_of_another_kernel,
)
from proofs_check.soft_residual.policy_instances import (
    ResidualNPGTask,
    mixed_log_prior,
    residual_npg_task,
    three_state_npg_task,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def probabilities(logs: FloatArray, errors: FloatArray) -> Side:
    """Policies from log-policies with errors (T + 1,): ``|exp(x + e) - exp(x)| <= exp(x) (exp(|e|) - 1)``."""
    policies = np.exp(logs)
    return Side(policies, policies * np.expm1(errors)[:, None, None] + rounding(policies, 4))


def augmented_iterates(task: ResidualNPGTask, log_prior: FloatArray | None = None) -> Side:
    """Mirror descent under the reward r_R + omega' log pi."""
    prior = task.prior.log_policy if log_prior is None else log_prior
    reward = task.residual_reward + task.prior_weight * prior
    run = solvers.mirror_descent(
        task.mdp.replace(reward=reward),
        step=task.step,
        steps=task.steps,
        initial_log_policy=task.start_log_policy,
        temperature=task.temperature,
    )
    spreads = np.array([task.spread(logs) for logs in run.log_policies[:-1]])
    wrong_reward = task.reward_weight * task.prior_backward_error
    critic = run.q_span_errors[:-1] + wrong_reward * (2 + task.mdp.discount * spreads)
    epsilon = task.step * critic + task.update_error(reward, run.log_policies)
    return probabilities(run.log_policies, task.carried_error(reward, run.log_policies, epsilon))


def solved_q(task: ResidualNPGTask, log_policy: FloatArray) -> tuple[FloatArray, float]:
    """Soft action values on the full task up to a constant, by one dense solve, and the span of their error.

    A residual ``m`` moves the value by ``(I - gamma P)^{-1} m``; values are centred before the residual is taken.
    """
    mdp, policy, discount = task.full_mdp, np.exp(log_policy), task.mdp.discount
    gain = (policy * (mdp.reward - task.temperature * log_policy)).sum(axis=1)
    kernel = np.einsum("sa,sat->st", policy, mdp.transition)
    value = np.linalg.solve(np.eye(mdp.n_states) - discount * kernel, gain)
    centre = 0.5 * (value.max() + value.min())
    value = value - centre
    size = (
        np.abs(value).max()
        + np.abs(mdp.reward).max()
        + task.temperature * np.abs(log_policy).max()
        + (1 - discount) * abs(centre)
    )
    inner = float(rounding(size, mdp.n_states + 2 * mdp.n_actions + 12))
    missed = float(np.abs(gain + discount * kernel @ value - value - (1 - discount) * centre).max()) + inner
    error = discount * task.spread(log_policy) * missed + 2 * inner
    return mdp.reward + discount * mdp.expectation(value), error


def full_iterates(task: ResidualNPGTask) -> Side:
    """Log-policies of the update on the full task, one dense solve each."""
    logs, epsilon = [task.start_log_policy], []
    for _ in range(task.steps):
        q, error = solved_q(task, logs[-1])
        logs.append(log_tilt(task.memory * logs[-1] + task.step * (q - q.max(axis=1, keepdims=True))))
        epsilon.append(task.step * error)
    found, reward = np.array(logs), task.full_mdp.reward
    missed = np.array(epsilon) + task.update_error(reward, found)
    return probabilities(found, task.carried_error(reward, found, missed))


def augmented_advantage(task: ResidualNPGTask) -> Side:
    """Soft advantages of the first policy under the augmented reward, by certified evaluation."""
    model = task.mdp.replace(reward=task.residual_reward + task.prior_weight * task.prior.log_policy)
    logs = task.start_log_policy
    found = solvers.policy_evaluation(model, np.exp(logs), temperature=task.temperature)
    value = found.q - task.temperature * logs - found.value[:, None]
    error = found.q_error + found.certificate.bound + 2 * task.prior_error
    size = np.abs(found.q).max() + np.abs(found.value).max() + task.temperature * np.abs(logs).max()
    return Side(value, error + rounding(size, 4))


def full_advantage(task: ResidualNPGTask) -> Side:
    """Soft advantages of the first policy on the full task: action values less their mean under the policy."""
    logs = task.start_log_policy
    q, error = solved_q(task, logs)
    worth = q - task.temperature * logs
    value = worth - (np.exp(logs) * worth).sum(axis=1, keepdims=True)
    return Side(value, error + rounding(np.abs(worth).max(), 3 * task.mdp.n_actions + 8))


# --- the claim ------------------------------------------------------------------------------------------------------

T3 = three_state_npg_task()


def scale(task: ResidualNPGTask) -> float:
    """Absolute 1e-11 at the size of the values of both tasks."""
    shift = task.reward_weight * np.abs(task.prior.value).max()
    return 1e-11 * (1 + float(np.abs(solved_q(task, task.start_log_policy)[0]).max() + shift))


NPG = Claim(
    "residual-npg-iterates",
    title="Under the augmented reward all iterates of natural policy gradient are those of the full task",
    papers=("wang2025rpg", "cen2020fast"),
    provenance="our formalisation",
    statement=r"""
    Let $\pi$ be max-ent optimal for $(r, \alpha)$ and $\omega' = \omega\alpha$. Run the entropy-regularised natural policy
    gradient $\mu_{k+1} \propto \mu_k^{1 - \eta\hat\alpha/(1-\gamma)} \exp\big(\tfrac{\eta}{1-\gamma}
    Q^{\mu_k}_{\hat\alpha}\big)$, $0 < \eta \le (1-\gamma)/\hat\alpha$, with the reward $r_R + \omega'\log\pi$ and with
    $\omega r + r_R$ from the same start: the iterates are equal at every $k$, as the two $Q$ differ by the state function
    $\omega V^*$. The same holds for every update that sees $Q$ through advantages only, and every rate of convergence on
    the full task is one of the run without its reward.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$\pi$ is exactly max-ent optimal for $(r, \alpha)$",
            "a prior mixed with the uniform policy",
        ),
        Assumption("A2", "the target task has the same kernel", "a prior of another kernel"),
        Assumption("A3", "the target task has the same discount", "a prior of another discount"),
        Assumption("A4", "infinite horizon", DEFINITIONAL),
        Assumption(
            "A5",
            r"$0 < \eta \le (1-\gamma)/\hat\alpha$, where the update is defined as a mirror step",
            DEFINITIONAL,
            lambda t: bool(0 < t.step * t.temperature <= 1 + 1e-12),
        ),
    ),
    instance_family=residual_npg_task,
    witnesses=(T3,),
    instances=60,
)

iterates_part = NPG.part(
    "(iterates)",
    "the iterates are equal at every step",
    Equal(augmented_iterates, full_iterates),
    resolution=1e-11,
    reason="errors of the critics carried through the derivatives of the updates; 1e-11 on probabilities",
    shared=PRIOR_IS_SHARED,
    exact=(exact.augmented_policies, exact.full_policies),
)
NPG.part(
    "(advantages)",
    "the soft advantages of every policy are equal: all that such an update sees",
    Equal(augmented_advantage, full_advantage),
    resolution=scale,
    reason="certified evaluation against one dense solve; 1e-11 at the size of the values under both rewards",
    shared=PRIOR_IS_SHARED,
    exact=(exact.augmented_advantage, exact.full_advantage),
)


@NPG.known(T3)
def _(task: ResidualNPGTask) -> Iterator[Known]:
    found = np.asarray(augmented_iterates(task).value)
    yield Known("after one step, first column", "0.9183626925 0.3889360182 0.0801277904", found[1, :, 0])
    yield Known("after five steps, first column", "0.9002006824 0.3904685182 0.0245700541", found[5, :, 0])
    distance = np.abs(found[20] - task.full.policy).max()
    yield Known("distance from the optimum after 20 steps", "0.0006198861", distance)


# --- what must fail -------------------------------------------------------------------------------------------------


def mixed_iterates(task: ResidualNPGTask) -> Side:
    """Mirror descent under the reward augmented by a prior mixed with the uniform policy, from the max-ent prior."""
    return augmented_iterates(task, mixed_log_prior(task))


def with_another_discount(task: ResidualNPGTask) -> Side:
    """Mirror descent under the reward augmented by the prior of discount .7, from the max-ent prior."""
    return augmented_iterates(task, prior_of_another_discount(task))


def with_another_kernel(task: ResidualNPGTask) -> Side:
    """Mirror descent under the reward augmented by the prior of a kernel with the actions of state 0 exchanged."""
    return augmented_iterates(task, prior_of_another_kernel(task))


def after_1_5_20(outcome: Outcome) -> FloatArray:
    return np.asarray(np.abs(outcome.left - outcome.right).max(axis=(1, 2))[[1, 5, 20]])


iterates_part.control(
    "a prior mixed with the uniform policy",
    kind="assumption",
    drops="A1",
    instance=T3,
    left=mixed_iterates,
    specified="0.0215753987 0.0979999381 0.1683828406",
    measure=after_1_5_20,
)
iterates_part.control(
    "a prior of another kernel", kind="assumption", drops="A2", instance=T3, left=with_another_kernel
)
iterates_part.control(
    "a prior of another discount", kind="assumption", drops="A3", instance=T3, left=with_another_discount
)


# --- the figure -----------------------------------------------------------------------------------------------------


@NPG.figure(
    "Natural policy gradient from the prior (square) to the optimum of the full task (star), in the probabilities of action "
    "0 in states 0 and 2 of the three-state task. The run under the augmented reward (dots) is the run on the full task "
    "(line); augmented by a prior mixed with the uniform policy it leaves the path and ends elsewhere."
)
def _(ax: Any) -> None:
    task = replace(T3, steps=60)
    paths = [
        np.asarray(route(task).value)[:, [0, 2], 0]
        for route in (full_iterates, augmented_iterates, mixed_iterates)
    ]
    ax.plot(*paths[0].T, "k-", linewidth=1.5, label="full task")
    ax.plot(*paths[1].T, "C0o", markersize=5, fillstyle="none", label=r"augmented by the prior $\pi$")
    ax.plot(*paths[2].T, "C1^-", markersize=4, linewidth=1, label=r"augmented by $0.8\,\pi + 0.1$")
    ax.plot(*task.prior.policy[[0, 2], 0], "ks", markersize=8)
    ax.plot(*task.full.policy[[0, 2], 0], "k*", markersize=12)
    ax.set(xlabel=r"$\mu(0\,|\,0)$", ylabel=r"$\mu(0\,|\,2)$")
    ax.legend(loc="upper left")
