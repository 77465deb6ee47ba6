"""The command line: ``python -m proofs_check`` or ``proofs-check``."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mdplab.claims import registry
from mdplab.claims.check import as_expected
from mdplab.claims.claim import Claim, Record
from mdplab.claims.methods import HEADINGS, markdown_table
from mdplab.claims.part import Part, Reading, describe
from mdplab.claims.runner import OutputError, check_output, run
from proofs_check.console import FAILED, INTERRUPTED, OK, USAGE, UsageError, natural, positive, select, table
from proofs_check.searching import add_searches

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process.

    Returns
    -------
    int
        0 if all went as expected, 1 if a record did not, 2 for a usage error, 130 after Ctrl-C.
    """
    parser = _parser()
    try:
        options = parser.parse_args(arguments)
    except SystemExit as stop:  # argparse exits by itself: 0 for --help, 2 for a usage error
        return int(stop.code or 0)
    options.arguments = list(sys.argv[1:] if arguments is None else arguments)
    before = _stop_at_once() if threading.current_thread() is threading.main_thread() else None
    try:
        code = int(options.action(options))
        sys.stdout.flush()
        return code
    except (UsageError, OutputError, registry.UnknownRecord, registry.BrokenClaims) as problem:
        print(f"proofs-check: {problem}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print(
            "proofs-check: interrupted; with --json the finished records are kept and resumed",
            file=sys.stderr,
        )
        return INTERRUPTED
    except BrokenPipeError:  # the reader has gone; what the records came to cannot be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)


def _stop_at_once() -> Any:
    """Let Ctrl-C end the program also within a solve, which would answer with its bounds so far; the former handler."""

    def stop(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    return signal.signal(signal.SIGINT, stop)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="proofs-check",
        description="Check theoretical claims of reinforcement learning, each on two exact routes.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {version('mdplab')}")
    commands = parser.add_subparsers(required=True, metavar="command")

    def command(name: str, action: Any, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.set_defaults(action=action)
        return made

    some = command("list", _list, "List the records: claims and their false readings.")
    some.add_argument("--family", action="append", default=[], help="only this family (repeatable)")
    some.add_argument("--json", action="store_true", help="as JSON")
    one = command("show", _show, "Show the statement, assumptions, parts and routes of a record.")
    one.add_argument("id", help="id of a claim or of a false reading")
    go = command("run", _run, "Check records; exit 0 only if all came out as expected.")
    go.add_argument("ids", nargs="*", metavar="ID", help="records to check (default: all)")
    go.add_argument("--family", action="append", default=[], help="all records of a family (repeatable)")
    go.add_argument(
        "--instances", type=positive, help="random instances of each part (default: the claim's own)"
    )
    go.add_argument("--seed", type=natural, default=0, help="seed of the random instances (default: 0)")
    go.add_argument(
        "--exact", action="store_true", help="check in exact arithmetic too, and certify (extra 'exact')"
    )
    go.add_argument("--jobs", type=positive, default=1, help="worker processes")
    go.add_argument(
        "--json", type=Path, metavar="FILE", help="write the records; an interrupted run is resumed"
    )
    add_searches(command)
    named = command("methods", _methods, "List published methods as instances of one program.")
    named.add_argument("--markdown", action="store_true", help="as a markdown table")
    page = command("report", _report, "Write the HTML report of a run.")
    page.add_argument(
        "--from", dest="source", type=Path, default=Path("results/verdicts.json"), metavar="FILE"
    )
    page.add_argument("--out", type=Path, default=Path("results"), metavar="DIR")
    cite = command("cite", _cite, "Print the BibTeX entries of a record's papers.")
    cite.add_argument("id", help="id of a claim or of a false reading")
    two = command(
        "diff", _diff, "Compare two runs; exit 1 if a record changed its verdict, a control or a known value."
    )
    two.add_argument("before", type=Path, help="JSON file of the earlier run")
    two.add_argument("after", type=Path, help="JSON file of the later run")
    return parser


def _list(options: argparse.Namespace) -> int:
    chosen = [registry.find(identifier) for identifier in select([], options.family)]
    if options.json:
        found = [
            {"id": r.id, "family": r.family, "title": r.title, "papers": list(r.papers), "expect": r.expect}
            for r in chosen
        ]
        print(json.dumps(found, indent=1))
    else:
        table(
            f"{len(chosen)} records", ["id", "family", "expect"], [[r.id, r.family, r.expect] for r in chosen]
        )
    return OK


def _methods(options: argparse.Namespace) -> int:
    rows = sorted(
        [m.name, m.form, m.divergence, m.regularises, record.id]
        for record in registry.records().values()
        if isinstance(record, Claim)
        for m in record.methods
    )
    if options.markdown:
        print(markdown_table([[*row[:4], f"`{row[4]}`"] for row in rows]))
    else:
        table(f"{len(rows)} methods", list(HEADINGS), rows)
    return OK


def _show(options: argparse.Namespace) -> int:
    record = registry.find(options.id)
    print("\n".join(_page(record)))
    return OK


def _page(record: Record) -> list[str]:
    lines = [record.id, "=" * len(record.id), record.title, "", record.statement, ""]
    lines += [f"papers: {', '.join(record.papers)}", f"family: {record.family}", f"expect: {record.expect}"]
    if isinstance(record, Reading):
        lines += [f"reads falsely: {record.claim.id}", f"repaired by: part {record.repair.name}"]
        return lines + _part_lines(record.part)
    lines += [
        f"statement: {record.provenance}" + (f", {record.theorem}" if record.theorem else ""),
        "",
        "Assumptions",
    ]
    lines += [f"  {a.name}  {a.text}  [{a.carried_by}]" for a in record.assumptions]
    for part in record.parts:
        lines += ["", *_part_lines(part)]
    if record.readings:
        lines += ["", "False readings", *(f"  {reading.id}: {reading.title}" for reading in record.readings)]
    return lines


def _part_lines(part: Part) -> list[str]:
    lines = [f"Part {part.name}: {part.text}", f"  {type(part.relation).__name__}, {part.quantifier}"]
    lines += [f"  left:  {describe(part.relation.left)}", f"  right: {describe(part.relation.right)}"]
    for side, route in (("left", part.cross_left), ("right", part.cross_right)):
        if route is not None:
            lines.append(f"  second route to the {side}: {describe(route)}")
    lines += [f"  shared input: {name} ({reason})" for name, reason in part.shared.items()]
    return lines + [f"  control ({control.kind}): {control.name}" for control in part.controls]


def _run(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    chosen = select(options.ids, options.family)
    if options.exact and find_spec("flint") is None:
        raise UsageError("--exact needs python-flint: install mdplab with its extra 'exact'")
    with tqdm(total=len(chosen), unit="record", file=sys.stderr, dynamic_ncols=True) as bar:

        def tell(result: dict[str, Any], resumed: bool) -> None:
            bar.set_postfix_str(result["id"] + (" (kept)" if resumed else ""))
            bar.update()

        content = run(
            chosen,
            instances=options.instances,
            seed=options.seed,
            exact=options.exact,
            jobs=options.jobs,
            path=options.json,
            command=options.arguments,
            on_result=tell,
            on_discard=lambda: bar.write(
                "an interrupted run with other sources or options is not resumed", file=sys.stderr
            ),
        )
    records = content["records"]
    table(
        "Verdicts",
        ["id", "verdict", "certified", "tight", "known", "controls", "time"],
        [_summary(r) for r in records],
    )
    surprises = [record for record in records if not as_expected(record)]
    for record in surprises:
        print(f"NOT AS EXPECTED  {record['id']}: {_explain(record)}")
    count = Counter(record["verdict"] for record in records)
    print(
        ", ".join(f"{number} {verdict}" for verdict, number in sorted(count.items()))
        + (f"; {len(surprises)} not as expected" if surprises else "; all as expected")
    )
    return FAILED if surprises else OK


def _summary(record: dict[str, Any]) -> list[str]:
    tight = [part["tightness"] for part in record["parts"] if part["tightness"] is not None]
    if record["expect"] == "refuted":
        tight = []
    good = sum(control["as_expected"] for control in record["controls"])
    known = (
        f"{record['known_values_passed']}/{record['known_values_total']}"
        if record["known_values_total"]
        else "-"
    )
    verdict = record["verdict"] if as_expected(record) else f"{record['verdict']} (!)"
    return [
        record["id"],
        verdict,
        _certified(record),
        f"{max(tight):.4f}" if tight else "-",
        known,
        f"{good}/{len(record['controls'])}",
        f"{record['seconds']:.1f} s",
    ]


def _certified(record: dict[str, Any]) -> str:
    """How many parts are certified on every instance."""
    found = [part.get("certified") for part in record["parts"]]
    whole = sum(entry is not None and entry["instances"] == entry["of"] for entry in found)
    return f"{whole}/{len(found)}" if any(found) else "-"


def _explain(record: dict[str, Any]) -> str:
    reasons = (
        []
        if record["verdict"] == record["expect"]
        else [f"verdict {record['verdict']}, expected {record['expect']}"]
    )
    reasons += [record["message"]] if record["message"] else []
    reasons += [
        f"known value {row['name']}: {row['message'] or 'printed ' + row['printed'] + ', computed ' + str(row['computed'])}"
        for row in record["known_values"]
        if not row["passed"]
    ]
    reasons += [f"control {c['name']!r}: {c['message']}" for c in record["controls"] if not c["as_expected"]]
    return "; ".join(reasons)


def _read(path: Path) -> dict[str, Any]:
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as problem:
        raise UsageError(f"cannot read {path}: {problem.strerror}") from None
    except ValueError as problem:
        raise UsageError(f"{path} is not JSON: {problem}") from None
    records = content.get("records") if isinstance(content, dict) and "run" in content else None
    if not isinstance(records, list) or not all(isinstance(r, dict) and r.keys() >= _RECORD for r in records):
        raise UsageError(
            f"{path} is not the JSON file of a run: expected an object with 'run' and complete 'records'"
        )
    return dict(content)


_RECORD = {"id", "expect", "verdict", "parts", "known_values", "controls"}


def _report(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from mdplab.claims.report import write_report
    from mdplab.claims.texts import claim_text

    content = _read(options.source)
    known = registry.records()
    ids = [record["id"] for record in content["records"]]
    missing = [identifier for identifier in ids if identifier not in known]
    if missing:
        raise UsageError(
            f"{options.source} has records that this version does not know: {', '.join(missing)}"
        )
    path = options.out / "report.html"
    check_output(path)
    texts, failures = {}, []
    for identifier in tqdm(ids, unit="record", file=sys.stderr, dynamic_ncols=True):
        try:
            texts[identifier] = claim_text(known[identifier])
        except Exception as problem:  # one broken figure must not cost the report
            failures.append(f"the figure of {identifier} failed: {type(problem).__name__}: {problem}")
            texts[identifier] = claim_text(known[identifier], figure=False)
    try:
        write_report(content, texts, path)
    except (
        ValueError
    ) as problem:  # a formula that cannot be converted, a key without reference: named by the message
        raise UsageError(str(problem)) from None
    print(path)
    for failure in failures:
        print(failure, file=sys.stderr)
    return FAILED if failures else OK


def _cite(options: argparse.Namespace) -> int:
    from mdplab.claims.citations import cite

    try:
        print(cite(registry.find(options.id).papers))
    except ValueError as problem:
        raise UsageError(str(problem)) from None
    return OK


def _state(record: dict[str, Any]) -> dict[str, str]:
    """What a comparison of two runs looks at: nothing that depends on time or rounding."""
    state = {"verdict": record["verdict"]}
    state |= {f"part {part['name']}": part["verdict"] for part in record["parts"]}
    state |= {
        f"known value {row['name']}": "passed" if row["passed"] else "failed"
        for row in record["known_values"]
    }
    state |= {
        f"control {c['name']}": "as expected" if c["as_expected"] else "not as expected"
        for c in record["controls"]
    }
    return state


def _diff(options: argparse.Namespace) -> int:
    before, after = (
        {r["id"]: _state(r) for r in _read(path)["records"]} for path in (options.before, options.after)
    )
    changes = []
    for identifier in [*before, *(i for i in after if i not in before)]:
        old, new = before.get(identifier), after.get(identifier)
        if old is None or new is None:
            changes.append(
                [
                    identifier,
                    "record",
                    "absent" if old is None else "there",
                    "absent" if new is None else "there",
                ]
            )
            continue
        for name in [*old, *(n for n in new if n not in old)]:
            if old.get(name) != new.get(name):
                changes.append([identifier, name, old.get(name, "absent"), new.get(name, "absent")])
    if not changes:
        print("no differences")
        return OK
    table(f"{len(changes)} differences", ["id", "what", "before", "after"], changes)
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
