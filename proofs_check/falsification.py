"""The commands that search: ``falsify`` looks for a counterexample to the parts of a record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from mdplab.claims import registry
from mdplab.claims.claim import Claim, Record
from mdplab.claims.part import Part, Reading
from mdplab.claims.relations import AtLeast, AtMost, Equal
from mdplab.claims.runner import write_json
from mdplab.claims.searches import extremal_instance, searches, searches_file
from mdplab.falsifier import falsify, of_part
from mdplab.instances.stored import encode, encode_tape

__all__ = ["keep", "parts_to_search", "search_part", "search_parts", "write_searches"]


def parts_to_search(record: Record) -> list[Part]:
    """The parts that speak of single instances: equalities and inequalities for all, and the relation of a reading.

    Parameters
    ----------
    record : Claim or Reading
        The record.

    Returns
    -------
    list of Part
    """
    if isinstance(record, Reading):
        return [record.part] if isinstance(record.part.relation, (Equal, AtMost, AtLeast)) else []
    return [
        part
        for part in record.parts
        if part.quantifier == "for_all" and isinstance(part.relation, (Equal, AtMost, AtLeast))
    ]


def search_part(identifier: str, name: str, **limits: Any) -> dict[str, Any]:
    """Search one part of a record for a counterexample.

    Parameters
    ----------
    identifier : str
        Id of a claim or of a false reading.  A reading is searched, not looked up: its counterexamples are not shown.
    name : str
        Name of the part.
    **limits
        ``evaluations``, ``seconds`` and ``seed`` of :func:`mdplab.falsify`.

    Returns
    -------
    dict
        JSON types: what was searched, how it ended, and the extremal instance as data and as text.
    """
    record = registry.find(identifier)
    claim = record.claim if isinstance(record, Reading) else record
    part = next(part for part in parts_to_search(record) if part.name == name)
    # Named instances are checked in every run: the search is for what they do not show.
    kept = None if isinstance(record, Reading) else extremal_instance(claim, name)
    witnesses = () if kept is None else (kept,)
    found = falsify(of_part(claim, part), part.family or claim.instance_family, witnesses=witnesses, **limits)
    best = found.extremal
    return {
        "id": identifier,
        "part": name,
        "relation": type(part.relation).__name__,
        "verdict": found.verdict,
        "tightness": found.tightness,
        "specified_tightness": part.specified_tightness or None,
        "evaluations": found.evaluations,
        "skipped": found.skipped,
        "failed": found.failed,
        "seed": found.seed,
        "seconds": round(found.seconds, 3),
        "message": found.message,
        "text": str(found),
        "instance": None if best is None else encode(best.instance),
        "tape": None if best is None else encode_tape(best.tape),
    }


def search_parts(
    records: Sequence[Record], *, jobs: int, on_result: Callable[[dict[str, Any]], None], **limits: Any
) -> list[dict[str, Any]]:
    """Search the parts of records, several at once.

    Parameters
    ----------
    records : sequence of Claim or Reading
        What to search.
    jobs : int
        Worker processes.
    on_result : callable
        Called with each result as it comes, in order.
    **limits
        As for :func:`search_part`.

    Returns
    -------
    list of dict
    """
    from joblib import Parallel, delayed

    tasks = [(record.id, part.name) for record in records for part in parts_to_search(record)]
    workers = Parallel(n_jobs=min(jobs, max(len(tasks), 1)), return_as="generator")
    results = []
    for result in workers(delayed(search_part)(identifier, name, **limits) for identifier, name in tasks):
        on_result(result)
        results.append(result)
    return results


def keep(results: Sequence[dict[str, Any]]) -> list[Path]:
    """Keep the extremal instances of inequalities beside their claims, where they are tighter than what is kept.

    Parameters
    ----------
    results : sequence of dict
        Of :func:`search_part`.

    Returns
    -------
    list of Path
        The files that were written.
    """
    written = []
    for identifier in dict.fromkeys(result["id"] for result in results):
        record = registry.find(identifier)
        if not isinstance(record, Claim):
            continue
        kept = searches(record)
        parts = dict(kept["parts"])
        for result in results:
            best = parts.get(result["part"], {}).get("tightness", 0.0)  # of 0: sides that cannot come near
            tighter = result["tightness"] is not None and result["tightness"] > best
            if result["id"] == identifier and result["verdict"] == "not refuted" and tighter:
                names = ("tightness", "evaluations", "seed", "instance", "tape")
                parts[result["part"]] = {name: result[name] for name in names}
        if parts != kept["parts"]:
            written += write_searches(record, kept | {"parts": parts})
    return written


def write_searches(claim: Claim, content: dict[str, Any]) -> list[Path]:
    """Write what is kept of the searches of a claim.

    Parameters
    ----------
    claim : Claim
        The claim.
    content : dict
        In the form of :func:`mdplab.claims.searches.searches`.

    Returns
    -------
    list of Path
        The file; empty for a claim that is declared in no package.
    """
    place = searches_file(claim)
    if place is None:
        return []
    place.parent.mkdir(exist_ok=True)
    write_json(content, place)
    return [place]
