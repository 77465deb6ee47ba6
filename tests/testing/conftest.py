"""The empty registry of the tests of the machinery of claims."""

from __future__ import annotations

from tests.claims.conftest import empty_registry

__all__ = ["empty_registry"]
