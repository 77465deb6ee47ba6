"""The one decorator of all kernels.

Numba's file cache is keyed by the file that holds a function, so it goes stale when a callee in another file changes.
Here the cache folder itself carries a digest of every source file of this package and of Numba's version: a change
anywhere means another folder.  ``numba.config.CACHE_DIR`` points there only while a function is being decorated
(Numba reads it at that moment), so that other code in the process keeps its own cache; the environment is not touched.
Where the folder cannot be written a temporary one takes its place, because Numba's own silent fallback is the unkeyed
``__pycache__``.
"""

from __future__ import annotations

import functools
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

import numba

__all__ = ["Kernel", "cache_folder", "kernel", "source_digest"]


class Kernel(Protocol):
    """A compiled function; ``py_func`` is the Python function that it was made from."""

    py_func: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        """Run the compiled code."""


def source_digest(folder: Path) -> str:
    """Digest of Numba's version and of all Python files of a folder.

    Parameters
    ----------
    folder : Path
        The folder; only its own files count.

    Returns
    -------
    str
        Sixteen hexadecimal digits.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for file in sorted(folder.glob("*.py")):
        digest.update(b"\0" + file.name.encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _user_cache() -> Path:
    """The operating system's folder for caches of this user."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


@functools.cache
def cache_folder() -> str:
    """The folder of compiled kernels, created and seen to be writable.

    Returns
    -------
    str
        ``<user cache>/mdplab/<digest>``, or a new temporary folder where that one cannot be written.
    """
    try:
        folder = _user_cache() / "mdplab" / source_digest(Path(__file__).parent)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError):  # RuntimeError: a user without a home
        return tempfile.mkdtemp(prefix="mdplab-kernels-")
    return str(folder)


def kernel(function: Callable[..., Any]) -> Kernel:
    """Compile a kernel on its first call, without the interpreter lock and without ``fastmath``.

    Parameters
    ----------
    function : callable
        Plain arrays and numbers in, outputs last, no validation.

    Returns
    -------
    Kernel
        Division by zero follows IEEE 754 (``error_model="numpy"``); NaN and infinities are honoured.
    """
    config: Any = numba.config  # its entries are set at import and unknown to type checkers
    previous = config.CACHE_DIR
    config.CACHE_DIR = cache_folder()
    try:
        compiled = numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=False)(function)
    finally:
        config.CACHE_DIR = previous
    return cast(Kernel, compiled)
