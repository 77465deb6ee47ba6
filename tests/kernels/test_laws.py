"""Mixtures of pushed laws against concatenation and sorting, and the bound on memory that callers rely on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdplab._kernels.laws import mixed_laws
from tests import naive_laws as naive

FORMS = pytest.mark.parametrize("form", [lambda f: f, lambda f: f.py_func], ids=["compiled", "python"])


def problem(seed: int) -> Any:
    """Laws with atoms that coincide after the push, or nearly; parts of weight 0; one law without neighbours."""
    rng = np.random.default_rng([seed, 41])
    laws = []
    for _ in range(rng.integers(1, 5)):
        atoms = np.unique(rng.integers(-4, 5, rng.integers(1, 9)) + rng.choice([0.0, 1e-13, 3e-13]))
        laws.append((atoms.astype(float), rng.dirichlet(np.ones(atoms.size))))
    mixtures = []
    for _ in range(rng.integers(1, 5)):
        count = int(rng.integers(1, 6))
        weights = rng.dirichlet(np.ones(count))
        weights[1:][rng.random(count - 1) < 0.3] = 0.0
        gains = rng.integers(-2, 3, count) / 2
        mixtures.append((rng.integers(len(laws), size=count), weights, gains))
    return laws, mixtures, float(rng.choice([0.0, 0.5, 1.0])), float(rng.choice([0.0, 1e-12, 0.6]))


@FORMS
@given(st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_mixtures(form: Any, seed: int) -> None:
    laws, mixtures, discount, merge = problem(seed)
    offsets = np.cumsum([0, *(len(atoms) for atoms, _ in laws)])
    starts = np.cumsum([0, *(len(children) for children, _, _ in mixtures)])
    children, weight, gain = (np.concatenate(part) for part in zip(*mixtures, strict=True))
    created = int((offsets[children + 1] - offsets[children]).sum())
    ends, atoms, masses = np.zeros(len(mixtures) + 1, np.int64), np.empty(created), np.empty(created)
    mixed_laws_of = form(mixed_laws)
    mixed_laws_of(
        starts,
        children,
        weight,
        gain.astype(float),
        discount,
        offsets,
        np.concatenate([x for x, _ in laws]),
        np.concatenate([m for _, m in laws]),
        merge,
        ends,
        atoms,
        masses,
    )
    for i, mixture in enumerate(mixtures):
        expected = naive.naive_mixture(laws, *mixture, discount, merge)
        np.testing.assert_allclose(atoms[ends[i] : ends[i + 1]], expected[0], rtol=0, atol=1e-14)
        np.testing.assert_allclose(masses[ends[i] : ends[i + 1]], expected[1], rtol=1e-14)
