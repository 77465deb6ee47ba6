r"""In-context reinforcement learning by supervised pretraining (Lin, Bai, Mei 2023; Lee et al. 2023): posterior sampling.

A model is trained to predict the optimal action of an environment from data that another policy collected there.  The
log-loss has its minimum at the conditional law of the label, and the conditional law of the optimal action is what Thompson
sampling plays.  Of the policy that collected the data nothing is left, if it knew no more of the environment than the data
show.  Run on its own data, the model has the regret of Thompson sampling.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from scipy.special import expit

from mdplab import numerics
from mdplab._typing import FloatArray
from mdplab.claims import Assumption, AtMost, Claim, Equal, Known, Outcome, Side, rounding
from mdplab.instances import SeededDraw
from proofs_check.distributional import exact_bandits as exact
from proofs_check.distributional.bandit_contexts import (
    HORIZON,
    INFORMED,
    SURE,
    THREE,
    BanditTask,
    bandit_task,
    informed_task,
    normalised,
    regret_by_beliefs,
    regret_by_counts,
    rich_task,
)

# --- routes ---------------------------------------------------------------------------------------------------------


def depth(logs: FloatArray) -> float:
    """One more than the largest logarithm in modulus: what the rounding of its exponential grows with."""
    return 1 + float(np.abs(logs[logs > -np.inf]).max())


def posterior_shares(task: BanditTask) -> Side:
    """Bayes' rule on the counts of a context that occurs, the behaviour ignored: probability that arm 0 is the optimal one"""
    counts = [(task.contexts[task.occurring] == pair).sum(axis=1) for pair in (1, 3, 0, 2)]
    logs = task.log_weights(np.stack(counts[:2], axis=1), np.stack(counts[2:], axis=1))
    return Side(normalised(logs) @ task.optimal[:, 0], rounding(2 * depth(logs), 64))


def fitted_shares(task: BanditTask, *, rewards_only: bool = False) -> Side:
    """Minimiser of the log-loss over tables, at each context that occurs: where the derivative in the log-odds vanishes"""
    logs = task.log_joint()
    masses = [np.logaddexp.reduce(np.where(arm > 0, logs, -np.inf), axis=1) for arm in task.optimal.T]
    rows = np.stack(masses, axis=1)
    if rewards_only:
        same = (task.contexts[:, None] % 2 == task.contexts % 2).all(axis=-1)
        rows = np.logaddexp.reduce(np.where(same[..., None], rows, -np.inf), axis=1)
    found = np.array([least_loss(row) for row in rows[task.occurring]])
    return Side(found[:, 0], found[:, 1] + rounding(2 * depth(logs), 64))


def least_loss(log_masses: FloatArray) -> tuple[float, float]:
    """Share of label 0 of the least loss ``-m0 log p - m1 log(1 - p)``, and a bound on its error.

    In the log-odds ``x`` the loss is convex with the derivative ``m1 / (1 + exp(-x)) - m0 / (1 + exp(x))``, whose computed sign
    is right but for ``x`` within a few units of rounding of the root.  A label that does not occur has its root beyond the
    bounds, where the share is 0 or 1.
    """
    m0, m1 = np.exp(log_masses - log_masses.max())
    solution = numerics.monotone_root(
        lambda x: float(m1 * expit(x) - m0 * expit(-x)), -1.0, 1.0, bounds=(-800.0, 800.0)
    )
    width = solution.upper - solution.lower if solution.found else 0.0
    return float(expit(solution.root)), width + float(rounding(1, 32))


def regrets(task: BanditTask) -> Side:
    """Recursion over counts of successes and failures, weighed in every environment: regret after 1, ..., 12 pulls"""
    value = regret_by_counts(task, HORIZON)
    chances = np.concatenate([task.means, 1 - task.means])
    deep = depth(task.log_prior) + HORIZON * depth(np.log(chances[chances > 0]))
    return Side(value, value[-1] * rounding(deep, 400))


def regrets_by_beliefs(task: BanditTask) -> Side:
    """Backward recursion over beliefs, rewards drawn from the belief: regret after 1, ..., 12 pulls"""
    value = regret_by_beliefs(task, HORIZON)
    return Side(value, value[-1] * rounding(1, 800))


def bounds(task: BanditTask, *, growing: bool = True) -> Side:
    """Closed form sqrt(H(a*) t), for two arms"""
    pulls = np.arange(1.0, HORIZON + 1) if growing else np.ones(HORIZON)
    value = np.sqrt(task.entropy * pulls)
    return Side(value, rounding(value, 32))


# --- the claim ------------------------------------------------------------------------------------------------------

PRETRAINING = Claim(
    "icrl-pretraining-equals-posterior-sampling",
    title="The supervised minimiser with optimal-action labels is posterior sampling, with the regret bound of Thompson sampling",
    papers=("lin2023icrl", "lee2023dpt", "russo2014information"),
    provenance="our formalisation",
    statement=r"""
    An environment is drawn from a finite prior over bandits with rewards in $[0, 1]$; a behaviour policy collects a context
    $D$ of arms and rewards; the label is the optimal arm $a^*$ of the environment, $\mu_a$ are its means.

    (i) Of all tables $D \mapsto \pi(\cdot | D)$ the log-loss $-\mathbb E \log \pi(a^* | D)$ is least for $P(a^* | D)$ (where
    $D$ occurs), the conditional expectation of the expert. This is the law of the optimal arm of an environment drawn from the
    posterior, Thompson sampling, and does not depend on the behaviour.

    (ii) Run on its own contexts, its Bayes regret is bounded by the entropy of $a^*$ under the prior, in nats:
    $$\mathrm{BR}(t) = \mathbb E \sum_{s < t} (\max_a \mu_a - \mu_{a_s}) \le \sqrt{\tfrac12 |A| H(a^*) t}.$$
    """,
    assumptions=(
        Assumption(
            "A1", "realizable: all tables are available", "a table that sees the rewards and not the arms"
        ),
        Assumption(
            "A2",
            "the behaviour is independent of the environment given the observed history",
            "an informed behaviour",
            lambda task: task.blind,
            wider=informed_task,
        ),
        Assumption(
            "A3",
            "rewards in $[0, 1]$; of several optimal arms the label is the first",
            "a success pays 10",
            lambda task: task.size <= 1.0,
            wider=rich_task,
        ),
    ),
    instance_family=bandit_task,
    witnesses=(THREE, SURE),
    instances=40,
)
fitted_part = PRETRAINING.part(
    "(i)",
    r"the minimiser of the log-loss at every context that occurs is $P(a^*|D)$ from counts, the behaviour ignored",
    Equal(posterior_shares, fitted_shares),
    resolution=1e-10,
    reason="roots to rounding, of sums of products of at most seven probabilities taken in logarithms",
    assumes=("A1", "A2"),
    exact=(exact.posterior_shares, exact.fitted_shares),
)
regret_part = PRETRAINING.part(
    "(ii)",
    r"$\mathrm{BR}(t) \le \sqrt{\frac12 |A| H(a^*) t}$ for $t = 1, \dots, 12$",
    AtMost(regrets, bounds),
    cross_left=regrets_by_beliefs,
    closed=("right",),
    resolution=1e-10,
    reason="sums of positive products of probabilities, likelihoods of twelve rewards taken in logarithms",
    assumes=("A3",),
    specified_tightness=".42",
    exact=(partial(exact.regrets, horizon=HORIZON), partial(exact.bounds, horizon=HORIZON)),
)


@PRETRAINING.known(THREE)
def _(task: BanditTask) -> Iterator[Known]:
    once = np.array([1, 0])
    posterior = normalised(task.log_weights(once, once)) @ task.optimal
    yield Known("P(a* = 0) after a failure and a success of arm 0", ".3191489361702128", posterior[0], 1e-15)
    found = np.asarray(regrets(task).value)[[0, 3, 11]]
    yield Known("regret at 1, 4, 12", ".165 .5152316806644152 1.0189302869391013", found, 1e-14)
    yield Known("bound at 12", "2.884053773201766", np.asarray(bounds(task).value)[-1], 1e-14)


# --- what must fail -------------------------------------------------------------------------------------------------


def after_a_success(outcome: Outcome) -> FloatArray:
    """The fitted share and that of the posterior at the context of one success of arm 0."""
    return np.array([outcome.right[1], outcome.left[1]])


fitted_part.control(
    "a table that sees the rewards and not the arms",
    kind="assumption",
    drops="A1",
    instance=THREE,
    right=partial(fitted_shares, rewards_only=True),
)
fitted_part.control(
    "an informed behaviour",
    kind="assumption",
    drops="A2",
    instance=INFORMED,
    specified=".9793814433 .7142857143",
    measure=after_a_success,
)
regret_part.control(
    "a success pays 10",
    kind="assumption",
    drops="A3",
    instance=BanditTask(THREE.means, THREE.prior, THREE.behaviour, 10.0),
)
regret_part.control(
    "a bound that does not grow",
    kind="mutation",
    instance=THREE,
    right=partial(bounds, growing=False),
)


# --- the figure -----------------------------------------------------------------------------------------------------


@PRETRAINING.figure(
    "Bayes regret of the pretrained model, which is Thompson sampling, on doubly logarithmic axes, both sides over the root of the "
    "entropy: the three bandits of the known values (dots) and random priors (grey). The bound is the line at the top; the "
    "regret of all stays below half of it. At first it grows nearly with the pulls, and ever more slowly as the model learns."
)
def _(ax: Any) -> None:
    pulls = np.arange(1, HORIZON + 1)
    for seed in range(30):
        task = bandit_task(SeededDraw(seed))
        if task.entropy > 0:
            ax.plot(
                pulls, regret_by_counts(task, HORIZON) / np.sqrt(task.entropy), color="0.75", linewidth=0.7
            )
    ax.plot([], [], color="0.75", linewidth=0.7, label="random priors")
    ax.plot(pulls, np.sqrt(pulls), "--", color="C1", label=r"bound $\sqrt{t}$")
    shown = regret_by_counts(THREE, HORIZON) / np.sqrt(THREE.entropy)
    ax.plot(pulls, shown, "o-", color="C0", markersize=3.5, label="three bandits")
    ax.set(
        xlabel="pulls $t$", ylabel=r"regret $\mathrm{BR}(t)\,/\,\sqrt{H(a^*)}$", xscale="log", yscale="log"
    )
    ax.legend(loc="lower right")
