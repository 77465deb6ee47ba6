"""Gradient flows of two divergences in exact arithmetic, by the chain rule through the softmax and in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import mdplab
from mdplab._typing import Array

if TYPE_CHECKING:
    from proofs_check.preferences.tajwar2024_mode_seeking import TwoBins


class Read(NamedTuple):
    """Law ``p``, target ``q`` (rows that sum to exactly one; equal floats stay equal) and the two bins."""

    p: Array
    q: Array
    i: int
    j: int


def read(bins: TwoBins) -> Read:
    """The numbers of an instance."""
    return Read(mdplab.exact.laws(bins.probability), mdplab.exact.laws(bins.target), *bins.pair)


def descended(p: Array, slope: Array) -> Array:
    """Minus the softmax Jacobian ``diag(p) - p p'`` times the derivative of a divergence in ``p``."""
    return np.asarray(p * (p @ slope) - p * slope)


def covering_flow(bins: TwoBins) -> Array:
    """Velocities under ``kl(q, p)``, whose derivative in ``p`` is ``-q/p``, and their difference."""
    p, q, i, j = read(bins)
    velocity = descended(p, -q / p)
    return np.append(velocity, velocity[i] - velocity[j])


def covering_closed_form(bins: TwoBins) -> Array:
    """``q - p``, and ``q_i - q_j``."""
    p, q, i, j = read(bins)
    return np.append(q - p, q[i] - q[j])


def seeking_flow(bins: TwoBins) -> Array:
    """Velocities under ``kl(p, q)``, whose derivative in ``p`` is ``1 + log p/q``, and their difference."""
    p, q, i, j = read(bins)
    velocity = descended(p, 1 + mdplab.exact.log(p / q))
    return np.append(velocity, velocity[i] - velocity[j])


def seeking_closed_form(bins: TwoBins) -> Array:
    """``-p (log p/q - kl(p, q))``, and ``p log q_i/q_j`` with the mean mass of the bins."""
    p, q, i, j = read(bins)
    velocity = p * (mdplab.exact.kl(p, q) - mdplab.exact.log(p) + mdplab.exact.log(q))
    return np.append(velocity, (p[i] + p[j]) / 2 * mdplab.exact.log(q[i] / q[j]))


def covering_rate(bins: TwoBins) -> Any:
    """Rate of separation under ``kl(q, p)``, by the chain rule."""
    return abs(covering_flow(bins)[-1])


def seeking_rate(bins: TwoBins) -> Any:
    """Rate of separation under ``kl(p, q)``, in closed form."""
    return abs(seeking_closed_form(bins)[-1])


def sign(x: Any) -> Any:
    """1 or -1 where it is sure, else the ball from -1 to 1."""
    one = mdplab.exact.rational(1)
    if mdplab.exact.surely_above(x, 0):
        return one
    return -one if mdplab.exact.surely_above(0, x) else mdplab.exact.ball(-one).union(mdplab.exact.ball(one))


def faster_by_derivatives(bins: TwoBins) -> Any:
    """Sign of the difference of the two rates, by the chain rule."""
    return sign(abs(seeking_flow(bins)[-1]) - covering_rate(bins))


def faster_by_threshold(bins: TwoBins) -> Any:
    """Sign of ``p - LM(q_i, q_j)``."""
    p, q, i, j = read(bins)
    return sign((p[i] + p[j]) / 2 - (q[i] - q[j]) / mdplab.exact.log(q[i] / q[j]))
