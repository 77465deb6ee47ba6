"""Residual policy gradient (Wang et al. 2025): gradients of the full task, without its reward, at every parameter.

The augmented return differs from the soft return of the full task by a constant, so their gradients agree.  Estimates from a
single trajectory differ, by a baseline and by martingale noise; and a return that is cut off carries a bonus for its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import Array, FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Outcome, Side, rounding
from mdplab.enumeration import Trajectories, enumerate_trajectories
from mdplab.models import MDP, FiniteHorizonMDP
from mdplab.numerics import complex_step_gradient
from mdplab.operators import induced, log_tilt, occupancy, stage_laws
from proofs_check.soft_residual import exact_policy as exact
from proofs_check.soft_residual import wang2025_soft_policy_gradient as soft
from proofs_check.soft_residual.instances import (
    PRIOR_IS_SHARED,
    prior_of_another_discount,
    prior_of_another_kernel,
)
from proofs_check.soft_residual.policy_instances import (
    PolicyTask,
    mixed_log_prior,
    policy_task,
    short_policy_task,
    three_state_policy_task,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def augmented_return(task: PolicyTask) -> Side:
    """Soft evaluation under the augmented reward, from the start law."""
    found = task.evaluation(task.augmented())
    error = found.certificate.bound + 2 * task.prior_error
    return Side(
        task.mdp.start_law() @ found.value,
        error + rounding(np.abs(found.value).max(), task.mdp.n_states + 2),
    )


def shifted_return(task: PolicyTask) -> Side:
    """Occupancy times soft reward of the full task, over 1 - gamma, less omega rho V*."""
    horizon, start = 1 / (1 - task.mdp.discount), task.mdp.start_law()
    reward = task.full_mdp.reward - task.temperature * task.log_policy
    pairs = occupancy(task.mdp, task.policy)
    shift = task.reward_weight * (start @ task.prior.value)
    # an occupancy errs by the norm of its flow residual over 1 - gamma, and that is the rounding of S A products
    flow = rounding(1.0, 4 * pairs.size + 16) * horizon
    error = float(flow) * np.abs(reward).max() * horizon
    error += task.reward_weight * task.prior.certificate.bound
    size = np.abs(reward).max() * horizon + abs(shift)
    return Side(horizon * (pairs * reward).sum() - shift, error + rounding(size, pairs.size + 8))


def prior_error_of_gradients(task: PolicyTask) -> float:
    """A reward that is off by epsilon moves advantages by 2 epsilon / (1 - gamma), a gradient by that over 1 - gamma."""
    return 2 * task.prior_error / (1 - task.mdp.discount)


def augmented_gradient(task: PolicyTask, log_prior: FloatArray | None = None) -> Side:
    """Occupancy times policy times soft advantage under the augmented reward."""
    side = soft.closed_form(task.gradient_task(task.augmented(log_prior)))
    return Side(side.value, np.asarray(side.error) + prior_error_of_gradients(task))


def full_gradient(task: PolicyTask) -> Side:
    """Complex-step derivative of the soft return of the full task."""
    return soft.derivative(task.gradient_task(task.full_mdp))


def cut_off(task: PolicyTask, mdp: MDP) -> FiniteHorizonMDP:
    """The first stages of a model at its discount."""
    return FiniteHorizonMDP(
        mdp.transition, mdp.reward, task.horizon, discount=mdp.discount, initial=mdp.start_law()
    )


def stages(task: PolicyTask) -> FloatArray:
    """The policy at every stage, shape (H, S, A)."""
    return np.broadcast_to(task.policy, (task.horizon, *task.policy.shape))


def cut_error(task: PolicyTask, *models: MDP) -> float:
    """Rounding of sums over stages, in all models, and the errors of the prior's value and logarithm."""
    sizes = [np.abs(mdp.reward).max() + task.temperature * np.abs(task.log_policy).max() for mdp in models]
    size = task.horizon * sum(sizes) + 2 * task.reward_weight * np.abs(task.prior.value).max()
    summing = float(rounding(task.horizon * size, 40 * task.horizon))
    return summing + task.horizon**2 * (
        2 * task.prior_error + task.reward_weight * task.prior.certificate.bound
    )


def cut_return(task: PolicyTask) -> Side:
    """Backward recursion over the stages under the augmented reward."""
    model = task.augmented()
    found = solvers.stage_evaluation(cut_off(task, model), stages(task), temperature=task.temperature)
    return Side(task.mdp.start_law() @ found.value[0], cut_error(task, model))


def cut_return_with_bonus(task: PolicyTask, bonus: float = 1.0) -> Side:
    """State laws of the stages times soft reward of the full task, and omega V* at the end, less omega rho V*."""
    model, discount = cut_off(task, task.full_mdp), task.mdp.discount
    laws, potential = stage_laws(model, stages(task)), task.reward_weight * task.prior.value
    reward = (task.policy * (task.full_mdp.reward - task.temperature * task.log_policy)).sum(axis=1)
    value = discount ** np.arange(task.horizon) @ (laws[:-1] @ reward)
    value += bonus * discount**task.horizon * laws[-1] @ potential - laws[0] @ potential
    return Side(value, cut_error(task, task.full_mdp))


def difference_of_cut_gradients(task: PolicyTask) -> Side:
    """Scores times rewards to go over all paths: the augmented reward less the full one."""
    left, right = (
        np.asarray(soft.path_expectation(task.gradient_task(mdp)).value)
        for mdp in (task.augmented(), task.full_mdp)
    )
    return Side(left - right, cut_error(task, task.augmented(), task.full_mdp))


def gradient_of_the_bonus(task: PolicyTask) -> Side:
    """Complex-step derivative of gamma^H times the expectation of omega V* in the last state."""

    def bonus(logits: Array) -> Any:
        kernel, _ = induced(task.mdp, np.exp(log_tilt(logits)))
        value = task.reward_weight * task.prior.value
        for _ in range(task.horizon):
            value = task.mdp.discount * (kernel @ value)
        return task.mdp.start_law() @ value

    return Side(complex_step_gradient(bonus, task.logits), cut_error(task, task.full_mdp))


def paths(task: PolicyTask) -> Trajectories:
    """All trajectories of the stages under the policy."""
    return enumerate_trajectories(cut_off(task, task.mdp), stages(task))


def to_go(task: PolicyTask, per_step: FloatArray) -> FloatArray:
    """Discounted sums from each stage on, shape (N, H)."""
    powers = task.mdp.discount ** np.arange(task.horizon)
    return np.asarray(np.cumsum((powers * per_step)[:, ::-1], axis=1)[:, ::-1] / powers)


def difference_of_estimates(task: PolicyTask) -> Side:
    """Every path: augmented reward to go less that of the full task."""
    found = paths(task)
    apart = task.augmented().reward - task.full_mdp.reward
    return Side(to_go(task, apart[found.states[:, :-1], found.actions]), estimate_error(task))


def baseline_and_noise(task: PolicyTask, noise: float = 1.0) -> Side:
    """Every path: baseline, martingale noise of the transitions, and the potential of the last state."""
    found, discount = paths(task), task.mdp.discount
    potential = task.reward_weight * task.prior.value
    before, after = found.states[:, :-1], found.states[:, 1:]
    surprise = task.mdp.expectation(potential)[before, found.actions] - potential[after]
    left = discount ** np.arange(task.horizon, 0, -1) * potential[found.states[:, -1:]]
    value = -potential[before] + noise * discount * to_go(task, surprise) + left
    return Side(value, estimate_error(task))


def estimate_error(task: PolicyTask) -> float:
    """Rounding of discounted sums of rewards and potentials to go, a division by the least power included."""
    return cut_error(task, task.augmented(), task.full_mdp) / task.mdp.discount**task.horizon


# --- the claim ------------------------------------------------------------------------------------------------------

T3 = three_state_policy_task()


def relative(task: PolicyTask) -> float:
    """Relative 1e-10, measured at the size of the gradient's terms."""
    return 1e-10 * max(1.0, float(np.abs(full_gradient(task).value).max()))


def return_scale(task: PolicyTask) -> float:
    """1e-11 at the size of the soft reward over 1 - gamma, and of the prior's value."""
    soft_reward = np.abs(task.full_mdp.reward).max() + task.temperature * np.abs(task.log_policy).max()
    size = soft_reward / (1 - task.mdp.discount) + task.reward_weight * np.abs(task.prior.value).max()
    return 1e-11 * (1 + float(size))


def cut_scale(task: PolicyTask) -> float:
    """1e-10 at the size of the prior's value; paths to go are divided by the last power of the discount."""
    size = 1 + task.reward_weight * float(np.abs(task.prior.value).max())
    return 1e-10 * size / task.mdp.discount**task.horizon


CUT = "sums over at most five stages; 1e-10 at the size of the values"

RPG = Claim(
    "residual-policy-gradient",
    title="The residual policy gradient is the soft policy gradient of the full task, at every parameter",
    papers=("wang2025rpg",),
    provenance="our formalisation",
    theorem="residual policy gradient",
    statement=r"""
    Let $\pi$ be max-ent optimal for $(r, \alpha)$ with the soft value $V^*$ and let $J_{aug}(\theta)$ be the soft return of
    $\mu_\theta$ at the temperature $\hat\alpha$ under $r_R + \omega'\log\pi$, and $\hat J(\theta)$ that under
    $\omega r + r_R$. For every $\theta$
    $$J_{aug}(\theta) = \hat J(\theta) - \omega\,\rho^\top V^*, \qquad \nabla_\theta J_{aug} = \nabla_\theta \hat J.$$
    Estimates from single trajectories differ: with $\Phi = \omega V^*$ the reward to go from $t$ differs by the baseline
    $-\Phi(s_t)$ and by the martingale noise $\sum_{k \ge t} \gamma^{k-t+1} (P\Phi(s_k,a_k) - \Phi(s_{k+1}))$ of the
    transitions. Returns that are cut off at $H$ differ by more:
    $J_{aug,H} = \hat J_H - \omega\,\rho^\top V^* + \gamma^H E[\omega V^*(s_H)]$, and so do their gradients.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$\pi$ is exactly max-ent optimal for $(r, \alpha)$",
            "a prior mixed with the uniform policy",
        ),
        Assumption("A2", "the target task has the same kernel", "a prior of another kernel"),
        Assumption("A3", "the target task has the same discount", "a prior of another discount"),
        Assumption("A4", "infinite horizon", "both returns cut off at five stages"),
        Assumption("A5", r"finite logits, so that $\mu_\theta > 0$", DEFINITIONAL),
    ),
    instance_family=policy_task,
    witnesses=(T3,),
    instances=150,
)
CUT_OFF = ("A1", "A2", "A3", "A5")

RPG.part(
    "(return)",
    r"$J_{aug}(\theta) = \hat J(\theta) - \omega\,\rho^\top V^*$",
    Equal(augmented_return, shifted_return),
    resolution=return_scale,
    reason="certified evaluation against one occupancy; 1e-11 at the size of the values",
    shared=PRIOR_IS_SHARED,
    exact=(exact.augmented_return, exact.shifted_return),
)
gradient_part = RPG.part(
    "(gradient)",
    r"$\nabla_\theta J_{aug} = \nabla_\theta\hat J$",
    Equal(augmented_gradient, full_gradient),
    resolution=relative,
    reason="relative 1e-10: rounding of the linear solves times 1/(1-gamma)",
    shared=PRIOR_IS_SHARED,
    exact=(exact.augmented_gradient, exact.full_gradient),
)
estimates_part = RPG.part(
    "(estimates)",
    r"rewards to go differ by $-\Phi(s_t)$, martingale noise and $\gamma^{H-t}\Phi(s_H)$, on every path of $H$ stages",
    Equal(difference_of_estimates, baseline_and_noise),
    resolution=cut_scale,
    reason=CUT,
    family=short_policy_task,
    instances=50,
    assumes=CUT_OFF,
    shared=PRIOR_IS_SHARED,
    exact=(exact.difference_of_estimates, exact.baseline_and_noise),
)
cut_part = RPG.part(
    "(cut off, return)",
    r"$J_{aug,H} = \hat J_H - \omega\,\rho^\top V^* + \gamma^H E[\omega V^*(s_H)]$",
    Equal(cut_return, cut_return_with_bonus),
    resolution=cut_scale,
    reason=CUT,
    family=short_policy_task,
    instances=50,
    assumes=CUT_OFF,
    shared=PRIOR_IS_SHARED,
    exact=(exact.cut_return, exact.cut_return_with_bonus),
)
RPG.part(
    "(cut off, gradient)",
    r"$\nabla J_{aug,H} - \nabla\hat J_H = \gamma^H \nabla E[\omega V^*(s_H)]$",
    Equal(difference_of_cut_gradients, gradient_of_the_bonus),
    resolution=cut_scale,
    reason=CUT,
    family=short_policy_task,
    instances=50,
    assumes=CUT_OFF,
    shared=PRIOR_IS_SHARED,
    exact=(exact.difference_of_cut_gradients, exact.gradient_of_the_bonus),
)


@RPG.known(T3)
def _(task: PolicyTask) -> Iterator[Known]:
    gradient = np.asarray(augmented_gradient(task).value)
    yield Known("gradient, first column", "0.5582968888 0.1946176843 -1.5397284259", gradient[:, 0])
    shift = task.reward_weight * (task.mdp.start_law() @ task.prior.value)
    yield Known("augmented return", "-0.9579574623", augmented_return(task).value)
    yield Known("return on the full task", "9.7774878325", np.asarray(shifted_return(task).value) + shift)
    yield Known("difference, omega rho V*", "10.7354452948", shift)


# --- what must fail -------------------------------------------------------------------------------------------------


def mixed_gradient(task: PolicyTask) -> Side:
    """Gradient under the reward augmented by a prior mixed with the uniform policy."""
    return augmented_gradient(task, mixed_log_prior(task))


def with_another_discount(task: PolicyTask) -> Side:
    """Gradient under the reward augmented by the prior of discount .7."""
    return augmented_gradient(task, prior_of_another_discount(task))


def with_another_kernel(task: PolicyTask) -> Side:
    """Gradient under the reward augmented by the prior of a kernel with the actions of state 0 exchanged."""
    return augmented_gradient(task, prior_of_another_kernel(task))


def cut_augmented_gradient(task: PolicyTask, log_prior: FloatArray | None = None) -> Side:
    """Complex-step derivative of the augmented return cut off after some stages."""
    return soft.recursion_derivative(task.gradient_task(task.augmented(log_prior)))


def cut_full_gradient(task: PolicyTask) -> Side:
    """Complex-step derivative of the return on the full task cut off after some stages."""
    return soft.recursion_derivative(task.gradient_task(task.full_mdp))


def columns_and_error(outcome: Outcome) -> FloatArray:
    return np.concatenate((outcome.left[:, 0], outcome.right[:, 0], [outcome.violation]))


gradient_part.control(
    "a prior mixed with the uniform policy",
    kind="assumption",
    drops="A1",
    instance=T3,
    left=mixed_gradient,
    specified="0.3583929256",
)
gradient_part.control(
    "a prior of another kernel", kind="assumption", drops="A2", instance=T3, left=with_another_kernel
)
gradient_part.control(
    "a prior of another discount", kind="assumption", drops="A3", instance=T3, left=with_another_discount
)
gradient_part.control(
    "both returns cut off at five stages",
    kind="assumption",
    drops="A4",
    instance=T3,
    left=cut_augmented_gradient,
    right=cut_full_gradient,
    both="the horizon is that of both returns",
    specified="0.2532860819 0.0835423247 -0.5633694577 0.2371384829 0.0816561918 -0.5771663723 0.0161475990",
    measure=columns_and_error,
)
cut_part.control(
    "without the bonus for the last state",
    kind="mutation",
    instance=T3,
    right=partial(cut_return_with_bonus, bonus=0.0),
)
estimates_part.control(
    "without the noise of the transitions",
    kind="mutation",
    instance=T3,
    right=partial(baseline_and_noise, noise=0.0),
)


# --- the figure -----------------------------------------------------------------------------------------------------


@RPG.figure(
    "Largest error of the augmented gradient, cut off after $H$ stages, against the exact gradient of the full task on the "
    "three-state task. With the max-ent prior it decays like $\\gamma^H$ (grey line); with a prior mixed with the uniform "
    "policy it stays."
)
def _(ax: Any) -> None:
    exact_gradient = np.asarray(full_gradient(T3).value)
    horizons = np.arange(1, 101, 3)
    for log_prior, look, name in (
        (None, "C0o-", r"prior $\pi$, max-ent optimal"),
        (mixed_log_prior(T3), "C1^-", r"prior $0.8\,\pi + 0.1$"),
    ):
        errors = []
        for horizon in horizons:
            task = PolicyTask(
                T3.mdp, T3.residual_reward, 0.5, 0.4, 1.2, logits=T3.logits, horizon=int(horizon)
            )
            found = np.asarray(cut_augmented_gradient(task, log_prior).value)
            errors.append(np.abs(found - exact_gradient).max())
        ax.semilogy(horizons, errors, look, markersize=4, label=name)
    ax.semilogy(horizons, 3 * T3.mdp.discount**horizons, color="0.6", label=r"$\propto \gamma^H$")
    ax.set(xlabel="stages $H$ before the cut", ylabel="largest error of the gradient")
    ax.legend()
