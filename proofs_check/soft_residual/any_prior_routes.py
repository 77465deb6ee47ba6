"""Two ways to customise any prior, and what rounding does to the second."""

from __future__ import annotations

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import rounding
from mdplab.solvers import ControlSolution
from proofs_check.soft_residual.composition_instances import Step
from proofs_check.soft_residual.instances import CustomisationTask

__all__ = ["by_iteration", "by_newton", "reference_error"]


def by_iteration(task: CustomisationTask, log_prior: FloatArray, step: Step) -> ControlSolution:
    """Residual soft Q iteration."""
    return solvers.residual_q_learning(
        task.mdp, step.reward, log_prior, prior_weight=step.weight, temperature=step.temperature, tol=1e-12
    )


def by_newton(task: CustomisationTask, log_prior: FloatArray, step: Step) -> ControlSolution:
    """Soft policy iteration with the log-prior as reference."""
    return solvers.soft_policy_iteration(
        task.mdp.replace(reward=step.reward),
        temperature=step.temperature,
        log_reference=step.weight / step.temperature * log_prior,
        tol=1e-9,
    )


def reference_error(task: CustomisationTask, log_prior: FloatArray, step: Step) -> float:
    """What the rounding of a reward and of a weighted log-prior does to a value.

    Parameters
    ----------
    task : CustomisationTask
        The task.
    log_prior : ndarray (S, A)
        Log-probabilities of the prior.
    step : Step
        The customisation.

    Returns
    -------
    float
        Probabilities move by at most this over twice the temperature, their logarithms by twice this over it.
    """
    size = step.weight * np.abs(log_prior).max() + np.abs(step.reward).max()
    return float(rounding(size, 8)) / (1 - task.mdp.discount)
