"""Costs beside the time to a solution: sweeps, tiny models, building, memory, start-up."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np

from benchmarks.instances import INSTANCES, Arrays, dense, grid, random_sparse
from benchmarks.systems import SYSTEMS

__all__ = ["build_costs", "median_time", "memory_costs", "start_up", "sweep_costs", "tiny_costs"]


def median_time(run: Callable[[], Any], repeats: int = 9) -> float:
    """Median seconds of a call after one that is not counted."""
    run()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


@numba.njit(nogil=True)
def _stream(data: Any, indices: Any, indptr: Any, reward: Any, value: Any, out: Any) -> float:
    """Read every byte that a sweep reads, in order, and write what it writes."""
    a = b = c = d = 0.0
    for k in range(0, data.size // 4 * 4, 4):
        a += data[k]
        b += data[k + 1]
        c += data[k + 2]
        d += data[k + 3]
    for k in range(0, reward.size // 4 * 4, 4):
        a += reward[k]
        b += reward[k + 1]
        c += reward[k + 2]
        d += reward[k + 3]
    bits = np.uint32(0)
    for k in range(indices.size):
        bits ^= indices[k]
    for k in range(indptr.size):
        bits ^= indptr[k]
    for s in range(value.size):
        out[s] = value[s]
    return a + b + c + d + bits


@numba.njit(nogil=True)
def _gather(data: Any, indices: Any, value: Any) -> float:
    """The products of a sweep with nothing around them: what random access to the values costs."""
    a = b = c = d = 0.0
    for k in range(0, data.size // 4 * 4, 4):
        a += data[k] * value[indices[k]]
        b += data[k + 1] * value[indices[k + 1]]
        c += data[k + 2] * value[indices[k + 2]]
        d += data[k + 3] * value[indices[k + 3]]
    return a + b + c + d


def sweep_costs(names: list[str]) -> list[dict[str, Any]]:
    """One optimality sweep of the kernel of modified policy iteration against streaming its bytes."""
    cases = {name: INSTANCES[name]() for name in names}
    return [_sweep_cost(name, arrays) for name, arrays in cases.items() if arrays.is_sparse]


def _sweep_cost(name: str, arrays: Arrays) -> dict[str, Any]:
    from mdplab._kernels import modified

    states, kernel = arrays.reward.shape[0], arrays.transition
    unsigned = (kernel.data, kernel.indices.view(np.uint32), kernel.indptr.view(np.uint32))
    slots = np.zeros(states + 1, dtype=np.uint32)
    np.cumsum(np.diff(unsigned[2]).reshape(states, -1).max(axis=1), out=slots[1:])
    value, backup, other = np.random.default_rng(0).random(states), np.empty(states), np.empty(states)
    threshold, actions, gain = np.full(states, -np.inf), np.full(states, -1), np.empty(states)
    own = np.empty(int(slots[-1])), np.empty(int(slots[-1]), dtype=np.uint32)
    spans, state = np.empty((1, 3)), np.zeros(5)
    numbers = (arrays.discount, 0.0, 0.3, 0, 1e9, 1e-14)
    memory = (value, backup, other, threshold, actions, gain, slots, *own, spans, state)

    def sweep() -> None:
        state[:2] = np.inf, 0.0  # all rows are read, no evaluation comes first
        modified.modified_csr(*unsigned, arrays.reward, *numbers, *memory)

    reward = arrays.reward.ravel()
    seconds = median_time(sweep)
    stream = median_time(lambda: _stream(*unsigned, reward, value, backup))
    gather = median_time(lambda: _gather(unsigned[0], unsigned[1], value))
    return {
        "instance": name,
        "sweep_ms": 1e3 * seconds,
        "stream_ms": 1e3 * stream,
        "gather_ms": 1e3 * gather,
        "ratio": seconds / stream,
        "ratio_to_gather": seconds / gather,
    }


def tiny_costs(count: int = 500) -> list[dict[str, Any]]:
    """Microseconds a 10x4 model at discount .9, each model another."""
    from mdplab.models import MDP
    from mdplab.solvers import solve, solve_batch

    models = [dense(10, 4, 0.9, seed) for seed in range(count)]
    kernels = np.stack([m.transition for m in models] * 4)
    rewards = np.stack([m.reward for m in models] * 4)
    rows = [
        {
            "what": "mdplab: in a batch",
            "microseconds": 1e6
            * median_time(lambda: solve_batch(kernels, rewards, 0.9, tol=1e-6))
            / len(kernels),
        }
    ]
    built = [MDP(m.transition, m.reward, 0.9) for m in models]

    def each(run: Callable[[Any], Any], items: list[Any]) -> float:
        def loop() -> None:
            for item in items:
                run(item)

        return 1e6 * median_time(loop, 5) / len(items)

    rows.append({"what": "mdplab: one call", "microseconds": each(lambda m: solve(m, 1e-6), built)})
    rows.append(
        {
            "what": "mdplab: build and solve",
            "microseconds": each(lambda m: solve(MDP(m.transition, m.reward, 0.9), 1e-6), models),
        }
    )
    for name in ("quantecon mpi", "quantecon pi", "mdpsolver mpi", "pymdptoolbox pi"):
        system = SYSTEMS[name]
        if system.installed:
            rows.append(
                {
                    "what": f"{name}: build and solve",
                    "microseconds": each(lambda m, s=system: s.solve(s.build(m), 1e-6), models[:100]),
                }
            )
    return rows


def _traced(run: Callable[[], Any]) -> int:
    """Peak of the memory allocated by a call, in bytes."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def build_costs() -> list[dict[str, Any]]:
    """Arrays to model, validation included."""
    from mdplab.models import MDP

    rows = []
    cases: dict[str, Arrays] = {
        "sparse 1e4x10x10": random_sparse(10_000, 10, 10, 0.99),
        "sparse 1e5x5x5": random_sparse(100_000, 5, 5, 0.99),
        "grid 1000x1000": grid(1000, 0.9),
        "dense 200x10": dense(200, 10, 0.99),
        "dense 1000x20": dense(1000, 20, 0.99),
    }
    for name, arrays in cases.items():

        def build(arrays: Arrays = arrays) -> Any:
            return MDP(arrays.transition, arrays.reward, arrays.discount)

        rows.append(
            {
                "instance": name,
                "ms_per_million": 1e3 * median_time(build, 5) / (arrays.entries / 1e6),
                "extra_bytes_ratio": _traced(build) / arrays.kernel_bytes,
            }
        )
    return rows


def memory_costs() -> list[dict[str, Any]]:
    """Peak allocations of a solve against the bytes of the kernel (which exists before)."""
    from mdplab.models import MDP
    from mdplab.solvers import solve

    rows = []
    for name in ("sparse 1e5x5x5, .99", "grid 300x300, .99", "grid 1000x1000, .9", "dense 1000x20, .99"):
        arrays = INSTANCES[name]()
        model = MDP(arrays.transition, arrays.reward, arrays.discount)
        solve(model, 1e-6)
        peak = _traced(lambda model=model: solve(model, 1e-6))
        rows.append(
            {
                "instance": name,
                "kernel_mb": arrays.kernel_bytes / 2**20,
                "peak_mb": peak / 2**20,
                "ratio": peak / arrays.kernel_bytes,
            }
        )
    return rows


_ONE_LINE = """
import time; begin = time.perf_counter()
import sys; sys.path.insert(0, {folder!r})
from one_line import one; one(1.0)
print(time.perf_counter() - begin)
"""
_FIRST_SOLVE = """
import time; begin = time.perf_counter()
import numpy as np, mdplab
mdplab.solve(mdplab.MDP(np.full((2, 2, 2), 0.5), np.eye(2), 0.9))
print(time.perf_counter() - begin)
"""
_IMPORT = "import time; begin = time.perf_counter(); import mdplab; print(time.perf_counter() - begin)"
_LOADED = "import mdplab, sys; print(*{m.split('.')[0] for m in sys.modules})"


def start_up(repeats: int = 5) -> dict[str, Any]:
    """Seconds in fresh processes with warm caches, interleaved."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "one_line.py").write_text(
            "import numba\n\n\n@numba.njit(cache=True)\ndef one(x):\n    return x + 1\n"
        )
        scripts = {
            "one_line": _ONE_LINE.format(folder=folder),
            "first_solve": _FIRST_SOLVE,
            "import": _IMPORT,
        }
        times: dict[str, list[float]] = {name: [] for name in scripts}
        for turn in range(repeats + 1):
            for name, script in scripts.items():
                seconds = float(_fresh(script))
                if turn:
                    times[name].append(seconds)
    heavy = {"scipy", "numba", "pandas", "cvxpy", "matplotlib"} & set(_fresh(_LOADED).split())
    return {name: float(np.median(values)) for name, values in times.items()} | {"loaded": sorted(heavy)}


def _fresh(script: str) -> str:
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=root
    )
    return done.stdout
