r"""Markov decision processes with a finite horizon.

Stages are :math:`h=0..H-1`; with stage kernels :math:`P_h` and rewards :math:`R_h`, a discount
:math:`\gamma\in(0,1]` (1 by default) and a terminal reward :math:`g`,
:math:`V_H=g` and :math:`V_h(s)=\max_aR_h(s,a)+\gamma\sum_tP_h(t|s,a)V_{h+1}(t)`.
Stage values have shape ``(H+1, S)``, stage policies ``(H, S, A)``; with k steps *to go* the stage is ``H - k``.

Rows must sum to one within ``8 eps S``; nothing is normalised, and arrays of the right kind are kept as read-only
views without a copy.

References
----------
M. L. Puterman, *Markov Decision Processes*, Wiley 1994, chapter 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import Array, FloatArray
from mdplab.models import _validate as v
from mdplab.models._kernel import expectation
from mdplab.models.sampling import SampledModel

__all__ = ["FiniteHorizonMDP"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class FiniteHorizonMDP(SampledModel):
    """A tabular MDP with H stages.

    Parameters
    ----------
    transition : array_like (S, A, S) or (H, S, A, S)
        One kernel for all stages, or one for each.
    reward : array_like (S, A) or (H, S, A)
        Finite expected rewards, for all stages or for each.
    horizon : int, optional
        H >= 1; required if neither ``transition`` nor ``reward`` has a stage axis.
    discount : float, default 1
        In (0, 1].
    terminal : array_like (S,), optional
        Reward of the last state; zeros by default.
    initial : array_like (S,), optional
        Law of the first state.
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
    state_names, action_names : tuple of str or None
        The names.
    row_deviation : float
        Upper bound on ``|sum - 1|`` over the rows of the kernels.

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
        state_names: Sequence[str] | None = None,
        action_names: Sequence[str] | None = None,
    ) -> None:
        kernel = v.real("transition", transition, ("S", "A", "S"), ("H", "S", "A", "S"))
        n_states, n_actions = kernel.shape[-3:-1]
        labels = ("stage", "state", "action")[4 - kernel.ndim :]
        names = v.pair_names(n_states, n_actions, state_names, action_names)
        kernel, deviation = v.laws("transition", kernel, labels, source=transition, names=names)
        gain = v.finite("reward", reward, (n_states, n_actions), ("H", n_states, n_actions))
        stages = {"horizon": horizon if horizon is None else v.count("horizon", horizon)}
        stages["transition"] = kernel.shape[0] if kernel.ndim == 4 else None
        stages["reward"] = gain.shape[0] if gain.ndim == 3 else None
        given = {name: number for name, number in stages.items() if number is not None}
        if not given:
            raise ValueError("horizon is missing: neither transition nor reward has a stage axis")
        if len(set(given.values())) > 1:
            found = ", ".join(f"{name}: {number}" for name, number in given.items())
            raise ValueError(f"the numbers of stages disagree ({found}), expected one H")
        last = np.zeros(n_states) if terminal is None else terminal
        self.__dict__.update(
            transition=kernel,
            reward=gain,
            horizon=next(iter(given.values())),
            discount=v.number("discount", discount, 0.0, 1.0, closed="(]"),
            terminal=v.finite("terminal", last, (n_states,)),
            initial=None if initial is None else v.law("initial", initial, n_states),
            state_names=names.state,
            action_names=names.action,
            row_deviation=deviation,
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
            The expectations.

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
