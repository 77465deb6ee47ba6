"""Exact twins of the tabular models: the same arrays as rationals (rewards may be balls).

A model that was built by ``MDP.from_weights`` has its own rationals, which are taken.  Any other is read: rewards and
discount by :func:`mdplab.exact.rational`, rows by :func:`mdplab.exact.laws`.  With ``stored=True`` the numbers are what the
floats store, rows divided by their sums: the model that certificates of the float solvers speak of.  The functions of this
package take a model or its twin; whoever calls many of them reads once.

A twin is plain data: ``dataclasses.replace(twin, reward=twin.reward - temperature * log(prior))`` is another problem.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, TypeAlias

import numpy as np

from mdplab._typing import Array, BoolArray
from mdplab.exact._flint import fmpq
from mdplab.exact.linear import multiply
from mdplab.exact.numbers import dyadic, entries, has_balls, laws, rational
from mdplab.models import MDP, FiniteHorizonMDP
from mdplab.models._validate import first, place

__all__ = ["ExactHorizon", "ExactMDP", "HorizonModel", "Model"]


def _check_shape(name: str, array: Array, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")


def _check_kernel(transition: Array, available: BoolArray) -> None:
    """Rows of available pairs are laws."""
    stuck = np.asarray(~available.any(axis=-1))
    if stuck.any():
        raise ValueError(f"{place('available', first(stuck))} admits no action")
    laws(transition[available])


@dataclass(frozen=True, eq=False)
class ExactMDP:
    """A discounted model in exact numbers.

    Attributes
    ----------
    transition : object array (S, A, S)
        Rows of available pairs sum to one exactly.
    reward : object array (S, A)
        Rationals or balls.
    discount : fmpq
        In [0, 1).
    initial : object array (S,) or None
        Law of the first state.
    available : ndarray of bool (S, A)
        Actions that may be taken; all true without a mask.

    Raises
    ------
    ValueError
        If shapes do not match, a row is no law or the discount is not in [0, 1).
    """

    transition: Array
    reward: Array
    discount: fmpq
    initial: Array | None
    available: BoolArray

    def __post_init__(self) -> None:
        shape = self.transition.shape
        if len(shape) != 3 or shape[0] != shape[2]:
            raise ValueError(f"transition has shape {shape}, expected (S, A, S)")
        _check_shape("reward", self.reward, shape[:2])
        _check_shape("available", self.available, shape[:2])
        if not 0 <= self.discount < 1:
            raise ValueError(f"discount is {self.discount}, expected a number in [0, 1)")
        if self.initial is not None:
            _check_shape("initial", laws(self.initial), shape[:1])
        _check_kernel(self.transition, self.available)

    @classmethod
    def of(cls, mdp: MDP | Self, *, stored: bool = False) -> ExactMDP:
        """The exact twin of a model.

        Parameters
        ----------
        mdp : MDP or ExactMDP
            A twin is returned as it is.
        stored : bool, default False
            Take what the floats store, whatever they came from.

        Returns
        -------
        ExactMDP
        """
        if isinstance(mdp, ExactMDP):
            return mdp
        if not isinstance(mdp, MDP):
            raise ValueError(f"mdp is a {type(mdp).__name__}, expected an MDP or an ExactMDP")
        available = np.ones(mdp.reward.shape, dtype=bool) if mdp.available is None else mdp.available
        if mdp.exact is not None and not stored:
            data = mdp.exact
            start = None if data.initial is None else rational(data.initial)
            weights = rational(data.weights)
            sums = weights.sum(axis=-1, keepdims=True)
            return cls(
                weights / np.where(sums == 0, fmpq(1), sums),
                entries(rational(data.reward)),
                rational(data.discount),
                None if start is None else start / start.sum(),
                available,
            )
        number = dyadic if stored else rational
        return cls(
            _kernel(mdp.to_dense().transition, available, stored),
            entries(number(mdp.reward)),
            number(mdp.discount),
            None if mdp.initial is None else laws(mdp.initial, stored=stored),
            available,
        )

    @property
    def n_states(self) -> int:
        """Number of states S."""
        return int(self.transition.shape[0])

    @property
    def n_actions(self) -> int:
        """Number of actions A."""
        return int(self.transition.shape[1])

    def lookahead(self, value: Array) -> Array:
        """Action values ``reward + discount * transition @ value``.

        Parameters
        ----------
        value : object array (S,)
            State values.

        Returns
        -------
        object array (S, A)
            At unavailable pairs too, from their rows as they are.
        """
        result: Array = self.reward + self.discount * multiply(self.transition, value)
        return result


def _kernel(transition: Array, available: BoolArray, stored: bool) -> Array:
    """Rows of available pairs as laws, zeros elsewhere."""
    result = np.full(transition.shape, fmpq(0), dtype=object)
    result[available] = laws(transition[available], stored=stored)
    return result


@dataclass(frozen=True, eq=False)
class ExactHorizon:
    """A finite-horizon model in exact numbers, every array with its stage axis.

    Attributes
    ----------
    transition : object array (H, S, A, S)
        Rows of available pairs sum to one exactly.
    reward : object array (H, S, A)
        Rationals or balls.
    discount : fmpq
        In (0, 1].
    terminal : object array (S,)
        Reward of the last state.
    initial : object array (S,) or None
        Law of the first state.
    available : ndarray of bool (H, S, A)
        Actions that may be taken.

    Raises
    ------
    ValueError
        If shapes do not match, a row is no law or the discount is not in (0, 1].
    """

    transition: Array
    reward: Array
    discount: fmpq
    terminal: Array
    initial: Array | None
    available: BoolArray

    def __post_init__(self) -> None:
        shape = self.transition.shape
        if len(shape) != 4 or shape[1] != shape[3]:
            raise ValueError(f"transition has shape {shape}, expected (H, S, A, S)")
        _check_shape("reward", self.reward, shape[:3])
        _check_shape("available", self.available, shape[:3])
        _check_shape("terminal", self.terminal, shape[1:2])
        if not 0 < self.discount <= 1:
            raise ValueError(f"discount is {self.discount}, expected a number in (0, 1]")
        if self.initial is not None:
            _check_shape("initial", laws(self.initial), shape[1:2])
        _check_kernel(self.transition, self.available)

    @classmethod
    def of(cls, mdp: FiniteHorizonMDP | Self, *, stored: bool = False) -> ExactHorizon:
        """The exact twin of a model.

        Parameters
        ----------
        mdp : FiniteHorizonMDP or ExactHorizon
            A twin is returned as it is.
        stored : bool, default False
            Take what the floats store.

        Returns
        -------
        ExactHorizon
        """
        if isinstance(mdp, ExactHorizon):
            return mdp
        if not isinstance(mdp, FiniteHorizonMDP):
            raise ValueError(f"mdp is a {type(mdp).__name__}, expected a FiniteHorizonMDP or an ExactHorizon")
        number = dyadic if stored else rational
        stages, pairs = range(mdp.horizon), (mdp.horizon, mdp.n_states, mdp.n_actions)
        available = np.array([mdp.stage_available(h) for h in stages])
        if mdp.transition.ndim == 3:  # one reading for all stages, of the pairs that some stage admits
            once = _kernel(mdp.transition, np.asarray(available.any(axis=0)), stored)
            kernel = np.where(available[..., np.newaxis], once, fmpq(0))
        else:
            kernel = _kernel(mdp.transition, available, stored)
        return cls(
            kernel,
            np.broadcast_to(number(mdp.reward), pairs),
            number(mdp.discount),
            entries(number(mdp.terminal)),
            None if mdp.initial is None else laws(mdp.initial, stored=stored),
            available,
        )

    @classmethod
    def first_stages(cls, mdp: MDP | ExactMDP, horizon: int, *, discount: Any = 1) -> ExactHorizon:
        """The first stages of a discounted model, with terminal reward 0.

        Parameters
        ----------
        mdp : MDP or ExactMDP
            Its own discount plays no part.
        horizon : int
            H >= 1.
        discount : number, default 1
            In (0, 1].

        Returns
        -------
        ExactHorizon
        """
        twin = ExactMDP.of(mdp)
        stages = (horizon, *twin.reward.shape)
        return cls(
            np.broadcast_to(twin.transition, (*stages, twin.n_states)),
            np.broadcast_to(twin.reward, stages),
            rational(discount),
            entries(rational(np.zeros(twin.n_states))),
            twin.initial,
            np.broadcast_to(twin.available, stages),
        )

    @property
    def horizon(self) -> int:
        """Number of stages H."""
        return int(self.transition.shape[0])

    def lookahead(self, stage: int, value: Array) -> Array:
        """Action values of a stage, ``reward + discount * transition @ value``.

        Parameters
        ----------
        stage : int
            From 0 to H-1.
        value : object array (S,)
            Values of the next stage.

        Returns
        -------
        object array (S, A)
            At unavailable pairs too, from their rows as they are.
        """
        result: Array = self.reward[stage] + self.discount * multiply(self.transition[stage], value)
        return result


Model: TypeAlias = MDP | ExactMDP
"""A discounted model, in floats or exact."""

HorizonModel: TypeAlias = FiniteHorizonMDP | ExactHorizon
"""A finite-horizon model, in floats or exact."""


def require_rational(name: str, x: Array) -> None:
    """Complain of balls where exact comparisons are needed."""
    if has_balls(x):
        raise ValueError(f"{name} holds balls, whose maxima cannot be told exactly; expected rationals")


def admitted_policy(policy: Any, available: BoolArray) -> Array:
    """A policy of the shape of the mask as exact laws, zero at unavailable pairs."""
    rows: Array = laws(policy)
    shape = available.shape
    if rows.shape not in (shape, shape[-2:]):
        raise ValueError(f"policy has shape {rows.shape}, expected {shape}")
    rows = np.broadcast_to(rows, shape)
    wrong = ~available & ~(rows == 0)
    if wrong.any():
        raise ValueError(f"{place('policy', first(wrong))} is not zero, at an unavailable action")
    return rows


def start_law(initial: Any, own: Array | None, n_states: int) -> Array:
    """The start law given, or the model's own."""
    if initial is not None:
        own = laws(initial)
        _check_shape("initial", own, (n_states,))
    if own is None:
        raise ValueError("the model has no start law: give initial=")
    return own


def none_where(mask: BoolArray, x: Array) -> Array:
    """``x`` with None, which stands for minus infinity, where the mask is true."""
    return np.where(mask, None, x)  # type: ignore[no-any-return, call-overload]
