"""Mixtures of pushed laws, many at a time: atoms of the parts are merged as sorted runs, then grouped in one pass.

A law is a slice of ``atoms`` and ``masses`` between two ``offsets``, ascending.  Output law i mixes the parts
``starts[i]`` to ``starts[i+1]``: the law number ``children[k]`` pushed by ``x -> gain[k] + discount x``, with the weight
``weight[k]``.  The push keeps the order (rounding too), so no part has to be sorted; two runs become one until one is
left.  Masses that are zero or underflow to zero are dropped.  Groups follow the rule of :mod:`mdplab.laws.atoms`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._kernels._jit import kernel


@kernel
def _one_run(x: Any, m: Any, bounds: Any, runs: int, y: Any, n: Any) -> bool:
    """Merge sorted runs of x (with m) pairwise, y and n being working space; whether the result is in y."""
    swapped = False
    while runs > 1:
        kept = 0
        for r in range(0, runs, 2):
            i = bounds[r]
            middle = bounds[r + 1]
            end = bounds[min(r + 2, runs)]
            j = middle
            for k in range(bounds[r], end):
                # equal atoms keep the order of the parts
                if j >= end or (i < middle and x[i] <= x[j]):
                    y[k] = x[i]
                    n[k] = m[i]
                    i += 1
                else:
                    y[k] = x[j]
                    n[k] = m[j]
                    j += 1
            bounds[kept] = bounds[r]
            kept += 1
            bounds[kept] = end
        runs = kept
        x, y = y, x
        m, n = n, m
        swapped = not swapped
    return swapped


@kernel
def mixed_laws(
    starts: Any,
    children: Any,
    weight: Any,
    gain: Any,
    discount: float,
    offsets: Any,
    atoms: Any,
    masses: Any,
    merge: float,
    ends: Any,
    out_atoms: Any,
    out_masses: Any,
) -> None:
    """Write the mixtures one after the other; law i lies between ``ends[i]`` and ``ends[i+1]``."""
    largest = 0
    most = 0
    for i in range(starts.size - 1):
        created = 0
        for k in range(starts[i], starts[i + 1]):
            created += offsets[children[k] + 1] - offsets[children[k]]
        largest = max(largest, created)
        most = max(most, starts[i + 1] - starts[i])
    x = np.empty(largest)
    m = np.empty(largest)
    y = np.empty(largest)
    n = np.empty(largest)
    bounds = np.empty(most + 1, np.int64)
    ends[0] = 0
    for i in range(starts.size - 1):
        size = 0
        runs = 0
        bounds[0] = 0
        for k in range(starts[i], starts[i + 1]):
            for j in range(offsets[children[k]], offsets[children[k] + 1]):
                mass = weight[k] * masses[j]
                if mass > 0.0:
                    x[size] = gain[k] + discount * atoms[j]
                    m[size] = mass
                    size += 1
            if size > bounds[runs]:
                runs += 1
                bounds[runs] = size
        in_y = _one_run(x, m, bounds, runs, y, n)
        sorted_atoms = y if in_y else x
        sorted_masses = n if in_y else m
        place = ends[i]
        j = 0
        while j < size:
            leader = sorted_atoms[j]
            total = 0.0
            offset = 0.0
            while j < size and sorted_atoms[j] - leader <= merge:
                total += sorted_masses[j]
                offset += sorted_masses[j] * (sorted_atoms[j] - leader)
                j += 1
            out_atoms[place] = leader + offset / total + 0.0
            out_masses[place] = total
            place += 1
        ends[i + 1] = place
