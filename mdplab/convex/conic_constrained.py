"""The entropy-regularised constrained model as a cone program over occupancies (cvxpy with Clarabel).

``max <d, R_0> - T sum d log(d / d_s)`` subject to the flow equations and ``<d, R_1> >= (1 - gamma) c``, with ``d_s = sum_a d(s,
a)``: the primal of :func:`mdplab.solvers.soft_constrained`, which finds the multiplier as a root and calls no cone solver.  The upper
bound is the Lagrangian at the solver's multiplier; the point may miss the threshold by the solver's tolerance, and a lower bound
is left to who knows a policy with a margin.

References
----------
P. Goulart, Y. Chen (2024), Clarabel: an interior-point solver for conic programs, arXiv 2405.12762.
"""

from __future__ import annotations

import numpy as np

from mdplab.convex.flow import FlowPolytope
from mdplab.convex.occupancy import _conditional_entropy_loss, _multipliers, _positive, _soft_bounds, _solve
from mdplab.convex.program import ProgramSolution
from mdplab.models.multi_objective import MultiObjectiveMDP
from mdplab.solution import Certificate, Status

__all__ = ["conic_constrained_program"]


def conic_constrained_program(
    model: MultiObjectiveMDP, threshold: float, *, temperature: float
) -> ProgramSolution:
    """Maximise the return of signal 0 with an entropy bonus, that of signal 1 at least at a threshold, over occupancies.

    Parameters
    ----------
    model : MultiObjectiveMDP
        Two signals.
    threshold : float
        Lower bound on the start value of signal 1.
    temperature : float
        Positive weight of the discounted entropy.

    Returns
    -------
    ProgramSolution
        Normalised by ``1 - gamma``: ``objective``, and ``upper`` from the Lagrangian; ``primal`` (S, A); ``dual`` (S,);
        ``multipliers["threshold"]`` (1,); ``infeasibility`` by how much the return misses the threshold.  Status UNCERTIFIED:
        there is no lower bound, and without a point the solver calls the program infeasible.

    Raises
    ------
    ValueError
        If the temperature is not positive or the model has not two signals.
    """
    _positive("temperature", temperature)
    if model.n_objectives != 2:
        raise ValueError(f"model has {model.n_objectives} signals; expected 2")
    flow = FlowPolytope.of(model.base)
    main, side = (flow.vector(reward) for reward in model.rewards)
    goal = (1 - model.discount) * threshold
    import cvxpy as cp

    d = cp.Variable(main.size, nonneg=True)
    indicator = (flow.state[:, None] == np.arange(flow.shape[0])[None, :]).astype(np.float64)
    mass = indicator @ (indicator.T @ d)
    kept, balance = side @ d >= goal, flow.matrix.T @ d == flow.start
    _solve(cp.Problem(cp.Maximize(main @ d - temperature * cp.sum(cp.rel_entr(d, mass))), [balance, kept]))
    if d.value is None:
        nothing = np.full(flow.shape[0], np.nan)
        return ProgramSolution(
            status=Status.UNCERTIFIED,
            certificate=Certificate("error of the objective", np.inf, "none: the solver's own verdict", 0.0),
            objective=np.nan,
            primal=np.full(flow.shape, np.nan),
            dual=nothing,
            infeasibility=np.inf,
            multipliers={"flow": nothing, "threshold": np.full(1, np.nan)},
        )
    point = np.maximum(np.asarray(d.value, dtype=np.float64), 0.0)
    price = max(float(kept.dual_value), 0.0)
    _, upper, rounding = _soft_bounds(flow, main + price * side, temperature, flow.repair(point))
    value = _multipliers(balance)
    return ProgramSolution(
        status=Status.UNCERTIFIED,
        certificate=Certificate(
            "error of the objective", np.inf, "an upper bound alone, by Lagrangian duality", rounding
        ),
        objective=float(point @ main) - temperature * _conditional_entropy_loss(flow, point),
        primal=flow.table(point),
        dual=value,
        upper=upper - price * goal,
        infeasibility=max(goal - float(side @ point), 0.0),
        multipliers={"flow": value, "threshold": np.array([price])},
    )
