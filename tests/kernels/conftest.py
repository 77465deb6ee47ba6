"""Sixty digits for the decimal twins."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import localcontext

import pytest


@pytest.fixture(autouse=True)
def sixty_digits() -> Iterator[None]:
    with localcontext(prec=60):
        yield
