"""Accuracy of estimated values and the risk of acting on them are different things (Kiyohara et al. 2023).

An estimator can be better in mean-square error, rank correlation and regret, and yet put a bad policy into the portfolio
that is tried; the Sharpe ratio of the top k sees it.  It depends on the estimates by their order alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

import mdplab
from mdplab import operators
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtLeast, AtMost, Claim, Equal, Known, Side, rounding
from mdplab.instances import Draw

# --- instances ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Ranking:
    """Candidates, one estimator, a portfolio size, and transforms that must not matter.

    Attributes
    ----------
    values : ndarray, shape (n,)
        True values ``J``.
    estimates : ndarray, shape (n,)
        Estimated values.
    baseline : float
        Value of the behaviour ``J_b``.
    k : int
        Size of the portfolio.
    cubic, scale, shift : float
        Estimates go to ``x + cubic x^3``, values to ``scale J + shift``.
    """

    values: FloatArray
    estimates: FloatArray
    baseline: float
    k: int
    cubic: float = 1.0
    scale: float = 2.0
    shift: float = 1.0


@dataclass(frozen=True, eq=False)
class Rivals:
    """Two estimators of the same candidates: A, said to be the more accurate, and B.

    Attributes
    ----------
    accurate, other : Ranking
        A and B.
    """

    accurate: Ranking
    other: Ranking


def ranking(draw: Draw) -> Ranking:
    """2 to 6 values at distances of .05 to .5, normal estimates, k from 2 to n; scale from .1 to 10."""
    n = draw.integer(2, 6)
    values = np.cumsum(draw.uniform(0.05, 0.5, n)) - 1.0
    return Ranking(
        values,
        draw.normal(n),
        draw.number(-1.0, 1.0),
        draw.integer(2, n),
        draw.number(0.0, 3.0),
        draw.log_number(0.1, 10.0),
        draw.number(-3.0, 3.0),
    )


VALUES = np.array([1.0, 0.9, 0.8, 0.2, 0.1])
ACCURATE = Ranking(VALUES, np.array([1.0, 1.3, 0.3, 0.4, 0.1]), 0.5, 3)
SAFE = Ranking(VALUES, np.array([0.4, 0.1, 1.1, -0.1, -0.2]), 0.5, 3)
PAIR = Rivals(ACCURATE, SAFE)


def rivals(draw: Draw) -> Rivals:
    """The two named estimators with values, estimates and baseline stretched by 1 to 2 and shifted by -1 to 1."""
    scale, shift = draw.number(1.0, 2.0), draw.number(-1.0, 1.0)
    accurate, other = (
        replace(
            case,
            values=scale * case.values + shift,
            estimates=scale * case.estimates + shift,
            baseline=scale * case.baseline + shift,
        )
        for case in (ACCURATE, SAFE)
    )
    return Rivals(accurate, other)


# --- routes ---------------------------------------------------------------------------------------------------------


def transformed(case: Ranking) -> Ranking:
    return replace(case, estimates=case.estimates + case.cubic * case.estimates**3)


def moved(case: Ranking, *, baseline: bool = True) -> Ranking:
    at = case.scale * case.baseline + case.shift if baseline else case.baseline
    return replace(case, values=case.scale * case.values + case.shift, baseline=at)


def chosen(case: Ranking) -> FloatArray:
    """Values of the candidates that fewer than k others precede."""
    x, number = case.estimates, np.arange(case.estimates.size)
    before = (x > x[:, np.newaxis]) | ((x == x[:, np.newaxis]) & (number < number[:, np.newaxis]))
    return np.asarray(case.values[before.sum(axis=1) < case.k])


def ratio_error(case: Ranking) -> float:
    """Rounding of numerator and spread, both in the size of the values, over the spread."""
    top = chosen(case)
    spread, unit = float(top.std()), float(rounding(np.abs(case.values).max() + abs(case.baseline), 80))
    return unit * (1 + abs(float(top.max()) - case.baseline) / spread) / spread


def ratio(case: Ranking) -> Side:
    """SharpeRatio@k as it is defined."""
    found = operators.sharpe_ratio_at(case.estimates, case.values, case.k, baseline=case.baseline)
    return Side(found, ratio_error(case))


def ratio_by_pairs(case: Ranking) -> Side:
    """Ranks by counting, spread from the differences of all pairs."""
    top = chosen(case)
    spread = np.sqrt(((top[:, np.newaxis] - top) ** 2).sum() / 2) / case.k
    return Side((top.max() - case.baseline) / spread, ratio_error(case))


def after_transform(case: Ranking, change: Any = transformed) -> Side:
    """The same after the transform of the estimates; ranks by counting, spread from the differences of all pairs."""
    return ratio_by_pairs(change(case))


def after_move(case: Ranking, *, baseline: bool = True) -> Side:
    """The same after the affine map of all values; ranks by counting, spread from the differences of all pairs."""
    return ratio_by_pairs(moved(case, baseline=baseline))


def ratio_of(pair: Rivals, name: str) -> Side:
    """SharpeRatio@3 of one of the two estimators."""
    return ratio(getattr(pair, name))


def losses(case: Ranking) -> Side:
    """MSE, minus rank correlation, regret@1 and SharpeRatio@k."""
    ranks = np.array([np.argsort(np.argsort(x)) for x in (case.estimates, case.values)], dtype=float)
    square = np.mean((case.estimates - case.values) ** 2)
    regret = operators.regret_at(case.estimates, case.values, 1)
    found = [square, -np.corrcoef(ranks)[0, 1], regret, ratio(case).value]
    return Side(np.array(found, dtype=float), ratio_error(case) + rounding(1, 200))


def losses_again(case: Ranking) -> Side:
    """MSE by moments, minus Spearman's formula, regret by the best estimate, spread from differences of all pairs."""
    x, values, n = case.estimates, case.values, case.values.size
    ranks = [(y > y[:, np.newaxis]).sum(axis=1) for y in (x, values)]
    spearman = 1 - 6 * ((ranks[0] - ranks[1]) ** 2).sum() / (n * (n**2 - 1))
    square = (x @ x - 2 * x @ values + values @ values) / n
    regret = values.max() - values[x.argmax()]
    found = [square, -spearman, regret, ratio_by_pairs(case).value]
    return Side(np.array(found, dtype=float), ratio_error(case) + rounding(x @ x + values @ values, 200))


def of_accurate(pair: Rivals, route: Any = losses) -> Side:
    """MSE, minus rank correlation, regret@1 and SharpeRatio@3 of A, and a margin."""
    found = route(pair.accurate)
    return Side(np.asarray(found.value) + MARGIN, found.error)


def of_other(pair: Rivals, route: Any = losses) -> Side:
    """MSE, minus rank correlation, regret@1 and SharpeRatio@3 of B."""
    found: Side = route(pair.other)
    return found


MARGIN = 0.05

# --- routes in exact arithmetic -------------------------------------------------------------------------------------


def exact_ratio(case: Ranking, *, pairs: bool) -> Any:
    """SharpeRatio@k as a ball; the variance from the mean or from all pairs."""
    number = mdplab.exact.rational
    values, x = number(case.values), number(case.estimates)
    order = sorted(range(x.size), key=lambda i: (-x[i], i))[: case.k]
    top = values[order]
    if pairs:
        variance = ((top[:, np.newaxis] - top) ** 2).sum() / (2 * case.k**2)
    else:
        variance = ((top - top.sum() / case.k) ** 2).sum() / case.k
    return (max(top) - number(case.baseline)) / mdplab.exact.sqrt(variance)


def exact_transformed(case: Ranking) -> Any:
    """After the transform of the estimates."""
    number = mdplab.exact.rational
    x = number(case.estimates)
    order = np.empty(x.size)
    order[sorted(range(x.size), key=lambda i: (x[i] + number(case.cubic) * x[i] ** 3, -i))] = np.arange(
        x.size
    )
    return exact_ratio(replace(case, estimates=order), pairs=True)


def exact_moved(case: Ranking) -> Any:
    """After the affine map of all values."""
    number = mdplab.exact.rational
    scale, shift = number(case.scale), number(case.shift)
    values, baseline = scale * number(case.values) + shift, scale * number(case.baseline) + shift
    return exact_ratio(replace(case, values=values, baseline=baseline), pairs=True)


def exact_losses(case: Ranking) -> list[Any]:
    """MSE, minus rank correlation, regret@1 and SharpeRatio@k."""
    number = mdplab.exact.rational
    x, values, n = number(case.estimates), number(case.values), case.values.size
    ranks = [np.array([sum(b > a for b in y) for a in y]) for y in (x, values)]
    spearman = 1 - number(6 * int(((ranks[0] - ranks[1]) ** 2).sum())) / (n * (n**2 - 1))
    regret = max(values) - values[list(ranks[0]).index(0)]
    return [((x - values) ** 2).sum() / n, -spearman, regret, exact_ratio(case, pairs=False)]


# --- the claim ------------------------------------------------------------------------------------------------------

SHARPE = Claim(
    "sharpe-ratio-vs-accuracy",
    title="SharpeRatio@k and accuracy metrics rank estimators oppositely",
    papers=("kiyohara2023sharpe",),
    provenance="as in the paper",
    statement=r"""
    Candidate policies have the true values $J_i$, the behaviour has $J_b$, and an estimator ranks the candidates. Of its
    $k$ best let $\mathrm{SharpeRatio@}k = (\max_{\text{top-}k} J - J_b) / \mathrm{std}_{\text{top-}k}(J)$ with the population
    standard deviation.

    (opposite) On some candidates A beats B in mean-square error, Spearman rank correlation and regret@1, and B beats A in
    SharpeRatio@3 (the instance is ours).

    (transform) The ratio is unchanged by every strictly increasing transform of the estimates, and (affine) by
    $J \mapsto \alpha J + \beta$, $J_b \mapsto \alpha J_b + \beta$ with $\alpha > 0$.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"$k \ge 2$ and the values of the top $k$ are not all equal (else the ratio is undefined)",
            DEFINITIONAL,
            lambda case: all(
                one.k >= 2 and bool(np.ptp(chosen(one)) > 0)
                for one in ((case.accurate, case.other) if isinstance(case, Rivals) else (case,))
            ),
        ),
    ),
    instance_family=ranking,
    witnesses=(ACCURATE, SAFE),
    instances=300,
)

ROUNDING = "rounding of sums of at most six numbers over a spread of at least .02"

RELATIVE = "1e-10, relative and absolute: " + ROUNDING

opposite_part = SHARPE.part(
    "(opposite)",
    r"A is better by .05 in MSE, rank correlation and regret@1, and worse by .05 in SharpeRatio@3",
    AtMost(of_accurate, of_other),
    cross_left=partial(of_accurate, route=losses_again),
    cross_right=partial(of_other, route=losses_again),
    resolution=1e-10,
    reason=ROUNDING,
    quantifier="exists",
    family=rivals,
    witnesses=(PAIR,),
    exact=(
        lambda pair: [x + mdplab.exact.rational(MARGIN) for x in exact_losses(pair.accurate)],
        lambda pair: exact_losses(pair.other),
    ),
)
transform_part = SHARPE.part(
    "(transform)",
    "the ratio depends on the estimates by their order alone",
    Equal(ratio, after_transform),
    resolution=lambda case: 1e-10 * (1 + abs(float(np.asarray(ratio(case).value)))),
    reason=RELATIVE,
    exact=(partial(exact_ratio, pairs=False), exact_transformed),
)
affine_part = SHARPE.part(
    "(affine)",
    "the ratio is unchanged when all values go through one increasing affine map",
    Equal(ratio, after_move),
    resolution=lambda case: 1e-10 * (1 + abs(float(np.asarray(ratio(case).value)))),
    reason=RELATIVE,
    exact=(partial(exact_ratio, pairs=False), exact_moved),
)


@SHARPE.known(PAIR)
def _(pair: Rivals) -> Iterator[Known]:
    for name, case, printed, top in (
        ("A", pair.accurate, "0.09 0.8 0.1 1.404878717372541", "0.2 0.9 1"),
        ("B", pair.other, "0.254 0.7 0.2 6.123724356957947", "0.8 0.9 1"),
    ):
        found = np.asarray(losses(case).value) * [1, -1, 1, 1]
        yield Known(f"{name}: MSE, rank correlation, regret@1, SharpeRatio@3", printed, found, 1e-14)
        yield Known(f"{name}: true values of the top 3", top, np.sort(chosen(case)))


# --- what must fail -------------------------------------------------------------------------------------------------

opposite_part.control(
    "A against itself",
    kind="mutation",
    instance=PAIR,
    right=lambda pair: losses(pair.accurate),
    specified="0.05",
)
transform_part.control(
    "a decreasing transform",
    kind="mutation",
    instance=ACCURATE,
    right=partial(after_transform, change=lambda case: replace(case, estimates=-case.estimates)),
)
affine_part.control(
    "the value of the behaviour stays",
    kind="mutation",
    instance=ACCURATE,
    right=partial(after_move, baseline=False),
)
SHARPE.reading(
    "accurate-is-safe",
    title="Better in MSE, rank correlation and regret is better in SharpeRatio@k",
    statement="An estimator that beats another in mean-square error, rank correlation and regret@1 has no smaller "
    "SharpeRatio@3.",
    relation=AtLeast(partial(ratio_of, name="accurate"), partial(ratio_of, name="other")),
    counterexamples=(PAIR,),
    repair=opposite_part,
    resolution=1e-10,
    reason=ROUNDING,
    specified="4.718845639585406",  # 6.123724356957947 - 1.404878717372541
)

# --- the figure -----------------------------------------------------------------------------------------------------


@SHARPE.figure(
    "True values of the k candidates that each estimator ranks first (band: best to worst; bars: standard deviation about "
    "the mean; line: best), and SharpeRatio@k. A has less error, a better rank correlation and less regret; B keeps the "
    "bad policies out until k = 4.",
    panels=2,
)
def _(axes: Any) -> None:
    sizes = np.arange(1, 6)
    for k, (label, case) in enumerate((("A, accurate", ACCURATE), ("B, safe", SAFE))):
        tops = [chosen(replace(case, k=int(size))) for size in sizes]
        color, at = f"C{k}", sizes + 0.12 * k - 0.06
        best, worst, middle, spread = (
            np.array([f(top) for top in tops]) for f in (np.max, np.min, np.mean, np.std)
        )
        axes[0].fill_between(at, worst, best, color=color, alpha=0.2)
        axes[0].plot(at, best, ("o-", "s-")[k], color=color, label=label)
        axes[0].errorbar(at, middle, spread, fmt="none", color=color, capsize=3)
        ratios = [ratio(replace(case, k=int(size))).value for size in sizes[1:]]
        axes[1].plot(sizes[1:], ratios, ("o-", "s-")[k], color=color, label=label)
    axes[0].axhline(0.5, color="0.45", linestyle="--", linewidth=1.0)
    axes[0].text(1.0, 0.51, "$J_b$", color="0.35", va="bottom")
    axes[0].set(xlabel="$k$", ylabel="value of the top $k$", xticks=sizes, ylim=(0.0, 1.4))
    axes[0].legend(loc="upper left", ncols=2)
    axes[1].set(xlabel="$k$", ylabel="SharpeRatio@$k$", xticks=sizes[1:])
    axes[1].legend()
