"""Stock and wear: published and closed-form answers, and kernels against plain enumeration."""

from __future__ import annotations

import math

import numpy as np
import pytest

from mdplab.instances import (
    car_rental,
    forest_management,
    inventory,
    inventory_horizon,
    machine_replacement,
)
from mdplab.solvers import backward_induction, policy_evaluation, policy_iteration


def poisson(rate: float, k: int) -> float:
    return math.exp(-rate) * rate**k / math.factorial(k)


@pytest.mark.parametrize(("state", "move"), [((3, 2), 1), ((0, 4), -2), ((4, 4), -1)])
def test_car_rental_day_by_enumeration(state: tuple[int, int], move: int) -> None:
    """Capacity 4, all requests and returns up to 40 one by one."""
    mdp = car_rental(4, most_moved=2)
    morning = [min(state[0] - move, 4), min(state[1] + move, 4)]
    laws, rentals = [], 0.0
    for cars, request, back in zip(morning, (3.0, 4.0), (3.0, 2.0), strict=True):
        law = np.zeros(5)
        for k in range(41):
            rented = min(k, cars)
            rentals += poisson(request, k) * rented
            for d in range(41):
                law[min(cars - rented + d, 4)] += poisson(request, k) * poisson(back, d)
        laws.append(law)
    s, a = state[0] * 5 + state[1], move + 2
    np.testing.assert_allclose(mdp.transition[s, a], np.outer(*laws).ravel(), atol=1e-13)
    assert mdp.reward[s, a] == pytest.approx(10 * rentals - 2 * abs(move), abs=1e-11)


def test_car_rental_has_the_published_policy() -> None:
    """Sutton and Barto, figure 4.2: rows of the optimal policy at some numbers of cars at the first location."""
    mdp = car_rental()
    assert mdp.transition.shape == (441, 11, 441)
    found = policy_iteration(mdp)
    moves = found.policy.argmax(axis=1).reshape(21, 21) - 5
    assert moves[20].tolist() == [5, 5, 5, 5, 4, 4, 3, 3, 3, 3, 2, 2, 2, 2, 2, 1, 1, 1, 0, 0, 0]
    assert moves[0].tolist() == [0] * 8 + [-1, -1, -2, -2, -2, -3, -3, -3, -3, -3, -4, -4, -4]
    assert moves.min() == -4
    assert found.value.argmin() == 0
    assert found.value[0] == pytest.approx(421.4, abs=0.05)
    assert (np.diff(found.value.reshape(21, 21), axis=0) > 0).all()
    assert mdp.available is not None
    assert not mdp.available[0, 6]  # nothing to move
    assert mdp.state_names is not None
    assert mdp.state_names[22] == "(1, 1)"
    assert mdp.action_names is not None
    assert mdp.action_names[6] == "+1"


def test_inventory_has_putermans_values() -> None:
    found = backward_induction(inventory_horizon())
    np.testing.assert_array_equal(found.value[0], np.array([67, 129, 194, 227]) / 16)
    np.testing.assert_array_equal(found.policy.argmax(axis=2), [[3, 0, 0, 0], [2, 0, 0, 0], [0, 0, 0, 0]])


def test_inventory_discounted_is_the_same_day() -> None:
    mdp, staged = inventory(discount=0.5), inventory_horizon()
    assert mdp.available is not None
    np.testing.assert_array_equal(mdp.available, np.add.outer(np.arange(4), np.arange(4)) <= 3)
    np.testing.assert_array_equal(mdp.reward, staged.reward)
    np.testing.assert_array_equal(mdp.transition[0, 2], [0.25, 0.5, 0.25, 0.0])
    np.testing.assert_array_equal(mdp.reward[:, 0], [0.0, 5.0, 6.0, 5.0])  # Puterman's F(u) - u
    # An (s, S) policy is optimal: order up to one level below a threshold.
    found = policy_iteration(inventory(20, [0.1] * 10, discount=0.95))
    order = found.policy.argmax(axis=1)
    levels = {int(s + a) for s, a in enumerate(order) if a > 0}
    assert len(levels) == 1
    assert (np.diff((order > 0).astype(int)) <= 0).all()


def test_forest_has_its_closed_form() -> None:
    found = policy_iteration(forest_management())
    np.testing.assert_allclose(found.value, [26.244, 29.484, 33.484], atol=1e-12)
    for ages, fire, gamma in ((7, 0.2, 0.95), (2, 0.5, 0.0)):
        mdp = forest_management(ages, fire=fire, discount=gamma)
        value = policy_evaluation(mdp, np.tile([1.0, 0.0], (ages, 1))).value
        q = gamma * (1 - fire)
        # The oldest class is reached from the youngest after ages - 1 years without fire.
        last = 4.0 / (
            1 - q - gamma * fire * q ** (ages - 1) / (1 - gamma * fire * (1 - q ** (ages - 1)) / (1 - q))
        )
        assert value[-1] == pytest.approx(last, rel=1e-12)
    cut = policy_iteration(forest_management(3, mature=0.1, cut_mature=1.0, discount=0.9))
    assert cut.policy.argmax(axis=1).tolist() == [0, 1, 1]
    with pytest.raises(ValueError, match="ages is 1"):
        forest_management(1)


@pytest.mark.parametrize(("cost", "price", "gamma"), [(1.0, 10.0, 0.9), (0.3, 5.0, 0.99), (2.0, 1.0, 0.5)])
def test_machine_is_replaced_at_the_best_age(cost: float, price: float, gamma: float) -> None:
    found = policy_iteration(
        machine_replacement(40, operating_cost=cost, replacement_cost=price, discount=gamma)
    )
    values = [
        (sum(-(gamma**k) * cost * k for k in range(n)) - gamma**n * price) / (1 - gamma**n)
        for n in range(1, 40)
    ]
    assert found.value[0] == pytest.approx(max(values), rel=1e-11)
    assert found.policy[:, 1].argmax() == 1 + int(np.argmax(values))


def test_wear_at_random_keeps_a_threshold() -> None:
    found = policy_iteration(machine_replacement(30, wear=np.linspace(0.2, 0.9, 30), replacement_cost=7.0))
    assert (np.diff(found.policy[:, 1]) >= 0).all()
    with pytest.raises(ValueError, match="wear must hold"):
        machine_replacement(3, wear=1.5)
