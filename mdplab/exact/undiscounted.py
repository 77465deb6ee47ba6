r"""Undiscounted criteria of a policy in exact numbers: stationary law, average reward, total reward.

*Stationary law.*  With one recurrent class :math:`d^\top P=d^\top`, :math:`\sum d=1` has one solution; the balance equations
sum to zero, so one of them gives way to the normalisation, and the system is regular exactly if there is one class.

*Average reward.*  The gain is :math:`g=d^\top r`, the bias solves :math:`(I-P+\mathbf 1d^\top)h=r-g`, so that
:math:`d^\top h=0` and :math:`g+h=r+Ph`.

*Total reward.*  :math:`V=(I-P_{NN})^{-1}r` over the states that are not terminal; the matrix is regular exactly if the policy
terminates almost surely from everywhere.

References
----------
.. [1] M. L. Puterman, *Markov Decision Processes*, 1994, sections 8.2 and 7.2, appendix A.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdplab._typing import Array
from mdplab.exact._flint import fmpq
from mdplab.exact.discounted import induced
from mdplab.exact.linear import identity, solve
from mdplab.exact.models import Model, admitted_policy
from mdplab.exact.numbers import laws, rational
from mdplab.models import TotalRewardMDP

__all__ = ["AverageReward", "average_reward", "stationary_law", "total_reward"]


class AverageReward(NamedTuple):
    """Long-run average reward of a policy.

    Attributes
    ----------
    gain : fmpq or arb
        Average reward, from every state.
    bias : object array (S,)
        Relative value, of stationary mean zero.
    stationary : object array (S,)
        The stationary law.
    """

    gain: Any
    bias: Array
    stationary: Array


def stationary_law(kernel: Any) -> Array:
    """Stationary law of a chain with one recurrent class.

    Parameters
    ----------
    kernel : array_like (S, S)
        Rows are laws, read as by :func:`mdplab.exact.laws`, or balls.

    Returns
    -------
    object array (S,)
        Rationals, or balls.

    Raises
    ------
    ValueError
        If the chain has several recurrent classes.
    """
    rows = laws(kernel)
    if rows.ndim != 2 or rows.shape[0] != rows.shape[1]:
        raise ValueError(f"kernel has shape {rows.shape}, expected (S, S)")
    n = rows.shape[0]
    balance = identity(n) - rows.T
    balance[-1] = fmpq(1)
    try:
        return solve(balance, identity(n)[-1])
    except ValueError:
        raise ValueError(
            "kernel has not, or not surely, a single recurrent class: its stationary law is not unique"
        ) from None


def average_reward(mdp: Model, policy: Any) -> AverageReward:
    """Gain and bias of a policy whose chain has one recurrent class.

    Parameters
    ----------
    mdp : MDP or ExactMDP
        The model; its discount plays no part.
    policy : array_like (S, A)
        Probabilities, as for :func:`mdplab.exact.policy_evaluation`.

    Returns
    -------
    AverageReward
        Rationals, or balls.

    Raises
    ------
    ValueError
        If the chain has several recurrent classes.
    """
    kernel, reward = induced(mdp, policy)
    law = stationary_law(kernel)
    gain = law @ reward
    bias = solve(identity(law.size) - kernel + law[np.newaxis, :], reward - gain)
    return AverageReward(gain, bias, law)


def total_reward(mdp: TotalRewardMDP, policy: Any) -> Array:
    """Total reward of a policy that terminates almost surely.

    Parameters
    ----------
    mdp : TotalRewardMDP
        The model; rewards are read by :func:`mdplab.exact.rational`, rows by :func:`mdplab.exact.laws`.
    policy : array_like (S, A)
        Probabilities; the rows of terminal states are not read.

    Returns
    -------
    object array (S,)
        Values, 0 at terminal states.

    Raises
    ------
    ValueError
        If from some state the policy may never terminate.
    """
    inner = ~mdp.terminal
    n_actions = mdp.n_actions
    value = np.full(mdp.n_states, fmpq(0), dtype=object)
    if not inner.any():
        return value
    available = np.ones((mdp.n_states, n_actions), dtype=bool) if mdp.available is None else mdp.available
    rows = admitted_policy(np.asarray(getattr(policy, "probability", policy))[inner], available[inner])
    dense = mdp.transition.toarray() if mdp.is_sparse else mdp.transition
    table = np.full((*rows.shape, mdp.n_states), fmpq(0), dtype=object)
    table[available[inner]] = laws(dense.reshape(-1, n_actions, mdp.n_states)[inner][available[inner]])
    kernel = (rows[:, :, np.newaxis] * table).sum(axis=1)[:, inner]
    reward = (rows * rational(mdp.reward)[inner]).sum(axis=1)
    try:
        value[inner] = solve(identity(len(kernel)) - kernel, reward)
    except ValueError:
        raise ValueError(
            "policy need not terminate: its total reward is not defined from every state"
        ) from None
    return value
