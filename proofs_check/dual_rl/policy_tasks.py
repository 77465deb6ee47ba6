"""Tasks about one policy of generator G: dual-Q, conservative Q-learning, imitation by mixtures, goals; finite laws."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdplab._typing import FloatArray
from mdplab.instances import Draw, full_support, random_policy, two_state_behaviour, two_state_mdp
from mdplab.models import MDP
from mdplab.operators import occupancy, occupancy_residual
from proofs_check.dual_rl.instances import (
    OfflineTask,
    PlanningTask,
    offline_mdp,
    offline_task,
    partly_reached,
    partly_supported,
    two_state_task,
)

__all__ = [
    "ConservativeTask",
    "PolicyTask",
    "arbitrary_task",
    "behaving_policy_task",
    "conservative_task",
    "crowd_task",
    "pairs_of",
    "policy_task",
    "scale_of",
    "two_state_conservative",
    "two_state_policy",
    "two_state_policy_task",
    "unreached_policy_task",
    "unsupported_policy_task",
]


@dataclass(frozen=True, eq=False)
class PolicyTask(OfflineTask):
    """A regularised program with policies that need not be optimal.

    Attributes
    ----------
    policies : ndarray, shape (K, S, A)
        The policies.
    """

    policies: FloatArray

    @property
    def policy(self) -> FloatArray:
        """The first policy, shape (S, A)."""
        return np.asarray(self.policies[0])


def pairs_of(mdp: MDP) -> tuple[int, int]:
    """``(S, A)``."""
    return mdp.n_states, mdp.n_actions


def scale_of(task: OfflineTask) -> float:
    """Size of the value of a policy: the largest reward, at least 1, and the price of the divergence."""
    ratio = float((1.0 / task.data[task.data > 0]).max())
    return max(1.0, float(np.abs(task.mdp.reward).max())) + task.strength * min(ratio, 1e3)


def _with_policies(draw: Draw, task: OfflineTask, count: int, kind: str) -> PolicyTask:
    drawn = [random_policy(draw, *pairs_of(task.mdp), kind=kind) for _ in range(count)]  # type: ignore[arg-type]
    return PolicyTask(task.mdp, task.data, task.strength, np.array(drawn))


def policy_task(draw: Draw) -> PolicyTask:
    """Generator G with data, strength 10^U(-1, .5) and one policy of Dirichlet(1) rows."""
    return _with_policies(draw, offline_task(draw), 1, "dirichlet")


def crowd_task(draw: Draw) -> PolicyTask:
    """Generator G with data, strength 10^U(-1, .5) and twenty policies of Dirichlet(1) rows."""
    return _with_policies(draw, offline_task(draw), 20, "dirichlet")


def unsupported_policy_task(draw: Draw) -> PolicyTask:
    """A policy task without data on one pair or on none; the policy may avoid that pair."""
    return _with_policies(draw, partly_supported(draw), 1, draw.choice(("dirichlet", "deterministic")))


def unreached_policy_task(draw: Draw) -> PolicyTask:
    """A policy task with pairs that the policy does not play, or states that it does not reach."""
    return _with_policies(draw, partly_reached(draw), 1, draw.choice(("dirichlet", "deterministic")))


def two_state_policy() -> FloatArray:
    """The policy of the printed values on M2, ((.2, .8), (.1, .9))."""
    return np.array([[0.2, 0.8], [0.1, 0.9]])


def two_state_policy_task(strength: float = 0.1, policy: FloatArray | None = None) -> PolicyTask:
    """M2 with the data of its behaviour policy and a policy, by default that of the printed values."""
    task = two_state_task(strength)
    chosen = two_state_policy() if policy is None else policy
    return PolicyTask(task.mdp, task.data, strength, chosen[np.newaxis])


@dataclass(frozen=True, eq=False)
class ConservativeTask(PlanningTask):
    """A policy, action values and data for the loss of conservative Q-learning.

    Attributes
    ----------
    policy, behaviour : ndarray, shape (S, A)
        The policy that is learned, and that whose occupancy the data are.
    q : ndarray, shape (S, A)
        Where the loss is evaluated.
    strength : float
        ``alpha``.
    other_data : ndarray, shape (S, A), or None
        Data that are not the occupancy of ``behaviour``.
    """

    policy: FloatArray
    behaviour: FloatArray
    q: FloatArray
    strength: float
    other_data: FloatArray | None = None

    @property
    def data(self) -> FloatArray:
        """The law of the data, shape (S, A)."""
        return occupancy(self.mdp, self.behaviour) if self.other_data is None else self.other_data

    @property
    def balanced(self) -> bool:
        """Whether the data are an occupancy of the start law."""
        return bool(np.abs(occupancy_residual(self.mdp, self.data)).max() <= 1e-9)


def behaving_policy_task(draw: Draw) -> tuple[MDP, FloatArray, FloatArray]:
    """A model of generator G, a policy of Dirichlet(1) rows and a behaviour ``.9 Dirichlet(1) + .1 / A``."""
    mdp = offline_mdp(draw)
    return (
        mdp,
        random_policy(draw, *pairs_of(mdp), kind="dirichlet"),
        full_support(draw, pairs_of(mdp), mixture=0.1),
    )


def conservative_task(draw: Draw) -> ConservativeTask:
    """Generator G, data of a behaviour policy, values 3 N(0, 1), strength 10^U(-1.5, 1)."""
    mdp, policy, behaviour = behaving_policy_task(draw)
    return ConservativeTask(
        mdp, policy, behaviour, draw.normal(pairs_of(mdp), 3.0), draw.log_number(10.0**-1.5, 10.0)
    )


def arbitrary_task(draw: Draw) -> ConservativeTask:
    """As :func:`conservative_task`; half of the data are an arbitrary law on pairs."""
    task = conservative_task(draw)
    if draw.boolean(0.5):
        return task
    law = np.maximum(draw.weights(task.q.size), 1e-3).reshape(task.q.shape)
    return ConservativeTask(task.mdp, task.policy, task.behaviour, task.q, task.strength, law / law.sum())


def two_state_conservative(other_data: FloatArray | None = None) -> ConservativeTask:
    """M2 at strength .5 with Q = ((1, 2), (3, 4))."""
    q = np.array([[1.0, 2.0], [3.0, 4.0]])
    return ConservativeTask(two_state_mdp(), two_state_policy(), two_state_behaviour(), q, 0.5, other_data)
