"""The discounted tabular model: what it accepts, what it refuses and in which words, what it shares."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scipy import sparse

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


# --- what is kept --------------------------------------------------------------------------------------------


def test_dense_arrays_are_viewed_not_copied_and_read_only() -> None:
    p, r, start = kernel(), reward(), np.array([0.5, 0.3, 0.2])
    mdp = MDP(p, r, 0.9, start)
    for ours, theirs in ((mdp.transition, p), (mdp.reward, r), (mdp.initial, start)):
        assert ours is not None
        assert np.shares_memory(ours, theirs)
        assert not ours.flags.writeable
        assert theirs.flags.writeable  # the caller's array is left alone
        with pytest.raises(ValueError, match="read-only"):
            ours[0] = 0.0


def test_csr_arrays_are_viewed_not_copied_and_read_only() -> None:
    p = csr()
    mdp = MDP(p, reward(), 0.9)
    assert isinstance(mdp.transition, sparse.csr_array)
    for part in ("data", "indices", "indptr"):
        ours, theirs = getattr(mdp.transition, part), getattr(p, part)
        assert np.shares_memory(ours, theirs)
        assert not ours.flags.writeable
        assert theirs.flags.writeable
    assert mdp.transition.indices.dtype == np.int32


@pytest.mark.parametrize(
    "change", [lambda p: np.asfortranarray(p), lambda p: p.astype(">f8"), lambda p: p.tolist()]
)
def test_other_layouts_are_copied_once(change: Any) -> None:
    given = change(kernel())
    mdp = MDP(given, reward(), 0.9)
    assert mdp.transition.flags.c_contiguous
    assert mdp.transition.dtype == np.float64
    np.testing.assert_array_equal(mdp.transition, kernel())


def test_integers_become_floats_and_32_bit_floats_are_not_close_enough() -> None:
    assert MDP(np.eye(2, dtype=int)[:, None], [[0], [1]], 0).transition.dtype == np.float64
    with pytest.raises(ValueError, match="sums to"):
        MDP(kernel().astype(np.float32), reward(), 0.9)


@pytest.mark.parametrize("kind", ["csc_array", "coo_array", "lil_array", "csr_matrix"])
def test_any_sparse_kind_becomes_a_csr_array(kind: str) -> None:
    mdp = MDP(getattr(sparse, kind)(csr()), reward(), 0.9)
    assert isinstance(mdp.transition, sparse.csr_array)
    assert mdp.is_sparse
    np.testing.assert_array_equal(mdp.transition.toarray(), kernel().reshape(6, 3))


def test_csr_is_made_canonical_without_touching_the_source() -> None:
    data = np.array([0.25, 0.5, 0.25, 1.0])
    indices, indptr = np.array([1, 0, 1, 0], dtype=np.int64), np.array([0, 3, 4], dtype=np.int64)
    given = sparse.csr_array((data, indices, indptr), shape=(2, 2))
    kept = given.data.copy(), given.indices.copy(), given.indptr.copy()
    mdp = MDP(given, [[0.0], [0.0]], 0.5)
    assert mdp.transition.data.tolist() == [0.5, 0.5, 1.0]
    assert mdp.transition.indices.tolist() == [0, 1, 0]
    assert mdp.transition.indices.dtype == np.int32
    for part, before in zip(("data", "indices", "indptr"), kept, strict=True):
        np.testing.assert_array_equal(getattr(given, part), before)
        assert not getattr(mdp.transition, part).flags.writeable


def test_stored_zeros_and_unused_tail_of_a_csr_are_admitted() -> None:
    given = SimpleNamespace(
        format="csr",
        shape=(2, 2),
        data=np.array([1.0, 0.0, 1.0, 7.0]),
        indices=np.array([0, 1, 1, 99]),
        indptr=np.array([0, 2, 3]),
        tocsr=lambda: None,
    )
    mdp = MDP(given, [[0.0], [0.0]], 0.5)
    assert mdp.is_deterministic
    assert mdp.successors().tolist() == [[0], [1]]


def test_fields_cannot_be_set_or_deleted() -> None:
    mdp = MDP(kernel(), reward(), 0.9)
    with pytest.raises(dataclasses.FrozenInstanceError):
        mdp.discount = 0.5  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del mdp.reward


def test_sizes_names_and_repr() -> None:
    mdp = MDP(csr(), reward(), 0.9, state_names=["abc"] * 0 + ["a", "b", "c"], action_names=["l", "r"])
    assert (mdp.n_states, mdp.n_actions) == (3, 2)
    assert mdp.state_names == ("a", "b", "c")
    assert repr(mdp) == "MDP(S=3, A=2, discount=0.9, csr)"
    assert repr(mdp.to_dense()) == "MDP(S=3, A=2, discount=0.9, dense)"


def test_row_deviation_bounds_the_exact_deviation() -> None:
    p = kernel()
    p[0, 0, 0] += 5 * EPS
    exact = max(abs(sum(map(Fraction, map(float, row))) - 1) for row in p.reshape(-1, 3))
    for model in (MDP(p, reward(), 0.9), MDP(sparse.csr_array(p.reshape(6, 3)), reward(), 0.9)):
        assert exact <= Fraction(model.row_deviation) <= exact + Fraction(4 * EPS)
    assert MDP.from_successors([[0]], [[1.0]], 0.5).row_deviation == 0.0


# --- what is refused ------------------------------------------------------------------------------------------


def with_entry(index: tuple[int, ...], value: float) -> np.ndarray:
    p = kernel()
    p[index] = value
    return p


def with_data(position: int, value: float) -> sparse.csr_array:
    p = csr()
    p.data[position] = value
    return p


BAD_KERNELS: list[tuple[Any, str]] = [
    (with_entry((2, 1, 0), np.nan), r"transition\[2, 1, 0\] is nan"),
    (with_entry((0, 1, 2), -0.1), r"transition\[0, 1, 2\] is -0\.1: probabilities must be >= 0"),
    (with_entry((0, 1, 2), -np.inf), r"transition\[0, 1, 2\] is -inf: probabilities must be >= 0"),
    (
        with_entry((2, 1, 0), 0.9),
        r"transition row \(state 2, action 1\) sums to 0\.9, expected 1 within 5\.3e-15",
    ),
    (with_entry((2, 1, 0), np.inf), r"transition row \(state 2, action 1\) sums to inf"),
    (with_entry((2, 1, 0), 1 + 40 * EPS), r"transition row \(state 2, action 1\) sums to 1\.0"),
    (with_data(3, np.nan), r"transition\[0, 1, 0\] is nan"),
    (with_data(5, -0.3), r"transition\[0, 1, 2\] is -0\.3: probabilities must be >= 0"),
    (with_data(12, -1.0), r"transition\[2, 0, 2\] is -1\.0"),
    (with_data(13, 0.9), r"transition row \(state 2, action 1\) sums to 0\.9"),
    (np.full((3, 2, 2), 0.5), r"transition has shape \(3, 2, 2\), expected \(S, A, S\)"),
    (np.eye(3), r"transition has shape \(3, 3\), expected \(S, A, S\)"),
    (np.zeros((0, 2, 0)), r"transition has shape \(0, 2, 0\): no axis may be empty"),
    ([[[1.0], [0.0, 1.0]]], "transition is not a rectangular array"),
    (kernel().astype(complex), "transition has dtype complex128, expected real numbers"),
    (kernel().astype(str), "transition has dtype <U.*, expected real numbers"),
    ([[[{}]]], "transition must hold real numbers"),
    (np.ma.masked_array(kernel()), "transition is a masked array"),
    (sparse.csr_array(np.eye(3)[:2]), r"transition is sparse with shape \(2, 3\), expected \(S\*A, S\)"),
    (csr() * 1j, r"transition.data has dtype complex128"),
]


@pytest.mark.parametrize(("transition", "message"), BAD_KERNELS)
def test_bad_kernels_are_refused_by_place(transition: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MDP(transition, reward(), 0.9)


def parts(**changes: Any) -> SimpleNamespace:
    """A duck-typed CSR matrix."""
    c = csr()
    given = {"data": c.data, "indices": c.indices, "indptr": c.indptr, "shape": (6, 3), "format": "csr"}
    matrix = SimpleNamespace(**(given | changes))
    matrix.tocsr = lambda: matrix
    return matrix


def changed(array: np.ndarray, index: int, value: int) -> np.ndarray:
    array = array.copy()
    array[index] = value
    return array


BAD_PARTS: list[tuple[dict[str, Any], str]] = [
    (
        {"indices": csr().indices.astype(float)},
        "transition.indices has dtype float64 .* expected one axis of integers",
    ),
    ({"indptr": csr().indptr.astype(float)}, "transition.indptr has dtype float64"),
    (
        {"indices": changed(csr().indices, 4, 3)},
        r"transition.indices\[4\] is 3, expected a state from 0 to 2",
    ),
    (
        {"indices": changed(csr().indices, 4, -1)},
        r"transition.indices\[4\] is -1, expected a state from 0 to 2",
    ),
    ({"indptr": changed(csr().indptr, 0, 1)}, r"transition.indptr\[0\] is 1, expected 0"),
    ({"indptr": changed(csr().indptr, 2, 99)}, "transition.indptr decreases from 99 to 9 after row 2"),
    (
        {"indptr": changed(csr().indptr, -1, 99)},
        "transition.indptr ends at 99, but data and indices have lengths 14",
    ),
    ({"indptr": csr().indptr[:-1]}, r"transition.indptr has length 6, expected S\*A \+ 1 = 7"),
    (
        {"indices": csr().indices[:-1]},
        "transition.indptr ends at 14, but data and indices have lengths 14 and 13",
    ),
    ({"data": csr().data[:, None]}, "transition.data has dtype float64 and 2 axes"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_PARTS)
def test_broken_csr_parts_are_refused_before_scipy_reads_them(changes: dict[str, Any], message: str) -> None:
    assert MDP(parts(), reward(), 0.9).n_actions == 2
    with pytest.raises(ValueError, match=message):
        MDP(parts(**changes), reward(), 0.9)


def test_index_arrays_changed_behind_scipy_are_refused() -> None:
    """SciPy's cached flags of the caller's matrix are not trusted."""
    p = csr()
    assert p.has_canonical_format
    p.indices[3] = 7
    with pytest.raises(ValueError, match=r"indices\[3\] is 7"):
        MDP(p, reward(), 0.9)
    p = csr()
    assert p.has_sorted_indices
    p.indices[:2], p.data[:2] = p.indices[1::-1].copy(), p.data[1::-1].copy()
    np.testing.assert_array_equal(MDP(p, reward(), 0.9).transition.indices[:3], [0, 1, 2])


BAD_ARGUMENTS: list[tuple[dict[str, Any], str]] = [
    ({"reward": [[1, 0], [0, np.nan], [0, 0]]}, r"reward\[1, 1\] is nan, expected a finite number"),
    ({"reward": [[1, 0], [0, 0], [-np.inf, 0]]}, r"reward\[2, 0\] is -inf, expected a finite number"),
    ({"reward": np.zeros((2, 3))}, r"reward has shape \(2, 3\), expected \(3, 2\) or \(3, 2, 3\)"),
    ({"reward": csr()}, "reward is a sparse matrix, expected an array"),
    ({"reward": np.where(np.arange(18) == 7, np.inf, 0.0).reshape(3, 2, 3)}, r"reward\[1, 0, 1\] is inf"),
    ({"discount": 1.0}, r"discount is 1\.0, expected a number in \[0, 1\)"),
    ({"discount": -0.1}, r"discount is -0\.1, expected"),
    ({"discount": np.nan}, "discount is nan, expected"),
    ({"discount": [0.9, 0.9, 0.9]}, "discount must be a single number"),
    ({"discount": "0.9"}, "discount must be a single number"),
    ({"discount": None}, "discount must be a single number"),
    ({"initial": [0.5, 0.5]}, r"initial has shape \(2,\), expected \(3,\)"),
    ({"initial": [0.5, 0.3, 0.1]}, r"initial sums to 0\.9, expected 1 within"),
    ({"initial": [1.5, -0.5, 0.0]}, r"initial\[1\] is -0\.5: probabilities must be >= 0"),
    ({"initial": [np.nan, 0.5, 0.5]}, r"initial\[0\] is nan, expected a probability"),
    ({"available": [[1, 1], [1, 1], [1, 1]]}, "available has dtype int64, expected booleans"),
    ({"available": np.ones((3, 3), dtype=bool)}, r"available has shape \(3, 3\), expected \(3, 2\)"),
    ({"available": [[True, True], [True, False], [False, False]]}, "state 2 has no available action"),
    ({"state_names": ["a", "b"]}, "state_names has 2 entries, expected one for each of 3 states"),
    ({"state_names": ["a", "b", "a"]}, "state_names has 'a' twice"),
    ({"action_names": "lr"}, "action_names is a single string"),
    ({"action_names": ["l"]}, "action_names has 1 entries, expected one for each of 2 actions"),
]


@pytest.mark.parametrize("transition", [kernel(), csr()], ids=["dense", "csr"])
@pytest.mark.parametrize(("changes", "message"), BAD_ARGUMENTS)
def test_bad_arguments_are_refused(transition: Any, changes: dict[str, Any], message: str) -> None:
    arguments = {"transition": transition, "reward": reward(), "discount": 0.9} | changes
    with pytest.raises(ValueError, match=message):
        MDP(**arguments)


def test_the_tolerance_of_rows_is_eight_eps_n() -> None:
    p = np.zeros((1, 1, 1))
    p[0, 0, 0] = 1 + 8 * EPS
    assert MDP(p, [[0.0]], 0.5).row_deviation == 8 * EPS
    p[0, 0, 0] = 1 + 9 * EPS
    with pytest.raises(ValueError, match="sums to"):
        MDP(p, [[0.0]], 0.5)


# --- unavailable actions --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [np.asarray, lambda p: sparse.csr_array(p.reshape(-1, 2))], ids=["dense", "csr"]
)
def test_rows_of_unavailable_pairs_are_laws_or_zero(make: Any) -> None:
    p = np.array([[[1.0, 0.0], [0.0, 0.0]], [[0.0, 1.0], [0.5, 0.5]]])
    mask = np.array([[True, False], [True, False]])
    mdp = MDP(make(p), np.zeros((2, 2)), 0.9, available=mask)
    assert mdp.available is not None
    np.testing.assert_array_equal(mdp.available, mask)
    assert mdp.row_deviation <= EPS
    assert mdp.is_deterministic
    assert mdp.successors().tolist() == [[0, -1], [1, -1]]
    assert len(mdp.to_frame()) == 2
    with pytest.raises(ValueError, match=r"\(state 0, action 1\) sums to 0\.0, expected 1"):
        MDP(make(p), np.zeros((2, 2)), 0.9)
    p[0, 1, 0] = 0.5
    with pytest.raises(ValueError, match=r"\(state 0, action 1\) sums to 0\.5, expected 1 .* or all zeros"):
        MDP(make(p), np.zeros((2, 2)), 0.9, available=mask)
