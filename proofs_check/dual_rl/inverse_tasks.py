"""Tasks of inverse soft control: action values with potentials, experts to be imitated, laws of token sequences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdplab._typing import FloatArray
from mdplab.instances import Draw, full_support, token_tree, two_state_behaviour, two_state_mdp
from mdplab.models import FiniteHorizonMDP
from proofs_check.dual_rl.imitation_tasks import CloningTask, cloning_task, unbalanced_task
from proofs_check.dual_rl.instances import PlanningTask, offline_mdp
from proofs_check.dual_rl.policy_tasks import pairs_of

__all__ = [
    "ExpertTask",
    "InverseTask",
    "LikelihoodTask",
    "TokenTask",
    "expert_task",
    "inverse_task",
    "likelihood_task",
    "token_task",
    "two_state_expert",
    "two_state_inverse",
    "two_state_likelihood",
    "unbalanced_likelihood_task",
    "zero_tokens",
]


@dataclass(frozen=True, eq=False)
class InverseTask(PlanningTask):
    """Action values and a potential.

    Attributes
    ----------
    q : ndarray, shape (S, A)
        ``Q``.
    potential : ndarray, shape (S,)
        ``Phi``.
    undiscounted : bool
        Whether the discount is 1, in the place of the model's, and nothing ends.
    """

    q: FloatArray
    potential: FloatArray
    undiscounted: bool = False


def inverse_task(draw: Draw) -> InverseTask:
    """Generator G, action values and potential 3 N(0, 1)."""
    mdp = offline_mdp(draw)
    return InverseTask(mdp, draw.normal(pairs_of(mdp), 3.0), draw.normal(mdp.n_states, 3.0))


def two_state_inverse(*, undiscounted: bool = False) -> InverseTask:
    """M2 with Q = ((1, 2), (3, 4)) and the potential (1, -2)."""
    q = np.array([[1.0, 2.0], [3.0, 4.0]])
    return InverseTask(two_state_mdp(), q, np.array([1.0, -2.0]), undiscounted)


@dataclass(frozen=True, eq=False)
class LikelihoodTask(CloningTask):
    """An expert, action values, and the weight of the squared temporal difference.

    Attributes
    ----------
    weight : float
        ``c``.
    """

    weight: float = 0.25


def _weighted(draw: Draw, task: CloningTask) -> LikelihoodTask:
    return LikelihoodTask(task.mdp, task.expert, task.q, task.other_data, draw.number(0.0, 1.0))


def likelihood_task(draw: Draw) -> LikelihoodTask:
    """Generator G, an expert of Dirichlet(1) rows, Q ~ 3 N(0, 1), weight U(0, 1)."""
    return _weighted(draw, cloning_task(draw))


def unbalanced_likelihood_task(draw: Draw) -> LikelihoodTask:
    """As :func:`likelihood_task`; half of the data are an arbitrary law on pairs."""
    return _weighted(draw, unbalanced_task(draw))


def two_state_likelihood(other_data: FloatArray | None = None) -> LikelihoodTask:
    """M2 with its behaviour policy as expert, Q = ((1, 2), (3, 4)), weight .25."""
    q = np.array([[1.0, 2.0], [3.0, 4.0]])
    return LikelihoodTask(two_state_mdp(), two_state_behaviour(), q, other_data)


@dataclass(frozen=True, eq=False)
class TokenTask:
    """A law of sequences of three tokens out of two, and action values of all prefixes.

    Attributes
    ----------
    law : ndarray, shape (8,)
        Probabilities of the sequences, in lexicographic order.
    q : ndarray, shape (7, 2)
        ``Q`` of the prefixes by length, and lexicographically.
    weight : float
        ``c``.
    """

    law: FloatArray
    q: FloatArray
    weight: float
    balanced = True  # whole sequences from the root: prefixes have the mass of their continuations

    @property
    def tree(self) -> FiniteHorizonMDP:
        """The tree of the prefixes."""
        return token_tree(2, 3)


def token_task(draw: Draw) -> TokenTask:
    """Sequences ~ Dirichlet(1), Q ~ 3 N(0, 1), weight U(0, 1)."""
    return TokenTask(draw.weights(8), draw.normal((7, 2), 3.0), draw.number(0.0, 1.0))


def zero_tokens() -> TokenTask:
    """The uniform law, Q = 0, weight .25."""
    return TokenTask(np.full(8, 0.125), np.zeros((7, 2)), 0.25)


@dataclass(frozen=True, eq=False)
class ExpertTask(PlanningTask):
    """An expert to be imitated, and the weights of the squared temporal difference.

    Attributes
    ----------
    expert : ndarray, shape (S, A)
        ``pi_E``.
    weights : ndarray, shape (K,)
        ``c``, decreasing.
    q : ndarray, shape (S, A)
        Any action values.
    """

    expert: FloatArray
    weights: FloatArray
    q: FloatArray


def expert_task(draw: Draw) -> ExpertTask:
    """Generator G, an expert ``.9 Dirichlet(1) + .1 / A``, the weights .01 and .001, Q ~ 3 N(0, 1)."""
    mdp = offline_mdp(draw)
    expert = full_support(draw, pairs_of(mdp), mixture=0.1)
    return ExpertTask(mdp, expert, np.array([1e-2, 1e-3]), draw.normal(pairs_of(mdp), 3.0))


def two_state_expert(*weights: float) -> ExpertTask:
    """M2 with its behaviour policy as expert, by default with the weights .01 and .001."""
    q = np.array([[1.0, 2.0], [3.0, 4.0]])
    return ExpertTask(two_state_mdp(), two_state_behaviour(), np.array(weights or (1e-2, 1e-3)), q)
