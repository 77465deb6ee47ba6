"""Finite horizons: against enumeration of all paths and the float recursions."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest

from mdplab import FiniteHorizonMDP, exact, solvers
from mdplab.instances import textbook

H, S, A = 3, 3, 2


def staged(seed: int) -> FiniteHorizonMDP:
    """Three stages, masks by stage, discount .9."""
    rng = np.random.default_rng(seed)
    available = rng.random((H, S, A)) < 0.7
    available[..., 0] |= ~available.any(axis=-1)
    kernel = rng.dirichlet(np.ones(S), (H, S, A))
    return FiniteHorizonMDP(
        kernel,
        rng.normal(size=(H, S, A)),
        discount=0.9,
        terminal=rng.normal(size=S),
        initial=rng.dirichlet(np.ones(S)),
        available=available,
    )


def random_rows(available: np.ndarray, seed: int) -> np.ndarray:
    weights = np.random.default_rng([seed, 1]).random(available.shape) * available
    return np.asarray(weights / weights.sum(axis=-1, keepdims=True))


def path_value(twin: exact.ExactHorizon, policy: Any, start: int) -> Fraction:
    """Expected return from a state, summed over all paths."""
    kernel, reward, terminal, rows = map(
        exact.fractions, (twin.transition, twin.reward, twin.terminal, exact.laws(policy))
    )
    discount, total = exact.fractions(twin.discount), Fraction(0)
    for path in product(range(A), range(S), repeat=H):
        mass, gained, s = Fraction(1), Fraction(0), start
        for h in range(H):
            a, t = path[2 * h], path[2 * h + 1]
            gained += discount**h * reward[h, s, a]
            mass *= rows[h, s, a] * kernel[h, s, a, t]
            s = t
        total += mass * (gained + discount**H * terminal[s])
    return total


@pytest.mark.parametrize("seed", range(3))
def test_evaluation_is_the_mean_over_paths(seed: int) -> None:
    twin = exact.ExactHorizon.of(staged(seed))
    policy = exact.laws(random_rows(twin.available, seed))
    value = exact.stage_evaluation(twin, policy).value
    assert exact.fractions(value[0, 1]) == path_value(twin, policy, 1)
    laws = exact.stage_laws(twin, policy)
    assert (laws.sum(axis=1) == 1).all()
    gains = (laws[:-1, :, np.newaxis] * policy * twin.reward).sum(axis=(1, 2))
    total = sum(twin.discount**h * gain for h, gain in enumerate(gains)) + twin.discount**H * (
        laws[-1] @ twin.terminal
    )
    assert total == twin.initial @ value[0]


@pytest.mark.parametrize("seed", range(3))
def test_control_is_the_best_of_all_stage_policies(seed: int) -> None:
    twin = exact.ExactHorizon.of(staged(seed))
    found = exact.backward_induction(twin)
    options = [np.flatnonzero(row) for row in twin.available.reshape(-1, A)]
    values = [
        exact.stage_evaluation(twin, np.eye(A, dtype=int)[np.reshape(actions, (H, S))]).value[0]
        for actions in product(*options)
    ]
    assert (found.value[0] == np.max(values, axis=0)).all()
    assert not (found.optimal & ~twin.available).any()
    assert found.optimal.any(axis=-1).all()


@pytest.mark.parametrize("seed", range(3))
def test_float_recursions_keep_their_word(seed: int) -> None:
    mdp = staged(seed)
    twin = exact.ExactHorizon.of(mdp, stored=True)
    hard = solvers.backward_induction(mdp)
    found = exact.backward_induction(twin)
    assert (exact.distance(found.value, exact.dyadic(hard.value)) <= hard.certificate.bound).all()
    soft = solvers.backward_induction(mdp, temperature=0.25)
    enclosed = exact.soft_backward_induction(twin, temperature=0.25)
    assert (exact.distance(enclosed.value, exact.dyadic(soft.value)) <= soft.certificate.bound).all()
    assert (exact.width(enclosed.value) < 1e-70).all()
    policy = random_rows(twin.available, seed)
    value = exact.stage_evaluation(twin, exact.laws(policy, stored=True), temperature=0.25).value
    solution = solvers.stage_evaluation(mdp, policy, temperature=0.25)
    assert (exact.distance(value, exact.dyadic(solution.value)) <= solution.certificate.bound).all()


def test_the_soft_policy_attains_the_soft_value() -> None:
    twin = exact.ExactHorizon.of(staged(5))
    reference = exact.log(exact.laws(random_rows(twin.available, 5)))
    soft = exact.soft_backward_induction(twin, temperature=0.5, log_reference=reference)
    again = exact.stage_evaluation(twin, exact.exp(soft.log_policy), temperature=0.5, log_reference=reference)
    assert exact.overlap(again.value, soft.value).all()
    assert (exact.distance(again.value, soft.value) < 1e-68).all()
    uniform = np.where(twin.available, 1, 0) / exact.rational(twin.available.sum(axis=-1, keepdims=True))
    less = exact.stage_evaluation(twin, uniform, temperature=0.5, log_reference=reference)
    assert exact.surely_above(soft.value[0], less.value[0]).all()


def test_one_kernel_for_all_stages() -> None:
    """The first stages of a discounted model: the best of two steps of the textbook model."""
    mdp = textbook.three_state_mdp()
    two = exact.backward_induction(exact.ExactHorizon.first_stages(mdp, 2, discount=0.9))
    twin = exact.ExactMDP.of(mdp)
    assert (two.value[1] == twin.reward.max(axis=1)).all()
    assert (two.value[0] == twin.lookahead(two.value[1]).max(axis=1)).all()
    floats = FiniteHorizonMDP.from_mdp(mdp, 2)
    assert (exact.backward_induction(floats).value == two.value).all()


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="mdp is a MDP"):
        exact.backward_induction(textbook.three_state_mdp())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="discount is 0"):
        exact.ExactHorizon.first_stages(textbook.three_state_mdp(), 2, discount=0)
    twin = exact.ExactHorizon.of(staged(0))
    with pytest.raises(ValueError, match="log_reference has shape"):
        exact.soft_backward_induction(twin, temperature=1, log_reference=np.zeros((2, 2)))
    with pytest.raises(ValueError, match="temperature is 0"):
        exact.soft_backward_induction(twin, temperature=0)
