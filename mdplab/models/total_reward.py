r"""Undiscounted models with terminal states: stochastic shortest paths, maximised.

The reward is collected without a discount until a terminal state is entered, whose value is 0.  Total rewards exist
for *proper* policies, which terminate almost surely; :func:`mdplab.solvers.total_reward` says what else can happen.

Discounts that depend on the state, the action or the successor are a special case: a discount
:math:`\gamma(s,a,t)` is the probability that the process survives the transition
(:meth:`TotalRewardMDP.from_discounts`).

References
----------
.. [1] D. P. Bertsekas and J. N. Tsitsiklis, "An analysis of stochastic shortest path problems", Mathematics of
   Operations Research 16, 1991.
.. [2] M. L. Puterman, *Markov Decision Processes*, 1994, sections 5.3 (discounts as survival) and 7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, BoolArray, FloatArray
from mdplab.models import _validate as v
from mdplab.models._base import StartedModel
from mdplab.models._kernel import PAIR, check_csr, entries, expectation, expected_reward, read_kernel
from mdplab.models.tabular import MDP

__all__ = ["TotalRewardMDP"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class TotalRewardMDP(StartedModel):
    """An undiscounted tabular MDP that may terminate: frozen, validated data.

    Parameters
    ----------
    transition : array_like (S, A, S), or SciPy sparse (S*A, S) with row ``s*A + a``
        Rows are laws within ``8 eps S``; those of terminal states and of unavailable pairs may be all zero.
    reward : array_like (S, A) or (S, A, S)
        Finite; rewards on transitions (also into terminal states) are averaged under the kernel.  Rewards of
        terminal states are not read.
    terminal : array_like of bool (S,)
        Where the process ends, with value 0.  There may be none.
    initial : array_like (S,), optional
        Law of the first state.
    available : array_like of bool (S, A), optional
        Actions that may be taken; at least one in each state that is not terminal.  All, by default.
    state_names, action_names : sequence of str, optional
        Distinct names for tables and figures.

    Attributes
    ----------
    transition : ndarray (S, A, S) or csr_array (S*A, S)
        Read-only, dense or sparse as given.
    reward : ndarray (S, A)
        Expected reward of each pair.
    row_deviation : float
        Upper bound on ``|sum_t P[s, a, t] - 1|`` over the rows that are read.

    Raises
    ------
    ValueError
        If an argument is out of its range; the message names the argument and the place.
    """

    transition: Any
    reward: FloatArray
    terminal: BoolArray
    initial: FloatArray | None
    available: BoolArray | None
    state_names: tuple[str, ...] | None
    action_names: tuple[str, ...] | None
    row_deviation: float = field(init=False)

    def __init__(
        self,
        transition: Any,
        reward: ArrayLike,
        terminal: ArrayLike,
        initial: ArrayLike | None = None,
        *,
        available: ArrayLike | None = None,
        state_names: Sequence[str] | None = None,
        action_names: Sequence[str] | None = None,
    ) -> None:
        sparse = hasattr(transition, "tocsr")
        kernel, n_states, n_actions = read_kernel("transition", transition)
        names = v.pair_names(n_states, n_actions, state_names, action_names)
        ends = v.boolean("terminal", terminal, (n_states,))
        mask = None if available is None else v.boolean("available", available, (n_states, n_actions))
        if mask is not None and not (mask.any(axis=1) | ends).all():
            where = names.place(("state",), v.first(~(mask.any(axis=1) | ends)))
            raise ValueError(f"{where} has no available action and is not terminal")
        read = np.broadcast_to(~ends[:, np.newaxis], (n_states, n_actions))
        read = read if mask is None else read & mask
        if sparse:
            deviation = check_csr(kernel, n_actions, ~read, names, transition)
        else:
            kernel, deviation = v.laws("transition", kernel, PAIR, ~read, source=transition, names=names)
        self.__dict__.update(
            transition=kernel,
            reward=expected_reward(kernel, reward, n_states, n_actions, mask, names),
            terminal=ends,
            initial=None if initial is None else v.law("initial", initial, n_states),
            available=mask,
            state_names=names.state,
            action_names=names.action,
            row_deviation=deviation,
        )

    @classmethod
    def from_mdp(cls, mdp: MDP, terminal: ArrayLike) -> Self:
        """The undiscounted model on the kernel and the rewards of a discounted one.

        Parameters
        ----------
        mdp : MDP
            Its discount plays no part; nothing is copied.
        terminal : array_like of bool (S,)
            Where the process ends.

        Returns
        -------
        TotalRewardMDP
        """
        return cls(
            mdp.transition,
            mdp.reward,
            terminal,
            mdp.initial,
            available=mdp.available,
            state_names=mdp.state_names,
            action_names=mdp.action_names,
        )

    @classmethod
    def from_discounts(
        cls,
        transition: Any,
        reward: ArrayLike,
        discount: ArrayLike,
        initial: ArrayLike | None = None,
        *,
        available: ArrayLike | None = None,
    ) -> Self:
        """A discounted model whose discount depends on the state, the action or the successor.

        Parameters
        ----------
        transition : array_like (S, A, S), or SciPy sparse (S*A, S)
            Kernel of the discounted model.
        reward : array_like (S, A) or (S, A, S)
            Its rewards.
        discount : array_like (S,), (S, A) or (S, A, S)
            In [0, 1]; 1 is admitted (a semi-Markov or partly undiscounted model).
        initial : array_like (S,), optional
            Law of the first state.
        available : array_like of bool (S, A), optional
            Actions that may be taken.

        Returns
        -------
        TotalRewardMDP
            With S + 1 states; the last is terminal and is entered where the process does not survive.  The
            probabilities are ``discount * P``, rounded once each.

        Raises
        ------
        ValueError
            If a discount lies outside [0, 1], or the kernel is none.

        Notes
        -----
        The bounds of :func:`mdplab.solvers.total_reward` and :func:`mdplab.solvers.total_reward_evaluation` hold for
        the discounts and probabilities as given: a product that is rounded lies in a row of several entries, whose
        ``row_deviation`` is at least twice the unit roundoff.

        Where a discount of 1 lets the process go on for ever, rewards that do not stop make the value infinite
        (statuses ``UNBOUNDED`` and ``INFEASIBLE``), as they do without discount.

        Examples
        --------
        Two ways of driving home: the motorway takes one period (discount 0.9), the hills pay more and take two or three.

        >>> from mdplab.solvers import total_reward, total_reward_evaluation
        >>> kernel = np.array([[[0.5, 0.5], [1.0, 0.0]], [[0.0, 1.0], [0.5, 0.5]]])
        >>> reward = np.array([[1.0, 1.5], [0.0, 2.0]])
        >>> periods = np.array([[1, 2], [1, 3]])
        >>> model = TotalRewardMDP.from_discounts(kernel, reward, 0.9**periods)
        >>> best = total_reward(model)
        >>> best.value[:2].round(4).tolist()  # the last state is the end
        [8.2776, 7.8949]
        >>> best.policy[:2].argmax(axis=1).tolist()
        [0, 1]
        >>> uniform = total_reward_evaluation(model, np.full((3, 2), 0.5))
        >>> uniform.value[:2].round(4).tolist()
        [7.2026, 6.2887]
        >>> bool((uniform.upper <= best.upper).all())
        True
        """
        base = MDP(transition, reward, 0.0, initial, available=available)
        n, a = base.n_states, base.n_actions
        ratio = v.finite("discount", discount, (n,), (n, a), (n, a, n))
        if not ((ratio >= 0.0) & (ratio <= 1.0)).all():
            where = v.first(~((ratio >= 0.0) & (ratio <= 1.0)))
            raise ValueError(f"{v.place('discount', where)} is {float(ratio[where])!r}, expected [0, 1]")
        pair, successor, probability = entries(base.transition)
        state, action = pair // a, pair % a
        index = {1: (state,), 2: (state, action), 3: (state, action, successor)}[ratio.ndim]
        factor = ratio[index]
        mass = np.bincount(pair, probability * (1.0 - factor), minlength=n * a)
        lost = np.flatnonzero(mass > 0.0)
        rows = np.concatenate([pair, lost])
        columns = np.concatenate([successor, np.full(lost.size, n)])
        data = np.concatenate([probability * factor, mass[lost]])
        kept = data > 0.0
        rows, columns, data = rows[kept], columns[kept], data[kept]
        shape = ((n + 1) * a, n + 1)
        kernel: Any
        if base.is_sparse:
            from scipy.sparse import csr_array

            kernel = csr_array((data, (rows, columns)), shape=shape)
        else:
            kernel = np.zeros(shape)
            kernel[rows, columns] = data
            kernel = kernel.reshape(n + 1, a, n + 1)
        mask = None if base.available is None else np.vstack([base.available, np.ones((1, a), dtype=bool)])
        return cls(
            kernel,
            np.vstack([base.reward, np.zeros((1, a))]),
            np.arange(n + 1) == n,
            None if base.initial is None else np.append(base.initial, 0.0),
            available=mask,
        )

    @property
    def n_states(self) -> int:
        """Number of states S, terminal ones included."""
        return int(self.reward.shape[0])

    @property
    def n_actions(self) -> int:
        """Number of actions A."""
        return int(self.reward.shape[1])

    @property
    def is_sparse(self) -> bool:
        """Whether the kernel is a CSR matrix."""
        return not isinstance(self.transition, np.ndarray)

    def expectation(self, values: ArrayLike) -> Array:
        """Expected value after one step, ``sum_t P[s, a, t] values[t]``.

        Parameters
        ----------
        values : array_like (S, ...)
            Real or complex; values of terminal states should be 0.

        Returns
        -------
        ndarray (S, A, ...)
            Also at terminal states, where it means nothing.
        """
        return expectation(self.transition, values, self.reward.shape)

    def __repr__(self) -> str:
        kind = "csr" if self.is_sparse else "dense"
        return f"TotalRewardMDP(S={self.n_states}, A={self.n_actions}, terminal={int(self.terminal.sum())}, {kind})"
