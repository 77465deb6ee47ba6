"""How tight a bound gets with the number of instances tried: random sampling, and the falsifier's search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from figures.topic import Sources, Topic
from mdplab import plotting
from mdplab._typing import FloatArray
from mdplab.falsifier.conjecture import Conjecture
from mdplab.falsifier.search import BudgetSpent, Search
from mdplab.instances.draw import Draw, SeededDraw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["TOPIC"]

EVALUATIONS, SEEDS, EDGE = 5000, 3, 1e-8
"""Instances tried, runs of each kind, and the slack that is rounding."""

DISCOUNT = 0.9


@dataclass(frozen=True, eq=False)
class Laws:
    """Two laws on the same outcomes."""

    p: FloatArray
    q: FloatArray


@dataclass(frozen=True, eq=False)
class Chains:
    """Two kernels (S, S), with rewards (S,) and an estimate (S,) of the value."""

    first: FloatArray
    second: FloatArray
    reward: FloatArray
    estimate: FloatArray


def two_laws(draw: Draw) -> Laws:
    """Two positive laws on two to four outcomes."""
    n = draw.integer(2, 4)
    return Laws(draw.weights(n, positive=True), draw.weights(n, positive=True))


def two_chains(draw: Draw) -> Chains:
    """Two kernels on two or three states, rewards in [0, 1]."""
    n = draw.integer(2, 3)
    return Chains(draw.weights((n, n)), draw.weights((n, n)), draw.uniform(0, 1, n), draw.uniform(-1, 1, n))


def pinsker(laws: Laws) -> tuple[float, float]:
    """2 TV^2 against KL."""
    return 0.5 * np.abs(laws.p - laws.q).sum() ** 2, float((laws.p * np.log(laws.p / laws.q)).sum())


def simulation(chains: Chains) -> tuple[float, float]:
    """Distance of the values under two kernels against gamma max TV / (1 - gamma)^2."""
    difference = np.abs(value(chains.first, chains.reward) - value(chains.second, chains.reward)).max()
    variation = 0.5 * np.abs(chains.first - chains.second).sum(axis=1).max()
    return float(difference), float(DISCOUNT * variation / (1 - DISCOUNT) ** 2)


def greedy_loss(chains: Chains) -> tuple[float, float]:
    """Loss of the policy that is greedy for an estimate against 2 gamma |estimate - V*| / (1 - gamma)."""
    best = np.zeros(chains.reward.size)
    kernels = np.stack((chains.first, chains.second))
    rewards = np.stack((chains.reward, np.zeros_like(chains.reward)))  # the second action pays nothing
    for _ in range(10):  # policy iteration; there are at most eight policies
        choice = (rewards + DISCOUNT * kernels @ best).argmax(axis=0)
        best = chosen_value(kernels, rewards, choice)
    guess = best + chains.estimate
    loss = best - chosen_value(kernels, rewards, (rewards + DISCOUNT * kernels @ guess).argmax(axis=0))
    return float(loss.max()), float(2 * DISCOUNT * np.abs(chains.estimate).max() / (1 - DISCOUNT))


def value(kernel: FloatArray, reward: FloatArray) -> FloatArray:
    """Value of a chain."""
    return np.asarray(np.linalg.solve(np.eye(reward.size) - DISCOUNT * kernel, reward))


def chosen_value(kernels: FloatArray, rewards: FloatArray, choice: Any) -> FloatArray:
    """Value of a deterministic policy."""
    states = np.arange(choice.size)
    return value(kernels[choice, states], rewards[choice, states])


SHOWN: tuple[tuple[Callable[[Any], tuple[float, float]], Callable[[Draw], Any], str], ...] = (
    (pinsker, two_laws, r"Pinsker: $2\,\mathrm{TV}^2 \leq \mathrm{KL}$"),
    (simulation, two_chains, r"simulation: $|V - V'| \leq \frac{\gamma}{(1-\gamma)^2}\mathrm{TV}$"),
    (greedy_loss, two_chains, r"greedy loss $\leq \frac{2\gamma}{1-\gamma}\|\hat V - V^*\|$"),
)


def trace(conjecture: Conjecture, family: Any, seed: int, *, searching: bool) -> FloatArray:
    """Slack of the tightest of the first n instances, for n = 1, 2, ...; NaN where none counted yet."""
    slack = np.full(EVALUATIONS, np.nan)

    def note(search: Search) -> None:
        best = search.best
        if best is not None:  # called before the next instance is tried
            slack[search.tried - 2] = max(-best.score, EDGE)

    search = Search(conjecture, family, seed, EVALUATIONS, float("inf"), lambda candidate: False, note)
    if searching:
        search.run()
    else:
        rng = np.random.default_rng(seed)
        try:
            while True:
                found = search.evaluate(SeededDraw(rng))
                if found is not None and (search.best is None or found.score > search.best.score):
                    search.pool = [found]
        except BudgetSpent:
            pass
    return np.asarray(np.fmin.accumulate(slack))


def load(sources: Sources) -> None:
    """Nothing: all is computed."""


def draw(_: None) -> tuple[Figure, str]:
    """A panel a bound, with a line a run."""
    figure, axes = plotting.new_figure(len(SHOWN), panel_size=(3.7, 3.1))
    counts = np.arange(1, EVALUATIONS + 1)
    for ax, (sides, family, title) in zip(axes, SHOWN, strict=True):
        for searching, look, label in ((False, "--C1", "random instances"), (True, "-C0", "search")):
            for seed in range(SEEDS):
                slack = trace(Conjecture(sides), family, seed, searching=searching)
                ax.plot(
                    counts, slack, look, linewidth=1.3, drawstyle="steps-post", label="" if seed else label
                )
        ax.set(
            xscale="log", yscale="log", xlabel="instances tried", xlim=(1, EVALUATIONS), ylim=(EDGE / 2, 2)
        )
        ax.set_title(title, fontsize=10)
    axes[0].set_ylabel("slack, 1 − ratio of the sides")
    axes[1].legend(loc="lower left")
    caption = (
        f"Slack of the tightest instance against the number of instances tried, {SEEDS} runs each, for three classical bounds "
        rf"($\gamma = {DISCOUNT:g}$). Random sampling alone says little about how tight a bound is; the search (small integer "
        f"weights, then mutation and polishing) comes far nearer within {EVALUATIONS} instances."
    )
    return figure, caption


TOPIC = Topic("How tight a bound gets with the instances tried", load, draw)
