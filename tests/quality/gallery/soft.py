"""Conjectures about entropy: soft-optimal policies, tilted laws, best of n."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab.instances import Draw, bandits
from mdplab.models import Bandit
from quality.gallery.arithmetic import FLOATS, Arithmetic
from quality.gallery.entry import Entry, nothing
from quality.gallery.families import (
    Discounts,
    Rewards,
    Temperatures,
    Tilts,
    rewards,
    small_with_discounts,
    temperatures,
    tilts,
)

Sides = tuple[Any, Any]


def _entropies(a: Arithmetic, log_policy: Any) -> Any:
    return -(a.exp(log_policy) * log_policy).sum(axis=1)


def probability_of_the_best_action_falls_with_the_temperature(
    x: Temperatures, a: Arithmetic = FLOATS
) -> Sides:
    """In every state, the soft-optimal policy takes the optimal action less often at a higher temperature."""
    model = a.model(x.mdp)
    best = np.arange(len(model.reward)), a.optimal_policy(model).argmax(axis=1)
    _, lower = a.soft(model, a.number(x.lower))
    _, higher = a.soft(model, a.number(x.higher))
    return a.exp(higher[best]), a.exp(lower[best])


def entropy_rises_with_the_temperature(x: Temperatures, a: Arithmetic = FLOATS) -> Sides:
    """In every state, the soft-optimal policy has more entropy at a higher temperature."""
    model = a.model(x.mdp)
    (_, lower), (_, higher) = (a.soft(model, a.number(tau)) for tau in (x.lower, x.higher))
    return _entropies(a, lower), _entropies(a, higher)


def entropy_rises_with_the_discount(x: Discounts, a: Arithmetic = FLOATS) -> Sides:
    """In every state, the soft-optimal policy (temperature 1) has more entropy at a larger discount."""
    model = a.model(x.mdp)
    temperature = a.number(1)
    _, smaller = a.soft(model, temperature)
    _, larger = a.soft(model._replace(discount=a.number(x.larger)), temperature)
    return _entropies(a, smaller), _entropies(a, larger)


def soft_policies_compose_by_their_product(x: Rewards, a: Arithmetic = FLOATS) -> Sides:
    """The soft-optimal policy of a sum of rewards is the normalised product of their soft-optimal policies (temperature 1)."""
    model, second, temperature = a.model(x.mdp), a.number(x.second), a.number(1)
    _, composed = a.soft(model._replace(reward=model.reward + second), temperature)
    _, first = a.soft(model, temperature)
    _, other = a.soft(model._replace(reward=second), temperature)
    product = a.exp(first + other)
    return a.exp(composed), product / product.sum(axis=1, keepdims=True)


def soft_value_is_below_the_value_of_the_mean_temperature(x: Temperatures, a: Arithmetic = FLOATS) -> Sides:
    """The soft-optimal value is concave in the temperature: the mean over two is at most that of the mean temperature."""
    model, low, high = a.model(x.mdp), a.number(x.lower), a.number(x.higher)
    ends = (a.soft(model, low)[0] + a.soft(model, high)[0]) / 2
    return ends, a.soft(model, (low + high) / 2)[0]


def tilting_raises_every_arm_above_the_mean(x: Tilts, a: Arithmetic = FLOATS) -> Sides:
    """The law reference * exp(reward / temperature) gives every arm better than the reference's mean at least its old share."""
    reward, reference = a.number(x.bandit.reward), a.law(x.bandit.reference)
    weights = reference * a.exp(reward / a.number(x.temperature))
    above = reward > reference @ reward + a.tie
    if not above.any():
        return nothing(a)
    return reference[above], (weights / weights.sum())[above]


def softmax_gradient_raises_every_action_with_positive_advantage(x: Bandit, a: Arithmetic = FLOATS) -> Sides:
    """Along the softmax policy gradient the probability of every action with positive advantage rises: p_b^2 A_b summed is at most p_a A_a."""
    policy = a.law(x.reference)
    reward = a.number(x.reward)
    advantage = reward - policy @ reward
    positive = advantage > a.tie
    if not positive.any():
        return nothing(a)
    drift = (policy**2 * advantage).sum()
    return drift + 0 * advantage[positive], (policy * advantage)[positive]


def best_of_n_has_the_kl_of_its_formula(x: Tilts, a: Arithmetic = FLOATS) -> Sides:
    """The best of two samples has KL divergence log 2 - 1/2 from their law."""
    return _best_of_two(x, a), a.log(a.number(2)) - a.number(1) / 2


def _best_of_two(x: Tilts, a: Arithmetic) -> Any:
    reward, reference = a.number(x.bandit.reward), a.law(x.bandit.reference)
    # ties are broken by the order of the arms
    order = sorted(range(len(reward)), key=lambda i: (reward[i], i))
    p = reference[order]
    below = np.cumsum(p)
    best = below**2 - (below - p) ** 2
    return a.kl(best, p)


# --- true -----------------------------------------------------------------------------------------------------------


def best_of_n_has_at_most_the_kl_of_its_formula(x: Tilts, a: Arithmetic = FLOATS) -> Sides:
    """The best of two samples has KL divergence at most log 2 - 1/2 from their law."""
    return best_of_n_has_the_kl_of_its_formula(x, a)


def soft_value_exceeds_by_the_entropy_of_all_steps(x: Temperatures, a: Arithmetic = FLOATS) -> Sides:
    """The soft-optimal value is at most V* + temperature * log A / (1 - gamma)."""
    model, temperature = a.model(x.mdp), a.number(x.lower)
    best = a.optimal(model)
    entropy = a.log(a.number(model.reward.shape[1])) / (1 - model.discount)
    return a.soft(model, temperature)[0] - best, temperature * entropy + 0 * best


def return_falls_with_the_temperature(x: Temperatures, a: Arithmetic = FLOATS) -> Sides:
    """In every state, the value without entropy of the soft-optimal policy is no larger at a higher temperature."""
    model = a.model(x.mdp)
    lower, higher = (a.value(model, a.exp(a.soft(model, a.number(tau))[1])) for tau in (x.lower, x.higher))
    return higher, lower


def gibbs_variational_principle(x: Tilts, a: Arithmetic = FLOATS) -> Sides:
    """E_p reward - temperature * KL(p, reference) is at most temperature * log E_reference exp(reward / temperature)."""
    reward, reference, temperature = (
        a.number(x.bandit.reward),
        a.law(x.bandit.reference),
        a.number(x.temperature),
    )
    p = a.law(x.law)
    left = p @ reward - temperature * a.kl(p, reference)
    return left, temperature * a.log((reference * a.exp(reward / temperature)).sum())


def few_arms(draw: Draw) -> Bandit:
    return bandits(draw, arms=(1, 4))


ENTRIES = (
    Entry(
        probability_of_the_best_action_falls_with_the_temperature,
        temperatures,
        "True in a bandit. In a longer problem entropy is worth more ahead of one action than of another.",
    ),
    Entry(
        entropy_rises_with_the_temperature,
        temperatures,
        "True in a bandit, and for the discounted entropy of all steps. An action may lead where there is more to choose.",
        evaluations=3000,
    ),
    Entry(
        entropy_rises_with_the_discount,
        small_with_discounts,
        "What lies ahead separates the actions.",
    ),
    Entry(
        soft_policies_compose_by_their_product,
        rewards,
        "True in a bandit. The soft values of a sum are not the sums of soft values.",
        kind="equal",
    ),
    Entry(
        soft_value_is_below_the_value_of_the_mean_temperature,
        temperatures,
        "It is convex: a maximum over policies of functions that are linear in the temperature.",
    ),
    Entry(
        tilting_raises_every_arm_above_the_mean,
        tilts,
        "The arm must beat the tilted mean, which is larger.",
    ),
    Entry(
        softmax_gradient_raises_every_action_with_positive_advantage,
        few_arms,
        "The normalisation lowers an action of small advantage beside one of large advantage.",
    ),
    Entry(
        best_of_n_has_the_kl_of_its_formula,
        tilts,
        "A. Beirami et al., Theoretical guarantees on the best-of-n alignment policy, 2024: only an upper bound.",
        kind="equal",
    ),
    Entry(
        best_of_n_has_at_most_the_kl_of_its_formula,
        tilts,
        "A. Beirami et al., 2024, theorem 1; it is attained by laws without atoms, hence not here.",
        true=True,
    ),
    Entry(
        soft_value_exceeds_by_the_entropy_of_all_steps,
        temperatures,
        "The log-sum-exp of A numbers is at most their maximum plus log A.",
        true=True,
        tight=True,
    ),
    Entry(
        return_falls_with_the_temperature,
        temperatures,
        "Add the two inequalities of optimality: the discounted entropy rises, the return falls.",
        true=True,
        tight=True,
    ),
    Entry(
        gibbs_variational_principle,
        tilts,
        "M. Donsker and S. Varadhan 1975.",
        true=True,
        tight=True,
    ),
)
