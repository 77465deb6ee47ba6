"""Guided trajectories in balls: the recursion with a free next state, against products of weights along all trajectories."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.tilting import trajectory_routes as routes
from proofs_check.tilting.exact_chain import summed
from proofs_check.tilting.trajectory_routes import GuidedTask


class Data(NamedTuple):
    """Rational dynamics, start and policies, and the tilted behaviour ``beta pi^lambda`` as balls."""

    transition: Array
    initial: Array
    behaviour: Array
    target: Array
    tilted: Array


def read(task: GuidedTask) -> Data:
    """Rows that sum to exactly one."""
    behaviour, target = mdplab.exact.laws(task.behaviour), mdplab.exact.laws(task.target)
    power = mdplab.exact.exp(mdplab.exact.rational(task.weight) * mdplab.exact.log(target))
    kernel, start = mdplab.exact.laws(task.transition), mdplab.exact.laws(task.initial)
    return Data(kernel, start, behaviour, target, behaviour * power)


class Recursion(NamedTuple):
    """Values (H+1, S), start, policies (H, S, A), dynamics (H, S, A, S), and log Z."""

    value: Array
    initial: Array
    policy: Array
    dynamics: Array
    log_partition: Any


def recursion(task: GuidedTask) -> Recursion:
    """The guided law, backwards in logarithms."""
    data = read(task)
    log_kernel, log_policy = mdplab.exact.log(data.transition), mdplab.exact.log(data.tilted)
    values = [mdplab.exact.ball(np.zeros(len(task.initial), dtype=int))]
    policies, dynamics = [], []
    for _ in range(task.horizon):
        ahead = mdplab.exact.log_sum_exp(values[-1], log_reference=log_kernel)
        dynamics.append(mdplab.exact.softmax(values[-1], log_reference=log_kernel))
        policies.append(mdplab.exact.softmax(ahead, log_reference=log_policy))
        values.append(mdplab.exact.log_sum_exp(ahead, log_reference=log_policy))
    start = mdplab.exact.log(data.initial)
    return Recursion(
        np.array(values[::-1]),
        mdplab.exact.softmax(values[-1], log_reference=start),
        np.array(policies[::-1]),
        np.array(dynamics[::-1]),
        mdplab.exact.log_sum_exp(values[-1], log_reference=start),
    )


def products(task: GuidedTask, start: Array, policies: Any, dynamics: Any) -> Array:
    """Products of the start's, the policies' and the dynamics' entries along all trajectories."""
    states, actions = task.trajectories.states, task.trajectories.actions
    weights = start[states[:, 0]]
    for h in range(task.horizon):
        here, a = states[:, h], actions[:, h]
        weights = weights * policies[h][here, a] * dynamics[h][here, a, states[:, h + 1]]
    return np.asarray(weights)


def behaviour_weights(task: GuidedTask, policy: Array) -> Array:
    """Weights of all trajectories under one table of action weights for all steps."""
    data = read(task)
    return products(task, data.initial, [policy] * task.horizon, [data.transition] * task.horizon)


def guided_weights(task: GuidedTask) -> Array:
    """``p_beta pi^lambda`` of all trajectories."""
    return behaviour_weights(task, read(task).tilted)


def other_law(task: GuidedTask) -> Array:
    """The other law of trajectories."""
    found, steps = task.trajectories, mdplab.exact.rational(task.steps)
    exponents = mdplab.exact.rational(task.ends)[found.states[:, 0], found.states[:, -1]]
    for h in range(task.horizon):
        exponents = exponents + steps[h, found.states[:, h], found.actions[:, h], found.states[:, h + 1]]
    weights = behaviour_weights(task, read(task).behaviour) * mdplab.exact.exp(exponents)
    return np.asarray(weights / weights.sum())


def scores(task: GuidedTask) -> Array:
    """``l_pi`` of all trajectories."""
    found, logs = task.trajectories, mdplab.exact.log(read(task).target)
    rows = [logs[found.states[:, h], found.actions[:, h]] for h in range(task.horizon)]
    return np.asarray(sum(rows[1:], start=rows[0]))


def objective(task: GuidedTask, law: Array) -> Any:
    """``lambda E l_pi - KL(q || p_beta)``."""
    base = behaviour_weights(task, read(task).behaviour)
    return mdplab.exact.rational(task.weight) * (law @ scores(task)) - mdplab.exact.kl(law, base)


def recursive_law(task: GuidedTask) -> Array:
    """Law of all trajectories under the recursion's start, policies and dynamics."""
    found = recursion(task)
    return products(task, found.initial, found.policy, found.dynamics)


def best_and_other(task: GuidedTask) -> Array:
    """(a): log Z by recursion, the objective of its law, and that of the other law."""
    z = recursion(task).log_partition
    worth = [objective(task, law) for law in (recursive_law(task), other_law(task))]
    return np.append(np.asarray(z), worth)


def partition_less_divergence(task: GuidedTask) -> Array:
    """(a): logarithm of the sum of the weights, twice, and less the divergence of the other law."""
    weights = guided_weights(task)
    z = mdplab.exact.log(weights.sum())
    return np.array([z, z, z - mdplab.exact.kl(other_law(task), weights / weights.sum())])


def law_by_recursion(task: GuidedTask) -> Array:
    """(b): probabilities of all trajectories by recursion."""
    return recursive_law(task)


def law_by_enumeration(task: GuidedTask) -> Array:
    """(b): weights of all trajectories, normalised."""
    weights = guided_weights(task)
    return np.asarray(weights / weights.sum())


def down(task: GuidedTask) -> Array:
    """(c): the same at half the weight."""
    return divergence_and_score(replace(task, weight=task.weight / 2))


def divergence_and_score(task: GuidedTask) -> Array:
    """(c): KL(q||p_beta) and E l_pi, by enumeration."""
    law, base = law_by_enumeration(task), behaviour_weights(task, read(task).behaviour)
    return np.array([mdplab.exact.kl(law, base), law @ scores(task)])


def conditional_laws(task: GuidedTask) -> tuple[list[Array], list[Array]]:
    """Sums of weights of pairs and of moves, step by step."""
    n, m = task.behaviour.shape
    states, actions, weights = task.trajectories.states, task.trajectories.actions, guided_weights(task)
    pairs, moves = [], []
    for h in range(task.horizon):
        pair = states[:, h] * m + actions[:, h]
        pairs.append(summed(weights, pair, n * m).reshape(n, m))
        moves.append(summed(weights, pair * n + states[:, h + 1], n * m * n).reshape(n, m, n))
    return pairs, moves


def spread(row: Array) -> Any:
    """Largest less smallest entry; 0 of an empty row."""
    return mdplab.exact.highest(row) - mdplab.exact.lowest(row) if row.size else mdplab.exact.rational(0)


def _reached(task: GuidedTask) -> Array:
    """States that the float enumeration reaches, step by step."""
    return np.isfinite(routes.conditional_logs(task)[0])


def bending(task: GuidedTask) -> Array:
    """(d): ranges of log(dynamics / P) and of log(policy / (beta pi^lambda)), by enumeration."""
    data, reached = read(task), _reached(task)
    bent, tilted = [], []
    for h, (pairs, moves) in enumerate(zip(*conditional_laws(task), strict=True)):
        for s, a in np.ndindex(*task.behaviour.shape):
            there = (task.transition[s, a] > 0) & reached[h, s, a]
            bent.append(spread(mdplab.exact.log(moves[s, a][there] / data.transition[s, a][there])))
        for s in range(len(task.initial)):
            taken = reached[h, s]
            tilted.append(spread(mdplab.exact.log(pairs[s][taken] / data.tilted[s][taken])))
    return np.array(bent + tilted, dtype=object)


def ranges_of_values(task: GuidedTask) -> Array:
    """(d): ranges of the recursion's values, and of their log-expectations."""
    value, reached = recursion(task).value, _reached(task)
    logs = mdplab.exact.log(read(task).transition)
    bent, tilted = [], []
    for h in range(task.horizon):
        ahead = mdplab.exact.log_sum_exp(value[h + 1], log_reference=logs)
        for s, a in np.ndindex(*task.behaviour.shape):
            bent.append(spread(value[h + 1][(task.transition[s, a] > 0) & reached[h, s, a]]))
        tilted += [spread(ahead[s][reached[h, s]]) for s in range(len(task.initial))]
    return np.array(bent + tilted, dtype=object)


def guided_dynamics(task: GuidedTask) -> Array:
    """(d): law of the next state by enumeration; P where the pair is not reached."""
    data, reached = read(task), _reached(task)
    tables = []
    for h, (pairs, moves) in enumerate(zip(*conditional_laws(task), strict=True)):
        table = mdplab.exact.ball(data.transition)
        for pair in zip(*np.nonzero(reached[h]), strict=True):
            table[pair] = moves[pair] / pairs[pair]
        tables.append(table)
    return np.array(tables)


def plain_dynamics(task: GuidedTask) -> Array:
    """(d): P at every step."""
    kernel = read(task).transition
    return np.asarray(mdplab.exact.ball(np.array([kernel] * task.horizon)))


def left_over(task: GuidedTask) -> Any:
    """(e): probability of the trajectories that are not the likeliest under the target, by recursion."""
    rest = recursive_law(task)[~routes.likeliest(task)]
    return rest.sum() if rest.size else mdplab.exact.rational(0)


def decay(task: GuidedTask) -> Any:
    """(e): the odds of these trajectories under the behaviour, times ``e^{-lambda gap}``."""
    top = routes.likeliest(task)
    if top.all():
        return mdplab.exact.rational(0)
    law, score = behaviour_weights(task, read(task).behaviour), scores(task)
    gap = mdplab.exact.lowest(score[top]) - mdplab.exact.highest(score[~top])
    factor = mdplab.exact.exp(-mdplab.exact.rational(task.weight) * gap)
    return factor * law[~top].sum() / law[top].sum()
