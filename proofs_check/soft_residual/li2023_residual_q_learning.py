"""Residual soft Q-learning (Li et al. 2023): customising a policy without its reward.

A max-ent policy carries its own reward, up to shaping: ``alpha log pi = Q* - V*``.  Adding ``omega alpha log pi`` to an
add-on reward therefore plans for ``omega r + r_R`` without ever seeing ``r``.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Method, Side
from mdplab.instances.gridworld import Gridworld, gridworld
from mdplab.models import MDP
from mdplab.operators import log_tilt, state_occupancy
from mdplab.solvers import ControlSolution
from proofs_check.soft_residual import exact_customisation as exact
from proofs_check.soft_residual.instances import (
    PRIOR_IS_SHARED,
    CustomisationTask,
    customisation_task,
    three_state_task,
)

# --- the two routes -------------------------------------------------------------------------------------------------


def residual_solution(task: CustomisationTask, prior_weight: float | None = None) -> ControlSolution:
    """Residual soft Q iteration: sees the kernel, the add-on reward and the log-prior, not the inherent reward."""
    return solvers.residual_q_learning(
        task.mdp.replace(reward=np.zeros_like(task.mdp.reward)),
        task.residual_reward,
        task.prior.log_policy,
        prior_weight=task.prior_weight if prior_weight is None else prior_weight,
        temperature=task.temperature,
        tol=1e-12,
    )


def residual_q(task: CustomisationTask) -> Side:
    """Residual soft Q iteration on the add-on reward and the log-prior alone."""
    found = residual_solution(task)
    return Side(found.q, found.certificate.bound + 2 * task.prior_error)


def residual_value(task: CustomisationTask) -> Side:
    """Log-sum-exp of the residual Q and the weighted log-prior."""
    found = residual_solution(task)
    return Side(found.value, found.certificate.bound + 2 * task.prior_error)


def residual_policy(task: CustomisationTask, prior_weight: float | None = None) -> Side:
    """Policy of residual soft Q iteration."""
    found = residual_solution(task, prior_weight)
    return Side(found.policy, found.policy_error + task.prior_error / (2 * task.temperature))


def q_difference(task: CustomisationTask) -> Side:
    """Soft policy iteration on the full task and on the inherent task: difference of their Q."""
    error = task.full.certificate.bound + task.reward_weight * task.prior.certificate.bound
    return Side(task.full.q - task.reward_weight * task.prior.q, error)


def value_difference(task: CustomisationTask) -> Side:
    """Soft policy iteration on the full task and on the inherent task: difference of their values."""
    error = task.full.certificate.bound + task.reward_weight * task.prior.certificate.bound
    return Side(task.full.value - task.reward_weight * task.prior.value, error)


def full_policy(task: CustomisationTask) -> Side:
    """Soft policy iteration on the full task omega r + r_R."""
    return Side(task.full.policy, task.full.policy_error)


# --- the claim ------------------------------------------------------------------------------------------------------

T3 = three_state_task()


def scale(task: CustomisationTask) -> float:
    """Linear-solve rounding times 1/(1-gamma), relative to the values of the full task."""
    return 1e-12 * (1 + float(np.abs(task.full.q).max()))


RQL = Claim(
    "rql-fixed-point",
    title="Customising a max-ent policy without its reward gives exactly the max-ent policy of the combined task",
    papers=("li2023rql", "wang2025rpg"),
    provenance="as in the paper",
    theorem="fixed point of residual soft Q iteration",
    statement=r"""
    Let $\pi$ be the max-ent optimal policy of $(P, r, \gamma)$ at temperature $\alpha > 0$, and let the target task have
    the reward $\hat r = \omega r + r_R$, $\omega \ge 0$, and the temperature $\hat\alpha > 0$. With
    $\omega' = \omega\alpha$ let $Q_R$ be the unique fixed point of
    $$Q_R(s,a) = r_R(s,a) + \gamma \sum_{s'} P(s'|s,a)\, \hat\alpha \log \sum_{a'}
      \exp\frac{Q_R(s',a') + \omega' \log \pi(a'|s')}{\hat\alpha}.$$
    Then (i) $Q_R = \hat Q^* - \omega Q^*$, (ii) $\hat\pi^*(a|s) \propto
    \exp\big((Q_R(s,a) + \omega' \log\pi(a|s))/\hat\alpha\big)$, and (iii) $\hat\alpha \log \sum_a
    \exp((Q_R + \omega' \log\pi)/\hat\alpha) = \hat V^* - \omega V^*$.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$\pi$ is exactly max-ent optimal for $(r, \alpha)$",
            "a uniform prior in the place of the optimal one",
        ),
        Assumption("A2", "the target task has the same kernel", "a prior of another kernel"),
        Assumption("A3", "the target task has the same discount", "a prior of another discount"),
        Assumption("A4", "infinite horizon", DEFINITIONAL),
        Assumption(
            "A5",
            r"$\hat\alpha > 0$ and finite rewards, so that $\pi > 0$",
            DEFINITIONAL,
            lambda t: t.temperature > 0,
        ),
    ),
    methods=(
        Method(
            "Residual Q-learning", "tilt", "KL", r"the policy against the prior, with weight $\omega\alpha$"
        ),
    ),
    instance_family=customisation_task,
    witnesses=(T3,),
    instances=200,
)

RQL.part(
    "(i)",
    r"$Q_R = \hat Q^* - \omega Q^*$",
    Equal(residual_q, q_difference),
    resolution=scale,
    reason="rounding of a linear solve times 1/(1-gamma): 1e-12 (1 + |Q|)",
    shared=PRIOR_IS_SHARED,
    exact=(exact.residual_q, exact.q_difference),
)
optimal_policy = RQL.part(
    "(ii)",
    r"$\hat\pi^* \propto \exp((Q_R + \omega'\log\pi)/\hat\alpha)$",
    Equal(residual_policy, full_policy),
    resolution=1e-11,
    reason="certified policy error of both solvers: span of the Q error over four temperatures",
    shared=PRIOR_IS_SHARED,
    exact=(exact.residual_policy, exact.full_policy),
)
RQL.part(
    "(iii)",
    r"$\hat\alpha\log\sum_a\exp((Q_R+\omega'\log\pi)/\hat\alpha) = \hat V^* - \omega V^*$",
    Equal(residual_value, value_difference),
    resolution=scale,
    reason="rounding of a linear solve times 1/(1-gamma): 1e-12 (1 + |Q|)",
    shared=PRIOR_IS_SHARED,
    exact=(exact.residual_value, exact.value_difference),
)


@RQL.known(T3)
def _(task: CustomisationTask) -> Any:
    yield Known(
        "first column of the prior", "0.9235637016 0.3826056426 0.1275262428", task.prior.policy[:, 0]
    )
    yield Known("value of the inherent task", "9.1681223111 8.6551786198 8.8279483543", task.prior.value)
    yield Known("value of the full task", "11.9350520483 11.5611767564 12.0618940085", task.full.value)
    found = residual_solution(task)
    yield Known(
        "Q_R", "0.9316275960 1.6149332931 1.3714350083 1.2687095423 0.8807475663 1.5459949934", found.q
    )
    yield Known(
        "first column of the customised policy", "0.8838504080 0.3867625957 0.0104812146", found.policy[:, 0]
    )


# --- what must fail -------------------------------------------------------------------------------------------------


def without_lookahead(task: CustomisationTask) -> Side:
    """Tilt the prior by the add-on reward alone."""
    tilted = log_tilt(
        task.residual_reward + task.prior_weight * task.prior.log_policy, temperature=task.temperature
    )
    return Side(np.exp(tilted), task.prior.policy_error)


def addon_solved_alone(task: CustomisationTask) -> Side:
    """Tilt the prior by the max-ent Q of the add-on task solved alone."""
    alone = solvers.soft_policy_iteration(
        task.mdp.replace(reward=task.residual_reward), temperature=task.temperature, tol=1e-9
    )
    tilted = log_tilt(alone.q + task.prior_weight * task.prior.log_policy, temperature=task.temperature)
    return Side(np.exp(tilted), task.prior.policy_error + alone.policy_error)


def with_another_prior(task: CustomisationTask, log_prior: FloatArray) -> Side:
    """Residual soft Q iteration with a prior that is not the max-ent optimum of the inherent task."""
    found = solvers.residual_q_learning(
        task.mdp,
        task.residual_reward,
        log_prior,
        prior_weight=task.prior_weight,
        temperature=task.temperature,
        tol=1e-12,
    )
    return Side(found.policy, found.policy_error)


def uniform_prior(task: CustomisationTask) -> Side:
    """Residual soft Q iteration with a uniform prior."""
    return with_another_prior(task, np.full_like(task.mdp.reward, -np.log(task.mdp.n_actions)))


def prior_of(task: CustomisationTask, mdp: MDP) -> Side:
    """Residual soft Q iteration with the max-ent prior of another model."""
    other = solvers.soft_policy_iteration(mdp, temperature=task.prior_temperature, tol=1e-9)
    return with_another_prior(task, other.log_policy)


def prior_of_another_discount(task: CustomisationTask) -> Side:
    """Residual soft Q iteration with the prior of a shorter horizon, discount .8."""
    return prior_of(task, MDP(task.mdp.transition, task.mdp.reward, 0.8, task.mdp.initial))


def prior_of_another_kernel(task: CustomisationTask) -> Side:
    """Residual soft Q iteration with the prior of the kernel whose actions are exchanged in state 0."""
    kernel = np.array(task.mdp.transition)
    kernel[0] = kernel[0, ::-1]
    return prior_of(task, MDP(kernel, task.mdp.reward, task.mdp.discount, task.mdp.initial))


optimal_policy.control(
    "omega in the place of omega alpha, in the backup and in the policy",
    kind="constant",
    instance=T3,
    left=partial(residual_policy, prior_weight=T3.reward_weight),
    specified="0.1703890638",
)
optimal_policy.control(
    "no lookahead: the prior tilted by the add-on reward",
    kind="mutation",
    instance=T3,
    left=without_lookahead,
    specified="0.1212980180",
)
optimal_policy.control(
    "the max-ent Q of the add-on task solved alone",
    kind="mutation",
    instance=T3,
    left=addon_solved_alone,
    specified="0.1361932721",
)
optimal_policy.control(
    "a uniform prior in the place of the optimal one",
    kind="assumption",
    drops="A1",
    instance=T3,
    left=uniform_prior,
)
optimal_policy.control(
    "a prior of another discount",
    kind="assumption",
    drops="A3",
    instance=T3,
    left=prior_of_another_discount,
)
optimal_policy.control(
    "a prior of another kernel",
    kind="assumption",
    drops="A2",
    instance=T3,
    left=prior_of_another_kernel,
)


# --- the figure -----------------------------------------------------------------------------------------------------


def grid_task(reward_weight: float) -> tuple[Gridworld, CustomisationTask]:
    """A 5 x 5 grid: the inherent reward is in the upper right corner, the add-on reward in the lower right quarter."""
    grid = gridworld(5, 5, {(4, 0): 1.0}, slip=0.1, discount=0.9, start=(0, 2))
    addon = np.zeros_like(grid.mdp.reward)
    addon[(grid.positions >= (2, 3)).all(axis=1)] = 0.5
    task = CustomisationTask(
        grid.mdp, addon, prior_temperature=0.2, temperature=0.2, reward_weight=reward_weight
    )
    return grid, task


def draw_policy(ax: Any, grid: Gridworld, policy: FloatArray) -> Any:
    """Occupancy of the cells as shades, mean move of the policy as arrows; the two rewards are marked."""
    from matplotlib.patches import Rectangle

    image = ax.imshow(
        grid.image(state_occupancy(grid.mdp, policy)), vmin=0, vmax=0.3, cmap="Blues", aspect="equal"
    )
    right, down = policy[:, 1] - policy[:, 3], policy[:, 2] - policy[:, 0]
    ax.quiver(
        *grid.positions.T, right, down, angles="xy", pivot="mid", scale=1.25, scale_units="xy",
        width=0.012, headwidth=4, headlength=4, headaxislength=3.6, color="black",
    )  # fmt: skip
    ax.add_patch(Rectangle((3.5, -0.5), 1, 1, fill=False, edgecolor="C2", linewidth=3, clip_on=False))
    ax.add_patch(
        Rectangle((1.5, 2.5), 3, 2, fill=False, edgecolor="C1", linewidth=3, linestyle="--", clip_on=False)
    )
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set_visible(True)
    return image


@RQL.figure(
    "Left and middle: discounted occupancy (shades) and mean move (arrows) of the prior and of the customised policy on a "
    "slippery grid. The inherent reward is in the upper right cell (solid frame), the add-on reward in the lower right "
    "region (dashed). Right: policy error of residual soft Q iteration and of three mutations on that grid over the "
    "weight of the inherent reward; at weight zero the prior drops out, and two of the mutations are right.",
    panels=3,
)
def _(axes: Any) -> None:
    grid, task = grid_task(0.7)
    for ax, name, policy in (
        (axes[0], "prior", task.prior.policy),
        (axes[1], r"customised, $\omega = 0.7$", residual_solution(task).policy),
    ):
        image = draw_policy(ax, grid, policy)
        ax.set_title(name)
    axes[0].figure.colorbar(image, ax=axes[0], label="discounted occupancy", extend="max")
    weights = np.linspace(0.0, 4.0, 33)
    tasks = [grid_task(float(weight))[1] for weight in weights]
    lines: tuple[tuple[str, Any, str], ...] = (
        (r"$\omega$ in the place of $\omega\alpha$", lambda t: residual_policy(t, t.reward_weight), "C3--"),
        ("no lookahead", without_lookahead, "C1-."),
        ("add-on $Q$ solved alone", addon_solved_alone, "C0:"),
        ("residual soft $Q$", residual_policy, "k-"),
    )
    for name, route, look in lines:
        errors = [np.abs(np.asarray(route(t).value) - full_policy(t).value).max() for t in tasks]
        axes[2].semilogy(weights, np.maximum(errors, 1e-16), look, linewidth=2, label=name)
    axes[2].set(xlabel=r"reward weight $\omega$", ylabel="largest policy error", ylim=(1e-16, 1e1))
    axes[2].legend(loc="center right", bbox_to_anchor=(1.0, 0.58))
