"""What a hostile user passes: numbers at both ends of the doubles, odd arrays, copies, ties that rounding breaks."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from mdplab import solvers
from mdplab.laws import FiniteLaw
from mdplab.models import MDP, FiniteHorizonMDP, LinearMDP, OutcomeModel, RewardProcess, TotalRewardMDP
from mdplab.solution import Status
from tests import naive, refined
from tests.rational_chains import best_gains, best_totals
from tests.small_models import as_sparse, random_mdp

KERNEL = np.array([[[0.75, 0.25], [0.25, 0.75]], [[0.5, 0.5], [0.125, 0.875]]])
REWARD = np.array([[1.0, 0.0], [0.0, 2.0]])
PLAIN = MDP(KERNEL, REWARD, 0.9, [0.5, 0.5])
LOGS = np.log(np.full((2, 2), 0.5))
SCALES = [5e-324, 1e-310, 3e-308, 1e-300, 1e-150, 1e80, 1e150, 1e298]

HARD = {
    "solve": solvers.solve,
    "value_iteration": solvers.value_iteration,
    "policy_iteration": solvers.policy_iteration,
    "modified_policy_iteration": solvers.modified_policy_iteration,
}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", HARD)
def test_certificates_from_the_least_to_the_largest_numbers(name: str, scale: float) -> None:
    """Below the normal doubles products lose digits whatever their size: the bounds must say so."""
    for base in (PLAIN, random_mdp(3, masked=True), random_mdp(8)):
        mdp = base.replace(reward=base.reward * scale)
        exact = naive.exact_optimum(
            naive.exact_rows(mdp), naive.fractions_of(mdp.reward), Fraction(mdp.discount)
        )
        for form in (mdp, as_sparse(mdp)):
            found = HARD[name](form, tol=0.0)
            for low, value, high in zip(found.lower.tolist(), exact, found.upper.tolist(), strict=True):
                assert Fraction(low) <= value <= Fraction(high)
            error = max(abs(Fraction(v) - e) for v, e in zip(found.value.tolist(), exact, strict=True))
            assert error <= Fraction(found.certificate.bound)
            assert found.certificate.bound <= 1e-10 * np.abs(found.value).max() + 1e-300


@pytest.mark.parametrize("scale", SCALES)
def test_undiscounted_certificates_at_every_scale(scale: float) -> None:
    mdp = PLAIN.replace(reward=scale * REWARD)
    for found in (solvers.average_reward(mdp), solvers.relative_value_iteration(mdp, tol=1e-9 * scale)):
        for low, gain, high in zip(found.lower.tolist(), best_gains(mdp), found.upper.tolist(), strict=True):
            assert Fraction(low) <= gain <= Fraction(high)
        assert found.certificate.bound <= 1e-8 * scale + 1e-300
    kernel = np.array([[[0.5, 0.5], [0.25, 0.75]], [[0.0, 1.0], [0.0, 1.0]]])
    model = TotalRewardMDP(kernel, scale * np.array([[-1.0, -2.0], [0.0, 0.0]]), [False, True])
    total = solvers.total_reward(model)
    for low, value, high in zip(total.lower.tolist(), best_totals(model), total.upper.tolist(), strict=True):
        assert Fraction(low) <= value <= Fraction(high)
    assert total.certificate.bound <= 1e-10 * scale + 1e-300
    linear = solvers.linear_policy_iteration(
        LinearMDP(np.eye(4).reshape(2, 2, 4), KERNEL.reshape(4, 2), scale * REWARD.ravel(), 0.9)
    )
    exact = naive.exact_optimum(naive.exact_rows(mdp), naive.fractions_of(mdp.reward), Fraction(0.9))
    assert naive.largest_error(linear.value, exact) <= linear.certificate.bound


def test_rewards_without_room_are_refused() -> None:
    for solver in (solvers.value_iteration, solvers.policy_iteration, solvers.modified_policy_iteration):
        with pytest.raises(ValueError, match="values would overflow; rescale the reward"):
            solver(PLAIN.replace(reward=1e307 * REWARD))
    with pytest.raises(
        ValueError, match=r"log_reference times 0.5 is 5e.307 in size in state 1: values would overflow"
    ):
        solvers.soft_policy_iteration(PLAIN, temperature=0.5, log_reference=[[0.0, 0.0], [-1e308, -1e308]])


@pytest.mark.parametrize("temperature", [None, 0, 0.0, -1.0, np.inf, np.nan, "1", True, [1.0, 2.0]])
@pytest.mark.parametrize("name", ["soft_value_iteration", "soft_policy_iteration"])
def test_temperatures(name: str, temperature: Any) -> None:
    with pytest.raises(ValueError, match="temperature must be positive and finite"):
        getattr(solvers, name)(PLAIN, temperature=temperature)
    with pytest.raises(ValueError, match="temperature must be positive and finite"):
        solvers.residual_q_learning(PLAIN, REWARD, LOGS, prior_weight=1.0, temperature=temperature)


@pytest.mark.parametrize("name", ["soft_value_iteration", "soft_policy_iteration"])
def test_the_least_temperature_is_hard_control(name: str) -> None:
    hard = solvers.policy_iteration(PLAIN)
    for temperature in (1e-300, 1e-12):
        found = getattr(solvers, name)(PLAIN, temperature=temperature)
        assert (
            np.abs(found.value - hard.value).max() <= found.certificate.bound + hard.certificate.bound + 1e-10
        )
        assert found.status is Status.CONVERGED


GAME = np.array([[0.5, 0.9], [0.1, 0.5]])
PROCESS = RewardProcess(KERNEL[:, 0], REWARD, 0.5)
OUTCOMES = OutcomeModel.from_transition_rewards(KERNEL, np.ones((2, 2, 2)))
VECTORS = OutcomeModel.from_transition_rewards(KERNEL, np.ones((2, 2, 2, 1)))


def regulated(**options: Any) -> Any:
    return solvers.homogeneous_stock_iteration(
        VECTORS, lambda c: -np.abs(c[:, 0]), [(0, [0.0])], **{"steps": 1, "degree": 1} | options
    )


NUMBERS: dict[str, Callable[[Any], Any]] = {
    "tol": lambda x: solvers.solve(PLAIN, x),
    "tol ": lambda x: solvers.distributional_evaluation(PROCESS, 2, tol=x),
    "max_steps": lambda x: solvers.value_iteration(PLAIN, max_steps=x),
    "inner": lambda x: solvers.modified_policy_iteration(PLAIN, inner=x),
    "aperiodicity": lambda x: solvers.relative_value_iteration(PLAIN, aperiodicity=x),
    "strength": lambda x: solvers.dual_v(PLAIN, np.full((2, 2), 0.25), divergence="kl", strength=x),
    "temperature": lambda x: solvers.regularised_nash(GAME, [0.5, 0.5], temperature=x),
    "temperature ": lambda x: solvers.policy_gradient_ascent(PLAIN, steps=1, temperature=x),
    "temperature  ": lambda x: solvers.solve_batch(KERNEL[None], REWARD[None], 0.9, temperature=x),
    "steps": lambda x: solvers.nash_md(GAME, [0.5, 0.5], temperature=1.0, steps=x),
    "steps ": lambda x: solvers.policy_gradient_ascent(PLAIN, steps=x),
    "steps  ": lambda x: solvers.mirror_descent(PLAIN, step=1.0, steps=x),
    "steps   ": lambda x: solvers.distributional_evaluation(PROCESS, -1 if x is None else x, tol=0.1),
    "merge": lambda x: solvers.distributional_evaluation(PROCESS, 2, merge=x),
    "max_atoms": lambda x: solvers.distributional_evaluation(PROCESS, 2, max_atoms=x),
    "merge ": lambda x: solvers.stock_value_iteration(OUTCOMES, FiniteLaw.mean, [(0, 0.0)], 1, merge=x),
    "max_atoms ": lambda x: solvers.stock_value_iteration(
        OUTCOMES, FiniteLaw.mean, [(0, 0.0)], 1, max_atoms=x
    ),
    "level": lambda x: solvers.cvar_control(OUTCOMES, x, 0, 1),
    "start": lambda x: solvers.cvar_control(OUTCOMES, 0.5, x, 1),
    "steps    ": lambda x: solvers.cvar_control(OUTCOMES, 0.5, 0, x),
    "discount": lambda x: solvers.cvar_control(OUTCOMES, 0.5, 0, 1, discount=x),
    "merge  ": lambda x: solvers.cvar_control(OUTCOMES, 0.5, 0, 1, merge=x),
    "max_atoms  ": lambda x: solvers.cvar_control(OUTCOMES, 0.5, 0, 1, max_atoms=x),
    "steps     ": lambda x: regulated(steps=x),
    "degree": lambda x: regulated(degree=x),
    "tol  ": lambda x: regulated(tol=x),
    "max_atoms   ": lambda x: regulated(max_atoms=x),
    "prior_weight": lambda x: solvers.residual_q_learning(
        PLAIN, REWARD, LOGS, prior_weight=x, temperature=1.0
    ),
}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1, "x", None, [1, 2]])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_out_of_their_range_are_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name.strip()} (must|is)"):
        NUMBERS[name](value)


def test_a_missing_residual_reward_is_not_the_models_own() -> None:
    with pytest.raises(ValueError, match="residual_reward is None"):
        solvers.residual_q_learning(PLAIN, None, LOGS, prior_weight=1.0, temperature=1.0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="tol must be a non-negative finite number"):
        solvers.solve(PLAIN, 10**400)


FORMS: dict[str, Any] = {
    "float32": KERNEL.astype(np.float32),
    "long doubles": KERNEL.astype(np.longdouble),
    "another byte order": KERNEL.astype(">f8"),
    "lists": KERNEL.tolist(),
    "Fortran order": np.asfortranarray(KERNEL),
    "every other": np.repeat(KERNEL, 2, axis=1)[:, ::2],
    "reversed twice": np.ascontiguousarray(KERNEL[::-1])[::-1],
    "csc": sparse.csc_array(KERNEL.reshape(4, 2)),
    "coo with duplicates": sparse.coo_array(
        (np.tile(KERNEL.ravel() / 2, 2), (np.tile(np.repeat(range(4), 2), 2), np.tile([0, 1], 8))),
        shape=(4, 2),
    ),
    "64-bit indices": sparse.csr_array(
        (KERNEL.ravel(), np.tile(np.array([0, 1], np.int64), 4), np.arange(0, 9, 2, dtype=np.int64)),
        shape=(4, 2),
    ),
    "unsorted with stored zeros": sparse.csr_array(
        (
            np.c_[KERNEL.reshape(4, 2)[:, ::-1], np.zeros(4)].ravel(),
            np.tile([1, 0, 0], 4),
            np.arange(0, 13, 3),
        ),
        shape=(4, 2),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_storage_gives_the_same_answers(form: str) -> None:
    mdp = MDP(FORMS[form], pd.DataFrame(REWARD) if form != "lists" else REWARD.tolist(), 0.9)
    for name, solver in HARD.items():
        found, known = solver(mdp, tol=0.0), solvers.policy_iteration(PLAIN)
        gap = np.abs(found.value - known.value).max()
        assert gap <= found.certificate.bound + known.certificate.bound, name
    soft, known = (
        solvers.soft_value_iteration(mdp, temperature=0.3),
        solvers.soft_policy_iteration(PLAIN, temperature=0.3),
    )
    assert np.abs(soft.value - known.value).max() <= soft.certificate.bound + known.certificate.bound
    assert solvers.average_reward(mdp).gain == pytest.approx(solvers.average_reward(PLAIN).gain)


def test_read_only_arrays_are_taken_and_numbers_beyond_the_doubles_refused() -> None:
    kernel = KERNEL.copy()
    kernel.flags.writeable = False
    np.testing.assert_array_equal(solvers.solve(MDP(kernel, REWARD, 0.9)).value, solvers.solve(PLAIN).value)
    with pytest.raises(ValueError, match="discount must be a single number"):
        MDP(KERNEL, REWARD, 10**400)


SOLUTIONS: dict[str, Any] = {
    "hard": lambda: solvers.solve(PLAIN),
    "soft": lambda: solvers.soft_value_iteration(PLAIN, temperature=0.5),
    "average": lambda: solvers.average_reward(PLAIN),
    "stages": lambda: solvers.backward_induction(FiniteHorizonMDP(KERNEL, REWARD, 3)),
    "game": lambda: solvers.matrix_game(REWARD),
}


@pytest.mark.parametrize("kind", SOLUTIONS)
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_of_solutions_are_the_same_and_read_only(kind: str, again: Any) -> None:
    found = SOLUTIONS[kind]()
    twin = again(found)
    assert repr(twin) == repr(found)
    assert twin.certificate == found.certificate
    for name, entry in vars(found).items():
        if isinstance(entry, np.ndarray):
            np.testing.assert_array_equal(getattr(twin, name), entry)
            assert not getattr(twin, name).flags.writeable, name


def adversarial(seed: int, discount: float) -> MDP:
    """Actions that are equal in exact arithmetic and not in doubles: permuted states, rows split in thirds, sums regrouped.

    Every state has three actions with the same value: the first, the same through a twin state, and a mixture of both.
    """
    rng = np.random.default_rng([seed, 41])
    half = int(rng.integers(2, 8))
    base = rng.dirichlet(np.ones(half), half)
    twin = np.zeros((2 * half, 3, 2 * half))
    share = rng.random()
    for s in range(2 * half):
        row = base[s % half]
        twin[s, 0, :half] = row
        twin[s, 1, half:] = row
        twin[s, 2] = share * twin[s, 0] + (1 - share) * twin[s, 1]
    twin /= twin.sum(axis=-1, keepdims=True)
    gain = np.tile(rng.normal(size=half) / 3, 2)
    reward = np.stack([gain, gain * (1 + 2.0**-52), (gain * 3) / 3], axis=1)
    order = rng.permutation(2 * half)
    return MDP(twin[order][:, :, order], reward[order], discount)


@pytest.mark.parametrize("discount", [0.0, 0.9, 0.999, 0.999999])
@pytest.mark.parametrize("seed", range(12))
def test_ties_that_rounding_breaks_do_not_make_policies_loop(seed: int, discount: float) -> None:
    mdp = adversarial(seed, discount)
    exact, _ = refined.optimum(mdp.transition, mdp.reward, discount)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [
            solvers.policy_iteration(mdp, tol=0.0),
            solvers.policy_iteration(as_sparse(mdp), tol=0.0, evaluation="krylov"),
            solvers.policy_iteration(mdp, tol=0.0, start=np.full(mdp.n_states, 2)),
            solvers.modified_policy_iteration(mdp, tol=0.0),
            solvers.solve(mdp, 0.0),
        ]
        average = solvers.average_reward(mdp)
    for solution in found:
        assert refined.largest(solution.value, exact) <= solution.certificate.bound
        assert solution.certificate.bound <= 10 * solution.certificate.rounding
    assert max(solution.steps for solution in found[:3]) <= 20
    assert average.steps <= 20
    assert average.status is Status.CONVERGED
