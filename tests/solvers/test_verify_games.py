"""verify() of games: correct solutions pass on random games, and each disturbed field fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdplab.models import MatrixGame, PreferenceMatrix
from mdplab.solution import ConvergenceWarning
from mdplab.solvers import matrix_game, nash_md, regularised_nash, verify
from tests.verification import assert_every_field_is_checked, failures, moved, shifted, with_bound


def preference(seed: int) -> tuple[PreferenceMatrix, np.ndarray]:
    rng = np.random.default_rng([seed, 91])
    n = int(rng.integers(2, 7))
    upper = np.triu(rng.uniform(size=(n, n)), 1)
    table = upper + np.tril(1 - upper.T, -1)
    np.fill_diagonal(table, 0.5)
    return PreferenceMatrix(table), rng.dirichlet(np.ones(n))


@pytest.mark.parametrize("seed", range(30))
def test_random_games_pass(seed: int) -> None:
    rng = np.random.default_rng([seed, 92])
    payoff = rng.normal(size=rng.integers(1, 8, 2)) * 10.0 ** rng.integers(-3, 4)
    payoff = np.round(payoff) if seed % 3 == 0 else payoff
    game = MatrixGame(payoff)
    solution = matrix_game(game)
    assert verify(game, solution).passed
    assert verify(payoff, solution).passed
    model, reference = preference(seed)
    temperature = float(10.0 ** rng.uniform(-1.5, 2))
    assert verify(model, regularised_nash(model, reference, temperature=temperature)).passed
    assert verify(model, nash_md(model, reference, temperature=temperature, steps=5)).passed


def test_every_field_of_a_game() -> None:
    game = MatrixGame([[0.0, -1.0, 2.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])
    solution = matrix_game(game)
    bound = solution.certificate.bound
    changes = {
        "row": lambda x: np.roll(x, 1),
        "column": lambda x: np.roll(x, 1),
        "value": shifted(10 * bound),
        "lower": shifted(10 * bound),
        "upper": shifted(-10 * bound),
    }
    assert_every_field_is_checked(game, solution, changes)
    off = solution.value + 10 * bound
    assert "value within certificate.bound" not in failures(
        game, solution, value=off, certificate=with_bound(solution, 20 * bound)
    )
    assert "row sums to 1" in failures(game, solution, row=solution.row * 1.01)
    assert "column is non-negative" in failures(game, solution, column=solution.column - 0.5)


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_every_field_of_a_regularised_game(temperature: float) -> None:
    model, reference = preference(1)
    solution = regularised_nash(model, reference, temperature=temperature)
    bound = solution.certificate.bound
    changes = {
        "policy": moved(10 * bound),
        "log_policy": moved(10 * (solution.log_error + bound)),
        "value": shifted(1e-9),
        "gap": shifted(1e-9),
        "log_reference": moved(1e-6),
        "temperature": lambda x: x * (1 + 1e-6),
    }
    assert_every_field_is_checked(model, solution, changes, inputs=("kl_error", "log_error"))


def test_the_bounds_of_an_unfinished_regularised_game() -> None:
    model, reference = preference(1)
    with pytest.warns(ConvergenceWarning):
        solution = regularised_nash(model, reference, temperature=0.05, max_steps=1)
    assert verify(model, solution).passed
    assert failures(model, solution, kl_error=0.0) == {"KL divergences within kl_error"}
    assert failures(model, solution, log_error=0.0) == {"log_policy within log_error"}
    none = with_bound(solution, 0.0)
    assert failures(model, solution, certificate=none) == {"policy within certificate.bound"}


def test_every_field_of_nash_md() -> None:
    model, reference = preference(4)
    solution = nash_md(model, reference, temperature=0.3, steps=4, initial=np.roll(reference, 1))
    changes = {
        "log_policies": lambda x: (
            x + 1e-9 * (np.arange(len(x)) == 2)[:, np.newaxis] * (np.arange(x.shape[1]) == 0)
        ),
        "step_sizes": moved(1e-9),
        "log_reference": moved(1e-9),
        "temperature": lambda x: x * (1 + 1e-9),
    }
    assert_every_field_is_checked(model, solution, changes)
    assert "one policy more than steps" in failures(model, solution, step_sizes=solution.step_sizes[:-1])


def test_another_model_is_refused() -> None:
    solution = matrix_game(np.eye(2))
    with pytest.raises(ValueError, match="another model was solved"):
        verify(np.eye(3), solution)
    with pytest.raises(TypeError, match="a GameSolution belongs to a game"):
        verify(object(), solution)
    assert not verify(2 * np.eye(2), replace(solution)).passed
