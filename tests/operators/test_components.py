"""End components, recurrent classes and almost-sure sets against searches over all policies."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
from scipy import sparse

from mdplab.operators.components import almost_sure, attractor, end_components, recurrent_classes
from rational_chains import classes, reachable


def random_pairs(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Successors (N, n), owners and leaving pairs of a small graph; every place has a pair."""
    rng = np.random.default_rng([seed, 41])
    n = int(rng.integers(1, 6))
    owner = np.sort(np.concatenate([np.arange(n), rng.integers(0, n, int(rng.integers(0, 5)))]))
    support = rng.random((owner.size, n)) < (0.2, 0.4)[seed % 2]
    leaves = rng.random(owner.size) < 0.2
    support[np.arange(owner.size), rng.integers(0, n, owner.size)] |= ~leaves & ~support.any(axis=1)
    return support.astype(float), owner, leaves


def is_end_component(support: np.ndarray, owner: np.ndarray, pairs: tuple[int, ...]) -> bool:
    """Closed, and every member reaches every other."""
    members = {int(owner[i]) for i in pairs}
    edges = {s: set() for s in members}
    for i in pairs:
        edges[int(owner[i])] |= {int(t) for t in np.flatnonzero(support[i])}
    if not all(targets and targets <= members for targets in edges.values()):
        return False
    rows = [
        [float(t in edges.get(s, set())) for t in range(support.shape[1])] for s in range(support.shape[1])
    ]
    return all(members <= reachable(rows, s) for s in members)


@pytest.mark.parametrize("seed", range(60))
def test_end_components(seed: int) -> None:
    support, owner, leaves = random_pairs(seed)
    component, inside = end_components(sparse.csr_array(support), owner, ~leaves)
    candidates = [i for i in range(owner.size) if not leaves[i] and support[i].any()]
    found: set[int] = set()
    for size in range(1, len(candidates) + 1):
        for pairs in combinations(candidates, size):
            if is_end_component(support, owner, pairs):
                found |= set(pairs)
                assert len({int(component[owner[i]]) for i in pairs}) == 1
    assert found == set(np.flatnonzero(inside).tolist())
    for k in range(component.max() + 1):
        own = tuple(int(i) for i in np.flatnonzero(inside & (component[owner] == k)))
        assert is_end_component(support, owner, own)
    firsts = [int(np.argmax(component == k)) for k in range(component.max() + 1)]
    assert firsts == sorted(firsts)


@pytest.mark.parametrize("seed", range(60))
def test_recurrent_classes(seed: int) -> None:
    rng = np.random.default_rng([seed, 42])
    n = int(rng.integers(1, 8))
    kernel = (rng.random((n, n)) < 0.25).astype(float)
    kernel[np.arange(n), rng.integers(0, n, n)] = 1.0
    label, count = recurrent_classes(sparse.csr_array(kernel))
    expected = sorted(classes(kernel.tolist()), key=min)
    assert count == len(expected)
    for k, members in enumerate(expected):
        assert set(np.flatnonzero(label == k).tolist()) == members
    leaves = rng.random(n) < 0.3
    label, count = recurrent_classes(sparse.csr_array(kernel), leaves)
    closed = [members for members in expected if not leaves[list(members)].any()]
    assert [set(np.flatnonzero(label == k).tolist()) for k in range(count)] == closed


@pytest.mark.parametrize("seed", range(60))
def test_almost_sure_sets_and_attractors(seed: int) -> None:
    support, owner, leaves = random_pairs(seed)
    n = support.shape[1]
    sets: list[set[int]] = []
    for policy in product(*(np.flatnonzero(owner == s) for s in range(n))):
        # place n is outside
        rows = [[*support[i], float(leaves[i])] for i in policy] + [[0.0] * n + [1.0]]
        sets.append({s for s in range(n) if all(n in reachable(rows, t) for t in reachable(rows, s))})
    region, choice = almost_sure(sparse.csr_array(support), owner, leaves)
    assert set(np.flatnonzero(region).tolist()) == set().union(*sets)
    rows = [[*support[i], float(leaves[i])] if i >= 0 else [0.0] * (n + 1) for i in choice] + [
        [0.0] * n + [1.0]
    ]
    for s in np.flatnonzero(region):
        assert owner[choice[s]] == s
        assert all(n in reachable(rows, t) for t in reachable(rows, int(s)))

    target = np.arange(n) == 0
    reached, way = attractor(sparse.csr_array(support), owner, np.ones(owner.size, dtype=bool), target)
    edges = [[float(support[owner == s, t].any()) for t in range(n)] for s in range(n)]
    assert [0 in reachable(edges, s) for s in range(n)] == reached.tolist()
    steps = [[*support[i]] if i >= 0 else [0.0] * n for i in way]
    assert all(0 in reachable(steps, s) for s in np.flatnonzero(reached))
