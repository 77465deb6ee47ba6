"""Conjectures about estimators: importance sampling, models, baselines, maxima of estimates."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from quality.gallery.arithmetic import FLOATS, Arithmetic
from quality.gallery.entry import Entry, nothing
from quality.gallery.families import Logged, TwoSteps, logged, two_steps

Sides = tuple[Any, Any]


def _logged(x: Logged, a: Arithmetic) -> tuple[Any, Any, Any]:
    return a.number(x.reward), a.law(x.target), a.law(x.behaviour)


def per_decision_importance_sampling_has_less_variance(x: TwoSteps, a: Arithmetic = FLOATS) -> Sides:
    """Over two steps, per-decision importance sampling has at most the variance of importance sampling (second moments)."""
    model, target, behaviour = a.model(x.mdp), a.law(x.target), a.law(x.behaviour)
    ratio = target / behaviour
    first, second = model.initial[:, np.newaxis] * behaviour, behaviour
    # axes: first state and action, second state and action
    chance = first[:, :, np.newaxis, np.newaxis] * model.transition[:, :, :, np.newaxis] * second
    early = (ratio * model.reward)[:, :, np.newaxis, np.newaxis]
    weight = ratio[:, :, np.newaxis, np.newaxis] * ratio
    late = model.discount * weight * model.reward
    whole = weight * model.reward[:, :, np.newaxis, np.newaxis] + late
    return (chance * (early + late) ** 2).sum(), (chance * whole**2).sum()


def _of_two_samples(x: Logged, a: Arithmetic, estimate: Any) -> Any:
    """Mean squared error of an estimate from two samples of the behaviour."""
    reward, target, behaviour = _logged(x, a)
    ratio, goal = target / behaviour, target @ reward
    return sum(
        behaviour[i] * behaviour[j] * (estimate(ratio[[i, j]], reward[[i, j]]) - goal) ** 2
        for i, j in product(range(len(reward)), repeat=2)
    )


def self_normalised_importance_sampling_has_less_error(x: Logged, a: Arithmetic = FLOATS) -> Sides:
    """With two samples, self-normalised importance sampling has at most the mean squared error of the plain one (0 without weight)."""
    zero = a.number(0)

    def normalised(ratio: Any, reward: Any) -> Any:
        return (ratio * reward).sum() / ratio.sum() if ratio.sum() > 0 else zero

    return _of_two_samples(x, a, normalised), _of_two_samples(x, a, lambda w, r: (w * r).sum() / 2)


def clipping_importance_weights_lowers_the_error(x: Logged, a: Arithmetic = FLOATS) -> Sides:
    """With two samples, importance weights clipped at 2 give at most the mean squared error of the plain ones."""
    two = a.number(2)
    return (
        _of_two_samples(x, a, lambda w, r: (np.minimum(w, two) * r).sum() / 2),
        _of_two_samples(x, a, lambda w, r: (w * r).sum() / 2),
    )


def better_model_makes_doubly_robust_estimates_better(x: Logged, a: Arithmetic = FLOATS) -> Sides:
    """Of two reward models, the one with less squared error under the target gives the doubly robust estimate less variance."""
    reward, target, behaviour = _logged(x, a)
    models = a.number(x.model), a.number(x.other_model)
    error = [target @ (model - reward) ** 2 for model in models]
    if error[0] == error[1]:
        return nothing(a)
    goal = target @ reward

    def variance(model: Any) -> Any:
        estimate = target @ model + target / behaviour * (reward - model)
        return behaviour @ (estimate - goal) ** 2

    better, worse = models if error[0] < error[1] else models[::-1]
    return variance(better), variance(worse)


def value_baseline_lowers_the_variance_of_the_gradient(x: Logged, a: Arithmetic = FLOATS) -> Sides:
    """The mean reward as baseline does not increase the variance of the softmax score-function gradient (second moments)."""
    reward, _, policy = _logged(x, a)
    score = a.identity(len(policy)) - policy
    size = (score**2).sum(axis=1)
    return policy @ ((reward - policy @ reward) ** 2 * size), policy @ (reward**2 * size)


def double_estimator_is_unbiased(x: Logged, a: Arithmetic = FLOATS) -> Sides:
    """The double estimator (arm chosen by one noisy sample of each, valued by another) has the largest mean as its mean."""
    reward, noise = a.number(x.reward), a.number(x.model)
    chances = a.number(0) * reward
    signs = list(product((-1, 1), repeat=len(reward)))
    for sign in signs:
        chances = chances + a.identity(len(reward))[a.first_best(reward + noise * a.number(sign))]
    return chances @ reward / len(signs), reward.max()


def maximum_of_unbiased_estimates_is_unbiased(x: Logged, a: Arithmetic = FLOATS) -> Sides:
    """The largest of unbiased estimates (mean plus or minus a noise) has the largest mean as its mean."""
    reward, noise = a.number(x.reward), a.number(x.model)
    signs = list(product((-1, 1), repeat=len(reward)))
    return sum((reward + noise * a.number(sign)).max() for sign in signs) / len(signs), reward.max()


def plug_in_value_is_unbiased(x: TwoSteps, a: Arithmetic = FLOATS) -> Sides:
    """The value in a kernel estimated from one unbiased sample of each pair has the true value as its mean."""
    model, policy = a.model(x.mdp), a.law(x.target)
    n_states, n_actions = model.reward.shape
    if n_actions > 1 or n_states > 2:
        return nothing(a)
    rows, mean = a.identity(n_states), 0 * model.initial
    for successors in product(range(n_states), repeat=n_states):
        chance = model.transition[np.arange(n_states), 0, list(successors)].prod()
        sampled = model._replace(transition=rows[list(successors)][:, np.newaxis])
        mean = mean + chance * a.value(sampled, policy)
    return mean, a.value(model, policy)


# --- true -----------------------------------------------------------------------------------------------------------


def importance_sampling_is_unbiased(x: TwoSteps, a: Arithmetic = FLOATS) -> Sides:
    """Over two steps, importance sampling has the return of the target as its mean."""
    model, target, behaviour = a.model(x.mdp), a.law(x.target), a.law(x.behaviour)
    ratio = target / behaviour
    first = model.initial[:, np.newaxis] * behaviour
    chance = first[:, :, np.newaxis, np.newaxis] * model.transition[:, :, :, np.newaxis] * behaviour
    weight = ratio[:, :, np.newaxis, np.newaxis] * ratio
    gain = model.reward[:, :, np.newaxis, np.newaxis] + model.discount * model.reward
    one_step = (target * model.reward).sum(axis=1)
    value = (target * (model.reward + model.discount * (model.transition @ one_step))).sum(axis=1)
    return (chance * weight * gain).sum(), model.initial @ value


def maximum_of_unbiased_estimates_is_no_underestimate(x: Logged, a: Arithmetic = FLOATS) -> Sides:
    """The largest mean is at most the mean of the largest of unbiased estimates."""
    mean, largest = maximum_of_unbiased_estimates_is_unbiased(x, a)
    return largest, mean


ENTRIES = (
    Entry(
        per_decision_importance_sampling_has_less_variance,
        two_steps,
        "The terms it leaves out may be anticorrelated with the others: Y. Liu, P.-L. Bacon and E. Brunskill 2020.",
    ),
    Entry(
        self_normalised_importance_sampling_has_less_error,
        logged,
        "Plain weights are perfect where they are inverse to the rewards.",
    ),
    Entry(
        clipping_importance_weights_lowers_the_error,
        logged,
        "The bias may exceed the variance that it saves.",
    ),
    Entry(
        better_model_makes_doubly_robust_estimates_better,
        logged,
        "The variance weighs the errors by the importance weights.",
    ),
    Entry(
        value_baseline_lowers_the_variance_of_the_gradient,
        logged,
        "The best baseline weighs rewards by the squared scores: E. Greensmith, P. Bartlett and J. Baxter 2004.",
    ),
    Entry(
        double_estimator_is_unbiased,
        logged,
        "It chooses a worse arm now and then: H. van Hasselt, Double Q-learning, 2010, underestimates.",
        kind="equal",
    ),
    Entry(
        maximum_of_unbiased_estimates_is_unbiased,
        logged,
        "Jensen's inequality: the optimiser's curse.",
        kind="equal",
    ),
    Entry(
        plug_in_value_is_unbiased,
        two_steps,
        "The value is not linear in the kernel.",
        kind="equal",
    ),
    Entry(
        importance_sampling_is_unbiased,
        two_steps,
        "The behaviour takes every action.",
        true=True,
        kind="equal",
    ),
    Entry(
        maximum_of_unbiased_estimates_is_no_underestimate,
        logged,
        "Jensen's inequality.",
        true=True,
        tight=True,
    ),
)
