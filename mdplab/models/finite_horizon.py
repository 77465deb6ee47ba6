r"""Markov decision processes with a finite horizon.

Stages are :math:`h=0..H-1`; with stage kernels :math:`P_h` and rewards :math:`R_h`, a discount
:math:`\gamma\in(0,1]` (1 by default) and a terminal reward :math:`g`,
:math:`V_H=g` and :math:`V_h(s)=\max_aR_h(s,a)+\gamma\sum_tP_h(t|s,a)V_{h+1}(t)`.
Stage values have shape ``(H+1, S)``, stage policies ``(H, S, A)``; with k steps *to go* the stage is ``H - k``.

Rows must sum to one within ``8 eps S``; nothing is normalised, and arrays of the right kind are kept as read-only
views without a copy.

*Actions.*  A mask says which actions may be taken in a state, at all stages or stage by stage: the maximum, the
log-sum-exp and the policies are over those alone, as if the others were not there.

References
----------
M. L. Puterman, *Markov Decision Processes*, Wiley 1994, chapter 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, BoolArray, FloatArray
from mdplab.models import _validate as v
from mdplab.models._kernel import STAGED, action_mask, expectation, finite_reward
from mdplab.models.sampling import SampledModel
from mdplab.models.tabular import MDP

__all__ = ["FiniteHorizonMDP"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class FiniteHorizonMDP(SampledModel):
    """A tabular MDP with H stages.

    Parameters
    ----------
    transition : array_like (S, A, S) or (H, S, A, S)
        One kernel for all stages, or one for each.  Rows of unavailable pairs are laws or all zero.
    reward : array_like (S, A) or (H, S, A)
        Expected rewards, for all stages or for each; finite everywhere, unavailable pairs included (write 0 there).
    horizon : int, optional
        H >= 1; required if no other argument has a stage axis.
    discount : float, default 1
        In (0, 1].
    terminal : array_like (S,), optional
        Reward of the last state; zeros by default.
    initial : array_like (S,), optional
        Law of the first state.
    available : array_like of bool (S, A) or (H, S, A), optional
        Actions that may be taken, at all stages or at each; at least one in each state.  All, by default.
    state_names, action_names : sequence of str, optional
        Distinct names.

    Attributes
    ----------
    transition : ndarray (S, A, S) or (H, S, A, S)
        As given, read-only.
    reward : ndarray (S, A) or (H, S, A)
        As given, read-only.
    horizon : int
        H.
    discount : float
        The discount.
    terminal : ndarray (S,)
        Reward of the last state, read-only.
    initial : ndarray (S,) or None
        Law of the first state, read-only.
    available : ndarray of bool (S, A) or (H, S, A), or None
        The mask as given, read-only.
    state_names, action_names : tuple of str or None
        The names.
    row_deviation : float
        Upper bound on ``|sum - 1|`` over the rows of the kernels (zero rows of unavailable pairs left out).

    Raises
    ------
    ValueError
        If an argument is out of its range or the stage axes disagree.
    """

    transition: FloatArray
    reward: FloatArray
    horizon: int
    discount: float
    terminal: FloatArray
    initial: FloatArray | None
    available: BoolArray | None
    state_names: tuple[str, ...] | None
    action_names: tuple[str, ...] | None
    row_deviation: float = field(init=False)

    def __init__(
        self,
        transition: ArrayLike,
        reward: ArrayLike,
        horizon: int | None = None,
        discount: float = 1.0,
        terminal: ArrayLike | None = None,
        initial: ArrayLike | None = None,
        *,
        available: ArrayLike | None = None,
        state_names: Sequence[str] | None = None,
        action_names: Sequence[str] | None = None,
    ) -> None:
        kernel = v.real("transition", transition, ("S", "A", "S"), ("H", "S", "A", "S"))
        n_states, n_actions = kernel.shape[-3:-1]
        names = v.pair_names(n_states, n_actions, state_names, action_names)
        gain = v.real("reward", reward, (n_states, n_actions), ("H", n_states, n_actions))
        mask = action_mask(available, n_states, n_actions, names, staged=True)
        stages = {"horizon": horizon if horizon is None else v.count("horizon", horizon)}
        stages["transition"] = kernel.shape[0] if kernel.ndim == 4 else None
        stages["reward"] = gain.shape[0] if gain.ndim == 3 else None
        stages["available"] = None if mask is None or mask.ndim == 2 else mask.shape[0]
        given = {name: number for name, number in stages.items() if number is not None}
        if not given:
            raise ValueError("horizon is missing: none of transition, reward and available has a stage axis")
        if len(set(given.values())) > 1:
            found = ", ".join(f"{name}: {number}" for name, number in given.items())
            raise ValueError(f"the numbers of stages disagree ({found}), expected one H")
        read = _aligned(mask, kernel.shape[:-1])
        free, axes = None if read is None else ~read, STAGED[4 - kernel.ndim :]
        kernel, deviation = v.laws("transition", kernel, axes, free, source=transition, names=names)
        last = np.zeros(n_states) if terminal is None else terminal
        self.__dict__.update(
            transition=kernel,
            reward=finite_reward(gain, STAGED[3 - gain.ndim :], _aligned(mask, gain.shape), names),
            horizon=next(iter(given.values())),
            discount=v.number("discount", discount, 0.0, 1.0, closed="(]"),
            terminal=v.finite("terminal", last, (n_states,)),
            initial=None if initial is None else v.law("initial", initial, n_states),
            available=mask,
            state_names=names.state,
            action_names=names.action,
            row_deviation=deviation,
        )

    @classmethod
    def from_mdp(
        cls, mdp: MDP, horizon: int, *, discount: float | None = None, terminal: ArrayLike | None = None
    ) -> Self:
        """The first stages of a discounted model, with its rewards, mask, start law and names.

        Parameters
        ----------
        mdp : MDP
            A dense kernel is shared, a CSR one is written out.
        horizon : int
            H >= 1.
        discount : float, optional
            In (0, 1]; default is the model's.
        terminal : array_like (S,), optional
            Reward of the last state; zeros by default.

        Returns
        -------
        FiniteHorizonMDP
            Stationary.
        """
        return cls(
            mdp.to_dense().transition,
            mdp.reward,
            horizon,
            mdp.discount if discount is None else discount,
            terminal,
            mdp.initial,
            available=mdp.available,
            state_names=mdp.state_names,
            action_names=mdp.action_names,
        )

    @property
    def n_states(self) -> int:
        """Number of states S."""
        return int(self.transition.shape[-1])

    @property
    def n_actions(self) -> int:
        """Number of actions A."""
        return int(self.transition.shape[-2])

    def _stage(self, h: int) -> int:
        if not 0 <= h < self.horizon:
            raise ValueError(f"h is {h}, expected a stage from 0 to {self.horizon - 1}")
        return int(h)

    def stage_kernel(self, h: int) -> FloatArray:
        """Kernel of one stage.

        Parameters
        ----------
        h : int
            Stage, 0 <= h < H.

        Returns
        -------
        ndarray (S, A, S)
            Read-only.
        """
        stage = self._stage(h)
        return self.transition[stage] if self.transition.ndim == 4 else self.transition

    def stage_reward(self, h: int) -> FloatArray:
        """Expected rewards of one stage.

        Parameters
        ----------
        h : int
            Stage, 0 <= h < H.

        Returns
        -------
        ndarray (S, A)
            Read-only.
        """
        stage = self._stage(h)
        return self.reward[stage] if self.reward.ndim == 3 else self.reward

    def stage_available(self, h: int) -> BoolArray:
        """Actions that may be taken at one stage.

        Parameters
        ----------
        h : int
            Stage, 0 <= h < H.

        Returns
        -------
        ndarray of bool (S, A)
            Read-only; all true without a mask.
        """
        stage = self._stage(h)
        if self.available is None:
            return v.lock(np.ones((self.n_states, self.n_actions), dtype=bool))
        return self.available[stage] if self.available.ndim == 3 else self.available

    def expectation(self, h: int, values: ArrayLike) -> Array:
        """Expected value after stage ``h``, ``sum_t P_h[s, a, t] values[t]``.

        Parameters
        ----------
        h : int
            Stage, 0 <= h < H.
        values : array_like (S, ...)
            Real or complex; trailing axes are carried along.

        Returns
        -------
        ndarray (S, A, ...)
            The expectations; zero at zero rows of unavailable pairs.

        Raises
        ------
        ValueError
            If there is no such stage or the first axis of ``values`` has not length S.
        """
        kernel = self.stage_kernel(h)
        return expectation(kernel, values, kernel.shape[:2])

    def __repr__(self) -> str:
        kind = "stationary" if self.transition.ndim == 3 and self.reward.ndim == 2 else "by stage"
        return (
            f"FiniteHorizonMDP(H={self.horizon}, S={self.n_states}, A={self.n_actions}, "
            f"discount={self.discount:g}, {kind})"
        )


def _aligned(mask: BoolArray | None, shape: tuple[int, ...]) -> BoolArray | None:
    """The mask for an array of pairs with or without a stage axis: pairs that some stage reads."""
    if mask is None:
        return None
    return np.asarray(mask.any(axis=0)) if mask.ndim > len(shape) else np.broadcast_to(mask, shape)
