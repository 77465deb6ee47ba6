"""Two flows in balls: power series that enclose the moments, and their discrepancy."""

from __future__ import annotations

from typing import Any

import numpy as np

import mdplab
from mdplab._typing import Array
from mdplab.laws import AffineField
from proofs_check.tilting.normal_flow_instances import FlowTask


def slopes(field: AffineField) -> Array:
    """Slope of a field whose drift is linear, at both ends."""
    first, *rest = mdplab.exact.rational(field.drift)
    return np.array([first, first + sum(rest)], dtype=object)


def squared_distance(task: FlowTask) -> Any:
    """The squared distance of the laws at time 1."""
    first = mdplab.exact.gaussian_flow(task.start, task.first)
    second = mdplab.exact.gaussian_flow(task.other_start, task.second)
    return ((first - second) * (first - second)).sum()


def sharp_factor(task: FlowTask) -> Any:
    """``(e^{2 l} - 1) / (2 l)``."""
    slope = mdplab.exact.highest(slopes(task.second))
    return (mdplab.exact.exp(2 * slope) - 1) / (2 * slope) if slope != 0 else mdplab.exact.ball(1)


def lipschitz_factor(task: FlowTask) -> Any:
    """``e^{2 L}``."""
    return mdplab.exact.exp(2 * mdplab.exact.highest(abs(slopes(task.second))))


def sharp_bound(task: FlowTask) -> Any:
    """The sharp factor times the discrepancy."""
    return sharp_factor(task) * mdplab.exact.flow_discrepancy(task.start, task.first, task.second)


def lipschitz_bound(task: FlowTask) -> Any:
    """The other factor times the discrepancy."""
    return lipschitz_factor(task) * mdplab.exact.flow_discrepancy(task.start, task.first, task.second)
