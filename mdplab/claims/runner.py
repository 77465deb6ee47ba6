"""Run many records: in parallel, with progress, resumable, into one JSON object.

The JSON file is one object ``{"run": ..., "records": [...]}``.  While a run goes on, finished records are appended to
``FILE.partial`` under a header (hash of the sources, versions, options, seed); only an equal header resumes; a finished
run replaces the file in one step and removes the partial one.  Subsets and the number of jobs change nothing.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cache
from importlib.metadata import entry_points, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

from mdplab.claims import registry
from mdplab.claims.check import check

__all__ = ["OutputError", "Partial", "check_output", "run", "source_hash", "write_json"]

_PACKAGES = ("numpy", "scipy", "numba", "cvxpy", "clarabel")
_RECORD_KEYS = frozenset({"id", "verdict", "expect", "parts", "known_values", "controls", "seconds"})


class OutputError(ValueError):
    """The file that a run should write cannot be written, or another run is writing it."""


def check_output(path: Path) -> None:
    """Make sure that a file can be written, before anything is computed.

    Parameters
    ----------
    path : Path
        The file; its folder is made.

    Raises
    ------
    OutputError
        If the path is something else than a file (a folder, a device), or its folder cannot be made or written.
    """
    if path.exists() and not path.is_file():
        raise OutputError(f"{path} exists and is not a regular file")
    if not path.name:
        raise OutputError("the name of the file is empty")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise OutputError(f"cannot make the folder {path.parent}: {problem.strerror}") from None
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"the folder {path.parent} cannot be written")


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
        The file; its folder is there.

    Raises
    ------
    ValueError
        If the content has a NaN or an infinity.
    """
    _replace(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


class Partial(AbstractContextManager["Partial"]):
    """The partial file of a run: finished records, one a line, under a header; locked while the run goes on.

    Parameters
    ----------
    path : Path
        The final file; the partial one has ``.partial`` appended.
    header : dict
        What must be equal for finished records to be taken over.
    keys : frozenset of str
        Keys of a finished record; ``"id"`` is one of them.

    Raises
    ------
    OutputError
        On entering, if another run holds the file.
    """

    def __init__(self, path: Path, header: dict[str, Any], *, keys: frozenset[str] = _RECORD_KEYS) -> None:
        self.path = path.with_name(path.name + ".partial")
        self.header = header
        self.keys = keys
        self.finished: dict[str, dict[str, Any]] = {}
        self.discarded = False
        self._stream: TextIO | None = None

    def __enter__(self) -> Partial:
        self._stream = self.path.open("a+", encoding="utf-8", errors="replace")
        try:
            _lock(self._stream)
        except OSError:
            self._stream.close()
            raise OutputError(f"another run is writing {self.path}") from None
        self._stream.seek(0)
        self._take_over(self._stream.read().splitlines())
        # rewritten, so that a line that was cut off does not meet the next one
        self._stream.seek(0)
        self._stream.truncate()
        for line in (self.header, *self.finished.values()):
            self._stream.write(json.dumps(line, allow_nan=False) + "\n")
        self._stream.flush()
        return self

    def __exit__(self, *error: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def _take_over(self, lines: list[str]) -> None:
        if not lines:
            return
        if _parsed(lines[0]) != self.header:
            self.discarded = True
            return
        for line in lines[1:]:
            record = _parsed(line)
            if isinstance(record, dict) and record.keys() >= self.keys:
                self.finished[record["id"]] = record

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


def _lock(stream: TextIO) -> None:
    """Lock an open file for this process; raises OSError if another one holds it."""
    try:
        import fcntl
    except ImportError:  # a system without advisory locks
        return
    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError:
        return None


def _check_one(identifier: str, options: dict[str, Any]) -> dict[str, Any]:
    from threadpoolctl import threadpool_limits

    registry.load()  # loads the libraries whose threads are limited
    with threadpool_limits(1):
        return check(registry.find(identifier), **options)


def run(
    identifiers: Sequence[str],
    *,
    instances: int | None = None,
    seed: int = 0,
    exact: bool = False,
    jobs: int = 1,
    path: Path | None = None,
    command: Sequence[str] = (),
    on_result: Callable[[dict[str, Any], bool], None] | None = None,
    on_discard: Callable[[], None] | None = None,
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
    exact : bool, default False
        Whether to check in exact arithmetic too.
    jobs : int
        Number of worker processes; each uses one thread.
    path : Path, optional
        JSON file to write; makes the run resumable.
    command : sequence of str
        The command line, for the record.
    on_result : callable, optional
        Called with each record as it comes, and with whether it was taken over from an interrupted run.
    on_discard : callable, optional
        Called if the partial file of an interrupted run is not taken over, because sources or options differ.

    Returns
    -------
    dict
        ``{"run": ..., "records": [...]}``.

    Raises
    ------
    OutputError
        If ``path`` cannot be written; nothing is computed then.
    """
    wanted = [identifier for identifier in registry.records() if identifier in set(identifiers)]
    options = {"instances": instances, "seed": seed, "exact": exact}
    facts = {
        "command": list(command),
        "options": {**options, "jobs": jobs},
        "seed": seed,
        "version": version("mdplab"),
        "digest": registry.digest(),
        "sources": source_hash(),
        "platform": {
            "python": platform.python_version(),
            "system": f"{platform.system()} {platform.machine()}",
            "packages": {name: version(name) for name in _PACKAGES},
        },
        "started": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    tell = on_result or (lambda result, kept: None)
    if path is None:
        done: dict[str, dict[str, Any]] = {}
        for result in _results(wanted, options, jobs):
            done[result["id"]] = result
            tell(result, False)
        return {"run": facts, "records": [done[identifier] for identifier in wanted]}
    check_output(path)
    with Partial(path, {"sources": source_hash(), "platform": facts["platform"], **options}) as partial:
        if partial.discarded and on_discard is not None:
            on_discard()
        kept = [identifier for identifier in wanted if identifier in partial.finished]
        for identifier in kept:
            tell(partial.finished[identifier], True)
        for result in _results([i for i in wanted if i not in partial.finished], options, jobs):
            partial.add(result)
            tell(result, False)
        content = {"run": facts, "records": [partial.finished[identifier] for identifier in wanted]}
        write_json(content, path)
        partial.remove()
    return content


def _results(identifiers: list[str], options: dict[str, Any], jobs: int) -> Iterator[dict[str, Any]]:
    if jobs == 1 or len(identifiers) <= 1:
        for identifier in identifiers:
            yield _check_one(identifier, options)
        return
    from joblib import Parallel, delayed, parallel_config

    sys.stdout.flush()
    with parallel_config("loky", inner_max_num_threads=1):
        # one record a batch: what is finished is written at once
        workers = Parallel(n_jobs=min(jobs, len(identifiers)), return_as="generator_unordered", batch_size=1)
        yield from workers(delayed(_check_one)(identifier, options) for identifier in identifiers)
