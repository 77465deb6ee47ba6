"""Backups over states and stocks on a line: one layer of the recursion for an expected utility of the return.

Outcomes of positive probability of the pairs ``i = s A + a`` are ``pointer[i]`` to ``pointer[i+1]``: ``weight``, next state
``target`` and number ``kind`` of the reward.  ``moved[c, kind]`` is the place of the next stock in the layer below.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdplab._kernels._jit import kernel


@kernel
def stock_backup(
    pointer: Any, weight: Any, target: Any, kind: Any, moved: Any, below: Any, value: Any, actions: Any
) -> None:
    """``value[s, c] = max_a sum weight below[target, moved[c, kind]]``; of equal actions the first."""
    states, stocks = value.shape
    choices = (pointer.size - 1) // states
    for s in range(states):
        for c in range(stocks):
            best = -np.inf
            for a in range(choices):
                total = 0.0
                for k in range(pointer[s * choices + a], pointer[s * choices + a + 1]):
                    total += weight[k] * below[target[k], moved[c, kind[k]]]
                if total > best:
                    best = total
                    actions[s, c] = a
            value[s, c] = best
