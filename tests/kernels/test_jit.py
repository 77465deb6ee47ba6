"""The decorator of the kernels: where compiled code is kept, and what it leaves alone."""

from __future__ import annotations

import os
from pathlib import Path

import numba
import numpy as np
import pytest

from mdplab._kernels import _jit, backups


def test_digest_changes_with_any_source_file(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("a = 1\n")
    (tmp_path / "two.py").write_text("b = 1\n")
    before = _jit.source_digest(tmp_path)
    assert _jit.source_digest(tmp_path) == before
    (tmp_path / "two.py").write_text("b = 2\n")
    assert _jit.source_digest(tmp_path) != before


def test_digest_sees_where_one_file_ends(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("ab")
    (tmp_path / "two.py").write_text("c")
    before = _jit.source_digest(tmp_path)
    (tmp_path / "one.py").write_text("a")
    (tmp_path / "two.py").write_text("bc")
    assert _jit.source_digest(tmp_path) != before


def test_cache_folder_is_keyed_by_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_jit, "_user_cache", lambda: tmp_path)
    folder = Path(_jit.cache_folder.__wrapped__())
    assert folder == tmp_path / "mdplab" / _jit.source_digest(Path(_jit.__file__).parent)
    assert folder.is_dir()


def test_an_unusable_cache_folder_gives_a_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "not-a-folder"
    file.write_text("")
    monkeypatch.setattr(_jit, "_user_cache", lambda: file)
    folder = Path(_jit.cache_folder.__wrapped__())
    assert folder.is_dir()
    assert file not in folder.parents
    folder.rmdir()


def test_numba_and_the_environment_are_left_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = numba.njit

    def spy(**options: object) -> object:
        seen.append((numba.config.CACHE_DIR, options))
        return real(**options)

    monkeypatch.setattr(numba, "njit", spy)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "mine")
    environment = dict(os.environ)

    @_jit.kernel
    def double(x: float) -> float:
        return 2 * x

    assert numba.config.CACHE_DIR == "mine"
    assert dict(os.environ) == environment
    (folder, options), *rest = seen
    assert not rest
    assert folder == _jit.cache_folder()
    assert options == {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": False}
    assert double.py_func(3.0) == 6.0


def test_config_is_restored_when_decorating_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**options: object) -> object:
        raise RuntimeError("no")

    monkeypatch.setattr(numba, "njit", broken)
    monkeypatch.setattr(numba.config, "CACHE_DIR", "mine")
    with pytest.raises(RuntimeError, match="no"):
        _jit.kernel(lambda: None)
    assert numba.config.CACHE_DIR == "mine"


def test_kernels_keep_ieee_semantics() -> None:
    q, bonus = np.array([[0.0, np.nan]]), np.zeros((1, 2))
    assert np.isnan(backups._soft(q, bonus, 1.0, 0))


def test_compiled_code_lands_in_the_keyed_folder() -> None:
    backups._largest(np.zeros((1, 2)), 0)
    assert str(backups._largest.stats.cache_path).startswith(_jit.cache_folder())
