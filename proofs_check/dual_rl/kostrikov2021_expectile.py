"""Expectile backups (Kostrikov, Nair and Levine 2021, IQL), as used against corrupted data (Yang et al. 2023, RIQL).

The expectile of the values in the data rises to the largest of them; how fast is told by the mass of the largest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Known, Method, Side, right_side
from mdplab.claims.tolerances import rounding
from proofs_check.dual_rl import exact_locations as exact
from proofs_check.dual_rl.location_tasks import LocationTask, expectile_law_task, three_atoms

# --- the routes -----------------------------------------------------------------------------------------------------


def expectiles(task: LocationTask) -> Side:
    """Expectiles by a monotone root of the derivative of the asymmetric square, at all weights."""
    found = [solvers.implicit_maximiser(task.law, loss="expectile", weight=float(w)) for w in task.weights]
    return Side([f.value for f in found], [f.certificate.bound for f in found])


def closed(task: LocationTask) -> Side:
    """Expectiles in closed form: the weighted mean that lies between the atoms that it counts above and below."""
    x, p = task.atoms, task.masses
    found = []
    for w in task.weights:
        for k in range(x.size):
            count = p * np.where(np.arange(x.size) > k, w, 1 - w)
            # the top less the mean distance from it: no cancellation where the expectile is near the top
            v = x[-1] - float(count @ (x[-1] - x) / count.sum())
            if k == x.size - 1 or v <= x[k + 1]:
                break
        found.append(v)
    return Side(found, rounding(4 * np.abs(x).max() / task.top_mass, 4 * x.size + 12))


def gap(task: LocationTask) -> Side:
    """Distance of the expectiles to the largest atom, by a monotone root."""
    found = expectiles(task)
    return Side(task.top - np.asarray(found.value), np.asarray(found.error) + rounding(task.top, 1))


def closed_gap(task: LocationTask) -> Side:
    """Distance of the expectiles to the largest atom, by the weighted mean."""
    found = closed(task)
    return Side(task.top - np.asarray(found.value), np.asarray(found.error) + rounding(task.top, 1))


def nothing(task: LocationTask) -> Side:
    """Zero."""
    return Side(np.zeros(task.weights.size))


def scaled(task: LocationTask, mass: float) -> FloatArray:
    """``(1 - tau) / tau (x* - E X) / mass``."""
    distance = float(task.masses @ (task.top - task.atoms))
    return np.asarray((1 - task.weights) / task.weights * distance / mass)


def bound(task: LocationTask) -> Side:
    """(1 - tau) / tau (x* - E X) / p_n."""
    value = scaled(task, task.top_mass)
    # 1 - tau is exact above 1/2; the difference of two doubles
    return Side(value, rounding(value + np.abs(task.atoms).max() * value, 2 * task.atoms.size + 16) + 1e-16)


def before(task: LocationTask) -> Side:
    """Expectiles at all weights but the largest, by a monotone root."""
    found = expectiles(task)
    return Side(np.asarray(found.value)[:-1], np.asarray(found.error)[:-1])


def after(task: LocationTask) -> Side:
    """Expectiles at the next weights, by a monotone root."""
    found = expectiles(task)
    return Side(np.asarray(found.value)[1:], np.asarray(found.error)[1:])


def before_closed(task: LocationTask) -> Side:
    """Expectiles at all weights but the largest, by the weighted mean."""
    return Side(np.asarray(closed(task).value)[:-1], closed(task).error)


def after_closed(task: LocationTask) -> Side:
    """Expectiles at the next weights, by the weighted mean."""
    return Side(np.asarray(closed(task).value)[1:], closed(task).error)


# --- the claim ------------------------------------------------------------------------------------------------------

FIRST = three_atoms(0.5, 0.7, 0.9, 0.99, 0.999, 0.9999)
THOUSAND = three_atoms(0.999)

EXPECTILE = Claim(
    "expectile-max-limit",
    title=r"Expectiles rise to the largest value in the data at rate $(1-\tau)/\tau$",
    papers=("kostrikov2021iql", "yang2023riql"),
    provenance="as in the paper",
    theorem="limit of the expectiles; the rate is our addition",
    statement=r"""
    Let $X$ have atoms $x_1 < \dots < x_n = x^*$, $n \ge 2$, $p_n = \Pr(X = x^*)$, and let $v_\tau$ be its expectile,
    $(1-\tau)\,\mathbb E(v - X)_+ = \tau\,\mathbb E(X - v)_+$. Then (monotone) $v_\tau$ increases with $\tau$, and for every
    $\tau \in (0, 1)$
    $$0 \le x^* - v_\tau \le \frac{1-\tau}{\tau}\cdot\frac{x^* - \mathbb E X}{p_n},$$
    because $\mathbb E(v - X)_+ \le x^* - \mathbb E X$ for $v \le x^*$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "finite support, $n \\ge 2$, all $p_i > 0$",
            DEFINITIONAL,
            lambda task: task.atoms.size >= 2 and bool((task.masses > 0).all()),
        ),
    ),
    methods=(Method("Implicit Q-learning (IQL)", "dual in V", "asymmetric square (expectiles)", "the value towards the in-sample maximum, by semi-gradient"),),
    instance_family=expectile_law_task,
    witnesses=(FIRST,),
    instances=80,
)  # fmt: skip
EXPECTILE.part(
    "(monotone)",
    r"$v_\tau \le v_{\tau'}$ for $\tau < \tau'$",
    AtMost(before, after),
    resolution=1e-9,
    reason="proven signs of the derivative: 1e-11",
    cross_left=before_closed,
    cross_right=after_closed,
    exact=(exact.expectiles_before, exact.expectiles_after),
)
EXPECTILE.part(
    "(inside)",
    r"$0 \le x^* - v_\tau$",
    AtMost(nothing, gap),
    resolution=1e-9,
    reason="proven signs of the derivative: 1e-11",
    closed=("left",),
    cross_right=closed_gap,
    exact=(lambda task: 0 * exact.expectile_gap(task), exact.expectile_gap),
)
rate = EXPECTILE.part(
    "(rate)",
    r"$x^* - v_\tau \le \frac{1-\tau}\tau\,\frac{x^* - \mathbb E X}{p_n}$",
    AtMost(gap, bound),
    resolution=1e-9,
    reason="proven signs of the derivative: 1e-11",
    cross_left=closed_gap,
    closed=("right",),
    specified_tightness="0.99999",
    exact=(exact.expectile_gap, exact.expectile_bound),
)


@EXPECTILE.known(FIRST)
def _(task: LocationTask) -> Any:
    values, gaps = np.asarray(expectiles(task).value), np.asarray(gap(task).value)
    printed = ".9 1.3421052632 2.1923076923 2.8980582524"
    yield Known("expectiles at .5, .7, .9, .99", printed, values[:4], 1e-12)
    yield Known("gaps at 1e-3 and 1e-4", ".0104685942 .0010496851", gaps[4:], 1e-12)
    yield Known("bounds at 1e-3 and 1e-4", ".0105105105 .0010501050", np.asarray(bound(task).value)[4:])


rate.control(
    "divided by 1 in the place of $p_n$",
    kind="constant",
    instance=THOUSAND,
    right=lambda task: Side(scaled(task, 1.0), 1e-15),
    specified=".0021021",
    measure=right_side,
)


@EXPECTILE.figure(
    "Distance of the expectile to the largest value, for the values 0, 1, 3 with probabilities .5, .3, .2, and its bound "
    "(dashed): both fall with slope one, and the bound becomes sharp."
)
def _(ax: Any) -> None:
    tails = np.geomspace(0.5, 1e-6, 60)
    task = three_atoms(*(1 - tails))
    ax.plot(tails, np.asarray(gap(task).value), color="C0", label=r"$x^* - v_\tau$")
    ax.plot(tails, np.asarray(bound(task).value), color="C1", linestyle="--", label="bound")
    ax.set(xscale="log", yscale="log", xlabel=r"$1 - \tau$", ylabel="distance to the largest value")
    ax.legend(fontsize="small")
