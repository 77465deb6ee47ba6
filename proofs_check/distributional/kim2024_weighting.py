"""Combining estimates of different reliability (Kim et al. 2024; Mai et al. 2022).

Independent unbiased estimates are best combined with weights inverse to their variances.  A bias makes the mean squared
error a quadratic form with one more term, and the best weights solve a linear system.  Only if a single estimate is
biased is that the same as adding its squared bias to its variance.  How well a variance is known from n draws depends
on the kurtosis of their law.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Outcome, Side, rounding
from mdplab.enumeration import iid_groups
from mdplab.numerics import solution_error, solve_refined
from proofs_check.distributional import exact_combination as exact
from proofs_check.distributional.combination_tasks import (
    Combination,
    combination,
    correlated,
    misjudged,
    one_biased,
    thirds,
)

# --- routes ---------------------------------------------------------------------------------------------------------


def errors(
    case: Combination, weights: FloatArray, size: FloatArray, bias: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean squared error of weights ``(..., n)``, and its rounding where each weight is off by n + 3 units of ``size``."""
    n, form = len(bias), case.covariance + np.outer(bias, bias)
    value = np.einsum("...i,ij,...j->...", weights, form, weights)
    moduli = np.abs(case.covariance) + np.outer(np.abs(bias), np.abs(bias))
    return np.asarray(value), rounding(np.einsum("...i,ij,...j->...", size, moduli, size), n * n + 2 * n + 16)


def weights_and_error(case: Combination, raw: FloatArray, size: FloatArray, bias: FloatArray) -> Side:
    """Normalised weights and their error, where each raw weight is off by at most 8 n units of ``size``."""
    n, total = len(raw), raw.sum()
    weights = raw / total
    doubt = rounding(size / total, 9 * n) + np.abs(weights) * float(rounding(size.sum() / total, 9 * n + 2))
    worth, summing = errors(case, weights, np.abs(weights), bias)
    form = np.abs(case.covariance) + np.outer(np.abs(bias), np.abs(bias))
    moved = 2 * doubt @ form @ (np.abs(weights) + doubt)
    return Side(np.append(weights, worth), np.append(doubt, summing + moved))


def inverse_variance(case: Combination) -> Side:
    """Closed form: weights 1/s over their sum, and one over the sum of 1/s."""
    inverse = 1 / case.weighing
    value = np.append(inverse, 1.0) / inverse.sum()
    return Side(value, rounding(value, 2 * len(inverse) + 4))


def bordered(case: Combination, bias: FloatArray) -> Side:
    n, matrix = len(bias), np.ones((len(bias) + 1, len(bias) + 1))
    matrix[:n, :n], matrix[n, n] = case.covariance + np.outer(bias, bias), 0.0
    right = np.append(np.zeros(n), 1.0)
    found = solve_refined(matrix, right)
    doubt = np.zeros_like(matrix)
    doubt[:n, :n] = rounding(np.abs(case.covariance) + np.abs(np.outer(bias, bias)), 5)
    error = solution_error(matrix, found, right, matrix_error=doubt)
    return Side(np.append(found[:n], -found[n]), error)


def least_variance(case: Combination) -> Side:
    """Linear system of the stationary point of the variance: weights, and the multiplier of their sum."""
    return bordered(case, np.zeros_like(case.bias))


def biased_weights(case: Combination, *, ignored: bool = False) -> Side:
    """Sherman-Morrison formula for (diag(s) + bb')^-1 1, normalised; mean squared error of these weights."""
    s, b = case.weighing, case.bias
    # 1 - tilt b is at least what is left of sums of non-negative terms: the moduli are summed apart for the rounding
    scale = 1 + (b * b / s).sum()
    tilt = 0.0 if ignored else (b / s).sum() / scale
    size = (1 + np.abs(b) * (np.abs(b) / s).sum() / scale) / s
    return weights_and_error(case, (1 - tilt * b) / s, size, b)


def least_error(case: Combination) -> Side:
    """Linear system of the stationary point of the mean squared error: weights, and the multiplier of their sum."""
    return bordered(case, case.bias)


def second_moment_weights(case: Combination) -> Side:
    """Closed form: weights 1/(s + b^2) over their sum; mean squared error of these weights."""
    raw = 1 / (case.weighing + case.bias**2)
    return weights_and_error(case, raw, raw, case.bias)


def repeated(side: Side, case: Combination) -> Side:
    """The last entry, once for each of the other weights."""
    value, error = np.asarray(side.value)[-1], np.broadcast_to(side.error, np.shape(side.value))[-1]
    return Side(np.full(len(case.directions), value), float(error))


def inverse_sum(case: Combination) -> Side:
    """Closed form: one over the sum of 1/s."""
    return repeated(inverse_variance(case), case)


def least_variance_multiplier(case: Combination) -> Side:
    """Multiplier of the linear system of the variance."""
    return repeated(least_variance(case), case)


def of_others(case: Combination, bias: FloatArray) -> Side:
    # the sum of a row is off by n units of the sum of its moduli
    size = 1.0 + np.abs(case.directions).sum(axis=1, keepdims=True)
    return Side(*errors(case, case.others, np.broadcast_to(size, case.others.shape), bias))


def variances_of_others(case: Combination) -> Side:
    """Quadratic form of other weights of the sum one: variance."""
    return of_others(case, np.zeros_like(case.bias))


def optimal_error(case: Combination) -> Side:
    """Mean squared error of the weights of the formula."""
    return repeated(biased_weights(case), case)


def least_error_multiplier(case: Combination) -> Side:
    """Multiplier of the linear system of the mean squared error."""
    return repeated(least_error(case), case)


def errors_of_others(case: Combination) -> Side:
    """Quadratic form of other weights of the sum one: mean squared error."""
    return of_others(case, case.bias)


def centred(case: Combination) -> tuple[FloatArray, float]:
    """Atoms less their mean, and what that may have moved them by."""
    mean = case.law.mean()
    return case.law.atoms - mean, float(rounding(np.abs(case.law.atoms).max(), case.law.n_atoms + 3))


def sample_variance_enumerated(case: Combination) -> Side:
    """Enumeration: variance of the unbiased sample variance over all samples."""
    atoms, shift = centred(case)
    groups, chance = iid_groups(case.law.masses, case.sample_size)
    samples = atoms[groups]
    found = samples.var(axis=1, ddof=1)
    value = float(chance @ (found - chance @ found) ** 2)
    # with g the largest square of a sample of n: S^2 <= 2 g, and S^2 moves by at most 8 sqrt(g) times the move of the atoms
    size = float(chance @ np.abs(samples).max(axis=1) ** 4) * case.sample_size**2
    return Side(value, rounding(2 * size, len(groups) + 64) + 45 * case.sample_size * shift * size**0.75)


def sample_variance_closed(case: Combination, *, excess: float = 0.0) -> Side:
    """Closed form from the second and fourth central moments: s^2 (kappa - (n-3)/(n-1)) / n."""
    atoms, shift = centred(case)
    n, variance = case.sample_size, float(case.law.masses @ atoms**2)
    fourth = float(case.law.masses @ atoms**4) - excess * variance**2
    value = (fourth - variance**2 * (n - 3) / (n - 1)) / n
    size = float(case.law.masses @ atoms**4)
    return Side(value, rounding(2 * size, 64) + 45 * n * shift * size**0.75)


# --- the claim ------------------------------------------------------------------------------------------------------

S = np.array([0.5, 1.0, 4.0])
SIMPLE = Combination(S, np.array([1.0, 0.0, 0.0]), np.full((1, 3), 1 / 3))

WEIGHTING = Claim(
    "inverse-variance-weighting-optimal",
    title="Inverse-variance weights are the best unbiased combination; with bias the best weights solve a linear system",
    papers=("kim2024ggd", "mai2022inverse"),
    provenance="our formalisation",
    statement=r"""
    Let independent estimates have variances $s_i > 0$ and biases $b_i$, and let weights $w$ of any sign sum to one. Then
    $\mathrm{MSE}(w) = \sum_i w_i^2 s_i + (w^\top b)^2$, and

    (weights) without bias the minimiser is $w_i \propto 1/s_i$ with the value $1/\sum_i s_i^{-1}$, (least) which is at
    most the variance of all other weights;

    (biased) with bias the minimiser is $w \propto (\mathrm{diag}(s) + b b^\top)^{-1} 1$, (least-biased) which is
    at most the MSE of all other weights;

    (one) if at most one estimate is biased, these are the weights $w_i \propto 1/(s_i + b_i^2)$;

    (sample) the unbiased sample variance of $n$ independent draws with variance $s$ and kurtosis $\kappa$ (not the excess)
    has the variance $\frac{s^2}{n} \left(\kappa - \frac{n-3}{n-1}\right)$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "the estimates are independent",
            "correlated estimates",
            lambda case: case.correlation == 0.0,
            wider=correlated,
        ),
        Assumption(
            "A2",
            "the variances are known",
            "weights from other variances",
            lambda case: case.supposed is None or np.array_equal(case.supposed, case.variances),
            wider=misjudged,
        ),
        Assumption(
            "A3",
            "for (one): at most one estimate is biased",
            "two biased estimates",
            lambda case: bool(np.count_nonzero(case.bias) <= 1),
            wider=combination,
        ),
        Assumption("A4", "positive variances", DEFINITIONAL, lambda case: bool(np.all(case.variances > 0))),
    ),
    instance_family=combination,
    witnesses=(SIMPLE,),
    instances=100,
)

GENERAL = ("A1", "A2", "A4")
ROUNDING = "rounding of sums of at most six terms, and the proven error of a linear system of seven unknowns"

weights_part = WEIGHTING.part(
    "(weights)",
    r"the least variance is $1/\sum_i s_i^{-1}$, at $w_i \propto 1/s_i$",
    Equal(inverse_variance, least_variance),
    resolution=1e-9,
    reason=ROUNDING,
    assumes=GENERAL,
    exact=(exact.inverse_variance, exact.least_variance),
)
least_part = WEIGHTING.part(
    "(least)",
    r"$1/\sum_i s_i^{-1} \le \sum_i w_i^2 s_i$ for all weights of the sum one",
    AtMost(inverse_sum, variances_of_others),
    resolution=1e-9,
    reason=ROUNDING,
    assumes=GENERAL,
    cross_left=least_variance_multiplier,
    closed=("right",),
    exact=(exact.inverse_sum, exact.variances_of_others),
)
biased_part = WEIGHTING.part(
    "(biased)",
    r"the least mean squared error is at $w \propto (\mathrm{diag}(s) + bb^\top)^{-1}1$",
    Equal(biased_weights, least_error),
    resolution=1e-9,
    reason=ROUNDING,
    assumes=GENERAL,
    exact=(exact.biased_weights, exact.least_error),
)
WEIGHTING.part(
    "(least-biased)",
    r"the error of these weights is at most $\sum_i w_i^2 s_i + (w^\top b)^2$ for all weights of the sum one",
    AtMost(optimal_error, errors_of_others),
    resolution=1e-9,
    reason=ROUNDING,
    assumes=GENERAL,
    cross_left=least_error_multiplier,
    closed=("right",),
    exact=(exact.optimal_error, exact.errors_of_others),
)
one_part = WEIGHTING.part(
    "(one)",
    r"with one biased estimate the best weights are $w_i \propto 1/(s_i + b_i^2)$",
    Equal(second_moment_weights, least_error),
    resolution=1e-9,
    reason=ROUNDING,
    family=one_biased,
    exact=(exact.second_moment_weights, exact.least_error),
)
sample_part = WEIGHTING.part(
    "(sample)",
    r"$\mathrm{Var}(S^2) = s^2 (\kappa - \frac{n-3}{n-1}) / n$",
    Equal(sample_variance_enumerated, sample_variance_closed),
    resolution=lambda case: 1e-9 * (1 + case.law.expectation(lambda x: (x - case.law.mean()) ** 4)),
    reason="1e-9, relative and absolute: rounding of a sum over all samples",
    assumes=(),
    exact=(exact.sample_variance_enumerated, exact.sample_variance_closed),
)


@WEIGHTING.known(SIMPLE)
def _(case: Combination) -> Iterator[Known]:
    found = np.asarray(inverse_variance(case).value)
    yield Known("inverse-variance weights", ".6153846154 .3076923077 .0769230769", found[:3], 1e-15)
    yield Known("their variance", ".3076923077", found[3], 1e-15)
    yield Known("variance of equal weights", ".6111111111", variances_of_others(case).value, 1e-15)
    ignoring = np.asarray(biased_weights(case, ignored=True).value)[-1]
    yield Known("error of inverse-variance weights, first entry biased", ".6863905325", ignoring, 1e-15)
    yield Known("error of equal weights", ".7222222222", errors_of_others(case).value, 1e-15)
    yield Known("least error", ".5217391304", optimal_error(case).value, 1e-15)
    laws = [thirds(chance) for chance in (1 / 6, 1 / 3, 5 / 9)]  # kurtosis 6, 3, 1.8
    sampled = [replace(case, law=law) for law in laws]
    for name, route in (("enumerated", sample_variance_enumerated), ("formula", sample_variance_closed)):
        ratios = [float(np.asarray(route(one).value)) / one.law.variance() ** 2 for one in sampled]
        yield Known(f"Var(S^2)/s^2 at n = 5, {name}", "1.1 .5 .26", ratios, 1e-13)


# --- what must fail -------------------------------------------------------------------------------------------------


def loss(outcome: Outcome) -> Any:
    """Error of the changed weights less the least error."""
    return outcome.left[-1] - outcome.right[-1]


biased_part.control(
    "inverse-variance weights in spite of the bias",
    kind="mutation",
    instance=SIMPLE,
    left=partial(biased_weights, ignored=True),
    specified=".1647",
    measure=loss,
)
weights_part.control(
    "correlated estimates", kind="assumption", drops="A1", instance=replace(SIMPLE, correlation=0.5)
)
biased_part.control(
    "weights from other variances", kind="assumption", drops="A2", instance=replace(SIMPLE, supposed=S[::-1])
)
one_part.control(
    "two biased estimates",
    kind="assumption",
    drops="A3",
    instance=replace(SIMPLE, bias=np.array([1.0, 1.0, 0.0])),
)
least_part.control(
    "the harmonic mean of the variances: the count of the estimates forgotten",
    kind="constant",
    instance=SIMPLE,
    left=lambda case: Side(3 * np.asarray(inverse_sum(case).value)),
)
sample_part.control(
    "the excess in the place of the kurtosis",
    kind="mutation",
    instance=SIMPLE,
    right=partial(sample_variance_closed, excess=3.0),
)


# --- the figure -----------------------------------------------------------------------------------------------------


@WEIGHTING.figure(
    "Mean squared error of three combinations of estimates with variances .5, 1 and 4, of which the first has a bias. "
    "Inverse-variance weights trust it whatever the bias and become worse than equal weights; the best weights "
    "give it up."
)
def _(ax: Any) -> None:
    biases = np.linspace(0.0, 3.0, 121)
    cases = [replace(SIMPLE, bias=np.array([b, 0.0, 0.0])) for b in biases]
    ignoring = [np.asarray(biased_weights(case, ignored=True).value)[-1] for case in cases]
    ax.plot(biases, ignoring, "--C1", label="inverse-variance weights")
    ax.plot(
        biases,
        [float(np.asarray(errors_of_others(case).value)[0]) for case in cases],
        ":C2",
        label="equal weights",
    )
    ax.plot(biases, [np.asarray(optimal_error(case).value)[0] for case in cases], "-C0", label="best weights")
    ax.axhline(1 / (1 / S[1:]).sum(), color="0.6", linewidth=0.8, label="without the first estimate")
    ax.set(
        xlabel=r"bias $b_1$ of the first estimate", ylabel="mean squared error", ylim=(0, 2.5), xlim=(0, 3)
    )
    ax.legend(loc="upper left")
