"""Natural policy gradient with a constant step (Agarwal, Kakade, Lee and Mahajan 2021): a dimension-free 1/T bound.

The iterates are computed in floating point; each update is an exact one with a slightly wrong critic ``Q + epsilon``,
and ``epsilon`` is read off the recorded logarithms.  Carrying it through the proof (regret of the mirror steps plus
the per-step improvement ``V_{t+1} >= V_t - span(epsilon) / (1 - gamma)``) adds

    span(epsilon) * ((T + 3) / (2 (1 - gamma)) + 1 / (1 - gamma)^2)

to the bound at ``T``: that is the error of the recorded gaps, and it needs no forward error analysis of the iteration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtLeast, AtMost, Claim, Known, Outcome, Side, rounding
from mdplab.instances import three_state_unit_reward_mdp
from mdplab.models import MDP
from mdplab.operators import occupancy
from proofs_check.soft_residual import exact_npg as exact
from proofs_check.soft_residual.gradient_instances import (
    NPGTask,
    npg_task,
    with_another_start,
    with_unbounded_rewards,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def counts(task: NPGTask) -> FloatArray:
    """T = 1, ..., the number of updates."""
    return np.arange(1.0, task.steps + 1)


def carried_error(task: NPGTask) -> FloatArray:
    """The critic's error carried through the proof."""
    horizon = 1 / (1 - task.mdp.discount)
    return np.asarray(task.critic_error * ((counts(task) + 3) / 2 * horizon + horizon**2))


def gaps(task: NPGTask) -> Side:
    """Policy iteration less the evaluated iterates of mirror descent, under the start law."""
    values = task.optimum.value - task.run.values[1:]
    error = task.optimum.certificate.bound + task.run.certificate.bound
    error += float(rounding(np.abs(task.optimum.value).max(), task.mdp.n_states + 4))
    return Side(values @ task.mdp.start_law(), error + carried_error(task))


def gaps_by_occupancies(task: NPGTask) -> Side:
    """Value iteration less the returns of the iterates' occupancies."""
    best, horizon = solvers.value_iteration(task.mdp, tol=1e-11), 1 / (1 - task.mdp.discount)
    returns = [
        float((occupancy(task.mdp, policy) * task.mdp.reward).sum()) for policy in task.run.policies[1:]
    ]
    error = best.certificate.bound + rounding(horizon**2, 4 * task.mdp.n_states * task.mdp.n_actions + 40)
    return Side(best.value @ task.mdp.start_law() - horizon * np.array(returns), error)


def bound(task: NPGTask) -> Side:
    """(log A / eta + 1 / (1 - gamma)^2) / T."""
    horizon = 1 / (1 - task.mdp.discount)
    value = (np.log(task.mdp.n_actions) / task.eta + horizon**2) / counts(task)
    return Side(value, rounding(value, 12))


def improvements(task: NPGTask) -> Side:
    """Differences of the values of successive iterates, in every state."""
    error = 2 * task.run.certificate.bound + task.critic_error / (1 - task.mdp.discount)
    return Side(np.diff(task.run.values, axis=0), error + rounding(np.abs(task.run.values).max(), 2))


def improvements_by_solves(task: NPGTask) -> Side:
    """One dense solve for each recorded policy."""
    mdp, policies = task.mdp, task.run.policies
    kernels = np.einsum("tsa,sap->tsp", policies, mdp.transition)
    rewards = np.einsum("tsa,sa->ts", policies, mdp.reward)
    values = np.linalg.solve(np.eye(mdp.n_states) - mdp.discount * kernels, rewards[..., None])[..., 0]
    residual = np.abs(rewards + mdp.discount * np.einsum("tsp,tp->ts", kernels, values) - values).max()
    size = rounding(np.abs(values).max(), mdp.n_states + 2 * mdp.n_actions + 8)
    return Side(np.diff(values, axis=0), 2 * (residual + size) / (1 - mdp.discount))


def nothing(task: NPGTask) -> Side:
    """Zero."""
    return Side(np.zeros((task.steps, task.mdp.n_states)))


# --- the claim ------------------------------------------------------------------------------------------------------

SLOW, FASTER = (NPGTask(three_state_unit_reward_mdp(), eta, steps=100) for eta in (0.01, 0.1))
BANDIT = MDP(np.ones((1, 2, 1)), np.array([[1.0, 0.0]]), 0.0, np.ones(1))
ITERATES_ARE_INPUTS = {
    "mirror_descent": "the recorded policies are inputs; what their updates miss is in the bound"
}


def chain(reward_scale: float = 1.0) -> MDP:
    """Six states: action 0 returns to state 0 and pays .3, action 1 moves right; staying at the right end pays 1."""
    transition, reward = np.zeros((6, 2, 6)), np.zeros((6, 2))
    transition[:, 0, 0] = 1.0
    transition[np.arange(6), 1, np.minimum(np.arange(6) + 1, 5)] = 1.0
    reward[:, 0], reward[5, 1] = 0.3, 1.0
    return MDP(transition, reward_scale * reward, 0.9, np.eye(6)[0])


def starts_uniform(task: NPGTask) -> bool:
    """Whether the first policy is uniform."""
    return task.initial_policy is None or bool(np.ptp(task.initial_policy) == 0)


NPG = Claim(
    "npg-one-over-t",
    title="Constant-step natural policy gradient has a dimension-free 1/T bound with explicit constants",
    papers=("agarwal2019theory",),
    provenance="as in the paper",
    theorem="global convergence of softmax natural policy gradient",
    statement=r"""
    With rewards in $[0,1]$, a uniform first policy and the update $\pi_{t+1} \propto \pi_t
    \exp\big(\tfrac{\eta}{1-\gamma} A^{\pi_t}\big)$, for all $T \ge 1$, $\eta > 0$ and every start law $\rho$
    $$V^*(\rho) - V^{(T)}(\rho) \le \frac1T\Big(\frac{\log|A|}{\eta} + \frac{1}{(1-\gamma)^2}\Big),$$
    and $V^{(t)}$ is nondecreasing in every state. In the convention $\pi_{t+1} \propto \pi_t e^{\eta_Q Q}$ the constant
    is $\frac{\log|A|}{(1-\gamma)\eta_Q} + \frac{1}{(1-\gamma)^2}$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "rewards in [0, 1]",
            "rewards a hundred times too large",
            lambda t: bool(t.mdp.reward.min() >= 0 and t.mdp.reward.max() <= 1),
            wider=with_unbounded_rewards,
        ),
        Assumption(
            "A2",
            "uniform first policy",
            "a first policy that all but excludes the good arm",
            starts_uniform,
            wider=with_another_start,
        ),
        Assumption("A3", "exact evaluation", DEFINITIONAL),
    ),
    instance_family=npg_task,
    witnesses=(SLOW, FASTER),
    instances=100,
)

rate = NPG.part(
    "(bound)",
    r"$V^*(\rho) - V^{(T)}(\rho) \le \frac1T\big(\frac{\log|A|}{\eta} + \frac1{(1-\gamma)^2}\big)$ for every $T$",
    AtMost(gaps, bound),
    resolution=lambda task: 1e-9 * (1 + np.asarray(bound(task).value)),
    reason="rounding of the updates carried through the proof; 1e-9 at the size of the bound",
    cross_left=gaps_by_occupancies,
    closed=("right",),
    specified_tightness="0.34",
    shared=ITERATES_ARE_INPUTS,
    exact=(exact.gaps, exact.bound),
)
NPG.part(
    "(monotone)",
    "$V^{(t)} \\le V^{(t+1)}$ in every state",
    AtLeast(improvements, nothing),
    resolution=lambda task: 1e-10 * (1 + float(np.abs(task.run.values).max())),
    reason="certificates of the values and rounding of the updates; 1e-10 at the size of the values",
    cross_left=improvements_by_solves,
    closed=("right",),
    shared=ITERATES_ARE_INPUTS,
    exact=(exact.improvements, exact.nothing),
)


@NPG.known(SLOW)
def _(task: NPGTask) -> Iterator[Known]:
    pick, error = [0, 9, 99], float(np.max(gaps(task).error))
    yield Known(
        "gaps at eta = .01",
        "3.5828706576 2.1982953049 0.0539263406",
        np.asarray(gaps(task).value)[pick],
        error,
    )
    yield Known(
        "bounds at eta = .01", "169.31471806 16.931471806 1.6931471806", np.asarray(bound(task).value)[pick]
    )
    yield Known("optimal start value", "7.9322818447", task.optimum.value @ task.mdp.start_law())


@NPG.known(FASTER)
def _(task: NPGTask) -> Iterator[Known]:
    pick, error = [0, 9, 99], float(np.max(gaps(task).error))
    yield Known(
        "gaps at eta = .1", "2.2273680102 0.0512871520 9.3e-12", np.asarray(gaps(task).value)[pick], error
    )


# --- what must fail -------------------------------------------------------------------------------------------------


def without_the_entropy_term(task: NPGTask) -> Side:
    """The bound without log A / eta."""
    value = 1 / (1 - task.mdp.discount) ** 2 / counts(task)
    return Side(value, rounding(value, 12))


def without_the_horizon_term(task: NPGTask) -> Side:
    """The bound without 1 / (1 - gamma)^2."""
    value = np.log(task.mdp.n_actions) / task.eta / counts(task)
    return Side(value, rounding(value, 12))


def gaps_in_the_other_convention(task: NPGTask) -> Side:
    """Gaps of the update with exponent eta Q in the place of eta A / (1 - gamma)."""
    return gaps(replace(task, eta=task.eta * (1 - task.mdp.discount)))


def last(outcome: Outcome) -> FloatArray:
    return np.array([outcome.left[-1], outcome.right[-1]])


rate.control(
    "without log A / eta",
    kind="constant",
    instance=NPGTask(BANDIT, 0.01, steps=10),
    right=without_the_entropy_term,
    specified="0.4750208125 0.1",
    measure=last,
)
rate.control(
    "without 1 / (1 - gamma)^2",
    kind="constant",
    instance=NPGTask(chain(), 1000.0, steps=3),
    right=without_the_horizon_term,
    specified="2.9049 2.9049 2.9049 0.00069",
    measure=lambda outcome: np.append(outcome.left, outcome.right.max()),
)
rate.control(
    "the step of the other convention",
    kind="constant",
    instance=NPGTask(BANDIT.replace(discount=0.99), 1e-4, steps=1000),
    left=gaps_in_the_other_convention,
    specified="47.5020812521 16.9314718056",
    measure=last,
)
rate.control(
    "rewards a hundred times too large",
    kind="assumption",
    drops="A1",
    instance=NPGTask(chain(100.0), 1000.0, steps=3),
)
rate.control(
    "a first policy that all but excludes the good arm",
    kind="assumption",
    drops="A2",
    instance=NPGTask(BANDIT, 1.0, np.array([[1e-6, 1 - 1e-6]]), steps=10),
)


@NPG.known(NPGTask(BANDIT.replace(discount=0.99), 1e-4 * (1 - 0.99), steps=1000))
def _(task: NPGTask) -> Iterator[Known]:
    yield Known("right constant of the other convention", "703.147", np.asarray(bound(task).value)[-1])


# --- the figure -----------------------------------------------------------------------------------------------------


@NPG.figure(
    "Gap of natural policy gradient (solid) and its bound (dashed) on the three-state task for four step sizes. In the end "
    "the gap decays geometrically: there the bound is loose."
)
def _(ax: Any) -> None:
    for number, eta in enumerate((0.003, 0.01, 0.03, 0.1)):
        task = NPGTask(three_state_unit_reward_mdp(), eta, steps=400)
        gap = np.asarray(gaps(task).value)
        shown = gap > 1e-12
        ax.loglog(counts(task)[shown], gap[shown], color=f"C{number}", label=rf"$\eta = {eta}$")
        ax.loglog(
            counts(task), np.asarray(bound(task).value), color=f"C{number}", linestyle="dashed", linewidth=1
        )
    ax.plot([], [], color="0.3", linestyle="dashed", linewidth=1, label="bounds")
    ax.set(xlabel="number of updates $T$", ylabel="gap of the start value", ylim=(1e-12, 1e3))
    ax.grid(True)
    ax.legend(loc="lower left")
