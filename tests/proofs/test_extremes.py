"""Equalities at temperatures from 1e-3 to 1e3, discount .999 and the priors that belong to them."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest

from mdplab.claims import Claim, Equal, registry
from mdplab.claims.check import draw_instance
from mdplab.claims.evaluate import evaluate, inside
from mdplab.claims.part import Part
from mdplab.instances.draw import Rejected
from mdplab.models import FiniteHorizonMDP

TEMPERATURES = ("temperature", "prior_temperature")
UNIT = np.finfo(float).eps


def _cases() -> list[Any]:
    """Every equality of the two families about models with a temperature, the cone program's gap of 1e-8 aside."""
    found = []
    for record in registry.records().values():
        if not isinstance(record, Claim) or record.family not in ("soft_residual", "tilting"):
            continue
        for part in record.parts:
            if not isinstance(part.relation, Equal) or "program" in part.name:
                continue
            instance = _first(record, part)
            names = {field.name for field in dataclasses.fields(instance)}
            if "mdp" in names and names & set(TEMPERATURES):
                found.append(pytest.param(record, part, id=f"{record.id} {part.name}"))
    return found


def _first(claim: Claim, part: Part) -> Any:
    for attempt in range(100):
        try:
            return draw_instance(claim, part, 0, attempt=attempt)
        except Rejected:
            continue
    raise AssertionError(f"{claim.id} {part.name}: no instance in 100 draws")


def _models(drawn: Any) -> list[tuple[Any, float]]:
    """A model with its number of steps; a discounted one with the discount .999, too."""
    if isinstance(drawn, FiniteHorizonMDP):
        return [(drawn, drawn.horizon)]
    return [(drawn.replace(discount=d), 1 / (1 - d)) for d in (drawn.discount, 0.999)]


@pytest.mark.parametrize(("claim", "part"), _cases())
def test_an_equality_holds_at_rounding_level(claim: Claim, part: Part) -> None:
    drawn = _first(claim, part)
    held = [name for name in TEMPERATURES if hasattr(drawn, name)]
    tried = 0
    for temperatures in itertools.product((1e-3, 1.0, 1e3), repeat=len(held)):
        for model, steps in _models(drawn.mdp):
            changes: dict[str, Any] = dict(zip(held, temperatures, strict=True))
            task = dataclasses.replace(drawn, mdp=model, **changes)
            if not inside(claim, part, task):
                continue
            tried += 1
            outcome = evaluate(part, task)
            assert outcome.verdict in ("holds", "undecided"), outcome.message
            assert outcome.excess <= 0, outcome.message  # inside the proven error
            size = max(1.0, *temperatures) * max(1.0, getattr(task, "reward_weight", 1.0))
            size += float(np.abs(outcome.left).max())
            # 1e-12 is the target of the iterative routes; the rest a few units of rounding at the size of the rewards
            allowed = 1e-12 + 128 * UNIT * size * steps
            assert outcome.violation <= allowed, f"{temperatures}, {model}: {outcome.violation}"
    assert tried
