"""Flipped labels in exact arithmetic: derivatives by the quotient rule, a proven stationary point, two sums for the limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array

if TYPE_CHECKING:
    from proofs_check.preferences.label_noise import FlippedLabel, LogLinearTask, NoisyBandit

# --- (a), (b), (c): the loss of one label ---------------------------------------------------------------------------


def sigmoid(h: Any) -> Any:
    """``1 / (1 + exp(-h))``."""
    return 1 / (1 + mdplab.exact.exp(-h))


def jet(h: Any) -> tuple[Any, Any, Any]:
    """``l(h) = log u(h)``, ``u = 1 + exp(-h)``, with ``l' = u'/u`` and ``l'' = u''/u - (u'/u)^2``."""
    falling = mdplab.exact.exp(-h)
    u = 1 + falling
    return mdplab.exact.log(u), -falling / u, falling / u - (falling / u) ** 2


def debiased(same: Any, opposite: Any, flip: Any) -> Any:
    """``((1 - eps) same - eps opposite) / (1 - 2 eps)``."""
    return ((1 - flip) * same - flip * opposite) / (1 - 2 * flip)


def robust_jets(label: FlippedLabel) -> list[Array]:
    """Loss, slope and curvature in ``h`` for an observed win and an observed loss, each of shape (2, k)."""
    h, flip = mdplab.exact.rational(label.margins), mdplab.exact.rational(label.assumed_flip)
    found = []
    for order, (forward, backward) in enumerate(zip(jet(h), jet(-h), strict=True)):
        turned = (-1) ** order * backward  # of l(-h) as a function of h
        found.append(np.stack([debiased(forward, turned, flip), debiased(turned, forward, flip)]))
    return found


def expected_robust_loss(label: FlippedLabel) -> Array:
    """Robust loss averaged over the observed labels, for a clean win and a clean loss."""
    (win, loss), flips = robust_jets(label)[0], mdplab.exact.rational(label.flips)
    return np.stack([(1 - flips[0]) * win + flips[0] * loss, (1 - flips[1]) * loss + flips[1] * win])


def clean_loss(label: FlippedLabel) -> Array:
    """Logistic loss of the clean label, win and loss."""
    h = mdplab.exact.rational(label.margins)
    return np.stack([jet(h)[0], jet(-h)[0]])


def robust_curvature(label: FlippedLabel) -> Array:
    """Second derivatives of the loss of both observed labels."""
    return robust_jets(label)[2]


def clean_curvature(label: FlippedLabel) -> Array:
    """``sigma(h) sigma(-h)``, for both labels."""
    h = mdplab.exact.rational(label.margins)
    return np.stack([sigmoid(h) * sigmoid(-h)] * 2)


def moments(win: Any, labels: Any) -> tuple[Any, Any]:
    """Mean and variance of a label with two values, enumerated."""
    mean = win * labels[0] + (1 - win) * labels[1]
    high, low = labels[0] - mean, labels[1] - mean
    return mean, win * high * high + (1 - win) * low * low  # a power of a ball around 0 is NaN


def enumerated_score(label: FlippedLabel) -> Array:
    """Slopes of both labels; mean and (twice) variance of ``sigma(h) - slope`` over clean label and flip."""
    slopes = robust_jets(label)[1]
    p, flips = mdplab.exact.rational(label.win_probability), mdplab.exact.rational(label.flips)
    labels = sigmoid(mdplab.exact.rational(label.margins[0])) - slopes[:, 0]
    mean, variance = moments(p * (1 - flips[0]) + (1 - p) * flips[1], labels)
    return np.concatenate([slopes.ravel(), [mean, variance, variance]])


def score_formula(label: FlippedLabel) -> Array:
    """``sigma(h) - z``, p, ``q(1 - q)/(1 - 2 eps)^2`` and ``p(1 - p) + eps(1 - eps)/(1 - 2 eps)^2``."""
    p, flip = mdplab.exact.rational(label.win_probability), mdplab.exact.rational(label.assumed_flip)
    right = sigmoid(mdplab.exact.rational(label.margins))
    gap, q = 1 - 2 * flip, (1 - flip) * p + flip * (1 - p)
    ends = [p, q * (1 - q) / gap**2, p * (1 - p) + flip * (1 - flip) / gap**2]
    return np.concatenate([right - (1 - flip) / gap, right + flip / gap, ends])


# --- (d): the population minimiser ----------------------------------------------------------------------------------


def tilted(bandit: NoisyBandit, reward: Any) -> Array:
    """``ref exp(reward / beta)``."""
    reference = mdplab.exact.log(mdplab.exact.laws(bandit.reference))
    beta = mdplab.exact.rational(bandit.temperature)
    return np.asarray(mdplab.exact.softmax(reward, temperature=beta, log_reference=reference))


def robust_policy(bandit: NoisyBandit) -> Array:
    """The stationary point of the robust loss on noisy labels: rewards relative to the last, enclosed; the loss is convex."""
    reward, flip = mdplab.exact.rational(bandit.reward), mdplab.exact.rational(bandit.flip)
    given = bandit.preference
    clean = sigmoid(reward[:, np.newaxis] - reward) if given is None else mdplab.exact.rational(given)
    noisy = (1 - flip) * clean + flip * clean.T
    target = noisy * (1 - flip) / (1 - 2 * flip) - (1 - noisy) * flip / (1 - 2 * flip)

    def system(free: Array) -> tuple[Array, Array]:
        u = np.append(free, mdplab.exact.ball(0))
        right = sigmoid(u[:, np.newaxis] - u)
        pull, weight = right - target, right * right.T
        hessian = np.diag(weight.sum(axis=1)) - weight
        return (pull - pull.T).sum(axis=1)[:-1], 2 * hessian[:-1, :-1]

    policy = np.asarray(bandit.fit(flip=bandit.flip).policy)
    near = bandit.temperature * np.log(policy / bandit.reference)
    found = mdplab.exact.enclose_zero(system, near[:-1] - near[-1])
    return tilted(bandit, np.append(found, mdplab.exact.ball(0)))


def optimal_policy(bandit: NoisyBandit) -> Array:
    """``ref exp(r / beta)``."""
    return tilted(bandit, mdplab.exact.rational(bandit.reward))


# --- (e): the limit of n times the suboptimality --------------------------------------------------------------------


class Fit:
    """A log-linear task in balls: policy, pairs ``x`` (K, d), clean and noisy wins (K,), (m, K), Hessian."""

    def __init__(self, task: LogLinearTask) -> None:
        self.features = mdplab.exact.rational(task.features)
        parameters, self.beta = (mdplab.exact.rational(x) for x in (task.parameters, task.temperature))
        reference = mdplab.exact.log(mdplab.exact.laws(task.reference))
        self.policy = mdplab.exact.softmax(self.features @ parameters, log_reference=reference)
        i, j = np.nonzero(~np.eye(task.reference.size, dtype=bool))
        self.pairs = self.beta * (self.features[i] - self.features[j])
        self.wins = sigmoid(self.pairs @ parameters)
        self.flips = mdplab.exact.rational(task.flips)[:, np.newaxis]
        self.noisy = (1 - self.flips) * self.wins + self.flips * (1 - self.wins)
        self.hessian = self.second_moment(self.wins * (1 - self.wins))

    def second_moment(self, weights: Array) -> Array:
        """``E[weight x x']``."""
        return np.asarray((weights[:, np.newaxis] * self.pairs).T @ self.pairs / len(self.pairs))

    def by_matrices(self, variances: Array) -> Array:
        """``beta/2 tr(F H^-1 G H^-1)`` with the label variances (m, K); F is the covariance of the features."""
        centred = self.features - self.policy @ self.features
        fisher = (self.policy[:, np.newaxis] * centred).T @ centred
        inverse = mdplab.exact.inverse(self.hessian)
        traces = [(fisher @ inverse @ self.second_moment(row) @ inverse).trace() for row in variances]
        return np.array([self.beta / 2 * trace for trace in traces], dtype=object)

    def by_pairs(self, variances: Array) -> Array:
        """The delta method, pair by pair: refits ``H v = x`` and spreads ``1/2 sum pi_i pi_j ((X_i - X_j) v)^2``."""
        moved = mdplab.exact.solve(self.hessian, self.pairs.T)
        height = self.features @ moved
        gaps = height[:, np.newaxis] - height
        joint = np.multiply.outer(self.policy, self.policy)[..., np.newaxis]
        spreads = (joint * gaps * gaps).sum(axis=(0, 1)) / 2
        return np.asarray(self.beta / 2 * (variances @ spreads) / len(self.pairs))


def matrix_limit(task: LogLinearTask) -> Array:
    """The limits by matrices, with ``q(1 - q)/(1 - 2 eps)^2``."""
    fit = Fit(task)
    return fit.by_matrices(fit.noisy * (1 - fit.noisy) / (1 - 2 * fit.flips) ** 2)


def influence_limit(task: LogLinearTask) -> Array:
    """The limits pair by pair, with enumerated label variances."""
    fit = Fit(task)
    labels = (1 - fit.flips) / (1 - 2 * fit.flips), -fit.flips / (1 - 2 * fit.flips)
    return fit.by_pairs(moments(fit.noisy, labels)[1])


def lower_scaled(task: LogLinearTask) -> Array:
    """Limit at eps = 0, and limits times ``(1 - 2 eps)^2``, by matrices."""
    fit = Fit(task)
    clean = np.broadcast_to(fit.wins * (1 - fit.wins), fit.noisy.shape)
    return fit.by_matrices(np.concatenate([clean, fit.noisy * (1 - fit.noisy)]))


def upper_scaled(task: LogLinearTask) -> Array:
    """Limits times ``(1 - 2 eps)^2``, and label variance 1/4, pair by pair; at eps = 0 the sides are equal, and stay open."""
    fit = Fit(task)
    quarter = np.full(fit.noisy.shape, mdplab.exact.rational(0.25))
    return fit.by_pairs(np.concatenate([fit.noisy * (1 - fit.noisy), quarter]))
