"""Benchmark: the time to a checked sup-norm error, all systems interleaved in one run, and what else costs.

    python -m benchmarks.bench [--out results] [--repeats 5] [--limit 14] [--only PART ...] [--match TEXT]

Each system lives in a process of its own per instance, which holds the model; the parent asks them in turns for one
solve each, and ends those that exceed the time limit.  Errors are checked against values whose own bounds come from a
residual computed here by plain NumPy and SciPy.  One thread each.  Written: ``bench.json``, ``bench.txt``,
``bench.svg`` and ``bench.png``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import costs
from benchmarks.instances import INSTANCES, Arrays
from benchmarks.occupancies import GAP, occupancy_costs
from benchmarks.risk import RISK_SECONDS, risk_costs
from benchmarks.systems import OURS, SYSTEMS, work

ERROR = 1e-6
PARTS = ("solve", "sweep", "tiny", "build", "memory", "start", "occupancy", "risk")
_BUILD_LIMIT = 120.0


def reference(arrays: Arrays) -> tuple[Any, float]:
    """Values and a bound of their error by a residual formed here."""
    from mdplab.models import MDP
    from mdplab.solvers import solve

    value = solve(MDP(arrays.transition, arrays.reward, arrays.discount), 1e-9).value
    states, actions = arrays.reward.shape
    kernel = arrays.transition if arrays.is_sparse else arrays.transition.reshape(states * actions, states)
    q = arrays.reward + arrays.discount * (kernel @ value).reshape(states, actions)
    residual = float(np.abs(q.max(axis=1) - value).max())
    return value, residual / (1 - arrays.discount)


class Runner:
    """One system on one instance, in a process."""

    def __init__(self, system: str, instance: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, other = context.Pipe()
        self.process = context.Process(target=work, args=(other, system, instance), daemon=True)
        self.process.start()
        other.close()
        self.message = ""
        answer = self._answer(_BUILD_LIMIT, "build")
        self.build_seconds = answer[1] if answer else float("nan")

    @property
    def alive(self) -> bool:
        return not self.message

    def solve(self, tol: float, limit: float) -> tuple[float, Any] | None:
        self.connection.send(tol)
        answer = self._answer(limit, "solve")
        return (answer[1], answer[2]) if answer else None

    def _answer(self, limit: float, what: str) -> Any:
        try:
            if not self.connection.poll(limit):
                self.message = f"> {limit:g} s" if what == "solve" else f"build > {limit:g} s"
            else:
                answer = self.connection.recv()
                if answer[0] != "failed":
                    return answer
                self.message = str(answer[1])[:60]
        except EOFError:
            self.message = "process ended"
        self.close()
        return None

    def close(self) -> None:
        self.process.kill()
        self.process.join()


def compare(instance: str, repeats: int, limit: float) -> list[dict[str, Any]]:
    """All systems on one instance."""
    arrays = INSTANCES[instance]()
    value, bound = reference(arrays)
    runners: dict[str, Runner] = {}
    rows: dict[str, dict[str, Any]] = {}
    for name, system in SYSTEMS.items():
        row: dict[str, Any] = {"instance": instance, "system": name, "ms": None, "error": None, "note": ""}
        rows[name] = row
        if not system.installed:
            row["note"] = "not installed"
        elif arrays.entries > system.most:
            row["note"] = "left out: takes too long to build"
        else:
            runner = runners[name] = Runner(name, instance)
            row["build_ms"] = 1e3 * runner.build_seconds
            begin = time.perf_counter()
            for tol in system.ladder:
                row["tol"] = tol
                found = runner.solve(
                    tol, limit + 20 if tol == system.ladder[0] else limit
                )  # the first compiles
                if found is None:
                    break
                row["error"] = float(np.abs(found[1] - value).max()) + bound
                if row["error"] <= ERROR or time.perf_counter() - begin > 2 * limit:
                    break
            row["note"] = runner.message
    times: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(repeats):
        for name, runner in runners.items():
            if runner.alive and sum(times[name]) <= 0.5 * limit:  # slow ones are timed once or twice
                found = runner.solve(rows[name]["tol"], limit)
                if found is not None:
                    times[name].append(found[0])
                rows[name]["note"] = runner.message
    for name, runner in runners.items():
        runner.close()
        if times[name]:
            rows[name]["ms"] = 1e3 * float(np.median(times[name]))
        if rows[name]["error"] is not None and rows[name]["error"] > ERROR:
            rows[name]["note"] = f"misses the accuracy: error {rows[name]['error']:.2g}"
    return list(rows.values())


def targets(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Every target with what was measured; ``met`` compares the two."""
    rows: list[dict[str, Any]] = []

    def add(what: str, measured: float, target: float, *, at_least: bool = False, note: str = "") -> None:
        met = measured >= target if at_least else measured <= target
        rows.append({"what": what, "measured": measured, "target": target, "met": bool(met), "note": note})

    by_instance: dict[str, list[dict[str, Any]]] = {}
    for row in found.get("solve", []):
        by_instance.setdefault(row["instance"], []).append(row)
    for instance, group in by_instance.items():
        good = {
            r["system"]: r["ms"]
            for r in group
            if r["ms"] is not None and r["error"] is not None and r["error"] <= ERROR
        }
        peers = {name: ms for name, ms in good.items() if name != OURS}
        if OURS in good and peers:
            best = min(peers, key=peers.__getitem__)
            factor = 1.0 if instance.startswith("dense") else 2.0
            add(
                f"{instance}: times faster than the best peer",
                peers[best] / good[OURS],
                factor,
                at_least=True,
                note=best,
            )
    for row in found.get("sweep", []):
        note = f"{row['ratio_to_gather']:.2f} x the bare gather"
        add(f"{row['instance']}: sweep / streaming", row["ratio"], 1.3, note=note)
    for row in found.get("build", []):
        note = f"extra memory {row['extra_bytes_ratio']:.2f} x kernel"
        add(f"{row['instance']}: build, ms per million entries", row["ms_per_million"], 5.0, note=note)
    limits = {"mdplab: in a batch": 3.0, "mdplab: one call": 15.0, "mdplab: build and solve": 40.0}
    for row in found.get("tiny", []):
        if row["what"] in limits:
            add(f"tiny 10x4, microseconds, {row['what']}", row["microseconds"], limits[row["what"]])
    for row in found.get("memory", []):
        add(f"{row['instance']}: peak memory of a solve / kernel", row["ratio"], 1.5)
    for row in found.get("occupancy", []):
        right = row["gap"] <= GAP  # a ratio of a wrong answer is none
        add(
            f"{row['instance']}: dual, times faster than Clarabel",
            row["ratio"] if right else 0.0,
            10.0,
            at_least=True,
            note=f"gap {row['gap']:.1e}, theirs {row['cone_gap']:.1e}, peak {row['peak_mb']:.0f} MB",
        )
    for row in found.get("risk", []):
        right = row["difference"] <= row["bound"]
        add(
            f"{row['instance']}: seconds",
            row["seconds"] if right else float("inf"),
            RISK_SECONDS,
            note=f"{row['ratio']:.1f} times faster than NumPy",
        )
    if start := found.get("start"):
        add(
            "import mdplab, seconds", start["import"], 0.2, note=f"heavy modules: {start['loaded'] or 'none'}"
        )
        add("first solve - one-line kernel, seconds", start["first_solve"] - start["one_line"], 0.5)
    return rows


def tables(found: dict[str, Any]) -> list[Table]:
    """What was measured, for reading."""
    shown: list[Table] = []
    if rows := found.get("solve"):
        table = Table(title=f"Time to a checked sup-norm error of {ERROR:g} (ms, solve only, median)")
        table.add_column("instance")
        for name in SYSTEMS:
            table.add_column(name, justify="right")
        for instance in dict.fromkeys(row["instance"] for row in rows):
            cells = []
            for name in SYSTEMS:
                row = next(r for r in rows if r["instance"] == instance and r["system"] == name)
                text = "-" if row["ms"] is None else f"{row['ms']:.3g}"
                cells.append(f"{text}\n{row['note']}" if row["note"] else text)
            table.add_row(instance, *cells)
        shown.append(table)
    for part, title in (
        ("sweep", "One sweep"),
        ("tiny", "Tiny models 10x4, .9"),
        ("build", "Arrays to model"),
        ("memory", "Memory of a solve"),
        ("occupancy", "Regularised occupancy programs"),
        ("risk", "The best conditional value-at-risk"),
    ):
        if rows := found.get(part):
            table = Table(title=title)
            for column in rows[0]:
                table.add_column(column, justify="left" if column in ("instance", "what") else "right")
            for row in rows:
                table.add_row(*(x if isinstance(x, str) else f"{x:.3g}" for x in row.values()))
            shown.append(table)
    table = Table(title="Targets")
    for column in ("what", "measured", "target", "ratio to target", "met", "note"):
        table.add_column(column)
    for row in found["targets"]:
        table.add_row(
            row["what"],
            f"{row['measured']:.3g}",
            f"{row['target']:g}",
            f"{row['measured'] / row['target']:.2f}",
            "yes" if row["met"] else "NO",
            row["note"],
        )
    shown.append(table)
    return shown


def plot(found: dict[str, Any], out: Path) -> None:
    """Times of all systems, one line of points an instance."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    rows = [r for r in found["solve"] if r["ms"] is not None]
    names = list(dict.fromkeys(r["instance"] for r in rows))[::-1]
    style = Path(__file__).resolve().parents[1] / "mdplab" / "mdplab.mplstyle"
    with plt.style.context(str(style)):
        figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
        for system, marker in zip(SYSTEMS, "osD^vP*X", strict=False):
            mine = [r for r in rows if r["system"] == system]
            if not mine:
                continue
            right = [r["error"] is not None and r["error"] <= ERROR for r in mine]
            ys = [names.index(r["instance"]) for r in mine]
            faces = ["C0" if system == OURS else "0.4" if ok else "none" for ok in right]
            axes.scatter(
                [r["ms"] for r in mine],
                ys,
                marker=marker,
                s=50,
                facecolors=faces,
                edgecolors="C0" if system == OURS else "0.3",
                label=system,
            )
        axes.set_xscale("log")
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel(f"ms to a checked error of {ERROR:g} (open: misses it)")
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
        for suffix in ("svg", "png"):
            figure.savefig(out / f"bench.{suffix}", dpi=150)
        plt.close(figure)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def main() -> None:
    """Run the parts asked for and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("results"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--limit", type=float, default=14.0, help="seconds a solve")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--match", default="", help="only instances whose name holds this text")
    options = parser.parse_args()
    console = Console(width=200)
    names = [name for name in INSTANCES if options.match in name]
    packages = ("mdplab", "numpy", "scipy", "numba", "quantecon", "mdpsolver", "stormpy", "pymdptoolbox")
    found: dict[str, Any] = {
        "versions": {name: _version(name) for name in packages},
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    missing = [name for name, text in found["versions"].items() if text == "missing"]
    console.print("Versions:", ", ".join(f"{k} {v}" for k, v in found["versions"].items()))
    if missing:
        console.print(f"Not installed, left out: {', '.join(missing)} (pip install 'mdplab[bench]')")
    if "solve" in options.only:
        found["solve"] = []
        for name in names:
            console.print(f"... {name}")
            found["solve"] += compare(name, options.repeats, options.limit)
    if "sweep" in options.only:
        found["sweep"] = costs.sweep_costs(names)
    if "tiny" in options.only:
        found["tiny"] = costs.tiny_costs()
    if "build" in options.only:
        found["build"] = costs.build_costs()
    if "memory" in options.only:
        found["memory"] = costs.memory_costs()
    if "start" in options.only:
        found["start"] = costs.start_up()
    if "occupancy" in options.only:
        found["occupancy"] = occupancy_costs()
    if "risk" in options.only:
        found["risk"] = risk_costs()
    found["targets"] = targets(found)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "bench.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    with (options.out / "bench.txt").open("w", encoding="utf-8") as file:
        both = [console, Console(file=file, width=200)]
        for table in tables(found):
            for target in both:
                target.print(table)
    if found.get("solve"):
        plot(found, options.out)


if __name__ == "__main__":
    main()
