"""Routes of the claims about reward-weighted refitting: round after round, and closed forms.

The rounds are mirror steps (:mod:`mdplab.operators.mirror`).  The closed form ``q_0 w^n`` is written out here, so that nothing is
shared; both in logarithms, with errors relative to the largest logarithm on the way.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mdplab import operators
from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from mdplab.divergences import kl, kl_from_logs
from mdplab.laws import Gaussian
from proofs_check.tilting.refit_instances import NormalRefit, RefitTask

ROUNDS = np.array([1.0, 2.0, 4.0, 8.0, 16.0])
"""Multiples of the number of rounds from which the variance falls like 1/n."""


def range_of(x: FloatArray) -> float:
    """``max - min``."""
    return float(np.ptp(x))


def log_normalised(x: FloatArray) -> FloatArray:
    """Logarithms of laws in proportion to ``exp(x)``, rows along the last axis."""
    top = x.max(axis=-1, keepdims=True)
    return np.asarray(x - top - np.log(np.exp(x - top).sum(axis=-1, keepdims=True)))


def log_powers(task: RefitTask) -> FloatArray:
    """``log q_0 w^n`` for ``n = 0, ..., rounds``, normalised, shape (rounds + 1, k)."""
    counts = np.arange(task.rounds + 1)[:, np.newaxis]
    return log_normalised(np.log(task.reference) + counts * (task.log_weight - task.log_weight.max()))


def passed_on(log_laws: FloatArray, own: FloatArray) -> FloatArray:
    """Errors of normalised logarithms from those of the exponents: their own, and the average that the normaliser has."""
    return np.asarray(own + 1.01 * (np.exp(log_laws) * own).sum(axis=-1, keepdims=True))


def errors_in_turn(task: RefitTask) -> FloatArray:
    """Errors of the logarithms of the iterates: those of the exponents add up, what a normaliser has the next one removes."""
    size = 1.0 + np.abs(task.log_iterates) + (task.log_weight.max() - task.log_weight)
    return passed_on(task.log_iterates, np.cumsum(rounding(size, task.reference.size + 24), axis=0))


def errors_of_powers(task: RefitTask) -> FloatArray:
    """Errors of :func:`log_powers`."""
    gaps = np.arange(task.rounds + 1)[:, np.newaxis] * (task.log_weight.max() - task.log_weight)
    size = 1.0 + np.abs(np.log(task.reference)) + gaps
    return passed_on(log_powers(task), rounding(size, task.reference.size + 24))


def weights(task: RefitTask) -> FloatArray:
    """The weights in units of the largest."""
    return np.asarray(np.exp(task.log_weight - task.log_weight.max()))


# --- (a): the law after n rounds --------------------------------------------------------------------------------------


def rounds_in_turn(task: RefitTask) -> Side:
    """Mirror steps, one a round: logarithms of q_1, ..., q_n"""
    return Side(task.log_iterates[1:], errors_in_turn(task)[1:])


def powers_of_the_weight(task: RefitTask) -> Side:
    """log q_0 + n log w, normalised"""
    return Side(log_powers(task)[1:], errors_of_powers(task)[1:])


# --- (b): the expected weight -----------------------------------------------------------------------------------------


def expected_weights(task: RefitTask, log_laws: FloatArray, errors: FloatArray) -> Side:
    """Expected weights under the laws, in units of the largest."""
    laws, w = np.exp(log_laws), weights(task)
    value = laws @ w
    return Side(value, 1.01 * (laws * errors) @ w + rounding(value, task.reference.size + 12))


def gain_of_a_round(task: RefitTask) -> Side:
    """Mirror steps: expected weight after a round less that before it"""
    side = expected_weights(task, task.log_iterates, errors_in_turn(task))
    value, error = np.asarray(side.value), np.asarray(side.error)
    return Side(np.diff(value), error[1:] + error[:-1])


def variance_over_mean(task: RefitTask) -> Side:
    """Variance of the weight over its mean, under q_0 w^n"""
    laws, w = np.exp(log_powers(task)[:-1]), weights(task)
    mean = laws @ w
    squares = (w - mean[:, np.newaxis]) ** 2
    spread = (laws * squares).sum(axis=1)
    off = (laws * errors_of_powers(task)[:-1]) @ w
    # the mean is off by ``off``, which moves the variance to second order and the quotient to first
    error = 2 * (laws * errors_of_powers(task)[:-1] * squares).sum(axis=1) + spread * off / mean + off * off
    return Side(spread / mean, 1.01 * error / mean + rounding(spread / mean + mean, 2 * w.size + 32))


def expected_before(task: RefitTask) -> Side:
    """Mirror steps: expected weight before each round"""
    return expected_weights(task, task.log_iterates[:-1], errors_in_turn(task)[:-1])


def expected_after(task: RefitTask) -> Side:
    """Mirror steps: expected weight after each round"""
    return expected_weights(task, task.log_iterates[1:], errors_in_turn(task)[1:])


def expected_before_by_powers(task: RefitTask) -> Side:
    """Expected weight under q_0 w^n"""
    return expected_weights(task, log_powers(task)[:-1], errors_of_powers(task)[:-1])


def expected_after_by_powers(task: RefitTask) -> Side:
    """Expected weight under q_0 w^{n+1}"""
    return expected_weights(task, log_powers(task)[1:], errors_of_powers(task)[1:])


# --- (c): the regularised problem ----------------------------------------------------------------------------------------


def loss_of_the_rival(task: RefitTask) -> Side:
    """Mirror steps: E log w - KL(. || q_0) / n at q_n less its value at the rival"""
    log_law, log_reference, n = task.log_iterates[-1], np.log(task.reference), task.rounds
    law, gaps = np.exp(log_law), task.log_weight.max() - task.log_weight  # constants of log w cancel
    change = np.abs(log_law) + np.abs(log_reference) + 1
    kept = law @ gaps + float(kl_from_logs(log_law, log_reference)) / n
    lost = task.rival @ gaps + float(kl(task.rival, task.reference)) / n
    size = law @ gaps + task.rival @ gaps + (law @ change + divergence_size(task.rival, log_reference)) / n
    off = float((law * errors_in_turn(task)[-1]) @ (gaps + change / n))
    return Side(lost - kept, 1.01 * off + float(rounding(size, 2 * law.size + 24)))


def divergence_size(law: FloatArray, log_other: FloatArray) -> float:
    """``sum p (|log p| + |log q| + 1)``, the size of the terms of a divergence."""
    logs = np.log(np.where(law > 0, law, 1.0))
    return float(law @ (np.abs(logs) + np.abs(log_other) + 1))


def divergence_from_the_optimum(task: RefitTask) -> Side:
    """KL(p || q_n) / n with the tilt of q_0 at temperature 1/n (Gibbs)"""
    gap = operators.gibbs_gap(
        task.rival, task.log_weight, temperature=1 / task.rounds, log_reference=np.log(task.reference)
    )
    off = task.rival @ errors_of_powers(task)[-1]
    size = divergence_size(task.rival, log_powers(task)[-1])
    return Side(gap, (off + float(rounding(size, task.rival.size + 16))) / task.rounds)


# --- (d): divergence, rate and limit -------------------------------------------------------------------------------------


def divergences(task: RefitTask) -> Side:
    """``KL(q_k || q_0)`` of the rounds, by mirror steps."""
    logs, log_reference = task.log_iterates, np.log(task.reference)
    laws, change = np.exp(logs), np.abs(logs - log_reference) + 1
    off = (laws * change * errors_in_turn(task)).sum(axis=1)
    size = (laws * (np.abs(logs) + np.abs(log_reference) + 1)).sum(axis=1)
    return Side(kl_from_logs(logs, log_reference), 1.01 * off + rounding(size, laws.shape[1] + 16))


def divergences_by_powers(task: RefitTask) -> Side:
    """``k E log w - log E_{q_0} w^k`` under ``q_0 w^k``."""
    gaps, rounds = task.log_weight.max() - task.log_weight, np.arange(task.rounds + 1)
    laws = np.exp(log_powers(task))
    log_total = np.log(np.exp(-rounds[:, np.newaxis] * gaps) @ task.reference)
    off = rounds * ((laws * errors_of_powers(task)) @ gaps)
    # an exponential of a large number is off by its size; in the total it counts by its share
    size = rounds * (laws @ gaps) + np.abs(log_total) + 2
    return Side(-rounds * (laws @ gaps) - log_total, 1.01 * off + rounding(size, 2 * gaps.size + 24))


def split(side: Side, *, first: bool) -> Side:
    """All entries but the last, or but the first."""
    part = slice(None, -1) if first else slice(1, None)
    return Side(np.asarray(side.value)[part], np.asarray(side.error)[part])


def divergence_before(task: RefitTask) -> Side:
    """Mirror steps: KL(q_k || q_0)"""
    return split(divergences(task), first=True)


def divergence_after(task: RefitTask) -> Side:
    """Mirror steps: KL(q_{k+1} || q_0)"""
    return split(divergences(task), first=False)


def divergence_before_by_powers(task: RefitTask) -> Side:
    """k E log w - log E_{q_0} w^k"""
    return split(divergences_by_powers(task), first=True)


def divergence_after_by_powers(task: RefitTask) -> Side:
    """The same after the next round"""
    return split(divergences_by_powers(task), first=False)


def margin(log_weight: FloatArray) -> float:
    """Distance of the largest log-weight from the next smaller value; 1 where all are equal."""
    below = log_weight[log_weight < log_weight.max()]
    return float(log_weight.max() - below.max()) if below.size else 1.0


def others(task: RefitTask, log_laws: FloatArray, errors: FloatArray) -> Side:
    """``e^{ng} (1 - q_n(i))``, i the best entry and g its distance from the next, for ``n = 1, ...``."""
    best = int(np.argmax(task.log_weight))
    rest = np.delete(task.log_weight, best)
    raised = np.arange(1, task.rounds + 1)[:, np.newaxis] * (task.log_weight[best] - rest.max())
    logs, off = np.delete(log_laws[1:], best, axis=1), np.delete(errors[1:], best, axis=1)
    value = np.exp(logs + raised)
    error = value * (off + rounding(1 + np.abs(logs) + raised, rest.size + 12))
    return Side(value.sum(axis=1), 1.01 * error.sum(axis=1))


def scaled_miss(task: RefitTask) -> Side:
    """Mirror steps: mass that misses the best entry, times e^{ng}"""
    return others(task, task.log_iterates, errors_in_turn(task))


def scaled_miss_by_powers(task: RefitTask) -> Side:
    """q_0 w^n: mass that misses the best entry, times e^{ng}"""
    return others(task, log_powers(task), errors_of_powers(task))


def odds_against_the_best(task: RefitTask) -> Side:
    """(1 - q_0(i)) / q_0(i)"""
    best = int(np.argmax(task.log_weight))
    odds = float(np.delete(task.reference, best).sum() / task.reference[best])
    return Side(np.full(task.rounds, odds), rounding(odds, task.reference.size + 4))


def far_ahead(task: RefitTask) -> Side:
    """Tilt of q_0 at the temperature of so many rounds that e^{-60} is left of the rest"""
    charged = task.reference > 0
    logs = task.log_weight[charged]
    with np.errstate(divide="ignore"):
        log_reference = np.log(task.reference)
    temperature = margin(logs) / 60
    law = np.exp(operators.log_tilt(task.log_weight, temperature=temperature, log_reference=log_reference))
    log_kept = math.log(float(task.reference[charged][logs == logs.max()].sum()))
    return Side(law, math.exp(-60 - log_kept) + float(rounding(1.0 - log_kept, 2 * law.size + 32)))


def conditioned_on_the_best(task: RefitTask) -> Side:
    """q_0 conditioned on the largest weight"""
    best = task.log_weight == task.log_weight.max()
    law = np.where(best, task.reference, 0.0)
    if not law.any():
        law = best.astype(float)
    return Side(law / law.sum(), rounding(1.0, law.size + 4))


# --- (e): normal laws ----------------------------------------------------------------------------------------------------


def rounds_of_tilts(task: NormalRefit) -> Side:
    """Quadratic tilts, one a round: mean and variance"""
    law = task.start
    for _ in range(task.rounds):
        law = law.tilt(task.width**-2, task.centre)
    return moments(law, task, operations=16 * task.rounds + 16)


def moments(law: Gaussian, task: NormalRefit, operations: int) -> Side:
    """Mean and variance, with errors relative to the larger of the two means, and to the variance."""
    size = max(abs(task.start.mean), abs(task.centre))
    value = np.array([law.mean, law.variance])
    return Side(value, rounding(np.array([size, law.variance]), operations))


def precision_weighted(task: NormalRefit) -> Side:
    """1/v = 1/s^2 + n/b^2, m = v (m_0/s^2 + n a/b^2)"""
    own, gained = task.start.deviation**-2, task.rounds * task.width**-2
    variance = 1 / (own + gained)
    mean = variance * (task.start.mean * own + gained * task.centre)
    size = max(abs(task.start.mean), abs(task.centre))
    return Side(np.array([mean, variance]), rounding(np.array([size, variance]), 24))


class Sums(NamedTuple):
    """A density on a grid of equal steps.

    Attributes
    ----------
    place : ndarray
        The places, in deviations of the narrower factor apart from the mode.
    mass : ndarray
        Shares of the places.
    mode, narrow : float
        Where the density is largest, and the deviation of the narrower factor.
    log_total : float
        Logarithm of the integral.
    error : float
        Relative error of the masses and of the integral.
    """

    place: FloatArray
    mass: FloatArray
    mode: float
    narrow: float
    log_total: float
    error: float


def trapezoidal(task: NormalRefit) -> Sums:
    """The density ``q_0 w^n``.

    Both factors have their modes between the two means, and the product a deviation between ``narrow / sqrt 2`` and
    ``narrow``, the smaller of the two. The sums run over 14 of these on both sides in steps of a twelfth: what is left out, and
    the error of the sums for a normal density (theta function), are below ``e^{-90}``.
    """
    narrow = min(task.start.deviation, task.width / math.sqrt(task.rounds))
    low, high = sorted((task.start.mean, task.centre))
    x = np.arange(low - 14 * narrow, high + 14 * narrow, narrow / 12)
    paid = 0.5 * task.rounds * ((x - task.centre) / task.width) ** 2
    own = task.start.log_density(x)
    logs = own - paid
    mass = np.exp(logs - logs.max())
    total, mode = float(mass.sum()), float(x[mass.argmax()])
    mass /= total
    # exponents are off by their own size, places by theirs: as if the step varied by so much of itself
    largest = float((np.abs(own) + paid)[mass > 1e-40].max())
    relative = float(rounding(largest + 12 * np.abs(x).max() / narrow, 16)) + float(rounding(1.0, x.size + 8))
    log_total = float(logs.max()) + math.log(total * narrow / 12)
    return Sums((x - mode) / narrow, mass, mode, narrow, log_total, relative)


def by_quadrature(task: NormalRefit) -> Side:
    """Trapezoidal sums of q_0 w^n: mean and variance"""
    sums = trapezoidal(task)
    mean = float(sums.mass @ sums.place)
    variance = float(sums.mass @ (sums.place - mean) ** 2)
    value = np.array([sums.mode + sums.narrow * mean, sums.narrow**2 * variance])
    error = sums.error * np.array([2 * sums.narrow, 8 * sums.narrow**2])
    return Side(value, error + rounding([abs(sums.mode) + sums.narrow, 0.0], 4))


def variances(task: NormalRefit) -> Side:
    """Variances after n, 2n, 4n, ... rounds"""
    value = [task.start.tilt(n * task.width**-2, task.centre).variance for n in counts(task)]
    return Side(np.array(value), rounding(np.array(value), 32))


def counts(task: NormalRefit) -> FloatArray:
    """Numbers of rounds from which on the weights outweigh the first law a hundredfold."""
    return np.asarray(ROUNDS * math.ceil(100 * max(1.0, (task.width / task.start.deviation) ** 2)))


def nothing(task: NormalRefit) -> Side:
    """0"""
    return Side(0.0)
