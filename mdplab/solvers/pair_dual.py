r"""The dual of an f-divergence to a measure that one policy fixes: convex programs in one number per pair.

For a policy :math:`\pi`, a measure :math:`m=\beta d^\pi+(1-\beta)d_S` on pairs and weights :math:`q\ge0`

.. math::
    \min_Q\ \langle B_\pi^\top m,Q\rangle+\alpha\sum q f^*\big((r-B_\pi Q)/\alpha\big)
    \;=\;\langle m,r\rangle-\alpha D_f(m\|q),

because :math:`B_\pi=I-\gamma P^\pi` is square and regular: the constraint :math:`B_\pi^\top x=B_\pi^\top m` has the one
solution :math:`m`.  The objective knows :math:`m` only through :math:`B_\pi^\top m`, which takes no solve:
:math:`\beta(1-\gamma)\mu_0\pi+(1-\beta)B_\pi^\top d_S`.

Certificate.  Let ``M`` be the mass recovered at ``Q``.  Its flow residual ``g`` bounds ``|M - m|_1 <= |g|_1 / (1 - gamma)``,
since the transposed kernel does not expand the 1-norm, and the excess of the objective over its minimum is a sum of
Fenchel-Young gaps ``q (f(x) + f*(y) - x y)`` at ``x = m/q``:

- KL: at most ``(m - M)^2 / M`` and at most ``(M + e) log((M + e) / M)`` for ``|m - M| <= e``;
- chi-square: ``(m - M)^2 / q``, and ``m max(0, -2 - y)`` more for the corrected conjugate.

Hence proven bounds without a second solution.  Where the mass determines its argument, ``Q`` is off by at most
``alpha |y - y*| / (1 - gamma)`` in the sup norm.

References
----------
H. Sikchi, Q. Zheng, A. Zhang, S. Niekum (2023), Dual RL, arXiv 2302.08560.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import BoolArray, FloatArray
from mdplab.convex.conjugate_dual import ConjugateDual
from mdplab.convex.flow import FlowPolytope
from mdplab.convex.smooth import minimise_smooth
from mdplab.divergences import FDivergence, f_divergence
from mdplab.models import MDP
from mdplab.models._kernel import PAIR
from mdplab.models._validate import first
from mdplab.operators import _check
from mdplab.operators.occupancy import pair_flow_matrix
from mdplab.solution import Certificate, Layout, Solution, Status

__all__ = ["FixedPolicyProgram", "PairDualSolution", "pair_law", "smooth_row", "solve_pair_dual"]

_EPS = float(np.finfo(np.float64).eps)
_THEOREM = "Fenchel-Young gaps of the recovered mass, whose error the flow residual bounds"


@dataclass(frozen=True, eq=False)
class FixedPolicyProgram:
    """What a dual in the values of pairs was asked for: ``<m, r> - strength D_f(m || data)``.

    Attributes
    ----------
    policy : ndarray, shape (S, A)
        The policy, with ``m = share d^policy + (1 - share) offline``.
    data : ndarray, shape (S, A)
        The second measure of the divergence.
    divergence : FDivergence
        Row of the table.
    strength : float
        Weight of the divergence, > 0.
    conjugate : {"corrected", "plain"}
        Which conjugate.
    share : float
        Share of the policy in ``m``, in (0, 1].
    offline : ndarray, shape (S, A), or None
        The law mixed in; with it rewards count as zero.
    """

    policy: FloatArray
    data: FloatArray
    divergence: FDivergence
    strength: float
    conjugate: str
    share: float = 1.0
    offline: FloatArray | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class PairDualSolution(Solution):
    """Minimum of a dual in the values of pairs; its table has a row a state.

    The certificate bounds ``|objective - minimum|``.

    Attributes
    ----------
    q : ndarray, shape (S, A)
        The minimiser.  On pairs that the policy does not reach: ``inf`` for KL, for the corrected chi-square the
        least values that leave them without mass.  NaN at unavailable pairs.
    objective : float
        The objective there.
    mass : ndarray, shape (S, A)
        Recovered mass ``data w(residual / strength)``, which should be ``m``.
    residual : ndarray, shape (S, A)
        ``r - B_pi q``; NaN at unavailable pairs.
    lower, upper : float
        Proven bounds on the minimum.
    q_error : float
        Proven bound on the largest error of ``q`` on the pairs that the policy reaches; ``inf`` where none is known.
    mass_error : float
        Proven bound on the 1-norm distance from ``mass`` to ``m``.
    policy : ndarray, shape (S, A)
        The policy.
    problem : FixedPolicyProgram
        What was asked for.
    """

    q: FloatArray
    objective: float
    mass: FloatArray
    residual: FloatArray
    lower: float
    upper: float
    q_error: float
    mass_error: float
    policy: FloatArray
    problem: FixedPolicyProgram = field(repr=False)

    def _layout(self) -> Layout:
        return ("state",), {"q": self.q, "mass": self.mass, "policy": self.policy}


def pair_law(name: str, mdp: MDP, law: ArrayLike) -> FloatArray:
    """Check a law on the pairs of a model.

    Parameters
    ----------
    name : str
        The argument.
    mdp : MDP
        The model.
    law : array_like, shape (S, A)
        Non-negative, of sum 1, zero at unavailable pairs.

    Returns
    -------
    ndarray, shape (S, A)

    Raises
    ------
    ValueError
        Naming the argument and the place.
    """
    table = _check.shaped(name, law, (mdp.n_states, mdp.n_actions), "(S, A)")
    bad = ~(np.isfinite(table) & (table >= 0.0))
    if mdp.available is not None:
        bad |= (table > 0.0) & ~mdp.available
    if bad.any():
        where = mdp.names.place(PAIR, first(bad))
        raise ValueError(
            f"{name}: entry ({where}) is {float(table[first(bad)])!r}; expected a finite number >= 0, and 0 where the "
            "action is not available"
        )
    if abs(float(table.sum()) - 1.0) > 1e-9:
        raise ValueError(f"{name}: sums to {float(table.sum())!r}; expected 1")
    return np.asarray(table)


def smooth_row(divergence: str | FDivergence, conjugate: str) -> FDivergence:
    """The row of a divergence with a differentiable conjugate.

    Parameters
    ----------
    divergence : {"kl", "chi-square"} or FDivergence
        Which divergence.
    conjugate : {"corrected", "plain"}
        Which conjugate.

    Returns
    -------
    FDivergence

    Raises
    ------
    ValueError
        If either is another.
    """
    row = f_divergence(divergence)
    if row.name not in ("kl", "chi-square"):
        raise ValueError(
            f"divergence: {row.name!r}; expected 'kl' or 'chi-square', whose conjugates are smooth"
        )
    if conjugate not in ("corrected", "plain"):
        raise ValueError(f"conjugate: {conjugate!r}; expected 'corrected' or 'plain'")
    return row


class _Bounds(NamedTuple):
    """Rounding of the objective, its excess over the minimum, errors of the mass and of the values."""

    rounding: float
    excess: float
    mass_error: float
    q_error: float


def solve_pair_dual(mdp: MDP, problem: FixedPolicyProgram, *, tol: float, max_steps: int) -> PairDualSolution:
    """Minimise the dual by a damped Newton method in one number per pair.

    KL starts from the constant ``max r / (1 - gamma)``, where no exponential overflows, chi-square from 0.

    Parameters
    ----------
    mdp : MDP
        Model with a start law.
    problem : FixedPolicyProgram
        The program.
    tol : float
        Accuracy of the objective, relative to ``max(1, |objective|)``.
    max_steps : int
        Largest number of Newton steps.

    Returns
    -------
    PairDualSolution

    Raises
    ------
    ValueError
        If the plain chi-square meets a pair without data, or the support of ``m`` is not closed under the policy.
    """
    flow = FlowPolytope.of(mdp)
    pi, data = flow.vector(problem.policy), flow.vector(problem.data)
    plain = problem.conjugate == "plain" and problem.divergence.name != "kl"
    if plain and not (data > 0.0).all():
        raise ValueError("the plain conjugate of chi-square asks for positive data on every admitted pair")
    matrix: Any = pair_flow_matrix(mdp, problem.policy)[flow.pair][:, flow.pair]
    reward = flow.reward if problem.offline is None else np.zeros(data.size)
    entering = problem.share * flow.start[flow.state] * pi
    linear, scale, live = entering, entering, _reached(matrix, entering)
    if problem.offline is not None:
        mixed = (1.0 - problem.share) * flow.vector(problem.offline)
        linear, scale = linear + matrix.T @ mixed, scale + abs(matrix).T @ mixed + mixed
        live = live | (mixed > 0.0)
        if (abs(matrix[live]) @ ~live > 0.0).any():
            raise ValueError(
                "offline: the policy leads from a pair with mass to one where neither it nor the offline law has mass"
            )
    if plain:
        live = np.ones(data.size, dtype=bool)
    doubt = _EPS * (data.size + 8.0) * scale
    if (data[live] == 0.0).any():
        return _infeasible(flow, problem)
    inner = np.flatnonzero(live)
    dual = ConjugateDual(
        matrix[inner][:, inner],
        linear[inner],
        data[inner],
        reward[inner],
        problem.divergence,
        problem.strength,
        plain,
    )
    kl = problem.divergence.name == "kl"
    level = max(float(reward.max()), 0.0) / (1.0 - flow.discount) if kl else 0.0
    minimum = minimise_smooth(
        dual.objective,
        dual.gradient,
        dual.hessian,
        np.full(inner.size, level),
        tol=1e-13,
        max_steps=max_steps,
    )
    bounds = _bounds(dual, doubt[inner], minimum.point)
    q = np.full(data.size, np.inf)
    q[inner] = minimum.point
    if not kl and not live.all():
        # the pairs without mass: the least values with residuals of -2 strength
        outer = np.flatnonzero(~live)
        right = reward[outer] + 2.0 * problem.strength - matrix[outer][:, inner] @ minimum.point
        q[outer] = np.linalg.solve(matrix[outer][:, outer].toarray(), right)
    price = problem.strength * float(data[~live].sum())
    objective = minimum.objective - price
    rounding = bounds.rounding + 4.0 * _EPS * (price + abs(objective))
    error = rounding + bounds.excess
    known = bool(np.isfinite(error))
    if not known:
        status = Status.UNCERTIFIED
    elif error > tol * max(1.0, abs(objective)):
        cut_short = minimum.status in (Status.MAX_STEPS, Status.INTERRUPTED)
        status = minimum.status if cut_short else Status.PRECISION_LIMIT
    elif live.all():
        status = Status.CONVERGED
    else:
        status = Status.NOT_ATTAINED if kl else Status.NOT_UNIQUE
    mass = np.zeros(data.size)
    mass[inner] = dual.mass(minimum.point)
    finite = np.isfinite(q)
    residual = reward - matrix @ np.where(finite, q, 0.0)
    residual[abs(matrix) @ ~finite > 0.0] = -np.inf
    return PairDualSolution(
        status=status,
        certificate=Certificate("error of the objective", error if known else np.inf, _THEOREM, rounding),
        steps=minimum.residuals.size,
        residuals=minimum.residuals,
        names=mdp.names,
        q=flow.table(q, fill=np.nan),
        objective=objective,
        mass=flow.table(mass),
        residual=flow.table(residual, fill=np.nan),
        lower=objective - error if known else -np.inf,
        upper=objective + rounding if known else np.inf,
        q_error=bounds.q_error,
        mass_error=bounds.mass_error,
        policy=problem.policy,
        problem=problem,
    )


def _reached(matrix: Any, start: FloatArray) -> BoolArray:
    """Pairs that carry mass: those of the start, and what the kernel of the pairs leads to."""
    rows, columns = matrix.nonzero()
    seen = start > 0.0
    while True:
        grown = seen.copy()
        grown[columns[seen[rows]]] = True
        if np.array_equal(grown, seen):
            return np.asarray(seen)
        seen = grown


def _bounds(dual: ConjugateDual, doubt: FloatArray, q: FloatArray) -> _Bounds:
    """What the point proves; ``doubt`` bounds the error of the linear term."""
    n, size = q.size, abs(dual.matrix)
    strength, weights, kl = dual.strength, dual.weights, dual.divergence.name == "kl"
    y = dual.residual(q) / strength
    width = _EPS * ((n + 6.0) * (size @ np.abs(q)) + 2.0 * np.abs(dual.reward) + 4.0 * float(np.abs(q).max()))
    width = width / strength + 2.0 * _EPS * np.abs(y)
    mass = dual.mass(q)
    blur = 4.0 * _EPS * np.abs(mass) + (mass * np.expm1(2.0 * width) if kl else weights * width)
    slope = mass * np.exp(2.0 * width) if kl else np.abs(mass) + weights * width
    conjugate = dual.divergence.plain_conjugate if dual.plain else dual.divergence.conjugate
    terms = np.abs(weights * conjugate(y)) + weights
    rounding = strength * float((slope * width).sum()) + float(doubt @ np.abs(q))
    rounding += _EPS * (n + 8.0) * (float(np.abs(dual.linear * q).sum()) + strength * float(terms.sum()))

    gradient = np.abs(dual.gradient(q)) + doubt + size.T @ blur
    gradient += _EPS * (n + 6.0) * (size.T @ np.abs(mass) + np.abs(dual.linear) + np.abs(mass))
    # the rows of I - gamma P sum to 1 - gamma, or what the floats make of it
    margin = float((dual.matrix @ np.ones(n)).min()) - _EPS * (n + 8.0)
    if not margin > 0.0:
        return _Bounds(rounding, np.inf, np.inf, np.inf)
    off = float(gradient.sum()) / margin * (1.0 + 1e-9)
    low, high = np.maximum(mass - blur, 0.0), np.abs(mass) + blur
    with np.errstate(divide="ignore", over="ignore"):
        if kl:
            far = (high + off) * (np.log((high + off) / weights) - y + width)
            gaps = np.where(off < low, off * off / low, far)
            moved = np.where(off < low, -np.log1p(-np.minimum(off / low, 1.0)), np.inf)
        else:
            gaps = off * off / weights
            moved = 2.0 * (off + blur) / weights
            if not dual.plain:
                gaps += off * np.maximum(-2.0 - y + width, 0.0)
                moved = np.where(off < low, moved, np.inf)
    excess = strength * float(gaps.sum()) * (1.0 + 1e-9)
    return _Bounds(rounding, excess, off, strength * float((moved + width).max()) / margin * (1.0 + 1e-9))


def _infeasible(flow: FlowPolytope, problem: FixedPolicyProgram) -> PairDualSolution:
    """The policy plays a pair without data: its divergence is infinite, the dual unbounded below."""
    nothing = np.full(flow.shape, np.nan)
    return PairDualSolution(
        status=Status.INFEASIBLE,
        certificate=Certificate(
            "error of the objective", 0.0, "the policy leaves the support of the data", 0.0
        ),
        names=flow.names,
        q=nothing,
        objective=-np.inf,
        mass=nothing,
        residual=nothing,
        lower=-np.inf,
        upper=-np.inf,
        q_error=np.inf,
        mass_error=np.inf,
        policy=problem.policy,
        problem=problem,
    )
