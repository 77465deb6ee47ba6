"""Tasks about KL objectives: a customisation task with a policy to be judged, the cone program as a cached property."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdplab._typing import FloatArray
from mdplab.convex import ProgramSolution, conic_entropy_occupancy_program
from mdplab.instances import (
    Draw,
    dirichlet_mdp,
    mdps,
    random_logits,
    three_state_addon_reward,
    three_state_mdp,
)
from mdplab.models import MDP
from mdplab.operators import log_tilt
from proofs_check.soft_residual.instances import CustomisationTask

__all__ = ["KLTask", "kl_task", "random_kl_task", "sparse_kl_task", "three_state_kl_task"]


@dataclass(frozen=True, eq=False)
class KLTask(CustomisationTask):
    """A customisation task read as a KL objective: coefficient ``omega'``, entropy coefficient the rest.

    Attributes
    ----------
    logits : ndarray, shape (S, A)
        Logits of the policy ``mu`` at which the objective is evaluated.
    """

    logits: FloatArray

    @property
    def kl_weight(self) -> float:
        """The KL coefficient ``beta``."""
        return self.prior_weight

    @property
    def entropy_weight(self) -> float:
        """The entropy coefficient ``eta``, of either sign."""
        return self.temperature - self.prior_weight

    @property
    def log_policy(self) -> FloatArray:
        """Log-probabilities of ``mu``."""
        return np.asarray(log_tilt(self.logits))

    @cached_property
    def conic(self) -> ProgramSolution:
        """Optimum of the objective over occupancies, by a cone solver."""
        return conic_entropy_occupancy_program(
            self.mdp.replace(reward=self.residual_reward),
            prior_log=self.prior.log_policy,
            kl_weight=self.kl_weight,
            entropy_weight=self.entropy_weight,
        )


def kl_task(mdp: MDP, addon: FloatArray, logits: FloatArray, alpha: float, beta: float, eta: float) -> KLTask:
    """The task with prior temperature ``alpha``, KL coefficient ``beta`` and entropy coefficient ``eta``."""
    return KLTask(mdp, addon, alpha, beta + eta, beta / alpha, logits)


def random_kl_task(draw: Draw, states: tuple[int, int] = (2, 6)) -> KLTask:
    """beta in (.1, 2), eta in (-.6 beta, 1), alpha in (.2, 2); the model as for customisation."""
    return _judged(draw, dirichlet_mdp(draw, states=states))


def _judged(draw: Draw, mdp: MDP) -> KLTask:
    addon = draw.normal((mdp.n_states, mdp.n_actions))
    logits = random_logits(draw, mdp.n_states, mdp.n_actions)
    alpha, beta = draw.number(0.2, 2.0), draw.number(0.1, 2.0)
    return kl_task(mdp, addon, logits, alpha, beta, draw.number(-0.6 * beta, 1.0))


def three_state_kl_task(eta: float) -> KLTask:
    """The three-state task at beta = .6."""
    logits = np.array([[0.3, -0.2], [-0.5, 0.4], [0.1, 0.6]])
    return kl_task(three_state_mdp(), three_state_addon_reward(), logits, 0.5, 0.6, eta)


def sparse_kl_task(draw: Draw) -> KLTask:
    """A small random task from one state on, with few successors or absorbing states."""
    mdp = mdps(
        draw,
        states=(2, 4),
        actions=(2, 4),
        kernel=("sparse", "absorbing"),
        reward="normal",
        discount=(0.3, 0.97),
        start="state",
    )
    return _judged(draw, mdp)
