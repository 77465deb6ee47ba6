"""Weighted cloning in exact arithmetic: zeros of the score in logits, ratios of counts; tilts with allowed actions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from mdplab.solvers import trust_region

if TYPE_CHECKING:
    from proofs_check.dual_rl.extraction_tasks import ClassTask, FeasibleTask

# --- classes of data ------------------------------------------------------------------------------------------------


def counts_of(task: ClassTask) -> tuple[Array, Array]:
    """Counts, and the size of every class as (K, 1, 1)."""
    counts = mdplab.exact.rational(task.counts.astype(float))
    return counts, counts.sum(axis=(1, 2))[:, np.newaxis, np.newaxis]


def weighted(task: ClassTask) -> Array:
    """``w_k n_k(s, a)``."""
    counts, sizes = counts_of(task)
    shares = mdplab.exact.laws(task.shares)[:, np.newaxis, np.newaxis]
    return np.asarray(shares / (sizes / sizes.sum()) * counts)


def weighted_shares(task: ClassTask) -> Array:
    """Weight of every class over the number of data."""
    return np.asarray(weighted(task).sum(axis=(1, 2)) / counts_of(task)[1].sum())


def wanted_shares(task: ClassTask) -> Array:
    """The target shares."""
    return np.asarray(mdplab.exact.laws(task.shares))


def normalised(rows: Array) -> Array:
    """Rows divided by their sums."""
    return np.asarray(rows / rows.sum(axis=-1, keepdims=True))


def ratio(task: ClassTask) -> Array:
    """Ratio of weighted counts."""
    return normalised(weighted(task).sum(axis=0))


def pooled_row(task: ClassTask) -> Array:
    """Ratio of weighted counts pooled over the states, for every state."""
    row = normalised(weighted(task).sum(axis=(0, 1))[np.newaxis])
    return np.repeat(row, task.counts.shape[1], axis=0)


def most_likely(row: Array) -> Array:
    """The law of largest expected log-likelihood, at the zero of the score in all logits but the last."""
    total = row.sum()

    def policy(logits: Array) -> Array:
        return np.asarray(mdplab.exact.softmax(np.append(logits, mdplab.exact.ball(0))))

    def score(logits: Array) -> tuple[Array, Array]:
        p = policy(logits)[:-1]
        slope = np.outer(-p, p)
        slope[np.diag_indices(p.size)] += p
        return total * p - row[:-1], total * slope

    return policy(mdplab.exact.enclose_zero(score, np.zeros(row.size - 1)))


def mixed(task: ClassTask) -> Array:
    """``sum_k rho_k n_k / N_k``."""
    counts, sizes = counts_of(task)
    shares = mdplab.exact.laws(task.shares)[:, np.newaxis, np.newaxis]
    return np.asarray((shares * (counts / sizes)).sum(axis=0))


def fitted(task: ClassTask) -> Array:
    """Rows of largest log-likelihood."""
    return np.stack([most_likely(row) for row in mixed(task)])


def shared_row(task: ClassTask) -> Array:
    """The row of largest log-likelihood for all states."""
    return np.repeat(most_likely(mixed(task).sum(axis=0))[np.newaxis], task.counts.shape[1], axis=0)


# --- allowed actions ------------------------------------------------------------------------------------------------


def admitted(task: FeasibleTask) -> tuple[Array, Array]:
    """Scores and probabilities of what may be taken."""
    base = mdplab.exact.laws(task.base)[task.allowed]
    return mdplab.exact.rational(task.score[task.allowed]), base


def tilted(task: FeasibleTask, temperature: Any) -> Array:
    """``pi_b e^(score / temperature)`` over what may be taken, normalised."""
    score, base = admitted(task)
    return np.asarray(
        mdplab.exact.softmax(score, temperature=temperature, log_reference=mdplab.exact.log(base))
    )


def attained(task: FeasibleTask) -> Any:
    """``<score, p> - KL(p || pi_b) / alpha`` at the tilt."""
    tau = mdplab.exact.rational(task.temperature)
    score, base = admitted(task)
    p = tilted(task, tau)
    return (p * score).sum() - tau * (p * mdplab.exact.log(p / base)).sum()


def variational(task: FeasibleTask) -> Any:
    """``log sum pi_b e^(alpha score) / alpha`` over what may be taken: the value of Gibbs' problem."""
    score, base = admitted(task)
    tau = mdplab.exact.rational(task.temperature)
    return tau * mdplab.exact.log((base * mdplab.exact.exp(score / tau)).sum())


def inverse_temperature(task: FeasibleTask) -> Any:
    """``alpha`` at which the divergence of the tilt is the radius, enclosed from a solution in floats."""
    score, base = admitted(task)
    radius = mdplab.exact.rational(task.radius)
    floats = task.base[task.allowed] / task.base[task.allowed].sum()
    near = trust_region(
        task.score[task.allowed], np.log(floats)[np.newaxis], radii=[task.radius - task.ends[0]]
    )

    def excess(alpha: Array) -> tuple[Array, Array]:
        weights = base * mdplab.exact.exp(alpha[0] * score)
        total = weights.sum()
        p = weights / total
        mean = (p * score).sum()
        spread = (p * (score - mean) ** 2).sum()
        return (
            np.array([alpha[0] * mean - mdplab.exact.log(total) - radius]),
            np.array([[alpha[0] * spread]]),
        )

    return mdplab.exact.enclose_zero(excess, np.array([near.step]))[0]


def bound_value(task: FeasibleTask) -> Any:
    """``<score, p>`` at the tilt whose divergence is the radius."""
    score, base = admitted(task)
    weights = base * mdplab.exact.exp(inverse_temperature(task) * score)
    return (weights * score).sum() / weights.sum()


def dual_value(task: FeasibleTask) -> Any:
    """``(epsilon + log sum pi_b e^(alpha score)) / alpha``, an upper bound at every alpha, least at this one."""
    score, base = admitted(task)
    alpha = inverse_temperature(task)
    total = (base * mdplab.exact.exp(alpha * score)).sum()
    return (mdplab.exact.rational(task.radius) + mdplab.exact.log(total)) / alpha
