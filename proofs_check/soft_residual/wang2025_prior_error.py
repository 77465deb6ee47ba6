"""Residual customisation with a wrong prior (extends Li et al. 2023 and Wang et al. 2025).

Any policy of full support is max-ent optimal for a class of rewards, one for each potential, and customising it means those.
Against the intended reward the customised policy moves by at most the error of the log-prior, times the horizon.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Side, both_sides, rounding
from mdplab.models import MDP
from mdplab.operators import induced
from mdplab.solvers import ControlSolution
from proofs_check.soft_residual import exact_prior_error as exact
from proofs_check.soft_residual.instances import PRIOR_IS_SHARED
from proofs_check.soft_residual.prior_instances import (
    PriorErrorTask,
    flipped_task,
    fork_task,
    noisy_three_state_task,
    prior_error_task,
    three_state_mixture,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def reward_error(task: PriorErrorTask) -> float:
    """Rounding of the represented reward."""
    size = task.prior_temperature * np.abs(task.wrong_log_prior).max() + 2 * np.abs(task.potential).max()
    return float(rounding(size, task.mdp.n_states + 16))


def represented_optimum(task: PriorErrorTask) -> ControlSolution:
    """Soft value iteration on the represented reward at the prior's temperature."""
    return solvers.soft_value_iteration(
        task.mdp.replace(reward=task.represented_reward()), temperature=task.prior_temperature, tol=1e-12
    )


def represented_policy(task: PriorErrorTask) -> Side:
    """Policy of soft value iteration on alpha log of the prior, shaped by Phi."""
    found, horizon = represented_optimum(task), 1 / (1 - task.mdp.discount)
    return Side(
        found.policy, found.policy_error + reward_error(task) * horizon / (2 * task.prior_temperature)
    )


def wrong_prior(task: PriorErrorTask) -> Side:
    """The wrong prior itself."""
    policy = np.exp(task.wrong_log_prior)
    return Side(policy, rounding(1 + np.abs(task.wrong_log_prior).max(), 8))


def represented_value(task: PriorErrorTask) -> Side:
    """Value of soft value iteration on alpha log of the prior, shaped by Phi."""
    found = represented_optimum(task)
    return Side(found.value, found.certificate.bound + reward_error(task) / (1 - task.mdp.discount))


def potential(task: PriorErrorTask) -> Side:
    """Phi itself."""
    return Side(task.potential)


def residual_policy(task: PriorErrorTask) -> Side:
    """Residual soft Q iteration with the wrong prior: no potential enters."""
    return Side(task.residual.policy, task.residual.policy_error)


def represented_full_policy(task: PriorErrorTask, mdp: MDP | None = None) -> Side:
    """Soft policy iteration on omega times the represented reward plus the add-on reward."""
    reward = task.reward_weight * task.represented_reward(mdp) + task.residual_reward
    found = solvers.soft_policy_iteration(
        task.mdp.replace(reward=reward), temperature=task.temperature, tol=1e-9
    )
    size = reward_error(task) * task.reward_weight + float(rounding(np.abs(reward).max(), 4))
    return Side(found.policy, found.policy_error + size / (1 - task.mdp.discount) / (2 * task.temperature))


def inherent_reward(task: PriorErrorTask) -> Side:
    """The reward of which pi is the max-ent optimum."""
    return Side(task.mdp.reward)


def reward_of_the_prior(task: PriorErrorTask) -> Side:
    """alpha log pi + V* - gamma P V* of soft policy iteration."""
    value = task.prior.value
    shaped = value[:, None] - task.mdp.discount * task.mdp.expectation(value)
    error = task.prior_temperature * task.prior.log_policy_error + 2 * task.prior.certificate.bound
    return Side(
        task.prior_temperature * task.prior.log_policy + shaped,
        error + rounding(2 * np.abs(value).max() + np.abs(task.mdp.reward).max(), task.mdp.n_states + 8),
    )


def customised_by_newton(task: PriorErrorTask) -> ControlSolution:
    """Soft policy iteration on the add-on reward, the wrong log-prior as reference."""
    return solvers.soft_policy_iteration(
        task.mdp.replace(reward=task.residual_reward),
        temperature=task.temperature,
        log_reference=task.prior_weight / task.temperature * task.wrong_log_prior,
        tol=1e-9,
    )


def log_distance(task: PriorErrorTask) -> Side:
    """Residual soft Q iteration against soft value iteration on the full task: largest difference of log-policies."""
    found = solvers.soft_value_iteration(task.full_mdp, temperature=task.temperature, tol=1e-12)
    value = np.abs(task.residual.log_policy - found.log_policy).max()
    return Side(value, task.residual.log_policy_error + found.log_policy_error)


def log_distance_by_newton(task: PriorErrorTask) -> Side:
    """The same difference by soft policy iteration on both."""
    found = customised_by_newton(task)
    value = np.abs(found.log_policy - task.full.log_policy).max()
    return Side(value, found.log_policy_error + task.full.log_policy_error)


def moved_loss(task: PriorErrorTask, found: ControlSolution, lost: float) -> float:
    """What the error of a computed policy does to its loss: times the mean size of its soft advantage, over 1 - gamma.

    The soft advantage of ``mu`` is ``temperature (log optimal - log mu)`` up to twice the loss.
    """
    size = task.temperature * np.abs(task.full.log_policy - found.log_policy) * found.policy
    largest = float(size.sum(axis=1).max()) + 2 * lost
    return 1.1 * found.log_policy_error * largest / (1 - task.mdp.discount)


def loss(task: PriorErrorTask) -> Side:
    """Optimal soft value of the full task less that of the customised policy, largest over the states."""
    logs = task.residual.log_policy
    found = solvers.policy_evaluation(task.full_mdp, np.exp(logs), temperature=task.temperature)
    error = task.full.certificate.bound + found.certificate.bound
    size = np.abs(found.value).max() + np.abs(task.full.value).max()
    value = float((task.full.value - found.value).max())
    return Side(value, error + moved_loss(task, task.residual, value) + rounding(size, 2))


def discounted_divergence(task: PriorErrorTask) -> Side:
    """The loss as the discounted sum of temperature times KL(mu || optimal), one dense solve."""
    found = customised_by_newton(task)
    logs, best = found.log_policy, task.full.log_policy
    policy, discount = np.exp(logs), task.mdp.discount
    kernel, _ = induced(task.mdp, policy)
    divergence = task.temperature * (policy * (logs - best)).sum(axis=1)
    value = np.linalg.solve(np.eye(len(policy)) - discount * kernel, divergence)
    error = task.temperature * (found.log_policy_error + task.full.log_policy_error)
    size = task.temperature * (np.abs(logs).max() + np.abs(best).max()) + np.abs(value).max()
    missed = np.abs(divergence + discount * kernel @ value - value).max() + rounding(size, 8 * policy.size)
    moved = moved_loss(task, found, float(value.max()))
    return Side(value.max(), float(error + missed) / (1 - discount) + moved)


def loss_bound(task: PriorErrorTask, horizon: bool = True) -> Side:
    """2 omega' delta / (1 - gamma)."""
    factor = 2 * task.prior_weight / ((1 - task.mdp.discount) if horizon else 1.0)
    error = task.prior.log_policy_error + rounding(np.abs(task.wrong_log_prior).max(), 12)
    return Side(factor * task.delta, factor * error)


def log_bound(task: PriorErrorTask, horizon: bool = True) -> Side:
    """2 omega' delta / (alpha-hat (1 - gamma))."""
    side = loss_bound(task, horizon)
    return Side(np.asarray(side.value) / task.temperature, np.asarray(side.error) / task.temperature)


# --- the claim ------------------------------------------------------------------------------------------------------

T3, FORK, FLIPPED = three_state_mixture(), fork_task(), flipped_task()


def scale(task: PriorErrorTask) -> float:
    """Absolute 1e-10 at the size of the values, the horizon and the weighted log-prior."""
    logs = task.prior_weight * np.abs(task.wrong_log_prior).max() / (1 - task.mdp.discount)
    values = np.abs(task.prior.value).max() + np.abs(task.full.value).max()
    return 1e-10 * (1 + float(values + logs) * (1 + 1 / task.temperature))


ERROR = Claim(
    "rql-prior-error",
    title="When the prior is not max-ent optimal: the exact reward class it stands for, and a stability bound",
    papers=("li2023rql", "wang2025rpg", "ng1999shaping"),
    provenance="our formalisation",
    statement=r"""
    Let $\tilde\pi$ be any prior of full support, $\pi$ the max-ent optimum of $(r, \alpha)$, $\delta = \|\log\tilde\pi -
    \log\pi\|_\infty$, and $\tilde\mu$, $\hat\pi^*$ the residual solutions with $\tilde\pi$ and with $\pi$.

    (i) For every $\Phi$, $\tilde\pi$ is max-ent optimal at $\alpha$ for $r' = \alpha\log\tilde\pi + \Phi - \gamma P\Phi$ with
    the soft value $\Phi$, and these are all such rewards; $\tilde\mu$ is max-ent optimal for $\omega r' + r_R$ at
    $\hat\alpha$, the same policy for each $\Phi$.

    (ii) $\|\log\tilde\mu - \log\hat\pi^*\|_\infty \le \dfrac{2\omega'\delta}{\hat\alpha(1-\gamma)}$;

    (iii) $\max_s(\hat V^* - \hat V^{\tilde\mu}_{\hat\alpha})(s) \le \dfrac{2\omega'\delta}{1-\gamma}$ in the full task.
    """,
    assumptions=(
        Assumption("A2", "the target task has the same kernel", "a reward of another kernel"),
        Assumption("A3", "the target task has the same discount", "a reward of another discount"),
        Assumption("A4", "infinite horizon", DEFINITIONAL),
        Assumption("A5", r"$\hat\alpha > 0$ and finite rewards", DEFINITIONAL, lambda t: t.temperature > 0),
        Assumption(
            "A6",
            r"$\tilde\pi > 0$",
            DEFINITIONAL,
            lambda t: bool(np.isfinite(t.noise).all() and 0 <= t.mixture < 1),
        ),
    ),
    instance_family=prior_error_task,
    witnesses=(T3, FORK, FLIPPED),
    instances=60,
)

ROUNDING = "certified errors of the solvers; 1e-10 at the size of the values, the horizon and the log-prior"

ERROR.part(
    "(i, policy)",
    r"$\tilde\pi$ is max-ent optimal for $r' = \alpha\log\tilde\pi + \Phi - \gamma P\Phi$",
    Equal(represented_policy, wrong_prior),
    resolution=1e-10,
    reason="certified policy error; 1e-10 on probabilities",
    shared=PRIOR_IS_SHARED,
    exact=(exact.represented_policy, exact.wrong_prior),
)
ERROR.part(
    "(i, value)",
    r"its soft value for $r'$ is $\Phi$",
    Equal(represented_value, potential),
    resolution=scale,
    reason=ROUNDING,
    shared=PRIOR_IS_SHARED,
    exact=(exact.represented_value, exact.potential),
)
ERROR.part(
    "(i, all rewards)",
    r"a reward with the max-ent optimum $\pi$ is $\alpha\log\pi + V^* - \gamma P V^*$, one of the class",
    Equal(inherent_reward, reward_of_the_prior),
    resolution=scale,
    reason=ROUNDING,
    exact=(exact.inherent_reward, exact.reward_of_the_prior),
)
customised_part = ERROR.part(
    "(i, customised)",
    r"$\tilde\mu$ is max-ent optimal for $\omega r' + r_R$ at $\hat\alpha$, for each $\Phi$",
    Equal(residual_policy, represented_full_policy),
    resolution=1e-10,
    reason="certified policy errors of both solvers; 1e-10 on probabilities",
    shared=PRIOR_IS_SHARED,
    exact=(exact.residual_policy, exact.represented_full_policy),
)
distance_part = ERROR.part(
    "(ii)",
    r"$\|\log\tilde\mu - \log\hat\pi^*\|_\infty \le 2\omega'\delta/(\hat\alpha(1-\gamma))$",
    AtMost(log_distance, log_bound),
    resolution=scale,
    reason=ROUNDING,
    cross_left=log_distance_by_newton,
    closed=("right",),
    specified_tightness="0.52",
    shared=PRIOR_IS_SHARED,
    exact=(exact.log_distance, exact.log_bound),
)
loss_part = ERROR.part(
    "(iii)",
    r"$\max_s(\hat V^* - \hat V^{\tilde\mu}_{\hat\alpha})(s) \le 2\omega'\delta/(1-\gamma)$",
    AtMost(loss, loss_bound),
    resolution=scale,
    reason=ROUNDING,
    cross_left=discounted_divergence,
    closed=("right",),
    specified_tightness="0.30",
    shared=PRIOR_IS_SHARED,
    exact=(exact.loss, exact.loss_bound),
)


@ERROR.known(T3)
def _(task: PriorErrorTask) -> Iterator[Known]:
    yield Known("delta", "0.7458719497", task.delta)
    yield Known("distance of the log-policies", "0.9056739001", log_distance(task).value)
    yield Known("bound (ii)", "22.3761584903", log_bound(task).value)
    column = task.residual.policy[:, 0]
    yield Known("first column of the customised policy", "0.7126925645 0.4484908765 0.0250508997", column)
    found = solvers.policy_evaluation(task.full_mdp, task.residual.policy, temperature=task.temperature)
    lost = task.mdp.start_law() @ (task.full.value - found.value)
    yield Known("loss from the start law", "0.1514312012", lost)
    yield Known("bound (iii)", "8.9504633961", loss_bound(task).value)
    value = represented_value(task)
    yield Known("soft value of the represented reward", "1 -2 0.5", value.value, float(np.max(value.error)))


@ERROR.known(FORK)
def _(task: PriorErrorTask) -> Iterator[Known]:
    yield Known("delta of the fork", "0.3", task.delta)
    yield Known("distance of the log-policies of the fork", "5.3286901886", log_distance(task).value)
    bound = np.asarray(log_bound(task).value)
    yield Known("bound (ii) of the fork", "6.0", bound)
    yield Known("ratio to the bound (ii)", "0.888", np.asarray(log_distance(task).value) / bound)


# --- what must fail -------------------------------------------------------------------------------------------------


def full_policy(task: PriorErrorTask) -> Side:
    """Soft policy iteration on the intended full task: the claim that a wrong prior does no harm."""
    return Side(task.full.policy, task.full.policy_error)


def reward_of_another_kernel(task: PriorErrorTask) -> Side:
    """The represented reward shaped with a kernel in which state 0 has exchanged its actions."""
    kernel = np.array(task.mdp.transition)
    kernel[0] = kernel[0, ::-1]
    return represented_full_policy(task, MDP(kernel, task.mdp.reward, task.mdp.discount))


def reward_of_another_discount(task: PriorErrorTask) -> Side:
    """The represented reward shaped with the discount .7."""
    return represented_full_policy(task, task.mdp.replace(discount=0.7))


def log_bound_without_horizon(task: PriorErrorTask) -> Side:
    """2 omega' delta / alpha-hat."""
    return log_bound(task, horizon=False)


def loss_bound_without_horizon(task: PriorErrorTask) -> Side:
    """2 omega' delta."""
    return loss_bound(task, horizon=False)


customised_part.control(
    "the intended reward in the place of the represented one",
    kind="mutation",
    instance=T3,
    right=full_policy,
    specified="0.171",
)
customised_part.control(
    "a reward of another kernel", kind="assumption", drops="A2", instance=T3, right=reward_of_another_kernel
)
customised_part.control(
    "a reward of another discount",
    kind="assumption",
    drops="A3",
    instance=T3,
    right=reward_of_another_discount,
)
distance_part.control(
    "(ii) without 1 / (1 - gamma)",
    kind="constant",
    instance=FORK,
    right=log_bound_without_horizon,
    specified="5.3286901886 0.6",
    measure=both_sides,
)
loss_part.control(
    "(iii) without 1 / (1 - gamma)", kind="constant", instance=FLIPPED, right=loss_bound_without_horizon
)


# --- the figure -----------------------------------------------------------------------------------------------------


@ERROR.figure(
    "Distance of the log-policies and loss in the full task over the error of the log-prior (lines), with their bounds "
    "(dashed), on the three-state task. Small errors show to first order in the policy, to second order in the value."
)
def _(ax: Any) -> None:
    tasks = [noisy_three_state_task(float(size)) for size in np.geomspace(1e-4, 3.0, 25)]
    deltas = [task.delta for task in tasks]
    for left, right, colour, name in (
        (log_distance, log_bound, "C0", r"$\|\log\tilde\mu - \log\hat\pi^*\|_\infty$"),
        (loss, loss_bound, "C1", r"$\max_s(\hat V^* - \hat V^{\tilde\mu})$"),
    ):
        ax.loglog(deltas, [left(task).value for task in tasks], colour, linewidth=2, label=name)
        ax.loglog(deltas, [right(task).value for task in tasks], colour, linestyle="dashed", linewidth=1)
    ax.plot([], [], color="0.3", linestyle="dashed", linewidth=1, label="bounds")
    ax.set(xlabel=r"error $\delta$ of the log-prior", ylabel="distance, loss")
    ax.legend()
