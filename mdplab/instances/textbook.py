r"""Named instances that known values of claims refer to: raw data, built exactly from integers and fractions.

Each function builds a new model; probabilities are tenths rounded once, and where the model is an
:class:`~mdplab.models.MDP` the rationals themselves are in its ``exact``.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from mdplab._typing import BoolArray, FloatArray
from mdplab.models import MDP, FiniteHorizonMDP, MarkovChain, OutcomeModel, PreferenceMatrix, RewardProcess

__all__ = [
    "three_response_cycle",
    "three_response_reference",
    "three_state_addon_reward",
    "three_state_chain",
    "three_state_chain_condition_likelihood",
    "three_state_chain_likelihood",
    "three_state_demonstrations",
    "three_state_logits",
    "three_state_mask",
    "three_state_mdp",
    "three_state_reference",
    "three_state_unit_reward_mdp",
    "two_armed_loop",
    "two_state_behaviour",
    "two_state_mdp",
    "two_state_outcome_mdp",
    "two_state_reward_process",
]

_TENTH = Fraction(1, 10)
_NINE_TENTHS = Fraction(9, 10)
_THREE_STATE_KERNEL = (((7, 2, 1), (1, 6, 3)), ((3, 4, 3), (0, 2, 8)), ((5, 0, 5), (2, 3, 5)))


def _tenths(*numbers: int) -> list[Fraction]:
    return [number * _TENTH for number in numbers]


def three_state_mdp() -> MDP:
    """Three states, two actions, discount .9: the instance T3 of soft and residual control, M0 of policy gradients.

    Its optimal return from the start law is 7.9322818447.  Used by the known values of residual Q-learning, the
    soft policy gradient, constrained customisation (T3) and of policy-gradient identities (M0).

    Returns
    -------
    MDP
        Dense, with start law (.5, .3, .2) and the exact rationals.
    """
    reward = [_tenths(10, 0), _tenths(2, 5), _tenths(-3, 8)]
    return MDP.from_weights(_THREE_STATE_KERNEL, reward, _NINE_TENTHS, (5, 3, 2))


def three_state_unit_reward_mdp() -> MDP:
    """The three-state model with rewards in [0, 1]: the instance M3 of mirror descent.

    Its optimal return from the start law is 7.9322818447, that of :func:`three_state_mdp`: the one reward that
    differs, of pair (2, 0), is not collected.  Used by the known values of mirror descent and natural policy gradient.

    Returns
    -------
    MDP
        Rewards ((1, 0), (.2, .5), (0, .8)).
    """
    reward = [_tenths(10, 0), _tenths(2, 5), _tenths(0, 8)]
    return MDP.from_weights(_THREE_STATE_KERNEL, reward, _NINE_TENTHS, (5, 3, 2))


def two_armed_loop(discount: float) -> MDP:
    """One state to which both actions return, with the rewards 1 and 0: a bandit that is played for ever.

    Its optimal value is ``1 / (1 - discount)``.  Used by the known values and controls of mirror descent.

    Parameters
    ----------
    discount : float
        In [0, 1).

    Returns
    -------
    MDP
        Dense, with the only start law.
    """
    return MDP(np.ones((1, 2, 1)), np.array([[1.0, 0.0]]), discount, np.ones(1))


def three_state_addon_reward() -> FloatArray:
    """Add-on reward of the customisation task on :func:`three_state_mdp` (T3).

    There the prior is max-ent optimal at temperature .5, kept with weight 1.2, and the task has temperature .4.

    Returns
    -------
    ndarray (3, 2)
        ((0, .5), (.3, 0), (-.2, .4)).
    """
    return np.array([[0.0, 0.5], [0.3, 0.0], [-0.2, 0.4]])


def three_state_logits() -> FloatArray:
    """Logits of the generic policy on :func:`three_state_mdp` (T3): the policy is their softmax.

    Returns
    -------
    ndarray (3, 2)
        ((.3, -.2), (-.5, .4), (.1, .6)).
    """
    return np.array([[0.3, -0.2], [-0.5, 0.4], [0.1, 0.6]])


def three_state_demonstrations() -> tuple[FiniteHorizonMDP, FloatArray, FloatArray]:
    """Three stages of :func:`three_state_unit_reward_mdp`, a cloned policy and its expert: the instance D3.

    Used by the known values of demonstration-regularised control.

    Returns
    -------
    mdp : FiniteHorizonMDP
        Undiscounted, stationary, with start law (.5, .3, .2).
    cloned : ndarray (3, 2)
        ((.5, .5), (.6, .4), (.3, .7)), at all stages.
    expert : ndarray (3, 3, 2)
        Probabilities of action 0: (.7, .4, .2), (.9, .3, .1) and (.8, .25, .15).
    """
    base = three_state_unit_reward_mdp()
    mdp = FiniteHorizonMDP(base.transition, base.reward, 3, initial=base.initial)
    first = np.array([[70, 40, 20], [90, 30, 10], [80, 25, 15]])
    return mdp, np.array([[5, 5], [6, 4], [3, 7]]) / 10, np.stack([first, 100 - first], axis=2) / 100


def three_state_mask() -> tuple[MDP, BoolArray]:
    """Three states, two actions, deterministic, discount .9, with a mask that takes state 1's only optimal action.

    Staying pays 1, .8 and 2; moving on, to states 1, 2 and 0, pays .5, 0 and 0.  Optimal values (16.7, 18, 20); without
    action 1 in state 1 they are (10, 8, 20): state 0 loses although its own optimal action is kept.

    Returns
    -------
    mdp : MDP
        Unmasked, with start in state 0 and the exact rationals.
    mask : ndarray of bool (3, 2)
        The retained actions: all but action 1 in state 1.
    """
    weights = np.eye(3, dtype=int)[[[0, 1], [1, 2], [2, 0]]]
    mdp = MDP.from_weights(weights, [_tenths(10, 5), _tenths(8, 0), _tenths(20, 0)], _NINE_TENTHS, (1, 0, 0))
    return mdp, np.array([[True, True], [True, False], [True, True]])


def three_state_reference() -> FloatArray:
    """Reference or behaviour policy on :func:`three_state_mdp` (M0); its return is 4.0935624694.

    Returns
    -------
    ndarray (3, 2)
        ((.6, .4), (.3, .7), (.5, .5)).
    """
    return np.array([[0.6, 0.4], [0.3, 0.7], [0.5, 0.5]])


def two_state_mdp() -> MDP:
    """Two states, two actions, discount .9: the instance M2 of linear programs and dual reinforcement learning.

    Optimal values (7.9120879121, 9.0109890110), optimal action 1 in both states, normalised return .8351648351648.

    Returns
    -------
    MDP
        Dense, with start law (.6, .4) and the exact rationals.
    """
    weights = (((9, 1), (2, 8)), ((5, 5), (1, 9)))
    return MDP.from_weights(weights, [_tenths(2, 0), _tenths(3, 10)], _NINE_TENTHS, (6, 4))


def two_state_behaviour() -> FloatArray:
    """Behaviour policy whose occupancy is the data on :func:`two_state_mdp` (M2).

    Returns
    -------
    ndarray (2, 2)
        ((.7, .3), (.6, .4)).
    """
    return np.array([[0.7, 0.3], [0.6, 0.4]])


def two_state_outcome_mdp() -> OutcomeModel:
    """Two states, two actions, integer rewards on transitions: the instance M2 of return laws.

    Another kernel than :func:`two_state_mdp`.  Used with discount 1/2 or 1 by the known values of distributional
    dynamic programming and of off-policy estimators.

    Returns
    -------
    OutcomeModel
        The outcome is the successor; no start law.
    """
    kernel = np.array([[[3, 7], [8, 2]], [[5, 5], [1, 9]]]) / 10
    reward = [[[1, -1], [0, 2]], [[-2, 1], [2, 0]]]
    return OutcomeModel.from_transition_rewards(kernel, reward)


def two_state_reward_process(action: int = 0, discount: float = 0.5) -> RewardProcess:
    """One action of :func:`two_state_outcome_mdp` as a reward process.

    Action 0 with discount 1/2 is the chain of the known values of the Wasserstein contraction.

    Parameters
    ----------
    action : int, default 0
        The action taken in both states, 0 or 1.
    discount : float, default 0.5
        In [0, 1].

    Returns
    -------
    RewardProcess
        With rewards on transitions.
    """
    return two_state_outcome_mdp().reward_process(action, discount)


def three_state_chain() -> MarkovChain:
    """Three states, three steps of one kernel: the instance C3 of exponential tilting.

    The law of the last state is (.3002, .3744, .3254).

    Returns
    -------
    MarkovChain
        Start law (.5, .3, .2).
    """
    kernel = np.array([[6, 3, 1], [2, 5, 3], [1, 3, 6]]) / 10
    return MarkovChain([0.5, 0.3, 0.2], kernel, steps=3)


def three_state_chain_likelihood() -> FloatArray:
    """Likelihood p(y | x) of a label given the last state of :func:`three_state_chain` (C3).

    Returns
    -------
    ndarray (3,)
        (.1, .5, .9).
    """
    return np.array([0.1, 0.5, 0.9])


def three_state_chain_condition_likelihood() -> FloatArray:
    """Likelihood p(c | x) of a second label, independent of the first, on :func:`three_state_chain` (C3).

    Returns
    -------
    ndarray (3,)
        (.7, .2, .4).
    """
    return np.array([0.7, 0.2, 0.4])


def three_response_cycle() -> PreferenceMatrix:
    """Three responses, each preferred to the next in a cycle: the instance P3 of preference games.

    Its reference policy is :func:`three_response_reference`.  Used by the known values of regularised Nash
    equilibria, Nash mirror descent and iterative Nash policy optimisation.

    Returns
    -------
    PreferenceMatrix
        Response 0 beats 1 with probability .9, 1 beats 2 with .7, and 2 beats 0 with .8.
    """
    return PreferenceMatrix([[0.5, 0.9, 0.2], [0.1, 0.5, 0.7], [0.8, 0.3, 0.5]])


def three_response_reference() -> FloatArray:
    """Reference policy of :func:`three_response_cycle` (P3).

    Returns
    -------
    ndarray (3,)
        (.5, .3, .2).
    """
    return np.array([0.5, 0.3, 0.2])
