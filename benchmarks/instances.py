"""The models of the benchmark, as arrays: nothing here knows any solver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

__all__ = ["INSTANCES", "Arrays", "dense", "grid", "random_sparse"]


@dataclass(frozen=True)
class Arrays:
    """Kernel ``(S, A, S)`` or CSR ``(S*A, S)``, rewards ``(S, A)``, discount."""

    transition: Any
    reward: Any
    discount: float

    @property
    def is_sparse(self) -> bool:
        return not isinstance(self.transition, np.ndarray)

    @property
    def entries(self) -> int:
        return int(self.transition.nnz if self.is_sparse else self.transition.size)

    @property
    def kernel_bytes(self) -> int:
        if not self.is_sparse:
            return int(self.transition.nbytes)
        parts = (self.transition.data, self.transition.indices, self.transition.indptr)
        return sum(int(part.nbytes) for part in parts)


def dense(states: int, actions: int, discount: float, seed: int = 0) -> Arrays:
    """Uniform entries, normalised rows; rewards uniform on [0, 1]."""
    rng = np.random.default_rng(seed)
    kernel = rng.random((states, actions, states))
    kernel /= kernel.sum(axis=-1, keepdims=True)
    return Arrays(kernel, rng.random((states, actions)), discount)


def random_sparse(states: int, actions: int, successors: int, discount: float, seed: int = 0) -> Arrays:
    """Uniform successors with Dirichlet(1) probabilities; rewards uniform on [0, 1]."""
    rng = np.random.default_rng(seed)
    rows = states * actions
    columns = rng.integers(0, states, (rows, successors), dtype=np.int32)
    kernel = sparse.csr_array(
        (
            rng.dirichlet(np.ones(successors), rows).ravel(),
            columns.ravel(),
            np.arange(0, rows * successors + 1, successors, dtype=np.int32),
        ),
        shape=(rows, states),
    )
    kernel.sum_duplicates()
    kernel.data /= np.repeat(kernel.sum(axis=1), np.diff(kernel.indptr))
    return Arrays(kernel, rng.random((states, actions)), discount)


def grid(side: int, discount: float, slip: float = 0.2) -> Arrays:
    """Moves slip sideways; every step costs 1 until the absorbing goal in the corner."""
    states = np.arange(side * side)
    y, x = np.divmod(states, side)
    goes = np.stack(
        [
            np.clip(y + dy, 0, side - 1) * side + np.clip(x + dx, 0, side - 1)
            for dx, dy in ((0, -1), (1, 0), (0, 1), (-1, 0))
        ],
        axis=1,
    )
    goes[0] = 0
    columns = np.stack([goes, np.roll(goes, -1, axis=1), np.roll(goes, 1, axis=1)], axis=2)
    rows = 4 * side * side
    kernel = sparse.csr_array(
        (
            np.tile([1 - slip, slip / 2, slip / 2], rows),
            columns.ravel().astype(np.int32),
            np.arange(0, 3 * rows + 1, 3, dtype=np.int32),
        ),
        shape=(rows, side * side),
    )
    kernel.sum_duplicates()
    reward = np.full((side * side, 4), -1.0)
    reward[0] = 0.0
    return Arrays(kernel, reward, discount)


INSTANCES: dict[str, Callable[[], Arrays]] = {
    "dense 200x10, .99": lambda: dense(200, 10, 0.99),
    "dense 1000x20, .99": lambda: dense(1000, 20, 0.99),
    "sparse 1e4x10x10, .99": lambda: random_sparse(10_000, 10, 10, 0.99),
    "sparse 1e4x10x10, .999": lambda: random_sparse(10_000, 10, 10, 0.999),
    "sparse 1e5x5x5, .99": lambda: random_sparse(100_000, 5, 5, 0.99),
    "grid 100x100, .99": lambda: grid(100, 0.99),
    "grid 100x100, .999": lambda: grid(100, 0.999),
    "grid 300x300, .99": lambda: grid(300, 0.99),
    "grid 1000x1000, .9": lambda: grid(1000, 0.9),
}
