"""One fault at a time in dynamic programming on laws, projections and auctions: which claims see it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from injection import Row
from mdplab.enumeration import LawTable, deterministic_stage_policies
from mdplab.laws import FiniteLaw


def discount_of_the_stock_forgotten(function: Callable[..., Any]) -> Callable[..., Any]:
    """The next stock is ``c + r``, not ``(c + r) / discount``."""

    def wrong(self: Any, node: Any, action: int) -> Any:
        return [(h, s, round(c * self.discount, 12) + 0.0) for h, s, c in function(self, node, action)]

    return wrong


def worst_action(function: Callable[..., Any]) -> Callable[..., Any]:
    """The action of the least value."""

    def wrong(self: Any, node: Any, found: Any, tie_tolerance: float, kept: int = 0) -> Any:
        values = [self.value(node, law) for law in found]
        a = int(np.argmin(values))
        return a, found[a], values[a]

    return wrong


def objective_of_the_return_alone(function: Callable[..., Any]) -> Callable[..., Any]:
    """The objective does not see the stock."""

    def wrong(self: Any, node: Any, law: FiniteLaw) -> float:
        return function(self, node, law.shift(-node[2]))

    return wrong


def successors_scaled_a_little_more(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(mixtures: Any, discount: float, *args: Any, **options: Any) -> Any:
        return function(mixtures, discount * (1 + 1e-6), *args, **options)

    return wrong


def one_mass_a_little_off(function: Callable[..., Any]) -> Callable[..., Any]:
    """A millionth of the largest atom's mass is at the smallest."""

    def wrong(*args: Any, **options: Any) -> Any:
        return [moved(law) for law in function(*args, **options)]

    def moved(law: FiniteLaw) -> FiniteLaw:
        masses = law.masses.copy()
        masses[0] += 1e-6 * masses[-1]
        masses[-1] *= 1 - 1e-6
        return FiniteLaw._trusted(law.atoms.copy(), masses) if law.n_atoms > 1 else law

    return wrong


def shares_exchanged(function: Callable[..., Any]) -> Callable[..., Any]:
    """The nearer atom of the grid gets the share of the farther one."""

    def wrong(law: FiniteLaw, grid: Any) -> FiniteLaw:
        z = np.asarray(grid, dtype=float)
        x = np.clip(law.atoms, z[0], z[-1])
        left = np.minimum(np.searchsorted(z, x, side="right") - 1, z.size - 2)
        return function(FiniteLaw.from_atoms(z[left] + z[left + 1] - x, law.masses), grid)

    return wrong


def upper_levels(function: Callable[..., Any]) -> Callable[..., Any]:
    """Quantiles at the levels ``i / m``."""

    def wrong(law: FiniteLaw, count: int) -> FiniteLaw:
        atoms = law.quantile(np.arange(1, count + 1) / count)
        return FiniteLaw.from_atoms(atoms, np.full(count, 1 / count))

    return wrong


def winner_pays_its_bid(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(prices: Any, rates: Any, value: Any) -> Any:
        right = function(prices, rates, value)
        won = np.cumsum(np.asarray(prices), axis=1)
        v = np.asarray(value)
        left = v[np.maximum(np.arange(len(v))[:, None] - np.arange(won.shape[1]), 0)][:, None, :]
        own = won * (np.asarray(rates)[:, None] + left) + (1 - won) * v[:, None, None]
        return np.where(np.isfinite(right), own, right)

    return wrong


def one_price_too_low(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any, **options: Any) -> Any:
        return np.maximum(function(*args, **options) - 1, 0)

    return wrong


def greedy_for_the_largest_atom(function: Callable[..., Any]) -> Callable[..., Any]:
    """Chooses by the best outcome, not by the mean."""

    def wrong(model: Any, laws: Any, **options: Any) -> Any:
        chosen = [[max(row, key=lambda law: float(law.atoms[-1]))] * len(row) for row in laws]
        return function(model, chosen, **options)

    return wrong


def one_policy_forgotten(function: Callable[..., Any]) -> Callable[..., Any]:
    """Histories that take the last action of the first stage are not enumerated."""

    def wrong(*args: Any, **options: Any) -> Any:
        tables = function(*args, **options)
        return [type(t)(t.atoms, t.masses[: max(1, len(t) // 2)]) for t in tables]

    return wrong


def actions_of_the_first_state(function: Callable[..., Any]) -> Callable[..., Any]:
    """``choices[:, 0]`` for ``choices[:, s]``: every state does what the policy does in state 0."""

    def wrong(model: Any, steps: int, **options: Any) -> Any:
        shape = (model.n_actions,) * (steps * model.n_states)
        policies = deterministic_stage_policies(steps, model.n_states, model.n_actions)
        same = np.broadcast_to(policies[..., :1], policies.shape).reshape(len(policies), -1)
        rows = np.ravel_multi_index(tuple(same.T), shape)
        return [LawTable(t.atoms, t.masses[rows]) for t in function(model, steps, **options)]

    return wrong


STOCK = "mdplab.solvers.stock_nodes"
PLANS = ("dist-dvi-optimal-finite-horizon", "dist-dvi-lipschitz-rate", "dist-gamma-indifference")
RATES = ("dist-dpi-monotone-rate", "dist-cvar-by-stock")
FAULTS: list[Row] = [
    (STOCK, "NodeProcess.step", discount_of_the_stock_forgotten, PLANS),
    (STOCK, "NodeProcess.best", worst_action, (*PLANS, *RATES)),
    (STOCK, "NodeProcess.value", objective_of_the_return_alone, (*PLANS, *RATES)),
    (
        "mdplab.operators.distributional",
        "mixed_laws",
        successors_scaled_a_little_more,
        (*PLANS, "dist-bellman-wasserstein-contraction", "dist-control-not-contraction"),
    ),
    (
        "mdplab.operators.distributional",
        "mixed_laws",
        one_mass_a_little_off,
        ("dist-dvi-optimal-finite-horizon", "dist-cvar-by-stock", "dist-mixture-indifference-necessary"),
    ),
    (
        "mdplab.operators.law_projections",
        "categorical_projection",
        shares_exchanged,
        ("dist-categorical-cramer",),
    ),
    ("mdplab.operators.law_projections", "quantile_projection", upper_levels, ("dist-quantile-projection",)),
    (
        "mdplab.operators.auction",
        "auction_action_values",
        winner_pays_its_bid,
        ("rtb-optimal-bid-and-budget-monotonicity",),
    ),
    (
        "mdplab.operators.auction",
        "largest_worthwhile_bids",
        one_price_too_low,
        ("rtb-optimal-bid-and-budget-monotonicity",),
    ),
    (
        "mdplab.operators.distributional",
        "greedy_distributional_backup",
        greedy_for_the_largest_atom,
        ("dist-control-not-contraction",),
    ),
    (
        "mdplab.enumeration.return_laws",
        "return_laws",
        one_policy_forgotten,
        ("dist-dvi-optimal-finite-horizon", "dist-cvar-by-stock", "dist-gamma-indifference"),
    ),
    (
        "mdplab.enumeration.return_laws",
        "markov_return_laws",
        actions_of_the_first_state,
        ("dist-stockless-exponential-only",),
    ),
]
