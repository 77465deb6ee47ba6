"""mdplab: Markov decision processes with certificates, and the machinery to check theorems about them.

The public face is small and lazy: ``import mdplab`` loads no numerical library; a name is imported from its
home on first use. The names are listed in ``__init__.pyi``, the one source for type checker and loader.
"""

from __future__ import annotations

import lazy_loader as _lazy

_getattr, _dir, _public = _lazy.attach_stub(__name__, __file__)
__all__ = ["__version__", *_public]


def __getattr__(name: str) -> object:
    """Import a public name on first use; ``__version__`` is that of the installed distribution."""
    if name == "__version__":
        from importlib.metadata import version

        return version(__name__)
    return _getattr(name)


def __dir__() -> list[str]:
    """List the public names, whether or not they have been imported."""
    return ["__version__", *_dir()]
