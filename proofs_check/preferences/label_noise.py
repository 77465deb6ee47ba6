"""Comparisons with flipped labels: one label, the population of all pairs, and a log-linear class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab import solvers
from mdplab._typing import Array, FloatArray
from mdplab.divergences import kl
from mdplab.instances import Draw, bandits, full_support, preference_matrices
from mdplab.models import PreferenceMatrix
from mdplab.operators import chain_to_features, log_tilt, softmax_policy_gradient
from mdplab.solvers import FitSolution

__all__ = [
    "FlippedLabel",
    "LogLinearTask",
    "NoisyBandit",
    "any_preferences",
    "flipped_label",
    "log_linear_task",
    "misjudged_label",
    "noisy_bandit",
    "sigmoid",
    "uneven_label",
]

TINY = 1e-30  # imaginary step


def sigmoid(h: Array) -> Array:
    """``1 / (1 + exp(-h))``, analytic; for moderate arguments."""
    return np.asarray(1 / (1 + np.exp(-h)))


@dataclass(frozen=True, eq=False)
class FlippedLabel:
    """A label that is flipped, and a loss that believes in a flip probability.

    Attributes
    ----------
    margins : ndarray, shape (k,)
        Margins ``h`` at which the loss is looked at, in the direction of a win.
    win_probability : float
        Probability ``p`` of a win before flipping.
    flips : tuple of float
        Probability that a win, and that a loss, is flipped.
    assumed_flip : float
        The ``eps`` of the loss.
    """

    margins: FloatArray
    win_probability: float
    flips: tuple[float, float]
    assumed_flip: float


@dataclass(frozen=True, eq=False)
class NoisyBandit:
    """Population of flipped comparisons of all pairs of responses, with equal weights.

    Attributes
    ----------
    reward : ndarray, shape (n,)
        The reward ``r*``.
    reference : ndarray, shape (n,)
        Reference policy.
    temperature : float
        Weight ``beta`` of the KL divergence.
    flip : float
        Flip probability.
    preference : ndarray (n, n) or None
        Clean winning probabilities; None is Bradley-Terry for the reward.
    """

    reward: FloatArray
    reference: FloatArray
    temperature: float
    flip: float
    preference: FloatArray | None = None

    @property
    def follows_the_reward(self) -> bool:
        """Whether the clean labels are Bradley-Terry for the reward."""
        clean = PreferenceMatrix.bradley_terry(self.reward).probability
        return self.preference is None or bool(np.allclose(self.preference, clean, rtol=0, atol=1e-12))

    @property
    def noisy(self) -> FloatArray:
        """Winning probabilities after flipping."""
        clean = self.preference
        if clean is None:
            clean = PreferenceMatrix.bradley_terry(self.reward).probability
        return np.asarray((1 - self.flip) * clean + self.flip * clean.T)

    def fit(self, *, flip: float = 0.0, smoothing: float = 0.0) -> FitSolution:
        """Minimiser of the plain, the de-biased or the smoothed loss on the noisy labels."""
        return solvers.direct_preference_fit(
            self.noisy, self.reference, temperature=self.temperature, flip=flip, smoothing=smoothing
        )

    def regularised_return(self, policy: FloatArray) -> float:
        """``J(pi) = pi . r - beta KL(pi || ref)``."""
        return float(policy @ self.reward - self.temperature * kl(policy, self.reference))


@dataclass(frozen=True, eq=False)
class LogLinearTask:
    """The class ``pi ~ ref exp(X theta)`` with the reward ``beta X theta*``; pairs are uniform over ordered pairs.

    Attributes
    ----------
    features : ndarray, shape (n, d)
        ``X``.
    parameters : ndarray, shape (d,)
        ``theta*``.
    reference : ndarray, shape (n,)
        Reference policy.
    temperature : float
        ``beta``.
    flips : ndarray, shape (m,)
        Flip probabilities that are compared.
    """

    features: FloatArray
    parameters: FloatArray
    reference: FloatArray
    temperature: float
    flips: FloatArray

    @cached_property
    def pairs(self) -> FloatArray:
        """Margin gradients ``x = beta (X_i - X_j)`` of the K ordered pairs, shape (K, d)."""
        i, j = np.nonzero(~np.eye(self.reference.size, dtype=bool))
        return np.asarray(self.temperature * (self.features[i] - self.features[j]))

    @property
    def wins(self) -> FloatArray:
        """Clean winning probabilities of the ordered pairs, shape (K,)."""
        return sigmoid(self.pairs @ self.parameters)

    @property
    def hessian(self) -> FloatArray:
        """``H = E[p (1 - p) x x']``."""
        weights = self.wins * (1 - self.wins)
        return np.asarray((weights[:, None] * self.pairs).T @ self.pairs / len(self.pairs))

    @property
    def fisher(self) -> FloatArray:
        """Fisher information of the optimal policy: the covariance of its features."""
        policy = np.exp(log_tilt(self.features @ self.parameters, log_reference=np.log(self.reference)))
        centred = self.features - policy @ self.features
        return np.asarray((policy[:, None] * centred).T @ centred)

    @property
    def condition(self) -> float:
        """Relative sensitivity of the limit.

        A solve with ``H`` errs by ``cond(H)``, a quadratic form with ``F`` magnifies that by at most ``sqrt cond(F)``.
        """
        return float(np.linalg.cond(self.hessian) * np.sqrt(np.linalg.cond(self.fisher)))

    @cached_property
    def matrix_costs(self) -> FloatArray:
        """Contribution of each ordered pair to ``beta/2 tr(F H^-1 G H^-1)`` per unit of label variance, shape (K,)."""
        moved = np.linalg.solve(self.hessian, self.pairs.T)
        forms = np.einsum("ik,ij,jk->k", moved, self.fisher, moved)
        return np.asarray(0.5 * self.temperature * forms / len(self.pairs))

    @cached_property
    def influence_costs(self) -> FloatArray:
        """The same by refits and the policy gradient; no Hessian, Fisher or covariance matrix is formed.

        The population minimiser is refitted with the mean label of one ordered pair moved, and the refit is carried
        through the gradient of the regularised return: both derivatives are complex steps.
        """
        count = len(self.pairs)
        moved = self._refitted(self.wins + 1j * TINY * np.eye(count)).imag / TINY
        slopes = [self._return_gradient(self.parameters + 1j * TINY * row).imag / TINY for row in moved]
        # half the second derivative of the loss of return, times the variance of a mean over 1/K of the labels
        return np.asarray(-0.5 * np.einsum("kd,kd->k", slopes, moved) * count)

    def _refitted(self, means: Array) -> Array:
        """Population minimisers (B, d) for the mean labels (B, K): damped Newton steps from 0, analytic."""
        theta = np.zeros((len(means), self.parameters.size), dtype=means.dtype)
        last = np.inf
        for _ in range(200):
            right = sigmoid(theta @ self.pairs.T)
            hessian = np.einsum("bk,ki,kj->bij", right * (1 - right), self.pairs, self.pairs)
            step = np.linalg.solve(hessian, ((right - means) @ self.pairs)[..., None])[..., 0]
            theta = theta - step / max(1.0, float(np.abs(step.real @ self.pairs.T).max()))
            size = float(np.abs(step.real).max())
            if (
                size < 1e-9 and size >= 0.5 * last
            ):  # rounding; the imaginary part is one step behind the real one
                break
            last = size
        return theta

    def _return_gradient(self, theta: Array) -> Array:
        """Gradient of the regularised return in the parameters, analytic.

        Features are measured from those of the likeliest response, which changes no policy: where the policy is nearly
        deterministic, all terms are then as small as its variance, and do not cancel.
        """
        log_reference = np.log(self.reference)
        likeliest = int(np.argmax(self.features @ self.parameters + log_reference))
        features = self.features - self.features[likeliest]
        logs = log_tilt(features @ theta, log_reference=log_reference)[None]
        gradient = softmax_policy_gradient(
            np.exp(logs),
            q=(self.temperature * features @ self.parameters)[None],
            state_occupancy=[1.0],
            discount=0.0,
            temperature=self.temperature,
            log_policy=logs,
            log_reference=log_reference[None],
        )
        return chain_to_features(gradient, features[None])


def flipped_label(draw: Draw) -> FlippedLabel:
    """Five normal margins of deviation 2, p in (0, 1), eps in (0, .45)."""
    flip = draw.number(0.0, 0.45)
    return FlippedLabel(draw.normal(5, scale=2.0), draw.number(0.0, 1.0), (flip, flip), flip)


def misjudged_label(draw: Draw) -> FlippedLabel:
    """A flipped label, and a loss that believes in another flip probability."""
    return replace(flipped_label(draw), assumed_flip=draw.number(0.0, 0.45))


def uneven_label(draw: Draw) -> FlippedLabel:
    """Wins and losses flipped with two probabilities, and a loss that believes in their mean."""
    label, other = flipped_label(draw), draw.number(0.0, 0.45)
    flips = (label.assumed_flip, other)
    return replace(label, flips=flips, assumed_flip=float(np.mean(flips)))


def noisy_bandit(draw: Draw) -> NoisyBandit:
    """n in 2..6, normal rewards, a full-support reference, beta in (.3, 2), eps in (.05, .4)."""
    bandit = bandits(draw, arms=(2, 6))
    return NoisyBandit(bandit.reward, bandit.reference, draw.number(0.3, 2.0), draw.number(0.05, 0.4))


def any_preferences(draw: Draw) -> NoisyBandit:
    """A noisy bandit whose clean labels are of any kind of preferences."""
    bandit = noisy_bandit(draw)
    n = bandit.reward.size
    return replace(bandit, preference=preference_matrices(draw, responses=(n, n)).probability)


def log_linear_task(draw: Draw) -> LogLinearTask:
    """n in 4..6, d in 2..3, normal features and parameters, beta in (.2, 1), four eps in (0, .45)."""
    n, d = draw.integer(4, 6), draw.integer(2, 3)
    features, parameters = draw.normal((n, d)), draw.normal(d)
    reference, beta = full_support(draw, n), draw.number(0.2, 1.0)
    task = LogLinearTask(features, parameters, reference, beta, draw.uniform(0.0, 0.45, 4))
    if task.condition > 4e3:
        draw.reject("features nearly collinear, or an all but deterministic policy")
    return task
