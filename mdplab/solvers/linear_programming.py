r"""The two linear programs of a discounted MDP.

With the flow matrix ``(B V)(s, a) = V(s) - gamma sum_t P(t | s, a) V(t)`` and the start law ``mu_0``

.. math::
    \min\{(1-\gamma)\mu_0\cdot V : BV \ge R\} \;=\; \max\{\langle d, R\rangle : B^\top d = (1-\gamma)\mu_0,\ d\ge0\}
    \;=\; (1-\gamma)\,\mu_0\cdot V^*.

The multipliers of the first program are the point of the second and conversely.  Complementary slackness,
``d(s, a) (BV - R)(s, a) = 0``, says that an optimal occupancy plays only actions without slack; a basic one has
exactly one positive action in each state that the start law reaches.

Certificate.  ``V*`` is an optimal point of the first program with ``|V*| <= max |R| / (1 - gamma)``, and an optimal
``d`` has entries of at most 1.  With these two bounds the infeasibility of the points returned is charged at its
full price (:mod:`mdplab.convex.linear`), so that the error bound of the value rests neither on the tolerances of the
solver nor on its verdict.

Uniqueness.  ``V`` is the only minimiser exactly when every state is reachable from the start law through actions
without slack: along them ``BV = R`` holds at every optimal point, while ``V`` may be raised on the states that are not
reached.  The maximiser is unique exactly when each of the states with mass has one action without slack.  Otherwise
the status is ``NOT_UNIQUE``: the value is certified all the same, and the points are to be compared by their values.

References
----------
F. d'Epenoux (1963), A probabilistic production and inventory problem, Management Science 10.
M. Puterman (1994), Markov Decision Processes, section 6.9.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import sparse

from mdplab._typing import BoolArray, FloatArray
from mdplab.convex.flow import FlowPolytope
from mdplab.convex.linear import linear_program
from mdplab.convex.program import ProgramSolution
from mdplab.models import MDP
from mdplab.solution import Status

__all__ = ["occupancy_program", "value_program"]


def value_program(mdp: MDP, *, tol: float = 1e-8, tie: float = 1e-9) -> ProgramSolution:
    """Minimise ``(1 - gamma) mu_0 . V`` subject to ``BV >= R``.

    Parameters
    ----------
    mdp : MDP
        Discounted model with a start law.
    tol : float
        Accuracy of the value relative to ``max(1, |value|)``.
    tie : float
        A slack up to ``tie * max(1, max |V|)`` counts as none when uniqueness is decided.

    Returns
    -------
    ProgramSolution
        ``primal`` (S,) is ``V``, ``dual`` (S, A) the multipliers of the constraints, which are an optimal occupancy;
        ``multipliers["slack"]`` (S, A) is ``BV - R`` (NaN at unavailable pairs).

    Raises
    ------
    ValueError
        If the model has no start law.

    References
    ----------
    M. Puterman (1994), Markov Decision Processes, section 6.9.
    """
    flow = FlowPolytope.of(mdp)
    program = linear_program(
        flow.start,
        at_least=(flow.matrix, flow.reward),
        lower=-np.inf,
        variable_bound=_value_bound(flow),
        multiplier_bound=1.0,
        tol=tol,
    )
    value, d = program.primal, program.multipliers["at_least"]
    slack = flow.matrix @ value - flow.reward
    status = program.status
    if status is Status.CONVERGED and not _reaches_all(flow, slack <= _tie(value, tie)):
        status = Status.NOT_UNIQUE
    table = flow.table(d)
    return replace(
        program,
        status=status,
        dual=table,
        multipliers={"occupancy": table, "slack": flow.table(slack, fill=np.nan)},
    )


def occupancy_program(mdp: MDP, *, tol: float = 1e-8, tie: float = 1e-9) -> ProgramSolution:
    """Maximise ``<d, R>`` subject to ``B' d = (1 - gamma) mu_0``, ``d >= 0``.

    Parameters
    ----------
    mdp : MDP
        Discounted model with a start law.
    tol : float
        Accuracy of the value relative to ``max(1, |value|)``.
    tie : float
        A slack up to ``tie * max(1, max |V|)`` counts as none when uniqueness is decided.

    Returns
    -------
    ProgramSolution
        ``primal`` (S, A) is a basic optimal occupancy, ``dual`` (S,) the multipliers of the flow constraints, which
        are an optimal ``V``; ``multipliers["slack"]`` (S, A) is ``BV - R`` (NaN at unavailable pairs).

    Raises
    ------
    ValueError
        If the model has no start law.

    References
    ----------
    F. d'Epenoux (1963), A probabilistic production and inventory problem, Management Science 10.
    """
    flow = FlowPolytope.of(mdp)
    program = linear_program(
        flow.reward,
        equal=(sparse.csr_array(flow.matrix.T), flow.start),
        maximise=True,
        variable_bound=1.0,
        multiplier_bound=_value_bound(flow),
        tol=tol,
    )
    value = program.multipliers["equal"]
    slack = flow.matrix @ value - flow.reward
    status = program.status
    if status is Status.CONVERGED:
        mass = np.bincount(flow.state, program.primal, flow.shape[0])
        optimal = value if (mass > 0.0).all() else _optimal_value(flow)
        tight = flow.matrix @ optimal - flow.reward <= _tie(optimal, tie)
        if (np.bincount(flow.state[tight], minlength=flow.shape[0])[mass > 0.0] > 1).any():
            status = Status.NOT_UNIQUE
    return replace(
        program,
        status=status,
        primal=flow.table(program.primal),
        dual=value,
        multipliers={"value": value, "slack": flow.table(slack, fill=np.nan)},
    )


def _value_bound(flow: FlowPolytope) -> float:
    """``max |R| / (1 - gamma)``, a little enlarged: a bound on ``|V*|`` that rounding cannot break."""
    return float(np.abs(flow.reward).max()) / (1.0 - flow.discount) * (1.0 + 1e-9)


def _optimal_value(flow: FlowPolytope) -> FloatArray:
    """``V*`` in every state: the multipliers say nothing precise about states without mass, a full start law does."""
    weights = np.full(flow.shape[0], 1.0 / flow.shape[0])
    return linear_program(weights, at_least=(flow.matrix, flow.reward), lower=-np.inf).primal


def _tie(value: FloatArray, tie: float) -> float:
    return tie * max(1.0, float(np.abs(value).max()))


def _reaches_all(flow: FlowPolytope, tight: BoolArray) -> bool:
    """Whether the start law reaches every state through pairs without slack."""
    rows = np.flatnonzero(tight)
    sub = replace(
        flow, matrix=flow.matrix[rows], reward=flow.reward[rows], state=flow.state[rows], pair=flow.pair[rows]
    )
    return bool(sub.reachable().all())
