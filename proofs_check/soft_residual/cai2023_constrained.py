r"""The second stage over the horizon (Cai et al. 2023): a constrained model's Lagrangian, without the auxiliary rewards.

As ``log pi_i = (r_i + gamma P V_i - V_i) / alpha_i``, a penalty ``lambda_i KL(mu || pi_i)`` is the reward ``lambda_i / alpha_i
r_i``, shaped by ``V_i``, and an entropy bonus ``lambda_i``: several priors add up.  A multiplier of the constrained model with
entropy weight ``T`` thus asks for ``lambda_i = alpha_i nu_i`` and for what is left of ``T`` as entropy coefficient, of either
sign.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Side, Undecided
from mdplab.operators import log_tilt, multi_reference_tilt
from proofs_check.soft_residual import exact_multi_prior as exact
from proofs_check.soft_residual.constrained_routes import (
    auxiliary_values,
    conic_objective,
    conic_policy,
    constrained_objective,
    constrained_policy,
    max_ent_policy,
    price_of_the_cone,
    price_of_the_root,
    residual_policy,
    second_stage_policy,
    value_difference,
)
from proofs_check.soft_residual.instances import PRIOR_IS_SHARED
from proofs_check.soft_residual.multi_prior_instances import (
    ConstrainedTask,
    MultiPriorTask,
    constrained_task,
    long_constrained_task,
    long_multi_prior_task,
    multi_prior_task,
    printed_constrained_task,
    printed_multi_prior_task,
)

# --- the claim ------------------------------------------------------------------------------------------------------

PRINTED, CONSTRAINED = printed_multi_prior_task(), printed_constrained_task()
CONE = "one side is the optimum of a cone solver, known to its own accuracy"

LAGRANGIAN = Claim(
    "tscac-cmdp-lagrangian",
    title="Stage two over the horizon is the Lagrangian of an entropy-regularised constrained MDP, without the auxiliary rewards",
    papers=("cai2023tsac",),
    provenance="our formalisation",
    statement=r"""
    Let $\pi_i$ be max-ent optimal for $(r_i, \alpha_i)$ with soft value $V_i$, $\lambda_i \ge 0$ and $\Lambda = \sum_i
    \lambda_i > 0$, all on one kernel with one discount.

    (i) $\max_\mu E\sum_t\gamma^t\big[r_0 - \sum_i\lambda_i\mathrm{KL}(\mu\|\pi_i)\big]$ has the solution of the max-ent problem
    with reward $r_0 + \sum_i\frac{\lambda_i}{\alpha_i}r_i$ at temperature $\Lambda$; the value of the latter is larger by
    $\sum_i\frac{\lambda_i}{\alpha_i}V_i$ in every state.

    (ii) Hence for $\max J_0 + T\mathcal H$ subject to $J_i \ge c_i$ with multipliers $\nu_i$ the solution comes from the
    $\pi_i$ alone, with $\lambda_i = \alpha_i\nu_i$ and the entropy coefficient $\eta = T - \sum_i\lambda_i$, which may be
    negative: pure KL ($\eta = 0$) is a Lagrangian exactly when $T = \sum_i\alpha_i\nu_i$.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"each $\pi_i$ is exactly max-ent optimal for $(r_i, \alpha_i)$",
            "a uniform policy of stage one in the place of the first",
        ),
        Assumption("A2", "one kernel", DEFINITIONAL),
        Assumption("A3", "one discount", DEFINITIONAL),
        Assumption(
            "A4",
            r"for (ii): a threshold that binds, kept by some policy with room to spare (Slater)",
            DEFINITIONAL,
            lambda task: task.is_strict,
        ),
    ),
    instance_family=multi_prior_task,
    witnesses=(PRINTED, long_multi_prior_task(1e-2), long_multi_prior_task(1.0), long_multi_prior_task(1e3)),
    instances=80,
)
FIRST = ("A1", "A2", "A3")
THRESHOLD_IS_AN_INPUT = {
    "policy_iteration": "the largest auxiliary return sets the threshold, an input",
    "soft_policy_iteration": "the return without threshold and the prior are inputs; the prior's error is in the bound",
}


def policy_tolerance(task: MultiPriorTask) -> float:
    """1e-11 at the size of the log-policies, over 1 - gamma where the horizon is long."""
    size = 1 + np.abs(task.log_priors).max() + np.abs(task.full_mdp.reward).max() / task.total
    return 1e-11 * float(size) * max(1.0, 0.03 / (1 - task.mdp.discount)) ** 2


def constrained_tolerance(task: ConstrainedTask) -> float:
    """The same for the constrained model."""
    size = 1 + float(np.abs(task.solution.log_policy).max())
    return 1e-11 * size * max(1.0, 0.03 / (1 - task.mdp.discount)) ** 2


policy_part = LAGRANGIAN.part(
    "(i, policy)",
    "both problems have one solution",
    Equal(second_stage_policy, max_ent_policy),
    resolution=policy_tolerance,
    reason="certified policy errors of both solvers and backward errors of the priors; 1e-11 at the size of the logarithms",
    assumes=FIRST,
    shared=PRIOR_IS_SHARED,
    exact=(exact.second_stage_policy, exact.full_policy),
)
LAGRANGIAN.part(
    "(i, value)",
    r"their values differ by $\sum_i \frac{\lambda_i}{\alpha_i} V_i$",
    Equal(value_difference, auxiliary_values),
    resolution=lambda task: (
        1e-11
        * (1 + float(np.abs(task.second_stage.value).max() + np.abs(auxiliary_values(task).value).max()))
        + task.total * policy_tolerance(task)
    ),
    reason="certified bounds of all solvers and backward errors of the priors; 1e-11 at the size of the values",
    assumes=FIRST,
    shared=PRIOR_IS_SHARED,
    exact=(exact.value_difference, exact.auxiliary_values),
)
lagrangian_part = LAGRANGIAN.part(
    "(ii)",
    r"the solution of the constrained model comes from $\pi_1$ alone, with $\lambda_1 = \alpha_1 \nu_1$ and $\eta = T - \lambda_1$",
    Equal(constrained_policy, residual_policy),
    resolution=constrained_tolerance,
    reason="certified errors of both solvers and of the prior; 1e-11 at the size of the logarithms",
    family=constrained_task,
    witnesses=(
        CONSTRAINED,
        long_constrained_task(0.02),
        long_constrained_task(1.0),
        long_constrained_task(1e3),
    ),
    instances=30,
    shared={**THRESHOLD_IS_AN_INPUT, "soft_constrained": "the multiplier is an input of the statement"},
    exact=(exact.lagrangian_policy, exact.residual_policy),
)
LAGRANGIAN.part(
    "(ii, cone program, objective)",
    "the cone program has the objective of the constrained model",
    Equal(conic_objective, constrained_objective),
    resolution=1e-5,
    reason="Lagrangian bound at the cone solver's multiplier, its infeasibility priced; 1e-5",
    family=constrained_task,
    witnesses=(CONSTRAINED,),
    instances=8,
    shared=THRESHOLD_IS_AN_INPUT,
    exact=CONE,
)
LAGRANGIAN.part(
    "(ii, cone program, policy)",
    "and its policy",
    Equal(conic_policy, constrained_policy),
    resolution=1e-3,
    reason="root of what the cone program lacks over the visits (Pinsker); 1e-3",
    family=constrained_task,
    witnesses=(CONSTRAINED,),
    instances=8,
    shared=THRESHOLD_IS_AN_INPUT,
    exact=CONE,
)
LAGRANGIAN.part(
    "(ii, cone program, multiplier)",
    "and its multiplier",
    Equal(price_of_the_cone, price_of_the_root),
    resolution=lambda task: 1e-3 * (1 + task.solution.multiplier),
    reason="signs of the auxiliary return less the threshold around both; 1e-3 (1 + nu), what a cone solver leaves on multipliers",
    family=constrained_task,
    witnesses=(CONSTRAINED,),
    instances=6,
    shared={
        **THRESHOLD_IS_AN_INPUT,
        "soft_value_iteration": "certifies both multipliers, which it did not compute",
        "policy_evaluation": "certifies both multipliers, which it did not compute",
    },
    exact=CONE,
)


@LAGRANGIAN.known(PRINTED)
def _(task: MultiPriorTask) -> Iterator[Known]:
    found = task.second_stage
    yield Known(
        "policy of stage two, first column", "0.6155852011 0.4401553899 0.0864252637", found.policy[:, 0]
    )
    yield Known("its value", "1.7342176276 1.8666504937 2.0205151784", found.value)
    column = "0.4607942779 0.5224616022 0.1375615115"
    yield Known(
        "with lambda as multiplier, first column",
        column,
        np.asarray(with_weights_as_prices(task).value)[:, 0],
    )
    one_step = one_step_rule(task)
    yield Known("one-step rule, first column", "0.6370020581 0.4440012234 0.0907278169", one_step[:, 0])
    logs = np.tensordot(task.weights / task.total, task.log_priors, axes=1)
    value = solvers.policy_evaluation(task.mdp, one_step, temperature=task.total, log_reference=logs).value
    yield Known("loss of the one-step rule", "0.0017297776", task.mdp.start_law() @ (found.value - value))


@LAGRANGIAN.known(CONSTRAINED)
def _(task: ConstrainedTask) -> Iterator[Known]:
    found, stage = task.solution, task.stage_one.prior_weight
    yield Known("auxiliary return without threshold", "4.2097189687", task.free_return)
    yield Known("nu", "1.0480547612", found.multiplier)
    yield Known("lambda_1 and eta", "0.5240273806 -0.0240273806", [stage, task.temperature - stage])
    yield Known("policy, first column", "0.7793412108 0.4420479577 0.0616698904", found.policy[:, 0])
    yield Known("objective", "4.436977", found.objective)


# --- what must fail -------------------------------------------------------------------------------------------------


def with_weights_as_prices(task: MultiPriorTask) -> Side:
    """Soft value iteration with ``lambda_i`` in the place of ``lambda_i / alpha_i``."""
    return max_ent_policy(replace(task, auxiliary_temperatures=np.ones_like(task.auxiliary_temperatures)))


def one_step_rule(task: MultiPriorTask) -> FloatArray:
    """Limit of the tilted geometric mean with an unregularised main critic: it charges the divergence at one step only."""
    policy = np.exp(task.log_priors[0])
    for _ in range(1000):
        q = solvers.policy_evaluation(task.mdp, policy).q
        after = np.exp(multi_reference_tilt(q, task.log_priors, task.weights))
        if np.abs(after - policy).max() < 1e-13:
            return np.asarray(after)
        policy = after
    raise Undecided("the one-step rule does not converge")


def one_step_policy(task: MultiPriorTask) -> Side:
    """Policy of the one-step rule, iterated."""
    return Side(one_step_rule(task), 1e-12)


def with_a_uniform_policy(task: MultiPriorTask) -> Side:
    """Policy iteration with a uniform policy in the place of the first of stage one."""
    logs = np.array(task.log_priors)
    logs[0] = -np.log(task.mdp.n_actions)
    reference = np.tensordot(task.weights / task.total, logs, axes=1)
    found = solvers.soft_policy_iteration(task.mdp, temperature=task.total, log_reference=reference, tol=1e-9)
    return Side(found.policy, found.policy_error)


policy_part.control(
    "a uniform policy of stage one in the place of the first",
    kind="assumption",
    drops="A1",
    instance=PRINTED,
    left=with_a_uniform_policy,
)
policy_part.control(
    "lambda_i as the multiplier",
    kind="constant",
    instance=PRINTED,
    right=with_weights_as_prices,
    specified="0.1547909232",
)
policy_part.control(
    "the one-step rule with an unregularised critic",
    kind="mutation",
    instance=PRINTED,
    left=one_step_policy,
    specified="0.0214168570",
)

# --- the figure -----------------------------------------------------------------------------------------------------


@LAGRANGIAN.figure(
    "Left: auxiliary return against main return plus entropy of the constrained three-state model: its solutions (line) and the "
    "residual method from the policy of stage one alone (circles). Right: what the residual method and the one-step rule with the "
    "same coefficients (crosses) lack of the best at their own auxiliary return.",
    panels=2,
)
def _(axes: Any) -> None:
    def place(task: ConstrainedTask, policy: FloatArray) -> tuple[float, float]:
        soft = solvers.policy_evaluation(task.mdp, policy, temperature=task.temperature)
        return float(task.model.returns(policy)[1]), float(task.mdp.start_law() @ soft.value)

    def one_step(task: ConstrainedTask) -> FloatArray:
        one, uniform = task.stage_one, -np.log(task.mdp.n_actions)
        policy = one.prior.policy
        for _ in range(300):  # what is left of T is a divergence from the uniform policy, of either sign
            q = solvers.policy_evaluation(task.mdp, policy).q
            left = (task.temperature - one.prior_weight) * uniform
            policy = np.exp(
                log_tilt(q + one.prior_weight * one.prior.log_policy + left, temperature=task.temperature)
            )
        return np.asarray(policy)

    tasks = [replace(CONSTRAINED, given=c) for c in np.linspace(4.3, 7.6, 25)]
    line = np.array([place(task, task.solution.policy) for task in tasks])
    axes[0].plot(line[:, 0], line[:, 1], color="C0", label="constrained model")

    def residual(task: ConstrainedTask) -> FloatArray:
        return np.asarray(residual_policy(task).value)

    for number, (rule, mark, label) in enumerate(
        ((residual, "o", "residual method"), (one_step, "x", "one-step rule"))
    ):
        found = np.array([place(task, rule(task)) for task in tasks[2::3]])
        if number == 0:
            axes[0].plot(found[:, 0], found[:, 1], mark, color="C0", fillstyle="none", label=label)
        best = [replace(CONSTRAINED, given=c).solution.objective for c in found[:, 0]]
        lacking = np.maximum(best - found[:, 1], 1e-16)
        axes[1].semilogy(found[:, 0], lacking, mark, color=f"C{number}", fillstyle="none", label=label)
    axes[0].set(xlabel="auxiliary return $J_1$", ylabel=r"$J_0 + T\mathcal{H}$")
    axes[1].set(xlabel="auxiliary return $J_1$", ylabel=r"lack of $J_0 + T\mathcal{H}$", ylim=(1e-17, 1.0))
    for ax in axes:
        ax.legend(loc="center left" if ax is axes[1] else "lower left")
        ax.grid(True)
