"""Distributional backups: known values, contraction in w_p, expansion of the greedy one."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.laws import FiniteLaw, common_support
from mdplab.models import OutcomeModel, RewardProcess
from mdplab.operators.distributional import backup_laws, distributional_backup, greedy_distributional_backup
from mdplab.wasserstein import sup_wasserstein, wasserstein

ORDERS = (1, 2, math.inf)


def known_process() -> RewardProcess:
    return RewardProcess(
        kernel=np.array([[0.3, 0.7], [0.5, 0.5]]), reward=np.array([[1.0, -1.0], [-2.0, 1.0]]), discount=0.5
    )


def test_known_values() -> None:
    zero = [FiniteLaw.dirac(0.0)] * 2
    other = [FiniteLaw.from_atoms([-1, 3], [0.5, 0.5]), FiniteLaw.dirac(2.0)]
    first, second = (distributional_backup(known_process(), laws) for laws in (zero, other))
    for order, expected in zip(
        ORDERS, [(1, 1), (1.036822067666386, 1.0606601717798212), (1.5, 1.5)], strict=True
    ):
        got = [wasserstein(p, q, order) for p, q in zip(first, second, strict=True)]
        np.testing.assert_allclose(got, expected, atol=1e-14)


def random_laws(rng: np.random.Generator, count: int) -> list[FiniteLaw]:
    return [FiniteLaw.from_atoms(rng.normal(size=4), rng.dirichlet(np.ones(4))) for _ in range(count)]


def random_process(rng: np.random.Generator, states: int, concentration: float) -> RewardProcess:
    return RewardProcess(
        kernel=rng.dirichlet(np.full(states, concentration), size=states),
        reward=rng.normal(size=(states, states)),
        discount=float(rng.uniform(0.1, 0.99)),
    )


@given(st.integers(0, 10**6), st.integers(2, 4), st.sampled_from([0.1, 1.0]))
def test_contraction(seed: int, states: int, concentration: float) -> None:
    rng = np.random.default_rng(seed)
    process = random_process(rng, states, concentration)
    p, q = random_laws(rng, states), random_laws(rng, states)
    after = [distributional_backup(process, laws) for laws in (p, q)]
    for order in ORDERS:
        assert sup_wasserstein(*after, order) <= process.discount * sup_wasserstein(p, q, order) + 1e-10


@given(st.integers(0, 10**6), st.integers(2, 4))
def test_against_mixtures_of_pushed_laws(seed: int, states: int) -> None:
    rng = np.random.default_rng(seed)
    process = random_process(rng, states, 0.5)
    kernel = np.array(process.kernel)
    kernel[0] = np.eye(states)[-1]
    laws = random_laws(rng, states)
    got = backup_laws(kernel, np.asarray(process.reward), process.discount, laws)
    for s in range(states):
        pushed = [law.affine(process.discount, process.reward[s, t]) for t, law in enumerate(laws)]
        assert got[s].allclose(FiniteLaw.mix(pushed, kernel[s]))
    assert got[0].n_atoms == 4
    means = (kernel * (process.reward + process.discount * np.array([law.mean() for law in laws]))).sum(
        axis=1
    )
    np.testing.assert_allclose([law.mean() for law in got], means, atol=1e-13)


def test_no_contraction_in_total_variation() -> None:
    one = RewardProcess(kernel=np.ones((1, 1)), reward=np.zeros((1, 1)), discount=0.5)
    laws = [FiniteLaw.dirac(0.0)], [FiniteLaw.dirac(1.0)]
    for pair in (laws, [distributional_backup(one, law) for law in laws]):
        _, masses = common_support([pair[0][0], pair[1][0]])
        assert 0.5 * np.abs(masses[0] - masses[1]).sum() == 1.0


def test_merging_moves_no_mass_further_than_asked() -> None:
    rng = np.random.default_rng(0)
    process = random_process(rng, 3, 1.0)
    laws = random_laws(rng, 3)
    exact = distributional_backup(process, laws)
    merged = distributional_backup(process, laws, merge=0.2)
    assert sum(law.n_atoms for law in merged) < sum(law.n_atoms for law in exact)
    assert 0.01 < sup_wasserstein(exact, merged, math.inf) <= 0.2 + 1e-15
    np.testing.assert_allclose([p.mean() for p in exact], [q.mean() for q in merged], atol=1e-14)


def control(epsilon: float) -> OutcomeModel:
    """x1 = 0 leads to x2 = 1 without reward; there action 0 pays 0 and action 1 pays epsilon +- 1; 2 is the end."""
    law = np.zeros((3, 2, 2))
    law[0, :, 0] = law[2, :, 0] = law[1, 0, 0] = 1.0
    law[1, 1] = 0.5
    gain = np.zeros((3, 2, 2))
    gain[1, 1] = [epsilon - 1, epsilon + 1]
    successor = np.full((3, 2, 2), 2)
    successor[0] = 1
    return OutcomeModel(law=law, outcome_reward=gain, next_state=successor, initial=np.array([1.0, 0.0, 0.0]))


def family(epsilon: float, discount: float, sign: float) -> list[list[FiniteLaw]]:
    optimal = FiniteLaw.from_atoms([epsilon - 1, epsilon + 1], [0.5, 0.5])
    perturbed = FiniteLaw.from_atoms([sign * epsilon - 1, sign * epsilon + 1], [0.5, 0.5])
    end = FiniteLaw.dirac(0.0)
    return [[optimal.scale(discount)] * 2, [end, perturbed], [end, end]]


def flat(laws: list[list[FiniteLaw]]) -> list[FiniteLaw]:
    return [law for row in laws for law in row]


@pytest.mark.parametrize(("epsilon", "discount"), [(0.1, 1.0), (0.1, 0.9), (0.01, 0.9)])
def test_greedy_backup_expands(epsilon: float, discount: float) -> None:
    model = control(epsilon)
    optimal, other = family(epsilon, discount, 1.0), family(epsilon, discount, -1.0)
    first, second = (greedy_distributional_backup(model, z, discount=discount) for z in (optimal, other))
    assert sup_wasserstein(flat(first), flat(optimal), 1) <= 1e-15
    assert sup_wasserstein(flat(optimal), flat(other), 1) == pytest.approx(2 * epsilon, abs=1e-14)
    assert sup_wasserstein(flat(first), flat(second), 1) == pytest.approx(discount, abs=1e-14)
    means = [np.array([law.mean() for law in flat(z)]) for z in (optimal, other, first, second)]
    assert np.abs(means[0] - means[1]).max() == pytest.approx(2 * epsilon, abs=1e-14)
    assert np.abs(means[2] - means[3]).max() == pytest.approx(discount * epsilon, abs=1e-14)


def test_greedy_ties_take_the_lowest_index() -> None:
    model = control(0.0)
    tied = family(1e-13, 1.0, 1.0)
    strict = greedy_distributional_backup(model, tied, discount=1.0)
    loose = greedy_distributional_backup(model, tied, discount=1.0, tie_tolerance=1e-12)
    assert strict[0][0].n_atoms == 2
    assert loose[0][0] == FiniteLaw.dirac(0.0)


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="one law for each of 2 states"):
        distributional_backup(known_process(), [FiniteLaw.dirac(0.0)])
    with pytest.raises(ValueError, match="laws: expected 3 rows of 2 laws"):
        greedy_distributional_backup(control(0.1), [[FiniteLaw.dirac(0.0)]], discount=1.0)
