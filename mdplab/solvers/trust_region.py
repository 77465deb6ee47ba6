r"""The best policies within divergence balls: the exact trust-region step, for one reference or several.

.. math::
    \max_p\ \sum_sw_s\langle x_s,p_s\rangle\quad\text{s.t.}\quad
    \sum_sw_s\,\mathrm{KL}(p_s\,\|\,\pi_{i,s})\le\epsilon_i .

With the occupancy of a policy as weights, its action values as :math:`x` and the policy itself as the one reference this is
the exact step of trust-region policy optimisation; the solution lies on the path :math:`\pi e^{\eta x}` of mirror descent, with
one step :math:`\eta=1/\lambda` for all states.  With several references and one state it is the second stage of the two-stage
constrained actor-critic.

The dual function (:mod:`mdplab.convex.region`) is minimised over :math:`\lambda\ge0`.  One ball: its derivative
:math:`\epsilon-D(\lambda)` is monotone, and the root is found in :math:`\log\lambda`.  Several: Newton's method on the dual with
a logarithmic barrier; the balls that bind at the end are solved for as equations.

Outcomes: if greedy policies fit into the balls no radius has a price (SLACK; with ties the greedy policy nearest to the
references).  If :math:`\sum_is_i\epsilon_i<-\sum_sw_s\log\sum_a\prod_i\pi_{i,s}(a)^{s_i}` for weights :math:`s` of sum one, no
policy lies in all balls (INFEASIBLE): the right side is a lower bound of :math:`\sum_is_iD_i`.

References
----------
.. [1] J. Schulman et al., "Trust region policy optimization", ICML 2015.
.. [2] M. Tomar et al., "Mirror descent policy optimization", ICLR 2022.
.. [3] Q. Cai et al., "Two-stage constrained actor-critic for short video recommendation", WWW 2023.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.convex.program import check_limits
from mdplab.convex.region import RegionProgram, RegionSolution, certified_region
from mdplab.convex.smooth import minimise_smooth
from mdplab.interrupts import interruptible
from mdplab.numerics.scalar import monotone_root
from mdplab.operators.tilt import log_tilt
from mdplab.solution import Certificate, Status

__all__ = ["RegionSolution", "trust_region"]

_BARRIERS = (1e-2, 1e-4, 1e-6, 1e-8, 1e-10, 1e-12)


@interruptible
def trust_region(
    gradient: ArrayLike,
    log_references: ArrayLike,
    *,
    radii: ArrayLike,
    weights: ArrayLike | None = None,
    tol: float = 1e-8,
) -> RegionSolution:
    """Maximise a weighted linear form of a policy within divergence balls.

    Parameters
    ----------
    gradient : array_like (S, A) or (A,)
        What is maximised: action values or advantages; constants along a row move the objective alone.
    log_references : array_like (n, S, A) or (n, A)
        Finite log-probabilities of the centres of the balls.
    radii : array_like (n,)
        Positive; ``inf`` for a ball that is not there.
    weights : array_like (S,), optional
        Weights of the states, in the objective and in the divergences; default 1.  States of weight 0 move like the others.
    tol : float, default 1e-8
        Certified error of the objective asked for, relative to ``max(1, |objective|)``; decides the status only.

    Returns
    -------
    RegionSolution
        Status CONVERGED; SLACK if no ball binds; INFEASIBLE (proven by ``farkas``, nothing else is returned);
        PRECISION_LIMIT or UNCERTIFIED where the interval is wider than asked for.

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> step = trust_region([1.0, 0.0], np.log([[0.5, 0.5]]), radii=[0.1])
    >>> step.policy.round(6).tolist(), step.divergences.round(12).tolist()
    ([[0.713973, 0.286027]], [0.1])
    """
    program = RegionProgram.of(gradient, log_references, radii=radii, weights=weights)
    check_limits(tol=tol)
    n = len(program.radii)
    greedy = _greedy(program)
    found, errors = program.divergences(greedy)
    if (found <= program.radii + errors).all():
        slack = certified_region(program, greedy, np.zeros(n), greedy, tol)
        return replace(slack, status=Status.SLACK) if slack.status.ok else slack
    live = np.flatnonzero(np.isfinite(program.radii))
    if live.size == 1:
        multipliers = _single(program, int(live[0]))
        return certified_region(
            program, program.log_policy(multipliers), multipliers, program.log_references[live[0]], tol
        )
    interior = np.asarray(program.log_references[0])
    multipliers, best = np.zeros(n), -np.inf
    for point in _barrier_path(program, live):
        farkas = _proof_of_infeasibility(program, point)
        if farkas is not None:
            return _infeasible(program, farkas)
        multipliers, policy = point, program.log_policy(point)
        attained, rounding = program.objective(policy)
        divergences, errors = program.divergences(policy)
        if (divergences + errors <= program.radii).all() and attained - rounding > best:
            interior, best = policy, attained - rounding
    multipliers = _polished(program, multipliers)
    policy = program.log_policy(multipliers)
    solution = certified_region(program, policy, multipliers, interior, tol)
    if (
        best > solution.lower
    ):  # a point of the barrier lies within the balls, whatever rounding says of the last one
        bound = max(solution.upper - solution.objective, solution.objective - best)
        size = tol * max(1.0, abs(solution.objective))
        solution = replace(
            solution,
            lower=best,
            certificate=replace(solution.certificate, bound=bound),
            status=Status.CONVERGED if bound <= size else Status.PRECISION_LIMIT,
        )
    return solution


def _greedy(program: RegionProgram) -> FloatArray:
    """The greedy policy; ties are shared as the geometric mean of the references has it."""
    best = program.gradient == program.gradient.max(axis=1, keepdims=True)
    mean = program.log_references[np.isfinite(program.radii)].sum(axis=0) / max(
        int(np.isfinite(program.radii).sum()), 1
    )
    return np.asarray(log_tilt(np.where(best, mean, -np.inf)))


def _single(program: RegionProgram, ball: int, near: float | None = None) -> FloatArray:
    """Multipliers when one ball binds: the root of its divergence less its radius."""
    n = len(program.radii)

    def multipliers(price: float) -> FloatArray:
        return np.where(np.arange(n) == ball, price, 0.0)

    def excess(price: float) -> float:
        found, _ = program.divergences(program.log_policy(multipliers(price)))
        return float(found[ball] - program.radii[ball])

    mass = float(program.weights.sum())
    if near is None:
        spread = float(np.ptp(program.gradient, axis=1)[program.weights > 0].max())
        near = spread * max(1.0, float(np.sqrt(mass / program.radii[ball])))
    return multipliers(monotone_root(excess, near / 2, 2 * near, bounds=(0.0, np.inf), log=True).root)


def _barrier_path(
    program: RegionProgram, live: np.ndarray[tuple[int], np.dtype[np.intp]]
) -> Iterator[FloatArray]:
    """Multipliers that minimise the dual with smaller and smaller barriers."""
    n, scale = len(program.radii), float(np.ptp(program.gradient, axis=1) @ program.weights)

    def full(x: FloatArray) -> FloatArray:
        out = np.zeros(n)
        out[live] = scale * x
        return out

    point = np.full(live.size, 1.0)
    for barrier in _BARRIERS:

        def value(x: FloatArray, barrier: float = barrier) -> float:
            if not (x > 0).all():
                return np.inf
            return program.dual(full(x))[0] / scale - barrier * float(np.log(x).sum())

        def slope(x: FloatArray, barrier: float = barrier) -> FloatArray:
            found, _ = program.divergences(program.log_policy(full(x)))
            return np.asarray(program.radii[live] - found[live] - barrier / x)

        def curvature(x: FloatArray, barrier: float = barrier) -> FloatArray:
            return scale * _curvature(program, full(x), live) + np.diag(barrier / x**2)

        point = minimise_smooth(value, slope, curvature, point, tol=0.1 * barrier, max_steps=200).point
        yield full(point)


def _curvature(
    program: RegionProgram, multipliers: FloatArray, live: np.ndarray[tuple[int], np.dtype[np.intp]]
) -> FloatArray:
    """Hessian of the dual: the mean covariance of the log-ratios, over the sum of the multipliers."""
    logs = program.log_policy(multipliers)
    policy, ratios = np.exp(logs), logs - program.log_references[live]
    centred = ratios - (policy * ratios).sum(axis=-1, keepdims=True)
    return np.asarray(
        np.einsum("s,sa,isa,jsa->ij", program.weights, policy, centred, centred) / multipliers.sum()
    )


def _polished(program: RegionProgram, multipliers: FloatArray) -> FloatArray:
    """Solve the equations of the balls that bind, by Newton's method without barrier."""
    found, _ = program.divergences(program.log_policy(multipliers))
    scale = float(np.ptp(program.gradient, axis=1) @ program.weights)
    binding = np.flatnonzero(multipliers / scale > np.abs(program.radii - found))
    if binding.size == 1:
        return _single(program, int(binding[0]), near=float(multipliers[binding[0]]))

    def full(x: FloatArray) -> FloatArray:
        out = np.zeros(multipliers.size)
        out[binding] = x
        return out

    def value(x: FloatArray) -> float:
        return program.dual(full(x))[0] if (x > 0).all() else np.inf

    def slope(x: FloatArray) -> FloatArray:
        return np.asarray((program.radii - program.divergences(program.log_policy(full(x)))[0])[binding])

    def curvature(x: FloatArray) -> FloatArray:
        return _curvature(program, full(x), binding)

    if not binding.size:
        return multipliers
    return full(minimise_smooth(value, slope, curvature, multipliers[binding], tol=1e-15).point)


def _proof_of_infeasibility(program: RegionProgram, multipliers: FloatArray) -> FloatArray | None:
    """Weights of sum one whose mean divergence exceeds their mean radius for every policy, if these do."""
    shares = multipliers / multipliers.sum()
    flat = replace(program, gradient=np.zeros_like(program.gradient))
    value, rounding = flat.dual(shares)
    return shares if value + rounding < 0.0 else None


def _infeasible(program: RegionProgram, farkas: FloatArray) -> RegionSolution:
    """No policy lies in all balls."""
    n = len(program.radii)
    return RegionSolution(
        status=Status.INFEASIBLE,
        certificate=Certificate(
            "error of the objective", 0.0, "Farkas: a mean divergence above its radius", 0.0
        ),
        log_policy=np.full(program.gradient.shape, np.nan),
        multipliers=np.full(n, np.nan),
        objective=-np.inf,
        lower=-np.inf,
        upper=-np.inf,
        divergences=np.full(n, np.nan),
        infeasibility=np.inf,
        farkas=farkas,
        program=program,
    )
