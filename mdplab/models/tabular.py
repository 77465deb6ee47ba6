r"""Discounted Markov decision processes with finitely many states and actions.

A model is a kernel :math:`P(t|s,a)`, an expected reward :math:`R(s,a)`, a discount :math:`\gamma\in[0,1)` and, where a
start matters, a law :math:`\rho` of the first state.  Its value function solves
:math:`V(s)=\max_a R(s,a)+\gamma\sum_tP(t|s,a)V(t)`.  Index order is ``P[s, a, t]``, ``R[s, a]``, ``V[s]`` everywhere.

*Storage.*  The kernel is either a dense array ``(S, A, S)`` or a SciPy CSR matrix ``(S*A, S)`` with row ``s*A + a``;
dense stays dense and sparse stays sparse.  A C-contiguous float64 array, or a CSR matrix with float64 data, sorted
32-bit indices and no duplicates, is kept as a read-only *view* (see :class:`MDP`); other input is copied once.

*Accepted rows.*  Nothing is normalised.  A row must sum to one within ``8 eps S``; how far the worst row is off, the
rounding of the summation included, is kept as ``row_deviation`` for the error bounds of the solvers.

References
----------
M. L. Puterman, *Markov Decision Processes*, Wiley 1994, chapter 6.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, BoolArray, FloatArray, IntArray
from mdplab.models import _validate as v
from mdplab.models._kernel import (
    PAIR,
    action_mask,
    check_csr,
    csr_kernel,
    entries,
    expectation,
    expected_reward,
    ones_and_others,
    read_kernel,
    successor_kernel,
    transition_frame,
)
from mdplab.models.rational import RationalData, exact_number, exact_reward, integer_weights, quotients
from mdplab.models.sampling import SampledModel

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MDP"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class MDP(SampledModel):
    """A discounted tabular MDP: frozen, validated data.

    Parameters
    ----------
    transition : array_like (S, A, S), or SciPy sparse (S*A, S) with row ``s*A + a``
        Rows are laws within ``8 eps S``; rows of unavailable pairs are laws or all zero.
    reward : array_like (S, A) or (S, A, S)
        Finite everywhere, unavailable pairs included (write 0 there); those on transitions are averaged.
    discount : float
        In [0, 1).
    initial : array_like (S,), optional
        Law of the first state.
    available : array_like of bool (S, A), optional
        Actions that may be taken; at least one in each state.  All, by default.
    state_names, action_names : sequence of str, optional
        Distinct names for tables and figures.

    Attributes
    ----------
    transition : ndarray (S, A, S) or csr_array (S*A, S)
        Read-only; CSR indices are sorted and without duplicates.
    reward : ndarray (S, A)
        Expected reward of each pair; the other arguments are kept as given, arrays read-only.
    row_deviation : float
        Upper bound on ``|sum_t P[s, a, t] - 1|`` over all rows (zero rows of unavailable pairs left out).
    exact : RationalData or None
        The rationals behind the floats, if built by :meth:`from_weights`.

    Raises
    ------
    ValueError
        If an argument is out of its range; the message names the argument and the place.

    Notes
    -----
    C-contiguous float64 arrays, and CSR matrices in canonical form, are kept as *views*: changing the source
    afterwards changes the model, unchecked, and voids all certificates.  Pass a copy (``transition.copy()``) of
    whatever may change.  The mask says what is unavailable; no entry of ``reward`` or ``transition`` does.
    """

    transition: Any
    reward: FloatArray
    discount: float
    initial: FloatArray | None
    available: BoolArray | None
    state_names: tuple[str, ...] | None
    action_names: tuple[str, ...] | None
    row_deviation: float = field(init=False)
    exact: RationalData | None = field(init=False)

    def __init__(
        self,
        transition: Any,
        reward: ArrayLike,
        discount: float | Fraction,
        initial: ArrayLike | None = None,
        *,
        available: ArrayLike | None = None,
        state_names: Sequence[str] | None = None,
        action_names: Sequence[str] | None = None,
    ) -> None:
        kernel, n_states, n_actions = read_kernel("transition", transition)
        names = v.pair_names(n_states, n_actions, state_names, action_names)
        mask = action_mask(available, n_states, n_actions, names)
        free = None if mask is None else ~mask
        if isinstance(kernel, np.ndarray):
            kernel, deviation = v.laws("transition", kernel, PAIR, free, source=transition, names=names)
        else:
            deviation = check_csr(kernel, n_actions, free, names, transition)
        self.__dict__.update(
            transition=kernel,
            reward=expected_reward(kernel, reward, n_states, n_actions, mask, names),
            discount=v.number("discount", discount, 0.0, 1.0, closed="[)"),
            initial=None if initial is None else v.law("initial", initial, n_states),
            available=mask,
            state_names=names.state,
            action_names=names.action,
            row_deviation=deviation,
            exact=None,
        )

    @classmethod
    def from_weights(
        cls,
        weights: ArrayLike,
        reward: Any,
        discount: float | Fraction,
        initial: ArrayLike | None = None,
        *,
        available: ArrayLike | None = None,
        **names: Sequence[str] | None,
    ) -> Self:
        """Build a dense model from integers and fractions, so that the same problem exists exactly.

        Parameters
        ----------
        weights : array_like of int (S, A, S)
            Non-negative, any size; each row is divided by its sum.
        reward : array_like of int, Fraction or float (S, A) or (S, A, S)
            Taken exactly (a float is the dyadic fraction it stores); averaged exactly if on transitions.
        discount : Fraction or float
            In [0, 1).
        initial : array_like of int (S,), optional
            Weights of the start law.
        available : array_like of bool (S, A), optional
            As for the constructor.
        **names : sequence of str
            ``state_names`` and ``action_names``, as for the constructor.

        Returns
        -------
        MDP
            Probabilities and rewards are the rationals rounded once; ``exact`` holds the rationals.

        Raises
        ------
        ValueError
            If a weight is negative or no integer, or a row of an available pair sums to zero.
        """
        integers = integer_weights("weights", weights, ("S", "A", "S"))
        n_states, n_actions = integers.shape[:2]
        named = v.pair_names(n_states, n_actions, names.get("state_names"), names.get("action_names"))
        mask = action_mask(available, n_states, n_actions, named)
        start = None if initial is None else integer_weights("initial", initial, (integers.shape[0],))
        model = cls(
            quotients("weights", integers, PAIR, None if mask is None else ~mask, named),
            gain := exact_reward(integers, reward),
            discount,
            None if start is None else quotients("initial", start),
            available=available,
            **names,
        )
        model.__dict__["exact"] = RationalData(integers, gain, exact_number(discount), start)
        return model

    @classmethod
    def from_successors(
        cls,
        successor: ArrayLike,
        reward: ArrayLike,
        discount: float | Fraction,
        initial: ArrayLike | None = None,
        *,
        available: ArrayLike | None = None,
        sparse: bool = False,
        **names: Sequence[str] | None,
    ) -> Self:
        """Build a deterministic model from its successor table; :meth:`successors` is the inverse.

        Parameters
        ----------
        successor : array_like of int (S, A)
            Next state of each pair; -1 (a zero row) is admitted at unavailable pairs.
        reward, discount, initial, available
            As for the constructor.
        sparse : bool, default False
            Store the kernel as CSR.
        **names : sequence of str
            ``state_names`` and ``action_names``, as for the constructor.

        Returns
        -------
        MDP
            With ``row_deviation`` 0.
        """
        kernel = successor_kernel(successor, available, sparse)
        model = cls(kernel, reward, discount, initial, available=available, **names)
        model.__dict__["row_deviation"] = 0.0  # sums of zeros and a single one are exact
        return model

    def replace(
        self,
        *,
        reward: ArrayLike | None = None,
        discount: float | Fraction | None = None,
        initial: ArrayLike | None = None,
    ) -> Self:
        """A model on the same kernel, which is neither copied nor validated again.

        Parameters
        ----------
        reward : array_like (S, A) or (S, A, S), optional
            New rewards.
        discount : float, optional
            New discount in [0, 1).
        initial : array_like (S,), optional
            New law of the first state.

        Returns
        -------
        MDP
            What is not given is shared.  ``exact`` survives a new reward and discount (their floats are exact
            fractions) but not a new ``initial``, whose floats need not sum to one.
        """
        changes: dict[str, Any] = {}
        exact = self.exact if initial is None else None
        if reward is not None:
            shape = self.n_states, self.n_actions
            changes["reward"] = expected_reward(self.transition, reward, *shape, self.available, self.names)
            if exact is not None:
                exact = dataclasses.replace(exact, reward=exact_reward(exact.weights, reward))
        if discount is not None:
            changes["discount"] = v.number("discount", discount, 0.0, 1.0, closed="[)")
            if exact is not None:
                exact = dataclasses.replace(exact, discount=exact_number(discount))
        if initial is not None:
            changes["initial"] = v.law("initial", initial, self.n_states)
        return self._with(exact=exact, **changes)

    def _with(self, **changes: Any) -> Self:
        model = object.__new__(type(self))
        model.__dict__.update(self.__dict__, **changes)
        return model

    @property
    def n_states(self) -> int:
        """Number of states S."""
        return int(self.reward.shape[0])

    @property
    def n_actions(self) -> int:
        """Number of actions A."""
        return int(self.reward.shape[1])

    @property
    def is_sparse(self) -> bool:
        """Whether the kernel is a CSR matrix."""
        return not isinstance(self.transition, np.ndarray)

    @cached_property
    def _random(self) -> BoolArray:
        """Available pairs without a single successor of probability exactly 1."""
        ones, others = ones_and_others(self.transition, self.reward.shape)
        random: BoolArray = (ones != 1) | (others != 0)
        return random if self.available is None else random & self.available

    @property
    def is_deterministic(self) -> bool:
        """Whether every available pair has one successor of probability exactly 1 and no other."""
        return not self._random.any()

    def successors(self) -> IntArray:
        """Table of the next states of a deterministic model.

        Returns
        -------
        ndarray of int64 (S, A)
            The successor of each pair; -1 at unavailable pairs.

        Raises
        ------
        ValueError
            If a row of an available pair is random; the message names the first.
        """
        if not self.is_deterministic:
            where = self.names.place(PAIR, v.first(self._random))
            raise ValueError(f"the model is not deterministic: transition row ({where}) is random")
        pair, successor, _ = entries(self.transition)
        table: IntArray = np.full(self.reward.size, -1, dtype=np.int64)
        table[pair] = successor  # rows of unavailable pairs may be random, and are covered below
        table = table.reshape(self.reward.shape)
        return table if self.available is None else np.where(self.available, table, -1)

    def expectation(self, values: ArrayLike) -> Array:
        """Expected value after one step, ``sum_t P[s, a, t] values[t]``.

        Parameters
        ----------
        values : array_like (S, ...)
            Real or complex, finite; trailing axes are carried along.

        Returns
        -------
        ndarray (S, A, ...)
            Complex if ``values`` is; zero at zero rows of unavailable pairs.

        Raises
        ------
        ValueError
            If the first axis of ``values`` has not length S.
        """
        return expectation(self.transition, values, self.reward.shape)

    def row(self, state: int, action: int) -> FloatArray:
        """Law of the next state after one pair.

        Parameters
        ----------
        state, action : int
            The pair, ``0 <= state < S`` and ``0 <= action < A``.

        Returns
        -------
        ndarray (S,)
            Dense and read-only.

        Raises
        ------
        ValueError
            If there is no such pair.
        """
        if not (0 <= state < self.n_states and 0 <= action < self.n_actions):
            raise ValueError(
                f"no pair (state {state}, action {action}): S = {self.n_states}, A = {self.n_actions}"
            )
        if not self.is_sparse:
            view: FloatArray = self.transition[state, action]
            return view
        i = state * self.n_actions + action
        part = slice(self.transition.indptr[i], self.transition.indptr[i + 1])
        result = np.zeros(self.n_states)
        result[self.transition.indices[part]] = self.transition.data[part]
        return v.lock(result)

    def to_dense(self) -> Self:
        """The same model with a dense kernel (itself if dense already)."""
        if not self.is_sparse:
            return self
        dense = self.transition.toarray().reshape(*self.reward.shape, self.n_states)
        return self._with(transition=v.lock(dense))

    def to_sparse(self) -> Self:
        """The same model with a CSR kernel without stored zeros (itself if CSR already)."""
        if self.is_sparse:
            return self
        from scipy.sparse import csr_array

        flat = csr_array(self.transition.reshape(-1, self.n_states))
        return self._with(transition=csr_kernel("transition", flat)[0])

    def to_frame(self) -> pd.DataFrame:
        """Long table of the possible transitions.

        Returns
        -------
        pandas.DataFrame
            Columns ``state``, ``action``, ``next_state`` (names where the model has them), ``probability`` (non-zero)
            and ``reward`` (of the pair); unavailable pairs are left out.
        """
        return transition_frame(self)

    def __repr__(self) -> str:
        kind = "csr" if self.is_sparse else "dense"
        return f"MDP(S={self.n_states}, A={self.n_actions}, discount={self.discount:g}, {kind})"
