"""Bellman backups in extended precision and their fixed points by Newton's method, for :func:`mdplab.solvers.verify`.

Plain array expressions that share no code with the kernels; a dense or sparse model stays what it is.  The error of a fixed
point is the residual over one minus the modulus of contraction; the rounding of the backups is for the caller to add.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse.linalg
from scipy import sparse

from mdplab._typing import Array, FloatArray
from mdplab.models.tabular import MDP
from mdplab.solvers.verify_algebra import EPS, WIDE

__all__ = ["Operator"]

_NEWTON = 60
_PATIENCE = 10
_FINE = 1e-15
"""A residual of this relative size that no longer halves is rounding."""


def _lookahead(mdp: MDP, reward: FloatArray, v: Array) -> Array:
    """``R + discount * P v`` in extended precision; a sparse kernel stays sparse, a dense one is taken by states."""
    transition: Any = mdp.transition
    if mdp.is_sparse:
        products = transition.data.astype(WIDE) * v[transition.indices]
        sums = np.concatenate(([WIDE(0)], np.cumsum(products)))
        expected = (sums[transition.indptr[1:]] - sums[transition.indptr[:-1]]).reshape(reward.shape)
    else:
        expected = np.array([(transition[s].astype(WIDE) * v).sum(axis=1) for s in range(mdp.n_states)])
    result: Array = reward.astype(WIDE) + WIDE(mdp.discount) * expected
    return result


def _aggregate(q: Array, bonus: FloatArray | None, temperature: float, available: Array | None) -> Array:
    """Maximum over available actions, or weighted log-sum-exp."""
    if bonus is None:
        values = q if available is None else np.where(available, q, -np.inf)
        return np.asarray(values.max(axis=-1))
    y = q + bonus.astype(WIDE)
    top = y.max(axis=-1, keepdims=True)
    total = np.exp((y - top) / WIDE(temperature)).sum(axis=-1)
    return np.asarray(top[..., 0] + WIDE(temperature) * np.log(total))


def _room(mdp: Any, *magnitudes: Any) -> float:
    """Rounding of one recomputed backup: operations of a row (the prefix sums of CSR run over all) times magnitude."""
    transition: Any = mdp.transition
    count = transition.nnz if not isinstance(transition, np.ndarray) else transition.shape[-1]
    largest = max(float(np.abs(m[np.isfinite(m)]).max(initial=0.0)) for m in map(np.asarray, magnitudes))
    return float(4 * EPS * (count + 4 * mdp.n_actions + 64) * largest)


Operator = Callable[[Array], tuple[Array, FloatArray]]
"""Backup of a value in extended precision, and the policy that it averages with."""


def _plain_solve(mdp: MDP, policy: FloatArray, right: FloatArray) -> FloatArray:
    """``(I - discount * P_policy)^{-1} right`` in double precision."""
    transition: Any = mdp.transition
    if not mdp.is_sparse:
        kernel = np.einsum("sa,sat->st", policy, transition)
        system = (np.eye(mdp.n_states) - mdp.discount * kernel).astype(float)
        return np.asarray(np.linalg.solve(system, right))
    pairs: Any = sparse.csr_array(transition.multiply(policy.reshape(-1, 1)))
    owner = np.repeat(np.arange(mdp.n_states), mdp.n_actions)
    pool: Any = sparse.csr_array((np.ones(owner.size), (owner, np.arange(owner.size))))
    matrix: Any = sparse.eye_array(mdp.n_states)
    matrix = matrix - mdp.discount * (pool @ pairs)
    return np.asarray(scipy.sparse.linalg.spsolve(sparse.csc_array(matrix), right), dtype=float)


def _fixed_point(
    mdp: MDP, operator: Operator, start: FloatArray, deviation: float = 0.0
) -> tuple[Array, float]:
    """Fixed point by Newton's method in extended precision, with its proven error but for the rounding of backups."""
    x = np.asarray(start, dtype=WIDE)
    best, size, stalled = x, np.inf, 0
    for _ in range(_NEWTON):
        backup, policy = operator(x)
        residual = backup - x
        found = float(np.abs(residual).max())
        stalled = 0 if found < 0.5 * size else stalled + 1
        # from far away the residual may grow before it falls
        if stalled and (stalled > _PATIENCE or size <= _FINE * float(np.abs(best).max())):
            break
        if found < size:
            best, size = x, found
        x = x + _plain_solve(mdp, policy, residual.astype(float))
    return best, size / (1.0 - mdp.discount * (1.0 + mdp.row_deviation + deviation))


def _optimality(mdp: MDP, reward: FloatArray, bonus: FloatArray | None, temperature: float) -> Operator:
    """Hard or soft optimality backup of the problem that was solved."""

    def operator(v: Array) -> tuple[Array, FloatArray]:
        q = _lookahead(mdp, reward, v)
        backup = _aggregate(q, bonus, temperature, mdp.available)
        if bonus is not None:
            return backup, np.exp((q + bonus - backup[:, np.newaxis]) / temperature).astype(float)
        values = q if mdp.available is None else np.where(mdp.available, q, -np.inf)
        return backup, np.eye(mdp.n_actions)[values.argmax(axis=1)]

    return operator


def _evaluation(mdp: MDP, reward: FloatArray, policy: Array, cost: Array) -> Operator:
    """Evaluation backup of a policy whose actions cost something."""
    rows = policy.astype(float)

    def operator(v: Array) -> tuple[Array, FloatArray]:
        entries = np.where(policy > 0, _lookahead(mdp, reward, v) - cost, 0)
        return np.asarray((policy * entries).sum(axis=1)), rows

    return operator
