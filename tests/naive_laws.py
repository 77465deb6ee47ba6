"""Slow twins of the kernels of laws of returns: everything in lists, outcome by outcome."""

from __future__ import annotations

import numpy as np

__all__ = ["naive_mixture", "naive_stock_backup"]


def naive_mixture(laws, children, weights, gains, discount, merge):
    """Atoms and masses of a mixture of pushed laws: sorted, and grouped from the least on."""
    places = [
        (r + discount * x, w * m)
        for k, w, r in zip(children, weights, gains, strict=True)
        for x, m in zip(*laws[k], strict=True)
        if w * m > 0.0
    ]
    groups = []
    for x, m in sorted(places, key=lambda place: place[0]):
        if groups and x - groups[-1][0][0] <= merge:
            groups[-1].append((x, m))
        else:
            groups.append([(x, m)])
    totals = [sum(m for _, m in group) for group in groups]
    means = [sum(x * m for x, m in group) / total for group, total in zip(groups, totals, strict=True)]
    return np.array(means), np.array(totals)


def naive_stock_backup(pointer, weight, target, kind, moved, below, actions):
    """Best value and first best action of every state and stock."""
    q = np.array(
        [
            [
                sum(weight[k] * below[target[k], row[kind[k]]] for k in range(pointer[i], pointer[i + 1]))
                for row in moved
            ]
            for i in range(len(pointer) - 1)
        ]
    ).reshape(-1, actions, len(moved))
    return q.max(axis=1), q.argmax(axis=1)
