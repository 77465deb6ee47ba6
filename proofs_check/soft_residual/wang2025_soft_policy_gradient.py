"""The soft policy gradient (Wang et al. 2025): entropy enters as an ordinary reward.

The per-step reward ``-alpha log pi`` depends on the policy, but its explicit derivative has mean zero; all that
remains is the score-function gradient of a return with that reward in it, current step included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import Array, FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Outcome, Side, rounding
from mdplab.enumeration import enumerate_trajectories
from mdplab.instances import three_state_mdp
from mdplab.models import MDP, FiniteHorizonMDP
from mdplab.numerics import complex_step_gradient
from mdplab.operators import induced, log_tilt, softmax_policy_gradient
from proofs_check.soft_residual import exact_soft_gradient as exact
from proofs_check.soft_residual.gradient_instances import SoftGradientTask, short_task, soft_gradient_task

# --- the routes -----------------------------------------------------------------------------------------------------


def soft_return(mdp: MDP, logits: Array, temperature: float) -> Any:
    """``rho (I - gamma P_pi)^-1 (r_pi - c)`` in complex arithmetic; the constant ``c`` shifts J, not its gradient."""
    log_policy = log_tilt(logits)
    policy = np.exp(log_policy)
    kernel, _ = induced(mdp, policy)
    reward = (policy * (mdp.reward - temperature * log_policy)).sum(axis=1)
    centred = reward - 0.5 * (reward.real.max() + reward.real.min())  # keeps |V| at its span: less rounding
    return mdp.start_law() @ np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * kernel, centred)


def derivative_error(task: SoftGradientTask) -> float:
    """Rounding of one complex solve: the entries of ``V`` and ``V'`` are at most ``span(V) / (1 - gamma)``."""
    operations = 4 * (task.mdp.n_states + task.mdp.n_actions) + 16
    spread = np.ptp(task.mdp.reward) + task.temperature * np.abs(task.log_policy).max()
    return float(rounding(spread / (1 - task.mdp.discount) ** 2, operations))


def derivative(task: SoftGradientTask) -> Side:
    """Complex-step derivative of the soft return, one linear solve an entry."""
    value = complex_step_gradient(lambda z: soft_return(task.mdp, z, task.temperature), task.logits)
    return Side(value, derivative_error(task))


def closed_form(task: SoftGradientTask) -> Side:
    """Occupancy times policy times soft advantage, over 1 - gamma."""
    value = softmax_policy_gradient(
        np.exp(task.log_policy),
        log_policy=task.log_policy,
        q=task.evaluation.q,
        state_occupancy=task.state_occupancy,
        discount=task.mdp.discount,
        temperature=task.temperature,
    )
    return Side(value, task.gradient_error)


def with_a_baseline(task: SoftGradientTask) -> Side:
    """Expectation of the score times Q - alpha log pi - b under the occupancy, any baseline b."""
    policy = np.exp(task.log_policy)
    weight = task.evaluation.q - task.temperature * task.log_policy - task.baseline[:, None]
    score = np.eye(task.mdp.n_actions)[None] - policy[:, None, :]  # d log pi(a|s) / d theta(s, b)
    value = np.einsum("s,sa,sab,sa->sb", task.state_occupancy, policy, score, weight) / (
        1 - task.mdp.discount
    )
    extra = rounding(np.abs(weight).max() / (1 - task.mdp.discount), task.mdp.n_actions + 8)
    return Side(value, task.gradient_error + extra)


def recursion_derivative(task: SoftGradientTask) -> Side:
    """Complex-step derivative of the backward recursion over the stages."""

    def start_value(logits: Array) -> Any:
        log_policy = log_tilt(logits)
        value: Array = np.zeros(task.mdp.n_states)
        for _ in range(task.horizon):
            q = (
                task.mdp.reward
                - task.temperature * log_policy
                + task.mdp.discount * task.mdp.expectation(value)
            )
            value = (np.exp(log_policy) * q).sum(axis=1)
        return task.mdp.start_law() @ value

    return Side(
        complex_step_gradient(start_value, task.logits), rounding(stage_size(task), 40 * task.horizon)
    )


def stage_size(task: SoftGradientTask) -> float:
    """Largest soft return of a path."""
    per_step = np.abs(task.mdp.reward).max() + task.temperature * np.abs(task.log_policy).max()
    return float(task.horizon**2 * per_step)


def path_expectation(task: SoftGradientTask) -> Side:
    """Expectation over all enumerated paths of scores times soft rewards to go."""
    mdp, horizon = task.mdp, task.horizon
    short = FiniteHorizonMDP(mdp.transition, mdp.reward, horizon, initial=mdp.start_law())
    paths = enumerate_trajectories(
        short, np.broadcast_to(np.exp(task.log_policy), (horizon, *mdp.reward.shape))
    )
    states, actions = paths.states[:, :horizon], paths.actions
    soft_reward = (mdp.reward - task.temperature * task.log_policy)[states, actions]
    discounts = mdp.discount ** np.arange(horizon)
    to_go = np.cumsum((discounts * soft_reward)[:, ::-1], axis=1)[:, ::-1]  # already carries gamma^t
    weight = np.exp(paths.log_probability)[:, None] * to_go
    value = np.zeros(mdp.reward.shape)
    np.add.at(value, (states, actions), weight)
    np.add.at(value, states, -weight[:, :, None] * np.exp(task.log_policy)[states])
    return Side(value, rounding(stage_size(task), 40 * horizon + int(np.log2(len(weight)) + 1)))


# --- the claim ------------------------------------------------------------------------------------------------------

T3 = SoftGradientTask(
    three_state_mdp(),
    np.array([[0.3, -0.2], [-0.5, 0.4], [0.1, 0.6]]),
    temperature=0.5,
    baseline=np.array([1.0, -2.0, 0.5]),
)
ONE_WAY = SoftGradientTask(
    MDP(
        np.array([[[0, 1, 0], [0, 0, 1]], [[0, 1, 0], [0, 1, 0]], [[0, 0, 1], [0, 0, 1]]], dtype=float),
        np.zeros((3, 2)),
        0.9,
        np.array([1.0, 0.0, 0.0]),
    ),
    np.log([[0.4, 0.6], [0.99, 0.01], [0.5, 0.5]]),
    temperature=1.0,
    baseline=np.zeros(3),
)


def relative(task: SoftGradientTask) -> float:
    """Relative 1e-10, measured at the size of the gradient's terms."""
    return 1e-10 * max(1.0, float(np.abs(closed_form(task).value).max()))


SOFT_PG = Claim(
    "soft-policy-gradient",
    title="Entropy enters the score-function gradient as an ordinary per-step reward",
    papers=("wang2025rpg",),
    provenance="our formalisation",
    statement=r"""
    Let $\pi_\theta$ be a tabular softmax policy with logits $\theta$ and $J(\theta) = \rho^\top V^{\pi_\theta}_\alpha$ its
    soft return. For every baseline $b$
    $$\nabla J = \frac{1}{1-\gamma} E_{s \sim d^\pi_\rho,\, a \sim \pi}\big[\nabla \log\pi(a|s)\,
      (Q^\pi_\alpha(s,a) - \alpha\log\pi(a|s) - b(s))\big],$$
    which for $b = V^\pi_\alpha$ is $\partial J / \partial\theta_{sa} = \frac{1}{1-\gamma} d(s) \pi(a|s)
    (Q^\pi_\alpha(s,a) - \alpha\log\pi(a|s) - V^\pi_\alpha(s))$. Over a horizon $H$
    $$\nabla J_H = E\Big[\sum_{t<H} \gamma^t \nabla\log\pi(a_t|s_t) \sum_{k=t}^{H-1} \gamma^{k-t}
      (r_k - \alpha\log\pi(a_k|s_k))\Big].$$
    The explicit derivative of $-\alpha\log\pi$ contributes nothing, since $E_\pi \nabla\log\pi = 0$.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$\pi_\theta > 0$ and differentiable",
            DEFINITIONAL,
            lambda t: bool(np.isfinite(t.logits).all()),
        ),
        Assumption("A2", "exact $Q$, with all later entropies", "the entropy of the current state alone"),
    ),
    instance_family=soft_gradient_task,
    witnesses=(T3, ONE_WAY),
    instances=150,
)

occupancy_form = SOFT_PG.part(
    "(occupancy form)",
    r"$\partial J/\partial\theta_{sa} = d(s)\pi(a|s)(Q^\pi_\alpha - \alpha\log\pi - V^\pi_\alpha)/(1-\gamma)$",
    Equal(derivative, closed_form),
    resolution=relative,
    reason="relative 1e-10: rounding of the linear solves times 1/(1-gamma)",
    exact=(exact.derivative, exact.closed_form),
)
SOFT_PG.part(
    "(any baseline)",
    "the occupancy form holds with every baseline",
    Equal(derivative, with_a_baseline),
    resolution=relative,
    reason="relative 1e-10: rounding of the linear solves times 1/(1-gamma)",
    exact=(exact.derivative, exact.with_a_baseline),
)
SOFT_PG.part(
    "(trajectory form)",
    "scores times soft rewards to go, over every path of a short horizon",
    Equal(recursion_derivative, path_expectation),
    resolution=1e-10,
    reason="sums of at most 48 paths in double precision",
    family=short_task,
    witnesses=(T3,),
    exact=(exact.recursion_derivative, exact.path_expectation),
)


@SOFT_PG.known(T3)
def _(task: SoftGradientTask) -> Iterator[Known]:
    yield Known("J", "7.9287231253", task.mdp.start_law() @ task.evaluation.value)
    gradient = np.asarray(closed_form(task).value)
    yield Known("gradient, first column", "0.7001964674 0.1141751520 -0.7369361496", gradient[:, 0])
    yield Known("gradient, second column", "-0.7001964674 -0.1141751520 0.7369361496", gradient[:, 1])
    paths = np.asarray(path_expectation(task).value)
    yield Known("trajectory form, first column", "0.2597454286 0.0395554976 -0.2280365800", paths[:, 0])


@SOFT_PG.known(ONE_WAY)
def _(task: SoftGradientTask) -> Iterator[Known]:
    yield Known(
        "entry (0, 0) where the mutation has the wrong sign",
        "-1.2789229699",
        np.asarray(derivative(task).value)[0, 0],
    )


# --- what must fail -------------------------------------------------------------------------------------------------


def entropy_of_the_current_state(task: SoftGradientTask) -> Side:
    """Return gradient plus the gradient of the current state's entropy: the future entropy is dropped."""
    policy = np.exp(task.log_policy)
    plain = solvers.policy_evaluation(task.mdp, policy)
    entropy = -(policy * task.log_policy).sum(axis=1, keepdims=True)
    terms = policy * (plain.q - plain.value[:, None]) - task.temperature * policy * (
        task.log_policy + entropy
    )
    return Side(task.state_occupancy[:, None] * terms / (1 - task.mdp.discount), task.gradient_error)


def without_the_current_step(task: SoftGradientTask) -> Side:
    """Advantage of the soft Q alone: the current -alpha log pi is left out."""
    policy = np.exp(task.log_policy)
    terms = policy * (task.evaluation.q - (policy * task.evaluation.q).sum(axis=1, keepdims=True))
    return Side(task.state_occupancy[:, None] * terms / (1 - task.mdp.discount), task.gradient_error)


def first_column_and_error(outcome: Outcome) -> FloatArray:
    return np.append(outcome.right[:, 0], outcome.violation)


occupancy_form.control(
    "the entropy of the current state alone",
    kind="assumption",
    drops="A2",
    instance=T3,
    right=entropy_of_the_current_state,
    specified="0.6937380357 0.1180558555 -0.7437851291 0.0068489795",
    measure=first_column_and_error,
)
occupancy_form.control(
    "the entropy of the current state alone, ascending in the wrong direction",
    kind="mutation",
    instance=ONE_WAY,
    right=entropy_of_the_current_state,
    specified="-1.2789229699 0.0973116259",
    measure=lambda outcome: (outcome.left[0, 0], outcome.right[0, 0]),
)
occupancy_form.control(
    "the current step's -alpha log pi left out",
    kind="mutation",
    instance=T3,
    right=without_the_current_step,
    specified="0.8912614672 -0.1290044400 -0.9788845628 0.2431795920",
    measure=first_column_and_error,
)


# --- the figure -----------------------------------------------------------------------------------------------------


def square_task(staying: FloatArray) -> SoftGradientTask:
    """Two states alike: staying (action 0) pays 2, moving to the other pays nothing; a policy by its two probabilities of staying."""
    transition = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]]], dtype=float)
    mdp = MDP(transition, np.array([[2.0, 0.0], [2.0, 0.0]]), 0.95, np.array([0.5, 0.5]))
    logits = np.log(np.stack([staying, 1 - staying], axis=1))
    return SoftGradientTask(mdp, logits, temperature=1.0, baseline=np.zeros(2))


def ascend(gradient: Callable[[SoftGradientTask], Side], start: tuple[float, float]) -> FloatArray:
    """Probabilities of staying along the ascent of the logits, no logit moving by more than .15 a step, shape (n, 2)."""
    task, path = square_task(np.array(start)), [np.array(start)]
    for _ in range(400):
        slope = np.asarray(gradient(task).value)
        task = replace(task, logits=task.logits + 0.15 * slope / max(0.3, np.abs(slope).max()))
        path.append(np.exp(task.log_policy[:, 0]))
    return np.array(path)


@SOFT_PG.figure(
    "Ascent of the logits from three starts (dots) in a model of two equal states where staying pays, over level sets of the "
    "soft return (darker is higher). The right gradient ends (squares) at the optimum. (a) Without the entropy of later "
    "states the two states are told apart although they are alike; (b) without that of the current step the policy turns "
    "deterministic."
)
def _(ax: Any) -> None:
    places = np.linspace(0.01, 0.99, 41)
    tasks = [[square_task(np.array([x, y])) for x in places] for y in places]
    heights = np.array([[task.mdp.start_law() @ task.evaluation.value for task in row] for row in tasks])
    levels = heights.max() - np.geomspace(0.05, np.ptp(heights), 12)[::-1]
    ax.contourf(places, places, heights, levels=levels, cmap="Greys", alpha=0.35, extend="max")
    ax.contour(places, places, heights, levels=levels, colors="white", linewidths=0.6)
    routes = (
        (closed_form, "C0-", "right gradient"),
        (entropy_of_the_current_state, "C1--", "(a) entropy of the current state only"),
        (without_the_current_step, "C2-.", "(b) current step's entropy left out"),
    )
    for route, look, name in routes:
        for number, start in enumerate(((0.15, 0.5), (0.5, 0.15), (0.3, 0.2))):
            path = ascend(route, start)
            ax.plot(*path.T, look, linewidth=2, label="" if number else name)
            ax.plot(*path[-1], look[:2] + "s", markersize=7, clip_on=False, zorder=4)
            ax.plot(*start, "ko", markersize=5, zorder=5)
    ax.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="probability of staying in state 0",
        ylabel="probability of staying in state 1",
    )
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
