"""All trajectories of a finite-horizon problem, with exact log-probabilities and returns.

A trajectory of a :class:`~mdplab.models.finite_horizon.FiniteHorizonMDP` is ``s_0, a_0, s_1, ..., a_{H-1}, s_H``; of
an :class:`~mdplab.models.outcome.OutcomeModel` it is ``s_0, a_0, o_0, s_1, a_1, o_1, ...`` with ``s_{h+1}`` and the
reward determined by the outcome.  The list is grown stage by stage; branches of probability zero are dropped as they
arise, so the number N of trajectories is that of the possible ones, and their probabilities sum to 1.

The log-probability is kept in two parts, the environment's (start and transitions) and the policy's at every stage,
because importance ratios, path divergences and score functions need the second alone.  ``prefix[:, h]`` numbers the
histories up to and including ``s_h``: two trajectories share the number iff they share the history.  That makes
conditioning on a trajectory event exact, see :meth:`Trajectories.conditioned_action_log_probability`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, BoolArray, FloatArray, IntArray
from mdplab.enumeration.combinatorics import check_count
from mdplab.laws.finite_law import FiniteLaw

if TYPE_CHECKING:
    from mdplab.models.finite_horizon import FiniteHorizonMDP
    from mdplab.models.outcome import OutcomeModel

ROW_SUM_TOLERANCE = 1e-9
"""Accepted deviation of a policy's row sums, the same as that of the operators; it stays in the probabilities."""

__all__ = ["Behaviour", "History", "Trajectories", "enumerate_outcome_trajectories", "enumerate_trajectories"]


@dataclass(frozen=True, eq=False)
class History:
    """A batch of M histories at one stage, what a history-dependent policy sees.

    Attributes
    ----------
    stage : int
        h, the number of actions taken.
    states : ndarray of int, shape (M, h+1)
        ``s_0..s_h``.
    actions : ndarray of int, shape (M, h)
        ``a_0..a_{h-1}``.
    outcomes : ndarray of int, shape (M, h), or None
        ``o_0..o_{h-1}`` of an outcome model.
    rewards : ndarray, shape (M, h)
        Rewards received.
    """

    stage: int
    states: IntArray
    actions: IntArray
    outcomes: IntArray | None
    rewards: FloatArray


Behaviour: TypeAlias = FloatArray | Callable[[History], FloatArray]


@dataclass(frozen=True, eq=False)
class Trajectories:
    """All possible trajectories; row i of every array belongs to trajectory i.

    Attributes
    ----------
    states : ndarray of int, shape (N, H+1)
        States.
    actions : ndarray of int, shape (N, H)
        Actions.
    outcomes : ndarray of int, shape (N, H), or None
        Outcomes of an outcome model.
    rewards : ndarray, shape (N, H)
        Rewards, not discounted.
    returns : ndarray, shape (N,)
        ``sum_h discount^h rewards[:, h] + discount^H terminal[s_H]``.
    environment_log_probability : ndarray, shape (N,)
        Log-probability of start and transitions (or outcomes) given the actions.
    action_log_probability : ndarray, shape (N, H)
        Log-probability of each action given its history.
    prefix : ndarray of int, shape (N, H+1)
        Number of the history up to ``s_h``; equal iff the histories are equal.
    """

    states: IntArray
    actions: IntArray
    outcomes: IntArray | None
    rewards: FloatArray
    returns: FloatArray
    environment_log_probability: FloatArray
    action_log_probability: FloatArray
    prefix: IntArray

    @property
    def n_trajectories(self) -> int:
        """Number N of trajectories."""
        return int(self.states.shape[0])

    @property
    def log_probability(self) -> FloatArray:
        """Log-probability of each trajectory, shape (N,)."""
        return np.asarray(self.environment_log_probability + self.action_log_probability.sum(axis=1))

    @property
    def probability(self) -> FloatArray:
        """Probability of each trajectory, shape (N,); sum 1 up to rounding."""
        return np.asarray(np.exp(self.log_probability))

    def expectation(self, values: Array) -> Any:
        """Expectation of ``values (N, ...)`` under the trajectory law."""
        return np.tensordot(self.probability, values, axes=1)

    def return_law(self, *, merge: float = 1e-12) -> FiniteLaw:
        """Law of the return; returns within ``merge`` are one atom (they differ by the order of summation)."""
        return FiniteLaw._merged(self.returns, self.probability, merge)

    def policy_log_probability(self, policy: ArrayLike) -> FloatArray:
        """Log-probability of the actions under a Markov policy ``(S, A)`` or ``(H, S, A)``; shape (N, H)."""
        table = np.asarray(policy, dtype=np.float64)
        horizon = self.actions.shape[1]
        with np.errstate(divide="ignore"):
            log_table = np.broadcast_to(np.log(table), (horizon, *table.shape[-2:]))
        return np.asarray(log_table[np.arange(horizon), self.states[:, :-1], self.actions])

    def conditioned_action_log_probability(self, weights: ArrayLike) -> FloatArray:
        """Log-probability of each action given its history under the re-weighted trajectory law.

        With ``weights = 1{return = z}`` (or ``q(z | trajectory)``) this is the conditioned policy
        ``pi_z(a | h) = p(a | h, z)``, evaluated along every trajectory.  Histories of zero conditional probability,
        where it is undefined, keep the behaviour.

        Parameters
        ----------
        weights : array_like, shape (N,)
            Nonnegative, not all zero where the law has mass; need not be normalised.

        Returns
        -------
        ndarray, shape (N, H)
            ``-inf`` where an action is excluded by the condition.  Its row sums plus
            ``environment_log_probability`` are the trajectory law of the conditioned policy in the true environment.

        Raises
        ------
        ValueError
            If a weight is negative or not finite, or the condition has probability zero.
        """
        weight = np.asarray(weights, dtype=np.float64)
        if weight.shape != (self.n_trajectories,) or not np.all(np.isfinite(weight) & (weight >= 0.0)):
            raise ValueError(f"weights: expected finite numbers >= 0 of shape ({self.n_trajectories},)")
        mass = self.probability * weight
        if not mass.sum() > 0.0:
            raise ValueError("weights: the condition has probability zero")
        result = self.action_log_probability.copy()
        for h in range(self.actions.shape[1]):
            before = self.prefix[:, h]
            # A decision is the pair (history, action), numbered densely by the number of the history.
            _, decision = np.unique(np.stack((before, self.actions[:, h])), axis=1, return_inverse=True)
            decision = decision.ravel()
            taken = np.bincount(decision, weights=mass)[decision]
            reached = np.bincount(before, weights=mass)[before]
            with np.errstate(divide="ignore", invalid="ignore"):
                result[:, h] = np.where(reached > 0.0, np.log(taken / reached), result[:, h])
        return result


def enumerate_trajectories(
    model: FiniteHorizonMDP, policy: Behaviour, *, initial: ArrayLike | None = None, max_count: int = 200_000
) -> Trajectories:
    """List all possible trajectories of a finite-horizon MDP under a policy.

    Parameters
    ----------
    model : FiniteHorizonMDP
        Transition ``(S, A, S)`` or ``(H, S, A, S)``, reward ``(S, A)`` or ``(H, S, A)``, terminal ``(S,)``, discount.
    policy : ndarray, shape (S, A) or (H, S, A), or callable
        Markov (stage) policy, or a map from a :class:`History` of M histories to probabilities ``(M, A)``.
    initial : array_like, shape (S,), optional
        Start law; default that of the model.
    max_count : int, default 200_000
        Hard cap on the number of trajectories.

    Returns
    -------
    Trajectories

    Raises
    ------
    ValueError
        If the policy has a wrong shape, is not a law or takes an unavailable action in a state that is reached, there
        is no start law, or the cap is exceeded.
    """
    horizon = int(model.horizon)
    reward = np.asarray(model.reward, dtype=np.float64)
    n_states, n_actions = reward.shape[-2:]
    kernels = np.broadcast_to(model.transition, (horizon, n_states, n_actions, n_states))
    rewards = np.broadcast_to(reward, (horizon, n_states, n_actions))[..., None]
    successor = np.arange(n_states)
    grown = _grow(
        [(kernels[h], np.broadcast_to(rewards[h], kernels[h].shape), successor) for h in range(horizon)],
        policy,
        _start(model.initial if initial is None else initial, n_states),
        available=None if model.available is None else np.broadcast_to(model.available, rewards.shape[:3]),
        has_outcomes=False,
        max_count=max_count,
    )
    terminal = np.asarray(model.terminal, dtype=np.float64)
    return _finish(*grown, discount=float(model.discount), terminal=terminal)


def enumerate_outcome_trajectories(
    model: OutcomeModel,
    policy: Behaviour,
    horizon: int,
    *,
    discount: float = 1.0,
    initial: ArrayLike | None = None,
    max_count: int = 200_000,
) -> Trajectories:
    """List all possible trajectories of an outcome model over a finite horizon.

    Parameters
    ----------
    model : OutcomeModel
        Outcome law ``(S, A, O)``, ``outcome_reward`` and ``next_state``, each ``(O,)`` or ``(S, A, O)``.
    policy : ndarray, shape (S, A) or (H, S, A), or callable
        As in :func:`enumerate_trajectories`; the histories contain the outcomes.
    horizon : int
        Number of stages, >= 0.
    discount : float, default 1
        Factor of the returns.
    initial : array_like, shape (S,), optional
        Start law; default that of the model.
    max_count : int, default 200_000
        Hard cap on the number of trajectories.

    Returns
    -------
    Trajectories
        With ``outcomes (N, H)``; two outcomes that lead to one state give two trajectories.

    Raises
    ------
    ValueError
        As :func:`enumerate_trajectories`.
    """
    law = np.asarray(model.law, dtype=np.float64)
    gain = np.broadcast_to(model.outcome_reward, law.shape)
    successor = np.broadcast_to(model.next_state, law.shape)
    grown = _grow(
        [(law, gain, successor)] * horizon,
        policy,
        _start(model.initial if initial is None else initial, law.shape[0]),
        available=None,
        has_outcomes=True,
        max_count=max_count,
    )
    return _finish(*grown, discount=discount, terminal=np.zeros(law.shape[0]))


def _start(initial: ArrayLike | None, n_states: int) -> FloatArray:
    if initial is None:
        raise ValueError("initial: the model has no start law; pass initial=")
    start = np.asarray(initial, dtype=np.float64)
    if start.shape != (n_states,):
        raise ValueError(f"initial: expected shape ({n_states},), got {start.shape}")
    return start


def _grow(
    stages: list[tuple[FloatArray, FloatArray, IntArray]],
    policy: Behaviour,
    initial: FloatArray,
    *,
    available: BoolArray | None,
    has_outcomes: bool,
    max_count: int,
) -> tuple[History, FloatArray, FloatArray, IntArray]:
    """Histories after the last stage, environment and action log-probabilities, and prefix numbers.

    ``available`` is a mask ``(H, S, A)``.
    """
    first = np.flatnonzero(initial > 0.0)
    states, prefix = first[:, None], np.arange(first.size)[:, None]
    actions = outcomes = np.empty((first.size, 0), dtype=np.int64)
    rewards = log_actions = np.empty((first.size, 0))
    log_environment = np.log(initial[first])
    for h, (law, gain, successor) in enumerate(stages):
        history = History(h, states, actions, outcomes if has_outcomes else None, rewards)
        chosen = _action_probability(policy, history, law.shape[:2], len(stages))
        if available is not None:
            _refuse_unavailable(chosen, available[h], history)
        parent, action = np.nonzero(chosen > 0.0)
        here = states[parent, -1]
        # The children are counted before the (pairs, outcomes) array is formed.
        children = np.count_nonzero(law > 0.0, axis=2)[here, action]
        check_count(int(children.sum()), max_count, f"trajectories after stage {h}")
        pair, outcome = np.nonzero(law[here, action] > 0.0)
        parent, action, here = parent[pair], action[pair], here[pair]
        reached = np.broadcast_to(successor, law.shape)[here, action, outcome]

        def extend(table: Array, column: Array, rows: IntArray = parent) -> Array:
            return np.concatenate((table[rows], column[:, None]), axis=1)

        log_environment = log_environment[parent] + np.log(law[here, action, outcome])
        log_actions = extend(log_actions, np.log(chosen[parent, action]))
        rewards = extend(rewards, gain[here, action, outcome])
        states, actions, outcomes = (
            extend(states, reached),
            extend(actions, action),
            extend(outcomes, outcome),
        )
        prefix = extend(prefix, np.arange(parent.size))
    final = History(len(stages), states, actions, outcomes if has_outcomes else None, rewards)
    return final, log_environment, log_actions, prefix


def _action_probability(
    policy: Behaviour, history: History, sizes: tuple[int, ...], horizon: int
) -> FloatArray:
    n_states, n_actions = sizes
    count = history.states.shape[0]
    if callable(policy):
        chosen = np.asarray(policy(history), dtype=np.float64)
        if chosen.shape != (count, n_actions):
            raise ValueError(
                f"policy: expected ({count}, {n_actions}) at stage {history.stage}, got {chosen.shape}"
            )
    else:
        table = np.asarray(policy, dtype=np.float64)
        if table.shape not in ((n_states, n_actions), (horizon, n_states, n_actions)):
            raise ValueError(
                f"policy: expected shape ({n_states}, {n_actions}) or ({horizon}, {n_states}, {n_actions}), "
                f"got {table.shape}"
            )
        chosen = (table if table.ndim == 2 else table[history.stage])[history.states[:, -1]]
    wrong = ~(np.all(chosen >= 0.0, axis=1) & (np.abs(chosen.sum(axis=1) - 1.0) <= ROW_SUM_TOLERANCE))
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"policy: at stage {history.stage} in state {int(history.states[i, -1])} expected probabilities "
            f"with sum 1, got {chosen[i]}"
        )
    return chosen


def _refuse_unavailable(chosen: FloatArray, available: BoolArray, history: History) -> None:
    """Rows of a zero kernel would vanish without a trace."""
    here = history.states[:, -1]
    wrong = (chosen > 0.0) & ~available[here]
    if wrong.any():
        i, action = (int(k) for k in np.argwhere(wrong)[0])
        raise ValueError(
            f"policy: at stage {history.stage} in state {int(here[i])} takes the unavailable action {action} "
            f"with probability {chosen[i, action]}"
        )


def _finish(
    final: History,
    log_environment: FloatArray,
    log_actions: FloatArray,
    prefix: IntArray,
    *,
    discount: float,
    terminal: FloatArray,
) -> Trajectories:
    powers = discount ** np.arange(final.stage + 1)
    returns = final.rewards @ powers[:-1] + powers[-1] * terminal[final.states[:, -1]]
    return Trajectories(
        final.states,
        final.actions,
        final.outcomes,
        final.rewards,
        returns,
        log_environment,
        log_actions,
        prefix,
    )
