"""Inverse soft Q-learning: published values, the gradient, the certificate against balls, outcomes, bad input."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mdplab import exact
from mdplab.instances import SeededDraw, dirichlet_mdp, full_support, two_state_behaviour, two_state_mdp
from mdplab.models import MDP
from mdplab.numerics import complex_step_gradient
from mdplab.operators import inverse_soft_backup, occupancy, soft_policy_log
from mdplab.solution import Status
from mdplab.solvers import InverseSolution, inverse_soft_q, verify

M2 = two_state_mdp()
DATA = occupancy(M2, two_state_behaviour())


def objective(mdp, data, weight, q):
    x = inverse_soft_backup(mdp, q)
    return (data * (soft_policy_log(q, temperature=1.0) - weight * x**2)).sum()


def random_task(seed):
    draw = SeededDraw(seed)
    mdp = dirichlet_mdp(draw)
    return mdp, occupancy(mdp, full_support(draw, mdp.reward.shape, mixture=0.1))


def test_published_values():
    found = inverse_soft_q(M2, DATA, weight=0.1)
    expected = [[6.1435962229, 5.4044167910], [5.6840465649, 5.3256015422]]
    np.testing.assert_allclose(found.q, expected, rtol=0, atol=6e-11)
    np.testing.assert_allclose(found.potential, [6.5473793450, 6.1740790237], rtol=0, atol=6e-11)
    assert -found.objective == pytest.approx(0.6464547695, abs=6e-11)
    assert found.status is Status.CONVERGED
    assert verify(M2, found).passed


@pytest.mark.parametrize("weight", [1e-4, 1e-2, 0.3])
@pytest.mark.parametrize("seed", range(4))
def test_the_gradient_vanishes_and_the_bound_holds_in_balls(seed, weight):
    mdp, data = random_task(seed)
    found = inverse_soft_q(mdp, data, weight=weight)
    slope = complex_step_gradient(lambda q: objective(mdp, data, weight, q), found.q)
    assert np.abs(slope).max() < 1e-13
    assert objective(mdp, data, weight, found.q) == pytest.approx(found.objective, rel=1e-13)
    error = np.abs(exact.floats(enclosure(mdp, data, weight, found.q))[0] - found.q.ravel()).max()
    assert error <= found.certificate.bound < 1e-5
    assert verify(mdp, found).passed


def enclosure(mdp, data, weight, near):
    """The stationary point in balls, for the data as they are stored."""
    kernel = exact.dyadic(mdp.transition)
    kernel = kernel / kernel.sum(axis=-1, keepdims=True)
    d, c, gamma = exact.dyadic(data), exact.dyadic(weight), exact.dyadic(mdp.discount)
    shape, n = d.shape, d.size
    own = np.repeat(exact.identity(shape[0]), shape[1], axis=0)
    ahead = gamma * kernel.reshape(n, shape[0])
    mass = (own * d.sum(axis=1)).sum(axis=1)

    def system(flat):
        q = flat.reshape(shape)
        policy = exact.softmax(q).ravel()
        x = flat - exact.multiply(ahead, exact.log_sum_exp(q))
        slope = exact.identity(n) - np.repeat(ahead, shape[1], axis=1) * policy
        reached = exact.multiply(ahead.T, d.ravel() * x)
        gradient = mass * policy - d.ravel() + 2 * c * exact.multiply(slope.T, d.ravel() * x)
        same = exact.multiply(own, own.T)
        covariance = exact.identity(n) * policy - same * policy[:, np.newaxis] * policy
        weights = mass - 2 * c * exact.multiply(own, reached)
        square = exact.multiply(slope.T, d.ravel()[:, np.newaxis] * slope)
        return gradient, weights[:, np.newaxis] * covariance + 2 * c * square

    return exact.enclose_zero(system, near.ravel())


def test_an_action_that_is_unavailable_is_as_if_it_were_not_there():
    mask = np.array([[True, True, False], [True, True, False]])
    kernel = np.concatenate([M2.transition, np.eye(2)[:, np.newaxis]], axis=1)
    mdp = MDP(kernel, np.zeros((2, 3)), M2.discount, M2.initial, available=mask)
    data = np.concatenate([DATA, np.zeros((2, 1))], axis=1)
    found, plain = inverse_soft_q(mdp, data, weight=0.1), inverse_soft_q(M2, DATA, weight=0.1)
    np.testing.assert_allclose(found.q[:, :2], plain.q, rtol=0, atol=1e-12)
    assert (found.q[:, 2] == -np.inf).all()
    assert (found.reward[:, 2] == 0).all()
    assert verify(mdp, found).passed


def test_a_disturbed_solution_is_refused():
    found = inverse_soft_q(M2, DATA, weight=0.1)
    for name in ("q", "policy", "reward", "limit", "potential"):
        off = dataclasses.replace(found, **{name: getattr(found, name) + 1e-6})
        assert not verify(M2, off).passed, name
    assert not verify(M2, dataclasses.replace(found, objective=found.objective + 1e-9)).passed


def test_outcomes_say_how_it_ended():
    assert inverse_soft_q(M2, DATA, weight=1e-3, tol=1e-12).status is Status.PRECISION_LIMIT
    with pytest.warns(match="inverse_soft_q: 1 steps"):
        short = inverse_soft_q(M2, DATA, weight=50.0, max_steps=1)
    assert short.status is Status.MAX_STEPS
    assert isinstance(short, InverseSolution)


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="weight must be positive"):
        inverse_soft_q(M2, DATA, weight=0.0)
    with pytest.raises(ValueError, match=r"data_occupancy is 0.0 at \(0, 1\), expected data on every pair"):
        inverse_soft_q(M2, [[0.5, 0.0], [0.25, 0.25]], weight=0.1)
    with pytest.raises(TypeError, match="expected an MDP"):
        inverse_soft_q(None, DATA, weight=0.1)


def test_the_table_has_a_row_a_state():
    table = inverse_soft_q(M2, DATA, weight=0.1).to_frame()
    assert table.columns.tolist() == ["q_0", "q_1", "policy_0", "policy_1", "reward_0", "reward_1"]
    assert table.index.name == "state"
