"""What a drawing depends on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from figures import inputs


def test_the_closure_follows_imports_and_leaves_out_what_is_not_imported() -> None:
    found = inputs.closure("proofs_check.finite_models.beirami2024_best_of_n")
    assert "proofs_check.finite_models" in found  # the package runs first
    assert "mdplab.claims.part" in found  # indirectly
    assert not any(name.startswith("proofs_check.tilting") for name in found)
    assert inputs.closure("figures.topic") == {"figures", "figures.topic"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Three modules: one imports the second inside a function, and a name of the lazy face."""
    for name, text in (
        ("mdplab/__init__.py", ""),
        ("mdplab/__init__.pyi", "from .models import MDP as MDP\nfrom .laws import Law as Law\n"),
        ("mdplab/mdplab.mplstyle", ""),
        ("mdplab/plotting.py", ""),
        ("mdplab/models.py", ""),
        ("mdplab/laws.py", ""),
        ("proofs_check/__init__.py", ""),
        ("proofs_check/a.py", "from mdplab import MDP\ndef f():\n    from .b import g\n"),
        ("proofs_check/b.py", "import numpy\n"),
        ("proofs_check/c.py", "import mdplab\n"),
    ):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    monkeypatch.setattr(inputs, "ROOT", tmp_path)
    forget()
    yield tmp_path
    forget()


def forget() -> None:
    for cached in (inputs._content, inputs._imports, inputs._face):
        cached.cache_clear()


def test_names_of_the_lazy_face_are_looked_up(project: Path) -> None:
    below = {"proofs_check", "mdplab"}
    assert inputs.closure("proofs_check.a") == below | {"proofs_check.a", "proofs_check.b", "mdplab.models"}
    assert inputs.closure("proofs_check.c") == below | {"proofs_check.c", "mdplab.models", "mdplab.laws"}


@pytest.mark.parametrize(
    ("file", "counts"),
    [
        ("proofs_check/a.py", True),
        ("proofs_check/b.py", True),
        ("mdplab/models.py", True),
        ("mdplab/mdplab.mplstyle", True),
        ("mdplab/plotting.py", True),
        ("mdplab/laws.py", False),
        ("proofs_check/c.py", False),
    ],
)
def test_the_digest_changes_with_what_is_imported(project: Path, file: str, counts: bool) -> None:
    before = inputs.digest("proofs_check.a")
    with (project / file).open("a") as stream:
        stream.write("x = 1\n")
    forget()
    assert (inputs.digest("proofs_check.a") != before) is counts


def test_the_digest_changes_with_the_data(project: Path) -> None:
    assert inputs.digest("proofs_check.a", b"1") != inputs.digest("proofs_check.a", b"2")
