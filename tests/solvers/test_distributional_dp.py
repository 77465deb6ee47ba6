"""Distributional evaluation: certificates against far iterates and closed forms, ended chains against paths."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.laws import FiniteLaw
from mdplab.models import RewardProcess
from mdplab.operators.distributional import backup_laws
from mdplab.solution import ConvergenceWarning, Status
from mdplab.solvers.distributional_dp import distributional_evaluation, longest_path
from mdplab.wasserstein import sup_wasserstein, wasserstein_with_error


def process(kernel: object, reward: object, discount: float) -> RewardProcess:
    return RewardProcess(kernel=np.array(kernel, float), reward=np.array(reward, float), discount=discount)


def mixing() -> RewardProcess:
    return process([[0.3, 0.7], [0.5, 0.5]], [[1, -1], [-2, 1]], 0.5)


def acyclic(seed: int, states: int = 4, discount: float = 1.0) -> RewardProcess:
    """Successors have larger indices; the last state absorbs."""
    rng = np.random.default_rng(seed)
    kernel = np.zeros((states, states))
    for s in range(states - 1):
        kernel[s, s + 1 :] = rng.dirichlet(np.full(states - 1 - s, 0.5))
    kernel[-1, -1] = 1.0
    reward = rng.integers(-2, 3, size=(states, states)).astype(float)
    reward[-1, -1] = 0.0
    return process(kernel, reward, discount)


def law_by_paths(chain: RewardProcess, start: int, steps: int) -> FiniteLaw:
    kernel, reward = np.asarray(chain.kernel), np.asarray(chain.reward)
    atoms, masses = [], []
    for path in product(range(kernel.shape[0]), repeat=steps):
        mass, gain, here = 1.0, 0.0, start
        for t, there in enumerate(path):
            mass *= kernel[here, there]
            gain += chain.discount**t * reward[here, there]
            here = there
        atoms.append(gain)
        masses.append(mass)
    return FiniteLaw.from_atoms(atoms, masses, merge=1e-12)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("steps", [1, 3, 6])
def test_certificate_covers_the_distance_to_a_far_iterate(order: int, steps: int) -> None:
    near = distributional_evaluation(mixing(), steps, order=order, tol=1e-5)
    far = distributional_evaluation(mixing(), 13, order=order)
    distance = sup_wasserstein(near.laws, far.laws, order)
    assert distance <= near.certificate.bound + far.certificate.bound
    assert near.certificate.bound <= 40 * distance
    assert near.steps == steps
    assert near.status is Status.MAX_STEPS
    priori = 0.5**steps / 0.5 * near.residuals[0]
    assert near.certificate.bound <= priori + 1e-4 * (order == 2) + 1e-9


@given(st.floats(0.05, 0.95), st.floats(-3, 3))
@settings(max_examples=40)
def test_constant_rewards_have_a_closed_form(discount: float, reward: float) -> None:
    found = distributional_evaluation(process([[1.0]], [[reward]], discount), tol=1e-6)
    exact = FiniteLaw.dirac(reward / (1 - discount))
    assert wasserstein_with_error(found.laws[0], exact, 1)[0] <= found.certificate.bound + 1e-13 * abs(reward)
    assert found.status is Status.CONVERGED
    assert found.certificate.bound <= 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_iterates_are_laws_of_truncated_returns(seed: int) -> None:
    rng = np.random.default_rng(seed)
    chain = process(rng.dirichlet(np.ones(3), size=3), rng.normal(size=(3, 3)), 0.7)
    found = distributional_evaluation(chain, 4)
    for s in range(3):
        assert found.laws[s].allclose(law_by_paths(chain, s, 4), atol=1e-11)


@given(st.integers(0, 10**6), st.integers(1, 5), st.sampled_from([1.0, 0.5]))
def test_acyclic_chains_end_exactly(seed: int, states: int, discount: float) -> None:
    chain = acyclic(seed, states, discount)
    found = distributional_evaluation(chain)
    assert found.ended
    assert found.status is Status.CONVERGED
    assert found.steps <= states - 1
    assert found.certificate.bound == found.certificate.rounding <= 1e-10
    again = backup_laws(np.asarray(chain.kernel), np.asarray(chain.reward), discount, found.laws, merge=1e-12)
    for law, fixed in zip(found.laws, again, strict=True):
        assert law.allclose(fixed, atol=1e-11)
    for s in range(states):
        expected = law_by_paths(chain, s, states - 1)
        assert found.laws[s].allclose(expected, atol=1e-11)
        assert wasserstein_with_error(found.laws[s], expected, 1)[0] <= found.certificate.bound + 1e-11
    assert distributional_evaluation(chain, 10 * states).laws == found.laws


def test_longest_path() -> None:
    assert longest_path(np.ones((1, 1)), np.zeros((1, 1))) == 0
    assert longest_path(np.ones((1, 1)), np.ones((1, 1))) is None
    assert longest_path(np.array([[0.0, 1.0], [1.0, 0.0]]), np.zeros((2, 2))) is None
    line = np.diag(np.ones(3), 1)
    line[-1, -1] = 1.0
    assert longest_path(line, np.zeros((4, 4))) == 3
    lazy = line.copy()
    lazy[0] = [0.5, 0.5, 0.0, 0.0]
    assert longest_path(lazy, np.zeros((4, 4))) is None


def test_means_solve_the_linear_system() -> None:
    found = distributional_evaluation(mixing(), tol=1e-3)
    kernel, reward = np.asarray(mixing().kernel), np.asarray(mixing().reward)
    value = np.linalg.solve(np.eye(2) - 0.5 * kernel, (kernel * reward).sum(axis=1))
    assert np.abs(found.means - value).max() <= found.certificate.bound <= 1e-3


def test_other_starts_keep_a_valid_bound() -> None:
    start = [FiniteLaw.dirac(5.0), FiniteLaw.dirac(-5.0)]
    first = distributional_evaluation(mixing(), 8, initial_laws=start)
    second = distributional_evaluation(mixing(), 8)
    assert not first.ended
    assert sup_wasserstein(first.laws, second.laws, 1) <= first.certificate.bound + second.certificate.bound
    stuck = distributional_evaluation(acyclic(0), 3, initial_laws=[FiniteLaw.dirac(1.0)] * 4)
    assert stuck.status is Status.UNCERTIFIED
    assert np.isinf(stuck.certificate.bound)


def test_merging_enters_the_bound() -> None:
    wide = distributional_evaluation(mixing(), 10, merge=0.01, tol=1e-3)
    assert wide.status is Status.PRECISION_LIMIT
    assert wide.certificate.rounding >= 0.01
    exact = distributional_evaluation(mixing(), 10)
    assert max(law.n_atoms for law in wide.laws) < max(law.n_atoms for law in exact.laws)
    assert sup_wasserstein(wide.laws, exact.laws, 1) <= wide.certificate.bound + exact.certificate.bound
    endless = distributional_evaluation(mixing(), merge=0.01, tol=1e-3)
    assert endless.status is Status.PRECISION_LIMIT


def test_callback_sees_every_step() -> None:
    seen: list[tuple[int, float]] = []
    found = distributional_evaluation(
        mixing(), 5, callback=lambda step, residual: seen.append((step, residual))
    )
    assert [step for step, _ in seen] == [1, 2, 3, 4, 5]
    assert [residual for _, residual in seen] == found.residuals.tolist()
    assert np.all(found.residuals[1:] <= 0.5 * found.residuals[:-1] + 1e-12)


def test_zero_steps() -> None:
    found = distributional_evaluation(mixing(), 0)
    assert found.laws == (FiniteLaw.dirac(0.0),) * 2
    assert np.isinf(found.certificate.bound)
    assert not found.status.ok


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": -1}, "steps"),
        ({"order": 3}, "order"),
        ({"order": np.inf}, "order"),
        ({"tol": 0.0}, "tol"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        distributional_evaluation(mixing(), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("steps", [None, 6])
def test_the_cap_on_atoms_keeps_what_was_reached(steps: int | None) -> None:
    with pytest.warns(
        ConvergenceWarning, match="backup 4 would create 16 atoms in state 0, more than max_atoms = 10"
    ):
        found = distributional_evaluation(mixing(), steps, max_atoms=10)
    assert found.status is Status.MAX_STEPS
    assert found.steps == found.residuals.size == 3
    assert found.laws == distributional_evaluation(mixing(), 3).laws
    far = distributional_evaluation(mixing(), 13)
    distance = sup_wasserstein(found.laws, far.laws, 1)
    assert 0.0 < distance <= found.certificate.bound + far.certificate.bound < 1.0


def test_the_cap_at_the_first_backup_leaves_the_start_without_a_bound() -> None:
    with pytest.warns(ConvergenceWarning, match="the laws of 0 backups"):
        found = distributional_evaluation(mixing(), max_atoms=1)
    assert found.laws == (FiniteLaw.dirac(0.0),) * 2
    assert np.isinf(found.certificate.bound)


def test_undiscounted_cycles_need_a_number_of_steps() -> None:
    cycle = process([[0.0, 1.0], [1.0, 0.0]], [[0, 1], [-1, 0]], 1.0)
    with pytest.raises(ValueError, match="does not end"):
        distributional_evaluation(cycle)
    assert distributional_evaluation(cycle, 3).status is Status.UNCERTIFIED
