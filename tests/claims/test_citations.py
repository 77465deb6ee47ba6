"""Bibliographies: what is read, what is handed back, and what is refused."""

from __future__ import annotations

import re
import unicodedata
from importlib.resources import files

import pytest

from mdplab.claims.citations import bibliography, cite, read_bibliography, short_reference

TEXT = r"""
@article{one1963,
  author = {{d'One}, F.},
  title = {A {P}roblem of $n$ Machines},
  journal = {A Journal},
  volume = {10},
  number = {1},
  pages = {98--108},
  year = {1963},
}

@misc{two2020,
  author = {M{\"u}ller, R{\'e}mi and {Van den Berg}, An},
  title = {Who Wins?},
  year = 2020,
  eprint = {2001.00001},
  archiveprefix = {arXiv},
}

@inproceedings{three2021,
  author = {Ann B. Cee and Dee, Eve and Fee, Gus},
  title = {Three},
  booktitle = {Proceedings},
  year = {2021},
  eprint = {12345},
  archiveprefix = {HAL},
}
"""


def test_short_and_long_forms() -> None:
    read = read_bibliography(TEXT)
    assert [reference.short for reference in read.values()] == [
        "d'One (1963)",
        "Müller and Van den Berg (2020)",
        "Cee et al. (2021)",
    ]
    assert read["one1963"].long.startswith("F. d'One (1963). A Problem of")
    assert read["one1963"].long.endswith("Machines. A Journal 10(1), 98–108.")
    assert read["two2020"].long == "Rémi Müller and An Van den Berg (2020). Who Wins? arXiv:2001.00001."
    assert read["three2021"].long == "Ann B. Cee, Eve Dee and Gus Fee (2021). Three. Proceedings."
    assert read["two2020"].url == "https://arxiv.org/abs/2001.00001"
    assert read["three2021"].url is None


def test_cite_hands_back_the_entries_as_written() -> None:
    read = read_bibliography(TEXT)
    entries = [entry.strip() for entry in re.split(r"\n(?=@)", TEXT)][1:]
    assert cite(["two2020"], read) == entries[1]
    assert cite(["three2021", "one1963", "three2021"], read) == f"{entries[2]}\n\n{entries[0]}"
    assert cite([], read) == ""
    assert read_bibliography(cite(read, read)) == read


def test_unknown_keys() -> None:
    with pytest.raises(ValueError, match="no entry 'nobody'"):
        cite(["nobody"], read_bibliography(TEXT))
    with pytest.raises(ValueError, match="no entry 'nobody'"):
        short_reference("nobody", {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@article{a, author={A}, year={2000}}", "'a' has no title"),
        ("@article{a, title={T}, year={2000}}", "'a' has no author"),
        ("@article{a, author={A}, title={T}}", "'a' has no year"),
        ("@misc{a, author={A}, title={T}, year={1}}\n@misc{a, author={B}, title={T}, year={1}}", "@misc{a"),
        ("@misc{a, author={A}, title={T}, year={1}, year={2}}", "@misc{a"),
    ],
)
def test_bad_entries_are_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        read_bibliography(text)


def test_the_bibliography_of_the_claims() -> None:
    known = read_bibliography(files("proofs_check").joinpath("references.bib").read_text(encoding="utf-8"))
    assert known.items() <= dict(bibliography()).items()
    for key, reference in known.items():
        # The key's year is that of the first public version, which is not later than the publication.
        match = re.fullmatch(r"[a-z]+?(\d{4})[a-z0-9]+", key)
        assert match is not None, key
        assert int(match[1]) <= int(reference.year) <= int(match[1]) + 2, key
        assert not re.search(r"[{}\\]", reference.long), key
        plain = unicodedata.normalize("NFKD", reference.authors[0][1].lower())
        family = re.sub(r"[^a-z]", "", plain)
        assert re.match(r"[a-z]+", key)[0] in family, key  # type: ignore[index]
        if reference.arxiv:
            assert re.fullmatch(r"\d{4}\.\d{4,5}", reference.arxiv), key
            assert int(reference.arxiv[:2]) + 2000 <= int(reference.year), key
    assert short_reference("li2023rql") == "Li et al. (2023)"
    assert "eprint = {2306.09526}" in cite(["li2023rql"])
