"""Regularised planning in linear MDPs in balls: as a table, and in the space of features."""

from __future__ import annotations

from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.linear_demonstration_instances import LinearTask


class Twin:
    """A task in exact numbers: features and measures are laws.

    Parameters
    ----------
    task : LinearTask
        The task in floats.
    """

    def __init__(self, task: LinearTask) -> None:
        exact, model = mdplab.exact, task.model
        self.horizon, self.n_states, _ = task.reference.shape
        self.features = exact.laws(model.features)
        self.measures = [exact.laws(model.stage_measures(h)) for h in range(self.horizon)]
        self.theta = [exact.rational(model.stage_theta(h)) for h in range(self.horizon)]
        self.start = exact.laws(model.start_law())
        self.reference, self.policy = exact.laws(task.reference), exact.laws(task.policy)
        self.temperature, self.inertia = exact.rational(task.temperature), exact.rational(task.inertia)

    @property
    def table(self) -> Any:
        """Kernel and reward pair by pair."""
        multiply, states = mdplab.exact.multiply, mdplab.exact.identity(self.n_states)
        return mdplab.exact.ExactHorizon(
            np.array(
                [
                    (1 - self.inertia) * multiply(self.features, measures)
                    + self.inertia * states[:, np.newaxis]
                    for measures in self.measures
                ]
            ),
            np.array([multiply(self.features, vector) for vector in self.theta]),
            mdplab.exact.rational(1),
            mdplab.exact.rational(np.zeros(self.n_states, dtype=int)),
            self.start,
            np.ones(self.reference.shape, dtype=bool),
        )

    def optimum(self) -> Any:
        """Soft recursion of the table."""
        return mdplab.exact.soft_backward_induction(
            self.table, temperature=self.temperature, log_reference=mdplab.exact.log(self.reference)
        )

    def planned(self) -> tuple[Array, Array, Array]:
        """Weights ``(H, d)``, action values and values, the last of them 0, in the space of features."""
        weights, q = [], []
        values: list[Array] = [mdplab.exact.ball(np.zeros(self.n_states))]
        for h in reversed(range(self.horizon)):
            weights.append(self.theta[h] + mdplab.exact.multiply(self.measures[h], values[-1]))
            q.append(mdplab.exact.multiply(self.features, weights[-1]))
            total = (self.reference[h] * mdplab.exact.exp(q[-1] / self.temperature)).sum(axis=-1)
            values.append(self.temperature * mdplab.exact.log(total))
        return np.array(weights[::-1]), np.array(q[::-1]), np.array(values[::-1])


def table_q(task: LinearTask) -> Array:
    """Action values of the table."""
    return np.asarray(Twin(task).optimum().q)


def linear_q(task: LinearTask) -> Array:
    """Features times weights."""
    return Twin(task).planned()[1]


def weights(task: LinearTask) -> Array:
    """Weights of the recursion in the space of features."""
    return Twin(task).planned()[0]


def weights_of_the_table(task: LinearTask) -> Array:
    """One backup of the values of the table."""
    twin = Twin(task)
    value = twin.optimum().value
    rows = [
        twin.theta[h] + mdplab.exact.multiply(twin.measures[h], value[h + 1]) for h in range(twin.horizon)
    ]
    return np.array(rows)


def table_log_policy(task: LinearTask) -> Array:
    """Log-policy of the table."""
    return np.asarray(Twin(task).optimum().log_policy)


def log_linear_policy(task: LinearTask) -> Array:
    """Log-reference plus features times weights over the temperature, normalised."""
    twin = Twin(task)
    _, q, value = twin.planned()
    logs = mdplab.exact.log(twin.reference)
    return np.asarray(logs + (q - value[:-1, :, np.newaxis]) / twin.temperature)


def regularised_loss(task: LinearTask) -> Any:
    """Backward recursions of the table."""
    twin = Twin(task)
    own = mdplab.exact.stage_evaluation(
        twin.table,
        twin.policy,
        temperature=twin.temperature,
        log_reference=mdplab.exact.log(twin.reference),
    )
    return (twin.start * (twin.optimum().value[0] - own.value[0])).sum()


def divergence_from_the_log_linear_policy(task: LinearTask) -> Any:
    """Forward sweep."""
    twin = Twin(task)
    law = mdplab.exact.stage_laws(twin.table, twin.policy)[:-1]
    rows = mdplab.exact.kl(twin.policy, mdplab.exact.exp(log_linear_policy(task)))
    return twin.temperature * (law * rows).sum()


def fitted_q(task: LinearTask) -> Array:
    """Orthogonal projection of the action values of the table, by normal equations."""
    twin = Twin(task)
    design = twin.features.reshape(-1, twin.features.shape[-1])
    targets = twin.optimum().q.reshape(twin.horizon, -1)
    gram = mdplab.exact.multiply(design.T, design)
    found = mdplab.exact.solve(gram, mdplab.exact.multiply(design.T, targets.T))
    return np.asarray(mdplab.exact.multiply(design, found).T.reshape(task.reference.shape))
