"""Features that solve the Bellman equation in rationals, and both sides of the bound of their inner products."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array

if TYPE_CHECKING:
    from proofs_check.distributional.he2024_beer import FeatureTask


def solved_exactly(task: FeatureTask) -> tuple[Array, Array, Array, Any]:
    """Features corrected in rationals, expected next features, squared rewards over |w|^2, discount."""
    twin, w = mdplab.exact.ExactMDP.of(task.mdp), mdplab.exact.rational(task.weights)
    q = mdplab.exact.policy_evaluation(twin, task.policy).q
    features = mdplab.exact.rational(task.features)
    square = (w * w).sum()
    features = features + (q - (features * w).sum(axis=-1))[..., np.newaxis] * w / square
    mean = (mdplab.exact.laws(task.policy)[..., np.newaxis] * features).sum(axis=1)
    following = (twin.transition[..., np.newaxis] * mean).sum(axis=2)
    d = task.weights.size
    return features.reshape(-1, d), following.reshape(-1, d), twin.reward.ravel() ** 2 / square, twin.discount


def inner(task: FeatureTask) -> Any:
    """Inner products."""
    rows, following, _, _ = solved_exactly(task)
    return (rows * following).sum(axis=1)


def bound(task: FeatureTask) -> Any:
    """The bound."""
    rows, following, reward, discount = solved_exactly(task)
    return ((rows * rows).sum(axis=1) + discount**2 * (following * following).sum(axis=1) - reward) / (
        2 * discount
    )


def norms(task: FeatureTask) -> Any:
    rows, following, _, _ = solved_exactly(task)
    return mdplab.exact.sqrt((rows * rows).sum(axis=1) * (following * following).sum(axis=1))


def cosine(task: FeatureTask) -> Any:
    """Cosine similarities."""
    return inner(task) / norms(task)


def cosine_bound(task: FeatureTask) -> Any:
    """The bound over both norms."""
    return bound(task) / norms(task)


def slack(task: FeatureTask) -> Any:
    """Bound minus inner product."""
    return bound(task) - inner(task)


def distance(task: FeatureTask) -> Any:
    """Squared distance from the line of w, over 2 gamma, by the orthogonal part of each vector."""
    rows, following, _, discount = solved_exactly(task)
    step, w = rows - discount * following, mdplab.exact.rational(task.weights)
    off = step - ((step * w).sum(axis=1) / (w * w).sum())[:, np.newaxis] * w
    return (off * off).sum(axis=1) / (2 * discount)
