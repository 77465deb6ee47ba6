"""Moments of generalised Gaussian errors (Kim et al. 2024): what the shape does to variance and kurtosis.

The density ``exp(-|x/alpha|^beta)`` has fat tails for small shapes and tends to the uniform law on [-alpha, alpha] as the
shape grows.  The kurtosis falls all the way.  The variance at a fixed scale falls only up to a shape of about 9.1: from
there on the shoulders of the density, which move outwards, weigh more than its tails, which are gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

import mdplab
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Outcome, Rate, Side
from proofs_check.distributional.generalised_gaussian import (
    EARLIER,
    LATER,
    Bump,
    Shapes,
    all_shapes,
    any_bump,
    any_scales,
    below,
    beyond,
    constant,
    earlier_kurtosis,
    earlier_variance,
    exact_kurtosis,
    exact_variance,
    flat,
    kurtosis_by_gammas,
    kurtosis_by_quadrature,
    later_kurtosis,
    later_variance,
    least_transform,
    least_transform_on_a_ray,
    limit_variance,
    minimum,
    moderate,
    nine_fifths,
    nothing,
    steep,
    transform,
    transform_on_a_ray,
    uniform_kurtosis,
    uniform_variance,
    variance_by_gammas,
    variance_by_quadrature,
    zero,
)

# --- the claim ------------------------------------------------------------------------------------------------------

PRINTED = constant(np.array([0.5, 1.0, 2.0, 4.0, 8.0]))
GRID = constant(np.linspace(0.3, 30.0, 3000))
FALLING = constant(np.append(GRID.shapes[GRID.shapes < minimum()], minimum()))
RISING = constant(np.append(minimum(), GRID.shapes[GRID.shapes > minimum()]))
FAR = constant(np.array([1e2, 1e3, 1e4]))
PAST = constant(np.array([9.11, 1e6]))

SHAPE = Claim(
    "ggd-moments-and-shape",
    title="Generalised Gaussian errors: the kurtosis falls with the shape, the variance only up to a shape of about 9.11",
    papers=("kim2024ggd",),
    provenance="our formalisation",
    statement=r"""
    Let an error have the density proportional to $e^{-|x/\alpha|^\beta}$, $\alpha, \beta > 0$. Then

    (variance) its variance is $\alpha^2\, \Gamma(3/\beta) / \Gamma(1/\beta)$, and (kurtosis) its kurtosis is
    $\Gamma(5/\beta)\, \Gamma(1/\beta) / \Gamma(3/\beta)^2$;

    (falls) the kurtosis decreases in $\beta$, (above) is above $9/5$ and (limit) tends to it;

    (down) at fixed $\alpha$ the variance decreases on $(0, \beta_0)$, where $3 \psi(3/\beta_0) = \psi(1/\beta_0)$,
    $\beta_0 \approx 9.11472$; (up) it increases after $\beta_0$ and (uniform) tends to $\alpha^2/3$ from below;

    (positive) the Fourier transform of $e^{-|x|^\beta}$ is non-negative if $\beta \le 2$ (for $\beta \le 1$ the function is convex
    on either side, and Polya's criterion says so) and (negative) takes negative values if $\beta > 2$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "the scale is fixed",
            "a scale that grows with the shape",
            lambda case: bool(np.all(case.scales == case.scales[0])),
            wider=any_scales,
        ),
        Assumption(
            "A2",
            r"for (down): shapes up to $\beta_0$",
            "shapes beyond the least variance",
            lambda case: bool(case.shapes.max() <= minimum()),
            wider=all_shapes,
        ),
        Assumption(
            "A3",
            r"for (up): shapes from $\beta_0$ on",
            "shapes before the least variance",
            lambda case: bool(case.shapes.min() >= minimum()),
            wider=all_shapes,
        ),
        Assumption(
            "A4",
            r"for (positive): $\beta \le 2$",
            "a shape above two",
            lambda case: case.shape <= 2.0,
            wider=any_bump,
        ),
        Assumption(
            "A5",
            r"for (negative): $\beta > 2$",
            "a shape below two",
            lambda case: case.shape > 2.0,
            wider=any_bump,
        ),
        Assumption(
            "A6",
            "positive scales and shapes",
            DEFINITIONAL,
            lambda case: bool(np.all(case.scales > 0) and np.all(case.shapes > 0)),
        ),
    ),
    instance_family=moderate,
    witnesses=(PRINTED,),
    instances=100,
)

GAMMAS = "a product of Gamma functions, each rounded at its argument"


def relative_to_kurtosis(case: Shapes) -> FloatArray:
    return np.asarray(1e-9 * np.asarray(kurtosis_by_gammas(case).value))


def relative_to_variance(case: Shapes) -> FloatArray:
    return np.asarray(1e-9 * np.asarray(variance_by_gammas(case).value))


variance_part = SHAPE.part(
    "(variance)",
    r"the variance is $\alpha^2\,\Gamma(3/\beta)/\Gamma(1/\beta)$",
    Equal(variance_by_quadrature, variance_by_gammas),
    resolution=relative_to_variance,
    reason="1e-9 relative: quadrature that converges geometrically",
    assumes=("A6",),
    exact="quadrature of a density: an estimated error, no finite expression",
)
kurtosis_part = SHAPE.part(
    "(kurtosis)",
    r"the kurtosis is $\Gamma(5/\beta)\,\Gamma(1/\beta)/\Gamma(3/\beta)^2$",
    Equal(kurtosis_by_quadrature, kurtosis_by_gammas),
    resolution=relative_to_kurtosis,
    reason="1e-9 relative: quadrature that converges geometrically",
    assumes=("A6",),
    exact="quadrature of a density: an estimated error, no finite expression",
)
falls_part = SHAPE.part(
    "(falls)",
    "the kurtosis decreases in the shape",
    AtMost(later_kurtosis, earlier_kurtosis),
    resolution=lambda case: relative_to_kurtosis(case)[:-1],
    reason=GAMMAS,
    family=all_shapes,
    witnesses=(GRID,),
    assumes=("A6",),
    closed=("left", "right"),
    exact=(lambda case: exact_kurtosis(case)[LATER], lambda case: exact_kurtosis(case)[EARLIER]),
)
SHAPE.part(
    "(above)",
    "the kurtosis is above 9/5",
    AtMost(nine_fifths, kurtosis_by_gammas),
    resolution=relative_to_kurtosis,
    reason=GAMMAS,
    family=all_shapes,
    witnesses=(GRID,),
    assumes=("A6",),
    closed=("left", "right"),
    exact=(lambda case: np.full(case.shapes.shape, mdplab.exact.rational(9) / 5), exact_kurtosis),
)
SHAPE.part(
    "(limit)",
    r"the kurtosis tends to 9/5, at the rate $\beta^{-2}$",
    Rate(kurtosis_by_gammas, uniform_kurtosis, parameter=lambda case: case.shapes, window=(-2.1, -1.9)),
    resolution=1e-3,
    reason="rounding of Gamma functions over the smallest distance to the limit",
    quantifier="exists",
    witnesses=(FAR,),
    assumes=("A6",),
    exact="a slope between shapes inside a window: an observation of a limit, which no exact number decides",
)
down_part = SHAPE.part(
    "(down)",
    r"at a fixed scale the variance decreases on $(0, \beta_0)$",
    AtMost(later_variance, earlier_variance),
    resolution=lambda case: relative_to_variance(case)[:-1],
    reason=GAMMAS,
    family=below,
    witnesses=(FALLING,),
    assumes=("A1", "A2", "A6"),
    closed=("left", "right"),
    exact=(lambda case: exact_variance(case)[LATER], lambda case: exact_variance(case)[EARLIER]),
)
up_part = SHAPE.part(
    "(up)",
    r"at a fixed scale the variance increases after $\beta_0$",
    AtMost(earlier_variance, later_variance),
    resolution=lambda case: relative_to_variance(case)[1:],
    reason=GAMMAS,
    family=beyond,
    witnesses=(RISING,),
    assumes=("A1", "A3", "A6"),
    closed=("left", "right"),
    exact=(lambda case: exact_variance(case)[EARLIER], lambda case: exact_variance(case)[LATER]),
)
SHAPE.part(
    "(uniform)",
    r"after $\beta_0$ the variance is below $\alpha^2/3$",
    AtMost(variance_by_gammas, uniform_variance),
    resolution=relative_to_variance,
    reason=GAMMAS,
    family=beyond,
    witnesses=(RISING, FAR),
    assumes=("A3", "A6"),
    closed=("left", "right"),
    exact=(exact_variance, lambda case: mdplab.exact.rational(case.scales) ** 2 / 3),
)
SHAPE.part(
    "(uniform) limit",
    r"the variance tends to $\alpha^2/3$, at the rate $\beta^{-1}$",
    Rate(variance_by_gammas, limit_variance, parameter=lambda case: case.shapes, window=(-1.1, -0.9)),
    resolution=1e-3,
    reason="rounding of Gamma functions over the smallest distance to the limit",
    quantifier="exists",
    witnesses=(FAR,),
    assumes=("A1", "A3", "A6"),
    exact="a slope between shapes inside a window: an observation of a limit, which no exact number decides",
)
TRANSFORM = "1e-12: a trapezoidal rule that converges geometrically, and the rounding of its nodes"
positive_part = SHAPE.part(
    "(positive)",
    r"for $\beta \le 2$ the transform is not negative",
    AtMost(nothing, transform),
    resolution=1e-12,
    reason=TRANSFORM,
    family=flat,
    witnesses=(Bump(0.6), Bump(1.0), Bump(1.5), Bump(2.0)),
    instances=20,
    assumes=("A4",),
    cross_right=transform_on_a_ray,
    closed=("left",),
    exact="quadrature of an oscillating integrand: an estimated error, no finite expression",
)
negative_part = SHAPE.part(
    "(negative)",
    r"for $\beta > 2$ the transform takes negative values",
    AtMost(least_transform, zero),
    resolution=1e-12,
    reason=TRANSFORM,
    family=steep,
    witnesses=(Bump(2.5), Bump(4.0)),
    instances=20,
    assumes=("A5",),
    cross_left=least_transform_on_a_ray,
    closed=("right",),
    exact="quadrature of an oscillating integrand: an estimated error, no finite expression",
)


def least_variance() -> float:
    return float(np.asarray(variance_by_gammas(constant(np.array([minimum()]))).value)[0])


@SHAPE.known(PRINTED)
def _(case: Shapes) -> Iterator[Known]:
    variances, kurtoses = variance_by_gammas(case), kurtosis_by_gammas(case)
    yield Known(
        "variance at beta = .5, 1, 2, 4, 8",
        "120 2 .5 .3379891200336423 .3146342659193049",
        variances.value,
        2e-14,
    )
    yield Known(
        "kurtosis at beta = .5, 1, 2, 4, 8",
        "25.2 6 3 2.188439615226477 1.923410454102087",
        kurtoses.value,
        2e-14,
    )
    yield Known("shape of the least variance", "9.11472", minimum())
    yield Known("least variance", ".3143276265", least_variance(), 1e-14)
    yield Known("limits of variance and kurtosis", "1/3 9/5", [1 / 3, 1.8], 1e-15)
    for shape, printed in ((1.0, ".0137931"), (1.5, ".0040723"), (2.5, "-.0468947"), (4.0, "-.1872796")):
        yield Known(
            f"least value of the transform, beta = {shape:g}",
            printed,
            least_transform(Bump(shape)).value,
            1e-12,
        )


# --- what must fail -------------------------------------------------------------------------------------------------


def least_of_right(outcome: Outcome) -> Any:
    return outcome.right.min()


down_part.control(
    "a scale that grows with the shape",
    kind="assumption",
    drops="A1",
    instance=Shapes(np.array([1.0, 2.0]), np.array([1.0, 3.0])),
)
down_part.control(
    "shapes beyond the least variance",
    kind="assumption",
    drops="A2",
    instance=PAST,
    specified=".31433 .3333",
    measure=lambda outcome: np.array([outcome.right[0], outcome.left[0]]),
)
up_part.control(
    "shapes before the least variance", kind="assumption", drops="A3", instance=constant(np.array([2.0, 9.0]))
)
positive_part.control(
    "a shape above two",
    kind="assumption",
    drops="A4",
    instance=Bump(2.5),
    specified="-.0468947",
    measure=least_of_right,
)
negative_part.control(
    "a shape below two",
    kind="assumption",
    drops="A5",
    instance=Bump(1.5),
    specified=".0040723",
    measure=lambda outcome: outcome.left,
)


def excess_kurtosis(case: Shapes) -> Side:
    """Gamma functions: kurtosis less three."""
    found = kurtosis_by_gammas(case)
    return Side(np.asarray(found.value) - 3, np.asarray(found.error) + 1e-15)


kurtosis_part.control(
    "the excess in the place of the kurtosis", kind="constant", instance=PRINTED, right=excess_kurtosis
)
variance_part.control(
    "the kurtosis in the place of the variance", kind="mutation", instance=PRINTED, right=kurtosis_by_gammas
)
SHAPE.reading(
    "variance-always-falls",
    title="The variance decreases in the shape",
    statement="At a fixed scale the variance of the error falls as the shape grows, whatever the shape.",
    relation=AtMost(later_variance, earlier_variance),
    counterexamples=(PAST,),
    repair=falls_part,
    resolution=1e-9,
    reason=GAMMAS,
    specified=".31433 .3333",
    measure=lambda outcome: np.array([outcome.right[0], outcome.left[0]]),
    assumes=("A1", "A6"),
)


# --- the figure -----------------------------------------------------------------------------------------------------


@SHAPE.figure(
    "Variance (at scale one) and kurtosis of the generalised Gaussian law against its shape. The kurtosis falls to 9/5; the "
    "variance has a minimum at 9.115 and rises to 1/3 from there, which the inset shows.",
)
def _(ax: Any) -> None:
    case = constant(np.geomspace(0.7, 300.0, 400))
    variances, kurtoses = variance_by_gammas(case).value, kurtosis_by_gammas(case).value
    ax.loglog(case.shapes, kurtoses, "--C1", label=r"kurtosis, to $9/5$")
    ax.loglog(case.shapes, variances, "-C0", label=r"variance, to $1/3$")
    lowest = least_variance()
    ax.plot(minimum(), lowest, "oC0")
    ax.axhline(1.8, color="0.75", linewidth=0.8, zorder=0)
    ax.axhline(1 / 3, color="0.75", linewidth=0.8, zorder=0)
    ax.set(xlabel=r"shape $\beta$", ylabel="variance, kurtosis", xlim=(0.7, 300), ylim=(0.2, 60))
    ax.legend(loc="upper left", ncols=2)
    inset = ax.inset_axes((0.42, 0.56, 0.54, 0.26))
    inset.semilogx(case.shapes, variances, "-C0")
    inset.plot(minimum(), lowest, "oC0")
    inset.axhline(1 / 3, color="0.75", linewidth=0.8, zorder=0)
    inset.set(xlim=(4, 300), ylim=(0.31, 0.336))
    inset.tick_params(labelsize=8)
    inset.annotate(
        r"$\beta_0 = 9.115$", (minimum(), lowest), (12, -3), textcoords="offset points", fontsize="small"
    )
