r"""Textbook problems of stock and wear: Jack's car rental, inventory control, forest management, machine replacement."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.models import MDP, FiniteHorizonMDP

__all__ = [
    "car_rental",
    "forest_management",
    "inventory",
    "inventory_horizon",
    "machine_replacement",
]


def _poisson(rate: float, n: int) -> FloatArray:
    """Probabilities of 0..n-1, and of at least n."""
    mass = np.array([math.exp(-rate + k * math.log(rate) - math.lgamma(k + 1)) for k in range(n)])
    return np.append(mass, max(0.0, 1.0 - math.fsum(mass)))


def _location(request: float, returns: float, capacity: int) -> tuple[FloatArray, FloatArray]:
    """Law of the cars in the evening given those in the morning, and the expected number of rentals."""
    evening, rentals = np.zeros((capacity + 1, capacity + 1)), np.zeros(capacity + 1)
    for cars in range(capacity + 1):
        rented = _poisson(request, cars)  # at least `cars` requests rent them all
        rentals[cars] = rented @ np.arange(cars + 1)
        for k in range(cars + 1):
            left = cars - k
            evening[cars, left:] += rented[k] * _poisson(returns, capacity - left)
    return evening, rentals


def car_rental(
    capacity: int = 20,
    *,
    requests: tuple[float, float] = (3.0, 4.0),
    returns: tuple[float, float] = (3.0, 2.0),
    most_moved: int = 5,
    credit: float = 10.0,
    moving_cost: float = 2.0,
    discount: float = 0.9,
) -> MDP:
    """Jack's car rental: two locations, Poisson requests and returns, cars moved overnight.

    The state is the number of cars at both locations in the evening, ``(n1, n2)`` with number
    ``n1 * (capacity + 1) + n2``; action ``a`` moves ``a - most_moved`` cars from the first to the second.  Cars above the
    capacity disappear; a returned car can be rented the next day.  Poisson laws are summed to their ends, not cut.

    Parameters
    ----------
    capacity : int, default 20
        Most cars at a location.
    requests, returns : tuple of float
        Poisson rates at the two locations.
    most_moved : int, default 5
        Most cars moved in a night; moves of more cars than there are, are unavailable.
    credit, moving_cost : float
        Earned for a rental, paid for a moved car.
    discount : float, default 0.9
        In [0, 1).

    Returns
    -------
    MDP
        Dense, 441 states and 11 actions by default.

    References
    ----------
    .. [1] R. S. Sutton, A. G. Barto, *Reinforcement Learning*, 2nd edition, 2018, example 4.2.
    """
    n = capacity + 1
    (first, rent_first), (second, rent_second) = (
        _location(requests[i], returns[i], capacity) for i in (0, 1)
    )
    one, two = np.divmod(np.arange(n * n), n)
    moves = np.arange(-most_moved, most_moved + 1)
    available = (moves <= one[:, np.newaxis]) & (-moves <= two[:, np.newaxis])
    kernel = np.zeros((n * n, len(moves), n * n))
    reward = np.zeros((n * n, len(moves)))
    for a, move in enumerate(moves):
        at = np.flatnonzero(available[:, a])
        morning_one, morning_two = np.minimum(one[at] - move, capacity), np.minimum(two[at] + move, capacity)
        joint = first[morning_one][:, :, np.newaxis] * second[morning_two][:, np.newaxis, :]
        kernel[at, a] = joint.reshape(len(at), -1)
        rented = rent_first[morning_one] + rent_second[morning_two]
        reward[at, a] = credit * rented - moving_cost * abs(int(move))
    return MDP(
        kernel,
        reward,
        discount,
        available=available,
        state_names=[f"({i}, {j})" for i in range(n) for j in range(n)],
        action_names=[f"{move:+d}" for move in moves],
    )


def _inventory(
    capacity: int,
    demand: Sequence[float],
    order_cost: float,
    unit_cost: float,
    holding_cost: float,
    price: float,
) -> tuple[FloatArray, FloatArray]:
    """Kernel and reward; orders above the capacity are cut to it and paid in full."""
    law = np.asarray(demand, dtype=np.float64)
    n = capacity + 1
    after = np.zeros((n, n))
    sales = np.zeros(n)
    for units in range(n):
        sold = np.minimum(np.arange(law.size), units)
        np.add.at(after[units], units - sold, law)
        sales[units] = law @ sold
    stock, order = np.indices((n, n))
    level = np.minimum(stock + order, capacity)
    reward = price * sales[level] - holding_cost * level - unit_cost * order - order_cost * (order > 0)
    return after[level], reward


def inventory(
    capacity: int = 3,
    demand: Sequence[float] = (0.25, 0.5, 0.25),
    *,
    order_cost: float = 4.0,
    unit_cost: float = 2.0,
    holding_cost: float = 1.0,
    price: float = 8.0,
    discount: float = 0.95,
) -> MDP:
    """Stochastic inventory control without backlog, Puterman's example by default.

    In state s (stock) the action a orders a units, available up to the capacity; demand comes after delivery, what
    cannot be met is lost.

    Parameters
    ----------
    capacity : int, default 3
        Largest stock.
    demand : sequence of float
        Probabilities of a demand of 0, 1, 2, ...
    order_cost, unit_cost, holding_cost, price : float
        Paid for an order, for each unit ordered, for each unit on hand after delivery; earned for each unit sold.
    discount : float, default 0.95
        In [0, 1).

    Returns
    -------
    MDP
        Dense, with the mask of the orders that fit.

    References
    ----------
    .. [1] M. L. Puterman, *Markov Decision Processes*, 1994, section 3.2.1.
    """
    kernel, reward = _inventory(capacity, demand, order_cost, unit_cost, holding_cost, price)
    stock, order = np.indices(reward.shape)
    return MDP(
        kernel,
        reward,
        discount,
        available=stock + order <= capacity,
        state_names=[f"stock {i}" for i in range(capacity + 1)],
        action_names=[f"order {i}" for i in range(capacity + 1)],
    )


def inventory_horizon(
    horizon: int = 3,
    capacity: int = 3,
    demand: Sequence[float] = (0.25, 0.5, 0.25),
    *,
    order_cost: float = 4.0,
    unit_cost: float = 2.0,
    holding_cost: float = 1.0,
    price: float = 8.0,
) -> FiniteHorizonMDP:
    """Puterman's inventory with a finite horizon: its optimal values at the start are (67, 129, 194, 227) / 16.

    Parameters
    ----------
    horizon : int, default 3
        Number of stages; what is left at the end is worth nothing.
    capacity, demand, order_cost, unit_cost, holding_cost, price
        As for :func:`inventory`.  Orders above the capacity are cut to it and paid in full, so that none is optimal.

    Returns
    -------
    FiniteHorizonMDP
        Stationary and undiscounted.

    References
    ----------
    .. [1] M. L. Puterman, *Markov Decision Processes*, 1994, section 4.6.1.
    """
    kernel, reward = _inventory(capacity, demand, order_cost, unit_cost, holding_cost, price)
    return FiniteHorizonMDP(kernel, reward, horizon)


def forest_management(
    ages: int = 3, *, mature: float = 4.0, cut_mature: float = 2.0, fire: float = 0.1, discount: float = 0.9
) -> MDP:
    """Wait or cut: a forest grows by one age class a year unless it burns; the oldest class pays for being kept.

    Waiting pays ``mature`` in the oldest class and nothing before.  Cutting pays nothing in the youngest class,
    ``cut_mature`` in the oldest and 1 in between, and leads to the youngest.  With the default numbers waiting is optimal
    and the values are (26.244, 29.484, 33.484).

    Parameters
    ----------
    ages : int, default 3
        Number of age classes, at least 2.
    mature, cut_mature : float
        Rewards in the oldest class.
    fire : float, default 0.1
        Probability that a waiting forest burns.
    discount : float, default 0.9
        In [0, 1).

    Returns
    -------
    MDP
        CSR; actions are wait and cut.

    References
    ----------
    .. [1] I. Chades et al., "MDPtoolbox: a multi-platform toolbox to solve stochastic dynamic programming problems",
       Ecography 37, 2014.
    """
    from scipy.sparse import csr_array

    if ages < 2:
        raise ValueError(f"ages is {ages}, expected at least 2")
    state = np.arange(ages)
    older = np.minimum(state + 1, ages - 1)
    rows = np.concatenate([2 * state, 2 * state, 2 * state + 1])
    columns = np.concatenate([np.zeros(ages, dtype=np.int64), older, np.zeros(ages, dtype=np.int64)])
    chances = np.repeat([fire, 1.0 - fire, 1.0], ages)
    reward = np.zeros((ages, 2))
    reward[1:, 1] = 1.0
    reward[-1] = mature, cut_mature
    return MDP(
        csr_array((chances, (rows, columns)), shape=(2 * ages, ages)),
        reward,
        discount,
        state_names=[f"age {i}" for i in range(ages)],
        action_names=("wait", "cut"),
    )


def machine_replacement(
    ages: int = 10,
    *,
    wear: float | ArrayLike = 1.0,
    operating_cost: float = 1.0,
    replacement_cost: float = 10.0,
    revenue: float = 0.0,
    discount: float = 0.9,
) -> MDP:
    r"""Keep or replace a machine whose operation costs more with age.

    Keeping a machine of age s pays ``revenue - operating_cost * s``, and it ages by one with probability ``wear``; a new
    machine pays ``revenue - replacement_cost`` and ages from 0 in the same period.  With ``wear = 1`` and replacement at age n
    the value of a new machine is
    :math:`\big(\sum_{k<n}\gamma^k(\mathrm{revenue}-ck)-\gamma^nK\big)/(1-\gamma^n)`, largest at the optimal n.

    Parameters
    ----------
    ages : int, default 10
        Ages 0 to ``ages - 1``; the last one does not age further.
    wear : float or array_like (ages,)
        Probability of ageing, at each age.
    operating_cost, replacement_cost, revenue : float
        The numbers c, K and the revenue of a period.
    discount : float, default 0.9
        In [0, 1).

    Returns
    -------
    MDP
        CSR; actions are keep and replace.

    References
    ----------
    .. [1] M. L. Puterman, *Markov Decision Processes*, 1994, section 4.7.5 (optimal policies are thresholds).
    """
    from scipy.sparse import csr_array

    age = np.arange(ages)
    chance = np.broadcast_to(np.asarray(wear, dtype=np.float64), (ages,))
    if not ((chance >= 0.0) & (chance <= 1.0)).all():
        raise ValueError("wear must hold probabilities in [0, 1]")
    older = np.minimum(age + 1, ages - 1)
    new = np.zeros(ages, dtype=np.int64)
    rows = np.concatenate([2 * age, 2 * age, 2 * age + 1, 2 * age + 1])
    columns = np.concatenate([older, age, new + min(1, ages - 1), new])
    chances = np.concatenate([chance, 1.0 - chance, np.full(ages, chance[0]), np.full(ages, 1.0 - chance[0])])
    kernel = csr_array((chances, (rows, columns)), shape=(2 * ages, ages))
    kernel.eliminate_zeros()
    reward = np.stack([revenue - operating_cost * age, np.full(ages, revenue - replacement_cost)], axis=1)
    return MDP(
        kernel,
        reward,
        discount,
        state_names=[f"age {i}" for i in range(ages)],
        action_names=("keep", "replace"),
    )
