"""Exact evaluation, control with ties, occupancies: against elimination over all policies and the float solvers."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from mdplab import MDP, exact, solvers
from mdplab.instances import textbook
from tests import rational_chains
from tests.small_models import as_sparse, random_mdp, random_policy
from tests.solver_models import DISCOUNTS, model


def best_values(mdp: MDP, discount: Fraction) -> list[Fraction]:
    """The largest value from every state over all deterministic policies, by elimination."""
    best = None
    for actions in rational_chains.policies(mdp):
        rows, reward = rational_chains.chain(mdp, actions)
        system = [
            [Fraction(int(s == t)) - discount * p for t, p in enumerate(row)] for s, row in enumerate(rows)
        ]
        value = rational_chains.solve(system, reward)
        best = value if best is None else [max(pair) for pair in zip(best, value, strict=True)]
    assert best is not None
    return best


@pytest.mark.parametrize("seed", range(12))
def test_control_is_the_best_of_all_policies(seed: int) -> None:
    mdp = random_mdp(seed, masked=True, deterministic=seed % 3 == 0)
    twin = exact.ExactMDP.of(mdp, stored=True)
    found = exact.policy_iteration(twin)
    assert list(exact.fractions(found.value)) == best_values(mdp, Fraction(mdp.discount))
    assert found.optimal.any(axis=1).all()
    assert not (found.optimal & ~twin.available).any()
    assert all((x is None) == ~y for x, y in zip(found.q.flat, twin.available.flat, strict=True))


@pytest.mark.parametrize("discount", DISCOUNTS)
@pytest.mark.parametrize("seed", range(5))
def test_float_solvers_keep_their_word(seed: int, discount: float) -> None:
    mdp = model(seed, discount)
    twin = exact.ExactMDP.of(mdp, stored=True)
    control = exact.policy_iteration(twin)
    for solution in (solvers.policy_iteration(mdp), solvers.value_iteration(mdp, tol=1e-6)):
        assert (
            exact.distance(control.value, exact.dyadic(solution.value)) <= solution.certificate.bound
        ).all()
        assert exact.surely_at_most(exact.dyadic(solution.lower), control.value).all()
        assert exact.surely_at_most(control.value, exact.dyadic(solution.upper)).all()
    policy = random_policy(mdp, seed)
    solution = solvers.policy_evaluation(mdp, policy)
    value = exact.policy_evaluation(twin, exact.laws(policy, stored=True)).value
    assert (exact.distance(value, exact.dyadic(solution.value)) <= solution.certificate.bound).all()


def test_ties_are_exact() -> None:
    """Three actions of equal value in thirds, which floats take apart, and one that is worse by 1e-30."""
    third, tiny = Fraction(1, 3), Fraction(1, 10**30)
    rewards = [third + third + third, Fraction(1), 3 * third, 1 - tiny]
    mdp = MDP.from_weights(np.ones((1, 4, 1), dtype=int), [rewards], Fraction(9, 10))
    found = exact.policy_iteration(mdp)
    assert exact.fractions(found.value).tolist() == [10]
    assert found.optimal.tolist() == [[True, True, True, False]]


def test_textbook_model() -> None:
    found = exact.policy_iteration(textbook.three_state_mdp())
    assert [str(x) for x in found.value] == ["48097/5833", "43637/5833", "45647/5833"]
    assert found.optimal.tolist() == [[True, False], [False, True], [False, True]]


def test_storage_and_origin_do_not_matter() -> None:
    weights = [[[7, 2, 1], [1, 6, 3]], [[3, 4, 3], [0, 2, 8]], [[5, 0, 5], [2, 3, 5]]]
    reward = [["1", "0"], ["1/5", "1/2"], ["-3/10", "4/5"]]
    rational = MDP.from_weights(
        weights, [[Fraction(x) for x in row] for row in reward], Fraction(9, 10), [5, 3, 2]
    )
    floats = MDP(rational.transition, rational.reward, 0.9, [0.5, 0.3, 0.2])
    for mdp in (floats, as_sparse(floats)):
        for name in ("transition", "reward", "discount", "initial"):
            left, right = getattr(exact.ExactMDP.of(mdp), name), getattr(exact.ExactMDP.of(rational), name)
            assert np.all(left == right), name
    assert exact.ExactMDP.of(rational, stored=True).discount == exact.dyadic(0.9)


@pytest.mark.parametrize("seed", range(8))
def test_occupancies_balance_and_prove_optimality(seed: int) -> None:
    mdp = random_mdp(seed, masked=True)
    twin = exact.ExactMDP.of(mdp)
    control = exact.policy_iteration(twin)
    policy = np.eye(mdp.n_actions, dtype=int)[control.optimal.argmax(axis=1)]
    d = exact.occupancy(twin, policy)
    assert d.sum() == 1
    assert exact.is_optimal_pair(twin, control.value, d)
    assert exact.occupancy(twin, policy, normalised=False).sum() * (1 - twin.discount) == 1
    assert not exact.is_optimal_pair(twin, control.value + exact.rational(1), d)
    assert not exact.is_optimal_pair(twin, control.value, d / 2)
    other = random_policy(mdp, seed)
    e = exact.occupancy(twin, other)
    assert (twin.initial @ exact.policy_evaluation(twin, other).value) * (1 - twin.discount) == (
        e * twin.reward
    ).sum()
    if not (control.optimal == twin.available).all():
        assert not exact.is_optimal_pair(twin, control.value, e)


def test_regularised_values_of_one_state() -> None:
    mdp = MDP(np.ones((1, 2, 1)), [[1.0, 0.0]], 0.5)
    value = exact.policy_evaluation(mdp, [[0.25, 0.75]], temperature=0.1).value[0]
    expected = 2 * (exact.rational(0.25) + exact.rational(0.1) * exact.entropy([0.25, 0.75]))
    assert exact.distance(value, expected) < 1e-70
    relative = exact.policy_evaluation(
        mdp, [[0.25, 0.75]], temperature=0.1, log_reference=exact.log([[0.5, 0.5]])
    )
    expected = 2 * (exact.rational(0.25) - exact.rational(0.1) * exact.kl([0.25, 0.75], [0.5, 0.5]))
    assert exact.distance(relative.value[0], expected) < 1e-70
    assert exact.distance(relative.q[0, 0] - relative.q[0, 1], 1) < 1e-70


def test_balls_of_policies_enclose() -> None:
    mdp = random_mdp(3)
    policy = exact.laws(random_policy(mdp, 0))
    enclosed, value = exact.policy_evaluation(mdp, exact.ball(policy)), exact.policy_evaluation(mdp, policy)
    assert exact.overlap(enclosed.value, value.value).all()
    assert exact.has_balls(enclosed.value)
    assert not exact.has_balls(value.value)


def broken(**changes: Any) -> exact.ExactMDP:
    return dataclasses.replace(exact.ExactMDP.of(textbook.three_state_mdp()), **changes)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exact.policy_evaluation(random_mdp(0), [[1.0]]), r"policy has shape \(1, 1\)"),
        (lambda: exact.policy_iteration(textbook.three_state_chain()), "mdp is a MarkovChain"),
        (lambda: broken(discount=exact.rational(1)), "discount is 1"),
        (lambda: broken(reward=exact.rational([1, 2])), r"reward has shape \(2,\)"),
        (lambda: broken(initial=exact.rational([1, 0])), r"initial has shape \(2,\)"),
        (lambda: broken(available=np.zeros((3, 2), dtype=bool)), r"available\[0\] admits no action"),
        (lambda: exact.occupancy(broken(initial=None), np.full((3, 2), 0.5)), "no start law"),
        (lambda: exact.occupancy(broken(), np.full((3, 2), 0.5), initial=[1]), r"initial has shape \(1,\)"),
        (lambda: exact.policy_iteration(broken(reward=exact.log([[1, 2]] * 3))), "reward holds balls"),
        (lambda: exact.policy_evaluation(broken(), [[0.5, 0.5]] * 3, temperature=-1), "temperature is -1"),
    ],
)
def test_bad_input(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_unavailable_actions_are_not_taken() -> None:
    mdp = MDP(np.ones((1, 2, 1)), [[1.0, 2.0]], 0.5, available=[[True, False]])
    with pytest.raises(ValueError, match=r"policy\[0, 1\] is not zero"):
        exact.policy_evaluation(mdp, [[0.5, 0.5]])
    assert exact.policy_evaluation(mdp, [[1, 0]]).q.tolist() == [[2, None]]
