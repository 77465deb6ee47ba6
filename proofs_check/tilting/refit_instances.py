"""Laws that are refitted again and again to reward-weighted samples: finite ones, with and without an anchor, and normal ones."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab._typing import FloatArray
from mdplab.instances import Draw
from mdplab.laws import Gaussian
from mdplab.operators import mirror_step

__all__ = [
    "AnchorTask",
    "NormalRefit",
    "RefitTask",
    "anchor_task",
    "misfitted_task",
    "normal_refit",
    "refit_task",
    "tied_task",
    "with_a_gap",
    "without_an_entry",
    "without_support",
]


@dataclass(frozen=True, eq=False)
class RefitTask:
    """Refit a law to its own samples, weighted.

    Attributes
    ----------
    reference : ndarray, shape (k,)
        The first law ``q_0``.
    log_weight : ndarray, shape (k,)
        ``log w``.
    rounds : int
        Number of rounds n, at least 1.
    rival : ndarray, shape (k,)
        Any law.
    misfit : float
        Share of the uniform law that every refit mixes in; 0 for an exact one.
    """

    reference: FloatArray
    log_weight: FloatArray
    rounds: int
    rival: FloatArray
    misfit: float = 0.0

    @cached_property
    def log_iterates(self) -> FloatArray:
        """``log q_0, ..., log q_n``, one round after another, shape (n + 1, k)."""
        with np.errstate(divide="ignore"):
            logs = [np.log(self.reference)]
        for _ in range(self.rounds):
            refitted = mirror_step(logs[-1], self.log_weight, step=1.0)
            if self.misfit:
                exact = (1 - self.misfit) * np.exp(refitted)
                refitted = np.log(exact + self.misfit / self.reference.size)
            logs.append(refitted)
        return np.array(logs)


@dataclass(frozen=True, eq=False)
class AnchorTask:
    """Refit with an anchor in every round: ``q^{1 - a} q_ref^a w``, normalised.

    Attributes
    ----------
    reference : ndarray, shape (k,)
        The anchor ``q_ref``.
    start : ndarray, shape (k,)
        The first law ``q_0``.
    log_weight : ndarray, shape (k,)
        ``log w``.
    pull : float
        The share ``a`` of the anchor, in (0, 1].
    penalty : ndarray, shape (k,)
        ``D``, a penalty of the samples that does not depend on the iterate.
    rounds : int
        Number of rounds, at least 1.
    """

    reference: FloatArray
    start: FloatArray
    log_weight: FloatArray
    pull: float
    penalty: FloatArray
    rounds: int = 5

    def after(self, log_law: FloatArray) -> FloatArray:
        """One round from a law given by its logarithms.

        Parameters
        ----------
        log_law : ndarray, shape (k,)
            The law.

        Returns
        -------
        ndarray, shape (k,)
        """
        anchor = np.log(self.reference)
        return np.asarray(mirror_step(log_law, self.log_weight, step=1.0, kappa=self.pull, log_magnet=anchor))

    @cached_property
    def log_iterates(self) -> FloatArray:
        """``log q_0, ..., log q_n``, shape (n + 1, k)."""
        logs = [np.log(self.start)]
        for _ in range(self.rounds):
            logs.append(self.after(logs[-1]))
        return np.array(logs)

    @cached_property
    def penalised(self) -> RefitTask:
        """The task without an anchor whose weights are ``w e^{-D}``."""
        return RefitTask(self.start, self.log_weight - self.penalty, self.rounds, self.reference)


@dataclass(frozen=True, eq=False)
class NormalRefit:
    """Refit a normal law with the weight ``exp(-(x - a)^2 / (2 b^2))``.

    Attributes
    ----------
    start : Gaussian
        The first law.
    centre, width : float
        ``a`` and ``b``, the latter positive.
    rounds : int
        Number of rounds, at least 1.
    """

    start: Gaussian
    centre: float
    width: float
    rounds: int


def refit_task(draw: Draw) -> RefitTask:
    """Sizes 2 to 7, Dirichlet(1) laws, standard normal log-weights, up to 30 rounds."""
    n = draw.integer(2, 7)
    reference = draw.weights(n, positive=True)
    return RefitTask(reference, draw.normal(n), draw.integer(1, 30), draw.weights(n))


def with_a_gap(draw: Draw, law: FloatArray) -> FloatArray:
    """A law conditioned on missing one of its entries."""
    gone = np.arange(law.size) == draw.integer(0, law.size - 1)
    kept = np.where(gone, 0.0, law)
    return np.asarray(kept / kept.sum())


def tied_task(draw: Draw) -> RefitTask:
    """A task some of whose entries share the largest weight."""
    task = refit_task(draw)
    tied = draw.boolean(0.4, task.reference.size)
    return replace(task, log_weight=np.where(tied, task.log_weight.max(), task.log_weight))


def without_an_entry(draw: Draw) -> RefitTask:
    """A task whose first law misses an entry."""
    task = refit_task(draw)
    return replace(task, reference=with_a_gap(draw, task.reference))


def misfitted_task(draw: Draw) -> RefitTask:
    """A task in which every refit mixes in up to a fifth of the uniform law."""
    return replace(refit_task(draw), misfit=draw.number(0.0, 0.2))


def anchor_task(draw: Draw) -> AnchorTask:
    """Sizes 2 to 7, Dirichlet(1) laws, standard normal log-weights, pull uniform on (.05, 1), penalties on (0, 1)."""
    n = draw.integer(2, 7)
    return AnchorTask(
        draw.weights(n, positive=True),
        draw.weights(n, positive=True),
        draw.normal(n),
        draw.number(0.05, 1.0),
        draw.uniform(0.0, 1.0, n),
    )


def without_support(draw: Draw) -> AnchorTask:
    """A task whose first law misses an entry."""
    task = anchor_task(draw)
    return replace(task, start=with_a_gap(draw, task.start))


def normal_refit(draw: Draw) -> NormalRefit:
    """Normal mean and centre, log-normal deviation and width, up to 30 rounds."""
    start = Gaussian(float(draw.normal()), math.exp(float(draw.normal())))
    return NormalRefit(start, float(draw.normal()), math.exp(float(draw.normal())), draw.integer(1, 30))
