"""The augmented reward of residual policy gradient (Wang et al. 2025) is the full task's reward, shaped.

A max-ent policy satisfies ``alpha log pi = r + gamma P V* - V*``: its logarithm is its own reward, shaped by its own value.
So ``r_R + omega' log pi`` is the reward of the full task with the potential ``omega V*`` (Ng, Harada and Russell 1999), and
the values of every policy differ by that potential.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Equal, Known, Outcome, Side, rounding
from mdplab.operators import induced, pair_kernel
from proofs_check.soft_residual import exact_policy as exact
from proofs_check.soft_residual.instances import (
    PRIOR_IS_SHARED,
    prior_of_another_discount,
    prior_of_another_kernel,
)
from proofs_check.soft_residual.policy_instances import (
    PolicyTask,
    mixed_log_prior,
    policy_task,
    three_state_policy_task,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def augmented_reward(task: PolicyTask) -> Side:
    """The add-on reward plus omega' times the log-prior."""
    value = task.augmented().reward
    error = task.prior_weight * task.prior.log_policy_error
    return Side(value, error + rounding(np.abs(value).max() + np.abs(task.residual_reward).max(), 4))


def shaped_reward(task: PolicyTask) -> Side:
    """The full task's reward plus gamma P Phi - Phi, with Phi = omega V* of soft policy iteration."""
    potential = task.reward_weight * task.prior.value
    value = task.full_mdp.reward + task.mdp.discount * task.mdp.expectation(potential) - potential[:, None]
    size = np.abs(task.full_mdp.reward).max() + 2 * np.abs(potential).max()
    error = 2 * task.reward_weight * task.prior.certificate.bound
    return Side(value, error + rounding(size, task.mdp.n_states + 8))


def augmented_value(task: PolicyTask, log_prior: FloatArray | None = None) -> Side:
    """Soft evaluation under the augmented reward."""
    found = task.evaluation(task.augmented(log_prior))
    return Side(found.value, found.certificate.bound + 2 * task.prior_error)


def augmented_q(task: PolicyTask) -> Side:
    """Action values of soft evaluation under the augmented reward."""
    found = task.evaluation(task.augmented())
    return Side(found.q, found.q_error + 2 * task.prior_error)


def solved_value(task: PolicyTask) -> tuple[FloatArray, float]:
    """Soft value on the full task by one dense solve, and its error from the residual."""
    mdp, policy, discount = task.full_mdp, task.policy, task.mdp.discount
    kernel, _ = induced(mdp, policy)
    soft = mdp.reward - task.temperature * task.log_policy
    reward = (policy * soft).sum(axis=1)
    value = np.linalg.solve(np.eye(mdp.n_states) - discount * kernel, reward)
    size = np.abs(value).max() + np.abs(soft).max()
    missed = np.abs(reward + discount * kernel @ value - value).max()
    inner = rounding(size, mdp.n_states + 4 * mdp.n_actions + 16)
    return value, float(missed + inner) / (1 - discount)


def shifted_value(task: PolicyTask) -> Side:
    """One dense solve on the full task, less omega V*."""
    value, error = solved_value(task)
    shift = task.reward_weight * task.prior.value
    error += task.reward_weight * task.prior.certificate.bound
    return Side(value - shift, error + rounding(np.abs(value).max() + np.abs(shift).max(), 3))


def shifted_q(task: PolicyTask) -> Side:
    """Lookahead of one dense solve on the full task, less omega V* in every action."""
    value, error = solved_value(task)
    shift = task.reward_weight * task.prior.value[:, None]
    q = task.full_mdp.reward + task.mdp.discount * task.mdp.expectation(value)
    error += task.reward_weight * task.prior.certificate.bound
    size = np.abs(value).max() + np.abs(shift).max() + np.abs(q).max()
    return Side(q - shift, error + rounding(size, task.mdp.n_states + 6))


def residual_q(task: PolicyTask) -> Side:
    """One dense solve of the residual evaluation equation over all pairs."""
    mdp, discount = task.mdp, task.mdp.discount
    logs = task.prior_weight * task.prior.log_policy - task.temperature * task.log_policy
    bonus = (task.policy * logs).sum(axis=1)
    right = (task.residual_reward + discount * mdp.expectation(bonus)).ravel()
    kernel = pair_kernel(mdp, task.policy).toarray()
    q = np.linalg.solve(np.eye(right.size) - discount * kernel, right)
    size = np.abs(q).max() + np.abs(logs).max() + np.abs(task.residual_reward).max()
    missed = np.abs(right + discount * kernel @ q - q).max() + rounding(size, right.size + 16)
    return Side(q.reshape(logs.shape), float(missed) / (1 - discount) + 2 * task.prior_error)


def full_q_less_inherent(task: PolicyTask) -> Side:
    """Soft evaluation on the full task less omega times the inherent soft Q."""
    found, shift = task.evaluation(task.full_mdp), task.reward_weight * task.prior.q
    error = found.q_error + task.reward_weight * task.prior.q_error
    return Side(found.q - shift, error + rounding(np.abs(found.q).max() + np.abs(shift).max(), 3))


# --- the claim ------------------------------------------------------------------------------------------------------

T3, OPPOSITE = three_state_policy_task(), three_state_policy_task(-1.0)


def scale(task: PolicyTask) -> float:
    """Absolute 1e-11 at the size of the values under both rewards."""
    sizes = (augmented_value(task).value, solved_value(task)[0])
    return 1e-11 * (1 + sum(float(np.abs(np.asarray(x)).max()) for x in sizes))


ACCURACY = "two linear solves; 1e-11 at the size of the values under both rewards"

SHAPING = Claim(
    "rql-shaping-equivalence",
    title="The augmented reward is the full task's reward, potential-shaped by the prior's own value",
    papers=("wang2025rpg", "ng1999shaping"),
    provenance="our formalisation",
    statement=r"""
    Let $\pi$ be max-ent optimal for $(r, \alpha)$ with the soft value $V^*$, and $r_{aug} = r_R + \omega'\log\pi$ with
    $\omega' = \omega\alpha$. With $\Phi = \omega V^*$
    $$r_{aug} = \omega r + r_R + \gamma P\Phi - \Phi.$$
    Hence for every policy $\mu$ of full support $V^\mu_{aug,\hat\alpha} = \hat V^\mu_{\hat\alpha} - \omega V^*$ and
    $Q^\mu_{aug,\hat\alpha} = \hat Q^\mu_{\hat\alpha} - \omega V^*$ (in every action), and the residual evaluation equation
    $Q^\mu_R = r_R + \gamma P\,E_\mu[Q^\mu_R + \omega'\log\pi - \hat\alpha\log\mu]$ has the solution
    $Q^\mu_R = \hat Q^\mu_{\hat\alpha} - \omega Q^*$.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$\pi$ is exactly max-ent optimal for $(r, \alpha)$",
            "a prior mixed with the uniform policy",
        ),
        Assumption("A2", "the target task has the same kernel", "a prior of another kernel"),
        Assumption("A3", "the target task has the same discount", "a prior of another discount"),
        Assumption("A4", "infinite horizon", DEFINITIONAL),
    ),
    instance_family=policy_task,
    witnesses=(T3, OPPOSITE),
    instances=150,
)

SHAPING.part(
    "(reward)",
    r"$r_{aug} = \omega r + r_R + \gamma P\Phi - \Phi$",
    Equal(augmented_reward, shaped_reward),
    resolution=scale,
    reason="certified errors of the prior's logarithm and of its value; 1e-11 at the size of the values",
    shared=PRIOR_IS_SHARED,
    exact=(exact.augmented_reward, exact.shaped_reward),
)
value_part = SHAPING.part(
    "(value)",
    r"$V^\mu_{aug,\hat\alpha} = \hat V^\mu_{\hat\alpha} - \omega V^*$ for every $\mu$",
    Equal(augmented_value, shifted_value),
    resolution=scale,
    reason=ACCURACY,
    shared=PRIOR_IS_SHARED,
    exact=(exact.augmented_value, exact.shifted_value),
)
SHAPING.part(
    "(action value)",
    r"$Q^\mu_{aug,\hat\alpha} = \hat Q^\mu_{\hat\alpha} - \omega V^*$ for every $\mu$",
    Equal(augmented_q, shifted_q),
    resolution=scale,
    reason=ACCURACY,
    shared=PRIOR_IS_SHARED,
    exact=(exact.augmented_q, exact.shifted_q),
)
SHAPING.part(
    "(residual evaluation)",
    r"the residual evaluation equation has the solution $\hat Q^\mu_{\hat\alpha} - \omega Q^*$",
    Equal(residual_q, full_q_less_inherent),
    resolution=scale,
    reason=ACCURACY,
    shared=PRIOR_IS_SHARED,
    exact=(exact.residual_q, exact.full_q_less_inherent),
)


@SHAPING.known(T3)
def _(task: PolicyTask) -> Iterator[Known]:
    yield Known(
        "augmented reward",
        "-0.0477093020 -1.0427785513 -0.2764502844 -0.2893483838 -1.4356598659 0.3181463782",
        task.augmented().reward,
    )
    yield Known(
        "value under the augmented reward",
        "-1.0159303665 -0.8782954064 -0.9325182855",
        augmented_value(task).value,
    )
    yield Known("value on the full task", "9.9858164068 9.5079189373 9.6610197396", solved_value(task)[0])
    yield Known(
        "omega V*", "11.0017467733 10.3862143437 10.5935380251", task.reward_weight * task.prior.value
    )


# --- what must fail -------------------------------------------------------------------------------------------------


def mixed_value(task: PolicyTask) -> Side:
    """Soft evaluation under the reward augmented by a prior mixed with the uniform policy."""
    return augmented_value(task, mixed_log_prior(task))


def with_another_discount(task: PolicyTask) -> Side:
    """Soft evaluation under the reward augmented by the prior of discount .7."""
    return augmented_value(task, prior_of_another_discount(task))


def with_another_kernel(task: PolicyTask) -> Side:
    """Soft evaluation under the reward augmented by the prior of a kernel with the actions of state 0 exchanged."""
    return augmented_value(task, prior_of_another_kernel(task))


def difference_of_returns(task: PolicyTask, outcome: Outcome) -> float:
    """``rho (V_aug - V-hat)``: by the claim the constant ``-omega rho V*``."""
    shift = task.reward_weight * task.prior.value
    return float(task.mdp.start_law() @ (outcome.left - outcome.right - shift))


value_part.control(
    "a prior mixed with the uniform policy",
    kind="assumption",
    drops="A1",
    instance=T3,
    left=mixed_value,
    specified="-10.0272569798",
    measure=partial(difference_of_returns, T3),
)
value_part.control(
    "a prior mixed with the uniform policy, at the opposite logits",
    kind="mutation",
    instance=OPPOSITE,
    left=mixed_value,
    specified="-9.2579080502",
    measure=partial(difference_of_returns, OPPOSITE),
)
value_part.control(
    "a prior of another kernel", kind="assumption", drops="A2", instance=T3, left=with_another_kernel
)
value_part.control(
    "a prior of another discount", kind="assumption", drops="A3", instance=T3, left=with_another_discount
)


@SHAPING.known(OPPOSITE)
def _(task: PolicyTask) -> Iterator[Known]:
    apart = [np.asarray(mixed_value(t).value) - solved_value(t)[0] for t in (task, T3)]
    yield Known(
        "difference of the two differences with the mixed prior",
        "0.7693489296",
        task.mdp.start_law() @ (apart[0] - apart[1]),
    )


# --- the figure -----------------------------------------------------------------------------------------------------


@SHAPING.figure(
    "Soft return under the augmented reward against that on the full task, 150 random policies on the three-state task. The "
    "max-ent prior gives a line of slope one, whose intercept is the prior's own value; a prior mixed with the uniform "
    "policy gives a cloud."
)
def _(ax: Any) -> None:
    rng, start = np.random.default_rng(0), T3.mdp.start_law()
    points = []
    for logits in rng.normal(scale=2.0, size=(150, 3, 2)):
        task = PolicyTask(T3.mdp, T3.residual_reward, 0.5, 0.4, 1.2, logits=logits)
        values = (solved_value(task)[0], augmented_value(task).value, mixed_value(task).value)
        points.append([start @ np.asarray(value) for value in values])
    full, exactly, mixed = np.array(points).T
    ends = np.array([full.min(), full.max()])
    ax.plot(ends, ends - T3.reward_weight * start @ T3.prior.value, "k-", linewidth=1, label="slope one")
    ax.plot(full, exactly, "C0o", markersize=4, label=r"prior $\pi$, max-ent optimal")
    ax.plot(full, mixed, "C1^", markersize=4, label=r"prior $0.8\,\pi + 0.1$")
    ax.set(
        xlabel=r"return on the full task $\rho^\top\hat V^\mu$",
        ylabel=r"augmented return $\rho^\top V^\mu_{aug}$",
    )
    ax.legend()
