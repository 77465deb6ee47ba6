r"""Discounted control and evaluation in rationals: values, ties and occupancies without rounding.

*Evaluation.*  :math:`V=(I-\gamma P_\pi)^{-1}r_\pi` is the solution of a rational system, hence rational.

*Control.*  Policy iteration (Howard 1960) with exact evaluations and exact comparisons: a policy that no action improves
in any state satisfies the optimality equation, and each strict improvement leads to a policy not met before, so the
iteration ends with :math:`V^*` itself after finitely many steps.  An action is optimal iff :math:`Q^*(s,a)=V^*(s)`, exactly.

*Certificate.*  :math:`V` with :math:`V\ge R+\gamma PV` and an occupancy :math:`d\ge0`,
:math:`\sum_ad(s,a)-\gamma\sum P^\top d=(1-\gamma)\mu`, are optimal for the two linear programs of control iff
:math:`(1-\gamma)\mu^\top V=\langle d,R\rangle`.

With a regulariser, or where a policy or a reward is given by balls, results are balls that contain the exact numbers.

References
----------
.. [1] R. A. Howard, *Dynamic Programming and Markov Processes*, 1960.
.. [2] M. L. Puterman, *Markov Decision Processes*, 1994, sections 6.4 and 6.9.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from mdplab._typing import Array, BoolArray
from mdplab.exact.linear import identity, solve
from mdplab.exact.models import ExactMDP, Model, admitted_policy, none_where, require_rational, start_law
from mdplab.exact.numbers import entries, rational
from mdplab.exact.tilt import is_regularised, regulariser

__all__ = [
    "Control",
    "Evaluation",
    "induced",
    "is_optimal_pair",
    "occupancy",
    "policy_evaluation",
    "policy_iteration",
    "state_occupancy",
]


class Evaluation(NamedTuple):
    """Values of a policy.

    Attributes
    ----------
    value : object array (S,)
        State values; ``(H + 1, S)`` in a finite horizon.
    q : object array (S, A)
        Action values, without the regulariser of the action itself; None at unavailable pairs.
    """

    value: Array
    q: Array


class Control(NamedTuple):
    """Optimal values, and all optimal actions.

    Attributes
    ----------
    value : object array (S,)
        Optimal values; ``(H + 1, S)`` in a finite horizon.
    q : object array (S, A)
        Optimal action values; None at unavailable pairs.
    optimal : ndarray of bool (S, A)
        Where ``q`` equals the value exactly.
    """

    value: Array
    q: Array
    optimal: BoolArray


def induced(mdp: Model, policy: Any) -> tuple[Array, Array]:
    """Kernel and expected reward under a policy.

    Parameters
    ----------
    mdp : MDP or ExactMDP
        The model.
    policy : array_like (S, A)
        Probabilities, read as by :func:`mdplab.exact.laws`.

    Returns
    -------
    kernel, reward : object array (S, S), (S,)
    """
    twin = ExactMDP.of(mdp)
    rows = admitted_policy(policy, twin.available)
    return (rows[:, :, np.newaxis] * twin.transition).sum(axis=1), (rows * twin.reward).sum(axis=1)


def policy_evaluation(
    mdp: Model, policy: Any, *, temperature: Any = 0, log_reference: Any = None
) -> Evaluation:
    """Values of a policy, regularised or not.

    Parameters
    ----------
    mdp : MDP or ExactMDP
        The model.
    policy : array_like (S, A)
        Probabilities: floats and rationals as :func:`mdplab.exact.laws` reads them, or balls.
    temperature : number, default 0
        Non-negative; the reward becomes ``R - temperature * log(policy / reference)``, and results are balls.
    log_reference : array_like (S, A), optional
        Log-weights of the reference, as a rule ``exact.log`` of its probabilities; default is the counting measure.

    Returns
    -------
    Evaluation
        Rationals if the temperature is 0 and the inputs are rational; otherwise balls.

    Raises
    ------
    ValueError
        If the policy is no policy of the model or leaves the support of the reference.
    """
    twin = ExactMDP.of(mdp)
    kernel, reward = induced(twin, policy)
    if is_regularised(temperature):
        rows = admitted_policy(policy, twin.available)
        reward = reward - regulariser(rows, temperature=temperature, log_reference=log_reference)
    value = solve(identity(twin.n_states) - twin.discount * kernel, reward)
    return Evaluation(value, none_where(~twin.available, twin.lookahead(value)))


def policy_iteration(mdp: Model) -> Control:
    """Optimal values and the sets of optimal actions.

    Parameters
    ----------
    mdp : MDP or ExactMDP
        The model, rewards rational.

    Returns
    -------
    Control
        Exact; 15 states with four actions take some milliseconds.

    Raises
    ------
    ValueError
        If the model holds balls.
    """
    twin = ExactMDP.of(mdp)
    require_rational("transition", twin.transition)
    require_rational("reward", twin.reward)
    states = np.arange(twin.n_states)
    options = [np.flatnonzero(row) for row in twin.available]
    actions = np.array([best[twin.reward[s, best].argmax()] for s, best in zip(states, options, strict=True)])
    while True:
        kernel, reward = twin.transition[states, actions], twin.reward[states, actions]
        value = solve(identity(twin.n_states) - twin.discount * kernel, reward)
        q = twin.lookahead(value)
        better = np.array([best[q[s, best].argmax()] for s, best in zip(states, options, strict=True)])
        improves = q[states, better] > value
        if not improves.any():
            optimal = twin.available & (q == value[:, np.newaxis])
            return Control(value, none_where(~twin.available, q), optimal)
        actions = np.where(improves, better, actions)


def state_occupancy(mdp: Model, policy: Any, *, initial: Any = None, normalised: bool = True) -> Array:
    """Discounted occupancy of the states.

    Parameters
    ----------
    mdp : MDP or ExactMDP
        The model.
    policy : array_like (S, A)
        Probabilities, as for :func:`policy_evaluation`.
    initial : array_like (S,), optional
        Start (or restart) law; default is the model's.
    normalised : bool, default True
        Whether the occupancy sums to 1 or to ``1 / (1 - discount)``.

    Returns
    -------
    object array (S,)
        Rationals, or balls.

    Raises
    ------
    ValueError
        If neither the call nor the model has a start law.
    """
    twin = ExactMDP.of(mdp)
    start = start_law(initial, twin.initial, twin.n_states)
    kernel, _ = induced(twin, policy)
    return solve(
        identity(twin.n_states) - twin.discount * kernel.T,
        start * (1 - twin.discount) if normalised else start,
    )


def occupancy(mdp: Model, policy: Any, *, initial: Any = None, normalised: bool = True) -> Array:
    """Discounted occupancy of the pairs, that of the states times the policy.

    Parameters
    ----------
    mdp : MDP or ExactMDP
        The model.
    policy : array_like (S, A)
        Probabilities, as for :func:`policy_evaluation`.
    initial : array_like (S,), optional
        Start (or restart) law; default is the model's.
    normalised : bool, default True
        Whether the occupancy sums to 1 or to ``1 / (1 - discount)``.

    Returns
    -------
    object array (S, A)
        Rationals, or balls.
    """
    twin = ExactMDP.of(mdp)
    states = state_occupancy(twin, policy, initial=initial, normalised=normalised)
    result: Array = states[:, np.newaxis] * admitted_policy(policy, twin.available)
    return result


def is_optimal_pair(mdp: Model, value: Any, pair_occupancy: Any, *, initial: Any = None) -> bool:
    """Whether a value and an occupancy prove each other optimal for the linear programs of control.

    Parameters
    ----------
    mdp : MDP or ExactMDP
        The model, rewards rational.
    value : array_like (S,)
        Feasible if ``value >= reward + discount * transition @ value`` at available pairs.
    pair_occupancy : array_like (S, A)
        Normalised; feasible if non-negative, zero at unavailable pairs and in balance with the start law.
    initial : array_like (S,), optional
        Start law; default is the model's.

    Returns
    -------
    bool
        Both are feasible and ``(1 - discount) * initial @ value`` equals ``(pair_occupancy * reward).sum()``.
    """
    twin = ExactMDP.of(mdp)
    v, d, start = (
        entries(rational(value)),
        entries(rational(pair_occupancy)),
        start_law(initial, twin.initial, twin.n_states),
    )
    require_rational("reward", twin.reward)
    above = v[:, np.newaxis] >= twin.lookahead(v)
    inflow = (1 - twin.discount) * start + twin.discount * (d[:, :, np.newaxis] * twin.transition).sum(
        axis=(0, 1)
    )
    feasible = above[twin.available].all() and (d >= 0).all() and (d[~twin.available] == 0).all()
    balanced = (d.sum(axis=1) == inflow).all()
    return bool(feasible and balanced and (1 - twin.discount) * (start @ v) == (d * twin.reward).sum())
