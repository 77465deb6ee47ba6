"""Demonstration-regularised control (Tiapkin et al. 2024): planning with a divergence from a cloned policy.

The regularised recursion has a closed form, and what a policy loses in it is its path divergence from the optimum.  The
logarithm stands outside of the actions only: with the next state inside too it is the path integral, which is too large.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import Assumption, AtMost, Claim, Equal, Known, Side, rounding
from mdplab.enumeration import enumerate_trajectories
from mdplab.instances import SeededDraw
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import log_sum_exp
from mdplab.solvers import HorizonSolution
from proofs_check.soft_residual import exact_demonstrations as exact
from proofs_check.soft_residual.demonstration_instances import (
    DemonstrationTask,
    demonstration_task,
    deterministic_task,
    log_sum_exp_error,
    longer_task,
    three_state_task,
    within,
)
from proofs_check.soft_residual.demonstration_routes import (
    COLD,
    FULL_SUPPORT,
    HOT,
    ROUNDING,
    SURE,
    divergence_from_the_optimum,
    regularised_loss,
)

# --- the routes of the recursion and of the gap ---------------------------------------------------------------------


def optimum_by_recursion(task: DemonstrationTask) -> Side:
    """Backward induction in log space: values of all stages, then the policy"""
    return optimum_of(task.optimum)


def optimum_of(found: HorizonSolution) -> Side:
    """Values and policy of a solution."""
    errors = np.broadcast_to(found.value_errors[:, np.newaxis], found.value.shape)
    policy_errors = np.full(found.policy.size, found.policy_error)
    return Side(
        np.concatenate((found.value.ravel(), found.policy.ravel())),
        np.concatenate((errors.ravel(), policy_errors)),
    )


def optimum_by_roots(task: DemonstrationTask) -> Side:
    """Bisection, state by state: V is the root of sum_a pi_BC e^{(Q - V) / lambda} = 1"""
    value, errors, log_policy, log_errors = task.roots
    policy = np.exp(log_policy)
    return Side(
        np.concatenate((value.ravel(), policy.ravel())),
        np.concatenate((np.repeat(errors, value.shape[1]), (1.01 * policy * log_errors).ravel())),
    )


def optimum_resolution(task: DemonstrationTask) -> FloatArray:
    """That of the values, and for the policy in units of the temperature."""
    values, policies = task.mdp.n_states * (task.mdp.horizon + 1), task.reference.size
    scale = within(task)
    return np.repeat([scale, min(1.0, scale / min(1.0, task.temperature))], [values, policies])


# --- the routes of the path integral --------------------------------------------------------------------------------


def first_values(task: DemonstrationTask) -> Side:
    """Backward induction in log space: values of the first stage"""
    return Side(task.optimum.value[0], float(task.optimum.value_errors[0]))


def first_values_by_roots(task: DemonstrationTask) -> Side:
    """Bisection, state by state: values of the first stage"""
    return Side(task.roots.value[0], float(task.roots.value_errors[0]))


def path_integral(task: DemonstrationTask) -> Side:
    """Recursion of lambda log E[e^{sum R / lambda}] under the cloned policy, expectation of the next state inside the log"""
    mdp, tau = task.mdp, task.temperature
    value, error = np.zeros(mdp.n_states), 0.0
    for h in range(mdp.horizon - 1, -1, -1):
        with np.errstate(divide="ignore"):
            log_kernel = np.log(mdp.stage_kernel(h))
        inner = log_sum_exp(
            np.broadcast_to(value, log_kernel.shape), temperature=tau, log_reference=log_kernel
        )
        error += float(log_sum_exp_error(value / tau, log_kernel, tau).max())
        worth = mdp.stage_reward(h) + inner
        value = log_sum_exp(worth, temperature=tau, log_reference=task.log_reference[h])
        error += float(log_sum_exp_error(worth / tau, task.log_reference[h], tau).max())
        error += float(rounding(np.abs(worth).max(), 2))
    return Side(value, 1.01 * error)


def path_integral_by_enumeration(task: DemonstrationTask) -> Side:
    """All paths of the cloned policy: lambda log of the mean of e^{return / lambda}, start by start"""
    n, tau = task.mdp.n_states, task.temperature
    paths = enumerate_trajectories(task.mdp, task.reference, initial=np.full(n, 1 / n))
    values, errors = np.empty(n), np.empty(n)
    for s in range(n):
        here = paths.states[:, 0] == s
        logs, gains = paths.log_probability[here] + np.log(n), paths.returns[here]
        values[s] = log_sum_exp(gains, temperature=tau, log_reference=logs)
        # the log-probability of a path is a sum of 2 H + 2 logarithms
        errors[s] = (task.mdp.horizon + 1) * log_sum_exp_error(gains / tau, logs, tau)
        errors[s] += rounding(np.abs(gains).max(), task.mdp.horizon + 2) + rounding(tau * np.log(n), 4)
    return Side(values, errors)


# --- the first claim ------------------------------------------------------------------------------------------------


def noisy_task(noise: float, temperature: float) -> DemonstrationTask:
    """D3 with the likeliest successor of each pair, mixed with the uniform law."""
    task = three_state_task(temperature)
    likeliest = np.eye(3)[task.mdp.transition.argmax(axis=2)]
    kernel = (1 - noise) * likeliest + noise / 3
    mdp = FiniteHorizonMDP(kernel, task.mdp.reward, 3, initial=task.mdp.initial)
    return replace(task, mdp=mdp)


D3 = three_state_task(0.3)
CERTAIN = tuple(noisy_task(0.0, temperature) for temperature in (1e-3, 0.3, 1e3))
GAP = Claim(
    "demreg-bellman-gap",
    title="Closed-form KL-regularised Bellman recursion; the regularised suboptimality is a path divergence",
    papers=("tiapkin2023demonstration",),
    provenance="our formalisation",
    theorem="the recursion as in the paper, the identity our formalisation",
    statement=r"""
    Over $H$ undiscounted steps let $\mathrm{KL}_{traj}(\pi\|\pi') = E_\pi\sum_{h<H}\mathrm{KL}(\pi_h(\cdot|s_h)\|
    \pi'_h(\cdot|s_h))$, the divergence of the path laws, and $V^\pi_\lambda = V^\pi - \lambda\,\mathrm{KL}_{traj}(\pi\|
    \pi^{BC})$ with $\lambda > 0$. The optimum is given by
    $$Q_h = R_h + P_hV_{h+1},\quad V_h(s) = \lambda\log\sum_a \pi^{BC}_h(a|s)\,e^{Q_h(s,a)/\lambda},\quad
      \pi^*_{\lambda,h} \propto \pi^{BC}_h e^{Q_h/\lambda},$$
    and every policy loses $V^*_\lambda(\rho) - V^\pi_\lambda(\rho) = \lambda\,\mathrm{KL}_{traj}(\pi\|\pi^*_\lambda)$.
    Moreover $V^*_\lambda(s) \le \lambda\log E_{\pi^{BC}}[e^{\sum_h R_h/\lambda} \mid s_0 = s]$, with equality for
    deterministic dynamics.
    """,
    assumptions=(
        FULL_SUPPORT,
        Assumption("A2", "the model is exact", "planning in another model"),
        Assumption(
            "A3",
            "deterministic dynamics (for the equality with the path integral)",
            "stochastic dynamics",
            lambda task: bool(np.isin(task.mdp.transition, (0.0, 1.0)).all()),
            wider=demonstration_task,
        ),
    ),
    instance_family=demonstration_task,
    witnesses=(D3, COLD, HOT, SURE),
    instances=150,
)

recursion_part = GAP.part(
    "(recursion)",
    r"$V_h = \lambda\log\sum_a\pi^{BC}_he^{Q_h/\lambda}$ and $\pi^*_{\lambda,h}\propto\pi^{BC}_he^{Q_h/\lambda}$",
    Equal(optimum_by_recursion, optimum_by_roots),
    resolution=optimum_resolution,
    reason=ROUNDING + ", over min(1, lambda) for the policy",
    assumes=("A1", "A2"),
    exact=(exact.optimum_by_recursion, exact.optimum_by_weights),
)
gap_part = GAP.part(
    "(gap)",
    r"$V^*_\lambda(\rho) - V^\pi_\lambda(\rho) = \lambda\,\mathrm{KL}_{traj}(\pi\|\pi^*_\lambda)$",
    Equal(regularised_loss, divergence_from_the_optimum),
    resolution=within,
    reason=ROUNDING,
    assumes=("A1", "A2"),
    exact=(exact.regularised_loss, exact.divergence_from_the_optimum),
)
integral_part = GAP.part(
    "(path-integral)",
    r"$V^*_\lambda(s) \le \lambda\log E_{\pi^{BC}}[e^{\sum R/\lambda}|s_0=s]$ (two stages at least: with one they are the same)",
    AtMost(first_values, path_integral),
    resolution=within,
    reason=ROUNDING,
    family=longer_task,
    assumes=("A1", "A2"),
    cross_left=first_values_by_roots,
    cross_right=path_integral_by_enumeration,
    exact=(exact.first_values, exact.path_integral),
)
deterministic_part = GAP.part(
    "(deterministic)",
    "equality for deterministic dynamics",
    Equal(first_values, path_integral_by_enumeration),
    resolution=within,
    reason=ROUNDING,
    family=deterministic_task,
    witnesses=CERTAIN,
    instances=80,
    exact=(exact.first_values, exact.path_integral_by_paths),
)


@GAP.known(D3)
def _(task: DemonstrationTask) -> Iterator[Known]:
    yield Known("values", "2.1752034652 1.6064270029 1.9634342920", task.optimum.value[0])
    yield Known("value at the start law", "1.9622166919", task.at_the_start(task.optimum).value)
    yield Known(
        "policy of the first stage, first column",
        "0.9844745890 0.3427312792 0.0478967295",
        task.optimum.policy[0, :, 0],
    )
    yield Known("gap of the expert", "0.1581691977", regularised_loss(task).value)
    yield Known("path integral", "2.2663316260 1.6904976162 2.0565659160", path_integral(task).value)


# --- what must fail -------------------------------------------------------------------------------------------------


def planned_in_another_model(task: DemonstrationTask) -> Side:
    """Forward sweep: divergence from the optimum of the model whose actions are exchanged in state 0"""
    kernel = np.array(task.mdp.transition)
    kernel[..., 0, :, :] = kernel[..., 0, ::-1, :]
    wrong = FiniteHorizonMDP(kernel, task.mdp.reward, task.mdp.horizon, initial=task.mdp.initial)
    found = task.divergence(np.log(task.expert), replace(task, mdp=wrong).roots.log_policy)
    return Side(task.temperature * found.value, 1e-12)


def counting_measure(task: DemonstrationTask) -> Side:
    """Backward induction with the counting measure in the place of the cloned policy"""
    return optimum_of(solvers.backward_induction(task.mdp, temperature=task.temperature))


def mean_return(task: DemonstrationTask) -> Side:
    """Mean return of the cloned policy: the logarithm inside the expectation"""
    found = task.evaluation(task.reference, 0.0)
    return Side(found.value[0], float(found.value_errors[0]))


gap_part.control(
    "the divergence of the optimum from the policy",
    kind="mutation",
    instance=D3,
    right=partial(divergence_from_the_optimum, swapped=True),
    specified="0.1581691977 0.0840933380",
    measure=lambda outcome: np.append(outcome.left, outcome.right),
)
gap_part.control(
    "planning in another model", kind="assumption", drops="A2", instance=D3, right=planned_in_another_model
)
deterministic_part.control(
    "stochastic dynamics",
    kind="assumption",
    drops="A3",
    instance=D3,
    specified="0.084 0.093",
    measure=lambda outcome: (
        np.min(outcome.right - outcome.left),
        np.max(outcome.right - outcome.left),
    ),
)
recursion_part.control(
    "the counting measure in the place of the cloned policy",
    kind="mutation",
    instance=D3,
    left=counting_measure,
)
integral_part.control("the logarithm inside the expectation", kind="mutation", instance=D3, right=mean_return)


# --- the figure -----------------------------------------------------------------------------------------------------


@GAP.figure(
    r"Left: what a policy loses and $\lambda$ times its path divergence from the optimum, for random tasks and policies; the "
    r"points are on the diagonal. Right: by how much the path integral $\lambda\log E_{\pi^{BC}}e^{\sum R/\lambda}$ exceeds "
    r"the optimal value (mean over the starts), against the weight of the uniform law in the kernel of D3: exact without "
    r"noise, too large with it.",
    panels=2,
)
def _(axes: Any) -> None:
    tasks = [demonstration_task(SeededDraw([seed, 3])) for seed in range(150)]
    points = np.array([(divergence_from_the_optimum(t).value, regularised_loss(t).value) for t in tasks])
    ends = [points.min() / 2, points.max() * 2]
    axes[0].loglog(ends, ends, "k-", linewidth=1)
    axes[0].loglog(*points.T, "o", color="C0", markersize=4, alpha=0.7)
    axes[0].set(
        xlabel=r"$\lambda\,\mathrm{KL}_{traj}(\pi\|\pi^*_\lambda)$",
        ylabel=r"$V^*_\lambda(\rho) - V^\pi_\lambda(\rho)$",
    )
    noises = np.linspace(0.0, 1.0, 41)
    for temperature, look in ((0.1, "C0-"), (0.3, "C1--"), (1.0, "C2-.")):
        rows = [noisy_task(float(noise), temperature) for noise in noises]
        excess = [np.mean(np.subtract(path_integral(t).value, first_values(t).value)) for t in rows]
        axes[1].plot(noises, excess, look, linewidth=2, label=rf"$\lambda = {temperature:g}$")
    axes[1].set(xlabel="weight of the uniform law", ylabel="excess of the path integral", xlim=(0, 1))
    axes[1].legend()
