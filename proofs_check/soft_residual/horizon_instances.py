"""Customisation tasks of finitely many stages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.instances import Draw
from mdplab.models import FiniteHorizonMDP
from mdplab.solvers import HorizonSolution
from proofs_check.soft_residual.instances import (
    CustomisationTask,
    customisation_data,
    customisation_task,
    soft_backward_error,
    three_state_task,
)

__all__ = ["HorizonTask", "horizon_task", "three_state_horizon"]


@dataclass(frozen=True, eq=False)
class HorizonTask(CustomisationTask):
    """A customisation task of ``horizon`` stages; its time-dependent prior is max-ent optimal stage by stage.

    Attributes
    ----------
    horizon : int
        Number H of stages.
    undiscounted : bool
        Whether the stages have discount 1, not that of ``mdp``.
    """

    horizon: int
    undiscounted: bool

    @property
    def stage_discount(self) -> float:
        """The discount ``g`` from one stage to the next."""
        return 1.0 if self.undiscounted else self.mdp.discount

    def stages(
        self, reward: FloatArray, discount: float, terminal: ArrayLike | None = None
    ) -> FiniteHorizonMDP:
        """The model of H stages with a reward, a discount and a terminal reward (zero by default)."""
        return FiniteHorizonMDP(self.mdp.transition, reward, self.horizon, discount, terminal)

    @cached_property
    def stage_prior(self) -> HorizonSolution:
        """The max-ent optimum of the inherent reward over the H stages."""
        stages = self.stages(self.mdp.reward, self.stage_discount)
        return solvers.backward_induction(stages, temperature=self.prior_temperature)

    @cached_property
    def stage_prior_error(self) -> float:
        """Error of a value of the full task that the backward error of the stage prior causes."""
        found, discount = self.stage_prior, self.stage_discount
        logs = self.prior_temperature * found.log_policy
        worst = max(
            soft_backward_error(
                self.mdp, self.mdp.reward, logs[h], found.value[h], found.value[h + 1], discount
            )
            for h in range(self.horizon)
        )
        return self.reward_weight * worst * self.weight_of_stages(discount)

    def weight_of_stages(self, discount: float) -> float:
        """The sum ``1 + g + ... + g^(H-1)``."""
        return float((discount ** np.arange(self.horizon)).sum())


def horizon_task(draw: Draw) -> HorizonTask:
    """A random task of 1 to 7 stages, undiscounted or not."""
    return HorizonTask(
        **customisation_data(customisation_task(draw)),
        horizon=draw.integer(1, 7),
        undiscounted=draw.choice((False, True)),
    )


def three_state_horizon() -> HorizonTask:
    """The three-state task over four undiscounted stages."""
    return HorizonTask(**customisation_data(three_state_task()), horizon=4, undiscounted=True)
