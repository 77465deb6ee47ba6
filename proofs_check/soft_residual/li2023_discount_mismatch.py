"""Residual soft Q iteration (Li et al. 2023) with a prior of another discount: the bias in closed form.

The logarithm of a max-ent policy is its reward shaped at *its own* discount.  Planning at another one leaves the term
``omega (gamma_p - gamma) P V_p`` in the reward; it does no harm only where it is itself a potential shaping.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Outcome, Side, rounding
from mdplab.solvers import ControlSolution
from proofs_check.soft_residual import exact_mismatch as exact
from proofs_check.soft_residual.instances import PRIOR_IS_SHARED, prior_of_another_kernel
from proofs_check.soft_residual.mismatch_instances import (
    MismatchTask,
    harmless_mismatch,
    mismatch_task,
    three_state_mismatch,
    with_a_harmless_mismatch,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def residual_policy(task: MismatchTask) -> Side:
    """Residual soft Q iteration at the discount of the task."""
    error = task.residual.policy_error + task.prior_error / (2 * task.temperature)
    return Side(task.residual.policy, error)


def max_ent_optimum(task: MismatchTask, reward: FloatArray) -> ControlSolution:
    """Soft value iteration at the discount and temperature of the task."""
    return solvers.soft_value_iteration(
        task.mdp.replace(reward=reward), temperature=task.temperature, tol=1e-12
    )


def corrected_policy(task: MismatchTask) -> Side:
    """Soft value iteration on omega r + r_R + omega (gamma_p - gamma) P V_p."""
    found = max_ent_optimum(task, task.full_mdp.reward + task.bias)
    wrong = bias_error(task) / (1 - task.mdp.discount)
    return Side(found.policy, found.policy_error + wrong / (2 * task.temperature))


def bias_error(task: MismatchTask) -> float:
    """Error of the bias: of the prior's value and of the sums."""
    apart = abs(task.prior_discount - task.mdp.discount)
    size = task.reward_weight * apart * float(np.abs(task.prior.value).max())
    known = task.reward_weight * apart * task.prior.certificate.bound
    return known + float(rounding(size + np.abs(task.full_mdp.reward).max(), task.mdp.n_states + 8))


def full_policy(task: MismatchTask) -> Side:
    """Soft value iteration on the full task omega r + r_R, without correction."""
    found = max_ent_optimum(task, task.full_mdp.reward)
    return Side(found.policy, found.policy_error)


def shapes(task: MismatchTask) -> FloatArray:
    """The map ``Phi -> Phi - gamma P Phi`` as a matrix, shape (S A, S)."""
    n, m = task.mdp.n_states, task.mdp.n_actions
    kernel = np.asarray(task.mdp.transition).reshape(n * m, n)
    return np.asarray(np.repeat(np.eye(n), m, axis=0) - task.mdp.discount * kernel)


def nearest_shaping(task: MismatchTask) -> FloatArray:
    """The potential whose shaping is nearest to the bias."""
    return np.asarray(np.linalg.lstsq(shapes(task), task.bias.ravel(), rcond=None)[0], dtype=float)


def distance_error(task: MismatchTask, potential: FloatArray) -> float:
    """A least distance moves with the bias, and by the backward error of the matrix times the potential."""
    bias = task.bias
    wrong = (bias_error(task) + task.reward_weight * task.prior_backward_error) * np.sqrt(bias.size)
    size = np.sqrt(bias.size) * (np.abs(bias).max() + 2 * np.abs(potential).max())
    return float(wrong + rounding(size, 4 * bias.size + 16))


def distance_from_shaping(task: MismatchTask) -> Side:
    """Least Euclidean distance of the bias from Phi - gamma P Phi, by orthogonal factors of the matrix."""
    potential = nearest_shaping(task)
    value = np.linalg.norm(task.bias.ravel() - shapes(task) @ potential)
    return Side(value, distance_error(task, potential))


def part_beyond_shaping(task: MismatchTask) -> Side:
    """Length of the bias along the orthogonal complement of all shapings."""
    bias = task.bias.ravel()
    full, _ = np.linalg.qr(shapes(task), mode="complete")
    rest = full[:, task.mdp.n_states :]
    return Side(np.linalg.norm(rest.T @ bias), distance_error(task, nearest_shaping(task)))


def log_distance(task: MismatchTask, residual: ControlSolution, full: ControlSolution) -> Side:
    """Temperature times the Euclidean distance of two log-policies."""
    value = task.temperature * np.linalg.norm(residual.log_policy - full.log_policy)
    error = residual.log_policy_error + full.log_policy_error
    entries = np.sqrt(residual.policy.size)
    size = np.abs(residual.log_policy).max() + np.abs(full.log_policy).max()
    return Side(value, task.temperature * entries * (error + float(rounding(size, residual.policy.size + 8))))


def distance_of_logs(task: MismatchTask) -> Side:
    """Temperature times the distance of the log-policies of the residual solution and of the full task."""
    return log_distance(task, task.residual, max_ent_optimum(task, task.full_mdp.reward))


def distance_of_logs_by_newton(task: MismatchTask) -> Side:
    """The same distance from soft policy iteration, the log-prior as reference."""
    residual = solvers.soft_policy_iteration(
        task.mdp.replace(reward=task.residual_reward),
        temperature=task.temperature,
        log_reference=task.prior_weight / task.temperature * task.prior.log_policy,
        tol=1e-9,
    )
    return log_distance(task, residual, task.full)


# --- the claim ------------------------------------------------------------------------------------------------------

T3, EQUAL = three_state_mismatch(), three_state_mismatch(0.9)


def is_shaping(task: MismatchTask) -> bool:
    """Whether the bias is a potential shaping, up to rounding."""
    return bool(np.asarray(distance_from_shaping(task).value) <= 1e-10 * (1 + np.abs(task.bias).max()))


def scale(task: MismatchTask) -> float:
    """1e-10 at the size of the values of prior and full task."""
    sizes = task.reward_weight * np.abs(task.prior.value).max() + np.abs(task.full.value).max()
    return 1e-10 * (1 + float(sizes))


MISMATCH = Claim(
    "rql-discount-mismatch",
    title="A prior trained with another discount customises a biased reward, in closed form",
    papers=("li2023rql", "ng1999shaping"),
    provenance="our formalisation",
    statement=r"""
    Let the prior be max-ent optimal for $(r, \alpha)$ at the discount $\gamma_p$, with the soft value $V_p$, and let the
    customisation (the fixed point of `rql-fixed-point`) run at the discount $\gamma$. The residual solution is the max-ent
    optimum, at $\hat\alpha$ and $\gamma$, of
    $$\omega r + r_R + \omega(\gamma_p - \gamma) P V_p.$$
    For $\omega > 0$ it equals the optimum for $\omega r + r_R$ iff $(\gamma_p - \gamma) P V_p = \Phi - \gamma P\Phi$ for
    some $\Phi$, e.g. if $\gamma_p = \gamma$, if $V_p$ is constant, or if the kernel ignores the action. Quantitatively, with
    the customised policy $\mu$,
    $$\min_\Phi \|\omega(\gamma_p - \gamma) P V_p - (\Phi - \gamma P\Phi)\|_2 \le
      \hat\alpha\,\|\log\mu - \log\hat\pi^*\|_2.$$
    """,
    assumptions=(
        Assumption("A1", r"the prior is exactly max-ent optimal at $\gamma_p$", "a uniform prior"),
        Assumption("A2", "the target task has the same kernel", "a prior of another kernel"),
        Assumption(
            "A3",
            r"$\gamma_p, \gamma \in [0, 1)$ and $\hat\alpha > 0$",
            DEFINITIONAL,
            lambda t: bool(0 <= t.prior_discount < 1 and t.temperature > 0),
        ),
        Assumption(
            "A4",
            r"for the equality: $(\gamma_p - \gamma) P V_p$ is a shaping $\Phi - \gamma P\Phi$",
            "a mismatch that is no shaping",
            is_shaping,
            wider=with_a_harmless_mismatch,
        ),
    ),
    instance_family=mismatch_task,
    witnesses=(T3,),
    instances=100,
)
ANY_MISMATCH = ("A1", "A2", "A3")
CERTIFIED = "certified policy errors of both solvers: span of the Q error over four temperatures"

solution_part = MISMATCH.part(
    "(solution)",
    r"the residual solution is max-ent optimal for $\omega r + r_R + \omega(\gamma_p - \gamma) P V_p$",
    Equal(residual_policy, corrected_policy),
    resolution=1e-11,
    reason=CERTIFIED,
    assumes=ANY_MISMATCH,
    shared=PRIOR_IS_SHARED,
    exact=(exact.residual_policy, exact.corrected_policy),
)
harmless_part = MISMATCH.part(
    "(if)",
    r"it is optimal for $\omega r + r_R$ if $(\gamma_p - \gamma) P V_p = \Phi - \gamma P\Phi$",
    Equal(residual_policy, full_policy),
    resolution=1e-11,
    reason=CERTIFIED,
    family=harmless_mismatch,
    witnesses=(EQUAL,),
    shared=PRIOR_IS_SHARED,
    exact=(exact.residual_policy, exact.full_policy),
)
converse_part = MISMATCH.part(
    "(only if)",
    r"$\min_\Phi\|\omega(\gamma_p - \gamma) P V_p - (\Phi - \gamma P\Phi)\|_2 \le"
    r" \hat\alpha\|\log\mu - \log\hat\pi^*\|_2$: equal policies need a shaping",
    AtMost(distance_from_shaping, distance_of_logs),
    resolution=scale,
    reason="certified errors of the log-policies and of the prior; 1e-10 at the size of the values",
    assumes=ANY_MISMATCH,
    cross_left=part_beyond_shaping,
    cross_right=distance_of_logs_by_newton,
    shared=PRIOR_IS_SHARED,
    exact=(exact.distance_from_shaping, exact.distance_of_logs),
)


@MISMATCH.known(T3)
def _(task: MismatchTask) -> Iterator[Known]:
    yield Known(
        "first column of the prior", "0.9121858014 0.3729873277 0.1184431271", task.prior.policy[:, 0]
    )
    yield Known("value of the prior", "3.2026688864 2.7437560607 2.9039927650", task.prior.value)
    yield Known(
        "first column of the residual policy",
        "0.8587326382 0.3714082855 0.0092695937",
        task.residual.policy[:, 0],
    )


# --- what must fail -------------------------------------------------------------------------------------------------


def customised(task: MismatchTask, log_prior: FloatArray) -> Side:
    """Residual soft Q iteration with another prior."""
    found = solvers.residual_q_learning(
        task.mdp,
        task.residual_reward,
        log_prior,
        prior_weight=task.prior_weight,
        temperature=task.temperature,
        tol=1e-12,
    )
    return Side(found.policy, found.policy_error)


def uniform_prior(task: MismatchTask) -> Side:
    """Residual soft Q iteration with a uniform prior."""
    return customised(task, np.full_like(task.mdp.reward, -np.log(task.mdp.n_actions)))


def another_kernel(task: MismatchTask) -> Side:
    """Residual soft Q iteration with the prior of a kernel with the actions of state 0 exchanged."""
    return customised(task, prior_of_another_kernel(task))


def third_of_the_bound(task: MismatchTask) -> Side:
    """A third of the distance of the log-policies."""
    side = distance_of_logs(task)
    return Side(np.asarray(side.value) / 3, side.error)


def column_and_error(outcome: Outcome) -> FloatArray:
    return np.append(outcome.right[:, 0], outcome.violation)


solution_part.control(
    "the uncorrected target",
    kind="mutation",
    instance=T3,
    right=full_policy,
    specified="0.8838504080 0.3867625957 0.0104812146 0.0251177699",
    measure=column_and_error,
)
solution_part.control("a uniform prior", kind="assumption", drops="A1", instance=T3, left=uniform_prior)
solution_part.control(
    "a prior of another kernel", kind="assumption", drops="A2", instance=T3, left=another_kernel
)
harmless_part.control(
    "a mismatch that is no shaping",
    kind="assumption",
    drops="A4",
    instance=T3,
    specified="0.0251177699",
)
converse_part.control(
    "a third of the bound",
    kind="constant",
    instance=T3,
    right=third_of_the_bound,
)


# --- the figure -----------------------------------------------------------------------------------------------------


@MISMATCH.figure(
    "Largest error of the customised policy over the discount of the prior, on the three-state task at the discount .9: "
    "against the full task (solid), zero only where the discounts agree, and against the reward with the bias (dots), "
    "rounding everywhere."
)
def _(ax: Any) -> None:
    discounts = np.append(np.linspace(0.0, 0.98, 50), 0.99)
    tasks = [three_state_mismatch(float(discount)) for discount in discounts]
    for route, look, name in (
        (full_policy, "C1-", r"against $\omega r + r_R$"),
        (corrected_policy, "C0.", r"against $\omega r + r_R + \omega(\gamma_p - \gamma) P V_p$"),
    ):
        errors = [np.abs(task.residual.policy - np.asarray(route(task).value)).max() for task in tasks]
        ax.plot(discounts, errors, look, linewidth=2, label=name)
    ax.axvline(0.9, color="0.6", linewidth=1, linestyle="dashed", label=r"$\gamma_p = \gamma$")
    ax.set(xlabel=r"discount $\gamma_p$ of the prior", ylabel="largest error of the policy")
    ax.legend()
