"""Customisation over finitely many stages, in balls: backward recursions from the inherent reward on."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.soft_residual.exact_customisation import Twin
from proofs_check.soft_residual.horizon_instances import HorizonTask

if TYPE_CHECKING:
    from mdplab.exact import SoftControl


class HorizonTwin(Twin):
    """A task of stages in exact numbers.

    Parameters
    ----------
    task : HorizonTask
        The task in floats.
    """

    def __init__(self, task: HorizonTask) -> None:
        super().__init__(task)
        self.horizon = task.horizon
        self.stage_discount = mdplab.exact.rational(1) if task.undiscounted else self.inherent.discount

    def optimum_of(
        self,
        reward: Array,
        discount: Any,
        temperature: Any,
        *,
        terminal: Any = None,
        log_reference: Any = None,
    ) -> SoftControl:
        """Soft optimum of all stages."""
        shape = (self.horizon, *self.inherent.transition.shape)
        zero = mdplab.exact.rational(np.zeros(self.inherent.n_states))
        stages = mdplab.exact.ExactHorizon(
            np.broadcast_to(self.inherent.transition, shape),
            np.broadcast_to(reward, shape[:3]),
            discount,
            zero if terminal is None else terminal,
            None,
            np.broadcast_to(self.inherent.available, shape[:3]),
        )
        return mdplab.exact.soft_backward_induction(
            stages, temperature=temperature, log_reference=log_reference
        )

    def residual(self, log_prior: Array, discount: Any) -> SoftControl:
        """The residual recursion: add-on reward, weighted log-prior as reference."""
        reference = self.prior_weight / self.temperature * log_prior
        return self.optimum_of(self.addon.reward, discount, self.temperature, log_reference=reference)

    @cached_property
    def stage_prior(self) -> SoftControl:
        """Soft optimum of the inherent reward, stage by stage."""
        return self.optimum_of(self.inherent.reward, self.stage_discount, self.prior_temperature)


def customised_policy(task: HorizonTask) -> Array:
    """Stage policies of the residual recursion with the time-dependent prior."""
    twin = HorizonTwin(task)
    found = twin.residual(twin.stage_prior.log_policy, twin.stage_discount)
    return np.asarray(mdplab.exact.exp(found.log_policy))


def full_policy(task: HorizonTask) -> Array:
    """Stage policies of the full task."""
    twin = HorizonTwin(task)
    found = twin.optimum_of(twin.full.reward, twin.stage_discount, twin.temperature)
    return np.asarray(mdplab.exact.exp(found.log_policy))


def customised_value(task: HorizonTask) -> Array:
    """Values of the residual recursion with the time-dependent prior."""
    twin = HorizonTwin(task)
    return twin.residual(twin.stage_prior.log_policy, twin.stage_discount).value


def value_difference(task: HorizonTask) -> Array:
    """Stage values of the full task less omega times those of the inherent one."""
    twin = HorizonTwin(task)
    found = twin.optimum_of(twin.full.reward, twin.stage_discount, twin.temperature)
    return np.asarray(found.value - twin.weight * twin.stage_prior.value)


def stationary_policy(task: HorizonTask) -> Array:
    """Stage policies of the residual recursion with the stationary prior."""
    twin = HorizonTwin(task)
    found = twin.residual(twin.prior.log_policy, twin.inherent.discount)
    return np.asarray(mdplab.exact.exp(found.log_policy))


def stationary_value(task: HorizonTask) -> Array:
    """Values of the residual recursion with the stationary prior."""
    twin = HorizonTwin(task)
    return twin.residual(twin.prior.log_policy, twin.inherent.discount).value


def with_bonus(twin: HorizonTwin) -> SoftControl:
    """Soft optimum of the full task with the terminal reward ``omega V*``."""
    return twin.optimum_of(
        twin.full.reward,
        twin.inherent.discount,
        twin.temperature,
        terminal=np.asarray(twin.weight * twin.prior.value),
    )


def bonus_policy(task: HorizonTask) -> Array:
    """Stage policies of the full task with the terminal bonus."""
    return np.asarray(mdplab.exact.exp(with_bonus(HorizonTwin(task)).log_policy))


def bonus_value_difference(task: HorizonTask) -> Array:
    """Stage values of the full task with the terminal bonus, less ``omega V*``."""
    twin = HorizonTwin(task)
    return np.asarray(with_bonus(twin).value - twin.weight * twin.prior.value)
