"""Classes of data: shares by weights, ratios of weighted counts; feasibility-dependent extraction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mdplab.models import LoggedDataset
from mdplab.operators import class_weights, cloned_policy, feasible_tilt_log, log_tilt

counts = arrays(
    np.int64, st.tuples(st.just(3), st.integers(1, 3), st.integers(1, 3)), elements=st.integers(1, 9)
)
laws = arrays(float, 3, elements=st.integers(1, 9).map(float)).map(lambda w: w / w.sum())


@given(counts, laws)
def test_every_class_gets_its_share_and_the_mean_weight_is_one(data, shares):
    weights = class_weights(data, shares)
    mass = (weights * data.sum(axis=(1, 2))) / data.sum()
    assert mass == pytest.approx(shares, rel=1e-14)
    assert mass.sum() == pytest.approx(1.0, rel=1e-14)
    assert class_weights(data.sum(axis=(1, 2)), shares) == pytest.approx(weights, rel=1e-15)


@given(counts, laws)
def test_no_other_policy_is_more_likely(data, weights):
    def likelihood(policy):
        return float((np.tensordot(weights, data, axes=1) * np.log(policy)).sum())

    best = cloned_policy(data, weights)
    assert best.sum(axis=1) == pytest.approx(1.0)
    for seed in range(3):
        other = np.random.default_rng(seed).dirichlet(np.ones(best.shape[1]), best.shape[0])
        assert likelihood(0.5 * best + 0.5 * other) <= likelihood(best) + 1e-12


def test_weights_of_trajectories_do_the_same_as_weights_of_classes():
    states, actions = [[0, 0], [0, 1], [1, 0]], [[0], [1], [1]]
    logged = LoggedDataset(states, actions, np.zeros((3, 1)), n_states=2, n_actions=2)
    labels = np.array([0, 1, 1])
    classes = [logged.reweighted(np.where(labels == k, 1.0, 0.0)).counts() for k in (0, 1)]
    weights = class_weights(classes, [0.75, 0.25])
    direct = logged.reweighted(weights[labels]).empirical_policy()
    assert cloned_policy(classes, weights) == pytest.approx(direct, abs=1e-15)


def test_states_without_weight_and_stages():
    data = np.zeros((2, 1, 2, 2))
    data[0, 0, 0] = [1.0, 3.0]
    data[1, 0, 1] = [5.0, 5.0]
    assert cloned_policy(data, [1.0, 0.0]).tolist() == [[[0.25, 0.75], [0.5, 0.5]]]
    default = [[1.0, 0.0], [1.0, 0.0]]
    assert cloned_policy(data, [1.0, 0.0], default=default).tolist() == [[[0.25, 0.75], [1.0, 0.0]]]
    assert class_weights([4.0, 0.0], [1.0, 0.0]).tolist() == [1.0, 0.0]


rows = arrays(float, (2, 3), elements=st.floats(-3, 3))


@given(rows, rows, st.sampled_from([1e-3, 0.5, 1e3]))
def test_allowed_actions_by_advantage_else_all_by_feasibility(advantage, feasibility, temperature):
    reference = np.log([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    found = feasible_tilt_log(advantage, feasibility, temperature=temperature, log_reference=reference)
    for row, score, risk, logs in zip(found, advantage, feasibility, reference, strict=True):
        allowed = risk <= 0
        if allowed.any():
            assert (row[~allowed] == -np.inf).all()
            kept = log_tilt(score[allowed], temperature=temperature, log_reference=logs[allowed])
            assert row[allowed] == pytest.approx(kept, rel=1e-12, abs=1e-12)
        else:
            moved = log_tilt(7.0 - risk, temperature=temperature, log_reference=logs)
            assert row == pytest.approx(moved, rel=1e-9, abs=1e-9)


def test_an_allowed_action_that_the_behaviour_never_takes_does_not_count():
    with np.errstate(divide="ignore"):
        logs = np.log([0.0, 0.5, 0.5])
    found = np.exp(feasible_tilt_log([9.0, 0.0, 0.0], [-1.0, 2.0, 1.0], temperature=1.0, log_reference=logs))
    assert found == pytest.approx([0.0, 1 / (1 + np.e), np.e / (1 + np.e)])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: class_weights([[1.0], [0.0]], [0.5, 0.5]), "class 1 has no data, but the share 0.5"),
        (lambda: class_weights([1.0, -1.0], [0.5, 0.5]), r"counts is -1.0 at \(1,\)"),
        (lambda: class_weights([1.0, 1.0], [0.5, 0.6]), "shares"),
        (lambda: cloned_policy([[1.0, 2.0]], [1.0]), "counts: expected an array of 3 axes or more"),
        (lambda: cloned_policy([[[1.0, 2.0]]], [-1.0]), r"weights\[0\] is -1.0"),
        (lambda: cloned_policy([[[np.inf, 2.0]]], [1.0]), r"counts is inf at \(0, 0, 0\)"),
        (
            lambda: feasible_tilt_log([1.0], [1.0, 2.0], temperature=1.0, log_reference=[0.0]),
            "must have one shape",
        ),
        (
            lambda: feasible_tilt_log([np.inf], [1.0], temperature=1.0, log_reference=[0.0]),
            "advantage has entries that are not finite",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
