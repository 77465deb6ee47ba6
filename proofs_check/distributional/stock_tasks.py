"""Tasks of return distributions: small models with integer rewards on transitions, objectives, and start stocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab import laws
from mdplab._typing import FloatArray
from mdplab.claims import rounding
from mdplab.enumeration import LawTable, return_laws
from mdplab.instances import Draw
from mdplab.instances.textbook import two_state_outcome_mdp
from mdplab.laws import FiniteLaw, Functional
from mdplab.models import OutcomeModel

M2 = two_state_outcome_mdp()
M3 = OutcomeModel.from_transition_rewards(
    [[[0.2, 0.8], [0.7, 0.3]], [[0.9, 0.1], [0.2, 0.8]]], [[[-3, 0], [-1, 1]], [[3, 1], [-1, 1]]]
)
M4 = OutcomeModel.from_transition_rewards(
    [[[0.6, 0.4], [0.4, 0.6]], [[0.4, 0.6], [0.9, 0.1]]], [[[-1, -1], [2, -2]], [[0, -1], [-2, 1]]]
)

Utility = Callable[[FloatArray], FloatArray]
TIE = 1e-12
"""Actions whose values differ by less are a tie."""

HOMOGENEOUS: dict[str, Utility] = {
    "x": lambda x: x,
    "min(x, 0)": lambda x: np.minimum(x, 0.0),
    "max(x, 0)": lambda x: np.maximum(x, 0.0),
    "-|x|": lambda x: -np.abs(x),
    "-x^2": lambda x: -(x**2),
    "x^3": lambda x: x**3,
    "1{x >= 0}": lambda x: np.where(x >= -1e-9, 1.0, 0.0),
}
CURVED: dict[str, Utility] = {
    "-exp(-0.7 x)": lambda x: -np.exp(-0.7 * x),
    "-exp(-x)": lambda x: -np.exp(-x),
    "tanh x": np.tanh,
    "-|x - 1|": lambda x: -np.abs(x - 1.0),
}
ROOT: dict[str, Utility] = {"-sqrt|x|": lambda x: -np.sqrt(np.abs(x))}
UTILITIES = HOMOGENEOUS | CURVED | ROOT
LIPSCHITZ = ("x", "min(x, 0)", "max(x, 0)", "-|x|", "tanh x", "-|x - 1|")
OTHERS = {
    "CVaR at 1/4": laws.conditional_value_at_risk(0.25),
    "CVaR at 3/4": laws.conditional_value_at_risk(0.75),
    "mean less half the variance": laws.mean_variance(0.5),
}


def objective(name: str) -> Functional:
    """The functional of this name."""
    if name in OTHERS:
        return OTHERS[name]
    return laws.expected_utility(
        UTILITIES[name],
        name=name,
        homogeneous=name not in CURVED,
        lipschitz=1.0 if name in LIPSCHITZ else np.inf,
    )


@dataclass(frozen=True, eq=False)
class ReturnTask:
    """A model with a finite horizon.

    Attributes
    ----------
    model : OutcomeModel
        The outcome is the successor.
    steps : int
        The horizon H.
    discount : float
        1 or 1/2, so that stocks are exact.
    """

    model: OutcomeModel
    steps: int
    discount: float

    @cached_property
    def tables(self) -> list[LawTable]:
        """Laws of the return of all history-dependent policies, by start state."""
        return return_laws(self.model, self.steps, discount=self.discount)

    @property
    def largest_return(self) -> float:
        """No return is larger in modulus."""
        reward = np.abs(self.model.rewards()[self.model.law > 0.0]).max()
        return float(reward) * sum(self.discount**k for k in range(self.steps))


@dataclass(frozen=True, eq=False)
class StockTask(ReturnTask):
    """A model with an objective and start stocks.

    Attributes
    ----------
    objective : str
        Name of the functional.
    stocks : tuple of float
        Start stocks.
    """

    objective: str
    stocks: tuple[float, ...]

    @property
    def functional(self) -> Functional:
        """The objective K."""
        return objective(self.objective)

    @property
    def starts(self) -> list[tuple[int, float]]:
        """All states with all start stocks."""
        return [(s, c) for s in range(self.model.n_states) for c in self.stocks]

    def achieved(self, state: int, stock: float) -> FloatArray:
        """The objective of every history-dependent policy."""
        table = self.tables[state]
        if self.objective in UTILITIES:
            return table.expectations(UTILITIES[self.objective], stock)
        return table.values(self.functional, stock)

    @property
    def largest_utility(self) -> float:
        """No utility of stock plus return is larger in modulus: all of them are largest at an end."""
        ends = self.largest_return + np.abs(self.stocks).max()
        return float(max(abs(self.functional(FiniteLaw.dirac(x))) for x in (-ends, ends)))

    @property
    def utility_error(self) -> float:
        """Rounding of an expected utility of stock plus return."""
        return float(rounding(max(1.0, self.largest_utility), 128))

    @property
    def planning_error(self) -> float:
        """At each step an action may be worse than the best by the width of a tie and the rounding of two values.

        Deeper values are scaled by powers of the discount to those at the start, with them their rounding.
        """
        return self.steps * (TIE + 2 * self.utility_error) + self.utility_error


@dataclass(frozen=True, eq=False)
class RiskTask(ReturnTask):
    """A model with levels of the conditional value-at-risk.

    Attributes
    ----------
    levels : tuple of float
        Masses of the lower tail, in (0, 1).
    state : int
        Start state.
    coarse : bool
        Whether only every fourth of the atoms is tried as a start stock.
    """

    levels: tuple[float, ...]
    state: int = 0
    coarse: bool = False

    @property
    def atoms(self) -> FloatArray:
        """Atoms of all achievable laws, or those that are tried."""
        return self.tables[self.state].atoms[:: 4 if self.coarse else 1]

    @property
    def tail_error(self) -> FloatArray:
        """Rounding of expected losses over the level."""
        return np.asarray(rounding(2 * self.largest_return, 512) / np.array(self.levels))

    @property
    def risk_error(self) -> FloatArray:
        """The same, with ties of planned losses at every step."""
        return np.asarray(self.tail_error + (self.steps + 1) * TIE / np.array(self.levels))


def two_state_model(draw: Draw, largest: int) -> OutcomeModel:
    """Two states, two actions, rows Dirichlet(1), integer rewards up to ``largest`` in modulus."""
    shape = (2, 2, 2)
    return OutcomeModel.from_transition_rewards(
        draw.weights(shape, 1.0), draw.integers(-largest, largest, shape)
    )


STOCKS = (-2.0, -0.5, 0.0, 1.0)


def drawn(draw: Draw, discount: float, names: Sequence[str]) -> StockTask:
    """Three steps, rewards from -2 to 2, one of the objectives."""
    return StockTask(two_state_model(draw, 2), 3, discount, draw.choice(names), STOCKS)


def stock_task(draw: Draw) -> StockTask:
    """Expected utilities, homogeneous where there is a discount."""
    discount = draw.choice((1.0, 0.5))
    return drawn(draw, discount, (*HOMOGENEOUS, *CURVED) if discount == 1.0 else (*HOMOGENEOUS,))


def functional_task(draw: Draw) -> StockTask:
    """Objectives that need not be indifferent to mixtures, without discount."""
    return drawn(draw, 1.0, (*OTHERS, *HOMOGENEOUS))


def curved_task(draw: Draw) -> StockTask:
    """Utilities that need not be homogeneous, with discount 1/2."""
    return drawn(draw, 0.5, (*CURVED, *HOMOGENEOUS))


def switch_model() -> OutcomeModel:
    """From 0 to X or Y; in X a sure 1 and the end, or 4 and the end or Y by a coin; Y pays -10 and ends."""
    law, reward = np.zeros((4, 2, 4)), np.zeros((4, 2, 4))
    law[0, :, 1:3] = law[1, 1, 2:] = 0.5
    law[1, 0, 3] = law[2, :, 3] = law[3, :, 3] = 1.0
    reward[1, :, 3], reward[2, :, 3] = [1, 4], -10
    return OutcomeModel.from_transition_rewards(law, reward)


def delayed_coin() -> OutcomeModel:
    """From 0 to 1 for nothing; there 0, or 2.2 and -1 by a coin; then nothing more."""
    law, reward = np.zeros((4, 2, 4)), np.zeros((4, 2, 4))
    law[0, :, 1] = law[1, 0, 2] = law[2, :, 2] = law[3, :, 3] = 1.0
    law[1, 1, 2:] = 0.5
    reward[1, 1, 2:] = [2.2, -1]
    return OutcomeModel.from_transition_rewards(law, reward)


def risk_task(draw: Draw) -> RiskTask:
    """Three steps, rewards from -3 to 3."""
    return RiskTask(two_state_model(draw, 3), 3, draw.choice((1.0, 0.5)), (0.1, 0.25, 0.5, 0.9))


def coarse_risk_task(draw: Draw) -> RiskTask:
    """As above, with a coarse grid of start stocks."""
    return replace(risk_task(draw), coarse=draw.boolean().item())
