"""Implicit maximisers: printed values, limits, bounds that hold, input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mdplab.laws import FiniteLaw
from mdplab.solution import Status
from mdplab.solvers import implicit_maximiser, verify
from mdplab.solvers.implicit_maximiser import _LOSSES
from tests.verification import assert_every_field_is_checked, failures, moved, shifted

LAW = FiniteLaw.from_atoms([0.0, 1.0, 3.0], [0.5, 0.3, 0.2])
PRINTED = {
    "truncated-total-variation": [0.0, 1.0, 3.0, 3.0],
    "truncated-chi-square": [1.0, 2.5, 3.0, 3.0],
    "chi-square": [1.5666666667, 2.8, 3.8888888889, 4.8989898990],
    "truncated-square": [1.3333333333, 2.375, 2.7222222222, 2.9747474747],
    "gumbel": [2.0793025195, 3.0601317725, 3.8710619887, 6.2689572615],
    "total-variation": [2.5, 2.5, 3.5, 3.5],
    "expectile": [1.0909090909, 1.6875, 2.1923076923, 2.8980582524],
}


@pytest.mark.parametrize("loss", PRINTED)
def test_printed_values(loss: str) -> None:
    for weight, printed in zip((0.6, 0.8, 0.9, 0.99), PRINTED[loss], strict=True):
        found = implicit_maximiser(LAW, loss=loss, weight=weight)
        assert found.value == pytest.approx(printed, abs=6e-11)
        assert found.certificate.bound < 1e-13
        assert verify(LAW, found).passed


def test_truncated_losses_reach_the_largest_atom_exactly() -> None:
    for loss in ("truncated-total-variation", "truncated-chi-square"):
        for atoms in ([0.0, 1.0, 3.0], [-3.0, -1.0, 0.0], [1e-3, 0.1, 1e3]):
            law = FiniteLaw.from_atoms(atoms, LAW.masses)
            assert implicit_maximiser(law, loss=loss, weight=0.84).value == atoms[-1]


@pytest.mark.parametrize("loss", _LOSSES)
def test_random_laws_pass(loss: str) -> None:
    for seed in range(60):
        rng = np.random.default_rng([seed, 11])
        n = int(rng.integers(1, 7))
        law = FiniteLaw.from_atoms(
            rng.normal(size=n) * 10 ** rng.uniform(-3, 3), 0.9 * rng.dirichlet(np.ones(n)) + 0.1 / n
        )
        weight = rng.uniform(0.51, 1.0) if seed % 2 else 1.0 - 10 ** rng.uniform(-12, -0.4)
        temperature = float(10 ** rng.uniform(-3, 3))
        found = implicit_maximiser(law, loss=loss, weight=float(weight), temperature=temperature)
        assert found.status is Status.CONVERGED
        report = verify(law, found)
        assert report.passed, (seed, report.failures)
        # a shift and a change of units move the value with them
        other = implicit_maximiser(
            law.affine(2.0, 1.0), loss=loss, weight=float(weight), temperature=2.0 * temperature
        )
        room = 2 * found.certificate.bound + other.certificate.bound + 1e-12 * (1 + abs(other.value))
        assert abs(other.value - (2.0 * found.value + 1.0)) <= room


def test_every_field_is_checked() -> None:
    found = implicit_maximiser(LAW, loss="chi-square", weight=0.8)
    changes: dict[str, Any] = {
        "value": shifted(1e-9),
        "lower": shifted(-1.0),
        "upper": shifted(1.0),
        "loss": lambda _: "gumbel",
        "weight": shifted(1e-9),
        "temperature": shifted(1e-9),
        "atoms": moved(1e-9),
        "masses": moved(1e-9),
        "slopes": moved(1e-9),
    }
    assert_every_field_is_checked(LAW, found, changes)
    assert failures(LAW, found, lower=found.value + 1e-9)


def test_the_domain_of_the_total_variation() -> None:
    found = implicit_maximiser(LAW, loss="total-variation", weight=0.1, temperature=2.0)
    assert found.value == 2.0
    assert found.certificate.bound == 0.0
    assert verify(LAW, found).passed


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="loss: 'kl'; expected one of 'gumbel'"):
        implicit_maximiser(LAW, loss="kl", weight=0.5)
    with pytest.raises(ValueError, match=r"weight: 0.5; expected a number strictly between 0.5 and 1"):
        implicit_maximiser(LAW, loss="truncated-total-variation", weight=0.5)
    with pytest.raises(ValueError, match="law: expected a FiniteLaw"):
        implicit_maximiser([1.0], loss="gumbel", weight=0.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="temperature must be positive"):
        implicit_maximiser(LAW, loss="gumbel", weight=0.5, temperature=0.0)
