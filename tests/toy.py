"""A small claim for the tests of the machinery."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdplab.claims import Assumption, AtMost, Claim, Equal, Known, Side, rounding
from mdplab.instances.draw import SeededDraw


@dataclass(frozen=True)
class Pair:
    """Two positive numbers."""

    a: float
    b: float


def pair(draw: SeededDraw) -> Pair:
    return Pair(draw.number(0.0, 2.0), draw.number(0.0, 2.0))


def product(instance: Pair) -> Side:
    """Product."""
    return Side(4 * instance.a * instance.b, rounding(16))


def by_squares(instance: Pair) -> Side:
    """Difference of squares."""
    return Side((instance.a + instance.b) ** 2 - (instance.a - instance.b) ** 2, rounding(16))


def sum_of_squares(instance: Pair) -> Side:
    """Twice the sum of squares."""
    return Side(2 * (instance.a**2 + instance.b**2), rounding(16))


def square_of_sum(instance: Pair) -> Side:
    """Square of the sum."""
    return Side((instance.a + instance.b) ** 2, rounding(16))


def exactly_twice(instance: Pair) -> Side:
    """The right side without its factor."""
    return Side(instance.a**2 + instance.b**2)


def small_claim(**changes: Any) -> Claim:
    settings: dict[str, Any] = {
        "title": "The arithmetic mean is at most the quadratic mean",
        "papers": ("puterman1994mdp",),
        "provenance": "our formalisation",
        "statement": "For $a, b \\ge 0$: $(a+b)^2 \\le 2(a^2+b^2)$.",
        "assumptions": (
            Assumption("A1", "$a, b \\ge 0$", "definitional", lambda i: i.a >= 0 and i.b >= 0),
            Assumption("A2", "real numbers", "definitional"),
        ),
        "instance_family": pair,
        "witnesses": (Pair(1.0, 1.0),),
        "instances": 20,
        "family": "toy",
    }
    claim = Claim("mean-inequality", **(settings | changes))
    claim.part("(i)", "$4ab$ by squares", Equal(product, by_squares), resolution=1e-12, reason="rounding")
    bound = claim.part(
        "(ii)",
        "the bound",
        AtMost(square_of_sum, sum_of_squares),
        resolution=1e-12,
        reason="rounding",
        closed=("left", "right"),
    )
    bound.control(
        "drop the two", kind="constant", instance=Pair(1.0, 1.0), right=exactly_twice, specified="2.00"
    )
    claim.parts[0].control(
        "a sign",
        kind="mutation",
        instance=Pair(1.0, 2.0),
        right=lambda i: Side((i.a - i.b) ** 2),
        specified="7.0",
    )

    @claim.known(Pair(1.0, 2.0))
    def _(instance: Pair) -> Iterator[Known]:
        yield Known("square of the sum and bound", "9.000 10.0", np.array([9.0, 10.0]))

    claim.reading(
        "equality",
        title="The means are equal",
        statement="$(a+b)^2 = 2(a^2+b^2)$",
        relation=Equal(square_of_sum, sum_of_squares),
        counterexamples=(Pair(1.0, 2.0),),
        repair=bound,
        resolution=1e-12,
        reason="rounding",
        specified="1.0",
    )
    return claim
