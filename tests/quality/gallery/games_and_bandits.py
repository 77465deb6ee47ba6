"""Conjectures about preferences, zero-sum games, and bandits with data."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from mdplab import exact, solvers
from mdplab.instances import matrix_games, preference_matrices
from mdplab.models import MatrixGame, PreferenceMatrix
from quality.gallery.arithmetic import FLOATS, Arithmetic
from quality.gallery.entry import Entry, nothing
from quality.gallery.families import Games, Pooled, RiskyArms, pooled, risky_arms, two_games

Sides = tuple[Any, Any]

LINEAR_PROGRAMS = 100
"""Evaluations of a test whose sides solve linear programs, which take milliseconds."""


def condorcet_winner_exists(x: PreferenceMatrix, a: Arithmetic = FLOATS) -> Sides:
    """Some response wins against every other with probability at least one half."""
    wins = a.number(x.probability)
    return a.number(1) / 2, wins.min(axis=1).max()


def preferences_are_transitive(x: PreferenceMatrix, a: Arithmetic = FLOATS) -> Sides:
    """If i beats j and j beats k, i beats k at least as often as it beats j and as j beats k."""
    wins, half = a.number(x.probability), a.number(1) / 2
    beats = wins > half + a.tie
    triples = [(i, j, k) for i, j in np.argwhere(beats) for k in np.flatnonzero(beats[j])]
    if not triples:
        return nothing(a)
    i, j, k = np.array(triples).T
    return np.maximum(wins[i, j], wins[j, k]), wins[i, k]


def condorcet_winner_has_the_best_average(x: PreferenceMatrix, a: Arithmetic = FLOATS) -> Sides:
    """A response that beats every other wins against a random one at least as often as any other does."""
    wins, half = a.number(x.probability), a.number(1) / 2
    least = (wins + a.identity(len(wins))).min(axis=1)
    if not (least > half + a.tie).any():
        return nothing(a)
    average = wins.sum(axis=1)
    return average.max(), average[np.argmax(least > half + a.tie)]


def arm_best_in_every_context_is_best_in_pooled_data(x: Pooled, a: Arithmetic = FLOATS) -> Sides:
    """An arm with the largest mean reward in every context has the largest mean reward in the pooled data."""
    context, behaviour, reward = a.law(x.context), a.law(x.behaviour), a.number(x.reward)
    best = (reward >= reward.max(axis=1, keepdims=True) - a.tie).all(axis=0)
    if not best.any():
        return nothing(a)
    weight = context[:, np.newaxis] * behaviour
    average = (weight * reward).sum(axis=0) / weight.sum(axis=0)
    return average.max(), average[np.argmax(best)]


def imitating_returns_above_the_mean_improves(x: RiskyArms, a: Arithmetic = FLOATS) -> Sides:
    """The law of the action given a return of at least the mean has at least the mean return."""
    policy, atoms, masses = a.law(x.policy), a.number(x.atoms), a.law(x.masses)
    gain = (atoms * masses).sum(axis=1)
    mean = policy @ gain
    success = np.where(atoms >= mean - a.tie, masses, 0 * masses).sum(axis=1)
    imitated = policy * success
    return mean, imitated @ gain / imitated.sum()


def _solved(a: Arithmetic, payoff: Any) -> tuple[Any, Any, Any]:
    """Value and optimal strategies of a game."""
    found: Any
    if a is FLOATS:
        found = solvers.matrix_game(MatrixGame(payoff))
        return found.value, found.row, found.column
    found = exact.matrix_game(payoff)
    return found.value, found.row, found.column


def _lost(x: Games, a: Arithmetic) -> tuple[Any, Any]:
    """What an optimal strategy of the first game loses in the other, and the largest change of a payoff."""
    payoff, other = a.number(x.game.payoff), a.number(x.other.payoff)
    value, _, _ = _solved(a, other)
    _, row, _ = _solved(a, payoff)
    return value - (row @ other).min(), abs(payoff - other).max()


def optimal_strategy_loses_no_more_than_the_payoffs_change(x: Games, a: Arithmetic = FLOATS) -> Sides:
    """When payoffs change by at most d, an old optimal strategy secures the new value up to d."""
    return _lost(x, a)


def best_against_the_uniform_opponent_secures_most(x: MatrixGame, a: Arithmetic = FLOATS) -> Sides:
    """The action that is best against the uniform opponent secures at least as much as any other single action."""
    payoff = a.number(x.payoff)
    secured = payoff.min(axis=1)
    return secured.max(), secured[a.first_best(payoff.sum(axis=1))]


# --- true -----------------------------------------------------------------------------------------------------------


def optimal_strategy_loses_at_most_twice_the_change(x: Games, a: Arithmetic = FLOATS) -> Sides:
    """When payoffs change by at most d, an old optimal strategy secures the new value up to 2 d."""
    loss, change = _lost(x, a)
    return loss, 2 * change


def bradley_terry_preferences_are_transitive(x: PreferenceMatrix, a: Arithmetic = FLOATS) -> Sides:
    """With Bradley-Terry preferences, i beats k at least as often as it beats j and as j beats k (odds multiply)."""
    return preferences_are_transitive(x, a)


def game_value_moves_no_more_than_the_payoffs(x: Games, a: Arithmetic = FLOATS) -> Sides:
    """When payoffs change by at most d, the value of the game changes by at most d."""
    payoff, other = a.number(x.game.payoff), a.number(x.other.payoff)
    return abs(_solved(a, payoff)[0] - _solved(a, other)[0]), abs(payoff - other).max()


def minimax_equals_maximin(x: Games, a: Arithmetic = FLOATS) -> Sides:
    """What the row player can secure is what the column player can hold it to."""
    payoff = a.number(x.game.payoff)
    _, row, _ = _solved(a, payoff)
    _, column, _ = _solved(a, -payoff.T)
    return (row @ payoff).min(), (payoff @ column).max()


ENTRIES = (
    Entry(condorcet_winner_exists, preference_matrices, "Cycles: M. de Condorcet 1785."),
    Entry(
        preferences_are_transitive,
        preference_matrices,
        "Strong stochastic transitivity is an assumption, which the Bradley-Terry model makes.",
    ),
    Entry(
        condorcet_winner_has_the_best_average,
        preference_matrices,
        "Borda's winner may win by large margins and lose narrowly to Condorcet's.",
    ),
    Entry(
        arm_best_in_every_context_is_best_in_pooled_data,
        pooled,
        "Simpson's paradox: the behaviour takes the arm in the bad contexts.",
    ),
    Entry(
        imitating_returns_above_the_mean_improves,
        risky_arms,
        "It prefers the arm that exceeds the mean often, not the one that exceeds it by much.",
    ),
    Entry(
        optimal_strategy_loses_no_more_than_the_payoffs_change,
        two_games,
        "The value falls by d and what the strategy secures by another d.",
        evaluations=LINEAR_PROGRAMS,
    ),
    Entry(
        best_against_the_uniform_opponent_secures_most,
        matrix_games,
        "The opponent answers.",
    ),
    Entry(
        bradley_terry_preferences_are_transitive,
        partial(preference_matrices, kind="bradley-terry"),
        "The log-odds are differences of scores.",
        true=True,
    ),
    Entry(
        optimal_strategy_loses_at_most_twice_the_change,
        two_games,
        "The strategy secures the old value less d, and the new value exceeds the old one by at most d.",
        true=True,
        tight=True,
        evaluations=LINEAR_PROGRAMS,
    ),
    Entry(
        game_value_moves_no_more_than_the_payoffs,
        two_games,
        "Both players' guarantees move by at most d.",
        true=True,
        tight=True,
        evaluations=LINEAR_PROGRAMS,
    ),
    Entry(
        minimax_equals_maximin,
        two_games,
        "J. von Neumann 1928.",
        true=True,
        kind="equal",
        evaluations=LINEAR_PROGRAMS,
    ),
)
