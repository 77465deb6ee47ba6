"""Sides of the claim on vanishing regularisation that speak of both divergences: values, gaps and costs."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Side
from mdplab.claims.tolerances import rounding
from proofs_check.dual_rl.instances import OfflineTask
from proofs_check.dual_rl.limit_routes import at, charge, every_policy, optimum, penalty
from proofs_check.dual_rl.recovered_mass import policy_occupancy, recovered
from proofs_check.dual_rl.sikchi2023_dual_rl import SMOOTH

__all__ = [
    "STRENGTHS",
    "dual_sandwich",
    "gap_high",
    "gap_high_of_policy",
    "gap_low",
    "gap_low_of_policy",
    "growth",
    "growth_of_policy",
    "joined",
    "mass_columns",
    "primal_high",
    "primal_low",
    "total",
    "value_high",
    "value_low",
]

STRENGTHS = (0.1, 0.2, 0.4, 0.8)


def both(rows: list[list[tuple[float, float]]]) -> tuple[FloatArray, FloatArray]:
    """Values and errors of both divergences (rows) at all strengths (columns)."""
    table = np.array(rows)
    return table[..., 0], table[..., 1]


def sandwich(value: Any, error: Any, best: Side, cost: Any, cost_error: Any) -> tuple[Side, Side]:
    """v falls and is convex; J* - alpha D(d*) <= v <= J*: left and right sides in one row each."""
    top, off = float(np.asarray(best.value)), float(np.asarray(best.error))
    chord = [(2 * value[:, k - 1] + value[:, k + 1]) / 3 for k in (1, 2)]
    chord_error = [(2 * error[:, k - 1] + error[:, k + 1]) / 3 + 1e-16 for k in (1, 2)]
    small = [value[:, 1:], value[:, 1], value[:, 2], top - cost, value]
    small_error = [error[:, 1:], error[:, 1], error[:, 2], off + cost_error, error]
    large = [value[:, :-1], *chord, value, np.full(value.shape, top)]
    large_error = [error[:, :-1], *chord_error, error, np.full(value.shape, off)]
    low, low_error, high, high_error = (
        np.concatenate([np.ravel(x) for x in rows]) for rows in (small, small_error, large, large_error)
    )
    return Side(low, low_error), Side(high, high_error)


def dual_sandwich(task: OfflineTask) -> tuple[Side, Side]:
    """Values by the dual; the optimum of control by policy iteration."""
    best = optimum(task)
    found = [[recovered(at(task, a), name) for a in STRENGTHS] for name in SMOOTH]
    value, error = both([[(r.objective, r.objective_error) for r in row] for row in found])
    costs = both([[penalty(at(task, a), n, best.mass, best.mass_error) for a in STRENGTHS] for n in SMOOTH])
    return sandwich(value, error, Side(best.value, best.value_error), *costs)


def primal_sandwich(task: OfflineTask) -> tuple[Side, Side]:
    """Values of the program at the occupancy of the recovered policy; the optimum of control by enumeration."""
    reward, masses = np.asarray(task.mdp.reward), every_policy(task)[1]
    returns = (masses * reward).sum(axis=(1, 2))
    best, size = optimum(task), float(np.abs(reward).max())
    rows = []
    for name in SMOOTH:
        for a in STRENGTHS:
            here = at(task, a)
            mass, off = policy_occupancy(here, recovered(here, name))
            cost, error = penalty(here, name, mass, off)
            rows.append((float((mass * reward).sum()) - cost, error + off * size + float(rounding(size, 24))))
    values, errors = (x.reshape(len(SMOOTH), len(STRENGTHS)) for x in both([rows]))
    top = masses[returns.argmax()]
    costs = both([[penalty(at(task, a), name, top, best.mass_error) for a in STRENGTHS] for name in SMOOTH])
    return sandwich(values, errors, Side(returns.max(), best.mass_error * top.size * size), *costs)


def value_low(task: OfflineTask) -> Side:
    """v at the larger strength and inside, and J* - alpha D(d*), by the dual (KL, chi-square)."""
    return dual_sandwich(task)[0]


def value_high(task: OfflineTask) -> Side:
    """v at the smaller strength and on the chord, and J*, by the dual (KL, chi-square)."""
    return dual_sandwich(task)[1]


def primal_low(task: OfflineTask) -> Side:
    """The same of the program at the occupancy of the recovered policy, J* by enumeration."""
    return primal_sandwich(task)[0]


def primal_high(task: OfflineTask) -> Side:
    """The same of the program at the occupancy of the recovered policy, J* by enumeration."""
    return primal_sandwich(task)[1]


Column = tuple[FloatArray, FloatArray]


def total(task: OfflineTask) -> Side:
    """alpha D(d*) (KL, chi-square)."""
    best = optimum(task)
    cells = [(at(task, a), name) for name in SMOOTH for a in STRENGTHS]
    return Side(*both([[penalty(here, name, best.mass, best.mass_error) for here, name in cells]]))


def mass_columns(task: OfflineTask) -> list[Column]:
    """Gap -<d, A*> and growth alpha [D(d*) - D(d)], by the recovered mass."""
    best = optimum(task)
    gaps, growths = [], []
    for name in SMOOTH:
        for a in STRENGTHS:
            here = charge(at(task, a), name, best)
            whole, error = penalty(at(task, a), name, best.mass, best.mass_error)
            gaps.append((here.gap, here.gap_error))
            growths.append((whole - here.cost, error + here.cost_error + float(rounding(whole, 2))))
    return [both([gaps]), both([growths])]


def policy_columns(task: OfflineTask) -> list[Column]:
    """J* - <d, R> and alpha D(d*) - <d, R> + v, by the occupancy of the recovered policy and the value of the dual."""
    best = optimum(task)
    size = float(np.abs(task.mdp.reward).max())
    gaps, growths = [], []
    for name in SMOOTH:
        for a in STRENGTHS:
            found = recovered(at(task, a), name)
            mass, off = policy_occupancy(at(task, a), found)
            whole, error = penalty(at(task, a), name, best.mass, best.mass_error)
            earned, off = (
                float((mass * task.mdp.reward).sum()),
                off * size + float(rounding(size, mass.size + 4)),
            )
            gaps.append((best.value - earned, best.value_error + off))
            growths.append((whole - earned + found.objective, error + off + found.objective_error))
    return [both([gaps]), both([growths])]


def joined(*columns: Column) -> Side:
    """Columns one after the other."""
    return Side(
        np.concatenate([value for value, _ in columns]), np.concatenate([error for _, error in columns])
    )


ZERO = (np.zeros((1, len(SMOOTH) * len(STRENGTHS))),) * 2


def gap_low(task: OfflineTask) -> Side:
    """0, and the gap -<d, A*> of the recovered mass (KL, chi-square)."""
    return joined(ZERO, mass_columns(task)[0])


def gap_high(task: OfflineTask) -> Side:
    """The gap, and alpha [D(d*) - D(d)], of the recovered mass (KL, chi-square)."""
    return joined(*mass_columns(task))


def gap_low_of_policy(task: OfflineTask) -> Side:
    """0, and the gap J* - <d, R> of the occupancy of the recovered policy (KL, chi-square)."""
    return joined(ZERO, policy_columns(task)[0])


def gap_high_of_policy(task: OfflineTask) -> Side:
    """That gap, and alpha D(d*) - <d, R> + v (KL, chi-square)."""
    return joined(*policy_columns(task))


def growth(task: OfflineTask) -> Side:
    """alpha [D(d*) - D(d)] of the recovered mass (KL, chi-square)."""
    return Side(*mass_columns(task)[1])


def growth_of_policy(task: OfflineTask) -> Side:
    """alpha D(d*) - <d, R> + v of the occupancy of the recovered policy (KL, chi-square)."""
    return Side(*policy_columns(task)[1])
