"""The balance of prior and add-on reward (Li et al. 2023, Wang et al. 2025): what its two knobs do to the two returns.

The optimal value is a maximum of functions that are affine in the weight of the log-prior.  So it is convex, its slope is the
return of the log-prior under the optimal policy, and that rises with the weight while what it is traded for falls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtLeast, AtMost, Claim, Equal, Known, Outcome, Side
from mdplab.instances import three_state_logits
from proofs_check.soft_residual import exact_tradeoff as exact
from proofs_check.soft_residual.any_prior_routes import by_iteration
from proofs_check.soft_residual.composition_instances import Step
from proofs_check.soft_residual.instances import PRIOR_IS_SHARED
from proofs_check.soft_residual.policy_returns import Objective, by_evaluation
from proofs_check.soft_residual.tradeoff_instances import (
    TradeoffTask,
    bandit,
    max_ent_tradeoff,
    near_deterministic_tradeoff,
    three_state_tradeoff,
    tradeoff_task,
)
from proofs_check.soft_residual.tradeoff_routes import (
    MIDDLE,
    Route,
    above,
    above_by_newton,
    addon_return,
    addon_return_by_newton,
    below,
    below_by_newton,
    divergence,
    divergence_by_newton,
    earlier,
    hidden_from_log_prior,
    hidden_return,
    hidden_return_by_newton,
    later,
    log_prior_return,
    log_prior_return_by_newton,
    middle_return,
    middle_slope,
    optimal_value_by_newton,
    optimal_values,
    rest_return,
    rest_return_by_newton,
)

# --- the claim ------------------------------------------------------------------------------------------------------

T3, BANDIT, COLD = three_state_tradeoff(), bandit(), near_deterministic_tradeoff()


def scale(task: TradeoffTask) -> float:
    """1e-11 at the size of the returns, which policies move over the temperature and the horizon."""
    horizon = 1 / (1 - task.mdp.discount)
    logs = (1 + task.weights.max()) * np.abs(task.log_prior).max()
    rewards = np.abs(task.residual_reward).max() + np.abs(task.mdp.reward).max()
    entropies = (task.temperature + task.coefficients.max()) * np.log(task.mdp.n_actions)
    lowest = min(task.temperature, task.coefficients.min(), 1.0)
    return float(1e-11 * (1 + (logs + rewards + entropies) * horizon) * max(1.0, 1e-2 * horizon / lowest))


TRADEOFF = Claim(
    "rql-tradeoff-monotone",
    title="Reward-level balance: monotone trade-off curves and an envelope formula",
    papers=("li2023rql", "wang2025rpg"),
    provenance="our formalisation",
    statement=r"""
    Let $\pi$ be any prior of full support and $\mu_w$ the residual solution with $\omega' = w \ge 0$ at a fixed $\hat\alpha$.
    From the start law $\rho$ let
    $$L(w) = E_{\mu_w}\sum_t \gamma^t \log\pi(a_t|s_t), \qquad
      K(w) = E_{\mu_w}\sum_t \gamma^t \big(r_R - \hat\alpha\log\mu_w\big), \qquad F(w) = K(w) + w L(w).$$
    $L$ is nondecreasing, $K$ nonincreasing, and $F = \max_\mu$ is convex with $F'(w) = L(w)$.

    For pure KL ($\omega' = \hat\alpha = \beta$) both the discounted $\mathrm{KL}(\mu_\beta\|\pi)$ and the return of $r_R$ are
    nonincreasing in $\beta$.

    If the prior is max-ent optimal for $(r, \alpha)$ then $L(w) = \frac1\alpha(J_r(\mu_w) - \rho^\top V^*)$, and the hidden
    return $J_r(\mu_w)$ is nondecreasing in $w$.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"for the hidden return: the prior is max-ent optimal for $(P, r, \gamma)$ at $\alpha$",
            "another prior",
            lambda t: t.logits is None,
            wider=tradeoff_task,
        ),
        Assumption(
            "A2",
            r"$\pi > 0$",
            DEFINITIONAL,
            lambda t: t.logits is None or bool(np.isfinite(t.logits).all()),
        ),
        Assumption(
            "A3",
            r"$\hat\alpha > 0$, $\beta > 0$",
            DEFINITIONAL,
            lambda t: bool(t.temperature > 0 and (t.coefficients > 0).all()),
        ),
        Assumption("A4", "exact optimisation", "policies without lookahead"),
    ),
    instance_family=tradeoff_task,
    witnesses=(T3, BANDIT),
    instances=25,
)
ANY_PRIOR = ("A2", "A3", "A4")
CERTIFIED = "certified policies and evaluations, by the performance difference lemma; 1e-11 at the size of the returns"


def monotone(
    name: str, text: str, relation: type[AtMost] | type[AtLeast], routes: tuple[Route, Route], **options: Any
) -> Any:
    """A part on the returns at each parameter and at the next."""
    first, second = routes
    return TRADEOFF.part(
        name,
        text,
        relation(later(first), earlier(first)),
        resolution=scale,
        reason=CERTIFIED,
        cross_left=later(second),
        cross_right=earlier(second),
        shared=PRIOR_IS_SHARED,
        **options,
    )


monotone(
    "(L)",
    "$L$ is nondecreasing",
    AtLeast,
    (log_prior_return, log_prior_return_by_newton),
    assumes=ANY_PRIOR,
    exact=(exact.later_log_prior, exact.earlier_log_prior),
)
rest_part = monotone(
    "(K)",
    "$K$ is nonincreasing",
    AtMost,
    (rest_return, rest_return_by_newton),
    assumes=ANY_PRIOR,
    exact=(exact.later_rest, exact.earlier_rest),
)
TRADEOFF.part(
    "(value)",
    "$F = K + w L$ is the optimal value",
    Equal(optimal_values, optimal_value_by_newton),
    resolution=scale,
    reason=CERTIFIED,
    assumes=ANY_PRIOR,
    shared=PRIOR_IS_SHARED,
    witnesses=(T3, BANDIT, COLD),
    exact=(exact.optimal_values, exact.split_values),
)
tangent_part = TRADEOFF.part(
    "(tangents)",
    r"$L(w_i)(w_{i+1} - w_i) \le F(w_{i+1}) - F(w_i) \le L(w_{i+1})(w_{i+1} - w_i)$: $F$ is convex",
    AtMost(below, above),
    resolution=scale,
    reason=CERTIFIED,
    cross_left=below_by_newton,
    cross_right=above_by_newton,
    assumes=ANY_PRIOR,
    shared=PRIOR_IS_SHARED,
    exact=(exact.tangents_below, exact.tangents_above),
)
slope_part = TRADEOFF.part(
    "(envelope)",
    "$F'(w) = L(w)$",
    Equal(middle_slope, middle_return),
    resolution=scale,
    reason=CERTIFIED,
    assumes=ANY_PRIOR,
    shared=PRIOR_IS_SHARED,
    witnesses=(T3, BANDIT, COLD),
    exact="a derivative: balls have no complex step",
)
divergence_part = monotone(
    "(KL, divergence)",
    r"pure KL: the discounted $\mathrm{KL}(\mu_\beta\|\pi)$ is nonincreasing in $\beta$",
    AtMost,
    (divergence, divergence_by_newton),
    assumes=ANY_PRIOR,
    exact=(exact.later_divergence, exact.earlier_divergence),
)
addon_part = monotone(
    "(KL, return)",
    r"pure KL: the return of $r_R$ is nonincreasing in $\beta$",
    AtMost,
    (addon_return, addon_return_by_newton),
    assumes=ANY_PRIOR,
    exact=(exact.later_addon, exact.earlier_addon),
)
hidden_part = TRADEOFF.part(
    "(hidden)",
    r"a max-ent prior: $L(w) = \frac1\alpha(J_r(\mu_w) - \rho^\top V^*)$, read as $J_r = \rho^\top V^* + \alpha L$",
    Equal(hidden_from_log_prior, hidden_return_by_newton),
    resolution=scale,
    reason=CERTIFIED,
    family=max_ent_tradeoff,
    witnesses=(T3,),
    shared=PRIOR_IS_SHARED,
    exact=(exact.hidden_from_log_prior, exact.hidden_return),
)
monotone(
    "(hidden, monotone)",
    r"a max-ent prior: the hidden return $J_r(\mu_w)$ is nondecreasing in $w$",
    AtLeast,
    (hidden_return, hidden_return_by_newton),
    family=max_ent_tradeoff,
    witnesses=(T3,),
    exact=(exact.later_hidden, exact.earlier_hidden),
)


@TRADEOFF.known(T3)
def _(task: TradeoffTask) -> Iterator[Known]:
    for name, printed, route in (
        ("L", "-9.9421151189 -6.4176361552 -3.7076457803 -2.3296930801 -2.0622257395", log_prior_return),
        ("K", "5.0334828181 4.5265344401 3.3374000261 2.2694369898 1.7926708597", rest_return),
        ("return of r_R", "3.8294380285 3.0102628130 2.1412437824 1.7801394095 1.6531657759", addon_return),
        (
            "discounted divergence",
            "10.330831479 3.2153218547 0.4300931149 0.0395990328 0.0016139044",
            divergence,
        ),
    ):
        yield Known(name, printed, route(task).value)


# --- what must fail -------------------------------------------------------------------------------------------------


def addon_alone(task: TradeoffTask) -> Side:
    """Return of r_R alone, without entropy, at each weight."""
    return by_evaluation(task, task.weighted_optima, Objective(task.residual_reward))


def at_fixed_temperature(task: TradeoffTask, *, objective: Objective, sign: float = 1.0) -> Side:
    """Returns with the coefficient as the weight alone, the temperature that of the task."""
    steps = [Step(task.residual_reward, float(beta), task.temperature) for beta in task.coefficients]
    side = by_evaluation(task, [by_iteration(task, task.log_prior, step) for step in steps], objective)
    return Side(sign * np.asarray(side.value), side.error)


def without_lookahead(task: TradeoffTask) -> Side:
    """L at the second weight, of the policy that is optimal at the discount 0."""
    short = replace(task, mdp=task.mdp.replace(discount=0.0))
    return by_evaluation(
        task, [by_iteration(short, task.log_prior, task.weighted[MIDDLE])], Objective(task.log_prior)
    )


def later_slopes(task: TradeoffTask) -> Side:
    """L(w_(i+1)) times the step in the place of L(w_i), and the rise of F."""
    side = above(task)
    return Side(np.asarray(side.value)[::-1], np.asarray(side.error)[::-1])


def arms(outcome: Outcome) -> FloatArray:
    return np.array([outcome.right[0], outcome.left[0]])


FIXED = "the same change of the policies at both ends"
rest_part.control(
    "the return of r_R alone",
    kind="mutation",
    instance=BANDIT,
    left=later(addon_alone),
    right=earlier(addon_alone),
    both="K without its entropy, at both ends",
    specified="0.6224593312 0.9368626738",
    measure=arms,
)
tangent_part.control("the later slope below", kind="mutation", instance=T3, left=later_slopes)
slope_part.control(
    "policies without lookahead", kind="assumption", drops="A4", instance=T3, right=without_lookahead
)
for part, objective, sign, name in (
    (addon_part, Objective(BANDIT.residual_reward), 1.0, "the return at a fixed temperature"),
    (
        divergence_part,
        Objective(np.zeros((1, 2)), 1.0, BANDIT.log_prior),
        -1.0,
        "the divergence at a fixed temperature",
    ),
):
    fixed = partial(at_fixed_temperature, objective=objective, sign=sign)
    part.control(name, kind="mutation", instance=BANDIT, left=later(fixed), right=earlier(fixed), both=FIXED)
hidden_part.control(
    "another prior",
    kind="assumption",
    drops="A1",
    instance=replace(T3, logits=three_state_logits()),
)


# --- the figure -----------------------------------------------------------------------------------------------------


@TRADEOFF.figure(
    "Frontiers on the three-state task. Left: return of the log-prior and what it is traded for, over the weight of the "
    "log-prior at a fixed temperature. Right: divergence from the prior and return of the add-on reward, over the coefficient of "
    "a pure KL. Marks: the printed values.",
    panels=2,
)
def _(axes: Any) -> None:
    fine = replace(T3, weights=np.linspace(0.0, 3.0, 61), coefficients=np.geomspace(0.05, 10.0, 61))
    for ax, first, second, parameters, symbol, shift, side in (
        (axes[0], log_prior_return, rest_return, "weights", "w", (6, 4), "left"),
        (axes[1], divergence, addon_return, "coefficients", r"\beta", (-6, 5), "right"),
    ):
        ax.plot(first(fine).value, second(fine).value, "C0-", linewidth=2)
        marks = np.asarray(first(T3).value), np.asarray(second(T3).value)
        ax.plot(*marks, "C1o")
        for x, y, parameter in zip(*marks, getattr(T3, parameters), strict=True):
            label = f"${symbol} = {parameter:g}$"
            ax.annotate(label, (x, y), xytext=shift, textcoords="offset points", ha=side, fontsize="small")
    axes[0].set(xlabel="return $L$ of the log-prior", ylabel="$K$: add-on reward and entropy")
    axes[1].set(
        xlabel=r"discounted $\mathrm{KL}(\mu_\beta\|\pi)$ (nats)",
        ylabel="return of the add-on reward",
        xscale="log",
    )
    axes[0].margins(0.15)
    axes[1].set_xlim(left=2e-4)
    axes[1].margins(y=0.15)
