"""What an error of the model costs (Zheng, Wang, Xu, Huang 2023): Wasserstein distance times slope of the value.

An expectation of a function of Lipschitz constant L moves by at most L times the Wasserstein-1 distance of the laws. So one
backup of a flat value forgives a wrong model, and so do the optimal values, as far as the flatter of the two is flat.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import DEFINITIONAL, Assumption, AtMost, Claim, Equal, Known, Side, draw_instance, rounding
from mdplab.instances import Draw
from mdplab.instances.line import line_positions
from mdplab.models import MDP
from mdplab.operators import lipschitz_constant, optimality_backup
from mdplab.wasserstein import kantorovich_potential, wasserstein_on_positions
from proofs_check.distributional import exact_lines as exact
from proofs_check.distributional import line_routes as by

# --- instances ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ModelPair:
    """A model on a line, another one, and a value.

    Attributes
    ----------
    mdp, other : MDP
        The true model and the learned one.
    positions : ndarray (S,)
        Where the states are.
    values : ndarray (S,)
        The value that is backed up.
    """

    mdp: MDP
    other: MDP
    positions: FloatArray
    values: FloatArray


def model_pair(draw: Draw, *, same_reward: bool = True) -> ModelPair:
    """Six states, two actions, Dirichlet(1) rows of which a fifth is replaced, normal rewards and values."""
    positions = line_positions(draw, 6, length=draw.number(1.0, 5.0))
    kernel, noise = draw.weights((6, 2, 6)), draw.weights((6, 2, 6))
    reward, discount = draw.normal((6, 2)), draw.number(0.3, 0.9)
    other_reward = reward if same_reward else reward + draw.normal((6, 2))
    models = MDP(kernel, reward, discount), MDP(0.8 * kernel + 0.2 * noise, other_reward, discount)
    return ModelPair(*models, positions, draw.normal(6))


def models_with_two_rewards(draw: Draw) -> ModelPair:
    """As the family, but the learned model has another reward."""
    return model_pair(draw, same_reward=False)


def three_points(values: list[float], other_reward: float = 0.0) -> ModelPair:
    """Positions 0, 1, 3; the models differ in the first row; discount .9."""
    rows = np.eye(3)[:, np.newaxis]
    first, second = rows.copy(), rows.copy()
    first[0, 0], second[0, 0] = (0.2, 0.5, 0.3), (0.3, 0.2, 0.5)
    rewards = np.zeros((3, 1)), np.full((3, 1), other_reward)
    true, learned = (
        MDP(kernel, reward, 0.9) for kernel, reward in zip((first, second), rewards, strict=True)
    )
    return ModelPair(true, learned, np.array([0.0, 1.0, 3.0]), np.array(values))


STEEP = three_points([1.0, 0.0, 4.0])
POTENTIAL = three_points([0.0, 1.0, -1.0])
RISING = replace(
    STEEP,
    mdp=MDP(STEEP.mdp.transition, np.array([[0.0], [1.0], [3.0]]), 0.9),
    other=MDP(STEEP.other.transition, np.array([[0.0], [1.0], [3.0]]), 0.9),
)
"""Rewards that are the positions."""

# --- routes ---------------------------------------------------------------------------------------------------------


def model_error(case: ModelPair) -> Side:
    """Largest Wasserstein-1 distance of the rows, by distribution functions."""
    rows = wasserstein_on_positions(by.kernel_of(case.mdp), by.kernel_of(case.other), case.positions)
    return Side(np.max(rows), by.distance_error(case.positions))


def model_error_by_quantiles(case: ModelPair) -> Side:
    """Largest Wasserstein-1 distance of the rows, by couplings of quantiles."""
    rows = zip(*(by.kernel_of(m).reshape(-1, m.n_states) for m in (case.mdp, case.other)), strict=True)
    found = [by.quantile_distance(p, q, case.positions) for p, q in rows]
    return Side(max(d for d, _ in found), max(e for _, e in found) + by.distance_error(case.positions))


def product(factor: float, *sides: Side) -> Side:
    """Product of sides, with its error."""
    value, above = factor, factor
    for side in sides:
        value, above = value * float(side.value), above * (float(side.value) + float(side.error))  # type: ignore[arg-type]
    return Side(value, 1.01 * (above - value) + rounding(above, 8))


def size(case: ModelPair) -> float:
    return float(np.abs(case.values).max() + np.abs(np.asarray(case.mdp.reward)).max())


def backup_gap(case: ModelPair) -> Side:
    """Difference of the backups of both models, by the optimality operator."""
    value = np.abs(optimality_backup(case.mdp, case.values) - optimality_backup(case.other, case.values))
    return Side(value, rounding(size(case), 60))


def backup_gap_by_actions(case: ModelPair) -> Side:
    """Difference of the best of the expectations of each action, one row at a time."""
    found = []
    for s in range(case.mdp.n_states):
        best = [
            max(
                float(m.reward[s, a]) + m.discount * float(m.row(s, a) @ case.values)
                for a in range(m.n_actions)
            )
            for m in (case.mdp, case.other)
        ]
        found.append(abs(best[0] - best[1]))
    return Side(found, rounding(size(case), 60))


def everywhere(case: ModelPair, side: Side) -> Side:
    return Side(np.full(case.mdp.n_states, side.value), side.error)


def backup_bound(case: ModelPair) -> Side:
    """Discount, Lipschitz constant over neighbours, model error by distribution functions."""
    steep = by.slope(Side(case.values), case.positions)
    return everywhere(case, product(case.mdp.discount, steep, model_error(case)))


def backup_bound_by_pairs(case: ModelPair) -> Side:
    """Discount, Lipschitz constant over all pairs, model error by quantiles."""
    steep = by.slope(Side(case.values), case.positions, pairs=True)
    return everywhere(case, product(case.mdp.discount, steep, model_error_by_quantiles(case)))


def difference(first: Side, second: Side) -> Side:
    value = np.max(np.abs(np.asarray(first.value) - np.asarray(second.value)))
    return Side(value, np.max(first.error) + np.max(second.error) + rounding(value, 2))


def value_gap(case: ModelPair) -> Side:
    """Largest difference of the optimal values, by policy iteration."""
    return difference(by.optimal_value(case.mdp), by.optimal_value(case.other))


def value_gap_by_enumeration(case: ModelPair) -> Side:
    """Largest difference of the optimal values, by enumeration."""
    return difference(by.best_enumerated_value(case.mdp), by.best_enumerated_value(case.other))


def flattest(first: Side, second: Side) -> Side:
    return Side(min(float(first.value), float(second.value)), max(float(first.error), float(second.error)))  # type: ignore[arg-type]


def value_bound(case: ModelPair) -> Side:
    """The bound with the flatter optimal value, by enumeration and couplings of quantiles."""
    sides = [
        by.slope(by.best_enumerated_value(m), case.positions, pairs=True) for m in (case.mdp, case.other)
    ]
    factor = case.mdp.discount / (1 - case.mdp.discount)
    return product(factor, flattest(*sides), model_error_by_quantiles(case))


def value_bound_by_iteration(case: ModelPair) -> Side:
    """The bound with the flatter optimal value, by policy iteration and distribution functions."""
    sides = [by.slope(by.optimal_value(m), case.positions) for m in (case.mdp, case.other)]
    factor = case.mdp.discount / (1 - case.mdp.discount)
    return product(factor, flattest(*sides), model_error(case))


def gaps_of_potentials(case: ModelPair) -> Side:
    """Difference of the expectations of each row's potential, and the larger of its Lipschitz constant and 1."""
    found = []
    for p, q in zip(*(by.kernel_of(m).reshape(-1, m.n_states) for m in (case.mdp, case.other)), strict=True):
        potential = kantorovich_potential(p, q, case.positions)
        found.append([(p - q) @ potential, max(1.0, float(lipschitz_constant(potential, case.positions)))])
    slope_error = rounding(np.ptp(case.positions), 16) / by.smallest_cell(case.positions)
    return Side(found, [by.distance_error(case.positions) * 2, float(slope_error)])


def distances_and_ones(case: ModelPair) -> Side:
    """Wasserstein-1 distance of each row, by couplings of quantiles, and 1."""
    rows = zip(*(by.kernel_of(m).reshape(-1, m.n_states) for m in (case.mdp, case.other)), strict=True)
    found = [by.quantile_distance(p, q, case.positions) for p, q in rows]
    return Side([[d, 1.0] for d, _ in found], [max(e for _, e in found), 0.0])


# --- the claim ------------------------------------------------------------------------------------------------------

GAP = Claim(
    "lipschitz-value-model-gap",
    title="An error of the model costs at most its Wasserstein distance times the Lipschitz constant of the value",
    papers=("zheng2023ensemble",),
    provenance="our formalisation",
    statement=r"""
    States are at points $x_s$ of the line; $P$ and $\hat P$ are two kernels with one reward; $W = \max_{s,a} w_1(P(s,a), \hat P(s,a))$;
    $T$ and $\hat T$ are the optimality operators with fixed points $V^*$ and $\hat V^*$;
    $\mathrm{Lip}\, V = \max_{i \ne j} |V_i - V_j| / |x_i - x_j|$. Then

    (backup) $|(TV)(s) - (\hat T V)(s)| \le \gamma\, \mathrm{Lip}(V)\, W$ for every $V$ and $s$ (with $W$ the largest over actions);

    (values) $\lVert V^* - \hat V^* \rVert_\infty \le \frac{\gamma}{1 - \gamma}\, W \min(\mathrm{Lip}\, V^*, \mathrm{Lip}\, \hat V^*)$;

    (attained) for each pair some $f$ with $\mathrm{Lip}\, f \le 1$ has $(P - \hat P)(s, a) f = w_1(P(s,a), \hat P(s,a))$.
    """,
    assumptions=(
        Assumption(
            "A1",
            "both models have the same reward",
            "another reward",
            lambda case: bool(np.array_equal(case.mdp.reward, case.other.reward)),
            wider=models_with_two_rewards,
        ),
        Assumption("A2", r"$\gamma < 1$", DEFINITIONAL),
    ),
    instance_family=model_pair,
    witnesses=(STEEP, POTENTIAL, RISING),
    instances=100,
)


def resolution(case: ModelPair, *, horizons: int = 2) -> FloatArray:
    """1e-13 of the values, times range over smallest cell (a slope), by the squared horizon."""
    stretch = max(1.0, float(np.ptp(case.positions))) / by.smallest_cell(case.positions)
    return np.asarray(1e-13 * (1 + size(case)) * stretch / (1 - case.mdp.discount) ** horizons)


REASON = "rounding of values, magnified by the smallest distance of two states and by the horizon"
backup_part = GAP.part(
    "(backup)",
    r"$|(TV)(s) - (\hat TV)(s)| \le \gamma\,\mathrm{Lip}(V)\,W$",
    AtMost(backup_gap, backup_bound),
    resolution=resolution,
    reason=REASON,
    cross_left=backup_gap_by_actions,
    cross_right=backup_bound_by_pairs,
    assumes=("A1",),
    specified_tightness="0.65",
    exact=(exact.backup_gap, exact.backup_bound),
)
values_part = GAP.part(
    "(values)",
    r"$\lVert V^* - \hat V^*\rVert_\infty \le \frac{\gamma}{1-\gamma}\,W\min(\mathrm{Lip}\,V^*, \mathrm{Lip}\,\hat V^*)$",
    AtMost(value_gap, value_bound),
    resolution=partial(resolution, horizons=3),  # one more: the bound has the factor
    reason=REASON,
    cross_left=value_gap_by_enumeration,
    cross_right=value_bound_by_iteration,
    exact=(exact.value_gap, exact.value_bound),
)
attained_part = GAP.part(
    "(attained)",
    r"$\max_{\mathrm{Lip} f \le 1} (P - \hat P)(s,a) f = w_1$, attained",
    Equal(gaps_of_potentials, distances_and_ones),
    resolution=resolution,
    reason=REASON,
    assumes=(),
    exact=(exact.gaps_of_potentials, exact.distances_and_ones),
)


def number(side: Side, place: int = 0) -> float:
    return float(np.ravel(np.asarray(side.value))[place])


@GAP.known(STEEP)
def _(case: ModelPair) -> Iterator[Known]:
    yield Known("Wasserstein distance", ".5", number(model_error(case)))
    yield Known("Lipschitz constant", "2", lipschitz_constant(case.values, case.positions))
    yield Known("gap and bound", ".81 .9", [number(backup_gap(case)), number(backup_bound(case))])


@GAP.known(POTENTIAL)
def _(case: ModelPair) -> Iterator[Known]:
    rows = by.kernel_of(case.mdp)[0, 0], by.kernel_of(case.other)[0, 0]
    yield Known("potential", "0 1 -1", kantorovich_potential(*rows, case.positions))
    yield Known("gap and bound", ".45 .45", [number(backup_gap(case)), number(backup_bound(case))])


def variation_bound(case: ModelPair) -> Side:
    """Discount, Lipschitz constant and total variation."""
    change = np.abs(by.kernel_of(case.mdp) - by.kernel_of(case.other)).sum(axis=-1) / 2
    steep = by.slope(Side(case.values), case.positions)
    return everywhere(case, product(case.mdp.discount, steep, Side(change.max(), rounding(1, 16))))


def bound_without_horizon(case: ModelPair) -> Side:
    """The bound with the discount in the place of discount over one minus discount."""
    found = value_bound(case)
    factor = 1 - case.mdp.discount
    return Side(factor * np.asarray(found.value), factor * np.asarray(found.error) + rounding(found.value, 2))


def gaps_of_steeper_potentials(case: ModelPair) -> Side:
    """Twice the potentials."""
    found = gaps_of_potentials(case)
    return Side(2 * np.asarray(found.value), 2 * np.asarray(found.error))


backup_part.control(
    "total variation in the place of the Wasserstein distance",
    kind="mutation",
    instance=POTENTIAL,
    right=variation_bound,
    specified=".45 .27",
    measure=lambda outcome: np.array([outcome.left[0], outcome.right[0]]),
)
backup_part.control(
    "another reward", kind="assumption", drops="A1", instance=three_points([0.0, 1.0, -1.0], other_reward=1.0)
)
values_part.control("the horizon left out", kind="constant", instance=RISING, right=bound_without_horizon)
attained_part.control(
    "potentials of slope two", kind="constant", instance=POTENTIAL, left=gaps_of_steeper_potentials
)


@GAP.figure(
    r"Largest difference of the backups by two models against its bound $\gamma\,\mathrm{Lip}(V)\,W$: random values (dots) and, for the "
    "same models, the potential of the worst pair (circles), which can reach the diagonal."
)
def _(ax: Any) -> None:
    cases = [draw_instance(GAP, backup_part, index) for index in range(200)]
    bent = []
    for case in cases:
        first, second = (by.kernel_of(m).reshape(-1, m.n_states) for m in (case.mdp, case.other))
        worst = int(np.argmax(wasserstein_on_positions(first, second, case.positions)))
        bent.append(replace(case, values=kantorovich_potential(first[worst], second[worst], case.positions)))
    for group, marker, color, label in ((cases, ".", "C0", "random $V$"), (bent, "o", "C1", "potential")):
        bounds = [number(backup_bound(case)) for case in group]
        gaps = [np.max(np.asarray(backup_gap(case).value)) for case in group]
        ax.plot(
            bounds,
            gaps,
            marker,
            color=color,
            fillstyle="none" if marker == "o" else "full",
            markersize=4,
            label=label,
            ls="none",
        )
    ends = np.array([1e-2, 30.0])
    ax.plot(ends, ends, color="0.4", linewidth=0.9)
    ax.annotate("equality", (0.05, 0.055), rotation=45, color="0.3", ha="center", va="bottom")
    ax.set(
        xlabel=r"bound $\gamma\,\mathrm{Lip}(V)\,W$",
        ylabel=r"$\max_s |TV - \hat TV|(s)$",
        xscale="log",
        yscale="log",
    )
    ax.legend(loc="lower right")
