"""Tasks about gradients of distribution correction: a residual loss at a point, in tabular form and with features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.instances import Draw, two_state_mdp
from mdplab.models import MDP
from mdplab.operators import DiceGradient, dice_gradient
from proofs_check.dual_rl.instances import OfflineTask, offline_mdp, offline_task, two_state_task
from proofs_check.dual_rl.policy_tasks import pairs_of

__all__ = [
    "FixedPointTask",
    "GradientTask",
    "chain_task",
    "corner_task",
    "fixed_point_task",
    "gradient_task",
    "holed_gradient_task",
    "two_state_fixed_point",
    "two_state_gradient",
]


@dataclass(frozen=True, eq=False)
class GradientTask(OfflineTask):
    """A residual loss, values and coefficients of features at which its gradients are taken.

    Attributes
    ----------
    divergence : str
        Row of the table of divergences.
    value : ndarray, shape (S,)
        ``V`` of the tabular form.
    features : ndarray, shape (S, n)
        ``Phi``.
    coefficients : ndarray, shape (n,)
        ``theta``.
    scale : float
        ``eta``, of the projected step.
    """

    divergence: str
    value: FloatArray
    features: FloatArray
    coefficients: FloatArray
    scale: float

    @property
    def tabular(self) -> DiceGradient:
        """The gradients in the values."""
        return dice_gradient(
            self.mdp, self.data, self.value, divergence=self.divergence, strength=self.strength
        )

    @property
    def linear(self) -> DiceGradient:
        """The gradients in the coefficients."""
        return dice_gradient(
            self.mdp,
            self.data,
            self.coefficients,
            divergence=self.divergence,
            strength=self.strength,
            features=self.features,
        )


def _at_a_point(draw: Draw, task: OfflineTask) -> GradientTask:
    return GradientTask(
        task.mdp,
        task.data,
        draw.log_number(10.0**-0.5, 10.0**0.5),
        draw.choice(("kl", "chi-square")),
        draw.normal(task.mdp.n_states),
        draw.normal((task.mdp.n_states, 3)),
        draw.normal(3),
        draw.log_number(0.1, 10.0),
    )


def gradient_task(draw: Draw) -> GradientTask:
    """Generator G with data, strength 10^U(-.5, .5), KL or chi-square, V, three features and theta N(0, 1), eta 10^U(-1, 1)."""
    return _at_a_point(draw, offline_task(draw))


def holed_gradient_task(draw: Draw) -> GradientTask:
    """As :func:`gradient_task` with one successor a pair and data on each pair with probability 1/3, one at least."""
    mdp = offline_mdp(draw)
    pairs = pairs_of(mdp)
    following = draw.integers(0, mdp.n_states - 1, pairs)
    weights = draw.weights(pairs[0] * pairs[1], positive=True).reshape(pairs) * draw.boolean(1 / 3, pairs)
    weights.flat[draw.integer(0, weights.size - 1)] += 0.1
    sure = MDP(np.eye(mdp.n_states)[following], mdp.reward, mdp.discount, mdp.initial)
    return _at_a_point(draw, OfflineTask(sure, weights / weights.sum(), 1.0))


def two_state_gradient(divergence: str = "chi-square") -> GradientTask:
    """M2 at strength 1 and V = (5, 6), the features the states themselves."""
    task = two_state_task(1.0)
    value = np.array([5.0, 6.0])
    return GradientTask(task.mdp, task.data, 1.0, divergence, value, np.eye(2), value, 1.0)


def corner_task() -> GradientTask:
    """M2 with the total variation and V = (7, 7), where the conjugate has a kink at the first pair."""
    seven = np.full(2, 7.0)
    mdp = two_state_mdp()
    reward = np.array(
        [[0.25, 0.0], [0.5, 0.5]]
    )  # at discount 3/4: residuals -1.5, -1.75, -1.25, -1.25, exactly
    exact = MDP(mdp.transition, reward, 0.75, mdp.initial)
    base = replace(two_state_gradient("total-variation"), mdp=exact, value=seven, coefficients=seven)
    return replace(base, strength=3.0)


def chain_task(*features: tuple[float, ...]) -> GradientTask:
    """Two states, one action, 0 to 1 to 1, rewards 1 and 0, data at 0; by default one feature (1, 2); theta = 0, chi-square."""
    mdp = MDP([[[0.0, 1.0]], [[0.0, 1.0]]], [[1.0], [0.0]], 0.9, [1.0, 0.0])
    data = np.array([[1.0], [0.0]])
    table = np.array(features or ((1.0,), (2.0,)))
    return GradientTask(mdp, data, 1.0, "chi-square", np.zeros(2), table, np.zeros(table.shape[1]), 1.0)


@dataclass(frozen=True, eq=False)
class FixedPointTask(OfflineTask):
    """Data and strength of a KL divergence, and coefficients of the projected gradient.

    Attributes
    ----------
    scales : ndarray, shape (K,)
        ``eta``.
    """

    scales: FloatArray

    @property
    def marginal(self) -> FloatArray:
        """``q(s)``, shape (S,)."""
        return np.asarray(self.data.sum(axis=1))

    @property
    def behaviour(self) -> FloatArray:
        """The policy of the data, shape (S, A)."""
        return np.asarray(self.data / self.marginal[:, np.newaxis])

    @property
    def restarted(self) -> OfflineTask:
        """The task with the marginal of the data as start law."""
        start = self.marginal / self.marginal.sum()
        return OfflineTask(self.mdp.replace(initial=start), self.data, self.strength)

    @cached_property
    def fixed_points(self) -> list[solvers.DiceSolution]:
        """Where orthogonal-gradient updates rest, for each scale."""
        return [
            solvers.dice_fixed_point(self.mdp, self.data, strength=self.strength, scale=float(scale))
            for scale in self.scales
        ]


def fixed_point_task(draw: Draw) -> FixedPointTask:
    """Generator G with data, strength U(.3, 1), two scales 10^U(-1, 1)."""
    task = offline_task(draw)
    return FixedPointTask(task.mdp, task.data, draw.number(0.3, 1.0), draw.log_uniform(0.1, 10.0, 2))


def two_state_fixed_point(*scales: float) -> FixedPointTask:
    """M2 at strength .5, by default with the scales .5, 1 and 2."""
    task = two_state_task(0.5)
    return FixedPointTask(task.mdp, task.data, 0.5, np.array(scales or (0.5, 1.0, 2.0)))
