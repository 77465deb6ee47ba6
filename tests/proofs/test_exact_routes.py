"""Exact routes of the claims: each part has them or says why not, and they speak of what the float routes speak of."""

from __future__ import annotations

import numpy as np
import pytest

from mdplab import exact
from mdplab.claims import Claim, Part, records
from mdplab.claims.certify import CLOSE, prove
from mdplab.claims.check import draw_instance
from mdplab.claims.evaluate import inside
from mdplab.claims.instance_data import fresh
from mdplab.claims.searches import extremal_instance
from mdplab.instances import Rejected

FAMILIES = (
    "distributional",
    "dual_rl",
    "finite_models",
    "policy_optimization",
    "preferences",
    "soft_residual",
    "tilting",
)
"""Families in which every part has exact routes or a reason of its own."""

PARTS = [
    (record, part) for record in records().values() if isinstance(record, Claim) for part in record.parts
]
EXACT = [(claim, part) for claim, part in PARTS if not isinstance(part.exact, str)]
KEPT = [(claim, part) for claim, part in EXACT if extremal_instance(claim, part.name) is not None]
SEED = 20261130


@pytest.mark.parametrize("family", FAMILIES)
def test_no_part_is_silent_about_exact_arithmetic(family: str) -> None:
    silent = [
        (claim.id, part.name) for claim, part in PARTS if claim.family == family and part.exact == Part.exact
    ]
    assert not silent


@pytest.mark.parametrize(("claim", "part"), EXACT, ids=[f"{claim.id}-{part.name}" for claim, part in EXACT])
def test_exact_routes_prove_the_part_and_have_the_values_of_the_float_routes(
    claim: Claim, part: Part
) -> None:
    instance = first_instance(claim, part)
    routes = (part.relation.left, part.relation.right)
    assert not isinstance(part.exact, str)
    sides = [side(instance) for side in part.exact]
    assert prove(type(part.relation).__name__, *sides) == "holds"
    for side, route in zip(sides, routes, strict=True):
        found, meant = route(fresh(instance)), np.sort(exact.floats(side)[0].ravel())
        value = np.asarray(found.value, dtype=float)
        slack = float(np.max(found.error)) + 1e-9 * (1 + np.abs(meant).max())
        np.testing.assert_allclose(np.sort(value.ravel()), meant, rtol=0, atol=slack)


@pytest.mark.parametrize(("claim", "part"), KEPT, ids=[f"{claim.id}-{part.name}" for claim, part in KEPT])
def test_exact_routes_prove_the_part_on_its_tightest_kept_instance_unless_balls_meet(
    claim: Claim, part: Part
) -> None:
    instance = extremal_instance(claim, part.name)
    assert not isinstance(part.exact, str)
    left, right = (exact.rational(side(fresh(instance))) for side in part.exact)
    assert prove(type(part.relation).__name__, left, right) in ("holds", "open")
    low, high = (right, left) if type(part.relation).__name__ == "AtLeast" else (left, right)
    assert (exact.surely_at_most(low, high) | (exact.distance(low, high) < CLOSE)).all()


def first_instance(claim: Claim, part: Part) -> object:
    for index in range(100):
        try:
            instance = draw_instance(claim, part, index, seed=SEED)
        except Rejected:
            continue
        if inside(claim, part, instance):
            return instance
    raise AssertionError("no instance was drawn")
