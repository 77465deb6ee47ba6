"""The martingale loss projects the value (Jia and Zhou 2022): one loss that never sees the value, two ways to minimise it.

The sum of rewards to come is the value plus noise that is orthogonal to everything known at the time, so fitting the one is
fitting the other.  Summation by parts turns the normal equations into those of TD(1), if the features vanish at the horizon.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from mdplab.claims import Assumption, Claim, Equal, Known, Side
from mdplab.instances import Draw
from proofs_check.distributional.exact_ornstein_uhlenbeck import ExactGrid
from proofs_check.distributional.jia2021_objectives import POLYNOMIAL, SETTING, Evaluation, Method, solve
from proofs_check.distributional.ornstein_uhlenbeck import (
    Features,
    martingale_loss,
    mean_square_td,
    projection,
    random_process,
    td0,
    td1,
)

# --- instances ------------------------------------------------------------------------------------------------------


def misspecified(draw: Draw) -> Evaluation:
    """Reversion and volatility in (.3, 1.5), start variance in (.1, 1), horizon in (.5, 1.5); N in 3..40, powers of T - t."""
    return Evaluation(random_process(draw), draw.integer(3, 40), False)


def offset(draw: Draw) -> Evaluation:
    """The same, the second feature with a value in (0, 2) at the horizon."""
    return replace(misspecified(draw), offset=draw.number(0.0, 2.0))


LIFTED = replace(POLYNOMIAL, offset=1.0)


def with_constant(case: Evaluation) -> Features:
    """The features and a third one, constant."""
    square, constant = case.features()
    one = np.ones((square.shape[0], 1))
    return Features(np.hstack((square, 0 * one)), np.hstack((constant, one)))


# --- routes ---------------------------------------------------------------------------------------------------------


def fitted_returns(case: Evaluation) -> Side:
    """Minimiser of the martingale loss, from the moments of X_k^2 X_i^2 alone."""
    return solve(martingale_loss, case)


def fitted_value(case: Evaluation) -> Side:
    """Mean-square projection of the value A_k x^2 + B_k on the features."""
    return solve(projection, case)


def orthogonal(case: Evaluation, method: Method = td1) -> Side:
    """TD(1): accumulated features orthogonal to the TD errors."""
    return solve(method, case)


def exact_fit(case: Evaluation, *, value: bool) -> Array:
    """Mean-square fit of the value, or of the sum of rewards to come, in balls."""
    grid = ExactGrid(case.process, case.n_steps)
    return grid.fitted(grid.power_features(mdplab.exact.rational(case.offset)), value=value)


def exact_td1(case: Evaluation) -> Array:
    """TD(1) in balls."""
    grid = ExactGrid(case.process, case.n_steps)
    return grid.orthogonal(grid.power_features(mdplab.exact.rational(case.offset)), accumulated=True)


# --- the claim ------------------------------------------------------------------------------------------------------

PROJECTION = Claim(
    "ctmartingale-loss-is-projection",
    title="The minimiser of the martingale loss is the mean-square projection of the value, and TD(1) finds it",
    papers=("jia2021martingale",),
    provenance="our formalisation",
    statement=SETTING
    + r"""
    For the (misspecified) features $\phi = ((T-t) x^2, (T-t)^2)$ and every $\Delta$, with all sums over $k = 0..N-1$,

    (loss) the minimiser of the martingale loss $\Delta \sum_k \mathbb{E} (\sum_{i \ge k} \Delta X_i^2 - \theta^\top
    \phi_k)^2$ is that of the value error $\Delta \sum_k \mathbb{E} (V_k - \theta^\top \phi_k)^2$,

    (TD(1)) and it solves $\sum_k \mathbb{E}\, \xi_k \delta_k(\theta) = 0$ with $\xi_k = \Delta \sum_{j \le k} \phi_j$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "in (TD(1)): the features vanish at the horizon",
            "a feature that does not vanish at the horizon",
            lambda case: case.offset == 0.0,
            wider=offset,
        ),
    ),
    instance_family=misspecified,
    witnesses=(POLYNOMIAL,),
    instances=60,
)
CONDITION = "rounding of the sums times the condition of systems of two features"

loss_part = PROJECTION.part(
    "(loss)",
    "the minimiser of the martingale loss is the projection of the value",
    Equal(fitted_returns, fitted_value),
    resolution=1e-9,
    reason=CONDITION,
    family=offset,
    witnesses=(POLYNOMIAL, LIFTED),
    assumes=(),
    exact=(partial(exact_fit, value=False), partial(exact_fit, value=True)),
)
td1_part = PROJECTION.part(
    "(TD(1))",
    "TD(1) finds the projection of the value",
    Equal(orthogonal, fitted_value),
    resolution=1e-9,
    reason=CONDITION,
    exact=(exact_td1, partial(exact_fit, value=True)),
)


@PROJECTION.known(POLYNOMIAL)
def _(case: Evaluation) -> Iterator[Known]:
    common = "0.5302574307797333 0.1799992345677310"
    for name, method, printed in (
        ("martingale loss", martingale_loss, common),
        ("projection", projection, common),
        ("TD(1)", td1, common),
        ("TD(0)", td0, "0.4326696356272466 0.1130417978082873"),
        ("mean-square TD error", mean_square_td, "0.0456548147461587 0.2988178461077231"),
    ):
        found = solve(method, case)
        yield Known(name, printed, found.value, float(np.max(found.error)))
    three = with_constant(case)
    weights, error = projection(case.process, three).solve()
    printed = "0.52382603 0.12762740 0.03439556"
    yield Known("projection on a third, constant feature too", printed, weights, float(error[0]))
    system = td1(case.process, three)
    yield Known("TD(1) with it: third column of the system", "0 0 0", system.matrix[:, 2], 1e-14)
    nearest = np.linalg.lstsq(system.matrix[:, :2], system.right, rcond=None)[0]
    residual = np.linalg.norm(system.matrix[:, :2] @ nearest - system.right)
    yield Known("least residual of TD(1) with it: no solution", "0.00812583", residual, 1e-12)


@PROJECTION.known(LIFTED)
def _(case: Evaluation) -> Iterator[Known]:
    found = fitted_value(case)
    yield Known(
        "projection, second feature 1 + (T-t)^2",
        "0.53664351 0.05948517",
        found.value,
        float(np.max(found.error)),
    )


# --- what must fail -------------------------------------------------------------------------------------------------

loss_part.control(
    "TD(0) in the place of the martingale loss",
    kind="mutation",
    instance=POLYNOMIAL,
    left=partial(orthogonal, method=td0),
    specified="0.0975877951524867",  # .5302574307797333 - .4326696356272466
)
td1_part.control(
    "TD(0) in the place of TD(1)",
    kind="mutation",
    instance=POLYNOMIAL,
    left=partial(orthogonal, method=td0),
    specified="0.0975877951524867",
)
td1_part.control(
    "a feature that does not vanish at the horizon",
    kind="assumption",
    drops="A1",
    instance=LIFTED,
    specified="0.50625442 0.22104419",
    measure=lambda outcome: outcome.left,
)


# --- the figure -----------------------------------------------------------------------------------------------------


@PROJECTION.figure(
    "Mean-square error of the value in excess of the least (levels of its root), as a function of the two weights, and what "
    "the methods find (OU process, N = 40): the martingale loss and TD(1) the least error, TD(0) and the mean-square TD error "
    "other points."
)
def _(ax: Any) -> None:
    system = projection(POLYNOMIAL.process, POLYNOMIAL.features())
    best, _ = system.solve()
    first, second = np.meshgrid(np.linspace(-0.1, 0.8, 121), np.linspace(-0.1, 0.7, 121))
    apart = np.stack((first - best[0], second - best[1]), axis=-1)
    root = np.sqrt(np.einsum("...i,ij,...j->...", apart, system.matrix, apart))
    lines = ax.contour(first, second, root, levels=[0.03, 0.06, 0.12, 0.18], colors="0.6", linewidths=0.9)
    ax.clabel(lines, fontsize="small")
    for label, method, look, size in (
        ("martingale loss", martingale_loss, "oC0", 9),
        ("TD(1)", td1, "xk", 6),
        ("TD(0)", td0, "sC1", 6),
        ("mean-square TD error", mean_square_td, "^C2", 6),
    ):
        weights = np.asarray(solve(method, POLYNOMIAL).value)
        ax.plot(weights[0], weights[1], look, markersize=size, label=label)
    ax.set(xlabel=r"$\theta_1$", ylabel=r"$\theta_2$", ylim=(-0.1, 1.0))
    ax.legend(loc="upper right")
