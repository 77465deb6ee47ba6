"""Random models of the solver tests, discounts up to .999."""

from __future__ import annotations

import numpy as np

from mdplab.models import MDP
from tests.small_models import random_mdp

DISCOUNTS = (0.0, 0.3, 0.9, 0.97, 0.999)


def model(seed: int, discount: float, *, masked: bool = True) -> MDP:
    """A small model: rows that mix, rows with zeros, deterministic rows, and rewards of three sizes, by the seed."""
    rng = np.random.default_rng([seed, 17])
    base = random_mdp(seed, masked=masked, deterministic=seed % 4 == 3)
    scale = (1.0, 1e-3, 1e3)[seed % 3]
    offset = (0.0, 5.0, -2.0)[(seed // 3) % 3]
    reward = scale * (rng.normal(size=base.reward.shape) + offset)
    return base.replace(reward=reward, discount=discount)
