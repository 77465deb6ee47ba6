"""Chains, bandits, games, preferences and logged data."""

from __future__ import annotations

import json
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.models import (
    Bandit,
    Comparisons,
    FlowNetwork,
    LoggedDataset,
    MarkovChain,
    MatrixGame,
    PairWeights,
    PreferenceMatrix,
    RewardProcess,
)

K = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.3, 0.6]])
START = np.array([0.5, 0.3, 0.2])
CYCLE = [[0.5, 0.9, 0.2], [0.1, 0.5, 0.7], [0.8, 0.3, 0.5]]

MODELS: list[Any] = [
    FlowNetwork([[False, True], [False, False]], [0.0, 1.0]),
    MarkovChain(START, K, steps=3),
    RewardProcess(K, K, 0.5, START),
    Bandit([1, 2], [0.5, 0.5], [[1], [2]]),
    MatrixGame([[1, 2], [3, 4]]),
    PreferenceMatrix(CYCLE),
    PairWeights(K),
    Comparisons([[0, 1]], 3),
    LoggedDataset([[0, 1]], [[0]], [[1.0]], n_states=2, n_actions=1),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: type(m).__name__)
def test_models_are_frozen_pickle_and_go_through_json(model: Any) -> None:
    field = next(iter(model.to_dict().keys() - {"model"}))
    with pytest.raises(AttributeError):
        setattr(model, field, None)
    for copy in (
        pickle.loads(pickle.dumps(model)),
        type(model).from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False))),
    ):
        assert copy.to_dict() == model.to_dict()
        assert repr(copy) == repr(model)
        assert all(not x.flags.writeable for x in vars(copy).values() if isinstance(x, np.ndarray))


# --- chains ---------------------------------------------------------------------------------------------------


def test_one_kernel_is_broadcast_without_a_copy() -> None:
    chain = MarkovChain(START, K, steps=1000)
    assert chain.kernels.shape == (1000, 3, 3)
    assert np.shares_memory(chain.kernels, K)
    assert (chain.n_states, chain.steps) == (3, 1000)
    assert MarkovChain(START, np.stack([K, K])).steps == 2


def test_rows_of_chains_may_be_off_by_rounding_of_computed_laws() -> None:
    kernel = K.copy()
    kernel[1, 1] += 5e-10
    assert MarkovChain(START, kernel, steps=1).row_deviation * (1 + 1e-6) >= 5e-10
    assert RewardProcess(kernel, K, 0.5).row_deviation * (1 + 1e-6) >= 5e-10
    kernel[1, 1] += 1e-8
    with pytest.raises(ValueError, match=r"kernels row \(state 1\) sums to 1\.0.*, expected 1 within 1e-09"):
        MarkovChain(START, kernel, steps=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((START, K), "steps is missing"),
        ((START, K, 0), "steps is 0, expected an integer of at least 1"),
        ((START, np.stack([K, K]), 3), "steps is 3, but there are 2 kernels"),
        ((START, K[:2, :2], 1), r"kernels has shape \(2, 2\), expected \(T, 3, 3\) or \(3, 3\)"),
        ((START, np.stack([K, -K])), r"kernels\[1, 0, 0\] is -0\.6"),
        ((START, np.stack([K, 2 * K])), r"kernels row \(step 1, state 0\) sums to"),
        (([0.5, 0.5, 0.1], K, 1), "initial sums to 1.1"),
    ],
)
def test_bad_chains_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MarkovChain(*arguments)


def test_reward_process_keeps_rewards_on_transitions() -> None:
    reward = np.arange(9.0).reshape(3, 3)
    process = RewardProcess(K, reward, 1.0)
    np.testing.assert_allclose(process.expected_reward(), (K * reward).sum(axis=1))
    np.testing.assert_array_equal(RewardProcess(K, [1, 2, 3], 0.5).reward, [[1] * 3, [2] * 3, [3] * 3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((K[:2], K, 0.5), r"kernel has shape \(2, 3\), expected \(S, S\)"),
        ((K, K[:2], 0.5), "reward has shape"),
        ((K, K * np.nan, 0.5), r"reward\[0, 0\] is nan"),
        ((K, K, 1.5), r"discount is 1\.5, expected a number in \[0, 1\]"),
        ((K * 0.5, K, 0.5), r"kernel row \(state 0\) sums to 0\."),
    ],
)
def test_bad_reward_processes_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RewardProcess(*arguments)


# --- bandits and games ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1.0, 2.0], [1.0, 0.0]), r"reference\[1\] is 0\.0, expected positive probabilities"),
        (([1.0, 2.0], [0.5, 0.4]), r"reference sums to 0\.9"),
        (([1.0, np.inf], [0.5, 0.5]), r"reward\[1\] is inf"),
        (([1.0, 2.0], [1.0]), r"reference has shape \(1,\), expected \(2,\)"),
        (([1.0, 2.0], [0.5, 0.5], [[1.0]]), "features has shape"),
    ],
)
def test_bad_bandits_are_refused(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Bandit(*arguments)


def test_duality_gap_of_a_known_game() -> None:
    pennies = MatrixGame([[1, -1], [-1, 1]])
    assert pennies.duality_gap([0.5, 0.5], [0.5, 0.5]) == 0.0
    assert pennies.duality_gap([1.0, 0.0], [0.5, 0.5]) == 1.0
    assert not pennies.is_antisymmetric
    assert not MatrixGame([[1, 2, 3]]).is_antisymmetric
    with pytest.raises(ValueError, match="row sums to 2"):
        pennies.duality_gap([1, 1], [0.5, 0.5])
    with pytest.raises(ValueError, match=r"payoff\[0, 1\] is nan"):
        MatrixGame([[0, np.nan]])


def test_the_game_of_a_preference_is_antisymmetric() -> None:
    for preference in (CYCLE, PreferenceMatrix(CYCLE)):
        game = MatrixGame.preference_game(preference)
        assert game.is_antisymmetric
        np.testing.assert_array_equal(game.payoff, np.array(CYCLE) - 0.5)
        x = np.array([0.2, 0.5, 0.3])
        assert game.duality_gap(x, x) == pytest.approx(2 * (game.payoff @ x).max(), abs=1e-15)


# --- preferences ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0.5, 0.9], [0.2, 0.5]], r"probability\[0, 1\] \+ probability\[1, 0\] is 1\.1, expected 1"),
        ([[0.5, 1.1], [-0.1, 0.5]], r"probability\[0, 1\] is 1\.1, expected a number in \[0, 1\]"),
        ([[0.4, 0.9], [0.1, 0.5]], r"probability\[0, 0\] is 0\.4, expected 0\.5"),
        ([[0.5, 0.9, 0.1]], r"expected \(n, n\)"),
        ([[0.5, np.nan], [0.1, 0.5]], r"probability\[0, 1\] is nan"),
    ],
)
def test_bad_preferences_are_refused(matrix: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PreferenceMatrix(matrix)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=5))
def test_bradley_terry_is_the_logistic_of_the_difference(scores: list[float]) -> None:
    p = PreferenceMatrix.bradley_terry(scores).probability
    r = np.array(scores)
    with np.errstate(over="ignore"):
        np.testing.assert_allclose(p, 1 / (1 + np.exp(r - r[:, None])), rtol=1e-12, atol=1e-300)


def test_graph_of_pair_weights() -> None:
    w = np.zeros((5, 5))
    w[1, 0], w[0, 3], w[3, 1], w[4, 2], w[2, 2] = 2, 1, 3, 1, 7
    pairs = PairWeights(w)
    assert pairs.total == 14
    assert pairs.components().tolist() == [0, 0, 1, 0, 1]
    assert pairs.strong_components().tolist() == [0, 0, 1, 0, 2]
    assert not pairs.is_connected
    laplacian = pairs.laplacian()
    assert np.linalg.matrix_rank(laplacian) == 3  # n minus the components
    x = np.array([0.3, -1.0, 2.0, 0.7, 1.1])
    energy = sum(w[i, j] * (x[i] - x[j]) ** 2 for i in range(5) for j in range(5))
    assert x @ laplacian @ x == pytest.approx(energy)
    np.testing.assert_array_equal(laplacian.sum(axis=1), 0.0)
    assert w[2, 2] == 7  # the argument is left alone


def test_strong_connection_is_more_than_connection() -> None:
    path = PairWeights([[0, 1, 0], [0, 0, 1], [0, 0, 0]])
    assert path.is_connected
    assert not path.is_strongly_connected
    assert path.strong_components().tolist() == [0, 1, 2]
    assert PairWeights([[0, 1, 0], [0, 0, 1], [1, 0, 0]]).is_strongly_connected
    assert path.flipped(0.25).is_strongly_connected


def test_flips_of_weights_and_of_labels() -> None:
    w = np.array([[0.0, 3.0], [1.0, 0.0]])
    np.testing.assert_allclose(PairWeights(w).flipped(0.25).weights, [[0, 2.5], [1.5, 0]])
    data = Comparisons([[0, 1], [0, 1], [1, 0], [0, 1]], 2)
    np.testing.assert_array_equal(data.wins().weights, w)
    assert data.flipped([True, False, False, True]).pairs.tolist() == [[1, 0], [0, 1], [1, 0], [1, 0]]
    np.testing.assert_array_equal(data.differences([1.0, 5.0]), [-4, -4, 4, -4])
    assert data.differences([[1.0, 0.0], [5.0, 1.0]]).shape == (4, 2)


def test_weights_of_independent_draws_have_total_one() -> None:
    first, second = np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.1, 0.8])
    preference = PreferenceMatrix(CYCLE)
    pairs = PairWeights.from_law(first, second, preference)
    assert pairs.total == pytest.approx(1.0, abs=1e-15)
    expected = np.zeros((3, 3))
    for i in range(3):
        for j in range(3):
            for winner, loser in ((i, j), (j, i)):
                expected[winner, loser] += first[i] * second[j] * preference.probability[winner, loser]
    np.testing.assert_allclose(pairs.weights, expected, atol=1e-15)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PairWeights([[0, -1], [0, 0]]), r"weights\[0, 1\] is -1\.0, expected a weight >= 0"),
        (lambda: PairWeights([[0, 0], [0, 0]]), "weights are all zero"),
        (lambda: PairWeights([[0, 1, 2]]), r"expected \(n, n\)"),
        (lambda: Comparisons([[0, 3]], 3), r"pairs\[0, 1\] is 3, expected an integer from 0 to 2"),
        (lambda: Comparisons([[0, 1, 2]], 3), "pairs has shape"),
        (lambda: Comparisons([[0, 1]], 2).flipped([1]), "flips has dtype int64, expected booleans"),
    ],
)
def test_bad_comparisons_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


# --- logged data ----------------------------------------------------------------------------------------------


def logged(weights: Any = None) -> LoggedDataset:
    states = [[0, 1, 2], [0, 1, 0], [2, 2, 2]]
    return LoggedDataset(states, [[0, 1], [1, 1], [0, 0]], np.eye(3)[:, :2], weights, n_states=4, n_actions=2)


def test_counts_add_up_weights() -> None:
    weights = np.array([0.5, 2.0, 1.0])
    data = logged(weights)
    stage, transition = np.zeros((2, 4, 2)), np.zeros((4, 2, 4))
    for n in range(3):
        for h in range(2):
            s, a, t = data.states[n, h], data.actions[n, h], data.states[n, h + 1]
            stage[h, s, a] += weights[n]
            transition[s, a, t] += weights[n]
    np.testing.assert_array_equal(data.stage_counts(), stage)
    np.testing.assert_array_equal(data.counts(), stage.sum(axis=0))
    np.testing.assert_array_equal(data.transition_counts(), transition)
    np.testing.assert_allclose(data.start_law(), [2.5 / 3.5, 0, 1 / 3.5, 0])
    np.testing.assert_array_equal(data.returns(0.5), [1, 0.5, 0])
    assert (data.n_trajectories, data.horizon, data.total_weight) == (3, 2, 3.5)
    other = data.reweighted([1, 0, 0])
    assert other.states is data.states
    assert other.counts().sum() == 2


def test_empirical_policy_is_the_relative_frequency() -> None:
    data = logged()
    policy = data.empirical_policy(default=[0.5, 0.5])
    np.testing.assert_array_equal(policy, [[0.5, 0.5], [0, 1], [1, 0], [0.5, 0.5]])
    smooth = data.empirical_policy(smoothing=0.5)
    np.testing.assert_allclose(smooth, [[0.5, 0.5], [1 / 6, 5 / 6], [5 / 6, 1 / 6], [0.5, 0.5]])
    staged = data.empirical_policy(by_stage=True, default=np.full((4, 2), 0.5))
    assert staged.shape == (2, 4, 2)
    np.testing.assert_array_equal(staged[1], [[0.5, 0.5], [0, 1], [1, 0], [0.5, 0.5]])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: logged().empirical_policy(), r"no data at \(state 3\)"),
        (lambda: logged().empirical_policy(by_stage=True), r"no data at \(stage 0, state 1\)"),
        (lambda: logged().empirical_policy(smoothing=-1), "smoothing is -1"),
        (lambda: logged().empirical_policy(default=[0.5, 0.6]), "default sums to 1.1"),
        (lambda: logged([1, 1]), r"weights has shape \(2,\), expected \(3,\)"),
        (lambda: logged([1, -1, 1]), r"weights\[1\] is -1\.0"),
        (lambda: logged([0, 0, 0]), "weights are all zero"),
        (lambda: LoggedDataset([[0, 2]], [[0]], [[0.0]], n_states=2, n_actions=1), r"states\[0, 1\] is 2"),
        (lambda: LoggedDataset([[0, 1]], [[1]], [[0.0]], n_states=2, n_actions=1), r"actions\[0, 0\] is 1"),
        (
            lambda: LoggedDataset([[0]], [[0]], [[0.0]], n_states=2, n_actions=1),
            r"states has shape \(1, 1\), expected \(1, 2\)",
        ),
        (
            lambda: LoggedDataset([[0, 1]], [[0]], [[np.nan]], n_states=2, n_actions=1),
            r"rewards\[0, 0\] is nan",
        ),
    ],
)
def test_bad_data_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
