"""Ctrl-C: a run keeps what it finished, and a large solve answers."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

LARGE_SOLVE = """
import numpy as np
import scipy.sparse as sp
from mdplab import MDP, solvers

rng = np.random.default_rng(0)
states, actions = 50_000, 5
pairs = np.arange(states * actions)
columns = (pairs // actions + 1 + pairs % actions) % states  # a ring: news needs many sweeps
kernel = sp.coo_array((np.ones(pairs.size), (pairs, columns)), shape=(states * actions, states)).tocsr()
mdp = MDP(kernel, rng.normal(size=(states, actions)), 0.99999)
small = MDP(np.full((2, 1, 2), 0.5), np.ones((2, 1)), 0.5)
solvers.soft_value_iteration(small.to_sparse(), temperature=1.0)  # compiles
print("solving", flush=True)
try:
    while True:
        found = solvers.soft_value_iteration(mdp, temperature=1e-3, tol=0.0)
        if found.status.name == "INTERRUPTED" and not loop:
            print("INTERRUPTED", (found.lower <= found.upper).all(), flush=True)
            break
except KeyboardInterrupt:
    print("ended", flush=True)
"""


def interrupt(process: subprocess.Popen[str]) -> str:
    """Send Ctrl-C, wait for the end, and return what the process still printed."""
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    return printed


@pytest.mark.slow
@pytest.mark.parametrize("loop", [False, True])
def test_a_large_solve_stops_on_ctrl_c(loop: bool) -> None:
    """Once: its solution has the bounds so far.  Twice: the loop around it ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", f"loop = {loop}{LARGE_SOLVE}"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "solving\n"
    time.sleep(1.0)
    if loop:
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)  # two signals at once count as one
    printed = interrupt(process)
    assert printed == ("ended\n" if loop else "INTERRUPTED True\n")


CLAIMS = ["entropy-npg-rate", "npg-one-over-t", "pmd-linear-rate", "rql-fixed-point", "rql-prior-error"]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupted_run_is_resumed(jobs: str, tmp_path: Path) -> None:
    path, partial = tmp_path / "out.json", tmp_path / "out.json.partial"
    options = ["--instances", "40", "--jobs", jobs, "--json", str(path)]
    command = [sys.executable, "-m", "proofs_check", "run", *CLAIMS, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while process.poll() is None and not (partial.exists() and partial.read_text().count("\n") >= 2):
        time.sleep(0.02)
    printed = interrupt(process)
    assert process.returncode == 130
    assert "interrupted" in printed
    assert not path.exists()
    kept = partial.read_text().count("\n") - 1
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout
    assert again.stderr.count("(kept)") >= min(kept, 1)
    assert not partial.exists()
