"""Large models are solved where they lie: no copies of a kernel, no table of states by states."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mdplab import solvers
from mdplab.models import MDP

STATES, ACTIONS = 100, 200
LOGS = np.log(np.full((STATES, ACTIONS), 1 / ACTIONS))
CALLS: dict[str, Callable[[MDP], Any]] = {
    "solve": solvers.solve,
    "value_iteration": solvers.value_iteration,
    "modified_policy_iteration": solvers.modified_policy_iteration,
    "policy_iteration": solvers.policy_iteration,
    "soft_value_iteration": lambda mdp: solvers.soft_value_iteration(mdp, temperature=1.0),
    "soft_policy_iteration": lambda mdp: solvers.soft_policy_iteration(mdp, temperature=1.0),
    "residual_q_learning": lambda mdp: solvers.residual_q_learning(
        mdp, mdp.reward, LOGS[: mdp.n_states, : mdp.n_actions], prior_weight=1.0, temperature=1.0
    ),
    "mirror_descent": lambda mdp: solvers.mirror_descent(mdp, step=1.0, steps=2),
    "policy_gradient_ascent": lambda mdp: solvers.policy_gradient_ascent(mdp, step=1.0, steps=2),
}


def peak(call: Callable[[], Any]) -> float:
    """Bytes that a call holds at its worst."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture(scope="module")
def arrays() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    kernel = rng.random((STATES, ACTIONS, STATES))
    return kernel / kernel.sum(axis=-1, keepdims=True), rng.normal(size=(STATES, ACTIONS))


@pytest.mark.parametrize("name", CALLS)
def test_two_million_entries_are_not_copied(name: str, arrays: tuple[np.ndarray, np.ndarray]) -> None:
    kernel, reward = arrays
    start = np.full(STATES, 1 / STATES)
    mask = np.arange(ACTIONS) != 3
    small = MDP(np.full((2, 2, 2), 0.5), np.ones((2, 2)), 0.9, [0.5, 0.5])
    CALLS[name](small)  # compiles and imports
    assert peak(lambda: CALLS[name](MDP(kernel, reward, 0.9, start))) < 0.4 * kernel.nbytes
    if name != "residual_q_learning":  # its prior gives weight to all
        masked = MDP(kernel, reward, 0.9, start, available=np.broadcast_to(mask, reward.shape))
        assert peak(lambda: CALLS[name](masked)) < 0.4 * kernel.nbytes


def test_other_layouts_are_copied_once(arrays: tuple[np.ndarray, np.ndarray]) -> None:
    kernel, reward = np.asfortranarray(arrays[0]), arrays[1]
    assert peak(lambda: MDP(kernel, reward, 0.9)) < 1.2 * kernel.nbytes


GRID = """
import resource
from mdplab import instances, solvers
grid = instances.gridworld(
    1000, 1000, {(999, 999): 1.0}, slip=0.2, terminal=[(999, 999)], discount=0.99, sparse=True
)
found = solvers.solve(grid.mdp, 1e-6)
print(found.status.name, found.certificate.bound, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_a_million_states_take_less_than_six_gigabytes() -> None:
    pytest.importorskip("resource")  # of Unix
    done = subprocess.run([sys.executable, "-c", GRID], capture_output=True, text=True, check=True)
    status, bound, peak_size = done.stdout.split()
    assert status == "CONVERGED"
    assert float(bound) <= 1e-6
    assert int(peak_size) * (1 if sys.platform == "darwin" else 1024) < 6 * 2**30
