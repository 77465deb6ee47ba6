"""Every claim on instances of the lattice: laws on faces of the simplex, ties, ends of ranges, tapes that were cut.

What the seeded law meets with probability zero must be an instance of which the claim holds, be rejected, or be outside
a tested assumption; ``undecided`` is left for what rounding cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mdplab.claims import Claim, Outcome, Part, Undecided, records
from mdplab.claims.evaluate import inside
from mdplab.claims.instance_data import fresh
from mdplab.instances import LatticeDraw, Rejected, ReplayDraw

PARTS = [
    (record, part)
    for record in records().values()
    if isinstance(record, Claim)
    for part in record.parts
    if part.quantifier != "exists"
]
each_part = pytest.mark.parametrize(
    ("claim", "part"), PARTS, ids=[f"{claim.id}-{part.name}" for claim, part in PARTS]
)
SEEDS, EVALUATED = 16, 3


def lattice_instances(claim: Claim, part: Part) -> Iterator[Any]:
    """Instances inside the assumptions, in turn from the lattice and from a part of its tape."""
    family = part.family or claim.instance_family
    for seed in range(SEEDS):
        draw = LatticeDraw(seed)
        for engine in (draw, None):
            cut = np.random.default_rng(seed).integers(0, len(draw.tape) + 1)
            try:
                instance = family(engine or ReplayDraw(draw.tape[:cut]))
            except Rejected:
                continue
            if inside(claim, part, instance):
                yield instance


def evaluated(part: Part, instance: Any) -> Outcome:
    with np.errstate(all="ignore"):
        try:
            return part.evaluate(fresh(instance))
        except Undecided as reason:
            return Outcome("undecided", message=str(reason))


@each_part
def test_the_claim_holds_on_the_lattice(claim: Claim, part: Part) -> None:
    instances = list(lattice_instances(claim, part))
    assert len(instances) >= EVALUATED
    outcomes = [evaluated(part, instance) for instance in instances[:: len(instances) // EVALUATED]]
    assert {outcome.verdict for outcome in outcomes} <= {"holds", "undecided"}
    assert any(outcome.verdict == "holds" for outcome in outcomes)
