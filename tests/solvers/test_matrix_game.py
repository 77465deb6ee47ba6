"""Matrix games, regularised Nash policies against 60-digit arithmetic, Nash-MD."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np
import pytest

from mdplab.divergences import kl_from_logs
from mdplab.models import MatrixGame, PreferenceMatrix
from mdplab.solution import Status
from mdplab.solvers import matrix_game, nash_md, regularised_nash

P3 = np.array([[0.5, 0.9, 0.2], [0.1, 0.5, 0.7], [0.8, 0.3, 0.5]])
MU = np.array([0.5, 0.3, 0.2])
ROCK_PAPER_SCISSORS = np.array([[0.5, 1.0, 0.0], [0.0, 0.5, 1.0], [1.0, 0.0, 0.5]])


def random_preference(rng: np.random.Generator, n: int) -> np.ndarray:
    upper = np.triu(rng.beta(0.3, 0.3, (n, n)), 1)
    return np.asarray(upper + np.tril(1.0 - upper.T, -1) + 0.5 * np.eye(n))


def test_printed_nash() -> None:
    preference = np.array([[0.5, 0.95, 0.4], [0.05, 0.5, 0.99], [0.6, 0.01, 0.5]])
    solution = matrix_game(MatrixGame.preference_game(preference))
    assert solution.status is Status.CONVERGED
    for strategy in (solution.row, solution.column):
        np.testing.assert_allclose(strategy, [0.4711538462, 0.0961538462, 0.4326923077], atol=6e-11)
    assert solution.value == pytest.approx(0.0, abs=1e-14)


def test_rectangular_game_with_a_known_value() -> None:
    """(2, -1; -1, 1) has value 1/5; the third column is dominated for the minimiser."""
    solution = matrix_game(np.array([[2.0, -1.0, 3.0], [-1.0, 1.0, 2.0]]))
    assert abs(solution.value - 0.2) <= solution.certificate.bound < 1e-13
    np.testing.assert_allclose(solution.row, [0.4, 0.6], atol=1e-13)
    np.testing.assert_allclose(solution.column, [0.4, 0.6, 0.0], atol=1e-13)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_guarantees_of_random_games(scale: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(25):
        payoff = scale * rng.normal(size=rng.integers(1, 6, 2))
        solution = matrix_game(payoff)
        assert solution.status is Status.CONVERGED
        assert solution.lower <= (payoff.T @ solution.row).min()
        assert (payoff @ solution.column).max() <= solution.upper
        assert solution.gap <= 1e-13 * scale * payoff.size


def test_printed_regularised_nash() -> None:
    solution = regularised_nash(PreferenceMatrix(P3), MU, temperature=0.3)
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(solution.policy, [0.5012456339, 0.1963810938, 0.3023732722], atol=6e-11)
    assert float(kl_from_logs(solution.log_policy, np.log(MU))) == pytest.approx(0.04301998357, abs=1e-11)
    assert solution.value == pytest.approx(0.5, abs=1e-15)
    assert solution.certificate.bound < 1e-13


def test_a_payoff_without_the_symmetry_has_no_saddle() -> None:
    """The fixed point is still certified; the two one-sided values differ from each other and from 1/2."""
    broken = P3.copy()
    broken[0, 1] = 0.5
    solution = regularised_nash(broken, MU, temperature=0.3)
    assert solution.status is Status.CONVERGED
    np.testing.assert_allclose(solution.policy, [0.43752894, 0.24758525, 0.3148858], atol=6e-9)
    kl = float(kl_from_logs(solution.log_policy, np.log(MU)))
    highest = 0.3 * np.log((MU * np.exp(broken @ solution.policy / 0.3)).sum()) + 0.3 * kl
    lowest = -0.3 * np.log((MU * np.exp(-broken.T @ solution.policy / 0.3)).sum()) - 0.3 * kl
    assert highest == pytest.approx(0.4566697141, abs=6e-11)
    assert lowest == pytest.approx(0.4494933364, abs=6e-11)


def sixty_digits(
    preference: np.ndarray, reference: np.ndarray, temperature: float, steps: int
) -> list[Decimal]:
    """The fixed point for the stored floats by mirror steps in 60-digit arithmetic."""
    with localcontext() as context:
        context.prec = 60
        p = [[Decimal(float(x)) for x in row] for row in preference]
        log_mu = [Decimal(float(x)).ln() for x in reference]
        tau = Decimal(temperature)
        eta = 4 * tau
        logs = list(log_mu)
        for _ in range(steps):
            pi = [x.exp() for x in logs]
            gain = [sum(a * b for a, b in zip(row, pi, strict=True)) for row in p]
            logs = [
                (x + eta * tau * m + eta * g) / (1 + eta * tau)
                for x, m, g in zip(logs, log_mu, gain, strict=True)
            ]
            norm = sum(x.exp() for x in logs).ln()
            logs = [x - norm for x in logs]
        return [x.exp() for x in logs]


@pytest.mark.parametrize(("temperature", "steps"), [(0.3, 200), (1.0, 60), (0.15, 700)])
def test_the_bound_covers_the_rounding(temperature: float, steps: int) -> None:
    solution = regularised_nash(P3, MU, temperature=temperature)
    exact = sixty_digits(P3, MU, temperature, steps)
    error = sum(abs(Decimal(float(x)) - y) for x, y in zip(solution.policy, exact, strict=True))
    assert error <= Decimal(solution.certificate.bound)
    logs = [abs(Decimal(float(x)) - y.ln()) for x, y in zip(solution.log_policy, exact, strict=True)]
    assert max(logs) <= Decimal(solution.log_error)


@pytest.mark.parametrize("max_steps", [1, 2])
@pytest.mark.filterwarnings("ignore::mdplab.solution.ConvergenceWarning")
def test_the_bound_covers_an_unfinished_run(max_steps: int) -> None:
    rng = np.random.default_rng(1)
    loose = []
    for _ in range(60):
        n = int(rng.integers(2, 7))
        preference, mu = random_preference(rng, n), 0.98 * rng.dirichlet(np.ones(n)) + 0.02 / n
        mu /= mu.sum()
        temperature = float(10.0 ** rng.uniform(-1.0, 0.3))
        exact = regularised_nash(preference, mu, temperature=temperature)
        rough = regularised_nash(preference, mu, temperature=temperature, max_steps=max_steps)
        assert exact.status is Status.CONVERGED
        error = np.abs(rough.policy - exact.policy).sum()
        assert error <= rough.certificate.bound + exact.certificate.bound
        assert float(kl_from_logs(exact.log_policy, rough.log_policy)) <= rough.kl_error + 1e-14
        assert np.abs(rough.log_policy - exact.log_policy).max() <= rough.log_error + exact.log_error
        loose.append(rough.certificate.bound / max(error, 1e-12))
    assert min(loose) < 20.0


@pytest.mark.parametrize("temperature", [0.002, 0.01, 0.05])
def test_small_temperatures(temperature: float) -> None:
    rng = np.random.default_rng(2)
    for _ in range(10):
        preference = random_preference(rng, 4)
        solution = regularised_nash(preference, np.full(4, 0.25), temperature=temperature)
        assert solution.certificate.bound <= 1e-14 / temperature + 1e-13
        assert solution.value == pytest.approx(0.5, abs=1e-13)


def test_several_fixed_points_are_not_certified() -> None:
    """A coordination payoff at a low temperature has three fixed points."""
    solution = regularised_nash(np.eye(2), [0.5, 0.5], temperature=0.1)
    assert solution.status is Status.UNCERTIFIED
    assert solution.certificate.bound == np.inf


@pytest.mark.parametrize("payoff", [0.5, 0.0, 1e-310])
@pytest.mark.parametrize("temperature", [1e-2, 1.0, 1e200])
@pytest.mark.parametrize("n", [1, 3])
def test_exact_ties_and_single_responses_leave_the_reference(
    payoff: float, temperature: float, n: int
) -> None:
    reference = np.array([1.0]) if n == 1 else MU
    solution = regularised_nash(np.full((n, n), payoff), reference, temperature=temperature)
    assert solution.status is Status.CONVERGED
    assert np.abs(solution.policy - reference).sum() <= solution.certificate.bound <= 1e-12
    assert solution.value == pytest.approx(payoff, rel=1e-14, abs=1e-320)


def test_payoffs_whose_square_overflows() -> None:
    solution = regularised_nash(1e200 * P3, MU, temperature=3e199)
    np.testing.assert_allclose(solution.policy, regularised_nash(P3, MU, temperature=0.3).policy, atol=1e-13)


def test_nash_md_path() -> None:
    star = regularised_nash(P3, MU, temperature=0.3)
    run = nash_md(P3, MU, temperature=0.3, steps=5, schedule=0.5)
    np.testing.assert_allclose(
        kl_from_logs(star.log_policy, run.log_policies),
        [0.04301998358, 0.03145311318, 0.02314970417, 0.01714652793, 0.01278007459, 0.00958834472],
        atol=6e-12,
    )
    np.testing.assert_allclose(run.policies[5], [0.5373274603, 0.2206369464, 0.2420355933], atol=6e-11)
    assert run.status is Status.UNCERTIFIED


def test_nash_md_schedule_and_bias() -> None:
    star = regularised_nash(P3, MU, temperature=0.3)
    run = nash_md(P3, MU, temperature=0.3, steps=200)
    kl = kl_from_logs(star.log_policy, run.log_policies)
    assert kl[10] == pytest.approx(8.14356051e-4, abs=6e-13)
    assert kl[200] == pytest.approx(2.22058869e-6, abs=6e-15)
    np.testing.assert_allclose(run.step_sizes[:2], [1.0 / 0.3, 2.0 / 0.9])
    biased = nash_md(P3, MU, temperature=0.3, steps=400, schedule=lambda t: 0.5)
    np.testing.assert_allclose(biased.policies[-1], [0.5100049424, 0.1893584699, 0.3006365877], atol=6e-11)
    once = nash_md(P3, MU, temperature=0.3, steps=1, schedule=0.5, initial=star.policy)
    assert float(kl_from_logs(star.log_policy, once.log_policies[1])) == pytest.approx(
        5.814967746e-6, abs=1e-14
    )


def test_nash_md_on_rock_paper_scissors() -> None:
    uniform = np.full(3, 1.0 / 3.0)
    run = nash_md(
        ROCK_PAPER_SCISSORS, uniform, temperature=0.2, steps=200, schedule=0.5, initial=[0.5, 0.3, 0.2]
    )
    kl = kl_from_logs(np.log(uniform), run.log_policies)
    np.testing.assert_allclose(kl[[1, 5]], [0.0580198093, 0.0265327691], atol=6e-11)
    assert kl[200] < 1e-14


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: regularised_nash(P3, [0.5, 0.5, 0.0], temperature=1.0), "reference"),
        (lambda: regularised_nash(P3[:2], MU, temperature=1.0), "preference"),
        (lambda: regularised_nash(P3, MU, temperature=0.0), "temperature"),
        (lambda: nash_md(P3, MU, temperature=0.3, steps=1, schedule=4.0), "schedule"),
        (lambda: matrix_game(np.array([[np.nan]])), "game"),
        (lambda: matrix_game(np.eye(2), tol=-1.0), "tol: -1.0"),
        (lambda: regularised_nash(P3, MU, temperature=0.3, tol=np.nan), "tol: nan"),
        (lambda: regularised_nash(P3, MU, temperature=0.3, max_steps=1.5), "max_steps: 1.5"),  # type: ignore[arg-type]
    ],
)
def test_bad_arguments(call: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]
