"""Information gain as a turn reward (Wang et al. 2025 pay the increase of the probability of the right answer).

Under Bayesian beliefs each truth gains on average: a chi-square divergence in probability, a Kullback-Leibler divergence in
log-probability.  Averaged over the truths as well, no label gains.  Beliefs updated with wrong likelihoods can lose, and
collecting gain turn by turn is no plan: two answers can be worthless alone and decisive together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import (
    DEFINITIONAL,
    Assumption,
    AtLeast,
    Claim,
    Equal,
    Known,
    Separates,
    Side,
    left_side,
    rounding,
)
from mdplab.divergences import CHI_SQUARE, kl
from mdplab.instances import SeededDraw
from mdplab.laws import mutual_information
from proofs_check.tilting import exact_beliefs as exact
from proofs_check.tilting.belief_instances import (
    BeliefTask,
    HintTask,
    belief_task,
    exchanged,
    hint_task,
    misled,
)

# --- one observation ------------------------------------------------------------------------------------------------


def log_error(task: BeliefTask) -> float:
    """Error of a log-posterior: a few operations at the largest logarithm of a prior or a likelihood."""
    used = [np.log(table[table > 0]).min() for table in (task.prior, task.likelihood)]
    return float(rounding(1 - sum(used), task.prior.size + 16))


def gains(task: BeliefTask) -> Side:
    """Expected posterior of each truth, by Bayes' rule, less its prior."""
    value = (task.likelihood * np.exp(task.log_posterior)).sum(axis=1) - task.prior
    return Side(value, log_error(task) + rounding(1.0, 2 * task.likelihood.shape[1] + 8))


def scaled_chi_square(task: BeliefTask) -> Side:
    """p(a) chi-square(L(.|a) || L-bar)."""
    seen = task.evidence > 0
    value = task.prior * CHI_SQUARE.divergence(task.likelihood[:, seen], task.evidence[seen])
    return Side(value, rounding(1.0, 4 * task.likelihood.shape[1] + 2 * task.prior.size + 16))


def nothing(task: BeliefTask) -> Side:
    """Zero."""
    return Side(np.zeros(task.prior.size))


def log_gains(task: BeliefTask) -> Side:
    """Expected logarithm of posterior over prior of each truth, by Bayes' rule."""
    ratios = task.log_posterior - np.log(task.prior)[:, np.newaxis]
    value = np.where(task.likelihood > 0, task.likelihood * np.where(task.likelihood > 0, ratios, 0.0), 0.0)
    return Side(value.sum(axis=1), 2 * log_error(task))


def divergences(task: BeliefTask) -> Side:
    """KL(L(.|a) || L-bar)."""
    return Side(kl(task.likelihood, task.evidence), 2 * log_error(task))


def mean_log_gain(task: BeliefTask) -> Side:
    """Expected log gain, averaged over the truths."""
    side = log_gains(task)
    return Side(task.prior @ np.asarray(side.value), 2 * np.asarray(side.error))


def information(task: BeliefTask) -> Side:
    """Mutual information of label and observation, from their joint law."""
    return Side(mutual_information(task.prior[:, np.newaxis] * task.likelihood), 4 * log_error(task))


def mean_posterior(task: BeliefTask) -> Side:
    """Posterior averaged over the observations, the truth not fixed."""
    value = np.exp(task.log_posterior) @ task.evidence
    return Side(value, log_error(task) + rounding(1.0, task.likelihood.size + 8))


def prior(task: BeliefTask) -> Side:
    """The prior."""
    return Side(task.prior, rounding(1.0, task.prior.size))


# --- several turns --------------------------------------------------------------------------------------------------


def label_weights(task: HintTask, joint: FloatArray) -> FloatArray:
    return np.asarray(task.labels @ joint)


def confidence(task: HintTask, joint: FloatArray) -> float:
    """Expected posterior of the true label, times the probability of the answers so far."""
    weights = label_weights(task, joint)
    return float((weights**2).sum() / weights.sum()) if weights.sum() > 0 else 0.0


def information_of(task: HintTask, joint: FloatArray) -> float:
    """Expected log-posterior of the true label, times the probability of the answers so far."""
    weights = label_weights(task, joint)
    used = weights[weights > 0]
    return float((used * np.log(used / used.sum())).sum())


def of_set(task: HintTask, queries: tuple[int, ...], worth: Any) -> float:
    """Gain of a set of queries in a measure of the belief."""
    parts = [np.full(4, 0.25)]
    before = worth(task, parts[0])
    for query in queries:
        parts = [part * answer for part in parts for answer in task.queries[query].T]
    return float(sum(worth(task, part) for part in parts)) - float(before)


def best_confidence(task: HintTask, joint: FloatArray, turns: int) -> float:
    """Expected confidence of the best adaptive plan."""
    if not turns:
        return confidence(task, joint)
    return max(
        sum(best_confidence(task, joint * o, turns - 1) for o in answers.T) for answers in task.queries
    )


def greedy_confidence(task: HintTask, joint: FloatArray, turns: int) -> float:
    """Expected confidence where each turn takes the query with the largest immediate gain."""
    if not turns:
        return confidence(task, joint)
    worth = [sum(confidence(task, joint * o) for o in answers.T) for answers in task.queries]
    chosen = task.queries[int(np.argmax(worth))]
    return sum(greedy_confidence(task, joint * o, turns - 1) for o in chosen.T)


def greedy_and_best(task: HintTask) -> Side:
    """Gain of two greedy turns and of the best two turns, by look-ahead over all beliefs."""
    start = np.full(4, 0.25)
    value = [plan(task, start, 2) - 0.5 for plan in (greedy_confidence, best_confidence)]
    return Side(value, rounding(1.0, 64))


def closed_gains(task: HintTask) -> Side:
    """4 e^2 / (1 + 4 e^2) with e the accuracy of a hint less one half, and 1/2."""
    square = 4 * task.edge**2
    return Side([square / (1 + square), 0.5], rounding(1.0, 8))


def apart(task: HintTask) -> Side:
    """Gains of the two bits asked for alone, added; in probability and in log-probability."""
    return Side(
        [of_set(task, (0,), w) + of_set(task, (1,), w) for w in (confidence, information_of)],
        rounding(1.0, 64),
    )


def together(task: HintTask) -> Side:
    """Gain of both bits; in probability and in log-probability."""
    return Side([of_set(task, (0, 1), w) for w in (confidence, information_of)], rounding(1.0, 64))


# --- the claim ------------------------------------------------------------------------------------------------------

THREE = BeliefTask(np.array([0.5, 0.3, 0.2]), np.array([[0.8, 0.2], [0.4, 0.6], [0.1, 0.9]]))
XOR = HintTask(0.1)

GAIN = Claim(
    "information-gain-chi-square",
    title="Under Bayesian beliefs every truth gains each turn, by a chi-square or KL divergence; greedy plans can fail",
    papers=("wang2025igpo",),
    provenance="our formalisation",
    statement=r"""
    A label has the prior $p(a)$, an observation the law $L(o|a)$, $\bar L = \sum_a p(a) L(\cdot|a)$, and $p(a|o)$ is the
    posterior. Then

    (a) $E_{o \sim L(\cdot|a)}[p(a|o)] - p(a) = p(a)\, \chi^2(L(\cdot|a)\|\bar L) \ge 0$ for every $a$;

    (b) $E_{o \sim L(\cdot|a)} \log\frac{p(a|o)}{p(a)} = \mathrm{KL}(L(\cdot|a)\|\bar L)$, on average over $a$ the mutual
    information;

    (c) averaged over $o \sim \bar L$ the posterior of every label is its prior: expected gain 0;

    (d) neither gain is submodular in the set of queries, and greedy turn-by-turn maximisation can be arbitrarily far from the
    best plan: for the exclusive-or of two fair bits, either of which may be asked for, with hints of accuracy
    $\frac12 + \epsilon$, two greedy turns gain $\frac{4\epsilon^2}{1+4\epsilon^2}$, the two bits $\frac12$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "the posterior is computed with the true $L$",
            "two observations exchanged",
            lambda t: t.believed is None or bool(np.array_equal(t.believed, t.likelihood)),
            wider=misled,
        ),
        Assumption(
            "A2", "every label is possible: $p(a) > 0$", DEFINITIONAL, lambda t: bool((t.prior > 0).all())
        ),
    ),
    instance_family=belief_task,
    witnesses=(THREE,),
    instances=200,
)

BAYES = "rounding of a few logarithms, at the size of the largest one"

GAIN.part(
    "(a)",
    r"$E_{L(\cdot|a)}[p(a|o)] - p(a) = p(a)\,\chi^2(L(\cdot|a)\|\bar L)$",
    Equal(gains, scaled_chi_square),
    resolution=1e-11,
    reason=BAYES,
    exact=(exact.gains, exact.scaled_chi_square),
)
sign = GAIN.part(
    "(a, sign)",
    r"$E_{L(\cdot|a)}[p(a|o)] \ge p(a)$ for every truth",
    AtLeast(gains, nothing),
    resolution=1e-11,
    reason=BAYES,
    cross_left=scaled_chi_square,
    closed=("right",),
    exact=(exact.gains, exact.nothing),
)
logs = GAIN.part(
    "(b)",
    r"$E_{L(\cdot|a)}\log\frac{p(a|o)}{p(a)} = \mathrm{KL}(L(\cdot|a)\|\bar L)$",
    Equal(log_gains, divergences),
    resolution=1e-11,
    reason=BAYES,
    exact=(exact.log_gains, exact.divergences),
)
GAIN.part(
    "(b, average)",
    "the average of (b) over the truths is the mutual information",
    Equal(mean_log_gain, information),
    resolution=1e-11,
    reason=BAYES,
    exact=(exact.mean_log_gain, exact.information),
)
martingale = GAIN.part(
    "(c)",
    r"$\sum_o \bar L(o)\,p(a|o) = p(a)$",
    Equal(mean_posterior, prior),
    resolution=1e-11,
    reason=BAYES,
    exact=(exact.mean_posterior, exact.prior),
)
GAIN.part(
    "(d, submodular)",
    "the gains of two bits asked for alone add up to less than that of both",
    Separates(apart, together, margin=0.4),
    resolution=1e-12,
    reason="rounding of sums over four worlds",
    quantifier="exists",
    witnesses=(XOR,),
    assumes=(),
    exact="a separation by a margin",
)
greedy = GAIN.part(
    "(d)",
    r"two greedy turns gain $\frac{4\epsilon^2}{1+4\epsilon^2}$, the best two $\frac12$",
    Equal(greedy_and_best, closed_gains),
    resolution=1e-12,
    reason="rounding of sums over four worlds",
    family=hint_task,
    witnesses=(XOR,),
    assumes=(),
    exact=(exact.greedy_and_best, exact.closed_gains),
)


@GAIN.known(THREE)
def _(task: BeliefTask) -> Iterator[Known]:
    yield Known("gains", "0.136070853462 0.023671497585 0.155877616747", gains(task).value)
    yield Known("log gains", "0.147852245901 0.039380062460 0.435411551100", log_gains(task).value)
    yield Known("mutual information", "0.172822451908", information(task).value)


@GAIN.known(XOR)
def _(task: HintTask) -> Iterator[Known]:
    one_step = [of_set(task, (query,), confidence) for query in range(3)]
    yield Known("gains of one turn", "0 0 .02", one_step, 1e-15)
    yield Known(
        "gains of two greedy turns and of the bits", "0.0384615385 0.5", greedy_and_best(task).value, 1e-15
    )
    yield Known("gain of both bits", "0.5", together(task).value[0], 1e-15)  # type: ignore[index]


# --- what must fail -------------------------------------------------------------------------------------------------


def divergences_reversed(task: BeliefTask) -> Side:
    """KL(L-bar || L(.|a))."""
    return Side(kl(task.evidence, task.likelihood), divergences(task).error)


def posterior_under_each_truth(task: BeliefTask) -> Side:
    """Posterior of each truth averaged over the observations under that truth."""
    side = gains(task)
    return Side(np.asarray(side.value) + task.prior, side.error)


def best_twice(task: HintTask) -> Side:
    """Gain of the best two turns, also in the place of the greedy ones."""
    side = greedy_and_best(task)
    return Side(np.repeat(np.asarray(side.value)[1], 2), side.error)


sign.control(
    "two observations exchanged",
    kind="assumption",
    drops="A1",
    instance=exchanged(THREE),
    specified="-0.177938808374 -0.010144927536 -0.127536231884",
    measure=left_side,
)
logs.control(
    "the divergence in the other direction", kind="mutation", instance=THREE, right=divergences_reversed
)
martingale.control(
    "the truth fixed",
    kind="mutation",
    instance=THREE,
    left=posterior_under_each_truth,
    specified="0.155877616747",
)
greedy.control(
    "greedy turns taken for the best",
    kind="mutation",
    instance=XOR,
    left=best_twice,
    specified="0.4615384615",
)


# --- the figure -----------------------------------------------------------------------------------------------------


@GAIN.figure(
    "Expected gain of each truth against the prior times its chi-square divergence, on eighty random problems. With the true "
    "likelihoods (circles) it is on the diagonal; with two observations exchanged in the beliefs (squares) it can be negative."
)
def _(ax: Any) -> None:
    tasks = [belief_task(SeededDraw(seed)) for seed in range(80)]
    across = np.concatenate([np.ravel(scaled_chi_square(task).value) for task in tasks])
    for name, look, believed in (
        ("two observations exchanged", "C1s", [exchanged(task) for task in tasks]),
        ("true likelihoods", "C0o", tasks),
    ):
        up = np.concatenate([np.ravel(gains(task).value) for task in believed])
        ax.plot(across, up, look, markersize=3.5, alpha=0.7, label=name)
    ax.plot([0, 0.7], [0, 0.7], "k-", linewidth=0.8)
    ax.axhline(0, color="black", linewidth=0.8, linestyle="dotted")
    ax.set(xlabel=r"$p(a)\,\chi^2(L(\cdot|a)\,\Vert\,\bar L)$", ylabel="expected gain of $p(a|o)$")
    ax.legend(loc="upper left")
