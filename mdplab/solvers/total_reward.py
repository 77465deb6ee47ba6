r"""Undiscounted total reward with terminal states, by policy iteration among proper policies.

.. math::
    V(s)=\sup_\pi \mathbb E_s\Big[\sum_{k<T}R(s_k,a_k)\Big],\qquad T=\text{time of termination},

over the policies that are *proper* from ``s``: they terminate almost surely, or stop collecting by entering an *idle*
component, a set of pairs of reward 0 in which they may stay for ever (its members are one place with a stop of
reward 0).  The graph and the rewards decide what there is:

* no proper policy from a state: ``value = -inf`` there (the supremum of nothing), status ``INFEASIBLE``;
* a component in which some policy stays for ever at a positive average reward, within reach of states that remain
  proper: ``value = +inf``, status ``UNBOUNDED``; the proof is a lower bound of that average;
* otherwise the supremum is attained by a deterministic policy, since the linear program
  :math:`\min\sum V: V\ge R+PV` has a basic optimal solution and its dual basis is a proper policy.

*Improper* policies.  If every component without slack has an exit (``improper == "negative"``) each policy that is
not proper collects :math:`-\infty`, and the optimum is one over all policies (Bertsekas and Tsitsiklis).  Otherwise
(``"null"``) some component circulates at an average of zero with rewards that cancel: total rewards of staying do not
converge in general, the optimality equation has other solutions, and an arbitrarily small change of a reward makes
the problem unbounded; the value of the policy is then a proven lower bound and the status is ``UNCERTIFIED``.

Policy iteration starts at a proper policy from the graph.  An exact improvement of a proper policy is proper, or has
a recurrent class of positive average reward (the improvements average to it), which proves ``UNBOUNDED``; rounding
may feign a third case, where the step is undone on that class.

The certificate is a pair of super- and subharmonic functions (:mod:`mdplab.solvers.undiscounted`).

References
----------
.. [1] D. P. Bertsekas and J. N. Tsitsiklis, "An analysis of stochastic shortest path problems", Mathematics of
   Operations Research 16, 1991.
.. [2] D. P. Bertsekas and H. Yu, "Stochastic shortest path problems under weak conditions", LIDS report 2909, 2016.
.. [3] L. de Alfaro, "Computing minimum and maximum reachability times in probabilistic systems", CONCUR 1999.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from mdplab._typing import Array, BoolArray, FloatArray, IntArray
from mdplab.interrupts import asked, interruptible
from mdplab.models.total_reward import TotalRewardMDP
from mdplab.operators.components import almost_sure, attractor, end_components, recurrent_classes
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.chain_value import evaluate_chain
from mdplab.solvers.discounted import UNIT, Callback, check_controls, warn_max_steps
from mdplab.solvers.undiscounted import (
    PairModel,
    pair_model,
    proper_value,
    subharmonic,
    superharmonic,
)

__all__ = ["TotalRewardSolution", "class_gain", "total_reward"]

_THEOREM = (
    "superharmonic bound (Puterman 1994, theorem 7.1.3; Bertsekas & Tsitsiklis 1991): v + epsilon m >= r + P (v + "
    "epsilon m) on all pairs bounds every proper policy, the reverse on the policy's pairs bounds its value"
)


@dataclass(frozen=True, kw_only=True, eq=False)
class TotalRewardSolution(Solution):
    """Optimal total reward among proper policies, with proven bounds; its table has a row a state.

    Attributes
    ----------
    value : ndarray (S,)
        Approximation of the optimal value; 0 at terminal states, ``-inf`` where no policy is proper, ``+inf`` where
        it is unbounded.  ``certificate.bound`` is the sup-norm error where it is finite.
    q : ndarray (S, A)
        Action values ``R + P value``; ``-inf`` at unavailable pairs, and 0 at terminal states.
    policy : ndarray (S, A)
        Deterministic; proper where the value is finite.
    lower, upper : ndarray (S,)
        ``lower <= value of the policy <= optimal value <= upper``.
    suboptimality : float
        Bound on optimal value minus value of the policy, where finite.
    proper : ndarray of bool (S,)
        States from which some policy is proper.
    idle : ndarray of bool (S,)
        States of an idle component (reward 0 for ever).
    steps_to_stop : ndarray (S,)
        Expected number of steps of the policy until it terminates or idles (those within an idle component are not
        counted); inf where the value is infinite.
    weight : ndarray (S,)
        Weight of the superharmonic bound: ``upper = value + epsilon * weight``.
    improper : str
        ``"negative"`` if all policies that are not proper are proven to collect ``-inf`` from somewhere, ``"null"``
        if rewards that cancel for ever were not excluded, ``"positive"`` if unbounded.
    gain : float
        Proven lower bound on an average reward that makes the problem unbounded; ``-inf`` if there is none.
    """

    value: FloatArray
    q: FloatArray
    policy: FloatArray
    lower: FloatArray
    upper: FloatArray
    suboptimality: float
    proper: BoolArray
    idle: BoolArray
    steps_to_stop: FloatArray
    weight: FloatArray
    improper: str
    gain: float

    def _layout(self) -> Layout:
        bounds = {"value": self.value, "lower": self.lower, "upper": self.upper}
        action = self._likeliest(self.policy)
        return ("state",), {**bounds, "action": action, "steps_to_stop": self.steps_to_stop, "q": self.q}


@dataclass(eq=False)
class _Run:
    """What policy iteration knows: the model on places with finite value, and its policy."""

    model: PairModel
    choice: IntArray
    places: IntArray  # their numbers among all places
    value: FloatArray = field(default_factory=lambda: np.empty(0))
    status: Status = Status.CONVERGED
    gain: float = -math.inf
    residuals: list[float] = field(default_factory=list)
    unbounded: list[tuple[IntArray, IntArray]] = field(default_factory=list)  # places, their pairs


@interruptible
def total_reward(
    model: TotalRewardMDP,
    *,
    tol: float = 1e-8,
    max_steps: int = 1_000,
    callback: Callback | None = None,
) -> TotalRewardSolution:
    """Maximise the undiscounted total reward over proper policies.

    Parameters
    ----------
    model : TotalRewardMDP
        Dense or CSR, masked or not; linear systems are sparse beyond 400 states.
    tol : float, default 1e-8
        Sup-norm error of the value asked for; it decides the status only.
    max_steps : int, default 1000
        Most evaluations.
    callback : callable, optional
        ``callback(steps, lower, upper)`` after every evaluation, of the states with finite value; a true answer ends
        the run with the bounds reached.

    Returns
    -------
    TotalRewardSolution
        ``residuals`` are the largest improvements found after each evaluation.  The statuses ``UNBOUNDED`` and
        ``INFEASIBLE`` are about the states of the start law, all states without one; the other states are solved
        and certified all the same.  Otherwise CONVERGED, PRECISION_LIMIT, UNCERTIFIED (rewards that cancel for
        ever), MAX_STEPS (with a ConvergenceWarning) or INTERRUPTED.

    Raises
    ------
    ValueError
        If ``tol`` or ``max_steps`` is out of range.
    """
    check_controls(tol, max_steps)
    pairs = pair_model(model)
    component, inside = end_components(pairs.matrix, pairs.owner, (pairs.reward == 0.0) & ~pairs.leaves)
    idle = int(component.max(initial=-1)) + 1
    place = component.copy()
    place[component < 0] = idle + np.arange(int((component < 0).sum()))
    if place.size:
        merged = pairs.merged(place, inside, np.arange(idle), np.zeros(idle))
        region, start = almost_sure(merged.matrix, merged.owner, merged.leaves)
        whole = merged.restrict(region)
        # pair numbers of the restricted list
        kept = np.flatnonzero(region[merged.owner] & (merged.matrix @ (~region).astype(float) == 0))
        run = _Run(whole, np.searchsorted(kept, start[region]), np.flatnonzero(region))
        _iterate(run, max_steps, callback)
    else:
        whole, region = pairs, np.zeros(0, dtype=bool)
        run = _Run(pairs, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    return _solution(model, pairs, place, inside, region, whole, run, tol)


def _iterate(run: _Run, max_steps: int, callback: Callback | None) -> None:
    """Howard's iteration; leaves the last policy with its value in ``run``."""
    seen: set[bytes] = set()
    while run.places.size:
        model, choice = run.model, run.choice
        kernel = sparse.csr_array(model.matrix[choice])
        run.value = proper_value(kernel, model.reward[choice])
        ahead, rounding = model.lookahead(run.value), model.rounding(run.value)
        top, first = model.best(ahead)
        better = top - ahead[choice] > rounding[first] + rounding[choice]
        run.residuals.append(float((top - ahead[choice]).max()))
        if not better.any():
            return
        following = _keep_proper(run, np.where(better, first, choice))
        if len(run.residuals) >= max_steps:
            run.status = Status.MAX_STEPS
        shown: tuple[FloatArray, ...] = ()
        if callback is not None:
            lower, weight = subharmonic(model, run.value, choice)
            upper, heavy = superharmonic(model, run.value, choice)
            shown = run.value - lower * weight, run.value + upper * heavy
        if asked(callback, len(run.residuals), *shown):
            run.status = Status.INTERRUPTED
        if run.status is not Status.CONVERGED:
            return
        if run.model is model:
            key = following.tobytes()
            if key in seen:  # rounding decides between policies of the same value
                return
            seen.add(key)
        else:
            seen.clear()
        run.choice = following


def _keep_proper(run: _Run, following: IntArray) -> IntArray:
    """Undo feigned improvements that make the policy improper; split off what is proven unbounded."""
    model = run.model
    while True:
        kernel = sparse.csr_array(model.matrix[following])
        label, count = recurrent_classes(kernel, model.leaves[following])
        if not count:
            return following
        for k in range(count):
            members = np.flatnonzero(label == k)
            gain = class_gain(model, kernel, following, members)
            if gain > 0.0:
                run.gain = max(run.gain, gain)
                return _split(run, following, members)
        changed = (label >= 0) & (following != run.choice)
        following = np.where(changed, run.choice, following)


def class_gain(model: PairModel, kernel: sparse.csr_array, choice: IntArray, members: IntArray) -> float:
    """Proven lower bound on the average reward of a recurrent class: ``min(r + P h - h)`` for any ``h``.

    Parameters
    ----------
    model : PairModel
        The problem.
    kernel : csr_array (n, n)
        Transitions of the chain of ``choice``.
    choice : ndarray of int (n,)
        Pair of each place.
    members : ndarray of int
        Places of the class.

    Returns
    -------
    float
    """
    rows = choice[members]
    chain = evaluate_chain(sparse.csr_array(kernel[members][:, members]), model.reward[rows])
    h = np.zeros(model.n_places)
    h[members] = chain.bias - 0.5 * (chain.bias.min() + chain.bias.max())
    odoni = model.lookahead(h) - h[model.owner] - model.rounding(h)
    return float(odoni[rows].min())


def _split(run: _Run, following: IntArray, members: IntArray) -> IntArray:
    """Set aside the places that can reach an unbounded class; the others cannot enter them."""
    model = run.model
    target = np.zeros(model.n_places, dtype=bool)
    target[members] = True
    reached, way = attractor(model.matrix, model.owner, np.ones(model.owner.size, dtype=bool), target)
    way[members] = following[members]
    run.unbounded.append((run.places[reached], model.pair[way[reached]]))
    keep = ~reached
    kept = np.flatnonzero(keep[model.owner])
    run.model, run.places = model.restrict(keep), run.places[keep]
    run.choice = np.searchsorted(kept, run.choice[keep])
    run.value = run.value[keep]
    return run.choice


def _solution(
    mdp: TotalRewardMDP,
    pairs: PairModel,
    place: IntArray,
    inside: BoolArray,
    region: BoolArray,
    whole: PairModel,
    run: _Run,
    tol: float,
) -> TotalRewardSolution:
    """Bounds and policy on the states."""
    n_places = region.size
    spread = {name: np.full(n_places, -np.inf) for name in ("value", "lower", "upper")}
    spread |= {name: np.full(n_places, np.inf) for name in ("steps", "weight")}
    choice = np.full(n_places, -2, dtype=np.int64)  # -2: any pair, -1: stop, else the pair of the model
    for places, way in run.unbounded:
        for name in ("value", "lower", "upper"):
            spread[name][places] = np.inf
        choice[places] = way
    down = up = loose = 0.0
    improper = "positive" if run.unbounded else "negative"
    if run.places.size:
        down, steps = subharmonic(run.model, run.value, run.choice)
        up, weight = superharmonic(run.model, run.value, run.choice)
        slack = run.value[run.model.owner] - run.model.lookahead(run.value)
        tight = (slack <= run.model.rounding(run.value)) & ~run.model.leaves
        if improper == "negative" and end_components(run.model.matrix, run.model.owner, tight)[1].any():
            improper = "null"
        margin = 4 * UNIT * np.abs(run.value)
        loose = 3 * UNIT * float(np.abs(run.value).max())
        spread["value"][run.places] = run.value
        spread["lower"][run.places] = run.value - down * steps * (1 + 4 * UNIT) - margin
        spread["upper"][run.places] = run.value + up * weight * (1 + 4 * UNIT) + margin
        # the weight counts the stop of an idle place as a step, the answer does not
        moves = (run.model.pair[run.choice] >= 0).astype(float)
        spread["steps"][run.places] = proper_value(sparse.csr_array(run.model.matrix[run.choice]), moves)
        spread["weight"][run.places] = weight
        choice[run.places] = run.model.pair[run.choice]
    value, lower, upper = (_states(mdp, place, spread[name], 0.0) for name in ("value", "lower", "upper"))
    finite = np.isfinite(value)
    with np.errstate(invalid="ignore"):
        bound = float(np.maximum(upper - value, value - lower)[finite].max(initial=0.0)) + loose
        loss = float((upper - lower)[finite].max(initial=0.0))
    asked = np.ones(mdp.n_states, dtype=bool) if mdp.initial is None else mdp.initial > 0
    status = run.status
    if (value[asked] == np.inf).any():
        status = Status.UNBOUNDED
    elif (value[asked] == -np.inf).any():
        status = Status.INFEASIBLE
    elif status is Status.CONVERGED and bound > tol:
        status = Status.PRECISION_LIMIT if math.isfinite(bound) else Status.UNCERTIFIED
    elif status is Status.MAX_STEPS and bound <= tol:
        status = Status.CONVERGED
    warn_max_steps("total_reward", status, len(run.residuals), bound, tol)
    return TotalRewardSolution(
        status=status,
        certificate=Certificate("sup-norm error of value where finite", bound, _THEOREM, bound),
        steps=len(run.residuals),
        residuals=np.array(run.residuals),
        value=value,
        q=_action_values(mdp, value),
        policy=_policy(mdp, pairs, place, inside, choice),
        lower=lower,
        upper=upper,
        suboptimality=loss,
        proper=_states(mdp, place, region, True),
        idle=_states(mdp, place, np.bincount(place[pairs.owner[inside]], minlength=n_places) > 0, False),
        steps_to_stop=_states(mdp, place, spread["steps"], 0.0),
        weight=_states(mdp, place, spread["weight"], 0.0),
        improper=improper,
        gain=run.gain,
        names=mdp.names,
    )


def _states(mdp: TotalRewardMDP, place: IntArray, values: Array, terminal: float) -> Array:
    """Values of places as values of states."""
    out = np.full(mdp.n_states, terminal, dtype=values.dtype)
    out[~mdp.terminal] = values[place]
    return out


def _action_values(mdp: TotalRewardMDP, value: FloatArray) -> FloatArray:
    """``R + P value`` where infinities follow the graph: a way into ``-inf`` is improper whatever else it leads to."""
    finite = np.where(np.isfinite(value), value, 0.0)
    q = mdp.reward + mdp.expectation(finite)
    q = np.where(mdp.expectation((value == np.inf).astype(float)) > 0, np.inf, q)
    q = np.where(mdp.expectation((value == -np.inf).astype(float)) > 0, -np.inf, q)
    if mdp.available is not None:
        q = np.where(mdp.available, q, -np.inf)
    return np.asarray(np.where(mdp.terminal[:, np.newaxis], 0.0, q))


def _policy(
    mdp: TotalRewardMDP, pairs: PairModel, place: IntArray, inside: BoolArray, choice: IntArray
) -> FloatArray:
    """The policy on states: within an idle component towards its exit, or anywhere inside if it stops."""
    actions = np.zeros(mdp.n_states, dtype=np.int64)
    if mdp.available is not None:
        actions = np.asarray(mdp.available.argmax(axis=1))
    outer = np.flatnonzero(~mdp.terminal)
    if outer.size:
        target = np.zeros(outer.size, dtype=bool)
        exits = choice[choice >= 0]
        number = np.cumsum(~mdp.terminal) - 1
        target[number[exits // mdp.n_actions]] = True
        way = attractor(pairs.matrix, pairs.owner, inside, target)[1]
        stay = np.full(outer.size, -1, dtype=np.int64)
        rows = np.flatnonzero(inside)[::-1]
        stay[pairs.owner[rows]] = rows  # the first inside pair of each state is written last
        way = np.where(choice[place] == -1, stay, way)
        going = np.flatnonzero(way >= 0)
        actions[outer[going]] = pairs.pair[way[going]] % mdp.n_actions
        actions[exits // mdp.n_actions] = exits % mdp.n_actions
    policy = np.zeros((mdp.n_states, mdp.n_actions))
    policy[np.arange(mdp.n_states), actions] = 1.0
    return policy
