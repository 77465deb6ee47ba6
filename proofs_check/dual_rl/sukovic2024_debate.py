r"""Debate about decisions (Sukovic and Radanovic 2024): its value, and how much of it a reward may hold.

A debate of alternating moves is a game of perfect information: backward induction finds a value in pure plans, that of the
matrix game between all plans.  Where two debaters speak at once the value is another.  Mixed into the reward, the outcome of
the debate changes nothing up to a threshold that two advantages tell, and beyond it the optimal policy is another one.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import (
    DEFINITIONAL,
    HARMLESS,
    Assumption,
    AtLeast,
    Claim,
    Equal,
    Known,
    Side,
    Undecided,
    both_sides,
)
from mdplab.claims.tolerances import rounding
from mdplab.enumeration import plan_game
from mdplab.operators import action_values, alternating_value
from proofs_check.dual_rl import exact_debate as exact
from proofs_check.dual_rl.debate_tasks import (
    DebateGame,
    DebateReward,
    crossing_reward,
    debate_game,
    debate_reward,
    pennies,
    tied_reward,
    two_state_debate,
)
from proofs_check.dual_rl.guidance_tasks import evaluated, solved

# --- (i): the value of a debate --------------------------------------------------------------------------------------


def sequential_value(game: DebateGame) -> Side:
    """Backward induction over four moves; nothing is rounded."""
    return Side(alternating_value(game.payoff))


def value_of(payoff: FloatArray) -> Side:
    """Value of a matrix game by its linear program."""
    found = solvers.matrix_game(payoff)
    return Side(found.value, found.certificate.bound)


def plans_value(game: DebateGame) -> Side:
    """Linear program of the game between the plans (i, k(j)) and j(i), the last move made at best."""
    return value_of(plan_game(game.payoff.min(axis=3)).payoff)


# --- (ii): the threshold ---------------------------------------------------------------------------------------------


def least_ratio(lost: FloatArray, won: FloatArray, off: float) -> Side:
    """``min(1, min lost / (lost + won))`` over ``lost >= 0`` and the positive parts of ``won``, both with errors ``off``."""
    n, m = np.maximum(lost, 0.0), np.maximum(won, 0.0)
    total = n + m
    safe = total > 4 * off
    ratio = np.where(safe, n / np.where(safe, total, 1.0), 1.0)
    # |n'/(n'+m') - n/(n+m)| = |n'm - nm'| / ((n'+m')(n+m))
    doubt = np.where(safe, off / np.where(safe, total - 2 * off, 1.0) + rounding(1.0, 8), 1.0)
    value = min(1.0, float(ratio.min(initial=1.0)))
    low, high = float((ratio - doubt).min(initial=1.0)), float((ratio + doubt * safe).min(initial=1.0))
    return Side(value, max(value - low, high - value, 0.0))


def threshold(task: DebateReward) -> Side:
    """Least -A_R / (A_d - A_R) over pairs with A_d > 0, by certified values; 1 where there is none."""
    loss, gain = (table[task.others] for table in task.advantages)
    best, judged = task.optimum, task.judged
    off = best.q_error + best.certificate.bound + judged.q_error + judged.certificate.bound
    return least_ratio(
        -loss, gain, 1.01 * off + float(rounding(np.abs(best.q).max() + np.abs(judged.q).max(), 4))
    )


def rewards_of(task: DebateReward, policies: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Expected ``R`` and ``R_d`` of policies."""
    return (policies * task.mdp.reward).sum(axis=-1), (policies * task.second).sum(axis=-1)


def threshold_of_policies(task: DebateReward) -> Side:
    """Least weight at which some deterministic policy that deviates at once is as good, all of them evaluated."""
    policies = task.everyone
    lost, won = (solved(task.mdp, policies, reward) for reward in rewards_of(task, policies))
    own, other = (solved(task.mdp, task.policy, reward) for reward in rewards_of(task, task.policy))
    deviating = ((policies * task.policy).sum(axis=-1) == 0).nonzero()
    off = (
        lost[1]
        + won[1]
        + own[1]
        + other[1]
        + float(rounding(np.abs(own[0]).max() + np.abs(other[0]).max(), 4))
    )
    return least_ratio((own[0] - lost[0])[deviating], (won[0] - other[0])[deviating], off)


def value_below(task: DebateReward, factor: float = 0.999) -> Side:
    """Largest value of the mixed reward at .999 of the threshold, by policy iteration."""
    found = solvers.policy_iteration(task.mixed(factor * task.threshold))
    return Side(found.value, found.certificate.bound)


def kept_value(task: DebateReward) -> Side:
    """Value of pi*_R under the mixed reward at .999 of the threshold, from its two values."""
    weight = 0.999 * task.threshold
    own, other = (solved(task.mdp, task.policy, reward) for reward in rewards_of(task, task.policy))
    size = rounding(np.abs(own[0]).max() + np.abs(other[0]).max(), 8) / (1 - task.mdp.discount)
    return Side((1 - weight) * own[0] + weight * other[0], own[1] + other[1] + size)


def kept_above(task: DebateReward) -> tuple[FloatArray, float]:
    """Value of ``pi*_R`` under the mixed reward at 1.001 of the threshold, and its error."""
    mixed = task.mixed(1.001 * task.threshold)
    return evaluated(mixed, task.policy)


def loss_above(task: DebateReward) -> Side:
    """Largest loss of pi*_R under the mixed reward at 1.001 of the threshold, by policy iteration."""
    best, (kept, error) = solvers.policy_iteration(task.mixed(1.001 * task.threshold)), kept_above(task)
    return Side(float((best.value - kept).max()), best.certificate.bound + error)


def loss_above_by_iteration(task: DebateReward) -> Side:
    """Largest loss of pi*_R under the mixed reward at 1.001 of the threshold, by value iteration."""
    best = solvers.value_iteration(task.mixed(1.001 * task.threshold), tol=1e-11)
    judged = solvers.policy_evaluation(task.mixed(1.001 * task.threshold), task.policy)
    return Side(float((best.value - judged.value).max()), best.certificate.bound + judged.certificate.bound)


def advantage_above(task: DebateReward) -> Side:
    """Largest mixed advantage (1 - x) A_R + x A_d at x = 1.001 of the threshold, which must be positive."""
    weight = 1.001 * task.threshold
    loss, gain = task.advantages
    found = float(((1 - weight) * loss + weight * gain)[task.others].max())
    off = task.optimum.q_error + task.optimum.certificate.bound + task.judged.q_error
    error = (
        off + task.judged.certificate.bound + float(rounding(np.abs(loss).max() + np.abs(gain).max() + 1, 16))
    )
    if found <= error:
        raise Undecided("no action is proven better above the threshold")
    return Side(found, error)


def advantage_above_by_solve(task: DebateReward) -> Side:
    """Largest advantage over pi*_R under the mixed reward at 1.001 of the threshold, one solve."""
    kept, error = kept_above(task)
    q = action_values(task.mixed(1.001 * task.threshold), kept)
    found = float((q - kept[:, np.newaxis])[task.others].max())
    return Side(found, 2 * error + float(rounding(2 * np.abs(kept).max() + 1, task.mdp.n_states + 8)))


# --- the claim -------------------------------------------------------------------------------------------------------

M2, PENNIES = two_state_debate(), pennies()
THRESHOLD_IS_SHARED = {
    "policy_iteration": "the weight at which both are taken, and pi*_R, are inputs of both routes",
    "policy_evaluation": "the weight at which both are taken is an input of both routes",
}

DEBATE = Claim(
    "debate-reward",
    title="A sequential debate has a value in pure plans; mixed into the reward it changes nothing up to an exact threshold",
    papers=("sukovic2024justifiable",),
    provenance="our formalisation",
    theorem=None,
    statement=r"""
    (i) Let four moves $i, j, k, l$ alternate between two debaters, each made in the knowledge of the earlier ones, with the
    payoff $U[i,j,k,l]$. Then $\max_i\min_j\max_k\min_l U$ is the value of the matrix game between the plans $(i, k(j))$ and
    $j(i)$ with the payoff $\min_l U$.

    (ii) Mix a second reward into the first, $(1-\lambda)R + \lambda R_d$. Let $A_R$ be the optimal advantage for $R$ and $A_d$
    the advantage of the policy $\pi^*_R$ under $R_d$. Then $\pi^*_R$ stays optimal iff
    $$\lambda \le \lambda_0 = \min_{(s,a):\,A_d > 0} \frac{-A_R}{A_d - A_R} < 1,$$
    and for all $\lambda \le 1$ if no pair has $A_d > 0$ (then $\lambda_0 = 1$ here).
    """,
    assumptions=(
        Assumption("A1", "perfect information, for (i)", "both first moves at once"),
        Assumption(
            "A2",
            r"$\pi^*_R$ is the only optimal policy, for (ii)",
            HARMLESS,
            lambda task: bool(np.isfinite(task.optimum.policy_error)),
            wider=tied_reward,
        ),
        Assumption("A3", "finite, and $0 \\le \\gamma < 1$", DEFINITIONAL),
    ),
    instance_family=debate_reward,
    witnesses=(M2,),
    instances=100,
)

VALUES = "certificates of values, relative to the least sum of both advantages: 1e-9"
debate = DEBATE.part(
    "(i)",
    r"$\max_i\min_j\max_k\min_l U$ is the value of the game between plans",
    Equal(sequential_value, plans_value),
    resolution=1e-9,
    reason="duality gap of the linear program; backward induction rounds nothing",
    family=debate_game,
    witnesses=(PENNIES,),
    instances=40,
    assumes=("A1",),
    exact=(exact.sequential_value, exact.plans_value),
)
edge = DEBATE.part(
    "(ii)",
    r"$\lambda_0$ is the least weight at which some policy overtakes $\pi^*_R$, over all deterministic policies",
    Equal(threshold, threshold_of_policies),
    resolution=1e-9,
    reason=VALUES,
    assumes=("A2", "A3"),
    shared={
        "policy_iteration": "the policy pi*_R, of which the threshold speaks, is an input of both routes"
    },
    exact=(exact.threshold, exact.threshold_of_policies),
)
below = DEBATE.part(
    "(ii, below)",
    r"$\pi^*_R$ is optimal at $\lambda = .999\,\lambda_0$",
    Equal(value_below, kept_value),
    resolution=1e-10,
    reason="certificates of values at 1e-10; the gaps below the threshold are at least .001 of the advantages",
    family=crossing_reward,
    assumes=("A2", "A3"),
    shared=THRESHOLD_IS_SHARED,
    exact=(exact.value_below, exact.kept_value),
)
DEBATE.part(
    "(ii, above)",
    r"$\pi^*_R$ loses at least the largest mixed advantage, a positive number, at $\lambda = 1.001\,\lambda_0$",
    AtLeast(loss_above, advantage_above),
    resolution=1e-10,
    reason="certificates of values at 1e-10",
    family=crossing_reward,
    floor=1e-10,
    assumes=("A2", "A3"),
    cross_left=loss_above_by_iteration,
    cross_right=advantage_above_by_solve,
    shared=THRESHOLD_IS_SHARED,
    exact=(exact.loss_above, exact.advantage_above),
)


@DEBATE.known(M2)
def _(task: DebateReward) -> Any:
    loss, gain = task.advantages
    yield Known("advantage under the debate", "1 0 0 0", gain, 1e-15)
    yield Known("loss of action 0 in state 0", ".4923076923", -loss[0, 0])
    yield Known("threshold", ".3298969072", threshold(task).value)
    yield Known("threshold as a fraction", "1.4923076923", 1 - loss[0, 0])


# --- what must fail --------------------------------------------------------------------------------------------------


def spoken_at_once(game: DebateGame) -> Side:
    """Linear program of the game in which both first moves are made at once."""
    return value_of(game.payoff.min(axis=3).max(axis=2))


def without_the_own_loss(task: DebateReward) -> Side:
    """The least -A_R / A_d over pairs with A_d > 0, at most 1."""
    loss, gain = (table[task.others] for table in task.advantages)
    better = gain > 1e-12
    return Side(min(1.0, float((-loss[better] / gain[better]).min(initial=1.0))), 1e-12)


debate.control(
    "both first moves at once",
    kind="assumption",
    drops="A1",
    instance=PENNIES,
    right=spoken_at_once,
    specified="-1 0",
    measure=both_sides,
)
edge.control("-A_R over A_d alone", kind="constant", instance=M2, left=without_the_own_loss)
below.control(
    "a weight just above the threshold", kind="constant", instance=M2, left=partial(value_below, factor=1.001)
)


# --- the figure ------------------------------------------------------------------------------------------------------


@DEBATE.figure(
    "Returns of the optimal policy of the mixed reward on a random model, under the reward itself and under that of the debate, "
    r"over the weight $\lambda$ of the debate. Both are piecewise constant; nothing changes up to $\lambda_0$ (dashed)."
)
def _(ax: Any) -> None:
    from mdplab.instances import SeededDraw

    task = debate_reward(SeededDraw(80))
    start = (1 - task.mdp.discount) * task.mdp.start_law()
    weights = np.linspace(0.0, 1.0, 401)
    policies = [solvers.policy_iteration(task.mixed(float(weight))).policy for weight in weights]
    returns = [[solved(task.mdp, p, r)[0] @ start for r in rewards_of(task, p)] for p in policies]
    own, debated = np.array(returns).T
    ax.step(weights, own, "C0-", where="post", label="under $R$")
    ax.step(weights, debated, "C1-.", where="post", label="under $R_d$")
    ax.axvline(task.threshold, color="0.4", linestyle="--", linewidth=1, label=r"$\lambda_0$")
    ax.set(xlabel=r"weight of the debate $\lambda$", ylabel="normalised return")
    ax.legend(fontsize="small")
