r"""Verification of duals in the values of pairs: the measure that the policy fixes, by a linear solve.

The minimum is :math:`\langle m,r\rangle-\alpha D_f(m\|q)` with :math:`m=\beta d^\pi+(1-\beta)d_S`, and where no mass vanishes
the minimiser solves :math:`B_\pi Q=r-\alpha f'(m/q)`.  Both follow from solves in extended precision, written out for the two
divergences; neither knows the dual objective, whose value at the recorded ``q`` is recomputed besides.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import Array
from mdplab.models.tabular import MDP
from mdplab.solution import Status
from mdplab.solvers.pair_dual import PairDualSolution
from mdplab.solvers.verify import Check, Verification, _need, _need_claim, _need_shape, _verify
from mdplab.solvers.verify_algebra import DOUBLE, EPS, WIDE, solve_wide
from mdplab.solvers.verify_flow import Flow, same

__all__ = ["KINDS"]

KINDS = (PairDualSolution,)
"""The kinds of solution that this module verifies."""


class _Program:
    """The program of one policy in extended precision."""

    def __init__(self, solution: PairDualSolution, mdp: MDP) -> None:
        problem = solution.problem
        self.flow, self.kl = Flow(mdp), problem.divergence.name == "kl"
        flow = self.flow
        if problem.divergence.name not in ("kl", "chi-square"):
            raise ValueError(
                f"the divergence {problem.divergence.name!r} is not one whose formulas are known"
            )
        policy, self.data = flow.vector(problem.policy), flow.vector(problem.data)
        self.plain = problem.conjugate == "plain" and not self.kl
        self.strength = WIDE(problem.strength)
        self.reward = flow.reward if problem.offline is None else np.zeros_like(flow.reward)
        leads = flow.kernel[:, flow.state] * policy
        self.matrix: Array = np.eye(policy.size, dtype=WIDE) - flow.discount * leads
        share = WIDE(problem.share)
        entering = share * flow.start[flow.state] * policy
        occupancy, self.error = solve_wide(self.matrix.T, entering)
        reached = entering > 0
        for _ in range(policy.size):
            reached = reached | ((flow.discount * leads > 0).T @ reached)
        self.mass: Array = np.where(reached, np.maximum(occupancy, 0), 0)
        self.linear = entering
        if problem.offline is not None:
            mixed = (1 - share) * flow.vector(problem.offline)
            self.mass, self.linear = self.mass + mixed, entering + self.matrix.T @ mixed
            reached = reached | (mixed > 0)
        self.reached = reached
        self.feasible = bool((self.data[reached] > 0).all())

    def minimum(self) -> tuple[float, float]:
        """``<m, r> - strength D_f(m || q)``, and a bound on its error."""
        m, q = self.mass, self.data
        safe = np.where(q > 0, q, 1)
        if self.kl:
            log = np.log(np.where(m > 0, m, safe) / safe)
            cost, steep = m * log - m + q, np.abs(log) + 1
            size = m * np.abs(log) + m + q
        else:
            cost = size = np.where(q > 0, (m - q) ** 2 / safe, 0)
            steep = 2 * np.abs(m / safe - 1) + 1
        total = m @ self.reward - self.strength * cost.sum()
        moved = self.error * float((np.abs(self.reward) + self.strength * steep).sum())
        sizes = float(m @ np.abs(self.reward) + self.strength * size.sum())
        return float(total), moved + 64 * (m.size + 8) * EPS * sizes + DOUBLE * abs(float(total))

    def objective(self, q: Array) -> tuple[float, float]:
        """The dual objective at ``q``, and its rounding; pairs of infinite value cost ``f(0)``."""
        y, finite = self.argument(q), np.isfinite(q)
        bounded = np.where(y > -np.inf, y, -2)
        if self.kl:
            terms = self.data * np.where(y > -np.inf, np.expm1(bounded), -1)
        else:
            square = bounded + bounded**2 / 4
            terms = self.data * (square if self.plain else np.where(bounded >= -2, square, -1))
        level = np.where(finite, q, 0)
        total = self.linear @ level + self.strength * terms.sum()
        size = np.abs(self.linear) @ np.abs(level) + self.strength * (np.abs(terms) + self.data).sum()
        return float(total), float(64 * (q.size + 8) * EPS * size + DOUBLE * abs(total))

    def argument(self, q: Array) -> Array:
        """``(r - B q) / strength``, ``-inf`` where an infinite value enters."""
        finite = np.isfinite(q)
        closed = (np.abs(self.matrix) > 0) @ ~finite
        flow = self.matrix @ np.where(finite, q, 0)
        return np.asarray(np.where(closed, -np.inf, (self.reward - flow) / self.strength))

    def weight(self, y: Array) -> Array:
        """The recovered mass over the data."""
        if self.kl:
            return np.asarray(np.exp(y))
        weight = 1 + np.where(y > -np.inf, y, -2) / 2
        return np.asarray(weight if self.plain else np.maximum(weight, 0))

    def minimiser(self) -> tuple[Array, float]:
        """The values on reached pairs by a solve, and their error."""
        live = np.flatnonzero(self.reached)
        ratio = self.mass[live] / self.data[live]
        slope = np.log(ratio) if self.kl else 2 * (ratio - 1)
        found, error = solve_wide(self.matrix[np.ix_(live, live)], self.reward[live] - self.strength * slope)
        steep = (1 / self.mass[live] if self.kl else 2 / self.data[live]).max()
        # the mass is known up to its error; the inverse of I - gamma P has rows of sum 1 / (1 - gamma)
        return found, error + 4 * float(self.strength * steep) * self.error / self.flow.margin


@_verify.register
def _(solution: PairDualSolution, model: Any) -> Verification:
    _need(model, MDP, solution)
    _need_claim(solution)
    _need_shape(solution, solution.q.shape, model.reward.shape)
    program = _Program(solution, model)
    flow = program.flow
    if solution.status is Status.INFEASIBLE:
        check = Check("the policy leaves the support of the data", float(program.feasible), 0.0)
        return Verification("the graph of the policy", (check,))
    q, found = flow.vector(solution.q), flow.vector(solution.mass)
    y = program.argument(q)
    minimum, doubt = program.minimum()
    objective, rounding = program.objective(q)
    size = np.abs(program.matrix) @ np.abs(np.where(np.isfinite(q), q, 0)) + np.abs(program.reward)
    width = 2 * DOUBLE * (q.size + 8) * size / program.strength
    mass = program.data * program.weight(y)
    steep = mass * np.expm1(2 * width) if program.kl else program.data * width
    table = np.full(solution.residual.shape, np.nan)
    table[flow.admitted] = np.asarray(y * program.strength, dtype=float)
    far = float(np.abs(found - program.mass).sum())
    lost = ~np.isfinite(q) & program.reached
    checks = [
        Check(
            "objective within certificate.bound",
            abs(minimum - solution.objective),
            solution.certificate.bound + doubt,
        ),
        Check("lower is below the minimum", solution.lower - minimum, doubt),
        Check("upper is above the minimum", minimum - solution.upper, doubt),
        Check(
            "objective at q",
            abs(objective - solution.objective),
            solution.certificate.rounding + rounding + float((steep * program.strength).sum()),
        ),
        same("residual", solution.residual, table, float((width * program.strength).max())),
        Check(
            "mass is recovered from q", float((np.abs(found - mass) - steep - 16 * DOUBLE * mass).max()), 0.0
        ),
        Check("mass within mass_error", far, solution.mass_error + q.size * program.error),
        Check("infinite values belong to pairs that are not played", float(lost.any()), 0.0),
        same("policy is that of the problem", solution.policy, solution.problem.policy),
    ]
    if np.isfinite(solution.q_error):
        best, error = program.minimiser()
        off = float(np.abs(q[program.reached] - best).max())
        checks.append(Check("q within q_error", off, solution.q_error + error))
    return Verification("the mass of the policy and a linear solve in extended precision", tuple(checks))
