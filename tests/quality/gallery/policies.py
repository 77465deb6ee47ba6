"""Conjectures about policies: mixtures, occupancies, improvement, gradients, evaluation with features."""

from __future__ import annotations

from typing import Any

import numpy as np

from quality.gallery.arithmetic import FLOATS, Arithmetic
from quality.gallery.entry import Entry, nothing
from quality.gallery.families import (
    Blind,
    Features,
    Policies,
    blind,
    ergodic_blind,
    features,
    policies,
    raw_policies,
    stackable_policies,
)

Sides = tuple[Any, Any]


def _pair(x: Policies, a: Arithmetic) -> tuple[Any, Any, Any]:
    return a.model(x.mdp), a.law(x.first), a.law(x.second)


def mixture_is_no_worse_than_the_worse_policy(x: Policies, a: Arithmetic = FLOATS) -> Sides:
    """Tossing a fair coin at every step between two policies returns at least the worse of their returns."""
    model, p, q = _pair(x, a)
    worse = min(model.initial @ a.value(model, p), model.initial @ a.value(model, q))
    return worse, model.initial @ a.value(model, (p + q) / 2)


def mixture_is_no_better_than_the_better_policy(x: Policies, a: Arithmetic = FLOATS) -> Sides:
    """Tossing a fair coin at every step between two policies returns at most the better of their returns."""
    model, p, q = _pair(x, a)
    better = max(model.initial @ a.value(model, p), model.initial @ a.value(model, q))
    return model.initial @ a.value(model, (p + q) / 2), better


def occupancy_of_the_mixture_is_the_mixture_of_occupancies(x: Policies, a: Arithmetic = FLOATS) -> Sides:
    """The occupancy of the mean of two policies is the mean of their occupancies."""
    model, p, q = _pair(x, a)
    mean = (a.occupancy(model, p) + a.occupancy(model, q)) / 2
    return a.occupancy(model, (p + q) / 2), mean


def greedy_on_the_mean_of_q_is_no_worse_than_both(x: Policies, a: Arithmetic = FLOATS) -> Sides:
    """In every state, the policy that is greedy on the mean of Q of two policies has at least the smaller of their values."""
    model, p, q = _pair(x, a)
    mean = (a.action_value(model, p) + a.action_value(model, q)) / 2
    worse = np.minimum(a.value(model, p), a.value(model, q))
    return worse, a.value(model, a.greedy(mean))


def _many_greedy_on_the_mean(stack: Any) -> Sides:
    """The same for stacks (B, ...)."""
    transition, reward, discount, p, q = stack
    discount = np.asarray(discount)[:, np.newaxis, np.newaxis]

    def value(policy: Any) -> Any:
        kernel = (policy[..., np.newaxis] * transition).sum(axis=2)
        gain = (policy * reward).sum(axis=2, keepdims=True)
        return np.linalg.solve(np.eye(kernel.shape[-1]) - discount * kernel, gain)[..., 0]

    first, second = value(p), value(q)
    mean = reward + discount * (transition @ ((first + second) / 2)[:, np.newaxis, :, np.newaxis])[..., 0]
    best = np.argmax(mean >= mean.max(axis=2, keepdims=True) - FLOATS.tie, axis=2)
    return np.minimum(first, second), value(np.eye(reward.shape[2])[best])


def better_return_is_better_everywhere(x: Policies, a: Arithmetic = FLOATS) -> Sides:
    """The policy with the larger return from the start law has the larger value in every state that it visits."""
    model, p, q = _pair(x, a)
    first, second = a.value(model, p), a.value(model, q)
    if model.initial @ first < model.initial @ second:
        p, first, second = q, second, first
    visited = a.number((a.occupancy(model, p) > a.tie).astype(int))
    return visited * second, visited * first


def positive_expected_advantage_improves_the_return(x: Policies, a: Arithmetic = FLOATS) -> Sides:
    """A policy with a positive mean advantage over the old one, where the old one goes, has at least its return."""
    model, old, new = _pair(x, a)
    value = a.value(model, old)
    advantage = (new * (model.lookahead(value) - value[:, np.newaxis])).sum(axis=1)
    if not a.occupancy(model, old) @ advantage > a.tie:
        return nothing(a)
    return model.initial @ value, model.initial @ a.value(model, new)


def without_sight_a_deterministic_policy_is_best(x: Blind, a: Arithmetic = FLOATS) -> Sides:
    """Where states are not seen, some policy that always takes one action returns at least as much as one that draws."""
    model, law = a.model(x.mdp), a.law(x.law)
    n_states, n_actions = model.reward.shape

    def gain(actions: Any) -> Any:
        return model.initial @ a.value(model, np.array([actions] * n_states))

    return gain(law), max(gain(row) for row in a.number(np.eye(n_actions, dtype=int)))


def gradient_without_discounted_weights_is_an_ascent_direction(x: Blind, a: Arithmetic = FLOATS) -> Sides:
    """One softmax for all states: the gradient with states weighted by the stationary law has no negative product with the true one."""
    model, law = a.model(x.mdp), a.law(x.law)
    policy = np.array([law] * len(model.reward))
    value = a.value(model, policy)
    terms = policy * (model.lookahead(value) - value[:, np.newaxis])
    kernel, _ = a.induced(model, policy)
    true, used = a.occupancy(model, policy) @ terms, a.stationary(kernel) @ terms
    # the product is a sum over actions of both signs
    product = true * used
    return -(product[product < 0].sum()), product[product > 0].sum()


def td_error_is_bounded_for_all_weights(x: Features, a: Arithmetic = FLOATS) -> Sides:
    """The fixed point of projected TD has at most 1 / (1 - gamma) times the smallest weighted error, whatever the weights (squares compared)."""
    return _td(x, a, a.law(x.weight))


def _td(x: Features, a: Arithmetic, weight: Any, on_policy: bool = False) -> Sides:
    model, phi = a.model(x.mdp), a.number(x.feature)
    kernel, reward = model.transition[:, 0], model.reward[:, 0]
    if on_policy:
        weight = a.stationary(kernel)
    value = a.solve(a.identity(len(phi)) - model.discount * kernel, reward)
    system = (weight * phi) @ (phi - model.discount * (kernel @ phi))
    if abs(system) <= 1000 * a.tie:
        return nothing(a)
    found = phi * ((weight * phi) @ reward / system)
    best = phi * ((weight * phi) @ value / ((weight * phi) @ phi))
    error, least = (weight * (found - value) ** 2).sum(), (weight * (best - value) ** 2).sum()
    factor = 1 - model.discount**2 if on_policy else (1 - model.discount) ** 2
    return error * factor, least


# --- true -----------------------------------------------------------------------------------------------------------


def td_error_is_bounded_on_policy(x: Features, a: Arithmetic = FLOATS) -> Sides:
    """Weighted by the stationary law, the fixed point of TD has at most 1 / sqrt(1 - gamma^2) times the smallest error (squares)."""
    return _td(x, a, None, on_policy=True)


def occupancies_differ_by_the_policies(x: Policies, a: Arithmetic = FLOATS) -> Sides:
    """The TV of the state occupancies is at most gamma / (1 - gamma) times the mean TV of the policies under the first."""
    model, p, q = _pair(x, a)
    occupancy = a.occupancy(model, p)
    policy = abs(p - q).sum(axis=1) / 2
    bound = model.discount / (1 - model.discount) * (occupancy @ policy)
    return abs(occupancy - a.occupancy(model, q)).sum() / 2, bound


def greedy_on_the_larger_q_is_no_worse_than_both(x: Policies, a: Arithmetic = FLOATS) -> Sides:
    """In every state, the policy that is greedy on the larger Q of two policies has at least the larger of their values."""
    model, p, q = _pair(x, a)
    larger = np.maximum(a.action_value(model, p), a.action_value(model, q))
    return np.maximum(a.value(model, p), a.value(model, q)), a.value(model, a.greedy(larger))


def performance_difference(x: Policies, a: Arithmetic = FLOATS) -> Sides:
    """The return of a policy is that of the old one plus the mean advantage where it goes itself, over 1 - gamma."""
    model, old, new = _pair(x, a)
    model = model._replace(reward=model.reward + 1)  # non-negative: no return cancels
    value = a.value(model, old)
    advantage = (new * (model.lookahead(value) - value[:, np.newaxis])).sum(axis=1)
    gain = a.occupancy(model, new) @ advantage / (1 - model.discount)
    return model.initial @ a.value(model, new), model.initial @ value + gain


ENTRIES = (
    Entry(
        mixture_is_no_worse_than_the_worse_policy,
        policies,
        "The return is not linear in the policy: two moves that only pay together.",
    ),
    Entry(
        mixture_is_no_better_than_the_better_policy,
        policies,
        "Each of the two is right in some states.",
    ),
    Entry(
        occupancy_of_the_mixture_is_the_mixture_of_occupancies,
        policies,
        "To mix occupancies, one policy is drawn for a whole episode, or the policy weighted by the occupancies.",
        kind="equal",
    ),
    Entry(
        greedy_on_the_mean_of_q_is_no_worse_than_both,
        stackable_policies,
        "Each policy's way is spoilt by what the other one would do on it, and a third way looks better than both.",
        stacked=(raw_policies, _many_greedy_on_the_mean),
        evaluations=150_000,
    ),
    Entry(
        better_return_is_better_everywhere,
        policies,
        "Only optimal policies are comparable in all states.",
    ),
    Entry(
        positive_expected_advantage_improves_the_return,
        policies,
        "The new policy goes elsewhere: its own occupancy weighs the advantages.",
    ),
    Entry(
        without_sight_a_deterministic_policy_is_best,
        blind,
        "S. Singh, T. Jaakkola and M. Jordan, Learning without state-estimation, 1994: drawing may be needed.",
    ),
    Entry(
        gradient_without_discounted_weights_is_an_ascent_direction,
        ergodic_blind,
        "C. Nota and P. Thomas, Is the policy gradient a gradient?, 2020: it is not. The left side is the negative part.",
    ),
    Entry(
        td_error_is_bounded_for_all_weights,
        features,
        "J. N. Tsitsiklis and B. Van Roy 1997: the bound needs the stationary law; else the system may be nearly singular.",
    ),
    Entry(
        td_error_is_bounded_on_policy,
        features,
        "J. N. Tsitsiklis and B. Van Roy, An analysis of temporal-difference learning with function approximation, 1997.",
        true=True,
    ),
    Entry(
        occupancies_differ_by_the_policies,
        policies,
        "J. Achiam, D. Held, A. Tamar and P. Abbeel, Constrained policy optimization, 2017, lemma 3.",
        true=True,
        tight=True,
        evaluations=2500,
    ),
    Entry(
        greedy_on_the_larger_q_is_no_worse_than_both,
        policies,
        "A. Barreto et al., Successor features for transfer in reinforcement learning, 2017, theorem 1.",
        true=True,
        tight=True,
    ),
    Entry(
        performance_difference,
        policies,
        "S. Kakade and J. Langford, Approximately optimal approximate reinforcement learning, 2002, lemma 6.1.",
        true=True,
        kind="equal",
    ),
)
