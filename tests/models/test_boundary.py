"""What the boundary of all models says: masks, precision, shapes, texts, and the way through plain data."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from mdplab.models import MDP, FiniteHorizonMDP, MarkovChain, MatrixGame, OutcomeModel, Policy, TotalRewardMDP
from mdplab.models import _validate as v

P = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.7, 0.3], [0.1, 0.9]]])
R = np.array([[1.0, 0.0], [0.0, 2.0]])
W = [[[9, 1], [2, 8]], [[7, 3], [1, 9]]]
SOME = np.array([[True, False], [True, True]])


def hidden(array: Any) -> Any:
    """A masked array with one masked entry."""
    mask = np.zeros(np.shape(array), dtype=bool)
    mask.flat[1] = True
    return np.ma.masked_array(array, mask)


def masked_csr() -> Any:
    matrix = sparse.csr_array(P.reshape(4, 2))
    matrix.data = hidden(matrix.data)
    return matrix


def objects(*items: Any) -> np.ndarray:
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MDP([hidden(P[0]), P[1]], R, 0.9), r"transition\[0\] is masked"),
        (lambda: MDP((P[0], hidden(P[1])), R, 0.9), r"transition\[1\] is masked"),
        (
            lambda: MDP([[P[0, 0], P[0, 1]], [P[1, 0], hidden(P[1, 1])]], R, 0.9),
            r"transition\[1, 1\] is masked",
        ),
        (lambda: MDP(P, [R[0], hidden(R[1])], 0.9), r"reward\[1\] is masked"),
        (lambda: MDP(P, [[1.0, np.ma.masked], [0.0, 2.0]], 0.9), r"reward\[0, 1\] is masked"),
        (lambda: MDP(P, objects(R[0], hidden(R[1])), 0.9), r"an entry of reward is masked"),
        (lambda: MDP(P, R, 0.9, available=[SOME[0], hidden(SOME[1])]), r"available\[1\] is masked"),
        (lambda: MDP(masked_csr(), R, 0.9), "transition.data is a masked array"),
        (lambda: MDP.from_weights(hidden(W), R, 0.9), "weights is a masked array"),
        (lambda: MDP.from_weights(W, hidden(R), 0.9), "reward is a masked array"),
        (lambda: MDP.from_weights(W, R, 0.9, [np.ma.masked, 2]), r"initial\[0\] is masked"),
        (lambda: MDP.from_successors(hidden([[0, 1], [1, 0]]), R, 0.9), "successor is a masked array"),
        (lambda: MDP(P, R, 0.9).expectation(hidden([1.0, 2.0])), "values is a masked array"),
    ],
)
def test_no_mask_is_lost(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


LOW = (P / P.sum(axis=2, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(
    "make",
    [
        lambda: MDP(LOW, R, 0.9),
        lambda: MDP([LOW[0], LOW[1]], R, 0.9),
        lambda: MDP(sparse.csr_array(LOW.reshape(4, 2)), R, 0.9),
        lambda: MDP(P, R, 0.9, np.array([0.9, 0.1], dtype=np.float32)),
        lambda: FiniteHorizonMDP(LOW, R, 3),
        lambda: TotalRewardMDP(LOW, R, [False, True]),
        lambda: OutcomeModel(LOW, [0.0, 1.0], [0, 1]),
        lambda: MarkovChain([0.5, 0.5], LOW),
        lambda: Policy.from_probability(LOW[:, 0]),
    ],
)
def test_rows_of_low_precision_are_called_so(make: Callable[[], Any]) -> None:
    with pytest.raises(
        ValueError, match=r"given as float32, which holds 6 digits only: compute .* in float64"
    ):
        make()


def test_no_hint_at_precision_where_the_rows_are_simply_wrong() -> None:
    with pytest.raises(ValueError, match="sums to") as caught:
        MDP(0.5 * P, R, 0.9)
    assert "float" not in str(caught.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MDP(np.eye(3), R, 0.9), r"transition has shape \(3, 3\), expected \(S, A, S\)$"),
        (lambda: MDP(np.ones((3, 2, 2)), R, 0.9), r"has shape \(3, 2, 2\), expected \(S, A, S\)$"),
        (lambda: MDP(P, R, 0.9, [[1.0]]), r"initial has shape \(1, 1\), expected \(2,\)$"),
        (lambda: FiniteHorizonMDP(np.ones((3, 2, 2)), R, 1), r"expected \(S, A, S\) or \(H, S, A, S\)$"),
        (lambda: MatrixGame([1.0]), r"payoff has shape \(1,\), expected \(n, m\)$"),
        (lambda: Policy.from_probability([1.0]), r"expected \(S, A\) or \(H, S, A\)$"),
    ],
)
def test_shapes_are_written_as_in_the_documentation(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_a_letter_is_one_length() -> None:
    v.check_shape("x", (2, 3, 2), [("S", "A", "S")])
    v.check_shape("x", (2, 3), [("n", 3)])
    v.check_shape("x", (2, 3), [(None, None)])
    with pytest.raises(ValueError, match=r"expected \(S, A, S\) or \(any,\)"):
        v.check_shape("x", (2, 3, 4), [("S", "A", "S"), (None,)])


@pytest.mark.parametrize("model", [MDP, TotalRewardMDP])
def test_a_list_of_sparse_matrices_is_shown_the_way(model: Any) -> None:
    matrices = [sparse.csr_array(P[:, a]) for a in range(2)]
    last = 0.9 if model is MDP else [False, False]
    with pytest.raises(ValueError, match=r"list of sparse matrices, expected one .* \(S\*A, S\)"):
        model(matrices, R, last)
    stacked = sparse.vstack([m[[s]] for s in range(2) for m in matrices])  # as the message says
    np.testing.assert_array_equal(MDP(stacked, R, 0.9).to_dense().transition, P)
    with pytest.raises(ValueError, match=r"reward\[0\] is a sparse matrix, expected an array"):
        model(P, matrices, last)


def test_a_state_without_actions_names_the_argument() -> None:
    with pytest.raises(
        ValueError, match=r"available\[1\] is False throughout: state 1 has no available action"
    ):
        MDP(P, R, 0.9, available=[[True, True], [False, False]])


@pytest.mark.parametrize("entry", ["0.0", b"0.0", np.str_("0.0"), None])
def test_texts_and_none_are_no_numbers(entry: Any) -> None:
    with pytest.raises(ValueError, match=r"reward\[0, 1\] is .*, expected a number"):
        MDP(P, np.array([[1, entry], [Fraction(1, 2), 0.5]], dtype=object), 0.9)
    exact = np.array([[1, 0], [Fraction(1, 2), 0.5]], dtype=object)
    assert MDP(P, exact, 0.9).reward.tolist() == [[1.0, 0.0], [0.5, 0.5]]


@pytest.mark.parametrize("entry", [-np.inf, np.nan])
def test_rewards_are_finite_also_where_unavailable(entry: float) -> None:
    wrong = np.array([[1.0, entry], [0.0, 2.0]])
    message = r"reward\[0, 1\] is .*, expected a finite number also where the pair is unavailable: write 0"
    with pytest.raises(ValueError, match=message):
        MDP(P, wrong, 0.9, available=SOME)
    with pytest.raises(ValueError, match=message):
        MDP(P, R, 0.9, available=SOME).replace(reward=wrong)
    with pytest.raises(ValueError, match=message):
        TotalRewardMDP(P, wrong, [False, False], available=SOME)
    with pytest.raises(ValueError, match=r"expected a finite number$"):
        MDP(P, wrong, 0.9)


# --- plain data -----------------------------------------------------------------------------------------------


def through_json(model: Any) -> Any:
    return type(model).from_dict(json.loads(json.dumps(model.to_dict(), allow_nan=False)))


def test_rationals_survive_plain_data() -> None:
    big = 10**30
    model = MDP.from_weights(
        [[[big, 1], [1, 2]], [[1, 2], [0, 0]]],
        [[Fraction(1, 3), 0.1], [2, 0]],
        Fraction(9, 10),
        [1, 2],
        available=[[True, True], [True, False]],
        state_names=["a", "b"],
    )
    copy = through_json(model)
    assert copy.exact is not None
    assert model.exact is not None
    assert copy.exact.weights.tolist() == model.exact.weights.tolist()
    assert copy.exact.reward.tolist() == model.exact.reward.tolist()
    assert (copy.exact.discount, copy.exact.initial.tolist()) == (Fraction(9, 10), [1, 2])
    assert copy.to_dict() == model.to_dict()
    assert through_json(model.replace(initial=[0.5, 0.5])).exact is None
    assert through_json(model.replace(discount=0.5)).exact.discount == Fraction(1, 2)


@pytest.mark.parametrize("change", [{"discount": 0.5}, {"reward": R.tolist()}, {"transition": P.tolist()}])
def test_rationals_of_another_model_are_refused(change: dict[str, Any]) -> None:
    data = MDP.from_weights([[[1, 1], [1, 2]], [[1, 3], [1, 1]]], [[1, 2], [3, 4]], 0.9).to_dict()
    with pytest.raises(ValueError, match="the rationals disagree with the floats"):
        MDP.from_dict(data | change)


@pytest.mark.parametrize("as_csr", [False, True])
def test_exact_rows_survive_plain_data(as_csr: bool) -> None:
    model = MDP.from_successors([[0, 1, 2], [1, 0, 2], [2, 2, 0]], np.zeros((3, 3)), 0.9, sparse=as_csr)
    assert through_json(model).row_deviation == 0.0
    assert MDP.from_dict(MDP(P, R, 0.9).to_dict() | {"exact_rows": True}).row_deviation > 0.0


def test_keys_of_plain_data_are_checked() -> None:
    data = MDP(P, R, 0.9).to_dict()
    with pytest.raises(
        ValueError, match=r"unknown key 'gamma', expected some of transition, reward, discount"
    ):
        MDP.from_dict(data | {"gamma": 0.9})
    with pytest.raises(ValueError, match="data lack the key 'reward' of a MDP"):
        MDP.from_dict({key: value for key, value in data.items() if key != "reward"})
    with pytest.raises(ValueError, match="data lack the key 'log_probability' of a Policy"):
        Policy.from_dict({"model": "Policy"})
    game = MatrixGame(R).to_dict()
    with pytest.raises(ValueError, match="'exact', which a MatrixGame does not know"):
        MatrixGame.from_dict(game | {"exact": {}})


# --- policies as arrays ---------------------------------------------------------------------------------------


def test_a_policy_is_indexed_and_multiplied_as_its_probabilities() -> None:
    pi = np.array([[0.6, 0.4], [0.3, 0.7], [1.0, 0.0]])
    policy = Policy.from_probability(pi)
    np.testing.assert_array_equal(policy[1], pi[1])
    assert policy[2, 0] == 1.0
    np.testing.assert_array_equal(policy[:, 1], pi[:, 1])
    assert len(policy) == 3
    np.testing.assert_array_equal(list(policy), pi)
    x = np.arange(6.0).reshape(3, 2)
    for got, wanted in (
        (policy * x, pi * x),
        (x * policy, x * pi),
        (policy * 2.0, pi * 2.0),
        (2.0 * policy, 2.0 * pi),
        (policy + x, pi + x),
        (1.0 - policy, 1.0 - pi),
        (policy - policy, 0.0 * pi),
        (policy / 2.0, pi / 2.0),
        (policy @ x[0], pi @ x[0]),
        (x.T @ policy, x.T @ pi),
        ([1.0, 2.0, 3.0] @ policy, np.array([1.0, 2.0, 3.0]) @ pi),
        (np.asarray(policy), pi),
    ):
        assert type(got) is np.ndarray
        np.testing.assert_array_equal(got, wanted)
    with pytest.raises(TypeError):
        policy[0] = [0.5, 0.5]  # type: ignore[index]
    with pytest.raises(ValueError, match="read-only"):
        policy[0][0] = 0.5
    assert len({policy, policy}) == 1  # still compared by identity
