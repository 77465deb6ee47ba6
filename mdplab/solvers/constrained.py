r"""Constrained models: maximise one return subject to lower thresholds on the others.

With occupancies ``d`` (normalised) and thresholds :math:`c_k` on start values, the problem is a linear program,

.. math::
    \max_d \frac{\langle d,R_0\rangle}{1-\gamma}:\quad B^\top d=(1-\gamma)\mu,\ d\ge0,\quad
    \frac{\langle d,R_k\rangle}{1-\gamma}\ge c_k ,

and a stationary policy attains it, randomised in at most as many states as constraints are active.  The multiplier
:math:`\lambda_k\ge0` is by how much the optimal value gets better for each unit by which :math:`c_k` is lowered.

Certificates, none of which uses the solver's tolerances:

* *Upper bound.*  :math:`\max_\pi J_{R_0+\lambda\cdot R}-\lambda\cdot c` for the multipliers found; policy iteration
  bounds the optimum of that unconstrained model from above, and any :math:`\lambda\ge0` will do.
* *Lower bound.*  The returns of the policy found are evaluated with proven errors.  Where it may miss a threshold by
  ``e`` it is mixed (as an occupancy) with a policy that keeps all of them by a margin ``t > 0``: the share
  ``e / (e + t)`` of that one makes the mixture feasible.  Where no policy has a margin nothing is proven from below.
* *Infeasibility* is proven by weights :math:`w\ge0` with :math:`\max_\pi J_{w\cdot R}<w\cdot c` (Farkas), the
  multipliers of the largest margin.

References
----------
.. [1] E. Altman, *Constrained Markov Decision Processes*, 1999, chapters 3 and 4.
.. [2] L. C. M. Kallenberg, *Linear Programming and Finite Markovian Control Problems*, 1983.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from mdplab._typing import BoolArray, FloatArray
from mdplab.convex.flow import FlowPolytope
from mdplab.convex.linear import linear_program
from mdplab.interrupts import asked, interruptible
from mdplab.models.multi_objective import MultiObjectiveMDP
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.discounted import UNIT, check_controls
from mdplab.solvers.policy_evaluation import policy_evaluation
from mdplab.solvers.policy_iteration import policy_iteration

__all__ = ["ConstrainedSolution", "best_return", "certified_returns", "constrained"]

_THEOREM = (
    "Lagrangian duality: max over policies of the return of R_0 + multipliers . R, minus multipliers . thresholds, is "
    "an upper bound; a certified feasible mixture of two policies attains the lower one"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ConstrainedSolution(Solution):
    """Optimal policy of a constrained model with its multipliers; its table has a row an objective.

    Attributes
    ----------
    objective : float
        Start value of the first signal under ``policy``; ``-inf`` if infeasible.  ``certificate.bound`` is its
        distance from the optimal value.
    lower, upper : float
        Proven bounds on the optimal value.
    policy : ndarray (S, A)
        Stationary, randomised where it must be; uniform over the available actions where the start law never leads.
    occupancy : ndarray (S, A)
        Its normalised occupancy, as the program found it.
    multipliers : ndarray (m - 1,)
        Non-negative prices of the thresholds: the optimal value falls by ``multipliers[k]`` for each unit by which
        ``thresholds[k]`` is raised.  NaN if infeasible.
    thresholds : ndarray (m - 1,)
        As given.
    returns : ndarray (m,)
        Start values of the policy.
    return_errors : ndarray (m,)
        Proven errors of ``returns``.
    infeasibility : float
        Bound on the largest amount by which the policy may miss a threshold.
    margin : float
        Proven lower bound on the largest margin ``t`` with which all thresholds can be kept; negative, the proven
        upper bound of it, if infeasible.
    farkas : ndarray (m - 1,) or None
        The proof of infeasibility: weights of sum one with ``max over policies of farkas . returns[1:]`` below
        ``farkas . thresholds`` by ``-margin``.
    """

    objective: float
    lower: float
    upper: float
    policy: FloatArray
    occupancy: FloatArray
    multipliers: FloatArray
    thresholds: FloatArray
    returns: FloatArray
    return_errors: FloatArray
    infeasibility: float
    margin: float
    farkas: FloatArray | None = field(default=None, repr=False)

    def _layout(self) -> Layout:
        columns = {
            "return": self.returns,
            "return_error": self.return_errors,
            "threshold": np.insert(self.thresholds, 0, np.nan),  # the first objective has none
            "multiplier": np.insert(self.multipliers, 0, np.nan),
        }
        return ("objective",), columns

    @property
    def gap(self) -> float:
        """Width of the certified interval."""
        return 0.0 if self.lower == self.upper else self.upper - self.lower


def certified_returns(model: MultiObjectiveMDP, policy: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Start values of a policy with proven errors.

    Parameters
    ----------
    model : MultiObjectiveMDP
        The model.
    policy : ndarray (S, A)
        Probabilities.

    Returns
    -------
    returns, errors : ndarray (m,)
    """
    found = [policy_evaluation(model.objective(k), policy) for k in range(model.n_objectives)]
    values = np.array([float(model.initial @ f.value) for f in found])
    errors = np.array([_start_error(model, f.value, f.certificate.bound) for f in found])
    return values, errors


def _start_error(model: MultiObjectiveMDP, value: FloatArray, bound: float) -> float:
    """Error of the computed ``initial @ value``; the start law may sum to one up to ``8 eps S``."""
    mass = 1 + 20 * UNIT * model.n_states
    return mass * bound + 1.01 * (18 * model.n_states + 2) * UNIT * float(np.abs(value).max())


def best_return(model: MultiObjectiveMDP, weights: FloatArray) -> tuple[float, float, FloatArray]:
    """Largest scalarised start value.

    Parameters
    ----------
    model : MultiObjectiveMDP
        The model.
    weights : ndarray (m,)
        Of any sign.

    Returns
    -------
    value, error : float
        The optimum lies within ``error`` of ``value``.
    policy : ndarray (S, A)
        Deterministic, optimal up to its own error.
    """
    found = policy_iteration(model.scalarise(weights), tol=1e-12)
    # the scalarised reward was rounded: m products and sums
    size = float((np.abs(weights)[:, None, None] * np.abs(model.available_rewards)).sum(axis=0).max())
    scalar = 1.01 * (model.n_objectives + 1) * UNIT * size / (1.0 - model.discount)
    error = _start_error(model, found.value, found.certificate.bound) + scalar
    return float(model.initial @ found.value), error, found.policy


@interruptible
def constrained(
    model: MultiObjectiveMDP, thresholds: ArrayLike, *, tol: float = 1e-8, tie: float = 1e-9
) -> ConstrainedSolution:
    """Maximise the start value of the first signal, the others at least at their thresholds.

    Parameters
    ----------
    model : MultiObjectiveMDP
        Dense or CSR, masked or not; signal 0 is the objective.
    thresholds : array_like (m - 1,)
        Lower bounds on the start values of signals 1, 2, ...; ``-inf`` asks for nothing.
    tol : float, default 1e-8
        Error of the optimal value asked for, relative to ``max(1, |value|)``.
    tie : float, default 1e-9
        Reduced costs up to ``tie * max(1, |multipliers|, |rewards|)`` count as none when uniqueness and slackness are
        decided.

    Returns
    -------
    ConstrainedSolution
        Status CONVERGED; SLACK if no threshold has a price (the unconstrained optimum keeps them); NOT_UNIQUE if
        several occupancies are optimal; INFEASIBLE (proven); PRECISION_LIMIT; UNCERTIFIED where no policy keeps the
        thresholds with a margin, so that feasibility itself hangs on rounding.  Slackness goes before uniqueness.

    Raises
    ------
    ValueError
        If the thresholds have another shape, or are NaN or ``+inf``.

    References
    ----------
    .. [1] E. Altman, *Constrained Markov Decision Processes*, 1999.
    """
    check_controls(tol, 1)
    c = np.asarray(thresholds, dtype=np.float64)
    if c.shape != (model.n_objectives - 1,) or np.isnan(c).any() or (c == np.inf).any():
        raise ValueError(
            f"thresholds must be {model.n_objectives - 1} numbers below inf, one for each signal after the first; got {c}"
        )
    flow = FlowPolytope.of(model.base)
    rewards = np.stack([flow.vector(r) for r in model.rewards])
    live = np.isfinite(c)
    scale = 1.0 - model.discount
    margin, slater, farkas = _largest_margin(model, flow, rewards[1:][live], c[live], live)
    if farkas is not None:
        return _infeasible(model, c, margin, farkas)
    program = linear_program(
        rewards[0],
        equal=(sparse.csr_array(flow.matrix.T), flow.start),
        at_least=(rewards[1:][live], scale * c[live]) if live.any() else None,
        maximise=True,
    )
    if not np.isfinite(program.primal).all():
        # feasible by a hair's breadth, or not: the solver could not tell, and no proof says which
        return _infeasible(model, c, math.nan)
    policy = flow.table(flow.policy(program.primal))
    multipliers = np.zeros(c.size)
    multipliers[live] = program.multipliers["at_least"]
    returns, errors = certified_returns(model, policy)
    missing = np.maximum((c - returns[1:] + errors[1:])[live], 0.0)
    infeasibility = float(missing.max(initial=0.0)) * (1 + 4 * UNIT)
    upper = _dual_bound(model, multipliers, c)
    lower = _feasible_value(returns, errors, infeasibility, slater, margin)
    objective = float(returns[0])
    bound = max(upper - objective, objective - lower, 0.0)
    dearest = max(1.0, float(np.abs(multipliers).max(initial=0.0)), float(np.abs(rewards).max(initial=0.0)))
    if bound > tol * max(1.0, abs(objective)):
        status = Status.PRECISION_LIMIT if math.isfinite(bound) else Status.UNCERTIFIED
        if asked(None):  # the policies behind the bounds were not the best ones yet
            status = Status.INTERRUPTED
    elif not (multipliers > tie * dearest).any():
        status = Status.SLACK
    elif _several(flow, rewards, multipliers, live, program, scale * c, tie * dearest):
        status = Status.NOT_UNIQUE
    else:
        status = Status.CONVERGED
    return ConstrainedSolution(
        status=status,
        certificate=Certificate("error of the optimal value", bound, _THEOREM, 0.0),
        steps=program.steps,
        objective=objective,
        lower=lower,
        upper=upper,
        policy=policy,
        occupancy=flow.table(program.primal),
        multipliers=multipliers,
        thresholds=c,
        returns=returns,
        return_errors=errors,
        infeasibility=infeasibility,
        margin=margin,
        names=model.names,
    )


def _dual_bound(model: MultiObjectiveMDP, multipliers: FloatArray, c: FloatArray) -> float:
    """Upper bound on the optimal value from any non-negative multipliers."""
    value, error, _ = best_return(model, np.concatenate([[1.0], multipliers]))
    terms = np.where(multipliers > 0, multipliers * np.where(np.isfinite(c), c, 0.0), 0.0)
    return (
        value - float(terms.sum()) + error + 4 * UNIT * (abs(value) + terms.size * float(np.abs(terms).sum()))
    )


def _feasible_value(
    returns: FloatArray,
    errors: FloatArray,
    missing: float,
    slater: tuple[FloatArray, FloatArray] | None,
    margin: float,
) -> float:
    """Proven value of a feasible policy: the one found, mixed with one that has a margin where it may miss."""
    own = float(returns[0] - errors[0])
    if missing == 0.0:
        return own
    if slater is None or not margin > 0.0:
        return -math.inf
    share = missing / (missing + margin) * (1 + 8 * UNIT)
    safe = float(slater[0][0] - slater[1][0])
    return own - share * max(own - safe, 0.0) - 8 * UNIT * (abs(own) + abs(safe))


def _largest_margin(
    model: MultiObjectiveMDP, flow: FlowPolytope, rewards: FloatArray, c: FloatArray, live: BoolArray
) -> tuple[float, tuple[FloatArray, FloatArray] | None, FloatArray | None]:
    """A proven margin with the returns of its policy; or a negative one with the weights that prove that there is none.

    ``max t : <d, R_k> / (1 - gamma) - t >= c_k`` over occupancies; its multipliers are the weights of Farkas.
    """
    if not c.size:
        return math.inf, None, None
    scale = 1.0 - model.discount
    n = flow.reward.size
    transposed: Any = sparse.csr_array(flow.matrix.T)
    program = linear_program(
        np.append(np.zeros(n), 1.0),
        equal=(sparse.hstack([transposed, sparse.csr_array((model.n_states, 1))], format="csr"), flow.start),
        at_least=(np.hstack([rewards, np.full((c.size, 1), -scale)]), scale * c),
        lower=np.append(np.zeros(n), -np.inf),
        maximise=True,
    )
    if not np.isfinite(program.primal).all():
        return 0.0, None, None
    policy = flow.table(flow.policy(program.primal[:n]))
    returns, errors = certified_returns(model, policy)
    margin = float(((returns - errors)[1:][live] - c).min())
    if margin > 0.0:
        return margin * (1 - 8 * UNIT), (returns, errors), None
    weights = np.zeros(model.n_objectives)
    weights[1:][live] = program.multipliers["at_least"]
    if (total := float(weights.sum())) > 0.0:
        weights = weights / total
        value, error, _ = best_return(model, weights)
        goal = float((weights[1:][live] * c).sum())
        above = (
            value
            + error
            - goal
            + 4 * UNIT * (abs(value) + (c.size + 1) * float(np.abs(weights[1:][live] * c).sum()))
        )
        if above < 0.0:
            return above, None, weights[1:]
    return 0.0, None, None


def _several(
    flow: FlowPolytope,
    rewards: FloatArray,
    multipliers: FloatArray,
    live: BoolArray,
    program: Any,
    goals: FloatArray,
    tie: float,
) -> bool:
    """Whether the optimal face holds several occupancies: a generic linear functional is not constant on it."""
    price = rewards[0] + multipliers @ rewards[1:]
    reduced = flow.matrix @ program.multipliers["equal"] - price
    tight = reduced <= tie
    paid = live & (multipliers > tie)
    free = live & ~paid
    direction = np.random.default_rng(0).uniform(0.5, 1.5, flow.reward.size)
    equal: Any = sparse.vstack(
        [sparse.csr_array(flow.matrix.T), sparse.csr_array(rewards[1:][paid])], format="csr"
    )
    ends = [
        linear_program(
            direction,
            equal=(equal, np.concatenate([flow.start, rewards[1:][paid] @ program.primal])),
            at_least=(rewards[1:][free], np.minimum(goals[free], rewards[1:][free] @ program.primal))
            if free.any()
            else None,
            upper=np.where(tight | (program.primal > 0), 1.0, 0.0),
            maximise=maximise,
        ).objective
        for maximise in (False, True)
    ]
    return bool(np.isfinite(ends).all() and ends[1] - ends[0] > 1e-7)


def _infeasible(
    model: MultiObjectiveMDP, c: FloatArray, margin: float, farkas: FloatArray | None = None
) -> ConstrainedSolution:
    """The outcome without a policy, proven by weights or not."""
    nothing = np.full((model.n_states, model.n_actions), np.nan)
    proven = farkas is not None
    return ConstrainedSolution(
        status=Status.INFEASIBLE if proven else Status.UNCERTIFIED,
        certificate=Certificate(
            "error of the optimal value",
            0.0 if proven else math.inf,
            "Farkas: weights w >= 0 with max over policies of the return of w . R below w . thresholds",
            0.0,
        ),
        objective=-math.inf if proven else math.nan,
        lower=-math.inf,
        upper=-math.inf if proven else math.inf,
        policy=nothing,
        occupancy=nothing,
        multipliers=np.full(c.size, np.nan),
        thresholds=c,
        returns=np.full(model.n_objectives, np.nan),
        return_errors=np.full(model.n_objectives, np.inf),
        infeasibility=math.inf,
        margin=margin,
        farkas=farkas,
        names=model.names,
    )
