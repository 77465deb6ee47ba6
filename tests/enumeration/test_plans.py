"""Plans of games of alternating moves: numbers of them, their payoffs, and the value of the game between them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.enumeration import plan_game
from mdplab.operators import alternating_value
from mdplab.solvers import matrix_game


def played(payoff, row, column):
    """Payoff of two plans, each a dictionary from the opponent's moves to a move: the slow twin."""
    moves = []
    for t in range(payoff.ndim):
        mover, seen = (row, moves[1::2]) if t % 2 == 0 else (column, moves[0::2])
        moves.append(mover[tuple(seen)])
    return payoff[tuple(moves)]


def all_plans(sizes, first):
    """All plans of a player, in the order of the library, as dictionaries."""
    slots = [
        (seen, sizes[t])
        for t in range(first, len(sizes), 2)
        for seen in np.ndindex(*sizes[1 - first : t : 2])
    ]
    for choice in np.ndindex(*[size for _, size in slots]):
        yield {seen: move for (seen, _), move in zip(slots, choice, strict=True)}


@pytest.mark.parametrize("sizes", [(3,), (2, 3), (2, 3, 2), (3, 2, 2), (1, 2, 1, 2), (2, 1, 2, 2, 1)])
def test_payoffs_are_those_of_the_plans_played(sizes):
    payoff = np.arange(np.prod(sizes), dtype=float).reshape(sizes)
    expected = [
        [played(payoff, row, column) for column in all_plans(sizes, 1)] for row in all_plans(sizes, 0)
    ]
    assert plan_game(payoff).payoff.tolist() == expected


def test_numbers_of_plans():
    assert plan_game(np.zeros((3, 3, 3))).shape == (81, 27)
    assert plan_game(np.zeros((2, 2, 2, 2))).shape == (8, 64)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(0, 2**32 - 1))
def test_the_game_between_plans_has_the_value_of_backward_induction(sizes, seed):
    payoff = np.random.default_rng(seed).normal(size=sizes)
    found = matrix_game(plan_game(payoff))
    assert found.lower - 1e-9 <= alternating_value(payoff) <= found.upper + 1e-9
    game = plan_game(payoff).payoff
    assert game.min(axis=1).max() == game.max(axis=0).min() == alternating_value(payoff)  # pure plans suffice


def test_moving_second_is_an_advantage_in_matching_pennies():
    pennies = np.array([[1.0, -1.0], [-1.0, 1.0]])
    assert alternating_value(pennies) == -1.0
    assert alternating_value(pennies.T[np.newaxis]) == 1.0
    assert matrix_game(pennies).value == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("payoff", [1.0, np.zeros((2, 0)), [1.0, np.nan], [1j, 0.0]])
def test_no_game(payoff):
    with pytest.raises(ValueError, match="payoff"):
        alternating_value(payoff)


def test_too_many_plans_are_refused_before_they_are_listed():
    with pytest.raises(ValueError, match="more than the cap"):
        plan_game(np.zeros((4, 4, 4, 4, 4)))
    with pytest.raises(ValueError, match="payoff"):
        plan_game(3.0)
    with pytest.raises(ValueError, match="payoff"):
        plan_game([[np.inf, 0.0]])
