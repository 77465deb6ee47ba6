r"""Nash-MD: ``m_t ~ pi_t^(1 - eta tau) mu^(eta tau)``, ``pi_{t+1} ~ m_t exp(eta P m_t)``.

Mirror descent for the KL-regularised preference game whose Nash policy :func:`mdplab.solvers.regularised_nash` finds.

References
----------
R. Munos et al. (2023), Nash Learning from Human Feedback, arXiv 2312.00886.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from mdplab._typing import FloatArray
from mdplab.models import PreferenceMatrix
from mdplab.operators import _check
from mdplab.operators.mirror import mirror_step
from mdplab.solution import Certificate, Layout, Solution, Status
from mdplab.solvers.matrix_game import checked_temperature, log_law, regularised_game

__all__ = ["NashMDSolution", "nash_md"]

_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, kw_only=True, eq=False)
class NashMDSolution(Solution):
    """Run of Nash-MD; its table has a row a step.

    Attributes
    ----------
    log_policies : ndarray, shape (steps + 1, n)
        All iterates from the start.
    step_sizes : ndarray, shape (steps,)
        ``eta_t``.
    log_reference : ndarray, shape (n,)
        Logarithm of the reference, as given.
    temperature : float
        As given.
    """

    log_policies: FloatArray
    step_sizes: FloatArray
    log_reference: FloatArray = field(repr=False)
    temperature: float

    def _layout(self) -> Layout:
        return ("step",), {"policy": self.policies}

    @property
    def policies(self) -> FloatArray:
        """Probabilities of all iterates."""
        return np.asarray(np.exp(self.log_policies))


def nash_md(
    preference: PreferenceMatrix | ArrayLike,
    reference: ArrayLike,
    *,
    temperature: float,
    steps: int,
    schedule: float | Callable[[int], float] | None = None,
    initial: ArrayLike | None = None,
) -> NashMDSolution:
    """Run Nash-MD and record every iterate.

    Parameters
    ----------
    preference : PreferenceMatrix or array_like, shape (n, n)
        Preference matrix.
    reference : array_like, shape (n,)
        Law of full support.
    temperature : float
        Weight of the KL divergence, > 0.
    steps : int
        Number of updates.
    schedule : float or callable, optional
        Step ``eta`` or ``t -> eta_t`` for ``t = 0, 1, ...``, with ``0 < eta temperature <= 1``; the default is
        ``2 / (temperature (t + 2))``.
    initial : array_like, shape (n,), optional
        First policy, of full support; the default is the reference.

    Returns
    -------
    NashMDSolution
        Status ``UNCERTIFIED`` with an infinite bound: the run is a path, compare it with :func:`regularised_nash`.

    Raises
    ------
    ValueError
        If shapes do not match or an argument is out of its range.

    References
    ----------
    R. Munos et al. (2023), Nash Learning from Human Feedback, arXiv 2312.00886.
    """
    payoff, log_reference = regularised_game(preference, reference)
    tau = checked_temperature(temperature)
    _check.count("steps", steps, 0)
    first = log_reference if initial is None else log_law("initial", initial, payoff.shape[0])
    log_policies = np.empty((steps + 1, payoff.shape[0]))
    sizes = np.empty(steps)
    log_policies[0] = first
    for t in range(steps):
        rule = 2.0 / (tau * (t + 2)) if schedule is None else schedule
        eta = float(rule(t) if callable(rule) else rule)
        if not 0.0 < eta * tau <= 1.0 + 4.0 * _EPS:
            raise ValueError(f"schedule: step {eta!r} at t = {t}; expected 0 < step * temperature <= 1")
        kappa = min(eta * tau, 1.0)
        mixture = mirror_step(log_policies[t], 0.0, step=0.0, kappa=kappa, log_magnet=log_reference)
        log_policies[t + 1] = mirror_step(mixture, payoff @ np.exp(mixture), step=eta)
        sizes[t] = eta
    return NashMDSolution(
        status=Status.UNCERTIFIED,
        certificate=Certificate("1-norm error of the last policy", np.inf, "none: a recorded run", 0.0),
        steps=steps,
        log_policies=log_policies,
        step_sizes=sizes,
        log_reference=log_reference,
        temperature=tau,
    )
