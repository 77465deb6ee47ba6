"""Policy evaluation in continuous time as a martingale condition (Jia and Zhou 2022).

Along the true value the process "value plus accumulated reward" is a martingale.  Methods of temporal differences ask
this of a parametric family in different ways, and on a grid of step ``horizon / N`` each is a linear system.  The ones
that come from orthogonality conditions converge to their continuous counterparts at the rate of the step; the
minimiser of the mean-square TD error converges to something else, which evaluates nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, Claim, Known, Rate, Side
from mdplab.instances.draw import Draw
from mdplab.numerics import fit_rate
from proofs_check.distributional.ornstein_uhlenbeck import (
    OU,
    Features,
    LinearSystem,
    OrnsteinUhlenbeck,
    limit_martingale_loss,
    limit_td0,
    martingale_loss,
    mean_square_td,
    power_features,
    random_process,
    td0,
)

Method = Callable[[OrnsteinUhlenbeck, Features], LinearSystem]


@dataclass(frozen=True)
class Refinement:
    """An evaluation problem on a sequence of grids.

    Attributes
    ----------
    process : OrnsteinUhlenbeck
        Process and horizon T.
    sizes : tuple of int
        Numbers N of steps, growing.
    exponents : tuple of float
        The features are ``(T-t)^p x^2`` and ``(T-t)^q``.
    """

    process: OrnsteinUhlenbeck
    sizes: tuple[int, ...] = (40, 80, 160, 320)
    exponents: tuple[float, float] = (1.0, 2.0)


def refinement(draw: Draw) -> Refinement:
    """Reversion and volatility in (.3, 1.5), start variance in (.1, 1), horizon in (.5, 1.5); N = 40, ..., 320."""
    return Refinement(random_process(draw))


def any_exponents(draw: Draw) -> Refinement:
    """The same, the first exponent in (.25, 1.5): below one the feature has an infinite slope at the horizon."""
    return replace(refinement(draw), exponents=(draw.number(0.25, 1.5), 2.0))


OU_GRIDS = Refinement(OU)
ROUGH = Refinement(OU, exponents=(0.25, 2.0))


# --- routes: finite sums against quadrature -------------------------------------------------------------------------


def on_grids(method: Method, case: Refinement) -> Side:
    """Weights on each grid, shape (grids, 2): a linear system of finite sums of Gaussian moments."""
    solved = [
        method(case.process, power_features(case.process, n, case.exponents)).solve() for n in case.sizes
    ]
    return Side(np.array([weights for weights, _ in solved]), np.array([error for _, error in solved]))


def td0_on_grids(case: Refinement) -> Side:
    """TD(0) orthogonality on each grid: finite sums of Gaussian moments."""
    return on_grids(td0, case)


def martingale_loss_on_grids(case: Refinement) -> Side:
    """Martingale-loss minimiser on each grid: finite sums of Gaussian moments, without the value."""
    return on_grids(martingale_loss, case)


def mean_square_td_on_grids(case: Refinement) -> Side:
    """Minimiser of the mean-square TD error on each grid."""
    return on_grids(mean_square_td, case)


def td0_limit(case: Refinement, *, ito: bool = True) -> Side:
    """TD(0) in continuous time: generator and quadrature."""
    return Side(*limit_td0(case.process, case.exponents, ito=ito).solve())


def martingale_loss_limit(case: Refinement) -> Side:
    """Martingale loss in continuous time: projection of the value, quadrature."""
    return Side(*limit_martingale_loss(case.process, case.exponents).solve())


def steps(case: Refinement) -> FloatArray:
    """Steps of the grids."""
    return case.process.horizon / np.array(case.sizes, dtype=float)


def distances(method: Method, limit: Callable[[Refinement], Side], case: Refinement) -> FloatArray:
    """Largest error of the weights on each grid."""
    return np.asarray(np.abs(np.asarray(on_grids(method, case).value) - limit(case).value).max(axis=1))


# --- the claim ------------------------------------------------------------------------------------------------------

RATE = Claim(
    "ctmartingale-orthogonality-rate",
    title="Discretised orthogonality conditions converge to the continuous ones at the rate of the step",
    papers=("jia2021martingale",),
    provenance="our formalisation",
    statement=r"""
    Let $dX = -aX\,dt + \sigma\,dW$, $X_0 \sim N(0, v_0)$, running reward $x^2$ up to the horizon $T$, and the
    (misspecified) features $\phi = ((T-t) x^2, (T-t)^2)$. On the grid $t_k = k\Delta$, $\Delta = T/N$, let
    $\delta_k(\theta) = \theta^\top(\phi_{k+1} - \phi_k) + \Delta X_k^2$. Then

    (a) the solution $\theta_\Delta$ of $\sum_k \mathbb{E}\, \phi_k \delta_k(\theta) = 0$ (TD(0)) and the solution
    $\theta_0$ of
    $$\mathbb{E} \int_0^T \phi\, (\partial_t \phi^\top\theta + \mathcal{L}\phi^\top\theta + X^2)\, dt = 0,
      \qquad \mathcal{L} f = -a x f' + \tfrac{\sigma^2}{2} f'',$$
    (b) the minimiser $\theta_\Delta$ of $\Delta \sum_k \mathbb{E} (\sum_{i \ge k} \Delta X_i^2 - \theta^\top\phi_k)^2$
    (martingale loss) and the projection $\theta_0$ of the value $A(t) x^2 + B(t)$ on the features

    satisfy $|\theta_\Delta - \theta_0|_\infty = O(\Delta)$, and on the processes drawn here the order is one exactly: the
    slope of the logarithm of the error over $\log\Delta$ between successive $N = 40, 80, 160, 320$ lies in $[.9, 1.1]$.
    """,
    assumptions=(
        Assumption(
            "A1",
            r"features that are continuously differentiable in $t$ up to the horizon",
            "a feature with an infinite slope at the horizon",
            lambda case: min(case.exponents) >= 1.0,
            wider=any_exponents,
        ),
        Assumption(
            "A2",
            "the limit system is invertible",
            DEFINITIONAL,
            lambda case: bool(np.linalg.cond(limit_td0(case.process, case.exponents).matrix) < 1e8),
        ),
    ),
    instance_family=refinement,
    witnesses=(OU_GRIDS,),
    instances=200,
)

SLOPE = (
    "rounding of the sums over the smallest error; the window of the slope is the tolerance of the statement"
)
td0_part = RATE.part(
    "(a)",
    r"TD(0): $|\theta_\Delta - \theta_0|_\infty$ falls with $\Delta$ at a slope in $[.9, 1.1]$",
    Rate(td0_on_grids, td0_limit, parameter=steps, window=(0.9, 1.1)),
    resolution=1e-3,
    reason=SLOPE,
    quantifier="limit",
    exact="a slope between refinements inside a window: an observation of a limit, which no exact number decides",
)
loss_part = RATE.part(
    "(b)",
    r"martingale loss: $|\theta_\Delta - \theta_0|_\infty$ falls with $\Delta$ at a slope in $[.9, 1.1]$",
    Rate(martingale_loss_on_grids, martingale_loss_limit, parameter=steps, window=(0.9, 1.1)),
    resolution=1e-3,
    reason=SLOPE,
    quantifier="limit",
    exact="a slope between refinements inside a window: an observation of a limit, which no exact number decides",
)


@RATE.known(OU_GRIDS)
def _(case: Refinement) -> Iterator[Known]:
    fine = Refinement(case.process, sizes=(20, *case.sizes))
    for name, method, limit, printed_limit, printed_errors, printed_slope in (
        (
            "TD(0)",
            td0,
            td0_limit,
            "0.4213064901233224 0.1151760977562174",
            "0.0228800305 0.0113631455 0.0056624155 0.0028264258 0.0014120183",
            "1.0028",
        ),
        (
            "martingale loss",
            martingale_loss,
            martingale_loss_limit,
            "0.5215267821121141 0.1858709333321707",
            "0.0176256604 0.0087306487 0.0043449369 0.0021673927 0.0010824301",
            "1.0039",
        ),
    ):
        found = limit(case)
        yield Known(f"{name}: limit", printed_limit, found.value, float(np.max(found.error)))
        errors = distances(method, limit, fine)
        bound = float(np.max(on_grids(method, fine).error) + np.max(found.error))
        yield Known(f"{name}: errors at N = 20, ..., 320", printed_errors, errors, bound)
        yield Known(f"{name}: fitted slope", printed_slope, fit_rate(steps(case), errors[1:]).slope, 1e-8)


# --- what must fail -------------------------------------------------------------------------------------------------


def finest_minimiser(_: Any) -> Any:
    return np.asarray(mean_square_td_on_grids(OU_GRIDS).value)[-1]


for part, name in ((td0_part, "TD(0)"), (loss_part, "martingale loss")):
    part.control(
        f"the minimiser of the mean-square TD error in the place of {name}",
        kind="mutation",
        instance=OU_GRIDS,
        left=mean_square_td_on_grids,
        specified="0.0058667167 0.3143330177",
        measure=finest_minimiser,
    )
td0_part.control(
    "the generator without its second-order term",
    kind="mutation",
    instance=OU_GRIDS,
    right=partial(td0_limit, ito=False),
)
td0_part.control(
    "a feature with an infinite slope at the horizon", kind="assumption", drops="A1", instance=ROUGH
)


# --- the figure -----------------------------------------------------------------------------------------------------


@RATE.figure(
    "Distance of the weights on a grid of step T/N to the continuous limit of their method (OU process, N = 20 to "
    "2560); the dashed line has slope one. The minimiser of the mean-square TD error stays away from both limits."
)
def _(ax: Any) -> None:
    case = Refinement(OU, sizes=tuple(20 * 2**k for k in range(8)))
    x = steps(case)
    curves = (
        ("TD(0)", td0, td0_limit, "o-C0"),
        ("martingale loss", martingale_loss, martingale_loss_limit, "s-C1"),
        ("mean-square TD, limit of TD(0)", mean_square_td, td0_limit, "^-C2"),
        ("mean-square TD, limit of the loss", mean_square_td, martingale_loss_limit, "v-C3"),
    )
    for label, method, limit, look in curves:
        ax.loglog(x, distances(method, limit, case), look, label=label)
    ax.loglog(x, 0.1 * x, "--", color="0.45", label="slope 1")
    ax.set(xlabel=r"step $\Delta$", ylabel=r"$|\theta_\Delta - \theta_0|_\infty$", ylim=(5e-5, 3000.0))
    ax.legend(loc="upper left")
