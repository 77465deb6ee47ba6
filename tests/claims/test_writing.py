"""Texts and papers that a report could not show are errors of the check of their record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mdplab.claims import Assumption, Claim, Equal, Side, check
from mdplab.claims.writing import text_problems
from tests.toy import Pair, by_squares, product, small_claim, square_of_sum

pytestmark = pytest.mark.usefixtures("empty_registry")


def broken_route(instance: Pair) -> Side:
    r"""Sum with $\nosuchcommand{a}$."""
    return square_of_sum(instance)


def drawn(axes: Any) -> None:
    """Nothing."""


def with_part(**changes: Any) -> Claim:
    claim = small_claim()
    settings = {"text": "$0 = 0$", "reason": "", "relation": Equal(product, by_squares)} | changes
    claim.part("(z)", settings["text"], settings["relation"], resolution=1.0, reason=settings["reason"])
    return claim


def with_caption() -> Claim:
    claim = small_claim()
    claim.figure(r"the curve $\frac{a}$")(drawn)
    return claim


FAULTS: dict[str, tuple[Callable[[], Claim], tuple[str, ...]]] = {
    "paper": (
        lambda: small_claim(papers=("puterman1994mdp", "nobody2020nothing")),
        ("papers", "no entry 'nobody2020nothing'"),
    ),
    "statement": (lambda: small_claim(statement=r"$\nosuchcommand$"), ("statement", r"\\nosuchcommand")),
    "open formula": (lambda: small_claim(statement="cost $5"), ("statement", "is not closed")),
    "title": (lambda: small_claim(title="on ${a$"), ("title", "brace without its partner")),
    "theorem": (lambda: small_claim(theorem="lemma $ $"), ("theorem", "empty formula")),
    "assumption": (
        lambda: small_claim(assumptions=(Assumption("A1", r"$\nosuchcommand$", "definitional"),)),
        ("assumption A1", "nosuchcommand"),
    ),
    "part": (lambda: with_part(text=r"$\nosuchcommand$"), ("part (z)", "nosuchcommand")),
    "reason": (lambda: with_part(reason="$x"), ("reason of part (z)", "is not closed")),
    "route": (
        lambda: with_part(relation=Equal(product, broken_route)),
        ("route of part (z)", "nosuchcommand"),
    ),
    "caption": (with_caption, ("caption", r"\\frac{a}")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_writing_is_an_error_of_the_record(fault: str) -> None:
    make, words = FAULTS[fault]
    result = check(make(), instances=2)
    assert result["verdict"] == "error"
    for word in words:
        assert word in result["message"]


def test_all_faults_are_named() -> None:
    claim = small_claim(papers=("nobody2020nothing",), title="$x")
    assert len(text_problems(claim)) == 2


def test_a_false_reading_with_a_broken_formula_is_an_error() -> None:
    claim = small_claim()
    for statement, verdict in (("$ab$", "refuted"), (r"$\nosuchcommand$", "error")):
        reading = claim.reading(
            f"written-{verdict}",
            title="Both sides agree",
            statement=statement,
            relation=Equal(square_of_sum, product),
            counterexamples=(Pair(1.0, 2.0),),
            repair=claim.parts[0],
            resolution=1e-9,
            reason="rounding",
        )
        result = check(reading)
        assert result["verdict"] == verdict
        assert ("nosuchcommand" in result["message"]) == (verdict == "error")
