r"""Linear MDPs: features in the simplex, drawn or named, and the trivial features of a table.

A row of simplex features mixes d laws of the next state.  One-hot features (d = S A) make every model linear, state
aggregation (d = number of blocks times A) those that do not tell the states of a block apart.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.instances.draw import Draw
from mdplab.instances.policies import full_support
from mdplab.models import LinearMDP, RectangularUncertainty

__all__ = [
    "aggregation_features",
    "one_hot_features",
    "random_linear_mdp",
    "rectangular_uncertainties",
    "simplex_features",
]

_DIVERGENCES: tuple[Literal["total-variation", "kl", "chi-square"], ...] = (
    "total-variation",
    "kl",
    "chi-square",
)


def random_linear_mdp(
    draw: Draw,
    *,
    states: tuple[int, int] = (3, 8),
    actions: tuple[int, int] = (2, 4),
    dimension: tuple[int, int] = (2, 4),
    horizon: tuple[int, int] | None = None,
    discount: tuple[float, float] = (0.3, 0.97),
    concentration: float = 1.0,
    mixture: float = 0.02,
    signed: bool = False,
) -> LinearMDP:
    """Draw a linear MDP: Dirichlet features, measures with full support, uniform reward vectors, Dirichlet start law.

    Parameters
    ----------
    draw : Draw
        The engine.
    states, actions, dimension : tuple of int
        Smallest and largest numbers S, A and d.
    horizon : tuple of int, optional
        Smallest and largest H; measures and reward vectors are then drawn for each stage, with discount 1.  Discounted
        without.
    discount : tuple of float
        Range of the discount, uniform; not used with a horizon.
    concentration : float, default 1
        Dirichlet parameter of the features; small values give nearly one-hot ones.
    mixture : float, default 0.02
        Weight of the uniform law in the measures.
    signed : bool, default False
        Change the basis of the features by a random well-conditioned matrix: the same model, signed.

    Returns
    -------
    LinearMDP
        Rewards are in [0, 1].
    """
    n, a, d = draw.integer(*states), draw.integer(*actions), draw.integer(*dimension)
    steps = None if horizon is None else draw.integer(*horizon)
    shape = (d,) if steps is None else (steps, d)
    phi = draw.weights((n, a, d), concentration)
    mu = full_support(draw, (*shape, n), mixture=mixture)
    theta = draw.uniform(0.0, 1.0, shape)
    gamma = 1.0 if steps is not None else draw.number(*discount)
    if signed:
        basis = np.linalg.qr(draw.normal((d, d)))[0] * draw.uniform(0.5, 2.0, d)
        inverse = np.linalg.inv(basis)
        phi, mu, theta = phi @ basis, inverse @ mu, theta @ inverse.T
    return LinearMDP(phi, mu, theta, gamma, initial=draw.weights(n))


def rectangular_uncertainties(
    draw: Draw,
    *,
    states: tuple[int, int] = (1, 5),
    actions: tuple[int, int] = (1, 3),
    dimension: tuple[int, int] = (1, 3),
    horizon: tuple[int, int] | None = (1, 3),
    strength: tuple[float, float] | None = (0.08, 1.6),
    radius: tuple[float, float] = (0.0, 0.5),
) -> RectangularUncertainty:
    """Draw a linear MDP with simplex features and a d-rectangular uncertainty of it.

    Parameters
    ----------
    draw : Draw
        The engine.
    states, actions, dimension : tuple of int
        Smallest and largest numbers S, A and d.
    horizon : tuple of int, optional
        As in :func:`random_linear_mdp`.
    strength : tuple of float, optional
        Range of the price of the divergence, log-uniform, the same for all factors.
    radius : tuple of float
        Range of the radius of each factor, uniform; used where ``strength`` is None.

    Returns
    -------
    RectangularUncertainty
        The divergence is total variation, Kullback-Leibler or chi-square.
    """
    model = random_linear_mdp(draw, states=states, actions=actions, dimension=dimension, horizon=horizon)
    divergence = draw.choice(_DIVERGENCES)
    if strength is not None:
        return RectangularUncertainty(model, divergence, strength=draw.log_number(*strength))
    return RectangularUncertainty(model, divergence, radius=draw.uniform(*radius, len(model.factors)))


def simplex_features(reward: str = "R", horizon: int = 3) -> LinearMDP:
    r"""Three states, two actions, two factors, three stages: the instance DREC of d-rectangular robustness.

    Its features are :math:`\phi(0,\cdot)=((.5,.5),(1,0))`, :math:`\phi(1,\cdot)=((.2,.8),(0,1))`,
    :math:`\phi(2,\cdot)=((.7,.3),(.4,.6))`, its measures (.6, .3, .1) and (.1, .2, .7).  Its rewards are *not* linear in
    these features; so each pair has a feature of its own for them, behind the two of the kernel, with measure zero: d = 8,
    and ``features[:, :, :2]``, ``measures[:2]`` are the mixture.

    Parameters
    ----------
    reward : {"R", "R'"}
        ((.1, .6), (.5, .2), (.9, .3)) or ((.3, .35), (.3, .25), (.5, .45)).
    horizon : int, default 3
        H.

    Returns
    -------
    LinearMDP
        Stationary; its ``factors`` are 0 and 1, and it has simplex features.

    Raises
    ------
    ValueError
        If the reward is unknown.
    """
    tables = {"R": [1, 6, 5, 2, 9, 3], "R'": [3, 3.5, 3, 2.5, 5, 4.5]}
    if reward not in tables:
        raise ValueError(f"reward is {reward!r}, expected 'R' or \"R'\"")
    mixture = np.array([[[5, 5], [10, 0]], [[2, 8], [0, 10]], [[7, 3], [4, 6]]]) / 10
    measures = np.array([[6, 3, 1], [1, 2, 7]]) / 10
    return LinearMDP(
        np.concatenate([mixture, one_hot_features(3, 2)], axis=2),
        np.vstack([measures, np.zeros((6, 3))]),
        np.concatenate([np.zeros(2), np.array(tables[reward]) / 10]),
        horizon=horizon,
    )


def one_hot_features(n_states: int, n_actions: int) -> FloatArray:
    """The features that tell all pairs apart, for which every model is linear.

    Parameters
    ----------
    n_states, n_actions : int
        S and A.

    Returns
    -------
    ndarray (S, A, S*A)
    """
    return np.eye(n_states * n_actions).reshape(n_states, n_actions, -1)


def aggregation_features(blocks: ArrayLike, n_actions: int) -> FloatArray:
    """One feature for each block of states and action.

    Parameters
    ----------
    blocks : array_like of int (S,)
        Block of each state, numbered from 0.
    n_actions : int
        A.

    Returns
    -------
    ndarray (S, A, B*A)
        B is the number of blocks.
    """
    block = np.asarray(blocks)
    if block.ndim != 1 or block.dtype.kind not in "iu" or block.min(initial=0) < 0:
        raise ValueError("blocks: expected a vector of non-negative integers")
    features = np.zeros((block.size, n_actions, int(block.max()) + 1, n_actions))
    actions = np.arange(n_actions)
    features[np.arange(block.size)[:, np.newaxis], actions, block[:, np.newaxis], actions] = 1.0
    return features.reshape(block.size, n_actions, -1)
