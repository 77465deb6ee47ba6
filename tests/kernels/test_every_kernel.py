"""Every kernel has a comparison with a slow twin, compiled and as Python, and no callee can go stale."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "mdplab" / "_kernels"
MODULES = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))
TESTS = Path(__file__).parent

# Compared through a kernel that calls them: each is entered by the twin's comparison of that kernel.
CALLED_BY = {
    "backups._recentre": "backups.hard_sweeps_dense",
    "backups._lookahead_csr": "backups.hard_sweeps_csr",
    "backups._largest": "backups.hard_sweeps_dense",
    "laws._one_run": "laws.mixed_laws",
    "modified._recentred": "modified.modified_csr",
    "modified._extremes": "modified.modified_csr",
    "modified._policy_sweep_csr": "modified.modified_csr",
    "modified._policy_sweep_dense": "modified.modified_dense",
    "ordered._policy_sweep": "ordered.ordered_csr",
    "small._rounding": "small.solve_small",
    "small_steps.row_statistics_small": "small.solve_small",
    "small_steps.backup_small": "small.solve_small",
    "small_steps.centred": "small.solve_small",
    "small_steps.policy_sweeps_small": "small.solve_small",
    "small_steps.newton_small": "small.solve_small",
}


def kernels() -> dict[str, Any]:
    """All kernels by ``module.name``."""
    found = {}
    for stem in MODULES:
        module = importlib.import_module(f"mdplab._kernels.{stem}")
        for name, entry in vars(module).items():
            if hasattr(entry, "py_func") and entry.py_func.__module__ == module.__name__:
                found[f"{stem}.{name}"] = entry
    return found


def called(kernel: Any) -> set[str]:
    """Names that a kernel's source calls."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kernel.py_func)))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            names.add(
                node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            )
    return names


def test_every_kernel_is_compared_both_ways() -> None:
    everything = kernels()
    assert len(everything) >= 25
    text = "\n".join(path.read_text() for path in TESTS.glob("test_*.py") if path != Path(__file__))
    sweeps = [f"{kind}_sweeps_{form}" for kind in ("hard", "soft", "residual") for form in ("dense", "csr")]
    for name in everything:
        stem, function = name.split(".")
        if name in CALLED_BY:
            caller = everything[CALLED_BY[name]]
            assert function in called(caller), f"{CALLED_BY[name]} does not call {name}"
            continue
        direct = f"form({stem}.{function})" in text or f"form({function})" in text
        swept = function in sweeps and stem == "backups"  # by name, in test_backups
        prepared = function.startswith("modified_") and "form(kernel)" in text  # by the model's kind
        assert direct or swept or prepared, (
            f"no comparison of {name} with a slow twin, compiled and as Python"
        )


def test_kernels_call_kernels_of_their_own_folder_only() -> None:
    """The digest that names the cache sees this folder: a callee elsewhere could go stale."""
    for path in FOLDER.glob("[a-z]*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("mdplab"):
                assert node.module.startswith("mdplab._kernels") or node.module == "mdplab._typing", path
            if isinstance(node, ast.ImportFrom) and node.level:
                raise AssertionError(f"{path}: a relative import")


PROGRAM = """
import numpy as np
from mdplab._kernels import backups
q = np.array([[1.0, 5.0, 2.0]])
w, out, backup, spans = np.zeros(1), np.zeros((1, 3)), np.zeros(1), np.zeros((1, 3))
backups.hard_sweeps_dense(np.ones((3, 1)), q, 0.0, -1.0, w, out, backup, spans)
print(backup[0])
"""


@pytest.mark.slow
def test_an_edited_callee_is_compiled_anew(tmp_path: Path) -> None:
    """A copy of the package, its cache, and an edit of what a cached kernel calls in another function."""
    shutil.copytree(FOLDER.parent, tmp_path / "mdplab", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {
        **os.environ,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "LOCALAPPDATA": str(tmp_path / "cache"),
        "HOME": str(tmp_path),
        "PYTHONPATH": str(tmp_path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    def run() -> str:
        command = [sys.executable, "-c", PROGRAM]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout.strip()

    assert run() == run() == "5.0"
    source = tmp_path / "mdplab" / "_kernels" / "backups.py"
    text = source.read_text()
    start = text.index("def _largest(")
    end = text.index("@kernel", start)
    source.write_text(
        text[:start]
        + "def _largest(q: Any, s: int) -> float:\n    return float(q[s].min())\n\n\n"
        + text[end:]
    )
    assert run() == "1.0"
