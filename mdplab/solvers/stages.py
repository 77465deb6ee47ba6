r"""Stage by stage: lookaheads of finite-horizon models with their rounding, and what an evaluation of stages proves.

With :math:`\epsilon_h` the error of one computed backup and :math:`e_{h+1}` that of the value after it, the value of a
stage errs by :math:`e_h=\epsilon_h+\gamma(1+\delta)e_{h+1}`: backups of policies, maxima and log-sum-exps are
non-expansive.  All bounds hold for kernels and policies as they stand and for rows divided by their sums.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdplab._kernels import backups
from mdplab._typing import Array, BoolArray, FloatArray
from mdplab.models.finite_horizon import FiniteHorizonMDP
from mdplab.solvers.certificate import (
    divergence_error,
    evaluation_rounding,
    log_policy_rounding,
    probability_error,
    soft_rounding,
)
from mdplab.solvers.discounted import HEADROOM, UNIT

__all__ = [
    "STAGE_THEOREM",
    "StageArrays",
    "StageValues",
    "enclosing_width",
    "evaluate_stages",
    "row_sum_deviation",
    "soft_stage_errors",
    "stage_arrays",
]

STAGE_THEOREM = "backups are non-expansive: errors of the stages add, discounted (running rounding bound)"


@dataclass(frozen=True, eq=False)
class StageArrays:
    """A finite-horizon model, unpacked.

    Attributes
    ----------
    mdp : FiniteHorizonMDP
        The model.
    reward : ndarray (H, S, A) or None
        In the place of the model's reward.
    available : ndarray of bool (H, S, A)
        Admitted actions.
    deviations : ndarray (H,)
        Bounds on the deviation from 1 of the row sums of admitted pairs.
    successors : ndarray (H,)
        Most successors of a pair.
    """

    mdp: FiniteHorizonMDP
    reward: FloatArray | None
    available: BoolArray
    deviations: FloatArray
    successors: FloatArray

    def lookahead(self, h: int, following: FloatArray) -> tuple[FloatArray, float]:
        """``R_h + discount * P_h following`` and its rounding error on admitted pairs.

        Parameters
        ----------
        h : int
            Stage.
        following : ndarray (S,)
            Value after it.

        Returns
        -------
        q : ndarray (S, A)
            The lookahead; finite also at excluded pairs, whose rewards are not read.
        rounding : float
            Sup-norm error, row sums included.
        """
        mdp = self.mdp
        states = following.size
        reward = mdp.stage_reward(h) if self.reward is None else self.reward[h]
        reward = np.where(self.available[h], reward, 0.0)
        kernel = mdp.stage_kernel(h).reshape(-1, states)
        q = reward + mdp.discount * (kernel @ following).reshape(states, -1)
        size = float(np.abs(following).max())
        largest = float(np.abs(q[self.available[h]]).max())
        deviation = float(self.deviations[h])
        # k products and sums, one product with the discount, one sum with the reward; then the rows' sums.
        count = float(self.successors[h]) + 2
        rounding = 1.01 * UNIT * (count * mdp.discount * size * (1 + deviation) + largest)
        return q, rounding + 1.01 * mdp.discount * deviation * size

    def inherited(self, h: int, error: float) -> float:
        """What an error of the value after stage ``h`` does to its lookahead.

        Parameters
        ----------
        h : int
            Stage.
        error : float
            Sup-norm error of the value after it.

        Returns
        -------
        float
            Bound in the sup norm.
        """
        return self.mdp.discount * (1 + 2 * float(self.deviations[h])) * error


def stage_arrays(
    mdp: FiniteHorizonMDP, available: BoolArray, reward: FloatArray | None = None
) -> StageArrays:
    """Unpack a finite-horizon model.

    Parameters
    ----------
    mdp : FiniteHorizonMDP
        The model.
    available : ndarray of bool (H, S, A)
        Admitted actions, the model's or fewer.
    reward : ndarray (H, S, A), optional
        In the place of the model's reward, which is then not read.

    Returns
    -------
    StageArrays
        With the statistics of the rows.

    Raises
    ------
    ValueError
        If rewards are so large that values overflow, or not finite.
    """
    shape = (mdp.horizon, mdp.n_states, mdp.n_actions)
    own = mdp.reward if reward is None else reward
    largest = float(np.abs(np.where(available, own, 0.0)).max())
    largest = shape[0] * largest + float(np.abs(mdp.terminal).max())
    if not largest <= HEADROOM:
        raise ValueError(
            f"reward and terminal: values of {shape[0]} stages may reach {largest:.3g}, expected at most {HEADROOM:.3g}; "
            "rescale the reward"
        )
    deviations, successors, statistics = np.empty(shape[0]), np.empty(shape[0]), np.zeros(3)
    for h in range(shape[0]):
        if h == 0 or mdp.transition.ndim == 4 or (available[h] != available[h - 1]).any():
            kernel = mdp.stage_kernel(h).reshape(-1, shape[1])
            backups.row_statistics_dense(kernel, np.ascontiguousarray(available[h]).ravel(), statistics)
        # The doubled sum is itself wrong by at most (k u)^2 relative.
        deviations[h] = statistics[0] * (1 + 4 * UNIT) + 2 * (statistics[1] * UNIT) ** 2
        successors[h] = statistics[1]
    return StageArrays(mdp, reward, available, deviations, successors)


def soft_stage_errors(
    lookahead: float,
    inherited: float,
    stage: FloatArray,
    bonus: FloatArray,
    value: FloatArray,
    log_policy: FloatArray,
    temperature: float,
) -> tuple[float, float, float, float]:
    """Errors of one computed soft stage.

    Parameters
    ----------
    lookahead, inherited : float
        Error of the action values, without and with the errors of the value after the stage.
    stage, bonus : ndarray (S, A)
        Action values, and what is added to them; ``-inf`` excludes an action.
    value : ndarray (S,)
        Their computed log-sum-exp.
    log_policy : ndarray (S, A)
        Computed log-probabilities.
    temperature : float
        Positive.

    Returns
    -------
    error, policy_error, log_policy_error, defect : float
        Of the value, the probabilities and the log-probabilities; what the rounded policy loses.
    """
    error = soft_rounding(lookahead, stage, bonus, value, temperature) + inherited
    rounding = log_policy_rounding(lookahead, stage, bonus, log_policy, temperature)
    probability = 0.5 * inherited / temperature + 1.01 * probability_error(log_policy, rounding) + 8 * UNIT
    logs = 2 * inherited / temperature + float(rounding.max())
    defect = 1.01 * temperature * bonus.shape[-1] * divergence_error(log_policy, rounding)
    return error * (1 + 8 * UNIT), probability, logs, defect


def enclosing_width(value: FloatArray, errors: FloatArray) -> FloatArray:
    """Half-widths around computed values: the error of the stage, and the rounding of ``value -+ error``.

    Parameters
    ----------
    value : ndarray (H + 1, S)
        Values.
    errors : ndarray (H + 1,)
        Their errors; 0 means exact.

    Returns
    -------
    ndarray (H + 1, S)
    """
    column = errors[:, np.newaxis]
    return np.asarray(column + UNIT * (np.abs(value) + column) * (column > 0))


def row_sum_deviation(policy: FloatArray) -> float:
    """Bound on the deviation from 1 of the row sums of a policy.

    Parameters
    ----------
    policy : ndarray (..., A)
        Probabilities.

    Returns
    -------
    float
        0 for deterministic policies, which sum exactly.
    """
    if not ((policy != 0) & (policy != 1)).any():
        return 0.0
    wide: Array = policy.sum(axis=-1, dtype=np.longdouble) - 1  # at least as exact as double sums
    bound: float = float(np.abs(wide).max()) + policy.shape[-1] * float(np.finfo(np.longdouble).eps)
    return bound


@dataclass(frozen=True, eq=False)
class StageValues:
    """Outcome of :func:`evaluate_stages`.

    Attributes
    ----------
    value : ndarray (H + 1, S)
        Values.
    q : ndarray (H, S, A)
        Action values; ``-inf`` at excluded pairs.
    errors : ndarray (H + 1,)
        Sup-norm errors of the values.
    q_errors : ndarray (H,)
        Sup-norm errors of the action values on admitted pairs.
    """

    value: FloatArray
    q: FloatArray
    errors: FloatArray
    q_errors: FloatArray


def evaluate_stages(
    arrays: StageArrays, policy: FloatArray, cost: FloatArray, cost_error: FloatArray, temperature: float
) -> StageValues:
    """Evaluate stage policies by the backward recursion, with its running error.

    Parameters
    ----------
    arrays : StageArrays
        The model.
    policy : ndarray (H, S, A)
        Probabilities, 0 at excluded pairs.
    cost, cost_error : ndarray (H, S, A)
        Taken off the reward, and its error; 0 where the policy is 0.
    temperature : float
        Of the cost: rows divided by their sums have another logarithm.

    Returns
    -------
    StageValues
        Bounds hold for the rows as they stand and divided by their sums.
    """
    horizon, states, _ = policy.shape
    value, errors = np.empty((horizon + 1, states)), np.zeros(horizon + 1)
    q, q_errors = np.empty(policy.shape), np.empty(horizon)
    value[horizon] = arrays.mdp.terminal
    deviation = row_sum_deviation(policy)
    for h in range(horizon - 1, -1, -1):
        q[h], lookahead = arrays.lookahead(h, value[h + 1])
        inherited = arrays.inherited(h, errors[h + 1])
        q_errors[h] = (lookahead + inherited) * (1 + 8 * UNIT)
        q[h][~arrays.available[h]] = -np.inf
        value[h] = (policy[h] * np.where(policy[h] > 0, q[h] - cost[h], 0.0)).sum(axis=1)
        own = evaluation_rounding(lookahead, q[h], policy[h], cost[h], cost_error[h])
        own += 1.01 * deviation * (float(np.abs(value[h]).max()) + temperature)
        errors[h] = (own + (1 + deviation) * inherited) * (1 + 8 * UNIT)
    return StageValues(value, q, errors, q_errors)
