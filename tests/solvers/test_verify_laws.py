"""verify() of laws of returns: moments and characteristic functions see what moved, be it the mean or the shape."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdplab.laws import FiniteLaw
from mdplab.models import RewardProcess
from mdplab.solvers import distributional_evaluation, verify
from mdplab.solvers.distributional_dp import LawSolution
from tests.verification import SHARED, failures, with_bound


def process(seed: int) -> tuple[RewardProcess, LawSolution]:
    """Mixing and acyclic processes with their laws, of order 1 and 2."""
    rng = np.random.default_rng([seed, 95])
    n = int(rng.integers(1, 5))
    kernel = rng.dirichlet(np.full(n, 0.5), n)
    reward = rng.integers(-2, 3, (n, n)).astype(float)
    discount = float(rng.choice([0.0, 0.3, 0.5, 0.7]))
    if seed % 3 == 0:
        n = 4
        kernel = np.zeros((n, n))
        for s in range(n - 1):
            kernel[s, s + 1 :] = rng.dirichlet(np.ones(n - 1 - s))
        kernel[-1, -1] = 1.0
        reward = rng.normal(size=(n, n))
        reward[-1, -1] = 0.0
        discount = (1.0, 0.9)[seed % 2]
    model = RewardProcess(kernel, reward, discount)
    return model, distributional_evaluation(
        model, None if seed % 2 else 4, order=1 + seed % 2, tol=3e-2, merge=(1e-9, 1e-3)[seed % 2]
    )


@pytest.mark.parametrize("seed", range(12))
def test_random_laws_pass_and_other_laws_fail(seed: int) -> None:
    model, solution = process(seed)
    report = verify(model, solution)
    assert report.passed, report.failures
    bound = 12 * solution.certificate.bound
    if bound > 0.0:
        shifted = tuple(FiniteLaw(law.atoms + bound, law.masses) for law in solution.laws)
        assert "means within certificate.bound" in failures(model, solution, laws=shifted)
        # the same means, but every atom split into two
        split = tuple(
            FiniteLaw.from_atoms(
                np.concatenate([law.atoms - bound, law.atoms + bound]),
                np.concatenate([law.masses, law.masses]) / 2,
            )
            for law in solution.laws
        )
        names = failures(model, solution, laws=split)
        assert any("characteristic" in name for name in names)
        assert "means within certificate.bound" not in names


def test_the_other_fields() -> None:
    model, solution = process(3)
    assert solution.ended
    assert solution.order == 2
    assert {*vars(solution)} == {"laws", "ended", "order", *SHARED}
    # second moments: each law replaced by its mean
    means = tuple(FiniteLaw.dirac(law.mean()) for law in solution.laws)
    assert "second moments within certificate.bound" in failures(model, solution, laws=means)
    cyclic, run = process(1)
    assert not run.ended
    assert failures(cyclic, run, ended=True) == {"the chain has no cycle but absorbing states"}
    assert failures(cyclic, run, certificate=with_bound(run, 0.0))


def test_refusals() -> None:
    model, solution = process(3)
    nothing = replace(solution, certificate=replace(solution.certificate, bound=np.inf))
    with pytest.raises(ValueError, match="claims nothing that could be checked"):
        verify(model, nothing)
    with pytest.raises(TypeError, match="belongs to a RewardProcess"):
        verify(np.eye(4), solution)
