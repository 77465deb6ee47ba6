"""Small models of the tests: the textbook instances T3, M2, C3 and seeded random ones (dense, CSR, masked)."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from mdplab.models.chain import MarkovChain
from mdplab.models.tabular import MDP

T3_KERNEL = np.array(
    [
        [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]],
        [[0.3, 0.4, 0.3], [0.0, 0.2, 0.8]],
        [[0.5, 0.0, 0.5], [0.2, 0.3, 0.5]],
    ]
)
T3_REWARD = np.array([[1.0, 0.0], [0.2, 0.5], [-0.3, 0.8]])
T3_RESIDUAL_REWARD = np.array([[0.0, 0.5], [0.3, 0.0], [-0.2, 0.4]])
T3_LOGITS = np.array([[0.3, -0.2], [-0.5, 0.4], [0.1, 0.6]])
T3_START = np.array([0.5, 0.3, 0.2])


def t3() -> MDP:
    """Three states, two actions, discount .9."""
    return MDP(T3_KERNEL, T3_REWARD, 0.9, T3_START)


def m2() -> MDP:
    """Two states, two actions, discount .9."""
    kernel = np.array([[[0.9, 0.1], [0.2, 0.8]], [[0.5, 0.5], [0.1, 0.9]]])
    return MDP(kernel, np.array([[0.2, 0.0], [0.3, 1.0]]), 0.9, np.array([0.6, 0.4]))


C3_LIKELIHOOD = np.array([0.1, 0.5, 0.9])


def c3() -> MarkovChain:
    """Three states, three steps."""
    kernel = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.3, 0.6]])
    return MarkovChain(np.array([0.5, 0.3, 0.2]), np.stack([kernel] * 3))


def as_sparse(mdp: MDP) -> MDP:
    """The same model with a CSR kernel."""
    flat = sparse.csr_array(np.asarray(mdp.transition).reshape(-1, mdp.n_states))
    return MDP(flat, mdp.reward, mdp.discount, mdp.initial, available=mdp.available)


def random_mdp(seed: int, *, masked: bool = False, deterministic: bool = False) -> MDP:
    """A dense model with 1 to 6 states, 1 to 4 actions and about a third of its transitions zero."""
    rng = np.random.default_rng(seed)
    n_states, n_actions = int(rng.integers(1, 7)), int(rng.integers(1, 5))
    if deterministic:
        kernel = np.eye(n_states)[rng.integers(0, n_states, (n_states, n_actions))]
    else:
        kernel = rng.dirichlet(np.ones(n_states), (n_states, n_actions)) * (
            rng.random((n_states, n_actions, n_states)) < 0.7
        )
        kernel[..., 0] += kernel.sum(axis=-1) == 0
        kernel /= kernel.sum(axis=-1, keepdims=True)
    available = None
    if masked:
        available = rng.random((n_states, n_actions)) < 0.6
        available[np.arange(n_states), rng.integers(0, n_actions, n_states)] = True
    return MDP(
        kernel,
        rng.normal(size=(n_states, n_actions)),
        float(rng.uniform(0.0, 0.97)),
        rng.dirichlet(np.ones(n_states)),
        available=available,
    )


def random_policy(mdp: MDP, seed: int) -> np.ndarray:
    """A policy with full support on the available actions."""
    logits = np.random.default_rng(seed).normal(size=(mdp.n_states, mdp.n_actions))
    weights = np.exp(logits) * (1.0 if mdp.available is None else mdp.available)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def random_chain(seed: int) -> MarkovChain:
    """A chain with 3 states and 1 to 4 steps."""
    rng = np.random.default_rng(seed)
    steps = int(rng.integers(1, 5))
    rows = 0.98 * rng.dirichlet(np.ones(3), (steps, 3)) + 0.02 / 3
    return MarkovChain(rng.dirichlet(np.ones(3)), rows / rows.sum(axis=-1, keepdims=True))
