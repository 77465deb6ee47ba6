"""Tasks of homeostatic regulation: rewards and stocks in the plane, costs that are norms of stock plus return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mdplab._typing import FloatArray
from mdplab.enumeration import LawTable, return_laws
from mdplab.instances import Draw
from mdplab.models import OutcomeModel
from proofs_check.distributional.stock_tasks import M2

NORMS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "l2": lambda x: -np.sqrt((x**2).sum(axis=1)),
    "l1": lambda x: -np.abs(x).sum(axis=1),
    "linf": lambda x: -np.abs(x).max(axis=1),
    "square": lambda x: -(x**2).sum(axis=1),
    "l1 from (1, 1)": lambda x: -np.abs(x - 1).sum(axis=1),
}
HOMOGENEOUS = ("l2", "l1", "linf", "square")

Stocks = tuple[tuple[float, float], ...]


def degree(name: str) -> int:
    """The degree q of a utility."""
    return 2 if name == "square" else 1


@dataclass(frozen=True, eq=False)
class HomeostasisTask:
    """A model with rewards in the plane, start stocks, and utilities.

    Attributes
    ----------
    model : OutcomeModel
        Two coordinates of reward on each transition.
    steps : int
        The horizon H.
    stocks : tuple of pairs of float
        Start stocks.
    utilities : tuple of str
        Names of the utilities that are compared.
    discount : float
        A power of two, so that stocks are exact.
    """

    model: OutcomeModel
    steps: int
    stocks: Stocks
    utilities: tuple[str, ...] = HOMOGENEOUS
    discount: float = 0.5

    @property
    def starts(self) -> list[tuple[int, tuple[float, float]]]:
        """All states with all start stocks."""
        return [(s, c) for s in range(self.model.n_states) for c in self.stocks]

    @cached_property
    def tables(self) -> list[LawTable]:
        """Laws of the vector return of all history-dependent policies, by start state."""
        return return_laws(self.model, self.steps, discount=self.discount)


STOCKS: Stocks = ((-1.0, 0.5), (0.0, 0.0), (2.0, -1.0))


def homeostasis_task(draw: Draw) -> HomeostasisTask:
    """Two states, two actions, three steps, discount 1/2, rows Dirichlet(1), integer rewards from -2 to 2, three stocks."""
    law, reward = draw.weights((2, 2, 2)), draw.integers(-2, 2, (2, 2, 2, 2))
    return HomeostasisTask(OutcomeModel(law, reward, [0, 1]), 3, STOCKS)


def displaced_task(draw: Draw) -> HomeostasisTask:
    """As above, with the distance from (1, 1), which is not homogeneous, or one of the norms."""
    return replace(homeostasis_task(draw), utilities=(draw.choice((*NORMS,)),))


def crossed_m2(steps: int) -> HomeostasisTask:
    """The transitions of M2; the second coordinate is minus the reward of the other state."""
    reward = M2.rewards()
    model = OutcomeModel(M2.law, np.stack([reward, -reward[::-1]], axis=-1), [0, 1])
    return HomeostasisTask(model, steps, ((-1.0, 0.5),))
