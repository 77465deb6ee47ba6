"""Tasks about policies cloned from weighted data: classes of data, and one state with allowed actions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab._typing import BoolArray, FloatArray, IntArray
from mdplab.instances import Draw, full_support

__all__ = [
    "ClassTask",
    "FeasibleTask",
    "ball_task",
    "class_task",
    "feasible_task",
    "hopeless_task",
    "mirrored_task",
    "sparse_class_task",
    "three_class_task",
    "three_way_task",
    "wide_ball_task",
]


@dataclass(frozen=True, eq=False)
class ClassTask:
    """Counts of pairs by class of data, and the shares that the classes shall have.

    Attributes
    ----------
    counts : ndarray of int, shape (K, S, A)
        ``n_k(s, a)``.
    shares : ndarray, shape (K,)
        ``rho``.
    """

    counts: IntArray
    shares: FloatArray


def class_task(draw: Draw) -> ClassTask:
    """Three classes, 1 to 3 states, 2 or 3 actions, counts uniform on 1..19, shares Dirichlet(1)."""
    shape = (3, draw.integer(1, 3), draw.integer(2, 3))
    return ClassTask(draw.integers(1, 19, shape), draw.weights(3))


def sparse_class_task(draw: Draw) -> ClassTask:
    """As :func:`class_task` with counts of zero: a state or a class may have no data."""
    task = class_task(draw)
    return replace(task, counts=task.counts * draw.boolean(0.5, task.counts.shape))


def three_class_task() -> ClassTask:
    """One state, counts (8, 2), (1, 4), (20, 10), shares (.25, .5, .25)."""
    return ClassTask(np.array([[[8, 2]], [[1, 4]], [[20, 10]]]), np.array([0.25, 0.5, 0.25]))


def mirrored_task() -> ClassTask:
    """The state of :func:`three_class_task`, and its mirror image as a second state."""
    task = three_class_task()
    return replace(task, counts=np.concatenate([task.counts, task.counts[:, :, ::-1]], axis=1))


@dataclass(frozen=True, eq=False)
class FeasibleTask:
    """One state with a behaviour, reward advantages and feasibility values.

    Attributes
    ----------
    base : ndarray, shape (n,)
        ``pi_b``.
    advantage : ndarray, shape (n,)
        ``A``.
    feasibility : ndarray, shape (n,)
        ``Q_h``; an action is allowed where it is at most 0.
    temperature : float
        ``1 / alpha``.
    fraction : float
        Place of the radius between ``-log pi_b(allowed)`` and ``-log pi_b(best)``.
    """

    base: FloatArray
    advantage: FloatArray
    feasibility: FloatArray
    temperature: float
    fraction: float = 0.5

    @property
    def feasible(self) -> bool:
        """Whether some action is allowed."""
        return bool((self.feasibility <= 0).any())

    @property
    def allowed(self) -> BoolArray:
        """What may be taken: the allowed actions, or all where there is none."""
        return self.feasibility <= 0 if self.feasible else np.ones(self.base.size, dtype=bool)

    @property
    def score(self) -> FloatArray:
        """What is maximised."""
        return self.advantage if self.feasible else -self.feasibility

    @property
    def best(self) -> BoolArray:
        """The allowed actions of highest score."""
        return np.asarray(self.allowed & (self.score == self.score[self.allowed].max()))

    @cached_property
    def ends(self) -> tuple[float, float]:
        """``-log pi_b(allowed)`` and ``-log pi_b(best)``."""
        low, high = (float(-np.log(self.base[members].sum())) for members in (self.allowed, self.best))
        return low, high

    @property
    def radius(self) -> float:
        """``epsilon``."""
        low, high = self.ends
        return low + self.fraction * (high - low)


def _state(draw: Draw, feasible: bool) -> FeasibleTask:
    n = draw.integer(2, 5)
    base, score, risk = full_support(draw, (n,), mixture=0.1), draw.normal(n), draw.normal(n)
    if feasible and (risk > 0).all():
        risk[0] = -risk[0]
    return FeasibleTask(
        base, score, risk if feasible else np.abs(risk) + 1e-3, draw.log_number(10.0**-0.7, 10.0**0.5)
    )


def feasible_task(draw: Draw) -> FeasibleTask:
    """n in 2..5, base ``.9 Dirichlet(1) + .1 / n``, A and Q_h N(0, 1), one action allowed, alpha 10^U(-.5, .7)."""
    return _state(draw, feasible=True)


def hopeless_task(draw: Draw) -> FeasibleTask:
    """As :func:`feasible_task` with ``abs(Q_h) + .001``: no action is allowed."""
    return _state(draw, feasible=False)


def ball_task(draw: Draw) -> FeasibleTask:
    """A feasible or an infeasible state with two actions of different score; fraction .1, .5 or .9."""
    task = _state(draw, feasible=bool(draw.boolean(0.7)))
    if task.allowed.sum() < 2:
        risk = task.feasibility.copy()
        risk[:2] = -np.abs(risk[:2])
        task = replace(task, feasibility=risk)
    if np.ptp(task.score[task.allowed]) < 1e-3:
        draw.reject("one score")
    return replace(task, fraction=draw.choice((0.1, 0.5, 0.9)))


def wide_ball_task(draw: Draw) -> FeasibleTask:
    """As :func:`ball_task` with a radius from ``-log pi_b(best)`` on: fraction 1.1 to 3."""
    return replace(ball_task(draw), fraction=draw.number(1.1, 3.0))


def three_way_task() -> FeasibleTask:
    """Base (.5, .3, .2), A = (.1, .5, 2), the third action forbidden, alpha = 2."""
    return FeasibleTask(
        np.array([0.5, 0.3, 0.2]), np.array([0.1, 0.5, 2.0]), np.array([-1.0, -1.0, 1.0]), 0.5
    )
