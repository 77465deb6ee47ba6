"""Random models of the solver tests, discounts up to .999."""

from __future__ import annotations

import itertools

import numpy as np

from mdplab.models import MDP
from tests.small_models import as_sparse, random_mdp

DISCOUNTS = (0.0, 0.3, 0.9, 0.97, 0.999)


def model(seed: int, discount: float, *, masked: bool = True) -> MDP:
    """A small model: rows that mix, rows with zeros, deterministic rows, and rewards of three sizes, by the seed."""
    rng = np.random.default_rng([seed, 17])
    base = random_mdp(seed, masked=masked, deterministic=seed % 4 == 3)
    scale = (1.0, 1e-3, 1e3)[seed % 3]
    offset = (0.0, 5.0, -2.0)[(seed // 3) % 3]
    reward = scale * (rng.normal(size=base.reward.shape) + offset)
    return base.replace(reward=reward, discount=discount)


NEAR_ONE = (0.0, 0.9, 0.999, 0.999999)


def large(seed: int, most: int = 50) -> MDP:
    """Up to ``most`` states: dense or CSR, masked, absorbing and unreachable states, tied actions, by the seed."""
    rng = np.random.default_rng([seed, 23])
    states, actions = int(rng.integers(1, most + 1)), int(rng.integers(1, 6))
    kernel = np.zeros((states, actions, states))
    for s, a in itertools.product(range(states), range(actions)):
        successors = rng.choice(states, int(rng.integers(1, min(states, 6) + 1)), replace=False)
        kernel[s, a, successors] = rng.dirichlet(np.ones(successors.size))
    if seed % 3 == 1:
        kernel[0] = np.eye(states)[0]  # absorbing
    if seed % 3 == 2 and states > 1:
        kernel[..., 0] += kernel[..., -1]  # the last state cannot be reached
        kernel[..., -1] = 0.0
    reward = rng.normal(size=(states, actions))
    if seed % 4 == 0 and actions > 1:
        kernel[:, 1], reward[:, 1] = kernel[:, 0], reward[:, 0]
    kernel /= kernel.sum(axis=-1, keepdims=True)
    available = None
    if seed % 5 == 0:
        available = rng.random((states, actions)) < 0.6
        available[:, 0] = True
    mdp = MDP(kernel, reward, NEAR_ONE[seed % 4], available=available)
    return as_sparse(mdp) if (seed // 4) % 2 else mdp
