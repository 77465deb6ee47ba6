"""Runs the tasks of a study: in parallel, with a progress bar, resumable.

What is finished is appended to ``STUDY.parquet.partial`` under a header: configuration, versions, and a hash of the
sources of mdplab, of the claims and of the study.  The same command goes on from there; another header starts anew.  A
task that fails is reported and costs no other; the partial file then stays, so that the same command tries that task
again.  Where a worker dies, the tasks that may have killed it are run one by one, each in a process of its own.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
import platform
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tqdm import tqdm

from experiments.sweeps.configuration import Settings
from experiments.sweeps.study import Parameters, Row, Study, task_name
from experiments.sweeps.table import read_provenance, write_table
from mdplab.claims.runner import Partial, check_output, source_hash
from mdplab.interrupts import raised

__all__ = ["Outcome", "provenance", "run"]

_PACKAGES = ("mdplab", "numpy", "scipy", "numba", "pandas", "pyarrow")
_SHARED = ("configuration", "runner", "study", "table")
_KEYS = frozenset({"id", "rows"})


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes
    ----------
    path : Path
        The Parquet file.
    tasks : int
        Number of tasks.
    kept : int
        Tasks that were not computed again.
    failed : dict
        What went wrong, by the names of the tasks.
    """

    path: Path
    tasks: int
    kept: int
    failed: dict[str, str]


def provenance(study: Study, configuration: Settings) -> dict[str, Any]:
    """What decides the rows of a study: equal provenance, equal rows.

    Parameters
    ----------
    study : Study
        The study.
    configuration : Settings
        Its configuration.

    Returns
    -------
    dict
        JSON types.
    """
    sources = hashlib.sha256(source_hash().encode())
    shared = (Path(__file__).with_name(f"{module}.py") for module in (*_SHARED, *study.also))
    for path in (*shared, Path(study.file)):
        sources.update(path.name.encode() + b"\0" + path.read_bytes())
    return {
        "study": study.name,
        "title": study.title,
        "command": f"python -m experiments.sweeps {study.name}",
        "seed": configuration.seed,
        "configuration": {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(configuration).items()
        },
        "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
        "system": f"{platform.system()} {platform.machine()}",
        "sources": sources.hexdigest(),
    }


def run(
    study: Study,
    configuration: Settings,
    path: Path,
    *,
    jobs: int = 1,
    options: str = "",
    on_discard: Callable[[], None] = lambda: None,
) -> Outcome:
    """Run a study, or what an earlier run of the same left to do, and write its table.

    Parameters
    ----------
    study : Study
        The study.
    configuration : Settings
        Its configuration.
    path : Path
        The Parquet file.
    jobs : int
        Number of worker processes, one thread each; it does not change the rows.
    options : str
        Options of the command line that decide the configuration, for the record.
    on_discard : callable
        Called if an earlier run is not taken over, because configuration, versions or sources differ.

    Returns
    -------
    Outcome

    Raises
    ------
    mdplab.claims.runner.OutputError
        If the file cannot be written, or another run is writing it.
    ValueError
        If two tasks of the study have the same parameters.
    """
    facts = provenance(study, configuration)
    facts["command"] += f" {options}" if options else ""
    tasks = {task_name(parameters): parameters for parameters in study.tasks(configuration)}
    if len(tasks) < sum(1 for _ in study.tasks(configuration)):
        raise ValueError(f"two tasks of {study.name} have the same parameters")
    earlier = read_provenance(path)
    if earlier == {**facts, "failed": {}}:
        return Outcome(path, len(tasks), len(tasks), {})
    check_output(path)
    failed: dict[str, str] = {}
    with Partial(path, facts, keys=_KEYS) as partial:
        if partial.discarded or (
            earlier is not None and earlier != {**facts, "failed": earlier.get("failed")}
        ):
            on_discard()
        open_tasks = {name: tasks[name] for name in tasks if name not in partial.finished}
        kept = len(tasks) - len(open_tasks)
        with tqdm(total=len(tasks), initial=kept, desc=study.name, unit="task", dynamic_ncols=True) as bar:
            for result in _results(study, configuration, open_tasks, jobs):
                if "problem" in result:
                    failed[result["id"]] = result["problem"]
                    bar.set_postfix_str(f"{len(failed)} failed")
                else:
                    partial.add(result)
                bar.update()
        rows = [row for name in tasks if name in partial.finished for row in partial.finished[name]["rows"]]
        write_table(rows, {**facts, "failed": failed}, path)
        if not failed:
            partial.remove()
    return Outcome(path, len(tasks), kept, failed)


def _results(
    study: Study, configuration: Settings, tasks: dict[str, Parameters], jobs: int
) -> Iterator[dict[str, Any]]:
    """Results of tasks as they come; a worker that dies takes no other task with it."""
    if jobs == 1:
        for parameters in tasks.values():
            yield _one(study, configuration, parameters)
        return
    left = dict(tasks)
    while left:
        try:
            for result in _in_workers(study, configuration, list(left.values()), jobs):
                del left[result["id"]]
                yield result
        except BrokenExecutor:
            # A task is handed out at most two for each worker ahead: the one that ended its worker is among these.
            for name in list(left)[: 3 * jobs]:
                try:
                    result = next(_in_workers(study, configuration, [left[name]], 2))
                except BrokenExecutor:
                    result = {"id": name, "problem": "the worker process died"}
                del left[name]
                yield result


def _in_workers(
    study: Study, configuration: Settings, tasks: list[Parameters], jobs: int
) -> Iterator[dict[str, Any]]:
    from joblib import Parallel, delayed, parallel_config

    with parallel_config("loky", inner_max_num_threads=1):
        # one task a batch: what is finished is written at once
        workers = Parallel(
            n_jobs=jobs, return_as="generator_unordered", batch_size=1, pre_dispatch="2*n_jobs"
        )
        yield from workers(delayed(_one)(study, configuration, parameters) for parameters in tasks)


def _one(study: Study, configuration: Settings, parameters: Parameters) -> dict[str, Any]:
    """The rows of one task, or what went wrong."""
    from threadpoolctl import threadpool_limits

    name = task_name(parameters)
    try:
        with threadpool_limits(1), raised():
            rows = [{**parameters, **_checked(row)} for row in study.rows(configuration, parameters)]
    except Exception as problem:
        return {"id": name, "problem": f"{type(problem).__name__}: {problem}"}
    return {"id": name, "rows": rows}


def _checked(row: Row) -> Row:
    """A row whose numbers are finite; a column that has no value in a row is None."""
    for key, value in row.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{key} is {value} in the row {row}")
    return row
