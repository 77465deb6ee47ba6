"""The commands that search: ``falsify`` and ``ablate``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mdplab.claims import registry
from mdplab.claims.claim import DEFINITIONAL, HARMLESS, Claim
from mdplab.claims.runner import check_output, write_json
from proofs_check.console import FAILED, OK, UsageError, natural, positive, select, table

__all__ = ["add_searches"]


def add_searches(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands to the parser.

    Parameters
    ----------
    command : callable
        Makes the parser of a command from its name, its action and its description.
    """
    hunt = command(
        "falsify",
        _falsify,
        "Search the parts of records for counterexamples; exit 1 if a claim is refuted or a search says nothing.",
    )
    hunt.add_argument("ids", nargs="*", metavar="ID", help="records to search (default: all)")
    hunt.add_argument("--family", action="append", default=[], help="all records of a family (repeatable)")
    hunt.add_argument(
        "--evaluations", type=positive, help="instances of each part (default: the seconds decide)"
    )
    hunt.add_argument("--seconds", type=positive, default=60, help="seconds for each part (default: 60)")
    hunt.add_argument("--seed", type=natural, default=0, help="seed of the search (default: 0)")
    hunt.add_argument("--jobs", type=positive, default=1, help="worker processes")
    hunt.add_argument("--json", type=Path, metavar="FILE", help="write the results")
    hunt.add_argument(
        "--keep", action="store_true", help="keep tighter instances beside the claims, for every later run"
    )
    drop = command(
        "ablate",
        _ablate,
        "Drop each assumption of a claim in turn and search for counterexamples; exit 1 if one is not what it is declared.",
    )
    drop.add_argument("id", help="id of a claim")
    drop.add_argument(
        "--evaluations", type=positive, help="instances of each part (default: the seconds decide)"
    )
    drop.add_argument("--seconds", type=positive, default=20, help="seconds for each part (default: 20)")
    drop.add_argument("--seed", type=natural, default=0, help="seed of the search (default: 0)")
    drop.add_argument("--json", type=Path, metavar="FILE", help="write the results")
    drop.add_argument("--keep", action="store_true", help="keep the answers beside the claim, for the report")


def _falsify(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from proofs_check.falsification import keep, parts_to_search, search_parts

    chosen = [registry.find(identifier) for identifier in select(options.ids, options.family)]
    if options.json is not None:
        check_output(options.json)
    count = sum(len(parts_to_search(record)) for record in chosen)
    if not count:
        raise UsageError("no part of these records speaks of single instances")
    with tqdm(total=count, unit="part", file=sys.stderr, dynamic_ncols=True) as bar:

        def tell(result: dict[str, Any]) -> None:
            bar.set_postfix_str(f"{result['id']} {result['part']}")
            bar.update()

        results = search_parts(
            chosen,
            jobs=options.jobs,
            on_result=tell,
            evaluations=options.evaluations,
            seconds=options.seconds,
            seed=options.seed,
        )
    for result in results if count <= 4 else [r for r in results if r["verdict"] != "not refuted"]:
        print(result["text"], end="\n\n")
    table(
        f"Searched with seed {options.seed}",
        ["id", "part", "verdict", "tightest", "specified", "evaluations", "per second"],
        [
            [
                result["id"],
                result["part"],
                result["verdict"],
                "-" if result["tightness"] is None else f"{result['tightness']:.6f}",
                result["specified_tightness"] or "-",
                str(result["evaluations"]),
                f"{result['evaluations'] / max(result['seconds'], 1e-3):.0f}",
            ]
            for result in results
        ],
    )
    if options.json is not None:
        write_json({"command": options.arguments, "results": results}, options.json)
    if options.keep:
        for path in keep(results):
            print(f"kept in {path}")
    wanted = {"holds": "not refuted", "refuted": "refuted"}
    surprises = [r for r in results if r["verdict"] != wanted[registry.find(r["id"]).expect]]
    for result in surprises:
        print(f"NOT AS EXPECTED  {result['id']} {result['part']}: {result['verdict']}")
    return FAILED if surprises else OK


def _ablate(options: argparse.Namespace) -> int:
    from proofs_check.ablation import CARRIES, ablate, keep_ablations

    if options.json is not None:
        check_output(options.json)
    limits = {"evaluations": options.evaluations, "seconds": options.seconds, "seed": options.seed}
    try:
        rows = ablate(options.id, **limits)
    except TypeError as problem:
        raise UsageError(str(problem)) from None
    for row in rows:
        if row["counterexample"]:
            print(f"Without {row['assumption']} ({row['text']}):\n{row['counterexample']}\n")
    table(
        f"{options.id} without each of its assumptions",
        ["assumption", "answer", "part", "how", "evaluations"],
        [[r["assumption"], r["answer"], r["part"] or "-", r["how"], str(r["evaluations"])] for r in rows],
    )
    if options.json is not None:
        write_json({"command": options.arguments, "results": rows}, options.json)
    claim = registry.find(options.id)
    assert isinstance(claim, Claim)  # ablate refuses a reading
    if options.keep:
        for path in keep_ablations(claim, rows):
            print(f"kept in {path}")
    surprises = [
        (row["assumption"], row["answer"], assumption.carried_by)
        for row, assumption in zip(rows, claim.assumptions, strict=True)
        if row["answer"]
        != (assumption.carried_by if assumption.carried_by in (HARMLESS, DEFINITIONAL) else CARRIES)
    ]
    for name, answer, declared in surprises:
        print(f"NOT AS EXPECTED  {options.id} {name}: {answer}, declared: {declared}")
    return FAILED if surprises else OK
