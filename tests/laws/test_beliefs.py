"""Bayes' rule in logarithms and mutual information: identities, extreme masses, edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.laws import log_posterior, mutual_information


@st.composite
def problems(draw):
    n, m = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    weights = np.array(
        draw(st.lists(st.integers(1, 9), min_size=n * (m + 1), max_size=n * (m + 1))), dtype=float
    )
    prior, rows = weights[:n], weights[n:].reshape(n, m)
    return prior / prior.sum(), rows / rows.sum(axis=1, keepdims=True)


@given(problems())
def test_posterior_times_evidence_is_the_joint_law(problem):
    prior, likelihood = problem
    found = np.exp(log_posterior(prior, likelihood))
    np.testing.assert_allclose(found * (prior @ likelihood), prior[:, None] * likelihood, rtol=1e-13)


@given(problems())
def test_information_is_the_loss_of_entropy(problem):
    prior, likelihood = problem
    evidence = prior @ likelihood
    lost = -(evidence * np.log(evidence)).sum() + prior @ (likelihood * np.log(likelihood)).sum(axis=1)
    assert mutual_information(prior[:, None] * likelihood) == pytest.approx(lost, abs=1e-13)


def test_masses_whose_products_underflow():
    found = log_posterior([1e-200, 1.0 - 1e-200], [[1e-200, 1.0], [3e-200, 1.0]])
    assert found[0, 0] == pytest.approx(np.log(1e-200 / 3.0), rel=1e-14)
    found = log_posterior([1e-300, 1.0], [[1e-100, 1.0], [0.0, 1.0]])
    assert found[:, 0].tolist() == [0.0, -np.inf]


def test_an_impossible_observation_leaves_the_prior():
    found = np.exp(log_posterior([0.25, 0.75], [[1.0, 0.0], [1.0, 0.0]]))
    np.testing.assert_allclose(found, [[0.25, 0.25], [0.75, 0.75]])


def test_information_of_copies_and_of_independent_coordinates():
    assert mutual_information(np.eye(2) / 2) == pytest.approx(np.log(2))
    assert mutual_information(np.full((2, 3), 1 / 6)) == pytest.approx(0.0, abs=1e-15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: log_posterior([0.5, 0.5], [[1.0]]), "expected shapes"),
        (lambda: log_posterior([0.5, 0.4], [[1.0], [1.0]]), "prior"),
        (lambda: log_posterior([0.5, 0.5], [[1.0], [0.5]]), r"likelihood\[1\]"),
        (lambda: mutual_information([0.5, 0.5]), r"\(K, M\)"),
        (lambda: mutual_information([[0.5, 0.4]]), "joint"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
