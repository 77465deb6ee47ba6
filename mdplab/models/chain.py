r"""Markov chains with finitely many states, and Markov reward processes with rewards on transitions.

A chain of :math:`T` steps is a start law :math:`\nu` and kernels :math:`P_t(x,y)`, :math:`t=0..T-1`; a path
:math:`x_{0:T}` has probability :math:`\nu(x_0)\prod_tP_t(x_t,x_{t+1})`.  A reward process is one kernel, a reward
:math:`R(s,t)` for the transition from s to t, *not* averaged, and a discount: what the law of a return needs.

Rows of chains are computed (induced by a policy, tilted) as often as typed; they may miss the sum one by ``1e-9``.
Nothing is normalised, and ``row_deviation`` says how far the worst row is off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.models import _validate as v
from mdplab.models._base import Model
from mdplab.names import Names

__all__ = ["MarkovChain", "RewardProcess"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class MarkovChain(Model):
    """A Markov chain observed at the times 0..T.

    Parameters
    ----------
    initial : array_like (K,)
        Law of the first state.
    kernels : array_like (T, K, K) or (K, K)
        ``kernels[t, x, y]`` is the probability of going from x to y in step t; one kernel is used in all steps.
    steps : int, optional
        T; required with one kernel, and otherwise equal to the number of kernels.

    Attributes
    ----------
    initial : ndarray (K,)
        Law of the first state, read-only.
    kernels : ndarray (T, K, K)
        Read-only; one kernel is broadcast, not repeated.
    row_deviation : float
        Upper bound on ``|sum - 1|`` over the rows of the kernels.

    Raises
    ------
    ValueError
        If a row is no law within ``1e-9`` or shapes do not fit.
    """

    initial: FloatArray
    kernels: FloatArray
    row_deviation: float = field(init=False)

    def __init__(self, initial: ArrayLike, kernels: ArrayLike, steps: int | None = None) -> None:
        start = v.law("initial", initial, None, v.COMPUTED_ROWS)
        n = start.shape[0]
        array = v.real("kernels", kernels, ("T", n, n), (n, n))
        labels = ("step", "state") if array.ndim == 3 else ("state",)
        array, deviation = v.laws("kernels", array, labels, tolerance=v.COMPUTED_ROWS, source=kernels)
        if array.ndim == 2:
            if steps is None:
                raise ValueError("steps is missing: kernels is one (K, K) kernel, give the number of steps T")
            array = v.lock(np.broadcast_to(array, (v.count("steps", steps), n, n)))
        elif steps is not None and steps != array.shape[0]:
            raise ValueError(f"steps is {steps!r}, but there are {array.shape[0]} kernels")
        self.__dict__.update(initial=start, kernels=array, row_deviation=deviation)

    @property
    def n_states(self) -> int:
        """Number of states K."""
        return int(self.initial.shape[0])

    @property
    def steps(self) -> int:
        """Number of steps T; a path has T+1 states."""
        return int(self.kernels.shape[0])

    def __repr__(self) -> str:
        return f"MarkovChain(K={self.n_states}, T={self.steps})"


@dataclass(frozen=True, eq=False, init=False, repr=False)
class RewardProcess(Model):
    """A Markov chain that pays a reward on each transition.

    Parameters
    ----------
    kernel : array_like (S, S)
        ``kernel[s, t]``, rows are laws.
    reward : array_like (S, S) or (S,)
        Finite reward of the transition from s to t; a vector pays on leaving s.
    discount : float
        In [0, 1]; 1 makes sense with a finite number of steps only.
    initial : array_like (S,), optional
        Law of the first state.
    state_names : sequence of str, optional
        Distinct names.

    Attributes
    ----------
    kernel : ndarray (S, S)
        Read-only.
    reward : ndarray (S, S)
        Reward on transitions, read-only.
    discount : float
        The discount.
    initial : ndarray (S,) or None
        Law of the first state, read-only.
    state_names : tuple of str or None
        The names.
    row_deviation : float
        Upper bound on ``|sum - 1|`` over the rows of the kernel.

    Raises
    ------
    ValueError
        If a row is no law within ``1e-9``, a reward is not finite or shapes do not fit.
    """

    kernel: FloatArray
    reward: FloatArray
    discount: float
    initial: FloatArray | None
    state_names: tuple[str, ...] | None
    row_deviation: float = field(init=False)

    def __init__(
        self,
        kernel: ArrayLike,
        reward: ArrayLike,
        discount: float,
        initial: ArrayLike | None = None,
        *,
        state_names: Sequence[str] | None = None,
    ) -> None:
        given = v.real("kernel", kernel, ("S", "S"))
        n = given.shape[0]
        names = Names(v.names("state_names", state_names, n, "states"))
        matrix, deviation = v.laws(
            "kernel", given, ("state",), tolerance=v.COMPUTED_ROWS, source=kernel, names=names
        )
        gain = v.finite("reward", reward, (n, n), (n,))
        if gain.ndim == 1:
            gain = v.lock(np.broadcast_to(gain[:, np.newaxis], (n, n)))
        self.__dict__.update(
            kernel=matrix,
            reward=gain,
            discount=v.number("discount", discount, 0.0, 1.0),
            initial=None if initial is None else v.law("initial", initial, n, v.COMPUTED_ROWS),
            state_names=names.state,
            row_deviation=deviation,
        )

    @property
    def n_states(self) -> int:
        """Number of states S."""
        return int(self.kernel.shape[0])

    def expected_reward(self) -> FloatArray:
        """Expected reward of the next step.

        Returns
        -------
        ndarray (S,)
            ``sum_t kernel[s, t] reward[s, t]``.
        """
        result: FloatArray = np.einsum("st,st->s", self.kernel, self.reward)
        return result

    def __repr__(self) -> str:
        return f"RewardProcess(S={self.n_states}, discount={self.discount:g})"
