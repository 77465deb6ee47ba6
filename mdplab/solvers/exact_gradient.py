r"""Values and policy gradients with proven errors: one oracle for discounted models, one for finite horizons.

With the occupancy :math:`m` (unnormalised, in a finite horizon discounted by stage) and
:math:`A=(Q-\tau\log\frac\pi\rho)-\sum_a\pi(Q-\tau\log\frac\pi\rho)` the gradient in the logits is :math:`m\,\pi A`.

**Occupancy.**  The computed residual of :math:`m=\mu+\gamma P_\pi^\top m` bounds the 1-norm of the error by
:math:`1/(1-\gamma)` times itself, as :math:`P_\pi^\top` preserves 1-norms.  In a finite horizon :math:`m_{h+1}` is a sum
of products of non-negative numbers: each stage adds ``(S A + 3) u`` to the relative error of every entry.

**Advantage.**  Only differences within a row enter: errors common to a row cancel, those left are at most the span of
the error of :math:`Q` and twice the error of the cost.

Bounds of values hold for the policy's rows (and the kernel's) as they stand and divided by their sums, those of gradients
for the policy's rows divided by their sums: a softmax has no others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import BoolArray, FloatArray
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.models.tabular import MDP
from mdplab.operators.policy_hessian import evaluation_solvers
from mdplab.solvers.control import row_spread
from mdplab.solvers.discounted import UNIT, DiscountedArrays, discounted_arrays, log_bonus
from mdplab.solvers.policy_evaluation import evaluate_relative, mixed_rows
from mdplab.solvers.stage_inputs import stage_bonus, stage_cost, stage_mask
from mdplab.solvers.stages import StageArrays, evaluate_stages, row_sum_deviation, stage_arrays

__all__ = ["ExactGradient", "gradient_oracle"]


@dataclass(frozen=True, eq=False)
class ExactGradient:
    """Value and gradient of one policy.

    Attributes
    ----------
    value : ndarray (S,) or (H + 1, S)
        Value.
    value_error : float
        Its sup-norm error.
    start_value, start_error : float
        The objective and its error.
    gradient : ndarray (S, A) or (H, S, A)
        Gradient of the objective in the logits.
    gradient_error : float
        Its error in the 2-norm.
    """

    value: FloatArray
    value_error: float
    start_value: float
    start_error: float
    gradient: FloatArray
    gradient_error: float


def gradient_oracle(
    mdp: MDP | FiniteHorizonMDP, law: FloatArray, temperature: float, log_reference: ArrayLike | None
) -> DiscountedOracle | StageOracle:
    """The oracle of a model.

    Parameters
    ----------
    mdp : MDP or FiniteHorizonMDP
        The model.
    law : ndarray (S,)
        Start law.
    temperature : float
        Non-negative.
    log_reference : array_like (S, A) or (H, S, A), optional
        Log-weights of the reference.

    Returns
    -------
    callable
        Maps a policy and the action without logit (or None) to an :class:`ExactGradient`.
    """
    if isinstance(mdp, MDP):
        arrays = discounted_arrays(mdp)
        bonus = log_bonus(arrays, log_reference if temperature > 0 else None, temperature)
        return DiscountedOracle(arrays, law, temperature, bonus)
    stages = stage_arrays(mdp, stage_mask(mdp))
    return StageOracle(
        stages, law, temperature, stage_bonus(log_reference, temperature, stages.available, mdp.names)
    )


@dataclass(frozen=True, eq=False)
class DiscountedOracle:
    """Values and gradients of the policies of a discounted model.

    Attributes
    ----------
    arrays : DiscountedArrays
        The model.
    law : ndarray (S,)
        Start law.
    temperature : float
        Weight of the regulariser.
    bonus : ndarray (S, A)
        Temperature times log-reference, ``-inf`` at excluded actions.
    """

    arrays: DiscountedArrays
    law: FloatArray
    temperature: float
    bonus: FloatArray

    @property
    def available(self) -> BoolArray:
        """Admitted pairs."""
        return self.arrays.available

    def __call__(self, policy: FloatArray, reference_action: int | None = None) -> ExactGradient:
        """Value and gradient.

        Parameters
        ----------
        policy : ndarray (S, A)
            Probabilities, zero at unavailable pairs.
        reference_action : int, optional
            The action without logit.

        Returns
        -------
        ExactGradient
        """
        arrays, discount = self.arrays, self.arrays.discount
        cost, cost_error = stage_cost(policy[np.newaxis], self.temperature, self.bonus[np.newaxis])
        deviation = row_sum_deviation(policy)
        # Rows divided by their sums have logarithms that differ by the deviation.
        extra = np.where(policy > 0, cost_error[0] + 1.01 * self.temperature * deviation, 0.0)
        forward, adjoint = evaluation_solvers(mixed_rows(arrays, policy), discount)
        relative = evaluate_relative(arrays, policy, cost[0], extra, solve=forward)
        found = relative.found
        m, missing = self._occupancy(policy, adjoint, deviation)
        spread = row_spread(arrays, found) + 2 * relative.lookahead
        gradient, squares = _gradient(
            m,
            np.full(m.size, missing),
            policy,
            relative.q,
            cost[0],
            cost_error[0],
            spread,
            deviation,
            reference_action,
        )
        start, start_error = _start(self.law, found.value, found.bound)
        return ExactGradient(found.value, found.bound, start, start_error, gradient, _root(squares))

    def _occupancy(self, policy: FloatArray, adjoint: Any, deviation: float) -> tuple[FloatArray, float]:
        """Unnormalised occupancy and its error in the 1-norm."""
        arrays, discount = self.arrays, self.arrays.discount
        best, error = self.law, np.inf
        m = np.maximum(adjoint(self.law), 0.0)
        for _ in range(3):
            inflow = discount * (arrays.matrix.T @ (m[:, np.newaxis] * policy).ravel())
            residual = self.law + inflow - m
            # Sums of at most S A non-negative products, then the discount, a sum and a difference; row sums.
            size = float(m.sum())
            count = policy.size + 6
            sums = arrays.row_deviation + deviation + arrays.data_rounding
            slack = 3.03 * (count * UNIT + sums) * (size + 1)
            gap = (1 - discount) * (1 - 4 * UNIT) - 1.01 * discount * sums
            bound = 1.01 * (float(np.abs(residual).sum()) + slack) / gap if gap > 0 else np.inf
            if bound < error:
                best, error = m, bound
            if float(np.abs(residual).sum()) <= 0.1 * slack:
                break
            m = np.maximum(m + adjoint(residual), 0.0)
        return best, error


@dataclass(frozen=True, eq=False)
class StageOracle:
    """Values and gradients of the stage policies of a finite-horizon model.

    Attributes
    ----------
    arrays : StageArrays
        The model.
    law : ndarray (S,)
        Start law.
    temperature : float
        Weight of the regulariser.
    bonus : ndarray (H, S, A)
        Temperature times log-reference, ``-inf`` at excluded actions.
    """

    arrays: StageArrays
    law: FloatArray
    temperature: float
    bonus: FloatArray

    @property
    def available(self) -> BoolArray:
        """Admitted pairs."""
        return self.arrays.available

    def __call__(self, policy: FloatArray, reference_action: int | None = None) -> ExactGradient:
        """Value and gradient.

        Parameters
        ----------
        policy : ndarray (H, S, A)
            Probabilities, zero at unavailable pairs.
        reference_action : int, optional
            The action without logit.

        Returns
        -------
        ExactGradient
        """
        mdp = self.arrays.mdp
        cost, cost_error = stage_cost(policy, self.temperature, self.bonus)
        found = evaluate_stages(self.arrays, policy, cost, cost_error, self.temperature)
        deviation = row_sum_deviation(policy)
        gradient = np.empty(policy.shape)
        m, relative, squares = self.law, 0.0, 0.0
        for h in range(mdp.horizon):
            gradient[h], own = _gradient(
                m,
                1.01 * relative * m,
                policy[h],
                found.q[h],
                cost[h],
                cost_error[h],
                2 * float(found.q_errors[h]),
                deviation,
                reference_action,
            )
            squares += own
            flat = mdp.stage_kernel(h).reshape(-1, m.size)
            m = mdp.discount * (flat.T @ (m[:, np.newaxis] * policy[h]).ravel())
            step = (policy[h].size + 3) * UNIT + deviation + float(self.arrays.deviations[h])
            relative = (relative + step) * (1 + 2 * step)
        bound = float(found.errors.max())
        start, start_error = _start(self.law, found.value[0], float(found.errors[0]))
        return ExactGradient(found.value, bound, start, start_error, gradient, _root(squares))


def _start(law: FloatArray, value: FloatArray, error: float) -> tuple[float, float]:
    """``law @ value`` and its error."""
    rounding = 1.01 * (law.size + 1) * UNIT * float(law @ np.abs(value))
    return float(law @ value), 1.01 * rounding + error * float(law.sum()) * (1 + 4 * law.size * UNIT)


def _root(squares: float) -> float:
    """Root of a sum of squares, rounded upwards; lost by underflow is at most the added number."""
    return float(np.sqrt(squares)) * 1.01 + 1e-150


def _gradient(
    m: FloatArray,
    m_error: FloatArray,
    policy: FloatArray,
    q: FloatArray,
    cost: FloatArray,
    cost_error: FloatArray,
    spread: float,
    deviation: float,
    reference_action: int | None,
) -> tuple[FloatArray, float]:
    """``m pi A`` of one stage and the sum of the squares of its errors; ``spread`` bounds the span of ``q``'s error."""
    taken = policy > 0
    entries = np.where(taken, q - cost, 0.0)
    advantage = np.where(taken, entries - (policy * entries).sum(axis=1, keepdims=True), 0.0)
    size = (policy * np.abs(entries)).sum(axis=1, keepdims=True)
    common = ((taken.sum(axis=1, keepdims=True) + 3) * UNIT + 2 * deviation) * size
    error = spread + 2 * cost_error.max(axis=1, keepdims=True) + common
    error = 1.01 * (error + 2 * UNIT * (np.abs(entries) + np.abs(advantage)))
    weight = m[:, np.newaxis]
    gradient = weight * policy * advantage
    missed = m_error[:, np.newaxis] * policy * (np.abs(advantage) + error)
    missed = 1.01 * (missed + weight * policy * error + (4 * UNIT + 2 * deviation) * np.abs(gradient))
    missed = np.where(taken, missed, 0.0)
    if reference_action is not None:
        gradient[:, reference_action] = missed[:, reference_action] = 0.0
    return gradient, float((missed**2).sum())
