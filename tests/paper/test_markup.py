"""Texts of claims as Typst markup."""

from __future__ import annotations

import pytest

from paper.markup import Markdown, converted, escaped, number


def one(text: str) -> str:
    return str(converted([Markdown(text)])[0])


def test_only_texts_of_a_tree_are_converted() -> None:
    tree = {"a": [Markdown("*x*"), "*x*"], "b": 1, "c": Markdown("*x*")}
    assert converted(tree) == {"a": ["#emph[x]", "*x*"], "b": 1, "c": "#emph[x]"}


@pytest.mark.parametrize(
    ("latex", "typst"),
    [
        (r"\frac{1}{1-\gamma}", "frac(1, 1 - gamma)"),
        (r"\mathrm{KL}(p\|q)", r'op("KL") \( p parallel q \)'),
        (r"\pi_{\rm ref}", 'pi_(op("ref"))'),
        (r"\|p - q\|_1", "‖p - q‖_1"),
        (r"\mathrm{KL}(p\|q) \le \|r\|_2^2", r'op("KL") \( p parallel q \) lt.eq ‖r‖_2^2'),
    ],
)
def test_formulas(latex: str, typst: str) -> None:
    assert one(f"${latex}$") == f"${typst}$"


def test_a_formula_that_cannot_be_converted_is_named() -> None:
    with pytest.raises(ValueError, match="unheardof"):
        one(r"a $\unheardof{x}$")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"),
        (0.0, "0"),
        (12, "12"),
        (48225, "48#sym.space.nobreak.narrow;225"),
        (0.0123, "0.0123"),
        (-0.5, "−0.500"),
        (1.3e-12, "$1.3 times 10^(-12)$"),
        (1e-9, "$10^(-9)$"),
        (float("inf"), "∞"),
    ],
)
def test_numbers(value: float | None, shown: str) -> None:
    assert number(value) == shown


def test_plain_text_stays_as_it_is() -> None:
    assert escaped("V* [#1] $2_3$") == r"V\* \[\#1\] \$2\_3\$"
