"""Rewards of points, and a law that may be moved among them at a transport cost; the same with normal laws on the line."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from mdplab._typing import FloatArray
from mdplab.instances import Draw
from mdplab.laws import Gaussian
from proofs_check.tilting.refit_instances import with_a_gap

__all__ = ["NormalProx", "ProxTask", "missing_point", "normal_prox", "plane_task", "prox_task"]


@dataclass(frozen=True, eq=False)
class ProxTask:
    """Move a law on finitely many points towards the better ones.

    Attributes
    ----------
    positions : ndarray, shape (k,) or (k, d)
        Distinct points.
    reward : ndarray, shape (k,)
        Their rewards.
    reference : ndarray, shape (k,)
        The law ``q_0`` that is moved.
    strength : float
        Strength ``b`` of the penalty.
    rival : ndarray, shape (k,)
        Any law on the points.
    """

    positions: FloatArray
    reward: FloatArray
    reference: FloatArray
    strength: float
    rival: FloatArray

    @property
    def squares(self) -> FloatArray:
        """Squared distances of the points, shape (k, k)."""
        places = self.positions.reshape(self.reward.size, -1)
        return np.asarray(((places[:, np.newaxis] - places) ** 2).sum(axis=2))


@dataclass(frozen=True, eq=False)
class NormalProx:
    """The same on the line with the reward ``-c/2 (x - a)^2``.

    Attributes
    ----------
    start : Gaussian
        The law ``q_0``.
    centre : float
        The best point ``a``.
    curvature : float
        ``c``, positive.
    strength : float
        ``b``, positive.
    """

    start: Gaussian
    centre: float
    curvature: float
    strength: float


def _task(draw: Draw, dimension: int) -> ProxTask:
    n = draw.integer(3, 7)
    positions = draw.normal(n) if dimension == 1 else draw.normal((n, dimension))
    reward, reference, rival = draw.normal(n), draw.weights(n, positive=True), draw.weights(n)
    task = ProxTask(positions, reward, reference, draw.log_number(math.exp(-2), math.exp(3)), rival)
    if (task.squares + np.eye(n) == 0).any():
        draw.reject("two points coincide")
    return task


def prox_task(draw: Draw) -> ProxTask:
    """3 to 7 points on the line; normal points and rewards, Dirichlet(1) laws, log-strength uniform on (-2, 3)."""
    return _task(draw, 1)


def plane_task(draw: Draw) -> ProxTask:
    """The same in the plane."""
    return _task(draw, 2)


def missing_point(draw: Draw) -> ProxTask:
    """A task whose law misses a point."""
    task = prox_task(draw)
    return replace(task, reference=with_a_gap(draw, task.reference))


def normal_prox(draw: Draw) -> NormalProx:
    """Normal mean and best point, log-normal deviation, curvature and strength."""
    start = Gaussian(float(draw.normal()), math.exp(float(draw.normal())))
    curvature, strength = np.exp(draw.normal(2))
    return NormalProx(start, float(draw.normal()), float(curvature), float(strength))
