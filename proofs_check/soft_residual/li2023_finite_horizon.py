"""Residual soft Q-learning (Li et al. 2023) in episodes: the prior must know how many stages are left.

The log-prior of a stage is the reward shaped by the values of that stage and of the next; the shaping telescopes only if both
belong to one recursion.  A stationary prior telescopes too, but to its own value of the last state.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Outcome, Side, rounding
from mdplab.solvers import HorizonSolution
from proofs_check.soft_residual import exact_horizon as exact
from proofs_check.soft_residual.horizon_instances import HorizonTask, horizon_task, three_state_horizon
from proofs_check.soft_residual.instances import PRIOR_IS_SHARED, exchanged_actions

# --- the routes -----------------------------------------------------------------------------------------------------


def customised(task: HorizonTask, log_prior: FloatArray, discount: float) -> HorizonSolution:
    """Residual recursion: sees kernel, add-on reward and log-prior, not the inherent reward."""
    stages = task.stages(np.zeros_like(task.mdp.reward), discount)
    return solvers.residual_backward_induction(
        stages,
        task.residual_reward,
        log_prior,
        prior_weight=task.prior_weight,
        temperature=task.temperature,
    )


def customised_policy(task: HorizonTask) -> Side:
    """Residual recursion with the prior of each stage."""
    found = customised(task, task.stage_prior.log_policy, task.stage_discount)
    return Side(found.policy, found.policy_error + task.stage_prior_error / (2 * task.temperature))


def full_policy(task: HorizonTask) -> Side:
    """Backward induction on the full task omega r + r_R."""
    found = full(task, task.stage_discount)
    return Side(found.policy, found.policy_error + reward_error(task) / (2 * task.temperature))


def customised_value(task: HorizonTask) -> Side:
    """Values of the residual recursion with the prior of each stage."""
    found = customised(task, task.stage_prior.log_policy, task.stage_discount)
    return Side(found.value, found.certificate.bound + 2 * task.stage_prior_error)


def value_difference(task: HorizonTask) -> Side:
    """Backward induction on the full task and on the inherent one: difference of their values."""
    found, prior = full(task, task.stage_discount), task.stage_prior
    value = found.value - task.reward_weight * prior.value
    error = found.certificate.bound + task.reward_weight * prior.certificate.bound + reward_error(task)
    size = np.abs(found.value) + task.reward_weight * np.abs(prior.value)
    return Side(value, error + rounding(size.max(), 4))


def full(task: HorizonTask, discount: float, terminal: FloatArray | None = None) -> HorizonSolution:
    """Backward induction on the full task."""
    stages = task.stages(task.full_mdp.reward, discount, terminal)
    return solvers.backward_induction(stages, temperature=task.temperature)


def reward_error(task: HorizonTask) -> float:
    """What the rounding of ``omega r + r_R`` does to a value."""
    size = task.reward_weight * np.abs(task.mdp.reward).max() + np.abs(task.residual_reward).max()
    return float(rounding(size, 3)) * task.horizon


def stationary_error(task: HorizonTask) -> float:
    """Error of a value of the full task that the backward error of the stationary prior causes."""
    weight = task.weight_of_stages(task.mdp.discount)
    return task.reward_weight * task.prior_backward_error * weight


def stationary_policy(task: HorizonTask) -> Side:
    """Residual recursion with the stationary prior at every stage."""
    found = customised(task, task.prior.log_policy, task.mdp.discount)
    return Side(found.policy, found.policy_error + stationary_error(task) / (2 * task.temperature))


def bonus_of(task: HorizonTask) -> tuple[FloatArray, float]:
    """The terminal reward omega V*, and its rounding."""
    bonus = task.reward_weight * task.prior.value
    return bonus, float(rounding(np.abs(bonus).max(), 2))


def policy_with_bonus(task: HorizonTask) -> Side:
    """Backward induction on the full task with the terminal reward omega V*."""
    bonus, error = bonus_of(task)
    found = full(task, task.mdp.discount, bonus)
    return Side(found.policy, found.policy_error + (reward_error(task) + error) / (2 * task.temperature))


def stationary_value(task: HorizonTask) -> Side:
    """Values of the residual recursion with the stationary prior."""
    found = customised(task, task.prior.log_policy, task.mdp.discount)
    return Side(found.value, found.certificate.bound + stationary_error(task))


def value_with_bonus(task: HorizonTask) -> Side:
    """Backward induction on the full task with the terminal reward omega V*, less omega V*."""
    bonus, error = bonus_of(task)
    found = full(task, task.mdp.discount, bonus)
    size = float(rounding(np.abs(found.value).max() + np.abs(bonus).max(), 2))
    return Side(found.value - bonus, found.certificate.bound + reward_error(task) + 2 * error + size)


# --- the claim ------------------------------------------------------------------------------------------------------

T3 = three_state_horizon()


def largest_value(task: HorizonTask) -> float:
    """Size of the numbers in both recursions: stationary values, and logarithms of H stages."""
    logs = task.prior_weight * (
        np.abs(task.prior.log_policy).max() + np.abs(task.stage_prior.log_policy).max()
    )
    rewards = np.abs(task.residual_reward).max() + task.temperature * np.log(task.mdp.n_actions)
    values = task.reward_weight * (np.abs(task.prior.value).max() + np.abs(task.stage_prior.value).max())
    return float(task.horizon * (logs + rewards) + values)


def policy_scale(task: HorizonTask) -> float:
    """1e-11 on probabilities, and 1e-14 of the exponents where these exceed a thousand."""
    return 1e-14 * max(1e3, largest_value(task) / task.temperature)


def value_scale(task: HorizonTask) -> float:
    """1e-12 at the size of the values."""
    return 1e-12 * (1 + largest_value(task))


HORIZON = Claim(
    "rql-finite-horizon",
    title="A finite horizon needs a time-dependent prior; a stationary one adds a terminal bonus",
    papers=("li2023rql", "wang2025rpg"),
    provenance="our formalisation",
    statement=r"""
    Let there be $H$ stages $h = 0, \dots, H-1$, a discount $g \in (0, 1]$ and no terminal reward, and let $\pi_h$ be the
    max-ent optimal policies of the stages for $(r, \alpha)$, with the values $V_h$.

    (i) With $\omega' = \omega\alpha$, $Q_{R,H-1} = r_R$ and
    $$Q_{R,h} = r_R + g P\, \hat\alpha \log \sum_a \exp\frac{Q_{R,h+1} + \omega' \log \pi_{h+1}}{\hat\alpha},$$
    the policies $\propto \exp((Q_{R,h} + \omega'\log\pi_h)/\hat\alpha)$ are max-ent optimal for $\omega r + r_R$ at every
    stage, and the log-sum-exps are $\hat V_h - \omega V_h$.

    (ii) With the *stationary* prior of the infinite horizon at $\gamma$, used for $H$ stages at the same discount, the
    result is optimal for the $H$-stage task $\omega r + r_R$ with the terminal reward $\omega V^*(s_H)$, $V^*$ the
    infinite-horizon soft value of $r$; the log-sum-exps are its values less $\omega V^*$.
    """,
    assumptions=(
        Assumption(
            "A1", r"the prior is exactly max-ent optimal for $(r, \alpha)$", "a uniform prior at every stage"
        ),
        Assumption("A2", "the target task has the same kernel", "a prior of another kernel"),
        Assumption("A3", "the target task has the same discount", "a prior of another discount"),
        Assumption(
            "A4", "for (i): the prior has the same horizon and time index", "the prior of stage 0 frozen"
        ),
        Assumption(
            "A5",
            r"$\hat\alpha > 0$ and finite rewards, so that $\pi > 0$",
            DEFINITIONAL,
            lambda t: t.temperature > 0,
        ),
    ),
    instance_family=horizon_task,
    witnesses=(T3,),
    instances=100,
)
WITHOUT_TIME = ("A1", "A2", "A3", "A5")
STAGES_ARE_SHARED = {
    "backward_induction": "the stage prior is an input of the claim; its backward error is in the bound"
}
CERTIFIED = "running rounding bounds of both recursions; 1e-11 on probabilities, 1e-14 of large exponents"

stage_part = HORIZON.part(
    "(i)",
    r"the policies $\propto\exp((Q_{R,h} + \omega'\log\pi_h)/\hat\alpha)$ are max-ent optimal for $\omega r + r_R$",
    Equal(customised_policy, full_policy),
    resolution=policy_scale,
    reason=CERTIFIED,
    shared=STAGES_ARE_SHARED,
    exact=(exact.customised_policy, exact.full_policy),
)
HORIZON.part(
    "(i, values)",
    r"the values of the residual recursion are $\hat V_h - \omega V_h$",
    Equal(customised_value, value_difference),
    resolution=value_scale,
    reason="running rounding bounds of both recursions; 1e-12 at the size of the values",
    shared=STAGES_ARE_SHARED,
    exact=(exact.customised_value, exact.value_difference),
)
bonus_part = HORIZON.part(
    "(ii)",
    r"with the stationary prior: optimal for $\omega r + r_R$ with the terminal reward $\omega V^*(s_H)$",
    Equal(stationary_policy, policy_with_bonus),
    resolution=policy_scale,
    reason=CERTIFIED,
    assumes=WITHOUT_TIME,
    shared=PRIOR_IS_SHARED,
    exact=(exact.stationary_policy, exact.bonus_policy),
)
HORIZON.part(
    "(ii, values)",
    r"the values of the residual recursion are then those of that task less $\omega V^*$",
    Equal(stationary_value, value_with_bonus),
    resolution=value_scale,
    reason="running rounding bounds of both recursions; 1e-12 at the size of the values",
    assumes=WITHOUT_TIME,
    shared=PRIOR_IS_SHARED,
    exact=(exact.stationary_value, exact.bonus_value_difference),
)


@HORIZON.known(T3)
def _(task: HorizonTask) -> Iterator[Known]:
    yield Known(
        "first columns of the prior",
        "0.9271047337 0.3855270731 0.1307822591 0.9233414972 0.3812538290 0.1274669495 "
        "0.9137372323 0.3712248758 0.1199221084 0.8807970780 0.3543436938 0.0997504891",
        task.stage_prior.policy[:, :, 0],
    )
    yield Known(
        "first columns of the customised policy",
        "0.8870719538 0.3789831483 0.0107765384 0.8884648760 0.3803230642 0.0108548031 "
        "0.8924593891 0.3818178768 0.0111156884 0.8519528020 0.4625701547 0.0081625712",
        np.asarray(customised_policy(task).value)[:, :, 0],
    )


# --- what must fail -------------------------------------------------------------------------------------------------


def with_prior(task: HorizonTask, log_prior: FloatArray) -> Side:
    """Residual recursion with another prior."""
    found = customised(task, log_prior, task.stage_discount)
    return Side(found.policy, found.policy_error)


def frozen_prior(task: HorizonTask) -> Side:
    """Residual recursion with the prior of stage 0 at all stages."""
    return with_prior(task, task.stage_prior.log_policy[0])


def uniform_prior(task: HorizonTask) -> Side:
    """Residual recursion with a uniform prior."""
    return with_prior(task, np.full_like(task.mdp.reward, -np.log(task.mdp.n_actions)))


def prior_of_another_discount(task: HorizonTask) -> Side:
    """Residual recursion over undiscounted stages with the stage prior of the discounted ones."""
    return with_prior(task, replace(task, undiscounted=False).stage_prior.log_policy)


def prior_of_another_kernel(task: HorizonTask) -> Side:
    """Residual recursion with the stage prior of the kernel whose actions are exchanged in state 0."""
    return with_prior(task, replace(task, mdp=exchanged_actions(task.mdp)).stage_prior.log_policy)


def policy_without_bonus(task: HorizonTask) -> Side:
    """Backward induction on the full task at the discount of the stationary prior, no terminal reward."""
    found = full(task, task.mdp.discount)
    return Side(found.policy, found.policy_error)


def stage_errors(outcome: Outcome) -> FloatArray:
    return np.asarray(np.abs(outcome.left - outcome.right).max(axis=(1, 2)))


FROZEN = "0.0010303017 0.0088701783 0.0279987082 0.0765930800"
WITHOUT_BONUS = "0.0040742329 0.0099265554 0.0250580924 0.0713203273"

stage_part.control(
    "the prior of stage 0 frozen",
    kind="assumption",
    drops="A4",
    instance=T3,
    left=frozen_prior,
    specified=FROZEN,
    measure=stage_errors,
)
stage_part.control(
    "a uniform prior at every stage", kind="assumption", drops="A1", instance=T3, left=uniform_prior
)
stage_part.control(
    "a prior of another kernel", kind="assumption", drops="A2", instance=T3, left=prior_of_another_kernel
)
stage_part.control(
    "a prior of another discount", kind="assumption", drops="A3", instance=T3, left=prior_of_another_discount
)
bonus_part.control(
    "the stationary prior without the terminal bonus",
    kind="mutation",
    instance=T3,
    right=policy_without_bonus,
    specified=WITHOUT_BONUS,
    measure=stage_errors,
)

HORIZON.reading(
    "stationary-prior",
    title="The stationary prior of the infinite horizon customises the episode",
    statement=r"""
    Residual soft Q iteration over $H$ stages with the stationary max-ent prior of $(P, r, \gamma)$ gives the max-ent optimal
    policies of the $H$-stage task $\omega r + r_R$ at the discount $\gamma$.
    """,
    relation=Equal(stationary_policy, policy_without_bonus),
    counterexamples=(T3,),
    repair=bonus_part,
    resolution=policy_scale,
    reason=CERTIFIED,
    specified=WITHOUT_BONUS,
    measure=stage_errors,
    assumes=WITHOUT_TIME,
)


# --- the figure -----------------------------------------------------------------------------------------------------


@HORIZON.figure(
    "Largest error of the customised policy by stage, on the three-state task over eight stages with discount .9: the prior of "
    "each stage gives rounding; the prior of the first stage and the stationary prior err, and more so towards the end."
)
def _(ax: Any) -> None:
    task = replace(T3, horizon=8, undiscounted=False)
    best = np.asarray(full_policy(task).value)
    routes: tuple[tuple[str, Any, str], ...] = (
        ("prior of the first stage", frozen_prior, "C1s--"),
        ("stationary prior", stationary_policy, "C0o-"),
        ("prior of each stage", customised_policy, "k^:"),
    )
    for name, route, look in routes:
        errors = np.abs(np.asarray(route(task).value) - best).max(axis=(1, 2))
        ax.semilogy(np.arange(task.horizon), np.maximum(errors, 1e-17), look, linewidth=2, label=name)
    ax.set(xlabel="stage $h$", ylabel="largest error of the policy", ylim=(1e-18, 1e1))
    ax.legend(loc="center left")
