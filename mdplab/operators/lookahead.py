r"""Greedy over a random policy: value iteration that starts at the action values of uniformly random play.

.. math::
    Q^1_h=\text{action values of the uniform policy},\qquad
    Q^{i+1}_h(s,a)=R_h(s,a)+\gamma\sum_tP_h(t|s,a)\max_bQ^i_{h+1}(t,b),\qquad \max_bQ^i_H(t,b)=\text{terminal}(t).

:math:`Q^k` is known from rollouts that plan the first k actions and play at random after them, which costs a number of
episodes exponential in k alone.  A model is solved with k steps if every policy greedy for :math:`Q^k` is optimal;
with k = H it always is, as :math:`Q^H=Q^*`.  The smallest such k is the core of the effective horizon.

References
----------
.. [1] C. Laidlaw, S. Russell and A. Dragan, "Bridging RL Theory and Practice with the Effective Horizon", 2023.
.. [2] C. Laidlaw, B. Zhu, S. Russell and A. Dragan, "The Effective Horizon Explains Deep RL Performance in Stochastic
   Environments", 2023.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.models import FiniteHorizonMDP
from mdplab.models import _validate as v
from mdplab.operators import _check

__all__ = ["lookahead_backup", "lookahead_values", "worst_greedy_value"]


def _action_values(mdp: FiniteHorizonMDP, h: int, after: FloatArray) -> FloatArray:
    """Action values of stage h when the next state is worth ``after (S,)``; ``-inf`` at unavailable pairs."""
    q = mdp.stage_reward(h) + mdp.discount * mdp.expectation(h, after)
    return np.where(mdp.stage_available(h), q, -np.inf)


def _stage_values(mdp: FiniteHorizonMDP, q: ArrayLike) -> FloatArray:
    _check.model(mdp, FiniteHorizonMDP)
    shape = (mdp.horizon, mdp.n_states, mdp.n_actions)
    table = v.real("q", q, shape)
    for h in range(mdp.horizon):
        wrong = ~np.isfinite(table[h]) & mdp.stage_available(h)
        if wrong.any():
            s, a = v.first(wrong)
            raise ValueError(
                f"q[{h}, {s}, {a}] is {table[h, s, a]}, expected a finite number at available pairs"
            )
    return table


def lookahead_backup(mdp: FiniteHorizonMDP, q: ArrayLike) -> FloatArray:
    """One step of value iteration at all stages at once, from any action values.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        The model.
    q : array_like (H, S, A)
        Action values, finite at available pairs.

    Returns
    -------
    ndarray (H, S, A)
        ``R + discount P max q`` of the next stage, the terminal reward after the last; ``-inf`` at unavailable pairs.

    Raises
    ------
    ValueError
        If ``q`` has another shape or is not finite at an available pair.
    """
    table = _stage_values(mdp, q)
    after = [np.where(mdp.stage_available(h), table[h], -np.inf).max(axis=-1) for h in range(1, mdp.horizon)]
    return np.array([_action_values(mdp, h, v) for h, v in enumerate((*after, mdp.terminal))])


def lookahead_values(mdp: FiniteHorizonMDP, steps: int) -> FloatArray:
    """Action values of the uniform policy, and of k - 1 steps of value iteration from them, for k = 1, ..., ``steps``.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        The model; the random policy is uniform over the available actions.
    steps : int
        Number K of tables, at least 1.

    Returns
    -------
    ndarray (K, H, S, A)
        ``Q^1, ..., Q^K``; from the H-th on all are the optimal action values.

    Raises
    ------
    ValueError
        If ``steps`` is less than one.
    """
    _check.model(mdp, FiniteHorizonMDP)
    _check.count("steps", steps)
    random = np.empty((mdp.horizon, mdp.n_states, mdp.n_actions))
    after = np.asarray(mdp.terminal)
    for h in reversed(range(mdp.horizon)):
        random[h] = _action_values(mdp, h, after)
        after = np.mean(random[h], axis=-1, where=mdp.stage_available(h))
    tables = [random]
    while len(tables) < steps:
        tables.append(lookahead_backup(mdp, tables[-1]))
    return np.array(tables)


def worst_greedy_value(mdp: FiniteHorizonMDP, q: ArrayLike, tol: float = 0.0) -> FloatArray:
    """Value of the worst of the stage policies that are greedy for given action values.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        The model.
    q : array_like (H, S, A)
        Action values, finite at available pairs.
    tol : float, default 0
        Non-negative; an action within ``tol`` of the largest value counts as greedy.

    Returns
    -------
    ndarray (H + 1, S)
        The least value of a greedy policy from each stage and state, by a backward recursion over the ties.

    Raises
    ------
    ValueError
        If ``tol`` is negative, or ``q`` has another shape or is not finite at an available pair.
    """
    _check.non_negative("tol", tol)
    table = _stage_values(mdp, q)
    value = np.empty((mdp.horizon + 1, mdp.n_states))
    value[-1] = mdp.terminal
    for h in reversed(range(mdp.horizon)):
        available = mdp.stage_available(h)
        level = np.where(available, table[h], -np.inf).max(axis=-1, keepdims=True)
        own = _action_values(mdp, h, value[h + 1])
        value[h] = np.where(available & (table[h] >= level - tol), own, np.inf).min(axis=-1)
    return value
