"""Two flows from one law (Fan et al. 2025, the tractable bound on a Wasserstein distance): fields against laws.

Move each particle by both fields. The distance of its two images grows by the difference of the fields at the first image and,
by Groenwall's lemma, with the one-sided slope of the second field alone. The difference is averaged over the first flow; the
slope must be that of the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab.claims import Assumption, AtMost, Claim, Equal, Known, Side, both_sides
from mdplab.laws import AffineField, Gaussian, gaussian_flow
from proofs_check.tilting import exact_normal_flow as exact
from proofs_check.tilting import normal_flow_routes as by
from proofs_check.tilting.normal_flow_instances import (
    FlowTask,
    attaining_pair,
    attaining_task,
    flow_task,
    two_starts,
)

# --- the claim ------------------------------------------------------------------------------------------------------

STANDARD = Gaussian(0.0, 1.0)
HALF = FlowTask(
    STANDARD,
    AffineField(np.array([0.5, 0.0]), np.array([1.0])),
    AffineField(np.array([1.0, 0.0]), np.array([0.0])),
)
"""The fields x/2 + 1 and x."""
GROWING, SHRINKING, STILL = (attaining_pair(slope, 1.0, 0.0, STANDARD) for slope in (1.0, -2.0, 0.0))
STEEP = FlowTask(
    Gaussian(-1.0, 1e-3),
    AffineField(np.array([6.0, -12.0]), np.array([1e3, 0.0])),
    AffineField(np.array([-6.0, 12.0]), np.array([0.0, 1e-3])),
)
"""A narrow law, slopes that change their signs, shifts of very different sizes."""

FLOWS = Claim(
    "w2-flow-bound",
    title="Two flows from one law are as far apart as their fields on the first, times the growth that the second allows",
    papers=("fan2025orwcfm",),
    provenance="our formalisation",
    statement=r"""
    Let $\dot x = v_k(t, x)$, $k = 1, 2$, carry the same law to $p^k_t$, let $I = \int_0^1 E_{p^1_t} |v_1 - v_2|^2 dt$, $\ell =
    \sup_{t, x} \partial_x v_2$, which may be negative, and $L$ the Lipschitz constant of $v_2$. Then

    (sharp) $W_2^2(p^1_1, p^2_1) \le \frac{e^{2\ell} - 1}{2\ell}\, I$, where the factor is 1 at $\ell = 0$;

    (Lipschitz) $W_2^2(p^1_1, p^2_1) \le e^{2L} I$, since (factors) $\frac{e^{2\ell} - 1}{2\ell} \le e^{2L}$;

    (attained) for fields $\ell x + c_k(t)$ with $c_1 - c_2 = \kappa e^{\ell (1 - t)}$ the first bound is an equality: both both_sides are
    $\kappa^2 \big(\frac{e^{2\ell} - 1}{2\ell}\big)^2$.

    Checked for affine fields $v_k = A_k(t) x + c_k(t)$ and normal laws on the line, where $W_2^2 = (m_1 - m_2)^2 + (s_1 - s_2)^2$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "both flows start from the same law",
            "another start of the second flow",
            lambda t: t.other_start == t.start,
            wider=two_starts,
        ),
        Assumption(
            "A2",
            "the expectation is under the first flow, and the slope that of the second field",
            "the slope of the first field",
        ),
    ),
    instance_family=flow_task,
    witnesses=(HALF, GROWING, SHRINKING, STILL, STEEP),
    instances=80,
)


def within(bound: Any) -> Any:
    """The specified tolerance, 1e-8, relative to the bound."""
    return lambda task: 1e-8 * (1 + float(np.max(bound(task).value)))


SERIES = "proven errors of power series, and estimates of the quadrature, for moments of moderate size"

sharp = FLOWS.part(
    "(sharp)",
    r"$W_2^2(p^1_1, p^2_1) \le \frac{e^{2\ell} - 1}{2\ell}\, I$",
    AtMost(by.squared_distance, by.sharp_bound),
    resolution=within(by.sharp_bound),
    reason=SERIES,
    cross_left=by.squared_distance_by_quadrature,
    cross_right=by.sharp_bound_by_quadrature,
    specified_tightness="0.952",
    exact=(exact.squared_distance, exact.sharp_bound),
)
lipschitz = FLOWS.part(
    "(Lipschitz)",
    r"$W_2^2(p^1_1, p^2_1) \le e^{2L} I$",
    AtMost(by.squared_distance, by.lipschitz_bound),
    resolution=within(by.lipschitz_bound),
    reason=SERIES,
    cross_left=by.squared_distance_by_quadrature,
    cross_right=by.lipschitz_bound_by_quadrature,
    specified_tightness="0.626",
    exact=(exact.squared_distance, exact.lipschitz_bound),
)
factors = FLOWS.part(
    "(factors)",
    r"$\frac{e^{2\ell} - 1}{2\ell} \le e^{2L}$",
    AtMost(by.sharp_factor, by.lipschitz_factor),
    resolution=within(by.lipschitz_factor),
    reason="rounding of closed forms",
    closed=("left", "right"),
    exact=(exact.sharp_factor, exact.lipschitz_factor),
)
attained = FLOWS.part(
    "(attained)",
    r"$W_2^2 = \frac{e^{2\ell} - 1}{2\ell}\, I = \kappa^2 \big(\frac{e^{2\ell} - 1}{2\ell}\big)^2$",
    Equal(by.distance_and_bound, by.attained),
    resolution=within(by.attained),
    reason=SERIES,
    family=attaining_task,
    witnesses=(GROWING, SHRINKING, STILL),
    exact="the exponential of the fields is cut off after forty terms",
)


@FLOWS.known(HALF)
def _(task: FlowTask) -> Iterator[Known]:
    first, second = (gaussian_flow(task.start, field).law for field in (task.first, task.second))
    yield Known("first law at time 1", "1.2974425414 1.6487212707", [first.mean, first.deviation])
    yield Known("second law at time 1", "0 2.71828182845905", [second.mean, second.deviation], 1e-14)
    yield Known("I", "0.9580821200", by.discrepancy(task)[0])
    yield Known("squared distance", "2.8273169349", by.squared_distance(task).value)
    yield Known("sharp bound", "3.0606202059", by.sharp_bound(task).value)
    yield Known("bound with the Lipschitz constant", "7.0793225319", by.lipschitz_bound(task).value)


@FLOWS.known(GROWING)
def _(task: FlowTask) -> Iterator[Known]:
    yield Known("I at slope 1", "3.1945280495", by.discrepancy(task)[0])
    yield Known("distance and bound", "10.2050094588 10.2050094588", by.distance_and_bound(task).value)


@FLOWS.known(SHRINKING)
def _(task: FlowTask) -> Iterator[Known]:
    yield Known("I at slope -2", "0.2454210903", by.discrepancy(task)[0])
    yield Known("distance and bound", "0.0602315116 0.0602315116", by.distance_and_bound(task).value)
    yield Known("bound with the Lipschitz constant", "13.3995375083", by.lipschitz_bound(task).value)


# --- what must fail -------------------------------------------------------------------------------------------------


def no_factor(task: FlowTask) -> Side:
    """I alone."""
    return by.times_discrepancy(task, 1.0)


def slope_of_the_first(task: FlowTask) -> Side:
    """I times the factor of the first field."""
    return by.times_discrepancy(task, by.gronwall(by.largest_slope(task.first)))


def half_the_exponent(task: FlowTask) -> Side:
    """I times e^L."""
    return by.times_discrepancy(task, float(np.exp(by.lipschitz(task.second))))


def half_the_factor(task: FlowTask) -> Side:
    """e^L."""
    return Side(float(np.exp(by.lipschitz(task.second))), by.lipschitz_factor(task).error)


def shifts_apart_by_a_constant(task: FlowTask) -> Side:
    """Distance and bound of fields whose shifts differ at all times as they do at time 1."""
    change = task.first.coefficients(1.0)[1] - task.second.coefficients(1.0)[1]
    constant = AffineField(task.first.drift, task.second.shift + change)
    return by.distance_and_bound(replace(task, first=constant))


sharp.control(
    "no factor",
    kind="constant",
    instance=HALF,
    right=no_factor,
    specified="2.8273169349 0.9580821200",
    measure=both_sides,
)
sharp.control(
    "the slope of the first field",
    kind="assumption",
    drops="A2",
    instance=HALF,
    right=slope_of_the_first,
    specified="2.827 1.646",
    measure=both_sides,
)
sharp.control(
    "another start of the second flow",
    kind="assumption",
    drops="A1",
    instance=replace(HALF, second_start=Gaussian(-1.0, 1.0)),
)
lipschitz.control("e^L in the place of e^{2L}", kind="constant", instance=GROWING, right=half_the_exponent)
factors.control("e^L as the larger factor", kind="constant", instance=GROWING, right=half_the_factor)
attained.control(
    "shifts that differ by a constant",
    kind="mutation",
    instance=GROWING,
    left=shifts_apart_by_a_constant,
)


# --- the figure -----------------------------------------------------------------------------------------------------


def pair_at(slope: float, rng: np.random.Generator) -> FlowTask:
    """A random first field against a second one of constant slope."""
    first = AffineField(rng.normal(scale=1.5, size=2), rng.normal(scale=1.5, size=2))
    second = AffineField(np.array([slope, 0.0]), rng.normal(scale=1.5, size=2))
    return FlowTask(Gaussian(rng.normal(), float(np.exp(rng.normal()))), first, second)


@FLOWS.figure(
    r"Squared distance of two flows over the discrepancy $I$ of their fields, against the slope $\ell$ of the second field: random "
    r"pairs (dots), the pairs for which the bound is attained (circles), the sharp factor $(e^{2\ell} - 1)/(2\ell)$ and the factor "
    r"$e^{2L}$. Where the second flow contracts, only the sharp factor knows it."
)
def _(ax: Any) -> None:
    rng = np.random.default_rng(1)
    slopes = np.linspace(-2.0, 2.0, 121)
    tasks = [pair_at(slope, rng) for slope in np.repeat(slopes[::2], 3)]
    ratios = [float(np.asarray(by.squared_distance(task).value)) / by.discrepancy(task)[0] for task in tasks]
    ax.plot(slopes, np.exp(2 * np.abs(slopes)), color="C1", linestyle="--", label="$e^{2L}$")
    ax.plot(slopes, [by.gronwall(slope) for slope in slopes], color="C0", label=r"$(e^{2\ell} - 1)/(2\ell)$")
    ax.plot(np.repeat(slopes[::2], 3), ratios, ".", color="0.6", markersize=3, label="random pairs")
    special = np.linspace(-2, 2, 9)
    pairs = [attaining_pair(slope, 1.0, 0.0, STANDARD) for slope in special]
    reached = [float(np.asarray(by.squared_distance(task).value)) / by.discrepancy(task)[0] for task in pairs]
    ax.plot(special, reached, "o", color="C2", fillstyle="none", label="attained")
    ax.set(xlabel=r"slope $\ell$ of the second field", ylabel="$W_2^2/I$", yscale="log", ylim=(1e-3, 100))
    ax.legend(loc="lower right")
