r"""Returns of customised policies, with what the error of a computed policy does to them.

With :math:`|\log\hat\mu-\log\mu|\le e` the performance difference lemma, read from :math:`\hat\mu`, gives

.. math::
    |J(\hat\mu)-J(\mu)|\le\frac{(e^e-1)\max_s\sum_a\hat\mu(a|s)\,|A^{\hat\mu}(s,a)|+\tau e(e^e-1)}{1-\gamma},

:math:`A` the advantage in which the action pays for its own regulariser and :math:`\tau` its temperature; the second term
bounds :math:`\tau\,\mathrm{KL}(\mu\|\hat\mu)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from mdplab.operators import induced
from mdplab.solvers import ControlSolution
from proofs_check.soft_residual.any_prior_routes import reference_error
from proofs_check.soft_residual.composition_instances import Step
from proofs_check.soft_residual.tradeoff_instances import TradeoffTask

__all__ = ["Objective", "by_evaluation", "by_solve", "moved"]


class Objective(NamedTuple):
    """A reward, less ``temperature log(policy / reference)``."""

    reward: FloatArray
    temperature: float = 0.0
    log_reference: FloatArray | float = 0.0


def moved(
    task: TradeoffTask, found: ControlSolution, error: float, advantage: FloatArray, temperature: float
) -> float:
    """What the error of a policy does to its return; see the module."""
    error += float(rounding(1.0, 8))  # of the exponential
    size = float((found.policy * np.abs(advantage)).sum(axis=1).max())
    return float(1.1 * np.expm1(error) * (size + temperature * error) / (1 - task.mdp.discount))


def by_evaluation(task: TradeoffTask, optima: Sequence[ControlSolution], objective: Objective) -> Side:
    """Returns by certified evaluation of the policies of residual soft Q iteration."""
    sides = []
    start, model = task.mdp.start_law(), task.mdp.replace(reward=objective.reward)
    for found in optima:
        run = solvers.policy_evaluation(
            model,
            found.policy,
            temperature=objective.temperature,
            log_reference=objective.log_reference + np.zeros_like(objective.reward),
        )
        advantage = run.q - run.cost - run.value[:, np.newaxis]
        error = moved(task, found, found.log_policy_error, advantage, objective.temperature)
        rounded = rounding(np.abs(run.value).max(), run.value.size + 2)
        sides.append((start @ run.value, run.certificate.bound + error + rounded))
    value, errors = np.array(sides).T
    return Side(value, errors)


def by_solve(
    task: TradeoffTask, optima: Sequence[ControlSolution], steps: Sequence[Step], objective: Objective
) -> Side:
    """Returns by one dense solve each, of the policies of soft policy iteration."""
    sides = []
    discount, start = task.mdp.discount, task.mdp.start_law()
    for found, step in zip(optima, steps, strict=True):
        kernel, _ = induced(task.mdp, found.policy)
        cost = objective.temperature * (found.log_policy - objective.log_reference)
        terms = objective.reward - cost
        reward = (found.policy * terms).sum(axis=1)
        value = np.linalg.solve(np.eye(reward.size) - discount * kernel, reward)
        size = np.abs(found.policy * terms).sum(axis=1).max() + np.abs(found.policy * found.log_policy).max()
        size += np.abs(value).max() + objective.temperature
        missed = np.abs(reward + discount * kernel @ value - value).max() + rounding(size, 8 * terms.size)
        advantage = terms + discount * task.mdp.expectation(value) - value[:, np.newaxis]
        wrong = 2 * reference_error(task, task.log_prior, step) / step.temperature
        error = moved(task, found, found.log_policy_error + wrong, advantage, objective.temperature)
        rounded = rounding(np.abs(value).max(), value.size + 2)
        sides.append((start @ value, missed / (1 - discount) + error + rounded))
    value, errors = np.array(sides).T
    return Side(value, errors)
