"""One fault at a time in certificates, Lipschitz constants and continuous time: which claims see it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from injection import Row
from mdplab.numerics import Estimate


def curvature_forgotten(enclosed_minimum: Callable[..., Any]) -> Callable[..., Any]:
    """Cells are given up as soon as their ends lie above the least value found."""

    def wrong(*args: Any, curvature: float) -> Any:
        return enclosed_minimum(*args, curvature=0.0)

    return wrong


def shift_for_the_agent(odds: Callable[..., Any]) -> Callable[..., Any]:
    """The second shift points in the direction that is safe."""

    def wrong(self: Any, first: Any, length: Any) -> Any:
        return odds(self, first, -length)

    return wrong


def odds_off(odds: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: Any, first: Any, length: Any) -> Any:
        return odds(self, first, length) * (1 + 1e-9)

    return wrong


def mean_in_the_place_of_the_maximum(lipschitz_constant: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(values: Any, positions: Any) -> Any:
        order = np.argsort(positions)
        rises = np.abs(np.diff(np.asarray(values, dtype=float)[order], axis=0))
        cells = np.diff(np.asarray(positions)[order])
        return np.mean(rises / cells.reshape(-1, *(1,) * (rises.ndim - 1)), axis=0)

    return wrong


def first_cell_alone(kernel_lipschitz_constant: Callable[..., Any]) -> Callable[..., Any]:
    """Only the cell between the first two states is looked at."""

    def wrong(transition: Any, positions: Any) -> Any:
        rows, x = np.array(transition, dtype=float), np.asarray(positions)
        order = np.argsort(x)
        rows[order[1:]] = rows[order[0]]
        return kernel_lipschitz_constant(rows, positions)

    return wrong


def tenth_of_a_percent(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any, **options: Any) -> Any:
        return 1.001 * function(*args, **options)

    return wrong


def coarse_and_sure(half_line_quadrature: Callable[..., Any]) -> Callable[..., Any]:
    """Stops where two rules agree to a thousandth, and claims to be exact."""

    def wrong(fn: Any, **options: Any) -> Any:
        found = half_line_quadrature(fn, **{**options, "tol": 1e-3})
        return Estimate(found.value, np.zeros_like(found.error))

    return wrong


def percent_more(quadrature: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any, **options: Any) -> Any:
        value, error = quadrature(*args, **options)
        return Estimate(1.01 * value, error)

    return wrong


def reward_of_the_step_forgotten(grid_value: Callable[..., Any]) -> Callable[..., Any]:
    """The value from the next step on."""

    def wrong(self: Any, n_steps: int) -> Any:
        square, constant = grid_value(self, n_steps)
        return np.append(square[1:], 0.0), np.append(constant[1:], 0.0)

    return wrong


def times_exchanged(moment: Callable[..., Any]) -> Callable[..., Any]:
    """The covariance of two times decays from the later variance."""

    def wrong(process: Any, left: Any, right: Any, first: Any, later: Any) -> Any:
        return moment(process, left, right, later, first)

    return wrong


def condition_forgotten(spectrum: Callable[..., Any]) -> Callable[..., Any]:
    """Eigenvectors are taken to be orthogonal."""
    return lambda matrix: (spectrum(matrix)[0], 1.0)


def root_off(monotone_root: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(*args: Any, **options: Any) -> Any:
        found = monotone_root(*args, **options)
        return dataclasses.replace(found, root=found.root + 1e-6)

    return wrong


def wins_forgotten(log_weights: Callable[..., Any]) -> Callable[..., Any]:
    """The posterior is that of the failures alone."""

    def wrong(self: Any, good: Any, bad: Any) -> Any:
        return log_weights(self, np.zeros_like(good), bad)

    return wrong


DISTRIBUTIONAL = "proofs_check.distributional"
PROCESS = f"{DISTRIBUTIONAL}.ornstein_uhlenbeck"
SMOOTHING = ("policy-smoothing-adaptive-certificate",)
LINE = ("lipschitz-value-model-gap", "lipschitz-value-from-reward-and-dynamics")
PROJECTION = "ctmartingale-loss-is-projection"
PRETRAINING = ("icrl-pretraining-equals-posterior-sampling",)
VARIATION = "ctmartingale-msvd-and-quadratic-variation"

FAULTS: list[Row] = [
    ("mdplab.numerics.global_minimum", "enclosed_minimum", curvature_forgotten, SMOOTHING),
    (f"{DISTRIBUTIONAL}.smoothing_games", "CellGame.odds", shift_for_the_agent, SMOOTHING),
    (f"{DISTRIBUTIONAL}.smoothing_games", "CellGame.odds", odds_off, SMOOTHING),
    ("mdplab.operators.lipschitz", "lipschitz_constant", mean_in_the_place_of_the_maximum, LINE),
    ("mdplab.operators.lipschitz", "kernel_lipschitz_constant", first_cell_alone, LINE[1:]),
    ("mdplab.wasserstein", "wasserstein_on_positions", tenth_of_a_percent, LINE),
    ("mdplab.wasserstein", "kantorovich_potential", tenth_of_a_percent, LINE[:1]),
    ("mdplab.numerics.half_line", "half_line_quadrature", coarse_and_sure, ("ggd-moments-and-shape",)),
    ("mdplab.numerics.quadrature", "gauss_legendre", percent_more, (VARIATION,)),
    ("mdplab.numerics.scalar", "monotone_root", root_off, PRETRAINING),
    (f"{DISTRIBUTIONAL}.bandit_contexts", "BanditTask.log_weights", wins_forgotten, PRETRAINING),
    (PROCESS, "OrnsteinUhlenbeck.grid_value", reward_of_the_step_forgotten, (PROJECTION, VARIATION)),
    (PROCESS, "_moment", times_exchanged, (VARIATION,)),
    (
        f"{DISTRIBUTIONAL}.feedback_routes",
        "spectrum",
        condition_forgotten,
        ("lipschitz-feedback-closed-loop",),
    ),
]
