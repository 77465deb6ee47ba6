"""Routes of the mean divergence of cloned policies, and of what they are worth to a learner.

Each sum has two: binomial laws in closed form and grown trial by trial, or all data sets.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from mdplab import laws, solvers
from mdplab._typing import FloatArray
from mdplab.claims import Side, rounding
from mdplab.models import MarkovChain
from mdplab.operators import log_sum_exp, log_tilt, marginals
from proofs_check.soft_residual.cloning_instances import CloningTask, mean_error
from proofs_check.soft_residual.demonstration_instances import mean
from proofs_check.soft_residual.demonstration_routes import best_by_maxima, number

__all__ = [
    "both_terms",
    "both_terms_trial_by_trial",
    "bounds_from",
    "chain_laws",
    "closed_bound",
    "expected_divergence",
    "expected_divergence_trial_by_trial",
    "learner_bounds",
    "learner_bounds_from_paths",
    "learner_losses",
    "learner_losses_at_once",
    "mean_over_data_sets",
    "middle_term",
    "middle_term_trial_by_trial",
    "stacked",
]

# --- binomial sums and data sets -----------------------------------------------------------------------------------------------------


def expected_divergence(task: CloningTask, *, always_visited: bool = False) -> Side:
    """Exact sums over the binomial law of each count, state by state and stage by stage"""
    total, error, actions = 0.0, 0.0, task.mdp.n_actions
    k = np.arange(task.count + 1)
    for place, d in np.ndenumerate(task.state_laws):
        law, seen = task.expert[place], 1.0 if always_visited else float(d)
        found = laws.expected_smoothed_kl(law, task.count, probability=seen)
        own = mean_error(np.log(k + actions), seen)
        own += sum(p * mean_error(np.log(k + 1), seen * p) for p in law if p > 0)
        own += float(rounding(1.0 + np.log(task.count + actions), 2 * actions + 6))
        total += d * found
        error += float(d) * (own + task.sweep_error * (found + actions + 1))
    return Side(total, error + float(rounding(total, task.state_laws.size)))


def middle_term(task: CloningTask) -> Side:
    """Exact sums: sum over stages and states of d E log((n + A) / (n + 1)), n binomial"""
    k = np.arange(task.count + 1)
    gains = np.log1p((task.mdp.n_actions - 1) / (k + 1))
    total, error = 0.0, 0.0
    for d in task.state_laws.ravel():
        total += float(d) * laws.binomial_expectation(gains, float(d))
        error += float(d) * (mean_error(gains, float(d)) + task.sweep_error * (1 + float(gains[0])))
    return Side(total, error + float(rounding(total, task.state_laws.size)))


def chain_laws(task: CloningTask) -> FloatArray:
    """Law of the expert's state at every stage, shape (H, S), from the chain that the expert induces."""
    kernels = [
        (task.expert[h][:, :, np.newaxis] * task.mdp.stage_kernel(h)).sum(axis=1)
        for h in range(task.mdp.horizon)
    ]
    return marginals(MarkovChain(task.mdp.start_law(), np.array(kernels)))[:-1]


def count_laws(count: int, probability: FloatArray) -> FloatArray:
    """Laws of the number of successes after 0, ..., ``count`` trials, grown trial by trial: ``(count + 1, count + 1, ...)``."""
    result = np.zeros((count + 1, count + 1, *probability.shape))
    result[0, 0] = 1.0
    for n in range(count):
        result[n + 1] = (1 - probability) * result[n]
        result[n + 1, 1:] += probability * result[n, :-1]
    return result


def expected_divergence_trial_by_trial(task: CloningTask) -> Side:
    """Nested sums over the number of visits and the counts given it, their laws grown trial by trial"""
    d, p, n = chain_laws(task), task.expert, np.arange(task.count + 1)
    visits, counts = count_laws(task.count, d)[-1], count_laws(task.count, p)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log((n[:, None] + task.mdp.n_actions) / (n + 1))[..., None, None, None] + np.log(p)
        terms = np.where(p > 0, p * counts * ratio, 0.0)
    weight = (d * visits)[:, np.newaxis, :, :, np.newaxis]
    size = float((weight * np.abs(terms)).sum())
    operations = 4 * task.count + p.size + 32
    return Side((weight * terms).sum(), float(rounding(size, operations)) + 4 * size * task.sweep_error)


def middle_term_trial_by_trial(task: CloningTask) -> Side:
    """The same sum of the middle term with laws grown trial by trial"""
    d, n = chain_laws(task), np.arange(task.count + 1)
    gains = np.log((n + task.mdp.n_actions) / (n + 1))[:, np.newaxis, np.newaxis]
    total = float((d * count_laws(task.count, d)[-1] * gains).sum())
    return Side(total, float(rounding(total, 4 * task.count + d.size + 32)) + 4 * total * task.sweep_error)


def both_terms(task: CloningTask) -> Side:
    """Exact sums: expected divergence and middle term"""
    return stacked(expected_divergence(task), middle_term(task))


def both_terms_trial_by_trial(task: CloningTask) -> Side:
    """Laws of counts grown trial by trial: expected divergence and middle term"""
    return stacked(expected_divergence_trial_by_trial(task), middle_term_trial_by_trial(task))


def stacked(*sides: Side) -> Side:
    """Scalar sides as one vector."""
    found = [number(side) for side in sides]
    return Side([one.value for one in found], [one.error for one in found])


def closed_bound(task: CloningTask, *, constant: float = 1.0) -> Side:
    """S (A - 1) H / (N + 1)"""
    return Side([constant * task.closed_bound] * 2, rounding(task.closed_bound, 4))


def mean_over_data_sets(task: CloningTask, *, smoothing: float = 1.0) -> Side:
    """All data sets: divergence of the path laws, path by path, from the policy cloned from each"""
    _, _, chance = task.data_sets
    paths, own = task.paths, task.paths.action_log_probability.sum(axis=1)
    found = [
        paths.expectation(own - paths.policy_log_probability(policy).sum(axis=1))
        for policy in task.cloned_policies(smoothing)
    ]
    # probabilities of paths are exponentials of sums of logarithms, those of data sets products of N of them
    terms = (1 + np.abs(paths.log_probability)) * (
        np.abs(own) + task.mdp.horizon * np.log(task.count + task.mdp.n_actions)
    )
    operations = (2 * task.mdp.horizon + 4) * (task.count + 1) + 2 * len(own) + 8 * task.mdp.horizon + 16
    error = rounding(float(paths.expectation(terms)), operations)
    return Side(math.fsum(chance * np.array(found)), error, infinities=True)


# --- what it is worth to a learner ----------------------------------------------------------------------------------


def learner_losses(task: CloningTask) -> Side:
    """All data sets: backward recursions of the optimum regularised towards each clone; without and with its penalty"""
    best = mean(task.mdp, *first(solvers.backward_induction(task.mdp)))
    found, error = [], 0.0
    for policy in task.cloned_policies():
        optimum = solvers.backward_induction(task.mdp, temperature=task.weight, log_reference=np.log(policy))
        plain = mean(task.mdp, *first(solvers.stage_evaluation(task.mdp, optimum.policy)))
        penalised = mean(task.mdp, *first(optimum))
        found.append((best.value - plain.value, best.value - penalised.value))
        error = max(error, best.error + plain.error + penalised.error)
    chance = task.data_sets[2]
    return Side(chance @ np.array(found), error + float(rounding(task.mdp.horizon, 4 * task.count + 64)))


def first(found: Any) -> tuple[FloatArray, float]:
    """First value of a solution and its error."""
    return found.value[0], float(found.value_errors[0])


def learner_losses_at_once(task: CloningTask) -> Side:
    """One recursion over all data sets, then forward sweeps of return and penalty"""
    mdp, tau = task.mdp, task.weight
    references, kept = np.log(task.cloned_policies()), []
    value = np.zeros((len(references), mdp.n_states))
    for h in range(mdp.horizon - 1, -1, -1):
        q = mdp.stage_reward(h) + np.einsum("sat,mt->msa", mdp.stage_kernel(h), value)
        value = log_sum_exp(q, temperature=tau, log_reference=references[:, h])
        kept.append(log_tilt(q, temperature=tau, log_reference=references[:, h]))
    law = np.broadcast_to(mdp.start_law(), value.shape)
    gain, penalty = np.zeros(len(value)), np.zeros(len(value))
    largest = max(float(np.abs(logs).max()) for logs in (*kept, references))
    size = mdp.horizon * (1 + 2 * tau * largest)
    for h, logs in enumerate(reversed(kept)):
        pairs = law[:, :, np.newaxis] * np.exp(logs)
        gain += (pairs * mdp.stage_reward(h)).sum(axis=(1, 2))
        penalty += tau * (pairs * (logs - references[:, h])).sum(axis=(1, 2))
        law = np.einsum("msa,sat->mt", pairs, mdp.stage_kernel(h))
    best = best_by_maxima(mdp).value
    chance = task.data_sets[2]
    found = [chance @ (best - gain), chance @ (best - gain + penalty)]
    # the errors of the log-policy and of Q over lambda move the law of every later stage
    shift = 4 * largest + (2 * mdp.n_states + 8) * mdp.horizon / tau + mdp.n_actions + 10
    moved = (mdp.horizon + 1) * size * float(rounding(shift, 1))
    return Side(found, moved + float(rounding(size, 4 * task.count + 64)))


def learner_bounds(task: CloningTask) -> Side:
    """Expert gap by backward recursions, plus lambda times the closed bound and the exact sums"""
    best = mean(task.mdp, *first(solvers.backward_induction(task.mdp)))
    own = mean(task.mdp, *first(solvers.stage_evaluation(task.mdp, task.expert)))
    return bounds_from(task, best.value - own.value, best.error + own.error, expected_divergence(task))


def learner_bounds_from_paths(task: CloningTask) -> Side:
    """Expert gap from all its paths, plus lambda times the closed bound and the mean over data sets"""
    best, paths = best_by_maxima(task.mdp), task.paths
    error = best.error + float(rounding(task.mdp.horizon, 2 * paths.n_trajectories + 32))
    return bounds_from(
        task, best.value - float(paths.expectation(paths.returns)), error, mean_over_data_sets(task)
    )


def bounds_from(task: CloningTask, gap: float, error: float, divergence: Side) -> Side:
    """The two right sides of the consequence."""
    found = number(divergence)
    added = np.array([task.closed_bound, found.value])
    own = task.weight * found.error + float(rounding(gap + 1.0 + task.weight * added.max(), 8))
    return Side(gap + task.weight * added, error + own)
