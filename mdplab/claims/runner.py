"""Run many records: in parallel, with progress, resumable, into one JSON object.

The JSON file is one object ``{"run": ..., "records": [...]}``.  While a run goes on, finished records are appended to
``FILE.partial`` under a header (hash of the sources, options, seed); only an equal header resumes; a finished run
replaces the file in one step and removes the partial one.  Subsets and the number of jobs change nothing.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache
from importlib.metadata import entry_points, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

from mdplab.claims import registry
from mdplab.claims.check import check

__all__ = ["Partial", "run", "source_hash", "write_json"]


@cache
def source_hash() -> str:
    """SHA-256 of the Python sources of mdplab and of every package that registers claims.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    summary = hashlib.sha256()
    packages = {"mdplab"} | {
        point.value.partition(".")[0] for point in entry_points(group=registry.ENTRY_POINT)
    }
    for package in sorted(packages):
        spec = find_spec(package)
        for root in sorted(spec.submodule_search_locations or []) if spec else []:
            for path in sorted(Path(root).rglob("*.py")):
                summary.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return summary.hexdigest()


def write_json(content: Any, path: Path) -> None:
    """Write JSON in one step: a reader never sees half a file.

    Parameters
    ----------
    content : object
        JSON types.
    path : Path
        The file; its folder is made.

    Raises
    ------
    ValueError
        If the content has a NaN or an infinity.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    os.replace(temporary, path)


class Partial(AbstractContextManager["Partial"]):
    """The partial file of a run: finished records, one a line, under a header.

    Parameters
    ----------
    path : Path
        The final file; the partial one has ``.partial`` appended.
    header : dict
        What must be equal for finished records to be taken over.
    """

    def __init__(self, path: Path, header: dict[str, Any]) -> None:
        self.path = path.with_name(path.name + ".partial")
        self.header = header
        self.finished: dict[str, dict[str, Any]] = {}
        self._stream: TextIO | None = None

    def __enter__(self) -> Partial:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.finished = self._read()
        lines = [self.header, *self.finished.values()]  # drops a line that was cut off
        write = "".join(json.dumps(line, allow_nan=False) + "\n" for line in lines)
        temporary = self.path.with_name(f"{self.path.name}.{os.getpid()}.tmp")
        temporary.write_text(write, encoding="utf-8")
        os.replace(temporary, self.path)
        self._stream = self.path.open("a", encoding="utf-8")
        return self

    def __exit__(self, *error: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return {}
        if not lines or _parsed(lines[0]) != self.header:
            return {}
        parsed = (_parsed(line) for line in lines[1:])
        return {record["id"]: record for record in parsed if record is not None}

    def add(self, result: dict[str, Any]) -> None:
        """Append a finished record.

        Parameters
        ----------
        result : dict
            The record.
        """
        assert self._stream is not None
        self._stream.write(json.dumps(result, allow_nan=False) + "\n")
        self._stream.flush()
        self.finished[result["id"]] = result

    def remove(self) -> None:
        """Remove the partial file."""
        self.path.unlink(missing_ok=True)


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


def _check_one(identifier: str, instances: int | None, seed: int) -> dict[str, Any]:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        return check(registry.find(identifier), instances=instances, seed=seed)


def run(
    identifiers: Sequence[str],
    *,
    instances: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    path: Path | None = None,
    command: Sequence[str] = (),
    on_result: Callable[[dict[str, Any], bool], None] | None = None,
) -> dict[str, Any]:
    """Check records and return the run object.

    Parameters
    ----------
    identifiers : sequence of str
        Ids of the records; the result keeps the order of the registry.
    instances : int, optional
        Random instances of each part; by default as many as each claim asks for.
    seed : int
        Seed of all random instances.
    jobs : int
        Number of worker processes; each uses one thread.
    path : Path, optional
        JSON file to write; makes the run resumable.
    command : sequence of str
        The command line, for the record.
    on_result : callable, optional
        Called with each record as it comes, and with whether it was taken over from an interrupted run.

    Returns
    -------
    dict
        ``{"run": ..., "records": [...]}``.
    """
    wanted = [identifier for identifier in registry.records() if identifier in set(identifiers)]
    options = {"instances": instances, "seed": seed}
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    header = {"sources": source_hash(), **options}
    if path is None:
        done: dict[str, dict[str, Any]] = {}
        for result in _results(wanted, instances, seed, jobs):
            done[result["id"]] = result
            if on_result is not None:
                on_result(result, False)
    else:
        with Partial(path, header) as partial:
            for identifier in wanted:
                if identifier in partial.finished and on_result is not None:
                    on_result(partial.finished[identifier], True)
            for result in _results([i for i in wanted if i not in partial.finished], instances, seed, jobs):
                partial.add(result)
                if on_result is not None:
                    on_result(result, False)
            done = partial.finished
    content = {
        "run": {
            "command": list(command),
            "options": {**options, "jobs": jobs},
            "seed": seed,
            "version": version("mdplab"),
            "digest": registry.digest(),
            "sources": source_hash(),
            "platform": {
                "python": platform.python_version(),
                "system": f"{platform.system()} {platform.machine()}",
                "packages": {name: version(name) for name in ("numpy", "scipy", "numba", "cvxpy")},
            },
            "started": started,
        },
        "records": [done[identifier] for identifier in wanted],
    }
    if path is not None:
        write_json(content, path)
        partial.remove()
    return content


def _results(identifiers: list[str], instances: int | None, seed: int, jobs: int) -> Any:
    if jobs == 1 or len(identifiers) <= 1:
        return (_check_one(identifier, instances, seed) for identifier in identifiers)
    from joblib import Parallel, delayed

    sys.stdout.flush()
    workers = Parallel(n_jobs=min(jobs, len(identifiers)), return_as="generator_unordered")
    return workers(delayed(_check_one)(identifier, instances, seed) for identifier in identifiers)
