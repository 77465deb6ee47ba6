r"""Linear Markov decision processes: kernels and rewards that are linear in features.

.. math::
    P(t|s,a)=\sum_{i<d}\phi_i(s,a)\,\mu_i(t),\qquad R(s,a)=\phi(s,a)\cdot\theta .

Every action value :math:`Q=R+\gamma PV=\phi\cdot(\theta+\gamma\mu V)` is then linear in the features, whatever V is, so
that planning needs d-vectors and d x d systems in the place of tables (:mod:`mdplab.solvers.linear_mdp`).  Features and
measures may be signed; what must hold is that the products are laws.  With *simplex features* (:math:`\phi(s,a)` a law
on the d factors, each :math:`\mu_i` a law on the states) that is automatic, and an uncertainty of each factor by itself
makes sense: :class:`~mdplab.models.rectangular.RectangularUncertainty`.

Nothing is normalised; rows of the product must sum to one within ``1e-9``, and ``row_deviation`` says how far the worst
row is off.  No array of the size ``S x A x S`` is formed, except by :meth:`LinearMDP.to_mdp`.

References
----------
.. [1] C. Jin, Z. Yang, Z. Wang, M. I. Jordan, "Provably efficient reinforcement learning with linear function
   approximation", COLT 2020.
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
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.models.linear_fit import linear_fit, row_blocks
from mdplab.models.tabular import MDP
from mdplab.names import Names

__all__ = ["LinearMDP"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class LinearMDP(StartedModel):
    """A linear MDP, discounted or with a finite horizon.

    Parameters
    ----------
    features : array_like (S, A, d)
        Finite features phi of the pairs.
    measures : array_like (d, S) or (H, d, S)
        Signed measures mu on the states, for all stages or for each.
    theta : array_like (d,) or (H, d)
        Reward vector, for all stages or for each.
    discount : float, default 1
        In [0, 1), or in (0, 1] with a finite horizon.
    horizon : int, optional
        H; implied by a stage axis.  Without any the model is discounted.
    terminal : array_like (S,), optional
        Reward of the last state of a finite horizon; zeros by default.
    initial : array_like (S,), optional
        Law of the first state.
    state_names, action_names : sequence of str, optional
        Distinct names.

    Attributes
    ----------
    features : ndarray (S, A, d)
        Read-only, as are all arrays.
    measures : ndarray (d, S) or (H, d, S)
        As given.
    theta : ndarray (d,) or (H, d)
        As given.
    discount : float
        The discount.
    horizon : int or None
        None where the model is discounted.
    terminal : ndarray (S,) or None
        None where the model is discounted.
    initial : ndarray (S,) or None
        Law of the first state.
    state_names, action_names : tuple of str or None
        The names.
    row_deviation : float
        The sum of the moduli of every row of the kernel is at most one plus this.

    Raises
    ------
    ValueError
        If a product ``phi(s, a) @ mu`` is no law, an argument is out of its range or the stage axes disagree.
    """

    features: FloatArray
    measures: FloatArray
    theta: FloatArray
    discount: float
    horizon: int | None
    terminal: FloatArray | None
    initial: FloatArray | None
    state_names: tuple[str, ...] | None
    action_names: tuple[str, ...] | None
    row_deviation: float = field(init=False)

    def __init__(
        self,
        features: ArrayLike,
        measures: ArrayLike,
        theta: ArrayLike,
        discount: float = 1.0,
        *,
        horizon: int | None = None,
        terminal: ArrayLike | None = None,
        initial: ArrayLike | None = None,
        state_names: Sequence[str] | None = None,
        action_names: Sequence[str] | None = None,
    ) -> None:
        phi = v.finite("features", features, ("S", "A", "d"))
        n_states, n_actions, d = phi.shape
        mu = v.finite("measures", measures, (d, n_states), ("H", d, n_states))
        vector = v.finite("theta", theta, (d,), ("H", d))
        stages = {
            "horizon": None if horizon is None else v.count("horizon", horizon),
            "measures": mu.shape[0] if mu.ndim == 3 else None,
            "theta": vector.shape[0] if vector.ndim == 2 else None,
        }
        given = {name: number for name, number in stages.items() if number is not None}
        if len(set(given.values())) > 1:
            found = ", ".join(f"{name}: {number}" for name, number in given.items())
            raise ValueError(f"the numbers of stages disagree ({found}), expected one H")
        steps = next(iter(given.values()), None)
        if terminal is not None and steps is None:
            raise ValueError("terminal needs a finite horizon: give horizon=")
        if steps is not None and terminal is None:
            terminal = np.zeros(n_states)
        names = v.pair_names(n_states, n_actions, state_names, action_names)
        self.__dict__.update(
            features=phi,
            measures=mu,
            theta=vector,
            discount=v.number("discount", discount, 0.0, 1.0, closed="[)" if steps is None else "(]"),
            horizon=steps,
            terminal=None if terminal is None else v.finite("terminal", terminal, (n_states,)),
            initial=None if initial is None else v.law("initial", initial, n_states),
            state_names=names.state,
            action_names=names.action,
            row_deviation=max(_check_rows(phi, stage, names) for stage in mu.reshape(-1, d, n_states)),
        )

    @classmethod
    def from_mdp(cls, mdp: MDP, features: ArrayLike, *, tol: float = 1e-10) -> Self:
        """The linear form of a tabular model in given features; refused where there is none.

        Parameters
        ----------
        mdp : MDP
            Dense or CSR, without a mask.
        features : array_like (S, A, d)
            Features of the pairs.
        tol : float, default 1e-10
            Largest admitted distance: of a row of the kernel in the sum of moduli, of the reward of a pair.

        Returns
        -------
        LinearMDP
            Discounted; its measures have minimum norm where the features are dependent.

        Raises
        ------
        ValueError
            If the model is not linear in the features: the message says how far it is off, and where.
        """
        fit = linear_fit(mdp, features)
        if not fit.transition_error <= tol or not fit.reward_error <= tol:
            part, error, worst = (
                ("kernel", fit.transition_error, fit.worst_row)
                if not fit.transition_error <= tol
                else ("reward", fit.reward_error, fit.worst_reward)
            )
            where = mdp.names.place(PAIR, worst)
            raise ValueError(
                f"mdp is not linear in the features: its {part} is off by {error:.3g} at ({where}), above {tol:.3g} "
                f"(features of rank {fit.rank} of {fit.measures.shape[0]})"
            )
        return cls(
            features,
            fit.measures,
            fit.theta,
            mdp.discount,
            initial=mdp.initial,
            state_names=mdp.state_names,
            action_names=mdp.action_names,
        )

    @property
    def n_states(self) -> int:
        """Number of states S."""
        return int(self.features.shape[0])

    @property
    def n_actions(self) -> int:
        """Number of actions A."""
        return int(self.features.shape[1])

    @property
    def dimension(self) -> int:
        """Number of features d."""
        return int(self.features.shape[2])

    @property
    def factors(self) -> IntArray:
        """Numbers of the features whose measure is not zero in all stages; the others serve the reward alone."""
        moving = (self.measures != 0.0).reshape(-1, self.dimension, self.n_states).any(axis=(0, 2))
        return np.flatnonzero(moving).astype(np.int64)

    @property
    def has_simplex_features(self) -> bool:
        """Whether the kernel's features and measures are laws (within ``1e-9``), as d-rectangular sets need."""
        at = self.factors
        return all(
            bool(array.min() >= 0.0 and np.abs(array.sum(axis=-1) - 1.0).max() <= v.COMPUTED_ROWS)
            for array in (self.features[..., at], self.measures[..., at, :])
        )

    def stage_measures(self, h: int = 0) -> FloatArray:
        """Measures of one stage.

        Parameters
        ----------
        h : int, default 0
            Stage.

        Returns
        -------
        ndarray (d, S)
        """
        return self.measures[h] if self.measures.ndim == 3 else self.measures

    def stage_theta(self, h: int = 0) -> FloatArray:
        """Reward vector of one stage.

        Parameters
        ----------
        h : int, default 0
            Stage.

        Returns
        -------
        ndarray (d,)
        """
        return self.theta[h] if self.theta.ndim == 2 else self.theta

    def backup(self, values: ArrayLike, h: int = 0) -> FloatArray:
        """Weights of the action values one step before given state values, in ``d S`` operations.

        Parameters
        ----------
        values : array_like (S,)
            State values.
        h : int, default 0
            Stage.

        Returns
        -------
        ndarray (d,)
            ``theta + discount * measures @ values``; ``features @`` these are the action values.
        """
        array = v.finite("values", values, (self.n_states,))
        result: FloatArray = self.stage_theta(h) + self.discount * (self.stage_measures(h) @ array)
        return result

    def to_mdp(self) -> MDP:
        """The tabular model, dense.

        Returns
        -------
        MDP
            Entries that rounding made negative are zero.

        Raises
        ------
        ValueError
            If the model has a finite horizon, or its rows miss the sum one by more than tabular rows may.
        """
        if self.horizon is not None:
            raise ValueError("the model has a finite horizon: use to_finite_horizon")
        return MDP(
            _product(self.features, self.measures),
            self.features @ self.theta,
            self.discount,
            self.initial,
            state_names=self.state_names,
            action_names=self.action_names,
        )

    def to_finite_horizon(self, horizon: int | None = None) -> FiniteHorizonMDP:
        """The tabular model of a finite horizon.

        Parameters
        ----------
        horizon : int, optional
            H; needed if and only if the model has none.

        Returns
        -------
        FiniteHorizonMDP
            Stationary where the model is.

        Raises
        ------
        ValueError
            If the horizon is missing or differs from the model's.
        """
        if horizon is not None and self.horizon not in (None, horizon):
            raise ValueError(f"horizon is {horizon}, but the model has {self.horizon} stages")
        steps = self.horizon if horizon is None else v.count("horizon", horizon)
        if steps is None:
            raise ValueError("horizon is missing: the model is discounted")
        staged = self.measures.ndim == 3
        kernels = [_product(self.features, mu) for mu in (self.measures if staged else [self.measures])]
        return FiniteHorizonMDP(
            np.stack(kernels) if staged else kernels[0],
            np.moveaxis(self.features @ self.theta.T, -1, 0)
            if self.theta.ndim == 2
            else self.features @ self.theta,
            steps,
            self.discount,
            self.terminal,
            self.initial,
            state_names=self.state_names,
            action_names=self.action_names,
        )

    def __repr__(self) -> str:
        kind = f"discount={self.discount:g}" if self.horizon is None else f"H={self.horizon}"
        return f"LinearMDP(S={self.n_states}, A={self.n_actions}, d={self.dimension}, {kind})"


def _product(features: FloatArray, measures: FloatArray) -> FloatArray:
    """``features @ measures`` without the negative entries of rounding."""
    kernel: FloatArray = features @ measures
    np.maximum(kernel, 0.0, out=kernel)
    return kernel


def _check_rows(features: FloatArray, measures: FloatArray, names: Names) -> float:
    """Check that the products are laws; the bound on their sums of moduli, less one."""
    shape, (d, n_states) = features.shape[:2], measures.shape
    flat = features.reshape(-1, d)
    moduli = np.abs(flat) @ np.abs(measures).sum(axis=1)
    sums = flat @ measures.sum(axis=1)
    deviation = np.abs(sums - 1.0)
    worst = int(np.argmax(deviation))
    if not deviation[worst] <= v.COMPUTED_ROWS:
        where = names.place(PAIR, divmod(worst, shape[1]))
        raise ValueError(
            f"features @ measures ({where}) sums to {float(sums[worst])!r}, expected 1 within {v.COMPUTED_ROWS:.2g}"
        )
    rounding = (n_states + d + 2) * v.EPS * float(moduli.max())
    negative = 0.0
    if features.min() < 0.0 or measures.min() < 0.0:  # else no entry can be negative
        for rows in row_blocks(flat.shape[0], n_states):
            block = flat[rows] @ measures
            low = float(block.min())
            if low < -v.COMPUTED_ROWS:
                i, t = np.unravel_index(int(block.argmin()), block.shape)
                where = names.place(PAIR, divmod(rows.start + int(i), shape[1]))
                raise ValueError(
                    f"features @ measures ({where}) gives {names.place(PAIR[:1], (t,))} the probability {low!r}, "
                    "expected >= 0"
                )
            negative = max(negative, float(-np.minimum(block, 0.0).sum(axis=1).min()))
        negative += rounding
    return float(deviation[worst] + rounding + 2.0 * negative)
