"""Policy smoothing against an adversary who watches (Kumar, Levine, Feizi 2021).

An agent sees its observations through normal noise, and an adversary shifts them. The adversary sees the noisy observation
before the next shift, so shifts are no longer fixed vectors; yet as long as their squares sum to at most ``B^2`` on every path,
the success probability falls no further than under one fixed shift of length B of a half-space. In games of two steps the best
second shift is known, and what is left is a function of the first shift: its minimum is enclosed by a bound on its curvature.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.polynomial import Chebyshev

from mdplab._typing import FloatArray
from mdplab.claims import Assumption, AtLeast, Claim, Known, Side, both_sides, rounding
from mdplab.numerics import enclosed_minimum
from proofs_check.distributional.smoothing_games import (
    CellGame,
    Game,
    SumGame,
    cdf,
    cell_game,
    density,
    watched,
)

# --- named games ------------------------------------------------------------------------------------------------------

SIGNS = CellGame((0.0,), (-1, 1), (0.0, 0.0), 1.0)
SUM = SumGame(-1.5, 1.0)
RARE = CellGame((-1.2815515655446004,), (1, 1), (-3.0, -np.inf), 1.0)
"""Failure where the first observation is in a set of probability .1 and the second below -3."""
HALF_LINE = CellGame((), (1,), (-0.5,), 2.0)

# --- routes ---------------------------------------------------------------------------------------------------------

Angles: TypeAlias = Callable[[FloatArray], FloatArray]
CURVATURE = (2 * density(1.0) + density(0.0) ** 2, math.sqrt(2.0) * density(0.0))
"""At budget B and shifts ``B (sin t, cos t)`` the second derivative of the odds in t is at most ``CURVATURE @ (B^2, B)``.

The second partial derivatives of the expectation of a function between 0 and 1 are at most ``2 phi(1)`` (the positive part of
``phi''``) in the first shift, ``phi(0)^2`` mixed and ``phi(1)`` in the second, the first ones at most ``phi(0)``.
"""


def mean_return(game: CellGame) -> Angles:
    """Mean return against the angle of the shifts."""
    return lambda angle: np.asarray(game.attacked(angle) + cdf(game.budget * np.sin(angle) - game.level))


def least(fn: Angles, budget: float, functions: int) -> Side:
    """The global minimum over the angle; ``functions`` expectations of functions between 0 and 1 are summed."""
    curvature = functions * (CURVATURE[0] * budget**2 + CURVATURE[1] * budget)
    found = enclosed_minimum(fn, -math.pi / 2, math.pi / 2, curvature=curvature)
    return Side(found.value, found.error + rounding(functions, 40))


def least_by_series(fn: Angles) -> Side:
    """Least value at the roots of the derivative of a Chebyshev series, and at the ends.

    The functions are entire and below 2000 where the imaginary part of the angle is at most 1 (budgets to 2): a series of 90
    terms errs by less than 1e-19.  Roots accurate to 1e-6 give the least value to 1e-11.
    """
    series = Chebyshev.interpolate(fn, 90, domain=[-math.pi / 2, math.pi / 2]).trim(1e-15)
    roots = series.deriv().roots() if series.degree() > 1 else np.zeros(0)
    near = roots.real[np.abs(roots.imag) < 1e-4]
    points = np.append(np.clip(near, -math.pi / 2, math.pi / 2), [-math.pi / 2, math.pi / 2])
    return Side(float(fn(points).min()), 1e-11)


def shifted(p: float, budget: float) -> tuple[float, float]:
    """``Phi(Phi^{-1}(p) - B)``, and its error: it grows with p, which is off by some roundings.

    A relative error of ``x = Phi^{-1}(p)`` counts ``|x| phi(x - B) <= 1 + B`` times.
    """
    from scipy.special import ndtri

    off = float(rounding(1.0, 40))
    low, value, high = (float(x) for x in cdf(ndtri(np.clip([p - off, p, p + off], 0.0, 1.0)) - budget))
    return value, max(value - low, high - value) + float(rounding(1.0 + budget, 16))


def least_success(game: Game) -> Side:
    """Least odds of success: normal distribution functions of each cell, a bound on the curvature."""
    return least(game.attacked, game.budget, 1)


def least_success_by_series(game: Game) -> Side:
    """Least odds of success: quadrature over what is seen first, the roots of a Chebyshev series."""
    return least_by_series(lambda angle: watched(game, angle))


def certificate(game: Game) -> Side:
    """Closed form Phi(Phi^{-1}(p) - B)."""
    return Side(*shifted(game.clean, game.budget))


def least_return(game: CellGame) -> Side:
    """Least mean return: normal distribution functions of each cell, a bound on the curvature."""
    return least(mean_return(game), game.budget, 2)


def least_return_by_series(game: CellGame) -> Side:
    """Least mean return: quadrature over what is seen first, the roots of a Chebyshev series."""
    return least_by_series(lambda angle: watched(game, angle, level=game.level))


def return_certificate(game: CellGame) -> Side:
    """Closed form: the sum of Phi(Phi^{-1}(Pr(R >= x)) - B) over x = 1, 2."""
    values, errors = zip(*(shifted(p, game.budget) for p in game.clean_returns), strict=True)
    return Side(sum(values), sum(errors))


def least_of_fixed(game: CellGame) -> Side:
    """Least odds of success against shifts fixed in advance, over the disc."""
    from scipy.optimize import minimize

    def at(polar: FloatArray) -> Any:
        radius = game.budget * polar[0]
        return game.fixed(radius * np.cos(polar[1]), radius * np.sin(polar[1]))

    radii, angles = np.meshgrid(np.linspace(0, 1, 21), np.linspace(0, 2 * math.pi, 73))
    values = at(np.array([radii, angles]))
    place = np.unravel_index(np.argmin(values), values.shape)
    found = minimize(
        at,
        [radii[place], angles[place]],
        bounds=[(0, 1), (-1, 7)],
        method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-12},
    )
    return Side(min(float(values[place]), float(found.fun)), 1e-11)


# --- the claim ------------------------------------------------------------------------------------------------------

CERTIFICATE = Claim(
    "policy-smoothing-adaptive-certificate",
    title="The normal certificate holds against adversaries who watch, if their budget holds on every path",
    papers=("kumar2021smoothing",),
    provenance="our formalisation",
    statement=r"""
    In two steps the agent sees $y_t = \epsilon_t + z_t$ with independent standard normal $z_t$. An adversary chooses $\epsilon_1$,
    sees $y_1$ and chooses $\epsilon_2$, where $\epsilon_1^2 + \epsilon_2^2 \le B^2$ surely. With $y_1$ in cell $i$ the agent succeeds
    iff $\sigma_i y_2 \ge \tau_i$, $\sigma_i = \pm 1$. Let $p$ be its odds without shifts. Then over all adversaries

    (success) $\min \Pr(\mathrm{success}) \ge \Phi(\Phi^{-1}(p) - B)$;

    (return) for $R = 1\{y_1 \ge \kappa\} + 1\{\sigma_i y_2 \ge \tau_i\}$,
    $\min E R \ge \sum_{x=1}^{2} \Phi\big(\Phi^{-1}(\Pr(R \ge x)) - B\big)$, the probabilities without shifts.

    The first bound is attained, in games that only an adversary who watches can attack so well.
    """,
    assumptions=(
        Assumption(
            "A1", "the budget holds on every path", "a budget in expectation, all spent where it matters"
        ),
        Assumption("A2", "the noise is normal and independent", "noises of correlation -1/2"),
    ),
    instance_family=cell_game,
    witnesses=(SIGNS, RARE, HALF_LINE),
    instances=60,
)
TRANSCENDENTAL = (
    "the minimum over the first shift is enclosed through values at floats, not in exact arithmetic"
)
ACCURACY = "the minimum is enclosed to 1e-12, and 1e-11 by its second route; rounding of normal distribution functions and their inverses"

success_part = CERTIFICATE.part(
    "(success)",
    r"$\min \Pr(\mathrm{success}) \ge \Phi(\Phi^{-1}(p) - B)$",
    AtLeast(least_success, certificate),
    resolution=1e-10,
    reason=ACCURACY,
    witnesses=(SIGNS, RARE, HALF_LINE, SUM),
    cross_left=least_success_by_series,
    closed=("right",),
    specified_tightness="1.000",
    exact=TRANSCENDENTAL,
)
return_part = CERTIFICATE.part(
    "(return)",
    r"$\min E R \ge \sum_x \Phi(\Phi^{-1}(\Pr(R \ge x)) - B)$",
    AtLeast(least_return, return_certificate),
    resolution=1e-10,
    reason=ACCURACY,
    cross_left=least_return_by_series,
    closed=("right",),
    specified_tightness="0.992",
    exact=TRANSCENDENTAL,
)


def value(side: Side) -> float:
    return float(np.asarray(side.value))


@CERTIFICATE.known(SIGNS)
def _(game: CellGame) -> Iterator[Known]:
    yield Known("odds without shifts", ".5", game.clean)
    yield Known("least odds", ".15865525393145707", value(least_success(game)), 1e-12)
    yield Known("certificate", ".15865525393145707", value(certificate(game)), 1e-15)
    yield Known("the shift 0 first", ".15865525393145707", game.attacked(0.0), 1e-15)
    yield Known("least odds, fixed shifts", ".3645399385983018", value(least_of_fixed(game)), 1e-10)
    b = 1 / math.sqrt(2.0)
    yield Known("its closed form", ".3645399385983018", 2 * cdf(b) * cdf(-b), 1e-15)
    yield Known("probabilities of the returns", ".75 .25", game.clean_returns)
    yield Known("certificate of the return", ".4194146568", value(return_certificate(game)))
    returns = [value(least_return(game)), float(mean_return(game)(np.array(-math.pi / 4)))]
    yield Known("least mean return, and at the shift -b", ".4795001222 .4795001222", returns)


@CERTIFICATE.known(SUM)
def _(game: SumGame) -> Iterator[Known]:
    found = [game.clean, game.attacked(-math.pi / 4), value(certificate(game)), value(least_success(game))]
    yield Known(
        "threshold of the sum: clean, attacked, certificate, least odds",
        ".8555778168 .5241850742 .5241850742 .5241850742",
        found,
    )


@CERTIFICATE.known(RARE)
def _(game: CellGame) -> Iterator[Known]:
    yield Known(
        "rare set: clean and certificate",
        ".999865010197 .995885447401",
        [game.clean, value(certificate(game))],
    )


# --- what must fail -------------------------------------------------------------------------------------------------


def budget_in_expectation(game: CellGame) -> Side:
    """Odds of success where the first cell, of probability q, meets a shift of B over the root of q."""
    share = float(cdf(game.cuts[0]))
    return Side(float(game.odds(0.0, game.budget / math.sqrt(share))), rounding(1, 40))


def budget_each_step(game: SumGame) -> Side:
    """Odds of success under shifts of length B at each of both steps."""
    return Side(float(cdf((-2 * game.budget - game.threshold) / math.sqrt(2.0))), rounding(1, 20))


def correlated(game: SumGame) -> Side:
    """Odds of success under equal shifts, noises of correlation -1/2: their sum is standard normal."""
    return Side(float(cdf(-math.sqrt(2.0) * game.budget - game.threshold)), rounding(1, 20))


def correlated_certificate(game: SumGame) -> Side:
    """The certificate from the clean odds under noises of correlation -1/2."""
    return Side(*shifted(float(cdf(-game.threshold)), game.budget))


success_part.control(
    "a budget in expectation, all spent where it matters",
    kind="assumption",
    drops="A1",
    instance=RARE,
    left=budget_in_expectation,
    specified=".943554360305 .995885447401",
    measure=both_sides,
)
success_part.control(
    "a budget for each step",
    kind="mutation",
    instance=SUM,
    left=budget_each_step,
    specified=".3618368049 .5241850742",
    measure=both_sides,
)
success_part.control(
    "noises of correlation -1/2",
    kind="assumption",
    drops="A2",
    instance=SUM,
    left=correlated,
    right=correlated_certificate,
    both="the noise decides the odds with and without shifts",
)
success_part.control(
    "the least odds against fixed shifts as the bound",
    kind="mutation",
    instance=SIGNS,
    right=least_of_fixed,
    specified=".2059",
)


def half_certificate(game: CellGame) -> Side:
    """The certificate of the return at half the budget."""
    return return_certificate(replace(game, budget=game.budget / 2))


return_part.control("half the budget", kind="constant", instance=SIGNS, right=half_certificate)


@CERTIFICATE.figure(
    r"Probability that the agent matches the sign of its first observation, against the budget $B$ of the shifts: certified, attacked by an "
    "adversary who watches, and by one who fixes all shifts in advance. Watching attains the certificate; fixed shifts do not."
)
def _(ax: Any) -> None:
    budgets = np.linspace(0.05, 2.0, 40)
    games = [replace(SIGNS, budget=float(budget)) for budget in budgets]
    for route, style, color, label in (
        (least_of_fixed, "-.", "C2", "fixed in advance"),
        (least_success, "-", "C0", "adaptive"),
        (certificate, ":", "C1", r"certificate $\Phi(\Phi^{-1}(p)-B)$"),
    ):
        width = 3.0 if style == ":" else 1.6
        ax.plot(
            budgets, [value(route(game)) for game in games], style, color=color, linewidth=width, label=label
        )
    ax.axhline(SIGNS.clean, color="0.6", linewidth=0.8)
    ax.annotate("no shifts", (2.0, SIGNS.clean), (0, 3), textcoords="offset points", ha="right", color="0.4")
    ax.set(xlabel=r"budget $B$", ylabel="probability of success", ylim=(0, 0.8))
    ax.legend(loc="upper left")
