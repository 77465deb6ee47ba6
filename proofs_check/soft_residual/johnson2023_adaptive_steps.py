"""Policy mirror descent with adaptive steps (Johnson, Pike-Burke and Rebeschini 2023): the rate of policy iteration.

A step loses at most ``KL(greedy || pi_k) / eta_k <= c_k`` against the greedy policy in ``<Q_k, .>``, and it improves the
value, so ``||V* - V_{k+1}|| <= gamma ||V* - V_k|| + c_k``: no mismatch constant enters.

What a recorded update misses is read off its effect.  If ``<Q_k, pi_{k+1}>`` falls short of the greedy value by ``c_k + m_k``
and of ``<Q_k, pi_k>`` by ``w_k``, the gap grows by at most ``m_k + gamma w_k / (1 - gamma)``; carried through the recursion,
that is the error of the recorded gaps.  (Divided by a step that may be tiny, rounding of the logarithms would be too much.)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Known, Outcome, Side, rounding
from mdplab.instances import three_state_unit_reward_mdp, two_armed_loop
from proofs_check.soft_residual import exact_adaptive as exact
from proofs_check.soft_residual.mirror_instances import (
    AdaptiveTask,
    adaptive_task,
    dense_values,
    with_any_constant_step,
)

# --- the routes -----------------------------------------------------------------------------------------------------


def carried_error(task: AdaptiveTask) -> FloatArray:
    """What the updates miss, carried through the recursion of the proof, one for each iterate but the first."""
    run, discount, found = task.run, task.mdp.discount, [0.0]
    for k, allowed in enumerate(task.allowances):
        q, before, after = run.q[k], run.policies[k], run.policies[k + 1]
        reached = (after * q).sum(axis=1)
        inexact = run.q_span_errors[k] + float(rounding(np.abs(q).max(), 4 * task.mdp.n_actions + 8))
        short = max(float((q.max(axis=1) - reached).max()) - allowed, 0.0) if task.steps_are_large else 0.0
        worse = max(float(((before * q).sum(axis=1) - reached).max()), 0.0)
        missed = short + inexact + discount * (worse + inexact) / (1 - discount)
        found.append(discount * found[-1] + missed)
    return np.array(found[1:])


def gaps(task: AdaptiveTask) -> Side:
    """Policy iteration less the evaluated iterates of mirror descent, largest of the states."""
    best, values = task.optimum, task.run.values[1:]
    error = best.certificate.bound + task.run.certificate.bound + rounding(np.abs(best.value).max(), 2)
    return Side((best.value - values).max(axis=1), error + carried_error(task))


def gaps_by_solves(task: AdaptiveTask) -> Side:
    """Value iteration less one dense solve for each recorded policy."""
    best = solvers.value_iteration(task.mdp, tol=1e-11)
    values, _, error = dense_values(task.mdp, task.run.log_policies[1:])
    error += best.certificate.bound + float(rounding(np.abs(best.value).max(), 2))
    return Side((best.value - values).max(axis=1), error)


def counts(task: AdaptiveTask) -> FloatArray:
    """k = 1, ..., the number of updates."""
    return np.arange(1.0, task.steps + 1)


def sums(task: AdaptiveTask) -> FloatArray:
    """``sum_{i <= k} gamma^{-i} c_{i-1}``, term by term, for k = 1, ..., T."""
    return np.asarray(np.cumsum(task.allowances / task.mdp.discount ** counts(task)))


def bound_from(task: AdaptiveTask, gap: float, error: float) -> Side:
    """``gamma^k (gap + sum_{i <= k} gamma^{-i} c_{i-1})`` from the first gap."""
    decay = task.mdp.discount ** counts(task)
    value = decay * (gap + sums(task))
    return Side(value, decay * error + rounding(value, 4 * task.steps + 16))


def bound(task: AdaptiveTask) -> Side:
    """Bound from policy iteration and a certified evaluation."""
    best, first = task.optimum, task.run.values[0]
    error = best.certificate.bound + float(task.run.value_errors[0] + rounding(np.abs(best.value).max(), 2))
    return bound_from(task, float((best.value - first).max()), error)


def bound_by_solve(task: AdaptiveTask) -> Side:
    """Bound from value iteration and a dense solve."""
    best = solvers.value_iteration(task.mdp, tol=1e-11)
    values, _, error = dense_values(task.mdp, task.run.log_policies[:1])
    error += best.certificate.bound + float(rounding(np.abs(best.value).max(), 2))
    return bound_from(task, float((best.value - values[0]).max()), error)


def allowances_summed(task: AdaptiveTask) -> Side:
    """``sum_{i <= k} gamma^{-i} c_{i-1}``."""
    return Side(sums(task), rounding(sums(task), 4 * task.steps + 16))


def limit_of_the_sum(task: AdaptiveTask) -> Side:
    """``c gamma / (1 - gamma)``."""
    value = np.full(task.steps, task.scale * task.mdp.discount / (1 - task.mdp.discount))
    return Side(value, rounding(value, 4))


# --- the claim ------------------------------------------------------------------------------------------------------

M3 = AdaptiveTask(three_state_unit_reward_mdp(), np.zeros((3, 2)), 1.0)
LOOP = AdaptiveTask(two_armed_loop(0.5), np.zeros((1, 2)), 0.1)

ADAPTIVE = Claim(
    "pmd-adaptive-gamma-rate",
    title="Steps chosen from the divergence of the greedy policy give mirror descent the rate of policy iteration",
    papers=("johnson2023optimal",),
    provenance="as in the paper",
    theorem="exact policy mirror descent with adaptive steps, re-derived",
    statement=r"""
    Let $\pi_{k+1} \propto \pi_k e^{\eta_k Q_k}$, $Q_k = Q^{\pi_k}$, with
    $$\eta_k \ge \frac1{c_k} \max_s \min_{\tilde\pi \text{ greedy for } Q_k} \mathrm{KL}\big(\tilde\pi(\cdot|s) \|
    \pi_k(\cdot|s)\big), \qquad c_k > 0.$$
    Then for all $k \ge 1$ (at $k = 0$ both sides are one number)
    $$\|V^* - V^{\pi_k}\|_\infty \le \gamma^k \Big(\|V^* - V^{\pi_0}\|_\infty + \sum_{i=1}^k \gamma^{-i} c_{i-1}\Big);$$
    with $c_i = \gamma^{2(i+1)} c$ the sum is at most $c\gamma/(1-\gamma)$: the rate $\gamma$, without a mismatch.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"full support of $\pi_0$, or the divergence is not finite",
            DEFINITIONAL,
            lambda task: bool(np.isfinite(task.logits).all()),
        ),
        Assumption("A2", "exact evaluation", DEFINITIONAL),
        Assumption(
            "A3",
            r"steps of at least the divergence of a greedy policy over $c_k$",
            "a constant step",
            lambda task: task.steps_are_large,
            wider=with_any_constant_step,
        ),
    ),
    instance_family=adaptive_task,
    witnesses=(M3, LOOP),
    instances=80,
)

rate = ADAPTIVE.part(
    "(bound)",
    r"$\|V^* - V^{\pi_k}\|_\infty \le \gamma^k(\|V^* - V^{\pi_0}\|_\infty + \sum_{i \le k} \gamma^{-i} c_{i-1})$",
    AtMost(gaps, bound),
    resolution=lambda task: 1e-10 * (1 + float(np.abs(task.optimum.value).max())),
    reason="certificates, and what the updates miss carried through the proof; 1e-10 at the size of the values",
    cross_left=gaps_by_solves,
    cross_right=bound_by_solve,
    specified_tightness="0.70",
    shared={"mirror_descent": "the recorded policies are inputs; what their updates miss is in the bound"},
    exact=(exact.gaps, exact.bound),
)
total = ADAPTIVE.part(
    "(sum)",
    r"$\sum_{i=1}^k \gamma^{-i} c_{i-1} \le c\gamma/(1-\gamma)$ for $c_i = \gamma^{2(i+1)} c$",
    AtMost(allowances_summed, limit_of_the_sum),
    resolution=lambda task: 1e-12 * task.scale / (1 - task.mdp.discount),
    reason="rounding of a geometric sum",
    closed=("left", "right"),
    exact=(exact.sums, exact.limit_of_the_sum),
)


@ADAPTIVE.known(M3)
def _(task: AdaptiveTask) -> Iterator[Known]:
    pick, first = [0, 1, 2, 4], float((task.optimum.value - task.run.values[0]).max())
    yield Known("first gap, and bound at k = 0", "3.9877304375", first)
    printed = "2.5734120662 1.3916668350 0.7504616084 0.3326266437"
    yield Known("gaps", printed, np.asarray(gaps(task).value)[pick])
    printed = "4.3989573937 4.6151616544 4.6850864889 4.5310189851"
    yield Known("bounds", printed, np.asarray(bound(task).value)[pick])


# --- what must fail -------------------------------------------------------------------------------------------------


def squared_rate(task: AdaptiveTask) -> Side:
    """The bound with ``gamma^(2 k)`` in the place of ``gamma^k``."""
    found = bound(task)
    return Side(task.mdp.discount ** counts(task) * np.asarray(found.value), found.error)


def half_the_limit(task: AdaptiveTask) -> Side:
    """``c gamma / (1 - gamma)`` with ``1 - gamma^2`` in the place of ``1 - gamma``."""
    found = limit_of_the_sum(task)
    return Side(np.asarray(found.value) / (1 + task.mdp.discount), found.error)


def at_ten(outcome: Outcome) -> FloatArray:
    return np.array([outcome.left[9], outcome.right[9]])


rate.control(
    "a constant step",
    kind="assumption",
    drops="A3",
    instance=replace(LOOP, constant=0.1),
    specified="0.5378828427 0.0010741234",
    measure=at_ten,
)
total.control("1 - gamma^2 in the place of 1 - gamma", kind="constant", instance=M3, right=half_the_limit)


# --- the figure -----------------------------------------------------------------------------------------------------


@ADAPTIVE.figure(
    "Largest gap of mirror descent with the smallest allowed steps on the three-state task ($c = 1$), its bound (dashed) and "
    "the line $\\gamma^k$ (dotted): the bound falls at the rate of policy iteration."
)
def _(ax: Any) -> None:
    task = replace(M3, steps=60)
    ax.semilogy(counts(task), np.asarray(bound(task).value), color="0.3", linestyle="dashed", label="bound")
    ax.plot(
        counts(task), task.mdp.discount ** counts(task), color="0.3", linestyle="dotted", label=r"$\gamma^k$"
    )
    gap = np.asarray(gaps(task).value)
    shown = gap > 1e-12
    ax.plot(counts(task)[shown], gap[shown], "o-", color="C0", markersize=4, label="adaptive steps")
    ax.set(xlabel="number of updates $k$", ylabel="largest gap of the states", ylim=(1e-7, 10))
    ax.grid(True)
    ax.legend(loc="lower left")
