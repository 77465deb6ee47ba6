"""Trees of histories with potentials and outcomes, and the turn rewards as a finite-horizon model of histories."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from mdplab._typing import BoolArray, FloatArray
from mdplab.instances import Draw, SeededDraw
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import shaping_rewards

__all__ = [
    "TreeTask",
    "calibrated",
    "calibrated_tree",
    "moving_model",
    "near_certain_tree",
    "one_turn",
    "stopping_tree",
    "tree_task",
    "two_turns",
]


@dataclass(frozen=True, eq=False)
class TreeTask:
    """A tree of histories: A actions and O observations a turn; node ``(i A + a) O + o`` follows node i.

    Histories are listed by length, the start first.

    Attributes
    ----------
    turns : int
        Number of turns T.
    potential : ndarray, shape (N,)
        ``Phi`` of all histories.
    outcome : ndarray, shape ((A O)^T,)
        Expected outcome of the leaves.
    observations : ndarray, shape (M, A, O)
        Laws of the observations after the histories that are no leaves.
    policy : ndarray, shape (M, A)
        Any policy.
    discount : float
        Discount of the turns where there is one.
    drift : float
        How much later models raise the potential of the histories of turn 1 on.
    stopped : ndarray of bool, shape (A O,), or None
        Histories of one turn after which nothing more is paid, the episode being over; None stands for none.
    """

    turns: int
    potential: FloatArray
    outcome: FloatArray
    observations: FloatArray
    policy: FloatArray
    discount: float
    drift: float = 0.0
    stopped: BoolArray | None = None

    @property
    def places(self) -> list[slice]:
        """Where the histories of each length are among all."""
        width = int(np.prod(self.observations.shape[1:]))
        ends = np.cumsum([0, *(width**t for t in range(self.turns + 1))])
        return [slice(int(a), int(b)) for a, b in pairwise(ends)]

    @property
    def potentials(self) -> list[FloatArray]:
        """``Phi`` of the histories of each length."""
        return [self.potential[place] for place in self.places]

    @cached_property
    def kernel(self) -> FloatArray:
        """Transitions between histories, shape (N, A, N); leaves stay."""
        total, n_actions = self.potential.size, self.policy.shape[1]
        kernel = np.zeros((total, n_actions, total))
        for here, there in pairwise(self.places):
            laws = self.observations[here]
            nodes = np.arange(here.start, here.stop)
            children = np.arange(there.start, there.stop).reshape(laws.shape)
            for a in range(n_actions):
                kernel[nodes[:, np.newaxis], a, children[:, a]] = laws[:, a]
        leaves = np.arange(self.places[-1].start, total)
        kernel[leaves, :, leaves] = 1.0
        return kernel

    def model(
        self,
        *,
        discount: float = 1.0,
        factor: float = 1.0,
        pays: bool = False,
        zero_end: bool = False,
        last: bool = True,
    ) -> FiniteHorizonMDP:
        """The turn rewards as a model: ``factor Phi(next) - Phi(here)`` each turn.

        Parameters
        ----------
        discount : float, default 1
            Discount of the turns.
        factor : float, default 1
            What multiplies the next potential.
        pays : bool, default False
            Whether the outcome is paid at the end.
        zero_end : bool, default False
            Whether the potential of the leaves counts as zero.
        last : bool, default True
            Whether the difference of the last turn is paid.

        Returns
        -------
        FiniteHorizonMDP
        """
        phi = self.potential + self.drift * (np.arange(self.potential.size) > 0)
        end = np.zeros(phi.size)
        leaves = self.places[-1]
        if zero_end:
            phi[leaves] = 0.0
        if pays:
            end[leaves] = self.outcome
        bare = FiniteHorizonMDP(self.kernel, np.zeros(self.kernel.shape[:2]), self.turns, discount)
        reward = shaping_rewards(bare, phi, factor=factor)
        if not last:
            reward[-1] = 0.0
        if self.stopped is not None:
            for t in range(1, self.turns):
                over = np.repeat(self.stopped, self.potentials[t].size // self.stopped.size)
                reward[:, self.places[t]][:, over] = 0.0
        return FiniteHorizonMDP(self.kernel, reward, self.turns, discount, end)

    def leaf_law(self, policy: FloatArray | None = None) -> FloatArray:
        """Probabilities of the leaves under a policy (M, A), by default the given one."""
        law, rows = np.ones(1), self.policy if policy is None else policy
        for place in self.places[:-1]:
            law = (
                law[:, np.newaxis, np.newaxis] * rows[place, :, np.newaxis] * self.observations[place]
            ).ravel()
        return law

    def along(self, t: int) -> FloatArray:
        """Potential of the history of t turns that each leaf goes through."""
        return np.repeat(self.potentials[t], self.outcome.size // self.potentials[t].size)


def tree_task(draw: Draw) -> TreeTask:
    """T in 1..3, A in {2, 3}, 2 observations, Dirichlet(1) laws, potentials and outcomes uniform, discount in [.3, .99]."""
    turns, n_actions, n_seen = draw.integer(1, 3), draw.choice((2, 3)), 2
    sizes = [(n_actions * n_seen) ** t for t in range(turns + 1)]
    total, inner = sum(sizes), sum(sizes[:-1])
    return TreeTask(
        turns,
        draw.uniform(0.0, 1.0, total),
        draw.uniform(0.0, 1.0, sizes[-1]),
        draw.weights((inner, n_actions, n_seen)),
        draw.weights((inner, n_actions)),
        draw.number(0.3, 0.99),
    )


def calibrated(task: TreeTask) -> TreeTask:
    """The task whose leaves have their potential as expected outcome."""
    return replace(task, outcome=task.potentials[-1])


def calibrated_tree(draw: Draw) -> TreeTask:
    """A calibrated task."""
    return calibrated(tree_task(draw))


def moving_model(draw: Draw) -> TreeTask:
    """A task whose potential is raised from turn 1 on, by up to .3."""
    return replace(tree_task(draw), drift=draw.number(0.01, 0.3))


def stopping_tree(draw: Draw) -> TreeTask:
    """A task of which some histories are over after one turn."""
    task = tree_task(draw)
    if task.turns == 1:
        draw.reject("an episode of one turn cannot end early")
    return replace(task, stopped=draw.boolean(0.5, task.potentials[1].size))


def one_turn() -> TreeTask:
    """Two answers: potentials .9 and .3 from .2, outcomes .5 and .8.

    Returns
    -------
    TreeTask
    """
    potential, outcome = np.array([0.2, 0.9, 0.3]), np.array([0.5, 0.8])
    return TreeTask(1, potential, outcome, np.ones((1, 2, 1)), np.array([[0.5, 0.5]]), 0.5)


def two_turns(discount: float = 0.5) -> TreeTask:
    """Two paths, calibrated: potentials .2, .7, .7 and .2, .3, .8; the second action changes nothing.

    Parameters
    ----------
    discount : float, default .5
        Discount of the turns.

    Returns
    -------
    TreeTask
    """
    potential = np.array([0.2, 0.7, 0.3, 0.7, 0.7, 0.8, 0.8])
    return TreeTask(2, potential, potential[3:], np.ones((3, 2, 1)), np.full((3, 2), 0.5), discount)


def near_certain_tree() -> TreeTask:
    """A random tree of three turns, discount .999, whose observations are certain up to 1e-12.

    Returns
    -------
    TreeTask
    """
    draw, rare = SeededDraw(3), 1e-12
    return TreeTask(
        3,
        draw.uniform(0.0, 1.0, 85),
        draw.uniform(0.0, 1.0, 64),
        np.broadcast_to([1 - rare, rare], (21, 2, 2)),
        draw.weights((21, 2)),
        0.999,
    )
