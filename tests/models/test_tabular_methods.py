"""The discounted tabular model: expectation, replacement, exact data, deterministic view, in and out."""

from __future__ import annotations

import dataclasses
import json
import pickle
import tracemalloc
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from mdplab.instances.textbook import three_state_mdp
from mdplab.models import MDP

EPS = np.finfo(float).eps


def kernel() -> np.ndarray:
    return np.array(
        [[[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]], [[0.3, 0.4, 0.3], [0.0, 0.2, 0.8]], [[0.5, 0, 0.5], [1, 0, 0]]]
    )


def reward() -> np.ndarray:
    return np.array([[1.0, 0.0], [0.2, 0.5], [-0.3, 0.8]])


def csr() -> sparse.csr_array:
    return sparse.csr_array(kernel().reshape(6, 3))


@st.composite
def random_arrays(draw: Any) -> tuple[np.ndarray, np.ndarray, float]:
    s, a = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    p = rng.dirichlet(np.ones(s), (s, a)) * (rng.random((s, a, s)) < 0.7)
    p[..., 0] += p.sum(axis=2) == 0
    return p / p.sum(axis=2, keepdims=True), rng.normal(size=(s, a)), draw(st.floats(0, 0.99))


# --- expectation, rows, rewards -------------------------------------------------------------------------------


@given(random_arrays(), st.sampled_from([(), (1,), (3,), (2, 2)]), st.booleans())
def test_expectation_is_the_sum_for_dense_csr_and_complex(
    arrays: tuple[np.ndarray, np.ndarray, float], trailing: tuple[int, ...], with_phase: bool
) -> None:
    p, r, discount = arrays
    s, a = r.shape
    rng = np.random.default_rng(0)
    x = rng.normal(size=(s, *trailing)) + (1j * rng.normal(size=(s, *trailing)) if with_phase else 0.0)
    expected = np.einsum("sat,t...->sa...", p, x)
    for model in (MDP(p, r, discount), MDP(sparse.csr_array(p.reshape(s * a, s)), r, discount)):
        got = model.expectation(x)
        assert got.shape == (s, a, *trailing)
        assert np.iscomplexobj(got) == with_phase
        np.testing.assert_allclose(got, expected, atol=1e-14)


def test_a_complex_step_keeps_its_digits() -> None:
    mdp = three_state_mdp()
    got = mdp.expectation(np.array([1.0, 2.0, 3.0]) + 1e-30j * np.array([1.0, 0.0, 0.0]))
    np.testing.assert_array_equal(got.imag / 1e-30, mdp.transition[..., 0])


def test_expectation_refuses_another_length() -> None:
    with pytest.raises(ValueError, match=r"values has shape \(2,\), expected \(S, \.\.\.\) with S = 3"):
        three_state_mdp().expectation([1.0, 2.0])


@given(random_arrays())
def test_csr_and_dense_are_the_same_model(arrays: tuple[np.ndarray, np.ndarray, float]) -> None:
    p, r, discount = arrays
    s, a = r.shape
    rewards = np.random.default_rng(1).normal(size=(s, a, s))
    dense = MDP(p, rewards, discount)
    thin = MDP(sparse.csr_array(p.reshape(s * a, s)), rewards, discount)
    np.testing.assert_allclose(dense.reward, thin.reward, atol=1e-14)
    np.testing.assert_array_equal(thin.to_dense().transition, p)
    np.testing.assert_array_equal(dense.to_sparse().transition.toarray().reshape(s, a, s), p)
    assert dense.is_deterministic == thin.is_deterministic
    assert dense.to_frame().drop(columns="reward").equals(thin.to_frame().drop(columns="reward"))
    for i in range(s):
        for j in range(a):
            np.testing.assert_array_equal(dense.row(i, j), p[i, j])
            np.testing.assert_array_equal(thin.row(i, j), p[i, j])


def test_rewards_on_transitions_are_averaged() -> None:
    r = np.arange(18.0).reshape(3, 2, 3)
    expected = [[sum(kernel()[s, a, t] * r[s, a, t] for t in range(3)) for a in range(2)] for s in range(3)]
    np.testing.assert_allclose(MDP(kernel(), r, 0.9).reward, expected, rtol=1e-15)
    np.testing.assert_allclose(MDP(csr(), r, 0.9).reward, expected, rtol=1e-15)


@pytest.mark.parametrize("transition", [kernel(), csr()], ids=["dense", "csr"])
def test_row_is_read_only_and_refuses_other_pairs(transition: Any) -> None:
    mdp = MDP(transition, reward(), 0.9)
    assert not mdp.row(1, 1).flags.writeable
    for pair in ((3, 0), (0, 2), (-1, 0)):
        with pytest.raises(ValueError, match=r"no pair \(state"):
            mdp.row(*pair)


def test_start_law_is_asked_for_by_name() -> None:
    with pytest.raises(ValueError, match="no start law"):
        MDP(kernel(), reward(), 0.9).start_law()
    assert three_state_mdp().start_law().tolist() == [0.5, 0.3, 0.2]


# --- replace, exact data, deterministic view ------------------------------------------------------------------


@pytest.mark.parametrize("transition", [kernel(), csr()], ids=["dense", "csr"])
def test_replace_shares_the_kernel(transition: Any) -> None:
    mdp = MDP(transition, reward(), 0.9, available=np.ones((3, 2), dtype=bool), state_names=["a", "b", "c"])
    other = mdp.replace(reward=2 * reward(), discount=0.5, initial=[1, 0, 0])
    assert other.transition is mdp.transition
    assert other.available is mdp.available
    assert (other.discount, other.state_names, other.row_deviation) == (
        0.5,
        mdp.state_names,
        mdp.row_deviation,
    )
    np.testing.assert_array_equal(other.reward, 2 * reward())
    assert other.initial is not None
    assert other.initial.tolist() == [1, 0, 0]
    assert (mdp.discount, mdp.initial) == (0.9, None)  # the old model is as it was
    np.testing.assert_array_equal(mdp.reward, reward())
    assert mdp.replace(discount=0.1).reward is mdp.reward


def test_replace_does_not_look_at_the_kernel_again() -> None:
    p = kernel()
    mdp = MDP(p, reward(), 0.9)
    p[0, 0] = np.nan  # void by the contract, but visible to a second validation
    assert mdp.replace(discount=0.5).transition is mdp.transition


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reward": np.zeros(3)}, "reward has shape"),
        ({"reward": np.full((3, 2), np.nan)}, r"reward\[0, 0\] is nan"),
        ({"discount": 1.0}, "discount is 1"),
        ({"initial": [1, 1, 0]}, "initial sums to 2"),
    ],
)
def test_replace_checks_what_is_new(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MDP(kernel(), reward(), 0.9).replace(**changes)


def test_replace_averages_rewards_on_transitions() -> None:
    r = np.arange(18.0).reshape(3, 2, 3)
    np.testing.assert_array_equal(
        MDP(csr(), reward(), 0.9).replace(reward=r).reward, MDP(csr(), r, 0.9).reward
    )


def test_from_weights_keeps_the_rationals() -> None:
    weights = [[[1, 2], [0, 3]], [[5, 0], [1, 1]]]
    mdp = MDP.from_weights(
        weights, [[Fraction(1, 3), 2], [0.1, -1]], Fraction(9, 10), [1, 2], action_names=["l", "r"]
    )
    assert mdp.transition.tolist() == [[[1 / 3, 2 / 3], [0.0, 1.0]], [[1.0, 0.0], [0.5, 0.5]]]
    assert mdp.reward.tolist() == [[1 / 3, 2.0], [0.1, -1.0]]
    assert mdp.discount == 0.9
    assert mdp.initial is not None
    assert mdp.initial.tolist() == [1 / 3, 2 / 3]
    exact = mdp.exact
    assert exact is not None
    assert exact.probability(0, 0, 1) == Fraction(2, 3)
    assert (exact.transition().sum(axis=2) == 1).all()
    assert exact.reward[0, 0] == Fraction(1, 3)
    assert exact.reward[1, 0] == Fraction(0.1) != Fraction(1, 10)
    assert exact.discount == Fraction(9, 10)
    assert exact.initial is not None
    assert exact.initial.tolist() == [1, 2]
    assert MDP(kernel(), reward(), 0.9).exact is None


def test_from_weights_averages_exactly_and_takes_huge_weights() -> None:
    big = 10**30
    mdp = MDP.from_weights([[[big, 2 * big]], [[0, 1]]], [[[3, 0]], [[1, Fraction(1, 7)]]], 0.5)
    assert mdp.exact is not None
    assert mdp.exact.reward.tolist() == [[Fraction(1)], [Fraction(1, 7)]]
    assert mdp.row(0, 0).tolist() == [1 / 3, 2 / 3]
    assert mdp.exact.discount == Fraction(1, 2)


@given(st.integers(0, 2**32 - 1))
def test_from_weights_rounds_every_number_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 50, (2, 2, 2))
    mdp = MDP.from_weights(weights, rng.integers(-5, 5, (2, 2, 2)), Fraction(1, 3))
    assert mdp.exact is not None
    assert mdp.transition.tolist() == mdp.exact.transition().astype(float).tolist()
    assert mdp.reward.tolist() == mdp.exact.reward.astype(float).tolist()


def test_exact_data_follow_replace_as_far_as_they_can() -> None:
    mdp = three_state_mdp().replace(reward=[[Fraction(1, 3), 0], [0, 0], [0, 0]], discount=Fraction(1, 7))
    assert mdp.exact is not None
    assert (mdp.exact.reward[0, 0], mdp.exact.discount) == (Fraction(1, 3), Fraction(1, 7))
    assert (mdp.reward[0, 0], mdp.discount) == (1 / 3, 1 / 7)
    assert three_state_mdp().replace(initial=[1, 0, 0]).exact is None


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([[[1, -1]], [[0, 1]]], r"weights\[0, 0, 1\] is -1, expected a non-negative integer"),
        ([[[1, 0.5]], [[0, 1]]], r"weights\[0, 0, 0\] is 1\.0, expected a non-negative integer"),
        ([[[1, 1]], [[0, 0]]], r"weights row \(state 1, action 0\) sums to 0"),
        ([[[1, 1, 1]], [[0, 1, 1]]], r"weights has shape \(2, 1, 3\), expected \(S, A, S\)"),
    ],
)
def test_bad_weights_are_refused(weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MDP.from_weights(weights, [[0], [0]], 0.5)
    with pytest.raises(ValueError, match=r"reward\[0, 0\] is nan"):
        MDP.from_weights([[[1]]], [[np.nan]], 0.5)


@pytest.mark.parametrize("thin", [False, True])
def test_successors_go_both_ways(thin: bool) -> None:
    table = np.random.default_rng(0).integers(0, 5, (5, 3))
    mdp = MDP.from_successors(table, np.zeros((5, 3)), 0.5, sparse=thin, state_names=list("abcde"))
    assert mdp.is_sparse == thin
    assert mdp.is_deterministic
    np.testing.assert_array_equal(mdp.successors(), table)
    np.testing.assert_array_equal(mdp.transition.reshape(15, 5).sum(axis=1), 1.0)


@pytest.mark.parametrize("thin", [False, True])
def test_successors_of_unavailable_pairs_may_be_missing(thin: bool) -> None:
    mask = [[True, False], [True, True]]
    mdp = MDP.from_successors([[1, -1], [0, 1]], np.zeros((2, 2)), 0.5, available=mask, sparse=thin)
    assert mdp.successors().tolist() == [[1, -1], [0, 1]]
    assert not mdp.row(0, 1).any()
    with pytest.raises(ValueError, match=r"successor\[0, 1\] is -1, but the pair is available"):
        MDP.from_successors([[1, -1], [0, 1]], np.zeros((2, 2)), 0.5, available=np.ones((2, 2), dtype=bool))
    with pytest.raises(ValueError, match=r"successor\[0, 1\] is -1, expected an integer from 0 to 1"):
        MDP.from_successors([[1, -1], [0, 1]], np.zeros((2, 2)), 0.5)


@pytest.mark.parametrize("transition", [kernel(), csr()], ids=["dense", "csr"])
def test_a_random_row_has_no_successor(transition: Any) -> None:
    mdp = MDP(transition, reward(), 0.9)
    assert not mdp.is_deterministic
    with pytest.raises(
        ValueError, match=r"not deterministic: transition row \(state 0, action 0\) is random"
    ):
        mdp.successors()


def test_determinism_is_exact() -> None:
    p = np.array([[[1 - EPS, EPS]], [[0.0, 1.0]]])
    assert not MDP(p, [[0.0], [0.0]], 0.5).is_deterministic
    p = np.array([[[1 - EPS, 0]], [[0.0, 1.0]]])  # an accepted row, but not a successor of probability one
    assert not MDP(p, [[0.0], [0.0]], 0.5).is_deterministic


# --- in and out -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transition", [kernel(), csr()], ids=["dense", "csr"])
def test_a_pickle_is_the_same_and_read_only(transition: Any) -> None:
    mdp = MDP(transition, reward(), 0.9, [0.5, 0.3, 0.2], action_names=["l", "r"])
    mdp.is_deterministic  # noqa: B018 - a cached value must not disturb
    copy = pickle.loads(pickle.dumps(mdp))
    assert repr(copy) == repr(mdp)
    assert copy.to_dict() == mdp.to_dict()
    array = copy.transition.data if copy.is_sparse else copy.transition
    assert not array.flags.writeable
    assert not copy.reward.flags.writeable
    with pytest.raises(dataclasses.FrozenInstanceError):
        copy.discount = 0.1


@pytest.mark.parametrize("transition", [kernel(), csr()], ids=["dense", "csr"])
def test_plain_data_go_through_json(transition: Any) -> None:
    mdp = MDP(transition, reward(), 0.9, available=np.ones((3, 2), dtype=bool), state_names=["a", "b", "c"])
    data = json.loads(json.dumps(mdp.to_dict(), allow_nan=False))
    assert data["model"] == "MDP"
    assert "initial" not in data
    copy = MDP.from_dict(data)
    assert copy.to_dict() == mdp.to_dict()
    assert copy.is_sparse == mdp.is_sparse
    with pytest.raises(ValueError, match="data describe a Bandit, expected a MDP"):
        MDP.from_dict(data | {"model": "Bandit"})


def test_frame_lists_possible_transitions_by_name() -> None:
    frame = MDP(csr(), reward(), 0.9, state_names=["a", "b", "c"], action_names=["l", "r"]).to_frame()
    assert list(frame.columns) == ["state", "action", "next_state", "probability", "reward"]
    assert len(frame) == np.count_nonzero(kernel())
    last = frame.iloc[-1]
    assert (last.state, last.action, last.next_state, last.probability, last.reward) == (
        "c",
        "r",
        "a",
        1.0,
        0.8,
    )
    assert MDP(kernel(), reward(), 0.9).to_frame().state.tolist() == [0] * 6 + [1] * 5 + [2] * 3


def test_large_csr_models_stay_sparse() -> None:
    s, a, k = 20_000, 4, 3
    rng = np.random.default_rng(0)
    indices = np.sort((rng.integers(0, s, (s * a, 1)) + np.arange(k)) % s, axis=1).astype(np.int32)
    data = np.tile([0.25, 0.25, 0.5], s * a)
    p = sparse.csr_array(
        (data, indices.ravel(), np.arange(0, s * a * k + 1, k, dtype=np.int32)), shape=(s * a, s)
    )
    tracemalloc.start()
    mdp = MDP(p, np.zeros((s, a)), 0.9)
    mdp.replace(discount=0.5).expectation(np.ones(s))
    assert not mdp.is_deterministic
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * (data.nbytes + indices.nbytes)  # a dense copy would be 12.8 GB
    assert np.shares_memory(mdp.transition.data, data)


@pytest.mark.parametrize("transition", [kernel(), csr()], ids=["dense", "csr"])
def test_dataclass_tools_work(transition: Any) -> None:
    mdp = MDP(transition, reward(), 0.9, available=np.ones((3, 2), dtype=bool))
    copy = dataclasses.replace(mdp, discount=0.5)
    assert copy.to_dict() == mdp.to_dict() | {"discount": 0.5}
    assert [f.name for f in dataclasses.fields(mdp) if f.init][:4] == [
        "transition",
        "reward",
        "discount",
        "initial",
    ]
