"""Customisations in turn (a consequence of Li et al. 2023): two are one, whatever the prior.

The logarithm of a customised policy is the weighted log-prior plus its add-on reward, in units of its temperature and shaped by
its own value; the next customisation sees that sum.  So weights multiply and rewards add, the first one rescaled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Outcome, Separates, Side
from mdplab.solvers import ControlSolution
from proofs_check.soft_residual import exact_composition as exact
from proofs_check.soft_residual.any_prior_routes import by_iteration, by_newton, reference_error
from proofs_check.soft_residual.composition_instances import (
    CompositionTask,
    Step,
    composition_task,
    near_deterministic_composition,
    pure_kl_task,
    three_state_composition,
    three_state_pure_kl,
)
from proofs_check.soft_residual.instances import PRIOR_IS_SHARED, exchanged_actions, soft_backward_error

# --- the routes -----------------------------------------------------------------------------------------------------

Customise = Callable[[CompositionTask, FloatArray, Step], ControlSolution]


def in_turn(task: CompositionTask, first: Step, second: Step, customise: Customise) -> Side:
    """The second customisation of the first: the backward error of the first is one of its reward."""
    inner = customise(task, task.log_prior, first)
    outer = customise(task, inner.log_policy, second)
    backward = soft_backward_error(
        task.mdp,
        first.reward + first.weight * task.log_prior,
        first.temperature * inner.log_policy,
        inner.value,
        inner.value,
        task.mdp.discount,
    )
    moved = second.weight / first.temperature * backward / (1 - task.mdp.discount)
    error = outer.policy_error + moved / (2 * second.temperature)
    error += reference_error(task, inner.log_policy, second) / (2 * second.temperature)
    return Side(outer.policy, error)


def composed_policy(task: CompositionTask) -> Side:
    """Residual soft Q iteration, then once more with the result as prior."""
    return in_turn(task, *task.steps, by_iteration)


def reversed_policy(task: CompositionTask) -> Side:
    """Soft policy iteration, twice, in the other order."""
    first, second = task.steps
    return in_turn(task, second, first, by_newton)


def one_shot(task: CompositionTask) -> Step:
    """The one customisation that both are together."""
    first, second = task.steps
    carried = second.weight / first.temperature
    return Step(carried * first.reward + second.reward, carried * first.weight, second.temperature)


def one_shot_policy(task: CompositionTask) -> Side:
    """Soft policy iteration on the combined reward with the weighted log-prior of pi as reference."""
    return solved_at_once(task, one_shot(task))


def solved_at_once(task: CompositionTask, step: Step) -> Side:
    """Soft policy iteration on one customisation of the prior."""
    found = by_newton(task, task.log_prior, step)
    wrong = reference_error(task, task.log_prior, step) / (2 * step.temperature)
    return Side(found.policy, found.policy_error + wrong)


# --- the claim ------------------------------------------------------------------------------------------------------

T3, COMMUTING = three_state_composition(), three_state_pure_kl()


def policy_scale(task: CompositionTask) -> float:
    """1e-11 on probabilities, and 1e-13 of the exponents, over the horizon, where these exceed a hundred."""
    first, second = task.steps
    sizes = (first.weight * np.abs(task.log_prior).max() + np.abs(first.reward).max()) / first.temperature
    # the first customisation as a prior, in either order, at the temperature of the second
    both = max(second.weight, first.weight, 1.0) * sizes + np.abs(second.reward).max() + second.temperature
    lowest = min(first.temperature, second.temperature)
    return float(1e-13 * max(1e2, both / lowest / (1 - task.mdp.discount)))


def is_pure_kl(task: CompositionTask) -> bool:
    """Whether both weights are the temperatures."""
    return all(step.weight == step.temperature for step in task.steps)


COMPOSITION = Claim(
    "rql-composition",
    title="Customisations compose, and the composition law holds for any prior",
    papers=("li2023rql",),
    provenance="our formalisation",
    statement=r"""
    Let $\pi$ be any prior of full support. Customise it with $(r_1, \omega_1', \hat\alpha_1)$: solve the fixed-point equation
    of `rql-fixed-point` with these and take $\propto e^{(Q_R + \omega'\log\pi)/\hat\alpha}$. Customise the result with
    $(r_2, \omega_2', \hat\alpha_2)$. The outcome is one customisation of $\pi$ with
    $$r = \frac{\omega_2'}{\hat\alpha_1} r_1 + r_2, \qquad \omega' = \frac{\omega_1'\omega_2'}{\hat\alpha_1}, \qquad
      \hat\alpha = \hat\alpha_2.$$
    With $\omega_i' = \hat\alpha_i$ (pure KL, the two coefficients equal or not) the two orders commute; in general they do
    not. No max-ent optimality of $\pi$ is needed.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$\pi > 0$",
            DEFINITIONAL,
            lambda t: t.logits is None or bool(np.isfinite(t.logits).all()),
        ),
        Assumption(
            "A2", "both customisations have the same kernel", "a second customisation in another kernel"
        ),
        Assumption("A3", "both have the same discount", "a second customisation at another discount"),
        Assumption(
            "A4", r"$\hat\alpha_i > 0$", DEFINITIONAL, lambda t: all(s.temperature > 0 for s in t.steps)
        ),
        Assumption(
            "A5",
            r"for the commutation: $\omega_i' = \hat\alpha_i$",
            "the two orders with other weights",
            is_pure_kl,
            wider=composition_task,
        ),
    ),
    instance_family=composition_task,
    witnesses=(T3, COMMUTING, near_deterministic_composition()),
    instances=100,
)
CERTIFIED = (
    "certified policy errors and the backward error of the first customisation; 1e-11 on probabilities"
)
ALWAYS = ("A1", "A2", "A3", "A4")

law_part = COMPOSITION.part(
    "(law)",
    r"two customisations are one with $r = \frac{\omega_2'}{\hat\alpha_1} r_1 + r_2$,"
    r" $\omega' = \omega_1'\omega_2'/\hat\alpha_1$, $\hat\alpha = \hat\alpha_2$",
    Equal(composed_policy, one_shot_policy),
    resolution=policy_scale,
    reason=CERTIFIED,
    assumes=ALWAYS,
    shared=PRIOR_IS_SHARED,
    exact=(exact.composed_policy, exact.one_shot_policy),
)
commuting_part = COMPOSITION.part(
    "(commutation)",
    r"with $\omega_i' = \hat\alpha_i$ the two orders give one policy",
    Equal(composed_policy, reversed_policy),
    resolution=policy_scale,
    reason=CERTIFIED,
    family=pure_kl_task,
    witnesses=(COMMUTING,),
    shared=PRIOR_IS_SHARED,
    exact=(exact.composed_policy, exact.reversed_policy),
)
COMPOSITION.part(
    "(no commutation)",
    "with other weights the two orders differ",
    Separates(composed_policy, reversed_policy, margin=0.06),
    resolution=policy_scale,
    reason=CERTIFIED,
    quantifier="exists",
    witnesses=(T3,),
    assumes=ALWAYS,
    shared=PRIOR_IS_SHARED,
    exact="a separation is read off the certified policies: .0615 against errors of 1e-13",
)


@COMPOSITION.known(T3)
def _(task: CompositionTask) -> Iterator[Known]:
    column = np.asarray(composed_policy(task).value)[:, 0]
    yield Known("first column after both", "0.8826424525 0.2233125864 0.0170101499", column)


@COMPOSITION.known(COMMUTING)
def _(task: CompositionTask) -> Iterator[Known]:
    difference = np.abs(np.asarray(composed_policy(task).value) - reversed_policy(task).value).max()
    yield Known("difference of the two orders with all parameters .4", "0.000000000000", difference)


# --- what must fail -------------------------------------------------------------------------------------------------


def rewards_added(task: CompositionTask) -> Side:
    """One customisation with r_1 + r_2, the first weight and the second temperature."""
    first, second = task.steps
    return solved_at_once(task, Step(first.reward + second.reward, first.weight, second.temperature))


def second_elsewhere(task: CompositionTask, other: CompositionTask) -> Side:
    """The second customisation, in another model, of the first in the model of the task."""
    first, second = task.steps
    found = by_iteration(other, by_iteration(task, task.log_prior, first).log_policy, second)
    return Side(found.policy, found.policy_error)


def in_another_kernel(task: CompositionTask) -> Side:
    """The second customisation with the actions of state 0 exchanged."""
    return second_elsewhere(task, replace(task, mdp=exchanged_actions(task.mdp)))


def at_another_discount(task: CompositionTask) -> Side:
    """The second customisation at the discount .7."""
    return second_elsewhere(task, replace(task, mdp=task.mdp.replace(discount=0.7)))


def column_and_error(outcome: Outcome) -> FloatArray:
    return np.append(outcome.right[:, 0], outcome.violation)


law_part.control(
    "plain addition of the rewards",
    kind="mutation",
    instance=T3,
    right=rewards_added,
    specified="0.8505188201 0.2397314728 0.0320795153 0.0321236324",
    measure=column_and_error,
)
law_part.control(
    "a second customisation in another kernel",
    kind="assumption",
    drops="A2",
    instance=T3,
    left=in_another_kernel,
)
law_part.control(
    "a second customisation at another discount",
    kind="assumption",
    drops="A3",
    instance=T3,
    left=at_another_discount,
)
commuting_part.control(
    "the two orders with other weights", kind="assumption", drops="A5", instance=T3, specified="0.0615312402"
)


# --- the figure -----------------------------------------------------------------------------------------------------


@COMPOSITION.figure(
    "Largest difference of the policies of the two orders on the three-state task, temperatures .4 and .7, over the weights of "
    "the two log-priors in units of the temperatures: zero where both are one (cross)."
)
def _(ax: Any) -> None:
    from matplotlib.colors import LogNorm

    ratios = np.linspace(0.0, 2.0, 33)
    sizes = np.empty((ratios.size, ratios.size))
    for i, second in enumerate(ratios):
        for j, first in enumerate(ratios):
            weight = float(first) * T3.temperature / T3.prior_temperature
            task = replace(T3, reward_weight=weight, second_weight=float(second) * T3.second_temperature)
            sizes[i, j] = np.abs(np.asarray(composed_policy(task).value) - reversed_policy(task).value).max()
    image = ax.imshow(
        sizes,
        norm=LogNorm(1e-3, 0.4),
        origin="lower",
        extent=(0.0, 2.0, 0.0, 2.0),
        cmap="cividis",
        aspect="equal",
    )
    ax.plot([1.0], [1.0], "x", color="white", markersize=8, markeredgewidth=2)
    ax.set(
        xlabel=r"$\omega_1'/\hat\alpha_1$",
        ylabel=r"$\omega_2'/\hat\alpha_2$",
        xticks=[0, 1, 2],
        yticks=[0, 1, 2],
    )
    ax.figure.colorbar(image, ax=ax, label="largest difference", extend="min")
