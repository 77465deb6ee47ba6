"""Random models with several reward signals, and the returns of all their deterministic policies."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from mdplab.enumeration import deterministic_policies, one_hot
from mdplab.models import MultiObjectiveMDP
from small_models import random_mdp


def random_model(seed: int, m: int = 3, *, csr: bool = False) -> MultiObjectiveMDP:
    base = random_mdp(seed, masked=bool(seed % 2), deterministic=seed % 5 == 0)
    rng = np.random.default_rng([seed, 21])
    rewards = rng.normal(size=(m, base.n_states, base.n_actions))
    if seed % 3 == 0:
        rewards = np.round(rewards)  # ties
    kernel = base.transition
    if csr:
        kernel = sparse.csr_array(kernel.reshape(-1, base.n_states))
    discount = (base.discount, 0.0, 0.99)[seed % 3]
    return MultiObjectiveMDP(kernel, rewards, discount, base.initial, available=base.available)


def all_returns(model: MultiObjectiveMDP) -> np.ndarray:
    """Returns of every deterministic policy, by one solve each."""
    tables = one_hot(
        deterministic_policies(model.n_states, model.n_actions, available=model.available), model.n_actions
    )
    kernel = model.base.to_dense().transition
    out = []
    for policy in tables:
        chain = np.einsum("sa,sat->st", policy, kernel)
        gains = np.einsum("sa,ksa->sk", policy, model.rewards)
        out.append(model.initial @ np.linalg.solve(np.eye(model.n_states) - model.discount * chain, gains))
    return np.array(out)
