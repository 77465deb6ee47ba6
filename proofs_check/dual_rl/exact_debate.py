"""Debates in rationals: games of plans by the simplex method, thresholds by advantages and by all policies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from mdplab.enumeration import plan_game

if TYPE_CHECKING:
    from mdplab.exact import ExactMDP
    from proofs_check.dual_rl.debate_tasks import DebateGame, DebateReward


def sequential_value(game: DebateGame) -> Any:
    """Backward induction."""
    table = mdplab.exact.rational(game.payoff)
    return table.min(axis=3).max(axis=2).min(axis=1).max(axis=0)


def plans_value(game: DebateGame) -> Any:
    """The linear program of the game between plans, from the floats' strategy."""
    between = plan_game(game.payoff.min(axis=3))
    return mdplab.exact.matrix_game(between, near=mdplab.solvers.matrix_game(between).column).value


def read(task: DebateReward) -> tuple[ExactMDP, ExactMDP, Array]:
    """The model with either reward, and the actions of the policy of the float solver, proven optimal."""
    twin = mdplab.exact.ExactMDP.of(task.mdp)
    actions = task.policy.argmax(axis=1)
    if not mdplab.exact.policy_iteration(twin).optimal[np.arange(twin.n_states), actions].all():
        raise ValueError("the policy is not optimal")
    return twin, replace(twin, reward=mdplab.exact.rational(task.second)), actions


def one_hot(twin: ExactMDP, actions: Array) -> Array:
    """A deterministic policy."""
    return np.asarray(mdplab.exact.rational(np.eye(twin.n_actions, dtype=int)[actions]))


def advantages(task: DebateReward) -> tuple[Array, Array]:
    """``A_R`` and ``A_d``."""
    first, second, actions = read(task)
    found = [mdplab.exact.policy_evaluation(twin, one_hot(twin, actions)) for twin in (first, second)]
    loss, gain = (evaluation.q - evaluation.value[:, np.newaxis] for evaluation in found)
    return loss, gain


def threshold(task: DebateReward) -> Any:
    """The least ratio over pairs with ``A_d > 0``; 1 where there is none."""
    loss, gain = advantages(task)
    ratios = [-a / (b - a) for a, b in zip(loss.ravel(), gain.ravel(), strict=True) if b > 0]
    return min([*ratios, mdplab.exact.rational(1)])


def threshold_of_policies(task: DebateReward) -> Any:
    """The least weight at which a policy that deviates at once is as good, over all policies and states."""
    first, second, actions = read(task)
    own = [mdplab.exact.policy_evaluation(twin, one_hot(twin, actions)).value for twin in (first, second)]
    least = mdplab.exact.rational(1)
    for policy in task.everyone.argmax(axis=-1):
        lost, won = (
            mdplab.exact.policy_evaluation(twin, one_hot(twin, policy)).value - value
            for twin, value in zip((first, second), own, strict=True)
        )
        for s in np.flatnonzero(policy != actions):
            if won[s] > 0:
                least = min(least, -lost[s] / (won[s] - lost[s]))
    return least


def mixed(task: DebateReward, factor: str) -> tuple[ExactMDP, Array, Any]:
    """The model of the mixed reward at a multiple of the threshold, the actions of the policy, and the weight."""
    first, second, actions = read(task)
    weight = mdplab.exact.rational(float(factor)) * threshold(task)
    return replace(first, reward=(1 - weight) * first.reward + weight * second.reward), actions, weight


def value_below(task: DebateReward) -> Array:
    """Largest value of the mixed reward just below the threshold."""
    return mdplab.exact.policy_iteration(mixed(task, ".999")[0]).value


def kept_value(task: DebateReward) -> Array:
    """Value of the policy under the mixed reward just below the threshold."""
    twin, actions, _ = mixed(task, ".999")
    return mdplab.exact.policy_evaluation(twin, one_hot(twin, actions)).value


def loss_above(task: DebateReward) -> Any:
    """Largest loss of the policy just above the threshold."""
    twin, actions, _ = mixed(task, "1.001")
    best = mdplab.exact.policy_iteration(twin).value
    return (best - mdplab.exact.policy_evaluation(twin, one_hot(twin, actions)).value).max()


def advantage_above(task: DebateReward) -> Any:
    """Largest advantage over the policy just above the threshold."""
    weight = mixed(task, "1.001")[2]
    loss, gain = advantages(task)
    found = ((1 - weight) * loss + weight * gain).max()
    if not found > 0:
        raise ValueError("no action is better above the threshold")
    return found
