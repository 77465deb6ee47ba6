r"""Discounted models with several reward signals on one kernel.

The return of a policy is the vector of its start values, one for every signal; a weight vector makes one reward of
them (:meth:`MultiObjectiveMDP.scalarise`), thresholds make a constrained problem of them.

References
----------
.. [1] E. Altman, *Constrained Markov Decision Processes*, 1999.
.. [2] D. M. Roijers, P. Vamplew, S. Whiteson and R. Dazeley, "A survey of multi-objective sequential
   decision-making", JAIR 48, 2013.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import BoolArray, FloatArray
from mdplab.models import _validate as v
from mdplab.models._base import StartedModel
from mdplab.models._kernel import PAIR
from mdplab.models.tabular import MDP

__all__ = ["MultiObjectiveMDP"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class MultiObjectiveMDP(StartedModel):
    """A discounted tabular MDP with ``m`` reward signals: frozen, validated data.

    Parameters
    ----------
    transition : array_like (S, A, S), or SciPy sparse (S*A, S) with row ``s*A + a``
        As for :class:`mdplab.models.MDP`.
    rewards : array_like (m, S, A)
        Finite reward of every signal.
    discount : float
        In [0, 1).
    initial : array_like (S,)
        Law of the first state.
    available : array_like of bool (S, A), optional
        Actions that may be taken.
    state_names, action_names, objective_names : sequence of str, optional
        Distinct names.

    Attributes
    ----------
    rewards : ndarray (m, S, A)
        Read-only.
    base : MDP
        The model with the first reward; all scalarised models share its kernel.

    Raises
    ------
    ValueError
        If an argument is out of its range; the message names the argument and the place.
    """

    transition: Any
    rewards: FloatArray
    discount: float
    initial: FloatArray
    available: BoolArray | None
    state_names: tuple[str, ...] | None
    action_names: tuple[str, ...] | None
    objective_names: tuple[str, ...] | None
    base: MDP = field(init=False)

    def __init__(
        self,
        transition: Any,
        rewards: ArrayLike,
        discount: float,
        initial: ArrayLike,
        *,
        available: ArrayLike | None = None,
        state_names: Sequence[str] | None = None,
        action_names: Sequence[str] | None = None,
        objective_names: Sequence[str] | None = None,
    ) -> None:
        signals = v.finite("rewards", rewards, ("m", "S", "A"))
        if initial is None:
            raise ValueError("initial is None: returns need the law of the first state")
        base = MDP(
            transition,
            signals[0],
            discount,
            initial,
            available=available,
            state_names=state_names,
            action_names=action_names,
        )
        self.__dict__.update(
            base=base,
            transition=base.transition,
            rewards=signals,
            discount=base.discount,
            initial=base.initial,
            available=base.available,
            state_names=base.state_names,
            action_names=base.action_names,
            objective_names=v.names("objective_names", objective_names, signals.shape[0], "objectives"),
        )

    @property
    def n_objectives(self) -> int:
        """Number of reward signals m."""
        return int(self.rewards.shape[0])

    @property
    def n_states(self) -> int:
        """Number of states S."""
        return int(self.rewards.shape[1])

    @property
    def n_actions(self) -> int:
        """Number of actions A."""
        return int(self.rewards.shape[2])

    @property
    def is_sparse(self) -> bool:
        """Whether the kernel is a CSR matrix."""
        return self.base.is_sparse

    @property
    def available_rewards(self) -> FloatArray:
        """The reward signals ``(m, S, A)``, 0 at unavailable pairs."""
        return self.rewards if self.available is None else np.where(self.available, self.rewards, 0.0)

    def objective(self, k: int) -> MDP:
        """The model of one signal.

        Parameters
        ----------
        k : int
            ``0 <= k < m``.

        Returns
        -------
        MDP
            Shares the kernel.

        Raises
        ------
        ValueError
            If there is no such signal.
        """
        if not 0 <= k < self.n_objectives:
            raise ValueError(f"objective is {k!r}, expected an integer from 0 to {self.n_objectives - 1}")
        return self.base.replace(reward=self.rewards[k])

    def scalarise(self, weights: ArrayLike) -> MDP:
        """The model with the reward ``sum_k weights[k] * rewards[k]``.

        Parameters
        ----------
        weights : array_like (m,)
            Finite, of any sign.

        Returns
        -------
        MDP
            Shares the kernel; its reward is rounded.
        """
        w = v.finite("weights", weights, (self.n_objectives,))
        return self.base.replace(reward=np.tensordot(w, self.rewards, axes=1))

    def returns(self, policy: ArrayLike) -> FloatArray:
        """Start values of a policy, ``initial @ V_k``, by one linear solve.

        Parameters
        ----------
        policy : array_like (S, A)
            Probabilities.

        Returns
        -------
        ndarray (m,)
            Without certificate; :func:`mdplab.solvers.policy_evaluation` of :meth:`objective` has one.

        Raises
        ------
        ValueError
            If the policy has another shape, a row is no law, or takes an unavailable action.
        """
        pi = v.laws(
            "policy",
            v.real("policy", policy, self.rewards.shape[1:]),
            ("state",),
            tolerance=v.COMPUTED_ROWS,
            names=self.names,
        )[0]
        if self.available is not None and (pi[~self.available] != 0.0).any():
            where = self.names.place(PAIR, v.first((pi != 0.0) & ~self.available))
            raise ValueError(f"policy takes the unavailable pair ({where})")
        start = np.asarray(self.initial)
        n = self.n_states
        kernel: Any
        if self.is_sparse:
            from scipy.sparse import csc_array, csr_array, eye_array
            from scipy.sparse.linalg import spsolve

            pick = csr_array(
                (pi.ravel(), np.arange(pi.size), np.arange(0, pi.size + 1, pi.shape[1])), shape=(n, pi.size)
            )
            kernel = csc_array(eye_array(n) - self.discount * (pick @ self.transition))
            visits = np.asarray(spsolve(csc_array(kernel.T), start))
        else:
            kernel = np.matmul(pi[:, np.newaxis, :], self.transition)[:, 0, :]
            visits = np.linalg.solve(np.eye(n) - self.discount * kernel.T, start)
        result: FloatArray = np.einsum("s,sa,ksa->k", visits, pi, self.rewards)
        return result

    def __repr__(self) -> str:
        kind = "csr" if self.is_sparse else "dense"
        return (
            f"MultiObjectiveMDP(m={self.n_objectives}, S={self.n_states}, A={self.n_actions}, "
            f"discount={self.discount:g}, {kind})"
        )
