"""The rule by which atoms are merged."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdplab.laws.atoms import check_atoms, check_masses, merge_atoms


def naive_merge(atoms: list[float], masses: list[float], merge: float) -> tuple[list[float], list[float]]:
    """Greedy groups led by their smallest atom, as the module states the rule."""
    groups: list[list[tuple[float, float]]] = []
    for x, m in sorted(zip(atoms, masses, strict=True)):
        if groups and x - groups[-1][0][0] <= merge:
            groups[-1].append((x, m))
        else:
            groups.append([(x, m)])
    totals = [sum(m for _, m in group) for group in groups]
    means = [sum(x * m for x, m in g) / t for g, t in zip(groups, totals, strict=True)]
    return means, totals


@given(
    st.lists(st.tuples(st.integers(-12, 12), st.integers(1, 5)), min_size=1, max_size=12),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
)
def test_merge_follows_the_stated_rule(pairs: list[tuple[int, int]], merge: float) -> None:
    atoms = [x / 4 for x, _ in pairs]
    masses = [float(m) for _, m in pairs]
    got_atoms, got_masses = merge_atoms(np.array(atoms), np.array(masses), merge)
    want_atoms, want_masses = naive_merge(atoms, masses, merge)
    np.testing.assert_allclose(got_atoms, want_atoms, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(got_masses, want_masses)
    assert np.all(np.diff(got_atoms) > 0)


def test_equal_atoms_stay_exact_under_a_tolerance() -> None:
    atoms, masses = merge_atoms(np.array([0.1, 0.7, 0.1, 0.1]), np.array([0.3, 0.1, 0.3, 0.3]), 1e-12)
    assert atoms.tolist() == [0.1, 0.7]
    np.testing.assert_allclose(masses, [0.9, 0.1])


def test_negative_zero_equals_zero() -> None:
    atoms, _ = merge_atoms(np.array([-0.0, 0.0]), np.array([0.5, 0.5]))
    assert atoms.tolist() == [0.0]
    assert not np.signbit(atoms[0])


def test_arguments_are_not_changed() -> None:
    atoms, masses = np.array([2.0, 1.0]), np.array([0.5, 0.5])
    merged, _ = merge_atoms(atoms, masses, 2.0)
    assert atoms.tolist() == [2.0, 1.0]
    assert merged.tolist() == [1.5]


@pytest.mark.parametrize(
    ("atoms", "masses", "message"),
    [
        ([0.0, np.nan], [0.5, 0.5], "entry 1 is"),
        ([0.0, np.inf], [0.5, 0.5], "entry 1 is"),
        ([0.0, 1.0], [1.5, -0.5], "entry 1 is"),
        ([0.0, 1.0], [0.5, np.nan], "entry 1 is"),
        ([0.0, 1.0], [0.5, 0.4], "sum 1"),
        ([0.0, 1.0], [1.0], "one shape"),
        ([], [], "n >= 1"),
    ],
)
def test_bad_atoms_are_named(atoms: list[float], masses: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_atoms(atoms, masses)


def test_accepted_deviation_has_an_edge() -> None:
    check_masses(np.array([0.5, 0.5 + 0.9e-12]), "masses")
    with pytest.raises(ValueError, match="masses"):
        check_masses(np.array([0.5, 0.5 + 1.2e-12]), "masses")
