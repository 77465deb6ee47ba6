r"""Linear programs through SciPy's HiGHS, with textbook multipliers and a certificate of our own.

The program is to minimise (or maximise) ``cost . x`` subject to

- ``at_most   = (A, b)``: ``A x <= b``,
- ``at_least  = (G, h)``: ``G x >= h``,
- ``equal     = (E, e)``: ``E x = e``,
- ``lower <= x <= upper``.

Signs of the multipliers.  Those of inequalities are non-negative: by how much the objective gets *better* for each
unit by which the constraint is relaxed.  Those of equalities are shadow prices, the derivative of the optimal value
(of the stated objective, minimised or maximised) in ``e``.  SciPy's own marginals have the sign of the derivative of
a *minimum*, which for ``A x <= b`` is the opposite of the textbook's.

The solution is basic: HiGHS' dual simplex returns a vertex, and a claim may count its support.

The error bound does not use the solver's tolerances.  For a minimum let ``y >= 0`` be the multipliers returned,
``z = cost + A' y_A - G' y_G - E' y_E`` the reduced costs.  Weak duality gives for *any* ``y``

.. math::
    \text{optimum} \ge -b\cdot y_A + h\cdot y_G + e\cdot y_E + \sum_j \min_{l_j\le x_j\le u_j} z_j x_j ,

with the box replaced by ``variable_bound`` where a bound on the entries of some optimal point is known.  A point
that violates its constraints by ``r >= 0`` is feasible for the relaxed program, whence

.. math::
    \text{optimum} \le \text{cost}\cdot x + \|r\|_1 \max_i |y^*_i|

for the multipliers ``y*`` of the exact program, of which ``multiplier_bound`` bounds the entries.  Both sides
carry the rounding of their evaluation.

References
----------
A. Schrijver (1986), Theory of Linear and Integer Programming, chapter 7.
Q. Huangfu, J. Hall (2018), Parallelizing the dual revised simplex method, Math. Prog. Comp. 10 (HiGHS).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse
from scipy.optimize import linprog

from mdplab._typing import FloatArray
from mdplab.convex.program import ProgramSolution, check_limits
from mdplab.solution import Certificate, Status

__all__ = ["Constraint", "linear_program"]

Constraint: TypeAlias = tuple[Any, ArrayLike]
"""A matrix (dense or sparse, one row a constraint) and the right side."""

_EPS = float(np.finfo(np.float64).eps)
_THEOREM = "weak duality with the infeasibility of both points charged at bounds on the optimal points"


def linear_program(
    cost: ArrayLike,
    *,
    at_most: Constraint | None = None,
    at_least: Constraint | None = None,
    equal: Constraint | None = None,
    lower: ArrayLike = 0.0,
    upper: ArrayLike = np.inf,
    maximise: bool = False,
    variable_bound: float = np.inf,
    multiplier_bound: float = np.inf,
    tol: float = 1e-8,
) -> ProgramSolution:
    """Solve a linear program by the dual simplex method and certify its optimal value.

    Parameters
    ----------
    cost : array_like, shape (n,)
        Coefficients of the objective.
    at_most, at_least, equal : (matrix, array_like), optional
        Constraints ``A x <= b``, ``G x >= h``, ``E x = e``; matrices of shape (m, n), dense or sparse.
    lower, upper : array_like, shape () or (n,)
        Bounds of the variables; the default is ``x >= 0``, free variables take ``lower=-np.inf``.
    maximise : bool
        Whether the objective is maximised.
    variable_bound : float
        A proven bound on ``|x_j|`` for some optimal point; without it unbounded variables leave the result
        uncertified unless their reduced costs are exactly zero.
    multiplier_bound : float
        A proven bound on ``|y_i|`` for some optimal multipliers; without it a point that is not exactly feasible
        leaves the result uncertified.
    tol : float
        The status is ``CONVERGED`` if the certified error of the value is at most ``tol * max(1, |objective|)``.

    Returns
    -------
    ProgramSolution
        ``primal`` (n,), ``multipliers`` with the keys ``at_most``, ``at_least``, ``equal``, ``lower``, ``upper``
        (the last two of shape (n,), non-negative), ``dual`` their first three concatenated.  Status ``INFEASIBLE``
        and ``UNBOUNDED`` are the solver's word and have no error bound.

    Raises
    ------
    ValueError
        If shapes do not match, an entry is NaN, or ``tol`` is not a finite number >= 0.
    """
    check_limits(tol=tol)
    c = np.asarray(cost, dtype=np.float64)
    if c.ndim != 1 or not np.isfinite(c).all():
        raise ValueError(f"cost: expected a finite vector, got shape {c.shape}")
    n = c.size
    groups = {
        "at_most": _constraint("at_most", at_most, n),
        "at_least": _constraint("at_least", at_least, n),
        "equal": _constraint("equal", equal, n),
    }
    low = np.broadcast_to(np.asarray(lower, dtype=np.float64), (n,))
    high = np.broadcast_to(np.asarray(upper, dtype=np.float64), (n,))
    if np.isnan(low).any() or np.isnan(high).any():
        raise ValueError("lower, upper: NaN is not a bound")
    sign = -1.0 if maximise else 1.0
    inequality = sparse.vstack([groups["at_most"][0], -groups["at_least"][0]], format="csr")
    bound = np.concatenate([groups["at_most"][1], -groups["at_least"][1]])
    arguments: dict[str, Any] = {
        "c": sign * c,
        "A_ub": inequality if bound.size else None,
        "b_ub": bound if bound.size else None,
        "A_eq": groups["equal"][0] if groups["equal"][1].size else None,
        "b_eq": groups["equal"][1] if groups["equal"][1].size else None,
        "bounds": np.column_stack([low, high]),
        "method": "highs-ds",
    }
    solve: Any = linprog  # its overloads enumerate literal methods, not a mapping of arguments
    options = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    result: Any = solve(**arguments, options=options)
    if result.status == 4:  # presolve may only find out that the program is infeasible *or* unbounded
        result = solve(**arguments, options={**options, "presolve": False})
    if result.x is None or result.status in (2, 3):
        return _no_point(result, sign, n, groups)

    x = (
        np.clip(np.asarray(result.x, dtype=np.float64), low, high) + 0.0
    )  # the bounds hold exactly from here on
    marginals = (
        np.asarray(result.ineqlin.marginals) if bound.size else np.zeros(0),
        np.asarray(result.eqlin.marginals) if groups["equal"][1].size else np.zeros(0),
    )
    y_ub = np.maximum(-marginals[0], 0.0)
    split = groups["at_most"][1].size
    y = {"at_most": y_ub[:split], "at_least": y_ub[split:], "equal": marginals[1]}
    z, dual_value, rounding = _dual_value(sign * c, groups, y, low, high, variable_bound)
    violation, violation_sum = _violation(x, groups)
    primal_value = float(sign * c @ x)
    rounding += _EPS * (n + 2) * float(np.abs(c) @ np.abs(x))
    charge = 0.0 if violation_sum == 0.0 else violation_sum * multiplier_bound
    below, above = dual_value - rounding, primal_value + charge + rounding
    error = max(primal_value - below, above - primal_value, 0.0)
    status = _status(error, tol * max(1.0, abs(primal_value)), result.status)
    multipliers = {
        "at_most": y["at_most"],
        "at_least": y["at_least"],
        "equal": sign * y["equal"],
        "lower": np.maximum(z, 0.0),
        "upper": np.maximum(-z, 0.0),
    }
    return ProgramSolution(
        status=status,
        certificate=Certificate("error of the optimal value", error, _THEOREM, rounding),
        steps=int(result.nit),
        objective=sign * primal_value,
        primal=x,
        dual=np.concatenate([multipliers["at_most"], multipliers["at_least"], multipliers["equal"]]),
        lower=below if sign > 0 else -above,
        upper=above if sign > 0 else -below,
        infeasibility=violation,
        multipliers=multipliers,
    )


def _constraint(name: str, constraint: Constraint | None, n: int) -> tuple[Any, FloatArray]:
    """Check one group of constraints; a missing group has no rows."""
    if constraint is None:
        return sparse.csr_array((0, n)), np.zeros(0)
    matrix, right = constraint
    given: Any = matrix if sparse.issparse(matrix) else np.atleast_2d(np.asarray(matrix, dtype=np.float64))
    matrix = sparse.csr_array(given)
    right = np.atleast_1d(np.asarray(right, dtype=np.float64))
    if matrix.shape != (right.size, n):
        raise ValueError(f"{name}: matrix of shape {matrix.shape}, expected {(right.size, n)}")
    if not (np.isfinite(right).all() and np.isfinite(matrix.data).all()):
        raise ValueError(f"{name}: entries must be finite")
    return matrix, right


def _dual_value(
    c: FloatArray,
    groups: dict[str, tuple[Any, FloatArray]],
    y: dict[str, FloatArray],
    low: FloatArray,
    high: FloatArray,
    variable_bound: float,
) -> tuple[FloatArray, float, float]:
    """Reduced costs, the value of the dual function of the minimum, and the rounding of both."""
    z = c.copy()
    size = np.abs(c)
    value = absolute = 0.0
    for name, sign in (("at_most", -1.0), ("at_least", 1.0), ("equal", 1.0)):
        matrix, right = groups[name]
        z -= sign * (matrix.T @ y[name])
        size += np.abs(matrix).T @ np.abs(y[name])
        value += sign * float(right @ y[name])
        absolute += float(np.abs(right) @ np.abs(y[name]))
    terms = sum(matrix.shape[0] for matrix, _ in groups.values()) + 4
    # an optimal point is known to lie in this box
    left, right_end = np.maximum(low, -variable_bound), np.minimum(high, variable_bound)
    slack = terms * _EPS * size
    with np.errstate(invalid="ignore"):
        ends = np.minimum(np.where(z == 0.0, 0.0, z * left), np.where(z == 0.0, 0.0, z * right_end))
        # a reduced cost of a certain sign needs only the end of the box that it points to
        reach = np.maximum(np.abs(left), np.abs(right_end))
        reach = np.where(z > slack, np.abs(left), np.where(z < -slack, np.abs(right_end), reach))
        loss = np.where(slack == 0.0, 0.0, slack * reach)
    rounding = float(loss.sum()) + _EPS * (terms + c.size) * (
        absolute + float(np.abs(ends[np.isfinite(ends)]).sum())
    )
    return z, value + float(ends.sum()), rounding


def _violation(x: FloatArray, groups: dict[str, tuple[Any, FloatArray]]) -> tuple[float, float]:
    """Largest violation, and an upper bound on the sum of all violations with the rounding of their evaluation."""
    largest = total = 0.0
    for name, (matrix, right) in groups.items():
        excess = matrix @ x - right
        signed = {"at_most": excess, "at_least": -excess, "equal": np.abs(excess)}[name]
        scale = np.abs(matrix) @ np.abs(x) + np.abs(right)
        # a row with k entries is evaluated within (k + 1) eps of the sum of its absolute terms
        uncertain = (np.diff(matrix.indptr) + 1.0) * _EPS * scale
        total += float(np.maximum(signed + uncertain, 0.0).sum())
        largest = max(largest, float(signed.max(initial=0.0)))
    return largest, total


def _status(error: float, tol: float, code: int) -> Status:
    """The verdict on a point, from our own bound and the reason why the solver stopped."""
    if error <= tol:
        return Status.CONVERGED
    if code == 1:
        return Status.MAX_STEPS
    if not np.isfinite(error):
        return Status.UNCERTIFIED
    return Status.PRECISION_LIMIT


def _no_point(result: Any, sign: float, n: int, groups: dict[str, tuple[Any, FloatArray]]) -> ProgramSolution:
    """The outcome without a point: infeasible, unbounded, or a failure of the solver."""
    status = {2: Status.INFEASIBLE, 3: Status.UNBOUNDED, 1: Status.MAX_STEPS}.get(
        result.status, Status.UNCERTIFIED
    )
    value = {Status.INFEASIBLE: np.inf, Status.UNBOUNDED: -np.inf}.get(status, np.nan)
    multipliers = {name: np.full(right.size, np.nan) for name, (_, right) in groups.items()}
    return ProgramSolution(
        status=status,
        certificate=Certificate("error of the optimal value", np.inf, "none: the solver's own verdict", 0.0),
        steps=int(result.nit or 0),
        objective=sign * value,
        primal=np.full(n, np.nan),
        dual=np.concatenate([multipliers["at_most"], multipliers["at_least"], multipliers["equal"]]),
        infeasibility=np.inf,
        multipliers=multipliers,
    )
