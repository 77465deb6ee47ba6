"""Customised policies in balls when the prior comes from another discount."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.exact_customisation import Twin
from proofs_check.soft_residual.mismatch_instances import MismatchTask

if TYPE_CHECKING:
    from mdplab.exact import SoftControl


class MismatchTwin(Twin):
    """A task in exact numbers, the prior at its own discount.

    Parameters
    ----------
    task : MismatchTask
        The task in floats.
    """

    def __init__(self, task: MismatchTask) -> None:
        super().__init__(task)
        self.prior_discount = mdplab.exact.rational(task.prior_discount)

    @cached_property
    def prior(self) -> SoftControl:
        """Soft optimum of the inherent reward at the prior's discount."""
        model = replace(self.inherent, discount=self.prior_discount)
        return mdplab.exact.soft_control(model, temperature=self.prior_temperature)

    @property
    def bias(self) -> Array:
        """``omega (gamma_p - gamma) P V_p``."""
        later = self.inherent.transition @ self.prior.value
        return np.asarray(self.weight * (self.prior_discount - self.inherent.discount) * later)

    @property
    def log_residual(self) -> Array:
        """Log-probabilities of the residual solution."""
        return mdplab.exact.residual_control(
            self.inherent,
            self.addon.reward,
            self.prior.log_policy,
            prior_weight=self.prior_weight,
            temperature=self.temperature,
        ).log_policy


def residual_policy(task: MismatchTask) -> Array:
    """Policy of the residual fixed point."""
    return np.asarray(mdplab.exact.exp(MismatchTwin(task).log_residual))


def corrected_policy(task: MismatchTask) -> Array:
    """Soft optimum of the reward with the bias."""
    twin = MismatchTwin(task)
    model = replace(twin.full, reward=twin.full.reward + twin.bias)
    return np.asarray(
        mdplab.exact.exp(mdplab.exact.soft_control(model, temperature=twin.temperature).log_policy)
    )


def full_policy(task: MismatchTask) -> Array:
    """Soft optimum of the full task."""
    return np.asarray(mdplab.exact.exp(MismatchTwin(task).optimum.log_policy))


def norm(x: Array) -> Any:
    """Euclidean length of all entries."""
    return mdplab.exact.sqrt((x * x).sum())


def distance_from_shaping(task: MismatchTask) -> Any:
    """Least distance of the bias from ``Phi - gamma P Phi``, by the normal equations."""
    twin = MismatchTwin(task)
    n, size = twin.full.n_states, twin.full.reward.size
    own = np.repeat(mdplab.exact.identity(n), twin.full.n_actions, axis=0)
    shapes = mdplab.exact.ball(own - twin.full.discount * twin.full.transition.reshape(size, n))
    bias = twin.bias.ravel()
    return norm(bias - shapes @ mdplab.exact.solve(shapes.T @ shapes, shapes.T @ bias))


def distance_of_logs(task: MismatchTask) -> Any:
    """Temperature times the distance of the log-policies of the residual and of the full task."""
    twin = MismatchTwin(task)
    return twin.temperature * norm(twin.log_residual - twin.optimum.log_policy)
