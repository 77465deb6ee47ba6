"""Demonstration-regularised linear MDPs: a model by its factors, a cloned policy of any form, solutions as cached properties."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.instances import Draw, random_linear_mdp, three_state_demonstrations
from mdplab.models import FiniteHorizonMDP, LinearMDP
from mdplab.solvers import LinearHorizonSolution
from proofs_check.soft_residual.demonstration_instances import DemonstrationTask

__all__ = ["LinearTask", "linear_task", "three_state_linear_task"]


@dataclass(frozen=True, eq=False)
class LinearTask:
    """A regularised task on a linear MDP.

    Attributes
    ----------
    model : LinearMDP
        With a horizon, undiscounted.
    reference : ndarray, shape (H, S, A)
        The cloned policy, positive; not linear in the features.
    policy : ndarray, shape (H, S, A)
        Any other policy.
    temperature : float
        The weight ``lambda`` of the divergence.
    inertia : float
        Weight of staying, which is not linear in the features, in the kernel of the table; 0 where the model is exact.
    """

    model: LinearMDP
    reference: FloatArray
    policy: FloatArray
    temperature: float
    inertia: float = 0.0

    @cached_property
    def table(self) -> DemonstrationTask:
        """The same task as a table."""
        table = self.model.to_finite_horizon()
        if self.inertia:
            kernel = (1 - self.inertia) * np.array(table.transition)
            kernel += self.inertia * np.eye(table.n_states)[:, np.newaxis]
            table = FiniteHorizonMDP(kernel, table.reward, table.horizon, initial=table.initial)
        return DemonstrationTask(table, self.reference, self.policy, self.temperature)

    @cached_property
    def planned(self) -> LinearHorizonSolution:
        """The regularised optimum, planned in the space of features."""
        return solvers.linear_backward_induction(
            self.model, temperature=self.temperature, log_reference=np.log(self.reference)
        )

    @property
    def largest_row(self) -> float:
        """Largest sum of moduli of a feature vector or a measure; one for laws."""
        return float(max(np.abs(x).sum(axis=-1).max() for x in (self.model.features, self.model.measures)))

    @property
    def scale(self) -> float:
        """One plus the size of the values."""
        return 1 + self.temperature + float(np.abs(self.table.optimum.value).max())


def linear_task(draw: Draw) -> LinearTask:
    """S = 6, A = 3, d = 4, H = 4: Dirichlet features, measures and policies, rewards in [0, 1], log lambda in (-3, 1)."""
    model = random_linear_mdp(
        draw, states=(6, 6), actions=(3, 3), dimension=(4, 4), horizon=(4, 4), mixture=0.0
    )
    shape = (4, 6, 3)
    return LinearTask(
        model,
        draw.weights(shape, positive=True),
        draw.weights(shape),
        draw.log_number(np.exp(-3.0), np.exp(1.0)),
    )


def with_inertia(draw: Draw) -> LinearTask:
    """The same with a kernel of the table that is linear up to a chance of staying."""
    return replace(linear_task(draw), inertia=draw.number(0.0, 0.5))


def three_state_linear_task(temperature: float, *, reference: FloatArray | None = None) -> LinearTask:
    """Three states, two actions, two features, three stages, with the cloned policy of D3."""
    features = np.array([[[10, 0], [0, 10]], [[5, 5], [2, 8]], [[9, 1], [3, 7]]]) / 10
    measures = np.array([[2, 3, 5], [6, 3, 1]]) / 10
    model = LinearMDP(features, measures, [1.0, 0.4], horizon=3, initial=[0.5, 0.3, 0.2])
    policy = np.broadcast_to(np.full(2, 0.5), (3, 3, 2))
    cloned = three_state_demonstrations()[1] if reference is None else reference
    return LinearTask(model, np.broadcast_to(cloned, (3, 3, 2)), policy, temperature)
