"""Objectives that are or are not indifferent to mixtures and scaling, in rationals and balls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

import mdplab
from mdplab._typing import Array
from proofs_check.distributional import exact_stock

if TYPE_CHECKING:
    from mdplab.exact import RationalLaw
    from proofs_check.distributional.pires2025_indifference import RiskTask
    from proofs_check.distributional.stock_tasks import StockTask

# --- scaling --------------------------------------------------------------------------------------------------------


def timed_values(task: StockTask) -> Array:
    """Value iteration on stock plus discounted rewards so far: the objective of the law of the total at each start."""
    rows, value = exact_stock.branches(task), exact_stock.objective(task.objective)
    discount = mdplab.exact.rational(task.discount)

    def total(step: int, state: int, sofar: Any) -> RationalLaw:
        if step == task.steps:
            return mdplab.exact.RationalLaw.from_atoms([sofar], [1])
        best: RationalLaw | None = None
        for outcomes in rows[state]:
            parts = [total(step + 1, t, sofar + discount**step * r) for _, r, t in outcomes]
            law = mdplab.exact.RationalLaw.mix(parts, [p for p, _, _ in outcomes])
            if best is None or value(law) > value(best):
                best = law
        assert best is not None
        return best

    starts = [(s, mdplab.exact.rational(c)) for s, c in task.starts]
    return np.array([value(total(0, s, c)) for s, c in starts])


def same_and_best(task: StockTask) -> Array:
    """Value iteration with one objective, and the best of all policies, from state 0."""
    return np.array([exact_stock.planned_values(task)[0], exact_stock.best_values(task)[0]])


def coin_values(task: StockTask) -> list[Any]:
    """Closed forms: -1, and minus the mean of exp(-1.1) and exp(.5)."""
    ends = mdplab.exact.exp(mdplab.exact.rational(np.array([-1.1, 0.5])))
    return [mdplab.exact.rational(-1), -(ends[0] + ends[1]) / 2]


# --- mixtures -------------------------------------------------------------------------------------------------------


def entropic(law: RationalLaw) -> Any:
    """The certainty equivalent of the exponential utility with the coefficient .7."""
    return -mdplab.exact.log(law.expectation(lambda x: mdplab.exact.exp(-x * 7 / 10))) * 10 / 7


FUNCTIONALS: dict[str, exact_stock.Objective] = {
    "entropic risk": entropic,
    "mean": lambda law: law.mean(),
    "CVaR at 3/4": lambda law: law.cvar(0.75),
}


def planned_value(task: RiskTask) -> Any:
    """Value iteration with a stock."""
    value, zero = FUNCTIONALS[task.objective], mdplab.exact.rational(0)
    return value(exact_stock.Planner(task, value).law(task.steps, 0, zero))


def best_value(task: RiskTask) -> Any:
    """The largest objective of all achievable laws."""
    atoms, masses = exact_stock.tables(task)[0]
    achieved = [mdplab.exact.RationalLaw.from_atoms(atoms, row) for row in masses]
    return mdplab.exact.highest([FUNCTIONALS[task.objective](law) for law in achieved])


def planned_and_best(task: RiskTask) -> Array:
    """Value iteration, and the best of all policies."""
    return np.array([planned_value(task), best_value(task)])


def switch_values(task: RiskTask) -> list[Any]:
    """Closed forms: -20/3 and -19/3."""
    return [mdplab.exact.rational(n) / 3 for n in (-20, -19)]
