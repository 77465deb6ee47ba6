"""Forward and backward gradients of distribution correction (Mao, Xu, Zhang and Zhan 2024).

The loss of a residual sees the value twice.  In tabular form both gradients always conflict, mass leaving against mass
arriving; the part of the backward one that is orthogonal to the forward one interferes with nothing, and with a large enough
coefficient the step lowers the true loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Side
from mdplab.claims.tolerances import rounding
from mdplab.divergences import f_divergence
from mdplab.operators import flow_matrix
from proofs_check.dual_rl import exact_dice as exact
from proofs_check.dual_rl.dice_tasks import (
    GradientTask,
    chain_task,
    corner_task,
    gradient_task,
    holed_gradient_task,
    two_state_gradient,
)
from proofs_check.dual_rl.gradient_routes import difference, residual, rounding_of_weights

# --- the routes -----------------------------------------------------------------------------------------------------


def gradient_sum(task: GradientTask) -> Side:
    """g_f + g_b in the values."""
    return Side(task.tabular.full, rounding_of_weights(task, task.value))


def differences(task: GradientTask) -> Side:
    """Central differences of the loss in the values."""
    rows = [difference(task, task.value, move) for move in np.eye(task.value.size)]
    return Side([slope for slope, _ in rows], [error for _, error in rows])


def product_error(task: GradientTask) -> float:
    """What errors of masses in the 1-norm cost the inner product of both gradients, and rounding of the sum."""
    found, off = task.tabular, rounding_of_weights(task, task.value)
    size = float(np.abs(found.forward).max() + np.abs(found.backward).max())
    product = float(np.abs(found.forward) @ np.abs(found.backward))
    return (size + off) * off + float(rounding(product, 2 * task.data.size + 24))


def inner_product(task: GradientTask) -> Side:
    """g_f . g_b in the values."""
    found = task.tabular
    return Side(found.forward @ found.backward, product_error(task))


def meeting_masses(task: GradientTask) -> Side:
    """-gamma times the sum over pairs of D(s, a) P(s'|s, a) D(s')."""
    y = residual(task, task.value, task.value) / task.strength
    mass = task.data * f_divergence(task.divergence).weight(y)
    met = np.einsum("sa,sat,tb->", mass, np.asarray(task.mdp.transition), mass)
    return Side(-task.mdp.discount * met, product_error(task))


def zero(task: GradientTask) -> Side:
    """Zero."""
    return Side(0.0)


def conflict(task: GradientTask) -> Side:
    """Whether g_f . g_b < 0 (1 or 0)."""
    found = task.tabular
    return Side(float(found.forward @ found.backward < 0))


def mass_meets_inflow(task: GradientTask) -> Side:
    """Whether some state has mass and inflow: a walk over the pairs with mass (1 or 0)."""
    y = residual(task, task.value, task.value) / task.strength
    busy = task.data * f_divergence(task.divergence).weight(y) > 0
    sources = [(s, a) for s, a in np.argwhere(busy)]
    reached = {int(t) for s, a in sources for t in np.flatnonzero(np.asarray(task.mdp.transition)[s, a])}
    return Side(float(bool(reached & {int(s) for s, _ in sources})))


def square_error(task: GradientTask) -> float:
    """What an error of g_f in the 1-norm costs its square, and rounding of the sum."""
    forward, off = task.tabular.forward, rounding_of_weights(task, task.value)
    return (2 * float(np.abs(forward).max()) + off) * off + float(
        rounding(forward @ forward, forward.size + 8)
    )


def along_forward(task: GradientTask) -> Side:
    """(g_f + eta g_perp) . g_f; whatever the errors of both gradients, only the projection's own rounding comes with eta."""
    found = task.tabular
    product = task.scale * float(np.linalg.norm(found.forward) * np.linalg.norm(found.backward))
    error = square_error(task) + rounding(product, 6 * task.value.size + 24)
    return Side(-found.direction(task.scale) @ found.forward, error)


def forward_square(task: GradientTask) -> Side:
    """|g_f|^2, the sum of squares of the masses of the states."""
    y = residual(task, task.value, task.value) / task.strength
    mass = (task.data * f_divergence(task.divergence).weight(y)).sum(axis=1)
    return Side((mass**2).sum(), square_error(task))


def frozen_slope(task: GradientTask) -> Side:
    """Central difference of the loss with frozen targets along the projected step, negated."""
    slope, error = difference(task, task.value, task.tabular.direction(task.scale), frozen=True)
    return Side(-slope, error + float(np.asarray(along_forward(task).error)))


def scales(task: GradientTask) -> tuple[float, float]:
    """1.01 and .99 of the threshold; where every scale descends, 0 and nothing below (twice 0)."""
    found = task.linear.threshold
    if math.isinf(found):  # the projection vanishes: no scale is large enough
        return 1e6, 0.0
    return 1.01 * found, 0.99 * found


def signs(task: GradientTask) -> tuple[float, float]:
    """Below the threshold the step ascends; at threshold 0 both scales are 0, and both descend."""
    return 1.0, -1.0 if task.linear.threshold > 0 else 1.0


def linear_error(task: GradientTask, scale: float) -> float:
    """Rounding of an inner product with the projected step, in the coefficients."""
    found = task.linear
    value = task.features @ task.coefficients
    size = float(np.abs(found.forward).sum() + np.abs(found.backward).sum()) * (1 + scale)
    return 16 * size * (1 + float(np.abs(task.features).sum())) * rounding_of_weights(task, value)


def slopes(task: GradientTask) -> Side:
    """Slope of the true loss along the step just above the threshold, and minus that just below it."""
    found = task.linear
    values = [
        sign * float(found.full @ found.direction(s))
        for s, sign in zip(scales(task), signs(task), strict=True)
    ]
    return Side(values, [linear_error(task, scale) for scale in scales(task)])


def slope_differences(task: GradientTask) -> Side:
    """The same slopes by central differences of the loss."""
    value, rows = task.features @ task.coefficients, []
    for scale, sign in zip(scales(task), signs(task), strict=True):
        move = task.linear.direction(scale)
        slope, error = difference(task, value, np.asarray(task.features @ move))
        rows.append((sign * slope, error))
    return Side([slope for slope, _ in rows], [error for _, error in rows])


def no_slopes(task: GradientTask) -> Side:
    """Zero, twice."""
    return Side([0.0, 0.0])


# --- the claim ------------------------------------------------------------------------------------------------------

M2, CHAIN, CORNER = two_state_gradient(), chain_task(), corner_task()
PLANE = chain_task((1.0, 0.0), (2.0, 1.0))


def relative(tolerance: float, power: int = 1) -> Callable[[GradientTask], float]:
    """A tolerance relative to a power of the largest gradient, at least 1, of both forms."""

    def allowed(task: GradientTask) -> float:
        parts = [x for g in (task.tabular, task.linear) for x in (g.forward, g.backward)]
        return tolerance * max(1.0, *(float(np.abs(x).max()) for x in parts)) ** power

    return allowed


def moving(task: GradientTask) -> bool:
    """Some mass, and with features a forward gradient."""
    return bool(task.tabular.forward.any() and task.linear.forward.any())


def projected(task: GradientTask) -> bool:
    """A projection that does not vanish."""
    found = task.linear
    small = 1e-6 * float(np.abs(found.backward).max())
    return moving(task) and bool(np.abs(found.orthogonal).max() > small)


GEOMETRY = Claim(
    "odice-gradient-geometry",
    title="Forward and backward gradients always conflict in tabular form; projection removes the interference",
    papers=("mao2024odice",),
    provenance="our formalisation",
    theorem="non-interference and descent; the sign in tabular form and the threshold are ours",
    statement=r"""
    Let $L(\theta) = \alpha\langle d_O, f^*_p(\delta_{V_\theta}/\alpha)\rangle$ with $\delta_V = R - BV$, $V_\theta = \Phi\theta$,
    and $D = d_O\,w(\delta_V/\alpha) \ge 0$; forward gradient $g_f = -\Phi^\top D(\cdot)$, $D(s) = \sum_a D(s,a)$, backward
    gradient $g_b = \gamma\Phi^\top\sum_{s,a} D(s,a)P(\cdot|s,a)$, projection $g_\perp = g_b - \frac{g_f \cdot g_b}{\|g_f\|^2}
    g_f$, direction $-(g_f + \eta g_\perp)$.

    (i) $\nabla L = g_f + g_b$.

    (ii) In tabular form $g_f \cdot g_b \le 0$, and $< 0$ iff some state has both $D(s) > 0$ and inflow
    $\gamma\sum_{s',a}D(s',a)P(s|s',a) > 0$.

    (iii) $(g_f + \eta g_\perp) \cdot g_f = \|g_f\|^2$: to first order a step lowers the loss with frozen targets as the
    semi-gradient does.

    (iv) If $g_\perp \ne 0$, the step descends on the true $L$ iff $\|g_f\|^2 + g_f \cdot g_b + \eta\|g_\perp\|^2 > 0$, that is
    for $\eta > \max\{0, -(\|g_f\|^2 + g_f \cdot g_b)/\|g_\perp\|^2\}$; the semi-gradient, $\eta = 0$, may ascend.
    """,
    assumptions=(
        Assumption(
            "A1",
            "the conjugate of $f$ is differentiable",
            "a conjugate with a kink",
            lambda task: f_divergence(task.divergence).smooth,
        ),
        Assumption("A2", "$g_f \\ne 0$", DEFINITIONAL, moving),
        Assumption(
            "A3", r"for (iv) $g_\perp \ne 0$", "one feature: nothing is left of the projection", projected
        ),
    ),
    instance_family=gradient_task,
    witnesses=(M2, PLANE),
    instances=60,
)

DIFFERENCES = (
    "truncation of a central difference at step 1e-6, its rounding and that of weights: proven, 1e-6 relative"
)
gradient = GEOMETRY.part(
    "(i)",
    r"$g_f + g_b = \nabla L$",
    Equal(gradient_sum, differences),
    resolution=relative(1e-6),
    reason=DIFFERENCES,
    assumes=("A1",),
    exact="a derivative by differences; (iii) and (iv) have exact routes",
)
sign = GEOMETRY.part(
    "(ii)",
    r"$g_f \cdot g_b \le 0$ in tabular form",
    AtMost(inner_product, zero),
    resolution=relative(1e-11, 2),
    reason="rounding of weights, whose exponents reach tens, and of sums of products: 1e-11 of the squares",
    assumes=("A1",),
    cross_left=meeting_masses,
    closed=("right",),
    exact=(exact.inner_product, exact.zero),
)
strict = GEOMETRY.part(
    "(ii, strict)",
    r"$g_f \cdot g_b < 0$ iff some state has mass and inflow",
    Equal(conflict, mass_meets_inflow),
    family=holed_gradient_task,
    witnesses=(M2, CHAIN),
    resolution=0.0,
    reason="a comparison of sums of terms of one sign: no rounding",
    assumes=("A1",),
    exact=(exact.conflict, exact.mass_meets_inflow),
)
frozen = GEOMETRY.part(
    "(iii)",
    r"$(g_f + \eta g_\perp) \cdot g_f = \|g_f\|^2$",
    Equal(along_forward, forward_square),
    resolution=relative(1e-11, 2),
    reason="rounding of weights, whose exponents reach tens, and of the projection: 1e-11 of the squares",
    assumes=("A1", "A2"),
    exact=(exact.along_forward, exact.forward_square),
)
GEOMETRY.part(
    "(iii, first order)",
    r"with frozen targets the loss falls by $\|g_f\|^2$ per unit of the step",
    Equal(frozen_slope, forward_square),
    resolution=lambda task: (1 + task.scale) * relative(1e-6, 2)(task),
    reason=DIFFERENCES,
    assumes=("A1", "A2"),
    exact="a derivative by differences",
)
threshold = GEOMETRY.part(
    "(iv)",
    r"the loss falls along the step at 1.01 of the threshold, and rises at .99 of it where that is positive",
    AtMost(slopes, no_slopes),
    resolution=lambda task: (1 + sum(scales(task))) * relative(1e-5, 2)(task),
    reason=DIFFERENCES,
    cross_left=slope_differences,
    closed=("right",),
    exact=(exact.slopes, exact.no_slopes),
)


@GEOMETRY.known(M2)
def _(task: GradientTask) -> Any:
    found = task.tabular
    yield Known("mass", "0.3347430657 0.1779240876 0.1746350365 0.2151503650", found.mass)
    yield Known("forward gradient", "-0.5126671533 -0.3897854015", found.forward)
    yield Known("backward gradient", "0.4011175182 0.4110897810", found.backward)
    yield Known("coefficient of the projection", "-0.8821398737", found.coefficient)
    yield Known("projection", "-0.0511266196 0.0672445362", found.orthogonal)
    yield Known("loss", "-0.1452636496", found.loss)


@GEOMETRY.known(CHAIN)
def _(task: GradientTask) -> Any:
    found = task.linear
    yield Known("forward, backward, sum", "-1.5 2.7 1.2", [*found.forward, *found.backward, *found.full])
    moved = replace(task, coefficients=np.array([0.01])).linear
    yield Known("loss before and after a step", "1.25 1.262016", [found.loss, moved.loss])


# --- what must fail -------------------------------------------------------------------------------------------------


def forward_alone(task: GradientTask) -> Side:
    """g_f, the semi-gradient."""
    return Side(task.tabular.forward, rounding_of_weights(task, task.value))


def with_the_flow(task: GradientTask) -> Side:
    """Inner product of the mass with B' D, the negated full gradient, in the place of g_f . g_b."""
    found = task.tabular
    flow = flow_matrix(task.mdp).T @ found.mass.ravel()
    return Side(-found.forward @ flow, product_error(task))


def without_projection(task: GradientTask) -> Side:
    """(g_f + eta g_b) . g_f, the backward gradient unprojected."""
    found = task.tabular
    return Side((found.forward + task.scale * found.backward) @ found.forward, along_forward(task).error)


def semi_gradient_slopes(task: GradientTask) -> Side:
    """Slope of the true loss along the semi-gradient, as if it always descended; twice."""
    found = task.linear
    return Side([float(found.full @ found.direction(0.0))] * 2, linear_error(task, 0.0))


gradient.control("a conjugate with a kink", kind="assumption", drops="A1", instance=CORNER)
gradient.control("the semi-gradient", kind="mutation", instance=M2, left=forward_alone)
sign.control("what leaves added to what arrives", kind="mutation", instance=M2, left=with_the_flow)
frozen.control("the backward gradient unprojected", kind="mutation", instance=M2, left=without_projection)
threshold.control(
    "the semi-gradient, scale 0", kind="constant", instance=PLANE, left=semi_gradient_slopes, specified="1.8"
)
threshold.control(
    "one feature: nothing is left of the projection",
    kind="assumption",
    drops="A3",
    instance=CHAIN,
    specified="1.8",
)


# --- the figure -----------------------------------------------------------------------------------------------------


@GEOMETRY.figure(
    "Gradients of the residual loss of the two-state model at V = (5, 6), chi-square. Forward and backward gradient point "
    "almost against each other, so that little is left of their sum; the orthogonal part of the backward gradient does not "
    "touch the forward one."
)
def _(ax: Any) -> None:
    found = M2.tabular
    arrows = (
        (found.forward, "C0", "$g_f$", (0, -12)),
        (found.backward, "C1", "$g_b$", (4, 4)),
        (found.orthogonal, "C2", r"$g_\perp$", (-14, 8)),
        (found.full, "0.35", "$g_f + g_b$", (-62, -4)),
    )
    for vector, color, label, shift in arrows:
        ax.annotate(
            "",
            vector,
            (0.0, 0.0),
            arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 2, "shrinkA": 0, "shrinkB": 0},
        )
        ax.annotate(label, vector, shift, textcoords="offset points", color=color)
    ax.axhline(0, color="0.85", linewidth=0.8, zorder=0)
    ax.axvline(0, color="0.85", linewidth=0.8, zorder=0)
    ax.set(
        xlim=(-0.62, 0.55),
        ylim=(-0.5, 0.52),
        aspect="equal",
        xlabel="component of state 0",
        ylabel="component of state 1",
    )
