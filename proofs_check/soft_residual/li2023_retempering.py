"""Residual soft Q-learning (Li et al. 2023) without add-on reward: another temperature for a task known by its policy alone.

The log-prior is the unknown reward in units of the prior's temperature, shaped.  Planning for it at another temperature gives
the max-ent optimum there; raising the prior's probabilities to a power, state by state, forgets what later actions change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Side
from mdplab.instances import Draw, SeededDraw
from mdplab.models import MDP
from proofs_check.soft_residual import exact_retempering as exact
from proofs_check.soft_residual.instances import (
    PRIOR_IS_SHARED,
    CustomisationTask,
    customisation_task,
    prior_of_another_discount,
    prior_of_another_kernel,
    three_state_task,
)
from proofs_check.soft_residual.retempering_routes import (
    COLD,
    cold_policy,
    customised_policy,
    gap_bound,
    hard_policy,
    kept_exponent,
    kept_policy,
    new_temperature,
    policy_at_new_temperature,
    policy_of_ratios,
    prior_exponent,
    prior_policy,
    residual,
    retempered_from_gaps,
    retempered_policy,
    soft_from_gaps,
    tempered_policy,
    without_reward,
)

# --- the claim ------------------------------------------------------------------------------------------------------


def three_states(temperature: float) -> CustomisationTask:
    """The three-state task with omega' = .4."""
    return replace(three_state_task(), reward_weight=0.8, temperature=temperature)


COLDER, HOTTER, SAME = three_states(0.2), three_states(1.6), three_states(0.4)
TIED = CustomisationTask(MDP(np.ones((1, 2, 1)), np.ones((1, 2)), 0.9), np.zeros((1, 2)), 0.5, 0.2, 0.8)


def policy_scale(task: CustomisationTask) -> float:
    """1e-11 on probabilities, and 1e-13 of the exponents, over the horizon, where these exceed a hundred."""
    logs = np.abs(task.prior.log_policy).max() / min(task.temperature / task.prior_weight, 1.0)
    rewards = np.abs(task.residual_reward).max() / task.temperature
    return float(1e-13 * max(1e2, (logs + rewards + 1) / (1 - task.mdp.discount)))


def value_scale(task: CustomisationTask) -> float:
    """1e-12 at the size of the values."""
    values = np.abs(task.mdp.reward).max() + new_temperature(task) + task.prior_temperature
    return float(1e-12 * (1 + (1 + task.reward_weight) * values / (1 - task.mdp.discount)))


def cold_scale(task: CustomisationTask) -> float:
    """That of the policies at the lowest temperature."""
    return policy_scale(replace(task, temperature=COLD[-1]))


def fork() -> CustomisationTask:
    """State 0 leads to 1 or 2, both absorbing: two equal arms in 1, one and a very bad one in 2."""
    transition = np.zeros((3, 2, 3))
    transition[0, [0, 1], [1, 2]] = transition[1, :, 1] = transition[2, :, 2] = 1.0
    mdp = MDP(transition, np.array([[0.0, 0.0], [0.0, 0.0], [0.0, -50.0]]), 0.9)
    return CustomisationTask(mdp, np.zeros((3, 2)), 1.0, 0.8, 0.8)


FORK = fork()


def one_optimal_action(task: CustomisationTask) -> bool:
    """Whether the hard optimum is proven unique."""
    return solvers.policy_iteration(task.mdp).policy_error == 0


def without_later_states(draw: Draw) -> CustomisationTask:
    """A random task of discount 0."""
    task = customisation_task(draw)
    return replace(task, mdp=task.mdp.replace(discount=0.0))


RETEMPERING = Claim(
    "rql-retempering",
    title="With no add-on reward the method changes the temperature of an unknown task, from its policy alone",
    papers=("li2023rql",),
    provenance="our formalisation",
    statement=r"""
    In the setting of `rql-fixed-point` with $\omega' > 0$:

    (i) If $r_R = 0$ and $\hat\alpha = \omega'$ then $Q_R = 0$ and the solution is the prior itself.

    (ii) If $r_R = 0$ the solution $\mu$ is the max-ent optimum of $r$ at the temperature $\tau = \alpha\hat\alpha/\omega'$.
    With the hard optimum $Q$ of $r$ and a greedy action $b(s)$,
    $$\Big|\tau\log\frac{\mu(a|s)}{\mu(b(s)|s)} + Q(s, b(s)) - Q(s, a)\Big| \le \tau\,\frac{\gamma\log A}{1 - \gamma},$$
    so that for $\hat\alpha \to 0$ it tends to the hard-optimal policy of the unknown $r$, if there is only one.

    (iii) The solution depends on $(r_R, \omega', \hat\alpha)$ only through $(r_R/\hat\alpha, \omega'/\hat\alpha)$.

    For $\gamma = 0$, and in general only then, the solution of (ii) is $\propto \pi^{\omega'/\hat\alpha}$.
    """,
    assumptions=(
        Assumption("A1", r"the prior is exactly max-ent optimal for $(r, \alpha)$", "a uniform prior"),
        Assumption("A2", "the same kernel", "a prior of another kernel"),
        Assumption("A3", "the same discount", "a prior of another discount"),
        Assumption("A4", "infinite horizon", DEFINITIONAL),
        Assumption(
            "A5",
            r"$\hat\alpha > 0$, $\omega' > 0$ and finite rewards",
            DEFINITIONAL,
            lambda t: t.temperature > 0 and t.prior_weight > 0,
        ),
        Assumption(
            "A6",
            "for the limit: one optimal action in each state",
            "two arms of the same reward",
            one_optimal_action,
        ),
        Assumption(
            "A7",
            r"for the power of the prior: $\gamma = 0$",
            "the power of the prior where later states count",
            lambda t: t.mdp.discount == 0,
            wider=customisation_task,
        ),
    ),
    instance_family=customisation_task,
    witnesses=(COLDER, HOTTER, SAME),
    instances=60,
)
ANY_PRIOR = ("A2", "A3", "A4", "A5")
MAX_ENT_PRIOR = ("A1", *ANY_PRIOR)
CERTIFIED = "certified policy errors of the solvers; 1e-11 on probabilities, 1e-13 of large exponents"

RETEMPERING.part(
    "(i)",
    r"$r_R = 0$, $\hat\alpha = \omega'$: the solution is the prior",
    Equal(kept_policy, prior_policy),
    resolution=policy_scale,
    reason=CERTIFIED,
    assumes=ANY_PRIOR,
    shared=PRIOR_IS_SHARED,
    exact=(exact.kept_policy, exact.prior_policy),
)
RETEMPERING.part(
    "(i, Q)",
    r"$r_R = 0$, $\hat\alpha = \omega'$: $Q_R + \omega'\log\pi = \omega'\log\pi$",
    Equal(kept_exponent, prior_exponent),
    resolution=value_scale,
    reason="certified error of residual soft Q iteration and rounding of the prior, at the size of the values",
    assumes=ANY_PRIOR,
    shared=PRIOR_IS_SHARED,
    exact=(exact.kept_exponent, exact.prior_exponent),
)
new_part = RETEMPERING.part(
    "(ii)",
    r"$r_R = 0$: the solution is the max-ent optimum of $r$ at $\tau = \alpha\hat\alpha/\omega'$",
    Equal(retempered_policy, policy_at_new_temperature),
    resolution=policy_scale,
    reason=CERTIFIED,
    assumes=MAX_ENT_PRIOR,
    exact=(exact.retempered_policy, exact.policy_at_new_temperature),
)
rate_part = RETEMPERING.part(
    "(ii, rate)",
    r"$|\tau\log(\mu(a|s)/\mu(b(s)|s)) + Q(s, b(s)) - Q(s, a)| \le \tau\gamma\log A/(1 - \gamma)$",
    AtMost(retempered_from_gaps, gap_bound),
    resolution=value_scale,
    reason="certified errors of log-policy and hard action values, at the size of the values",
    witnesses=(COLDER, HOTTER, FORK),
    assumes=MAX_ENT_PRIOR,
    cross_left=soft_from_gaps,
    closed=("right",),
    exact=(exact.distance_from_gaps, exact.gap_bound),
)
limit_part = RETEMPERING.part(
    "(ii, limit)",
    r"at $\hat\alpha = 10^{-3}$ and $10^{-4}$ the solution is the hard-optimal policy of $r$, up to rounding",
    Equal(cold_policy, hard_policy),
    resolution=cold_scale,
    reason="certified policy error at the temperature 1e-4: errors of values over the temperature",
    witnesses=(COLDER,),
    quantifier="exists",
    assumes=(*MAX_ENT_PRIOR, "A6"),
    exact="a limit: at a positive temperature both sides differ",
)
RETEMPERING.part(
    "(iii)",
    r"the solution depends on $r_R/\hat\alpha$ and $\omega'/\hat\alpha$ alone",
    Equal(customised_policy, policy_of_ratios),
    resolution=policy_scale,
    reason=CERTIFIED,
    assumes=ANY_PRIOR,
    shared=PRIOR_IS_SHARED,
    exact=(exact.customised_policy, exact.policy_of_ratios),
)
power_part = RETEMPERING.part(
    "(discount 0)",
    r"$\gamma = 0$: the solution is $\propto \pi^{\omega'/\hat\alpha}$",
    Equal(retempered_policy, tempered_policy),
    resolution=policy_scale,
    reason=CERTIFIED,
    family=without_later_states,
    witnesses=(),
    instances=20,
    assumes=(*ANY_PRIOR, "A7"),
    shared=PRIOR_IS_SHARED,
    exact=(exact.retempered_policy, exact.tempered_policy),
)


def known_at(columns: str, largest: str, task: CustomisationTask) -> Iterator[Known]:
    found = without_reward(task, task.temperature)
    yield Known("first column of the solution", columns, found.policy[:, 0])
    yield Known("largest |Q_R|", largest, np.abs(found.q).max())


def typical_errors(_: CustomisationTask) -> Iterator[Known]:
    """How wrong the power of the prior is on 400 random tasks (on 1000: .0043 and .010)."""
    tasks = [customisation_task(SeededDraw(seed)) for seed in range(400)]
    errors = [
        np.abs(np.asarray(tempered_policy(task).value) - retempered_policy(task).value).max()
        for task in tasks
    ]
    yield Known("median error of the power of the prior", "0.005", np.median(errors))
    yield Known("share of tasks in which it errs by more than .1", "0.02", np.mean(np.array(errors) > 0.1))


RETEMPERING.known(COLDER)(typical_errors)
RETEMPERING.known(COLDER)(partial(known_at, "0.9948077591 0.2758238094 0.0247452104", "0.6030693963"))
RETEMPERING.known(HOTTER)(partial(known_at, "0.6404149621 0.4715937644 0.3749978934", "6.5704315989"))
RETEMPERING.known(SAME)(partial(known_at, "0.9235637016 0.3826056426 0.1275262428", "0.0000000000"))


# --- what must fail -------------------------------------------------------------------------------------------------


def with_prior(task: CustomisationTask, log_prior: FloatArray) -> Side:
    """Residual soft Q iteration without add-on reward and with another prior."""
    found = residual(task, log_prior, np.zeros_like(task.mdp.reward), task.temperature)
    return Side(found.policy, found.policy_error)


def uniform_prior(task: CustomisationTask) -> Side:
    """Residual soft Q iteration with a uniform prior."""
    return with_prior(task, np.full_like(task.mdp.reward, -np.log(task.mdp.n_actions)))


def another_kernel(task: CustomisationTask) -> Side:
    """Residual soft Q iteration with the prior of a kernel with the actions of state 0 exchanged."""
    return with_prior(task, prior_of_another_kernel(task))


def another_discount(task: CustomisationTask) -> Side:
    """Residual soft Q iteration with the prior of the discount .7."""
    return with_prior(task, prior_of_another_discount(task))


def bound_without_horizon(task: CustomisationTask) -> Side:
    """gamma log A, times the new temperature."""
    return gap_bound(task, horizon=False)


for name, instance, number in (
    ("the power of the prior, a lower temperature", COLDER, "0.0038275268"),
    ("the power of the prior, a higher temperature", HOTTER, "0.0104732024"),
):
    new_part.control(name, kind="mutation", instance=instance, left=tempered_policy, specified=number)
rate_part.control("the rate without its horizon", kind="constant", instance=FORK, right=bound_without_horizon)
new_part.control("a uniform prior", kind="assumption", drops="A1", instance=COLDER, left=uniform_prior)
new_part.control(
    "a prior of another kernel", kind="assumption", drops="A2", instance=COLDER, left=another_kernel
)
new_part.control(
    "a prior of another discount", kind="assumption", drops="A3", instance=COLDER, left=another_discount
)
limit_part.control("two arms of the same reward", kind="assumption", drops="A6", instance=TIED)
power_part.control(
    "the power of the prior where later states count",
    kind="assumption",
    drops="A7",
    instance=HOTTER,
    specified="0.0104732024",
)


# --- the figure -----------------------------------------------------------------------------------------------------


@RETEMPERING.figure(
    "How far the power of the prior is from the max-ent policy at the new temperature, on the three-state task over the factor "
    "of the temperature, for several discounts: zero where the temperature is kept, and at every temperature for discount 0."
)
def _(ax: Any) -> None:
    factors = np.geomspace(0.1, 10.0, 41)
    for discount, look in ((0.9, "C0-"), (0.6, "C1--"), (0.3, "C2-."), (0.0, "k:")):
        base = three_states(0.4)
        model = replace(base, mdp=base.mdp.replace(discount=discount))
        distances = []
        for factor in factors:
            task = replace(model, temperature=float(factor) * model.prior_weight)
            distances.append(
                np.abs(np.asarray(tempered_policy(task).value) - retempered_policy(task).value).max()
            )
        ax.semilogx(factors, distances, look, linewidth=2, label=rf"$\gamma = {discount}$")
    ax.set(
        xlabel=r"factor $\hat\alpha/\omega'$ of the temperature", ylabel="largest distance of the policies"
    )
    ax.set_ylim(top=0.016)
    ax.legend(loc="upper center", ncols=2)
