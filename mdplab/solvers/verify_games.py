"""Verification of matrix games, regularised preference games and runs of Nash-MD.

* Matrix games: what both strategies guarantee, in extended precision; the value of the game lies in between, whatever
  solver found them.
* Regularised games: Newton's method in extended precision finds the Nash policy, with the error that strong monotonicity
  gives its own residual, far below that of the solution.
* Nash-MD: every recorded step against its definition.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from mdplab._typing import Array, FloatArray
from mdplab.models.game import MatrixGame
from mdplab.models.preferences import PreferenceMatrix
from mdplab.solution import ConvergenceWarning, Solution
from mdplab.solvers.matrix_game import GameSolution, RegularisedNash, regularised_nash
from mdplab.solvers.nash_md import NashMDSolution
from mdplab.solvers.verify import Check, Verification, _need_shape, _policy_checks, _verify
from mdplab.solvers.verify_algebra import DOUBLE, EPS, WIDE

__all__ = ["normalise"]

_NEWTON = 100


def normalise(logs: Array) -> Array:
    """Logarithms of a law in extended precision.

    Parameters
    ----------
    logs : ndarray (n,)
        Logarithms of weights.

    Returns
    -------
    ndarray (n,)
        Their exponentials sum to one.
    """
    wide = logs.astype(WIDE) - WIDE(logs.max())
    return np.asarray(wide - np.log(np.exp(wide).sum()))


def _payoff(model: Any, solution: Solution, n: int, m: int) -> Array:
    """The matrix of a game, a preference or as given, in extended precision."""
    given = model
    if isinstance(model, MatrixGame):
        given = model.payoff
    elif isinstance(model, PreferenceMatrix):
        given = model.probability
    try:
        payoff = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        raise TypeError(
            f"a {type(solution).__name__} belongs to a game, a preference matrix or an array; got {type(model).__name__}"
        ) from None
    _need_shape(solution, (n, m), payoff.shape)
    return payoff.astype(WIDE)


def _law_checks(name: str, law: FloatArray) -> list[Check]:
    return [
        Check(f"{name} is non-negative", float(-law.min()), 0.0),
        Check(f"{name} sums to 1", abs(float(law.astype(WIDE).sum() - 1)), (law.size + 2) * DOUBLE),
    ]


@_verify.register
def _(solution: GameSolution, model: Any) -> Verification:
    payoff = _payoff(model, solution, solution.row.size, solution.column.size)
    row, column = (law.astype(WIDE) / law.astype(WIDE).sum() for law in (solution.row, solution.column))
    guaranteed, conceded = float((payoff.T @ row).min()), float((payoff @ column).max())
    # The value lies in between, so both ends must be within the bound; the conversion to double rounds.
    size = float(np.abs(payoff).max())
    room = (payoff.size + 4) * EPS * size + DOUBLE * size
    far = max(conceded - solution.value, solution.value - guaranteed)
    checks = (
        *_law_checks("row", solution.row),
        *_law_checks("column", solution.column),
        Check("lower is guaranteed by row", solution.lower - guaranteed, room),
        Check("upper is conceded by column", conceded - solution.upper, room),
        Check("value within certificate.bound", far, solution.certificate.bound + room),
    )
    return Verification("guarantees of both strategies in extended precision", checks)


def _divergence(logs: Array, other: Array) -> float:
    """``KL(exp logs || exp other)`` without cancellation: every term ``other ((1 + x) log(1 + x) - x)`` is positive."""
    d = logs - other
    return float((np.exp(other) * (np.exp(d) * d - np.expm1(d))).sum())


@_verify.register
def _(solution: RegularisedNash, model: Any) -> Verification:
    n = solution.policy.size
    payoff = _payoff(model, solution, n, n)
    tau, reference = WIDE(solution.temperature), solution.log_reference.astype(WIDE)
    size = float(np.abs(payoff).max())
    own = normalise(solution.log_policy)
    policy = np.exp(own)
    logs = float(np.abs(own).max() + np.abs(reference).max())
    with warnings.catch_warnings():
        # the start decides nothing: what it leads to is certified below
        warnings.simplefilter("ignore", ConvergenceWarning)
        law = np.exp(normalise(solution.log_reference)).astype(float)
        start = regularised_nash(payoff, law, temperature=solution.temperature)
    exact, error, log_error = _nash(payoff, reference, solution.temperature, start.log_policy.astype(WIDE))
    # gain of a best response: of the maximum of x'P pi - tau KL(x || mu) over the value of pi against itself
    answer = reference + payoff @ policy / tau
    top = answer.max()
    best = tau * (top + np.log(np.exp(answer - top).sum()))
    gain = float(best - policy @ (payoff @ policy - tau * (own - reference)))
    slack = 4 * (n + 8) * DOUBLE * (size + solution.temperature * (logs + 1.0))
    value = float(policy @ payoff @ policy)
    shift = float(np.abs(solution.log_policy - exact).max())
    # the divergences are of second order in the difference of the logarithms
    kl_room = 4 * (shift + log_error) * (log_error + n * EPS)
    kl_found = max(_divergence(own, exact), _divergence(exact, own))
    distance = float(np.abs(solution.policy - np.exp(exact)).sum())
    checks = [
        *_policy_checks(solution.policy, solution.log_policy),
        Check("policy within certificate.bound", distance, solution.certificate.bound + error),
        Check("KL divergences within kl_error", kl_found, solution.kl_error + kl_room),
        Check("log_policy within log_error", shift, solution.log_error + log_error),
        Check("value", abs(value - solution.value), 2 * (n + 4) * DOUBLE * size),
        Check("gap", abs(gain - solution.gap), slack),
    ]
    return Verification("Newton's method in extended precision", tuple(checks))


def _nash(payoff: Array, reference: Array, temperature: float, start: Array) -> tuple[Array, float, float]:
    """Nash policy as logarithms, its 1-norm error by strong monotonicity, and that of the logarithms (or infinite)."""
    tau, n = WIDE(temperature), start.size
    best, width = start, np.inf
    logs = start
    for _ in range(_NEWTON):
        policy = np.exp(logs)
        e = logs - reference - payoff @ policy / tau
        e = e - e.mean()
        if not float(np.ptp(e)) < 0.5 * width:
            break
        best, width = logs, float(np.ptp(e))
        jacobian = np.eye(n) - payoff @ (np.diag(policy) - np.outer(policy, policy)) / tau
        logs = normalise(logs - np.linalg.solve(jacobian.astype(float), e.astype(float)))
    size = float(np.abs(payoff).max()) / temperature
    width += 8 * (n + 8) * EPS * (size + float(np.abs(best).max() + np.abs(reference).max()))
    monotone = 1.0 - 0.25 * float(np.ptp(payoff + payoff.T)) / temperature - 8 * EPS * size
    if not monotone > 0.0:
        return best, np.inf, np.inf
    distance = 0.5 * width / monotone
    return best, distance, float(np.ptp(payoff)) * distance / temperature + width


@_verify.register
def _(solution: NashMDSolution, model: Any) -> Verification:
    n = solution.log_reference.size
    payoff = _payoff(model, solution, n, n)
    reference, size = solution.log_reference.astype(WIDE), float(np.abs(payoff).max())
    count = len(solution.step_sizes)
    checks = [
        Check("one policy more than steps", float(len(solution.log_policies) != count + 1), 0.0),
        Check("steps counts the step sizes", float(solution.steps != count), 0.0),
    ]
    for t, logs in enumerate(solution.log_policies):
        mass = float(np.exp(logs.astype(WIDE)).sum() - 1)
        largest = 1.0 + float(np.abs(logs).max() + np.abs(reference).max())
        # the first law was given, within 1e-9 of sum one
        allowed = 1e-9 if t == 0 else 4 * (n + 4) * DOUBLE * largest
        checks.append(Check(f"the policy at t = {t} sums to 1", abs(mass), allowed))
        if t == count:
            break
        step = float(solution.step_sizes[t])
        kappa = min(step * solution.temperature, 1.0)
        checks.append(Check(f"step size at t = {t}", step * solution.temperature, 1.0 + 4 * DOUBLE))
        mixture = normalise((1 - WIDE(kappa)) * logs.astype(WIDE) + WIDE(kappa) * reference)
        following = normalise(mixture + WIDE(step) * (payoff @ np.exp(mixture)))
        found = float(np.abs(solution.log_policies[t + 1] - following).max())
        # mixture, payoffs and two normalisations: a few roundings each of their terms
        allowed = 8 * (n + 8) * DOUBLE * (largest * (1.0 + step * size) + step * size)
        checks.append(Check(f"the step from t = {t}", found, allowed))
    return Verification("every step by its definition in extended precision", tuple(checks))
