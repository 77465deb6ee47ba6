"""Pairs of affine fields on the line that carry a normal law from time 0 to 1."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from mdplab.instances import Draw
from mdplab.laws import AffineField, Gaussian

__all__ = ["FlowTask", "attaining_pair", "attaining_task", "flow_task", "two_starts"]


@dataclass(frozen=True, eq=False)
class FlowTask:
    """Two flows that start from one law.

    Attributes
    ----------
    start : Gaussian
        The start law.
    first, second : AffineField
        The fields; their drifts are linear in time.
    second_start : Gaussian or None
        Start law of the second flow; None for that of the first.
    """

    start: Gaussian
    first: AffineField
    second: AffineField
    second_start: Gaussian | None = None

    @property
    def other_start(self) -> Gaussian:
        """The start law of the second flow."""
        return self.second_start or self.start


def flow_task(draw: Draw) -> FlowTask:
    """Fields linear in time, intercepts and slopes normal with deviation 1.5; normal mean, log-normal deviation."""
    first, second = (AffineField(draw.normal(2, 1.5), draw.normal(2, 1.5)) for _ in range(2))
    return FlowTask(Gaussian(float(draw.normal()), math.exp(float(draw.normal()))), first, second)


def two_starts(draw: Draw) -> FlowTask:
    """A task whose second flow has a start law of its own."""
    task = flow_task(draw)
    return replace(task, second_start=Gaussian(float(draw.normal()), math.exp(float(draw.normal()))))


def attaining_pair(slope: float, amplitude: float, shift: float, start: Gaussian) -> FlowTask:
    """Fields of one constant slope whose shifts differ by ``amplitude * exp(slope * (1 - t))``, a series of 40 terms.

    Parameters
    ----------
    slope : float
        The slope, between -2 and 2: what is cut off is below 1e-34 of the shift.
    amplitude : float
        Size of the difference at time 1.
    shift : float
        The shift of the second field.
    start : Gaussian
        The start law.

    Returns
    -------
    FlowTask
    """
    terms = [(-slope) ** k / math.factorial(k) for k in range(41)]
    change = amplitude * math.exp(slope) * np.array(terms)
    change[0] += shift
    drift = np.array([slope, 0.0])
    return FlowTask(start, AffineField(drift, change), AffineField(drift, np.array([shift])))


def attaining_task(draw: Draw) -> FlowTask:
    """Slope uniform on (-2, 2), normal shift and start, amplitude at least .1."""
    amplitude = draw.number(0.1, 3.0)
    start = Gaussian(float(draw.normal()), math.exp(float(draw.normal())))
    return attaining_pair(draw.number(-2.0, 2.0), amplitude, float(draw.normal()), start)
