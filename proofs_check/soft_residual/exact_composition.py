"""Customisations in turn, in balls."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.composition_instances import AnyPriorTask, CompositionTask, Step
from proofs_check.soft_residual.exact_customisation import Twin

if TYPE_CHECKING:
    from mdplab.exact import SoftControl


class AnyPriorTwin(Twin):
    """A task with any prior in exact numbers.

    Parameters
    ----------
    task : AnyPriorTask
        The task in floats.
    """

    def __init__(self, task: AnyPriorTask) -> None:
        super().__init__(task)
        self.log_prior = self.prior.log_policy if task.logits is None else mdplab.exact.log_tilt(task.logits)

    def customised(self, log_prior: Array, step: Step) -> SoftControl:
        """Fixed point of the residual backup."""
        return mdplab.exact.residual_control(
            self.inherent,
            mdplab.exact.rational(step.reward),
            log_prior,
            prior_weight=step.weight,
            temperature=step.temperature,
        )

    def in_turn(self, first: Step, second: Step) -> Array:
        """Policy of the second customisation of the first."""
        inner = self.customised(self.log_prior, first)
        return np.asarray(mdplab.exact.exp(self.customised(inner.log_policy, second).log_policy))


def composed_policy(task: CompositionTask) -> Array:
    """Policy of the two customisations in turn."""
    return AnyPriorTwin(task).in_turn(*task.steps)


def reversed_policy(task: CompositionTask) -> Array:
    """Policy of the two customisations in the other order."""
    return AnyPriorTwin(task).in_turn(*reversed(task.steps))


def one_shot_policy(task: CompositionTask) -> Array:
    """Soft optimum of the combined reward, the weighted log-prior as reference."""
    twin = AnyPriorTwin(task)
    first, second = (Step(*map(mdplab.exact.rational, step)) for step in task.steps)
    carried = second.weight / first.temperature
    model = replace(twin.inherent, reward=carried * first.reward + second.reward)
    reference = carried * first.weight / second.temperature * twin.log_prior
    found = mdplab.exact.soft_control(model, temperature=second.temperature, log_reference=reference)
    return np.asarray(mdplab.exact.exp(found.log_policy))
