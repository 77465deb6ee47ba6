"""Published methods that claims identify: validation, the markdown table, the command."""

from __future__ import annotations

from pathlib import Path

import pytest

from mdplab.claims import Claim, Method, records
from mdplab.claims.methods import HEADINGS, markdown_table
from proofs_check.__main__ import main

ROOT = Path(__file__).resolve().parents[2]


def named() -> list[tuple[str, str]]:
    return [
        (method.name, record.id)
        for record in records().values()
        if isinstance(record, Claim)
        for method in record.methods
    ]


def test_another_form_is_refused() -> None:
    with pytest.raises(ValueError, match="form of method 'X' is 'dual'"):
        Method("X", "dual", "KL", "nothing")  # type: ignore[arg-type]


def test_a_bar_inside_an_entry_does_not_end_it() -> None:
    text = markdown_table([["X", "primal", "KL", "$D(d|q)$", "`x`"]])
    assert text.splitlines()[0] == "| " + " | ".join(HEADINGS) + " |"
    assert text.splitlines()[2] == r"| X | primal | KL | $D(d\|q)$ | `x` |"


def test_no_method_is_named_twice_by_one_claim() -> None:
    assert len(named()) == len(set(named())) > 0


def test_the_page_has_the_table_of_the_registry(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["methods", "--markdown"]) == 0
    table = capsys.readouterr().out.strip()
    page = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    assert table in page, "the table of docs/methods.md is that of proofs-check methods --markdown"
    for name, identifier in named():
        assert name in table
        assert f"`{identifier}`" in table
