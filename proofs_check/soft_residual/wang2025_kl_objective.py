"""The reward view of a KL-regularised objective (Wang et al. 2025).

A KL penalty towards a max-ent optimal prior, with an entropy bonus or penalty besides, is the max-ent objective of a
weighted sum of the prior's own reward and the add-on reward: the coefficient fixes the weight, and coefficient plus
bonus the temperature.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Method, Side, rounding
from mdplab.convex.flow import FlowPolytope
from mdplab.divergences import entropy, kl_from_logs
from mdplab.instances import three_state_addon_reward, three_state_mdp
from mdplab.models import MDP
from mdplab.operators import induced, policy_of_occupancy, state_occupancy
from mdplab.solvers import ControlSolution
from proofs_check.soft_residual import exact_customisation as exact
from proofs_check.soft_residual import kl_instances
from proofs_check.soft_residual.instances import PRIOR_IS_SHARED
from proofs_check.soft_residual.kl_instances import KLTask, random_kl_task, three_state_kl_task

# --- the routes -----------------------------------------------------------------------------------------------------


def solve_return(task: KLTask, reward: FloatArray) -> Side:
    """Start value of a state reward under mu, one linear solve."""
    kernel, _ = induced(task.mdp, np.exp(task.log_policy))
    discount, n = task.mdp.discount, task.mdp.n_states
    value = np.linalg.solve(np.eye(n) - discount * kernel, reward)
    residual = np.abs(reward + discount * kernel @ value - value).max() + rounding(np.abs(value).max(), n + 4)
    # exp, log and the two products of an action's term each err by an ulp of the largest logarithm in it
    logs = (
        task.temperature * np.abs(task.log_policy).max()
        + task.kl_weight * np.abs(task.prior.log_policy).max()
    )
    inner = rounding(np.abs(task.residual_reward).max() + logs, 4 * task.mdp.n_actions + 8)
    return Side(
        task.mdp.start_law() @ value, (residual + inner) / (1 - discount) + rounding(np.abs(value).max(), n)
    )


def penalised_return(task: KLTask) -> Side:
    """Return of r_R - beta KL(mu || pi) + eta H(mu), the divergences computed state by state."""
    policy = np.exp(task.log_policy)
    away = kl_from_logs(task.log_policy, task.prior.log_policy)
    reward = (policy * task.residual_reward).sum(axis=1) - task.kl_weight * away
    return solve_return(task, reward + task.entropy_weight * entropy(policy))


def log_reward_return(task: KLTask) -> Side:
    """Return of r_R + beta log pi - (beta + eta) log mu."""
    logs = task.kl_weight * task.prior.log_policy - (task.kl_weight + task.entropy_weight) * task.log_policy
    return solve_return(task, (np.exp(task.log_policy) * (task.residual_reward + logs)).sum(axis=1))


def max_ent_return(task: KLTask) -> Side:
    """Soft evaluation of mu on the full task, less omega times the soft optimum of the inherent task."""
    found = solvers.policy_evaluation(task.full_mdp, np.exp(task.log_policy), temperature=task.temperature)
    value = task.mdp.start_law() @ (found.value - task.reward_weight * task.prior.value)
    error = found.certificate.bound + task.reward_weight * task.prior.certificate.bound + 2 * task.prior_error
    return Side(value, error + rounding(np.abs(found.value).max(), task.mdp.n_states + 4))


def regularised_optimum(task: KLTask, log_prior: FloatArray | None = None) -> ControlSolution:
    """Policy iteration on the KL-plus-entropy objective: greedy step mu ~ exp((Q + beta log pi) / (beta + eta))."""
    prior = task.prior.log_policy if log_prior is None else log_prior
    return solvers.soft_policy_iteration(
        task.mdp.replace(reward=task.residual_reward),
        temperature=task.temperature,
        log_reference=task.kl_weight / task.temperature * prior,
        tol=1e-9,
    )


def max_ent_optimum(task: KLTask) -> ControlSolution:
    """Soft value iteration on the full task (beta / alpha) r + r_R at the temperature beta + eta."""
    return solvers.soft_value_iteration(task.full_mdp, temperature=task.temperature, tol=1e-12)


def regularised_value(task: KLTask) -> Side:
    """Value of policy iteration on the KL-plus-entropy objective."""
    found = regularised_optimum(task)
    return Side(found.value, found.certificate.bound + 2 * task.prior_error)


def max_ent_value(task: KLTask) -> Side:
    """Value of soft value iteration on the full task, less omega times the inherent soft value."""
    found = max_ent_optimum(task)
    error = found.certificate.bound + task.reward_weight * task.prior.certificate.bound
    return Side(found.value - task.reward_weight * task.prior.value, error)


def regularised_policy(task: KLTask) -> Side:
    """Policy of policy iteration on the KL-plus-entropy objective."""
    found = regularised_optimum(task)
    return Side(found.policy, found.policy_error + task.prior_error / (2 * task.temperature))


def max_ent_policy(
    task: KLTask, reward_weight: float | None = None, temperature: float | None = None
) -> Side:
    """Policy of soft value iteration on the full task."""
    weight = task.reward_weight if reward_weight is None else reward_weight
    found = solvers.soft_value_iteration(
        task.mdp.replace(reward=weight * task.mdp.reward + task.residual_reward),
        temperature=task.temperature if temperature is None else temperature,
        tol=1e-12,
    )
    return Side(found.policy, found.policy_error)


def conic_value(task: KLTask) -> Side:
    """Objective of the cone program over occupancies, over 1 - gamma."""
    found, discount = task.conic, task.mdp.discount
    return Side(found.objective / (1 - discount), 1.01 * found.certificate.bound / (1 - discount))


def max_ent_start_value(task: KLTask) -> Side:
    """Start value of soft value iteration on the full task, less omega times the inherent one."""
    side = max_ent_value(task)
    return Side(task.mdp.start_law() @ np.asarray(side.value), side.error)


def conic_policy(task: KLTask) -> Side:
    """Policy of the cone program's occupancy.

    A policy falls short of the optimum by ``sum_s d(s) temperature KL(policy_s || optimal_s)``, d its own occupancy, and
    an entry of a row is off by at most ``sqrt(KL / 2)`` (Pinsker): a state that is hardly visited is hardly determined.
    """
    found = task.conic
    policy = policy_of_occupancy(found.primal)
    doubt = rounding(1.0, task.mdp.n_states + 16) / (1 - task.mdp.discount)
    visits = np.maximum(state_occupancy(task.mdp, policy) - doubt, 0.0)
    with np.errstate(divide="ignore"):
        off = np.sqrt((found.upper - found.lower) / (2 * task.temperature * visits))
    return Side(policy, np.broadcast_to(1.01 * off[:, None], policy.shape))


def careless_policy(task: KLTask) -> Side:
    """Policy of an optimal occupancy: soft value iteration where states are visited, action 0 where they are not."""
    side, visited = max_ent_policy(task), FlowPolytope.of(task.mdp).reachable()[:, None]
    return Side(np.where(visited, side.value, np.arange(task.mdp.n_actions) == 0), side.error)


# --- the claim ------------------------------------------------------------------------------------------------------

PURE_KL, BONUS, PENALTY = three_state_kl_task(0.0), three_state_kl_task(0.3), three_state_kl_task(-0.2)


def scale(task: KLTask) -> float:
    """Absolute 1e-11 at the size of the values."""
    return 1e-11 * (1 + float(np.abs(task.full.value).max()))


CONE = "one side is the optimum of a cone solver, known to its certified gap of about 1e-8"
EVERYWHERE = ("A1", "A2", "A3", "A4", "A5")
"""What is assumed unless the policy of an occupancy is in question."""

BALANCE = Claim(
    "kl-objective-balance",
    title="A KL-to-prior objective is a max-ent objective",
    papers=("wang2025rpg",),
    provenance="our formalisation",
    statement=r"""
    Let the prior $\pi$ be max-ent optimal for $(r, \alpha)$, $\beta > 0$ a KL coefficient and $\eta$ an entropy coefficient
    of either sign with $\beta + \eta > 0$. For every policy $\mu$
    $$E\sum_t \gamma^t\big[r_R - \beta\,\mathrm{KL}(\mu(\cdot|s_t)\|\pi(\cdot|s_t)) + \eta H(\mu(\cdot|s_t))\big]
      = E\sum_t \gamma^t\big[r_R + \beta\log\pi - (\beta+\eta)\log\mu\big]
      = \rho^\top(\hat V^\mu_{\hat\alpha} - \omega V^*)$$
    with $\omega' = \beta$, $\omega = \beta/\alpha$ and $\hat\alpha = \beta + \eta$. Pure KL ($\eta = 0$) covers only the
    diagonal $\hat\alpha = \omega'$; $\hat\alpha > \omega'$ is KL plus an entropy bonus and $\hat\alpha < \omega'$ KL plus
    an entropy penalty. The optimal value is $V^*_{\beta,\eta} = \hat V^* - \omega V^*$, attained by the max-ent policy of
    $\omega r + r_R$ at the temperature $\hat\alpha$. The objective is a concave function of the occupancy of $\mu$, whose
    maximiser determines this policy in the states that are visited.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"the prior is exactly max-ent optimal for $(r, \alpha)$",
            "a uniform prior in the place of the optimal one",
        ),
        Assumption("A2", "the target task has the same kernel", DEFINITIONAL),
        Assumption("A3", "the target task has the same discount", DEFINITIONAL),
        Assumption("A4", "infinite horizon", DEFINITIONAL),
        Assumption("A5", r"$\beta + \eta > 0$", DEFINITIONAL, lambda t: t.temperature > 0),
        Assumption(
            "A6",
            "for the policy of an occupancy: every state is visited",
            "a state that is never visited: its policy enters no occupancy",
            lambda t: bool(FlowPolytope.of(t.mdp).reachable().all()),
            wider=kl_instances.sparse_kl_task,
        ),
    ),
    methods=(
        Method(
            "KL-regularised fine-tuning",
            "primal",
            "KL and entropy",
            "the policy against the prior, state by state",
        ),
    ),
    instance_family=random_kl_task,
    witnesses=(PURE_KL, BONUS, PENALTY),
    instances=150,
)

BALANCE.part(
    "(first equality)",
    r"$r_R - \beta\,\mathrm{KL} + \eta H$ and $r_R + \beta\log\pi - (\beta+\eta)\log\mu$ have the same return",
    Equal(penalised_return, log_reward_return),
    resolution=scale,
    reason="two linear solves; 1e-11 at the size of the values",
    assumes=EVERYWHERE,
    shared=PRIOR_IS_SHARED,
    exact=(exact.penalised_return, exact.log_reward_return),
)
BALANCE.part(
    "(second equality)",
    r"the KL objective of every $\mu$ is $\rho^\top(\hat V^\mu_{\hat\alpha} - \omega V^*)$",
    Equal(penalised_return, max_ent_return),
    resolution=scale,
    reason="certified bounds of evaluation and prior; 1e-11 at the size of the values",
    assumes=EVERYWHERE,
    shared=PRIOR_IS_SHARED,
    exact=(exact.penalised_return, exact.max_ent_return),
)
BALANCE.part(
    "(optimal value)",
    r"$V^*_{\beta,\eta} = \hat V^* - \omega V^*$",
    Equal(regularised_value, max_ent_value),
    resolution=scale,
    reason="certified bounds of both solvers; 1e-11 at the size of the values",
    assumes=EVERYWHERE,
    shared=PRIOR_IS_SHARED,
    exact=(exact.regularised_value, exact.value_difference),
)
optimal_policy = BALANCE.part(
    "(optimal policy)",
    r"both objectives have one optimal policy",
    Equal(regularised_policy, max_ent_policy),
    resolution=1e-11,
    reason="certified policy errors of both solvers",
    assumes=EVERYWHERE,
    shared=PRIOR_IS_SHARED,
    exact=(exact.regularised_policy, exact.full_policy),
)
BALANCE.part(
    "(occupancy program, value)",
    "the concave program over occupancies has the same value",
    Equal(conic_value, max_ent_start_value),
    resolution=2e-6,
    reason="certified errors of the program over 1 - gamma and of value iteration",
    family=partial(random_kl_task, states=(2, 4)),
    instances=20,
    assumes=EVERYWHERE,
    shared=PRIOR_IS_SHARED,
    exact=CONE,
)
program_policy = BALANCE.part(
    "(occupancy program, policy)",
    "the concave program over occupancies has the same policy in the states that are visited",
    Equal(conic_policy, max_ent_policy),
    resolution=2e-4,
    reason="root of the certified gap of the program over the visits (Pinsker); at most 1e-5 unless a state is seldom visited",
    family=partial(random_kl_task, states=(2, 4)),
    instances=20,
    shared=PRIOR_IS_SHARED,
    exact=CONE,
)


@BALANCE.known(PURE_KL)
def _(task: KLTask) -> Iterator[Known]:
    found = regularised_optimum(task)
    yield Known(
        "policy at eta = 0, first column", "0.7984005744 0.4419541729 0.0458409275", found.policy[:, 0]
    )
    yield Known("value at eta = 0", "1.7201389612 1.9704560474 2.1599080931", found.value)
    yield Known("start value at eta = 0", "1.8831879", task.mdp.start_law() @ found.value)


@BALANCE.known(BONUS)
def _(task: KLTask) -> Iterator[Known]:
    found = regularised_optimum(task)
    yield Known(
        "policy at eta = .3, first column", "0.7198828588 0.4760110116 0.1168939378", found.policy[:, 0]
    )
    yield Known("value at eta = .3", "3.2087913977 3.4538070479 3.5275194647", found.value)


@BALANCE.known(PENALTY)
def _(task: KLTask) -> Iterator[Known]:
    found = regularised_optimum(task)
    yield Known(
        "policy at eta = -.2, first column", "0.8838504080 0.3867625957 0.0104812146", found.policy[:, 0]
    )
    yield Known("value at eta = -.2", "0.9333052750 1.1749624127 1.4683559834", found.value)


def unvisited_task() -> KLTask:
    """The task with bonus where no other state leads to the last one, and the process starts elsewhere."""
    mdp = BONUS.mdp
    transition = np.array(mdp.transition)
    transition[:2] = [0.5, 0.5, 0.0]
    return replace(BONUS, mdp=MDP(transition, mdp.reward, mdp.discount, [0.5, 0.5, 0.0]))


def with_a_uniform_prior(task: KLTask) -> Side:
    """Policy of policy iteration on the KL-plus-entropy objective with a uniform prior."""
    found = regularised_optimum(task, np.full_like(task.mdp.reward, -np.log(task.mdp.n_actions)))
    return Side(found.policy, found.policy_error)


optimal_policy.control(
    "a uniform prior in the place of the optimal one",
    kind="assumption",
    drops="A1",
    instance=PURE_KL,
    left=with_a_uniform_prior,
)
optimal_policy.control(
    "omega = beta at the temperature alpha",
    kind="mutation",
    instance=PURE_KL,
    right=partial(max_ent_policy, reward_weight=0.6, temperature=0.5),
    specified="0.2236087942",
)
optimal_policy.control(
    "omega = beta / alpha at the temperature alpha",
    kind="constant",
    instance=PURE_KL,
    right=partial(max_ent_policy, temperature=0.5),
    specified="0.0385079827",
)
program_policy.control(
    "a state that is never visited: its policy enters no occupancy",
    kind="assumption",
    drops="A6",
    instance=unvisited_task(),
    left=careless_policy,
)


# --- the figure -----------------------------------------------------------------------------------------------------


@BALANCE.figure(
    "Returns of the inherent reward (solid) and of the add-on reward (dashed) of the optimal policy over the weight of the "
    "log-prior and the temperature, on the three-state task. A pure KL objective reaches the diagonal only; above it the "
    "objective adds an entropy bonus, below it an entropy penalty."
)
def _(ax: Any) -> None:
    weights, temperatures = np.linspace(0.03, 1.5, 36), np.linspace(0.03, 1.5, 36)
    inherent, addon = np.empty((36, 36)), np.empty((36, 36))
    mdp, extra = three_state_mdp(), three_state_addon_reward()
    for column, weight in enumerate(weights):
        for row, temperature in enumerate(temperatures):
            full = mdp.replace(reward=weight / 0.5 * mdp.reward + extra)
            policy = solvers.soft_policy_iteration(full, temperature=float(temperature)).policy
            for target, reward in ((inherent, mdp.reward), (addon, extra)):
                target[row, column] = (
                    mdp.start_law() @ solvers.policy_evaluation(mdp.replace(reward=reward), policy).value
                )
    for values, look, levels, places in (
        (inherent, ("C0", "solid"), (4.0, 5.0, 6.0, 7.0), ((0.1, 1.1), (0.3, 1.1), (0.75, 1.1), (1.0, 0.7))),
        (
            addon,
            ("C1", "dashed"),
            (1.8, 2.0, 2.2, 2.6, 3.0),
            ((1.3, 0.9), (0.85, 1.2), (0.45, 1.1), (0.35, 0.5), (0.1, 0.4)),
        ),
    ):
        lines = ax.contour(
            weights, temperatures, values, levels, colors=look[0], linestyles=look[1], linewidths=1.4
        )
        ax.clabel(lines, fontsize=9, fmt="%.1f", manual=places)
    ax.plot([0, 1.5], [0, 1.5], color="black", linewidth=2)
    plain = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    ax.text(
        1.25, 1.3, "pure KL", rotation=45, ha="center", rotation_mode="anchor", transform_rotates_text=True
    )
    ax.text(0.33, 1.44, "entropy bonus", ha="center", va="top", bbox=plain, zorder=5)
    ax.text(1.15, 0.12, "entropy penalty", ha="center", va="bottom", bbox=plain, zorder=5)
    ax.set(
        xlim=(0, 1.5),
        ylim=(0, 1.5),
        xlabel=r"weight of the log-prior $\omega' = \beta$",
        ylabel=r"temperature $\hat\alpha = \beta + \eta$",
    )
    ax.plot([], [], color="C0", label="inherent return")
    ax.plot([], [], color="C1", linestyle="dashed", label="add-on return")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
