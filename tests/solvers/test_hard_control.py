"""Policy iteration, value iteration and evaluation against exact rationals."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest

from mdplab.models import MDP
from mdplab.solution import ConvergenceWarning, Status
from mdplab.solvers import evaluate_policy_array, policy_evaluation, policy_iteration, value_iteration
from tests import naive
from tests.small_models import as_sparse, m2, random_mdp, random_policy, t3
from tests.solver_models import DISCOUNTS, model


def exact(array: np.ndarray) -> list[Fraction]:
    return naive.fractions_of(array)


@pytest.mark.parametrize("discount", DISCOUNTS)
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("normalise", [False, True])
def test_bounds_hold_against_exact_policy_iteration(seed: int, discount: float, normalise: bool) -> None:
    mdp = model(seed, discount)
    rows, gain = naive.exact_rows(mdp, normalise=normalise), exact(mdp.reward)
    gamma = Fraction(discount)
    value = naive.exact_optimum(rows, gain, gamma)
    q = naive.exact_lookahead(rows, gain, gamma, value)
    for solution in (
        policy_iteration(mdp, tol=0.0),
        policy_iteration(as_sparse(mdp)),
        value_iteration(mdp, tol=0.0),
        value_iteration(as_sparse(mdp), tol=1e-3),
    ):
        assert naive.largest_error(solution.value, value) <= solution.certificate.bound
        assert naive.largest_error(solution.q, q) <= solution.q_error
        assert all(
            low <= v <= high
            for low, v, high in zip(exact(solution.lower), value, exact(solution.upper), strict=True)
        )
        own = naive.exact_evaluation(rows, gain, gamma, exact(solution.policy))
        assert max(float(v - w) for v, w in zip(value, own, strict=True)) <= solution.suboptimality
        assert np.all((solution.q == -np.inf) == ~(mdp.available | np.zeros(mdp.reward.shape, bool)))


@pytest.mark.parametrize("discount", DISCOUNTS)
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("normalise", [False, True])
def test_evaluation_bounds_hold(seed: int, discount: float, normalise: bool) -> None:
    mdp = model(seed, discount)
    policy = random_policy(mdp, seed)
    rows, gain, gamma = naive.exact_rows(mdp, normalise=normalise), exact(mdp.reward), Fraction(discount)
    value = naive.exact_evaluation(rows, gain, gamma, exact(policy))
    for solution in (policy_evaluation(mdp, policy), policy_evaluation(as_sparse(mdp), policy)):
        assert naive.largest_error(solution.value, value) <= solution.certificate.bound
        assert (
            naive.largest_error(solution.q, naive.exact_lookahead(rows, gain, gamma, value))
            <= solution.q_error
        )
        assert solution.certificate.bound < 1e-8 * (1 + np.abs(solution.value).max())


@pytest.mark.parametrize("seed", range(20))
def test_backward_error_bounds_the_residual(seed: int) -> None:
    mdp = model(seed, 0.999)
    gain, rows = exact(mdp.reward), naive.exact_rows(mdp)
    for solution in (policy_iteration(mdp), value_iteration(mdp, tol=1e-2)):
        value = exact(solution.value)
        q = naive.exact_lookahead(rows, gain, Fraction(0.999), value)
        best = [max(x for x in row if x is not None) for row in q]
        assert max(abs(float(b - v)) for b, v in zip(best, value, strict=True)) <= solution.backward_error


def test_exact_optimum_of_a_rational_model_lies_within_the_bounds() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        weights = rng.integers(0, 8, (4, 3, 4))
        weights[..., 0] += 1
        third = [[Fraction(int(entry), 3) for entry in row] for row in rng.integers(-9, 9, (4, 3))]
        mdp = MDP.from_weights(weights, third, Fraction(97, 100))
        rows = [
            [
                [(t, Fraction(int(weights[s, a, t]), int(weights[s, a].sum()))) for t in range(4)]
                for a in range(3)
            ]
            for s in range(4)
        ]
        value = naive.exact_optimum(rows, third, Fraction(97, 100))
        solution = policy_iteration(mdp)
        assert naive.largest_error(solution.value, value) <= solution.certificate.bound < 1e-10


def test_known_values() -> None:
    solution = policy_iteration(m2())
    np.testing.assert_allclose(solution.value, [7.9120879121, 9.0109890110], atol=6e-11)
    np.testing.assert_array_equal(solution.policy, [[0, 1], [0, 1]])
    assert solution.status is Status.CONVERGED
    assert solution.suboptimality == 0.0
    assert solution.policy_error == 0.0
    three = policy_iteration(t3())
    assert t3().initial @ three.value == pytest.approx(7.9322818447, abs=6e-11)
    np.testing.assert_allclose(
        value_iteration(t3(), tol=0.0).value, three.value, atol=2 * three.certificate.bound
    )


def test_value_iteration_reaches_the_rounding_level_where_plain_sweeps_stall() -> None:
    # A deterministic cycle beside an absorbing state: spans contract by the discount and no faster.
    successor = np.array([[1, 0], [2, 0], [0, 3], [3, 3]])
    mdp = MDP.from_successors(
        successor, np.array([[1e3, 0.1], [-2.0, 0.3], [0.7, 900.0], [1e3 / 3, 0.0]]), 0.999
    )
    swept, solved = value_iteration(mdp, tol=0.0), policy_iteration(mdp, tol=0.0)
    assert swept.status is Status.PRECISION_LIMIT
    assert swept.certificate.bound <= 2 * solved.certificate.bound


@pytest.mark.parametrize("seed", range(10))
def test_dense_sparse_and_masked_agree(seed: int) -> None:
    mdp = random_mdp(seed, masked=True)
    policy = random_policy(mdp, seed)
    dense, sparse = policy_iteration(mdp), policy_iteration(as_sparse(mdp))
    np.testing.assert_allclose(dense.q, sparse.q, atol=dense.q_error + sparse.q_error)
    np.testing.assert_array_equal(dense.policy, sparse.policy)
    one, two = policy_evaluation(mdp, policy), policy_evaluation(as_sparse(mdp), policy)
    np.testing.assert_allclose(one.value, two.value, atol=one.certificate.bound + two.certificate.bound)
    # Taking the mask away and paying badly for what it forbids changes nothing.
    punished = np.where(mdp.available, mdp.reward, -1e4)
    filled = np.where(mdp.available[..., np.newaxis], mdp.transition, np.eye(mdp.n_states)[0])
    free = policy_iteration(MDP(filled, punished, mdp.discount))
    np.testing.assert_allclose(free.value, dense.value, atol=free.certificate.bound + dense.certificate.bound)


def test_max_steps_warns_and_its_bounds_are_valid() -> None:
    mdp = model(5, 0.999)
    truth = policy_iteration(mdp)
    with pytest.warns(ConvergenceWarning, match="raise max_steps or tol"):
        solution = value_iteration(mdp, max_steps=3)
    assert solution.status is Status.MAX_STEPS
    assert solution.steps == len(solution.residuals) == 3
    assert np.all(solution.lower <= truth.upper)
    assert np.all(truth.lower <= solution.upper)
    with pytest.warns(ConvergenceWarning):
        first = policy_iteration(t3(), max_steps=1, start=[1, 0, 0])
    assert first.status is Status.MAX_STEPS
    best = policy_iteration(t3())
    assert np.all(first.lower <= best.upper)
    assert np.all(best.lower <= first.upper)
    assert float((best.value - first.value).max()) <= first.suboptimality + first.certificate.bound


def test_callback_interrupts_with_valid_bounds() -> None:
    mdp, seen = model(5, 0.97), []
    truth = policy_iteration(mdp)

    def stop(steps: int, lower: np.ndarray, upper: np.ndarray) -> bool:
        seen.append((steps, lower, upper))
        return steps == 4

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        solution = value_iteration(mdp, callback=stop)
    assert solution.status is Status.INTERRUPTED
    assert [steps for steps, _, _ in seen] == [1, 2, 3, 4]
    for _, lower, upper in seen:
        assert np.all(lower <= truth.upper)
        assert np.all(truth.lower <= upper)
    assert policy_iteration(t3(), start=[1, 0, 0], callback=lambda *_: True).status is Status.INTERRUPTED


@pytest.mark.parametrize("sparse", [False, True])
def test_ties_do_not_loop(sparse: bool) -> None:
    # Equal rows, equal rewards that no sum of doubles gets exactly, and permuted copies of actions.
    rng = np.random.default_rng(3)
    for discount in (0.9, 0.999):
        kernel = np.repeat(rng.dirichlet(np.ones(5), (5, 1)), 6, axis=1)
        kernel[:, 1] = 0.1 * kernel[:, 0] + 0.9 * kernel[:, 0]
        reward = np.repeat(rng.normal(size=(5, 1)), 6, axis=1)
        reward[:, 2] = reward[:, 0] * (1 + 2e-16)
        mdp = MDP(kernel / kernel.sum(-1, keepdims=True), reward, discount)
        mdp = as_sparse(mdp) if sparse else mdp
        solution = policy_iteration(mdp, tol=1e-7)
        assert solution.status is Status.CONVERGED
        assert solution.steps <= 3
        assert solution.policy_error == np.inf
        assert solution.candidates().all()
        assert value_iteration(mdp, tol=1e-7).status is Status.CONVERGED


def test_zero_rewards_and_single_actions() -> None:
    for mdp in (MDP(np.ones((1, 1, 1)), [[0.0]], 0.9), MDP(np.ones((1, 3, 1)), np.zeros((1, 3)), 0.0)):
        for solution in (policy_iteration(mdp, tol=0.0), value_iteration(mdp)):
            assert solution.value == 0.0
            assert solution.status is Status.CONVERGED
            assert solution.certificate.bound == 0.0


def test_evaluation_with_complex_arrays_differentiates() -> None:
    mdp, policy = t3(), random_policy(t3(), 0)
    kernel, gain = np.einsum("sa,sat->st", policy, mdp.transition), (policy * mdp.reward).sum(1)
    step = 1e-30
    slope = evaluate_policy_array(kernel, gain, 0.9 + 1j * step).imag / step
    value = evaluate_policy_array(kernel, gain, 0.9)
    np.testing.assert_allclose(value, policy_evaluation(mdp, policy).value, atol=1e-12)
    # dV/dgamma = (I - gamma P)^{-1} P V
    np.testing.assert_allclose(slope, evaluate_policy_array(kernel, kernel @ value, 0.9), rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: value_iteration(t3(), tol=-1.0), "tol"),
        (lambda: value_iteration(t3(), max_steps=0), "max_steps"),
        (lambda: value_iteration(t3(), start=[0.0]), "start"),
        (lambda: value_iteration(t3(), start=[0.0, 1.0, np.inf]), "start"),
        (lambda: policy_iteration(t3(), start=[0, 1, 2]), "start"),
        (lambda: policy_iteration(t3(), start=[0.0, 1.0, 1.0]), "start"),
        (lambda: policy_evaluation(t3(), np.full((3, 2), 0.6)), "policy"),
        (lambda: policy_evaluation(t3(), np.full((3, 2), 0.5), temperature=-1.0), "temperature"),
        (
            lambda: policy_evaluation(
                t3(),
                np.full((3, 2), 0.5),
                temperature=1.0,
                log_reference=np.log([[1.0, 1e-300]] * 2 + [[1.0, 0.0]]),
            ),
            "log_reference is -inf at state 2, action 1",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_bad_input_is_named(call: object, message: str) -> None:
    with np.errstate(divide="ignore"), pytest.raises(ValueError, match=message):
        call()  # type: ignore[operator]


def test_tables_for_people() -> None:
    solution = policy_iteration(t3())
    frame = solution.to_frame()
    assert list(frame["value"]) == list(solution.value)
    assert frame.index.name == "state"
    assert "CONVERGED" in solution._repr_html_()
