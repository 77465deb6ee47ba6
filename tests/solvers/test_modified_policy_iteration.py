"""Modified policy iteration against exact rationals and other routes."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

from mdplab.models import MDP
from mdplab.solution import ConvergenceWarning, Status
from mdplab.solvers import modified_policy_iteration, policy_iteration, value_iteration, verify
from tests import naive
from tests.small_models import as_sparse, t3
from tests.solver_models import model


@pytest.mark.parametrize("discount", [0.0, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("seed", range(12))
def test_bounds_hold_against_exact_policy_iteration(seed: int, discount: float) -> None:
    mdp = model(seed, discount)
    rows, gain = naive.exact_rows(mdp), naive.fractions_of(mdp.reward)
    value = naive.exact_optimum(rows, gain, Fraction(discount))
    q = naive.exact_lookahead(rows, gain, Fraction(discount), value)
    for form, tol in ((mdp, 0.0), (as_sparse(mdp), 0.0), (mdp, 1e-5), (as_sparse(mdp), 1e-5)):
        found = modified_policy_iteration(form, tol=tol)
        bound = found.certificate.bound
        assert found.status is (Status.CONVERGED if bound <= tol else Status.PRECISION_LIMIT)
        assert naive.largest_error(found.value, value) <= bound <= 10 * max(tol, found.certificate.rounding)
        assert naive.largest_error(found.q, q) <= found.q_error
        own = naive.exact_evaluation(rows, gain, Fraction(discount), naive.fractions_of(found.policy))
        assert max(float(v - w) for v, w in zip(value, own, strict=True)) <= found.suboptimality
        assert len(found.residuals) == found.steps


def grid(side: int, discount: float) -> MDP:
    """A slippery grid with a goal in the corner and a cost of one a step."""
    states = np.arange(side * side)
    y, x = np.divmod(states, side)
    moves = [(0, -1), (1, 0), (0, 1), (-1, 0)]
    goes = np.stack(
        [np.clip(y + b, 0, side - 1) * side + np.clip(x + a, 0, side - 1) for a, b in moves], axis=1
    )
    goes[0] = 0
    columns = np.stack([goes, np.roll(goes, -1, axis=1), np.roll(goes, 1, axis=1)], axis=2).ravel()
    rows = np.repeat(np.arange(4 * side * side), 3)
    chances = np.tile([0.8, 0.1, 0.1], 4 * side * side)
    reward = np.full((side * side, 4), -1.0)
    reward[0] = 0.0
    return MDP(sparse.csr_array((chances, (rows, columns)), shape=(4 * side**2, side**2)), reward, discount)


@pytest.mark.parametrize("inner", [0, 1, 5, 100])
def test_any_number_of_inner_sweeps(inner: int) -> None:
    mdp = grid(12, 0.97)
    found = modified_policy_iteration(mdp, tol=1e-9, inner=inner)
    assert found.status is Status.CONVERGED
    truth = policy_iteration(mdp)
    assert np.abs(found.value - truth.value).max() <= found.certificate.bound + truth.certificate.bound
    assert verify(mdp, found).passed


def test_it_needs_fewer_optimality_sweeps_than_value_iteration() -> None:
    mdp = grid(20, 0.99)
    assert modified_policy_iteration(mdp).steps < 0.25 * value_iteration(mdp).steps


def moved_goal(side: int, goal: int, discount: float) -> MDP:
    """The grid with its states numbered anew, so that the goal is another one."""
    order = np.roll(np.arange(side * side), goal)
    old = grid(side, discount)
    kernel = old.transition.toarray().reshape(side * side, 4, side * side)
    return MDP(
        sparse.csr_array(kernel[np.ix_(order, np.arange(4), order)].reshape(-1, side * side)),
        old.reward[order],
        discount,
    )


def chain(states: int, discount: float) -> MDP:
    """Left is certain and pays a little, right is slow and leads to the reward (river swim)."""
    kernel, reward = np.zeros((states, 2, states)), np.zeros((states, 2))
    for s in range(states):
        kernel[s, 0, max(s - 1, 0)] = 1.0
        np.add.at(kernel[s, 1], [min(s + 1, states - 1), s, max(s - 1, 0)], [0.35, 0.6, 0.05])
    kernel /= kernel.sum(axis=-1, keepdims=True)
    reward[0, 0], reward[-1, 1] = 0.005, 1.0
    return as_sparse(MDP(kernel, reward, discount))


def jumps(states: int, discount: float) -> MDP:
    """Certain moves to states drawn at random: sweeps in place are tried there, and given up."""
    rng = np.random.default_rng(0)
    goes = rng.integers(0, states, states * 3)
    kernel = sparse.csr_array((np.ones(goes.size), (np.arange(goes.size), goes)), shape=(goes.size, states))
    return MDP(kernel, rng.random((states, 3)), discount)


@pytest.mark.parametrize(
    "mdp",
    [
        grid(15, 0.9),
        grid(15, 0.999),
        moved_goal(12, 70, 0.99),
        chain(80, 0.99),
        chain(40, 0.999),
        jumps(300, 0.9),
    ],
    ids=["grid", "far grid", "goal inside", "chain", "slow chain", "jumps"],
)
@pytest.mark.parametrize("tol", [1e-6, 1e-9, 0.0])
def test_bounds_hold_where_sweeps_in_place_take_over(mdp: MDP, tol: float) -> None:
    truth = policy_iteration(mdp, tol=0.0)
    found = modified_policy_iteration(mdp, tol=tol)
    assert found.status is (Status.CONVERGED if tol else Status.PRECISION_LIMIT)
    assert np.abs(found.value - truth.value).max() <= found.certificate.bound + truth.certificate.bound
    assert found.certificate.bound <= 10 * max(tol, found.certificate.rounding)
    assert len(found.residuals) == found.steps


def test_values_pass_through_a_chain_at_once() -> None:
    mdp = chain(400, 0.99)
    found = modified_policy_iteration(mdp)
    assert found.status is Status.CONVERGED
    assert found.steps < 60
    seen: list[int] = []
    again = modified_policy_iteration(mdp, callback=lambda steps, low, high: seen.append(steps))
    assert seen == list(range(1, again.steps + 1))
    for stop in (3, 5, 12):
        short = modified_policy_iteration(mdp, callback=lambda steps, low, high, stop=stop: steps == stop)
        assert short.status is Status.INTERRUPTED
        assert short.steps == stop + 1
        assert np.all(short.lower <= found.upper)
        assert np.all(found.lower <= short.upper)
        with pytest.warns(ConvergenceWarning):
            short = modified_policy_iteration(mdp, max_steps=stop)
        assert short.steps == stop
        assert np.all(short.lower <= found.upper)
        assert np.all(found.lower <= short.upper)


def test_limits_and_interruptions_leave_valid_bounds() -> None:
    mdp = grid(10, 0.99)
    truth = policy_iteration(mdp)
    for steps in (1, 2, 5):
        with pytest.warns(ConvergenceWarning, match="modified_policy_iteration"):
            found = modified_policy_iteration(mdp, max_steps=steps)
        assert found.status is Status.MAX_STEPS
        assert found.steps == len(found.residuals) == steps
        assert np.all(found.lower <= truth.upper)
        assert np.all(truth.lower <= found.upper)
    seen = []

    def stop(steps: int, lower: np.ndarray, upper: np.ndarray) -> bool:
        seen.append((steps, lower, upper))
        return steps == 3

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = modified_policy_iteration(mdp, callback=stop)
    assert found.status is Status.INTERRUPTED
    assert [steps for steps, _, _ in seen][:3] == [1, 2, 3]
    for _, lower, upper in [*seen, (0, found.lower, found.upper)]:
        assert np.all(lower <= truth.upper)
        assert np.all(truth.lower <= upper)


def test_a_start_is_used() -> None:
    mdp = grid(10, 0.99)
    truth = modified_policy_iteration(mdp, tol=1e-9)
    again = modified_policy_iteration(mdp, tol=1e-7, start=truth.value)
    assert again.steps <= 2
    assert truth.steps > 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tol": -1.0}, "tol"),
        ({"inner": -1}, "inner"),
        ({"start": [1.0]}, "start"),
        ({"max_steps": 0}, "max_steps"),
    ],
)
def test_bad_input_is_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        modified_policy_iteration(t3(), **options)
