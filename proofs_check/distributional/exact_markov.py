"""Markov policies against all policies in rationals: utilities of returns, exponentials as balls."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array, IntArray
from mdplab.enumeration import deterministic_stage_policies
from proofs_check.distributional import exact_stock

if TYPE_CHECKING:
    from proofs_check.distributional.markov_tasks import MarkovTask


def utility(task: MarkovTask) -> Callable[[Array], Any]:
    """The utility of an array of returns."""
    sign = {"exp(b x)": 1, "-exp(b x)": -1}.get(task.utility)
    if sign is None:
        return exact_stock.UTILITIES[task.utility]
    rate = mdplab.exact.rational(task.rate)
    return lambda x: sign * mdplab.exact.exp(rate * x)


def history_values(task: MarkovTask) -> Array:
    """The largest expected utility of all history-dependent policies, from each state."""
    values = utility(task)
    return np.array(
        [mdplab.exact.highest(masses @ values(atoms)) for atoms, masses in exact_stock.tables(task)]
    )


def markov_values(task: MarkovTask, *, states: int | None = None) -> Array:
    """The largest expected utility of all Markov policies, each run from every (of the first) state."""
    policies = deterministic_stage_policies(task.steps, task.model.n_states, task.model.n_actions)
    n = task.model.n_states if states is None else states
    rows, discount = exact_stock.branches(task), mdplab.exact.rational(task.discount)
    laws = [[run(rows, discount, policy, s) for policy in policies] for s in range(n)]
    atoms = exact_stock.union([np.array(list(law)) for row in laws for law in row])
    worth = dict(zip(atoms, np.atleast_1d(utility(task)(atoms)), strict=True))
    return np.array(
        [mdplab.exact.highest([sum(p * worth[x] for x, p in law.items()) for law in row]) for row in laws]
    )


def run(rows: exact_stock.Branches, discount: Any, policy: IntArray, state: int) -> dict[Any, Any]:
    """Law of the return of a Markov policy, forwards."""
    zero = 0 * discount
    found: dict[tuple[int, Any], Any] = {(state, zero): zero + 1}
    for stage, actions in enumerate(policy):
        following: dict[tuple[int, Any], Any] = {}
        for (s, earned), mass in found.items():
            for p, r, t in rows[s][actions[s]]:
                key = t, earned + discount**stage * r
                following[key] = following.get(key, zero) + mass * p
        found = following
    law: dict[Any, Any] = {}
    for (_, earned), mass in found.items():
        law[earned] = law.get(earned, zero) + mass
    return law


def gaps(task: MarkovTask) -> Array:
    """What Markov policies miss from state 0."""
    return history_values(task)[:1] - markov_values(task, states=1)


def history_and_markov(task: MarkovTask) -> Array:
    """The best of all policies and of Markov policies, from state 0."""
    return np.array([history_values(task)[0], markov_values(task, states=1)[0]])


def strict(task: MarkovTask) -> list[Any]:
    """The constant 1/1000."""
    return [mdplab.exact.rational(1) / 1000]


def nothing_and_one(task: MarkovTask) -> list[int]:
    """Closed forms: 0 and -1."""
    return [0, -1]
