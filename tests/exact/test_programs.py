"""Exact linear programs and games: against HiGHS, policy iteration and games with known values."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

from mdplab import exact, solvers
from mdplab.solution import Status
from tests.small_models import random_mdp

STATUS = {0: Status.CONVERGED, 2: Status.INFEASIBLE, 3: Status.UNBOUNDED}


def random_program(seed: int) -> tuple[Any, dict[str, Any]]:
    """Small integers: degenerate, infeasible, unbounded and redundant programs are common."""
    rng = np.random.default_rng(seed)
    n, m, k = int(rng.integers(1, 6)), int(rng.integers(0, 6)), int(rng.integers(0, 3))
    options: dict[str, Any] = {"free": bool(rng.random() < 0.3)}
    if m:
        options["at_most"] = (rng.integers(-3, 4, (m, n)), rng.integers(-3, 6, m))
    if k:
        options["equal"] = (rng.integers(-2, 3, (k, n)), rng.integers(-2, 5, k))
    return rng.integers(-3, 4, n), options


def test_programs_agree_with_floats() -> None:
    seen: Counter[Status] = Counter()
    for seed in range(150):
        cost, options = random_program(seed)
        found = exact.linear_program(cost, **options)
        a, b = options.get("at_most", (None, None))
        e, f = options.get("equal", (None, None))
        bounds = (None, None) if options["free"] else (0, None)
        floats = linprog(-cost, a, b, e, f, bounds, options={"presolve": False})
        assert found.status is STATUS[floats.status], seed
        seen[found.status] += 1
        if found.status is not Status.CONVERGED:
            assert found.value is None
            continue
        assert float(found.value) == pytest.approx(-floats.fun, abs=1e-9)
        assert exact.is_optimal_program_pair(cost, found.primal, found.dual, **options)
        near = exact.linear_program(cost, near=floats.x, **options)
        assert near.value == found.value
        assert exact.is_optimal_program_pair(cost, near.primal, near.dual, **options)
    assert min(seen.values()) > 20


def test_a_wrong_pair_is_seen() -> None:
    """Maximise x + y with x + 2y <= 4, 3x + y <= 6: the vertex (8/5, 6/5), multipliers (2/5, 1/5)."""
    at_most = ([[1, 2], [3, 1]], [4, 6])
    found = exact.linear_program([1, 1], at_most=at_most)
    assert exact.fractions(found.value) == Fraction(14, 5)
    assert exact.fractions(found.primal).tolist() == [Fraction(8, 5), Fraction(6, 5)]
    assert exact.fractions(found.dual).tolist() == [Fraction(2, 5), Fraction(1, 5)]
    tiny = exact.rational(Fraction(1, 10**40))
    for primal, dual in (
        (found.primal + tiny, found.dual),  # infeasible
        (found.primal - tiny, found.dual),  # a gap
        (found.primal, found.dual - tiny),  # dual infeasible
        (found.primal, found.dual + tiny),
        ([-1, 2.5], found.dual),
    ):
        assert not exact.is_optimal_program_pair([1, 1], primal, dual, at_most=at_most)


def test_beale_does_not_cycle() -> None:
    """Beale's program, on which the simplex method with the largest coefficient cycles; value 1/20."""
    q = Fraction
    rows = [[q(1, 4), -60, q(-1, 25), 9], [q(1, 2), -90, q(-1, 50), 3], [0, 0, 1, 0]]
    found = exact.linear_program([q(3, 4), -150, q(1, 50), -6], at_most=(rows, [0, 0, 1]))
    assert exact.fractions(found.value) == q(1, 20)


def test_a_program_without_constraints() -> None:
    assert exact.linear_program([-1, 0]).value == 0
    assert exact.linear_program([1]).status is Status.UNBOUNDED


@pytest.mark.parametrize("seed", range(4))
def test_the_programs_of_control(seed: int) -> None:
    """Values and occupancies: both programs have the value of policy iteration, (1 - discount) * start @ V."""
    mdp = random_mdp(seed)
    twin = exact.ExactMDP.of(mdp)
    control = exact.policy_iteration(twin)
    states, pairs = twin.n_states, twin.n_states * twin.n_actions
    source = np.repeat(exact.identity(states), twin.n_actions, axis=0)
    flow = source - twin.discount * twin.transition.reshape(pairs, states)
    start = (1 - twin.discount) * twin.initial
    dual = exact.linear_program(twin.reward.ravel(), equal=(flow.T, start))
    assert dual.value == start @ control.value
    assert exact.is_optimal_pair(twin, control.value, dual.primal.reshape(twin.reward.shape))
    primal = exact.linear_program(-start, at_most=(-flow, -twin.reward.ravel()), free=True)
    assert -primal.value == dual.value


def test_games_with_known_values() -> None:
    rock = exact.matrix_game([[0, 1, -1], [-1, 0, 1], [1, -1, 0]])
    assert exact.fractions(rock.value) == 0
    assert exact.fractions(rock.row).tolist() == [Fraction(1, 3)] * 3 == exact.fractions(rock.column).tolist()
    mixed = exact.matrix_game([[3, -1], [-2, 4]])
    assert exact.fractions(mixed.value) == 1
    assert exact.fractions(mixed.row).tolist() == [Fraction(3, 5), Fraction(2, 5)]
    assert exact.matrix_game([[5, 3], [2, 1]]).value == 3  # a saddle


@pytest.mark.parametrize("seed", range(6))
def test_games_prove_themselves_and_bound_the_floats(seed: int) -> None:
    rng = np.random.default_rng(seed)
    payoff = rng.normal(size=tuple(rng.integers(1, 7, 2)))
    floats = solvers.matrix_game(payoff)
    for game in (
        exact.matrix_game(exact.dyadic(payoff)),
        exact.matrix_game(exact.dyadic(payoff), near=floats.column),
    ):
        assert game.row.sum() == 1 == game.column.sum()
        assert (game.row >= 0).all()
        assert (game.column >= 0).all()
        table = exact.dyadic(payoff)
        assert (game.row @ table).min() == game.value == (table @ game.column).max()
        assert exact.distance(game.value, exact.dyadic(floats.value)) <= floats.certificate.bound


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exact.linear_program([[1]]), r"cost has shape \(1, 1\)"),
        (lambda: exact.linear_program([1, 2], at_most=([[1]], [1])), r"at_most has the shapes \(1, 1\)"),
        (lambda: exact.linear_program([1], equal=([[1]], exact.log([2]))), "equal holds balls"),
        (lambda: exact.linear_program([1], near=[1, 2]), r"near has shape \(2,\)"),
        (lambda: exact.is_optimal_program_pair([1], [1, 2], []), "primal and dual have the shapes"),
        (lambda: exact.matrix_game([1, 2]), r"game has shape \(2,\)"),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
