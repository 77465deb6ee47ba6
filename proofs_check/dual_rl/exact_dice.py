"""Gradients of distribution correction in exact arithmetic."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.dual_rl.exact_programs import data_of, read

if TYPE_CHECKING:
    from proofs_check.dual_rl.dice_tasks import GradientTask
    from proofs_check.dual_rl.instances import OfflineTask


def mass_at(task: OfflineTask, value: Array, divergence: str) -> Array:
    """``d_O w((R - BV) / alpha)``, shape (S, A): rational for the chi-square, balls for the KL."""
    flow, (data, strength) = read(task), data_of(task)
    y = (flow.reward - mdplab.exact.multiply(flow.matrix, value)) / strength
    if divergence == "kl":
        weight = mdplab.exact.exp(y)
    else:
        weight = np.array([1 + t / 2 if t > -2 else mdplab.exact.rational(0) for t in y])
    return np.asarray(data * weight).reshape(task.mdp.reward.shape)


def gradients(task: GradientTask, value: Array) -> tuple[Array, Array]:
    """Forward and backward gradient in the values."""
    twin, mass = mdplab.exact.ExactMDP.of(task.mdp), mass_at(task, value, task.divergence)
    return -mass.sum(axis=1), twin.discount * (mass[..., np.newaxis] * twin.transition).sum(axis=(0, 1))


def tabular(task: GradientTask) -> tuple[Array, Array]:
    """Both gradients at the value."""
    return gradients(task, np.asarray(mdplab.exact.rational(task.value)))


def linear(task: GradientTask) -> tuple[Array, Array]:
    """Both gradients in the coefficients of the features."""
    features = np.asarray(mdplab.exact.rational(task.features))
    value = mdplab.exact.multiply(features, mdplab.exact.rational(task.coefficients))
    forward, backward = gradients(task, value)
    return mdplab.exact.multiply(features.T, forward), mdplab.exact.multiply(features.T, backward)


def inner_product(task: GradientTask) -> Any:
    """``g_f . g_b``."""
    forward, backward = tabular(task)
    return (forward * backward).sum()


def zero(task: GradientTask) -> Any:
    """Zero."""
    return mdplab.exact.rational(0)


def conflict(task: GradientTask) -> Any:
    """Whether ``g_f . g_b < 0`` surely."""
    return mdplab.exact.rational(int(bool(inner_product(task) < 0)))


def mass_meets_inflow(task: GradientTask) -> Any:
    """Whether a state has mass and inflow, by products of the two."""
    mass = mass_at(task, np.asarray(mdplab.exact.rational(task.value)), task.divergence)
    busy = np.array([[bool(d > 0) for d in row] for row in mass])
    inflow = (np.asarray(task.mdp.transition)[busy] > 0).any(axis=0)
    return mdplab.exact.rational(int((inflow & busy.any(axis=1)).any()))


def projected(forward: Array, backward: Array) -> Array:
    """``g_b - c g_f``."""
    return np.asarray(backward - (forward * backward).sum() / (forward * forward).sum() * forward)


def along_forward(task: GradientTask) -> Any:
    """``(g_f + eta g_perp) . g_f``."""
    forward, backward = tabular(task)
    return ((forward + mdplab.exact.rational(task.scale) * projected(forward, backward)) * forward).sum()


def forward_square(task: GradientTask) -> Any:
    """``|g_f|^2``."""
    mass = mass_at(task, np.asarray(mdplab.exact.rational(task.value)), task.divergence)
    return (mass.sum(axis=1) ** 2).sum()


def slopes(task: GradientTask) -> list[Any]:
    """Slope of the true loss along the step at 1.01 of the threshold, and minus that at .99 of it."""
    forward, backward = linear(task)
    rest = projected(forward, backward)
    semi, square = (forward * (forward + backward)).sum(), (rest * rest).sum()
    if semi > 0:
        return [-semi, -semi]
    threshold, share = -semi / square, mdplab.exact.rational(0.01)
    full = forward + backward
    high, low = ((full * (forward + (1 + s) * threshold * rest)).sum() for s in (share, -share))
    return [-high, low]


def no_slopes(task: GradientTask) -> list[Any]:
    """Zero, twice."""
    return [mdplab.exact.rational(0)] * 2
