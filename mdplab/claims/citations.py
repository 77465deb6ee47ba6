"""Citations of the papers that claims name.

Every package of the entry-point group of the registry may hold a file ``references.bib``; a claim names papers by the
keys of that file.  BibTeX is read by ``bibtexparser``; :func:`cite` hands the entries back exactly as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files

from mdplab.claims.registry import ENTRY_POINT

__all__ = ["Reference", "bibliography", "cite", "read_bibliography", "short_reference"]

FILE_NAME = "references.bib"


@dataclass(frozen=True)
class Reference:
    """One work of a bibliography.

    Parameters
    ----------
    key : str
        Its key.
    authors : tuple of (str, str)
        Given and family names, in the order of the entry.
    title : str
        The title, LaTeX decoded.
    year : str
        Year of publication.
    venue : str
        Journal (with volume, number and pages), proceedings or publisher; empty for a preprint.
    arxiv : str
        arXiv identifier, or empty.
    bibtex : str
        The entry as written.
    """

    key: str
    authors: tuple[tuple[str, str], ...]
    title: str
    year: str
    venue: str
    arxiv: str
    bibtex: str

    @property
    def short(self) -> str:
        """Family names and year: ``"Li et al. (2023)"``."""
        families = [family for _, family in self.authors]
        names = " and ".join(families) if len(families) <= 2 else f"{families[0]} et al."
        return f"{names} ({self.year})"

    @property
    def long(self) -> str:
        """Authors, year, title and venue in one line."""
        people = [f"{given} {family}".strip() for given, family in self.authors]
        names = people[0] if len(people) == 1 else f"{', '.join(people[:-1])} and {people[-1]}"
        title = self.title if self.title[-1:] in ".?!" else f"{self.title}."
        tail = ", ".join(text for text in (self.venue, f"arXiv:{self.arxiv}" if self.arxiv else "") if text)
        return f"{names} ({self.year}). {title}" + (f" {tail}." if tail else "")

    @property
    def url(self) -> str | None:
        """Address of the abstract, where the work is on arXiv."""
        return f"https://arxiv.org/abs/{self.arxiv}" if self.arxiv else None


def read_bibliography(text: str) -> dict[str, Reference]:
    """Read BibTeX.

    Parameters
    ----------
    text : str
        Content of a ``.bib`` file.

    Returns
    -------
    dict
        References by key, in the order of the file.

    Raises
    ------
    ValueError
        If an entry cannot be read, a key occurs twice, or an entry lacks author, title or year.
    """
    import bibtexparser
    from bibtexparser import middlewares

    library = bibtexparser.parse_string(
        text,
        append_middleware=[
            middlewares.LatexDecodingMiddleware(),
            middlewares.SeparateCoAuthors(),
            middlewares.SplitNameParts(),
        ],
    )
    if library.failed_blocks:
        block = library.failed_blocks[0]
        start = (block.raw or "").strip().partition("\n")[0]
        raise ValueError(f"bibliography: cannot read the entry {start!r}: {block.error}")
    references = {}
    for entry in library.entries:
        fields = {field.key.lower(): field.value for field in entry.fields}
        for needed in ("author", "title", "year"):
            if not fields.get(needed):
                raise ValueError(f"bibliography: entry {entry.key!r} has no {needed}")
        references[entry.key] = Reference(
            key=entry.key,
            authors=tuple(
                (" ".join(name.first), " ".join([*name.von, *name.last, *name.jr]))
                for name in fields["author"]
            ),
            title=" ".join(str(fields["title"]).split()),
            year=str(fields["year"]),
            venue=_venue({key: str(value) for key, value in fields.items()}),
            arxiv=str(fields["eprint"]) if str(fields.get("archiveprefix")).lower() == "arxiv" else "",
            bibtex=(entry.raw or "").strip(),
        )
    return references


def _venue(fields: Mapping[str, str]) -> str:
    if "journal" not in fields:
        return fields.get("booktitle") or fields.get("publisher") or ""
    number = f"({fields['number']})" if "number" in fields else ""
    volume = f" {fields['volume']}{number}" if "volume" in fields else ""
    pages = f", {re.sub('-+', '–', fields['pages'])}" if "pages" in fields else ""
    return f"{fields['journal']}{volume}{pages}"


@cache
def bibliography() -> Mapping[str, Reference]:
    """References of all packages that register claims.

    Returns
    -------
    mapping
        References by key.

    Raises
    ------
    ValueError
        If a file cannot be read, or two packages use one key.
    """
    found: dict[str, Reference] = {}
    for package in sorted({point.value.partition(":")[0] for point in entry_points(group=ENTRY_POINT)}):
        file = files(package) / FILE_NAME
        if not file.is_file():
            continue
        here = read_bibliography(file.read_text(encoding="utf-8"))
        twice = found.keys() & here.keys()
        if twice:
            raise ValueError(f"bibliography of {package}: another package has the keys {sorted(twice)} too")
        found |= here
    return found


def _find(key: str, references: Mapping[str, Reference] | None) -> Reference:
    known = bibliography() if references is None else references
    if key not in known:
        raise ValueError(f"the bibliography has no entry {key!r}")
    return known[key]


def cite(keys: Iterable[str], references: Mapping[str, Reference] | None = None) -> str:
    """BibTeX entries of some papers.

    Parameters
    ----------
    keys : iterable of str
        Keys of the bibliography; a key given twice is cited once.
    references : mapping, optional
        By default those of all packages that register claims.

    Returns
    -------
    str
        The entries as written, separated by empty lines.

    Raises
    ------
    ValueError
        If the bibliography has no such key.
    """
    return "\n\n".join(_find(key, references).bibtex for key in dict.fromkeys(keys))


def short_reference(key: str, references: Mapping[str, Reference] | None = None) -> str:
    """Short form of a reference in running text.

    Parameters
    ----------
    key : str
        Key of the bibliography.
    references : mapping, optional
        By default those of all packages that register claims.

    Returns
    -------
    str
        For instance ``"Li et al. (2023)"``.

    Raises
    ------
    ValueError
        If the bibliography has no such key.
    """
    return _find(key, references).short
