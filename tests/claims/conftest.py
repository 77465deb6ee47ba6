"""An empty registry for the tests of the machinery."""

from __future__ import annotations

import pytest

from mdplab.claims import registry


@pytest.fixture
def empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_claims", {})
    monkeypatch.setattr(registry, "load", lambda: None)
