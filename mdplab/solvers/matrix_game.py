r"""Zero-sum matrix games: the Nash equilibrium by a linear program, the KL-regularised one by Newton's method.

Matrix game.  The row player maximises ``x' A y``.  ``max v`` subject to ``A' x >= v``, ``sum x = 1``, ``x >= 0`` gives
the row strategy, its multipliers the column strategy.  The value lies in ``[min_j (A'x)_j, max_i (Ay)_i]`` for any
pair of strategies; the length of this interval is the duality gap, the sum of both one-sided gaps.

Regularised preference game.  For ``P`` with ``P + P' = 1``, a reference ``mu > 0`` and a temperature ``tau`` the game
``x' P y - tau KL(x || mu) + tau KL(y || mu)`` has exactly one Nash policy, the solution of ``pi ~ mu exp(P pi /
tau)``; its value is 1/2.  The solver contracts by magnetic mirror steps and finishes by Newton's method on the
logits, whose Jacobian ``I - P (diag pi - pi pi')/tau`` is never singular: the symmetric part of ``P`` vanishes on
directions that sum to zero.

Error bound.  Let ``e = log pi - log mu - P pi / tau`` be the residual of any ``pi > 0``, ``range(e) = max e - min e``.
The operator ``F(pi) = tau log(pi/mu) - P pi`` is constant at the Nash policy ``pi*``, so with ``D = pi - pi*``, by
the skewness of ``P - 1/2``,

.. math::
    \tau\,J(\pi,\pi^*) = \langle F(\pi)-F(\pi^*), D\rangle = \tau\langle e, D\rangle
    \le \tfrac\tau2\operatorname{range}(e)\,\|D\|_1 ,

where ``J = KL(pi || pi*) + KL(pi* || pi) >= |D|_1^2`` (Pinsker, twice).  Hence ``|D|_1 <= range(e)/2`` and
``KL(pi* || pi) <= J <= range(e)^2/4``.  For a general payoff the symmetric part ``S = (P + P')/2`` contributes at
most ``(range(S)/2) |D|_1^2``, which divides the first bound by ``1 - range(S)/(2 tau)``; where that is not positive
the result is uncertified (there may be several fixed points).

References
----------
J. von Neumann (1928), Zur Theorie der Gesellschaftsspiele, Math. Annalen 100.
R. Munos et al. (2023), Nash Learning from Human Feedback, arXiv 2312.00886.
S. Sokota et al. (2023), A Unified Approach to RL, Quantal Response Equilibria and Zero-Sum Games, arXiv 2206.05825.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.convex.linear import linear_program
from mdplab.convex.program import check_limits
from mdplab.divergences import kl_from_logs
from mdplab.interrupts import asked, interruptible
from mdplab.models import MatrixGame, PreferenceMatrix
from mdplab.operators import _check
from mdplab.operators.mirror import mirror_step
from mdplab.operators.tilt import log_tilt
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.discounted import warn_max_steps

__all__ = [
    "GameSolution",
    "RegularisedNash",
    "checked_temperature",
    "log_law",
    "matrix_game",
    "regularised_game",
    "regularised_nash",
]

_EPS = float(np.finfo(np.float64).eps)
_THEOREM = "|pi - pi*|_1 <= range(residual)/2: strong monotonicity of the game and Pinsker's inequality"


@dataclass(frozen=True, kw_only=True, eq=False)
class GameSolution(Solution):
    """Equilibrium of a zero-sum matrix game; its table has a row a strategy, NaN beyond those of a player.

    The certificate bounds ``|value - value of the game|``.

    Attributes
    ----------
    row, column : ndarray, shape (n,), (m,)
        Strategies; the value is certified, the strategies need not be the only ones.
    value : float
        Middle of the certified interval.
    lower, upper : float
        What the row strategy guarantees and what the column strategy concedes at most, with rounding.
    """

    row: FloatArray
    column: FloatArray
    value: float
    lower: float
    upper: float

    def _layout(self) -> Layout:
        n = max(self.row.size, self.column.size)
        row, column = np.full(n, np.nan), np.full(n, np.nan)
        row[: self.row.size], column[: self.column.size] = self.row, self.column
        return ("strategy",), {"row": row, "column": column}

    @property
    def gap(self) -> float:
        """Duality gap ``max_i (A y)_i - min_j (A' x)_j``, with rounding."""
        return self.upper - self.lower


@dataclass(frozen=True, kw_only=True, eq=False)
class RegularisedNash(Solution):
    """Nash policy of a regularised preference game, certified in the 1-norm; its table has a row a response.

    Attributes
    ----------
    policy, log_policy : ndarray, shape (n,)
        The policy.
    value : float
        ``pi' P pi``; 1/2 for a preference matrix.
    gap : float
        What a best response gains over the policy against it (one-sided, regularised).
    kl_error : float
        Proven bound on ``KL(pi* || pi)`` and on ``KL(pi || pi*)``.
    log_error : float
        Proven bound on ``max |log pi - log pi*|``.
    log_reference : ndarray, shape (n,)
        Logarithm of the reference, as given.
    temperature : float
        As given.
    """

    policy: FloatArray
    log_policy: FloatArray
    value: float
    gap: float
    kl_error: float
    log_error: float
    log_reference: FloatArray = field(repr=False)
    temperature: float

    def _layout(self) -> Layout:
        return ("response",), {"policy": self.policy, "log_policy": self.log_policy}


def matrix_game(game: MatrixGame | ArrayLike, *, tol: float = 1e-9) -> GameSolution:
    """Nash equilibrium of a zero-sum game by one linear program.

    Parameters
    ----------
    game : MatrixGame or array_like, shape (n, m)
        Payoff of the row player, who maximises.
    tol : float
        Accuracy of the value relative to ``max(1, max |A|)``.

    Returns
    -------
    GameSolution

    Raises
    ------
    ValueError
        If the payoff is not a finite matrix, or ``tol`` is not a finite number >= 0.

    References
    ----------
    J. von Neumann (1928), Zur Theorie der Gesellschaftsspiele, Math. Annalen 100.
    """
    check_limits(tol=tol)
    payoff = np.asarray(game.payoff if isinstance(game, MatrixGame) else game, dtype=np.float64)
    if payoff.ndim != 2 or payoff.size == 0 or not np.isfinite(payoff).all():
        raise ValueError(f"game: expected a finite payoff matrix, got shape {payoff.shape}")
    n, m = payoff.shape
    scale = max(float(np.abs(payoff).max()), np.finfo(np.float64).tiny)
    program = linear_program(
        np.append(np.zeros(n), 1.0),
        at_least=(np.column_stack([payoff.T / scale, -np.ones(m)]), np.zeros(m)),
        equal=(np.append(np.ones(n), 0.0)[None, :], [1.0]),
        lower=np.append(np.zeros(n), -np.inf),
        maximise=True,
        variable_bound=1.0,
        multiplier_bound=1.0,
    )
    row, column = _law(program.primal[:n]), _law(program.multipliers["at_least"])
    # the sum of a strategy is one within n eps, each product within the same of its terms
    rounding = 2.0 * _EPS * (n + m + 4) * scale
    lower = float((payoff.T @ row).min()) - rounding
    upper = float((payoff @ column).max()) + rounding
    error = max(0.5 * (upper - lower), 0.0)
    return GameSolution(
        status=Status.CONVERGED if error <= tol * max(1.0, scale) else Status.PRECISION_LIMIT,
        certificate=Certificate("error of the value", error, "it lies between the two guarantees", rounding),
        steps=program.steps,
        row=row,
        column=column,
        value=0.5 * (lower + upper),
        lower=lower,
        upper=upper,
    )


def _law(weights: FloatArray) -> FloatArray:
    weights = np.maximum(weights, 0.0)
    return np.asarray(weights / weights.sum())


@interruptible
def regularised_nash(
    preference: PreferenceMatrix | ArrayLike,
    reference: ArrayLike,
    *,
    temperature: float,
    tol: float = 1e-12,
    max_steps: int = 2000,
) -> RegularisedNash:
    """The fixed point ``pi ~ reference exp(preference pi / temperature)``.

    Parameters
    ----------
    preference : PreferenceMatrix or array_like, shape (n, n)
        ``P[i, j]``, probability that ``i`` is preferred to ``j``.  Any finite payoff is admitted; the certificate
        then asks for a symmetric part that varies by less than ``2 temperature``.
    reference : array_like, shape (n,)
        Law of full support.
    temperature : float
        Weight of the KL divergence, > 0.
    tol : float
        Accuracy of the policy in the 1-norm.
    max_steps : int
        Largest number of rounds, each one Newton step or 25 mirror steps.

    Returns
    -------
    RegularisedNash
        ``residuals`` are the ranges of the residual after each round.  Status CONVERGED, PRECISION_LIMIT, MAX_STEPS
        (with a ConvergenceWarning), INTERRUPTED, or UNCERTIFIED where the game is not monotone.

    Raises
    ------
    ValueError
        If shapes do not match or an argument is out of its range.

    References
    ----------
    R. Munos et al. (2023), Nash Learning from Human Feedback, arXiv 2312.00886.
    """
    payoff, log_reference = regularised_game(preference, reference)
    tau = checked_temperature(temperature)
    check_limits(tol=tol, max_steps=max_steps)
    n = payoff.shape[0]

    def residual(log_policy: FloatArray) -> FloatArray:
        e = log_policy - log_reference - payoff @ np.exp(log_policy) / tau
        return np.asarray(e - e.mean())

    # magnetic mirror steps contract for step = tau/L^2, L half the range of the payoff (0 where all responses tie)
    half = max(0.5 * float(np.ptp(payoff)), 1e-300)
    step = min(tau / half / half, 1e12, 1e12 / tau)
    kappa, length = step * tau / (1.0 + step * tau), step / (1.0 + step * tau)
    log_policy = log_reference
    e = residual(log_policy)
    residuals: list[float] = []
    interrupted = False
    for _ in range(max_steps):
        if interrupted := asked(None):
            break
        pi = np.exp(log_policy)
        jacobian = np.eye(n) - payoff @ (np.diag(pi) - np.outer(pi, pi)) / tau
        trial = log_tilt(log_policy - np.linalg.solve(jacobian, e))
        trial_e = residual(trial)
        if not np.ptp(trial_e) < 0.9 * np.ptp(e):
            if np.ptp(e) < 1e-9:  # Newton has nothing left to gain: rounding
                break
            trial = log_policy
            for _ in range(25):
                trial = mirror_step(
                    trial, payoff @ np.exp(trial), step=length, kappa=kappa, log_magnet=log_reference
                )
            trial_e = residual(trial)
        log_policy, e = trial, trial_e
        residuals.append(float(np.ptp(e)))
    stopped = Status.INTERRUPTED if interrupted else Status.PRECISION_LIMIT
    if len(residuals) >= max_steps:
        stopped = Status.MAX_STEPS
    found = _certified_nash(payoff, log_reference, tau, log_policy, np.asarray(residuals), tol, stopped)
    warn_max_steps("regularised_nash", found.status, found.steps, found.certificate.bound, tol)
    return found


def _certified_nash(
    payoff: FloatArray,
    log_reference: FloatArray,
    tau: float,
    log_policy: FloatArray,
    residuals: FloatArray,
    tol: float,
    stopped: Status,
) -> RegularisedNash:
    """Evaluate the residual once more and apply the bound of the module's docstring."""
    n, pi = payoff.shape[0], np.exp(log_policy)
    e = log_policy - log_reference - payoff @ pi / tau
    width, size = float(np.ptp(e)), float(np.abs(payoff).max())
    logs = float(np.abs(log_policy).max() + np.abs(log_reference).max())
    norm_error = (n + 4.0) * _EPS  # the probabilities are those of log_policy up to this, in the 1-norm
    rounding = 2.0 * (n + 6.0) * _EPS * size / tau + 6.0 * _EPS * logs
    width += rounding
    monotone = 1.0 - 0.25 * float(np.ptp(payoff + payoff.T)) / tau - 4.0 * _EPS * size / tau
    if monotone > 0.0:
        distance = 0.5 * width / monotone
        kl_error = distance**2  # J <= (range(e)/2) |D| + (1 - monotone) |D|^2 with |D| = distance
        # both log-policies are a reference plus payoffs plus the residual, normalised: sup <= range
        log_error = float(np.ptp(payoff)) * distance / tau + width
    else:
        distance = kl_error = log_error = np.inf
    bound = distance + norm_error
    if not np.isfinite(bound):
        status = Status.UNCERTIFIED
    else:
        status = Status.CONVERGED if bound <= tol else stopped
    best = log_tilt(payoff @ pi, temperature=tau, log_reference=log_reference)
    return RegularisedNash(
        status=status,
        certificate=Certificate("1-norm error of policy", bound, _THEOREM, norm_error + 0.5 * rounding),
        steps=residuals.size,
        residuals=residuals,
        policy=pi,
        log_policy=log_policy,
        value=float(pi @ payoff @ pi),
        gap=tau * max(float(kl_from_logs(log_policy, best)), 0.0),
        kl_error=kl_error,
        log_error=log_error,
        log_reference=log_reference,
        temperature=tau,
    )


def regularised_game(
    preference: PreferenceMatrix | ArrayLike, reference: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Payoff and log-reference of a regularised game, checked.

    Parameters
    ----------
    preference : PreferenceMatrix or array_like, shape (n, n)
        The payoff.
    reference : array_like, shape (n,)
        Law of full support.

    Returns
    -------
    payoff, log_reference : ndarray, shape (n, n), (n,)

    Raises
    ------
    ValueError
        If the payoff is not square and finite or the reference is no such law.
    """
    given = preference.probability if isinstance(preference, PreferenceMatrix) else preference
    payoff = np.asarray(given, dtype=np.float64)
    if payoff.ndim != 2 or payoff.shape[0] != payoff.shape[1] or not np.isfinite(payoff).all():
        raise ValueError(f"preference: expected a finite square matrix, got shape {payoff.shape}")
    return payoff, log_law("reference", reference, payoff.shape[0])


def log_law(name: str, law: ArrayLike, n: int) -> FloatArray:
    """Logarithm of a law of full support.

    Parameters
    ----------
    name : str
        What messages call it.
    law : array_like, shape (n,)
        Positive, with sum 1 within 1e-9.
    n : int
        Its length.

    Returns
    -------
    ndarray, shape (n,)

    Raises
    ------
    ValueError
        If it is none.
    """
    p = np.asarray(law, dtype=np.float64)
    if p.shape != (n,) or not (np.isfinite(p).all() and (p > 0.0).all()) or abs(p.sum() - 1.0) > 1e-9:
        raise ValueError(f"{name}: expected {n} positive probabilities with sum 1, got {p!r}")
    return np.asarray(np.log(p))


def checked_temperature(temperature: float) -> float:
    """A temperature, checked.

    Parameters
    ----------
    temperature : float
        Positive and finite.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If it is out of range.
    """
    _check.non_negative("temperature", temperature, positive=True)
    return float(temperature)
