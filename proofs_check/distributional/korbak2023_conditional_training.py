"""Conditional training (Korbak et al. 2023): a pretrained model asked for the good label is an exponential tilt.

A model that learns ``p(x | label)`` and is asked for the good label samples ``p_0(x) P(good | x) / Z``.  That is Gibbs'
tilt of ``p_0`` by ``log P(good | x)``: the optimum of this reward under a KL penalty, at temperature 1.  Which reward is
optimised is decided by how the label depends on it: a label of probability ``exp((r - r_max) / beta)`` gives the optimum
for ``r`` at temperature ``beta``, a threshold gives no tilt of ``r`` at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import HARMLESS, Assumption, AtLeast, Claim, Equal, Known, Outcome, Side, rounding
from mdplab.instances import Draw, token_tree
from mdplab.models import FiniteHorizonMDP
from mdplab.operators import gibbs_gap, log_sum_exp, log_tilt
from proofs_check.distributional import exact_labels as exact
from proofs_check.distributional.exact_labels import prefix_worths, reweighted_tokens, token_laws

# --- instances ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LabelTask:
    """A law of sequences, the probability of the good label of each, and policies to compare with.

    Attributes
    ----------
    base : ndarray, shape (n,)
        ``p_0``, sequences in lexicographic order.
    good : ndarray, shape (n,)
        ``g(x) = P(good | x)``.
    policies : ndarray, shape (m, n)
        Laws ``pi`` of sequences.
    n_tokens : int
        Size of the vocabulary; n is a power of it.
    """

    base: FloatArray
    good: FloatArray
    policies: FloatArray
    n_tokens: int = 2

    @property
    def conditional(self) -> FloatArray:
        """``pi_c``, by Bayes' rule."""
        weights = self.base * self.good
        return np.asarray(weights / weights.sum())


@dataclass(frozen=True, eq=False)
class RewardTask:
    """A law of sequences whose label depends on a reward.

    Attributes
    ----------
    base : ndarray, shape (n,)
        ``p_0``.
    reward : ndarray, shape (n,)
        ``r``.
    temperature : float
        ``beta`` of the label.
    n_tokens : int
        Size of the vocabulary.
    """

    base: FloatArray
    reward: FloatArray
    temperature: float
    n_tokens: int = 2

    @property
    def labelled(self) -> LabelTask:
        """The label ``exp((r - r_max) / beta)``."""
        good = np.exp((self.reward - self.reward.max()) / self.temperature)
        return LabelTask(self.base, good, self.base[np.newaxis], self.n_tokens)

    @cached_property
    def tree(self) -> FiniteHorizonMDP:
        """The tree of tokens, paid at the end."""
        length = round(np.log(self.base.size) / np.log(self.n_tokens))
        tree = token_tree(self.n_tokens, length)
        paid = np.concatenate((np.zeros(tree.n_states - self.reward.size), self.reward))
        return FiniteHorizonMDP(
            tree.transition, tree.reward, tree.horizon, terminal=paid, initial=tree.initial
        )


def label_task(draw: Draw) -> LabelTask:
    """2 x 2 x 2 tokens, base and 20 policies Dirichlet(1), g uniform on (.01, 1)."""
    base = draw.weights(8, positive=True)
    return LabelTask(base, draw.uniform(0.01, 1.0, 8), draw.weights((20, 8)))


def reward_task(draw: Draw) -> RewardTask:
    """2 x 2 x 2 tokens, base Dirichlet(1), standard normal rewards, beta uniform on (.2, 2)."""
    return RewardTask(draw.weights(8, positive=True), draw.normal(8), draw.number(0.2, 2.0))


def hard_label_task(draw: Draw) -> LabelTask:
    """As the label tasks, each sequence but the first never good with probability 1/4."""
    task = label_task(draw)
    never = draw.boolean(0.25, 8) & (np.arange(8) > 0)
    return LabelTask(task.base, np.where(never, 0.0, task.good), task.policies)


THREE = RewardTask(np.array([0.5, 0.3, 0.2]), np.array([0.0, 1.0, 2.0]), 0.5, n_tokens=3)
EIGHT = RewardTask(
    np.array([0.3, 0.1, 0.15, 0.05, 0.2, 0.08, 0.07, 0.05]),
    np.array([-1.0, 0.5, 0.0, 2.0, -0.5, 1.0, 0.25, 1.5]),
    0.6,
)
SHARP = RewardTask(EIGHT.base, EIGHT.reward, 1e-3)

# --- routes ---------------------------------------------------------------------------------------------------------


def objectives(task: LabelTask) -> Side:
    """Sums over sequences: E log g - KL(pi, p_0), for the policies and the conditional"""
    laws = np.concatenate((task.policies, [task.conditional]))
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = np.where(laws > 0, laws * np.log(task.good), 0.0)
        costs = np.where(laws > 0, laws * np.log(laws / task.base), 0.0)
    value = gains.sum(axis=1) - costs.sum(axis=1)
    size = 1 + np.where(np.isfinite(value), np.abs(gains).sum(axis=1), 0.0) + np.abs(costs).sum(axis=1)
    return Side(value, rounding(size, 64), infinities=True)


def values_less_deficits(task: LabelTask, *, swapped: bool = False) -> Side:
    """Gibbs' problem in logarithms: log Z less the divergence of a policy from the conditional; log Z"""
    with np.errstate(divide="ignore"):
        log_good = np.log(task.good)
    log_base = np.log(task.base)
    found = log_sum_exp(log_good, log_reference=log_base)
    if swapped:
        laws = task.policies
        deficits = (task.conditional * np.log(task.conditional / laws)).sum(axis=1)
    else:
        deficits = gibbs_gap(task.policies, log_good, log_reference=log_base)
    value = np.append(found - deficits, found)
    deep = float(np.abs(log_good[task.good > 0]).max() + np.abs(log_base).max()) + abs(float(found))
    size = 1 + deep + np.append(np.where(np.isfinite(deficits), deficits, 0.0), 0.0)
    return Side(value, rounding(size, 128), infinities=True)


def conditional_of_reward(task: RewardTask, *, fit: float = 1.0) -> Side:
    """Bayes' rule: the base given the label exp((r - r_max) / beta)"""
    value = fit * task.labelled.conditional + (1 - fit) * task.base
    deep = 1 + np.abs(task.reward - task.reward.max()) / task.temperature
    # exp(y) loses |y| units, or underflows
    return Side(value, rounding(value * deep, 64) + 1e-300 / (task.base @ task.labelled.good))


def tilt_by_soft_control(task: RewardTask) -> Side:
    """Soft backward induction over tokens: the KL-regularised optimum for r at temperature beta"""
    tree = task.tree
    tokens = np.full(tree.transition.shape[:2], 1.0 / task.n_tokens)
    own = token_laws(task.base, task.n_tokens)
    tokens[: len(own)] = own
    found = solvers.backward_induction(tree, temperature=task.temperature, log_reference=np.log(tokens))
    logs, start = np.zeros(1), 0
    for h in range(tree.horizon):
        rows = found.log_policy[h, start : start + logs.size]
        start += logs.size
        logs = (logs[:, np.newaxis] + rows).ravel()
    law = np.exp(logs)
    error = tree.horizon * found.log_policy_error + rounding(1 + np.abs(logs), 32)
    return Side(law, law * np.expm1(error) + 1e-300)


def tokens_of_the_conditional(task: LabelTask) -> Side:
    """Sums over sequences: law of the next token of the conditional after each prefix"""
    value = token_laws(task.conditional, task.n_tokens)
    return Side(value, rounding(value, 64))


def tokens_by_worth(task: LabelTask, *, uniform: bool = False) -> Side:
    """Backward recursion: law of the next token of the base times P(good) after over P(good) before it"""
    tokens = token_laws(task.base, task.n_tokens)
    if uniform:
        blind = np.full_like(tokens, 1 / task.n_tokens)
        worths = prefix_worths(blind, task.good, task.n_tokens)
        after = np.concatenate([worth.reshape(-1, task.n_tokens) for worth in worths[1:]])
        value = tokens * after / np.concatenate(worths[:-1])[:, np.newaxis]
    else:
        value = reweighted_tokens(tokens, task.good, task.n_tokens)
    return Side(value, rounding(value, 64))


def worth_given_good(task: LabelTask) -> Side:
    """Sum over sequences: E g under the conditional"""
    return Side([task.conditional @ task.good], rounding(1, 64))


def second_moment_over_first(task: LabelTask) -> Side:
    """Moments under the base: E g^2 / E g"""
    return Side([(task.base @ task.good**2) / (task.base @ task.good)], rounding(1, 64))


def worth_given_bad(task: LabelTask) -> Side:
    """Sum over sequences: E g under the base given the other label"""
    weights = task.base * (1 - task.good)
    return Side([weights @ task.good / weights.sum()], rounding(1, 64))


def worth(task: LabelTask) -> Side:
    """Sum over sequences: E g under the base"""
    return Side([task.base @ task.good], rounding(1, 32))


def worth_by_tokens(task: LabelTask) -> Side:
    """Backward recursion over tokens: E g under the base"""
    tokens = token_laws(task.base, task.n_tokens)
    return Side(prefix_worths(tokens, task.good, task.n_tokens)[0], rounding(1, 64))


# --- the claim ------------------------------------------------------------------------------------------------------

CONDITIONAL = Claim(
    "conditional-training-is-tilting",
    title="Asking a pretrained model for the good label is a tilt, the KL-regularised optimum for the label's log-likelihood",
    papers=("korbak2023pretraining",),
    provenance="our formalisation",
    statement=r"""
    Let $p_0$ be a law of finitely many sequences, $g(x) = P(\text{good} | x) > 0$ and $Z = \mathbb E_0 g$. A model of the
    conditional law that is asked for the good label samples $\pi_c(x) = p_0(x) g(x) / Z$.

    (i) $\max_\pi \{\mathbb E_\pi \log g - \mathrm{KL}(\pi \| p_0)\} = \log Z$, attained at $\pi_c$ only: every $\pi$ falls short by
    $\mathrm{KL}(\pi \| \pi_c)$;

    (ii) with $g = e^{(r - r_{\max}) / \beta}$, $\pi_c$ is the KL-regularised optimum for the reward $r$ at temperature $\beta$;

    (iii) token by token,
    $$\pi_c(x_t | x_{<t}) = p_0(x_t | x_{<t})\, \frac{P(\text{good} | x_{\le t})}{P(\text{good} | x_{<t})}, \qquad
      P(\text{good} | x_{\le t}) = \mathbb E_0[g | x_{\le t}];$$

    (iv) $\mathbb E_{\pi_c} g = \mathbb E_0 g^2 / \mathbb E_0 g \ge \mathbb E_0 g$.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$g > 0$ (where $g = 0$ both sides of (i) are $-\infty$ for a $\pi$ with mass there)",
            HARMLESS,
            lambda task: bool(np.all(getattr(task, "labelled", task).good > 0)),
            wider=hard_label_task,
        ),
        Assumption("A2", "the conditional law is fitted exactly", "a tenth of the base in the fit"),
    ),
    instance_family=label_task,
    witnesses=(EIGHT.labelled, THREE.labelled),
    instances=200,
)
FINITE_SUM = "sums over eight sequences, in logarithms where they are divergences"

gibbs_part = CONDITIONAL.part(
    "(i)",
    r"$\mathbb E_\pi \log g - \mathrm{KL}(\pi\|p_0) = \log Z - \mathrm{KL}(\pi\|\pi_c)$, for 20 policies and at $\pi_c$",
    Equal(objectives, values_less_deficits),
    resolution=1e-11,
    reason=FINITE_SUM,
    exact=(exact.objectives, exact.values_less_deficits),
)
tilt_part = CONDITIONAL.part(
    "(ii)",
    r"$g = e^{(r - r_{\max})/\beta}$: $\pi_c$ is the KL-regularised optimum for $r$ at temperature $\beta$",
    Equal(conditional_of_reward, tilt_by_soft_control),
    resolution=lambda task: 1e-11 + 1e-13 * float(np.ptp(task.reward)) / task.temperature,
    reason="1e-11, and some hundred units of rounding of log-probabilities, which are rewards over the temperature",
    family=reward_task,
    witnesses=(THREE, EIGHT, SHARP),
    assumes=("A2",),
    exact=(exact.conditional_of_reward, exact.tilt_by_soft_control),
)
token_part = CONDITIONAL.part(
    "(iii)",
    r"$\pi_c(x_t|x_{<t}) = p_0(x_t|x_{<t})\,P(\mathrm{good}|x_{\le t})/P(\mathrm{good}|x_{<t})$",
    Equal(tokens_of_the_conditional, tokens_by_worth),
    resolution=1e-12,
    reason=FINITE_SUM,
    exact=(exact.tokens_of_the_conditional, exact.tokens_by_worth),
)
gain_part = CONDITIONAL.part(
    "(iv)",
    r"$\mathbb E_{\pi_c} g = \mathbb E_0 g^2/\mathbb E_0 g \ge \mathbb E_0 g$",
    AtLeast(worth_given_good, worth),
    cross_left=second_moment_over_first,
    cross_right=worth_by_tokens,
    resolution=1e-12,
    reason=FINITE_SUM,
    exact=(exact.worth_given_good, exact.worth),
)


@CONDITIONAL.known(THREE)
def _(task: RewardTask) -> Iterator[Known]:
    label = task.labelled
    printed = "0.03666671184020513 0.16255943445036028 0.8007738537094345"
    yield Known("conditional", printed, label.conditional, 1e-15)
    yield Known("log Z", "-1.3872612107069504", values_less_deficits(label).value[-1:], 1e-15)  # type: ignore[index]
    yield Known(
        "P(good) before and after",
        "0.2497584044 0.8234454551",
        np.array([label.base @ label.good, label.conditional @ label.good]),
    )
    yield Known("conditional of the threshold label", "0 0.6 0.4", threshold_conditional(task).value, 1e-15)


# --- what must fail -------------------------------------------------------------------------------------------------


def threshold_conditional(task: RewardTask) -> Side:
    """Bayes' rule: the base given the label r >= 1"""
    weights = task.base * (task.reward >= 1)
    return Side(weights / weights.sum(), rounding(1, 8))


def nearest_tilt(task: RewardTask) -> Side:
    """Of the tilts of r with strengths -5, -4.9975, ..., 5 the one nearest to the law given r >= 1"""
    target = np.asarray(threshold_conditional(task).value)
    strengths = np.linspace(-5, 5, 4001)[:, np.newaxis]
    tilts = np.exp(log_tilt(strengths * task.reward, log_reference=np.log(task.base)))
    return Side(tilts[np.abs(tilts - target).sum(axis=1).argmin()], rounding(1, 64))


def l1_distance(outcome: Outcome) -> float:
    return float(np.abs(outcome.left - outcome.right).sum())


gibbs_part.control(
    "the divergence of the conditional from the policy",
    kind="mutation",
    instance=LabelTask(EIGHT.base, EIGHT.labelled.good, np.full((1, 8), 1 / 8)),
    right=partial(values_less_deficits, swapped=True),
)
tilt_part.control(
    "a tenth of the base in the fit",
    kind="assumption",
    drops="A2",
    instance=THREE,
    left=partial(conditional_of_reward, fit=0.9),
)
tilt_part.control(
    "a threshold label",
    kind="mutation",
    instance=THREE,
    left=threshold_conditional,
    right=nearest_tilt,
    both="the label is changed on the left; the right is given every strength of the tilt and keeps the nearest",
    specified="0.56331",
    measure=l1_distance,
)
token_part.control(
    "the label's probability with uniform tokens in the place of the base's",
    kind="mutation",
    instance=EIGHT.labelled,
    right=partial(tokens_by_worth, uniform=True),
)
gain_part.control("the other label", kind="mutation", instance=EIGHT.labelled, left=worth_given_bad)


# --- the figure -----------------------------------------------------------------------------------------------------


@CONDITIONAL.figure(
    "Expected reward against divergence from the base for eight sequences. The tilts of the reward are the best trade-off; "
    "conditionals of the label $e^{(r - r_{\\max})/\\beta}$ lie on it, those of a threshold label below it."
)
def _(ax: Any) -> None:
    base, reward = EIGHT.base, EIGHT.reward

    def point(law: FloatArray) -> tuple[float, float]:
        charged = law > 0
        return float(law[charged] @ np.log(law[charged] / base[charged])), float(law @ reward)

    tilts = np.exp(log_tilt(np.geomspace(1e-3, 100, 400)[:, np.newaxis] * reward, log_reference=np.log(base)))
    ax.plot(*zip(*map(point, tilts), strict=True), color="C0", label=r"tilts $p_0 e^{br}/Z$")
    betas = (2.0, 1.0, 0.6, 0.3, 0.15)
    soft = [point(RewardTask(base, reward, beta).labelled.conditional) for beta in betas]
    ax.plot(
        *zip(*soft, strict=True),
        "o",
        color="C0",
        fillstyle="none",
        label=r"soft label, $\beta=2,1,.6,.3,.15$",
    )
    hard = [base * (reward >= level) for level in np.sort(reward)[1:-1]]
    crosses = [point(weights / weights.sum()) for weights in hard]
    ax.plot(
        *zip(*crosses, strict=True), "x", color="C1", markeredgewidth=1.6, label=r"threshold label $r\geq c$"
    )
    ax.set(xlabel=r"$\mathrm{KL}(\pi\,\|\,p_0)$ (nats)", ylabel=r"expected reward $\mathbb{E}_\pi r$")
    ax.legend(loc="lower right")
