r"""The polytope of occupancies, and proven bounds for concave programs over it.

The normalised occupancies of a discounted MDP are the solutions of ``B' d = (1 - gamma) mu_0``, ``d >= 0``, with the
flow matrix ``(B V)(s, a) = V(s) - gamma sum_t P(t | s, a) V(t)``.  For a reward ``R``, data ``q = d_O`` and an
f-divergence of strength ``alpha``

.. math::
    F(d) = \langle d, R\rangle - \alpha D_f(d\,\|\,q), \qquad
    g(V) = (1-\gamma)\mu_0\cdot V + \alpha\sum q f^*_p\big((R - BV)/\alpha\big),

weak duality says ``F(d) <= g(V)`` for every occupancy ``d`` and *every* ``V`` (for the total variation with
``R - BV <= alpha/2``).  Two numbers are therefore proven bounds on the optimal value, whoever computed their
arguments:

- :meth:`FlowPolytope.dual_bound`: ``g(V)`` plus the rounding of its evaluation;
- :meth:`FlowPolytope.feasible_bound`: ``F`` at the occupancy of the policy read off ``d``.  That occupancy comes out
  of a linear solve with a residual ``r``, so that the exact occupancy of the same policy lies within
  ``e = |r|_1 / (1 - gamma)`` of it in the 1-norm of the states.  Let a state move by the share ``t_s`` of ``e``,
  where ``sum t_s <= 1``: by convexity its terms grow by at most ``t_s`` times the growth for the whole of ``e``, so that
  the loss is at most that of the worst state; no derivative is used, which may be infinite.

References
----------
M. Puterman (1994), Markov Decision Processes, section 6.9.
H. Sikchi, Q. Zheng, A. Zhang, S. Niekum (2023), Dual RL, arXiv 2302.08560.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.sparse.linalg import bicgstab, splu

from mdplab._typing import BoolArray, FloatArray, IntArray
from mdplab.convex.conjugate_dual import DENSE
from mdplab.divergences import FDivergence
from mdplab.models import MDP
from mdplab.names import Names
from mdplab.operators.occupancy import flow_matrix

__all__ = ["FlowPolytope"]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class FlowPolytope:
    """``{d >= 0 : B' d = (1 - gamma) mu_0}`` over the admitted pairs of an MDP, with its reward.

    Attributes
    ----------
    matrix : csr_array, shape (N, S)
        Rows of the flow matrix of the admitted pairs.
    start : ndarray, shape (S,)
        ``(1 - gamma) mu_0``.
    reward : ndarray, shape (N,)
        Reward of the pairs.
    state : ndarray of int, shape (N,)
        State of each pair.
    pair : ndarray of int, shape (N,)
        Index ``s * A + a`` of each pair.
    shape : (int, int)
        ``(S, A)`` of the tables.
    discount : float
        ``gamma``.
    names : Names
        Those of the model.
    """

    matrix: Any
    start: FloatArray
    reward: FloatArray
    state: IntArray
    pair: IntArray
    shape: tuple[int, int]
    discount: float
    names: Names

    @classmethod
    def of(cls, mdp: MDP) -> FlowPolytope:
        """The polytope of a model with a start law; unavailable pairs are left out.

        Parameters
        ----------
        mdp : MDP
            Model with an ``initial`` law.

        Returns
        -------
        FlowPolytope

        Raises
        ------
        ValueError
            If the model has no start law.
        """
        n_states, n_actions = mdp.n_states, mdp.n_actions
        admitted = np.ones((n_states, n_actions), dtype=bool) if mdp.available is None else mdp.available
        pair = np.flatnonzero(admitted)
        start = (1.0 - mdp.discount) * np.asarray(mdp.start_law(), dtype=np.float64)
        return cls(
            matrix=sparse.csr_array(flow_matrix(mdp))[pair],
            start=start,
            reward=np.asarray(mdp.reward, dtype=np.float64).ravel()[pair],
            state=(pair // n_actions).astype(np.int64),
            pair=pair.astype(np.int64),
            shape=(n_states, n_actions),
            discount=float(mdp.discount),
            names=mdp.names,
        )

    @property
    def margin(self) -> float:
        """``1 - gamma sup (row sum)``, from below, or 0: accepted rows and the rounding of the matrix included.

        Rows are accepted if their computed sum is one within ``8 eps S``.  An entry of the flow matrix is rounded
        twice, which changes the sum of a row by less than ``2 eps``.
        """
        deviation = 10.0 * _EPS * (self.shape[0] + 1.0)
        return max(1.0 - self.discount * (1.0 + deviation) - 4.0 * _EPS, 0.0)

    def vector(self, table: ArrayLike) -> FloatArray:
        """Entries of a table (S, A) at the admitted pairs, shape (N,)."""
        return np.asarray(table, dtype=np.float64).reshape(-1)[self.pair]

    def table(self, vector: FloatArray, fill: float = 0.0) -> FloatArray:
        """A vector (N,) as a table (S, A), with ``fill`` at the pairs that are not admitted."""
        out = np.full(self.shape[0] * self.shape[1], fill)
        out[self.pair] = vector
        return out.reshape(self.shape)

    def restrict(self, keep: BoolArray) -> FlowPolytope:
        """The polytope on the pairs marked in ``keep`` (N,), without those that lead out of the states left.

        A state whose pairs are all dropped must not be entered: pairs that may enter it are dropped as well, and so
        on.  What is left contains an occupancy exactly when :attr:`feasible`.
        """
        positive = sparse.csr_array(self.matrix < 0.0)
        while True:
            empty = np.bincount(self.state[keep], minlength=self.shape[0]) == 0
            pruned = keep & ~((positive @ empty.astype(np.float64)) > 0.0)
            if np.array_equal(pruned, keep):
                break
            keep = pruned
        return replace(
            self,
            matrix=self.matrix[np.flatnonzero(keep)],
            reward=self.reward[keep],
            state=self.state[keep],
            pair=self.pair[keep],
        )

    @property
    def feasible(self) -> bool:
        """Whether every state of the start law has a pair (after :meth:`restrict`: whether an occupancy exists)."""
        count = np.bincount(self.state, minlength=self.shape[0])
        return bool((count[self.start > 0.0] > 0).all())

    def reachable(self) -> BoolArray:
        """States, shape (S,), that carry mass under some occupancy: the start and what its pairs lead to."""
        rows, columns = self.matrix.nonzero()
        off = (self.state[rows] != columns) & (self.matrix.data != 0.0)
        source, target = self.state[rows[off]], columns[off]
        seen = self.start > 0.0
        while True:
            grown = seen.copy()
            grown[target[seen[source]]] = True
            if np.array_equal(grown, seen):
                return seen
            seen = grown

    def policy(self, d: FloatArray) -> FloatArray:
        """``d(s, a) / d(s)`` on the pairs, shape (N,), uniform over the admitted pairs of states without mass."""
        d = np.maximum(d, 0.0)
        mass = np.bincount(self.state, d, self.shape[0])
        count = np.bincount(self.state, minlength=self.shape[0])
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(mass[self.state] > 0.0, d / mass[self.state], 1.0 / count[self.state])

    def repair(self, d: FloatArray) -> FloatArray:
        """Occupancy (N,) of the policy of ``d``: one linear solve, negative rounding removed."""
        policy = self.policy(d)
        n_states = self.shape[0]
        mix = sparse.csr_array((policy, (self.state, np.arange(policy.size))), shape=(n_states, policy.size))
        empty = np.bincount(self.state, minlength=n_states) == 0
        system = mix @ self.matrix + sparse.diags_array(empty.astype(np.float64))  # I - gamma P_pi
        if n_states <= DENSE:
            states = np.linalg.solve(system.toarray().T, self.start)
        else:
            states = _solve_sparse(sparse.csr_array(system.T), self.start)
        return policy * np.maximum(states, 0.0)[self.state]

    def flow_residual(self, d: FloatArray) -> tuple[FloatArray, float]:
        """``B' d - (1 - gamma) mu_0``, shape (S,), and a bound on the rounding of its 1-norm."""
        transposed: Any = sparse.csr_array(self.matrix.T)
        residual = transposed @ d - self.start
        scale = np.abs(transposed) @ np.abs(d) + self.start
        rounding = float(_EPS * ((np.diff(transposed.indptr) + 4.0) * scale).sum())
        # entries of the matrix are differences from one: their rounding is not relative to their size
        return residual, rounding + 2.0 * _EPS * float(np.abs(d).sum())

    def spread(self, d: FloatArray) -> FloatArray:
        """Bound, shape (N,), on ``|d - d'|`` where ``d'`` is the exact occupancy of the policy of ``d >= 0``.

        The sum over the pairs of one state bounds the 1-norm of the whole difference.
        """
        residual, rounding = self.flow_residual(d)
        policy = self.policy(d)
        if self.margin <= 0.0:  # the discount is one within what rows may be off
            return np.where(policy > 0.0, np.inf, 0.0)
        off = (float(np.abs(residual).sum()) + rounding) * (1.0 + 4.0 * _EPS) / self.margin
        return np.asarray(policy * off * (1.0 + 8.0 * _EPS))

    def feasible_bound(
        self, d: FloatArray, data: FloatArray, divergence: FDivergence, strength: float
    ) -> tuple[float, float]:
        """``F(d)`` and a proven lower bound on ``F`` at the exact occupancy of the policy of ``d``.

        Parameters
        ----------
        d : ndarray, shape (N,)
            Non-negative, nearly an occupancy (from :meth:`repair`).
        data : ndarray, shape (N,)
            ``d_O``; where it vanishes, mass costs the recession slope of the generator.
        divergence : FDivergence
            Row of the table.
        strength : float
            ``alpha > 0``.

        Returns
        -------
        value, lower : float
        """
        off = self.spread(d)
        value = float(d @ self.reward) - strength * float(divergence.divergence(d, data))
        if not np.isfinite(off).all():
            return value, -np.inf
        high, low = d + off, np.maximum(d - off, 0.0)
        terms = _terms(d, data, divergence)
        worst = np.maximum(_terms(high, data, divergence), _terms(low, data, divergence))
        with np.errstate(invalid="ignore"):
            loss = np.where(
                (data == 0.0) & (d == 0.0), 0.0, worst - terms
            )  # such a pair is not played at all
        loss = strength * np.maximum(loss, 0.0) + off * np.abs(self.reward)
        lost = float(np.bincount(self.state, loss, self.shape[0]).max())
        # every term is a product or a logarithm of ratios: a few units in the last place of its parts
        with np.errstate(over="ignore"):
            parts = (np.abs(worst) + high + data) * (2.0 + _abs_log(high, data) + _abs_log(low, data))
        size = np.abs(d * self.reward).sum() + strength * parts.sum()
        rounding = _EPS * (d.size + 8.0) * float(size)
        lower = value - lost * (1.0 + 1e-12) - rounding if np.isfinite(lost) else -np.inf
        return value, lower

    def _slack(self, value: FloatArray) -> tuple[FloatArray, FloatArray]:
        """``R - BV`` and a bound on its rounding, the stored matrix included."""
        entries = np.diff(self.matrix.indptr) + 3.0
        error = _EPS * (entries * (np.abs(self.matrix) @ np.abs(value)) + 2.0 * np.abs(self.reward))
        error += 2.0 * _EPS * float(np.abs(value).max())  # the matrix: differences from one
        return self.reward - self.matrix @ value, error

    def lift(self, value: FloatArray, bound: float) -> FloatArray:
        """``V`` plus the least constant that surely brings ``R - BV`` below a bound, the edge of a domain.

        A constant lowers every residual by ``1 - gamma`` of itself.

        Parameters
        ----------
        value : ndarray, shape (S,)
            Any ``V``.
        bound : float
            ``alpha`` times the edge.

        Returns
        -------
        ndarray, shape (S,)
        """
        for _ in range(4):  # a larger V has more rounding
            residual, error = self._slack(value)
            excess = (
                float((residual + 4.0 * error + 8.0 * _EPS * (np.abs(residual) + abs(bound))).max()) - bound
            )
            if excess <= 0.0:
                break
            value = value + 1.1 * excess / (self.margin or 1.0)
        return value

    def dual_bound(
        self,
        value: FloatArray,
        data: FloatArray,
        divergence: FDivergence,
        strength: float,
        *,
        plain: bool = False,
    ) -> tuple[float, float, FloatArray]:
        """``g(V)``, a bound on the rounding of its evaluation, and the residual ``R - BV``.

        Parameters
        ----------
        value : ndarray, shape (S,)
            Any ``V``.
        data : ndarray, shape (N,)
            ``d_O``.
        divergence : FDivergence
            Row of the table.
        strength : float
            ``alpha > 0``.
        plain : bool
            Whether the plain conjugate is used, as if ``d`` could be negative.

        Returns
        -------
        objective, rounding : float
        residual : ndarray, shape (N,)
        """
        residual, delta_error = self._slack(value)
        y = residual / strength
        conjugate = divergence.plain_conjugate if plain else divergence.conjugate
        weight = divergence.plain_weight if plain else divergence.weight
        inside = data > 0.0
        with np.errstate(invalid="ignore"):
            terms = np.where(inside, data * conjugate(y), 0.0)
        objective = float(self.start @ value) + strength * float(terms.sum())
        # the conjugate is convex: its change is at most the larger slope at the ends, a little beyond delta_error
        width = delta_error / strength + 2.0 * _EPS * np.abs(y)
        with np.errstate(invalid="ignore", divide="ignore"):
            middle = np.abs(weight(y))
            ends = (
                np.nan_to_num(np.abs(weight(y + k * width)), nan=np.inf, posinf=np.inf) for k in (-2.0, 2.0)
            )
            slope = np.where(inside, np.maximum(*ends), 0.0)
            logs = np.where(inside & (middle > 0.0) & (middle < np.inf), np.abs(np.log(middle)), 0.0)
            rounding = strength * float(np.where(inside, data * slope * width, 0.0).sum())
        # mass where no data are: its price is the recession slope, which no reward may exceed
        if not plain and bool((~inside & (y + width > divergence.domain_upper)).any()):
            objective = np.inf
        sizes = strength * (np.abs(terms) + data) * (1.0 + logs)
        count = value.size + y.size + 6.0
        rounding += _EPS * count * (float(self.start @ np.abs(value)) + float(sizes.sum()))
        return objective, rounding, residual


def _solve_sparse(system: Any, right: FloatArray) -> FloatArray:
    """Krylov's method, refined until the residual stops to fall; a factorisation (which may fill up) where it fails."""
    found, residual = np.zeros(right.size), right
    while residual.any():
        size = float(np.linalg.norm(residual))  # the method's test for a breakdown is absolute
        with np.errstate(all="ignore"):
            step, info = bicgstab(system, residual / size, rtol=1e-8, maxiter=500)
        step = size * step
        if found.any() or (info == 0 and np.isfinite(step).all()):
            after = right - system @ (found + step)
            if not float(np.abs(after).sum()) < 0.5 * float(np.abs(residual).sum()):
                break
            found, residual = found + step, after
        else:
            return np.asarray(splu(sparse.csc_array(system)).solve(right))
    return found


def _terms(d: FloatArray, data: FloatArray, divergence: FDivergence) -> FloatArray:
    """``q f(d/q)`` per pair, with the recession slope where ``q = 0``."""
    return divergence.divergence(d[:, None], data[:, None])


def _abs_log(d: FloatArray, data: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        out = np.abs(np.log(d / data))
    return np.where(np.isfinite(out), out, 0.0)
