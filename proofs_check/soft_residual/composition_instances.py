"""Customisation tasks whose prior may be any policy, and two customisations in turn."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from mdplab._typing import FloatArray
from mdplab.instances import Draw
from mdplab.instances.garnet import dirichlet_mdp
from mdplab.operators import log_tilt
from proofs_check.soft_residual.instances import CustomisationTask, customisation_data, three_state_task

__all__ = [
    "NEAR_DETERMINISTIC",
    "AnyPriorTask",
    "CompositionTask",
    "PureKLTask",
    "Step",
    "composition_task",
    "near_deterministic_composition",
    "pure_kl_task",
    "three_state_composition",
    "three_state_pure_kl",
]


@dataclass(frozen=True, eq=False)
class AnyPriorTask(CustomisationTask):
    """A customisation task with a prior of its own, or with the max-ent one.

    Attributes
    ----------
    logits : ndarray, shape (S, A), or None
        Log-weights of the prior; None for the max-ent optimum of the inherent reward.
    """

    logits: FloatArray | None

    @cached_property
    def log_prior(self) -> FloatArray:
        """Log-probabilities of the prior."""
        return self.prior.log_policy if self.logits is None else np.asarray(log_tilt(self.logits))


class Step(NamedTuple):
    """One customisation: the add-on reward, the weight of the log-prior and the temperature."""

    reward: FloatArray
    weight: float
    temperature: float


@dataclass(frozen=True, eq=False)
class CompositionTask(AnyPriorTask):
    """Two customisations in turn; the first is that of the task.

    Attributes
    ----------
    second_reward : ndarray, shape (S, A)
        Add-on reward of the second.
    second_weight : float
        Weight of the log-prior of the second.
    second_temperature : float
        Temperature of the second.
    """

    second_reward: FloatArray
    second_weight: float
    second_temperature: float

    @property
    def steps(self) -> tuple[Step, Step]:
        """The two customisations."""
        return (
            Step(self.residual_reward, self.prior_weight, self.temperature),
            Step(self.second_reward, self.second_weight, self.second_temperature),
        )


class PureKLTask(CompositionTask):
    """Two customisations, each with the weight of the log-prior equal to its temperature."""

    @property
    def steps(self) -> tuple[Step, Step]:
        """The two customisations; the weights of the task play no part."""
        return (
            Step(self.residual_reward, self.temperature, self.temperature),
            Step(self.second_reward, self.second_temperature, self.second_temperature),
        )


def composition_task(draw: Draw) -> CompositionTask:
    """Any prior (logits of scale 2), normal rewards, weights in (0, 2), temperatures in (.2, 2)."""
    mdp = dirichlet_mdp(draw)
    pairs = (mdp.n_states, mdp.n_actions)
    return CompositionTask(
        mdp,
        draw.normal(pairs),
        prior_temperature=1.0,
        temperature=draw.number(0.2, 2.0),
        reward_weight=draw.number(0.0, 2.0),
        logits=draw.normal(pairs, 2.0),
        second_reward=draw.normal(pairs),
        second_weight=draw.number(0.0, 2.0),
        second_temperature=draw.number(0.2, 2.0),
    )


def pure_kl_task(draw: Draw) -> PureKLTask:
    """The same with each weight equal to its temperature, the two temperatures equal or not."""
    task = composition_task(draw)
    data = {field.name: getattr(task, field.name) for field in fields(task)}
    if draw.choice((False, True)):
        data["second_temperature"] = task.temperature
    return PureKLTask(**data)


SECOND_REWARD = np.array([[0.4, 0.0], [-0.3, 0.2], [0.0, 0.6]])
NEAR_DETERMINISTIC = np.array([[800.0, 0.0], [0.0, 300.0], [0.0, 20.0]])


def three_state_composition() -> CompositionTask:
    """The three-state task, then a second add-on reward with weight .5 and temperature .7."""
    return CompositionTask(
        **customisation_data(three_state_task()),
        logits=None,
        second_reward=SECOND_REWARD,
        second_weight=0.5,
        second_temperature=0.7,
    )


def three_state_pure_kl() -> PureKLTask:
    """The same two rewards, all weights and temperatures .4."""
    return PureKLTask(
        **customisation_data(three_state_task()),
        logits=None,
        second_reward=SECOND_REWARD,
        second_weight=0.4,
        second_temperature=0.4,
    )


def near_deterministic_composition() -> CompositionTask:
    """A prior with odds up to e^800, temperatures and weights of a thousandth, discount .999."""
    task = three_state_composition()
    return replace(
        task,
        mdp=task.mdp.replace(discount=0.999),
        logits=NEAR_DETERMINISTIC,
        temperature=1e-3,
        reward_weight=2e-3,
        second_weight=1e-3,
        second_temperature=1e-3,
    )
