"""Two-stage outcome models whose data carry a latent: all joint and conditional laws, as tables.

A table over trajectories is indexed by ``(a_0, o_0, a_1, o_1)``, one with the latent by ``(a_0, o_0, a_1, o_1, z)``.  Every
function is written with sums, products and quotients of positive numbers only: floats lose no relative accuracy, and
rationals in the place of the floats give the exact laws.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mdplab._typing import Array

__all__ = ["WHOLE", "LatentLaws", "behaviour", "conditioned", "label", "over", "run", "trajectory_law"]

WHOLE = (0, 1, 2, 3)
"""Axes of the trajectory in a table."""


class LatentLaws(NamedTuple):
    """The data of a task, floats or rationals.

    Attributes
    ----------
    law : ndarray, shape (S, A, O)
        Outcome laws of the environment.
    logged : ndarray, shape (S, A, O)
        Outcome laws in the data; those of the environment unless the behaviour saw the luck.
    successor : ndarray of int, shape (O,)
        Next state of each outcome.
    prior : ndarray, shape (Z,)
        ``rho``.
    first : ndarray, shape (Z, A)
        First decisions of the policies that made the data.
    second : ndarray, shape (Z, A, O, A)
        Second decisions, given the first step.
    noise : ndarray, shape (A, O, A, O, Z)
        What the label of a trajectory is mixed with.
    weight : number
        Weight of the noise.
    """

    law: Array
    logged: Array
    successor: Array
    prior: Array
    first: Array
    second: Array
    noise: Array
    weight: Array


def over(numerator: Array, denominator: Array, otherwise: Array | int = 0) -> Array:
    """Quotient, and ``otherwise`` where the denominator is zero."""
    numerator, denominator, filled = np.broadcast_arrays(numerator, denominator, otherwise)
    result = np.array(filled, dtype=np.result_type(numerator, denominator))
    possible = denominator != 0
    result[possible] = numerator[possible] / denominator[possible]
    return result


def behaviour(data: LatentLaws) -> tuple[Array, Array]:
    """First (A,) and second (A, O, A) decisions of the mixture of the policies over the posterior of ``z``."""
    joint = data.prior[:, np.newaxis] * data.first
    first = joint.sum(axis=0)
    posterior = over(joint, first)
    return first, (posterior[:, :, np.newaxis, np.newaxis] * data.second).sum(axis=0)


def label(data: LatentLaws) -> Array:
    """``q(z | trajectory)``: posterior of the policy that took the actions, mixed with the noise."""
    taken = data.prior * data.first.T
    weights = taken[:, np.newaxis, np.newaxis, :] * np.moveaxis(data.second, 0, -1)
    posterior = over(weights, weights.sum(axis=-1, keepdims=True))[:, :, :, np.newaxis, :]
    return np.asarray((1 - data.weight) * posterior + data.weight * data.noise)


def _environment(data: LatentLaws, law: Array) -> Array:
    """Probability of the two outcomes given the actions, from state 0."""
    return np.asarray(law[0][:, :, np.newaxis, np.newaxis] * law[data.successor])


def trajectory_law(data: LatentLaws) -> Array:
    """Joint law of trajectory and latent in the data."""
    first, second = behaviour(data)
    chosen = first[:, np.newaxis, np.newaxis] * second
    law = chosen[:, :, :, np.newaxis] * _environment(data, data.logged)
    return np.asarray(law[..., np.newaxis] * label(data))


def conditioned(data: LatentLaws, *, fallback: bool = True) -> tuple[Array, Array]:
    """First (A, Z) and second (A, O, A, Z) decisions ``p(a | h, z)``; the behaviour where they are undefined, or nothing."""
    first, second = behaviour(data)
    decided = trajectory_law(data).sum(axis=3)
    seen = decided.sum(axis=2)
    start = seen.sum(axis=1)
    otherwise = second[..., np.newaxis] if fallback else 0
    return (
        over(start, start.sum(axis=0), first[:, np.newaxis]),
        over(decided, seen[:, :, np.newaxis], otherwise),
    )


def run(data: LatentLaws, policy: tuple[Array, Array]) -> Array:
    """Law of the trajectories of the conditioned policies in the environment, one for each latent."""
    first, second = policy
    chosen = first[:, np.newaxis, np.newaxis] * second
    return np.asarray(chosen[:, :, :, np.newaxis] * _environment(data, data.law)[..., np.newaxis])
