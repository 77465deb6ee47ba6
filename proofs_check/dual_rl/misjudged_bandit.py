"""A bandit with a learned reward: what the tilt by the wrong reward gains in the right one, and both divergences.

Everything is a function of the tilt's exponents ``x = (r + e)/beta``.  One route takes log-probabilities, the other moments
under the reference of the centred exponents; divergences keep their accuracy relative to the exponents in both, as the root
of a divergence is taken.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab._typing import BoolArray, FloatArray
from mdplab.claims import Side, rounding
from mdplab.instances import Draw, full_support
from mdplab.operators import log_tilt

# --- instances ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class MisjudgedBandit:
    """Arms with a true reward, the error of the learned one, a reference and the strength of the penalty.

    Attributes
    ----------
    reward, error : ndarray, shape (n,)
        ``r`` and ``e``; the learned reward is their sum.
    reference : ndarray, shape (n,)
        The policy before fine-tuning.
    temperature : float
        ``beta``, which multiplies the divergence from the reference.
    """

    reward: FloatArray
    error: FloatArray
    reference: FloatArray
    temperature: float

    @property
    def learned(self) -> FloatArray:
        """``r + e``."""
        return self.reward + self.error

    @property
    def support(self) -> BoolArray:
        """Where the reference is positive, a boolean (n,)."""
        return self.reference > 0

    @cached_property
    def log_ratio(self) -> FloatArray:
        """``log(pi_beta / pi_ref)`` on the support of the reference."""
        q = self.reference[self.support]
        # centred, so that equal rewards make it vanish whatever the reference
        x = (self.learned[self.support] - self.learned[self.support] @ q / q.sum()) / self.temperature
        ratio: FloatArray = log_tilt(x, log_reference=np.log(q)) - np.log(q)
        return ratio

    @property
    def exponent_error(self) -> float:
        """Bound on the error of a log-ratio and of a centred exponent."""
        scale = float(np.abs(self.learned).max()) / self.temperature
        logs = -np.log(self.reference[self.support].min())
        return float(rounding(2 + 4 * scale + 2 * logs, self.reward.size + 8))


def misjudged_bandit(draw: Draw) -> MisjudgedBandit:
    """Two to six arms, r ~ U(0, 1), e ~ N(0, 1) times a size in .01 to 3.2, a reference with a tenth of uniform."""
    n = draw.integer(2, 6)
    return MisjudgedBandit(
        draw.uniform(0.0, 1.0, n),
        draw.normal(n) * draw.log_number(1e-2, 10**0.5),
        full_support(draw, n, mixture=0.1),
        draw.log_number(10**-1.3, 10**1.5),
    )


def well_judged_bandit(draw: Draw) -> MisjudgedBandit:
    """The same without an error of the reward."""
    drawn = misjudged_bandit(draw)
    return replace(drawn, error=np.zeros_like(drawn.error))


def with_unused_arms(draw: Draw) -> MisjudgedBandit:
    """A bandit some of whose arms the reference never takes."""
    drawn = misjudged_bandit(draw)
    kept = drawn.reference * draw.boolean(0.6, drawn.reference.size)
    if not 0 < np.count_nonzero(kept) < kept.size:
        draw.reject("no arm is taken, or all are")
    return replace(drawn, reference=kept / kept.sum())


# --- the routes -----------------------------------------------------------------------------------------------------


def gain(task: MisjudgedBandit) -> Side:
    """Difference of the true values under the tilt's probabilities and under the reference."""
    q, r, t = task.reference[task.support], task.reward[task.support], task.log_ratio
    difference = q * np.expm1(t)
    moved = task.exponent_error * (q * np.exp(t))
    error = np.abs(r) @ moved + float(rounding(np.abs(r) @ (q * (1 + np.exp(t))), q.size + 8))
    return Side(difference @ r, error)


def centred(task: MisjudgedBandit) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Reference, true reward and exponents on its support, the last two centred under it."""
    q = task.reference[task.support] / task.reference[task.support].sum()
    r, x = task.reward[task.support], task.learned[task.support]
    r, x = r - q @ r, (x - q @ x) / task.temperature
    return q, r, x - q @ x


def gain_by_covariance(task: MisjudgedBandit) -> Side:
    """Covariance of the true reward and the tilt's weights under the reference, over the mean weight."""
    q, r, x = centred(task)
    weight = np.exp(x - x.max())
    law = q * weight / (q @ weight)
    error = 2 * task.exponent_error * (np.abs(r) @ law) + float(rounding(np.abs(task.reward).max(), 32))
    return Side((q * weight) @ r / (q @ weight), error)


def sum_of_divergences(task: MisjudgedBandit) -> Side:
    """The temperature times both divergences, a sum of non-negative terms in log-ratios."""
    q, t, delta = task.reference[task.support], task.log_ratio, task.exponent_error
    terms = q * np.expm1(t) * t
    error = delta * (q * (np.abs(np.expm1(t)) + np.exp(t) * np.abs(t))).sum()
    error += delta**2 * (q * np.exp(t)) @ (3 + np.abs(t))  # half of the second derivative is e^t (1 + t/2)
    return Side(task.temperature * terms.sum(), task.temperature * (error + float(rounding(terms.sum(), 24))))


def root_of_half(divergence: float, error: float) -> tuple[float, float]:
    """``sqrt(D/2)`` of a divergence that is known up to an error, and the error of the root."""
    known = max(divergence, 0.0)
    lower = max(known - error, 0.0)
    return float(np.sqrt(known / 2)), float(np.sqrt((known + error) / 2) - np.sqrt(lower / 2))


def forward_divergence(task: MisjudgedBandit) -> tuple[float, float]:
    """``KL(pi_beta || pi_ref)`` as ``sum pi_ref (t e^t - e^t + 1)``, whose terms are not negative, and its error."""
    q, t, delta = task.reference[task.support], task.log_ratio, task.exponent_error
    terms = q * (t * np.exp(t) - np.expm1(t))
    moved = (delta + float(rounding(1.0, q.size + 8))) * (q * np.exp(t) * np.abs(t)).sum()
    moved += float(rounding((q * np.abs(np.expm1(t))).sum(), 8)) + delta**2 * (q * np.exp(t)) @ (
        1 + np.abs(t)
    )
    return float(terms.sum()), moved


def span(task: MisjudgedBandit) -> float:
    """``max e - min e``."""
    return float(np.ptp(task.error))


def improvement_bound(task: MisjudgedBandit, *, charge: float = 1.0) -> Side:
    """The temperature times both divergences, less the span of the error times the root of half of one."""
    first = sum_of_divergences(task)
    root, error = root_of_half(*forward_divergence(task))
    value = float(np.asarray(first.value)) - charge * span(task) * root
    return Side(
        value, float(np.max(first.error)) + span(task) * error + float(rounding(np.abs(first.value) + 1, 8))
    )


def improvement_bound_by_moments(task: MisjudgedBandit) -> Side:
    """The same: learned gain by a covariance, and KL as the mean exponent less the logarithm of the mean weight.

    The exponents must stay below 709, where their exponentials overflow.
    """
    q, _, x = centred(task)
    weight = np.exp(x - x.max())
    law = q * weight / (q @ weight)
    learned = float((q * np.expm1(x)) @ x * np.exp(-x.max()) / (q @ weight))  # E_beta x, as E_ref x = 0
    excess = q @ (np.expm1(x) - x)
    divergence = float(learned - np.log1p(excess))
    # the divergence moves with an exponent by law (x - E_beta x), its mean by law (1 + x - E_beta x)
    delta, spread = task.exponent_error, float(law @ np.abs(x - learned))
    summed = float(law @ np.abs(x) + q @ np.abs(x) + q @ np.abs(np.expm1(x)) / (1 + excess))
    moved = delta * (spread + delta) + float(rounding(summed, q.size + 16))
    root, error = root_of_half(divergence, moved)
    first = delta * (1 + spread) + float(rounding(summed, q.size + 16))
    return Side(
        task.temperature * learned - span(task) * root,
        task.temperature * first + span(task) * error + float(rounding(span(task) + abs(learned), 8)),
    )


def true_value(task: MisjudgedBandit) -> float:
    """Mean true reward of the tilt."""
    tilted = task.reference[task.support] * np.exp(task.log_ratio)
    return float(tilted @ task.reward[task.support] / tilted.sum())


def learned_value(task: MisjudgedBandit) -> float:
    """Mean learned reward of the tilt."""
    return true_value(replace(task, reward=task.learned, error=np.zeros_like(task.error)))
