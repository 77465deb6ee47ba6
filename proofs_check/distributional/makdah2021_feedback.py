"""What the closed loop of an imitated feedback does (Al Makdah, Krishnan, Pasqualetti 2022), for linear plants.

The powers of a closed loop M are at most ``c r^t`` long, r its spectral radius and c the condition number of its eigenvectors. In
the norm in which M shrinks by r, an error of the feedback adds ``c |B| l`` to the shrinkage: so the imitated loop is stable while
``rho = r + c |B| l < 1``, and the distance of its states to those of the expert sums up to a finite number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Known, Side
from proofs_check.distributional import feedback_routes as by
from proofs_check.distributional.feedback_routes import SCALAR, SHEAR, SLOW, TRIANGLE, Loop

FEEDBACK = Claim(
    "lipschitz-feedback-closed-loop",
    title="An imitated linear feedback is stable, near the expert and robust, by explicit constants",
    papers=("makdah2021lipschitz",),
    provenance="our formalisation",
    statement=r"""
    Let $x^+ = Ax + Bu$ with the expert's $u = Kx$ and the imitated $u = (K + D)x$, $\ell = \lVert D \rVert$. Let $A + BK$ be
    diagonalisable with spectral radius $\lambda < 1$ and let $c$ be the condition number of its eigenvectors of unit length, so that
    $\lVert (A + BK)^t \rVert \le c \lambda^t$. With $\rho = \lambda + c \lVert B \rVert \ell < 1$

    (i) $\lVert x_t \rVert \le c \rho^t \lVert x_0 \rVert$;

    (ii) $\sum_t \lVert x_t - x_t^{\mathrm{exp}} \rVert \le \frac{c \lVert B \rVert \ell}{1 - \lambda} \cdot \frac{c}{1 - \rho} \lVert x_0 \rVert$;

    (iii) under $u_t = K(x_t + w_t)$ with $\lVert w_t \rVert \le w$,
    $\lVert x_t \rVert \le c \lambda^t \lVert x_0 \rVert + \frac{c \lVert B \rVert \lVert K \rVert w}{1 - \lambda}$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "the expert's closed loop is diagonalisable",
            DEFINITIONAL,
            lambda loop: bool(np.isfinite(by.spectrum_closed(loop.expert)[1])),
        ),
        Assumption(
            "A2",
            r"$\rho < 1$",
            "an error too large for the loop",
            lambda loop: by.growth(loop) < 1,
            wider=by.wide_loops,
        ),
    ),
    instance_family=by.loops,
    witnesses=(TRIANGLE, SHEAR, SLOW),
    instances=60,
)


def resolution_for(bound: Any) -> Any:
    """1e-8, relative to the bound."""

    def resolution(loop: Loop) -> FloatArray:
        return np.asarray(1e-8 * (1 + np.max(np.abs(np.asarray(bound(loop).value)))))

    return resolution


REASON = "rounding of sixty steps; eigenvectors of loops with condition numbers below 100"
stability = FEEDBACK.part(
    "(i)",
    r"$\lVert x_t\rVert \le c\rho^t\lVert x_0\rVert$, $t \le 60$",
    AtMost(by.imitated_lengths, by.stability_bound),
    resolution=resolution_for(by.stability_bound),
    reason=REASON,
    cross_left=by.imitated_lengths_by_powers,
    cross_right=by.stability_bound_closed,
    specified_tightness="0.996",
    exact=(by.exact_imitated, by.exact_stability),
)
near = FEEDBACK.part(
    "(ii)",
    r"$\sum_{t\le60}\lVert x_t - x_t^{\mathrm{exp}}\rVert \le \frac{c\lVert B\rVert\ell}{1-\lambda}\cdot\frac{c}{1-\rho}\lVert x_0\rVert$",
    AtMost(by.distance, by.distance_bound),
    resolution=resolution_for(by.distance_bound),
    reason=REASON,
    cross_left=by.distance_by_powers,
    cross_right=by.distance_bound_closed,
    exact=(by.exact_distance, by.exact_distance_bound),
)
robust = FEEDBACK.part(
    "(iii)",
    r"$\lVert x_t\rVert \le c\lambda^t\lVert x_0\rVert + \frac{c\lVert B\rVert\lVert K\rVert w}{1-\lambda}$, $t \le 60$, disturbed",
    AtMost(by.disturbed_lengths, by.disturbance_bound),
    resolution=resolution_for(by.disturbance_bound),
    reason=REASON,
    cross_left=by.disturbed_lengths_by_powers,
    cross_right=by.disturbance_bound_closed,
    assumes=("A1",),
    exact=(by.exact_disturbed, by.exact_disturbance_bound),
)


@FEEDBACK.known(TRIANGLE)
def _(loop: Loop) -> Iterator[Known]:
    radius, condition = by.spectrum(loop.expert)
    yield Known("c", "4.23606797749979", condition, 1e-13)
    yield Known("lambda", ".5", radius, 1e-15)
    yield Known("l", ".1118033988749895", np.linalg.norm(loop.change), 1e-16)
    yield Known("rho", ".973606797749979", by.growth(loop), 1e-14)
    yield Known(
        "length of the fifth state",
        ".10103603629679071",
        np.asarray(by.imitated_lengths(loop).value)[5],
        1e-15,
    )
    yield Known("its bound", "5.2407797220283205", np.asarray(by.stability_bound(loop).value)[5], 1e-12)


@FEEDBACK.known(SCALAR)
def _(loop: Loop) -> Iterator[Known]:
    states = np.asarray(by.imitated_lengths(loop).value)
    yield Known("rho", "1.1", by.growth(loop), 1e-15)
    yield Known(
        "growth of every step",
        "1.1 1.1",
        [(states[1:] / states[:-1]).min(), (states[1:] / states[:-1]).max()],
        1e-13,
    )


# --- what must fail -------------------------------------------------------------------------------------------------


def scaled(side: Side, factor: float) -> Side:
    return Side(factor * np.asarray(side.value), factor * np.asarray(side.error))


def without_condition(loop: Loop) -> Side:
    """The bound of stability without c in front."""
    return scaled(by.stability_bound(loop), 1 / by.spectrum_closed(loop.expert)[1])


def without_series(loop: Loop) -> Side:
    """The bound of the distance without the factor 1 / (1 - r)."""
    return scaled(by.distance_bound(loop), 1 - by.spectrum_closed(loop.expert)[0])


def without_sum(loop: Loop) -> Side:
    """The bound under disturbances at their length times (1 - r)."""
    return by.disturbance_bound(replace(loop, noise=loop.noise * (1 - by.spectrum_closed(loop.expert)[0])))


stability.control("the condition number left out", kind="constant", instance=SHEAR, right=without_condition)
near.control(
    "an error too large for the loop",
    kind="assumption",
    drops="A2",
    instance=SCALAR,
    specified="-20",
    measure=lambda outcome: outcome.right,
)
near.control("the factor 1 / (1 - r) left out", kind="constant", instance=SLOW, right=without_series)
robust.control("disturbances not summed up", kind="constant", instance=SLOW, right=without_sum)


@FEEDBACK.figure(
    r"States of an imitated loop (lines) and their bounds $c\rho^t\lVert x_0\rVert$ (dashed) for errors $\ell$ of the feedback. The bound "
    r"flattens as $\rho$ comes to one, long before the loop itself becomes unstable."
)
def _(ax: Any) -> None:
    for color, factor in enumerate((0.1, 0.4, 1.0)):
        loop = replace(TRIANGLE, change=factor * TRIANGLE.change)
        label = rf"$\ell = {np.linalg.norm(loop.change):.3f}$, $\rho = {by.growth(loop):.2f}$"
        ax.plot(np.asarray(by.imitated_lengths(loop).value)[:31], color=f"C{color}", label=label)
        ax.plot(np.asarray(by.stability_bound(loop).value)[:31], "--", color=f"C{color}")
    ax.plot([], [], "--", color="0.35", label=r"bounds $c\rho^t\|x_0\|$")
    ax.set(xlabel="step $t$", ylabel=r"length of the state $\|x_t\|$", yscale="log", ylim=(1e-11, 20))
    ax.legend(loc="lower left")
