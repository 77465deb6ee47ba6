r"""Verification of regularised occupancy programs: weak duality and the minimiser of the dual in extended precision.

``F(d) = <d, R> - strength D_f(d || q)`` at the occupancy of the recorded policy bounds the optimum from below, the dual
``g(V) = (1 - gamma) mu_0 . V + strength sum q f*((R - BV) / strength)`` at the recorded ``V`` from above.  Both are written
out in :mod:`mdplab.solvers.verify_divergences` and share no code with :mod:`mdplab.divergences`.  Where the dual is smooth Newton's method
leads on to its minimiser and to the optimal occupancy, which the recorded error bounds are compared with.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array, BoolArray
from mdplab.convex.program import ProgramSolution, RegularisedOccupancy
from mdplab.models.tabular import MDP
from mdplab.solution import Status
from mdplab.solvers.dual_rl import DualSolution
from mdplab.solvers.verify import Check, Verification, _need, _need_claim, _need_shape, _verify
from mdplab.solvers.verify_algebra import DOUBLE, EPS, WIDE, solve_wide
from mdplab.solvers.verify_divergences import wide_divergence
from mdplab.solvers.verify_flow import Flow, same

__all__ = ["regularised_checks"]

_NEWTON = 60
_HALVINGS = 40


class _Program:
    """Both objectives of a regularised program in extended precision."""

    def __init__(self, problem: RegularisedOccupancy, mdp: MDP) -> None:
        if problem.data.shape != mdp.reward.shape:
            raise ValueError(f"the data have shape {problem.data.shape}, the model {mdp.reward.shape}")
        self.flow, self.row = Flow(mdp), wide_divergence(problem.divergence.name, problem.divergence.order)
        self.plain = problem.conjugate == "plain"
        self.data, self.strength = self.flow.vector(problem.data), WIDE(problem.strength)
        open_pairs = (self.data > 0) | (self.row.upper < np.inf)
        self.open_pairs: BoolArray = open_pairs
        self.dead = self.flow.dead(open_pairs)
        self.live: BoolArray = open_pairs & ~(self.flow.leads @ self.dead)
        self.reached = self.flow.reached(self.live)
        lost = (self.data > 0) & ~(self.live & self.reached[self.flow.state])
        self.feasible = not bool(self.dead[self.flow.start > 0].any()) and not (
            self.row.price == np.inf and bool(lost.any())
        )

    def primal(self, d: Array) -> tuple[float, float]:
        """``F(d)`` and the sum of the moduli of its terms."""
        q, inside, some = self.data, self.data > 0, d > 0
        both = inside & some
        more, less = self.row.parts(np.where(both, d, 1), np.where(both, q, 1))
        if bool((some & ~inside).any()) and self.row.upper == np.inf:
            return -np.inf, np.inf
        if bool((inside & ~some).any()) and self.row.price == np.inf:
            return -np.inf, np.inf
        edge = np.where(some & ~inside, d, 0) * (self.row.upper if self.row.upper < np.inf else 0)
        edge = edge + np.where(inside & ~some, q, 0) * (self.row.price if self.row.price < np.inf else 0)
        cost = np.where(both, more - less, edge).sum()
        size = np.where(both, more + less + d + q, edge).sum()
        total = d @ self.flow.reward - self.strength * cost
        return float(total), float(d @ np.abs(self.flow.reward) + self.strength * size)

    def argument(self, value: Array) -> tuple[Array, Array]:
        """``(R - BV) / strength``, ``-inf`` where an infinite ``V`` closes the pair; and its rounding in doubles."""
        finite = np.isfinite(value)
        closed = ~finite[self.flow.state] | (self.flow.leads @ ~finite)
        level = np.where(finite, value, 0)
        flow = self.flow.matrix @ level
        width = (
            2
            * DOUBLE
            * (value.size + 4)
            * (np.abs(self.flow.matrix) @ np.abs(level) + np.abs(self.flow.reward))
        )
        return np.where(closed, -np.inf, (self.flow.reward - flow) / self.strength), width / self.strength

    def conjugate(self, y: Array) -> Array:
        if self.plain:
            return np.asarray(y + y**2 / 4)
        return self.row.inside(self.row.conjugate, y, np.inf)

    def weight(self, y: Array) -> Array:
        return np.asarray(1 + y / 2) if self.plain else self.row.inside(self.row.weight, y, np.nan)

    def change(self, y: Array, off: Array) -> Array:
        """By how much the mass changes at most while the arguments move by ``off``: weights are monotone."""
        with np.errstate(invalid="ignore"):
            low, high = (self.weight(np.where(y > -np.inf, y + k * off, y)) for k in (-1, 1))
            return np.where(
                self.data > 0, self.data * np.where(low == high, 0, np.nan_to_num(high - low, nan=np.inf)), 0
            )

    def dual(self, value: Array) -> tuple[float, float]:
        """``g(V)`` and the sum of the moduli of its terms; closed pairs cost ``f(0)``."""
        y, _ = self.argument(value)
        inside = self.data > 0
        terms = np.where(inside, np.where(inside, self.data, 1) * self.conjugate(y), 0)
        if not self.plain and bool((~inside & (self.conjugate(y) == np.inf)).any()):
            return np.inf, np.inf  # a reward above the price of mass without data
        level = np.where(np.isfinite(value), value, 0)
        total = self.flow.start @ level + self.strength * terms.sum()
        size = self.flow.start @ np.abs(level) + self.strength * (np.abs(terms) + self.data).sum()
        return float(total), float(size)

    def minimiser(self, value: Array) -> tuple[Array, float]:
        """Newton's method on the finite entries; Euclidean error, infinite where the curvature is not proven."""
        free = np.isfinite(value)
        matrix = self.flow.matrix[:, free]
        best = trial = value
        norm = level = np.inf
        step = np.zeros(int(free.sum()))
        for _ in range(_NEWTON):
            for _ in range(_HALVINGS):  # until the dual or the gradient falls
                y, _ = self.argument(trial)
                gradient = self.flow.start[free] - matrix.T @ self.mass(y)
                found, reached = float(np.sqrt((gradient**2).sum())), self.dual(trial)[0]
                if found < 0.5 * norm or reached < level:
                    break
                step = step / 2
                trial = best.copy()
                trial[free] = trial[free] - step
            if not found < norm and not reached < level:
                break
            best, norm, level = trial, found, reached
            step = np.linalg.lstsq(
                self._hessian(matrix, y).astype(float), gradient.astype(float), rcond=1e-14
            )[0]
            trial = best.copy()
            trial[free] = trial[free] - step
        y, _ = self.argument(best)
        least = self._least(matrix, y, np.zeros(y.shape, dtype=WIDE))
        rows = np.sqrt((matrix**2).sum(axis=1)) / self.strength
        norm += 8 * EPS * (self.data.size + 8) * float(self.mass(y).sum() + self.flow.start.sum())
        norm *= 1.0 + float(np.abs(np.where(y > -np.inf, y, 0)).max())
        radius = 4 * norm / least if least > 0.0 else np.inf
        # the minimiser is within the radius if the curvature there is a fourth of that at the centre
        near = bool(np.isfinite(radius)) and self._least(matrix, y, rows * WIDE(radius)) * radius >= norm
        return best, radius if near else np.inf

    def mass(self, y: Array) -> Array:
        """Recovered mass of the pairs with data."""
        return np.where(self.data > 0, self.data * self.weight(y), 0)

    def optimum(self, value: Array, off: float) -> tuple[Array, float]:
        """Optimal occupancy from a value within ``off`` of the minimiser, and its 1-norm error."""
        y, _ = self.argument(value)
        mass = self.mass(y)
        if np.isfinite(off):
            # the arguments are off by at most the norm of a row
            spread = WIDE(off) * np.sqrt((self.flow.matrix**2).sum(axis=1)) / self.strength
            return mass, float(self.change(y, spread).sum()) + 16 * EPS * mass.size
        # strong convexity: a feasible point is the optimum up to the gap that is left
        near, error = self.flow.occupancy(self.flow.policy(mass))
        below, size = self.primal(np.maximum(near, 0))
        left = max(self.dual(value)[0] - below, 0.0) + 64 * EPS * (mass.size + 8) * size
        modulus = self.row.modulus
        doubt = float(np.sqrt(2 * left / (float(self.strength) * modulus))) if modulus > 0.0 else np.inf
        return near, doubt + mass.size * error

    def _hessian(self, matrix: Array, y: Array) -> Array:
        return self._gram(matrix, self._curvature(y))

    def _curvature(self, y: Array) -> Array:
        curvature = (
            np.full(y.shape, WIDE(0.5)) if self.plain else self.row.inside(self.row.curvature, y, np.inf)
        )
        return np.where(self.data > 0, np.minimum(curvature, WIDE(1e300)) * self.data, 0)

    def _gram(self, matrix: Array, curvature: Array) -> Array:
        return np.asarray(matrix.T @ ((curvature / self.strength)[:, np.newaxis] * matrix))

    def _least(self, matrix: Array, y: Array, off: Array) -> float:
        """Smallest eigenvalue of the Hessian where every curvature is the smaller one at the ends."""
        ends = np.minimum(self._curvature(y - off), self._curvature(y + off))
        return float(np.linalg.eigvalsh(self._gram(matrix, ends).astype(float))[0])


def _bound_checks(
    solution: DualSolution | ProgramSolution, program: _Program, policy: Array, value: Array
) -> list[Check]:
    """The interval that the recorded policy and value prove."""
    d, error = program.flow.occupancy(policy)
    below, low_size = program.primal(np.maximum(d, 0))
    above, high_size = program.dual(value)
    room = 64 * (d.size + 8) * EPS * (low_size + high_size) + DOUBLE * (abs(below) + abs(above))
    # an error of an occupancy moves a term of the divergence by itself times a derivative
    steep = float(np.abs(program.flow.reward).max()) + float(program.strength) * 64.0
    both = (program.data > 0) & (d > 0)
    slopes = program.row.slope(d[both] / program.data[both])
    steep += 2 * float(program.strength * np.abs(slopes).max(initial=0.0))
    room += d.size * error * steep
    far = max(above - solution.objective, solution.objective - below)
    return [
        Check("lower is proven by the policy", solution.lower - below, room),
        Check("upper is proven by the dual value", above - solution.upper, room),
        Check("objective within certificate.bound", far, solution.certificate.bound + room),
    ]


def _support_check(program: _Program) -> Check:
    return Check("every occupancy has an infinite price", float(program.feasible), 0.0)


def regularised_checks(solution: ProgramSolution, problem: RegularisedOccupancy, mdp: MDP) -> list[Check]:
    """Checks of a cone program.

    Parameters
    ----------
    solution : ProgramSolution
        Of :func:`~mdplab.convex.occupancy.conic_occupancy_program`.
    problem : RegularisedOccupancy
        What it was asked for.
    mdp : MDP
        The model.

    Returns
    -------
    list of Check
    """
    _need_claim(solution)
    program = _Program(problem, mdp)
    flow = program.flow
    if solution.status is Status.INFEASIBLE:
        return [_support_check(program)]
    _need_shape(solution, solution.primal.shape, mdp.reward.shape)
    d = flow.vector(solution.primal)
    # closed pairs are left out of the program; a dual point need not know of them
    value = np.where(program.dead, -np.inf, solution.dual.astype(WIDE))
    if program.row.upper < np.inf:
        # a constant lowers every residual by 1 - gamma of itself, into the domain of the conjugate
        beyond = np.maximum(program.argument(value)[0].max() - WIDE(program.row.upper), 0) * program.strength
        value = value + beyond / WIDE(flow.margin)
    checks = _bound_checks(solution, program, flow.policy(np.where(program.live, d, 0)), value)
    objective, size = program.primal(d)
    violated = float(np.abs(flow.residual(d)).max())
    unit = 4 * DOUBLE * (d.size + 8)
    return [
        *checks,
        Check("objective at primal", abs(objective - solution.objective), unit * size),
        Check("occupancy is non-negative", float(-d.min()), 0.0),
        Check("infeasibility", abs(violated - solution.infeasibility), flow.residual_rounding(d)),
        same("multipliers repeat dual", solution.multipliers["flow"], solution.dual),
    ]


@_verify.register
def _(solution: DualSolution, model: Any) -> Verification:
    _need(model, MDP, solution)
    _need_claim(solution)
    program = _Program(solution.problem, model)
    _need_shape(solution, solution.occupancy.shape, model.reward.shape)
    if solution.status is Status.INFEASIBLE:
        return Verification("the graph of the support", (_support_check(program),))
    checks = _plain_checks(solution, program) if program.plain else _corrected_checks(solution, program)
    return Verification("weak duality and Newton's method in extended precision", tuple(checks))


def _shared_checks(solution: DualSolution, program: _Program, mass: Array, width: Array) -> list[Check]:
    """What both conjugates promise of ``occupancy``, ``residual``, ``flow_residual`` and ``objective``."""
    flow, value = program.flow, solution.value.astype(WIDE)
    y, _ = program.argument(value)
    table = np.full(solution.residual.shape, np.nan)
    table[flow.admitted] = np.asarray(y * program.strength, dtype=float)
    found = flow.vector(solution.occupancy)
    objective, size = program.dual(value)
    violated = float(np.abs(flow.residual(found)).max())
    room = 64 * (found.size + 8) * EPS * size + DOUBLE * abs(objective)
    off = abs(objective - solution.objective)
    # the weight of a pair changes by at most its derivative times the rounding of the argument
    inside = program.data > 0
    # next to the edge of the domain the mass is a multiplier
    steep = np.where(y + 64 * width > program.row.upper, np.inf, program.change(y, 2 * width))
    checks = [
        Check("objective at value", off, solution.certificate.rounding + room),
        Check("flow_residual", abs(violated - solution.flow_residual), flow.residual_rounding(found)),
        same("residual", solution.residual, table, float((width * program.strength).max())),
    ]
    if solution.problem.divergence.name != "total-variation" and inside.any():
        # a weight is a power or an exponential, relative to whose logarithm it is rounded
        units = 16 * DOUBLE * (1 + np.abs(np.log(np.where(mass > 0, mass, 1)))) * np.abs(mass)
        excess = (np.abs(found - mass) - steep - units)[inside]
        checks.append(Check("occupancy is the recovered mass", float(excess.max()), 0.0))
    return checks


def _corrected_checks(solution: DualSolution, program: _Program) -> list[Check]:
    flow, value = program.flow, solution.value.astype(WIDE)
    found, feasible = flow.vector(solution.occupancy), flow.vector(solution.feasible_occupancy)
    policy = flow.policy(found)
    y, width = program.argument(value)
    mass = program.mass(y)
    lost = (value == np.inf) & program.reached | (value == -np.inf) & ~program.dead
    checks = _bound_checks(solution, program, policy, value)
    exact, error = flow.occupancy(policy)
    objective, size = program.primal(feasible)
    gain, gains = float(feasible @ flow.reward), float(feasible @ np.abs(flow.reward))
    unit = 4 * DOUBLE * (found.size + 8)
    checks += [
        *_shared_checks(solution, program, mass, width),
        Check("infinite values belong to states without mass", float(lost.any()), 0.0),
        Check("policy", float(np.abs(flow.vector(solution.policy) - policy).max()), 8 * DOUBLE),
        Check(
            "feasible_occupancy is that of policy",
            float(np.abs(feasible - exact).max()),
            unit * (1.0 + float(flow.start.size) / flow.margin) + error,
        ),
        Check("primal_objective", abs(objective - solution.primal_objective), unit * size),
        Check("normalised_return", abs(gain - solution.normalised_return), unit * gains),
    ]
    if np.isfinite(solution.occupancy_error) or np.isfinite(solution.value_error):
        best, off = program.minimiser(value)
        free = np.isfinite(value)
        optimum, doubt = program.optimum(best, off)
        distance = float(np.abs(feasible - optimum).sum())
        checks.append(
            Check("feasible_occupancy within occupancy_error", distance, solution.occupancy_error + doubt)
        )
        if np.isfinite(solution.value_error) and np.isfinite(off):
            far = float(np.sqrt(((value - best)[free] ** 2).sum()))
            checks.append(Check("value within value_error", far, solution.value_error + off))
    return checks


def _plain_checks(solution: DualSolution, program: _Program) -> list[Check]:
    """The relaxed program is a linear system in ``V``."""
    flow, value = program.flow, solution.value.astype(WIDE)
    weighted = program.data[:, np.newaxis] * flow.matrix / (2 * program.strength)
    hessian = flow.matrix.T @ weighted
    right = flow.matrix.T @ program.data + weighted.T @ flow.reward - flow.start
    exact, error = solve_wide(hessian, right)
    y, width = program.argument(value)
    optimum, size = program.dual(exact)
    room = 64 * (flow.reward.size + 8) * EPS * size + DOUBLE * abs(optimum)
    found = flow.vector(solution.occupancy)
    mass = program.data * program.weight(program.argument(exact)[0])
    spread = float(np.abs(flow.matrix).sum(axis=1).max()) * error / float(program.strength)
    far = float(np.sqrt(((value - exact) ** 2).sum()))
    unit = 4 * DOUBLE * (found.size + 8)
    gain, gains = float(found @ flow.reward), float(np.abs(found) @ np.abs(flow.reward))
    return [
        *_shared_checks(solution, program, program.data * program.weight(y), width),
        Check(
            "objective within certificate.bound",
            abs(solution.objective - optimum),
            solution.certificate.bound + room,
        ),
        Check("lower is below the optimum", solution.lower - optimum, room),
        Check("upper is above the optimum", optimum - solution.upper, room),
        Check("value within value_error", far, solution.value_error + np.sqrt(value.size) * error),
        Check(
            "occupancy within occupancy_error",
            float(np.abs(found - mass).sum()),
            solution.occupancy_error + spread,
        ),
        same(
            "primal_objective is the objective",
            np.array(solution.primal_objective),
            np.array(solution.objective),
        ),
        Check("normalised_return", abs(gain - solution.normalised_return), unit * gains),
        same("no policy is claimed", solution.policy, np.full(solution.policy.shape, np.nan)),
        same("no occupancy is claimed", solution.feasible_occupancy, np.full(solution.policy.shape, np.nan)),
    ]
