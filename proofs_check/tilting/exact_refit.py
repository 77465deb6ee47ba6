"""Reward-weighted refitting in balls, rounds in turn against powers of the weight; normal laws in rationals."""

from __future__ import annotations

from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.tilting.refit_instances import AnchorTask, NormalRefit, RefitTask


def weight(task: RefitTask) -> Array:
    """``w`` in units of the largest."""
    logs = mdplab.exact.rational(task.log_weight)
    return np.asarray(mdplab.exact.exp(logs - max(logs)))


def iterates(task: RefitTask) -> Array:
    """``q_0, ..., q_n``, each from the one before, shape (n + 1, k)."""
    laws, w = [mdplab.exact.ball(mdplab.exact.laws(task.reference))], weight(task)
    misfit = mdplab.exact.rational(task.misfit)
    for _ in range(task.rounds):
        weighted = laws[-1] * w
        laws.append((1 - misfit) * weighted / weighted.sum() + misfit / w.size)
    return np.array(laws, dtype=object)


def log_powers(task: RefitTask) -> Array:
    """``log q_0 w^n``, normalised, for all n, shape (n + 1, k)."""
    counts = mdplab.exact.rational(np.arange(task.rounds + 1))[:, np.newaxis]
    anchor = mdplab.exact.log(mdplab.exact.laws(task.reference))
    return mdplab.exact.log_tilt(counts * mdplab.exact.rational(task.log_weight), log_reference=anchor)


def powers(task: RefitTask) -> Array:
    """``q_0 w^n``, normalised."""
    return np.asarray(mdplab.exact.exp(log_powers(task)))


# --- without an anchor ------------------------------------------------------------------------------------------------


def rounds_in_turn(task: RefitTask) -> Array:
    """(a): logarithms of the iterates."""
    return np.asarray(mdplab.exact.log(iterates(task)[1:]))


def powers_of_the_weight(task: RefitTask) -> Array:
    """(a): the closed form."""
    return log_powers(task)[1:]


def expected_before(task: RefitTask) -> Array:
    """(b): expected weights of the iterates but the last."""
    return np.asarray(iterates(task)[:-1] @ weight(task))


def expected_after(task: RefitTask) -> Array:
    """(b): expected weights under the closed form, but the first."""
    return np.asarray(powers(task)[1:] @ weight(task))


def gain_of_a_round(task: RefitTask) -> Array:
    """(b): differences of the expected weights of the iterates."""
    return np.diff(iterates(task) @ weight(task))


def variance_over_mean(task: RefitTask) -> Array:
    """(b): variance over mean under the closed form."""
    laws, w = powers(task)[:-1], weight(task)
    mean = laws @ w
    apart = w - mean[:, np.newaxis]
    return np.asarray((laws * apart * apart).sum(axis=1) / mean)


def objective(task: RefitTask, law: Array) -> Any:
    """``E log w - KL(. || q_0) / n``."""
    reference = mdplab.exact.laws(task.reference)
    return law @ mdplab.exact.rational(task.log_weight) - mdplab.exact.kl(law, reference) / task.rounds


def loss_of_the_rival(task: RefitTask) -> Any:
    """(c): the objective at the last iterate less that at the rival."""
    return objective(task, iterates(task)[-1]) - objective(task, mdplab.exact.laws(task.rival))


def divergence_from_the_optimum(task: RefitTask) -> Any:
    """(c): the divergence of the rival from the closed form."""
    return mdplab.exact.kl(mdplab.exact.laws(task.rival), powers(task)[-1]) / task.rounds


def divergence_before(task: RefitTask) -> Array:
    """(d): ``KL(q_k || q_0)`` of the iterates but the last."""
    return np.asarray(mdplab.exact.kl(iterates(task)[:-1], mdplab.exact.laws(task.reference)))


def divergence_after(task: RefitTask) -> Array:
    """(d): the same under the closed form, but the first."""
    return np.asarray(mdplab.exact.kl(powers(task)[1:], mdplab.exact.laws(task.reference)))


def scaled_miss(task: RefitTask) -> Array:
    """(d): mass that misses the best entry, times ``e^{ng}``."""
    best = int(np.argmax(task.log_weight))
    logs = mdplab.exact.rational(task.log_weight)
    gap = logs[best] - max(np.delete(logs, best))
    counts = mdplab.exact.rational(np.arange(1, task.rounds + 1))
    missed = np.delete(iterates(task)[1:], best, axis=1).sum(axis=1)
    return np.asarray(missed * mdplab.exact.exp(counts * gap))


def odds_against_the_best(task: RefitTask) -> Array:
    """(d): ``(1 - q_0(i)) / q_0(i)``."""
    best = int(np.argmax(task.log_weight))
    law = mdplab.exact.laws(task.reference)
    return np.full(task.rounds, (1 - law[best]) / law[best], dtype=object)


# --- normal laws --------------------------------------------------------------------------------------------------------


def normal_numbers(task: NormalRefit) -> tuple[Any, Any, Any, Any]:
    """``m_0, s_0^2, a, b^2``."""
    mean, deviation, centre, width = mdplab.exact.rational(
        [task.start.mean, task.start.deviation, task.centre, task.width]
    )
    return mean, deviation * deviation, centre, width * width


def rounds_of_tilts(task: NormalRefit) -> Array:
    """(e): one product of two normal densities a round."""
    mean, variance, centre, square = normal_numbers(task)
    for _ in range(task.rounds):
        share = variance / (variance + square)
        mean, variance = mean + share * (centre - mean), (1 - share) * variance
    return np.array([mean, variance], dtype=object)


def precision_weighted(task: NormalRefit) -> Array:
    """(e): the closed form."""
    mean, variance, centre, square = normal_numbers(task)
    precision = 1 / variance + task.rounds / square
    weighed = mean / variance + task.rounds * centre / square
    return np.array([weighed / precision, 1 / precision], dtype=object)


# --- with an anchor -----------------------------------------------------------------------------------------------------


def log_fixed_point(task: AnchorTask) -> Array:
    """``log q_ref w^{1/a}``, normalised."""
    return mdplab.exact.log_tilt(
        mdplab.exact.rational(task.log_weight),
        temperature=mdplab.exact.rational(task.pull),
        log_reference=mdplab.exact.log(mdplab.exact.laws(task.reference)),
    )


def after(task: AnchorTask, log_law: Array) -> Array:
    """Logarithm of the law after one round."""
    pull = mdplab.exact.rational(task.pull)
    anchor = mdplab.exact.log(mdplab.exact.laws(task.reference))
    unnormalised = mdplab.exact.exp(
        (1 - pull) * log_law + pull * anchor + mdplab.exact.rational(task.log_weight)
    )
    return np.asarray(mdplab.exact.log(unnormalised / unnormalised.sum()))


def anchored(task: AnchorTask) -> Array:
    """Logarithms of ``q_0, ..., q_n``, shape (n + 1, k)."""
    logs = [mdplab.exact.log(mdplab.exact.laws(task.start))]
    for _ in range(task.rounds):
        logs.append(after(task, logs[-1]))
    return np.array(logs, dtype=object)


def one_round(task: AnchorTask) -> Array:
    """(a): a round from the closed form."""
    return after(task, log_fixed_point(task))


def spread(rows: Array) -> Array:
    """Ranges of the rows."""
    return np.asarray(mdplab.exact.highest(rows, axis=-1) - mdplab.exact.lowest(rows, axis=-1))


def ranges(task: AnchorTask) -> Array:
    """(b): ranges of the iterates from the fixed point."""
    return spread(anchored(task)[1:] - log_fixed_point(task))


def powers_of_the_share(task: AnchorTask) -> Array:
    """(b): powers of ``1 - a`` times the first range."""
    first = mdplab.exact.log(mdplab.exact.laws(task.start)) - mdplab.exact.log(
        mdplab.exact.laws(task.reference)
    )
    pull = mdplab.exact.rational(task.pull)
    range_of = spread((first - mdplab.exact.rational(task.log_weight) / pull)[np.newaxis])[0]
    return np.array([range_of * (1 - pull) ** k for k in range(1, task.rounds + 1)], dtype=object)


def divergences(task: AnchorTask) -> Array:
    """``KL(q* || q_k)`` of all iterates."""
    logs = log_fixed_point(task)
    return np.asarray((mdplab.exact.exp(logs) * (logs - anchored(task))).sum(axis=1))


def anchored_after(task: AnchorTask) -> Array:
    """(c): divergences after the rounds."""
    return divergences(task)[1:]


def share_of_anchored_before(task: AnchorTask) -> Array:
    """(c): ``1 - a`` times those before."""
    return np.asarray((1 - mdplab.exact.rational(task.pull)) * divergences(task)[:-1])


def penalised(task: AnchorTask) -> Array:
    """(d): logarithms of the iterates, weighted by ``w`` and by ``e^{-D}`` in turn."""
    law = mdplab.exact.ball(mdplab.exact.laws(task.start))
    weighing, discouraging = mdplab.exact.exp(task.log_weight), mdplab.exact.exp(-task.penalty)
    laws = []
    for _ in range(task.rounds):
        weighted = law * weighing * discouraging
        law = weighted / weighted.sum()
        laws.append(law)
    return np.asarray(mdplab.exact.log(np.array(laws, dtype=object)))


def powers_of_the_penalised(task: AnchorTask) -> Array:
    """(d): the closed form, weight and penalty read apart."""
    logs = mdplab.exact.rational(task.log_weight) - mdplab.exact.rational(task.penalty)
    counts = mdplab.exact.rational(np.arange(1, task.rounds + 1))[:, np.newaxis]
    start = mdplab.exact.log(mdplab.exact.laws(task.start))
    return mdplab.exact.log_tilt(counts * logs, log_reference=start)
