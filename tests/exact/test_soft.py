"""Soft control: enclosures against closed forms, float solvers, other precisions and shaped problems."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mdplab import MDP, exact, solvers
from mdplab.instances import textbook
from tests.small_models import random_mdp, random_policy
from tests.solver_models import DISCOUNTS, model


def test_closed_form_of_one_state() -> None:
    """V = tau log(sum exp(r / tau)) / (1 - gamma)."""
    mdp = MDP(np.ones((1, 3, 1)), [[1.0, 0.5, -2.0]], 0.75)
    found = exact.soft_control(mdp, temperature=0.2)
    expected = 4 * exact.rational(0.2) * exact.log(exact.exp([5, 2.5, -10]).sum())
    assert exact.overlap(found.value[0], expected)
    assert exact.distance(found.value[0], expected) < 1e-70


@pytest.mark.parametrize("temperature", [0.02, 1.0])
@pytest.mark.parametrize("discount", DISCOUNTS)
def test_float_solvers_keep_their_word(discount: float, temperature: float) -> None:
    mdp = model(7, discount)
    reference = random_policy(mdp, 2)
    log_reference = np.log(np.where(reference > 0, reference, 1)) - np.where(reference > 0, 0, np.inf)
    enclosed = exact.soft_control(
        exact.ExactMDP.of(mdp, stored=True),
        temperature=exact.dyadic(temperature),
        log_reference=exact.ball(
            np.where(reference > 0, exact.dyadic(np.maximum(log_reference, -1e9)), None)
        ),
    )
    assert (exact.width(enclosed.value) < 1e-60).all()
    for solve in (solvers.soft_policy_iteration, solvers.soft_value_iteration):
        found = solve(mdp, temperature=temperature, log_reference=log_reference)
        assert (exact.distance(enclosed.value, exact.dyadic(found.value)) <= found.certificate.bound).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_finer_enclosure_lies_inside(seed: int) -> None:
    mdp = random_mdp(seed, masked=True)
    found = exact.soft_control(mdp, temperature=0.3)
    with exact.precision(64):
        coarse = exact.soft_control(mdp, temperature=0.3)
    with exact.precision(400):
        fine = exact.soft_control(mdp, temperature=0.3)
        for wide, narrow in ((coarse, found), (found, fine)):
            assert exact.overlap(wide.value, narrow.value).all()
            assert (exact.width(narrow.value) < 1e-20 * exact.width(wide.value)).all()
    assert (exact.width(fine.value) < 1e-110).all()


@pytest.mark.parametrize("seed", range(4))
def test_the_soft_policy_attains_the_optimum_and_others_do_not(seed: int) -> None:
    mdp = random_mdp(seed, masked=True)
    soft = exact.soft_control(mdp, temperature=0.3)
    again = exact.policy_evaluation(mdp, exact.exp(soft.log_policy), temperature=0.3)
    assert exact.overlap(again.value, soft.value).all()
    assert (exact.distance(again.value, soft.value) < 1e-60).all()
    other = exact.policy_evaluation(mdp, random_policy(mdp, seed), temperature=0.3)
    assert not exact.surely_above(other.value, soft.value).any()
    assert [x is None for x in soft.q.flat] == (~exact.ExactMDP.of(mdp).available).ravel().tolist()


def test_the_soft_optimum_tends_to_the_hard_one() -> None:
    mdp = textbook.three_state_mdp()
    hard = exact.policy_iteration(mdp).value
    found = exact.soft_control(mdp, temperature=1e-2)
    assert exact.surely_above(found.value, hard).all()
    assert exact.surely_at_most(found.value, hard + exact.rational(1e-2) * exact.log(2) * 10).all()
    cold = exact.soft_control(
        mdp, temperature=1e-5
    )  # the difference is below the precision, and nothing is claimed
    assert exact.overlap(cold.value, hard).all()
    assert (exact.width(cold.value) < 1e-65).all()


def test_balls_as_rewards() -> None:
    """The entropy of a reference moved into the reward: R + tau log ref has the policy and, with it, the value of KL."""
    mdp = textbook.three_state_mdp()
    twin = exact.ExactMDP.of(mdp)
    log_reference = exact.log(textbook.three_state_reference())
    direct = exact.soft_control(twin, temperature=0.5, log_reference=log_reference)
    moved = exact.soft_control(
        dataclasses.replace(twin, reward=twin.reward + exact.rational(0.5) * log_reference), temperature=0.5
    )
    assert (exact.distance(direct.value, moved.value) < 1e-70).all()
    assert (exact.distance(direct.log_policy, moved.log_policy) < 1e-70).all()


def test_residual_control_finds_the_full_task() -> None:
    """Without the prior's reward: the policy that is soft-optimal for omega r + r_R, and the difference of values."""
    mdp, add_on = textbook.three_state_mdp(), exact.rational(textbook.three_state_addon_reward())
    twin, omega, alpha, tau = (
        exact.ExactMDP.of(mdp),
        exact.rational(0.6),
        exact.rational(0.5),
        exact.rational(0.2),
    )
    prior = exact.soft_control(twin, temperature=alpha)
    blind = dataclasses.replace(twin, reward=0 * twin.reward)
    found = exact.residual_control(
        blind, add_on, prior.log_policy, prior_weight=omega * alpha, temperature=tau
    )
    full = exact.soft_control(dataclasses.replace(twin, reward=omega * twin.reward + add_on), temperature=tau)
    assert (exact.distance(found.log_policy, full.log_policy) < 1e-65).all()
    assert (exact.distance(found.value, full.value - omega * prior.value) < 1e-65).all()
    floats = solvers.residual_q_learning(
        mdp,
        textbook.three_state_addon_reward(),
        exact.floats(prior.log_policy)[0],
        prior_weight=0.3,
        temperature=0.2,
    )
    assert (exact.distance(found.value, exact.dyadic(floats.value)) < 1e-7).all()


def test_a_prior_of_weight_zero_is_ignored() -> None:
    mdp = textbook.three_state_mdp()
    prior = exact.log([[1, 0], [0, 1], [1, 0]])
    found = exact.residual_control(mdp, exact.ExactMDP.of(mdp).reward, prior, prior_weight=0, temperature=1)
    assert exact.overlap(found.value, exact.soft_control(mdp, temperature=1).value).all()
    bound = exact.residual_control(mdp, exact.ExactMDP.of(mdp).reward, prior, prior_weight=1, temperature=1)
    assert (exact.distance(exact.exp(bound.log_policy), [[1, 0], [0, 1], [1, 0]]) < 1e-70).all()


def test_bad_input() -> None:
    mdp = textbook.three_state_mdp()
    with pytest.raises(ValueError, match="temperature is -1"):
        exact.soft_control(mdp, temperature=-1)
    with pytest.raises(ValueError, match=r"log_reference has shape \(1, 3\)"):
        exact.soft_control(mdp, temperature=1, log_reference=[[0, 0, 0]])
    with pytest.raises(ValueError, match="prior_weight is -1"):
        exact.residual_control(mdp, mdp.reward, 0, prior_weight=-1, temperature=1)
    with pytest.raises(ValueError, match="temperature is 0"):
        exact.residual_control(mdp, mdp.reward, 0, prior_weight=1, temperature=0)
