r"""The two linear programs of a discounted MDP.

With the flow matrix ``(B V)(s, a) = V(s) - gamma sum_t P(t | s, a) V(t)`` and the start law ``mu_0``

.. math::
    \min\{(1-\gamma)\mu_0\cdot V : BV \ge R\} \;=\; \max\{\langle d, R\rangle : B^\top d = (1-\gamma)\mu_0,\ d\ge0\}
    \;=\; (1-\gamma)\,\mu_0\cdot V^*.

The multipliers of the first program are the point of the second and conversely.  Complementary slackness,
``d(s, a) (BV - R)(s, a) = 0``, says that an optimal occupancy plays only actions without slack; a basic one has
exactly one positive action in each state that the start law reaches.

Certificate.  ``V*`` is an optimal point of the first program with ``|V*| <= max |R| / m``, and the masses of an
optimal ``d`` sum to at most ``(1 - gamma) / m``, where ``m = 1 - gamma sup(row sums)`` allows for accepted rows that
do not sum to one exactly.  With these two bounds the infeasibility of the points returned is charged at its full price
(:mod:`mdplab.convex.linear`), so that the error bound of the value rests neither on the tolerances of the solver nor
on its verdict.  The stored flow matrix differs from the exact one by at most ``2 eps`` a row; a constant of
``2 eps |V| / m`` repairs either program for the other matrix, which is charged as well.

Units.  The tolerances of the solver are absolute.  It is given the rewards divided by a power of two near ``max |R|``
and the start law without its factor ``1 - gamma``.  Both programs have an optimum, whatever the model: where the
solver says otherwise (``1 - gamma`` near its tolerances) the result is ``UNCERTIFIED``.

Uniqueness.  Call a pair tight if ``B V* = R`` there.  ``V*`` is the only minimiser exactly when every state is
reachable from the start law through tight pairs: then an optimal occupancy has mass in every state, and slackness
determines ``V``; otherwise ``V*`` may be raised a little on the states that are not reached.  (Tightness at another
optimal point says nothing: its pairs may be tight by accident.)  The maximiser is unique exactly when each of the
states with mass has one tight pair.  Otherwise the status is ``NOT_UNIQUE``: the value is certified all the same, and
the points are to be compared by their values.

References
----------
F. d'Epenoux (1963), A probabilistic production and inventory problem, Management Science 10.
M. Puterman (1994), Markov Decision Processes, section 6.9.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from mdplab._typing import BoolArray, FloatArray
from mdplab.convex.flow import FlowPolytope
from mdplab.convex.linear import linear_program
from mdplab.convex.program import ProgramSolution, check_limits, power_of_two
from mdplab.models import MDP
from mdplab.solution import Certificate, Status

__all__ = ["occupancy_program", "value_program"]

_EPS = float(np.finfo(np.float64).eps)


def value_program(mdp: MDP, *, tol: float = 1e-8, tie: float = 1e-9) -> ProgramSolution:
    """Minimise ``(1 - gamma) mu_0 . V`` subject to ``BV >= R``.

    Parameters
    ----------
    mdp : MDP
        Discounted model with a start law.
    tol : float
        Accuracy of the value relative to ``max |R|``.
    tie : float
        A slack up to ``tie * max |R|`` (and the rounding of ``V``) counts as none when uniqueness is decided.

    Returns
    -------
    ProgramSolution
        ``primal`` (S,) is ``V``, ``dual`` (S, A) the multipliers of the constraints, which are an optimal occupancy;
        ``multipliers["slack"]`` (S, A) is ``BV - R`` (NaN at unavailable pairs).

    Raises
    ------
    ValueError
        If the model has no start law, or ``tol`` or ``tie`` is not a finite number >= 0.

    References
    ----------
    M. Puterman (1994), Markov Decision Processes, section 6.9.
    """
    check_limits(tol=tol, tie=tie)
    task = _Task.of(mdp)
    program = linear_program(
        task.start,
        at_least=(task.flow.matrix, task.reward),
        lower=-np.inf,
        variable_bound=task.value_bound,
        multiplier_bound=task.mass_bound,
    )
    value = program.primal
    slack = task.flow.matrix @ value - task.reward
    table = task.flow.table(task.weight * program.multipliers["at_least"])
    found = task.certified(program, tol)
    if found.status is Status.CONVERGED and not (task.start > 0.0).all() and not task.reaches_all(tie):
        found = replace(found, status=Status.NOT_UNIQUE)
    return replace(
        found,
        names=mdp.names,
        primal=task.in_model_units(value),
        dual=table,
        infeasibility=float(task.unit * found.infeasibility),
        multipliers={"occupancy": table, "slack": task.flow.table(task.in_model_units(slack), fill=np.nan)},
    )


def occupancy_program(mdp: MDP, *, tol: float = 1e-8, tie: float = 1e-9) -> ProgramSolution:
    """Maximise ``<d, R>`` subject to ``B' d = (1 - gamma) mu_0``, ``d >= 0``.

    Parameters
    ----------
    mdp : MDP
        Discounted model with a start law.
    tol : float
        Accuracy of the value relative to ``max |R|``.
    tie : float
        A slack up to ``tie * max |R|`` (and the rounding of ``V``) counts as none when uniqueness is decided.

    Returns
    -------
    ProgramSolution
        ``primal`` (S, A) is a basic optimal occupancy, ``dual`` (S,) the multipliers of the flow constraints, which
        are an optimal ``V``; ``multipliers["slack"]`` (S, A) is ``BV - R`` (NaN at unavailable pairs).

    Raises
    ------
    ValueError
        If the model has no start law, or ``tol`` or ``tie`` is not a finite number >= 0.

    References
    ----------
    F. d'Epenoux (1963), A probabilistic production and inventory problem, Management Science 10.
    """
    check_limits(tol=tol, tie=tie)
    task = _Task.of(mdp)
    flow = task.flow
    program = linear_program(
        task.reward,
        equal=(sparse.csr_array(flow.matrix.T), task.start),
        maximise=True,
        variable_bound=task.mass_bound,
        multiplier_bound=task.value_bound,
    )
    value = program.multipliers["equal"]
    slack = flow.matrix @ value - task.reward
    found = task.certified(program, tol)
    if found.status is Status.CONVERGED:
        played = np.bincount(flow.state, program.primal, flow.shape[0]) > 0.0
        tight = task.tight(value if played.all() else task.optimal_value(), tie)
        if (np.bincount(flow.state[tight], minlength=flow.shape[0])[played] != 1).any():
            found = replace(found, status=Status.NOT_UNIQUE)
    value = task.in_model_units(value)
    return replace(
        found,
        names=mdp.names,
        primal=flow.table(task.weight * program.primal),
        dual=value,
        infeasibility=task.weight * found.infeasibility,
        multipliers={"value": value, "slack": flow.table(task.in_model_units(slack), fill=np.nan)},
    )


@dataclass(frozen=True)
class _Task:
    """The two programs in the units of the solver: reward ``R / unit``, start law without its ``weight = 1 - gamma``."""

    flow: FlowPolytope
    start: FloatArray
    reward: FloatArray
    unit: float

    @classmethod
    def of(cls, mdp: MDP) -> _Task:
        flow = FlowPolytope.of(mdp)
        unit = power_of_two(float(np.abs(flow.reward).max()))
        return cls(flow, np.asarray(mdp.start_law(), dtype=np.float64), flow.reward / unit, unit)

    @property
    def weight(self) -> float:
        return 1.0 - self.flow.discount

    def in_model_units(self, value: FloatArray) -> FloatArray:
        """``unit * value``; infinite where that exceeds the floating-point range, which leaves it uncertified."""
        with np.errstate(over="ignore"):
            return np.asarray(self.unit * value)

    @property
    def size(self) -> float:
        """``max |R|`` in the units of the solver: between 1/2 and 1, or 0."""
        return float(np.abs(self.reward).max())

    @property
    def value_bound(self) -> float:
        """A bound on ``|V*|`` that rounding cannot break."""
        return self.size * self._horizon

    @property
    def mass_bound(self) -> float:
        """A bound on the sum of the entries of every feasible point of the second program."""
        return float(self.start.sum()) * self._horizon

    @property
    def _horizon(self) -> float:
        """``1 / m``, a little enlarged."""
        return (1.0 + 1e-9) / self.flow.margin if self.flow.margin > 0.0 else np.inf

    def certified(self, program: ProgramSolution, tol: float) -> ProgramSolution:
        """The program in the units of the model, normalised, with the rounding of its data charged."""
        if not np.isfinite(program.certificate.bound):
            verdict = program.status in (Status.INFEASIBLE, Status.UNBOUNDED)
            return replace(
                program,
                status=Status.UNCERTIFIED if verdict else program.status,
                objective=np.nan if verdict else program.objective * self.weight * self.unit,
                lower=-np.inf,
                upper=np.inf,
                infeasibility=np.inf if verdict else program.infeasibility,
            )
        # a row of the matrix is off by 2 eps, the factor 1 - gamma and the products with it by a few eps
        data = 2.0 * _EPS * self.value_bound * self.mass_bound
        data += 4.0 * _EPS * (abs(program.objective) + program.certificate.bound + data)
        factor = self.weight * self.unit
        objective = float(program.objective * factor)
        # one step outwards where a product falls among the subnormal numbers
        error = float(np.nextafter((program.certificate.bound + data) * factor, np.inf))
        accurate = error <= tol * self.size * self.unit or error <= np.finfo(np.float64).tiny
        status = program.status
        if np.isfinite(error) and np.isfinite(self.unit * self.value_bound):
            if accurate:
                status = Status.CONVERGED
            elif status is not Status.MAX_STEPS:
                status = Status.PRECISION_LIMIT
        else:
            status = Status.UNCERTIFIED
        certificate = program.certificate
        return replace(
            program,
            status=status,
            certificate=Certificate(
                certificate.quantity, error, certificate.theorem, (certificate.rounding + data) * factor
            ),
            objective=objective,
            lower=float(np.nextafter((program.lower - data) * factor, -np.inf)),
            upper=float(np.nextafter((program.upper + data) * factor, np.inf)),
        )

    def optimal_value(self) -> FloatArray:
        """``V*`` in every state: a program says nothing precise about states without mass, a full start law does."""
        weights = np.full(self.flow.shape[0], 1.0 / self.flow.shape[0])
        return linear_program(weights, at_least=(self.flow.matrix, self.reward), lower=-np.inf).primal

    def tight(self, optimal: FloatArray, tie: float) -> BoolArray:
        """Pairs without slack at ``V*``; none where it could not be found."""
        slack = self.flow.matrix @ optimal - self.reward
        return np.asarray(slack <= tie * self.size + 64.0 * _EPS * float(np.abs(optimal).max()))

    def reaches_all(self, tie: float) -> bool:
        """Whether the start law reaches every state through tight pairs."""
        flow, rows = self.flow, np.flatnonzero(self.tight(self.optimal_value(), tie))
        sub = replace(
            flow,
            matrix=flow.matrix[rows],
            reward=flow.reward[rows],
            state=flow.state[rows],
            pair=flow.pair[rows],
        )
        return bool(sub.reachable().all())
