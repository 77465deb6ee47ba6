"""Tasks that compare Markov policies with all policies: small models with a utility of the return."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mdplab._typing import FloatArray, IntArray
from mdplab.claims import rounding
from mdplab.enumeration import LawTable, deterministic_stage_policies, markov_return_laws
from mdplab.instances import Draw
from mdplab.models import OutcomeModel
from proofs_check.distributional.stock_tasks import UTILITIES, ReturnTask, Utility, two_state_model

CLASSICAL = ("x", "exp(b x)", "-exp(b x)")
OTHERS = ("-|x|", "min(x, 0)", "-x^2", "x^3", "tanh x")


@dataclass(frozen=True, eq=False)
class MarkovTask(ReturnTask):
    """A model with a utility of the return, without stock at the start.

    Attributes
    ----------
    utility : str
        Name of the utility u.
    rate : float
        The coefficient b of an exponential.
    """

    utility: str
    rate: float = 1.0

    @property
    def of_return(self) -> Utility:
        """The utility of an array of returns."""
        sign = {"exp(b x)": 1.0, "-exp(b x)": -1.0}.get(self.utility)
        return UTILITIES[self.utility] if sign is None else lambda x: sign * np.exp(self.rate * x)

    @cached_property
    def policies(self) -> IntArray:
        """All deterministic Markov policies, shape (N, H, S)."""
        return deterministic_stage_policies(self.steps, self.model.n_states, self.model.n_actions)

    @cached_property
    def markov_tables(self) -> list[LawTable]:
        """Laws of the return of all deterministic Markov policies, by start state."""
        return markov_return_laws(self.model, self.steps, discount=self.discount)

    def best(self) -> FloatArray:
        """The largest expected utility of all history-dependent policies, from each state."""
        return np.array([table.expectations(self.of_return).max() for table in self.tables])

    @property
    def size(self) -> float:
        """Largest utility (all are largest in modulus at an end of the returns) times its exponent, what rounding is relative to."""
        largest = np.abs(self.of_return(self.largest_return * np.array([-1.0, 1.0]))).max()
        return float(max(1.0, largest) * (1 + abs(self.rate) * self.largest_return))

    @property
    def error(self) -> float:
        """Rounding of an expected utility."""
        return float(rounding(self.size, 128))


def drawn(draw: Draw, names: Sequence[str]) -> MarkovTask:
    """Two states, two actions, three steps, rewards from -2 to 2, discount 1 or 1/2, rates from -3/2 to 3/2."""
    model = two_state_model(draw, 2)
    return MarkovTask(model, 3, draw.choice((1.0, 0.5)), draw.choice(names), draw.number(-1.5, 1.5))


def classical_task(draw: Draw) -> MarkovTask:
    """Linear and exponential utilities."""
    return drawn(draw, CLASSICAL)


def any_utility_task(draw: Draw) -> MarkovTask:
    """All utilities."""
    return drawn(draw, (*OTHERS, *CLASSICAL))


def forgetful() -> OutcomeModel:
    """From 0 to 1 or 2 by a coin, with 1 or -1; from both to 3 for nothing; in 3 a choice of 1 and -1."""
    law, reward = np.zeros((4, 2, 4)), np.zeros((4, 2, 4))
    law[0, :, 1:3] = 0.5
    law[1:, :, 3] = 1.0
    reward[0, :, 1:3] = [1.0, -1.0]
    reward[3, :, 3] = [1.0, -1.0]
    return OutcomeModel.from_transition_rewards(law, reward)
