"""Mode seeking against mode covering on a categorical law (Tajwar et al. 2024).

A softmax law ``p`` descends the KL divergence to a target ``q`` along the gradient in its logits.  Descending
``kl(p, q)`` is called mode-seeking, descending ``kl(q, p)`` mode-covering.  Which of the two separates two bins of
equal mass faster is decided by one number, the logarithmic mean of their targets, and not by the name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Side, rounding
from mdplab.instances.draw import Draw
from mdplab.instances.policies import full_support
from mdplab.numerics import complex_step_gradient
from mdplab.operators.tilt import log_tilt
from proofs_check.preferences import exact_bins as exact

# --- instances ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class TwoBins:
    """A law, a target and two bins ``i``, ``j`` that are compared.

    Attributes
    ----------
    probability : ndarray, shape (n,)
        The softmax law ``p``.
    target : ndarray, shape (n,)
        The target ``q``.
    pair : tuple of int
        The bins ``(i, j)``.
    """

    probability: FloatArray
    target: FloatArray
    pair: tuple[int, int]

    @property
    def log_ratio(self) -> float:
        """``log q_i / q_j``; the logarithm of one plus the relative difference, accurate for nearly equal targets."""
        i, j = self.pair
        return float(np.log1p((self.target[i] - self.target[j]) / self.target[j]))

    @property
    def logarithmic_mean(self) -> float:
        """``LM(q_i, q_j) = (q_i - q_j) / log(q_i / q_j)``."""
        i, j = self.pair
        return float((self.target[i] - self.target[j]) / self.log_ratio)

    @property
    def mass(self) -> float:
        """The common mass of the two bins (their mean)."""
        return float(self.probability[list(self.pair)].mean())


def two_bins(draw: Draw) -> TwoBins:
    """n in 2..6, both laws ``.98 Dirichlet(1) + .02/n``, the masses of two bins replaced by their mean."""
    n = draw.integer(2, 6)
    probability, target = full_support(draw, n), full_support(draw, n)
    i = draw.integer(0, n - 1)
    j = (i + draw.integer(1, n - 1)) % n
    probability[[i, j]] = probability[[i, j]].mean()
    return TwoBins(probability, target, (i, j))


def vanishing_target(draw: Draw) -> TwoBins:
    """As before, with ``q_j`` made so small that ``log q_i/q_j`` is one to two times ``q_i/p``."""
    drawn = two_bins(draw)
    i, j = drawn.pair
    target = drawn.target.copy()
    limit = target[i] / (1 - target[j])  # q_i once q_j has vanished
    target[j] = target[i] * np.exp(-limit / drawn.mass * draw.number(1.0, 2.0))
    return TwoBins(drawn.probability, target / target.sum(), drawn.pair)


KNOWN = TwoBins(np.array([0.2, 0.2, 0.3, 0.3]), np.array([0.6, 0.1, 0.25, 0.05]), (0, 1))
BETWEEN_THE_MEANS = TwoBins(np.array([0.3, 0.3, 0.2, 0.2]), KNOWN.target, (0, 1))  # LM = .279 < p < .35
UNEQUAL_MASSES = TwoBins(KNOWN.probability, KNOWN.target, (0, 2))


def unequal_bins(draw: Draw) -> TwoBins:
    """As ``two_bins`` but with masses that need not be equal."""
    n = draw.integer(2, 6)
    i = draw.integer(0, n - 1)
    return TwoBins(full_support(draw, n), full_support(draw, n), (i, (i + draw.integer(1, n - 1)) % n))


def is_small(bins: TwoBins) -> bool:
    """Whether ``log q_i/q_j >= q_i/p``."""
    return bins.log_ratio >= float(bins.target[bins.pair[0]]) / bins.mass


# --- the two routes: derivatives of the two divergences, and closed forms -----------------------------------------


def covering(target: FloatArray, logits: Array) -> Any:
    """``kl(q, softmax(z))``, analytic in the logits."""
    return np.sum(target * (np.log(target) - log_tilt(logits)))


def seeking(target: FloatArray, logits: Array) -> Any:
    """``kl(softmax(z), q)``, analytic in the logits."""
    log_p = log_tilt(logits)
    return np.sum(np.exp(log_p) * (log_p - np.log(target)))


def flow_error(bins: TwoBins) -> float:
    """Rounding of a velocity: sums of n products of a probability and a logarithm, about ten operations a term."""
    logs = np.abs(np.log(bins.probability)).max() + np.abs(np.log(bins.target)).max()
    return float(rounding(1 + logs, 10 * (bins.target.size + 2)))


def with_rate(bins: TwoBins, velocity: FloatArray, error: float) -> Side:
    i, j = bins.pair
    return Side(np.append(velocity, velocity[i] - velocity[j]), 2 * error)


def differentiated(divergence: Callable[[FloatArray, Array], Any], bins: TwoBins) -> FloatArray:
    return -complex_step_gradient(partial(divergence, bins.target), np.log(bins.probability))


def covering_flow(bins: TwoBins) -> Side:
    """Complex-step derivative of kl(q, softmax) in the logits: velocities, and the rate of log p_i/p_j."""
    return with_rate(bins, differentiated(covering, bins), flow_error(bins))


def seeking_flow(bins: TwoBins) -> Side:
    """Complex-step derivative of kl(softmax, q) in the logits: velocities, and the rate of log p_i/p_j."""
    return with_rate(bins, differentiated(seeking, bins), flow_error(bins))


def covering_velocity(bins: TwoBins) -> FloatArray:
    """``q - p``."""
    return bins.target - bins.probability


def seeking_velocity(bins: TwoBins, *, baseline: bool = True) -> FloatArray:
    """``-p_i (log p_i/q_i - kl(p, q))``; without the baseline, ``-p_i log p_i/q_i``."""
    logs = np.log(bins.probability / bins.target)
    return -bins.probability * (logs - baseline * float(bins.probability @ logs))


def covering_closed_form(bins: TwoBins) -> Side:
    """Closed form: q - p, and q_i - q_j."""
    i, j = bins.pair
    return Side(np.append(covering_velocity(bins), bins.target[i] - bins.target[j]), rounding(1, 4))


def seeking_closed_form(bins: TwoBins) -> Side:
    """Closed form: -p (log p/q - kl(p, q)), and p log q_i/q_j."""
    return Side(np.append(seeking_velocity(bins), bins.mass * bins.log_ratio), flow_error(bins))


def faster_by_derivatives(bins: TwoBins) -> Side:
    """Sign of the difference of the two rates, by complex-step derivatives of the divergences."""
    rates = abs(rate(seeking_flow(bins)).value) - abs(rate(covering_flow(bins)).value)
    return Side(np.sign(rates), float(abs(rates) <= 4 * flow_error(bins)))


def faster_by_threshold(bins: TwoBins, threshold: Callable[[TwoBins], float] | None = None) -> Side:
    """Sign of p - LM(q_i, q_j)."""
    excess = bins.mass - (bins.logarithmic_mean if threshold is None else threshold(bins))
    return Side(np.sign(excess), float(abs(excess) <= rounding(1, 16)))


def rate(side: Side) -> Any:
    """The last entry of a flow: the rate of log p_i/p_j, with its error."""
    return Side(np.asarray(side.value)[-1], np.max(side.error))


def magnitude(route: Callable[[TwoBins], Side], bins: TwoBins) -> Side:
    found = rate(route(bins))
    return Side(abs(found.value), found.error)


def covering_rate(bins: TwoBins) -> Side:
    """Rate of separation under kl(q, softmax): complex-step derivative."""
    return magnitude(covering_flow, bins)


def seeking_rate(bins: TwoBins) -> Side:
    """Rate of separation under kl(softmax, q): complex-step derivative."""
    return magnitude(seeking_flow, bins)


def covering_rate_closed(bins: TwoBins) -> Side:
    """Closed form |q_i - q_j|."""
    return magnitude(covering_closed_form, bins)


def seeking_rate_closed(bins: TwoBins) -> Side:
    """Closed form p |log q_i/q_j|."""
    return magnitude(seeking_closed_form, bins)


# --- the claim ------------------------------------------------------------------------------------------------------

SEEKING = Claim(
    "mode-seeking-log-mean-threshold",
    title="Mode-seeking descent separates two equally likely bins faster than mode-covering descent iff their mass "
    "exceeds the logarithmic mean of the targets",
    papers=("tajwar2024suboptimal",),
    provenance="our formalisation",
    statement=r"""
    Let $p = \mathrm{softmax}(z)$ and let $q > 0$ be a target. The gradient flow of $\mathrm{KL}(q \| p)$ is
    $\dot z = q - p$, that of $\mathrm{KL}(p \| q)$ is $\dot z_i = -p_i (\log\frac{p_i}{q_i} - \mathrm{KL}(p \| q))$.
    For two bins with $p_i = p_j = p$ and $q_i \ne q_j$:

    (a) under the flow of $\mathrm{KL}(q \| p)$, $\frac{d}{dt} \log\frac{p_i}{p_j} = q_i - q_j$;

    (b) under the flow of $\mathrm{KL}(p \| q)$, $\frac{d}{dt} \log\frac{p_i}{p_j} = p \log\frac{q_i}{q_j}$;

    (c) the second is the larger in absolute value iff
    $$p > \mathrm{LM}(q_i, q_j) = \frac{q_i - q_j}{\log q_i - \log q_j};$$

    (d) hence it is the larger as soon as $q_j$ is small, $\log\frac{q_i}{q_j} \ge \frac{q_i}{p}$, and it is not
    the larger where $p < \mathrm{LM}(q_i, q_j)$.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$q > 0$ and $q_i \ne q_j$",
            DEFINITIONAL,
            lambda b: bool(np.all(b.target > 0) and b.target[b.pair[0]] != b.target[b.pair[1]]),
        ),
        Assumption(
            "A2",
            r"$p_i = p_j$",
            "two bins of unequal mass",
            lambda b: bool(b.probability[b.pair[0]] == b.probability[b.pair[1]]),
            unequal_bins,
        ),
        Assumption(
            "A3",
            r"in (d): $q_j$ is small, $\log\frac{q_i}{q_j} \ge \frac{q_i}{p}$",
            "mode-seeking is always faster",
            is_small,
            two_bins,
        ),
    ),
    instance_family=two_bins,
    witnesses=(KNOWN, BETWEEN_THE_MEANS),
    instances=200,
)
ALGEBRA = (
    "rounding of closed forms: far below the 1e-8 of central differences, which the complex step replaces"
)

SEEKING.part(
    "(a)",
    r"mode-covering flow $\dot z = q - p$ and rate $q_i - q_j$",
    Equal(covering_flow, covering_closed_form),
    resolution=1e-12,
    reason=ALGEBRA,
    exact=(exact.covering_flow, exact.covering_closed_form),
    assumes=("A1", "A2"),
)
seeking_part = SEEKING.part(
    "(b)",
    r"mode-seeking flow $\dot z_i = -p_i(\log\frac{p_i}{q_i} - \mathrm{KL}(p\|q))$ and rate $p\log\frac{q_i}{q_j}$",
    Equal(seeking_flow, seeking_closed_form),
    resolution=1e-12,
    reason=ALGEBRA,
    exact=(exact.seeking_flow, exact.seeking_closed_form),
    assumes=("A1", "A2"),
)
threshold_part = SEEKING.part(
    "(c)",
    r"the mode-seeking rate is the larger iff $p > \mathrm{LM}(q_i, q_j)$ (both sides are signs)",
    Equal(faster_by_derivatives, faster_by_threshold),
    resolution=0.0,
    reason="a sign is exact unless its argument is within its error bound of zero: then the part is undecided",
    exact=(exact.faster_by_derivatives, exact.faster_by_threshold),
    assumes=("A1", "A2"),
)
small_part = SEEKING.part(
    "(d)",
    r"$|q_i - q_j| \le p\,|\log\frac{q_i}{q_j}|$ where $\log\frac{q_i}{q_j} \ge \frac{q_i}{p}$",
    AtMost(covering_rate, seeking_rate),
    resolution=1e-11,
    reason=ALGEBRA,
    cross_left=covering_rate_closed,
    cross_right=seeking_rate_closed,
    exact=(exact.covering_rate, exact.seeking_rate),
    family=vanishing_target,
    witnesses=(TwoBins(KNOWN.probability, np.array([0.6, 0.02, 0.25, 0.13]), (0, 1)),),
)


@SEEKING.known(KNOWN)
def _(bins: TwoBins) -> Iterator[Known]:
    yield Known("mode-covering velocities", "0.4 -0.1 -0.05 -0.25", covering_velocity(bins), 1e-15)
    printed = "0.3219487150 -0.0364031789 0.0986429188 -0.3841884549"
    yield Known("mode-seeking velocities", printed, seeking_velocity(bins))
    rates = [covering_rate(bins).value, seeking_rate(bins).value]
    yield Known("rates of the bins 0 and 1", "0.5 0.3583518938", np.array(rates), 1e-14)
    yield Known("logarithmic mean of .6 and .1", "0.2790553133", bins.logarithmic_mean)


# --- what must fail -------------------------------------------------------------------------------------------------


def without_baseline(bins: TwoBins) -> Side:
    """The mode-seeking flow without the baseline kl(p, q)."""
    velocity = seeking_velocity(bins, baseline=False)
    return Side(np.append(velocity, bins.mass * bins.log_ratio), flow_error(bins))


def arithmetic_mean(bins: TwoBins) -> float:
    return float(bins.target[list(bins.pair)].mean())


seeking_part.control("the baseline KL(p, q) dropped", kind="mutation", instance=KNOWN, right=without_baseline)
seeking_part.control("two bins of unequal mass", kind="assumption", drops="A2", instance=UNEQUAL_MASSES)
threshold_part.control(
    "the arithmetic mean as the threshold",
    kind="mutation",
    instance=BETWEEN_THE_MEANS,
    right=partial(faster_by_threshold, threshold=arithmetic_mean),
)
small_part.control(
    "mode-seeking is always faster",
    kind="assumption",
    drops="A3",
    instance=KNOWN,
    specified="0.1416481062",
)

SEEKING.reading(
    "always-faster",
    title="Mode-seeking descent is always faster than mode-covering descent",
    statement=r"""
    For any two bins with $p_i = p_j = p$ and any target, descent of $\mathrm{KL}(p \| q)$ moves mass between them at
    least as fast as descent of $\mathrm{KL}(q \| p)$: $p\,|\log\frac{q_i}{q_j}| \ge |q_i - q_j|$.
    """,
    relation=AtMost(covering_rate, seeking_rate),
    counterexamples=(KNOWN,),
    assumes=("A1", "A2"),
    repair=threshold_part,
    resolution=1e-11,
    reason=ALGEBRA,
    specified="0.1416481062",
)


# --- the figure -----------------------------------------------------------------------------------------------------


@SEEKING.figure(
    "Logarithmic mean of the targets of two bins. For bins of mass $p$, mode-seeking descent is the faster below the "
    "curve of $p$ (towards the axes), mode-covering descent above it. The cross marks the targets (.6, .1): with "
    "$p = .2$ the mode-covering descent is the faster."
)
def _(ax: Any) -> None:
    grid = np.geomspace(1e-3, 1.0, 160)
    x, y = np.meshgrid(grid, grid)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(np.isclose(x, y), x, (x - y) / (np.log(x) - np.log(y)))
    shades = ax.contourf(x, y, mean, levels=np.linspace(0.0, 0.5, 11), alpha=0.55)
    levels = [0.1, 0.2, 0.3, 0.4]
    lines = ax.contour(x, y, mean, levels=levels, colors="black", linewidths=1.4)
    ax.fill([0, 1, 1], [1, 0, 1], color="white", zorder=2.5)  # targets that sum to more than one
    places = [(level, level) for level in levels]
    ax.clabel(lines, fmt=lambda level: f"$p = {level:g}$", fontsize=9, manual=places, zorder=3)
    ax.plot(0.6, 0.1, "x", color="C1", markersize=8, markeredgewidth=2, zorder=3)
    ax.annotate(
        "(.6, .1)", (0.6, 0.1), (0.66, 0.44), color="C1", arrowprops={"arrowstyle": "-", "color": "C1"}
    )
    ax.text(0.5, 0.88, "mode-covering faster\nabove the curve of $p$", fontsize=9, zorder=3)
    ax.set(xlabel="target $q_i$", ylabel="target $q_j$", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    ax.figure.colorbar(shades, ax=ax, label="logarithmic mean of $q_i$ and $q_j$")
