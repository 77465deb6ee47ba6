"""Counterexamples in writing: names, fractions, diagrams; source keeps every bit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mdplab.falsifier import as_latex, as_source, as_text, transition_picture
from mdplab.laws import FiniteLaw
from mdplab.models import MDP

MODEL = MDP(np.array([[[1, 0], [0.5, 0.5]], [[0, 1], [0, 1]]]), np.ones((2, 2)), 0.5)


@dataclass(frozen=True, eq=False)
class Two:
    """Two of a kind."""

    first: object
    second: object


def test_what_rounding_has_left_of_a_fraction_is_written_as_one() -> None:
    law = np.array([0.9 + 0.05, 1 - 0.95])
    assert law[0] != 19 / 20
    assert as_text(law) == "(19/20, 1/20)"
    expression, _ = as_source(law)
    np.testing.assert_array_equal(eval(expression, {"np": np}), law)
    assert as_text(np.array([0.123456789])) == "(0.123456789)"


def test_parts_of_parts_have_their_names() -> None:
    latex = as_latex(Two(FiniteLaw.dirac(1.0), FiniteLaw.dirac(2.0)))
    assert r"\mathrm{first.atoms} &= (1)" in latex
    assert r"\mathrm{second.atoms} &= (2)" in latex
    assert "instance[1] = ((0, 1))" in as_text((MODEL, np.array([[0.0, 1.0]])))


def test_two_models_are_told_apart_and_one_needs_no_name() -> None:
    both, one = as_latex(Two(MODEL, MODEL)), as_latex(Two(MODEL, np.zeros(2)))
    assert both.count(r"\begin{tikzpicture}") == 2
    assert r"P^{\mathrm{second}}(\cdot\mid s_{0},a_{0})" in both
    assert "\n\nsecond:\n\n" in both
    assert r"P(\cdot\mid s_{0},a_{0})" in one
    assert r"\gamma &= \tfrac{1}{2}" in one


def test_a_diagram_has_one_arrow_for_each_pair_of_states() -> None:
    picture = transition_picture(MODEL)
    assert picture.count(r"\draw[->]") == 3
    assert r"{$a_{0}$ \\ $a_{1}$: $\tfrac{1}{2}$} (s0)" in picture
    assert r"{$a_{0}$, $a_{1}$} (s1)" in picture
