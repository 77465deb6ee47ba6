"""Several random objects that fit together: a model with policies, with values, with a perturbed copy of itself.

Each function draws the model by a family that is given, ``functools.partial(mdps, states=(2, 3))`` say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.instances.draw import Draw
from mdplab.instances.kernels import KERNEL_KINDS, KernelKind, random_kernel
from mdplab.instances.policies import POLICY_KINDS, PolicyKind, random_policy
from mdplab.instances.tabular import mdps
from mdplab.models import MDP, FiniteHorizonMDP

__all__ = [
    "mdp_with_perturbation",
    "mdp_with_policies",
    "mdp_with_policy",
    "mdp_with_values",
]


def mdp_with_policy(
    draw: Draw,
    *,
    model: Callable[[Draw], MDP | FiniteHorizonMDP] = mdps,
    kind: PolicyKind | tuple[PolicyKind, ...] = POLICY_KINDS,
) -> tuple[Any, FloatArray]:
    """Draw an MDP and a policy of it.

    Parameters
    ----------
    draw : Draw
        The engine.
    model : callable
        Family of the MDP, as in :func:`mdp_with_policies`.
    kind : str or tuple of str
        Kinds of :func:`~mdplab.instances.random_policy` to choose from.

    Returns
    -------
    mdp : MDP or FiniteHorizonMDP
    policy : ndarray (S, A) or (H, S, A)
        By stage where the MDP has a horizon.  Zero where an action is unavailable.
    """
    mdp, policies = mdp_with_policies(draw, count=1, model=model, kind=kind)
    return mdp, policies[0]


def mdp_with_policies(
    draw: Draw,
    *,
    count: int = 2,
    model: Callable[[Draw], MDP | FiniteHorizonMDP] = mdps,
    kind: PolicyKind | tuple[PolicyKind, ...] = POLICY_KINDS,
) -> tuple[Any, tuple[FloatArray, ...]]:
    """Draw an MDP and policies of it, one after another.

    Parameters
    ----------
    draw : Draw
        The engine.
    count : int, default 2
        Number of policies.
    model : callable
        Family of the MDP: :func:`mdps`, :func:`horizon_mdps`, or another of either kind.
    kind : str or tuple of str
        Kinds of :func:`~mdplab.instances.random_policy` to choose from, for each policy anew.

    Returns
    -------
    mdp : MDP or FiniteHorizonMDP
    policies : tuple of ndarray (S, A) or (H, S, A)
        By stage where the MDP has a horizon.  Zero where an action is unavailable.
    """
    mdp = model(draw)
    stages = mdp.horizon if isinstance(mdp, FiniteHorizonMDP) else None
    return mdp, tuple(
        random_policy(draw, mdp.n_states, mdp.n_actions, stages=stages, kind=kind, available=mdp.available)
        for _ in range(count)
    )


def mdp_with_values(
    draw: Draw, *, model: Callable[[Draw], MDP] = mdps, scale: float = 1.0
) -> tuple[MDP, FloatArray]:
    """Draw an MDP and an estimate of its value function, which need not be a good one.

    Parameters
    ----------
    draw : Draw
        The engine.
    model : callable
        Family of the MDP.
    scale : float, default 1
        Standard deviation of the values, normal.

    Returns
    -------
    mdp : MDP
    values : ndarray (S,)
    """
    mdp = model(draw)
    return mdp, draw.normal(mdp.n_states, scale)


def mdp_with_perturbation(
    draw: Draw,
    *,
    model: Callable[[Draw], MDP] = mdps,
    kernel: KernelKind | tuple[KernelKind, ...] = KERNEL_KINDS,
    weight: tuple[float, float] = (0.0, 0.5),
    reward: tuple[float, float] = (0.0, 0.5),
) -> tuple[MDP, MDP]:
    r"""Draw an MDP and another one near it, as an estimate would be: the setting of simulation lemmas.

    Parameters
    ----------
    draw : Draw
        The engine.
    model : callable
        Family of the MDP; its kernel must be dense.
    kernel : str or tuple of str
        Kinds of :func:`~mdplab.instances.random_kernel` to choose from, for the kernel :math:`K` that is mixed in.
    weight : tuple of float
        Range of its weight w in [0, 1]: the kernel of the second model is :math:`(1-w)P+wK`.
    reward : tuple of float
        Range of the largest change e of a reward: each is changed by a uniform number of [-e, e].

    Returns
    -------
    mdp, perturbed : MDP
        Of the same discount, start law and mask.  Total variations of their rows are at most w.

    Raises
    ------
    ValueError
        If the kernel of the MDP is sparse.
    """
    mdp = model(draw)
    if mdp.is_sparse:
        raise ValueError("model: expected MDPs with dense kernels")
    kind = draw.choice((kernel,) if isinstance(kernel, str) else kernel)
    mixed_in, w = random_kernel(draw, mdp.n_states, mdp.n_actions, kind=kind), draw.number(*weight)
    change = draw.number(*reward) * draw.uniform(-1.0, 1.0, mdp.reward.shape)
    perturbed = MDP(
        np.asarray((1.0 - w) * mdp.transition + w * mixed_in),
        mdp.reward + change,
        mdp.discount,
        mdp.initial,
        available=mdp.available,
    )
    return mdp, perturbed
