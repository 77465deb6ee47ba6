"""Tasks of the family: raw data, with regularised Nash policies as cached properties."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import rounding
from mdplab.instances import Draw, full_support, preference_matrices
from mdplab.solvers import NashMDSolution

__all__ = ["ComputedNash", "NashMDTask", "large_payoffs", "nash_md_task"]


class ComputedNash(NamedTuple):
    """A computed Nash policy: its logarithm, its 1-norm error and a bound on ``KL(pi* || pi)``."""

    log_policy: FloatArray
    distance: float
    divergence: float


@dataclass(frozen=True, eq=False)
class NashMDTask:
    """Nash-MD on a regularised preference game.

    Attributes
    ----------
    payoff : ndarray, shape (n, n)
        The preference matrix ``P``.
    reference : ndarray, shape (n,)
        The reference policy ``mu``.
    temperature : float
        Weight ``tau`` of the KL divergence to the reference.
    step : float
        The step ``eta`` of a single update and of constant-step runs.
    policy : ndarray (n,) or None
        The policy before the update, or at the start of a run; None is the regularised Nash policy.
    steps : int
        Length of a run with the decreasing schedule.
    """

    payoff: FloatArray
    reference: FloatArray
    temperature: float
    step: float
    policy: FloatArray | None
    steps: int = 100

    @property
    def pull(self) -> float:
        """``eta tau``, the weight of the reference in the mixture."""
        return self.step * self.temperature

    @cached_property
    def nash(self) -> ComputedNash:
        """The regularised Nash policy by Newton's method, certified."""
        found = solvers.regularised_nash(self.payoff, self.reference, temperature=self.temperature)
        return ComputedNash(found.log_policy, found.certificate.bound, found.kl_error)

    @cached_property
    def contracted_nash(self) -> ComputedNash:
        """The regularised Nash policy by magnetic mirror steps of length ``tau / L^2``, ``L = 1/2``, from the reference.

        The range of the residual ``log pi - log mu - P pi / tau`` is twice a bound on the 1-norm error: the game is
        strongly monotone.
        """
        tau, log_reference = self.temperature, np.log(self.reference)
        weight = 4 * tau**2 / (1 + 4 * tau**2)
        log_policy, best, width = log_reference, log_reference, np.inf
        for _ in range(60 + int(60 / weight)):
            residual = log_policy - log_reference - self.payoff @ np.exp(log_policy) / tau
            if np.ptp(residual) < width:
                best, width = log_policy, float(np.ptp(residual))
            log_policy = log_policy - weight * residual
            log_policy -= np.log(np.exp(log_policy).sum())
            if width < 1e-13:
                break
        n = log_reference.size
        size = np.abs(best).max() + np.abs(log_reference).max() + np.abs(self.payoff).max() / tau
        half = 0.5 * (width + 2 * float(rounding(size, n + 8)))
        return ComputedNash(best, half + float(rounding(1.0, n + 8)), half**2)

    @cached_property
    def start(self) -> FloatArray:
        """Log-probabilities of the policy before the update."""
        return self.nash.log_policy if self.policy is None else np.log(self.policy)

    @cached_property
    def run(self) -> NashMDSolution:
        """The recorded run with the decreasing schedule."""
        return solvers.nash_md(
            self.payoff,
            self.reference,
            temperature=self.temperature,
            steps=self.steps,
            initial=np.exp(self.start),
        )

    @cached_property
    def log_size(self) -> float:
        """Magnitude of the logarithms that enter one update; ``|log pi*| <= |log mu| + range(P)/tau``."""
        log_reference = float(np.abs(np.log(self.reference)).max())
        return float(
            1 + 2 * log_reference + np.ptp(self.payoff) / self.temperature + np.abs(self.start).max()
        )


def nash_md_task(draw: Draw) -> NashMDTask:
    """n in 2..6, all kinds of preferences, tau in (.05, 2), eta tau in (0, 1]; the start is mu or a random law."""
    payoff = preference_matrices(draw, responses=(2, 6)).probability
    n = len(payoff)
    reference = full_support(draw, n)
    tau = draw.log_number(0.05, 2.0)
    step = (1 - draw.number(0.0, 1.0)) / tau
    start = draw.choice(("reference", "dense", "sparse"))
    if start == "reference":
        return NashMDTask(payoff, reference, tau, step, reference)
    concentration = 1.0 if start == "dense" else 0.1
    policy = full_support(draw, n, concentration=concentration, mixture=0.001)
    return NashMDTask(payoff, reference, tau, step, policy)


def large_payoffs(draw: Draw) -> NashMDTask:
    """A task with payoffs up to twenty times as far from 1/2, at its Nash policy or not."""
    task = nash_md_task(draw)
    payoff = 0.5 + draw.number(1.0, 20.0) * (task.payoff - 0.5)
    return replace(task, payoff=payoff, policy=None if draw.boolean() else task.policy)
