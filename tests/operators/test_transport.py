"""Rewards under a transport penalty: proximal maps against linear programs and all maps, thresholds, edges."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mdplab.convex import linear_program
from mdplab.laws import FiniteLaw
from mdplab.operators import collapse_strength, push_forward, rest_strength, transport_prox
from mdplab.wasserstein import wasserstein

LINE = np.arange(4.0)
REWARD = np.array([0.0, 0.5, 0.8, 1.5])
LAW = np.array([0.4, 0.3, 0.2, 0.1])


@st.composite
def problems(draw):
    k, d = draw(st.integers(2, 4)), draw(st.integers(1, 2))
    places = draw(
        st.lists(st.tuples(*[st.integers(-3, 3)] * d), min_size=k, max_size=k, unique=True).map(np.array)
    )
    reward = np.array(draw(st.lists(st.integers(-4, 4), min_size=k, max_size=k))) / 4
    return reward, places.astype(float), draw(st.integers(1, 12)) / 4


@given(problems())
@settings(max_examples=40)
def test_the_envelope_is_the_best_over_all_maps(problem):
    reward, places, b = problem
    squares = ((places[:, None] - places) ** 2).sum(axis=2)
    found = transport_prox(reward, places, strength=b)
    law = np.full(reward.size, 1 / reward.size)
    rows = np.arange(reward.size)
    best = max(
        law @ (reward[list(moved)] - b / 2 * squares[rows, list(moved)])
        for moved in product(rows, repeat=reward.size)
    )
    assert law @ found.envelope == pytest.approx(best, abs=1e-13)
    np.testing.assert_allclose(
        reward[found.target] - b / 2 * squares[rows, found.target], found.envelope, rtol=0, atol=1e-14
    )


@given(problems())
@settings(max_examples=25)
def test_no_coupling_is_better(problem):
    reward, places, b = problem
    k = reward.size
    squares = ((places[:, None] - places) ** 2).sum(axis=2)
    law = np.arange(1, k + 1) / (k * (k + 1) / 2)
    program = linear_program(
        (reward - b / 2 * squares).ravel(), equal=(np.kron(np.eye(k), np.ones(k)), law), maximise=True
    )
    assert law @ transport_prox(reward, places, strength=b).envelope == pytest.approx(
        program.objective, abs=1e-12
    )


@given(problems())
def test_thresholds_separate(problem):
    reward, places, _ = problem
    best = int(reward.argmax())
    assume((reward == reward.max()).sum() == 1)
    collapse, rest = collapse_strength(reward, places), rest_strength(reward, places)
    assert 0 < collapse <= rest * (1 + 1e-12)
    assert (transport_prox(reward, places, strength=0.999 * collapse).target == best).all()
    assert not (transport_prox(reward, places, strength=1.001 * collapse).target == best).all()
    moved = transport_prox(reward, places, strength=0.999 * rest).target != np.arange(reward.size)
    assert moved.any()
    assert (transport_prox(reward, places, strength=1.001 * rest).target == np.arange(reward.size)).all()


def test_the_push_forward_has_the_value_of_the_envelope():
    found = transport_prox(REWARD, LINE, strength=0.3)
    law = push_forward(LAW, found.target)
    np.testing.assert_allclose(law, [0.0, 0.4, 0.0, 0.6], atol=1e-16)
    distance = wasserstein(FiniteLaw.from_atoms(LINE, law), FiniteLaw.from_atoms(LINE, LAW), 2)
    assert law @ REWARD - 0.15 * distance**2 == pytest.approx(LAW @ found.envelope, rel=1e-14)
    assert LAW @ found.envelope == pytest.approx(0.83, rel=1e-14)


def test_known_thresholds():
    assert collapse_strength(REWARD, LINE) == 0.25
    assert rest_strength(REWARD, LINE) == pytest.approx(1.4, rel=1e-14)
    assert transport_prox(REWARD, LINE, strength=0.25).margin.min() == pytest.approx(0.0, abs=1e-15)


def test_a_second_best_point_leaves_no_strength_to_collapse_at():
    assert collapse_strength([1.0, 1.0, 0.0], [0.0, 1.0, 2.0]) == 0.0


def test_a_single_point_stays():
    found = transport_prox([2.0], [[1.0, 3.0]], strength=1.0)
    assert found.target.tolist() == [0]
    assert found.envelope.tolist() == [2.0]
    assert found.margin.tolist() == [np.inf]
    assert collapse_strength([2.0], [0.0]) == np.inf
    assert rest_strength([2.0], [0.0]) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: transport_prox([1.0, 2.0], [0.0, 0.0], strength=1.0),
            r"positions\[0\] and positions\[1\] coincide",
        ),
        (lambda: transport_prox([1.0, 2.0], [0.0], strength=1.0), "positions has shape"),
        (lambda: collapse_strength([1.0, 2.0], [0.0, 1e-170]), r"the square of their distance is 0"),
        (
            lambda: rest_strength([1.0, 2.0], [0.0, 1e170]),
            r"positions\[0\] and positions\[1\] are too far apart",
        ),
        (lambda: transport_prox([1.0, np.nan], [0.0, 1.0], strength=1.0), "reward"),
        (lambda: transport_prox([1.0, 2.0], [0.0, 1.0], strength=0.0), "strength is 0.0"),
        (lambda: push_forward([0.5, 0.5], [0, 2]), r"target\[1\] is 2"),
        (lambda: push_forward([0.5, 0.5], [0.0, 1.0]), "target has dtype"),
        (lambda: push_forward([0.5, 0.5], [0]), "target"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
