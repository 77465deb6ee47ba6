"""The residual loss of distribution correction by differences, and what rounding and truncation leave of them."""

from __future__ import annotations

import math

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims.tolerances import rounding
from mdplab.divergences import f_divergence
from proofs_check.dual_rl.dice_tasks import GradientTask

__all__ = ["difference", "residual", "rounding_of_weights"]

_STEP = 1e-6


def residual(task: GradientTask, value: FloatArray, ahead: FloatArray) -> FloatArray:
    """``R + gamma P V' - V`` with ``V'`` in the states that follow, shape (S, A)."""
    return np.asarray(
        task.mdp.reward + task.mdp.discount * task.mdp.expectation(ahead) - value[:, np.newaxis]
    )


def loss(task: GradientTask, delta: FloatArray) -> float:
    """``alpha <d_O, f*(delta / alpha)>``."""
    conjugate = f_divergence(task.divergence).conjugate(delta / task.strength)
    return task.strength * float((task.data * conjugate).sum())


def mass_size(task: GradientTask, value: FloatArray) -> float:
    """Total of ``d_O (1 + |w|) (1 + |delta / alpha|)``: the size of masses and of the terms of the loss over alpha."""
    y = residual(task, value, value) / task.strength
    return float((task.data * (1 + np.abs(f_divergence(task.divergence).weight(y))) * (1 + np.abs(y))).sum())


def rounding_of_weights(task: GradientTask, value: FloatArray) -> float:
    """Rounding of sums of weights: residuals off by u times their terms move them by 1/alpha."""
    terms = 2 + (2 * float(np.abs(value).max()) + float(np.abs(task.mdp.reward).max())) / task.strength
    return float(rounding(mass_size(task, value) * terms, task.data.size + 2 * value.size + 24))


def difference_error(task: GradientTask, value: FloatArray, moves: FloatArray, step: float) -> float:
    """Error of a central difference of the loss along residual changes ``moves`` (S, A) per unit of the step.

    KL: ``h^2 / 6`` times the third derivative ``sum D |move|^3 / alpha^2``, at most ``exp(h |move| / alpha)`` of that in the
    middle; chi-square: zero but for pairs whose corner lies on the stencil, whose slope changes by ``q move^2 h / (2 alpha)``;
    and rounding of two values over the step.
    """
    y, most = residual(task, value, value) / task.strength, float(np.abs(moves).max())
    if task.divergence == "kl":
        third = float((task.data * np.exp(y) * np.abs(moves) ** 3).sum()) / task.strength**2
        cut = step**2 / 6 * third * math.exp(step * most / task.strength)
    else:
        corner = np.abs(y + 2) <= 2 * step * np.abs(moves) / task.strength + 1e-12
        cut = step / (2 * task.strength) * float((task.data * moves**2 * corner).sum())
    return cut + task.strength * rounding_of_weights(task, value) / step


def difference(
    task: GradientTask, value: FloatArray, move: FloatArray, *, frozen: bool = False
) -> tuple[float, float]:
    """Central difference of the loss along a move of V, the targets moving too or frozen, and its error."""
    step = _STEP / max(1.0, float(np.abs(move).max()))
    still = 0.0 if frozen else 1.0
    ends = [
        loss(task, residual(task, value + k * step * move, value + still * k * step * move)) for k in (1, -1)
    ]
    moves = still * task.mdp.discount * task.mdp.expectation(move) - move[:, np.newaxis]
    return (ends[0] - ends[1]) / (2 * step), difference_error(task, value, np.asarray(moves), step)
