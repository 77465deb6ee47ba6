"""Conditional control of a Markov chain (Zhao et al. 2024, in discrete time): the soft-optimal controller is the tilt.

Pay a chain ``kappa log p(y | x)`` at its last state and charge it the divergence of its path law.  The best controls
tilt every transition by the difference of the log-expected rewards before and after it (Doob's transform); along a
path these factors telescope, and the path law is the original one times ``p(y | x_T)^kappa``, normalised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import (
    DEFINITIONAL,
    Assumption,
    Claim,
    Equal,
    Known,
    Method,
    Outcome,
    Side,
    rounding,
)
from mdplab.enumeration import enumerate_paths, path_log_probability
from mdplab.operators import chain_kl, log_partition, marginals
from proofs_check.tilting import exact_chain as exact
from proofs_check.tilting import instances
from proofs_check.tilting.chain_routes import (
    LOG_SPACE,
    controls_by_enumeration,
    objective,
    partition_error,
    within,
)
from proofs_check.tilting.instances import ChainTask, chain_task, three_state_task

Values = Callable[[ChainTask], FloatArray]

# --- the routes -----------------------------------------------------------------------------------------------------


def exact_values(task: ChainTask) -> FloatArray:
    """``V_t``: logarithm of the expected exponential."""
    return task.values


def controls_by_recursion(task: ChainTask, values: Values = exact_values) -> Side:
    """Backward recursion: start, kernels and objective of the controller"""
    chain = task.controller(values(task))
    worth, summing = objective(task, chain)
    gained = float(marginals(chain)[-1] @ np.abs(task.reward))
    weight = gained + chain_kl(chain, task.chain) + 2 * task.chain.steps + 3
    flat = np.concatenate((chain.initial, chain.kernels.ravel()))
    # a row moves with the values of its successors, at most T steps of error each; the objective with the path law
    error = 2 * (task.chain.steps + 1) * task.step_error * flat
    return Side(np.append(flat, worth), np.append(error, summing + task.path_error * weight))


def path_law_by_recursion(task: ChainTask, values: Values = exact_values) -> Side:
    """Backward recursion: path law of the controller, and a forward sweep for its last law"""
    chain = task.controller(values(task))
    law = np.concatenate((enumerate_paths(chain).probability, marginals(chain)[-1]))
    extra = float(rounding(1.0, 2 * (task.chain.steps + 1) * (task.chain.n_states + 8)))
    return Side(law, (task.path_error + extra) * law)


def path_law_by_enumeration(task: ChainTask) -> Side:
    """Enumeration: p(x_{0:T}) p(y|x_T)^kappa / Z of every path, and p_T p(y|.)^kappa, normalised"""
    last, n = task.paths.states[:, -1], task.chain.n_states
    weights = np.bincount(last, task.paths.probability, n) * task.likelihood**task.strength
    law = np.concatenate((task.path_tilt, weights / weights.sum()))
    return Side(law, 2 * (task.path_error + float(rounding(1.0, len(last) + 8))) * law)


def objective_of_the_controlled_chain(task: ChainTask) -> Side:
    """Forward sweep and chain rule: J at a random controlled chain"""
    return Side(*objective(task, task.controlled))


def log_partition_less_divergence(task: ChainTask, *, swapped: bool = False) -> Side:
    """Enumeration: log Z less the divergence of the controlled path law from the tilted one"""
    log_tilt = task.path_log_weights - task.path_log_partition
    log_law = path_log_probability(task.controlled, task.paths.states)
    if swapped:
        log_tilt, log_law = log_law, log_tilt
    law = np.exp(log_law)
    size = float(law @ (np.abs(log_law) + np.abs(log_tilt)))
    error = (
        partition_error(task) + task.path_error + float(rounding(size, len(law) + 4 * task.chain.steps + 16))
    )
    return Side(task.path_log_partition - float(law @ (log_law - log_tilt)), error)


def values_by_recursion(task: ChainTask, values: Values = exact_values) -> Side:
    """Backward recursion: V_t(x) at all times, and log Z"""
    found = values(task)
    flat = np.append(found.ravel(), log_partition(task.chain, found))
    return Side(flat, (task.chain.steps + 1) * task.step_error)


def values_by_enumeration(task: ChainTask) -> Side:
    """Enumeration: log of the mean of p(y|x_T)^kappa over the paths through x at t, and over all paths"""
    states, n = task.paths.states, task.chain.n_states
    largest = float(task.path_log_weights.max())
    weights, law = np.exp(task.path_log_weights - largest), task.paths.probability
    means = [np.bincount(x, weights, n) / np.bincount(x, law, n) for x in states.T]
    flat = np.append(largest + np.log(np.concatenate(means)), task.path_log_partition)
    return Side(flat, 2 * task.path_error + rounding(2.0 + np.abs(flat), 2 * len(law) + 8))


def past_given_the_end_controlled(task: ChainTask, values: Values = exact_values) -> Side:
    """Enumeration: path law of the controller over its last law"""
    law = enumerate_paths(task.controller(values(task))).probability
    last = task.paths.states[:, -1]
    past = law / np.bincount(last, law, task.chain.n_states)[last]
    return Side(past, 2 * (task.path_error + float(rounding(1.0, len(law) + 4))) * past)


def past_given_the_end_original(task: ChainTask) -> Side:
    """Time-reversed kernels p_t(x) P_t(x, x') / p_{t+1}(x') of the original chain, from a forward sweep"""
    laws, states = marginals(task.chain), task.paths.states
    past = np.ones(len(states))
    for t, kernel in enumerate(task.chain.kernels):
        backward = laws[t][:, None] * kernel / laws[t + 1]
        past *= backward[states[:, t], states[:, t + 1]]
    return Side(past, rounding(past, 2 * (task.chain.steps + 1) ** 2 * (task.chain.n_states + 4)))


# --- the claim ------------------------------------------------------------------------------------------------------

C3, UNIT = three_state_task(2.0), three_state_task(1.0)

TILT = Claim(
    "tilt-soft-optimal-chain",
    title="The KL-regularised optimal controller of a chain samples the tilted law exactly, path by path",
    papers=("zhao2024ctrl",),
    provenance="our formalisation",
    statement=r"""
    Let a chain on finitely many states have the start law $\nu$, kernels $P_t$ and path law $p(x_{0:T})$, let
    $r(x) = \kappa \log p(y|x)$ with $\kappa > 0$ be a reward of the last state, and for a controlled chain $(\mu, Q)$ with
    marginals $q_t$ let $J(\mu, Q) = \sum_x q_T(x) r(x) - \mathrm{KL}(Q \| P)$, a divergence of path laws. With $V_T = r$,
    $$V_t(x) = \log \sum_{x'} P_t(x, x')\, e^{V_{t+1}(x')}, \qquad \log Z = \log \sum_x \nu(x)\, e^{V_0(x)}:$$

    (a) a maximiser of $J$ is $\mu^*(x) = \nu(x) e^{V_0(x)} / Z$, $Q^*_t(x, x') = P_t(x, x')
    e^{V_{t+1}(x') - V_t(x)}$, with the value $\log Z$; it is unique as a path law (kernels at states that are never reached
    are free);

    (b) its path law is $p(x_{0:T})\, p(y|x_T)^\kappa / Z$, so that $q^*_T(x) \propto p_T(x)\, p(y|x)^\kappa$;

    (c) $J(\mu, Q) = \log Z - \mathrm{KL}(Q \| Q^*)$ for every controlled chain;

    (d) $V_t(x) = \log E_p[p(y|x_T)^\kappa \mid x_t = x]$;

    (e) the law of $x_{0:T-1}$ given $x_T$ is the same under $Q^*$ and under $P$.
    """,
    assumptions=(
        Assumption("A1", r"$p(y|x) > 0$", DEFINITIONAL, lambda task: bool(np.all(task.likelihood > 0))),
        Assumption(
            "A2",
            "reward at the end only",
            "a reward on the way, too",
            lambda task: task.running_reward is None or not np.any(task.running_reward),
            wider=instances.paid_on_the_way,
        ),
        Assumption(
            "A3",
            "the controls may reshape every transition and the start",
            "the start law must be kept",
            lambda task: not task.fixed_start,
            wider=instances.start_kept,
        ),
    ),
    methods=(
        Method(
            "Conditional control of a diffusion",
            "tilt",
            "KL",
            "the controlled chain against the pre-trained one",
        ),
    ),
    instance_family=chain_task,
    witnesses=(C3, UNIT),
    instances=200,
)


controls_part = TILT.part(
    "(a)",
    r"start, kernels and value of the maximiser of $J$; that no other path law attains it is (c)",
    Equal(controls_by_recursion, controls_by_enumeration),
    resolution=within(controls_by_enumeration),
    reason=LOG_SPACE,
    exact=(exact.controls_by_recursion, exact.controls_by_enumeration),
)
path_part = TILT.part(
    "(b)",
    r"$q^*(x_{0:T}) = p(x_{0:T})\,p(y|x_T)^\kappa/Z$ and $q^*_T \propto p_T\,p(y|\cdot)^\kappa$",
    Equal(path_law_by_recursion, path_law_by_enumeration),
    resolution=within(path_law_by_enumeration),
    reason=LOG_SPACE,
    exact=(exact.path_law_by_recursion, exact.path_law_by_enumeration),
)
regret_part = TILT.part(
    "(c)",
    r"$J(\mu,Q) = \log Z - \mathrm{KL}(Q\|Q^*)$ for every controlled chain",
    Equal(objective_of_the_controlled_chain, log_partition_less_divergence),
    resolution=within(log_partition_less_divergence),
    reason=LOG_SPACE,
    exact=(exact.controlled_objective, exact.log_partition_less_divergence),
)
value_part = TILT.part(
    "(d)",
    r"$V_t(x) = \log E_p[p(y|x_T)^\kappa \mid x_t = x]$",
    Equal(values_by_recursion, values_by_enumeration),
    resolution=within(values_by_enumeration),
    reason=LOG_SPACE,
    exact=(exact.values_by_recursion, exact.values_by_enumeration),
)
bridge_part = TILT.part(
    "(e)",
    r"$x_{0:T-1}$ given $x_T$ has the same law under $Q^*$ and under $P$",
    Equal(past_given_the_end_controlled, past_given_the_end_original),
    resolution=within(past_given_the_end_original),
    reason=LOG_SPACE,
    exact=(exact.past_controlled, exact.past_original),
)


@TILT.known(C3)
def _(task: ChainTask) -> Iterator[Known]:
    yield Known("log Z at strength 2", "-1.0211624781", log_partition(task.chain, task.values))
    yield Known("V_0", "-1.13668805752 -0.95399259906 -0.86540752156", task.values[0])
    yield Known("V_2", "-1.82015894375 -0.99425227334 -0.57625342909", task.values[2])
    yield Known("start law", "0.445448891653 0.320843143352 0.233707964995", task.optimum.initial)
    yield Known(
        "first row of the first kernel",
        "0.494390426328 0.360882572924 0.144727000748",
        task.optimum.kernels[0, 0],
    )
    yield Known("first row of the last kernel", "1/27 25/54 1/2", task.optimum.kernels[2, 0], 1e-15)
    yield Known(
        "last law at strength 2", "0.008334814091 0.259872951002 0.731792234907", marginals(task.optimum)[-1]
    )
    yield Known("last law of the chain", "0.3002 0.3744 0.3254", marginals(task.chain)[-1])


@TILT.known(UNIT)
def _(task: ChainTask) -> Iterator[Known]:
    yield Known(
        "last law at strength 1", "0.058853513174 0.367001254705 0.574145232120", marginals(task.optimum)[-1]
    )
    yield Known("log Z at strength 1", "-0.6731877028", log_partition(task.chain, task.values))
    evidence = marginals(task.chain)[-1] @ task.likelihood
    yield Known("log p(y), from the last marginal", "-0.6731877028", np.log(evidence))


# --- what must fail -------------------------------------------------------------------------------------------------


def expected_reward(task: ChainTask) -> FloatArray:
    """``U_t = P_t U_{t+1}``: the expected reward in the place of the log-expected exponential."""
    values = [task.reward]
    for kernel in task.chain.kernels[::-1]:
        values.append(kernel @ values[-1])
    return np.array(values[::-1])


def reward_at_the_mean(task: ChainTask) -> FloatArray:
    """``W_t = r(E[x_T | x_t])``: states at 0, 1, ..., the reward interpolated between them."""
    places = np.arange(task.chain.n_states, dtype=float)
    means = [places]
    for kernel in task.chain.kernels[::-1]:
        means.append(kernel @ means[-1])
    return np.interp(np.array(means[::-1]), places, task.reward)


def last_law(outcome: Outcome) -> FloatArray:
    return outcome.left[-3:]


def values_of_j(outcome: Outcome) -> FloatArray:
    return np.array([outcome.left[-1], outcome.right[-1]])


SURROGATES: tuple[tuple[str, Values, str, str], ...] = (
    (
        "expected reward",
        expected_reward,
        "0.005228917 0.225283871 0.769487212",
        "-1.0712185187 -1.0211624781",
    ),
    (
        "reward at the posterior mean",
        reward_at_the_mean,
        "0.005252617 0.234488624 0.760258759",
        "-1.0662777524 -1.0211624781",
    ),
)
for label, surrogate, printed_law, printed_values in SURROGATES:
    path_part.control(
        f"{label} in the place of V: law of the last state",
        kind="mutation",
        instance=C3,
        left=partial(path_law_by_recursion, values=surrogate),
        specified=printed_law,
        measure=last_law,
    )
    controls_part.control(
        f"{label} in the place of V: value of the controls",
        kind="mutation",
        instance=C3,
        left=partial(controls_by_recursion, values=surrogate),
        specified=printed_values,
        measure=values_of_j,
    )
value_part.control(
    "expected reward in the place of the log-expected exponential",
    kind="mutation",
    instance=C3,
    left=partial(values_by_recursion, values=expected_reward),
)
bridge_part.control(
    "expected reward in the place of V: law of the past given the end",
    kind="mutation",
    instance=C3,
    left=partial(past_given_the_end_controlled, values=expected_reward),
)
regret_part.control(
    "the divergence of the tilt from the controlled chain",
    kind="mutation",
    instance=C3,
    right=partial(log_partition_less_divergence, swapped=True),
)
regret_part.control(
    "a reward on the way, too",
    kind="assumption",
    drops="A2",
    instance=replace(C3, running_reward=np.tile([0.1, 0.0, 0.0], (3, 1))),
)
path_part.control(
    "the start law must be kept",
    kind="assumption",
    drops="A3",
    instance=replace(C3, fixed_start=True),
    specified="0.008607137574 0.263094644657 0.728298217769",
    measure=last_law,
)


# --- the figure -----------------------------------------------------------------------------------------------------


@TILT.figure(
    "Law of the last state of the three-state chain: uncontrolled (grey, black lines), tilted, and under controls of the "
    "same form with two plausible values in the place of the exact ones. The tilt is what the optimal controls sample; "
    "both surrogates put too much mass on state 2, where $p(y|x)$ is largest."
)
def _(ax: Any) -> None:
    series: tuple[tuple[str, Values], ...] = (
        (r"tilt $\propto p_T\,p(y|x)^\kappa$", exact_values),
        ("expected reward", expected_reward),
        ("reward at the mean", reward_at_the_mean),
    )
    before = marginals(C3.chain)[-1]
    for group, strength in enumerate((1, 2, 8)):
        task, places = three_state_task(strength), 3.6 * group + np.arange(3)
        ax.bar(places, before, 0.88, color="0.85", label="" if group else "uncontrolled $p_T$")
        for number, (name, values) in enumerate(series):
            law, shift = marginals(task.controller(values(task)))[-1], 0.27 * (number - 1)
            ax.bar(places + shift, law, 0.25, color=f"C{number}", label="" if group else name)
        ax.hlines(before, places - 0.44, places + 0.44, color="black", linewidth=1)
        ax.text(3.6 * group + 1, -0.1, rf"$\kappa = {strength}$", ha="center", va="top", fontsize=10)
    ax.set_xticks((3.6 * np.arange(3)[:, None] + np.arange(3)).ravel(), list("012") * 3)
    ax.tick_params(axis="x", length=0)
    ax.set(ylabel="probability of the last state", ylim=(0, 1))
    ax.set_xlabel("last state", labelpad=16)
    ax.legend(loc="upper left")
