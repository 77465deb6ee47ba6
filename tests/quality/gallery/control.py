"""Conjectures about optimal values, optimal policies, and the algorithms that compute them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab.solvers import solve_batch
from quality.gallery.arithmetic import FLOATS, Arithmetic, Model
from quality.gallery.entry import Entry, nothing
from quality.gallery.families import (
    Bonus,
    Discounts,
    Estimated,
    Perturbed,
    Rewards,
    Values,
    ending_with_bonus,
    ending_with_discounts,
    ergodic_mdps,
    estimated,
    perturbed,
    raw_values,
    rewards,
    small_mdps,
    stackable_values,
    values,
)

Sides = tuple[Any, Any]


def _loss(a: Arithmetic, model: Model, estimate: Any) -> Any:
    """What the greedy policy of an estimate of the optimal values loses in the worst state."""
    greedy = a.greedy(model.lookahead(estimate))
    return (a.optimal(model) - a.value(model, greedy)).max()


def better_estimate_has_better_greedy_policy(x: Values, a: Arithmetic = FLOATS) -> Sides:
    """Of two estimates of V*, the greedy policy of the one that is nearer (sup norm) loses no more."""
    model = a.model(x.mdp)
    best = a.optimal(model)
    first, second = a.number(x.first), a.number(x.second)
    distances = abs(first - best).max(), abs(second - best).max()
    if distances[0] == distances[1]:
        return nothing(a)
    nearer, farther = (first, second) if distances[0] < distances[1] else (second, first)
    return _loss(a, model, nearer), _loss(a, model, farther)


def policy_iteration_changes_at_most_as_often_as_there_are_states(
    x: Estimated, a: Arithmetic = FLOATS
) -> Sides:
    """Howard's policy iteration, started anywhere, changes its policy at most S times."""
    model = a.model(x.mdp)
    changes = a.howard(model, a.greedy(a.number(x.error)))[1]
    return a.number(changes), a.number(len(model.reward))


def value_iteration_improves_its_greedy_policy_every_step(x: Values, a: Arithmetic = FLOATS) -> Sides:
    """Each step of value iteration, from any values, gives a greedy policy that loses no more than the one before."""
    model, value, losses = a.model(x.mdp), a.number(x.first), []
    for _ in range(5):
        losses.append(_loss(a, model, value))
        value = model.lookahead(value).max(axis=1)
    return np.array(losses[1:]), np.array(losses[:-1])


def larger_discount_takes_the_longer_way(x: Discounts, a: Arithmetic = FLOATS) -> Sides:
    """The optimal policy of a larger discount is expected to play at least as long before an absorbing state (in 5 steps)."""
    model = a.model(x.mdp)
    states = np.arange(len(model.reward))
    plays = a.number((~(x.mdp.transition[states, :, states] == 1).all(axis=1)).astype(int))

    def time(discount: Any) -> Any:
        kernel, _ = a.induced(model, a.optimal_policy(model._replace(discount=discount)))
        steps = plays
        for _ in range(4):
            steps = plays + kernel @ steps
        return steps

    return time(model.discount), time(a.number(x.larger))


def optimal_at_two_discounts_is_optimal_on_average(x: Any, a: Arithmetic = FLOATS) -> Sides:
    """In an ergodic model, a policy that is optimal at the discounts 1/2 and 9/10 has the optimal average reward."""
    model = a.model(x)
    n_states, n_actions = model.reward.shape

    def gain(policy: Any) -> Any:
        kernel, reward = a.induced(model, policy)
        return a.stationary(kernel) @ reward

    policy, other = (a.optimal_policy(model._replace(discount=a.number(share) / 10)) for share in (5, 9))
    if (policy != other).any():
        return nothing(a)
    rows = a.number(np.eye(n_actions, dtype=int))
    best = max(gain(rows[list(choice)]) for choice in np.ndindex(*[n_actions] * n_states))
    return best, gain(policy)


def value_of_the_larger_reward_is_the_larger_value(x: Rewards, a: Arithmetic = FLOATS) -> Sides:
    """V* of the larger of two rewards, pair by pair, is at most the larger of both V*."""
    model, second = a.model(x.mdp), a.number(x.second)
    both = model._replace(reward=np.maximum(model.reward, second))
    return a.optimal(both), np.maximum(a.optimal(model), a.optimal(model._replace(reward=second)))


def values_of_rewards_add_up(x: Rewards, a: Arithmetic = FLOATS) -> Sides:
    """V* of the sum of two rewards is the sum of both V*."""
    model, second = a.model(x.mdp), a.number(x.second)
    total = a.optimal(model._replace(reward=model.reward + second))
    return total, a.optimal(model) + a.optimal(model._replace(reward=second))


def increasing_transformation_of_rewards_keeps_the_optimal_policy(x: Any, a: Arithmetic = FLOATS) -> Sides:
    """The optimal policy remains optimal when each reward r is replaced by its cube (an increasing function)."""
    model = a.model(x)
    cubed = model._replace(reward=model.reward**3)
    return a.optimal(cubed), a.value(cubed, a.optimal_policy(model))


def bonus_for_every_step_keeps_the_optimal_policy(x: Bonus, a: Arithmetic = FLOATS) -> Sides:
    """Where episodes end, adding one constant to the reward of every step keeps the optimal policy optimal."""
    model = a.model(x.mdp)
    states = np.arange(len(model.reward))
    plays = a.number((~(x.mdp.transition[states, :, states] == 1).all(axis=1)).astype(int))
    changed = model._replace(reward=model.reward + a.number(x.bonus) * plays[:, np.newaxis])
    return a.optimal(changed), a.value(changed, a.optimal_policy(model))


def undiscounted_shaping_keeps_the_optimal_policy(x: Values, a: Arithmetic = FLOATS) -> Sides:
    """Adding phi(t) - phi(s), without the discount, to the reward of a transition keeps the optimal policy optimal."""
    model, potential = a.model(x.mdp), a.number(x.first)
    bonus = model.transition @ potential - potential[:, np.newaxis]
    changed = model._replace(reward=model.reward + bonus)
    return a.optimal(changed), a.value(changed, a.optimal_policy(model))


def approximate_improvement_loses_at_most_the_error(x: Estimated, a: Arithmetic = FLOATS) -> Sides:
    """Greedy on an estimate of Q of a policy, a state's value falls by at most twice the error of the estimate."""
    model, policy, error = a.model(x.mdp), a.law(x.policy), a.number(x.error)
    q = a.action_value(model, policy)
    greedy = a.value(model, a.greedy(q + error))
    return a.value(model, policy) - greedy, 2 * abs(error).max() + 0 * greedy


def optimality_operator_contracts_in_the_euclidean_norm(x: Values, a: Arithmetic = FLOATS) -> Sides:
    """The optimality operator is a contraction in the Euclidean norm, with the discount as modulus (squares compared)."""
    model, u, v = a.model(x.mdp), a.number(x.first), a.number(x.second)
    backed = model.lookahead(u).max(axis=1) - model.lookahead(v).max(axis=1)
    return (backed**2).sum(), model.discount**2 * ((u - v) ** 2).sum()


def _total_variation(p: Any, q: Any) -> Any:
    return abs(p - q).sum(axis=-1) / 2


def span_contracts_by_the_overlap_under_each_action(x: Values, a: Arithmetic = FLOATS) -> Sides:
    """The span of T u - T v is at most the discount times the largest TV between two states under one action times the span of u - v."""
    model, u, v = a.model(x.mdp), a.number(x.first), a.number(x.second)
    rows = model.transition
    overlap = _total_variation(rows[:, np.newaxis], rows[np.newaxis]).max()
    backed = model.lookahead(u).max(axis=1) - model.lookahead(v).max(axis=1)
    return backed.max() - backed.min(), model.discount * overlap * ((u - v).max() - (u - v).min())


# --- true -----------------------------------------------------------------------------------------------------------


def span_contracts_by_the_overlap_of_all_pairs(x: Values, a: Arithmetic = FLOATS) -> Sides:
    """The span of T u - T v is at most the discount times the largest TV between rows of two pairs times the span of u - v."""
    model, u, v = a.model(x.mdp), a.number(x.first), a.number(x.second)
    rows = model.transition.reshape(-1, len(u))
    overlap = _total_variation(rows[:, np.newaxis], rows[np.newaxis]).max()
    backed = model.lookahead(u).max(axis=1) - model.lookahead(v).max(axis=1)
    return backed.max() - backed.min(), model.discount * overlap * ((u - v).max() - (u - v).min())


def optimality_operator_contracts_in_the_sup_norm(x: Values, a: Arithmetic = FLOATS) -> Sides:
    """The optimality operator is a contraction in the sup norm, with the discount as modulus."""
    model, u, v = a.model(x.mdp), a.number(x.first), a.number(x.second)
    backed = model.lookahead(u).max(axis=1) - model.lookahead(v).max(axis=1)
    return abs(backed).max(), model.discount * abs(u - v).max()


def greedy_policy_loses_twice_the_discounted_error(x: Values, a: Arithmetic = FLOATS) -> Sides:
    """The greedy policy of an estimate with sup-norm error e loses at most 2 gamma e / (1 - gamma)."""
    model, estimate = a.model(x.mdp), a.number(x.first)
    error = abs(estimate - a.optimal(model)).max()
    return _loss(a, model, estimate), 2 * model.discount * error / (1 - model.discount)


def _many_greedy_losses(stack: Any) -> Sides:
    """The same for stacks (B, ...)."""
    transition, reward, discount, estimate = stack
    best = solve_batch(transition, reward, discount).value

    def lookahead(value: Any) -> Any:
        after = (transition @ value[:, np.newaxis, :, np.newaxis])[..., 0]
        return reward + discount[:, np.newaxis, np.newaxis] * after

    q = lookahead(estimate)
    greedy = np.argmax(q >= q.max(axis=2, keepdims=True) - FLOATS.tie, axis=2)[..., np.newaxis]
    kernel = np.take_along_axis(transition, greedy[..., np.newaxis], axis=2)[:, :, 0]
    gain = np.take_along_axis(reward, greedy, axis=2)
    system = np.eye(kernel.shape[-1]) - discount[:, np.newaxis, np.newaxis] * kernel
    loss = (best - np.linalg.solve(system, gain)[..., 0]).max(axis=1)
    return loss, 2 * discount * np.abs(estimate - best).max(axis=1) / (1 - discount)


def simulation_lemma(x: Perturbed, a: Arithmetic = FLOATS) -> Sides:
    """Values of a policy differ by at most e_R / (1 - gamma) + span(R) gamma e_P / ((1 - gamma) (1 - gamma (1 - e_P)))."""
    model, other, policy = a.model(x.mdp), a.model(x.other), a.law(x.policy)
    reward_error = abs(model.reward - other.reward).max()
    kernel_error = _total_variation(model.transition, other.transition).max()
    rate = 1 - model.discount
    span = model.reward.max() - model.reward.min()
    bound = span * model.discount * kernel_error / (rate * (1 - model.discount * (1 - kernel_error)))
    return abs(a.value(model, policy) - a.value(other, policy)).max(), reward_error / rate + bound


def potential_shaping_shifts_the_optimal_value(x: Values, a: Arithmetic = FLOATS) -> Sides:
    """Adding gamma phi(t) - phi(s) to the reward lowers V* by phi."""
    model, potential = a.model(x.mdp), a.number(x.first)
    bonus = model.discount * (model.transition @ potential) - potential[:, np.newaxis]
    return a.optimal(model._replace(reward=model.reward + bonus)), a.optimal(model) - potential


def optimal_value_is_convex_in_the_reward(x: Rewards, a: Arithmetic = FLOATS) -> Sides:
    """V* of the mean of two rewards is at most the mean of both V*."""
    model, second = a.model(x.mdp), a.number(x.second)
    middle = a.optimal(model._replace(reward=(model.reward + second) / 2))
    return middle, (a.optimal(model) + a.optimal(model._replace(reward=second))) / 2


def optimal_value_is_monotone_in_the_reward(x: Rewards, a: Arithmetic = FLOATS) -> Sides:
    """V* of the smaller of two rewards, pair by pair, is at most the smaller of both V*."""
    model, second = a.model(x.mdp), a.number(x.second)
    both = model._replace(reward=np.minimum(model.reward, second))
    return a.optimal(both), np.minimum(a.optimal(model), a.optimal(model._replace(reward=second)))


def policy_iteration_is_at_least_a_step_of_value_iteration(x: Estimated, a: Arithmetic = FLOATS) -> Sides:
    """The optimality operator on the value of a policy gives at most the value of its greedy policy."""
    model = a.model(x.mdp)
    q = a.action_value(model, a.law(x.policy))
    return q.max(axis=1), a.value(model, a.greedy(q))


def macqueen_upper_bound(x: Values, a: Arithmetic = FLOATS) -> Sides:
    """V* is at most T v + gamma / (1 - gamma) max(T v - v)."""
    model, v = a.model(x.mdp), a.number(x.first)
    backed = model.lookahead(v).max(axis=1)
    return a.optimal(model), backed + model.discount / (1 - model.discount) * (backed - v).max()


ENTRIES = (
    Entry(
        better_estimate_has_better_greedy_policy,
        values,
        "The order of the actions counts, not the distance: a constant added to V* changes nothing.",
    ),
    Entry(
        policy_iteration_changes_at_most_as_often_as_there_are_states,
        estimated,
        "One state can need several changes: what is best there changes with the others.",
        evaluations=2000,
    ),
    Entry(
        value_iteration_improves_its_greedy_policy_every_step,
        values,
        "Values converge monotonically in the sup norm; their greedy policies need not.",
    ),
    Entry(
        larger_discount_takes_the_longer_way,
        ending_with_discounts,
        "A patient agent pays now to end a loss that the impatient one puts off.",
    ),
    Entry(
        optimal_at_two_discounts_is_optimal_on_average,
        ergodic_mdps,
        "Blackwell optimality begins at a discount that depends on the model.",
    ),
    Entry(
        value_of_the_larger_reward_is_the_larger_value,
        rewards,
        "On the way it takes one reward here and the other there.",
    ),
    Entry(
        values_of_rewards_add_up,
        rewards,
        "One policy cannot be optimal for both.",
        kind="equal",
    ),
    Entry(
        increasing_transformation_of_rewards_keeps_the_optimal_policy,
        small_mdps,
        "Rewards are added: only positive multiples and constants keep all comparisons.",
    ),
    Entry(
        bonus_for_every_step_keeps_the_optimal_policy,
        ending_with_bonus,
        "It pays for playing on; without an end it would change every value by the same.",
    ),
    Entry(
        undiscounted_shaping_keeps_the_optimal_policy,
        values,
        "The sum telescopes only with gamma phi(t): Ng, Harada and Russell 1999 show that nothing else is invariant.",
    ),
    Entry(
        approximate_improvement_loses_at_most_the_error,
        estimated,
        "The loss of each step adds up to 2 e / (1 - gamma).",
    ),
    Entry(
        optimality_operator_contracts_in_the_euclidean_norm,
        values,
        "Several states that look at the same successor copy its difference.",
    ),
    Entry(
        span_contracts_by_the_overlap_under_each_action,
        values,
        "The maximum takes different actions in different states: all pairs of pairs count.",
    ),
    Entry(
        span_contracts_by_the_overlap_of_all_pairs,
        values,
        "M. L. Puterman, Markov Decision Processes, 1994, theorem 6.6.2.",
        true=True,
        tight=True,
    ),
    Entry(
        optimality_operator_contracts_in_the_sup_norm,
        values,
        "E. V. Denardo, Contraction mappings in the theory underlying dynamic programming, 1967.",
        true=True,
        tight=True,
    ),
    Entry(
        greedy_policy_loses_twice_the_discounted_error,
        stackable_values,
        "S. Singh and R. Yee, An upper bound on the loss from approximate optimal-value functions, 1994.",
        true=True,
        tight=True,
        stacked=(raw_values, _many_greedy_losses),
        evaluations=60_000,
    ),
    Entry(
        simulation_lemma,
        perturbed,
        "By coupling both chains until they first differ, which has not happened by time t with probability (1 - e_P)^t; "
        "compare M. Kearns and S. Singh, Near-optimal reinforcement learning in polynomial time, 2002.",
        true=True,
        tight=True,
    ),
    Entry(
        potential_shaping_shifts_the_optimal_value,
        values,
        "A. Ng, D. Harada and S. Russell, Policy invariance under reward transformations, 1999.",
        true=True,
        kind="equal",
    ),
    Entry(
        optimal_value_is_convex_in_the_reward,
        rewards,
        "A maximum over policies of functions that are linear in the reward.",
        true=True,
        tight=True,
    ),
    Entry(
        optimal_value_is_monotone_in_the_reward,
        rewards,
        "The values of all policies are.",
        true=True,
        tight=True,
    ),
    Entry(
        policy_iteration_is_at_least_a_step_of_value_iteration,
        estimated,
        "M. L. Puterman, Markov Decision Processes, 1994, theorem 6.4.6.",
        true=True,
        tight=True,
    ),
    Entry(
        macqueen_upper_bound,
        values,
        "J. MacQueen, A modified dynamic programming method for Markovian decision problems, 1966.",
        true=True,
        tight=True,
    ),
)
