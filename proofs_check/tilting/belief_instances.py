"""Beliefs about a label: a prior with likelihoods, and the exclusive-or of two bits that can be asked for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab._typing import FloatArray
from mdplab.instances import Draw
from mdplab.laws import log_posterior

__all__ = ["BeliefTask", "HintTask", "belief_task", "exchanged", "hint_task", "misled"]


@dataclass(frozen=True, eq=False)
class BeliefTask:
    """A label, an observation of it, and the likelihoods with which beliefs are updated.

    Attributes
    ----------
    prior : ndarray, shape (K,)
        Law ``p`` of the label.
    likelihood : ndarray, shape (K, M)
        True law ``L(o | a)`` of the observation.
    believed : ndarray, shape (K, M), or None
        Likelihoods with which the posterior is computed; None stands for the true ones.
    """

    prior: FloatArray
    likelihood: FloatArray
    believed: FloatArray | None = None

    @cached_property
    def log_posterior(self) -> FloatArray:
        """``log p(a | o)`` of the beliefs, shape (K, M)."""
        return log_posterior(self.prior, self.likelihood if self.believed is None else self.believed)

    @property
    def evidence(self) -> FloatArray:
        """True law of the observation, the truth not fixed."""
        return np.asarray(self.prior @ self.likelihood)


def belief_task(draw: Draw) -> BeliefTask:
    """K in 2..5 labels with a Dirichlet(1) prior, M in 2..5 observations with Dirichlet(.5) rows."""
    labels, observations = draw.integer(2, 5), draw.integer(2, 5)
    return BeliefTask(draw.weights(labels), draw.weights((labels, observations), 0.5))


def exchanged(task: BeliefTask, first: int = 0, second: int = 1) -> BeliefTask:
    """The same task, believed with two observations exchanged."""
    order = np.arange(task.likelihood.shape[1])
    order[[first, second]] = second, first
    return replace(task, believed=task.likelihood[:, order])


def misled(draw: Draw) -> BeliefTask:
    """A task of the family, believed with the first two observations exchanged."""
    return exchanged(belief_task(draw))


@dataclass(frozen=True, eq=False)
class HintTask:
    """The exclusive-or ``y`` of two fair bits; a turn asks for a bit or for a hint that equals y with some probability.

    Attributes
    ----------
    edge : float
        Accuracy of a hint less one half, in (0, 1/2); errors are independent.
    """

    edge: float

    @property
    def labels(self) -> FloatArray:
        """Indicator of the label in each of the worlds (b1, b2) = 00, 01, 10, 11, shape (2, 4)."""
        return np.array([[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 1.0, 0.0]])

    @property
    def queries(self) -> FloatArray:
        """Probability of each answer in each world: the first bit, the second bit, a hint, shape (3, 4, 2)."""
        ones = np.array([[0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0]], dtype=float)
        ones[2] = 0.5 + self.edge * (2 * ones[2] - 1)
        return np.stack((1 - ones, ones), axis=-1)


def hint_task(draw: Draw) -> HintTask:
    """Hints of accuracy one half plus an edge between .001 and .49, log-uniform."""
    return HintTask(draw.log_number(1e-3, 0.49))
