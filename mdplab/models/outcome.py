r"""Outcome models: decision processes whose reward stays random given state, action and successor.

An action draws an outcome :math:`o\sim p(o|s,a)`; the outcome determines the reward :math:`r(o)` and the next state
:math:`t(o)`, which may also depend on the pair.  The case outcome = successor is a reward :math:`R(s,a,t)` on
transitions, kept **unaveraged**: return laws and variances of estimators need it.  The conversion to
:class:`~mdplab.models.tabular.MDP` averages and cannot be undone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray, IntArray
from mdplab.models import _validate as v
from mdplab.models._base import StartedModel
from mdplab.models._kernel import PAIR
from mdplab.models.chain import RewardProcess
from mdplab.models.tabular import MDP

__all__ = ["OutcomeModel"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class OutcomeModel(StartedModel):
    """A decision process by outcomes.

    Parameters
    ----------
    law : array_like (S, A, O)
        Laws of the outcome, within ``8 eps O``.
    outcome_reward : array_like (O,) or (S, A, O), or with one more axis (O, k) or (S, A, O, k)
        Finite reward of each outcome; the axis k is that of vector rewards.
    next_state : array_like of int (O,) or (S, A, O)
        State that the outcome leads to.
    initial : array_like (S,), optional
        Law of the first state.
    state_names, action_names : sequence of str, optional
        Distinct names.

    Attributes
    ----------
    law : ndarray (S, A, O)
        Read-only.
    outcome_reward : ndarray
        As given, read-only.
    next_state : ndarray of int64 (O,) or (S, A, O)
        As given, read-only.
    initial : ndarray (S,) or None
        Law of the first state, read-only.
    state_names, action_names : tuple of str or None
        The names.
    row_deviation : float
        Upper bound on ``|sum_o law[s, a, o] - 1|``.

    Raises
    ------
    ValueError
        If an argument is out of its range or shapes do not fit.
    """

    law: FloatArray
    outcome_reward: FloatArray
    next_state: IntArray
    initial: FloatArray | None
    state_names: tuple[str, ...] | None
    action_names: tuple[str, ...] | None
    row_deviation: float = field(init=False)

    def __init__(
        self,
        law: ArrayLike,
        outcome_reward: ArrayLike,
        next_state: ArrayLike,
        initial: ArrayLike | None = None,
        *,
        state_names: Sequence[str] | None = None,
        action_names: Sequence[str] | None = None,
    ) -> None:
        given = v.real("law", law, ("S", "A", "O"))
        s, a, o = given.shape
        names = v.pair_names(s, a, state_names, action_names)
        array, deviation = v.laws("law", given, PAIR, source=law, names=names)
        self.__dict__.update(
            law=array,
            outcome_reward=v.finite(
                "outcome_reward", outcome_reward, (o,), (s, a, o), (o, "k"), (s, a, o, "k")
            ),
            next_state=v.integers("next_state", next_state, 0, s - 1, (o,), (s, a, o)),
            initial=None if initial is None else v.law("initial", initial, s),
            state_names=names.state,
            action_names=names.action,
            row_deviation=deviation,
        )

    @classmethod
    def from_transition_rewards(
        cls,
        transition: ArrayLike,
        reward: ArrayLike,
        initial: ArrayLike | None = None,
        **names: Sequence[str] | None,
    ) -> Self:
        """Build the model whose outcome is the successor.

        Parameters
        ----------
        transition : array_like (S, A, S)
            Kernel.
        reward : array_like (S, A, S) or (S, A, S, k)
            Reward on transitions.
        initial : array_like (S,), optional
            Law of the first state.
        **names : sequence of str
            ``state_names`` and ``action_names``, as for the constructor.

        Returns
        -------
        OutcomeModel
            With O = S and ``next_state = (0, ..., S-1)``.
        """
        kernel = v.real("transition", transition, ("S", "A", "S"))
        s, a, _ = kernel.shape
        v.laws("transition", kernel, PAIR, source=transition, names=v.pair_names(s, a, **names))
        gain = v.finite("reward", reward, (s, a, s), (s, a, s, "k"))
        return cls(kernel, gain, np.arange(s), initial, **names)

    @property
    def n_states(self) -> int:
        """Number of states S."""
        return int(self.law.shape[0])

    @property
    def n_actions(self) -> int:
        """Number of actions A."""
        return int(self.law.shape[1])

    @property
    def n_outcomes(self) -> int:
        """Number of outcomes O."""
        return int(self.law.shape[2])

    @property
    def has_vector_rewards(self) -> bool:
        """Whether rewards have an axis of components."""
        return self.outcome_reward.ndim in (2, 4)

    def rewards(self) -> FloatArray:
        """Rewards of all outcomes.

        Returns
        -------
        ndarray (S, A, O) or (S, A, O, k)
            Read-only, broadcast where rewards do not depend on the pair.
        """
        shape = self.law.shape + (self.outcome_reward.shape[-1:] if self.has_vector_rewards else ())
        return np.broadcast_to(self.outcome_reward, shape)

    def next_states(self) -> IntArray:
        """Next states of all outcomes.

        Returns
        -------
        ndarray of int64 (S, A, O)
            Read-only, broadcast where next states do not depend on the pair.
        """
        return np.broadcast_to(self.next_state, self.law.shape)

    def kernel(self) -> FloatArray:
        """Law of the next state, the outcomes that lead to it added up.

        Returns
        -------
        ndarray (S, A, S)
            A new array.
        """
        result = np.zeros((self.n_states, self.n_actions, self.n_states))
        s = np.arange(self.n_states)[:, np.newaxis, np.newaxis]
        a = np.arange(self.n_actions)[:, np.newaxis]
        np.add.at(result, (s, a, self.next_states()), self.law)
        return result

    def to_mdp(self, discount: float) -> MDP:
        """The tabular model of the expected rewards.

        Parameters
        ----------
        discount : float
            In [0, 1).

        Returns
        -------
        MDP
            Dense, with the law of the first state and the names of this model.

        Raises
        ------
        ValueError
            If rewards are vectors.
        """
        if self.has_vector_rewards:
            raise ValueError("outcome_reward holds vectors: choose a component or a weighting first")
        return MDP(
            self.kernel(),
            np.einsum("sao,sao->sa", self.law, self.rewards()),
            discount,
            self.initial,
            state_names=self.state_names,
            action_names=self.action_names,
        )

    def reward_process(self, actions: ArrayLike, discount: float) -> RewardProcess:
        """The reward process of one action per state, where the outcome is the successor.

        Parameters
        ----------
        actions : int or array_like of int (S,)
            The action of each state.
        discount : float
            In [0, 1].

        Returns
        -------
        RewardProcess
            ``kernel[s, t] = law[s, actions[s], t]`` with its rewards.

        Raises
        ------
        ValueError
            If an outcome is not the successor of the same number, or rewards are vectors.
        """
        s = self.n_states
        if self.n_outcomes != s or (self.next_states() != np.arange(s)).any() or self.has_vector_rewards:
            raise ValueError("a reward process needs outcomes that are the successors, with scalar rewards")
        given = np.asarray(actions)
        chosen = np.full(s, given) if given.ndim == 0 else given
        chosen = v.integers("actions", chosen, 0, self.n_actions - 1, (s,))
        rows = np.arange(s)
        return RewardProcess(
            self.law[rows, chosen],
            self.rewards()[rows, chosen],
            discount,
            self.initial,
            state_names=self.state_names,
        )

    def __repr__(self) -> str:
        return f"OutcomeModel(S={self.n_states}, A={self.n_actions}, O={self.n_outcomes})"
