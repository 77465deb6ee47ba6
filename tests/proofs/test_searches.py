"""What is kept of the searches: each kept instance shows what is said of it, and every assumption has its answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mdplab.claims import DEFINITIONAL, HARMLESS, Assumption, Claim, Part, records
from mdplab.claims.evaluate import inside
from mdplab.claims.instance_data import fresh
from mdplab.claims.searches import extremal_instance, searches, searches_file
from mdplab.falsifier import of_part
from mdplab.instances.stored import decode
from proofs_check.ablation import CARRIES

FAMILIES = (
    "distributional",
    "dual_rl",
    "finite_models",
    "policy_optimization",
    "preferences",
    "soft_residual",
    "tilting",
)
"""Families whose claims must all be searched; of the others, what is kept is tested."""

SIZE = 100_000
CLAIMS = [record for record in records().values() if isinstance(record, Claim)]
SEARCHED = [claim for claim in CLAIMS if claim.family in FAMILIES]
EXTREMAL = [
    (claim, part, searches(claim)["parts"][part.name])
    for claim in CLAIMS
    for part in claim.parts
    if part.name in searches(claim)["parts"]
]
ANSWERS = [
    (claim, assumption, searches(claim)["assumptions"][assumption.name])
    for claim in CLAIMS
    for assumption in claim.assumptions
    if assumption.name in searches(claim)["assumptions"]
]


def named(cases: list[tuple[Claim, Any, Any]]) -> list[str]:
    return [f"{claim.id}-{thing.name}" for claim, thing, _ in cases]


@pytest.mark.parametrize("claim", SEARCHED, ids=lambda claim: claim.id)
def test_every_assumption_has_an_answer(claim: Claim) -> None:
    missing = {assumption.name for assumption in claim.assumptions} - searches(claim)["assumptions"].keys()
    assert not missing, f"run: proofs-check ablate {claim.id} --evaluations 400 --keep"


@pytest.mark.parametrize("claim", SEARCHED, ids=lambda claim: claim.id)
def test_a_specified_tightness_is_reached_by_a_kept_instance(claim: Claim) -> None:
    for part in claim.parts:
        if part.specified_tightness:
            assert part.name in searches(claim)["parts"], f"run: proofs-check falsify {claim.id} --keep"


@pytest.mark.parametrize(("claim", "part", "kept"), EXTREMAL, ids=named(EXTREMAL))
def test_an_extremal_instance_is_as_tight_as_it_is_said(
    claim: Claim, part: Part, kept: dict[str, Any]
) -> None:
    instance = extremal_instance(claim, part.name)
    assert inside(claim, part, instance)
    conjecture = of_part(claim, part)
    measured = conjecture.measure(instance)
    score = float(conjecture.scores(measured.left, measured.right).max())
    assert 1 + min(score, 0.0) == pytest.approx(kept["tightness"], rel=1e-6)
    assert kept["tightness"] >= float(part.specified_tightness or 0) * (1 - 1e-12)  # the ratio is rounded
    with np.errstate(all="ignore"):
        assert part.evaluate(fresh(instance)).verdict == "holds"


@pytest.mark.parametrize(("claim", "assumption", "kept"), ANSWERS, ids=named(ANSWERS))
def test_an_answer_is_shown(claim: Claim, assumption: Assumption, kept: dict[str, Any]) -> None:
    if kept["answer"] == DEFINITIONAL:
        assert assumption.carried_by == DEFINITIONAL
    elif kept["answer"] == HARMLESS:
        assert assumption.carried_by == HARMLESS
        assert kept["evaluations"] > 0
    else:
        assert kept["answer"] == CARRIES
        assert assumption.carried_by not in (DEFINITIONAL, HARMLESS)
        if kept["how"] == "counterexample":
            assert_broken_without(claim, assumption, kept)
        else:
            assert kept["how"].startswith("control: ")
            assert any(control.drops == assumption.name for control in claim.controls)


def assert_broken_without(claim: Claim, assumption: Assumption, kept: dict[str, Any]) -> None:
    """The kept instance misses that assumption alone, and breaks the part beyond the error bounds."""
    instance = decode(kept["instance"])
    part = next(part for part in claim.parts if part.name == kept["part"])
    conjecture = of_part(claim, part, without=assumption.name)
    assert conjecture.assumes(instance)
    assert conjecture.measure(instance).score > 0
    if conjecture.exact is not None:
        assert conjecture.surely_violated(instance)


def test_files_are_small_and_of_claims() -> None:
    places = {place for claim in CLAIMS if (place := searches_file(claim)) is not None}
    assert len(places) == len(CLAIMS)
    for kept in {found for place in places for found in Path(place).parent.glob("*")}:
        assert kept in places
        assert kept.stat().st_size < SIZE
