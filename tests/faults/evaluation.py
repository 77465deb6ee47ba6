"""One fault at a time in what conditioning, off-policy evaluation and lookahead stand on: which claims see it."""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np

from injection import Row
from mdplab import operators


def value_after_the_action(doubly_robust: Callable[..., Any]) -> Callable[..., Any]:
    """The ratio of the own action weighs the estimated value too: still without bias."""

    def wrong(log: Any, target: Any, behaviour: Any, q: Any, *, discount: float = 1.0) -> Any:
        right = doubly_robust(log, target, behaviour, q, discount=discount)
        ratios = operators.importance_ratios(log, target, behaviour)
        late = ratios - np.concatenate((np.ones_like(ratios[:, :1]), ratios[:, :-1]), axis=1)
        stages = np.arange(ratios.shape[1])
        value = (target * q).sum(axis=-1)[stages, log.states[:, :-1]]
        return right + (late * value) @ discount**stages

    return wrong


def reward_before_the_action(per_decision: Callable[..., Any]) -> Callable[..., Any]:
    """A reward is weighed by the decisions before its own."""

    def wrong(log: Any, target: Any, behaviour: Any, *, discount: float = 1.0) -> Any:
        ratios = operators.importance_ratios(log, target, behaviour)
        before = np.concatenate((np.ones_like(ratios[:, :1]), ratios[:, :-1]), axis=1)
        return (before * log.rewards) @ discount ** np.arange(ratios.shape[1])

    return wrong


def behaviour_forgotten(variance: Callable[..., Any]) -> Callable[..., Any]:
    """The variance on data of the target itself."""

    def wrong(model: Any, target: Any, behaviour: Any, q: Any, **options: Any) -> Any:
        return variance(model, target, target, q, **options)

    return wrong


def not_normalised(self_normalised: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(ratios: Any, returns: Any) -> Any:
        return np.mean(np.asarray(ratios) * returns, axis=-1)

    return wrong


def laws_exchanged(density_ratio: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(first: Any, second: Any) -> Any:
        return density_ratio(second, first)

    return wrong


def mean_in_the_place_of_the_maximum(lookahead_backup: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(mdp: Any, q: Any) -> Any:
        return lookahead_backup(mdp, np.broadcast_to(np.mean(q, axis=-1, keepdims=True), np.shape(q)))

    return wrong


def what_is_promised(worst_greedy_value: Callable[..., Any]) -> Callable[..., Any]:
    """The largest action value in the place of what the policy obtains."""

    def wrong(mdp: Any, q: Any, tol: float = 0.0) -> Any:
        found = np.array(worst_greedy_value(mdp, q, tol))
        found[:-1] = np.max(q, axis=-1)
        return found

    return wrong


def best_of_greedy(worst_greedy_value: Callable[..., Any]) -> Callable[..., Any]:
    """Of actions that tie, the best."""

    def wrong(mdp: Any, q: Any, tol: float = 0.0) -> Any:
        return -worst_greedy_value(mdp.replace(reward=-mdp.reward, terminal=-mdp.terminal), q, tol)

    return wrong


def ties_counted_twice(choice: Callable[..., Any]) -> Callable[..., Any]:
    """A plan wins a tie against the plans before it too."""
    source = textwrap.dedent(inspect.getsource(choice))
    changed = source.replace("below[:-1]", "below[1:]")
    assert changed != source
    scope = dict(vars(inspect.getmodule(choice)))
    exec(changed, scope)
    wrong: Callable[..., Any] = scope[choice.__name__]
    return wrong


def deviation_of_a_sample(sharpe_ratio_at: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(estimates: Any, values: Any, k: int, *, baseline: float) -> Any:
        return sharpe_ratio_at(estimates, values, k, baseline=baseline) * np.sqrt(1 - 1 / k)

    return wrong


def regret_of_the_worst(regret_at: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(estimates: Any, values: Any, k: int) -> Any:
        return float(np.max(values) - np.min(values))

    return wrong


def condition_forgotten(conditioned: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: Any, weights: Any) -> Any:
        return conditioned(self, np.ones_like(weights, dtype=float))

    return wrong


def divergence_exchanged(gibbs_gap: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(laws: Any, score: Any, *, log_reference: Any) -> Any:
        tilted = log_reference + score - operators.log_sum_exp(score, log_reference=log_reference)
        with np.errstate(divide="ignore"):
            return (np.exp(tilted) * (tilted - np.log(laws))).sum(axis=-1)

    return wrong


OFF_POLICY, LOOKAHEAD, SELECTION = (
    f"mdplab.operators.{module}" for module in ("off_policy", "lookahead", "policy_selection")
)
ESTIMATORS = ("ope-exact-bias-variance",)

FAULTS: list[Row] = [
    (OFF_POLICY, "doubly_robust", value_after_the_action, ESTIMATORS),
    (OFF_POLICY, "per_decision_importance_sampling", reward_before_the_action, ESTIMATORS),
    (OFF_POLICY, "doubly_robust_variance", behaviour_forgotten, ESTIMATORS),
    (OFF_POLICY, "self_normalised", not_normalised, ESTIMATORS),
    ("mdplab.operators.occupancy", "density_ratio", laws_exchanged, ESTIMATORS),
    (
        LOOKAHEAD,
        "lookahead_backup",
        mean_in_the_place_of_the_maximum,
        ("qvi-solvability", "random-exploration-fqi-error"),
    ),
    (LOOKAHEAD, "worst_greedy_value", what_is_promised, ("qvi-solvability",)),
    (LOOKAHEAD, "worst_greedy_value", best_of_greedy, ("qvi-solvability",)),
    (
        "mdplab.enumeration.rollouts",
        "_Rollouts.choice",
        ties_counted_twice,
        ("gorp-effective-horizon-bound",),
    ),
    (SELECTION, "sharpe_ratio_at", deviation_of_a_sample, ("sharpe-ratio-vs-accuracy",)),
    (SELECTION, "regret_at", regret_of_the_worst, ("sharpe-ratio-vs-accuracy",)),
    (
        "mdplab.enumeration.trajectories",
        "Trajectories.conditioned_action_log_probability",
        condition_forgotten,
        ("rcsl-inconsistency", "doc-consistency-and-information-gap"),
    ),
    ("mdplab.operators.tilt", "gibbs_gap", divergence_exchanged, ("conditional-training-is-tilting",)),
]

ONLY_BY_A_NUMBER = (best_of_greedy,)
"""All actions that tie after T steps are optimal: a printed value of fewer steps alone tells."""
