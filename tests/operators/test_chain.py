"""Tilted chains: recursion and tilt against enumeration of all paths, published values of C3, conditioning."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab.models.chain import MarkovChain
from mdplab.operators import chain_kl, log_partition, log_value_recursion, marginals, tilted_chain
from small_models import C3_LIKELIHOOD, c3, random_chain

SEEDS = st.integers(0, 2**32 - 1)
CALM = settings(deadline=None, max_examples=60)


def path_law(chain):
    """All paths and their probabilities."""
    steps, states = chain.kernels.shape[:2]
    paths = list(itertools.product(range(states), repeat=steps + 1))
    law = [
        chain.initial[p[0]] * np.prod([chain.kernels[t, p[t], p[t + 1]] for t in range(steps)]) for p in paths
    ]
    return np.array(paths), np.array(law)


@CALM
@given(SEEDS)
def test_recursion_tilt_marginals_and_kl_equal_enumeration(seed):
    chain = random_chain(seed)
    rng = np.random.default_rng(seed + 1)
    terminal = rng.choice([0.3, 1.0, 2.0, 8.0]) * np.log(rng.uniform(0.001, 1, 3))
    paths, law = path_law(chain)
    weights = law * np.exp(terminal[paths[:, -1]])
    values = log_value_recursion(chain, terminal)
    assert log_partition(chain, values) == pytest.approx(np.log(weights.sum()), rel=1e-12)
    tilted = tilted_chain(chain, values)
    np.testing.assert_allclose(path_law(tilted)[1], weights / weights.sum(), rtol=1e-11)
    for t in range(paths.shape[1]):
        for x in range(3):
            through = paths[:, t] == x
            expectation = weights[through].sum() / law[through].sum()
            assert values[t, x] == pytest.approx(np.log(expectation), rel=1e-11, abs=1e-13)
            assert marginals(chain)[t, x] == pytest.approx(law[through].sum(), rel=1e-13)
    # every controlled chain loses exactly its divergence from the tilt
    other = random_chain(seed + 2)
    steps = chain.kernels.shape[0]
    other = MarkovChain(other.initial, np.stack([other.kernels[0]] * steps))
    other_law = path_law(other)[1]
    assert chain_kl(other, chain) == pytest.approx((other_law * np.log(other_law / law)).sum(), rel=1e-11)
    objective = marginals(other)[-1] @ terminal - chain_kl(other, chain)
    loss = log_partition(chain, values) - objective
    assert loss == pytest.approx(chain_kl(other, tilted), rel=1e-10)


def test_known_values_of_the_three_state_chain():
    chain = c3()
    values = log_value_recursion(chain, 2 * np.log(C3_LIKELIHOOD))
    assert log_partition(chain, values) == pytest.approx(-1.0211624781, abs=1e-10)
    np.testing.assert_allclose(values[0], [-1.13668805752, -0.95399259906, -0.86540752156], atol=1e-11)
    np.testing.assert_allclose(values[2], [-1.82015894375, -0.99425227334, -0.57625342909], atol=1e-11)
    tilted = tilted_chain(chain, values)
    np.testing.assert_allclose(tilted.initial, [0.445448891653, 0.320843143352, 0.233707964995], atol=1e-12)
    np.testing.assert_allclose(
        tilted.kernels[0, 0], [0.494390426328, 0.360882572924, 0.144727000748], atol=1e-12
    )
    np.testing.assert_allclose(tilted.kernels[2, 0], [1 / 27, 25 / 54, 1 / 2], rtol=1e-14)
    end = [0.008334814091, 0.259872951002, 0.731792234907]
    np.testing.assert_allclose(marginals(tilted)[-1], end, atol=1e-12)
    assert chain_kl(tilted, chain) == pytest.approx(0.46831481972, abs=1e-11)
    once = log_value_recursion(chain, np.log(C3_LIKELIHOOD))
    assert log_partition(chain, once[0]) == pytest.approx(-0.6731877028, abs=1e-10)
    end = [0.058853513174, 0.367001254705, 0.574145232120]
    np.testing.assert_allclose(marginals(tilted_chain(chain, once))[-1], end, atol=1e-12)


def test_approximate_values_give_their_controller():
    # V_t + (-1)^t eps (1, -1, 1), eps = .5: path divergences to and from the tilt
    chain = c3()
    values = log_value_recursion(chain, 2 * np.log(C3_LIKELIHOOD))
    wrong = values.copy()
    wrong[:3] += 0.5 * np.array([[1.0], [-1.0], [1.0]]) * np.array([1.0, -1.0, 1.0])
    tilted, controlled = tilted_chain(chain, values), tilted_chain(chain, wrong)
    assert chain_kl(tilted, controlled) == pytest.approx(0.31499906366, abs=1e-11)
    assert chain_kl(controlled, tilted) == pytest.approx(0.29514329204, abs=1e-11)
    # constants per time do nothing
    shifted = tilted_chain(chain, wrong + np.array([[3.0], [-1.0], [0.5], [7.0]]))
    np.testing.assert_allclose(shifted.kernels, controlled.kernels, rtol=1e-13)


def test_surrogate_values_are_not_the_tilt():
    chain, reward = c3(), 2 * np.log(C3_LIKELIHOOD)
    expected = np.stack([np.linalg.matrix_power(chain.kernels[0], 3 - t) @ reward for t in range(4)])
    surrogate = tilted_chain(chain, expected)
    end = marginals(surrogate)[-1]
    np.testing.assert_allclose(end, [0.005228917, 0.225283871, 0.769487212], atol=1e-9)
    assert end @ reward - chain_kl(surrogate, chain) == pytest.approx(-1.0712185187, abs=1e-9)


@CALM
@given(SEEDS)
def test_tilts_compose(seed):
    chain = random_chain(seed)
    a, b = np.random.default_rng(seed).normal(size=(2, 3))
    first = log_value_recursion(chain, a)
    half = tilted_chain(chain, first)
    second = log_value_recursion(half, b)
    both = log_value_recursion(chain, a + b)
    np.testing.assert_allclose(
        tilted_chain(half, second).kernels, tilted_chain(chain, both).kernels, rtol=1e-11
    )
    total = log_partition(chain, first) + log_partition(half, second)
    assert total == pytest.approx(log_partition(chain, both), abs=1e-12)


def test_conditioning_on_an_end():
    # a walk 0 -> 1 -> 2 that may stay; condition on ending in state 0: it never left
    kernel = np.array([[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]])
    chain = MarkovChain([0.25, 0.5, 0.25], np.stack([kernel] * 3))
    values = log_value_recursion(chain, [0.0, -np.inf, -np.inf])
    np.testing.assert_allclose(values[0], [3 * np.log(0.5), -np.inf, -np.inf], rtol=1e-15)
    tilted = tilted_chain(chain, values)
    np.testing.assert_array_equal(marginals(tilted), [[1.0, 0.0, 0.0]] * 4)
    np.testing.assert_array_equal(tilted.kernels[0, 2], kernel[2])  # never visited: left as it was
    assert chain_kl(tilted, chain) == pytest.approx(-np.log(0.25 / 8), rel=1e-14)
    assert chain_kl(chain, tilted) == np.inf


def test_rows_that_are_never_visited_do_not_count():
    kernel = np.array([[1.0, 0.0], [0.5, 0.5]])
    other = np.array([[1.0, 0.0], [1.0, 0.0]])
    stuck, escaping = MarkovChain([1.0, 0.0], [kernel]), MarkovChain([1.0, 0.0], [other])
    assert chain_kl(stuck, escaping) == 0.0
    reached = MarkovChain([0.5, 0.5], [kernel])
    assert chain_kl(reached, MarkovChain([0.5, 0.5], [other])) == np.inf


def test_extreme_strength_does_not_underflow():
    chain = c3()
    values = log_value_recursion(chain, 1e4 * np.log(C3_LIKELIHOOD))
    assert log_partition(chain, values) == pytest.approx(
        1e4 * np.log(0.9) + np.log(marginals(chain)[-1, 2]), rel=1e-14
    )


def test_derivative_of_the_log_partition_is_the_tilted_end_law():
    chain, reward = c3(), 2 * np.log(C3_LIKELIHOOD)
    end = marginals(tilted_chain(chain, log_value_recursion(chain, reward)))[-1]
    for x in range(3):
        values = log_value_recursion(chain, reward + 1e-30j * np.eye(3)[x])
        assert log_partition(chain, values).imag / 1e-30 == pytest.approx(end[x], rel=1e-13)


def test_bad_input():
    chain = c3()
    with pytest.raises(ValueError, match=r"terminal must have shape \(K,\) = \(3,\)"):
        log_value_recursion(chain, np.zeros(2))
    with pytest.raises(ValueError, match=r"terminal is \+inf at state 1"):
        log_value_recursion(chain, [0.0, np.inf, 0.0])
    with pytest.raises(ValueError, match=r"values must have shape \(T\+1, K\) = \(4, 3\)"):
        tilted_chain(chain, np.zeros((3, 3)))
    with pytest.raises(ValueError, match="values must be real"):
        tilted_chain(chain, np.zeros((4, 3)) + 0j)
    with pytest.raises(ValueError, match=r"p.kernels must have the shape"):
        chain_kl(chain, MarkovChain([1.0], np.ones((3, 1, 1))))
