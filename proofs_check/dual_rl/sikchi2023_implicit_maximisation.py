"""Implicit maximisation by semi-gradient dual-V losses (Sikchi et al. 2023, f-DVL).

Truncated conjugates return the largest value in the data, from a weight below one on; the full ones overshoot it by the
slope of the generator at zero.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Method, Side
from mdplab.claims.tolerances import complex_step_error, rounding
from proofs_check.dual_rl import exact_locations as exact
from proofs_check.dual_rl.location_routes import closed, located, log_sum_exp, size_of
from proofs_check.dual_rl.location_tasks import LocationTask, floored_task, steep_task, sure_task, three_atoms

TRUNCATED = ("truncated-total-variation", "truncated-chi-square")
LOSSES = (*TRUNCATED, "chi-square", "truncated-square", "total-variation", "gumbel")

# --- the routes -----------------------------------------------------------------------------------------------------


def massive(task: LocationTask) -> bool:
    """At least two atoms, all with mass."""
    return task.atoms.size >= 2 and bool((task.masses > 0).all())


def pairwise(side: Side, columns: slice) -> Side:
    """Some columns of a table."""
    value, error = np.asarray(side.value), np.asarray(side.error)
    return Side(value[:, columns], error[:, columns] if error.ndim == 2 else error)


def smaller(task: LocationTask) -> Side:
    """Smallest minimisers at all weights but the largest, by monotone roots (rows: losses)."""
    return pairwise(located(task, LOSSES), slice(None, -1))


def larger(task: LocationTask) -> Side:
    """Smallest minimisers at the next weights, by monotone roots."""
    return pairwise(located(task, LOSSES), slice(1, None))


def smaller_closed(task: LocationTask) -> Side:
    """Smallest minimisers at all weights but the largest, in closed form between the kinks."""
    return pairwise(closed(task, LOSSES), slice(None, -1))


def larger_closed(task: LocationTask) -> Side:
    """Smallest minimisers at the next weights, in closed form between the kinks."""
    return pairwise(closed(task, LOSSES), slice(1, None))


def truncated(task: LocationTask) -> Side:
    """Smallest minimisers of both truncated losses by monotone roots."""
    return located(task, TRUNCATED)


def largest(task: LocationTask) -> Side:
    """The largest atom."""
    return Side(np.full((2, task.weights.size), task.top))


def missing(task: LocationTask) -> Side:
    """Distance of the minimiser of the truncated square to the largest atom, by a monotone root."""
    found = located(task, ("truncated-square",))
    return Side(task.top - np.asarray(found.value), np.asarray(found.error) + rounding(task.top, 1))


def missing_closed(task: LocationTask) -> Side:
    """Distance of the minimiser of the truncated square to the largest atom, in closed form."""
    found = closed(task, ("truncated-square",))
    return Side(task.top - np.asarray(found.value), found.error)


def odds_against(task: LocationTask) -> FloatArray:
    """``(1 - lambda) / lambda``, shape (1, K)."""
    return np.asarray([(1 - task.weights) / task.weights])


def least_distance(task: LocationTask) -> Side:
    """(1 - lambda) / (2 lambda)."""
    return Side(odds_against(task) / 2, rounding(1.0, 6))


def most_distance(task: LocationTask) -> Side:
    """(1 - lambda) / (2 lambda p_n)."""
    return Side(odds_against(task) / (2 * task.top_mass), rounding(1 / task.top_mass, 8))


FULL = ("chi-square", "total-variation", "gumbel")


def full(task: LocationTask) -> Side:
    """Smallest minimisers of the full losses by monotone roots (chi-square, total variation, KL)."""
    return located(task, FULL)


def overshoot(task: LocationTask) -> Side:
    """x* + 2 - 2 (1 - lambda) / (lambda p_n), x* + 1/2, and log E e^x + log(lambda / (1 - lambda))."""
    square = task.top + 2 - 2 * odds_against(task)[0] / task.top_mass
    variation = np.full(task.weights.size, task.top + 0.5)
    gumbel = np.ravel(closed(task, ("gumbel",)).value)
    return Side([square, variation, gumbel], rounding(size_of(task), 8 * task.atoms.size + 24))


def places(task: LocationTask) -> FloatArray:
    """Nine places from below the smallest to above the largest atom."""
    return np.linspace(task.atoms[0] - 3.0, task.atoms[-1] + 1.0, 9)


def hinge_loss(task: LocationTask, v: FloatArray) -> FloatArray:
    """``(1 - lambda) v + lambda E (X - v)_+`` for every weight and place, shape (K, 9)."""
    excess = np.maximum(task.atoms[:, np.newaxis] - v, 0.0)
    return np.asarray(np.outer(1 - task.weights, v) + np.outer(task.weights, task.masses @ excess))


def secants(task: LocationTask) -> Side:
    """Steepness of the truncated total-variation loss between neighbouring places (rows: weights)."""
    v = places(task)
    slopes = np.diff(hinge_loss(task, v), axis=1) / np.diff(v)
    return Side(
        np.abs(slopes), rounding(4 + np.abs(v).max() + np.abs(task.atoms).max(), 4 * task.atoms.size + 16)
    )


def mean_slopes(task: LocationTask) -> Side:
    """|1 - lambda - lambda P(X > v)|, averaged between neighbouring places."""
    v = places(task)
    low, high = v[:-1], v[1:]
    above = task.masses @ (np.clip(task.atoms[:, np.newaxis], low, high) - low) / (high - low)
    slopes = np.subtract.outer(1 - task.weights, 0 * above) - np.outer(task.weights, above)
    return Side(
        np.abs(slopes), rounding(4 + np.abs(v).max() + np.abs(task.atoms).max(), 4 * task.atoms.size + 16)
    )


def steepest(task: LocationTask) -> Side:
    """max(lambda, 1 - lambda)."""
    most = np.maximum(task.weights, 1 - task.weights)
    return Side(np.repeat(most[:, np.newaxis], 8, axis=1), rounding(1.0, 2))


def low_places(task: LocationTask) -> FloatArray:
    """Places below all atoms."""
    return np.asarray(task.atoms[0] - np.array([0.1, 1.0, 4.0]))


def derivatives(task: LocationTask) -> Side:
    """Derivatives of the chi-square and Gumbel losses below all atoms by complex steps."""
    losses: tuple[Callable[[Any], Any], ...] = (lambda y: y + y * y / 4, np.exp)
    y = task.atoms - low_places(task)[:, np.newaxis] - 1e-30j
    w = task.weights[:, np.newaxis]
    rows = [1 - w + w * np.imag(task.masses @ loss(y).T) / 1e-30 for loss in losses]
    return Side(rows, complex_step_error(np.array(rows), 4 * task.atoms.size + 24))


def growth(task: LocationTask) -> Side:
    """1 - 2 lambda - lambda (E X - v) / 2 and 1 - lambda - lambda e^{-v} E e^X."""
    v, w = low_places(task), task.weights[:, np.newaxis]
    linear = 1 - 2 * w - w * (task.masses @ task.atoms - v) / 2
    exponential = 1 - w - w * np.exp(log_sum_exp(task) - v)
    size = float(np.abs(exponential).max()) * (2 + float(np.abs(task.atoms).max()))
    return Side([linear, exponential], rounding(size + 10, 4 * task.atoms.size + 32))


SURE, NEAR = three_atoms(0.9, 0.99), three_atoms(0.999)
LADDER = three_atoms(0.6, 0.8, 0.9, 0.99)

FDVL = Claim(
    "fdvl-implicit-maximiser",
    title="Truncated conjugates return the largest value in the data, full ones overshoot it",
    papers=("sikchi2023dual",),
    provenance="as in the paper",
    theorem="limit lemma of f-DVL; thresholds, overshoot and rates are our addition",
    statement=r"""
    Let $X$ have atoms $x_1 < \dots < x_n = x^*$, $p_n = \Pr(X = x^*)$, and let $v_\lambda$ be the smallest minimiser of
    $(1-\lambda)v + \lambda\,\mathbb E\,\varphi(X - v)$.

    (a) $v_\lambda$ does not decrease in $\lambda$. (b) Truncated total variation $\varphi = \max(y, 0)$ and truncated
    chi-square $\varphi = (y + y^2/4)1\{y > 0\}$: $v_\lambda = x^*$ for every $\lambda > 1/(1 + p_n)$. (c) $\varphi = y_+^2$:
    $\frac{1-\lambda}{2\lambda} \le x^* - v_\lambda \le \frac{1-\lambda}{2\lambda p_n}$, so the limit $x^*$ is not attained.
    (d) Full conjugates tend to $x^* - f'(0)$: chi-square is $x^* + 2 - \frac{2(1-\lambda)}{\lambda p_n}$ once this exceeds
    $x_{n-1} + 2$, total variation $x^* + \frac12$, and KL, with $f'(0) = -\infty$, diverges. (e) The loss of (b) with total
    variation is Lipschitz with $\max(\lambda, 1-\lambda)$, whereas below all atoms the derivative grows linearly for
    chi-square and exponentially for KL.
    """,
    methods=(
        Method(
            "f-DVL",
            "dual in V",
            "total variation or chi-square, truncated",
            "the occupancy against the data, by semi-gradient",
        ),
    ),
    assumptions=(Assumption("A1", "finite support", DEFINITIONAL), Assumption("A2", "$p_n > 0$", DEFINITIONAL, massive)),
    instance_family=floored_task,
    witnesses=(LADDER,),
    instances=60,
)  # fmt: skip
FDVL.part(
    "(a)",
    r"$v_\lambda \le v_{\lambda'}$ for $\lambda < \lambda'$ (six losses)",
    AtMost(smaller, larger),
    resolution=1e-9,
    reason="proven signs of the derivative: 1e-12",
    instances=30,
    cross_left=smaller_closed,
    cross_right=larger_closed,
    exact=(exact.smaller, exact.larger),
)
in_support = FDVL.part(
    "(b)",
    r"truncated losses: $v_\lambda = x^*$ for $\lambda > 1/(1+p_n)$",
    Equal(truncated, largest),
    resolution=1e-9,
    reason="proven signs of the derivative: 1e-12",
    family=sure_task,
    witnesses=(SURE, NEAR),
    exact=(exact.truncated, exact.largest),
)
FDVL.part(
    "(c)",
    r"$\varphi = y_+^2$: $x^* - v_\lambda \le \frac{1-\lambda}{2\lambda p_n}$",
    AtMost(missing, most_distance),
    resolution=1e-9,
    reason="proven signs of the derivative: 1e-12",
    cross_left=missing_closed,
    closed=("right",),
    exact=(exact.missing, exact.most_distance),
)
FDVL.part(
    "(c, not attained)",
    r"$\varphi = y_+^2$: $x^* - v_\lambda \ge \frac{1-\lambda}{2\lambda}$",
    AtMost(least_distance, missing),
    resolution=1e-9,
    reason="proven signs of the derivative: 1e-12",
    cross_right=missing_closed,
    closed=("left",),
    exact=(exact.least_distance, exact.missing),
)
FDVL.part(
    "(d)",
    r"full losses: $x^* + 2 - \frac{2(1-\lambda)}{\lambda p_n}$, $x^* + \frac12$, and divergence",
    Equal(full, overshoot),
    resolution=1e-9,
    reason="proven signs of the derivative: 1e-12",
    family=steep_task,
    witnesses=(NEAR,),
    exact=(exact.full, exact.overshoot),
)
flat = FDVL.part(
    "(e)",
    r"truncated total variation: slope at most $\max(\lambda, 1-\lambda)$",
    AtMost(secants, steepest),
    resolution=1e-10,
    reason="rounding of a secant",
    cross_left=mean_slopes,
    closed=("right",),
    exact=(exact.secants, exact.steepest),
)
FDVL.part(
    "(e, growth)",
    "below all atoms: linear for chi-square, exponential for KL",
    Equal(derivatives, growth),
    resolution=lambda task: 1e-10 * float(np.abs(growth(task).value).max()),
    reason="complex steps and closed forms: rounding",
    exact="the left side is a complex step",
)


@FDVL.known(LADDER)
def _(task: LocationTask) -> Any:
    printed = {
        "truncated-total-variation": "0 1 3 3",
        "truncated-chi-square": "1 2.5 3 3",
        "chi-square": "1.5666666667 2.8 3.8888888889 4.8989898990",
        "truncated-square": "1.3333333333 2.375 2.7222222222 2.9747474747",
        "gumbel": "2.0793025195 3.0601317725 3.8710619887 6.2689572615",
        "total-variation": "2.5 2.5 3.5 3.5",
    }
    for loss, numbers in printed.items():
        yield Known(f"{loss} at weights .6, .8, .9, .99", numbers, located(task, (loss,)).value, 1e-12)
    yield Known("threshold", ".8333", 1 / (1 + task.top_mass))


in_support.control(
    "the full chi-square in the place of the truncated losses",
    kind="mutation",
    instance=NEAR,
    left=lambda task: located(task, ("chi-square", "chi-square")),
    specified="4.98998999",
    measure=lambda o: o.left[0],
)
flat.control(
    r"the constant $\min(\lambda, 1-\lambda)$",
    kind="constant",
    instance=LADDER,
    right=lambda task: Side(1 - np.asarray(steepest(task).value), 1e-15),
)


@FDVL.figure(
    "Minimisers of five losses for the values 0, 1, 3 with probabilities .5, .3, .2. Truncated losses reach the largest "
    "value 3 at a weight below one (total variation and chi-square) or in the limit (square); the full chi-square tends to "
    "5, KL rises without limit."
)
def _(ax: Any) -> None:
    nines = np.linspace(0.31, 3.0, 200)
    task = three_atoms(*(1 - 10.0**-nines))
    names = {
        "truncated-total-variation": "truncated total variation",
        "truncated-chi-square": "truncated chi-square",
        "truncated-square": r"$y_+^2$",
        "chi-square": "chi-square",
        "gumbel": "KL",
    }
    for k, (loss, label) in enumerate(names.items()):
        ax.plot(nines, np.ravel(closed(task, (loss,)).value), color=f"C{k}", label=label)
    for level in (task.top, task.top + 2):
        ax.axhline(level, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    ax.annotate("$x^*$", (3.0, task.top), ha="right", va="bottom", color="0.35")
    ax.annotate("$x^* + 2$", (3.0, task.top + 2), ha="right", va="bottom", color="0.35")
    ax.set(xlabel=r"$-\log_{10}(1 - \lambda)$", ylabel=r"minimiser $v_\lambda$", ylim=(-0.2, 7.0))
    ax.legend(fontsize="small")
