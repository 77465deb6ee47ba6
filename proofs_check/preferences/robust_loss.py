"""Routes of the claim on robust DPO: the loss of one label, population minimisers, the limit of the suboptimality."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.claims import Side, Undecided, central_difference_error, rounding
from mdplab.numerics import complex_step_gradient
from mdplab.operators import log_tilt
from mdplab.solvers import FitSolution
from proofs_check.preferences.label_noise import FlippedLabel, LogLinearTask, NoisyBandit, sigmoid

# --- (a), (b), (c): the loss of one label ---------------------------------------------------------------------------


def logistic_loss(h: Array) -> Array:
    """``l(h) = log(1 + exp(-h))``, analytic."""
    return np.asarray(np.log1p(np.exp(-h)))


def robust_loss(h: Array, flip: float) -> Array:
    """``((1 - eps) l(h) - eps l(-h)) / (1 - 2 eps)``, ``h`` in the direction of the observed label."""
    return np.asarray(((1 - flip) * logistic_loss(h) - flip * logistic_loss(-h)) / (1 - 2 * flip))


def loss_size(label: FlippedLabel) -> float:
    """Magnitude of the terms of the robust loss."""
    return float(1 + np.abs(label.margins).max()) / (1 - 2 * label.assumed_flip)


def expected_robust_loss(label: FlippedLabel) -> Side:
    """Robust loss averaged over the two observed labels, for a clean win and for a clean loss."""
    h, assumed = label.margins, label.assumed_flip
    win, loss = robust_loss(h, assumed), robust_loss(-h, assumed)
    of_win, of_loss = label.flips
    value = [(1 - of_win) * win + of_win * loss, (1 - of_loss) * loss + of_loss * win]
    return Side(value, rounding(loss_size(label), 24))


def clean_loss(label: FlippedLabel) -> Side:
    """Logistic loss of the clean label, win and loss."""
    return Side([logistic_loss(label.margins), logistic_loss(-label.margins)], rounding(loss_size(label), 8))


def robust_slopes(label: FlippedLabel, shift: float = 0.0) -> FloatArray:
    """Complex-step derivatives in ``h`` of the losses of an observed win and loss, shape (2, k)."""

    def totals(h: Array) -> Array:
        return np.array([robust_loss(h, label.assumed_flip).sum(), robust_loss(-h, label.assumed_flip).sum()])

    return complex_step_gradient(totals, label.margins + shift)


def robust_curvature(label: FlippedLabel) -> Side:
    """Difference (step 1e-5) of complex-step derivatives of the loss, for both observed labels."""
    step = 1e-5
    value = (robust_slopes(label, step) - robust_slopes(label, -step)) / (2 * step)
    # |l''''| <= 1/8; the loss of either label differs from l by a linear function
    return Side(value, central_difference_error(loss_size(label), 0.125, step, 24))


def clean_curvature(label: FlippedLabel, inflated: bool = False) -> Side:
    """sigma(h) sigma(-h), for both labels."""
    value = sigmoid(label.margins) * sigmoid(-label.margins) / (1 - 2 * label.assumed_flip * inflated)
    return Side([value, value], rounding(1, 16))


def moments(win: Any, labels: FloatArray) -> tuple[Any, Any]:
    """Mean and variance of a label with the two values ``labels``, enumerated."""
    mean = win * labels[0] + (1 - win) * labels[1]
    return mean, win * (labels[0] - mean) ** 2 + (1 - win) * (labels[1] - mean) ** 2


def enumerated_score(label: FlippedLabel) -> Side:
    """Complex-step scores of both labels; mean and variance of sigma(h) - score over clean label and flip."""
    slopes, p = robust_slopes(label), label.win_probability
    win = p * (1 - label.flips[0]) + (1 - p) * label.flips[1]
    mean, variance = moments(win, sigmoid(label.margins[0]) - slopes[:, 0])
    value = np.concatenate([slopes.ravel(), [mean, variance, variance]])
    return Side(value, rounding(1 + 1 / (1 - 2 * label.assumed_flip) ** 2, 80))


def score_formula(label: FlippedLabel, power: int = 2) -> Side:
    """sigma(h) - z, p, q(1 - q)/(1 - 2 eps)^2 and p(1 - p) + eps(1 - eps)/(1 - 2 eps)^2."""
    p, flip = label.win_probability, label.assumed_flip
    gap, q = 1 - 2 * flip, (1 - flip) * p + flip * (1 - p)
    z = (np.array([[1.0], [0.0]]) - flip) / gap
    ends = [p, q * (1 - q) / gap**power, p * (1 - p) + flip * (1 - flip) / gap**power]
    value = np.concatenate([(sigmoid(label.margins) - z).ravel(), ends])
    return Side(value, rounding(1 + 1 / gap**2, 24))


# --- (d): population minimisers -------------------------------------------------------------------------------------


def fitted(bandit: NoisyBandit, found: FitSolution) -> Side:
    """The policy; its logits err by the solver's bound and by the labels' rounding over the curvature of the loss."""
    if found.policy is None or not np.isfinite(found.policy).all():
        raise Undecided(found.status.value)
    data = float(rounding(2 * bandit.temperature / (1 - 2 * bandit.flip), 24))
    return Side(found.policy, found.certificate.bound + data / found.curvature)


def robust_policy(bandit: NoisyBandit) -> Side:
    """Newton fit of the robust loss to the noisy labels."""
    return fitted(bandit, bandit.fit(flip=bandit.flip))


def plain_policy(bandit: NoisyBandit) -> Side:
    """Newton fit of the plain loss to the noisy labels."""
    return fitted(bandit, bandit.fit())


def smoothed_policy(bandit: NoisyBandit) -> Side:
    """Newton fit of the smoothed loss to the noisy labels."""
    return fitted(bandit, bandit.fit(smoothing=bandit.flip))


def optimal_policy(bandit: NoisyBandit) -> Side:
    """Closed form ref exp(r / beta)."""
    logs = log_tilt(bandit.reward, temperature=bandit.temperature, log_reference=np.log(bandit.reference))
    return Side(np.exp(logs), rounding(1 + np.abs(logs).max(), 32))


def suboptimality(bandit: NoisyBandit, policy: Side) -> float:
    """J(pi*) - J(pi)."""
    best = bandit.regularised_return(np.asarray(optimal_policy(bandit).value))
    return best - bandit.regularised_return(np.asarray(policy.value))


# --- (e): the limit of n times the suboptimality --------------------------------------------------------------------


def noisy_wins(task: LogLinearTask) -> FloatArray:
    """Winning probabilities after flipping, shape (m, K)."""
    flips = task.flips[:, None]
    return np.asarray((1 - flips) * task.wins + flips * (1 - task.wins))


def combined(task: LogLinearTask, variances: FloatArray, costs: FloatArray) -> Side:
    """Sum of label variances times costs."""
    value = variances @ costs
    operations = 8 * costs.size + 100 * (1 + int(np.abs(task.pairs @ task.parameters).max()))
    return Side(value, rounding(task.condition * value, operations))


def matrix_limit(task: LogLinearTask, power: int = 2) -> Side:
    """beta/2 tr(F H^-1 G H^-1)."""
    q, gaps = noisy_wins(task), (1 - 2 * task.flips[:, None]) ** power
    return combined(task, q * (1 - q) / gaps, task.matrix_costs)


def influence_limit(task: LogLinearTask) -> Side:
    """Enumerated label variances, carried through refits and the policy gradient by complex steps."""
    flips = task.flips[:, None]
    labels = np.stack([(1 - flips) / (1 - 2 * flips), -flips / (1 - 2 * flips)])
    return combined(task, moments(noisy_wins(task), labels)[1], task.influence_costs)


def scaled_limits(task: LogLinearTask, costs: FloatArray, power: int = 2) -> tuple[Side, Side]:
    """Lower side: the limit at eps = 0 and those times (1 - 2 eps)^2; upper side: the latter and variance 1/4."""
    q = noisy_wins(task)
    clean = np.broadcast_to(task.wins * (1 - task.wins), q.shape)
    scaled = q * (1 - q) / (1 - 2 * task.flips[:, None]) ** (2 - power)
    low, high = np.concatenate([clean, scaled]), np.concatenate([scaled, np.full(q.shape, 0.25)])
    return combined(task, low, costs), combined(task, high, costs)


def lower_scaled(task: LogLinearTask) -> Side:
    """Limit at eps = 0, and limits times (1 - 2 eps)^2: matrix formula."""
    return scaled_limits(task, task.matrix_costs)[0]


def upper_scaled(task: LogLinearTask) -> Side:
    """Limits times (1 - 2 eps)^2, and the formula with label variance 1/4."""
    return scaled_limits(task, task.matrix_costs)[1]


def lower_scaled_influence(task: LogLinearTask) -> Side:
    """Limit at eps = 0, and limits times (1 - 2 eps)^2: refits and policy gradient."""
    return scaled_limits(task, task.influence_costs)[0]


def upper_scaled_influence(task: LogLinearTask) -> Side:
    """Limits times (1 - 2 eps)^2, and label variance 1/4: refits and policy gradient."""
    return scaled_limits(task, task.influence_costs)[1]
