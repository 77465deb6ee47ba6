"""Imports go one way, and `import mdplab` is cheap."""

from __future__ import annotations

import ast
import configparser
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]

# A unit may import units of lower levels, and units of its own level as long as these form no cycle.
LEVELS = (
    (
        "_typing",
        "_kernels",
        "interrupts",
        "names",
        "solution",
        "numerics",
        "laws",
        "divergences",
        "wasserstein",
        "models",
    ),
    ("instances",),
    ("operators",),
    ("enumeration", "convex"),
    ("solvers",),
    ("exact", "claims", "plotting"),
    ("strategies", "testing", "falsifier"),
    ("_hypothesis_plugin", "_pytest_plugin"),
    ("proofs_check", "experiments"),
    ("figures",),
    ("paper",),
)
LEVEL = {unit: level for level, units in enumerate(LEVELS) for unit in units}
TOPS = (
    "proofs_check",
    "experiments",
    "figures",
    "paper",
)  # units beside mdplab; they may use its public face: `from mdplab import MDP`
DISTRIBUTION = {
    "markdown_it": "markdown_it_py",
    "flint": "python_flint",
    "pypandoc": "pypandoc_binary",
}  # where a module is named otherwise
EXTRAS = {
    "flint": "exact",
    "marimo": "classroom",
    "pypandoc": "paper",
    "pytest": "test",
    "starlette": "classroom",
    "typst": "paper",
    "uvicorn": "classroom",
}  # modules that one door imports, and the extra that installs them
HEAVY = ("numba", "scipy", "pandas", "cvxpy", "matplotlib", "pyarrow", "joblib", "hypothesis", "flint")


class Import(NamedTuple):
    """One import: the module that imports, the line, what it imports, and when."""

    module: str
    line: int
    target: str
    at_import: bool  # executed when the module is imported
    typing_only: bool


def is_typing_block(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imports_of(source: str, module: str, *, is_package: bool = False) -> list[Import]:
    """All imports in a source text, wherever they stand; `from a import b` counts as `a.b`."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    found: list[Import] = []

    def visit(node: ast.AST, in_function: bool, typing_only: bool) -> None:
        targets: list[str] = []
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            targets = [f"{base}.{alias.name}" for alias in node.names]
        found.extend(
            Import(module, node.lineno, target, not (in_function or typing_only), typing_only)
            for target in targets
        )
        inside_function = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        if is_typing_block(node):
            for child in node.body:
                visit(child, inside_function, True)
            for child in node.orelse:
                visit(child, inside_function, typing_only)
            return
        for child in ast.iter_child_nodes(node):
            visit(child, inside_function, typing_only)

    visit(ast.parse(source), False, False)
    return found


def unit_of(module: str) -> str | None:
    """The entry of the table that a module belongs to; None for modules of other distributions."""
    parts = module.split(".")
    if parts[0] in TOPS:
        return parts[0]
    if parts[0] != "mdplab":
        return None
    return parts[1] if len(parts) > 1 else "mdplab"


def faults(imports: list[Import]) -> list[str]:
    """Imports against the table, and uses of cvxpy and flint outside their doors."""
    wrong = []
    for found in imports:
        source, target = unit_of(found.module), unit_of(found.target)
        place = f"{found.module}:{found.line} imports {found.target}"
        if found.target.split(".")[0] == "cvxpy" and not (
            found.module.startswith("mdplab.convex") and not found.at_import
        ):
            wrong.append(f"{place}: cvxpy belongs into functions of mdplab.convex")
        if found.target.split(".")[0] == "flint" and found.module != "mdplab.exact._flint":
            wrong.append(f"{place}: flint belongs into mdplab.exact._flint")
        if target is None or source == target or (source in TOPS and target not in LEVEL):
            continue
        if source not in LEVEL:
            wrong.append(f"{place}: {source} has no level; enter it in LEVELS")
        elif target not in LEVEL:
            wrong.append(f"{place}: not a unit of LEVELS; import a public name from its home")
        elif LEVEL[target] > LEVEL[source]:
            wrong.append(f"{place}: {target} stands above {source}")
    return wrong


def cycle(imports: list[Import]) -> list[str]:
    """A cycle of units, empty if there is none."""
    graph: dict[str, set[str]] = {}
    for found in imports:
        source, target = unit_of(found.module), unit_of(found.target)
        if source in LEVEL and target in LEVEL and source != target:
            graph.setdefault(source, set()).add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def read_package(name: str) -> list[Import]:
    found = []
    for path in sorted((ROOT / name).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        if parts == ("mdplab", "__init__"):
            continue  # the public face itself
        module = ".".join(parts[:-1] if is_package else parts)
        found += imports_of(path.read_text(encoding="utf-8"), module, is_package=is_package)
    return found


@pytest.fixture(scope="module")
def all_imports() -> list[Import]:
    found = list(chain.from_iterable(map(read_package, ("mdplab", "proofs_check", "experiments/sweeps"))))
    assert len(found) > 50
    return found


def test_imports_go_one_way(all_imports: list[Import]) -> None:
    assert faults(all_imports) == []


def test_no_cycles_within_a_level(all_imports: list[Import]) -> None:
    assert cycle(all_imports) == []


def test_dependencies_are_declared(all_imports: list[Import]) -> None:
    """Whatever is imported at run time is required by setup.cfg, or an extra where functions alone import it."""
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = settings["options"]["install_requires"].split("\n")
    required = {
        re.split(r"[ <>=!~\[;]", line, maxsplit=1)[0].lower().replace("-", "_") for line in lines if line
    }
    extras = settings["options.extras_require"]
    modules = {
        module
        for found in all_imports
        if not found.typing_only and ((module := found.target.split(".")[0]) not in extras or found.at_import)
    }
    beside = {
        path.stem for path in (ROOT / "experiments" / "classroom").glob("*.py")
    }  # notebooks import these
    foreign = modules - set(sys.stdlib_module_names) - {"mdplab", *TOPS} - set(EXTRAS) - beside
    assert {DISTRIBUTION.get(name, name) for name in foreign} <= required
    for module, extra in EXTRAS.items():
        assert DISTRIBUTION.get(module, module).replace("_", "-") in extras[extra]


def test_low_levels_load_numpy_alone(all_imports: list[Import]) -> None:
    """What the models need at import is NumPy and themselves."""
    heavy = [
        f"{found.module}:{found.line} imports {found.target}"
        for found in all_imports
        if unit_of(found.module) in ("_typing", "names", "solution", "models")
        and found.at_import
        and found.target.split(".")[0] in HEAVY
    ]
    assert heavy == []


@pytest.mark.parametrize(
    ("module", "source", "fault"),
    [
        (
            "mdplab.models.tabular",
            "from mdplab.solvers import policy_iteration",
            "solvers stands above models",
        ),
        (
            "mdplab.models.tabular",
            "from ..operators.soft import soft_backup",
            "operators stands above models",
        ),
        (
            "mdplab.solvers.x",
            "def f():\n    import proofs_check.soft_residual",
            "proofs_check stands above solvers",
        ),
        (
            "mdplab.laws.x",
            "if TYPE_CHECKING:\n    from mdplab.claims import Claim",
            "claims stands above laws",
        ),
        ("mdplab.solvers.x", "from mdplab import MDP", "import a public name from its home"),
        ("mdplab.solvers.x", "def f():\n    import cvxpy", "cvxpy belongs"),
        ("mdplab.convex.x", "import cvxpy as cp", "cvxpy belongs"),
        ("mdplab.exact.x", "from flint import arb", "flint belongs"),
        ("mdplab.solvers.x", "from mdplab.exact import ball", "exact stands above solvers"),
        ("mdplab.novelty.x", "from mdplab import models", "novelty has no level"),
    ],
)
def test_a_wrong_import_is_seen(module: str, source: str, fault: str) -> None:
    assert any(fault in message for message in faults(imports_of(source, module)))


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("mdplab.solvers.x", "from mdplab import models\nfrom . import control\nimport numpy as np"),
        ("mdplab.convex.x", "def f():\n    import cvxpy as cp"),
        ("mdplab.convex.x", "if TYPE_CHECKING:\n    import cvxpy as cp"),
        ("proofs_check.dual_rl.x", "from mdplab import MDP, solvers\nfrom .instances import task"),
    ],
)
def test_a_right_import_passes(module: str, source: str) -> None:
    assert faults(imports_of(source, module)) == []


def test_a_cycle_is_seen() -> None:
    there = imports_of("from mdplab.models import MDP", "mdplab.laws.x")
    back = imports_of("def f():\n    from mdplab.laws import FiniteLaw", "mdplab.models.x")
    assert cycle(there) == []
    assert set(cycle(there + back)) == {"laws", "models"}


def loaded_by(statement: str) -> set[str]:
    """Top-level modules, and those of SciPy, that a fresh interpreter has loaded after a statement."""
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import mdplab",
        "import mdplab; mdplab.__version__; dir(mdplab)",
        "from mdplab import MDP, Policy, Status",
    ],
)
def test_the_public_face_is_light(statement: str) -> None:
    assert loaded_by(statement) & set(HEAVY) == set()


def test_exact_names_its_extra_where_it_is_absent() -> None:
    script = "import sys; sys.modules['flint'] = None; import mdplab.exact"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert "ImportError: mdplab.exact needs python-flint: install the extra, mdplab[exact]" in done.stderr


def test_hypothesis_loads_the_plugin_alone() -> None:
    """Whoever tests another project in the same environment does not pay for this one."""
    loaded = {
        name for name in loaded_by("import hypothesis") if name.partition(".")[0] in ("mdplab", "numpy")
    }
    assert loaded == {"mdplab", "mdplab._hypothesis_plugin"}


def test_claims_load_without_exact_arithmetic() -> None:
    script = (
        "import sys; sys.modules['flint'] = None; from mdplab.claims import records; print(len(records()))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 100
