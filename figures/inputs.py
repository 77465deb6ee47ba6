"""What a drawing depends on: the modules that its module imports, however indirectly, and the versions of the libraries.

Imports are read from the sources, those inside functions included.  Names of the lazy face ``mdplab`` are looked up in
its stub.  What a module imports is taken as a whole, so that the answer errs on the side of drawing again.
"""

from __future__ import annotations

import ast
import hashlib
import platform
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path

__all__ = ["closure", "digest"]

ROOT = Path(__file__).resolve().parents[1]
_PACKAGES = ("mdplab", "proofs_check", "figures")
_LIBRARIES = ("cvxpy", "clarabel", "matplotlib", "numba", "numpy", "scipy")


def digest(module: str, *more: bytes) -> str:
    """SHA-256 of everything that a drawing of this module depends on.

    Parameters
    ----------
    module : str
        The module that draws.
    *more : bytes
        Data that are drawn.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    summary = hashlib.sha256(platform.python_version().encode())
    for name in _LIBRARIES:
        summary.update(f"{name} {version(name)}\n".encode())
    modules = closure(module) | closure("mdplab.plotting")
    for file in [ROOT / "mdplab" / "mdplab.mplstyle", *(_file(name) for name in sorted(modules))]:
        summary.update(_content(file))
    for part in more:
        summary.update(hashlib.sha256(part).digest())
    return summary.hexdigest()


def closure(module: str) -> frozenset[str]:
    """All modules of the project that a module imports, directly or not, and itself.

    Parameters
    ----------
    module : str
        Dotted name.

    Returns
    -------
    frozenset of str
    """
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(_imports(name))
    return frozenset(found)


@cache
def _content(file: Path) -> bytes:
    return hashlib.sha256(file.read_bytes()).digest()


def _file(module: str) -> Path:
    place = ROOT.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def _is_module(name: str) -> bool:
    return name.partition(".")[0] in _PACKAGES and _file(name).is_file()


@cache
def _imports(module: str) -> frozenset[str]:
    package = module if _file(module).name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for base, name in _statements(_file(module), package):
        whole = f"{base}.{name}" if name else base
        if _is_module(whole):
            found.add(whole)
        elif _is_module(base):
            found.add(base)
        if base == "mdplab" and not (name and _is_module(whole)):  # a name of the lazy face, or all of it
            face = _face()
            found.update([face[name]] if name in face else face.values())
    above = {name.rpartition(".")[0] for name in found | {module}}
    return frozenset(found | {name for name in above if _is_module(name)})


def _statements(file: Path, package: str) -> Iterator[tuple[str, str]]:
    """Base and name of each import of a file, wherever it stands."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from ((base, alias.name) for alias in node.names)


@cache
def _face() -> dict[str, str]:
    """Where the names of ``mdplab`` live."""
    stub = ROOT / "mdplab" / "__init__.pyi"
    pairs = _statements(stub, "mdplab")
    return {name: f"{base}.{name}" if _is_module(f"{base}.{name}") else base for base, name in pairs}
