"""Routes to the smallest minimisers of location losses: monotone roots, and closed forms between kinks."""

from __future__ import annotations

import numpy as np

from mdplab import solvers
from mdplab._typing import FloatArray
from mdplab.claims import Side
from mdplab.claims.tolerances import rounding
from mdplab.laws import FiniteLaw
from proofs_check.dual_rl.location_tasks import PIECES, LocationTask, root_of_pieces

__all__ = ["closed", "formula", "located", "log_error", "log_sum_exp", "size_of"]


def located(task: LocationTask, losses: tuple[str, ...], law: FiniteLaw | None = None) -> Side:
    """Smallest minimisers by a monotone root (rows: losses, columns: weights)."""
    found = [
        [
            solvers.implicit_maximiser(
                task.law if law is None else law, loss=loss, weight=float(w), temperature=task.temperature
            )
            for w in task.weights
        ]
        for loss in losses
    ]
    return Side(
        [[f.value for f in row] for row in found], [[f.certificate.bound for f in row] for row in found]
    )


def size_of(task: LocationTask) -> float:
    """Size of the numbers of a closed form."""
    top = float(np.abs(task.atoms).max())
    return (2 + top) * (1 + float((1 / task.weights).max())) / task.top_mass + task.temperature


def log_sum_exp(task: LocationTask) -> float:
    """``beta log E e^(q / beta)``."""
    law = task.law
    highest = law.atoms[-1]
    return float(
        highest
        + task.temperature * np.log((law.masses * np.exp((law.atoms - highest) / task.temperature)).sum())
    )


def formula(task: LocationTask, loss: str, weight: float) -> float:
    """Smallest minimiser in closed form, at temperature 1 but for Gumbel."""
    if loss == "gumbel":
        return log_sum_exp(task) + task.temperature * float(np.log(weight) - np.log1p(-weight))
    found = float(root_of_pieces(task.law.atoms, task.law.masses, weight, PIECES[loss]))
    return max(found, task.top - 0.5) if loss == "total-variation" else found


def log_error(task: LocationTask) -> FloatArray:
    """Rounding of the closed form of Gumbel: a logarithm turns relative errors into absolute ones."""
    odds = float(np.abs(np.log(task.weights) - np.log1p(-task.weights)).max())
    size = 2 * float(np.abs(task.atoms).max()) + task.temperature * (4 - np.log(task.top_mass) + odds)
    return rounding(size, task.atoms.size + 24)


def closed(task: LocationTask, losses: tuple[str, ...]) -> Side:
    """Smallest minimisers in closed form between the kinks of the losses."""
    table = [[formula(task, loss, float(w)) for w in task.weights] for loss in losses]
    pieces = rounding(size_of(task), 8 * task.atoms.size + 24)
    error = np.array([[log_error(task) if loss == "gumbel" else pieces] for loss in losses], dtype=float)
    return Side(table, np.broadcast_to(error, np.shape(table)))
