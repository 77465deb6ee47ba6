"""Tasks of off-policy evaluation: models with target, behaviour and estimated action values; all trajectories listed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mdplab import operators, solvers
from mdplab._typing import FloatArray
from mdplab.claims import rounding
from mdplab.enumeration import Trajectories, enumerate_outcome_trajectories
from mdplab.instances import Draw
from mdplab.models import FiniteHorizonMDP, OutcomeModel


@dataclass(frozen=True, eq=False)
class OffPolicyTask:
    """A model, the policy to be evaluated, the policy that acted, and estimated action values.

    Attributes
    ----------
    model : OutcomeModel
        Outcomes are the successors; start law included.
    target, behaviour : ndarray, shape (S, A)
        ``pi`` and ``mu``.
    estimate : ndarray, shape (H, S, A)
        Estimated action values.
    discount : float
        The discount.
    """

    model: OutcomeModel
    target: FloatArray
    behaviour: FloatArray
    estimate: FloatArray
    discount: float = 0.9

    @property
    def horizon(self) -> int:
        """H."""
        return int(self.estimate.shape[0])

    @cached_property
    def mdp(self) -> FiniteHorizonMDP:
        """The model of the expected rewards."""
        model = self.model
        expected = np.einsum("sao,sao->sa", model.law, model.rewards())
        return FiniteHorizonMDP(
            model.kernel(), expected, self.horizon, self.discount, initial=model.start_law()
        )

    @cached_property
    def log(self) -> Trajectories:
        """All trajectories of the behaviour."""
        return enumerate_outcome_trajectories(
            self.model, self.behaviour, self.horizon, discount=self.discount
        )

    @cached_property
    def q(self) -> FloatArray:
        """``Q^pi (H, S, A)``."""
        return solvers.stage_evaluation(self.mdp, self.target).q

    @cached_property
    def ratios(self) -> FloatArray:
        """Cumulative importance ratios (N, H)."""
        return operators.importance_ratios(self.log, self.target, self.behaviour)

    def doubly_robust(self, q: FloatArray) -> FloatArray:
        """Doubly robust estimates with the control variate ``q``."""
        return operators.doubly_robust(self.log, self.target, self.behaviour, q, discount=self.discount)

    def estimates(self, believed: FloatArray | None = None) -> dict[str, FloatArray]:
        """Unbiased estimates of every trajectory, computed with the behaviour or with what is believed to be it."""
        mu, log, pi, gamma = (
            self.behaviour if believed is None else believed,
            self.log,
            self.target,
            self.discount,
        )
        occupied, logged = (operators.stage_occupancy(self.mdp, policy) for policy in (pi, mu))
        marginal = operators.density_ratio(occupied, logged)
        return {
            "IS": operators.importance_sampling(log, pi, mu, discount=gamma),
            "PDIS": operators.per_decision_importance_sampling(log, pi, mu, discount=gamma),
            "MIS": operators.marginal_importance_sampling(log, marginal, discount=gamma),
            "DR": operators.doubly_robust(log, pi, mu, self.estimate, discount=gamma),
        }

    def variance(self, estimates: FloatArray) -> float:
        """Variance over all trajectories."""
        return float(self.log.expectation((estimates - self.log.expectation(estimates)) ** 2))

    def variances(self) -> dict[str, float]:
        """Variances of the unbiased estimators over all trajectories."""
        found = {**self.estimates(), "DR, true Q": self.doubly_robust(self.q)}
        return {name: self.variance(estimate) for name, estimate in found.items()}

    def operations(self) -> float:
        """Operations of a sum over trajectories whose probabilities are exponentials of sums of logarithms."""
        return self.log.n_trajectories + 60 * self.horizon + 8 * float(np.abs(self.log.log_probability).max())

    def mean_error(self) -> float:
        """Rounding of a mean: the ratios have mean at most one, so the terms have mean ``|r| + 2 |Q|`` a stage."""
        size = float(np.abs(self.log.rewards).max() + 2 * np.abs(self.estimate).max())
        return float(rounding(self.horizon * size, int(self.operations())))

    def second_moment(self) -> float:
        """Second moment of an estimate whose terms have the magnitudes of their parts."""
        size = np.abs(self.log.rewards).max() + 2 * np.abs(self.q).max() + 2 * np.abs(self.estimate).max()
        return float(self.log.expectation((size * (1 + self.ratios.sum(axis=1))) ** 2))

    def variance_error(self) -> float:
        """Rounding of a variance: a sum of squares over all trajectories."""
        return float(rounding(self.second_moment(), int(self.operations())))


def random_task(draw: Draw) -> OffPolicyTask:
    """S = A = 2, H = 3: Dirichlet(1) kernel, start and target, Gaussian rewards, behaviour at least .1, Q^pi + N(0, 1/4)."""
    return drawn(draw, 0.1 + 0.8 * draw.weights((2, 2)))


def drawn(draw: Draw, behaviour: FloatArray) -> OffPolicyTask:
    model = OutcomeModel.from_transition_rewards(
        draw.weights((2, 2, 2)), draw.normal((2, 2, 2)), draw.weights(2)
    )
    task = OffPolicyTask(model, draw.weights((2, 2)), behaviour, draw.normal((3, 2, 2), 0.5))
    return OffPolicyTask(model, task.target, behaviour, task.q + task.estimate)


def unsupported_task(draw: Draw) -> OffPolicyTask:
    """As the random tasks, with a deterministic behaviour half of the time in each state."""
    rows = draw.weights((2, 2))
    rows = np.where(draw.boolean(0.5, (2, 1)), np.eye(2)[draw.integers(0, 1, 2)], 0.1 + 0.8 * rows)
    return drawn(draw, rows)


def supported(task: OffPolicyTask) -> bool:
    """Whether the behaviour takes every action that the target takes."""
    return bool(np.all((task.behaviour > 0) | (task.target == 0)))


EVEN = np.full((2, 2), 0.5)


def chain(law: Any, reward: Any, target: Any) -> OffPolicyTask:
    """From state 0 to state 1 whatever is done; ``law`` and ``reward`` of the successors are those of each state."""
    model = OutcomeModel.from_transition_rewards(
        np.repeat(np.array(law)[:, np.newaxis], 2, axis=1),
        np.repeat(np.array(reward)[:, np.newaxis], 2, axis=1),
        [1.0, 0.0],
    )
    return OffPolicyTask(model, np.array(target), EVEN, np.ones((2, 2, 2)), 0.5)


def two_states(
    behaviour: Any, *, initial: tuple[float, float] = (1.0, 0.0), horizon: int = 2
) -> OffPolicyTask:
    law = [[[0.3, 0.7], [0.8, 0.2]], [[0.5, 0.5], [0.1, 0.9]]]
    reward = [[[1.0, -1.0], [0.0, 2.0]], [[-2.0, 1.0], [2.0, 0.0]]]
    model = OutcomeModel.from_transition_rewards(law, reward, initial)
    target = np.array([[0.9, 0.1], [0.2, 0.8]])
    return OffPolicyTask(model, target, np.array(behaviour), np.ones((horizon, 2, 2)))


TWO_STATES = two_states(EVEN)
UNSUPPORTED = two_states([[1.0, 0.0], [0.5, 0.5]])
ANY_START = two_states(EVEN, initial=(0.5, 0.5))
ONWARD, SKEWED = [[0.0, 1.0], [0.0, 1.0]], [0.8, 0.2]
# the return is always 0, and so is the estimate of importance sampling
NO_RETURN = chain(ONWARD, [[1.0, 1.0], [-2.0, -2.0]], [SKEWED, SKEWED])
# nothing to correct in state 1: also the per-decision estimate is always 0, the marginal one is not
NO_RETURN_EVEN = chain(ONWARD, [[1.0, 1.0], [-2.0, -2.0]], [SKEWED, [0.5, 0.5]])
# only a fair coin in state 1 pays: the marginal ratio there is 1, the cumulative one remembers the first decision
LATE_COIN = chain([[0.0, 1.0], [0.5, 0.5]], [[0.0, 0.0], [1.0, -1.0]], [SKEWED, [0.5, 0.5]])
