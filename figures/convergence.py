"""How fast the algorithms converge on one textbook model, beside what is proven about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from figures.topic import Sources, Topic
from mdplab import plotting, solvers
from mdplab._typing import FloatArray
from mdplab.instances import three_state_unit_reward_mdp
from mdplab.models import MDP, RewardProcess
from mdplab.operators import action_values, greedy_policy, induced, policy_backup, soft_value
from mdplab.operators.distributional import backup_laws
from mdplab.solvers import policy_iteration
from mdplab.wasserstein import sup_wasserstein
from proofs_check.soft_residual import agarwal2021_npg as constant_step
from proofs_check.soft_residual import xiao2022_growing_steps as growing_step
from proofs_check.soft_residual.gradient_instances import NPGTask
from proofs_check.soft_residual.mirror_instances import GrowingTask

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["TOPIC"]

SWEEPS, TEMPERATURE, INNER, ETA = 60, 0.2, 4, 0.1
LIMIT, MERGE = 150, 5e-3
"""Backups after which a law stands for the limit, and the width within which atoms are merged."""

Curve: TypeAlias = tuple[FloatArray, FloatArray]
"""Errors and bounds, one for each iteration from 0."""


def value_iteration(mdp: MDP) -> Curve:
    """Errors of V_k from V_0 = 0; gamma^k times the first."""
    best, v, errors = policy_iteration(mdp).value, np.zeros(mdp.n_states), []
    for _ in range(SWEEPS + 1):
        errors.append(np.abs(v - best).max())
        v = action_values(mdp, v).max(axis=1)
    return _contracting(errors, mdp.discount)


def modified_policy_iteration(mdp: MDP) -> Curve:
    """The same with further sweeps of the greedy policy; the bound of Puterman and Shin, for T V_0 >= V_0."""
    best, v, errors = policy_iteration(mdp).value, np.zeros(mdp.n_states), []
    for _ in range(SWEEPS + 1):
        errors.append(np.abs(v - best).max())
        policy = greedy_policy(mdp, action_values(mdp, v))
        for _ in range(INNER + 1):
            v = policy_backup(mdp, policy, v)
    return _contracting(errors, mdp.discount)


def soft_value_iteration(mdp: MDP) -> Curve:
    """Errors of the soft values; gamma^k times the first."""
    best = solvers.soft_policy_iteration(mdp, temperature=TEMPERATURE).value
    v, errors = np.zeros(mdp.n_states), []
    for _ in range(SWEEPS + 1):
        errors.append(np.abs(v - best).max())
        v = soft_value(action_values(mdp, v), temperature=TEMPERATURE)
    return _contracting(errors, mdp.discount)


def natural_gradient(mdp: MDP) -> Curve:
    """Gap of the start value with a constant step, from the first update on."""
    task = NPGTask(mdp, ETA, steps=SWEEPS)
    none = np.full(1, np.nan)
    gaps, bounds = (np.asarray(side(task).value) for side in (constant_step.gaps, constant_step.bound))
    return np.concatenate((none, gaps)), np.concatenate((none, bounds))


def mirror_descent(mdp: MDP) -> Curve:
    """Gap of the start value with growing steps."""
    task = GrowingTask(mdp, np.zeros((mdp.n_states, mdp.n_actions)), 0.01, steps=SWEEPS)
    return np.asarray(growing_step.gaps(task).value), np.asarray(growing_step.bound(task).value)


def distributional_evaluation(mdp: MDP) -> Curve:
    """Wasserstein distance of the laws of the first k rewards to the laws of the return, of the optimal policy."""
    kernel, mean = induced(mdp, policy_iteration(mdp).policy)
    process = RewardProcess(kernel, np.repeat(mean[:, None], mdp.n_states, axis=1), mdp.discount)
    laws = [list(solvers.distributional_evaluation(process, 0).laws)]
    for _ in range(LIMIT):
        laws.append(backup_laws(process.kernel, process.reward, mdp.discount, laws[-1], merge=MERGE))
    errors = [sup_wasserstein(first, laws[-1], 1) for first in laws[: SWEEPS + 1]]
    return _contracting(errors, mdp.discount)


def average_reward(mdp: MDP) -> Curve:
    """Half the width of the bounds on the gain; the ergodicity coefficient of all pairs to the power k, times the first."""
    run = solvers.relative_value_iteration(mdp, tol=1e-13, aperiodicity=0.0)
    rows = mdp.transition.reshape(-1, mdp.n_states)
    overlap = np.minimum(rows[:, None], rows[None]).sum(axis=-1).min()
    return _contracting(run.residuals[: SWEEPS + 1], 1 - float(overlap))


def _contracting(errors: Any, modulus: float) -> Curve:
    found = np.asarray(errors, dtype=np.float64)
    return found, found[0] * modulus ** np.arange(found.size)


PANELS: tuple[tuple[Callable[[MDP], Curve], str, str, str], ...] = (
    (value_iteration, "value iteration", r"$\|V_k - V^*\|_\infty$", r"$\gamma^k \|V_0 - V^*\|_\infty$"),
    (modified_policy_iteration, f"modified policy iteration, {INNER} inner sweeps",
     r"$\|V_k - V^*\|_\infty$", r"$\gamma^k \|V_0 - V^*\|_\infty$"),
    (soft_value_iteration, rf"soft value iteration, $\tau = {TEMPERATURE:g}$",
     r"$\|V_k - V^*_\tau\|_\infty$", r"$\gamma^k \|V_0 - V^*_\tau\|_\infty$"),
    (natural_gradient, rf"natural policy gradient, $\eta = {ETA:g}$",
     r"$V^*(\rho) - V_k(\rho)$", r"$(\log A/\eta + (1-\gamma)^{-2})/k$"),
    (mirror_descent, "mirror descent, growing steps", r"$V^*(\rho) - V_k(\rho)$", r"$(1 - 1/\theta)^k\,C$"),
    (distributional_evaluation, "laws of the return", r"$\sup_s w_1(\mu_k, \mu)$", r"$\gamma^k \sup_s w_1(\mu_0, \mu)$"),
    (average_reward, "average reward, relative values", "width of the bounds on $g^*$", r"$\delta^k \times$ the first width"),
)  # fmt: skip


def load(sources: Sources) -> None:
    """Nothing: all is computed."""


def draw(_: None) -> tuple[Figure, str]:
    """A panel an algorithm, all with the same number of iterations."""
    mdp = three_state_unit_reward_mdp()
    figure, axes = plotting.new_figure(len(PANELS) + 1, columns=4, panel_size=(3.1, 2.75))
    for ax, (route, title, quantity, bound) in zip(axes, PANELS, strict=False):
        errors, bounds = route(mdp)
        counts = np.arange(errors.size)
        shown = errors > 1e-12
        ax.plot(counts[shown], errors[shown], color="C0", linewidth=3, solid_capstyle="butt")
        ax.plot(counts[: bounds.size], bounds, "--", color="C1", linewidth=1.3)
        ax.set(yscale="log", xlabel="iteration $k$", ylabel=quantity, xlim=(-1, SWEEPS + 1))
        ax.set_title(title, fontsize=9.5)
        ax.annotate(
            bound, (0.97, 0.95), xycoords="axes fraction", ha="right", va="top", color="C1", fontsize=9
        )
        ax.set_ylim(top=bounds[np.isfinite(bounds)].max() * 40)
    last = axes[-1]
    last.set_axis_off()
    last.plot([], [], color="C0", linewidth=3, label="computed")
    last.plot([], [], "--", color="C1", linewidth=1.3, label="proven bound")
    last.legend(loc="center", fontsize=11)
    caption = (
        f"Seven algorithms on one model with three states and two actions, discount {mdp.discount:g}: error against iteration (lines) "
        r"and what is proven (dashed). The contraction by $\gamma$ is slow but nearly sharp for value iteration, and describes "
        r"how the laws of returns converge; the bounds of policy methods are far above what happens here. $\theta$: mismatch of "
        r"start law and optimal occupancy; $\delta$: ergodicity coefficient."
    )
    return figure, caption


TOPIC = Topic("Rates of convergence: computed and proven", load, draw)
