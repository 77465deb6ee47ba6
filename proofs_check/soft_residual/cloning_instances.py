"""Cloning tasks: an expert in a finite horizon, a number of demonstrations, and the sums over all data sets.

A cloned policy depends on the data through counts, and each count is binomial: the mean divergence is a sum over states,
stages and counts.  Small tasks list all data sets as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import rounding
from mdplab.enumeration import Trajectories, enumerate_trajectories, iid_counts
from mdplab.instances import Draw, full_support, horizon_mdps, three_state_demonstrations
from mdplab.laws import log_binomial
from mdplab.models import FiniteHorizonMDP, LoggedDataset
from mdplab.operators import stage_laws
from proofs_check.soft_residual.demonstration_instances import demonstration_task

__all__ = [
    "CloningTask",
    "cloning_task",
    "four_pairs",
    "interior_task",
    "mean_error",
    "small_task",
    "three_states",
]


def mean_error(values: FloatArray, probability: float) -> float:
    """Rounding of :func:`mdplab.laws.binomial_expectation`, values good to two units.

    The logarithm of a weight is that of the coefficient less two positive terms; so its terms sum up to twice the one
    of the coefficient less itself.  Weights are divided by their sum: only deviations from the mean count.

    Parameters
    ----------
    values : ndarray, shape (N + 1,)
        The function of the count.
    probability : float
        In [0, 1].

    Returns
    -------
    float
    """
    count = values.size - 1
    logs = log_binomial(count, probability)
    possible = logs > -np.inf
    logs = np.where(possible, logs, 0.0)
    weights = np.where(possible, np.exp(logs), 0.0)
    terms = 2 * (log_binomial(count, 0.5) + count * np.log(2.0)) - logs
    centre = float(weights @ values)
    moved = float(weights @ ((3 * terms + 6) * np.abs(values - centre)))
    return float(rounding(moved, 1) + rounding(float(weights @ np.abs(values)), 5))


@dataclass(frozen=True, eq=False)
class CloningTask:
    """Add-one cloning of an expert from independent trajectories.

    Attributes
    ----------
    mdp : FiniteHorizonMDP
        Undiscounted, with a start law.
    expert : ndarray, shape (H, S, A)
        A Markov policy.
    count : int
        Number N of trajectories.
    weight : float
        The weight ``lambda`` of the divergence in the regularised problem of the learner.
    """

    mdp: FiniteHorizonMDP
    expert: FloatArray
    count: int
    weight: float = 1.0

    @cached_property
    def state_laws(self) -> FloatArray:
        """Law of the expert's state at every stage, shape (H, S)."""
        return np.asarray(np.minimum(stage_laws(self.mdp, self.expert)[:-1], 1.0))

    @property
    def sweep_error(self) -> float:
        """Relative error of the laws: sums and products of positive numbers, stage by stage; and of rows that miss one."""
        states, actions = self.mdp.n_states, self.mdp.n_actions
        return float(rounding(1.0, (self.mdp.horizon + 1) * (states * actions + states + actions + 8)))

    @cached_property
    def log_expert(self) -> FloatArray:
        """Log-probabilities of the expert."""
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(self.expert))

    @cached_property
    def closed_bound(self) -> float:
        """``S (A - 1) H / (N + 1)``."""
        return self.mdp.n_states * (self.mdp.n_actions - 1) * self.mdp.horizon / (self.count + 1)

    # --- all data sets of a small task ------------------------------------------------------------------------------

    @cached_property
    def paths(self) -> Trajectories:
        """All trajectories of the expert."""
        return enumerate_trajectories(self.mdp, self.expert)

    @cached_property
    def data_sets(self) -> tuple[LoggedDataset, FloatArray, FloatArray]:
        """What can be seen in a trajectory, how often each is in a data set ``(M, T)``, and the law of data sets ``(M,)``.

        The state after the last action tells nothing of the expert: trajectories that differ there only are one.
        """
        seen = np.concatenate((self.paths.states[:, :-1], self.paths.actions), axis=1)
        different, number = np.unique(seen, axis=0, return_inverse=True)
        law = np.bincount(number.ravel(), self.paths.probability)
        counts, chance = iid_counts(law, self.count)
        states, actions = np.split(different, 2, axis=1)
        all_seen = LoggedDataset(
            np.pad(states, ((0, 0), (0, 1))),
            actions,
            np.zeros(actions.shape),
            n_states=self.mdp.n_states,
            n_actions=self.mdp.n_actions,
        )
        return all_seen, counts.astype(float), chance

    def cloned_policies(self, smoothing: float = 1.0) -> FloatArray:
        """The cloned policy of every data set, uniform where nothing was seen; shape (M, H, S, A)."""
        seen, counts, _ = self.data_sets
        uniform = np.full(self.mdp.n_actions, 1 / self.mdp.n_actions)
        return np.array(
            [
                seen.reweighted(row).empirical_policy(smoothing=smoothing, by_stage=True, default=uniform)
                for row in counts
            ]
        )


def cloning_task(draw: Draw) -> CloningTask:
    """S in 2..4, A in 2..3, H in 1..4, Dirichlet kernels and experts, up to 24 trajectories."""
    task = demonstration_task(draw)
    return CloningTask(task.mdp, task.expert, draw.integer(1, 24))


def small_task(draw: Draw) -> CloningTask:
    """S = A = 2, H in 1..2, one or two trajectories: at most 136 data sets."""
    mdp = horizon_mdps(
        draw,
        states=(2, 2),
        actions=(2, 2),
        horizon=(1, 2),
        kernel="dense",
        concentration=(1.0,),
        reward="unit",
        staged=True,
    )
    expert = draw.weights((mdp.horizon, 2, 2))
    return CloningTask(mdp, expert, draw.integer(1, 2), draw.log_number(np.exp(-3.0), np.exp(1.0)))


def interior_task(draw: Draw) -> CloningTask:
    """S = A = 2, H in 1..2, at least a quarter of the mass everywhere: the limit of many demonstrations sets in early."""
    horizon = draw.integer(1, 2)
    kernel = full_support(draw, (horizon, 2, 2, 2), mixture=0.5)
    start = full_support(draw, 2, mixture=0.5)
    mdp = FiniteHorizonMDP(kernel, np.zeros((2, 2)), horizon, initial=start)
    return CloningTask(mdp, full_support(draw, (horizon, 2, 2), mixture=0.5), 1)


def three_states(count: int, *, deterministic: bool = False) -> CloningTask:
    """D3 with its expert, or with the one that takes the actions 0, 1, 1 in the states 0, 1, 2."""
    mdp, _, expert = three_state_demonstrations()
    sure = np.broadcast_to(np.eye(2)[[0, 1, 1]], expert.shape)
    return CloningTask(mdp, sure if deterministic else expert, count)


def four_pairs(slip: float | None = None) -> CloningTask:
    """Two states, two actions, two stages, three trajectories: 816 data sets; with ``slip``, an almost sure expert."""
    kernel = np.array([[[6, 4], [1, 9]], [[5, 5], [8, 2]]]) / 10
    expert = np.array([[[7, 3], [2, 8]], [[9, 1], [4, 6]]]) / 10
    if slip is not None:
        expert = np.where(expert > 0.5, 1 - slip, slip)
    mdp = FiniteHorizonMDP(kernel, [[1.0, 0.0], [0.3, 0.6]], 2, initial=[0.6, 0.4])
    return CloningTask(mdp, expert, 3, 0.2)
