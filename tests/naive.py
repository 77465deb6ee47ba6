"""Slow twins of the package's routines: a few lines each, plain loops or exact numbers, one section a package.

Append only, under your own section.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np

# --- solvers and kernels -----------------------------------------------------------------------------------------
# Exact twins: rationals for hard problems, 50-digit decimals for soft ones.  They take the doubles of a model as they
# stand; ``normalise=True`` divides each row by its sum.  ``rows[s][a]`` lists (successor, probability).


def exact_rows(mdp, number=Fraction, *, normalise=False):
    """The kernel as numbers of a type, by pairs; None at unavailable pairs."""
    dense = np.array([[mdp.row(s, a) for a in range(mdp.n_actions)] for s in range(mdp.n_states)])
    table = []
    for s in range(mdp.n_states):
        table.append([])
        for a in range(mdp.n_actions):
            row = None
            if mdp.available is None or mdp.available[s, a]:
                row = [(int(t), number(float(dense[s, a, t]))) for t in np.flatnonzero(dense[s, a])]
                if normalise:
                    total = sum(p for _, p in row)
                    row = [(t, p / total) for t, p in row]
            table[-1].append(row)
    return table


def solve_exactly(matrix, right):
    """Gauss-Jordan elimination with the largest pivot, for any exact type."""
    n = len(right)
    work = [[*row, b] for row, b in zip(matrix, right, strict=True)]
    for i in range(n):
        pivot = max(range(i, n), key=lambda k: abs(work[k][i]))
        work[i], work[pivot] = work[pivot], work[i]
        work[i] = [x / work[i][i] for x in work[i]]
        for k in range(n):
            if k != i and work[k][i] != 0:
                work[k] = [x - work[k][i] * y for x, y in zip(work[k], work[i], strict=True)]
    return [row[-1] for row in work]


def exact_lookahead(rows, reward, discount, v):
    """Action values as lists; None at unavailable pairs."""
    return [
        [
            None if row is None else r + discount * sum(p * v[t] for t, p in row)
            for row, r in zip(*pair, strict=True)
        ]
        for pair in zip(rows, reward, strict=True)
    ]


def exact_evaluation(rows, reward, discount, policy):
    """Value of a stochastic policy (rows used as they stand)."""
    n, kind = len(rows), type(discount)
    matrix = [[kind(int(s == t)) for t in range(n)] for s in range(n)]
    right = [kind(0)] * n
    for s in range(n):
        for a, weight in enumerate(policy[s]):
            if weight:
                right[s] += weight * reward[s][a]
                for t, p in rows[s][a]:
                    matrix[s][t] -= discount * weight * p
    return solve_exactly(matrix, right)


def exact_optimum(rows, reward, discount):
    """Optimal value by policy iteration in exact arithmetic."""
    actions = [next(a for a, row in enumerate(pairs) if row is not None) for pairs in rows]
    while True:
        policy = [[discount * 0 + int(a == b) for b in range(len(rows[0]))] for a in actions]
        v = exact_evaluation(rows, reward, discount, policy)
        q = exact_lookahead(rows, reward, discount, v)
        best = [max((a for a in range(len(row)) if row[a] is not None), key=row.__getitem__) for row in q]
        following = [
            b if q[s][b] > q[s][a] else a for s, (a, b) in enumerate(zip(actions, best, strict=True))
        ]
        if following == actions:
            return v
        actions = following


def exact_soft_backup(rows, reward, discount, bonus, temperature, v):
    """Soft backup in decimals and the policy it averages with; ``bonus`` is None at excluded actions."""
    values, policy = [], []
    for q, b in zip(exact_lookahead(rows, reward, discount, v), bonus, strict=True):
        y = [None if x is None or e is None else x + e for x, e in zip(q, b, strict=True)]
        top = max(x for x in y if x is not None)
        weights = [Decimal(0) if x is None else ((x - top) / temperature).exp() for x in y]
        total = sum(weights)
        values.append(top + temperature * total.ln())
        policy.append([w / total for w in weights])
    return values, policy


def exact_soft_optimum(rows, reward, discount, bonus, temperature, start):
    """Soft optimal value, action values and policy in decimals: Newton from a good start until nothing moves."""
    v = start
    for _ in range(60):
        backup, policy = exact_soft_backup(rows, reward, discount, bonus, temperature, v)
        residual = [x - y for x, y in zip(backup, v, strict=True)]
        if max(abs(r) for r in residual) < Decimal(10) ** -44 * (1 + max(abs(x) for x in v)):
            return v, exact_lookahead(rows, reward, discount, v), policy
        zero = [[Decimal(0)] * len(policy[0]) for _ in policy]
        # (I - discount P_pi) step = residual: an evaluation with the residual as reward of every action.
        gain = [[r] * len(row) for r, row in zip(residual, zero, strict=True)]
        v = [x + y for x, y in zip(v, exact_evaluation(rows, gain, discount, policy), strict=True)]
    raise AssertionError("the decimal Newton iteration has not converged")


def decimals(array):
    """An array of doubles as nested lists of decimals, exactly; None for -inf."""
    if np.ndim(array) == 0:
        return None if array == -np.inf else Decimal(float(array))
    return [decimals(entry) for entry in array]


def fractions_of(array):
    """An array of doubles as nested lists of fractions, exactly."""
    if np.ndim(array) == 0:
        return Fraction(float(array))
    return [fractions_of(entry) for entry in array]


def largest_error(found, exact):
    """Largest ``|found - exact|`` over nested lists, computed exactly; pairs with None are left out."""
    if exact is None:
        return 0.0
    if isinstance(exact, list):
        return max(largest_error(x, y) for x, y in zip(found, exact, strict=True))
    return float(abs(type(exact)(float(found)) - exact))


def naive_sweep(rows, reward, discount, w, aggregate):
    """One relative sweep with plain loops: centre taken off, lookahead, aggregate."""
    centre = 0.5 * (min(w) + max(w))
    value = np.array([x - centre for x in w])
    q = np.array(
        [
            [
                reward[s, a] + discount * sum(p * value[t] for t, p in rows[s][a])
                for a in range(reward.shape[1])
            ]
            for s in range(reward.shape[0])
        ]
    )
    return value, q, np.array([aggregate(s, q[s]) for s in range(reward.shape[0])]), centre


# --- modified policy iteration and batches ---------------------------------------------------------------------


def naive_modified(rows, reward, discount, w, target, theta, inner, sweeps):
    """Modified policy iteration with plain loops and without passing over states; (value, backup, (low, high))s."""
    history = []
    states, actions = reward.shape
    value = x = np.array(w)
    policy, half = [0] * states, np.inf
    for n in range(sweeps):
        if n:
            goal, count, half = max(theta * half, 0.25 * target), 0, np.inf
            while count < inner and half > goal:
                following = np.array(
                    [
                        reward[s, a] + discount * sum(p * x[t] for t, p in rows[s][a])
                        for s, a in enumerate(policy)
                    ]
                )
                change = following - x
                x, count, half = following, count + 1, 0.5 * (change.max() - change.min())
            value = x - 0.5 * (x.min() + x.max())
        q = np.array(
            [
                [
                    -np.inf
                    if rows[s][a] is None
                    else reward[s, a] + discount * sum(p * value[t] for t, p in rows[s][a])
                    for a in range(actions)
                ]
                for s in range(states)
            ]
        )
        policy, x = q.argmax(axis=1), q.max(axis=1)
        residual = x - value
        half = 0.5 * (residual.max() - residual.min())
        history.append((value, x, (residual.min(), residual.max())))
        if half <= target:
            break
    return history


def naive_ordered(rows, reward, discount, shift, value, theta, inner, sweeps):
    """Sweeps in place by solving each state's own equation; values after each optimality sweep, with their changes."""
    history = []
    states = range(reward.shape[0])
    value, up = list(value), True

    def own(s, a):
        """What the value of s becomes under a, all other values as they are."""
        stay = sum(p for t, p in rows[s][a] if t == s)
        rest = sum(p * value[t] for t, p in rows[s][a] if t != s)
        return (reward[s, a] - shift + discount * rest) / (1 - discount * stay)

    def plain(s, a):
        return reward[s, a] + discount * sum(p * value[t] for t, p in rows[s][a])

    for _ in range(sweeps):
        policy, change = {}, 0.0
        for s in states if up else reversed(states):
            policy[s] = max((a for a in range(reward.shape[1]) if rows[s][a]), key=lambda a: plain(s, a))
            x = own(s, policy[s])
            value[s], change = x, max(change, abs(x - value[s]))
        history.append((np.array(value), change))
        up, count, moved = not up, 0, np.inf
        while count < inner and moved > theta * change:
            moved = 0.0
            for s in states if up == (count % 2 == 0) else reversed(states):
                x = own(s, policy[s])
                value[s], moved = x, max(moved, abs(x - value[s]))
            count += 1
    return history


# --- policy gradients and stages ---------------------------------------------------------------------------------
# Decimals throughout; ``bonus`` is temperature * log-reference, None at excluded actions.


def normalised_rows(policy):
    """A policy of doubles as decimals, rows divided by their sums."""
    return [[p / sum(row) for p in row] for row in decimals(policy)]


def net_reward(reward, policy, bonus, temperature):
    """Reward less the cost of the policy's randomness; 0 where the policy is 0."""
    return [
        [r - temperature * p.ln() + b if p else Decimal(0) for r, p, b in zip(*row, strict=True)]
        for row in zip(reward, policy, bonus, strict=True)
    ]


def row_advantage(policy, entries):
    """``entries`` less their mean under the policy; 0 where the policy is 0."""
    means = [sum(p * x for p, x in zip(*row, strict=True) if p) for row in zip(policy, entries, strict=True)]
    return [
        [x - mean if p else Decimal(0) for p, x in zip(*row, strict=True)]
        for *row, mean in zip(policy, entries, means, strict=True)
    ]


def weighted_gradient(weights, policy, advantage):
    """``m pi A`` as lists."""
    return [
        [m * p * a for p, a in zip(*row, strict=True)]
        for m, *row in zip(weights, policy, advantage, strict=True)
    ]


def exact_policy_gradient(rows, reward, discount, policy, bonus, temperature, start):
    """Value and policy gradient of a discounted model."""
    net = net_reward(reward, policy, bonus, temperature)
    v = exact_evaluation(rows, net, discount, policy)
    n = len(rows)
    matrix = [[Decimal(int(s == t)) for s in range(n)] for t in range(n)]
    for s in range(n):
        for p, row in zip(policy[s], rows[s], strict=True):
            for t, weight in row or []:
                matrix[t][s] -= discount * p * weight
    m = solve_exactly(matrix, list(start))
    entries = [
        [Decimal(0) if x is None else x for x in row] for row in exact_lookahead(rows, net, discount, v)
    ]
    return v, weighted_gradient(m, policy, row_advantage(policy, entries))


def exact_stage_gradient(kernels, rewards, discount, terminal, policies, bonuses, temperature, start):
    """Values and action values (of net rewards) of all stages, and the gradient in the logits of all stages."""
    values, entries = [terminal], []
    for rows, reward, policy, bonus in reversed(list(zip(kernels, rewards, policies, bonuses, strict=True))):
        net = net_reward(reward, policy, bonus, temperature)
        q = exact_lookahead(rows, net, discount, values[0])
        entries.insert(0, q)
        values.insert(
            0, [sum(p * x for p, x in zip(*pair, strict=True)) for pair in zip(policy, q, strict=True)]
        )
    m, gradient = list(start), []
    for rows, policy, q in zip(kernels, policies, entries, strict=True):
        gradient.append(weighted_gradient(m, policy, row_advantage(policy, q)))
        following = [Decimal(0)] * len(m)
        for s, pairs in enumerate(rows):
            for p, row in zip(policy[s], pairs, strict=True):
                for t, weight in row:
                    following[t] += discount * m[s] * p * weight
        m = following
    return values, gradient


# --- masked stages: the ragged problem, from which unavailable actions are gone -----------------------------------


def ragged_stages(mdp, number=Decimal):
    """For each stage and state the list (action, reward, row) of the actions that may be taken; no other is read."""
    stages = []
    for h in range(mdp.horizon):
        kernel, reward = mdp.stage_kernel(h), mdp.stage_reward(h)
        stages.append(
            [
                [
                    (a, number(float(reward[s, a])), [number(float(p)) for p in kernel[s, a]])
                    for a in range(mdp.n_actions)
                    if mdp.available is None or mdp.available[(h, s, a)[3 - mdp.available.ndim :]]
                ]
                for s in range(mdp.n_states)
            ]
        )
    return stages


def ragged_recursion(stages, terminal, discount, choose):
    """Backward recursion: ``choose(h, s, pairs)`` makes a law and a value of a state's pairs (action, action value)."""
    values, qs, laws = [terminal], [], []
    for h in reversed(range(len(stages))):
        q = [
            [
                (a, r + discount * sum(p * x for p, x in zip(row, values[0], strict=True)))
                for a, r, row in pairs
            ]
            for pairs in stages[h]
        ]
        found = [choose(h, s, pairs) for s, pairs in enumerate(q)]
        values.insert(0, [value for _, value in found])
        laws.insert(0, [law for law, _ in found])
        qs.insert(0, q)
    return values, qs, laws


def ragged_maximum(h, s, pairs):
    """Law (action, probability) and value of the hard choice."""
    best = max(q for _, q in pairs)
    first = min(a for a, q in pairs if q == best)
    return [(a, type(best)(int(a == first))) for a, _ in pairs], best


def ragged_softmax(temperature, log_weights):
    """The soft choice with log-weights ``(H, S, A)``, read at the pairs there are."""
    tau = Decimal(temperature)

    def choose(h, s, pairs):
        y = [(a, q / tau + Decimal(float(log_weights[h, s, a]))) for a, q in pairs]
        top = max(x for _, x in y)
        total = sum((x - top).exp() for _, x in y)
        return [(a, (x - top).exp() / total) for a, x in y], tau * (top + total.ln())

    return choose


def ragged_average(policy, temperature=0.0, log_weights=None):
    """The evaluation of a policy ``(H, S, A)``, regularised or not."""
    tau = Decimal(temperature)

    def choose(h, s, pairs):
        law = [(a, Decimal(float(policy[h, s, a]))) for a, _ in pairs]
        value = sum(p * q for (_, p), (_, q) in zip(law, pairs, strict=True))
        if tau:
            value -= tau * sum(p * (p.ln() - Decimal(float(log_weights[h, s, a]))) for a, p in law if p)
        return law, value

    return choose


def filled(ragged, shape, empty):
    """A ragged table (action, number) as an array, ``empty`` where there is no pair."""
    table = np.full(shape, empty)
    for h, stage in enumerate(ragged):
        for s, pairs in enumerate(stage):
            for a, x in pairs:
                table[h, s, a] = float(x)
    return table
