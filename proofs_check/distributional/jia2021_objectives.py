"""What the objectives of temporal differences find in continuous time (Jia and Zhou 2022).

The mean-square TD error at the true value does not vanish with the step: it converges to the quadratic variation of the
martingale "value plus accumulated reward".  Its minimiser kills this noise, not the error of the value.  The martingale
loss has the true value as its target in the mean, so its minimiser is the projection of the value, and TD(1) solves the
same equations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

import mdplab
from mdplab._typing import FloatArray
from mdplab.claims import Assumption, Claim, Equal, Known, Rate, Side, rounding
from mdplab.instances import Draw
from mdplab.numerics import fit_rate, gauss_legendre
from proofs_check.distributional.exact_ornstein_uhlenbeck import ExactGrid
from proofs_check.distributional.ornstein_uhlenbeck import (
    OU,
    Features,
    LinearSystem,
    OrnsteinUhlenbeck,
    exact_features,
    martingale_loss,
    mean_square_td,
    mean_square_td_error,
    power_features,
    random_process,
    td0,
    td1,
)

Method = Callable[[OrnsteinUhlenbeck, Features], LinearSystem]

# --- instances ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Evaluation:
    """A process, a grid and features.

    Attributes
    ----------
    process : OrnsteinUhlenbeck
        Process and horizon T.
    n_steps : int
        N of the exact statements.
    realizable : bool
        Whether the features are ``(A_k x^2, B_k)``; else ``((T-t) x^2, offset + (T-t)^2)``.
    sizes : tuple of int
        The N of the limits, growing.
    offset : float
        Value of the second feature at the horizon.
    """

    process: OrnsteinUhlenbeck
    n_steps: int
    realizable: bool
    sizes: tuple[int, ...] = (640, 1280, 2560, 5120)
    offset: float = 0.0

    def features(self, n_steps: int | None = None) -> Features:
        """The features on a grid, those that vanish left out."""
        n = n_steps or self.n_steps
        if not self.realizable:
            square, constant = power_features(self.process, n)
            return Features(square, np.add(constant, [0.0, self.offset]))
        square, constant = exact_features(self.process, n)
        there = np.any((square != 0) | (constant != 0), axis=0)
        return Features(square[:, there], constant[:, there])


def realizable(draw: Draw) -> Evaluation:
    """Reversion and volatility in (.3, 1.5), start variance in (.1, 1), horizon in (.5, 1.5); N in 3..40, features exact."""
    return Evaluation(random_process(draw), draw.integer(3, 40), True)


def any_features(draw: Draw) -> Evaluation:
    """Exact features half of the time, polynomial ones otherwise."""
    return replace(realizable(draw), realizable=bool(draw.boolean()))


COARSE = (40, 80, 160, 320)
TRUE = Evaluation(OU, 40, True, COARSE)
POLYNOMIAL = Evaluation(OU, 40, False, COARSE)
CALM = Evaluation(replace(OU, volatility=0.0), 40, True, COARSE)

# --- routes ---------------------------------------------------------------------------------------------------------


def solve(method: Method, case: Evaluation) -> Side:
    """Weights of a method on the grid."""
    return Side(*method(case.process, case.features()).solve())


def steps(case: Evaluation) -> FloatArray:
    """Steps of the grids."""
    return case.process.horizon / np.array(case.sizes, dtype=float)


def error_at_truth(case: Evaluation) -> Side:
    """Mean-square TD error of the true value on each grid: finite sums of Gaussian moments."""
    values, errors = [], []
    for n in case.sizes:
        features = exact_features(case.process, n)
        system = mean_square_td(case.process, features)
        values.append(mean_square_td_error(case.process, features, np.ones(2)))
        reward = 3 * n * (case.process.horizon / n * case.process.variance(case.process.grid(n)).max()) ** 2
        errors.append(system.matrix_error.sum() + 2 * system.right_error.sum() + float(rounding(reward, 80)))
    return Side(values, errors)


def quadratic_variation(case: Evaluation, *, factor: float = 4.0) -> Side:
    """``int 4 sigma^2 A(t)^2 v(t) dt`` by quadrature."""
    process = case.process

    def density(t: FloatArray) -> FloatArray:
        return factor * process.volatility**2 * process.value(t)[0] ** 2 * process.variance(t)

    found = gauss_legendre(density, 0.0, process.horizon, order=40)
    return Side(found.value, found.error)


def first_weights(case: Evaluation, method: Method = mean_square_td) -> Side:
    """First weight of the minimiser of the mean-square TD error on each grid: normal equations."""
    found = [method(case.process, case.features(n)).solve() for n in case.sizes]
    return Side([weights[0] for weights, _ in found], [error[0] for _, error in found])


def nothing(case: Evaluation) -> Side:
    """Zero, the limit of the first weight."""
    return Side(0.0)


ORTHOGONAL: tuple[Method, ...] = (td0, td1, martingale_loss)


def solutions(case: Evaluation, methods: tuple[Method, ...] = ORTHOGONAL) -> Side:
    """Weights of TD(0), TD(1) and of the martingale loss: linear systems of Gaussian moments."""
    found = [method(case.process, case.features()).solve() for method in methods]
    return Side([weights for weights, _ in found], [error for _, error in found])


def truth(case: Evaluation) -> Side:
    """The weights (1, 1) of the true value, three times."""
    return Side(np.ones((3, 2)))


def exact_solutions(case: Evaluation) -> list[Any]:
    """Weights of TD(0), TD(1) and of the martingale loss in balls."""
    grid = ExactGrid(case.process, case.n_steps)
    features = grid.exact_features()
    return [
        grid.orthogonal(features, accumulated=False),
        grid.orthogonal(features, accumulated=True),
        grid.fitted(features, value=False),
    ]


# --- the mean-square TD error ---------------------------------------------------------------------------------------

SETTING = r"""
    Let $dX = -aX\,dt + \sigma\,dW$, $X_0 \sim N(0, v_0)$, with running reward $x^2$ up to the horizon $T$. On the grid
    $t_k = k\Delta$, $\Delta = T/N$, the sum of rewards to come $\sum_{i \ge k} \Delta X_i^2$ has the value
    $V_k(x) = A_k x^2 + B_k$; $A(t)$ and $v(t)$ are the limit of $A_k$ and the variance of $X_t$. For features $\phi$ let
    $\delta_k(\theta) = \theta^\top(\phi_{k+1} - \phi_k) + \Delta X_k^2$.
"""
LIMIT = (
    "a slope between refinements inside a window: an observation of a limit, which no exact number decides"
)
SLOPE = (
    "rounding of the sums over the smallest error; the window of the slope is the tolerance of the statement"
)

MSVD = Claim(
    "ctmartingale-msvd-and-quadratic-variation",
    title="The mean-square TD error converges to the quadratic variation; minimising it does not find the value",
    papers=("jia2021martingale",),
    provenance="our formalisation",
    statement=SETTING
    + r"""
    Take the features $(A_k x^2, B_k)$, so that the value has the weights $(1, 1)$.

    (i) $\sum_k \mathbb{E}\, \delta_k(1, 1)^2 \to \int_0^T 4 \sigma^2 A(t)^2 v(t)\, dt$, the quadratic variation, with an
    error $O(\Delta)$.

    (ii) The minimiser of $\sum_k \mathbb{E}\, \delta_k(\theta)^2$ has $\theta_1 \to 0$ at the rate $\Delta$.

    (iii) TD(0), $\sum_k \mathbb{E}\, \phi_k \delta_k = 0$, TD(1), $\sum_k \mathbb{E} \sum_{j \le k} \phi_j \delta_k = 0$, and
    the minimiser of the martingale loss $\sum_k \mathbb{E} (\sum_{i \ge k} \Delta X_i^2 - \theta^\top \phi_k)^2$ are
    $(1, 1)$, for every $\Delta$.

    The rates are slopes between successive $N$ in $[.9, 1.1]$, here from $640$ to $5120$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "a family that holds the value",
            "polynomial features",
            lambda case: case.realizable,
            wider=any_features,
        ),
        Assumption("A2", r"noise, $\sigma > 0$", "no noise", lambda case: case.process.volatility > 0),
    ),
    instance_family=realizable,
    witnesses=(TRUE,),
    instances=60,
)
variation_part = MSVD.part(
    "(i)",
    r"$|\sum_k \mathbb{E}\, \delta_k(1, 1)^2 - \int_0^T 4 \sigma^2 A^2 v\, dt|$ falls with $\Delta$ at a slope in $[.9, 1.1]$",
    Rate(error_at_truth, quadratic_variation, parameter=steps, window=(0.9, 1.1)),
    resolution=1e-2,
    reason=SLOPE,
    quantifier="limit",
    exact=LIMIT,
)
vanishing_part = MSVD.part(
    "(ii)",
    r"$\theta_1$ of the minimiser of the mean-square TD error falls with $\Delta$ at a slope in $[.9, 1.1]$",
    Rate(first_weights, nothing, parameter=steps, window=(0.9, 1.1)),
    resolution=1e-2,
    reason=SLOPE,
    quantifier="limit",
    exact=LIMIT,
)
truth_part = MSVD.part(
    "(iii)",
    "TD(0), TD(1) and the martingale loss find the weights (1, 1) on every grid",
    Equal(solutions, truth),
    resolution=1e-9,
    reason="rounding of the sums times the condition of systems of two features",
    exact=(exact_solutions, lambda case: mdplab.exact.rational(np.ones((3, 2)))),
)


@MSVD.known(TRUE)
def _(case: Evaluation) -> Iterator[Known]:
    limit, found = quadratic_variation(case), error_at_truth(replace(case, sizes=(10, 40, 160)))
    yield Known("quadratic variation", "0.10334267523804846", limit.value, float(limit.error))  # type: ignore[arg-type]
    yield Known(
        "mean-square TD error of the truth, N = 10, 40, 160",
        "0.09407706662691712 0.100997244893331 0.10275426030342735",
        found.value,
        float(np.max(found.error)),
    )
    for n, printed in (
        (10, "0.2743763630 1.7484516107"),
        (40, "0.0776521415 1.8805979726"),
        (160, "0.0200557821 1.9171301364"),
    ):
        minimiser = solve(mean_square_td, replace(case, n_steps=n))
        yield Known(f"its minimiser, N = {n}", printed, minimiser.value, float(np.max(minimiser.error)))
    yield Known(
        "slope of the first weight", "0.98195", fit_rate(steps(case), first_weights(case).value).slope, 1e-8
    )
    distance = np.abs(np.asarray(error_at_truth(case).value) - limit.value)
    yield Known("slope of the error's distance", "0.99805", fit_rate(steps(case), distance).slope, 1e-8)


@MSVD.known(CALM)
def _(case: Evaluation) -> Iterator[Known]:
    found = first_weights(case)
    yield Known("without noise the first weight is 1", "1 1 1 1", found.value, float(np.max(found.error)))


variation_part.control(
    "half of the quadratic variation",
    kind="constant",
    instance=TRUE,
    right=partial(quadratic_variation, factor=2.0),
)
vanishing_part.control("no noise", kind="assumption", drops="A2", instance=CALM)
vanishing_part.control(
    "TD(0) in the place of the mean-square TD error",
    kind="mutation",
    instance=TRUE,
    left=partial(first_weights, method=td0),
)
truth_part.control(
    "the minimiser of the mean-square TD error",
    kind="mutation",
    instance=TRUE,
    left=partial(solutions, methods=(mean_square_td,) * 3),
    specified="0.9223478585",
)
truth_part.control("polynomial features", kind="assumption", drops="A1", instance=POLYNOMIAL)


@MSVD.figure(
    "First weight of three methods against the step (OU process, N = 10 to 1280; the true value has the weight one). TD(0) "
    "and the martingale loss find it on every grid; the minimiser of the mean-square TD error sends it to zero at the rate "
    "of the step (dashed: slope one)."
)
def _(ax: Any) -> None:
    case = replace(TRUE, sizes=tuple(10 * 2**k for k in range(8)))
    x = steps(case)
    for label, method, look in (
        ("TD(0)", td0, "o-C0"),
        ("martingale loss", martingale_loss, "xC1"),
        ("mean-square TD error", mean_square_td, "s-C2"),
    ):
        ax.loglog(x, first_weights(case, method).value, look, label=label)
    ax.loglog(x, 2 * x, "--", color="0.45", label="slope 1")
    ax.set(xlabel=r"step $\Delta$", ylabel=r"first weight $\theta_1$", ylim=(2e-5, 3.0))
    ax.legend(loc="lower right")
