"""Discounted returns of rewards 0 and 1 at discount 1/2: values of n steps by sums of powers of two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdplab._typing import FloatArray
from mdplab.claims import Undecided, rounding
from mdplab.enumeration import return_laws
from mdplab.instances import Draw
from mdplab.instances.textbook import two_state_outcome_mdp
from mdplab.laws import FiniteLaw, Functional
from mdplab.models import OutcomeModel
from proofs_check.distributional.stock_tasks import UTILITIES, objective

DISCOUNT = 0.5
DEGREES = {"min(x, 0)": 1.0, "-|x|": 1.0, "-sqrt|x|": 0.5, "1{x >= 0}": 0.0}
"""Degrees of homogeneous utilities."""
COMPARED = 9
"""Numbers of steps n = 0, ..., 8 that are compared with the last one."""


@dataclass(frozen=True, eq=False)
class RateTask:
    """Whole rewards on transitions, at discount 1/2.

    Attributes
    ----------
    model : OutcomeModel
        The outcome is the successor; rewards are whole and not negative.
    objective : str
        Name of the functional.
    stocks : tuple of float
        Start stocks.
    last : int
        The larger number N of steps.
    bound : float
        What rewards are assumed not to exceed.
    """

    model: OutcomeModel
    objective: str
    stocks: tuple[float, ...]
    last: int = 13
    bound: float = 1.0

    @property
    def discount(self) -> float:
        """One half."""
        return DISCOUNT

    @property
    def functional(self) -> Functional:
        """The objective K."""
        return objective(self.objective)

    @property
    def starts(self) -> list[tuple[int, float]]:
        """All states with all stocks."""
        return [(s, c) for s in range(self.model.n_states) for c in self.stocks]

    @property
    def error(self) -> float:
        """Rounding of a value: at most N mixtures of utilities, each of a sum that is rounded once."""
        ends = np.abs(self.stocks).max() + 2 * float(self.model.rewards().max())
        most = max(abs(self.functional(FiniteLaw.dirac(x))) for x in (-ends, ends))
        return float(rounding(max(1.0, ends, most), 8 * self.last + 64))


def values_by_sums(task: RateTask, steps: int) -> FloatArray:
    """``f_n(s, c)``, shape (S, C), over stages, states and partial sums ``j / 2**(t - 1)``."""
    if task.objective not in UTILITIES:
        raise Undecided("sums serve expected utilities only")
    law, reward = task.model.law, task.model.rewards().astype(int)
    n_states, most = task.model.n_states, int(reward.max())
    sums = np.arange(most * (2**steps - 1) + 1) * 2.0 ** (1 - steps)
    leaves = UTILITIES[task.objective](np.array(task.stocks)[:, None] + sums)
    value = np.broadcast_to(leaves[:, None], (leaves.shape[0], n_states, sums.size))
    successors = np.arange(n_states)[:, None]
    for t in range(steps - 1, -1, -1):
        j = np.arange(most * (2**t - 1) + 1)
        # (C, S, A, S', J), mixed over S', best over A
        after = value[:, successors, 2 * j + reward[..., None]]
        value = np.einsum("sat,csatj->csaj", law, after).max(axis=2)
    return np.asarray(value[..., 0].T)


def values_by_stocks(task: RateTask, steps: int) -> FloatArray:
    """``f_n(s, c)``, shape (S, C), for homogeneous utilities, over the sorted stocks that occur at each depth."""
    if task.objective not in DEGREES:
        raise Undecided("values are rescaled for homogeneous utilities only")
    factor = DISCOUNT ** DEGREES[task.objective]
    law, reward = task.model.law, task.model.rewards()
    layers = [np.unique(task.stocks)]
    for _ in range(steps):
        layers.append(np.unique((layers[-1] + np.unique(reward)[:, None]) / DISCOUNT))
    value = np.tile(UTILITIES[task.objective](layers[-1]), (task.model.n_states, 1))
    for stocks, below in zip(layers[-2::-1], layers[:0:-1], strict=True):
        places = np.searchsorted(below, (stocks + reward[..., None]) / DISCOUNT)
        after = value[np.arange(task.model.n_states)[:, None], places]
        value = factor * (law[..., None] * after).sum(axis=2).max(axis=1)
    return np.asarray(value[:, np.searchsorted(layers[0], task.stocks)])


def values_by_enumeration(task: RateTask, steps: int) -> FloatArray:
    """The largest objective over all history-dependent policies of n steps, shape (S, C)."""
    tables = return_laws(task.model, steps, discount=DISCOUNT)
    best = [[table.values(task.functional, c).max() for c in task.stocks] for table in tables]
    return np.array(best)


STOCKS = (-2.0, -1.5, -1.0, -0.6, 0.0)
CLIPPED = ("min(x, 0)", "-|x|")


def drawn(draw: Draw, names: tuple[str, ...], last: int = 13) -> RateTask:
    """Two states, two actions, rows Dirichlet(.7), rewards 0 and 1."""
    shape = (2, 2, 2)
    model = OutcomeModel.from_transition_rewards(draw.weights(shape, 0.7), draw.integers(0, 1, shape))
    return RateTask(model, draw.choice(names), STOCKS, last)


def rate_task(draw: Draw) -> RateTask:
    """Utilities of degree 1."""
    return drawn(draw, CLIPPED)


def mixed_task(draw: Draw) -> RateTask:
    """Objectives that need not be indifferent to mixtures."""
    return drawn(draw, ("CVaR at 1/4", "CVaR at 3/4"), 9)


def unscaled_task(draw: Draw) -> RateTask:
    """Utilities that need not be homogeneous."""
    return drawn(draw, ("tanh x", "-|x - 1|"), 9)


def loop(name: str, stock: float, reward: int = 1, last: int = 13) -> RateTask:
    """One state, one action, one reward for ever."""
    return RateTask(OutcomeModel(np.ones((1, 1, 1)), [float(reward)], [0]), name, (stock,), last)


def loop_task(draw: Draw) -> RateTask:
    """A stock from -3 to 1, reward 0 or 1."""
    return loop(draw.choice(CLIPPED), draw.number(-3.0, 1.0), draw.integer(0, 1))


def rough_loop_task(draw: Draw) -> RateTask:
    """Utilities that need not be Lipschitz; the stock -2 as often as not."""
    name = draw.choice(("1{x >= 0}", "-sqrt|x|", "min(x, 0)"))
    return loop(name, draw.choice((-2.0, draw.number(-3.0, 1.0))), 1, 9)


def rich_loop_task(draw: Draw) -> RateTask:
    """Rewards that may exceed what they are assumed to be bounded by."""
    return loop(draw.choice(CLIPPED), draw.number(-6.0, 1.0), draw.integer(0, 3), 9)


M2_ONES = RateTask(
    OutcomeModel.from_transition_rewards(two_state_outcome_mdp().law, [[[1, 0], [0, 1]], [[0, 1], [1, 0]]]),
    "min(x, 0)",
    (-1.0, -1.5),
)
